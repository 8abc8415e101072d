//! What must hold before anything is stopped: sources are there, mounted and not empty; there is room.

use crate::error::{CollectError, Result};
use crate::limits::room_needed;
use backup_adapters::space;
use backup_core::job::{StreamOf, Tolerance};
use std::io::ErrorKind;
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
        match look(path)? {
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

fn look(path: &Path) -> Result<Look> {
    let failed = |action| move |source| CollectError::Io { action, path: path.to_owned(), source };
    let kind = match path.symlink_metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Look::Missing);
        }
        found => found.map_err(failed("inspect"))?.file_type(),
    };
    if !kind.is_dir() {
        return Ok(Look::Fine);
    }
    let mut entries = path.read_dir().map_err(failed("read"))?;
    Ok(if entries.next().is_none() { Look::Empty } else { Look::Fine })
}

/// Checks that `directory`'s file system has room for `estimate` more stored bytes, and for the files.
pub(crate) fn room(directory: &Path, estimate: u64) -> Result<()> {
    let failed = |source| CollectError::Io { action: "ask for free room", path: directory.to_owned(), source };
    let free = space::free(directory).map_err(failed)?;
    let short = |free, needed, unit| CollectError::NoRoom { path: directory.to_owned(), free, needed, unit };
    let needed = room_needed(estimate);
    if free.bytes < needed {
        return Err(short(free.bytes, needed, "bytes").into());
    }
    match free.inodes {
        Some(inodes) if inodes < FILES => Err(short(inodes, FILES, "files").into()),
        _ => Ok(()),
    }
}
