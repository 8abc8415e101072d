//! What the caller is told: one shape for what a run did, what a plan announces and what a status knows.

use backup_core::{Digest, GenerationId, GenerationKind, GenerationRef, Kind, StreamName};
use backup_interface::report;
use serde::Serialize;
use std::path::PathBuf;

/// What became of a stream, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// Check mode: a generation would be sealed.
    Planned,
    /// A generation lies in the handover point.
    Sealed,
    /// Nothing is due: the newest one is younger than `max_age`, or no run was missed.
    Fresh,
    /// No generation was sealed.
    Failed,
}

report! {
    /// Why something failed.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct FailureReport {
        /// Class of the failure.
        pub kind: Kind,
        /// What happened.
        pub msg: String,
    }
}

report! {
    /// One stream. What is not known, or does not apply, is null.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct StreamReport {
        /// `data` or `logs`.
        pub stream: StreamName,
        /// What became of it.
        pub fate: Fate,
        /// The generation; for a fresh stream its newest.
        pub id: Option<GenerationId>,
        /// Full or incremental.
        pub kind: Option<GenerationKind>,
        /// Why it has this kind, or why nothing was done.
        pub reason: Option<String>,
        /// What an incremental differs from.
        pub base: Option<GenerationRef>,
        /// The digest of the seal.
        pub digest: Option<Digest>,
        /// Where it lies, or would.
        #[serde(serialize_with = "backup_interface::lossy")]
        pub path: PathBuf,
        /// Paths that the source holds; a plan counts them at the moment it is made.
        pub paths: Option<u64>,
        /// Plain bytes that the source holds.
        pub bytes: Option<u64>,
        /// Paths that the generation stores; in a plan those that would be read, which can be a few more.
        pub files: Option<u64>,
        /// Stored bytes; in a plan as many as the last one of its kind had, or the plain bytes that would be read.
        pub stored_bytes: Option<u64>,
        /// Paths of the base that are gone.
        pub deleted: Option<u64>,
        /// Large files stored as changed blocks.
        pub patched: Option<u64>,
        /// Names of the dumps.
        pub dumps: Vec<String>,
        /// Generations that the previous transport should have taken.
        pub previous_transport_failed: Vec<GenerationId>,
        /// Why it failed.
        pub failure: Option<FailureReport>,
        /// What the policy tolerated.
        pub warnings: Vec<String>,
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
    #[derive(Debug, Serialize)]
    pub(crate) struct RunReport {
        /// The job.
        pub job: String,
        /// Each stream that was asked for: what became of it (`planned`, `sealed`, `fresh`, `failed`), its generation,
        /// why it is full or incremental, its base, digest, place and sizes.
        pub streams: Vec<StreamReport>,
        /// What was stopped, or would be, in the order of stopping: also the units that trigger a service.
        pub services: Vec<ServiceReport>,
        /// Whether the previous transport left a generation that it should have taken.
        pub previous_transport_failed: bool,
        /// Services that an earlier, interrupted run had left stopped, and that are on again.
        pub recovered: Vec<String>,
        /// How long the services stood still, in milliseconds, without their own stop and start.
        pub downtime_ms: u64,
        /// How long they were away, their own stop and start included.
        pub downtime_with_services_ms: u64,
        /// How long the run took, in milliseconds.
        pub duration_ms: u64,
    }
}

report! {
    /// What is known of a stream between runs.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct StreamStatus {
        /// `data` or `logs`.
        pub stream: StreamName,
        /// The newest generation that was sealed here.
        pub last_good: Option<GenerationId>,
        /// Its age in seconds.
        pub age_seconds: Option<u64>,
        /// Why the last attempt failed, if it did.
        pub last_failure: Option<FailureReport>,
        /// Generations that wait in the handover point.
        pub waiting: Vec<GenerationId>,
        /// How many may wait.
        pub keep: u32,
        /// Kind of the next generation.
        pub next_kind: GenerationKind,
        /// Why.
        pub reason: String,
    }
}

report! {
    /// How a job stands.
    #[derive(Debug, Serialize)]
    pub(crate) struct StatusReport {
        /// The job.
        pub job: String,
        /// Each stream: its newest generation and its age, the last failure, what waits for transport, what comes next.
        pub streams: Vec<StreamStatus>,
        /// Services that a window keeps stopped at this moment.
        pub stopped: Vec<String>,
    }
}
