//! Why a tree could not be collected.

use backup_adapters::publish::{PublishError, kind_of};
use backup_archive::index::IndexError;
use backup_core::exclude::BadPattern;
use backup_core::{Failure, Kind};
use std::io;
use std::path::{Path, PathBuf};

/// A tree could not be collected; nothing of this generation counts.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The system refused something on our own side: staging, the spool.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or directory of the source cannot be read, and the policy does not allow that.
    #[error("cannot {action} {}: {source}", path.display())]
    Unreadable {
        /// A verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An include path does not exist.
    #[error("cannot collect {}: it does not exist", .0.display())]
    Missing(PathBuf),
    /// An include directory has no entries.
    #[error("cannot collect {}: it is empty", .0.display())]
    Empty(PathBuf),
    /// An include path is neither a file nor a directory.
    #[error("cannot collect {}: it is {what}", path.display())]
    NotCollectable {
        /// The include path.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// An exclude pattern is malformed.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// What was written does not read back.
    #[error("cannot verify {}: {why}", path.display())]
    Verify {
        /// The artifact.
        path: PathBuf,
        /// What differs.
        why: String,
    },
    /// The index of the base, which was whole a moment ago, cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A durable step failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The watcher asked to stop.
    #[error("the collection was interrupted")]
    Interrupted,
}

/// A path for a reader: one that leads through an open directory of ours is told by that directory's name.
pub(crate) fn named(path: &Path) -> PathBuf {
    let inside = || {
        let number = path.strip_prefix("/proc/self/fd").ok()?.components().next()?;
        let open = Path::new("/proc/self/fd").join(number);
        let rest = path.strip_prefix(&open).ok()?;
        let directory = std::fs::read_link(&open).ok()?;
        Some(if rest.as_os_str().is_empty() { directory } else { directory.join(rest) })
    };
    inside().unwrap_or_else(|| path.to_owned())
}

impl TreeError {
    /// What was written does not read back.
    pub(crate) fn damaged(path: &Path, why: impl std::fmt::Display) -> Self {
        Self::Verify { path: named(path), why: why.to_string() }
    }

    /// Names what was done to our own file when the system refused.
    pub(crate) fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { action, path: named(path), source }
    }
}

impl Failure for TreeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } => kind_of(source),
            Self::Unreadable { .. } | Self::Missing(_) | Self::Empty(_) | Self::NotCollectable { .. } => {
                Kind::SourceInvalid
            }
            Self::Pattern(_) => Kind::InvalidJob,
            Self::Verify { .. } => Kind::Damaged,
            Self::Index(error) => error.kind(),
            Self::Publish(error) => error.kind(),
            Self::Interrupted => Kind::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { path, .. } if self.kind() == Kind::NoSpace => {
                Some(format!("Free room on the file system of {}.", path.display()))
            }
            Self::Unreadable { .. } => {
                Some("Make it readable, exclude it, or set `checks: {unreadable: allow}` for the stream.".into())
            }
            Self::Missing(_) => Some(
                "Mount or create it, remove it from `include`, or set `checks: {missing: allow}` for the stream."
                    .into(),
            ),
            Self::Empty(_) => Some(
                "Check that it is mounted, or set `checks: {empty: allow}` for the stream if it may be empty.".into(),
            ),
            Self::NotCollectable { .. } => Some("Include the file or directory itself.".into()),
            Self::Pattern(_) => Some(BadPattern::REMEDY.into()),
            Self::Verify { .. } | Self::Index(_) => Some("Check this host's disk and memory; then run again.".into()),
            Self::Publish(error) => error.hint(),
            Self::Io { .. } | Self::Interrupted => None,
        }
    }
}
