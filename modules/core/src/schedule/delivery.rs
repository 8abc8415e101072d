//! One planned generation on its way: the events of the timeline that promises are proven on.

use crate::GenerationKind;
use serde::{Deserialize, Serialize};

/// A planned generation of one stream. All times are seconds since the epoch, UTC.
///
/// The deliveries of a stream are in the order of `data`, and a later one never arrives before an earlier one.
/// The base of an incremental is the newest full that had arrived when it was collected (`full.arrives <= data`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Start of the collection: what was written after it may be missing. It is the generation's id and its age.
    pub data: i64,
    /// End of the collection: it lies in the handover point.
    pub sealed: i64,
    /// It lies in the sink's store and its digests were compared there: from here on it counts.
    pub arrives: i64,
    /// Full or incremental, as planned.
    pub kind: GenerationKind,
}
