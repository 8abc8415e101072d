//! The order of members: component by component, bytes compared, so that a directory comes right before what it holds.

use std::cmp::Ordering;

/// Compares two member names (no leading slash, no empty components).
///
/// The same as comparing the lists of components, without building them: the first differing byte decides, and a
/// separator is less than every byte of a name.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let common = a.iter().zip(b).position(|(x, y)| x != y);
    match common {
        None => a.len().cmp(&b.len()),
        Some(at) => match (a[at], b[at]) {
            (b'/', _) => Ordering::Less,
            (_, b'/') => Ordering::Greater,
            (x, y) => x.cmp(&y),
        },
    }
}

/// Whether `path` is `top` or lies below it.
pub fn is_within(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The directory that holds `path`; `None` for a name without a separator.
pub fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|&byte| byte == b'/').map(|at| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_components(a: &[u8], b: &[u8]) -> Ordering {
        a.split(|&c| c == b'/').cmp(b.split(|&c| c == b'/'))
    }

    #[test]
    fn a_directory_comes_right_before_what_it_holds() {
        let mut names: Vec<&[u8]> = vec![b"a.b", b"a/b", b"a", b"a-b", b"a/b/c", b"b", b"a/b\n", b"a\x01"];
        names.sort_by(|a, b| compare(a, b));
        let expected: Vec<&[u8]> = vec![b"a", b"a/b", b"a/b/c", b"a/b\n", b"a\x01", b"a-b", b"a.b", b"b"];
        assert_eq!(names, expected);
    }

    #[test]
    fn within_and_parent_look_at_whole_components() {
        assert!(is_within(b"a/b", b"a") && is_within(b"a", b"a"));
        assert!(!is_within(b"ab", b"a") && !is_within(b"a", b"a/b"));
        assert_eq!(parent(b"a/b/c"), Some(&b"a/b"[..]));
        assert_eq!(parent(b"a"), None);
    }

    proptest! {
        #[test]
        fn equals_comparing_components(a in "[a-c./\u{1}-]{0,8}", b in "[a-c./\u{1}-]{0,8}") {
            prop_assert_eq!(compare(a.as_bytes(), b.as_bytes()), by_components(a.as_bytes(), b.as_bytes()));
        }
    }
}
