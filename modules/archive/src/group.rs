//! Where the sorted members are cut into groups: by names and sizes, never by contents, so that a change in one file
//! moves no other frame.

use sha2::{Digest as _, Sha256};

/// No group of more than one member is heavier.
pub const MAX_GROUP: u64 = 4 << 20;
/// No group ends by chance before this weight.
const MIN_GROUP: u64 = 64 << 10;
/// The weight, on average, by which a group then goes on. One change costs a transport the whole group, and more bytes lie
/// in heavy groups than in light ones: the less their weights vary, the less it costs. But a group's beginning only
/// comes back into step after an inserted name where both cuts may end.
const FURTHER: u64 = 80 << 10;
/// Files above this size are groups of their own, stored in runs.
pub const LARGE: u64 = 4 << 20;
/// Bytes of a large file per frame.
pub const RUN: u64 = 4 << 20;
/// Unit of patches and of the catalog's `blocks`.
pub const PATCH_BLOCK: u64 = 64 << 10;
/// Plain bytes from which a writer ends a frame within a group: long names and many attributes are not part of the
/// weight, and readers refuse frames above 16 MiB.
pub const MAX_FRAME: usize = 8 << 20;

/// What a member weighs for the cut: three header blocks and the contents in whole blocks (`size` is 0 for all but
/// regular files).
pub const fn weight(size: u64) -> u64 {
    3 * 512 + size.next_multiple_of(512)
}

/// Cuts a sequence of members, one after the other.
#[derive(Debug, Default)]
pub struct Cutter {
    /// Weight of the open group; 0: none is open.
    open: u64,
}

impl Cutter {
    /// Takes the next member and says whether a new group begins with it.
    pub fn begins(&mut self, path: &[u8], size: u64) -> bool {
        let weight = weight(size);
        let large = size > LARGE;
        let begins = self.open == 0 || large || self.open + weight > MAX_GROUP;
        if begins {
            self.open = 0;
        }
        self.open += weight;
        if large || (self.open >= MIN_GROUP && chosen(path, weight)) {
            self.open = 0;
        }
        begins
    }
}

/// Whether a group ends after this member: with a probability of its weight by [`FURTHER`], decided by its name.
fn chosen(path: &[u8], weight: u64) -> bool {
    let hash = Sha256::digest(path);
    let first = u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]));
    first < (weight << 32) / FURTHER
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn groups(members: &[(String, u64)]) -> Vec<Vec<(String, u64)>> {
        let mut cutter = Cutter::default();
        let mut groups: Vec<Vec<_>> = Vec::new();
        for member in members {
            if cutter.begins(member.0.as_bytes(), member.1) {
                groups.push(Vec::new());
            }
            groups.last_mut().unwrap().push(member.clone());
        }
        groups
    }

    fn members(count: usize, size: impl Fn(usize) -> u64) -> Vec<(String, u64)> {
        (0..count).map(|n| (format!("srv/file{n:06}"), size(n))).collect()
    }

    #[test]
    fn groups_have_about_as_much_as_the_format_says() {
        let groups = groups(&members(20_000, |n| (n as u64 * 7919) % 30_000));
        let total: u64 = groups.iter().flatten().map(|(_, size)| weight(*size)).sum();
        let average = total / groups.len() as u64;
        assert!((130 << 10..170 << 10).contains(&average), "{average}");
    }

    #[test]
    fn large_files_are_alone() {
        let mut all = members(9, |_| 10);
        all[4].1 = LARGE + 1;
        let groups = groups(&all);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [4, 1, 4]);
    }

    #[test]
    fn one_more_file_leaves_almost_all_groups_alone() {
        let before = members(20_000, |n| (n as u64 * 7919) % 30_000);
        let mut after = before.clone();
        after.insert(10_000, ("srv/file009999a".to_owned(), 5000));
        let (before, after) = (groups(&before), groups(&after));
        let moved = after.iter().filter(|group| !before.contains(group)).count();
        assert!(moved <= 4, "{moved} of {}", after.len());
    }

    proptest! {
        #[test]
        fn no_group_is_too_heavy(sizes in proptest::collection::vec(0u64..3_000_000, 1..60)) {
            let all = members(sizes.len(), |n| sizes[n]);
            let groups = groups(&all);
            prop_assert_eq!(groups.concat(), all);
            for group in groups {
                prop_assert!(group.iter().map(|(_, size)| weight(*size)).sum::<u64>() <= MAX_GROUP);
            }
        }
    }
}
