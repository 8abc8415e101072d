//! Why a state was not changed, beyond what core and the adapters say themselves.

use backup_core::{Failure, Kind};
use std::io;
use std::path::PathBuf;

/// What every step returns: any failure converts into it, with its kind and hint.
pub(crate) type Result<T> = std::result::Result<T, backup_interface::Failed>;

/// A change of state that did not happen, or did not end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// No job of this host is in the group.
    #[error("cannot find group {group:?}: no job of this host is in it")]
    NoGroup {
        /// What was asked for.
        group: String,
        /// The groups that there are.
        known: Vec<String>,
    },
    /// Everything would be deleted, and nobody said so.
    #[error("option confirm: {given} does not confirm that everything kept of {name} is deleted")]
    Unconfirmed {
        /// What was given.
        given: String,
        /// The job, or the group.
        name: String,
    },
    /// A collect or a restore that was cut short still needs what would be deleted.
    #[error("cannot terminate job {job}: {what} was cut short and is not recovered yet")]
    Unrecovered {
        /// The job.
        job: String,
        /// `a collect`, `a restore`.
        what: &'static str,
        /// What recovers it.
        command: &'static str,
    },
    /// The job is stopped, and something of it goes on.
    #[error("the stop is not finished, still under way: {}", busy.join(", "))]
    UnderWay {
        /// Which job, and who is at work.
        busy: Vec<String>,
    },
    /// A folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Failure for JobError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoGroup { .. } => Kind::NotFound,
            Self::Unconfirmed { .. } => Kind::InvalidOption,
            Self::Unrecovered { .. } => Kind::WrongState,
            Self::UnderWay { .. } => Kind::Locked,
            Self::Read { source, .. } => backup_adapters::publish::kind_of(source),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoGroup { known, .. } if known.is_empty() => Some("No job is declared on this host.".into()),
            Self::NoGroup { known, .. } => Some(format!("Groups of this host: {}.", known.join(", "))),
            Self::Unconfirmed { name, .. } => {
                Some(format!("Look with --check --diff at what would go, then give confirm: {name}."))
            }
            Self::Unrecovered { job, command, .. } => Some(format!("Run `{command} recover {job}` first.")),
            Self::UnderWay { .. } => {
                Some("Nothing new begins. The same call again waits on, as long as its option wait says.".into())
            }
            Self::Read { .. } => None,
        }
    }
}
