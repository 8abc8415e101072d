//! Jobs of one host that leave each other little room.

use crate::make::{berlin, quick};
use backup_core::{
    Job,
    schedule::{Check, Facts, Outcome, Plan, plan},
};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::json;

/// Jobs of these names, which give them their places, that take so long to collect.
fn planned(names: &[&str], collect: u32) -> Plan {
    let job = |name: &&str| {
        let durations = json!({"collect": format!("{collect}min"), "transport": "10min", "verify": "2min"});
        let text = json!({"version": 1, "job": name, "source": "web1",
            "objectives": {"rpo": "2h", "durations": durations},
            "streams": {"data": {"include": [format!("/srv/{name}")],
                "transport": {"mode": "push", "peer": {"address": "sink1"}},
                "sink": {"name": "sink1", "retention": {"within": "7d"}}}}});
        Job::parse(&text.to_string(), "test").unwrap()
    };
    let from: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let until = from.to_zoned(TimeZone::UTC).checked_add(1.year()).unwrap().timestamp();
    plan(&names.iter().map(job).collect::<Vec<_>>(), &Facts::default(), from, until).unwrap()
}

#[test]
fn jobs_that_fill_an_hour_find_room_whatever_their_names() {
    const NAMES: [&str; 8] = ["mail", "shop", "docs", "wiki", "cms", "erp", "git", "dns"];
    for first in 0..NAMES.len() {
        let names = |count| (first..first + count).map(|n| NAMES[n % NAMES.len()]).collect::<Vec<_>>();
        for (count, collect) in [(3, 10), (4, 5)] {
            let plan = planned(&names(count), collect);
            assert!(plan.feasible, "{plan}");
        }
    }
    let full = planned(&["mail", "shop", "docs"], 11);
    assert!(!full.feasible, "63 minutes do not fit into an hour: {full}");
}

#[test]
fn derived_times_leave_the_gaps_that_are_asked_for() {
    let job = |name: &str| Job { job: name.into(), ..quick("rpo: 26h, gap: 2h") };
    let jobs = ["mail", "shop", "docs", "wiki", "cms", "erp"].map(job);
    let from: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let plan = plan(&jobs, &Facts::default(), from, from + jiff::SignedDuration::from_hours(240)).unwrap();
    assert!(plan.feasible, "{plan}");
    let least: Vec<i64> =
        plan.checks.iter().filter(|check| check.check == "gap").map(|check| check.figures["least"]).collect();
    assert!(least.len() == jobs.len() && least.iter().all(|&least| least >= 7200), "{plan}");
}

#[test]
fn what_begins_at_once_is_next_wherever_it_is_declared() {
    let at_ten = |gap: &str| quick(&format!("rpo: 3d, at: ['10:00']{gap}"));
    let jobs = [Job { job: "mail".into(), ..at_ten("") }, at_ten(", gap: 30min")];
    let from: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let plan = plan(&jobs, &berlin(), from, from + jiff::SignedDuration::from_hours(240)).unwrap();
    let gap = plan.checks.iter().find(|check| check.check == "gap").unwrap();
    assert_eq!((gap.outcome, gap.figures["least"]), (Outcome::Failed, -600), "{gap}");
}

/// What is told of the gaps of two jobs at these times, of which the first is to have half an hour after each of its steps.
fn gaps(first: &str, second: &str) -> Vec<Check> {
    let at = |time: &str, gap: &str| quick(&format!("rpo: 3d, at: [{time}]{gap}"));
    let jobs = [at(first, ", gap: 30min"), Job { job: "mail".into(), ..at(second, "") }];
    let from: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let plan = plan(&jobs, &berlin(), from, from + jiff::SignedDuration::from_hours(240)).unwrap();
    plan.checks.into_iter().filter(|check| check.check == "gap").collect()
}

#[test]
fn gaps_are_told_of_jobs_that_ask_for_one() {
    // Collected until 10:10, carried until 10:20. (the other, outcome, the least gap, first when, what is told)
    let (ok, failed) = (Outcome::Ok, Outcome::Failed);
    let cases = [
        ("'11:00'", ok, 40, "2026-11-21T10:00:00Z", "begins 40 min later at the earliest; gap is 30 min"),
        ("'10:50'", ok, 30, "2026-11-21T09:50:00Z", "begins 30 min later at the earliest"),
        (
            "'10:49'",
            failed,
            29,
            "2026-11-21T09:49:00Z",
            "at 2026-11-21 10:49 the collection of mail begins 29 min after the end of the transport of shop",
        ),
        ("'10:40', '10:50'", failed, 20, "2026-11-21T09:40:00Z", "the collection of mail begins 20 min after"),
        // While shop is collected, and at once with it.
        ("'10:05'", failed, -5, "2026-11-21T09:05:00Z", "the collection of mail begins"),
        ("'10:00'", failed, -10, "2026-11-21T09:00:00Z", "the collection of mail begins"),
    ];
    for (other, outcome, minutes, first, told) in cases {
        let found = gaps("'10:00'", other);
        let [check] = &found[..] else { panic!("mail asks for none: {found:?}") };
        assert_eq!((check.job.as_deref(), check.outcome), (Some("shop"), outcome), "{other}: {check}");
        assert_eq!(check.figures["least"], minutes * 60, "{other}: {check}");
        assert_eq!(check.instant, Some(first.parse::<Timestamp>().unwrap().as_second()), "{other}: {check}");
        assert!(check.text.contains(told), "{other}: {check}");
    }
}
