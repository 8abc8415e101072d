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
fn what_cron_makes_up_for_has_half_the_hour_where_it_takes_half_of_it() {
    let steps = "durations: {collect: 15min, transport: 15min, verify: 1min}";
    let minute = |name: String, objectives: &str| {
        let job = Job { job: name, ..shop(&format!("{{{objectives}, {steps}}}")) };
        let plan = planned(&job, &berlin(), FROM, 150);
        assert!(plan.feasible && why(&plan).starts_with("hourly: "), "{plan}");
        plan.entries[0].cron.split(' ').next().unwrap().to_owned()
    };
    let names = || (0..6).map(|n| format!("shop{n}"));
    assert!(names().all(|name| minute(name, "rpo: 4h, blackout: ['08:00-10:00', '13:00-14:30']") == "30"));
    assert!(names().any(|name| minute(name, "rpo: 100min") != "30"), "what has no hours follows the clock");
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

#[test]
fn what_no_interval_holds_takes_half_of_the_host_at_most() {
    let leaves = "leaves 0 min, and each run keeps the host busy for 45 min";
    for (rpo, told) in [
        ("40min", "collect, transport and verification take 50 min, more than the RPO of 40 min".to_owned()),
        ("50min", format!("the RPO of 50 min less 50 min for collect, transport and verification {leaves}")),
    ] {
        let steps = "durations: {collect: 35min, transport: 10min, verify: 5min}";
        let plan = planned(&shop(&format!("{{rpo: {rpo}, {steps}}}")), &berlin(), FROM, 40);
        assert_eq!(why(&plan), format!("every 2 h, which is not enough: {told}"));
    }
}

#[test]
fn the_reason_tells_what_the_rpo_is_divided_by_and_what_is_taken_of_it() {
    let mut later = berlin();
    later.hosts.get_mut("web1").unwrap().delays.insert("shop".into(), "30min".parse().unwrap());
    for (objectives, told) in [
        (
            "rpo: 4h",
            "every 3 h: the RPO of 4 h less 55 min for collect, transport and verification leaves 3 h 5 min, which no entry holds evenly; every 4 h would be too rare",
        ),
        (
            "rpo: 9h, tolerate: 1",
            "every 4 h: the RPO of 9 h less 55 min for collect, transport and verification, for each of 2 runs, leaves 4 h 2 min 30 s, which no entry holds evenly; every 6 h would be too rare",
        ),
        (
            "rpo: 400d",
            "twice a month: the RPO of 400 d less 55 min for collect, transport and verification leaves 399 d 23 h 5 min; once a month would be too rare to tell within the horizon",
        ),
    ] {
        assert_eq!(why(&planned(&quick(objectives), &later, FROM, 40)), told);
    }
}

#[test]
fn a_step_may_take_years() {
    let plan =
        planned(&shop("{rpo: 900d, durations: {collect: 800d, transport: 10min, verify: 5min}}"), &berlin(), FROM, 40);
    assert!(why(&plan).contains("less 800 d 15 min for collect, transport and verification"), "{plan}");
}

#[test]
fn clocks_that_only_go_back_delay_no_transport() {
    // The one change within the horizon is that of 2026-10-25, five minutes after the collection begins.
    let autumn = planned(&quick("rpo: 26h, at: ['01:55']"), &berlin(), "2026-10-20T12:00:00Z", 14);
    let whys = autumn.entries.iter().filter(|entry| entry.purpose == Purpose::Transport).map(|entry| &entry.why);
    assert!(whys.clone().count() > 0 && whys.clone().all(|why| !why.contains("once more")), "{autumn}");
}
