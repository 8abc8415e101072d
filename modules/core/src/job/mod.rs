//! The job document: what a user declares about one thing to back up. One YAML document per job, the same on both sides.
//!
//! The types are the document: each key with its meaning and default. `parse` reads it strictly (from the tree that
//! `crate::document` makes), `check` refuses what is contradictory, `paths` answers what follows from several keys. Every
//! default of a path is spelt out in this folder and nowhere else.

mod check;
mod hooks;
pub mod objectives;
mod parse;
mod paths;
mod run;
mod service;
mod stream;
mod transport;

pub use hooks::{Command, Hooks, Restore};
pub use objectives::Objectives;
pub use paths::StreamOf;
pub use run::{IoClass, IoNice, Mail, Priority, Schedule, Step};
pub use service::Service;
pub use stream::{Checks, Codec, Dump, DumpTime, FullRule, Handover, Store, Stream, StreamName, Tolerance};
pub use transport::{Auth, Mode, Peer, Sink, Transport, Verify};

use crate::units::Span;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// One job document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Version of the document's schema: 1.
    pub version: u32,
    /// Name of the job: it names folders, cron files and locks.
    pub job: String,
    /// Jobs of a group are managed together.
    #[serde(default = "default_group")]
    pub group: String,
    /// Name of the source host: the folder on the sink.
    pub source: String,
    /// State on this host: locks, indexes of bases, the intent of a running collect.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Who is told of failures.
    #[serde(default)]
    pub mail: Mail,
    /// Scheduling priority of collect, transport, rotate and their children.
    #[serde(default)]
    pub priority: Priority,
    /// Stopped in this order before collecting and started in reverse.
    #[serde(default)]
    pub services: Vec<Service>,
    /// How long the services may stand still: beyond it the rescue starts them and the generation fails.
    #[serde(default = "default_max_downtime")]
    pub max_downtime: Span,
    /// Commands around collect.
    #[serde(default)]
    pub hooks: Hooks,
    /// What restore does besides putting files back.
    #[serde(default)]
    pub restore: Restore,
    /// Times of the cron entries, as cron writes them.
    #[serde(default)]
    pub schedule: Schedule,
    /// Promises from which times are derived where `schedule` gives none.
    #[serde(default)]
    pub objectives: Option<Objectives>,
    /// What is collected.
    pub streams: BTreeMap<StreamName, Stream>,
}

/// Where a job keeps its state unless it says otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/handover";

fn default_group() -> String {
    "default".into()
}

fn default_state() -> PathBuf {
    DEFAULT_STATE.into()
}

fn default_max_downtime() -> Span {
    Span(600)
}

impl Job {
    /// What it is called on its sink: `web1/shop`.
    pub fn name_at_sink(&self) -> String {
        format!("{}/{}", self.source, self.job)
    }

    /// A declared stream by name.
    pub fn stream(&self, name: StreamName) -> Option<StreamOf<'_>> {
        self.streams.get(&name).map(|stream| StreamOf { job: self, name, stream })
    }

    /// All declared streams, data first.
    pub fn streams(&self) -> impl Iterator<Item = StreamOf<'_>> {
        self.streams.iter().map(|(&name, stream)| StreamOf { job: self, name, stream })
    }

    /// This job's state directory on the source: `<state>/<job>`.
    pub fn state_dir(&self) -> PathBuf {
        self.state.join(&self.job)
    }

    /// The file that remembers this job's state on one side: `<state>/<job>.state.json` on the source,
    /// `<state>/<source>--<job>.state.json` on the sink. Beside the state directory and not in it: that is closed to all
    /// but root, and transport and rotation have to know the state.
    pub fn lifecycle_file(&self, is_sink: bool) -> PathBuf {
        let prefix = if is_sink { format!("{}--", self.source) } else { String::new() };
        self.state.join(format!("{prefix}{}.state.json", self.job))
    }
}
