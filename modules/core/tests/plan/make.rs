//! One job on one host, planned.

use backup_core::{
    Job,
    schedule::{Check, Facts, HostFacts, Plan, SinkFacts, plan},
};
use jiff::{SignedDuration, Timestamp};

/// Friday noon, before a weekend of late autumn.
pub(crate) const FROM: &str = "2026-11-20T12:00:00Z";

/// Files of web1, pushed to sink1.
pub(crate) fn shop(objectives: &str) -> Job {
    let text = format!(
        "{{version: 1, job: shop, source: web1, objectives: {objectives},
        streams: {{data: {{include: [/srv/shop], transport: {{mode: push, peer: {{address: sink1}}}},
        sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    Job::parse(&text, "shop").unwrap()
}

/// Objectives with steps that take 10, 10 and 5 minutes.
pub(crate) fn quick(objectives: &str) -> Job {
    shop(&format!("{{{objectives}, durations: {{collect: 10min, transport: 10min, verify: 5min}}}}"))
}

/// web1 is in Berlin.
pub(crate) fn berlin() -> Facts {
    let web1 = HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() };
    Facts { hosts: [("web1".to_owned(), web1)].into(), ..Facts::default() }
}

/// web1 is in Berlin, and sink1 in this zone.
pub(crate) fn facts(sink: &str) -> Facts {
    let sink1 = SinkFacts { zone: sink.into(), ..SinkFacts::default() };
    Facts { sinks: [("sink1".to_owned(), sink1)].into(), ..berlin() }
}

/// The plan of one job of web1 for so many days.
pub(crate) fn planned(job: &Job, facts: &Facts, from: &str, days: i64) -> Plan {
    let from: Timestamp = from.parse().unwrap();
    plan(std::slice::from_ref(job), facts, from, from + SignedDuration::from_hours(24 * days)).unwrap()
}

/// The first check of this name.
pub(crate) fn check<'p>(plan: &'p Plan, name: &str) -> &'p Check {
    plan.checks.iter().find(|check| check.check == name).unwrap()
}
