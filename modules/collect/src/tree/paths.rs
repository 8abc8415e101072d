//! The names of many paths, one after the other.

use super::nodes::Nodes;
use backup_archive::order;
use std::cmp::Ordering;

/// Names path after path, from the first to the last: each shares most of its name with the one before.
#[derive(Debug, Default)]
pub(super) struct Paths {
    path: Vec<u8>,
    /// The paths around the last one and itself, and how long the name of each is.
    around: Vec<(u32, usize)>,
}

impl Paths {
    /// The member's name of a path that is not before the last one.
    pub(super) fn of(&mut self, nodes: &Nodes, at: u32) -> &[u8] {
        if self.around.last().is_some_and(|&(last, _)| last == at) {
            return &self.path;
        }
        let parent = nodes.parent(at);
        while self.around.last().is_some_and(|&(last, _)| Some(last) != parent) {
            self.around.pop();
        }
        if let Some(&(_, length)) = self.around.last() {
            self.path.truncate(length);
            self.path.push(b'/');
            self.path.extend_from_slice(nodes.name(at));
        } else {
            nodes.path_after(&[], at, &mut self.path);
            if let Some(parent) = parent {
                self.around.push((parent, self.path.len() - nodes.name(at).len() - 1));
            }
        }
        self.around.push((at, self.path.len()));
        &self.path
    }
}

/// Finds names that come in path order, each in one step from the last.
#[derive(Debug, Default)]
pub(super) struct Finder {
    paths: Paths,
    at: u32,
}

impl Finder {
    /// The path of this name, which is not before the last one.
    pub(super) fn find(&mut self, nodes: &Nodes, name: &[u8]) -> Option<u32> {
        while self.at < nodes.len() {
            match order::compare(self.paths.of(nodes, self.at), name) {
                Ordering::Less => self.at += 1,
                Ordering::Equal => return Some(self.at),
                Ordering::Greater => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::stat::Stat;
    use super::*;
    use backup_archive::Mtime;
    use backup_archive::index::{Tuple, Type};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn directory() -> Stat {
        let time = Mtime::default();
        let tuple = Tuple { size: 0, mtime: time, ctime: time, ino: 1, dev: 1 };
        Stat { kind: Type::Directory, mode: 0o755, uid: 0, gid: 0, tuple, rdev: 0, linked: false }
    }

    /// Pushes a path that is named by itself and all below it, as a walk does that leaves `others` to their own.
    fn walk(nodes: &mut Nodes, top: &str, tree: &BTreeSet<Vec<&str>>, others: &BTreeSet<String>) {
        let mark = nodes.mark();
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for path in tree {
            let text = path.join("/");
            let parent = path[..path.len() - 1].join("/");
            let inside = seen.get(&parent).copied();
            if text == top {
                seen.insert(text.clone(), nodes.push(None, text.as_bytes(), &directory(), true));
            } else if let Some(parent) = inside.filter(|_| !others.contains(&text)) {
                let name = path.last().unwrap().as_bytes();
                seen.insert(text, nodes.push(Some(parent), name, &directory(), true));
            }
        }
        nodes.settle(mark);
    }

    proptest! {
        /// The model is a sorted set of paths.
        #[test]
        fn paths_named_one_within_another_are_in_order(
            tops in proptest::collection::btree_set("[ab](/[ab.]){0,3}", 1..5),
            below in proptest::collection::vec("(/[a-c.]){1,3}", 0..20),
        ) {
            let mut tree: BTreeSet<Vec<&str>> = BTreeSet::new();
            let all: Vec<String> = tops.iter().flat_map(|top| below.iter().map(move |rest| format!("{top}{rest}"))).collect();
            for path in tops.iter().chain(&all) {
                let parts: Vec<&str> = path.split('/').collect();
                for length in 1..=parts.len() {
                    tree.insert(parts[..length].to_vec());
                }
            }
            let mut nodes = Nodes::default();
            let mut order: Vec<&String> = tops.iter().collect();
            order.sort_by(|a, b| order::compare(a.as_bytes(), b.as_bytes()));
            for top in order {
                walk(&mut nodes, top, &tree, &tops);
            }
            let wanted: Vec<String> = tree
                .iter()
                .map(|path| path.join("/"))
                .filter(|path| tops.iter().any(|top| order::is_within(path.as_bytes(), top.as_bytes())))
                .collect();
            let mut paths = Paths::default();
            let found: Vec<String> =
                nodes.all().map(|at| String::from_utf8(paths.of(&nodes, at).to_vec()).unwrap()).collect();
            prop_assert_eq!(&found, &wanted);
            let mut some = Paths::default();
            for at in nodes.all() {
                prop_assert_eq!(nodes.path(at), found[at as usize].as_bytes());
                prop_assert_eq!(nodes.find(found[at as usize].as_bytes()), Some(at));
                let around = order::parent(found[at as usize].as_bytes());
                prop_assert_eq!(nodes.parent(at), around.and_then(|around| nodes.find(around)));
                if at % 3 == 0 {
                    prop_assert_eq!(some.of(&nodes, at), found[at as usize].as_bytes());
                }
            }
            prop_assert_eq!(nodes.find(b"zz"), None);
        }
    }
}
