//! `patches/<n>.parts`: where the changed blocks of a large file go.

use crate::{Mtime, escape, header};
use std::fmt::Write as _;
use std::ops::Range;

/// A patch: what the file is afterwards, and which bytes of it are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The member's name.
    pub path: Vec<u8>,
    /// Bytes of the whole new file.
    pub size: u64,
    /// Its time.
    pub mtime: Mtime,
    /// SHA-256 of the whole new file.
    pub sha256: [u8; 32],
    /// Ranges that are stored, ascending, joined where adjacent.
    pub ranges: Vec<Range<u64>>,
}

impl Parts {
    /// Adds a stored range, joining it to the last one if it follows it directly.
    pub fn push(&mut self, range: Range<u64>) {
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "path {}\nsize {}\nmtime {}\nsha256 {}\n",
            escape::escape(&self.path),
            self.size,
            header::time(self.mtime),
            hex::encode(self.sha256)
        );
        for range in &self.ranges {
            let _ = writeln!(text, "{} {}", range.start, range.end - range.start);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_as_documented() {
        let mtime = Mtime { seconds: 1_795_212_000, nanoseconds: 123_456_789 };
        let mut parts = Parts { path: b"srv/a b".to_vec(), size: 300_000, mtime, sha256: [0xab; 32], ranges: vec![] };
        for range in [0..65_536, 65_536..131_072, 262_144..300_000] {
            parts.push(range);
        }
        let digest = "ab".repeat(32);
        let expected = format!(
            "path srv/a\\0040b\nsize 300000\nmtime 1795212000.123456789\nsha256 {digest}\n0 131072\n262144 37856\n"
        );
        assert_eq!(parts.to_text(), expected);
    }
}
