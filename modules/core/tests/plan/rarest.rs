//! The interval that is chosen for an RPO: the rarest that holds it, and the reason that is told.

use crate::make::{FROM, berlin, check, planned, quick, shop};
use backup_core::{
    Job,
    schedule::{Outcome, Plan, Purpose},
};

/// A bit more than a year: both changes of the clocks, and Christmas twice.
fn plan(objectives: &str) -> Plan {
    let mut job = quick(objectives);
    job.streams.values_mut().for_each(|of| of.handover.keep = 200);
    planned(&job, &berlin(), FROM, 410)
}

/// Why it collects when it does.
fn why(plan: &Plan) -> &str {
    let entry = plan.entries.iter().find(|entry| entry.purpose == Purpose::Collect).unwrap();
    entry.why.strip_prefix("collection: ").unwrap()
}

#[test]
fn missed_runs_leave_each_its_share_of_the_rpo() {
    // 61 days, an hour of a long one, and the steps.
    for (objectives, interval) in [
        ("rpo: 62d, tolerate: 60", "daily: "),
        ("rpo: 61d, tolerate: 60", "every 12 h: "),
        ("rpo: 100h, tolerate: 99", "every 30 min: "),
    ] {
        let plan = plan(objectives);
        assert!(why(&plan).starts_with(interval) && plan.feasible, "{objectives}: {plan}");
    }
}

#[test]
fn an_rpo_beyond_every_interval_takes_the_rarest() {
    let ten_years = planned(&quick("rpo: 20000d"), &berlin(), FROM, 3652);
    assert!(why(&ten_years).starts_with("once a year: ") && ten_years.feasible, "{ten_years}");
}

#[test]
fn what_cron_makes_up_for_in_spring_meets_nothing() {
    // Entries that name hours run at 03:00 what was to run at 02:xx; what began before 02:00 has ended by then.
    for name in ["mail", "shop", "docs", "wiki", "cms", "erp", "git", "dns"] {
        let job = Job { job: name.into(), ..quick("rpo: 4h, blackout: ['mon-fri 08:00-10:00']") };
        let plan = planned(&job, &berlin(), FROM, 410);
        assert!(plan.feasible && why(&plan).starts_with("hourly: "), "{plan}");
        // Where half an hour is left out, what is made up for at its end meets nothing that begins there.
        let steps = "durations: {collect: 2min, transport: 2min, verify: 1min}";
        let job = Job { job: name.into(), ..shop(&format!("{{rpo: 95min, blackout: ['12:00-13:00'], {steps}}}")) };
        let mut lord_howe = berlin();
        lord_howe.hosts.get_mut("web1").unwrap().zone = "Australia/Lord_Howe".into();
        let plan = planned(&job, &lord_howe, FROM, 410);
        assert!(plan.feasible && why(&plan).starts_with("every 30 min: "), "{plan}");
    }
}

#[test]
fn what_clocks_forbid_is_not_laid_to_arithmetic() {
    let long_day = plan("rpo: 25h");
    let reason = "every 12 h: the RPO of 25 h less 25 min for collect, transport and verification leaves 24 h 35 min; daily would be 25 h 25 min old before 2027-10-31 18:42";
    assert_eq!(why(&long_day), reason, "{long_day}");
    // What is told would do.
    let enough = plan("rpo: 25h25min");
    assert!(why(&enough).starts_with("daily: ") && enough.feasible, "{enough}");
    let missed = plan("rpo: 49h, tolerate: 1");
    assert!(
        why(&missed).ends_with("; daily would be 49 h 25 min old before 2027-10-31 18:42, 1 run missed"),
        "{missed}"
    );
}

#[test]
fn what_days_off_forbid_is_not_laid_to_arithmetic() {
    let christmas = plan("rpo: 4d, blackout: [12-24, 12-25]");
    let told = why(&christmas);
    let reason = "leaves 3 d 23 h 35 min; four times a week would be 4 d 25 min old before 2026-12-27 18:42, not on 12-24, 12-25";
    assert!(told.starts_with("daily: ") && told.ends_with(reason) && christmas.feasible, "{christmas}");
}

#[test]
fn arithmetic_is_told_where_it_decides() {
    let told = plan("rpo: 26h");
    assert!(
        why(&told).ends_with("leaves 25 h 35 min, which no entry holds evenly; four times a week would be too rare")
    );
}

#[test]
fn what_cannot_be_held_leaves_room_for_others() {
    let plan = plan("rpo: 20min");
    let reason =
        "hourly, which is not enough: collect, transport and verification take 25 min, more than the RPO of 20 min";
    assert!(why(&plan).starts_with(reason), "{plan}");
    assert_eq!(check(&plan, "rpo").outcome, Outcome::Failed);
    assert_eq!(check(&plan, "overlap").outcome, Outcome::Ok);
}

#[test]
fn more_missed_runs_than_there_are_say_nothing() {
    let told = |objectives: &str| check(&plan(objectives), "rpo").clone();
    let monthly = told("rpo: 4000d, tolerate: 20, days: [1]");
    let text = "cannot be told: 14 transports reach sink1 within the horizon, and any 20 in a row may be missed";
    assert_eq!((monthly.outcome, monthly.text.as_str()), (Outcome::Failed, text));
    let once = planned(&quick("rpo: 4000d, days: [1]"), &berlin(), FROM, 31);
    assert_eq!(check(&once, "rpo").text, "fewer than two copies reach sink1 within the horizon");
}

#[test]
fn so_many_missed_runs_as_can_be_declared_are_proven() {
    let plan = plan("rpo: 102d, tolerate: 100, at: [\"22:00\"]");
    assert!(plan.feasible, "{plan}");
    let missed = check(&plan, "missed_run");
    assert!(
        missed.text.starts_with(
            "if 101 runs in a row are missed, the newest verified copy on sink1 gets 102 d 1 h 25 min old"
        ),
        "{missed}"
    );
}
