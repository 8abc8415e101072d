//! What a source remembers about a job between runs: small JSON files in the job's state directory.

use crate::{GenerationId, GenerationKind, GenerationRef, Kind, manifest::Tree};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Name of the file that holds the random id of this source installation (`<state>/instance`, one line of hex).
pub const INSTANCE: &str = "instance";

/// Name of the lock of whoever collects, restores or changes the state of a job on its source (`<state>/<job>/collect.lock`).
pub const LOCK: &str = "collect.lock";

/// Name of the journal of a restore under way (`<state>/<job>/restore.json`): while it is there, trees may be half exchanged.
pub const RESTORE_JOURNAL: &str = "restore.json";

/// `<state>/<job>/<stream>.json`: how collecting a stream went last.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CollectState {
    /// Format number of this file, 1.
    pub format: u32,
    /// The last attempt, whatever came of it.
    pub last_attempt: Option<Timestamp>,
    /// Why the last attempt failed; `None` after success.
    pub last_failure: Option<FailureNote>,
    /// The newest generation that was sealed here.
    pub last_good: Option<Good>,
    /// The newest full that was sealed here.
    pub last_full: Option<Good>,
    /// What the last attempt found waiting in the handover point although a transport should have taken it; empty: the
    /// previous transport did its work.
    pub previous_transport_failed: Vec<GenerationId>,
}

/// A failure as it is remembered, mailed and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureNote {
    /// When.
    pub at: Timestamp,
    /// Class.
    pub kind: Kind,
    /// Message.
    pub msg: String,
}

/// A generation that was sealed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    /// Which.
    pub generation: GenerationRef,
    /// Full or incremental.
    pub kind: GenerationKind,
    /// The full that an incremental differs from.
    pub base: Option<GenerationRef>,
    /// What the source held.
    pub tree: Tree,
    /// Stored bytes of its artifacts.
    pub stored_bytes: u64,
    /// How long the collection took, milliseconds.
    pub duration_ms: u64,
    /// How long the services stood still, milliseconds.
    pub downtime_ms: u64,
}
