//! The tree that is there, in the order of a catalog.

use backup_adapters::there::is_gone;
use backup_archive::order;
use std::ffi::OsStr;
use std::fs::FileType;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Lists paths below some roots, directories right before what they hold, and asks the system for no more than lists of names: what
/// else there is to know of a path costs a call, for which several threads are there. Sockets are left out: they are never stored, and a
/// restored application makes its own.
#[derive(Debug)]
pub(crate) struct Walk {
    top: PathBuf,
    /// Still to be visited, the next one last; of a root it is not known yet what it is.
    waiting: Vec<(Vec<u8>, Option<FileType>)>,
    /// What was given last, whose contents are still to be visited if it is a directory.
    entered: Option<Vec<u8>>,
}

impl Walk {
    /// `roots` are catalog names below the directory `top`, in catalog order. A root that is not there is left out.
    pub(crate) fn new(top: &Path, roots: &[Vec<u8>]) -> Self {
        let waiting = roots.iter().rev().map(|root| (root.clone(), None)).collect();
        Self { top: top.to_owned(), waiting, entered: None }
    }

    /// Where a catalog name lies.
    pub(crate) fn locate(&self, path: &[u8]) -> PathBuf {
        self.top.join(OsStr::from_bytes(path))
    }

    /// Leaves out what the path that was given last holds.
    pub(crate) fn skip_contents(&mut self) {
        self.entered = None;
    }

    /// The next path, and what its directory said that it is. What vanishes meanwhile may be among them or not.
    pub(crate) fn next_path(&mut self) -> io::Result<Option<(Vec<u8>, FileType)>> {
        if let Some(directory) = self.entered.take() {
            self.enter(&directory)?;
        }
        while let Some((path, kind)) = self.waiting.pop() {
            let kind = match kind.map_or_else(|| Ok(self.locate(&path).symlink_metadata()?.file_type()), Ok) {
                Err(error) if is_gone(&error) => continue,
                kind => kind?,
            };
            self.entered = kind.is_dir().then(|| path.clone());
            return Ok(Some((path, kind)));
        }
        Ok(None)
    }

    fn enter(&mut self, directory: &[u8]) -> io::Result<()> {
        let entries = match std::fs::read_dir(self.locate(directory)) {
            Err(error) if is_gone(&error) => return Ok(()),
            entries => entries?,
        };
        let start = self.waiting.len();
        for entry in entries {
            let entry = entry?;
            // A file system that does not tell it with the name is asked.
            let kind = match entry.file_type() {
                Err(error) if is_gone(&error) => continue,
                kind => kind?,
            };
            if !kind.is_socket() {
                self.waiting.push(([directory, b"/", entry.file_name().as_bytes()].concat(), Some(kind)));
            }
        }
        self.waiting[start..].sort_unstable_by(|(a, _), (b, _)| order::compare(b, a));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_in_the_order_of_a_catalog() {
        let room = tempfile::tempdir().unwrap();
        for directory in ["r/a/b", "r/a.b", "r/c", "q"] {
            std::fs::create_dir_all(room.path().join(directory)).unwrap();
        }
        for file in ["r/a/b/f", "r/a-b", "r/c/skipped", "other"] {
            std::fs::write(room.path().join(file), "").unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(room.path().join("r/socket")).unwrap();
        let mut walk = Walk::new(room.path(), &[b"none".to_vec(), b"q".to_vec(), b"r".to_vec()]);
        let mut found = Vec::new();
        while let Some((path, _)) = walk.next_path().unwrap() {
            if path == b"r/c" {
                walk.skip_contents();
            }
            found.push(String::from_utf8(path).unwrap());
        }
        assert_eq!(found, ["q", "r", "r/a", "r/a/b", "r/a/b/f", "r/a-b", "r/a.b", "r/c"]);
    }
}
