//! A generation as retention sees it.

use super::{Side, rules::Copied, signed};
use crate::{Digest, GenerationId, GenerationKind, GenerationRef, receipt::Checked, units::Span};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// A sealed generation in a store, with what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: GenerationId,
    /// The SHA-256 of its seal.
    pub digest: Digest,
    /// The full that it differs from; `None`: it is one itself.
    pub base: Option<GenerationRef>,
    /// Stored bytes.
    pub bytes: u64,
    /// The reason of a hold.
    pub hold: Option<String>,
    /// What the receipt for exactly this digest says.
    pub receipt: Option<Arrival>,
    /// The last re-reading of exactly this digest.
    pub checked: Option<Checked>,
}

/// When a copy arrived at the sink, by the sink's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub received_at: Timestamp,
    /// When its digests were compared on arrival, if they were.
    pub verified_at: Option<Timestamp>,
}

impl Candidate {
    pub(super) const fn kind(&self) -> GenerationKind {
        if self.base.is_some() { GenerationKind::Incremental } else { GenerationKind::Full }
    }

    /// When this copy came to be, for rules that go by time: at a sink by the sink's own clock, since ids are the source's.
    pub(super) fn time(&self, side: Side) -> Timestamp {
        match (side, self.receipt) {
            (Side::Sink { .. }, Some(receipt)) => receipt.received_at,
            _ => self.id.time(),
        }
    }

    /// As the rules see it.
    pub(super) fn copied(&self, side: Side) -> Copied {
        Copied { time: self.time(side), full: self.base.is_none(), proven: self.proven_at().is_some(), gone: false }
    }

    /// When its bytes were last read from the medium and matched.
    pub(super) fn proven_at(&self) -> Option<Timestamp> {
        let checked = self.checked.as_ref().filter(|checked| checked.ok).map(|checked| checked.checked_at);
        checked.max(self.receipt.and_then(|receipt| receipt.verified_at))
    }

    /// Whether it was proven within `span` before now. A proof from the future is a clock gone wrong: none.
    pub(super) fn is_fresh(&self, span: Span, now: Timestamp) -> bool {
        self.proven_at().is_some_and(|at| at <= soon(now) && now.duration_since(at) <= signed(span))
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.checked.as_ref().is_some_and(|checked| !checked.ok)
    }
}

/// The latest time that passes for now.
pub(super) fn soon(now: Timestamp) -> Timestamp {
    now.saturating_add(GenerationId::CLOCK_TOLERANCE).unwrap_or(Timestamp::MAX)
}

/// Which of these were not proven within `span` before now, longest ago first: to be re-read where no deletion asks for it.
/// What is known to be damaged is not read again.
pub fn stale(candidates: &[Candidate], span: Span, now: Timestamp) -> Vec<GenerationId> {
    let mut stale: Vec<_> = candidates.iter().filter(|c| !c.is_damaged() && !c.is_fresh(span, now)).collect();
    stale.sort_by_key(|candidate| (candidate.proven_at(), candidate.id));
    stale.into_iter().map(|candidate| candidate.id).collect()
}

/// Pretends that these were re-read now and found intact: what a plan would be after a successful re-reading.
pub fn assume_reread(candidates: &mut [Candidate], ids: &[GenerationId], now: Timestamp) {
    let ids: BTreeSet<_> = ids.iter().collect();
    for candidate in candidates.iter_mut().filter(|candidate| ids.contains(&candidate.id)) {
        candidate.checked = Some(Checked { digest: candidate.digest.clone(), checked_at: now, ok: true });
    }
}
