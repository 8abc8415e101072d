//! What checks tell: the right copy, the right instant, and no span shorter than it is.

use crate::make::{FROM, berlin, check, planned, quick, shop};
use backup_core::{
    Job,
    job::Mode,
    schedule::{Facts, HostFacts, Measured, Outcome, Purpose, Remedy, SinkFacts},
    units::Span,
};

/// The first counter-example of a plan for two months.
fn story(objectives: &str) -> String {
    let plan = planned(&quick(objectives), &berlin(), FROM, 62);
    plan.counter_example.clone().unwrap_or_else(|| panic!("{plan}"))
}

#[test]
fn the_copy_that_ends_the_breach_is_told() {
    // That of 13:50 is being collected, and would not help.
    let story = story("rpo: 30min, at: [\"13:10\", \"13:30\", \"13:50\"]");
    assert!(
        story.starts_with("at 2026-11-20 13:54 the newest verified copy on sink1 holds data of 2026-11-20 13:10, 44 min old; the copy of 2026-11-20 13:30 is still in transfer"),
        "{story}"
    );
}

#[test]
fn the_first_minute_on_a_forbidden_day_is_told() {
    let story = |objectives: &str| story(&format!("rpo: 4d, {objectives}"));
    for (objectives, part) in [
        ("at: [\"23:55\"], blackout: [12-24]", "on a day of `blackout` at 2026-12-24 00:00"),
        ("at: [\"23:55\"], blackout: [\"thu 00:00-06:00\"]", "in a `blackout` at 2026-11-26 00:00"),
        ("at: [\"23:55\"], window: [\"20:00-24:00\"]", "outside the window at 2026-11-21 00:00"),
    ] {
        let story = story(objectives);
        assert!(story.contains(part), "{part}: {story}");
    }
}

#[test]
fn a_host_whose_zone_is_not_given_is_told() {
    let zones = |facts: &Facts| {
        let plan = planned(&quick("rpo: 2d"), facts, FROM, 10);
        plan.checks.into_iter().filter(|check| check.check == "zone").map(|check| check.text).collect::<Vec<_>>()
    };
    assert_eq!(zones(&berlin()), [""; 0]);
    let [told] = &zones(&Facts::default())[..] else { panic!("once") };
    assert!(told.contains("web1"), "{told}");
}

#[test]
fn of_many_nights_on_which_clocks_change_the_first_are_told() {
    let told = |days: i64| {
        let plan = planned(&quick("rpo: 3d, at: [\"02:30\"]"), &berlin(), FROM, days);
        plan.checks.into_iter().find(|check| check.check == "clock_changes").unwrap().text
    };
    let spring = "2027-03-28 02:30 does not exist in Europe/Berlin: cron runs it at 2027-03-28 03:00";
    let autumn = "2027-10-31 02:30 occurs twice in Europe/Berlin: cron runs it the first time only";
    assert_eq!(told(200), spring);
    assert_eq!(told(2 * 365).matches("; ").count(), 3, "each of four");
    assert_eq!(told(5 * 365), format!("{spring}; {autumn}; 10 such times within the horizon"));
}

#[test]
fn a_change_of_clocks_concerns_the_times_from_its_first_minute_to_its_last() {
    let concerns = |at: &str| {
        let plan = planned(&quick(&format!("rpo: 3d, at: [\"{at}\"]")), &berlin(), FROM, 200);
        plan.checks.iter().any(|check| check.check == "clock_changes")
    };
    assert_eq!(["01:59", "02:00", "02:59", "03:00"].map(concerns), [false, true, true, false]);
}

#[test]
fn whose_days_are_weekdays_is_told_where_a_full_by_date_meets_an_incremental() {
    let told =
        |days: &str, full: &str| story(&format!("rpo: 30d, at: [\"22:00\"], days: {days}, full: {{days: {full}}}"));
    let date = told("[mon, tue, wed, thu, fri]", "[1]");
    assert!(date.contains("names days of the month (1), the other collections are on weekdays,"), "{date}");
    let weekday = told("[20, 22]", "[sun]");
    assert!(weekday.contains("names weekdays (sun), the other collections are on days of the month,"), "{weekday}");
}

#[test]
fn an_opening_that_is_too_short_is_told_with_its_begin_and_its_end() {
    let told = story("rpo: 2d, window: [\"02:00-02:05\"]");
    let text = "a collection of shop takes 10 min, as declared, and the window leaves 5 min at most: what begins at 2026-11-21 02:00 has not ended at 2026-11-21 02:05, when the window does";
    assert_eq!(told, text);
}

#[test]
fn without_two_copies_to_compare_no_age_is_told() {
    let told = |tolerate: u32, days: i64| {
        let plan = planned(&quick(&format!("at: [\"22:00\"], rpo: 50h, tolerate: {tolerate}")), &berlin(), FROM, days);
        let check = check(&plan, "rpo");
        (check.outcome, check.text.clone())
    };
    let few = "fewer than two copies reach sink1 within the horizon".to_owned();
    assert_eq!(told(0, 1), (Outcome::Failed, few));
    let any =
        "cannot be told: 2 transports reach sink1 within the horizon, and any 1 in a row may be missed".to_owned();
    assert_eq!(told(1, 2), (Outcome::Failed, any));
}

#[test]
fn how_long_a_restore_takes_is_compared_with_the_rto() {
    let told = |declared: &str, measured: Option<u64>| {
        let mut facts = berlin();
        let measured = Measured { restore: measured.map(Span), ..Measured::default() };
        facts.hosts.get_mut("web1").unwrap().jobs.insert("shop".into(), measured);
        let job = shop(&format!("{{rpo: 2d, rto: 1h{declared}}}"));
        let plan = planned(&job, &facts, FROM, 10);
        let check = check(&plan, "rto");
        (check.outcome, check.text.clone())
    };
    let of = |restore| format!(", durations: {{restore: {restore}}}");
    for (restore, seconds, outcome, text) in [
        ("61min", None, Outcome::Failed, "a restore takes 1 h 1 min, RTO is 1 h"),
        ("30min", Some(3660), Outcome::Failed, "a restore takes 1 h 1 min, RTO is 1 h"),
        ("30min", Some(3600), Outcome::Ok, "a restore takes 1 h, RTO is 1 h"),
        ("1h", None, Outcome::Unknown, "a restore is declared to take 1 h and was never measured; RTO is 1 h"),
    ] {
        assert_eq!(told(&of(restore), seconds), (outcome, text.to_owned()), "{restore}, {seconds:?}");
    }
    assert_eq!(told("", None), (Outcome::Unknown, "no restore was ever measured; RTO is 1 h".to_owned()));
}

/// The explanation of the first entry for this purpose.
fn why(job: &Job, facts: &Facts, purpose: Purpose) -> String {
    let plan = planned(job, facts, FROM, 400);
    plan.entries.iter().find(|entry| entry.purpose == purpose).unwrap_or_else(|| panic!("{plan}")).why.clone()
}

#[test]
fn an_interval_that_cron_cannot_hold_is_said() {
    let told = |rpo: &str| why(&quick(&format!("rpo: {rpo}")), &berlin(), Purpose::Collect);
    let cut = told("1h43min");
    assert!(cut.contains("leaves 1 h 18 min, which no entry holds evenly; every 2 h would be too rare"), "{cut}");
    let window = why(&quick("rpo: 10h, window: [\"00:00-06:00\"]"), &berlin(), Purpose::Collect);
    assert!(window.ends_with("; `window` leaves 7 of 21 runs a week"), "{window}");
    let whole = told("1h25min");
    assert!(whole.contains("leaves 1 h; follows"), "{whole}");
}

#[test]
fn each_hour_of_a_transport_is_explained() {
    let spring = quick("days: [28], at: [\"02:00\"]");
    let told = why(&spring, &berlin(), Purpose::Transport);
    let forward = "after collecting, which takes 10 min at p95; once more 1 h later, for nights in which clocks go forward meanwhile";
    assert_eq!(told, forward);

    let mut pulled = quick("at: [\"22:00\"]");
    pulled.streams.values_mut().for_each(|of| of.transport.mode = Mode::Pull);
    let mut facts = berlin();
    facts.sinks.insert("sink1".into(), SinkFacts { zone: "America/New_York".into(), ..SinkFacts::default() });
    let behind = "after collecting, which takes 10 min at p95; the clock of sink1 is 5 h to 6 h behind that of web1: up to 1 h late, and never too early";
    assert_eq!(why(&pulled, &facts, Purpose::Transport), behind);
}

#[test]
fn so_many_runs_as_are_missed_are_told() {
    let told = |tolerate: u32| {
        let mut job = quick(&format!("rpo: 40d, days: [sun], tolerate: {tolerate}"));
        job.streams.values_mut().for_each(|of| of.sink.retention.max_age = Some("7d".parse().unwrap()));
        let plan = planned(&job, &berlin(), FROM, 90);
        let told = plan.checks.into_iter().filter(|check| check.text.contains("it stays as the last"));
        told.map(|check| check.text.split(" from ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(0), ["even if no run is missed,", "if one run is missed,"]);
    assert_eq!(told(2), ["if 2 runs in a row are missed,", "if 3 runs in a row are missed,"]);
}

#[test]
fn what_was_not_tried_is_said_besides_what_helps() {
    let mut plan = planned(&quick("rpo: 20h, at: [\"22:00\"]"), &berlin(), FROM, 40);
    let check = plan.checks.iter_mut().find(|check| check.check == "rpo").unwrap();
    check.remedies = vec![Remedy { job: None, setting: "objectives.rpo".into(), value: "1d30min".into() }];
    check.untried = vec!["objectives.blackout".into(), "objectives.at in job mail".into()];
    let told = "
           it holds with objectives.rpo: 1d30min
           not tried, as it would take too long: objectives.blackout, objectives.at in job mail
";
    assert!(plan.to_string().contains(told), "{plan}");
}

#[test]
fn what_nobody_said_and_nothing_measured_is_told() {
    let told = |job: &Job, host: Option<HostFacts>| {
        let facts =
            Facts { hosts: host.map(|host| ("web1".to_owned(), host)).into_iter().collect(), ..Facts::default() };
        let plan = planned(job, &facts, FROM, 10);
        let unknown = plan.checks.into_iter().filter(|check| check.outcome == Outcome::Unknown);
        unknown
            .map(|check| check.check)
            .filter(|name| ["zone", "durations"].contains(&name.as_str()))
            .collect::<Vec<_>>()
    };
    let of = |zone: Option<&str>, measured: Option<Measured>| HostFacts {
        zone: zone.map(Into::into).unwrap_or_default(),
        jobs: measured.map(|measured| ("shop".to_owned(), measured)).into_iter().collect(),
        ..HostFacts::default()
    };
    let (declared, silent) = (quick("rpo: 26h"), shop("{rpo: 26h}"));
    for host in [None, Some(of(None, None))] {
        assert_eq!(told(&declared, host.clone()), ["zone"], "{host:?}");
    }
    assert!(told(&declared, Some(of(Some("UTC"), None))).is_empty());

    let all = |samples| {
        let span = Some(Span(60));
        Measured { collect: span, transport: span, verify: span, samples, ..Measured::default() }
    };
    let measured = |measured: Measured| told(&silent, Some(of(Some("UTC"), Some(measured))));
    assert_eq!(told(&silent, Some(of(Some("UTC"), None))), ["durations"]);
    assert_eq!(measured(Measured { verify: None, ..all(Some(10)) }), ["durations"], "one of the three is not known");
    assert_eq!(measured(all(Some(9))), ["durations"], "few runs do not say what is usual");
    assert!(measured(all(Some(10))).is_empty() && measured(all(None)).is_empty());
}

#[test]
fn what_takes_longer_than_anybody_waits_is_refused() {
    for seconds in [1 << 40, u64::MAX / 2, u64::MAX] {
        for step in ["collect", "transport", "verify"] {
            let plan = planned(&shop(&format!("{{rpo: 26h, durations: {{{step}: {seconds}s}}}}")), &berlin(), FROM, 40);
            assert!(!plan.feasible && !plan.to_string().contains("1970"), "{step}: {plan}");
        }
    }
}
