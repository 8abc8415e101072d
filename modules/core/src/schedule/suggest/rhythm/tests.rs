//! What is tried for each setting, and how far.

use super::*;
use crate::schedule::Facts;

/// What is tried for a setting, way by way: the first, second, sixth and last value, and how many there are.
fn tried(keys: &str, name: &str) -> Vec<String> {
    let text = format!(
        "{{version: 1, job: shop, source: web1, {keys}, streams: {{data: {{include: [/srv/shop],
        transport: {{mode: push, peer: {{address: sink1}}}}, sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    let job = Job::parse(&text, "shop").unwrap();
    let setting = settings(&job, &Measured::default()).into_iter().find(|setting| setting.name == name).unwrap();
    let told = |way: &Way| {
        let value = |step| (way.change)(step, &mut job.clone(), &mut Facts::default()).unwrap_or("none".into());
        let steps = std::collections::BTreeSet::from([1, 2, 6, way.reach.steps]);
        let values: Vec<_> = steps.range(..=way.reach.steps).map(|&step| value(step)).collect();
        format!("{}: {}", way.reach.steps, values.join(" "))
    };
    setting.ways.iter().flatten().map(told).collect()
}

#[test]
fn times_of_day_move_both_ways_then_there_are_more_of_them() {
    let times = tried("objectives: {at: ['22:00', '06:00']}", "objectives.at");
    assert_eq!(times[0], r#"720: ["21:59", "05:59"] ["21:58", "05:58"] ["21:54", "05:54"] ["10:00", "18:00"]"#);
    assert_eq!(times[1], r#"720: ["22:01", "06:01"] ["22:02", "06:02"] ["22:06", "06:06"] ["10:00", "18:00"]"#);
    let more = r#"6: ["06:00", "14:00", "22:00"] ["04:00", "10:00", "16:00", "22:00"] ["00:00", "01:00", "#;
    assert!(times[2].starts_with(more), "{}", times[2]);
}

#[test]
fn entries_move_but_not_over_the_midnight_of_a_date_then_run_more_often() {
    let entries = tried("schedule: {collect: ['5 0 28 * *', '0 22 * * 1,2']}", "schedule.collect");
    let expected = [
        r#"720: ["4 0 28 * *", "59 21 * * 1,2"] ["3 0 28 * *", "58 21 * * 1,2"] none none"#,
        r#"720: ["6 0 28 * *", "1 22 * * 1,2"] ["7 0 28 * *", "2 22 * * 1,2"] ["11 0 28 * *", "6 22 * * 1,2"] ["5 12 28 * *", "0 10 * * 2,3"]"#,
        r#"21: ["5 0 * * 0,2,4"] ["5 0 * * 0,2,4,6"] ["5 0,6,12,18 * * *"] ["* * * * *"]"#,
    ];
    assert_eq!(entries, expected);
    let in_two_months = tried("schedule: {collect: '7 3 1 1,7 *'}", "schedule.collect");
    assert_eq!(in_two_months[0], r#"720: ["6 3 1 1,7 *"] ["5 3 1 1,7 *"] ["1 3 1 1,7 *"] none"#);
    assert_eq!(in_two_months[2], r#"26: ["7 3 1 1,4,7,10 *"] ["7 3 1 * *"] ["7 3 * * 0,2,4"] ["* * * * *"]"#);
    let twice_a_week = tried("schedule: {collect: '7 3 * * 1,4'}", "schedule.collect");
    assert!(twice_a_week[2].starts_with(r#"21: ["7 3 * * 0,2,4"]"#), "{}", twice_a_week[2]);
    let ten_a_week = tried("schedule: {collect: '7 3,15 * * 1-5'}", "schedule.collect");
    assert!(ten_a_week[2].starts_with(r#"18: ["7 3,15 * * *"]"#), "{}", ten_a_week[2]);
}

#[test]
fn days_move_the_nearest_first_then_there_are_more_or_one_less() {
    let weekly = tried("objectives: {rpo: 9d, days: [mon, thu]}", "objectives.days");
    let expected = [
        "0: none",
        "6: [tue, fri] [sun, wed] [fri, mon]",
        "31: [sun, mon, thu] [mon, tue, thu] [sun, mon, tue, thu] [sun, mon, tue, wed, thu, fri, sat]",
        "2: [thu] [mon]",
    ];
    assert_eq!(weekly, expected);
    let monthly = tried("objectives: {rpo: 9d, days: [28]}", "objectives.days");
    assert_eq!((monthly[1].as_str(), monthly[3].as_str()), ("28: [1] [27] [25] [14]", "0: none"));
    assert_eq!((later(Day::Week(6), 1), later(Day::Month(28), 1)), (Day::Week(0), Day::Month(1)));
    assert!(monthly[2].starts_with("27: [14, 28] [7, 21, 28] [3, 7, 12, 16, 21, 25, 28] [1, 2, 3, "), "{monthly:?}");
}

#[test]
fn what_is_given_to_fulls_and_to_others_is_left_to_one_of_them() {
    let of = |days: &str, full: &str, name: &str| {
        tried(&format!("objectives: {{rpo: 9d, at: ['22:00'], days: {days}, full: {{days: {full}}}}}"), name)
    };
    assert_eq!(of("[1, 2]", "[2]", "objectives.days")[0], "1: [1]");
    assert_eq!(of("[1, 2]", "[2]", "objectives.full.days")[0], "0: none", "no full would be left");
    assert_eq!(of("[1]", "[1, 2]", "objectives.full.days")[0], "1: [2]");
    assert_eq!(of("[sun]", "[sun]", "objectives.days")[0], "0: none");
    assert_eq!(of("[mon]", "[sun]", "objectives.full.days")[0], "0: none", "nothing is given twice");
    // No entry leaves out a weekday by a date: a full is put on a day that the others leave.
    assert_eq!(of("[mon]", "[1]", "objectives.full.days")[4], "6: [sun] [tue] [sat]");
    assert_eq!(of("[mon]", "[sun]", "objectives.full.days")[4], "0: none");
}

#[test]
fn windows_grow_as_far_as_a_day_goes_then_on_more_days() {
    let of = |windows: &str| tried(&format!("objectives: {{rpo: 9d, window: {windows}}}"), "objectives.window");
    let expected = [
        r#"1349: ["mon-fri 22:00-23:31"] ["mon-fri 22:00-23:32"] ["mon-fri 22:00-23:36"] ["mon-fri 22:00-21:59"]"#,
        r#"1349: ["mon-fri 21:59-23:30"] ["mon-fri 21:58-23:30"] ["mon-fri 21:54-23:30"] ["sun-thu 23:31-23:30"]"#,
        r#"3: ["sun-fri 22:00-23:30"] ["mon-sat 22:00-23:30"] ["22:00-23:30"]"#,
        r#"1: ["00:00-24:00"]"#,
    ];
    assert_eq!(of("['mon-fri 22:00-23:30']"), expected);
    let each = of("['mon 20:00-22:00', 'tue 04:00-06:00']");
    assert_eq!(
        each[2],
        r#"127: ["sun-mon 20:00-22:00", "tue,sun 04:00-06:00"] ["mon 20:00-22:00", "mon-tue 04:00-06:00"] ["mon,fri 20:00-22:00", "tue,fri 04:00-06:00"] ["20:00-22:00", "04:00-06:00"]"#
    );
    // Past midnight on either side; the longer one first has no more room.
    let expected = [
        r#"1320: ["22:00-24:00", "mon 00:01-04:01"] ["22:00-00:01", "mon 00:01-04:02"] ["22:00-00:05", "mon 00:01-04:06"] ["22:00-21:59", "mon 00:01-24:00"]"#,
        r#"1320: ["21:59-23:59", "mon 00:00-04:00"] ["21:58-23:59", "sun 23:59-04:00"] ["21:54-23:59", "sun 23:55-04:00"] ["00:00-23:59", "sun 04:01-04:00"]"#,
    ];
    assert_eq!(of("['22:00-23:59', 'mon 00:01-04:00']")[..2], expected);
}

#[test]
fn blackouts_shrink_to_a_minute_or_one_goes() {
    let of = |blackouts: &str| tried(&format!("objectives: {{rpo: 9d, blackout: {blackouts}}}"), "objectives.blackout");
    let expected = [
        r#"179: ["mon 20:00-22:59", "12-24"] ["mon 20:00-22:58", "12-24"] ["mon 20:00-22:54", "12-24"] ["mon 20:00-20:01", "12-24"]"#,
        r#"179: ["mon 20:01-23:00", "12-24"] ["mon 20:02-23:00", "12-24"] ["mon 20:06-23:00", "12-24"] ["mon 22:59-23:00", "12-24"]"#,
        r#"2: ["12-24"] ["mon 20:00-23:00"]"#,
    ];
    assert_eq!(of("['mon 20:00-23:00', 12-24]"), expected);
    let expected = [
        r#"4: ["mon 23:58-00:02"] ["mon 23:58-00:01"] ["mon 23:58-23:59"]"#,
        r#"4: ["mon 23:59-00:03"] ["tue 00:00-00:03"] ["tue 00:02-00:03"]"#,
        "1: []",
    ];
    assert_eq!(of("['mon 23:58-00:03']"), expected);
    assert_eq!(of("['mon 23:58-00:02']")[0], r#"3: ["mon 23:58-00:01"] ["mon 23:58-24:00"] ["mon 23:58-23:59"]"#);
}

#[test]
fn in_twelve_years_it_runs_so_often() {
    for (entry, times) in [
        ("0 2 1 1 *", 12),
        ("0 2 1 * *", 144),
        ("0 2 1,15 * *", 288),
        ("0 2 * * 0", 12 * 52),
        ("0 2 * * 1-5", 12 * 52 * 5),
        ("0 2 * * *", 12 * 365),
        ("0 2,14 * 1-6 *", 12 * 365),
        ("*/5 * * * *", 12 * 365 * 288),
    ] {
        assert_eq!(runs(&Pattern::of(&entry.parse().unwrap())), times, "{entry}");
    }
}
