//! Random fleets through ten years.

use super::{Sources, document, from, parsed, seen};
use backup_core::schedule::{Entry, Facts, FleetPlan, HostFacts, Outcome, SinkFacts, plan, plan_fleet, ten_years};
use backup_core::units::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "America/New_York"];

/// How sources of one kind are backed up.
fn kind() -> impl Strategy<Value = Vec<Value>> {
    let rhythm = prop_oneof![
        Just(json!({"rpo": "26h"})),
        Just(json!({"rpo": "8h"})),
        Just(json!({"rpo": "28h", "window": ["22:00-04:00"]})),
        Just(json!({"rpo": "28h", "at": ["22:00"]})),
        Just(json!({"at": ["02:30"], "days": ["sun", "wed"]})),
        Just(json!({"rpo": "10d", "days": ["sat"]})),
    ];
    let job = (rhythm, 1..8u32, 1..25u32, 0..5u32, prop_oneof![Just("data"), Just("logs")], any::<bool>(), 1..9u64);
    let job = job.prop_map(|(mut objectives, collect, transport, verify, stream, pull, rate)| {
        let minutes = |minutes: u32| format!("{minutes}min");
        objectives["durations"] = json!({"collect": minutes(collect), "transport": minutes(transport), "verify": minutes(verify)});
        json!({"objectives": objectives, "stream": stream, "mode": if pull { "pull" } else { "push" }, "rate": rate * 2000})
    });
    proptest::collection::vec(job, 1..3)
}

#[derive(Debug)]
struct World {
    documents: Vec<Value>,
    facts: Facts,
}

fn world() -> impl Strategy<Value = World> {
    let zone = || proptest::sample::select(ZONES.to_vec());
    let sink = (zone(), 1..5u32, prop_oneof![Just(None), (8..30u64).prop_map(Some)]);
    let sinks = proptest::collection::vec(sink, 1..3);
    let member = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), zone());
    (proptest::collection::vec(kind(), 1..4), sinks, proptest::collection::vec(member, 2..9)).prop_map(
        |(kinds, sinks, members)| {
            let mut world = World { documents: Vec::new(), facts: Facts::default() };
            for (n, (zone, parallel, rate)) in sinks.iter().enumerate() {
                let bandwidth = rate.map(|rate| Bytes(rate * 2000));
                let facts = SinkFacts {
                    zone: (*zone).into(),
                    parallel: *parallel,
                    reserve: Some(0),
                    bandwidth,
                    capacity: None,
                };
                world.facts.sinks.insert(format!("sink{n}"), facts);
            }
            for (n, (kind, sink, zone)) in members.iter().enumerate() {
                let (source, sink) = (format!("web{n}"), format!("sink{}", sink.index(sinks.len())));
                world.facts.hosts.insert(source.clone(), HostFacts { zone: (*zone).into(), ..HostFacts::default() });
                for (number, of) in kinds[kind.index(kinds.len())].iter().enumerate() {
                    let mut job = document(&source, &format!("job{number}"), &sink, of["objectives"].clone());
                    job["streams"]["data"]["transport"]["mode"] = of["mode"].clone();
                    job["streams"]["data"]["transport"]["bandwidth"] = of["rate"].clone();
                    if of["stream"] == "logs" {
                        let stream = job["streams"]["data"].clone();
                        job["streams"] = json!({"logs": stream});
                    }
                    world.documents.push(job);
                }
            }
            world
        },
    )
}

fn sources<'d>(documents: impl Iterator<Item = &'d Value>) -> Sources {
    let mut sources = Sources::new();
    for job in documents.map(parsed) {
        sources.entry(job.source.clone()).or_default().push(job);
    }
    sources
}

fn planned(sources: &Sources, facts: &Facts) -> FleetPlan {
    plan_fleet(sources, facts, from(), ten_years(from())).unwrap()
}

/// The entries of a source, whatever their order.
fn entries(plan: &FleetPlan, source: &str) -> Vec<Entry> {
    let of = plan.plans.iter().find(|plan| plan.source == source).unwrap();
    let mut entries = of.entries.clone();
    entries.sort_by_key(|entry| (entry.job.clone(), entry.command.clone(), entry.cron.clone()));
    entries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn no_sink_bears_more_than_it_can_and_what_is_refused_is_real(world in world()) {
        let sources = sources(world.documents.iter());
        let plan = planned(&sources, &world.facts);
        let seen = seen(&sources, &plan, from(), ten_years(from()));
        for sink in &plan.sinks {
            let facts = &world.facts.sinks[&sink.sink];
            let seen = &seen[&sink.sink];
            let limits = [u64::from(facts.parallel), facts.bandwidth.map_or(u64::MAX, |rate| rate.0)];
            for (name, value, limit) in [
                ("parallel", &(|(running, _): &(u64, u64)| *running) as &dyn Fn(&(u64, u64)) -> u64, limits[0]),
                ("bandwidth", &|(_, rate): &(u64, u64)| *rate, limits[1]),
            ] {
                let first = seen.iter().position(|minute| value(minute) > limit);
                let check = sink.checks.iter().find(|check| check.check == name);
                let Some(check) = check else { continue };
                let told = check.instant.filter(|_| check.outcome == Outcome::Failed);
                let told = told.map(|at| usize::try_from((at - from().as_second()) / 60).unwrap());
                prop_assert_eq!(told, first, "{}: {}", name, sink);
                let most = seen.iter().map(value).max().unwrap_or_default();
                prop_assert_eq!(u64::try_from(check.figures["most"]).unwrap(), most, "{}: {}", name, sink);
            }
        }
        for (name, jobs) in &sources {
            let alone = plan_alone(jobs, &plan.facts);
            prop_assert_eq!(plan.plans.iter().find(|plan| plan.source == *name), Some(&alone));
        }
    }

    #[test]
    fn the_order_does_not_matter_and_nobody_moves_for_a_newcomer(world in world()) {
        let all = sources(world.documents.iter());
        let reversed = sources(world.documents.iter().rev());
        let (plan, backwards) = (planned(&all, &world.facts), planned(&reversed, &world.facts));
        for name in all.keys() {
            prop_assert_eq!(entries(&plan, name), entries(&backwards, name));
        }
        // Without the last one first, then with it.
        let mut fewer = all.clone();
        fewer.pop_last();
        let before = planned(&fewer, &world.facts);
        prop_assume!(before.is_feasible());
        let mut facts = before.facts.clone();
        let newcomer = all.keys().next_back().unwrap();
        facts.hosts.get_mut(newcomer).unwrap().shift = None;
        let after = planned(&all, &facts);
        for name in fewer.keys() {
            prop_assert_eq!(entries(&before, name), entries(&after, name), "{} moved for {}", name, newcomer);
        }
    }
}

fn plan_alone(jobs: &[backup_core::Job], facts: &Facts) -> backup_core::schedule::Plan {
    plan(jobs, facts, from(), ten_years(from())).unwrap()
}
