//! What lies where at the most, and whether there is room: in figures, and in the text for people.

use crate::make::{FROM, berlin, planned, quick};
use backup_core::{
    Job, StreamName,
    schedule::{Check, Facts, Held, Outcome, Plan, SinkFacts, plan},
};
use jiff::{SignedDuration, Timestamp};

const WEEKLY: &str = "at: [\"22:00\"], full: {days: [sun]}";
const SIZES: &str = "size: {full: 30GB, incremental: 1GB}";

fn with(objectives: &str, facts: &Facts) -> Plan {
    let mut job = quick(objectives);
    job.streams.values_mut().for_each(|of| of.sink.protect = backup_core::units::Span(0));
    planned(&job, facts, FROM, 40)
}

fn space(plan: &Plan) -> &Check {
    plan.checks.iter().find(|check| check.check == "space").unwrap_or_else(|| panic!("{plan}"))
}

fn room(capacity: &str) -> Facts {
    let sink = SinkFacts { capacity: Some(capacity.parse().unwrap()), ..SinkFacts::default() };
    Facts { sinks: [("sink1".to_owned(), sink)].into(), ..berlin() }
}

#[test]
fn every_place_has_its_counts() {
    let plan = with(&format!("{WEEKLY}, {SIZES}"), &berlin());
    let held = |fulls, incrementals, bytes: u64| Held { fulls, incrementals, bytes: Some(bytes * 1_000_000_000) };
    let of = &plan.streams[0];
    assert_eq!(of.handover_point, held(1, 0, 30));
    // The newest is kept with its base. On Sundays, until rotation, those of the last week are there besides the new full.
    assert_eq!(of.source_store, held(2, 1, 61));
    // Seven, the one that has just come, and a base. It takes most on Sundays: two fulls are kept until the third has come.
    assert_eq!(of.sink_store, held(2, 7, 3 * 30 + 6));
    // If a Sunday's transport is missed, the incremental after it waits, too.
    let waits = with(&format!("{WEEKLY}, tolerate: 1, {SIZES}"), &berlin()).streams[0].handover_point;
    assert_eq!(waits, held(1, 1, 60), "two fulls at another time take more");
    let text = "
what is kept
  shop data: effective RPO 24 h 25 min, before 2026-11-21 22:25; each collection can be restored for 7 d 25 min at least
    handover point on web1  at most 1 generation, 30 GB  (keep: 3)
    source store on web1    at most 3 generations, 61 GB  (generations: 1)
    store on sink1          at most 9 generations, 96 GB  (generations: 7)

proof
";
    assert!(plan.to_string().contains(text), "{plan}");
}

#[test]
fn what_the_history_needs_is_told_where_it_is_kept() {
    let mut job = quick("at: [\"22:00\"], history: 3w");
    job.streams.values_mut().for_each(|of| of.sink.retention = backup_core::retention::Policy::default());
    let text = planned(&job, &berlin(), FROM, 40).to_string();
    assert!(
        text.contains("generations of unknown size  (generations: 21, within: 21d, from `objectives.history`)"),
        "{text}"
    );
}

#[test]
fn unknown_sizes_are_said_and_known_ones_are_told_in_the_units_of_disks() {
    // (objectives, facts, outcome, what is said)
    let (known, unknown) = (format!("{WEEKLY}, {SIZES}"), WEEKLY.to_owned());
    let cases = [
        (
            &unknown,
            berlin(),
            Outcome::Unknown,
            "what the stores on sink1 take is unknown: `size` of shop is neither declared nor measured; `capacity` of sink1 is not given",
        ),
        (
            &unknown,
            room("1TB"),
            Outcome::Unknown,
            "what the stores on sink1 take is unknown: `size` of shop is neither declared nor measured; 1TB are there",
        ),
        (
            &known,
            berlin(),
            Outcome::Unknown,
            "the stores on sink1 take 96 GB at most; `capacity` of sink1 is not given",
        ),
        (&known, room("96GB"), Outcome::Ok, "the stores on sink1 take 96 GB at most; 96GB are there"),
        (&known, room("30GB"), Outcome::Failed, "the stores on sink1 take 96 GB at most; 30GB are there"),
    ];
    for (objectives, facts, outcome, text) in cases {
        let plan = with(objectives, &facts);
        let found = space(&plan);
        assert_eq!((found.outcome, found.text.as_str()), (outcome, text));
    }
}

#[test]
fn what_a_store_becomes_has_to_fit_its_quota() {
    let from: Timestamp = FROM.parse().unwrap();
    let told = |size: &str, quota: &str| {
        let mut job = quick(&format!("at: [\"22:00\"]{size}"));
        job.streams.values_mut().for_each(|stream| stream.sink.quota = Some(quota.parse().unwrap()));
        let plan = plan(&[job], &berlin(), from, from + SignedDuration::from_hours(24 * 10)).unwrap();
        let found = plan.checks.iter().find(|check| check.check == "space" && check.job.is_some()).unwrap();
        (found.outcome, found.text.clone())
    };
    let unknown = "what its store takes is unknown: `size` is neither declared nor measured; its quota is 5GB";
    assert_eq!(told("", "5GB"), (Outcome::Unknown, unknown.into()));
    let ten = |quota: &str| format!("its store on sink1 takes 10 GB at most; its quota is {quota}");
    assert_eq!(told(", size: {full: 1GB}", "10GB"), (Outcome::Ok, ten("10GB")));
    assert_eq!(told(", size: {full: 1GB}", "9GB"), (Outcome::Failed, ten("9GB")));
}

#[test]
fn of_a_job_whose_size_is_unknown_the_name_is_told_once() {
    let mut mail = quick("at: [\"03:00\"]");
    mail.job = "mail".into();
    let logs = mail.streams.values().next().unwrap().clone();
    mail.streams.insert(StreamName::Logs, logs);
    let from: Timestamp = FROM.parse().unwrap();
    let told = |jobs: &[Job]| {
        space(&plan(jobs, &berlin(), from, from + SignedDuration::from_hours(24 * 10)).unwrap()).text.clone()
    };
    let alone = "what the stores on sink1 take is unknown: `size` of mail is neither declared nor measured; `capacity` of sink1 is not given";
    assert_eq!(told(std::slice::from_ref(&mail)), alone);
    let known = quick("at: [\"22:00\"], size: {full: 1GB}");
    let both = "the stores on sink1 take 10 GB at most, without mail, whose sizes are unknown; `capacity` of sink1 is not given";
    assert_eq!(told(&[known, mail]), both);
}

/// What is told of an age limit in a plan for so many days, collected at 22:00 and on the sink at 22:25.
fn max_age(limit: &str, days: i64) -> Vec<(Outcome, String)> {
    let mut job = quick("at: [\"22:00\"]");
    job.streams.values_mut().for_each(|of| {
        of.sink.protect = backup_core::units::Span(0);
        of.sink.retention.max_age = Some(limit.parse().unwrap());
    });
    let plan = planned(&job, &berlin(), FROM, days);
    let told = plan.checks.into_iter().filter(|check| check.check == "max_age");
    told.map(|check| {
        let over = check.figures.get("over").map(|over| format!(" for {over} s")).unwrap_or_default();
        (check.outcome, check.text + &over)
    })
    .collect()
}

#[test]
fn how_many_copies_an_age_limit_leaves_is_told() {
    let stale = [
        "even if no run is missed, from 2026-11-21 22:00 until 2026-11-21 22:25 the newest verified copy on sink1, of 2026-11-20 22:00, is older than 24 h; it stays as the last for 1499 s",
        "if one run is missed, from 2026-11-21 22:00 until 2026-11-22 22:25 the newest verified copy on sink1, of 2026-11-20 22:00, is older than 24 h; it stays as the last for 87899 s",
    ];
    let none = "what is kept leaves none or one copy no older than 24 h on sink1 (fewest first at 2026-11-22 22:00, most first at 2026-11-20 22:25)";
    let expected = [stale[0], stale[1], none].map(|text| (Outcome::Warning, text.to_owned()));
    assert_eq!(max_age("1d", 10), expected);
    let counted = |limit, days| max_age(limit, days).pop().unwrap();
    let one = "what is kept leaves 1 to 2 copies no older than 48 h on sink1 (fewest first at 2026-11-23 22:00, most first at 2026-11-21 22:25)";
    assert_eq!(counted("2d", 10), (Outcome::Warning, one.to_owned()), "one failure, and there is none");
    let two = "what is kept leaves 2 copies no older than 48 h on sink1";
    assert_eq!(counted("2d", 3), (Outcome::Ok, two.to_owned()));
    let three = "what is kept leaves 2 to 3 copies no older than 3 d on sink1 (fewest first at 2026-11-24 22:00, most first at 2026-11-22 22:25)";
    assert_eq!(counted("3d", 10), (Outcome::Ok, three.to_owned()));
}

#[test]
fn an_incremental_that_comes_after_its_base_was_deleted_refuses_the_plan() {
    // Tuesday's full travels on Wednesday with the incremental that was collected before it had arrived, and ahead of it.
    let mut job = quick("at: [\"22:00\"], full: {days: [mon, tue]}");
    job.schedule.transport = vec!["0 23 * * 1,3".into()];
    let base = |generations| {
        let mut job = job.clone();
        job.streams.values_mut().for_each(|of| {
            of.sink.protect = backup_core::units::Span(0);
            of.sink.retention.generations = Some(generations);
        });
        let plan = planned(&job, &berlin(), FROM, 40);
        plan.checks.into_iter().find(|check| check.check == "base").map(|check| (check.outcome, check.text))
    };
    let text = "at 2026-11-25 23:30 the incremental of 2026-11-25 22:00 comes to sink1 after its base was deleted; the sink refuses it and asks for a full";
    assert_eq!(base(1), Some((Outcome::Failed, text.to_owned())));
    assert_eq!(base(7), None);
}

#[test]
fn a_copy_that_is_protected_for_longer_than_the_horizon_is_told() {
    let mut job = quick("at: [\"22:00\"]");
    job.streams.values_mut().for_each(|of| {
        (of.sink.protect, of.sink.retention.max_age) = ("52w".parse().unwrap(), Some("6d".parse().unwrap()));
    });
    let text = planned(&job, &berlin(), FROM, 40).to_string();
    // That of the evening before is the base of those that are kept.
    let told = "the copy of 2026-11-21 22:00 stays beyond the horizon, longer than 6 d: `sink.protect` forbids";
    assert!(text.contains(told), "{text}");
}

#[test]
fn what_a_provider_keeps_of_the_source_counts_as_history() {
    // Daily, with one generation in the source's store. The sink keeps two.
    let with = |provider: &str, history: &str| {
        let mut job = quick(&format!("at: [\"22:00\"], history: {history}{provider}"));
        job.streams.values_mut().for_each(|of| {
            of.sink.protect = backup_core::units::Span(0);
            of.sink.retention = backup_core::retention::Policy { generations: Some(2), ..Default::default() };
        });
        planned(&job, &berlin(), FROM, 40)
    };
    let fortnight = ", provider: {days: 14}";
    let history = |plan: &Plan| plan.checks.iter().find(|check| check.check == "history").unwrap().clone();
    let alone = with("", "13d");
    assert!(!alone.feasible, "{alone}");
    let plan = with(fortnight, "13d");
    let found = history(&plan);
    assert_eq!(found.outcome, Outcome::Ok, "{plan}");
    assert!(found.text.contains("at least, the provider's backup counted; the copy of"), "{found}");
    assert!(
        plan.streams[0].restorable >= Some(14 * 86_400) && alone.streams[0].restorable < Some(3 * 86_400),
        "{plan}"
    );
    let refused = with(fortnight, "17d");
    let found = history(&refused);
    assert_eq!(found.outcome, Outcome::Failed, "no longer than the provider keeps it: {refused}");
    assert!(found.text.contains("the provider's backup counted; history is 17 d"), "{found}");
}
