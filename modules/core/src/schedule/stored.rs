//! What a stream's stores hold: the sink's by the declared or derived policy, the source's where a provider looks at it.

use super::{
    Clock, CronTime, Days, Draft, Line, Pattern,
    history::{Keeping, Replay, derive_policy, kept_by_provider, replay},
    timeline::all_firings,
};
use crate::{
    StreamName,
    job::StreamOf,
    retention::{Policy, Side},
};

/// Noon: where rotation has an entry of its own, it is out of the night's way.
const NOON: &str = "0 12 * * *";

/// The stores of one stream over the horizon.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// What the sink keeps.
    pub(super) policy: Policy,
    /// Whether it follows from `objectives.history`.
    pub(super) derived: bool,
    /// Rotations of the sink apart from those after transports.
    pub(super) rotations: Vec<i64>,
    /// The sink's side.
    pub(super) side: Side,
    /// The course of the sink's store; `None`: the policy keeps nothing.
    pub(super) replay: Option<Replay>,
    /// Until when each delivery can be had from the provider.
    pub(super) provider: Option<Vec<i64>>,
}

impl Stored {
    /// Plays the deliveries of a line through its stores.
    pub(super) fn of(draft: &Draft<'_>, line: &Line, sink: &Clock) -> Option<Self> {
        let sizes = draft.sizes;
        let of = draft.job.stream(line.stream)?;
        let declared = &of.stream.sink.retention;
        let side = Side::Sink { protect: of.stream.sink.protect, verify_max_age: of.stream.sink.verify_max_age };
        let (times, _) = rotations(draft, &of);
        let rotations =
            all_firings(&times.iter().filter_map(|time| time.parse().ok()).collect::<Vec<CronTime>>(), sink);
        let keeping = Keeping { side, policy: declared, rotations: &rotations };
        let (policy, replayed) = match draft.objectives.history {
            Some(history) if declared.is_empty() => {
                let derived = derive_policy(&line.deliveries, &keeping, history, sizes).ok()?;
                (derived.policy, Some(derived.replay))
            }
            _ => (declared.clone(), replay(&line.deliveries, &keeping, sizes).ok()),
        };
        let provider = draft
            .objectives
            .provider
            .and_then(|provider| Some(kept_by_provider(&line.deliveries, &source_store(draft, line)?, provider)));
        Some(Self { derived: declared.is_empty(), policy, rotations, side, replay: replayed, provider })
    }

    /// Per place, until when each delivery can be restored from it.
    pub(super) fn places(&self) -> Vec<&[i64]> {
        let sink = self.replay.iter().map(|replay| replay.until.as_slice());
        sink.chain(self.provider.as_deref()).collect()
    }

    /// How the store keeps.
    pub(super) fn keeping(&self) -> Keeping<'_> {
        Keeping { side: self.side, policy: &self.policy, rotations: &self.rotations }
    }
}

/// The course of the source's own store: a copy is there once the sink has it. `None`: its policy is refused.
pub(super) fn source_store(draft: &Draft<'_>, line: &Line) -> Option<Replay> {
    let policy = draft.job.stream(line.stream)?.store_retention();
    replay(&line.deliveries, &Keeping { side: Side::Source, policy: &policy, rotations: &[] }, draft.sizes).ok()
}

/// Entries of rotation apart from the one at the end of each transport, and why: where `max_age` ends copies on days
/// without a transport, there has to be one.
pub(super) fn rotations(draft: &Draft<'_>, of: &StreamOf<'_>) -> (Vec<String>, &'static str) {
    let daily = |stream: StreamName| {
        let carried = draft.carries.iter().filter(|carry| carry.stream == stream).flat_map(|carry| &carry.times);
        let daily = |pattern: Pattern| pattern.weekdays().0 == 0x7f && !matches!(pattern.days, Days::Month(_));
        carried.map(Pattern::of).any(daily)
    };
    match draft.schedule.rotate.as_slice() {
        [] if of.stream.sink.retention.max_age.is_none() || daily(of.name) => (Vec::new(), ""),
        [] => (vec![NOON.into()], "`max_age` ends copies on days without a transport, too"),
        explicit => (explicit.to_vec(), "as `schedule.rotate` says"),
    }
}
