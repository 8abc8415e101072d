//! A generation as retention sees it, and whether it counts.

use super::{Rules, Side, Unproven, rules::Copied, signed};
use crate::{Digest, GenerationId, GenerationKind, GenerationRef, receipt::Checked, units::Span};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

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

    fn is_damaged(&self) -> bool {
        self.checked.as_ref().is_some_and(|checked| !checked.ok)
    }
}

/// The latest time that passes for now.
fn soon(now: Timestamp) -> Timestamp {
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

/// What a candidate is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Verified (on a source: acknowledged) and complete with its base: it counts.
    Counted,
    /// Arrived, and never compared: one re-reading decides whether it counts.
    Unread,
    /// It does not count.
    Unproven(Unproven),
    /// From the future: neither counts nor goes.
    Future,
}

/// The standing of each of `sorted` (by id), in the same order.
pub(super) fn standings(sorted: &[&Candidate], rules: &Rules) -> Vec<Standing> {
    let mut by_id: BTreeMap<GenerationId, (&Digest, Standing)> = BTreeMap::new();
    let mut all = Vec::with_capacity(sorted.len());
    for candidate in sorted {
        let standing = with_base(candidate, alone(candidate, rules), &by_id);
        by_id.insert(candidate.id, (&candidate.digest, standing));
        all.push(standing);
    }
    all
}

fn alone(candidate: &Candidate, rules: &Rules) -> Standing {
    let soon = soon(rules.now);
    if candidate.id.time() > soon || candidate.time(rules.side) > soon {
        return Standing::Future;
    }
    let Some(receipt) = candidate.receipt else { return Standing::Unproven(Unproven::NoReceipt) };
    if candidate.is_damaged() {
        return Standing::Unproven(Unproven::Damaged);
    }
    match rules.side {
        // Where it lies on the source nobody compares it; what counts is that the sink has it.
        Side::Source => Standing::Counted,
        Side::Sink { .. } if receipt.verified_at.is_some() || candidate.proven_at().is_some() => Standing::Counted,
        Side::Sink { .. } => Standing::Unread,
    }
}

/// An incremental is worth no more than its base.
fn with_base(candidate: &Candidate, alone: Standing, by_id: &BTreeMap<GenerationId, (&Digest, Standing)>) -> Standing {
    let Some(base) = &candidate.base else { return alone };
    match (alone, by_id.get(&base.id)) {
        (Standing::Future | Standing::Unproven(_), _) => alone,
        (_, Some((digest, Standing::Counted))) if **digest == base.digest => alone,
        (_, Some((digest, Standing::Unread))) if **digest == base.digest => Standing::Unread,
        _ => Standing::Unproven(Unproven::NoBase),
    }
}
