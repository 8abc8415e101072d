//! How a collection can fail, beyond what the adapters say themselves.

use crate::limits::Implausible;
use backup_adapters::command::CommandError;
use backup_core::{Failure, Kind, StreamName};
use std::path::PathBuf;
use std::time::Duration;

/// Everything in this crate fails with the interface's erased failure: any typed error turns into it with `?`.
pub(crate) type Result<T> = std::result::Result<T, backup_interface::Failed>;

/// A reason not to seal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    /// The document is that of a sink.
    #[error("option job: {job:?} is kept here; it is collected on {host}")]
    NotHere {
        /// As given.
        job: String,
        /// Its source.
        host: String,
    },
    /// A file could not be read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bound of the handover point is reached.
    #[error("the handover point {} holds {waiting} generations, {keep} may wait", path.display())]
    HandoverFull {
        /// The stream's directory.
        path: PathBuf,
        /// So many wait.
        waiting: usize,
        /// `handover.keep`.
        keep: u32,
    },
    /// A restore was cut short; its own recovery has to come first.
    #[error("an interrupted restore of job {0} has not been finished or undone")]
    RestorePending(String),
    /// Another window of this job is open although nobody collects.
    #[error("the services of job {0} are stopped by another run")]
    WindowOpen(String),
    /// An include path does not exist.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// An include directory has no entries.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// A path that must be a mount point is none.
    #[error("{} is not mounted", .0.display())]
    NotMounted(PathBuf),
    /// Too little was found.
    #[error("stream {stream} is implausibly small: {why}")]
    Implausible {
        /// The stream.
        stream: StreamName,
        /// Compared with what.
        why: Implausible,
    },
    /// Not enough room for what will be written.
    #[error("{} has room for {free} {unit}, about {needed} are needed", path.display())]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// So much is free.
        free: u64,
        /// So much is needed.
        needed: u64,
        /// `bytes` or `files`.
        unit: &'static str,
    },
    /// A dump's command failed.
    #[error("dump {name}: {source}")]
    Dump {
        /// The dump's name.
        name: String,
        /// How its command failed.
        source: CommandError,
    },
    /// A dump's command succeeded and wrote nothing.
    #[error("dump {0}: the command wrote nothing")]
    EmptyDump(String),
    /// What changed since the last warm pass cannot be read within `max_downtime`.
    #[error("stream {stream}: {bytes} bytes changed meanwhile; with them the standstill would take about {} s, more than max_downtime", predicted.as_secs())]
    TooMuchToRead {
        /// The stream.
        stream: StreamName,
        /// So much has changed.
        bytes: u64,
        /// So long all that stands still together would take.
        predicted: Duration,
    },
    /// Services that were on did not start again.
    #[error("the services did not start again: {0}")]
    NotStarted(String),
    /// A step came before the one that it builds on.
    #[error("a generation is finished before it was begun")]
    NotStaged,
}

impl Failure for CollectError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } => backup_adapters::publish::kind_of(source),
            Self::NotHere { .. } => Kind::InvalidOption,
            Self::HandoverFull { .. } => Kind::HandoverFull,
            Self::Missing(_)
            | Self::Empty(_)
            | Self::NotMounted(_)
            | Self::Implausible { .. }
            | Self::RestorePending(_) => Kind::SourceInvalid,
            Self::WindowOpen(_) => Kind::Locked,
            Self::NoRoom { .. } => Kind::NoSpace,
            // One that we ended, or could not start, keeps its own kind.
            Self::Dump { source, .. } if source.kind() != Kind::CommandFailed => source.kind(),
            Self::Dump { .. } | Self::EmptyDump(_) => Kind::DumpFailed,
            Self::TooMuchToRead { .. } => Kind::WindowBroken,
            Self::NotStarted(_) => Kind::ServiceStart,
            Self::NotStaged => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotHere { host, .. } => format!("Call it on {host}."),
            Self::HandoverFull { .. } => {
                "Find out why the transport does not take them; nothing is overwritten, and nothing new is collected until it does.".into()
            }
            Self::RestorePending(job) => format!("Run `backup_restore recover {job}`, and look why it fails."),
            Self::WindowOpen(_) => "Wait until it has ended.".into(),
            Self::Missing(path) | Self::Empty(path) => {
                let check = if matches!(self, Self::Missing(_)) { "missing" } else { "empty" };
                format!("Bring {} back, or set checks.{check}: allow.", path.display())
            }
            Self::NotMounted(path) => format!("Mount {}.", path.display()),
            Self::Implausible { why: Implausible::Small { .. }, .. } => {
                "If that little is right, lower checks.min_size.".into()
            }
            Self::Implausible { stream, why: Implausible::Shrunk { .. } } => format!(
                "If that much was removed on purpose, run once with max_shrink=100%; if it may happen every time, raise streams.{stream}.checks.max_shrink."
            ),
            Self::NoRoom { path, .. } => format!("Free room on the file system of {}.", path.display()),
            Self::EmptyDump(_) => "If nothing is a valid dump, set checks.empty: allow.".into(),
            Self::TooMuchToRead { .. } => {
                "Nothing was stopped. Raise max_downtime, collect at a quieter time, or declare what changes so much as a dump."
                    .into()
            }
            Self::NotStarted(_) => "Start them by hand and look into their logs; what was sealed is good.".into(),
            Self::Dump { source, .. } => return source.hint(),
            Self::Io { .. } | Self::NotStaged => return None,
        })
    }
}
