//! A database's head lies on the sink: snapshots and checkpoints are planned there, at times of their own, in their order.

use crate::make::{self, FROM, check, facts};
use backup_core::{
    Job,
    schedule::{Clock, Outcome, Plan, Purpose, advise, firings, plan, plan_fleet, zone},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

fn parsed(source: &str, objectives: &str) -> Result<Job, backup_core::document::DocumentError> {
    let text = format!(
        "{{version: 1, job: shop, source: {source}, objectives: {{durations: {{collect: 10min, transport: 5min, verify: 5min}},
        {objectives}}}, streams: {{data: {{include: [/srv/shop], transport: {{mode: push, peer: {{address: sink1}}}},
        sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    Job::parse(&text, "shop")
}

fn job(source: &str, objectives: &str) -> Job {
    parsed(source, objectives).unwrap()
}

fn range() -> (Timestamp, Timestamp) {
    let from: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    (from, from + SignedDuration::from_hours(24 * 400))
}

fn planned(job: &Job, sink: &str) -> Plan {
    let (from, until) = range();
    plan(std::slice::from_ref(job), &facts(sink), from, until).unwrap()
}

fn begins(plan: &Plan, purpose: Purpose, sink: &str) -> Vec<i64> {
    let (from, until) = range();
    let clock = Clock::new(&zone(sink, "sink1").unwrap(), from, until);
    let entries = plan.entries.iter().filter(|entry| entry.purpose == purpose && entry.host == "sink1");
    let mut all: Vec<i64> =
        entries.flat_map(|entry| firings(&entry.cron.parse().unwrap(), &clock).map(|firing| firing.at)).collect();
    all.sort_unstable();
    all
}

/// Snapshots and checkpoints.
fn taken(plan: &Plan, sink: &str) -> [Vec<i64>; 2] {
    [Purpose::Snapshot, Purpose::Checkpoint].map(|purpose| begins(plan, purpose, sink))
}

/// Whether one lies between these two.
fn between(pair: &[i64], checkpoints: &[i64]) -> bool {
    checkpoints.get(checkpoints.partition_point(|&at| at <= pair[0])).is_some_and(|&at| at < pair[1])
}

#[test]
fn they_are_taken_on_the_sink_by_its_user_and_only_planned() {
    let plan = planned(&job("web1", "rpo: 2h, snapshots: {every: 6h}, checkpoints: {every: 1h}"), "Asia/Tokyo");
    for (purpose, command) in [(Purpose::Snapshot, "snapshot"), (Purpose::Checkpoint, "checkpoint")] {
        let entry = plan.entries.iter().find(|entry| entry.purpose == purpose).unwrap();
        assert_eq!((entry.host.as_str(), entry.user.as_str(), entry.install), ("sink1", "dataBackupSink", false));
        assert_eq!(entry.command, format!("/usr/local/bin/backup_head {command} web1/shop --quiet"));
    }
}

#[test]
fn a_checkpoint_lies_between_any_two_snapshots() {
    // (snapshots, checkpoints)
    let spans = [
        ("40min", "15min"),
        ("1h", "1h"),
        ("5h", "1h"),
        ("6h", "5h"),
        ("13h", "6h"),
        ("1d", "1d"),
        ("4d", "13h"),
        ("7d", "4d"),
        ("31d", "7d"),
        ("31d", "31d"),
    ];
    for sink in ["UTC", "Europe/Berlin", "Australia/Lord_Howe"] {
        for (rare, dense) in spans {
            let objectives = format!("rpo: 5h, snapshots: {{every: {rare}}}, checkpoints: {{every: {dense}}}");
            let plan = planned(&job("web1", &objectives), sink);
            let told = check(&plan, "checkpoint");
            let [snapshots, checkpoints] = taken(&plan, sink);
            assert!(snapshots.len() > 10, "{sink}, {objectives}: {told}");
            // Lord Howe moves its clocks by half an hour: hourly snapshots are so near then that none need lie between.
            let near = |pair: &[i64]| sink == "Australia/Lord_Howe" && rare == "1h" && pair[1] - pair[0] == 1800;
            let held = |pair: &[i64]| between(pair, &checkpoints) || near(pair);
            assert!(snapshots.windows(2).all(held), "{sink}, {objectives}: {told}");
            assert_eq!(told.outcome, Outcome::Ok, "{sink}, {objectives}: {told}");
        }
    }
}

#[test]
fn checkpoints_keep_as_far_from_snapshots_as_both_intervals_allow() {
    // (snapshots, checkpoints, minutes between one and the nearest other)
    let spans = [
        ("1h", "1h", 30),
        ("4h", "1h", 30),
        ("6h", "4h", 60),
        ("12h", "6h", 180),
        ("1d", "12h", 360),
        ("7d", "7d", 720),
    ];
    for (rare, dense, apart) in spans {
        let plan = planned(
            &job("web1", &format!("rpo: 5h, snapshots: {{every: {rare}}}, checkpoints: {{every: {dense}}}")),
            "UTC",
        );
        let [snapshots, checkpoints] = taken(&plan, "UTC");
        let nearest = |at: &i64| checkpoints.iter().map(|other| (other - at).abs()).min().unwrap();
        assert_eq!(snapshots.iter().map(nearest).min(), Some(apart * 60), "{rare}, {dense}: {plan}");
    }
}

#[test]
fn checkpoints_that_are_rarer_are_refused_with_the_first_pair_of_snapshots() {
    let plan = planned(&job("web1", "rpo: 2h, snapshots: {every: 1h}, checkpoints: {every: 6h}"), "UTC");
    let told = check(&plan, "checkpoint");
    assert!(!plan.feasible && told.outcome == Outcome::Failed, "{told}");
    let [snapshots, checkpoints] = taken(&plan, "UTC");
    let second = snapshots.iter().position(|&at| at == told.instant.unwrap()).unwrap();
    assert!(!between(&snapshots[second - 1..=second], &checkpoints), "{told}");
    let before = &snapshots[..second];
    assert!(before.windows(2).all(|pair| between(pair, &checkpoints)), "an earlier pair has none, either: {told}");
}

#[test]
fn the_nearest_intervals_with_which_one_lies_between_are_told() {
    let jobs = [job("web1", "rpo: 2h, snapshots: {every: 1h}, checkpoints: {every: 6h}")];
    let mut plan = planned(&jobs[0], "UTC");
    let (from, until) = range();
    advise(&mut plan, &jobs, &facts("UTC"), from, until).unwrap();
    let told: Vec<_> = check(&plan, "checkpoint")
        .remedies
        .iter()
        .map(|remedy| (remedy.setting.as_str(), remedy.value.as_str()))
        .collect();
    assert_eq!(told, [("objectives.snapshots.every", "6h"), ("objectives.checkpoints.every", "1h59min")]);
    let outcome = |snapshots, checkpoints| {
        let objectives = format!("rpo: 2h, snapshots: {{every: {snapshots}}}, checkpoints: {{every: {checkpoints}}}");
        check(&planned(&job("web1", &objectives), "UTC"), "checkpoint").outcome
    };
    assert_eq!([outcome("6h", "6h"), outcome("5h59min", "6h")], [Outcome::Ok, Outcome::Failed]);
    assert_eq!([outcome("1h", "1h59min"), outcome("1h", "2h")], [Outcome::Ok, Outcome::Failed]);
}

#[test]
fn a_snapshot_holds_what_has_arrived() {
    let told = |objectives: &str| check(&planned(&job("web1", objectives), "UTC"), "snapshot").clone();
    let dense = told("rpo: 2h, snapshots: {every: 1d}");
    assert_eq!(dense.outcome, Outcome::Ok, "{dense}");
    assert!((1..=2 * 3600).contains(&dense.figures["age"]), "no older than the RPO: {dense}");
    let stale = told("rpo: 26h, snapshots: {every: 6h}");
    assert_eq!(stale.outcome, Outcome::Warning, "{stale}");
    assert!(stale.text.contains("holds nothing new"), "{stale}");
}

#[test]
fn the_first_of_the_oldest_snapshots_is_told_and_the_first_that_holds_nothing_new() {
    // Each night at 22:00, on the sink at 22:20.
    let nightly = job("web1", "at: [\"22:00\"], snapshots: {every: 3h}");
    let plan = make::planned(&nightly, &facts("Europe/Berlin"), FROM, 10);
    let told = check(&plan, "snapshot");
    let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
    let (collected, arrives, next) =
        (second("2026-11-20T21:00:00Z"), second("2026-11-20T21:20:00Z"), second("2026-11-21T21:20:00Z"));
    let snapshots = begins(&plan, Purpose::Snapshot, "Europe/Berlin");
    let of_the_first = |at: &&i64| (arrives..next).contains(*at);
    let holding: Vec<i64> = snapshots.iter().filter(of_the_first).copied().collect();
    assert!(snapshots[1] < holding[0], "nothing has arrived before the first two");
    let oldest = *holding.last().unwrap();
    assert_eq!((told.instant, told.figures["age"]), (Some(oldest), oldest - collected), "{told}");
    let clock = Clock::new(&zone("Europe/Berlin", "web1").unwrap(), range().0, range().1);
    let when = |at: i64| Timestamp::from_second(clock.local(at)).unwrap().strftime("%F %H:%M").to_string();
    let stale = format!(
        "; that of {} holds nothing new: nothing arrives after the one of {}",
        when(holding[1]),
        when(holding[0])
    );
    assert!(told.text.contains(&stale), "{stale}: {told}");
}

#[test]
fn what_is_taken_each_minute_leaves_no_room_between() {
    let minutes = job("web1", "rpo: 26h, snapshots: {every: 1min}, checkpoints: {every: 1min}");
    let plan = make::planned(&minutes, &facts("UTC"), FROM, 2);
    assert_eq!(check(&plan, "checkpoint").outcome, Outcome::Failed, "one in the minute of a snapshot is not between");
}

#[test]
fn where_clocks_go_back_two_are_further_apart_and_it_is_said() {
    let apart = |sink: &str| check(&planned(&job("web1", "rpo: 2h, snapshots: {every: 6h}"), sink), "snapshot").clone();
    assert_eq!(apart("UTC").figures["apart"], 6 * 3600);
    let told = apart("Europe/Berlin");
    assert_eq!(told.figures["apart"], 7 * 3600);
    assert!(told.outcome == Outcome::Warning && told.text.contains("7 h apart"), "{told}");
}

#[test]
fn what_cron_cannot_hold_is_refused() {
    for (objectives, key, message, remedy) in [
        ("rpo: 2h, snapshots: {every: 30s}", "objectives.snapshots.every", "30s", "1min"),
        ("rpo: 2h, snapshots: {every: 1h}, checkpoints: {every: 59s}", "objectives.checkpoints.every", "59s", "1min"),
        (
            "rpo: 2h, checkpoints: {every: 1h}",
            "objectives.checkpoints",
            "between snapshots, and none",
            "`snapshots.every`",
        ),
    ] {
        let error = parsed("web1", objectives).expect_err(objectives);
        assert!(error.message.starts_with(key) && error.message.contains(message), "{objectives}: {error}");
        assert!(error.remedy.contains(remedy), "{objectives}: {}", error.remedy);
    }
    assert!(parsed("web1", "rpo: 2h, snapshots: {every: 1min}").is_ok());
}

#[test]
fn hosts_take_them_at_times_of_their_own_that_no_newcomer_moves() {
    let crons = |hosts: usize| -> BTreeMap<String, String> {
        let names = (0..hosts).map(|n| format!("web{n}"));
        // Every time is declared: the place of the host is for its snapshots only.
        let objectives = "rpo: 26h, at: [\"22:00\"], snapshots: {every: 1d}";
        let sources: BTreeMap<_, _> = names.map(|name| (name.clone(), vec![job(&name, objectives)])).collect();
        let mut facts = facts("UTC");
        facts.sinks.get_mut("sink1").unwrap().parallel = 1000;
        let (from, _) = range();
        let fleet = plan_fleet(&sources, &facts, from, from + SignedDuration::from_hours(24 * 20)).unwrap();
        let snapshot =
            |plan: &Plan| plan.entries.iter().find(|entry| entry.purpose == Purpose::Snapshot).unwrap().clone();
        fleet.plans.iter().map(|plan| (plan.source.clone(), snapshot(plan).cron)).collect()
    };
    let (few, many) = (crons(30), crons(31));
    assert!(few.iter().all(|(host, cron)| many[host] == *cron), "{few:?}\n{many:?}");
    let times: BTreeSet<&String> = many.values().collect();
    assert!(times.len() > 20, "{times:?}");
}
