//! How a rotation can fail, beyond what the adapters say themselves.

use backup_adapters::lifecycle::StateError;
use backup_adapters::store::StoreError;
use backup_adapters::users::UserError;
use backup_core::retention::RetentionError;
use backup_core::{Failure, GenerationId, Kind, StreamName};

/// A rotation that did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The store belongs to somebody else.
    #[error("cannot rotate {stream} of {job} as {actual}: the store belongs to {wanted}")]
    WrongUser {
        /// The job.
        job: String,
        /// The stream.
        stream: StreamName,
        /// Who we are.
        actual: String,
        /// Whose store it is.
        wanted: String,
    },
    /// The policy must not be executed.
    #[error(transparent)]
    Policy(#[from] RetentionError),
    /// The store cannot be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not known whether the job is active, or it is not.
    #[error(transparent)]
    State(#[from] StateError),
    /// The account cannot be used.
    #[error(transparent)]
    User(#[from] UserError),
    /// The system could not read everything. Nothing was deleted: what cannot be seen may be what a deletion relies on, or needs.
    #[error("cannot read all of {store}: {}", list(found))]
    Unreadable {
        /// Job and stream.
        store: String,
        /// Each generation of which something could not be read, and what the system said.
        found: Vec<(GenerationId, String)>,
    },
    /// Re-reading found damage. What could be deleted safely all the same was deleted.
    #[error("damaged in {store}: {}", list(found))]
    Damaged {
        /// Job and stream.
        store: String,
        /// Each damaged generation, and what is wrong with it.
        found: Vec<(GenerationId, String)>,
    },
}

fn list(found: &[(GenerationId, String)]) -> String {
    found.iter().map(|(id, why)| format!("{id} ({why})")).collect::<Vec<_>>().join(", ")
}

impl Failure for RotateError {
    fn kind(&self) -> Kind {
        match self {
            Self::WrongUser { .. } => Kind::Permission,
            Self::Policy(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::State(error) => error.kind(),
            Self::User(error) => error.kind(),
            Self::Unreadable { .. } => Kind::Io,
            Self::Damaged { .. } => Kind::Damaged,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::WrongUser { wanted, .. } => Some(format!("Run as {wanted} or as root.")),
            Self::Policy(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::State(error) => error.hint(),
            Self::User(error) => error.hint(),
            Self::Unreadable { .. } => Some(
                "Check the disk. Nothing is deleted before everything can be read again, or what cannot is moved out of the store.".into(),
            ),
            Self::Damaged { .. } => Some(
                "Find out what damaged the medium, and make a new full. A damaged generation no longer counts and displaces nothing."
                    .into(),
            ),
        }
    }
}
