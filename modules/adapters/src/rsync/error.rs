//! What rsync's exit statuses and last words mean.

use crate::command::CommandError;
use crate::ssh::{Peer, SshError};
use crate::there::LookError;
use backup_core::{Failure, Kind};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// Why the peer's forced command did not start its rsync: the only thing that it can say is a line on stderr, since
/// stdout belongs to rsync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Class.
    pub kind: Kind,
    /// What failed.
    pub msg: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl Refusal {
    const MARK: &str = "handover-refusal ";

    /// The line to print.
    pub fn line(&self) -> String {
        format!("{}{}", Self::MARK, serde_json::to_string(self).unwrap_or_default())
    }

    fn find(stderr: &str) -> Option<Self> {
        stderr.lines().find_map(|line| serde_json::from_str(line.trim().strip_prefix(Self::MARK)?).ok())
    }
}

/// A transfer that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum RsyncError {
    /// The peer's forced command refused it.
    #[error("{host}: {}", refusal.msg)]
    Refused {
        /// The peer.
        host: String,
        /// What it said.
        refusal: Refusal,
    },
    /// ssh had no session, or lost it.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// The connection was cut, or nothing came for too long.
    #[error("cannot finish the transfer with {host}: {reason}")]
    Cut {
        /// The peer.
        host: String,
        /// rsync's last words.
        reason: String,
    },
    /// One of the file systems is full.
    #[error("cannot finish the transfer with {host}: {reason}")]
    NoSpace {
        /// The peer.
        host: String,
        /// rsync's last words.
        reason: String,
    },
    /// The two rsyncs do not understand each other.
    #[error("cannot speak rsync's protocol with {host}: {reason}")]
    Protocol {
        /// The peer.
        host: String,
        /// rsync's last words.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("cannot transfer every file with {host}: {reason}")]
    Files {
        /// The peer.
        host: String,
        /// rsync's last words.
        reason: String,
    },
    /// rsync itself could not run, or was ended.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A name that is never transferred.
    #[error("cannot transfer a file called {0:?}")]
    Name(String),
    /// The client's command is not one of ours.
    #[error("cannot accept the transfer command: {0}")]
    Request(&'static str),
    /// What the receiver knows already cannot be laid out.
    #[error("cannot {action} {}: {source}", path.display())]
    Basis {
        /// A verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<LookError> for RsyncError {
    fn from(LookError { path, source }: LookError) -> Self {
        Self::Basis { action: "inspect", path, source }
    }
}

impl Failure for RsyncError {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused { refusal, .. } => refusal.kind,
            Self::Ssh(error) => error.kind(),
            Self::Cut { .. } => Kind::Unreachable,
            Self::NoSpace { .. } => Kind::NoSpace,
            Self::Protocol { .. } => Kind::VersionMismatch,
            Self::Files { .. } => Kind::Io,
            Self::Command(error) => error.kind(),
            Self::Name(_) | Self::Request(_) => Kind::Refused,
            Self::Basis { source, .. } => crate::publish::kind_of(source),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { refusal, .. } => refusal.hint.clone(),
            Self::Ssh(error) => error.hint(),
            Self::NoSpace { .. } => Some("Free room, or raise the quota, on the side that receives.".into()),
            Self::Protocol { .. } => Some("Install rsync 3.2 or newer on both hosts.".into()),
            Self::Command(error) => error.hint(),
            _ => None,
        }
    }
}

/// What the client's end means. `error` is its own failure; ssh's words and the server's are in its stderr.
pub(super) fn classify(peer: &Peer, error: CommandError) -> RsyncError {
    let stderr = error.stderr().to_owned();
    let host = peer.host.clone();
    // Once the server's rsync has run, all that its caller knows is an exit status; rsync's own words say more.
    if let Some(refusal) = Refusal::find(&stderr).filter(|refusal| refusal.kind != Kind::CommandFailed) {
        return RsyncError::Refused { host, refusal };
    }
    let reason = reason(&stderr);
    // A full disk shows on either side, under several statuses.
    if stderr.contains("No space left on device") || stderr.contains("Disk quota exceeded") {
        return RsyncError::NoSpace { host, reason };
    }
    match error.code() {
        Some(255) => RsyncError::Ssh(peer.classify(&stderr)),
        // ssh that ends at once shows as a broken stream.
        Some(10 | 12) => match peer.classify(&stderr) {
            denied @ SshError::Authentication { .. } => RsyncError::Ssh(denied),
            _ => RsyncError::Cut { host, reason },
        },
        // 19 and 20: the peer's rsync was ended by a signal.
        Some(5 | 19 | 20 | 30 | 35) => RsyncError::Cut { host, reason },
        Some(2 | 4) => RsyncError::Protocol { host, reason },
        Some(3 | 11 | 23 | 24) => RsyncError::Files { host, reason },
        _ => RsyncError::Command(error),
    }
}

/// The line that says most: the first of rsync's own, without the closing summary.
fn reason(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(Refusal::MARK));
    let cause = lines().find(|line| line.starts_with("rsync:") || line.starts_with("ssh:"));
    cause.or_else(|| lines().next_back()).unwrap_or("rsync ended without a word").to_owned()
}
