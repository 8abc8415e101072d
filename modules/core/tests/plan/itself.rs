//! A job in its own way: collections that begin while its last one runs, fulls and incrementals in one minute.

use crate::make::check;
use backup_core::{
    Job,
    schedule::{Check, Facts, HostFacts, Outcome, Plan, advise, plan},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

fn job(keys: &str) -> Job {
    let text = format!(
        "{{version: 1, job: shop, source: web1, {keys},
        streams: {{data: {{include: [/srv/shop], transport: {{mode: push, peer: {{address: sink1}}}},
        sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    Job::parse(&text, "shop").unwrap()
}

fn from() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// A bit more than a year.
fn until() -> Timestamp {
    from() + SignedDuration::from_hours(24 * 400)
}

fn facts() -> Facts {
    let host = HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() };
    Facts { hosts: [("web1".to_owned(), host)].into(), ..Facts::default() }
}

/// With what would help.
fn planned(keys: &str) -> Plan {
    let jobs = [job(keys)];
    let mut plan = plan(&jobs, &facts(), from(), until()).unwrap();
    advise(&mut plan, &jobs, &facts(), from(), until()).unwrap();
    plan
}

/// The changes with which it holds.
fn remedies(check: &Check) -> Vec<(&str, &str)> {
    check.remedies.iter().map(|remedy| (remedy.setting.as_str(), remedy.value.as_str())).collect()
}

#[test]
fn a_collection_during_the_last_one_is_refused_with_what_helps() {
    let objectives = |at: &str, collect: &str| {
        format!("objectives: {{at: {at}, durations: {{collect: {collect}, transport: 1min, verify: 1min}}}}")
    };
    let refused = planned(&objectives("[\"22:00\", \"22:05\"]", "10min"));
    let found = check(&refused, "overlap");
    assert!(!refused.feasible && found.outcome == Outcome::Failed, "{refused}");
    let story = "at 2026-11-20 22:05 the collection of shop begins while that of 2026-11-20 22:00 is running until 2026-11-20 22:10";
    assert_eq!((found.text.as_str(), refused.counter_example.as_deref()), (story, Some(story)));
    // What is collected first travels before the second begins.
    assert_eq!(
        remedies(found),
        [("objectives.at", "[\"06:00\", \"14:00\", \"22:00\"]"), ("objectives.durations.collect", "4min")]
    );
    for (at, collect) in
        [("[\"22:00\", \"22:15\"]", "10min"), ("[\"22:00\", \"22:05\"]", "4min"), ("[\"22:00\"]", "10min")]
    {
        assert_eq!(check(&planned(&objectives(at, collect)), "overlap").outcome, Outcome::Ok, "{at} {collect}");
    }
}

#[test]
fn a_collection_longer_than_the_interval_of_entries_is_refused() {
    let refused = planned(
        "schedule: {collect: \"0,5 * * * *\", transport: \"59 * * * *\"}, objectives: {durations: {collect: 7min, transport: 1s, verify: 0s}}",
    );
    let found = check(&refused, "overlap");
    assert!(found.text.contains("13:05 the collection of shop begins while that of 2026-11-20 13:00 is running until"));
    assert_eq!(
        remedies(found),
        [("schedule.collect", "[\"0,20,40 * * * *\"]"), ("objectives.durations.collect", "5min")]
    );
}

#[test]
fn a_collection_longer_than_the_derived_interval_is_refused() {
    let refused = planned("objectives: {rpo: 56h, durations: {collect: 30h, transport: 10min, verify: 10min}}");
    let found = check(&refused, "overlap");
    assert!(found.text.contains("the collection of shop begins while that of"), "{refused}");
    // Three times a week is up to three days and the hour of a change; a day with such an hour has 23, ten minutes to travel in.
    assert_eq!(remedies(found), [("objectives.rpo", "4d7h20min"), ("objectives.durations.collect", "22h50min")]);
    let daily = "objectives: {rpo: 56h, durations: {collect: 20h, transport: 10min, verify: 10min}}";
    assert_eq!(check(&planned(daily), "overlap").outcome, Outcome::Ok);
}

fn fulls(days: &str, full: &str) -> String {
    let durations = "{collect: 10min, transport: 10min, verify: 1min}";
    format!("objectives: {{at: [\"22:00\"], {days}full: {full}, durations: {durations}}}")
}

#[test]
fn a_full_by_date_among_weekdays_is_refused_with_what_helps() {
    let refused = planned(&fulls("days: [mon, tue, wed, thu, fri], ", "{days: [1]}"));
    let found = check(&refused, "full_day");
    assert_eq!(found.outcome, Outcome::Failed);
    assert_eq!(
        found.text,
        "at 2026-12-01 22:00 a full and an incremental begin in one minute: `objectives.full.days` names days of the month (1), \
         the other collections are on weekdays, and no cron entry leaves out the one by the other. \
         Name days of one sort in both, or give the full another time in `objectives.full.at`"
    );
    assert_eq!(refused.counter_example.as_ref(), Some(&found.text), "nothing else is in the way");
    assert_eq!(remedies(found), [("objectives.full.days", "[sun]")]);

    let refused = planned(&fulls("days: [1, 15], ", "{days: [sun]}"));
    let found = check(&refused, "full_day");
    assert!(found.text.contains("2027-08-01 22:00 a full and"), "{refused}");
    assert_eq!(remedies(found), [("objectives.full.days", "[2]")]);
}

#[test]
fn one_day_that_is_given_twice_is_told_as_it_is() {
    let refused = planned(&fulls("days: [mon, tue], ", "{days: [mon]}"));
    let found = check(&refused, "full_day");
    assert_eq!(
        (found.outcome, found.text.as_str()),
        (Outcome::Failed, "mon is given to a full and to an incremental. Remove it from `objectives.days`")
    );
}

#[test]
fn fulls_on_several_days_that_nobody_disputes_are_verified_together() {
    let plan = planned(&fulls("", "{days: [wed, sun]}, verify: {days: [mon]}"));
    let found: Vec<_> = plan.checks.iter().filter(|check| check.check == "verification").collect();
    assert!(found.len() == 1 && found[0].text.starts_with("the verification of "), "{found:?}");
}

#[test]
fn a_full_by_date_is_refused_where_a_window_leaves_weekdays() {
    let keys = "objectives: {rpo: 5d, window: [\"mon-fri 20:00-08:00\"], full: {days: [1]},
        durations: {collect: 10min, transport: 10min, verify: 1min}}";
    let refused = plan(&[job(keys)], &facts(), from(), until()).unwrap();
    assert_eq!(check(&refused, "full_day").outcome, Outcome::Failed, "{refused}");
}

#[test]
fn what_one_entry_can_say_goes_on_working() {
    for (days, full) in [
        ("", "{days: [1]}"),
        ("", "{days: [sun]}"),
        ("days: [1, 8, 15, 22], ", "{days: [2]}"),
        ("days: [mon, tue, wed, thu, fri, sat], ", "{days: [sun]}"),
        ("days: [mon, tue, wed, thu, fri], ", "{days: [1], at: [\"02:00\"]}"),
    ] {
        let plan = planned(&fulls(days, full));
        assert!(plan.feasible, "{days}{full}: {plan}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_job_overlaps_with_itself_as_soon_as_a_collection_outlasts_the_interval(
        times in prop::collection::btree_set(0..1440i64, 2..5), collect in 1..120i64
    ) {
        let at: Vec<String> = times.iter().map(|time| format!("\"{:02}:{:02}\"", time / 60, time % 60)).collect();
        let keys = format!("objectives: {{at: [{}], durations: {{collect: {collect}min, transport: 0s, verify: 0s}}}}", at.join(", "));
        let from: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
        let plan = plan(&[job(&keys)], &Facts::default(), from, from + SignedDuration::from_hours(24 * 30)).unwrap();
        let starts: Vec<i64> = (0..2).flat_map(|day| times.iter().map(move |time| day * 1440 + time)).collect();
        let mut free = starts[0];
        let early = starts.iter().find(|&&start| std::mem::replace(&mut free, start + collect) > start);
        let found = check(&plan, "overlap");
        let told = found.instant.map(|at| (at - from.as_second()) / 60);
        prop_assert_eq!(told, early.copied(), "{}", found);
    }
}
