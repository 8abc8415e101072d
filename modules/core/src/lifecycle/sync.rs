//! The initial sync: what lies between the start of a job and the first copy that counts, in phases (docs/glossary.md).
//!
//! Collect writes down what it does. What the other steps have done since is remembered by where the copy lies and by its
//! receipt, durably, and is written nowhere else: there is nothing that could disagree with the copies.

use crate::GenerationId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The phases, in their order. What each means for files and for databases: docs/glossary.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A full is due: nothing is read yet.
    #[default]
    Starting,
    /// The full is read, sealed and carried.
    Transferring,
    /// All of it has arrived at the sink.
    Building,
    /// What changed meanwhile is applied.
    Applying,
    /// Every digest is compared; what does not match is carried again.
    FetchingMissing,
    /// It lies in the store, and is signed for.
    CreatingIndexes,
    /// A copy counts.
    Complete,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Transferring,
        Self::Building,
        Self::Applying,
        Self::FetchingMissing,
        Self::CreatingIndexes,
        Self::Complete,
    ];

    /// Whether a job of files has anything to do in it. What changed while the full was read is in the full already, by the
    /// cold pass: nothing is left to apply.
    const fn has_work_for_files(self) -> bool {
        !matches!(self, Self::Applying)
    }

    /// How each phase stands for a job of files that is in phase `now`.
    pub fn stands(now: Option<Self>) -> BTreeMap<Self, Stand> {
        let stand = |phase: Self| match now {
            _ if !phase.has_work_for_files() => Stand::NoWork,
            Some(now) if phase < now || now == Self::Complete => Stand::Done,
            Some(now) if phase == now => Stand::UnderWay,
            _ => Stand::ToCome,
        };
        Self::ALL.into_iter().map(|phase| (phase, stand(phase))).collect()
    }
}

/// How a phase stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// It was gone through.
    Done,
    /// The initial sync is in it.
    UnderWay,
    /// It comes later.
    ToCome,
    /// Nothing is done in it for this kind of job: it is passed.
    NoWork,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Transferring => "transferring",
            Self::Building => "building",
            Self::Applying => "applying",
            Self::FetchingMissing => "fetching missing",
            Self::CreatingIndexes => "creating indexes",
            Self::Complete => "complete",
        })
    }
}

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all; 0: not known.
    pub bytes_total: u64,
    /// Slices done. Files come in one slice, the full.
    pub slices: u64,
    /// Slices in all.
    pub slices_total: u64,
}

/// The initial sync of one stream, as collect remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// When it was asked for.
    pub began: Timestamp,
    /// Why a resync was required; `None`: the job was started.
    #[serde(default)]
    pub cause: Option<String>,
    /// How far it is.
    pub phase: Phase,
    /// How far within the phase.
    #[serde(default)]
    pub progress: Progress,
    /// The full, once it is sealed.
    #[serde(default)]
    pub generation: Option<GenerationId>,
}

impl Sync {
    /// One that is asked for now.
    pub fn begin(at: Timestamp, cause: Option<String>) -> Self {
        let progress = Progress { slices_total: 1, ..Progress::default() };
        Self { began: at, cause, phase: Phase::Starting, progress, generation: None }
    }

    /// What a run that makes a full has to do with an initial sync; `None`: nothing. `known` is the recorded one,
    /// `is_first` says that the stream was never collected, `wanted` why the sink asks for a full.
    pub fn due(known: Option<&Self>, is_first: bool, wanted: Option<&str>, now: Timestamp) -> Option<Self> {
        match known {
            // Not sealed yet: a start that nothing followed, or a run that failed.
            Some(Self { phase, generation: None, began, cause, .. }) if *phase != Phase::Complete => {
                Some(Self::begin(*began, cause.clone()))
            }
            _ if wanted.is_some() => Some(Self::begin(now, wanted.map(ToOwned::to_owned))),
            None if is_first => Some(Self::begin(now, None)),
            _ => None,
        }
    }
}

/// What lies on the source of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceFacts {
    /// A full waits for transport.
    pub full_waits: bool,
    /// The sink signed for the full of the recorded initial sync or a later one; without a record, for any copy.
    pub acknowledged: bool,
}

impl SourceFacts {
    /// How far a source knows the initial sync to be; `None`: nothing was collected yet.
    pub fn phase(self, known: Option<&Sync>) -> Option<Phase> {
        match known {
            _ if self.acknowledged => Some(Phase::Complete),
            None => self.full_waits.then_some(Phase::Transferring),
            Some(sync) => Some(sync.phase),
        }
    }
}

/// What lies on the sink of one stream, of the newest full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SinkFacts {
    /// Bytes that have arrived, and all of them.
    pub arriving: Option<(u64, u64)>,
    /// It is being compared with its digests.
    pub verifies: bool,
    /// It is in the store and not signed for.
    pub unsigned: bool,
    /// A copy that arrived since the initial sync began counts.
    pub counts: bool,
}

impl SinkFacts {
    /// How far a sink knows the initial sync to be; `None`: nothing has arrived yet.
    pub fn phase(self) -> Option<Phase> {
        if self.counts {
            return Some(Phase::Complete);
        }
        if self.unsigned {
            return Some(Phase::CreatingIndexes);
        }
        if self.verifies {
            return Some(Phase::FetchingMissing);
        }
        self.arriving.map(|(bytes, all)| if bytes < all { Phase::Transferring } else { Phase::Building })
    }
}
