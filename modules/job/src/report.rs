//! What the caller is told: one shape for what was changed, what would be, and how it stands.

use crate::inventory::{Inventory, Item, Place, What};
use crate::select::Target;
use crate::standing::StreamStanding;
use backup_core::lifecycle::{Action, Lifecycle, Phase, Progress, Stand, State};
use backup_core::units::Bytes;
use backup_core::{GenerationId, GenerationKind, StreamName};
use backup_interface::{Diff, report};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// On which side of a job this host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Source,
    Sink,
}

report! {
    /// Something that terminate deletes.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct ItemReport {
        /// `data` or `logs`.
        stream: StreamName,
        /// Of which kind the folder is that holds it.
        place: Place,
        /// What it is.
        what: What,
        /// The generation; null: it is none.
        id: Option<GenerationId>,
        /// Full or incremental.
        kind: Option<GenerationKind>,
        /// Where it lies.
        #[serde(serialize_with = "backup_interface::lossy")]
        path: PathBuf,
        /// Its bytes.
        bytes: u64,
        /// Why it should not expire; null: nobody holds it.
        hold: Option<String>,
    }
}

report! {
    /// One job.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct JobReport {
        /// As it is called here.
        pub(crate) job: String,
        /// Its group.
        pub(crate) group: String,
        /// Its source.
        pub(crate) source: String,
        /// `source` or `sink`: what this host is to it.
        pub(crate) side: Side,
        /// Its state before.
        pub(crate) before: State,
        /// Its state.
        pub(crate) state: State,
        /// Since when it is in it.
        pub(crate) since: Option<Timestamp>,
        /// By whom it was brought there.
        pub(crate) by: Option<String>,
        /// What led there; null: none was needed.
        pub(crate) action: Option<Action>,
        /// Whether its copies are still being deleted.
        pub(crate) terminating: bool,
        /// Whether what was under way has not ended.
        pub(crate) stopping: bool,
        /// The actions that are possible now.
        pub(crate) legal: Vec<Action>,
        /// For each `stream` the `phase` of its initial sync as far as this host sees it, how each of the `phases` stands (`done`, `under_way`, `to_come`, or `no_work`: passed, since files have nothing to do in it), `bytes` of `bytes_total` and `slices` of `slices_total`, the `generation` that it makes, when it `began`, the `cause` of a resync, and why a `resync_required`.
        pub(crate) streams: Vec<StreamStanding>,
        /// What the action deleted or would, in the order of deletion.
        pub(crate) deleted: Vec<ItemReport>,
        /// Bytes of all that.
        pub(crate) deleted_bytes: u64,
        /// What it left because it is not the job's.
        #[serde(serialize_with = "backup_interface::lossy_all")]
        pub(crate) left: Vec<PathBuf>,
    }
}

report! {
    /// What was done, or would be, or how it stands.
    #[derive(Debug, Default, Serialize)]
    pub(crate) struct Report {
        /// One entry per job, in the order of their names: `job` as it is called here, `group`, `source`, `side` (`source` or `sink`: what
        /// this host is to it), `before` and `state`, `since` when and `by` whom it is in it, the `action` that led there (null:
        /// none was needed), whether it is still `terminating` or `stopping` (what was under way has not ended), the actions that are `legal` now, `streams` (for each `stream` the `phase` of its
        /// initial sync as far as this host sees it, how each of the `phases` stands (`done`, `under_way`, `to_come`, or `no_work`: passed, since files have nothing to do in it),
        /// `bytes` of `bytes_total` and `slices` of `slices_total`, the `generation` that it makes, when it `began`, the `cause` of a
        /// resync, and why a `resync_required`), what the action `deleted` or would (`stream`, `place`, `what`, `id`, `kind`, `path`, `bytes`, `hold`, in the order of deletion)
        /// with `deleted_bytes`, and what it `left` because it is not the job's.
        pub(crate) jobs: Vec<JobReport>,
        /// Of the status of all jobs: those that cannot be told of, and why; a refused document for example.
        pub(crate) refused: BTreeMap<String, String>,
    }
}

impl From<&Item> for ItemReport {
    fn from(item: &Item) -> Self {
        let Item { stream, place, what, id, kind, path, bytes, hold } = item.clone();
        Self { stream, place, what, id, kind, path, bytes, hold }
    }
}

impl JobReport {
    pub(crate) fn new(target: &Target, before: State, now: &Lifecycle, streams: Vec<StreamStanding>) -> Self {
        Self {
            job: target.name.clone(),
            group: target.job.group.clone(),
            source: target.job.source.clone(),
            side: if target.is_sink { Side::Sink } else { Side::Source },
            before,
            state: now.state,
            since: now.since,
            by: now.by.clone(),
            action: None,
            terminating: now.terminating,
            stopping: now.stopping,
            legal: now.legal(),
            streams,
            deleted: Vec::new(),
            deleted_bytes: 0,
            left: Vec::new(),
        }
    }

    pub(crate) fn with_inventory(mut self, inventory: &Inventory) -> Self {
        self.deleted = inventory.items.iter().map(ItemReport::from).collect();
        self.deleted_bytes = inventory.bytes();
        self.left.clone_from(&inventory.left);
        self
    }

    /// One line. `would`: nothing was changed yet.
    pub(crate) fn sentence(&self, would: bool) -> String {
        let Some(action) = self.action else { return format!("{} is {} already", self.job, self.state) };
        let verb = if would { "would become" } else { "is now" };
        let mut text = format!("{} {verb} {} (was {})", self.job, self.state, self.before);
        if action == Action::Terminate {
            let verb = if would { "would be deleted" } else { "deleted" };
            let _ = write!(text, ": {} {verb}, {}", self.counts(), Bytes(self.deleted_bytes));
        }
        text
    }

    /// How many of what.
    fn counts(&self) -> String {
        let count = |what, one: &str, many: &str| match self.deleted.iter().filter(|item| item.what == what).count() {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let all = [
            count(What::Generation, "generation", "generations"),
            count(What::Rest, "rest", "rests"),
            count(What::Receipt, "receipt", "receipts"),
            count(What::Quarantined, "quarantined", "quarantined"),
            count(What::Note, "note", "notes"),
        ];
        let all: Vec<_> = all.into_iter().flatten().collect();
        if all.is_empty() { "nothing".into() } else { all.join(", ") }
    }

    /// The state and everything that is kept, before and after.
    pub(crate) fn diff(&self, inventory: &Inventory) -> Diff {
        let items: String = inventory.items.iter().map(|item| item.line() + "\n").collect();
        let before = format!("state: {}\n{items}", self.before);
        Diff::texts(format!("job {}", self.job), &before, &format!("state: {}\n", self.state))
    }

    fn text(&self) -> String {
        let since = self.since.map(|at| format!(" since {at}")).unwrap_or_default();
        let by = self.by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
        let legal: Vec<_> = self.legal.iter().map(|action| action.as_str()).collect();
        let mut text = format!("{}: {}{since}{by}; legal: {}\n", self.job, self.state, legal.join(", "));
        if self.terminating {
            let _ = writeln!(text, "  not everything is deleted yet: terminate again");
        }
        if self.stopping {
            let _ = writeln!(text, "  something may still be under way: stop again");
        }
        for stream in &self.streams {
            if let Some(phase) = stream.phase {
                let _ = write!(text, "  {}: initial sync {phase}", stream.stream);
                let passed: Vec<_> =
                    stream.phases.iter().filter(|(of, how)| **how == Stand::NoWork && **of < phase).collect();
                if let Some((passed, _)) = passed.first().filter(|_| phase != Phase::Complete) {
                    let _ = write!(text, " ({passed} was passed: files have no work in it)");
                }
                let Progress { bytes, bytes_total, slices, slices_total } = stream.progress;
                if bytes_total > 0 && phase != Phase::Complete {
                    let _ =
                        write!(text, ", {} of {}, {slices} of {slices_total} slices", Bytes(bytes), Bytes(bytes_total));
                }
                if let Some(id) = stream.generation {
                    let _ = write!(text, ", generation {id}");
                }
                let _ = writeln!(text);
            }
            if let Some(why) = &stream.resync_required {
                let _ = writeln!(text, "  {}: resync required: {why}; the next collection makes a full", stream.stream);
            } else if let Some(cause) = stream.cause.as_ref().filter(|_| stream.phase != Some(Phase::Complete)) {
                let _ = writeln!(text, "  {}: it is a resync: {cause}", stream.stream);
            }
        }
        text
    }
}

impl Report {
    /// Lines for people.
    pub(crate) fn text(&self) -> String {
        self.jobs.iter().map(JobReport::text).collect()
    }

    /// For the documentation.
    pub(crate) fn sample() -> Self {
        let at: Timestamp = "2026-11-20T22:00:00Z".parse().expect("a time");
        let id: GenerationId = "20261120T220000Z".parse().expect("an id");
        let item = ItemReport {
            stream: StreamName::Data,
            place: Place::SinkStore,
            what: What::Generation,
            id: Some(id),
            kind: Some(GenerationKind::Full),
            path: "/home/dataBackupSink/store/web1/shop/data/20261120T220000Z".into(),
            bytes: 5_242_880,
            hold: Some("audit".into()),
        };
        let stream = StreamStanding {
            stream: StreamName::Data,
            phase: None,
            phases: Phase::stands(None),
            progress: Progress { bytes: 5_242_880, bytes_total: 5_242_880, slices: 1, slices_total: 1 },
            generation: Some(id),
            began: Some(at),
            cause: None,
            resync_required: None,
        };
        let job = JobReport {
            job: "web1/shop".into(),
            group: "default".into(),
            source: "web1".into(),
            side: Side::Sink,
            before: State::Stopped,
            state: State::Inactive,
            since: Some(at),
            by: Some("root".into()),
            action: Some(Action::Terminate),
            terminating: false,
            stopping: false,
            legal: vec![Action::Start],
            streams: vec![stream],
            deleted: vec![item],
            deleted_bytes: 5_242_880,
            left: Vec::new(),
        };
        Self { jobs: vec![job], refused: BTreeMap::new() }
    }
}
