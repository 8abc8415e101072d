//! What the sources of a kind ask of their sinks: every transfer of the horizon, in minutes.

use super::{
    super::{Draft, Line, PlanError, Timeline, derive, facts::minutes, plan::freedom, rpo},
    alike::{Kind, Position},
};
use crate::{GenerationKind, StreamName};

/// Something that goes to a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Transfer {
    /// Its first minute since the epoch.
    pub from: u32,
    /// The minute after its last: verification on the sink included, as the connection lasts so long.
    pub to: u32,
    /// Bytes per second.
    pub rate: u64,
}

/// The transfers of one stream.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    /// Index of the job.
    pub job: usize,
    pub stream: StreamName,
    /// Number of the sink among the source's.
    pub sink: usize,
    /// In order.
    pub transfers: Vec<Transfer>,
    /// Whether rates are known.
    pub rated: bool,
}

/// What a source asks for at a position.
pub(super) type Demand = Vec<Flow>;

/// The demand of a kind at a position.
///
/// # Errors
/// As [`derive`].
pub(super) fn demand(kind: &Kind, at: Position) -> Result<Demand, PlanError> {
    let facts = kind.facts(at);
    let drafts = derive(&kind.jobs, &facts, &kind.clocks)?;
    let names: Vec<&String> = facts_sinks(kind);
    let mut flows = Vec::new();
    for (job, draft) in drafts.iter().enumerate() {
        for line in &Timeline::of(draft, &kind.clocks).lines {
            let sink = names.iter().position(|name| **name == line.sink).unwrap_or_default();
            flows.push(flow(draft, line, job, sink));
        }
    }
    Ok(flows)
}

/// The sinks of a kind, by their numbers.
fn facts_sinks(kind: &Kind) -> Vec<&String> {
    let mut names: Vec<&String> = Vec::new();
    for name in kind.jobs.iter().flat_map(crate::Job::streams).map(|of| &of.stream.sink.name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn flow(draft: &Draft<'_>, line: &Line, job: usize, sink: usize) -> Flow {
    let limit = draft.job.stream(line.stream).and_then(|of| of.stream.transport.bandwidth);
    let mut deliveries = line.deliveries.iter();
    let transfers = line.transports.iter().map(|&(start, carried)| {
        let bytes = deliveries.by_ref().take(carried).map(|delivery| {
            let sizes = draft.sizes?;
            let incremental = sizes.incremental.filter(|_| delivery.kind == GenerationKind::Incremental);
            Some(incremental.unwrap_or(sizes.full).0)
        });
        let bytes = bytes.map(Option::unwrap_or_default).fold(0, u64::saturating_add);
        // What holds it back is certain; a mean is what is known else.
        let sends = draft.steps.transport.max(1).unsigned_abs().saturating_mul(carried as u64);
        let mean = bytes.div_ceil(sends);
        let rate = limit.map_or(mean, |limit| limit.0).min(1 << 50);
        Transfer { from: minute(start.div_euclid(60)), to: minute(minutes(start + line.takes(carried).max(1))), rate }
    });
    Flow {
        job,
        stream: line.stream,
        sink,
        transfers: transfers.collect(),
        rated: limit.is_some() || draft.sizes.is_some(),
    }
}

fn minute(minutes: i64) -> u32 {
    u32::try_from(minutes).unwrap_or_default()
}

/// How a kind can move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// So many minutes it can be shifted.
    pub minutes: u32,
    /// Whether the place matters: times of some job are the planner's to choose.
    free: bool,
    /// Whether the shift matters by itself: transports follow declared times.
    fixed: bool,
}

impl Room {
    /// Where a source is planned whose own place is this.
    pub(super) fn position(self, place: u32, shift: u32) -> Position {
        Position {
            place: if self.free { (place + shift) % super::super::Week::DAY } else { 0 },
            shift: if self.fixed { shift } else { 0 },
        }
    }
}

/// Where nothing is promised, transports are not delayed by more than half a day.
const MOST: i64 = 12 * 60;

/// Jobs whose times are the planner's go to any place, which is a time of day whatever their cycle. Transports after declared times are delayed as long as the
/// RPO holds and no step of another job is near.
///
/// # Errors
/// As [`derive`].
pub(super) fn room(kind: &Kind) -> Result<Room, PlanError> {
    let facts = kind.facts(Position::default());
    let drafts = derive(&kind.jobs, &facts, &kind.clocks)?;
    let timelines: Vec<Timeline> = drafts.iter().map(|draft| Timeline::of(draft, &kind.clocks)).collect();
    let is_free = |draft: &Draft<'_>| draft.is_free() && !draft.runs.is_empty();
    let is_fixed =
        |draft: &Draft<'_>| !draft.is_free() && draft.objectives.with.is_none() && draft.schedule.transport.is_empty();
    let free = drafts.iter().any(is_free).then(|| i64::from(super::super::Week::DAY) - 1);
    let both = || drafts.iter().zip(&timelines);
    let steps = steps(&drafts, &timelines);
    let delays = both().filter(|(draft, _)| is_fixed(draft)).map(|(draft, timeline)| {
        let name = &draft.job.job;
        // What is carried with it is delayed, too.
        let carried =
            both().filter(|(other, _)| other.job.job == *name || other.objectives.with.as_ref() == Some(name));
        let promised = carried.map(|(draft, timeline)| slack_of_rpo(draft, timeline)).min().unwrap_or_default();
        promised.min(slack_of_host(draft, timeline, &steps)).div_euclid(60)
    });
    let fixed = delays.min();
    // Snapshots of a head have a place of their own; they hold back no transport.
    let placed = drafts.iter().any(|draft| draft.objectives.snapshots.is_some());
    let minutes = [free, fixed].into_iter().flatten().min().unwrap_or_default();
    Ok(Room { minutes: minute(minutes), free: free.is_some() || placed, fixed: fixed.is_some() })
}

/// Seconds by which the transports of a job can be delayed before its RPO breaks.
fn slack_of_rpo(draft: &Draft<'_>, timeline: &Timeline) -> i64 {
    let between = timeline.collections.windows(2).map(|pair| pair[1].0 - pair[0].0).min();
    let unpromised = between.map_or(MOST * 60, |between| (between / 2).min(MOST * 60));
    let of = |line: &Line| {
        let (rpo, worst) = (draft.objectives.rpo?, rpo::worst(line, draft.objectives.tolerate)?);
        Some(freedom(rpo.0, worst.age()))
    };
    timeline.lines.iter().map(|line| of(line).unwrap_or(unpromised)).min().unwrap_or(unpromised)
}

/// Starts of all steps of the host, with the job whose transport or collection it is.
fn steps<'d>(drafts: &'d [Draft<'_>], timelines: &[Timeline]) -> Vec<(i64, &'d str)> {
    let of = |(draft, timeline): (&'d Draft<'_>, &Timeline)| {
        let leader = draft.objectives.with.as_ref().unwrap_or(&draft.job.job);
        let collections = timeline.collections.iter().map(|&(at, _)| (at, draft.job.job.as_str()));
        let transports = timeline.lines.iter().flat_map(|line| &line.transports).map(|&(at, _)| (at, leader.as_str()));
        collections.chain(transports).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = drafts.iter().zip(timelines).flat_map(of).collect();
    all.sort_unstable();
    all
}

/// Seconds by which the transports of a job can be delayed before they meet another job's step, its gap included.
fn slack_of_host(draft: &Draft<'_>, timeline: &Timeline, steps: &[(i64, &str)]) -> i64 {
    let gap = i64::try_from(draft.objectives.gap.0).unwrap_or(i64::MAX);
    let ends = |line: &Line| {
        let end = |&(start, copies): &(i64, usize)| (start, start + line.takes(copies) - draft.steps.verify);
        line.transports.iter().map(end).collect::<Vec<_>>()
    };
    let slacks = timeline.lines.iter().flat_map(ends).filter_map(|(start, end)| {
        let later = steps.partition_point(|&(at, _)| at <= start);
        let next = steps[later..].iter().find(|(_, leader)| *leader != draft.job.job)?;
        Some((next.0 - end).saturating_sub(gap))
    });
    slacks.min().unwrap_or(i64::MAX).max(0)
}

#[cfg(test)]
mod tests {
    use super::{super::alike::kinds, *};
    use crate::{Job, schedule::Facts};
    use std::collections::BTreeMap;

    /// How a source of these jobs can move, by their names, objectives and schedules; steps take 10, 10 and 5 minutes.
    fn room_of(jobs: &[(&str, &str, &str)]) -> Room {
        let job = |(name, objectives, schedule): &(&str, &str, &str)| {
            let steps = "durations: {collect: 10min, transport: 10min, verify: 5min}";
            let text = format!(
                "{{version: 1, job: {name}, source: web1, objectives: {{{objectives}, {steps}}}, schedule: {{{schedule}}},
                streams: {{data: {{include: [/srv/{name}], transport: {{mode: push, peer: {{address: sink1}}}},
                sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
            );
            Job::parse(&text, name).unwrap()
        };
        let sources = BTreeMap::from([("web1".to_owned(), jobs.iter().map(job).collect())]);
        // Three weeks in which no clock changes.
        let [from, until] = ["2026-11-01T12:00:00Z", "2026-11-22T12:00:00Z"].map(|text| text.parse().unwrap());
        room(&kinds(&sources, &Facts::default(), from, until).unwrap().0[0]).unwrap()
    }

    fn fixed(minutes: u32) -> Room {
        Room { minutes, free: false, fixed: true }
    }

    #[test]
    fn times_of_the_planner_may_be_anywhere_in_the_day() {
        let free = Room { minutes: 1439, free: true, fixed: false };
        assert_eq!(room_of(&[("shop", "rpo: 4h", "")]), free);
        assert_eq!(room_of(&[("shop", "days: [sun]", "")]), free);
    }

    #[test]
    fn transports_after_declared_times_wait_half_the_time_to_the_next_collection_or_half_a_day() {
        for (at, minutes) in [
            ("at: ['10:00', '14:00']", 120),
            ("at: ['22:00']", 720),
            ("at: ['22:00'], days: [sun]", 720),
            ("at: ['22:00'], days: [3]", 720),
        ] {
            assert_eq!(room_of(&[("shop", at, "")]), fixed(minutes), "{at}");
        }
    }

    #[test]
    fn or_as_long_as_the_rpo_holds() {
        // 24 h and 25 min: what is left is 25 min.
        assert_eq!(room_of(&[("shop", "at: ['22:00'], rpo: 24h50min", "")]), fixed(25));
        // Nothing is promised of one, but what travels with it has an RPO.
        let jobs = [("shop", "at: ['22:00']", ""), ("mail", "at: ['21:00'], with: shop, rpo: 26h", "")];
        assert_eq!(room_of(&jobs), fixed(35), "mail is 25 h 25 min old: an hour, a day, and the steps");
    }

    #[test]
    fn declared_transports_stay_where_they_are() {
        let nothing = Room { minutes: 0, free: false, fixed: false };
        assert_eq!(room_of(&[("shop", "at: ['22:00']", "transport: '0 23 * * *'")]), nothing);
        let free = Room { minutes: 1439, free: true, fixed: false };
        assert_eq!(room_of(&[("shop", "rpo: 26h", "transport: '0 23 * * *'")]), free);
    }

    #[test]
    fn a_transport_meets_no_step_of_another_job() {
        // From 22:10 to 22:20; verification keeps only the sink busy.
        for (gap, minutes) in [("0s", 20), ("7min", 13), ("1h", 0)] {
            let shop = format!("at: ['22:00'], gap: {gap}");
            let jobs = [("shop", shop.as_str(), ""), ("mail", "at: ['22:40'], rpo: 5d", "")];
            assert_eq!(room_of(&jobs), fixed(minutes), "{gap}");
        }
    }
}
