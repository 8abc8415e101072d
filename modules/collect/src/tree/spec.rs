//! What is to be collected, and what came of it: the plain data at the edge of this folder.

use backup_archive::index::{Draft, Type};
use backup_core::Digest;
use backup_core::job::Tolerance;
use backup_core::manifest::{Artifact, Counts, Tree};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which paths are collected, and how.
#[derive(Debug, Clone)]
pub struct TreeSpec {
    /// Absolute paths of files and directories.
    pub include: Vec<PathBuf>,
    /// gitignore patterns, anchored at the root of the file system. They apply to what lies below the include paths,
    /// never to those themselves.
    pub exclude: Vec<String>,
    /// Stay on the file system of each include path; mount points are stored as empty directories.
    pub one_file_system: bool,
    /// Store FIFOs and device nodes.
    pub special_files: bool,
    /// zstd level, 1 to 19.
    pub level: i32,
    /// Files from this size on are stored as changed blocks in incrementals; at least 4 MiB.
    pub large_file: u64,
    /// An include path that does not exist.
    pub missing: Tolerance,
    /// An include directory without entries.
    pub empty: Tolerance,
    /// A file or directory that cannot be read.
    pub unreadable: Tolerance,
    /// Directories of our own (staging, stores) that are left out wherever they lie.
    pub skip: Vec<PathBuf>,
    /// Workers that read, hash and compress; at least 1.
    pub threads: usize,
}

impl TreeSpec {
    /// Whether the policy stores paths of this type.
    pub(super) const fn stores(&self, kind: Type) -> bool {
        self.special_files || !matches!(kind, Type::Fifo | Type::Character | Type::Block)
    }

    /// Everything is stored, everything tolerated, nothing included.
    #[cfg(test)]
    pub(super) const fn tolerant() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            one_file_system: true,
            special_files: true,
            level: 3,
            large_file: 5 << 20,
            missing: Tolerance::Allow,
            empty: Tolerance::Allow,
            unreadable: Tolerance::Allow,
            skip: Vec::new(),
            threads: 1,
        }
    }
}

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassStats {
    /// T0: the wall clock before anything was looked at.
    pub t0: Timestamp,
    /// Paths found.
    pub paths: u64,
    /// Paths read, because they were new or might have changed.
    pub read: u64,
    /// Bytes of contents read.
    pub read_bytes: u64,
}

/// What the cold pass would have to read if it came now, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Paths.
    pub paths: u64,
    /// Bytes to read while the services stand still; also the most that the spool will need.
    pub bytes: u64,
}

/// How far a pass or the finish is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Paths done.
    pub paths: u64,
    /// Bytes of contents done.
    pub bytes: u64,
}

/// One finished file of the generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredArtifact {
    /// For the manifest.
    pub artifact: Artifact,
    /// SHA-256 of the stored bytes: for the seal.
    pub sha256: Digest,
}

/// Everything that the manifest needs to know of the tree.
#[derive(Debug)]
pub struct TreeResult {
    /// The files written to staging, by artifact name; each is synced and was re-read from the medium.
    pub artifacts: BTreeMap<String, StoredArtifact>,
    /// What is stored.
    pub counts: Counts,
    /// What the source held.
    pub tree: Tree,
    /// T0 of the pass that counts (the last one).
    pub started_at: Timestamp,
    /// What the policy tolerated, and what changed while it was read.
    pub warnings: Vec<String>,
    /// The index of a full, to be stored when its digest is known; `None` for incrementals.
    pub index: Option<Draft>,
}
