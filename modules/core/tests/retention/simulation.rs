//! A store through time loses what `plan` deletes at each rotation, and nothing else.

use crate::make::*;
use backup_core::retention::{Arrival, Candidate, Policy, Rules, Side, Simulation, Verdict, plan};
use backup_core::units::Span;
use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;
use std::collections::BTreeSet;

const START: i64 = 1_798_000_000; // 2026-12-23: the turn of the year comes soon

/// What comes next, after so many minutes.
#[derive(Debug, Clone, Copy)]
enum Event {
    Full,
    Incremental,
    Rotation,
}

fn events() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let event = prop_oneof![2 => Just(Event::Full), 4 => Just(Event::Incremental), 3 => Just(Event::Rotation)];
    // Several per hour, several per day, days apart, months apart, years apart; now and then two at once. Ninety of them are
    // ten years on average.
    let pause = prop_oneof![1 => 0i64..2, 6 => 0i64..90, 8 => 0i64..2000, 4 => 0i64..15_000, 1 => 0i64..150_000, 2 => 0i64..1_300_000];
    prop::collection::vec((pause, event), 0..90)
}

fn zones() -> impl Strategy<Value = TimeZone> {
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    prop_oneof![Just(TimeZone::UTC), Just(berlin)]
}

fn count(max: u32) -> impl Strategy<Value = Option<u32>> {
    prop_oneof![2 => Just(None), 1 => (0..=max).prop_map(Some)]
}

fn span(days: u64) -> impl Strategy<Value = Option<Span>> {
    prop_oneof![2 => Just(None), 1 => (0..=days * 24).prop_map(|n| Some(Span(n * 3600)))]
}

prop_compose! {
    fn policies()(generations in count(12), hourly in count(6), daily in count(8), weekly in count(6), monthly in count(5),
                  yearly in count(3), within in span(30), max_age in span(90)) -> Policy {
        Policy { generations, hourly, daily, weekly, monthly, yearly, within, max_age }
    }
}

fn sides() -> impl Strategy<Value = Side> {
    let sink = prop_oneof![1 => Just(0), 1 => 0u64..40]
        .prop_map(|days| Side::Sink { protect: Span(days * DAY), verify_max_age: Span(100_000 * DAY) });
    prop_oneof![1 => Just(Side::Source), 2 => sink]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_deletes_what_a_plan_deletes(events in events(), policy in policies(), side in sides(), zone in zones()) {
        let Ok(mut simulation) = Simulation::new(&policy, side, zone.clone()) else { return Ok(()) };
        let mut now = START;
        let mut store: Vec<(usize, Candidate)> = Vec::new();
        for (minutes, event) in events {
            now += minutes * 60;
            let time = Timestamp::from_second(now).unwrap();
            if let Event::Rotation = event {
                let candidates: Vec<_> = store.iter().map(|(_, candidate)| candidate.clone()).collect();
                let plan = plan(&candidates, &policy, &Rules { now: time, zone: zone.clone(), side }).unwrap();
                let expired = |n: usize| plan.decisions[n].verdict == Verdict::Expire;
                let expected: BTreeSet<_> = (0..store.len()).filter(|n| expired(*n)).map(|n| store[n].0).collect();
                let mut gone = Vec::new();
                simulation.rotate(time, |n| gone.push(n));
                prop_assert_eq!(gone.iter().copied().collect::<BTreeSet<_>>(), expected, "{}", explain(&plan));
                prop_assert!(gone.iter().enumerate().all(|(at, n)| !gone[..at].contains(n)), "twice: {:?}", gone);
                for (at, n) in gone.iter().enumerate() {
                    let base = store.iter().find(|(m, _)| m == n).and_then(|(_, c)| c.base.as_ref());
                    let of = base.and_then(|base| store.iter().find(|(_, c)| c.id == base.id)).map(|(m, _)| *m);
                    prop_assert!(of.is_none_or(|of| !gone[..at].contains(&of)), "an incremental goes before its base");
                }
                store.retain(|(n, _)| !gone.contains(n));
                prop_assert!(store.iter().all(|(n, _)| simulation.holds(*n)));
                continue;
            }
            // Several may come to a sink in one second; the ids of a source differ.
            let newest = store.last().map_or(0, |(_, newest)| newest.id.time().as_second());
            let id = (now - if side == Side::Source { 0 } else { 3600 }).max(newest + 1);
            now = now.max(id);
            let time = Timestamp::from_second(now).unwrap();
            let candidate = full_at(Timestamp::from_second(id).unwrap());
            let receipt = Some(Arrival { received_at: time, verified_at: Some(time) });
            let candidate = Candidate { receipt, ..candidate };
            let base = store.iter().rev().find(|(_, c)| c.base.is_none()).filter(|_| matches!(event, Event::Incremental));
            let n = simulation.arrive(time, base.map(|(n, _)| *n));
            let base = base.map(|(_, base)| reference(base));
            store.push((n, Candidate { base, ..candidate }));
        }
    }
}
