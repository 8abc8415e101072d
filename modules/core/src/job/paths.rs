//! What follows from several keys of a document: paths, users and keys where they are not given.

use super::{Job, Mode, Stream, StreamName};
use crate::retention::Policy;
use std::path::PathBuf;

/// A stream together with its name: what has defaults that depend on the name or on other settings is asked here.
#[derive(Debug, Clone, Copy)]
pub struct StreamOf<'a> {
    /// The job.
    pub job: &'a Job,
    /// Which stream.
    pub name: StreamName,
    /// As declared.
    pub stream: &'a Stream,
}

impl StreamOf<'_> {
    /// Owner of the stream's folders on the source.
    pub fn user(&self) -> &str {
        self.stream.user.as_deref().unwrap_or(match self.name {
            StreamName::Data => "dataBackupSource",
            StreamName::Logs => "logBackupSource",
        })
    }

    /// Root of the handover point.
    pub fn handover_root(&self) -> PathBuf {
        self.stream.handover.path.clone().unwrap_or_else(|| home(self.user()).join("handover"))
    }

    /// Root of the source's store.
    pub fn store_root(&self) -> PathBuf {
        self.stream.store.path.clone().unwrap_or_else(|| home(self.user()).join("store"))
    }

    /// Root of the restore folder.
    pub fn restore_root(&self) -> PathBuf {
        self.stream.restore_folder.clone().unwrap_or_else(|| home(self.user()).join("restore"))
    }

    /// What the source's store keeps.
    pub fn store_retention(&self) -> Policy {
        self.stream.store.retention.clone().unwrap_or_else(|| Policy {
            generations: Some(match self.name {
                StreamName::Data => 1,
                StreamName::Logs => 0,
            }),
            ..Policy::default()
        })
    }

    /// Home of the sink's folders.
    pub fn sink_home(&self) -> PathBuf {
        self.stream.sink.home.clone().unwrap_or_else(|| home(&self.stream.sink.user))
    }

    /// Root of the sink's store of this source: `<home>/store/<source>`.
    pub fn sink_store_root(&self) -> PathBuf {
        self.sink_home().join("store").join(&self.job.source)
    }

    /// Where arriving files are written: `<home>/incoming/<source>`.
    pub fn incoming_root(&self) -> PathBuf {
        self.sink_home().join("incoming").join(&self.job.source)
    }

    /// Where arrived files are hashed: `<home>/verifying/<source>`.
    pub fn verifying_root(&self) -> PathBuf {
        self.sink_home().join("verifying").join(&self.job.source)
    }

    /// The user that begins the transport on its own host.
    pub fn own_user(&self) -> &str {
        match self.stream.transport.mode {
            Mode::Push => self.user(),
            Mode::Pull => &self.stream.sink.user,
        }
    }

    /// The login on the peer.
    pub fn peer_user(&self) -> &str {
        self.stream.transport.peer.user.as_deref().unwrap_or(match self.stream.transport.mode {
            Mode::Push => &self.stream.sink.login,
            Mode::Pull => self.user(),
        })
    }

    /// The private key to log in with: one per job, because a key in `authorized_keys` is bound to one job.
    /// Default `/home/<own user>/.ssh/handover-<job>_ed25519` (push), `…/handover-<source>--<job>_ed25519` (pull).
    pub fn identity(&self) -> PathBuf {
        let name = match self.stream.transport.mode {
            Mode::Push => self.job.job.clone(),
            Mode::Pull => format!("{}--{}", self.job.source, self.job.job),
        };
        let default = || home(self.own_user()).join(format!(".ssh/handover-{name}_ed25519"));
        self.stream.transport.peer.identity.clone().unwrap_or_else(default)
    }
}

fn home(user: &str) -> PathBuf {
    PathBuf::from("/home").join(user)
}
