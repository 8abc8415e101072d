//! Which files are names of one file, on both sides.

use backup_archive::{Entry, EntryKind};
use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What a path is a name of.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    /// Device and inode.
    inode: (u64, u64),
    /// It has further names.
    is_shared: bool,
}

impl File {
    /// What the system says.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { inode: (metadata.dev(), metadata.ino()), is_shared: metadata.nlink() > 1 }
    }
}

/// What was seen so far, in catalog order.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Of the catalog's files that have further names here: their file.
    first: HashMap<Vec<u8>, (u64, u64)>,
    /// Files whose first name was seen.
    seen: HashSet<(u64, u64)>,
}

impl Links {
    /// Whether a path is a further name of another one, and should not be, or should, and is not. It is of the same type on both sides.
    pub(super) fn differ(&mut self, entry: &Entry, file: File) -> bool {
        match &entry.kind {
            EntryKind::Hardlink { target } => self.first.get(target) != Some(&file.inode),
            EntryKind::Directory => false,
            _ if file.is_shared => {
                self.first.insert(entry.path.clone(), file.inode);
                !self.seen.insert(file.inode)
            }
            _ => false,
        }
    }
}
