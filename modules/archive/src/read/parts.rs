//! `patches/<n>.parts`: which file changed blocks belong to, and where they go.

use super::{ReadError, Result};
use crate::entry::check_path;
use crate::{Mtime, escape};
use std::str::FromStr;

/// One large file stored as its changed blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The file, as in the catalog.
    pub path: Vec<u8>,
    /// Bytes of the whole new file.
    pub size: u64,
    /// Of the new file.
    pub mtime: Mtime,
    /// Of the whole new file.
    pub sha256: [u8; 32],
    /// Offset and length of each run of changed bytes, in the order in which the blocks are stored.
    pub runs: Vec<(u64, u64)>,
}

impl Parts {
    /// Reads the text of the artifact `name`.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if it is not of the documented form, an unsafe path, or a run beyond the size.
    pub fn parse(name: &str, text: &[u8]) -> Result<Self> {
        let damaged = |why: &str| ReadError::damaged(name, why);
        let text = std::str::from_utf8(text).map_err(|_| damaged("not text"))?;
        let mut lines = text.strip_suffix('\n').ok_or_else(|| damaged("no final newline"))?.split('\n');
        let mut head = |key: &str| {
            let value = lines.next().and_then(|line| line.split_once(' ')).filter(|(found, _)| *found == key);
            value.map(|(_, value)| value).ok_or_else(|| damaged(&format!("no {key}")))
        };
        let path = escape::unescape(head("path")?).ok_or_else(|| damaged("a path with a wrong escape"))?;
        check_path(&path)?;
        let size = head("size")?.parse().map_err(|_| damaged("a size that is not a number"))?;
        let mtime = head("mtime")?.split_once('.').and_then(|(seconds, nanoseconds)| {
            let (seconds, nanoseconds) = (seconds.parse().ok()?, nanoseconds.parse().ok()?);
            (nanoseconds < 1_000_000_000).then_some(Mtime { seconds, nanoseconds })
        });
        let mtime = mtime.ok_or_else(|| damaged("an mtime that is not a time"))?;
        let mut sha256 = [0; 32];
        hex::decode_to_slice(head("sha256")?, &mut sha256).map_err(|_| damaged("a sha256 that is not one"))?;
        let mut runs = Vec::new();
        for line in lines {
            let run = line.split_once(' ').and_then(|(offset, length)| number(offset).zip(number(length)));
            let run = run.filter(|(offset, length)| offset.checked_add(*length).is_some_and(|end| end <= size));
            runs.push(run.ok_or_else(|| damaged("a run that is not within the file"))?);
        }
        Ok(Self { path, size, mtime, sha256, runs })
    }
}

fn number(text: &str) -> Option<u64> {
    u64::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::{Failure, Kind};

    fn text(path: &str, runs: &str) -> String {
        format!("path {path}\nsize 200000\nmtime 12.000000005\nsha256 {}\n{runs}", "ab".repeat(32))
    }

    #[test]
    fn what_is_documented_is_read() {
        let parts = Parts::parse("p", text("srv/a\\0040b", "0 65536\n131072 68928\n").as_bytes()).unwrap();
        assert_eq!(parts.path, b"srv/a b");
        assert_eq!((parts.size, parts.mtime), (200_000, Mtime { seconds: 12, nanoseconds: 5 }));
        assert_eq!(parts.runs, [(0, 65_536), (131_072, 68_928)]);
        assert!(Parts::parse("p", text("a", "").as_bytes()).unwrap().runs.is_empty());
    }

    #[test]
    fn anything_else_is_refused() {
        for runs in ["0 200001\n", "0\n", "x 1\n", "18446744073709551615 2\n", "0 5"] {
            assert_eq!(Parts::parse("p", text("a", runs).as_bytes()).unwrap_err().kind(), Kind::Damaged, "{runs}");
        }
        for path in ["../a", "/a", "a//b"] {
            assert_eq!(Parts::parse("p", text(path, "").as_bytes()).unwrap_err().kind(), Kind::UnsafeArchive, "{path}");
        }
        assert!(Parts::parse("p", b"size 1\n").is_err());
    }
}
