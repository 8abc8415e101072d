//! Both streams of a job: they may travel at the same time, and neither may begin while its own last transport is running.

use backup_core::{
    Job,
    schedule::{Facts, Outcome, plan},
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
