//! Both streams of a job: they may travel at the same time, and neither may begin while its own last transport is running.

use crate::make::{FROM, berlin, planned, quick};
use backup_core::{
    Job, StreamName,
    schedule::{Facts, Outcome, Purpose, plan},
};
use jiff::{Timestamp, ToSpan, tz::TimeZone};

fn overlap(transport: &str) -> Outcome {
    let text = format!(
        "{{version: 1, job: shop, source: web1, schedule: {{collect: \"0 2 * * *\", transport: \"{transport}\"}},
        objectives: {{durations: {{collect: 10min, transport: 20min, verify: 1min}}}},
        streams: {{data: {{include: [/srv/shop], transport: {{mode: pull, peer: {{address: web1}}}}, sink: {{name: sink1, retention: {{generations: 7}}}}}},
        logs: {{include: [/var/log/shop], transport: {{mode: pull, peer: {{address: web1}}}}, sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let until = from.to_zoned(TimeZone::UTC).checked_add(1.year()).unwrap().timestamp();
    let plan = plan(&[Job::parse(&text, "shop.yml").unwrap()], &Facts::default(), from, until).unwrap();
    plan.checks.iter().find(|check| check.check == "overlap").unwrap().outcome
}

#[test]
fn streams_may_travel_at_the_same_time() {
    assert_eq!(overlap("30 2 * * *"), Outcome::Ok);
    assert_eq!(overlap("* * * * *"), Outcome::Ok);
}

#[test]
fn they_may_not_travel_while_the_job_collects() {
    assert_eq!(overlap("5 2 * * *"), Outcome::Failed);
    assert_eq!(overlap("50 1 * * *"), Outcome::Failed);
}

#[test]
fn the_second_one_travels_after_the_first() {
    let mut job = quick("rpo: 26h, at: [\"22:00\"]");
    let logs = job.streams[&StreamName::Data].clone();
    job.streams.insert(StreamName::Logs, logs);
    let plan = planned(&job, &berlin(), FROM, 10);
    let told = |stream| {
        let of =
            |entry: &&backup_core::schedule::Entry| entry.purpose == Purpose::Transport && entry.stream == Some(stream);
        let first = plan.entries.iter().find(of).unwrap();
        (first.cron.as_str(), first.why.as_str())
    };
    let why = "after collecting, which takes 10 min at p95";
    assert_eq!(told(StreamName::Data), ("10 22 * * *", why));
    assert_eq!(told(StreamName::Logs), ("20 22 * * *", format!("{why}; after carrying the streams before").as_str()));
}
