//! Collections that take longer than at p95: the transport is tried twice, so that they do not travel one interval later.

use crate::{
    make::{self, FROM, berlin, quick},
    simulator::live,
};
use backup_core::{
    Job, StreamName,
    schedule::{Facts, HostFacts, Outcome, Plan, Purpose, plan, zone},
};
use jiff::{SignedDuration, Timestamp};

const ZONE: &str = "Europe/Berlin";

fn job(objectives: &str) -> Job {
    let text = format!(
        "{{version: 1, job: shop, source: web1, objectives: {objectives},
        streams: {{data: {{include: [/srv/shop], transport: {{mode: push, peer: {{address: sink1}}}},
        sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    Job::parse(&text, "shop").unwrap()
}

/// March, in which clocks go forward.
fn range() -> (Timestamp, Timestamp) {
    let from: Timestamp = "2027-03-01T12:00:00Z".parse().unwrap();
    (from, from + SignedDuration::from_hours(40 * 24))
}

fn planned(objectives: &str) -> Plan {
    let mut facts = Facts::default();
    facts.hosts.insert("web1".into(), HostFacts { zone: ZONE.into(), ..HostFacts::default() });
    let (from, until) = range();
    plan(&[job(objectives)], &facts, from, until).unwrap()
}

fn crons(plan: &Plan, purpose: Purpose) -> Vec<&str> {
    plan.entries.iter().filter(|entry| entry.purpose == purpose).map(|entry| entry.cron.as_str()).collect()
}

/// Hours that the newest copy gets old at most, if collecting takes as long as `objectives` say.
fn oldest(plan: &Plan, objectives: &str) -> f64 {
    let zones = [("web1".to_owned(), zone(ZONE, "web1").unwrap()), ("sink1".to_owned(), zone("UTC", "sink1").unwrap())];
    let (from, until) = range();
    let seen = live(&[job(objectives)], plan, &zones.into(), from.as_second(), until.as_second());
    let seconds = i32::try_from(seen.worst("shop", "data").unwrap()).unwrap();
    f64::from(seconds) / 3600.0
}

fn nightly(at: &str, collect: &str) -> String {
    format!("{{rpo: 26h, at: [\"{at}\"], durations: {{collect: {collect}, transport: 10min, verify: 10min}}}}")
}

#[test]
fn what_takes_longer_travels_with_the_second_try() {
    let plan = planned(&nightly("22:00", "20min"));
    assert!(plan.feasible, "{plan}");
    assert_eq!(crons(&plan, Purpose::Transport), ["20 22 * * *"]);
    assert_eq!(crons(&plan, Purpose::Again), ["40 22 * * *"]);
    let told = plan.checks.iter().find(|check| check.check == "late_run").unwrap();
    assert_eq!((told.outcome, told.figures["effective"]), (Outcome::Ok, 25 * 3600), "{told}");
    let hours = ["20min", "21min", "40min", "41min"].map(|collect| oldest(&plan, &nightly("22:00", collect)));
    // From 22:00 until 23:00 of the next day; beyond the second try it is the day after.
    assert!((hours[0] - 24.0 - 2.0 / 3.0).abs() < 0.01, "{hours:?}");
    assert_eq!(hours[1..], [25.0, 25.0, 48.0 + 2.0 / 3.0], "{hours:?}");
}

#[test]
fn a_long_collection_may_take_half_as_long_again() {
    let plan = planned(&nightly("22:00", "1h"));
    assert_eq!(crons(&plan, Purpose::Again), ["30 23 * * *"], "{plan}");
}

#[test]
fn also_in_the_night_in_which_clocks_go_forward() {
    let plan = planned(&nightly("01:50", "20min"));
    assert!(plan.feasible, "{plan}");
    assert_eq!(crons(&plan, Purpose::Transport), ["10 2,3 * * *"]);
    assert_eq!(crons(&plan, Purpose::Again), ["30 2,3 * * *"]);
    assert!(oldest(&plan, &nightly("01:50", "40min")) <= 25.0, "{plan}");
}

#[test]
fn a_second_try_that_breaks_the_rpo_is_told_of() {
    let objectives = nightly("22:00", "20min").replace("26h", "24h50min");
    let plan = planned(&objectives);
    assert!(plan.feasible, "{plan}");
    let told = plan.checks.iter().find(|check| check.check == "late_run").unwrap();
    assert_eq!(told.outcome, Outcome::Warning, "{told}");
    assert!(
        told.text.contains("up to 40 min travels with the second try") && told.text.contains("RPO is 24 h 50 min"),
        "{told}"
    );
}

#[test]
fn where_the_next_transport_is_as_near_there_is_no_second_try() {
    let plan = planned("{rpo: 1h, durations: {collect: 5min, transport: 10min, verify: 10min}}");
    assert!(plan.feasible && crons(&plan, Purpose::Again).is_empty(), "{plan}");
    assert!(plan.checks.iter().all(|check| check.check != "late_run"), "{plan}");
}

#[test]
fn of_each_stream_it_is_told_what_its_own_second_try_does() {
    let told = |rpo: &str| {
        let mut both = quick(&format!("at: [\"22:00\"], rpo: {rpo}"));
        let logs = both.streams.values().next().unwrap().clone();
        both.streams.insert(StreamName::Logs, logs);
        let plan = make::planned(&both, &berlin(), FROM, 10);
        let told = plan.checks.into_iter().filter(|check| check.check == "late_run");
        told.map(|check| (check.outcome, check.figures["effective"] / 60)).collect::<Vec<_>>()
    };
    // The logs travel after the data. An RPO may be reached, not exceeded.
    let day = 24 * 60;
    assert_eq!(told("1d50min"), [(Outcome::Ok, day + 40), (Outcome::Ok, day + 50)]);
    assert_eq!(told("1d49min"), [(Outcome::Ok, day + 40), (Outcome::Warning, day + 50)]);
}
