//! What a sink remembers of everything it ever accepted: lines of JSON that outlive the generations.

use crate::{Digest, GenerationId, GenerationKind, InstanceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A line of a sink's `accepted.jsonl`: what was accepted, or which source installation an operator adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The generation; both absent on a line that only adopts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<GenerationId>,
    /// Its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The source installation that this sink accepts from here on.
    pub instance: InstanceId,
    /// When this line was written.
    pub at: Timestamp,
    /// What it cost; absent where a kill came between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
}

/// What one generation cost: the measure that schedules are planned with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// Full or incremental.
    pub kind: GenerationKind,
    /// Stored bytes.
    pub bytes: u64,
    /// From the start of collecting to the seal, milliseconds, by the source's clock.
    pub collect_ms: u64,
    /// From the offer, or from the acceptance before it, to the last byte, milliseconds, by the sink's clock. After an
    /// interruption: of the last attempt.
    pub transport_ms: u64,
    /// From the last byte until every digest was compared, milliseconds, by the sink's clock; 0 with `verify: none`.
    pub verify_ms: u64,
}
