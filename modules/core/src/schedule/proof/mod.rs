//! The proof: every promise against every event of the horizon. Each check says what it found, with its worst instant.

mod busy;
mod calendar;
mod freshness;
mod order;

use super::{Check, Clocks, Draft, Facts, Timeline};

/// All that a proof is about.
pub(super) struct Case<'c, 'a> {
    pub drafts: &'c [Draft<'a>],
    pub timelines: &'c [Timeline],
    pub clocks: &'c Clocks,
    pub facts: &'c Facts,
}

impl<'c, 'a> Case<'c, 'a> {
    /// Each job with its events.
    fn jobs(&self) -> impl Iterator<Item = (&'c Draft<'a>, &'c Timeline)> + use<'c, 'a> {
        self.drafts.iter().zip(self.timelines)
    }

    /// Every check.
    pub(super) fn checks(&self) -> Vec<Check> {
        let parts = [freshness::checks(self), busy::checks(self), calendar::checks(self), order::checks(self)];
        parts.into_iter().flatten().collect()
    }
}
