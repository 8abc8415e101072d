//! The whole of it: from the jobs of one source to its plan.

use super::{
    CATCH_UP, Check, Clock, Clocks, Draft, Entry, Facts, Line, PlanError, Timeline, ZoneName,
    attained::attained,
    derive, entries,
    proof::Case,
    result::{Outcome, Plan},
    stored::Stored,
    story, suggest,
    upkeep::{self, Upkeep},
    zone,
};
use crate::Job;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// Plans and proves the jobs of one source from `from` to `until`; ten years are usual ([`ten_years`]).
///
/// # Errors
/// If the declarations contradict each other or the facts. A promise that cannot be held is no error: the plan says so.
pub fn plan(jobs: &[Job], facts: &Facts, from: Timestamp, until: Timestamp) -> Result<Plan, PlanError> {
    let clocks = prepared(jobs, facts, from, until)?;
    Ok(prove(jobs, facts, &clocks)?.plan(&jobs[0].source, facts, &clocks))
}

/// The same for sources that differ in their names only: the entries of a plan follow from the source's own minute of a quarter
/// of an hour, too. They are told for each.
pub(super) fn plan_for_all(
    jobs: &[Job],
    facts: &Facts,
    from: Timestamp,
    until: Timestamp,
) -> Result<(Plan, Vec<Vec<Entry>>), PlanError> {
    let clocks = prepared(jobs, facts, from, until)?;
    let mut proven = prove(jobs, facts, &clocks)?;
    let plan = proven.plan(&jobs[0].source, facts, &clocks);
    let at = |minute: u16| {
        proven.drafts.iter_mut().for_each(|draft| draft.minute = minute.into());
        proven.entries()
    };
    Ok((plan, (0..CATCH_UP).map(at).collect()))
}

/// The local times that a plan needs, if the declarations fit together at all. What is refused later names jobs only.
pub(super) fn prepared(jobs: &[Job], facts: &Facts, from: Timestamp, until: Timestamp) -> Result<Clocks, PlanError> {
    let source = &jobs.first().ok_or(PlanError::NoJobs)?.source;
    same_source(jobs, source)?;
    if until <= from {
        return Err(PlanError::NoHorizon);
    }
    clocks(jobs, facts, from, until)
}

/// Adds to each failed check of a plan, made from the same arguments, the nearest change of each single setting with which it
/// holds. It plans anew for every attempt: a plan that is only asked whether it is feasible does without.
///
/// # Errors
/// As [`plan`].
pub fn advise(
    plan: &mut Plan,
    jobs: &[Job],
    facts: &Facts,
    from: Timestamp,
    until: Timestamp,
) -> Result<(), PlanError> {
    let whole = prepared(jobs, facts, from, until)?;
    let end = |trial| from.checked_add(trial).map_or(until, |end| end.min(until));
    let ends: BTreeSet<_> = TRIALS.map(end).into_iter().chain([until]).collect();
    let horizons: Vec<_> = ends.into_iter().map(|end| whole.until(end.as_second())).collect();
    suggest::remedies(jobs, facts, &horizons, suggest::EVENTS, &mut plan.checks);
    Ok(())
}

/// What is tried before it is proven on the whole horizon: most of what fails, fails within a week, a month, a season or a year.
const TRIALS: [SignedDuration; 4] = {
    const fn days(days: i64) -> SignedDuration {
        SignedDuration::from_hours(24 * days)
    }
    [days(8), days(31), days(93), days(400)]
};

/// What every plan goes through.
pub(super) struct Proven<'a> {
    pub(super) drafts: Vec<Draft<'a>>,
    pub(super) timelines: Vec<Timeline>,
    pub(super) stores: Vec<Vec<Option<Stored>>>,
    upkeep: Vec<Upkeep>,
    pub(super) checks: Vec<Check>,
}

impl Proven<'_> {
    /// What was played and checked, as a measure of what that costs.
    pub(super) fn events(&self) -> usize {
        let of = |timeline: &Timeline| {
            let carried = timeline.lines.iter().map(|line| line.starts.len() + line.deliveries.len());
            timeline.collections.len() + carried.sum::<usize>()
        };
        self.timelines.iter().map(of).sum()
    }

    fn entries(&self) -> Vec<Entry> {
        let of = |job: usize| self.upkeep.iter().filter(move |upkeep| upkeep.job == job);
        let both = self.drafts.iter().zip(&self.timelines).enumerate();
        both.flat_map(|(job, (draft, timeline))| entries::entries(draft, timeline, of(job))).collect()
    }

    fn plan(&self, source: &str, facts: &Facts, clocks: &Clocks) -> Plan {
        let failed = self.checks.iter().filter(|check| check.outcome == Outcome::Failed);
        let first = failed.min_by_key(|check| check.instant.unwrap_or(i64::MAX));
        let lines = self.drafts.iter().zip(&self.timelines).zip(&self.stores);
        let mut plan = Plan {
            source: source.into(),
            zone: zone_of(facts, source).name().into(),
            from: story::when(&clocks.source, clocks.source.from()),
            until: story::when(&clocks.source, clocks.source.to()),
            feasible: first.is_none(),
            counter_example: first.map(|check| check.text.clone()),
            entries: self.entries(),
            streams: lines.flat_map(|((draft, timeline), stores)| attained(draft, timeline, stores, clocks)).collect(),
            checks: self.checks.clone(),
        };
        plan.sort_entries();
        plan
    }
}

/// Derives, plays the events and checks them.
pub(super) fn prove<'a>(jobs: &'a [Job], facts: &Facts, clocks: &Clocks) -> Result<Proven<'a>, PlanError> {
    let drafts = derive(jobs, facts, clocks)?;
    let timelines: Vec<Timeline> = drafts.iter().map(|draft| Timeline::of(draft, clocks)).collect();
    let stores: Vec<Vec<_>> =
        drafts.iter().zip(&timelines).map(|(draft, timeline)| stored(draft, timeline, clocks)).collect();
    let upkeep = upkeep::planned(&drafts, &timelines, clocks);
    let case = Case { drafts: &drafts, timelines: &timelines, stores: &stores, upkeep: &upkeep, clocks, facts };
    let checks = case.checks();
    Ok(Proven { drafts, timelines, stores, upkeep, checks })
}

/// The end of the usual horizon.
pub fn ten_years(from: Timestamp) -> Timestamp {
    let utc = from.to_zoned(TimeZone::UTC);
    utc.checked_add(10.years()).map_or(Timestamp::MAX, |end| end.timestamp())
}

fn same_source(jobs: &[Job], source: &str) -> Result<(), PlanError> {
    let mut names = BTreeSet::new();
    for job in jobs {
        if job.source != *source {
            return Err(PlanError::OtherSource {
                source_host: source.into(),
                job: job.job.clone(),
                other: job.source.clone(),
            });
        }
        if !names.insert(&job.job) {
            return Err(PlanError::SameName { source_host: source.into(), job: job.job.clone() });
        }
    }
    Ok(())
}

fn zone_of(facts: &Facts, source: &str) -> ZoneName {
    facts.hosts.get(source).map(|host| host.zone.clone()).unwrap_or_default()
}

fn clocks(jobs: &[Job], facts: &Facts, from: Timestamp, until: Timestamp) -> Result<Clocks, PlanError> {
    let source = &jobs[0].source;
    let mut sinks = BTreeMap::new();
    for of in jobs.iter().flat_map(Job::streams) {
        let name = &of.stream.sink.name;
        let facts = facts.sinks.get(name).cloned().unwrap_or_default();
        sinks.insert(name.clone(), Clock::new(&zone(facts.zone.name(), name)?, from, until));
    }
    Ok(Clocks { source: Clock::new(&zone(zone_of(facts, source).name(), source)?, from, until), sinks })
}

pub(super) fn freedom(rpo: u64, effective: i64) -> i64 {
    i64::try_from(rpo).unwrap_or(i64::MAX).saturating_sub(effective).max(0)
}

fn stored(draft: &Draft<'_>, timeline: &Timeline, clocks: &Clocks) -> Vec<Option<Stored>> {
    let of = |line: &Line| Stored::of(draft, line, clocks.sink(&line.sink));
    timeline.lines.iter().map(of).collect()
}
