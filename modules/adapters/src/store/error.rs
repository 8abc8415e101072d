//! How a store can fail.

use crate::{lock::LockError, publish, publish::PublishError, signals::Interrupted, there::LookError};
use backup_core::{Digest, Failure, GenerationId, Kind};
use std::{io, path::PathBuf};

/// What was asked of a store did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused to read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No sealed generation of this id.
    #[error("cannot find generation {id} in {}", store.display())]
    NotFound {
        /// The id.
        id: GenerationId,
        /// The stream's directory.
        store: PathBuf,
    },
    /// A sealed generation contradicts itself.
    #[error("generation {id} in {} is damaged: {why}", store.display())]
    Damaged {
        /// The id.
        id: GenerationId,
        /// The stream's directory.
        store: PathBuf,
        /// The first thing that does not match.
        why: String,
    },
    /// The id is taken by something else.
    #[error("cannot adopt generation {id} with digest {digest}: {} holds another one of that id", store.display())]
    Conflict {
        /// The id.
        id: GenerationId,
        /// The digest of the one that is offered.
        digest: Digest,
        /// The stream's directory.
        store: PathBuf,
    },
    /// A change did not happen.
    #[error(transparent)]
    Change(#[from] PublishError),
    /// Somebody else changes this directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The run was asked to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<LookError> for StoreError {
    fn from(LookError { path, source }: LookError) -> Self {
        Self::Read { path, source }
    }
}

impl Failure for StoreError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { source, .. } => publish::kind_of(source),
            Self::NotFound { .. } => Kind::NotFound,
            Self::Damaged { .. } => Kind::Damaged,
            Self::Conflict { .. } => Kind::Quarantined,
            Self::Change(error) => error.kind(),
            Self::Lock(error) => error.kind(),
            Self::Interrupted(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => None,
            Self::NotFound { .. } => Some("List what is there with `backup_rotate status`.".into()),
            Self::Damaged { .. } => {
                Some("Use another generation; keep this one until you know what damaged it.".into())
            }
            Self::Conflict { .. } => Some(
                "Two machines collect under this name, or one was rolled back: find out which before you move either."
                    .into(),
            ),
            Self::Change(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Interrupted(error) => error.hint(),
        }
    }
}
