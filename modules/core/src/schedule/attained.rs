//! What each stream of a job attains: how old its newest copy gets, how far back a restore reaches, what lies where.

use super::{
    Clocks, Draft, Line, Timeline,
    history::{Loss, Peak, Replay, window},
    outage,
    plan::freedom,
    result::{Attained, Held},
    rpo,
    stored::{Stored, source_store},
    story,
};
use crate::{GenerationKind, job::objectives::Sizes};

/// What is attained by the streams of a job.
pub(super) fn attained(
    draft: &Draft<'_>,
    timeline: &Timeline,
    stores: &[Option<Stored>],
    clocks: &Clocks,
) -> Vec<Attained> {
    let line = |(line, stored): (&Line, &Option<Stored>)| {
        let worst = rpo::worst(line, draft.objectives.tolerate);
        let stored = stored.as_ref();
        let loss = stored.and_then(|stored| window(&line.deliveries, &stored.places()));
        let of = draft.job.stream(line.stream);
        let at_sink = stored.and_then(|stored| stored.replay.as_ref());
        Attained {
            job: draft.job.job.clone(),
            stream: line.stream,
            sink: line.sink.clone(),
            effective_rpo: worst.map(|worst| worst.age()),
            freedom: draft.objectives.rpo.zip(worst).map(|(rpo, worst)| freedom(rpo.0, worst.age())),
            worst: worst.map(|worst| story::when(&clocks.source, worst.until)),
            collections: timeline.collections.len(),
            retention: stored.map(|stored| stored.policy.clone()).unwrap_or_default(),
            retention_derived: stored.is_some_and(|stored| stored.derived),
            restorable: loss.map(Loss::age),
            handover_point: waiting(draft, line),
            handover_keep: of.as_ref().map_or(0, |of| of.stream.handover.keep),
            source_store: held(source_store(draft, line).as_ref(), draft.sizes),
            source_retention: of.map(|of| of.store_retention()).unwrap_or_default(),
            sink_store: held(at_sink, draft.sizes),
        }
    };
    timeline.lines.iter().zip(stores).map(line).collect()
}

/// The most that a store holds.
fn held(replay: Option<&Replay>, sizes: Option<Sizes>) -> Held {
    let (most, largest) = replay.map(|replay| (replay.most, replay.largest)).unwrap_or_default();
    Held { fulls: most.fulls, incrementals: most.incrementals, bytes: sizes.map(|sizes| largest.bytes(sizes)) }
}

/// The most that waits in the handover point. At another time as many may all be fulls: the bytes are a bound.
fn waiting(draft: &Draft<'_>, line: &Line) -> Held {
    let (count, at) = outage::most_waiting(line, draft.objectives.tolerate);
    let newest = line.deliveries.partition_point(|delivery| delivery.data <= at);
    let last = &line.deliveries[newest.saturating_sub(count)..newest];
    let incrementals = last.iter().filter(|delivery| delivery.kind == GenerationKind::Incremental).count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let all = Peak { fulls: number(count), ..Peak::default() };
    Held {
        fulls: number(count - incrementals),
        incrementals: number(incrementals),
        bytes: draft.sizes.map(|sizes| all.bytes(sizes)),
    }
}
