//! Reading `patches/<n>.parts`: which file changed blocks belong to, and where they go.

use super::{ReadError, Result};
use crate::entry::check_path;
use crate::parts::Parts;
use crate::{Mtime, escape};
use std::ops::Range;

/// Reads the text of the artifact `name`.
///
/// # Errors
/// [`ReadError::Damaged`] if it is not of the documented form, an unsafe path, or a range beyond the size.
pub fn parse(name: &str, text: &[u8]) -> Result<Parts> {
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
    let mtime = time(head("mtime")?).ok_or_else(|| damaged("an mtime that is not a time"))?;
    let mut sha256 = [0; 32];
    hex::decode_to_slice(head("sha256")?, &mut sha256).map_err(|_| damaged("a sha256 that is not one"))?;
    let ranges = lines.map(|line| range(line, size)).collect::<Option<Vec<_>>>();
    let ranges = ranges.ok_or_else(|| damaged("a range that is not within the file"))?;
    if ranges.windows(2).any(|two| two[1].start < two[0].end) {
        return Err(damaged("ranges out of order"));
    }
    Ok(Parts { path, size, mtime, sha256, ranges })
}

/// `<seconds>.<nine digits>`, as `touch -d @…` reads it; before 1970 the whole number is negative.
fn time(text: &str) -> Option<Mtime> {
    let (seconds, nanoseconds) = text.split_once('.').unwrap_or((text, "0"));
    let nanoseconds: u32 = format!("{nanoseconds:0<9}").parse().ok().filter(|part| *part < 1_000_000_000)?;
    let whole: i64 = seconds.parse().ok()?;
    Some(match (seconds.starts_with('-'), nanoseconds) {
        (true, 1..) => Mtime { seconds: whole.checked_sub(1)?, nanoseconds: 1_000_000_000 - nanoseconds },
        _ => Mtime { seconds: whole, nanoseconds },
    })
}

fn range(line: &str, size: u64) -> Option<Range<u64>> {
    let (offset, length) = line.split_once(' ')?;
    let (offset, length) = (number(offset)?, number(length).filter(|length| *length > 0)?);
    let end = offset.checked_add(length).filter(|end| *end <= size)?;
    Some(offset..end)
}

/// As we write it: `dd`, which reads it in `restore.sh`, takes other spellings for something else.
fn number(text: &str) -> Option<u64> {
    let is_plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::{Failure, Kind};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            path in "[a-z \n]{1,9}", seconds in -9_999_999i64..9_999_999, nanoseconds in 0u32..1_000_000_000,
            starts in proptest::collection::btree_set(0u64..1000, 0..9)
        ) {
            let mtime = Mtime { seconds, nanoseconds };
            let ranges = starts.iter().map(|start| start * 1000..start * 1000 + 999).collect();
            let parts = Parts { path: path.into_bytes(), size: 1_000_000, mtime, sha256: [7; 32], ranges };
            prop_assert_eq!(parse("p", parts.to_text().as_bytes()).unwrap(), parts);
        }
    }

    fn text(path: &str, ranges: &str) -> String {
        format!("path {path}\nsize 200000\nmtime 12.000000005\nsha256 {}\n{ranges}", "ab".repeat(32))
    }

    #[test]
    fn anything_else_is_refused() {
        let (order, overlap) = ("10 5\n0 5\n", "0 5\n4 5\n");
        for ranges in
            ["0 200001\n", "0\n", "x 1\n", "18446744073709551615 2\n", "0 5", "98 00000\n", "+1 2\n", order, overlap]
        {
            assert_eq!(parse("p", text("a", ranges).as_bytes()).unwrap_err().kind(), Kind::Damaged, "{ranges}");
        }
        for path in ["../a", "/a", "a//b"] {
            assert_eq!(parse("p", text(path, "").as_bytes()).unwrap_err().kind(), Kind::UnsafeArchive, "{path}");
        }
        assert!(parse("p", b"size 1\n").is_err());
    }
}
