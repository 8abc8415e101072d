//! The generations of a store in the order of their ids, and whether each counts.

use super::{Candidate, Rules, Side, Unproven, candidate::soon};
use crate::GenerationId;
use std::collections::BTreeSet;

/// Those of a store, oldest first. Decisions speak of them by their place here.
#[derive(Debug)]
pub(super) struct Sorted<'a> {
    candidates: Vec<&'a Candidate>,
    /// The place of each one's base, if that very one is here.
    bases: Vec<Option<usize>>,
}

impl<'a> Sorted<'a> {
    pub(super) fn new(candidates: &'a [Candidate]) -> Self {
        let mut candidates: Vec<_> = candidates.iter().collect();
        candidates.sort_by_key(|candidate| candidate.id);
        let mut bases: Vec<Option<usize>> = Vec::with_capacity(candidates.len());
        for candidate in &candidates {
            bases.push(candidate.base.as_ref().and_then(|base| {
                let is_it =
                    |place: &usize| candidates[*place].id == base.id && candidates[*place].digest == base.digest;
                // Most have the base of the one before.
                let same = bases.last().copied().flatten().filter(is_it);
                same.or_else(|| candidates.binary_search_by_key(&base.id, |c| c.id).ok().filter(is_it))
            }));
        }
        Self { candidates, bases }
    }

    pub(super) fn len(&self) -> usize {
        self.candidates.len()
    }

    pub(super) fn get(&self, place: usize) -> &'a Candidate {
        self.candidates[place]
    }

    /// The base of the one at `place`, if that very base is here.
    pub(super) fn base(&self, place: usize) -> Option<usize> {
        self.bases[place]
    }

    /// One and its base.
    pub(super) fn whole(&self, place: usize) -> impl Iterator<Item = usize> {
        self.base(place).into_iter().chain([place])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a Candidate> {
        self.candidates.iter().copied()
    }

    /// The ids of those at `places`.
    pub(super) fn ids(&self, places: impl IntoIterator<Item = usize>) -> Vec<GenerationId> {
        places.into_iter().map(|place| self.candidates[place].id).collect()
    }

    /// The standing of each.
    pub(super) fn standings(&self, rules: &Rules) -> Vec<Standing> {
        let mut all = Vec::with_capacity(self.len());
        for (place, candidate) in self.iter().enumerate() {
            let alone = alone(candidate, rules);
            let with_base = match (&candidate.base, alone) {
                (None, _) | (_, Standing::Future | Standing::Unproven(_)) => alone,
                // An incremental is worth no more than its base, which is older.
                (Some(_), Standing::Counted | Standing::Unread) => {
                    match self.base(place).and_then(|base| all.get(base)) {
                        Some(Standing::Counted) => alone,
                        Some(Standing::Unread) => Standing::Unread,
                        _ => Standing::Unproven(Unproven::NoBase),
                    }
                }
            };
            all.push(with_base);
        }
        all
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

/// Those places that have this standing.
pub(super) fn with(standings: &[Standing], standing: Standing) -> BTreeSet<usize> {
    (0..standings.len()).filter(|&place| standings[place] == standing).collect()
}
