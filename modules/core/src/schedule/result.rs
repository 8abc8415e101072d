//! What a plan says: entries to install, what each job attains, and the proof. It is what modules print, as it is.

use crate::{GenerationKind, StreamName, retention::Policy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The plan of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The source.
    pub source: String,
    /// Its time zone.
    pub zone: String,
    /// Begin of the horizon, local time.
    pub from: String,
    /// End of the horizon, local time.
    pub until: String,
    /// Whether no check failed.
    pub feasible: bool,
    /// The first moment at which a promise does not hold, as a story.
    pub counter_example: Option<String>,
    /// Cron entries of all hosts.
    pub entries: Vec<Entry>,
    /// What each stream attains.
    pub streams: Vec<Attained>,
    /// The proof.
    pub checks: Vec<Check>,
}

impl Plan {
    /// The source first; the order of jobs and purposes stays.
    pub(super) fn sort_entries(&mut self) {
        let source = &self.source;
        self.entries.sort_by(|a, b| (a.host != *source, &a.host).cmp(&(b.host != *source, &b.host)));
    }
}

/// What is planned of a sink that many sources share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkPlan {
    /// The sink.
    pub sink: String,
    /// Its time zone, in which the checks tell times.
    pub zone: String,
    /// So many sources use it.
    pub sources: usize,
    /// Whether no check failed.
    pub feasible: bool,
    /// The proof: `parallel`, `bandwidth`, `space`.
    pub checks: Vec<Check>,
}

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Collect.
    Collect,
    /// Collect what was missed.
    CatchUp,
    /// Transport, with verification and rotation at its end.
    Transport,
    /// Transport what was not ready at its time.
    Again,
    /// Rotate apart from transports.
    Rotate,
    /// Read a sink's copies again.
    Verify,
    /// Restore on another machine.
    Drill,
    /// Take a snapshot of a database's head.
    Snapshot,
    /// Take a checkpoint.
    Checkpoint,
}

/// One cron entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// On which host.
    pub host: String,
    /// As which user.
    pub user: String,
    /// For which job, as that host names it.
    pub job: String,
    /// What it is for.
    pub purpose: Purpose,
    /// The stream, if it is about one.
    pub stream: Option<StreamName>,
    /// What a collection is asked to be; `None`: a full where it is due, else an incremental.
    pub kind: Option<GenerationKind>,
    /// The five fields.
    pub cron: String,
    /// The command: executable and arguments.
    pub command: String,
    /// Whether it can be installed: false for what is planned only, until it exists.
    pub install: bool,
    /// Why it runs then.
    pub why: String,
}

/// What a stream of a job attains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attained {
    /// The job.
    pub job: String,
    /// Its stream.
    pub stream: StreamName,
    /// Its sink.
    pub sink: String,
    /// The greatest age that the newest verified copy's data reach, in seconds, with the tolerated runs missed.
    pub effective_rpo: Option<i64>,
    /// So many seconds later its transports could begin without breaking the RPO: the freedom to place them among all that
    /// use a sink. `None`: no RPO is declared.
    pub freedom: Option<i64>,
    /// The moment before which it is reached first, local time.
    pub worst: Option<String>,
    /// Collections within the horizon.
    pub collections: usize,
    /// What the sink keeps: as declared, or derived from `objectives.history`.
    pub retention: Policy,
    /// Whether it is derived, and has to be installed with the job's document.
    pub retention_derived: bool,
    /// For how long each collection can be restored at least, in seconds; `None`: nothing expires within the horizon.
    pub restorable: Option<i64>,
    /// What waits for transport at the most.
    pub handover_point: Held,
    /// So many generations the handover point takes; then collect refuses.
    pub handover_keep: u32,
    /// What the source store holds at the most.
    pub source_store: Held,
    /// What the source store keeps.
    pub source_retention: Policy,
    /// What the sink's store holds at the most.
    pub sink_store: Held,
}

/// What a place holds at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Fulls when it has the most generations, bases included.
    pub fulls: u32,
    /// Incrementals at that time.
    pub incrementals: u32,
    /// Bytes at the most; `None`: sizes are neither declared nor measured.
    pub bytes: Option<u64>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It holds over the whole horizon.
    Ok,
    /// It holds, and something about it should be known.
    Warning,
    /// It cannot be told: something is neither declared nor measured.
    Unknown,
    /// It does not hold: the plan is refused.
    Failed,
}

/// One part of the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What is checked: one of the names in docs/planning.md.
    pub check: String,
    /// The job, if it is about one.
    pub job: Option<String>,
    /// The stream, if it is about one.
    pub stream: Option<StreamName>,
    /// What else it is about: the other job of a clash, or the sink without room.
    #[serde(default)]
    pub other: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The finding, with figures; where it failed, the first counter-example as a story.
    pub text: String,
    /// The worst or first instant that the text is about, local time.
    pub at: Option<String>,
    /// The same instant, seconds since the epoch.
    pub instant: Option<i64>,
    /// Figures, in seconds, bytes or numbers.
    #[serde(default)]
    pub figures: BTreeMap<String, i64>,
    /// For what failed: changes of one setting, each of which was proven to make it hold.
    #[serde(default)]
    pub remedies: Vec<Remedy>,
    /// Settings on which it depends, too, and which were not tried: that would have taken too long.
    #[serde(default)]
    pub untried: Vec<String>,
}

/// A change of one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// The job whose document is changed; `None`: a setting of a sink.
    pub job: Option<String>,
    /// The key: `objectives.rpo`, `sinks.sink1.parallel`.
    pub setting: String,
    /// The nearest value that was proven.
    pub value: String,
}

impl Check {
    pub(super) fn new(check: &str, outcome: Outcome, text: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            job: None,
            stream: None,
            other: None,
            outcome,
            text: text.into(),
            at: None,
            instant: None,
            figures: BTreeMap::new(),
            remedies: Vec::new(),
            untried: Vec::new(),
        }
    }

    /// That a host's zone is not given, as `<section>.<host>.zone` of the facts.
    pub(super) fn zone(host: &str, section: &str) -> Self {
        let text =
            format!("the time zone of {host} is not given: its times are taken for UTC. Give `{section}.{host}.zone`");
        Self::new("zone", Outcome::Unknown, text)
    }

    pub(super) fn of(mut self, job: &str) -> Self {
        self.job = Some(job.into());
        self
    }

    pub(super) fn on(mut self, stream: StreamName) -> Self {
        self.stream = Some(stream);
        self
    }

    pub(super) fn and(mut self, other: &str) -> Self {
        self.other = Some(other.into());
        self
    }

    pub(super) fn at(mut self, clock: &super::Clock, instant: i64) -> Self {
        self.at = Some(super::story::when(clock, instant));
        self.instant = Some(instant);
        self
    }

    pub(super) fn figure(mut self, name: &str, value: i64) -> Self {
        self.figures.insert(name.into(), value);
        self
    }
}
