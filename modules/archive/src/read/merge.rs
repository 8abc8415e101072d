//! A base and an incremental as one sequence: what becomes of each path.

use super::{Catalog, Plain, ReadError, Result};
use crate::entry::check_path;
use crate::{Entry, Place, order};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::io::Read;

/// The paths that an incremental says are gone.
#[derive(Debug, Default)]
pub struct Deleted(HashSet<Vec<u8>>);

impl Deleted {
    /// Reads `deleted.list` whole; it is not compressed, so its size is that of its file.
    ///
    /// # Errors
    /// [`ReadError`]: unreadable, not terminated, an unsafe path, or a digest that does not match.
    pub fn read(mut source: Plain) -> Result<Self> {
        let mut bytes = Vec::new();
        let what = source.name().to_owned();
        source.read_to_end(&mut bytes).map_err(|error| ReadError::from_io(&what, error))?;
        source.finish()?;
        let mut paths = HashSet::new();
        if let Some(list) = bytes.strip_suffix(&[0]) {
            for path in list.split(|&byte| byte == 0) {
                check_path(path)?;
                paths.insert(path.to_owned());
            }
        } else if !bytes.is_empty() {
            return Err(ReadError::damaged(&what, "its last path is not terminated"));
        }
        Ok(Self(paths))
    }

    /// Whether `path` or a directory above it is gone.
    pub fn covers(&self, path: &[u8]) -> bool {
        !self.0.is_empty()
            && std::iter::successors(Some(path), |path| order::parent(path)).any(|path| self.0.contains(path))
    }
}

/// What becomes of a path that a catalog lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is part of what is restored.
    Final,
    /// Of the base: the incremental has the path itself.
    Replaced,
    /// Of the base: the incremental has it as changed blocks of these contents.
    Patched,
    /// Of the base: gone.
    Gone,
}

/// One line of one of both catalogs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The line.
    pub entry: Entry,
    /// Whether the base's catalog has it; else the generation's own.
    pub of_base: bool,
    /// What becomes of it.
    pub fate: Fate,
}

/// Both catalogs in one order; for a path that both have, the base's line comes first. A full has no base.
pub struct Merge {
    own: Catalog,
    base: Option<Catalog>,
    deleted: Deleted,
    own_next: Option<Entry>,
    base_next: Option<Entry>,
}

impl Merge {
    /// Begins to read both.
    ///
    /// # Errors
    /// [`ReadError`] of the first lines.
    pub fn new(mut own: Catalog, mut base: Option<Catalog>, deleted: Deleted) -> Result<Self> {
        let own_next = own.next_entry()?;
        let base_next = base.as_mut().map(Catalog::next_entry).transpose()?.flatten();
        Ok(Self { own, base, deleted, own_next, base_next })
    }

    /// The next line, or `None` after the last of both.
    ///
    /// # Errors
    /// [`ReadError`] of either catalog.
    pub fn next_step(&mut self) -> Result<Option<Step>> {
        let which = match (&self.base_next, &self.own_next) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(base), Some(own)) => order::compare(&base.path, &own.path),
        };
        if which == Ordering::Greater {
            return self.own().map(|entry| entry.map(|entry| Step { entry, of_base: false, fate: Fate::Final }));
        }
        let fate = match &self.own_next {
            Some(Entry { place: Place::Patch(_), .. }) if which == Ordering::Equal => Fate::Patched,
            Some(_) if which == Ordering::Equal => Fate::Replaced,
            _ if self.base_next.as_ref().is_some_and(|base| self.deleted.covers(&base.path)) => Fate::Gone,
            _ => Fate::Final,
        };
        let next = self.base.as_mut().map(Catalog::next_entry).transpose()?.flatten();
        let entry = std::mem::replace(&mut self.base_next, next);
        Ok(entry.map(|entry| Step { entry, of_base: true, fate }))
    }

    fn own(&mut self) -> Result<Option<Entry>> {
        let next = self.own.next_entry()?;
        Ok(std::mem::replace(&mut self.own_next, next))
    }

    /// The next path of the restored tree.
    ///
    /// # Errors
    /// As [`Self::next_step`].
    pub fn next_final(&mut self) -> Result<Option<Entry>> {
        loop {
            match self.next_step()? {
                None => return Ok(None),
                Some(Step { entry, fate: Fate::Final, .. }) => return Ok(Some(entry)),
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EntryKind, Mtime};
    use backup_core::manifest::Artifact;
    use backup_core::{Digest, Failure, Kind};
    use std::collections::BTreeMap;
    use std::io::Cursor;

    fn plain(name: &str, bytes: Vec<u8>) -> Plain {
        let length = bytes.len() as u64;
        let expected = Artifact { bytes: length, plain_bytes: length, plain_sha256: Digest::of(&bytes) };
        Plain::open(name, Cursor::new(bytes), &expected).unwrap()
    }

    fn catalog(paths: &[&str]) -> Catalog {
        let mut bytes = Vec::new();
        for path in paths {
            let (path, place) = match path.strip_prefix('%') {
                Some(path) => (path, Place::Patch(1)),
                None => (*path, Place::At { frame: 0, skip: 0 }),
            };
            let entry = Entry {
                path: path.into(),
                kind: EntryKind::File { size: 0, sha256: [0; 32], blocks: None },
                mode: 0,
                uid: 0,
                gid: 0,
                user: None,
                group: None,
                mtime: Mtime::default(),
                xattrs: BTreeMap::default(),
                place,
            };
            entry.write_line(&mut bytes);
        }
        Catalog::new(plain("catalog", bytes)).unwrap()
    }

    impl Catalog {
        /// Reads all entries.
        fn all(mut self) -> Result<usize> {
            let mut count = 0;
            while self.next_entry()?.is_some() {
                count += 1;
            }
            Ok(count)
        }
    }

    fn steps(own: &[&str], base: &[&str], deleted: &str) -> Vec<String> {
        let deleted = Deleted::read(plain("deleted.list", deleted.into())).unwrap();
        let mut merge = Merge::new(catalog(own), Some(catalog(base)), deleted).unwrap();
        let mut found = Vec::new();
        while let Some(step) = merge.next_step().unwrap() {
            let path = String::from_utf8(step.entry.path).unwrap();
            found.push(format!("{path} {} {:?}", if step.of_base { "base" } else { "own" }, step.fate));
        }
        found
    }

    #[test]
    fn each_path_has_one_fate() {
        let found = steps(&["a", "%b", "d/n", "z"], &["a", "b", "c", "d", "d/e", "d/e/f", "d.x"], "c\0d/e\0");
        let expected = [
            "a base Replaced",
            "a own Final",
            "b base Patched",
            "b own Final",
            "c base Gone",
            "d base Final",
            "d/e base Gone",
            "d/e/f base Gone",
            "d/n own Final",
            "d.x base Final",
            "z own Final",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_full_is_its_own_catalog() {
        let mut merge = Merge::new(catalog(&["a", "b"]), None, Deleted::default()).unwrap();
        assert_eq!(merge.next_final().unwrap().unwrap().path, b"a");
        assert_eq!(merge.next_final().unwrap().unwrap().path, b"b");
        assert!(merge.next_final().unwrap().is_none() && merge.next_final().unwrap().is_none());
    }

    #[test]
    fn disorder_and_unsafe_lists_are_refused() {
        for paths in [["b", "a"], ["a", "a"], ["a.b", "a/b"]] {
            let all = catalog(&paths).all().unwrap_err();
            assert_eq!(all.kind(), Kind::Damaged, "{paths:?}");
        }
        // The error may come before entries that were right: far into the catalog, too.
        let names: Vec<_> = (0..9000).map(|n| format!("f{n:06}")).collect();
        let mut paths: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(catalog(&paths).all().unwrap(), paths.len());
        paths.swap(8000, 8001);
        assert_eq!(catalog(&paths).all().unwrap_err().kind(), Kind::Damaged);
        for (list, kind) in [("../a\0", Kind::UnsafeArchive), ("/a\0", Kind::UnsafeArchive), ("a", Kind::Damaged)] {
            assert_eq!(Deleted::read(plain("deleted.list", list.into())).unwrap_err().kind(), kind, "{list}");
        }
    }
}
