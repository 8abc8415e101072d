//! Random policies: what is accepted holds, and what is refused is really broken, in the other simulator.

use crate::simulator::{Outage, Seen, live, live_through};
use backup_core::{
    Job,
    schedule::{Check, Facts, HostFacts, Outcome, Plan, SinkFacts, plan, zone},
    units::Span,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
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

/// A plan, and the world that it is lived in.
struct Lived<'a> {
    plan: &'a Plan,
    zones: &'a BTreeMap<String, TimeZone>,
    range: [i64; 2],
}

impl Lived<'_> {
    fn usual(&self, jobs: &[Job]) -> Seen {
        let [from, until] = self.range;
        live(jobs, self.plan, self.zones, from, until)
    }

    /// What is seen around an instant if the sink of a stream is away for so many transports, whichever of those before it.
    fn outages(&self, jobs: &[Job], usual: &Seen, of: &(String, String), missed: usize, at: i64) -> Vec<Seen> {
        let starts = usual.starts.get(of).map_or(&[][..], Vec::as_slice);
        let near = starts.partition_point(|start| *start <= at);
        let afters = near.saturating_sub(missed + 2)..starts.len().saturating_sub(missed + 1).min(near + 1);
        let seen = |n: usize| {
            let outage = Outage { of: of.clone(), after: starts[n], back: starts[n + missed + 1] };
            // What comes long before and long after makes no difference.
            let from = n.checked_sub(3).map_or(self.range[0], |before| starts[before] / 60 * 60);
            let until = starts.get(n + missed + 3).map_or(self.range[1], |after| after + 60);
            live_through(jobs, self.plan, self.zones, [from, until], Some(outage))
        };
        afters.map(seen).collect()
    }

    /// The greatest age of a stream's newest copy if any so many transports in a row are missed. It is told when that is.
    fn worst(&self, jobs: &[Job], usual: &Seen, of: &(String, String), missed: usize, at: i64) -> Option<i64> {
        if missed == 0 {
            return usual.worst(&of.0, &of.1);
        }
        let seen = self.outages(jobs, usual, of, missed, at);
        seen.iter().filter_map(|seen| seen.worst(&of.0, &of.1)).max()
    }
}

fn of(check: &Check) -> (String, String) {
    (check.job.clone().unwrap_or_default(), check.stream.map(|stream| stream.to_string()).unwrap_or_default())
}

/// Whether it travels so seldom that to live through each outage takes the whole time.
fn is_rare(usual: &Seen, of: &(String, String)) -> bool {
    usual.starts.get(of).is_none_or(|starts| starts.len() < 80)
}

fn rpo(job: &Job) -> i64 {
    i64::try_from(job.objectives.as_ref().unwrap().rpo.unwrap().0).unwrap()
}

/// Everything that an accepted plan promises.
fn assert_held(lived: &Lived<'_>, jobs: &[Job], seen: &Seen) {
    let plan = lived.plan;
    assert!(seen.overlaps.is_empty(), "overlaps: {:?}\n{plan}", seen.overlaps.first());
    assert!(seen.crowded.is_empty(), "gap: {:?}\n{plan}", seen.crowded.first());
    assert!(seen.outside.is_empty(), "window: {:?}\n{plan}", seen.outside.first());
    assert!(seen.refused.is_empty(), "handover: {:?}\n{plan}", seen.refused.first());
    for job in jobs {
        for stream in job.streams() {
            let of = (job.job.clone(), stream.name.to_string());
            let worst = seen.worst(&of.0, &of.1).expect("copies arrive");
            assert!(worst <= rpo(job), "RPO of {}: {worst} > {}\n{plan}", job.job, rpo(job));
            if tolerated(job) == 0 || is_rare(seen, &of) {
                continue;
            }
            let [from, until] = lived.range;
            for seen in lived.outages(jobs, seen, &of, tolerated(job), from + (until - from) / 2) {
                let worst = seen.worst(&of.0, &of.1).unwrap_or_default();
                assert!(worst <= rpo(job), "RPO of {} after an outage: {worst} > {}\n{plan}", job.job, rpo(job));
                assert!(seen.refused.is_empty(), "handover in an outage: {:?}\n{plan}", seen.refused.first());
            }
        }
    }
}

/// That a counter-example is one.
fn assert_real(lived: &Lived<'_>, jobs: &[Job], check: &Check, usual: &Seen) {
    let (name, plan) = (check.job.clone().unwrap_or_default(), lived.plan);
    let Some(at) = check.instant else {
        assert!(check.check == "rpo" || check.check == "full_day", "no instant: {check:?}");
        return;
    };
    let any = |real: &dyn Fn(&Seen) -> bool| {
        let missed = tolerated(jobs.iter().find(|job| job.job == name).unwrap());
        real(usual) || lived.outages(jobs, usual, &of(check), missed, at).iter().any(real)
    };
    let real = match check.check.as_str() {
        "rpo" => {
            let rpo = rpo(jobs.iter().find(|job| job.job == name).unwrap());
            any(&|seen| seen.age(&name, &of(check).1, at + 1).is_some_and(|age| age > rpo))
        }
        "overlap" => usual.overlaps.first() == Some(&at),
        "gap" => usual.crowded.iter().find(|(job, _)| *job == name) == Some(&(name, at)),
        "window" => usual.outside.iter().find(|(job, _)| *job == name) == Some(&(name, at)),
        "handover" => any(&|seen| seen.refused.contains(&(name.clone(), at))),
        other => panic!("{other} cannot fail here: {check}"),
    };
    assert!(real, "not real: {check}\n{plan}");
}

/// The ages that are told are not only bounds: they are reached. Those of collections that take longer, too.
fn assert_exact(lived: &Lived<'_>, jobs: &[Job], usual: &Seen) {
    let plan = lived.plan;
    let named = |name: &str| jobs.iter().position(|job| job.job == name).unwrap();
    for attained in plan.streams.iter().filter(|attained| tolerated(&jobs[named(&attained.job)]) == 0) {
        assert_eq!(
            usual.worst(&attained.job, attained.stream.as_str()),
            attained.effective_rpo,
            "{}\n{plan}",
            attained.job
        );
    }
    for check in plan.checks.iter().filter(|check| check.stream.is_some()) {
        let job = named(check.job.as_ref().unwrap());
        let missed = tolerated(&jobs[job]);
        let at = check.instant.unwrap_or_default();
        let is_full =
            |other: &Check| other.check == "handover" && other.outcome == Outcome::Failed && of(other) == of(check);
        // Where transports never catch up, there is no end to what an outage does.
        if is_rare(usual, &of(check)) || (missed > 0 || check.check == "missed_run") && plan.checks.iter().any(is_full)
        {
            continue;
        }
        let worst = match (check.check.as_str(), check.outcome) {
            ("rpo", Outcome::Ok) => lived.worst(jobs, usual, &of(check), missed, at),
            ("missed_run", _) => lived.worst(jobs, usual, &of(check), missed + 1, at),
            ("late_run", _) => {
                let mut jobs = jobs.to_vec();
                let late = Span(check.figures["collect"].unsigned_abs());
                jobs[job].objectives.as_mut().unwrap().durations.collect = Some(late);
                lived.worst(&jobs, &lived.usual(&jobs), &of(check), missed, at)
            }
            _ => continue,
        };
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
        let lived = Lived { plan: &plan, zones: &zones, range: [world.from.as_second(), until.as_second()] };
        let seen = lived.usual(&jobs);
        if plan.feasible {
            assert_held(&lived, &jobs, &seen);
        }
        for check in plan.checks.iter().filter(|check| check.outcome == Outcome::Failed) {
            assert_real(&lived, &jobs, check, &seen);
        }
        assert_exact(&lived, &jobs, &seen);
    }
}
