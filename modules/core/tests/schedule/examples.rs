//! Cron times as text, and what cron makes of clock changes, one by one.

use backup_core::schedule::{Clock, CronTime, Days, Runs, TimeError, catching_up, firings, last_firing, next_firing};
use backup_core::{
    Failure, Job, Kind,
    job::{Step, objectives::DaysOff},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";

fn time(text: &str) -> CronTime {
    text.parse().unwrap()
}

fn zone(rule: &str) -> TimeZone {
    TimeZone::posix(rule).unwrap()
}

/// "UTC time of the run / local time that the entry names", between two UTC times.
fn runs(entry: &str, rule: &str, from: &str, to: &str) -> Vec<String> {
    let clock = Clock::new(&zone(rule), from.parse().unwrap(), to.parse().unwrap());
    let show = |second: i64, form: &str| Timestamp::from_second(second).unwrap().strftime(form).to_string();
    firings(&time(entry), &clock)
        .map(|firing| format!("{} / {}", show(firing.at, "%dT%H:%M:%S"), show(firing.local, "%H:%M")))
        .collect()
}

#[test]
fn one_spelling_for_each_time() {
    for (given, printed) in [
        ("30 2 * * *", "30 2 * * *"),
        ("\t30  2 * *\t* ", "30 2 * * *"),
        ("00 02 * * 7", "0 2 * * 0"),
        ("0 0 * * SUN", "0 0 * * 0"),
        ("0 0 * jan,Mar sun-tue", "0 0 * 1,3 0-2"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 0 * * */2", "0 0 * * 0,2,4,6"),
        ("0 0 * * */7", "0 0 * * 0"),
        ("*/15 * * * *", "*/15 * * * *"),
        ("*/1 */1 */1 */1 */1", "* * * * *"),
        ("*/20,5 * * * *", "*/20,5 * * * *"),
        ("*/60 * * * *", "*/60 * * * *"),
        ("0,15,30,45 2 * * *", "0,15,30,45 2 * * *"),
        ("0-59/15 2 * * *", "0,15,30,45 2 * * *"),
        ("0-59 0-23 * * *", "0-59 0-23 * * *"),
        ("1-59/2 2 * * *", "1-59/2 2 * * *"),
        ("3,1,2,7 2 */10 * *", "1-3,7 2 1,11,21,31 * *"),
        ("7,7 2,1-3 * 5,5 1,1", "7 1-3 * 5 1"),
        ("0 0 1-31 * *", "0 0 * * *"),
    ] {
        assert_eq!(time(given).to_string(), printed, "{given:?}");
        assert_eq!(serde_json::to_value(time(given)).unwrap(), printed, "{given:?} in a document");
        assert_eq!(time(printed), time(given));
    }
}

#[test]
fn wild_is_what_begins_with_a_star() {
    for (text, wild) in [
        ("* 2 * * *", true),
        ("0 * * * *", true),
        ("*/60 2 * * *", true),
        ("0 */24 * * *", true),
        ("0-59 0-23 * * *", false),
        ("0 2 * * *", false),
    ] {
        assert_eq!(time(text).is_wild(), wild, "{text}");
    }
}

#[test]
fn made_from_numbers() {
    let made = |minutes: &[u8], hours: &[u8], days| CronTime::new(minutes, hours, &days).map(|time| time.to_string());
    let hours: Vec<u8> = (0..24).collect();
    assert_eq!(made(&[30, 0, 30], &[2], Days::Every).unwrap(), "0,30 2 * * *");
    assert_eq!(made(&[7, 22, 37, 52], &hours, Days::Every).unwrap(), "7,22,37,52 * * * *");
    assert_eq!(made(&[0], &[22], Days::Week(vec![7, 3])).unwrap(), "0 22 * * 0,3");
    assert_eq!(made(&[0], &[2], Days::Month(vec![28])).unwrap(), "0 2 28 * *");
    assert_eq!(made(&[], &[2], Days::Every).unwrap_err().kind(), Kind::InvalidOption);
    assert!(made(&[60], &[2], Days::Every).is_err());
    assert!(made(&[0], &[2], Days::Month(vec![0])).is_err());
}

#[test]
fn refusals_name_the_part_and_a_remedy() {
    for (text, part) in [
        ("", "0 fields"),
        ("30 2 * *", "4 fields"),
        ("30 2 * * * root", "6 fields"),
        ("@daily", "word"),
        ("0 0 * * *\nroot rm", "character"),
        ("0 0 * * %", "\"%\" is not a valid day of week"),
        ("60 0 * * *", "\"60\" is not a valid minute"),
        ("0 24 * * *", "\"24\" is not a valid hour"),
        ("0 0 0 * *", "day of month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * mon *", "\"mon\" is not a valid month"),
        ("0 0 * * 8", "day of week"),
        ("5/10 * * * *", "\"5/10\""),
        ("*/0 * * * *", "\"*/0\""),
        ("1,,2 * * * *", "\"\" is not a valid minute"),
        ("5x * * * *", "\"5x\""),
        ("*5 * * * *", "\"*5\""),
        ("+5 * * * *", "\"+5\""),
        ("0-64/30 * * * *", "\"0-64/30\""),
        ("0 22-5 * * *", "\"22-5\" runs backwards"),
        ("0 0 * * fri-sun", "runs backwards"),
        ("0 0 1 * sun", "either matches"),
        ("0 0 */2 * sun", "either matches"),
        ("0 0 1-31 * 0-6", "either matches"),
        ("0 0 30 2 *", "never happens"),
        ("0 0 31 4,6,9,11 *", "never happens"),
    ] {
        let error: TimeError = text.parse::<CronTime>().unwrap_err();
        assert!(error.to_string().contains(part), "{text:?}: {error}");
        assert!(error.hint().is_some_and(|hint| hint.ends_with('.')), "{text:?}");
    }
}

#[test]
fn clocks_go_forward_in_berlin_on_28_march_2027() {
    let night = |entry| runs(entry, BERLIN, "2027-03-28T00:00:00Z", "2027-03-28T02:30:00Z");
    assert_eq!(night("0 2 * * *"), ["28T01:00:00 / 02:00"], "fixed within the gap: right after it");
    assert_eq!(night("30 1-3 * * *"), ["28T00:30:00 / 01:30", "28T01:00:00 / 02:30", "28T01:30:00 / 03:30"]);
    assert_eq!(night("0 2,3 * * *"), ["28T01:00:00 / 02:00", "28T01:00:10 / 03:00"], "twice, ten seconds apart");
    let until = |end| runs("0 2,3 * * *", BERLIN, "2027-03-28T00:00:00Z", end).len();
    assert_eq!([until("2027-03-28T01:00:10Z"), until("2027-03-28T01:00:11Z")], [1, 2], "the end is beyond the range");
    assert_eq!(night("0 */2 * * *"), ["28T02:00:00 / 04:00"], "wild: what does not exist does not run");
    assert_eq!(night("*/30 2 * * *"), [""; 0]);
    assert_eq!(
        night("*/30 * * * *"),
        [
            "28T00:00:00 / 01:00",
            "28T00:30:00 / 01:30",
            "28T01:00:00 / 03:00",
            "28T01:30:00 / 03:30",
            "28T02:00:00 / 04:00"
        ]
    );
}

#[test]
fn clocks_go_back_in_berlin_on_28_october_2029() {
    let night = |entry| runs(entry, BERLIN, "2029-10-27T23:30:00Z", "2029-10-28T02:30:00Z");
    assert_eq!(night("0 2 * * *"), ["28T00:00:00 / 02:00"], "fixed: the first of both");
    assert_eq!(night("59 2 * * *"), ["28T00:59:00 / 02:59"]);
    assert_eq!(night("0 3 * * *"), ["28T02:00:00 / 03:00"]);
    assert_eq!(night("0 */2 * * *"), ["28T00:00:00 / 02:00", "28T01:00:00 / 02:00"], "wild: both");
}

#[test]
fn who_looks_in_the_middle_of_a_repeated_hour_knows_what_ran_in_it() {
    // In Troll 01:00 to 03:00 comes twice, from 01:00 UTC on for the second time.
    let troll = "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3";
    assert_eq!(runs("45 2 * * *", troll, "2029-10-28T00:00:00Z", "2029-10-28T12:00:00Z"), ["28T00:45:00 / 02:45"]);
    assert!(runs("45 2 * * *", troll, "2029-10-28T02:30:00Z", "2029-10-28T12:00:00Z").is_empty());
}

#[test]
fn half_an_hour_on_lord_howe() {
    let spring = |entry| runs(entry, LORD_HOWE, "2026-10-03T15:00:00Z", "2026-10-03T16:30:00Z");
    assert_eq!(spring("15 2 * * *"), ["03T15:30:00 / 02:15"]);
    assert_eq!(spring("*/15 2 * * *"), ["03T15:30:00 / 02:30", "03T15:45:00 / 02:45"]);
    let autumn = |entry| runs(entry, LORD_HOWE, "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z");
    assert_eq!(autumn("45 1 * * *"), ["04T14:45:00 / 01:45"]);
    assert_eq!(autumn("45 * * * *"), ["04T14:45:00 / 01:45", "04T15:15:00 / 01:45"]);
}

#[test]
fn a_change_of_three_hours_is_taken_for_setting_the_clock() {
    let night = |rule, entry| runs(entry, rule, "2027-03-27T23:00:00Z", "2027-03-28T12:00:00Z");
    assert_eq!(night("CET-1XXX-3:59,M3.5.0,M10.5.0", "30 2 * * *"), ["28T01:00:00 / 02:30"], "2 h 59 min");
    assert_eq!(night("CET-1XXX-4,M3.5.0,M10.5.0", "30 2 * * *"), [""; 0], "3 h");
    assert_eq!(night("CET-1XXX2,M3.5.0,M10.5.0", "30 0 * * *"), ["27T23:30:00 / 00:30"], "3 h back");
    let again = ["27T23:30:00 / 00:30", "28T02:31:00 / 00:30"];
    assert_eq!(night("CET-1XXX2:01,M3.5.0,M10.5.0", "30 0 * * *"), again, "3 h 1 min back");
}

#[test]
fn a_clock_lists_its_changes() {
    let clock = Clock::new(&zone(BERLIN), "2027-01-01T00Z".parse().unwrap(), "2028-01-01T00Z".parse().unwrap());
    let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
    let changes: Vec<_> = clock.changes().collect();
    assert_eq!(changes.len(), 2);
    assert!(changes[0].is_gap() && !changes[1].is_gap());
    assert_eq!(changes[0].at, second("2027-03-28T01:00:00Z"));
    assert_eq!(changes[0].local(), second("2027-03-28T02:00:00Z")..second("2027-03-28T03:00:00Z"));
    assert_eq!(changes[1].local(), second("2027-10-31T02:00:00Z")..second("2027-10-31T03:00:00Z"));
    assert_eq!(clock.local(second("2027-03-28T00:59:59Z")), second("2027-03-28T01:59:59Z"));
    assert_eq!(clock.local(second("2027-03-28T01:00:00Z")), second("2027-03-28T03:00:00Z"));
    assert_eq!(Clock::new(&TimeZone::UTC, Timestamp::UNIX_EPOCH, Timestamp::MAX).changes().count(), 0);
}

#[test]
fn last_and_next() {
    let utc = TimeZone::UTC;
    let ask = |entry: &str, now: &str| {
        let now = now.parse().unwrap();
        let show = |firing: backup_core::schedule::Firing| Timestamp::from_second(firing.at).unwrap().to_string();
        (
            last_firing(&time(entry), &utc, now).map(show).unwrap(),
            next_firing(&time(entry), &utc, now).map(show).unwrap(),
        )
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(ask("30 2 * * *", "2027-01-02T02:30:00Z"), pair("2027-01-02T02:30:00Z", "2027-01-03T02:30:00Z"));
    assert_eq!(ask("30 2 * * *", "2027-01-02T02:29:59.9Z"), pair("2027-01-01T02:30:00Z", "2027-01-02T02:30:00Z"));
    assert_eq!(ask("0 2 28 * *", "2027-03-01T00:00:00Z"), pair("2027-02-28T02:00:00Z", "2027-03-28T02:00:00Z"));
    assert_eq!(ask("0 0 29 2 *", "2101-01-01T00:00:00Z"), pair("2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"));
}

#[test]
fn a_run_is_missed_if_nothing_was_tried_since_its_time() {
    let times = vec![time("0 22 * * 1-6"), time("0 1 * * 0")];
    let runs = Runs { times, zone: zone(BERLIN), off: DaysOff::default() };
    let ask = |tried: &str, now: &str| {
        let missed = runs.missed(tried.parse().unwrap(), now.parse().unwrap());
        missed.map_or("none".to_owned(), |at| at.to_string())
    };
    // Saturday 21 November 2026, 22:00 in Berlin; Sunday 01:00.
    assert_eq!(ask("2026-11-20T21:00:01Z", "2026-11-21T21:30:00Z"), "2026-11-21T21:00:00Z");
    assert_eq!(ask("2026-11-20T21:00:01Z", "2026-11-23T12:00:00Z"), "2026-11-22T00:00:00Z", "the last of several");
    assert_eq!(ask("2026-11-22T00:00:00Z", "2026-11-23T12:00:00Z"), "none", "tried at its time");
    assert_eq!(ask("2026-11-21T21:00:01Z", "2026-11-22T00:04:59Z"), "none", "cron may be late");
    assert_eq!(ask("2026-11-21T21:00:01Z", "2026-11-22T00:05:00Z"), "2026-11-22T00:00:00Z");
    assert_eq!(ask("2026-12-01T00:00:00Z", "2026-11-23T12:00:00Z"), "none", "a clock that went back");
}

#[test]
fn a_run_whose_time_has_come_is_due_until_it_counts_as_missed() {
    let runs = Runs { times: vec![time("0 22 * * *")], zone: zone(BERLIN), off: DaysOff::default() };
    let ask = |now: &str| {
        let now = now.parse().unwrap();
        let shown = |at: Option<Timestamp>| at.map_or("none".to_owned(), |at| at.to_string());
        (shown(runs.due(now)), shown(runs.missed("2026-11-20T21:00:01Z".parse().unwrap(), now)))
    };
    let pair = |due: &str, missed: &str| (due.to_owned(), missed.to_owned());
    assert_eq!(ask("2026-11-21T20:59:59Z"), pair("none", "none"));
    assert_eq!(ask("2026-11-21T21:00:00Z"), pair("2026-11-21T21:00:00Z", "none"));
    assert_eq!(ask("2026-11-21T21:04:59Z"), pair("2026-11-21T21:00:00Z", "none"));
    assert_eq!(ask("2026-11-21T21:05:00Z"), pair("none", "2026-11-21T21:00:00Z"));
}

#[test]
fn what_is_caught_up_is_at_work_until_its_copy_counts() {
    let text = "{version: 1, job: shop, source: web1,
        objectives: {rpo: 26h, durations: {collect: 40min, transport: 10min, verify: 3min}},
        streams: {data: {include: [/srv/shop], transport: {mode: push, peer: {address: sink1}},
        sink: {name: sink1, retention: {generations: 7}}}}}";
    let job = Job::parse(text, "shop").unwrap();
    // Until its transport is looked for, a quarter of an hour may pass.
    for (step, minutes) in [(Step::Collect, 40 + 15 + 13), (Step::Transport, 13), (Step::Rotate, 13)] {
        assert_eq!(catching_up(&job, step), SignedDuration::from_mins(minutes), "{step:?}");
    }
}

#[test]
fn on_days_off_nothing_is_missed_due_or_next() {
    let off = DaysOff::of(&["12-24", "12-25", "mon 08:00-09:00"].map(|text| text.parse().unwrap()));
    let runs = Runs { times: vec![time("0 22 * * *"), time("0 1 * * 5")], zone: zone(BERLIN), off };
    let now = |text: &str| text.parse().unwrap();
    let shown = |at: Option<Timestamp>| at.map_or("none".to_owned(), |at| at.to_string());
    // 25 December 2026 is a Friday. Christmas began an hour earlier in Berlin.
    let (before, eve, after) = (now("2026-12-23T20:00:00Z"), now("2026-12-24T21:01:00Z"), now("2026-12-26T12:00:00Z"));
    assert_eq!(shown(runs.next(before)), "2026-12-23T21:00:00Z");
    assert_eq!(shown(runs.next(eve)), "2026-12-26T21:00:00Z");
    assert_eq!(shown(runs.due(eve)), "none");
    assert_eq!(shown(runs.missed(before, after)), "2026-12-23T21:00:00Z", "what was missed before them still is");
    assert_eq!(shown(runs.missed(now("2026-12-23T21:00:00Z"), after)), "none");
    assert!(runs.rests(now("2026-12-23T23:00:00Z")) && !runs.rests(now("2026-12-23T22:59:59Z")));
    let midnight = Runs { times: vec![time("0 0 * * *")], ..runs.clone() };
    assert_eq!(shown(midnight.next(eve)), "2026-12-25T23:00:00Z", "the first minute after them");
    assert_eq!(shown(midnight.missed(now("2026-12-22T00:00:00Z"), eve)), "2026-12-22T23:00:00Z");
    let never = (1..=12).flat_map(|month| (1..=31).map(move |day| format!("{month:02}-{day:02}").parse()));
    let off = DaysOff::of(&never.filter_map(Result::ok).collect::<Vec<_>>());
    assert_eq!(shown(Runs { off, ..runs }.next(eve)), "none", "a whole year of them ends");
}
