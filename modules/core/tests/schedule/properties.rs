//! The model against the imitation of cron, and against itself, for random entries, zones and years.

use crate::imitation::{Cron, Entry, Field};
use backup_core::schedule::{Clock, CronTime, Firing, firings, last_firing, next_firing};
use jiff::{Timestamp, civil, tz::TimeZone};
use proptest::prelude::*;

const DAY: i64 = 86_400;

/// A part of a field: text and what it stands for.
fn part(low: i8, high: i8) -> impl Strategy<Value = (String, (i8, i8, i8))> {
    (low..=high, low..=high, 1..=high).prop_flat_map(move |(a, b, step)| {
        let (a, b) = (a.min(b), a.max(b));
        prop_oneof![
            3 => Just((a.to_string(), (a, a, 1))),
            2 => Just((format!("{a}-{b}"), (a, b, 1))),
            1 => Just((format!("{a}-{b}/{step}"), (a, b, step))),
            1 => Just((format!("*/{step}"), (low, high, step))),
        ]
    })
}

fn field(low: i8, high: i8) -> impl Strategy<Value = Field> {
    prop_oneof![
        Just(Field { text: "*".into(), parts: vec![(low, high, 1)] }),
        proptest::collection::vec(part(low, high), 1..4).prop_map(|parts| {
            let (text, parts): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            Field { text: text.join(","), parts }
        }),
    ]
}

fn star(low: i8, high: i8) -> Field {
    Field { text: "*".into(), parts: vec![(low, high, 1)] }
}

/// Hours are mostly those of the night, where clocks change.
fn entry() -> impl Strategy<Value = Entry> {
    let days = prop_oneof![
        4 => Just((star(1, 31), star(0, 7))),
        1 => field(1, 31).prop_map(|days| (days, star(0, 7))),
        1 => field(0, 7).prop_map(|weekdays| (star(1, 31), weekdays)),
    ];
    let hours = prop_oneof![
        2 => field(0, 23),
        3 => (0..4i8, 0..3i8).prop_map(|(a, n)| Field { text: format!("{a}-{}", a + n), parts: vec![(a, a + n, 1)] }),
    ];
    (field(0, 59), hours, days)
        .prop_map(|(minutes, hours, (days, weekdays))| Entry([minutes, hours, days, star(1, 12), weekdays]))
}

/// Zones that change by 1 minute to 5 hours, twice a year, one way or the other, or never.
fn zone() -> impl Strategy<Value = TimeZone> {
    let minutes = prop_oneof![4 => Just(60), 2 => Just(30), 1 => 1..300];
    (-11 * 60..12 * 60, minutes, any::<bool>(), 2..6, 8..12, 0..6, 0..4).prop_map(
        |(offset, by, north, spring, autumn, week, hour)| {
            let posix = |minutes: i32| {
                format!("{}{}:{:02}", if minutes > 0 { "-" } else { "" }, minutes.abs() / 60, minutes.abs() % 60)
            };
            let (a, b) = if north { (spring, autumn) } else { (autumn, spring) };
            let rule = match week {
                0 => format!("AAA{}", posix(offset)),
                week => format!("AAA{}BBB{},M{a}.{week}.0/{hour},M{b}.{week}.0/3", posix(offset), posix(offset + by)),
            };
            TimeZone::posix(&rule).unwrap()
        },
    )
}

/// A day in the months when no clock of [`zone`] changes, UTC second; the year is one of 60.
fn quiet_day() -> impl Strategy<Value = i64> {
    (2020..2080i16, prop_oneof![Just(1), Just(7)], 1..29i8).prop_map(|(year, month, day)| {
        TimeZone::UTC.to_timestamp(civil::date(year, month, day).at(0, 0, 0, 0)).unwrap().as_second()
    })
}

fn timestamp(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn model(time: &CronTime, zone: &TimeZone, from: i64, to: i64) -> Vec<Firing> {
    firings(time, &Clock::new(zone, timestamp(from), timestamp(to))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The same named minutes in the same order, at the same seconds. Only where more than six missed minutes are made
    /// up for, cron is up to a sixth faster: at each full minute its main loop takes one without the pause.
    #[test]
    fn the_model_runs_what_cron_runs(entry in entry(), zone in zone(), quiet in quiet_day(), before in 2..6i64) {
        let change = zone.following(timestamp(quiet)).next().map(|change| change.timestamp().as_second());
        let from = change.map_or(quiet, |change| change - change % DAY - before * DAY);
        let to = from + 8 * DAY;
        let time: CronTime = entry.text().parse().unwrap();
        // Cron wakes at the first second of a minute, which the model leaves out.
        let ran: Vec<(i64, i64)> = Cron::work(&zone, entry, from - 3 * DAY, to)
            .into_iter()
            .map(|(at, local)| (at - 1, local))
            .filter(|&(at, _)| at >= from && at < to)
            .collect();
        let planned = model(&time, &zone, from, to);
        prop_assert_eq!(locals(ran.iter().map(|&(_, local)| local)), locals(planned.iter().map(|firing| firing.local)));
        let mut burst = None;
        for (firing, &(at, _)) in planned.iter().zip(&ran) {
            let (start, _) = *burst.filter(|&(_, last)| firing.at - last < 60).get_or_insert((firing.at, firing.at));
            burst = Some((start, firing.at));
            let since = firing.at - start;
            prop_assert!(at <= firing.at && firing.at - at <= if since < 60 { 0 } else { since / 6 }, "{at}: {firing:?}");
        }
    }

    /// Where a range begins and ends changes nothing within it.
    #[test]
    fn a_part_of_a_range_is_part_of_the_whole(entry in entry(), zone in zone(), from in quiet_day(), cuts in (0..200 * DAY, 0..200 * DAY)) {
        let time: CronTime = entry.text().parse().unwrap();
        let (a, b) = (from + cuts.0.min(cuts.1), from + cuts.0.max(cuts.1));
        let whole = model(&time, &zone, from, from + 200 * DAY);
        let part: Vec<Firing> = whole.into_iter().filter(|firing| firing.at >= a && firing.at < b).collect();
        prop_assert_eq!(&model(&time, &zone, a, b), &part);
        prop_assert!(part.is_sorted_by(|one, next| one.at < next.at));
        for pair in part.windows(2).take(4) {
            prop_assert_eq!(next_firing(&time, &zone, timestamp(pair[0].at)).unwrap(), pair[1]);
            prop_assert_eq!(last_firing(&time, &zone, timestamp(pair[1].at - 1)).unwrap(), pair[0]);
        }
    }

    /// What is printed is read as the same time, and printed the same.
    #[test]
    fn a_time_prints_as_what_it_is(entry in entry()) {
        let time: CronTime = entry.text().parse().unwrap();
        let printed = time.to_string();
        prop_assert_eq!(printed.parse::<CronTime>().unwrap(), time, "{}", printed);
        prop_assert!(printed.len() <= 400);
    }
}

/// Readable when they differ.
fn locals(seconds: impl Iterator<Item = i64>) -> Vec<String> {
    seconds.map(|second| timestamp(second).strftime("%F %H:%M").to_string()).collect()
}
