//! Where a file with holes has data, in the form of GNU sparse 1.0.

use std::fmt::Write as _;
use std::ops::Range;

/// A map of more bytes is thinned out: small holes are stored as zeros instead.
const MAX_MAP: usize = 2 << 20;

/// The data of a file with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseMap {
    size: u64,
    data: Vec<Range<u64>>,
}

impl SparseMap {
    /// A map of a file of `size` bytes whose data are these ranges, ascending. Adjacent ones are joined and what lies
    /// beyond the size is cut off. `None` if there is no hole.
    pub fn new(size: u64, ranges: impl IntoIterator<Item = Range<u64>>) -> Option<Self> {
        let mut data: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            let range = range.start.min(size)..range.end.min(size);
            match data.last_mut() {
                _ if range.is_empty() => {}
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => data.push(range),
            }
        }
        let mut map = Self { size, data };
        let mut least_hole = 4096;
        while map.to_bytes().len() > MAX_MAP {
            least_hole *= 2;
            map.fill_holes_below(least_hole);
        }
        (map.data_bytes() < size).then_some(map)
    }

    fn fill_holes_below(&mut self, least: u64) {
        self.data.dedup_by(|next, last| {
            let fill = next.start - last.end < least;
            if fill {
                last.end = next.end;
            }
            fill
        });
    }

    /// Bytes of the file, holes included.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The ranges that have data.
    pub fn data(&self) -> &[Range<u64>] {
        &self.data
    }

    /// Bytes of data.
    pub fn data_bytes(&self) -> u64 {
        self.data.iter().map(|range| range.end - range.start).sum()
    }

    /// The map as it precedes the data in the member: decimal lines, padded to whole blocks.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A hole at the end needs an empty range there: extraction sets the size by it.
        let end = (self.data.last().is_none_or(|last| last.end < self.size)).then_some(self.size..self.size);
        let mut text = format!("{}\n", self.data.len() + usize::from(end.is_some()));
        for range in self.data.iter().chain(&end) {
            let _ = write!(text, "{}\n{}\n", range.start, range.end - range.start);
        }
        let mut bytes = text.into_bytes();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_end_with_the_size_if_the_file_ends_with_a_hole() {
        let text = |map: &SparseMap| String::from_utf8(map.to_bytes()).unwrap().trim_end_matches('\0').to_owned();
        let map = SparseMap::new(100, [10..20, 20..30, 50..60]).unwrap();
        assert_eq!(text(&map), "3\n10\n20\n50\n10\n100\n0\n");
        assert_eq!(map.data_bytes(), 30);
        assert_eq!(text(&SparseMap::new(100, std::iter::once(90..200)).unwrap()), "1\n90\n10\n");
        assert_eq!(text(&SparseMap::new(100, []).unwrap()), "1\n100\n0\n");
        assert_eq!(map.to_bytes().len(), 512);
    }

    #[test]
    fn a_file_without_holes_has_no_map() {
        assert_eq!(SparseMap::new(100, [0..50, 50..100]), None);
        assert_eq!(SparseMap::new(100, std::iter::once(0..200)), None);
    }

    #[test]
    fn a_map_of_very_many_holes_is_thinned_out() {
        let scattered = (0..400_000u64).map(|n| n * 8192..n * 8192 + 4096);
        let map = SparseMap::new(u64::MAX, scattered).unwrap();
        assert!(map.to_bytes().len() <= MAX_MAP);
        assert_eq!(map.data().last().unwrap().end, 399_999 * 8192 + 4096);
    }
}
