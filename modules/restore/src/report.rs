//! What the caller is told: one shape for what a run did and what a plan announces.

use crate::compare::{Change, Comparison, Item};
use crate::dumps::{DumpPlan, Way};
use crate::generation::Generation;
use crate::owners::OwnerReport;
use backup_archive::order;
use backup_core::{Digest, GenerationId, GenerationKind, GenerationRef, StreamName};
use backup_interface::{Diff, report};
use serde::Serialize;
use std::path::PathBuf;

/// What became of a stream, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// Check mode: it would be restored.
    Planned,
    /// It was restored.
    Restored,
    /// Everything is as the generation has it.
    Equal,
    /// It was not restored, or everything is as before.
    Failed,
}

report! {
    /// What changes in one root.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct RootReport {
        /// The include path.
        pub path: String,
        /// Paths that the generation has here.
        pub paths: u64,
        /// Bytes of its files.
        pub bytes: u64,
        /// Paths that are not there.
        pub created: u64,
        /// Paths that differ.
        pub changed: u64,
        /// Paths, with all below them, that the generation does not have.
        pub removed: u64,
    }
}

report! {
    /// What becomes of a dump.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct DumpReport {
        /// The artifact.
        pub name: String,
        /// Whether a command of the job loads it.
        pub loaded: bool,
        /// Where it is as a plain file.
        #[serde(serialize_with = "backup_interface::lossy_option")]
        pub path: Option<PathBuf>,
    }
}

report! {
    /// One stream.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct StreamReport {
        /// `data` or `logs`.
        pub stream: StreamName,
        /// What became of it.
        pub fate: Fate,
        /// The generation.
        pub id: GenerationId,
        /// Full or incremental.
        pub kind: GenerationKind,
        /// What an incremental differs from.
        pub base: Option<GenerationRef>,
        /// The digest of its seal.
        pub digest: Digest,
        /// Where it lies.
        #[serde(serialize_with = "backup_interface::lossy")]
        pub path: PathBuf,
        /// The sink whose pinned key signed the receipt; null if nobody did.
        pub signed_by: Option<String>,
        /// Owners whose numbers change, and those whose names are unknown here.
        pub owners: Vec<OwnerReport>,
        /// Each include path.
        pub roots: Vec<RootReport>,
        /// Each dump.
        pub dumps: Vec<DumpReport>,
    }
}

report! {
    /// A service and what was found.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct ServiceReport {
        /// Its name.
        pub name: String,
        /// Whether it was on before.
        pub was_on: bool,
    }
}

report! {
    /// What a run did, or would do.
    #[derive(Debug, Clone, Default, Serialize)]
    pub struct RunReport {
        /// The job.
        pub job: String,
        /// Each stream: what became of it (`planned`, `restored`, `equal`, `failed`), its generation, who signed it, owners who
        /// are others here or unknown, what changes in each include path, and its dumps.
        pub streams: Vec<StreamReport>,
        /// Another target than the live trees, or null.
        #[serde(serialize_with = "backup_interface::lossy_option")]
        pub target: Option<PathBuf>,
        /// What was stopped, or would be, in the order of stopping: also the units that trigger a service.
        pub services: Vec<ServiceReport>,
        /// What an earlier, interrupted restore had left, and what was done about it.
        pub recovered: Vec<String>,
        /// Where the old trees are kept.
        #[serde(serialize_with = "backup_interface::lossy_all")]
        pub kept_old: Vec<PathBuf>,
        /// How long the services stood still, in milliseconds, without their own stop and start.
        pub downtime_ms: u64,
        /// How long they were away, their own stop and start included.
        pub downtime_with_services_ms: u64,
        /// How long the run took, in milliseconds.
        pub duration_ms: u64,
    }
}

report! {
    /// A generation that can be restored.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct Available {
        /// `restore_folder`, `source_store` or `sink_store`.
        pub from: &'static str,
        /// `data` or `logs`.
        pub stream: StreamName,
        /// The generation.
        pub id: GenerationId,
        /// Full or incremental.
        pub kind: GenerationKind,
        /// The base of an incremental.
        pub base: Option<GenerationId>,
        /// Whether that base lies beside it; true for a full.
        pub complete: bool,
        /// The sink that its receipt names; the signature is checked when it is restored.
        pub receipt_of: Option<String>,
        /// Stored bytes.
        pub bytes: u64,
    }
}

report! {
    /// What can be restored.
    #[derive(Debug, Serialize)]
    pub struct StatusReport {
        /// The job.
        pub job: String,
        /// Every generation within reach, newest last.
        pub generations: Vec<Available>,
        /// Whether an interrupted restore waits for `recover`.
        pub interrupted: bool,
    }
}

/// A stream's report before anything was done.
pub(crate) fn stream(generation: &Generation, comparison: &Comparison, dumps: &[DumpPlan], fate: Fate) -> StreamReport {
    let manifest = &generation.own.stored.manifest;
    let roots = generation.roots();
    let roots = roots.iter().zip(&comparison.sizes).map(|(root, size)| {
        let items = comparison.items.iter().filter(|item| order::is_within(&item.path, root));
        let mut report = RootReport {
            path: format!("/{}", String::from_utf8_lossy(root)),
            paths: size.paths,
            bytes: size.bytes,
            created: 0,
            changed: 0,
            removed: 0,
        };
        for item in items {
            match item.change {
                Change::Created => report.created += 1,
                Change::Changed(_) => report.changed += 1,
                Change::Removed => report.removed += 1,
            }
        }
        report
    });
    StreamReport {
        stream: generation.stream,
        fate,
        id: manifest.id,
        kind: manifest.kind,
        base: manifest.base.clone(),
        digest: generation.own.stored.digest.clone(),
        path: generation.own.directory.clone(),
        signed_by: generation.signed_by.clone(),
        owners: generation.told.owners.clone(),
        roots: roots.collect(),
        dumps: dumps.iter().map(dump).collect(),
    }
}

fn dump(plan: &DumpPlan) -> DumpReport {
    let (loaded, path) = match &plan.way {
        Way::Load(_) => (true, None),
        Way::Leave(top, name) => (false, Some(top.join(name))),
        Way::Present(path) => (false, Some(path.clone())),
    };
    DumpReport { name: plan.artifact.clone(), loaded, path }
}

/// More lines than this help nobody; the counts say the rest.
const MAX_LINES: usize = 10_000;

/// Item by item what changes: `+` created, `~` changed and in what, `-` removed. Before it, `@`: who of the source is whom here.
pub(crate) fn diff(owners: &[OwnerReport], items: &[Item], dumps: &[DumpPlan]) -> Option<Diff> {
    let mut lines: Vec<String> =
        if items.is_empty() { Vec::new() } else { owners.iter().map(ToString::to_string).collect() };
    lines.extend(items.iter().take(MAX_LINES).map(line));
    if items.len() > MAX_LINES {
        lines.push(format!("… and {} more", items.len() - MAX_LINES));
    }
    lines.extend(dumps.iter().filter_map(|plan| match &plan.way {
        Way::Load(_) => Some(format!("> {} is loaded by the job's command", plan.artifact)),
        Way::Leave(top, name) => Some(format!("+ {}", top.join(name).display())),
        Way::Present(_) => None,
    }));
    (!lines.is_empty()).then(|| Diff::prepared(&lines.join("\n")))
}

fn line(item: &Item) -> String {
    // One path is one line, whatever bytes it has.
    let path = String::from_utf8_lossy(&item.path).escape_debug().to_string();
    match &item.change {
        Change::Created => format!("+ /{path}"),
        Change::Changed(why) => format!("~ /{path} ({})", why.join(", ")),
        Change::Removed => format!("- /{path}"),
    }
}
