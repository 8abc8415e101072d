//! Random hosts: jobs with objectives of all sorts, zones, and where ten years begin.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) const ZONES: [&str; 5] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];

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

/// Besides the RPO, when it collects.
fn rhythm() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    prop_oneof![
        4 => Just(vec![]),
        3 => times().prop_map(|at| vec![("at", at)]),
        2 => (times(), days()).prop_map(|(at, on)| vec![("at", at), ("days", on)]),
        1 => days().prop_map(|on| vec![("days", on)]),
    ]
}

/// The RPO, in minutes.
fn rpo_minutes() -> impl Strategy<Value = u32> {
    proptest::sample::select(vec![45u32, 90, 200, 400, 800, 1500, 1600, 3000, 4500, 11_000, 26_000, 46_000, 140_000])
}

/// What the sink keeps, as multiples of the RPO: history, policy, `protect`, the age at which a base is too old.
fn keeping() -> impl Strategy<Value = (Option<u32>, Vec<(&'static str, u32)>, u32, u32)> {
    let history = proptest::option::weighted(0.6, 1..20u32);
    let policy = prop_oneof![
        3 => Just(vec![]),
        2 => (1..25u32).prop_map(|times| vec![("within", times)]),
        2 => (1..40u32).prop_map(|count| vec![("generations", count)]),
        1 => (0..5u32, 1..15u32).prop_map(|(generations, daily)| vec![("generations", generations), ("daily", daily)]),
    ];
    let max_age = proptest::option::weighted(0.4, 1..20u32);
    let policy = (policy, max_age).prop_map(|(mut policy, max_age)| {
        policy.extend(max_age.map(|max_age| ("max_age", max_age)));
        policy
    });
    (history, policy, prop_oneof![2 => Just(0u32), 1 => 1..10u32], 0..10u32)
}

/// Windows and blackouts.
fn window() -> impl Strategy<Value = (Option<Value>, Option<Value>)> {
    let windows = ["22:00-06:00", "01:00-03:30", "00:00-12:00", "mon-fri 20:00-08:00", "sat-sun 00:00-24:00"];
    let some = proptest::sample::subsequence(windows.to_vec(), 1..3).prop_map(|windows| json!(windows));
    let blackouts = ["12-24", "02-29", "mon 08:00-18:00", "sun 00:00-24:00"];
    let dark = proptest::sample::subsequence(blackouts.to_vec(), 1..3).prop_map(|blackouts| json!(blackouts));
    (proptest::option::weighted(0.4, some), proptest::option::weighted(0.15, dark))
}

/// What is done to copies on the sink, at times that the planner chooses or that are declared.
fn upkeep() -> impl Strategy<Value = Option<(&'static str, Value)>> {
    let when = prop_oneof![
        1 => (1..40u32).prop_map(|days| json!({"every": format!("{days}d")})),
        1 => days().prop_map(|on| json!({"days": on})),
        1 => (days(), times()).prop_map(|(on, at)| json!({"days": on, "at": at})),
    ];
    proptest::option::weighted(0.4, (proptest::sample::select(vec!["verify", "drill"]), when))
}

fn job(index: usize) -> impl Strategy<Value = Value> {
    let rare = |weight| proptest::bool::weighted(weight);
    let switches = (rare(0.25), rare(0.2), rare(0.3), rare(0.3));
    let durations = (1..40u32, 1..40u32, 0..20u32);
    let numbers = (prop_oneof![3 => Just(0u32), 1 => 1..3u32], prop_oneof![2 => Just(0u32), 1 => 5..150u32]);
    let times = (rpo_minutes(), rhythm(), window(), days(), upkeep());
    (times, switches, durations, numbers, keeping()).prop_map(
        move |(
            (rpo, rhythm, (window, blackout), full_on, upkeep),
            (carried, logs, pull, full),
            (collect, transport, verify),
            (tolerate, gap),
            (history, policy, protect, full_every),
        )| {
            let minutes = |minutes: u32| format!("{minutes}min");
            let mut objectives = json!({
                "rpo": minutes(rpo),
                "tolerate": tolerate,
                "gap": minutes(gap),
                "durations": {"collect": minutes(collect), "transport": minutes(transport), "verify": minutes(verify)},
            });
            for (key, value) in rhythm.into_iter().chain(upkeep) {
                objectives[key] = value;
            }
            for (key, value) in [("window", window), ("blackout", blackout), ("history", history.map(|n| json!(minutes(n * rpo))))] {
                if let Some(value) = value {
                    objectives[key] = value;
                }
            }
            if carried && index > 0 {
                objectives["with"] = json!("job0");
            }
            if full {
                objectives["full"] = json!({"days": full_on});
            }
            let mut retention = json!({});
            for (key, n) in policy {
                retention[key] = if ["within", "max_age"].contains(&key) { json!(minutes(n * rpo)) } else { json!(n) };
            }
            let stream = |path: &str| {
                let mut sink = json!({"name": "sink1", "protect": minutes(protect * rpo)});
                // Without a rule it is derived.
                if retention != json!({}) {
                    sink["retention"] = retention.clone();
                }
                json!({
                    "include": [path],
                    "transport": {"mode": if pull { "pull" } else { "push" }, "peer": {"address": "peer"}},
                    "sink": sink,
                    "full": {"every": minutes(full_every * rpo)},
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
pub(crate) struct World {
    pub documents: Vec<Value>,
    pub source: &'static str,
    pub sink: &'static str,
    pub from: Timestamp,
}

/// A host of so many jobs.
pub(crate) fn world(jobs: std::ops::Range<usize>) -> impl Strategy<Value = World> {
    let jobs = jobs.prop_flat_map(|count| (0..count).map(job).collect::<Vec<_>>());
    let zones = (proptest::sample::select(ZONES.to_vec()), proptest::sample::select(ZONES.to_vec()), any::<bool>());
    (jobs, zones, 0..3000i64).prop_map(|(documents, (source, other, same), day)| World {
        documents,
        source,
        sink: if same { source } else { other },
        from: Timestamp::from_second(1_798_761_600 + day * 86_400 + 43_200).unwrap(),
    })
}
