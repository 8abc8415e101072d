//! Random policies: what is accepted holds, and what is refused is really broken, in the other simulator.

use crate::simulator::{Seen, live};
use backup_core::{
    Job,
    schedule::{Check, Facts, HostFacts, Outcome, Plan, SinkFacts, plan, zone},
    units::Span,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A bit more than a year: all changes of clocks and all ends of months.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 400);

const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];

fn times() -> impl Strategy<Value = Value> {
    let time = (0..24u32, prop_oneof![Just(0), Just(30), 0..60u32]);
    let time = time.prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    proptest::collection::btree_set(time, 1..3).prop_map(|times| json!(times))
}

fn days() -> impl Strategy<Value = Value> {
    let week = proptest::sample::subsequence(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun"], 1..7);
    let month = proptest::collection::btree_set(1..=28u8, 1..3);
    prop_oneof![week.prop_map(|days| json!(days)), month.prop_map(|days| json!(days))]
}

/// When it collects.
fn rhythm() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let rpo = || {
        let minutes = [45u32, 90, 200, 400, 800, 1500, 1600, 3000, 4500, 11_000, 26_000, 46_000, 140_000];
        proptest::sample::select(minutes.to_vec()).prop_map(|minutes| ("rpo", json!(format!("{minutes}min"))))
    };
    prop_oneof![
        4 => rpo().prop_map(|rpo| vec![rpo]),
        3 => (rpo(), times()).prop_map(|(rpo, at)| vec![rpo, ("at", at)]),
        2 => (rpo(), times(), days()).prop_map(|(rpo, at, on)| vec![rpo, ("at", at), ("days", on)]),
        1 => (rpo(), days()).prop_map(|(rpo, on)| vec![rpo, ("days", on)]),
    ]
}

fn window() -> impl Strategy<Value = Option<Value>> {
    let windows = ["22:00-06:00", "01:00-03:30", "00:00-12:00", "mon-fri 20:00-08:00", "sat-sun 00:00-24:00"];
    let some = proptest::sample::subsequence(windows.to_vec(), 1..3).prop_map(|windows| json!(windows));
    proptest::option::weighted(0.4, some)
}

fn job(index: usize) -> impl Strategy<Value = Value> {
    let rare = |weight| proptest::bool::weighted(weight);
    let switches = (rare(0.25), rare(0.2), rare(0.3), rare(0.3));
    let durations = (1..40u32, 1..40u32, 0..20u32);
    let numbers = (prop_oneof![3 => Just(0u32), 1 => 1..3u32], prop_oneof![2 => Just(0u32), 1 => 5..150u32]);
    (rhythm(), window(), switches, durations, numbers, days()).prop_map(
        move |(rhythm, window, (carried, logs, pull, full), (collect, transport, verify), (tolerate, gap), full_on)| {
            let minutes = |minutes: u32| format!("{minutes}min");
            let mut objectives = json!({
                "tolerate": tolerate,
                "gap": minutes(gap),
                "durations": {"collect": minutes(collect), "transport": minutes(transport), "verify": minutes(verify)},
            });
            for (key, value) in rhythm {
                objectives[key] = value;
            }
            if let Some(window) = window {
                objectives["window"] = window;
            }
            if carried && index > 0 {
                objectives["with"] = json!("job0");
            }
            if full {
                objectives["full"] = json!({"days": full_on});
            }
            // Everything is kept: what stores delete is the subject of the tests of history.
            let stream = |path: &str| {
                json!({
                    "include": [path],
                    "transport": {"mode": if pull { "pull" } else { "push" }, "peer": {"address": "peer"}},
                    "sink": {"name": "sink1", "retention": {"within": "500d"}},
                })
            };
            let mut streams = json!({"data": stream(&format!("/srv/{index}"))});
            if logs {
                streams["logs"] = stream(&format!("/var/log/{index}"));
            }
            json!({"version": 1, "job": format!("job{index}"), "source": "web1", "objectives": objectives, "streams": streams})
        },
    )
}

#[derive(Debug)]
struct World {
    documents: Vec<Value>,
    source: &'static str,
    sink: &'static str,
    from: Timestamp,
}

fn world() -> impl Strategy<Value = World> {
    let jobs = (1..4usize).prop_flat_map(|count| (0..count).map(job).collect::<Vec<_>>());
    let zones = (proptest::sample::select(ZONES.to_vec()), proptest::sample::select(ZONES.to_vec()), any::<bool>());
    (jobs, zones, 0..3000i64).prop_map(|(documents, (source, other, same), day)| World {
        documents,
        source,
        sink: if same { source } else { other },
        from: Timestamp::from_second(1_798_761_600 + day * 86_400 + 43_200).unwrap(),
    })
}

fn tolerated(job: &Job) -> usize {
    job.objectives.as_ref().unwrap().tolerate as usize
}

/// Everything that an accepted plan promises.
fn assert_held(jobs: &[Job], plan: &Plan, seen: &Seen) {
    assert!(seen.overlaps.is_empty(), "overlaps: {:?}\n{plan}", seen.overlaps.first());
    assert!(seen.crowded.is_empty(), "gap: {:?}\n{plan}", seen.crowded.first());
    assert!(seen.outside.is_empty(), "window: {:?}\n{plan}", seen.outside.first());
    assert!(seen.refused.is_empty(), "handover: {:?}\n{plan}", seen.refused.first());
    for job in jobs {
        let rpo = i64::try_from(job.objectives.as_ref().unwrap().rpo.unwrap().0).unwrap();
        for of in job.streams() {
            let worst = seen.worst(&job.job, of.name.as_str(), tolerated(job)).expect("copies arrive");
            assert!(worst <= rpo, "RPO of {}: {worst} > {rpo}\n{plan}", job.job);
        }
    }
}

/// That a counter-example is one.
fn assert_real(jobs: &[Job], plan: &Plan, check: &Check, seen: &Seen) {
    let name = check.job.clone().unwrap_or_default();
    let Some(at) = check.instant else {
        assert!(check.check == "rpo" || check.check == "full_day", "no instant: {check:?}");
        return;
    };
    let real = match check.check.as_str() {
        "rpo" => {
            let job = jobs.iter().find(|job| job.job == name).unwrap();
            let rpo = i64::try_from(job.objectives.as_ref().unwrap().rpo.unwrap().0).unwrap();
            let age = seen.age(&name, check.stream.unwrap().as_str(), at + 1, tolerated(job));
            age.is_some_and(|age| age > rpo)
        }
        "overlap" => seen.overlaps.first() == Some(&at),
        "gap" => seen.crowded.iter().find(|(job, _)| *job == name) == Some(&(name, at)),
        "window" => seen.outside.iter().find(|(job, _)| *job == name) == Some(&(name, at)),
        "handover" => seen.refused.contains(&(name, at)),
        other => panic!("{other} cannot fail here: {check}"),
    };
    assert!(real, "not real: {check}\n{plan}");
}

/// The effective RPO is not only a bound: it is reached.
fn assert_exact(plan: &Plan, jobs: &[Job], seen: &Seen) {
    for attained in &plan.streams {
        let job = jobs.iter().find(|job| job.job == attained.job).unwrap();
        let worst = seen.worst(&attained.job, attained.stream.as_str(), tolerated(job));
        assert_eq!(worst, attained.effective_rpo, "{} {}\n{plan}", attained.job, attained.stream);
    }
}

/// What is told of collections that take longer is what comes of them.
fn assert_late(plan: &Plan, jobs: &[Job], live: impl Fn(&[Job]) -> Seen) {
    for check in plan.checks.iter().filter(|check| check.check == "late_run") {
        let (name, stream) = (check.job.clone().unwrap(), check.stream.unwrap());
        let mut jobs = jobs.to_vec();
        let job = jobs.iter_mut().find(|job| job.job == name).unwrap();
        let late = Span(check.figures["collect"].unsigned_abs());
        job.objectives.as_mut().unwrap().durations.collect = Some(late);
        let worst =
            live(&jobs).worst(&name, stream.as_str(), tolerated(jobs.iter().find(|job| job.job == name).unwrap()));
        assert_eq!(worst, Some(check.figures["effective"]), "{check}\n{plan}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_holds_and_what_is_refused_is_broken(world in world()) {
        let parsed: Result<Vec<Job>, _> =
            world.documents.iter().map(|document| Job::parse(&document.to_string(), "random")).collect();
        prop_assume!(parsed.is_ok());
        let jobs = parsed.unwrap();
        let mut facts = Facts::default();
        facts.hosts.insert("web1".into(), HostFacts { zone: world.source.into(), ..HostFacts::default() });
        facts.sinks.insert("sink1".into(), SinkFacts { zone: world.sink.into(), ..SinkFacts::default() });
        let until = world.from + HORIZON;
        let plan = plan(&jobs, &facts, world.from, until);
        prop_assume!(plan.is_ok());
        let plan = plan.unwrap();
        let zones = BTreeMap::from([
            ("web1".to_owned(), zone(world.source, "web1").unwrap()),
            ("sink1".to_owned(), zone(world.sink, "sink1").unwrap()),
        ]);
        let live = |jobs: &[Job]| live(jobs, &plan, &zones, world.from.as_second(), until.as_second());
        let seen = live(&jobs);
        if plan.feasible {
            assert_held(&jobs, &plan, &seen);
        }
        for check in plan.checks.iter().filter(|check| check.outcome == Outcome::Failed) {
            assert_real(&jobs, &plan, check, &seen);
        }
        assert_exact(&plan, &jobs, &seen);
        assert_late(&plan, &jobs, live);
    }
}
