//! Thousands of sources on few sinks: their starts are staggered so that no sink has to bear more than it can.
//!
//! `alike` finds the sources that declare the same, so that they are planned once; `demand` is what they ask of their sinks
//! and how far they can be shifted; `place` finds a place for each; `load` counts what runs on a sink in each minute, and
//! `check` tells what is proven of it. What is installed is what was planned and proven: each kind anew at each of its
//! places.

mod alike;
mod check;
mod demand;
mod load;
mod parallel;
mod place;

use super::{
    Clock, Entry, Facts, Outcome, Plan, PlanError, SinkFacts, SinkPlan, derive,
    plan::{plan_for_all, prepared},
    zone,
};
use crate::{Job, units::Span};
use alike::{Kind, Member, Position, kinds};
use check::Case;
use jiff::Timestamp;
use load::Days;
use parallel::in_parallel;
use place::{Field, Placed};
use std::collections::{BTreeMap, BTreeSet};

/// The plans of many sources, and of the sinks that they share.
#[derive(Debug, Clone)]
pub struct FleetPlan {
    /// One per source, by name.
    pub plans: Vec<Plan>,
    /// One per sink, by name.
    pub sinks: Vec<SinkPlan>,
    /// The facts with the shift of each source: what its plan was made from.
    pub facts: Facts,
}

impl FleetPlan {
    /// Whether every promise holds, and every sink has room.
    pub fn is_feasible(&self) -> bool {
        self.plans.iter().all(|plan| plan.feasible) && self.sinks.iter().all(|sink| sink.feasible)
    }
}

/// So many sinks that are asked too much get suggestions: each costs several more rounds of placing.
const ADVISED: usize = 3;

/// Plans and proves the jobs of many sources, by source, and what they do to their sinks. A source whose facts have a
/// `shift` keeps it where it can; the facts in the answer have one for each.
///
/// # Errors
/// As [`plan`](super::plan), for the first source of which no plan can be made.
pub fn plan_fleet(
    sources: &BTreeMap<String, Vec<Job>>,
    facts: &Facts,
    from: Timestamp,
    until: Timestamp,
) -> Result<FleetPlan, PlanError> {
    // What is refused of a kind is told by the name of a source.
    let refused = |jobs: &Vec<Job>| {
        let clocks = prepared(jobs, facts, from, until);
        clocks.and_then(|clocks| derive(jobs, facts, &clocks).map(drop)).err()
    };
    planned(sources, facts, from, until).map_err(|error| sources.values().find_map(refused).unwrap_or(error))
}

fn planned(
    sources: &BTreeMap<String, Vec<Job>>,
    facts: &Facts,
    from: Timestamp,
    until: Timestamp,
) -> Result<FleetPlan, PlanError> {
    let (kinds, members) = kinds(sources, facts, from, until)?;
    let unknown = SinkFacts::default();
    let facts_of = |sink: &str| facts.sinks.get(sink).unwrap_or(&unknown);
    let limits = members.iter().flat_map(|member| &member.sinks).map(|&sink| (sink, facts_of(sink).limit())).collect();
    let mut field = Field::new(kinds, members, limits)?;
    let mut days = first_days(from, until);
    let mut proven = Proven::new();
    let (placed, courses) = loop {
        let (placed, courses) = field.settle(&mut days)?;
        if prove(&mut field, &placed, (from, until), &mut proven)? {
            break (placed, courses);
        }
    };
    let plans: Vec<Plan> = field
        .members
        .iter()
        .zip(&placed.shifts)
        .map(|(member, &shift)| member.named(&proven[&(member.kind, field.position(member, shift))]))
        .collect();
    let mut sinks = Vec::with_capacity(courses.len());
    let mut advised = 0;
    for (name, course) in &courses {
        let about = facts_of(name);
        let clock = Clock::new(&zone(about.zone.name(), name)?, from, until);
        let here = field.members.iter().zip(&plans).filter(|(member, _)| member.sinks.contains(name));
        let here: Vec<(&str, &Plan)> = here.map(|(member, plan)| (member.source, plan)).collect();
        let case = Case { name, facts: about, clock: &clock, course, placed: &placed, plans: &here };
        let mut checks = case.checks(&field);
        let feasible = checks.iter().all(|check| check.outcome != Outcome::Failed);
        if !feasible && advised < ADVISED {
            case.advise(&mut field, &days, &mut checks)?;
            advised += 1;
        }
        sinks.push(SinkPlan {
            sink: (*name).into(),
            zone: about.zone.name().into(),
            sources: here.len(),
            feasible,
            checks,
        });
    }
    let mut facts = facts.clone();
    for (member, &shift) in field.members.iter().zip(&placed.shifts) {
        facts.hosts.entry(member.source.to_owned()).or_default().shift = Some(Span(u64::from(shift) * 60));
    }
    Ok(FleetPlan { plans, sinks, facts })
}

/// The plan of a kind at a position, and its entries for each minute of a quarter of an hour.
type Proven = BTreeMap<(usize, Position), (Plan, Vec<Vec<Entry>>)>;

/// Plans each kind at each place that somebody has. Where it breaks a promise there that it holds at its own place, nobody
/// may have that place: then it answers false.
fn prove(
    field: &mut Field<'_>,
    placed: &Placed,
    horizon: (Timestamp, Timestamp),
    proven: &mut Proven,
) -> Result<bool, PlanError> {
    let place =
        |(member, &shift): (&Member<'_>, &u32)| (member.kind, field.position(member, shift), field.position(member, 0));
    let places: BTreeSet<_> = field.members.iter().zip(&placed.shifts).map(place).collect();
    plan_each(&field.kinds, places.iter().map(|&(kind, at, _)| (kind, at)), horizon, proven)?;
    let breaks = |proven: &Proven, kind, at| !proven[&(kind, at)].0.feasible;
    let mut barred: Vec<_> = places.into_iter().filter(|&(kind, at, _)| breaks(proven, kind, at)).collect();
    plan_each(&field.kinds, barred.iter().map(|&(kind, _, own)| (kind, own)), horizon, proven)?;
    barred.retain(|&(kind, _, own)| !breaks(proven, kind, own));
    field.barred.extend(barred.iter().map(|&(kind, at, _)| (kind, at)));
    Ok(barred.is_empty())
}

/// Plans kinds at positions at which they were not planned before.
fn plan_each(
    kinds: &[Kind],
    wanted: impl Iterator<Item = (usize, Position)>,
    (from, until): (Timestamp, Timestamp),
    proven: &mut Proven,
) -> Result<(), PlanError> {
    let new: BTreeSet<_> = wanted.filter(|place| !proven.contains_key(place)).collect();
    let new: Vec<_> = new.into_iter().collect();
    let plans = in_parallel(&new, |&(kind, at)| plan_for_all(&kinds[kind].jobs, &kinds[kind].facts(at), from, until));
    for (place, plan) in new.into_iter().zip(plans) {
        proven.insert(place, plan?);
    }
    Ok(())
}

/// The days on which places are looked for first: a week, and another half a year later, when clocks differ.
fn first_days(from: Timestamp, until: Timestamp) -> Days {
    let day = |at: Timestamp| u32::try_from(at.as_second().div_euclid(86_400)).unwrap_or_default();
    let (first, last) = (day(from) + 1, day(until));
    Days::new([0, 182].into_iter().flat_map(|later| (0..7).map(move |n| first + later + n)).filter(|&day| day <= last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_looked_at_first_and_one_half_a_year_later() {
        let days = |until: &str| {
            let [from, until] = ["2026-11-20T12:00:00Z", until].map(|text| text.parse().unwrap());
            first_days(from, until)
        };
        // Day 20777 is 2026-11-20.
        let (autumn, spring) = (20_778..=20_784, 20_960..=20_966);
        assert_eq!(days("2036-11-20T12:00:00Z"), Days::new(autumn.clone().chain(spring)));
        assert_eq!(days("2026-11-24T12:00:00Z"), Days::new(autumn.take(4)));
    }
}
