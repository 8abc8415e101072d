//! The proof: every promise against every event of the horizon. Each check says what it found, with its worst instant.

mod busy;
mod calendar;
mod freshness;
mod head;
mod history;
mod order;

use super::{Check, Clocks, Draft, Facts, Line, Timeline, stored::Stored, story::when, upkeep::Upkeep};

/// All that a proof is about.
pub(super) struct Case<'c, 'a> {
    pub drafts: &'c [Draft<'a>],
    pub timelines: &'c [Timeline],
    /// Per job, in the order of its lines.
    pub stores: &'c [Vec<Option<Stored>>],
    /// Verification and drills, job by job.
    pub upkeep: &'c [Upkeep],
    pub clocks: &'c Clocks,
    pub facts: &'c Facts,
}

impl<'c, 'a> Case<'c, 'a> {
    /// Each job with its events.
    fn jobs(&self) -> impl Iterator<Item = (&'c Draft<'a>, &'c Timeline)> + use<'c, 'a> {
        self.drafts.iter().zip(self.timelines)
    }

    /// Each stream of each job with what is stored of it.
    fn stores(&self) -> impl Iterator<Item = (&'c Draft<'a>, &'c Line, &'c Stored)> + use<'c, 'a> {
        self.jobs().zip(self.stores).flat_map(|((draft, timeline), stores)| {
            timeline.lines.iter().zip(stores).filter_map(move |(line, stored)| Some((draft, line, stored.as_ref()?)))
        })
    }

    /// A time of the source, and where the sink's clock begins it and shows another one, that one, too.
    fn on_both(&self, sink: &str, at: i64) -> String {
        let (here, there) = (&self.clocks.source, self.clocks.sink(sink));
        if here == there {
            return when(here, at);
        }
        let zone = self.facts.sinks.get(sink).map_or("UTC", |facts| facts.zone.name());
        format!("{} ({} on {sink}, {zone})", when(here, at), when(there, at))
    }

    /// Every check.
    pub(super) fn checks(&self) -> Vec<Check> {
        let parts = [
            freshness::checks(self),
            busy::checks(self),
            calendar::checks(self),
            order::checks(self),
            head::checks(self),
            history::checks(self),
        ];
        parts.into_iter().flatten().collect()
    }
}
