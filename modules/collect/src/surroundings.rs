//! What must hold before anything is stopped: sources are there, mounted and not empty; there is room.

use crate::error::{CollectError, Result};
use crate::limits::room_needed;
use crate::tree::named;
use backup_adapters::{space, there};
use backup_core::job::{StreamOf, Tolerance};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Files that a generation may need at most, besides patches: artifacts, catalog, manifest, seal, spool.
const FILES: u64 = 64;

/// Checks what a stream includes, as far as a look from outside tells; what the policy tolerates, the tree says.
pub(crate) fn sources(of: StreamOf<'_>) -> Result<()> {
    let checks = &of.stream.checks;
    for path in &checks.mounted {
        // A mount point that does not even exist is certainly not mounted.
        if !space::is_mount_point(path).unwrap_or(false) {
            return Err(CollectError::NotMounted(path.clone()).into());
        }
    }
    for path in &of.stream.include {
        match look(path, checks.unreadable)? {
            Look::Missing if checks.missing == Tolerance::Fail => {
                return Err(CollectError::Missing(path.clone()).into());
            }
            Look::Empty if checks.empty == Tolerance::Fail => return Err(CollectError::Empty(path.clone()).into()),
            Look::Missing | Look::Empty | Look::Fine => {}
        }
    }
    Ok(())
}

enum Look {
    Missing,
    Empty,
    Fine,
}

/// What cannot be looked into is the walk's to judge where the policy tolerates it.
fn look(path: &Path, unreadable: Tolerance) -> Result<Look> {
    let failed = |action, source| match unreadable {
        Tolerance::Allow => Ok(Look::Fine),
        Tolerance::Fail => Err(CollectError::Io { action, path: path.to_owned(), source }.into()),
    };
    let kind = match path.symlink_metadata() {
        Ok(found) => found.file_type(),
        Err(error) if there::is_gone(&error) => return Ok(Look::Missing),
        Err(error) => return failed("inspect", error),
    };
    if !kind.is_dir() {
        return Ok(Look::Fine);
    }
    match path.read_dir().map(|mut entries| entries.next().transpose()) {
        Ok(Ok(None)) => Ok(Look::Empty),
        Ok(Ok(Some(_))) => Ok(Look::Fine),
        Ok(Err(error)) | Err(error) => failed("read", error),
    }
}

/// Room that the streams of a run have asked for so far, by file system.
#[derive(Debug, Default)]
pub(crate) struct Room(HashMap<u64, u64>);

impl Room {
    /// Checks that `directory`'s file system has room for `estimate` more stored bytes, and for the files.
    pub(crate) fn take(&mut self, directory: &Path, estimate: u64) -> Result<()> {
        let failed = |source| CollectError::Io { action: "ask for free room", path: named(directory), source };
        let device = directory.metadata().map_err(failed)?.dev();
        let free = space::free(directory).map_err(failed)?;
        let short = |free, needed, unit| CollectError::NoRoom { path: named(directory), free, needed, unit };
        let together = self.0.get(&device).map_or(0, |&taken| taken).saturating_add(estimate);
        let needed = room_needed(together);
        if free.bytes < needed {
            return Err(short(free.bytes, needed, "bytes").into());
        }
        if let Some(inodes) = free.inodes.filter(|&inodes| inodes < FILES) {
            return Err(short(inodes, FILES, "files").into());
        }
        self.0.insert(device, together);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_share_the_room_of_a_file_system() {
        let free = space::free(Path::new("/tmp")).unwrap().bytes;
        let mut room = Room::default();
        room.take(Path::new("/tmp"), free / 2).unwrap();
        assert!(room.take(Path::new("/tmp"), free / 2).is_err());
        assert!(Room::default().take(Path::new("/tmp"), free / 2).is_ok());
    }
}
