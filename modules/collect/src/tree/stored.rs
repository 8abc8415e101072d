//! A member that was read, and where its bytes wait for the finish.

use super::stat::Attributes;
use backup_archive::Mtime;
use backup_archive::sparse::SparseMap;
use std::sync::Arc;

/// A member that was read.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// T0 of the pass that read it.
    pub(super) t0: Mtime,
    /// Nothing moved while it was read.
    pub(super) settled: bool,
    /// As [`backup_archive::index::Record::content`].
    pub(super) content: [u8; 32],
    pub(super) attributes: Attributes,
    /// Where a symbolic link points.
    pub(super) target: Box<[u8]>,
    /// Equal to the base in everything; decided where it may have to be stored nevertheless.
    pub(super) like_base: bool,
    pub(super) place: Place,
}

/// Where the bytes of a member wait for the finish.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The member's bytes (headers, contents, padding) within a frame of the work file.
    Frame { frame: u32, skip: u32, length: u32 },
    /// The member's bytes in the spool.
    Spool { at: u64, length: u32 },
    /// A large file.
    Large(Arc<Large>),
}

/// A large file in runs of [`backup_archive::group::RUN`] bytes of its own offsets.
#[derive(Debug)]
pub(super) struct Large {
    pub(super) sparse: Option<SparseMap>,
    /// Only blocks that differ from the base are stored.
    pub(super) patch: bool,
    /// The frames of all runs, one after the other, are exactly the member.
    pub(super) whole: bool,
    pub(super) runs: Vec<Run>,
    /// The first 16 bytes of the SHA-256 of each 64 KiB block.
    pub(super) blocks: Vec<u8>,
}

/// The stored bytes of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) place: RunPlace,
    /// Stored bytes of contents.
    pub(super) length: u32,
    /// Patches: bit n is set if the run's n-th block is stored.
    pub(super) mask: u64,
}

/// Where the stored bytes of a run are.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunPlace {
    /// There are none: a hole, or nothing changed.
    Nothing,
    /// In a frame of the work file, after `skip` bytes of headers, followed by `padding`.
    Frame { frame: u32, skip: u32, padding: u32 },
    /// In the spool.
    Spool { at: u64 },
}
