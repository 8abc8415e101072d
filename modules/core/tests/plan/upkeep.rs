//! What is done to copies on a sink runs by the sink's clock: there it is planned, proven and shown.

use crate::make::{check, facts};
use backup_core::{
    Job,
    schedule::{Calendar, Clock, Outcome, Plan, Purpose, firings, plan, zone},
};
use jiff::{SignedDuration, Timestamp};

/// Every night at this time in Europe/Berlin, in full on Sundays; on its sink 20 minutes later.
fn job(at: &str, objectives: &str) -> Job {
    let text = format!(
        "{{version: 1, job: shop, source: web1, objectives: {{rpo: 26h, at: [\"{at}\"],
        durations: {{collect: 10min, transport: 5min, verify: 5min}}, full: {{days: [sun]}}, {objectives}}},
        streams: {{data: {{include: [/srv/shop], transport: {{mode: push, peer: {{address: sink1}}}},
        sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    Job::parse(&text, "shop").unwrap()
}

fn from() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// Two changes of clocks, and more.
fn until() -> Timestamp {
    from() + SignedDuration::from_hours(24 * 500)
}

fn planned(job: &Job, sink: &str) -> Plan {
    plan(std::slice::from_ref(job), &facts(sink), from(), until()).unwrap()
}

/// All that the entries for it begin, by the sink's clock.
fn begins(plan: &Plan, purpose: Purpose, sink: &str) -> Vec<i64> {
    let clock = Clock::new(&zone(sink, "sink1").unwrap(), from(), until());
    let entries = plan.entries.iter().filter(|entry| entry.purpose == purpose && entry.host == "sink1");
    entries.flat_map(|entry| firings(&entry.cron.parse().unwrap(), &clock).map(|firing| firing.at)).collect()
}

#[test]
fn a_declared_time_is_the_sinks() {
    // Sunday 23:00 in Berlin is Monday 07:00 in Tokyo: at 03:00 there that full is not even begun.
    let job = job("23:00", "verify: {days: [mon], at: [\"03:00\"]}");
    let plan = planned(&job, "Asia/Tokyo");
    let told = check(&plan, "verification");
    assert_eq!(told.outcome, Outcome::Ok, "{told}");
    assert!(begins(&plan, Purpose::Verify, "Asia/Tokyo").contains(&told.instant.unwrap()), "{told}");
    assert!(told.figures["after"] > 86_400, "the full of that Sunday is not begun: {told}");
    assert!(told.text.contains("03:00 on sink1, Asia/Tokyo)"), "{told}");
    let calendar = Calendar::of(&plan, &[job], &facts("Asia/Tokyo"), from(), 4).unwrap().to_string();
    assert!(calendar.contains("sun 2026-11-22\n  19:00 verify"), "{calendar}");
}

#[test]
fn one_that_is_too_early_there_is_refused() {
    // 07:10 in Tokyo lies between the full and its arrival while Berlin has winter time.
    let at = |time| planned(&job("23:00", &format!("verify: {{days: [mon], at: [\"{time}\"]}}")), "Asia/Tokyo");
    let plan = at("07:10");
    let told = check(&plan, "verification");
    assert_eq!(told.outcome, Outcome::Failed, "{told}");
    assert!(begins(&plan, Purpose::Verify, "Asia/Tokyo").contains(&told.instant.unwrap()), "{told}");
    assert!(at("07:20").feasible, "{}", at("07:20"));
}

#[test]
fn a_derived_time_is_after_the_full_in_every_zone() {
    for sink in ["UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe"] {
        for time in ["00:00", "05:45", "14:40", "18:30", "23:20", "23:45"] {
            for days in ["days: [sun]", "days: [mon]", "every: 1d", "every: 31d"] {
                let plan = planned(&job(time, &format!("drill: {{{days}}}")), sink);
                let told = check(&plan, "drill");
                assert_eq!(told.outcome, Outcome::Ok, "{sink}, {time}, {days}: {told}");
                let begins = begins(&plan, Purpose::Drill, sink);
                assert!(begins.contains(&told.instant.unwrap()), "{sink}, {time}, {days}: {told}");
            }
        }
    }
}
