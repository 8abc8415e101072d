//! Which entries there are: when, of which kind, and whether something is made up for.

use crate::make::{FROM, berlin, check, facts, planned, quick};
use backup_core::{
    GenerationKind, Job,
    job::objectives::TimeOfDay,
    schedule::{Facts, HostFacts, Outcome, Plan, Purpose, plan},
};

fn crons(plan: &Plan, purpose: Purpose, kind: Option<GenerationKind>) -> Vec<&str> {
    let of = plan.entries.iter().filter(|entry| entry.purpose == purpose && entry.kind == kind);
    of.map(|entry| entry.cron.as_str()).collect()
}

fn of(objectives: &str) -> Plan {
    planned(&quick(objectives), &berlin(), FROM, 400)
}

#[test]
fn of_several_collections_a_day_the_first_is_the_full() {
    let full = Some(GenerationKind::Full);
    let incremental = Some(GenerationKind::Incremental);
    let first = of("rpo: 2d, at: [\"10:00\", \"22:00\"], full: {days: [sun]}");
    assert_eq!(crons(&first, Purpose::Collect, full), ["0 10 * * 0"]);
    assert_eq!(crons(&first, Purpose::Collect, incremental), ["0 10 * * 1-6", "0 22 * * *"]);
    let second = of("rpo: 2d, at: [\"10:00\", \"22:00\"], full: {days: [sun], at: [\"22:00\"]}");
    assert_eq!(crons(&second, Purpose::Collect, full), ["0 22 * * 0"]);
    assert_eq!(crons(&second, Purpose::Collect, incremental), ["0 22 * * 1-6", "0 10 * * *"]);
}

#[test]
fn what_a_window_takes_a_day_of_a_month_from_runs_on_weekdays() {
    let plan = of("rpo: 50d, window: [\"mon-fri 20:00-23:00\"]");
    assert!(plan.feasible, "{plan}");
    let entry = plan.entries.iter().find(|entry| entry.purpose == Purpose::Collect).unwrap();
    let why = "once a week: the RPO of 50 d less 25 min for collect, transport and verification leaves 49 d 23 h 35 min; twice a month may be on any weekday, of which `window` leaves some out";
    assert!(entry.why.contains(why), "{}", entry.why);
}

#[test]
fn what_nothing_is_promised_of_or_soon_runs_again_is_not_made_up_for() {
    let many = |plan: &Plan| crons(plan, Purpose::CatchUp, None).len();
    assert_eq!(many(&of("rpo: 26h")), 2, "collection and transport");
    assert_eq!(many(&of("rpo: 26h, catch_up: false")), 0);
    assert_eq!(many(&of("rpo: 1h25min")), 0, "the next one is soon");
    let mut scheduled = quick("rpo: 26h");
    scheduled.objectives = None;
    scheduled.schedule.collect = vec!["0 2 * * *".into()];
    scheduled.schedule.transport = vec!["30 2 * * *".into()];
    assert_eq!(many(&planned(&scheduled, &berlin(), FROM, 400)), 0, "somebody wrote what runs");
}

#[test]
fn a_transport_may_begin_when_the_last_one_ends() {
    // Ten minutes on the way and five of verification: the sink is free when the next one begins.
    let mut job = quick("rpo: 1h, at: [\"10:00\", \"10:15\", \"10:30\", \"10:45\"]");
    job.schedule.transport = vec!["*/15 * * * *".into()];
    job.objectives.as_mut().unwrap().rpo = Some("2d".parse().unwrap());
    let plan = planned(&job, &facts("Europe/Berlin"), FROM, 40);
    assert_eq!(plan.streams[0].handover_point.fulls + plan.streams[0].handover_point.incrementals, 2, "{plan}");
}

#[test]
fn what_takes_no_time_to_collect_travels_in_the_same_minute() {
    let mut job = quick("rpo: 2d, at: [\"10:00\"]");
    job.objectives.as_mut().unwrap().durations.collect = Some("0s".parse().unwrap());
    let plan = planned(&job, &berlin(), FROM, 40);
    assert_eq!(crons(&plan, Purpose::Transport, None), ["0 10 * * *"]);
    assert_eq!(plan.streams[0].effective_rpo, Some((24 * 60 + 15) * 60), "{plan}");
}

#[test]
fn only_on_the_weekday_on_which_clocks_change_a_transport_comes_again_for_it() {
    // Clocks go forward on Sundays at 02:00.
    let transports = |day: &str| {
        let plan = of(&format!("rpo: 8d, at: [\"01:55\"], days: [{day}]"));
        crons(&plan, Purpose::Transport, None).join(" and ")
    };
    assert_eq!(transports("sun"), "5 2,3 * * 0");
    assert_eq!(transports("tue"), "5 2 * * 2");
}

/// web1, with its place at this hour.
fn placed(hour: u16) -> Facts {
    let web1 = HostFacts { place: Some(TimeOfDay(60 * hour)), ..HostFacts::default() };
    Facts { hosts: [("web1".to_owned(), web1)].into(), ..Facts::default() }
}

/// When the first of these jobs collects beside the others.
fn beside(jobs: &[Job], facts: &Facts) -> String {
    let from: jiff::Timestamp = FROM.parse().unwrap();
    let plan = plan(jobs, facts, from, from + jiff::SignedDuration::from_hours(24 * 40)).unwrap();
    let entry = plan.entries.iter().find(|entry| entry.purpose == Purpose::Collect && entry.job == jobs[0].job);
    entry.unwrap_or_else(|| panic!("{plan}")).cron.clone()
}

#[test]
fn in_a_window_a_job_stays_at_its_own_place_if_as_much_fits_there_as_anywhere() {
    for hour in 0..24 {
        let cron = |objectives: &str| beside(&[quick(objectives)], &placed(hour));
        let everywhere = cron("rpo: 4h");
        let (minute, hours) = everywhere.split_once(' ').unwrap();
        let minute: u32 = minute.parse().unwrap();
        // Six runs between 06:00 and 22:00, the last one at 21:50, or five of those that begin later than at 06:50.
        let fits = hours.starts_with("0-") && minute <= 50;
        let expected = format!("{} 6-21/3 * * *", if fits { minute } else { 0 });
        assert_eq!(cron("rpo: 10h, window: [\"06:00-22:00\"]"), expected, "{everywhere}");
    }
}

#[test]
fn a_time_that_windows_leave_every_night_is_better_than_the_next_one_that_is_free() {
    // The nights of all days end at two, that of Saturday at six; from 23:00 to two somebody else is at work.
    let mail = quick("rpo: 26h, window: [\"22:00-02:00\", \"sat 02:00-06:00\"]");
    let mut files = quick("rpo: 26h, at: [\"23:00\"]");
    files.job = "files".into();
    files.objectives.as_mut().unwrap().durations.collect = Some("170min".parse().unwrap());
    let jobs = [mail, files];
    for hour in 0..24 {
        let cron = beside(&jobs, &placed(hour));
        assert!(cron.ends_with(" 22 * * *"), "{hour}: {cron}");
    }
}

#[test]
fn who_finds_no_room_is_planned_where_it_would_be_without_the_others() {
    let mut files = quick("rpo: 26h, at: [\"00:00\"]");
    files.job = "files".into();
    files.objectives.as_mut().unwrap().durations.collect = Some("1430min".parse().unwrap());
    for hour in [9, 17] {
        let mail = quick("rpo: 40d");
        let alone = beside(std::slice::from_ref(&mail), &placed(hour));
        assert_eq!(beside(&[mail, files.clone()], &placed(hour)), alone);
    }
}

#[test]
fn copies_end_by_their_age_on_days_without_a_transport_too() {
    let rotations = |days: &str, max_age: Option<&str>| {
        let mut job = quick(&format!("rpo: 40d, at: [\"22:00\"]{days}"));
        let max_age = max_age.map(|age| age.parse().unwrap());
        job.streams.values_mut().for_each(|of| of.sink.retention.max_age = max_age);
        crons(&planned(&job, &berlin(), FROM, 40), Purpose::Rotate, None).join(" and ")
    };
    for days in [", days: [sun]", ", days: [28]"] {
        assert_eq!(rotations(days, Some("60d")), "0 12 * * *", "{days}");
        assert_eq!(rotations(days, None), "", "{days}: each transport rotates");
    }
    assert_eq!(rotations("", Some("60d")), "", "each night");
}

#[test]
fn transports_at_one_time_of_day_have_one_entry() {
    for (collect, transport) in [
        (&["0 22 * * 0", "0 22 * * 1-6"][..], &["10 22 * * *"][..]),
        (&["0 22 * * *", "0 22 * * 3"], &["10 22 * * *"]),
        (&["0 22 * * 0", "0 22 * * 1-6", "0 10 * * *"], &["10 10,22 * * *"]),
        (&["0 22 * * 1", "0 22 * * 3"], &["10 22 * * 1,3"]),
        (&["0 22 1 * *", "0 22 15 * *"], &["10 22 1,15 * *"]),
        (&["0 22 15 * *", "0 22 * * 1"], &["10 22 15 * *", "10 22 * * 1"]),
        (&["0 22 1 1 *", "0 22 1 7 *"], &["10 22 1 1 *", "10 22 1 7 *"]),
        (&["0 22 1 1 *", "0 10 1 7 *"], &["10 10 1 7 *", "10 22 1 1 *"]),
    ] {
        let mut job = quick("rpo: 400d");
        job.schedule.collect = collect.iter().map(ToString::to_string).collect();
        let plan = planned(&job, &berlin(), FROM, 10);
        assert_eq!(crons(&plan, Purpose::Transport, None), transport, "{collect:?}");
        assert_eq!(check(&plan, "overlap").outcome, Outcome::Ok, "what begins twice at once runs once: {plan}");
    }
}

#[test]
fn a_collection_may_begin_when_the_last_one_ends() {
    let mut job = quick("rpo: 26h, at: [\"22:00\", \"22:10\"]");
    job.schedule.transport = vec!["20 22 * * *".into()];
    let plan = planned(&job, &berlin(), FROM, 10);
    assert!(plan.feasible, "{plan}");
}

#[test]
fn what_is_installed_is_told_host_by_host_the_source_first() {
    let job = |name: &str, sink: &str| {
        let mut job = quick("rpo: 26h, at: [\"22:00\"], catch_up: false, drill: {days: [sun], at: [\"06:00\"]}");
        job.job = name.into();
        job.streams.values_mut().for_each(|of| of.sink.name = sink.into());
        job
    };
    let from: jiff::Timestamp = FROM.parse().unwrap();
    let jobs = [job("shop", "zoo"), job("mail", "attic")];
    let text = plan(&jobs, &berlin(), from, from + jiff::SignedDuration::from_hours(24 * 10)).unwrap().to_string();
    let told = "
on web1
  0 22 * * *          root              backup_collect run shop
                                        collection: as `objectives.at` says
  10 22 * * *         dataBackupSource  backup_transport run shop --stream data
                                        after collecting, which takes 10 min at p95
  25 22 * * *         dataBackupSource  backup_transport run shop --stream data
                                        after a collection that took longer; does nothing otherwise
  0 22 * * *          root              backup_collect run mail
                                        collection: as `objectives.at` says
  10 22 * * *         dataBackupSource  backup_transport run mail --stream data
                                        after collecting, which takes 10 min at p95
  25 22 * * *         dataBackupSource  backup_transport run mail --stream data
                                        after a collection that took longer; does nothing otherwise

on attic
  0 6 * * 0           dataBackupSink    backup_restore drill web1/mail --stream data  (planned only)
                                        as declared

on zoo
  0 6 * * 0           dataBackupSink    backup_restore drill web1/shop --stream data  (planned only)
                                        as declared

what is kept
";
    assert!(text.contains(told), "{text}");
}
