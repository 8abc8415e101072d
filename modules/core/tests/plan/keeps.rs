//! What lies where at the most, and whether there is room: in figures, and in the text for people.

use crate::make::{FROM, berlin, planned, quick};
use backup_core::schedule::{Check, Facts, Held, Outcome, Plan, SinkFacts};

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
