//! Why a generation cannot be read.

use crate::EntryError;
use backup_core::{Failure, Kind};
use std::io;

/// Why a generation cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The medium or the reader that was handed in gave an error.
    #[error("cannot read {what}: {source}")]
    Io {
        /// Which artifact.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes are not what was collected, or not of the documented form.
    #[error("{what} is damaged: {why}")]
    Damaged {
        /// Which artifact.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// A line of a catalog is not acceptable.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl ReadError {
    pub(super) fn damaged(what: &str, why: impl Into<String>) -> Self {
        Self::Damaged { what: what.to_owned(), why: why.into() }
    }

    /// An error that came through [`io::Read`] while `what` was read: ours keep their meaning.
    pub fn from_io(what: &str, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::damaged(what, "it ends too early");
        }
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(source) => Self::Io { what: what.to_owned(), source },
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl Failure for ReadError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { .. } => Kind::Io,
            Self::Damaged { .. } => Kind::Damaged,
            Self::Entry(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self.kind() {
            Kind::Damaged => Some("Fetch this generation again from where it is intact, or choose another one.".into()),
            Kind::UnsafeArchive => Some("Do not trust this generation: Handover does not write such names.".into()),
            _ => None,
        }
    }
}
