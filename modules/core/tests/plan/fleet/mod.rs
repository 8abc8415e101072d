//! Many sources on few sinks: what is accepted is never too much for a sink, and nobody moves for a newcomer.

mod examples;
mod properties;

use crate::simulator::live;
use backup_core::{
    Job,
    schedule::{Facts, FleetPlan, HostFacts, SinkFacts, zone},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Sources = BTreeMap<String, Vec<Job>>;

/// Three weeks in which clocks change in Europe and in America.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 21);

fn from() -> Timestamp {
    "2026-10-18T12:00:00Z".parse().unwrap()
}

/// A job of data that are pushed.
#[expect(clippy::needless_pass_by_value, reason = "callers write json!(..)")]
fn document(source: &str, name: &str, sink: &str, objectives: Value) -> Value {
    json!({
        "version": 1, "job": name, "source": source, "objectives": objectives,
        "streams": {"data": {
            "include": [format!("/srv/{source}/{name}")],
            "transport": {"mode": "push", "peer": {"address": sink}},
            "sink": {"name": sink, "retention": {"within": "60d"}},
        }},
    })
}

fn parsed(document: &Value) -> Job {
    Job::parse(&document.to_string(), "fleet").unwrap()
}

/// Sources of one job each, and facts of a sink.
fn sources(count: usize, objectives: &Value, sink: SinkFacts) -> (Sources, Facts) {
    let name = |n: usize| format!("web{n}");
    let of = |n: usize| (name(n), vec![parsed(&document(&name(n), "shop", "sink1", objectives.clone()))]);
    let mut facts = Facts { sinks: [("sink1".to_owned(), sink)].into(), ..Facts::default() };
    for n in 0..count {
        facts.hosts.insert(name(n), HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() });
    }
    ((0..count).map(of).collect(), facts)
}

/// Transports, and bytes per second, in each minute since the begin.
type Minutes = Vec<(u64, u64)>;

/// What the other simulator sees on each sink. Rates are those that the jobs declare.
fn seen(sources: &Sources, plan: &FleetPlan, from: Timestamp, until: Timestamp) -> BTreeMap<String, Minutes> {
    let of = |name: &str, zones: &BTreeMap<String, String>| zone(&zones[name], name).unwrap();
    let mut zones: BTreeMap<String, String> = BTreeMap::new();
    for (name, host) in &plan.facts.hosts {
        zones.insert(name.clone(), host.zone.name().to_owned());
    }
    for planned in &plan.sinks {
        zones.insert(planned.sink.clone(), planned.zone.clone());
    }
    let (from, until) = (from.as_second(), until.as_second());
    let minute = |second: i64| usize::try_from((second - from).div_euclid(60)).unwrap();
    // What begins near the end lasts longer.
    let idle = vec![(0, 0); minute(until) + 24 * 60];
    let mut sinks: BTreeMap<String, Minutes> =
        plan.sinks.iter().map(|planned| (planned.sink.clone(), idle.clone())).collect();
    for (jobs, planned) in sources.values().zip(&plan.plans) {
        let hosts = planned.entries.iter().map(|entry| entry.host.clone()).chain([planned.source.clone()]);
        let zones = hosts.map(|host| (host.clone(), of(&host, &zones))).collect();
        let seen = live(jobs, planned, &zones, from, until);
        for job in jobs {
            let durations = job.objectives.as_ref().unwrap().durations;
            let takes = i64::try_from(durations.transport.unwrap().0 + durations.verify.unwrap().0).unwrap();
            for stream in job.streams() {
                let rate = stream.stream.transport.bandwidth.map_or(0, |rate| rate.0);
                let arrivals = seen.arrivals.get(&(job.job.clone(), stream.name.to_string()));
                let minutes = sinks.get_mut(&stream.stream.sink.name).unwrap();
                for (arrives, _) in arrivals.into_iter().flatten() {
                    for (running, flowing) in &mut minutes[minute(arrives - takes)..=minute(arrives - 1)] {
                        (*running, *flowing) = (*running + 1, *flowing + rate);
                    }
                }
            }
        }
    }
    sinks
}
