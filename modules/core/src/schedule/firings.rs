//! When Debian's cron runs an entry, clock changes included.
//!
//! Cron wakes once a minute. Entries with fixed times whose minutes the clock jumped over are run right after the
//! change, in the order of their times, ten seconds apart; those that the clock repeats are not run again. Wild entries
//! ([`CronTime::is_wild`]) follow the clock: what it jumps over is lost, what it repeats is run again. Changes of three
//! hours and more are taken for the clock having been set: nothing is made up for.
//!
//! One entry is looked at by itself, and jobs that last. Where clocks go forward, wild entries of that minute, and each
//! missed minute in which another entry of the host had a fixed time, delay later ones by ten seconds; a job that ends
//! meanwhile cuts that short.

use super::{Clock, CronTime, clock::MINUTE};
use jiff::{Timestamp, civil::Date, tz::Offset, tz::TimeZone};
use std::ops::Range;

/// How long cron waits between two missed minutes that had something to run.
const BETWEEN_MISSED: i64 = 10;

const DAY: i64 = 24 * 60 * MINUTE;

/// One run of an entry by cron. Ordered as cron runs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Firing {
    /// When, UTC seconds: the start of the minute, or later where a missed time is made up for.
    pub at: i64,
    /// The local minute that the entry names, in local seconds. It differs from the clock's where that jumped over it.
    pub local: i64,
}

/// The runs of an entry in a clock's range, ascending.
pub fn firings<'c>(time: &CronTime, clock: &'c Clock) -> impl Iterator<Item = Firing> + use<'c> {
    let (time, range) = (*time, clock.from()..clock.to());
    let mut earliest = i64::MIN;
    clock
        .stretches()
        .iter()
        .flat_map(move |stretch| {
            let from = if time.is_wild() { stretch.wild_from } else { stretch.fixed_from };
            named(time, from..stretch.until)
                .map(|local| Firing { at: (local - stretch.offset).max(stretch.start), local })
        })
        .map(move |firing| {
            let at = firing.at.max(earliest);
            earliest = at + BETWEEN_MISSED;
            Firing { at, ..firing }
        })
        .skip_while({
            let from = range.start;
            move |firing| firing.at < from
        })
        .take_while(move |firing| firing.at < range.end)
}

/// The local minutes that an entry names in a range of local seconds.
pub(super) fn named(time: CronTime, Range { start, end }: Range<i64>) -> impl Iterator<Item = i64> {
    let first = start.div_euclid(DAY) * DAY;
    let dates = std::iter::successors(date(first), |date| date.tomorrow().ok());
    let on = move |date: &Date| {
        let weekday = date.weekday().to_sunday_zero_offset();
        time.on(date.day().unsigned_abs(), date.month().unsigned_abs(), weekday.unsigned_abs())
    };
    let days = (first..end).step_by(86_400).zip(dates).filter(move |(_, date)| on(date));
    days.flat_map(move |(midnight, _)| {
        let hours = time.hours().map(move |hour| midnight + i64::from(hour) * 60 * MINUTE);
        hours.flat_map(move |hour| time.minutes().map(move |minute| hour + i64::from(minute) * MINUTE))
    })
    .skip_while(move |&local| local < start)
    .take_while(move |&local| local < end)
}

fn date(midnight: i64) -> Option<Date> {
    Timestamp::from_second(midnight).ok().map(|time| Offset::UTC.to_datetime(time).date())
}

/// How many days to look for one firing: most times come within days, 29 February within eight years.
const REACH: [i64; 3] = [2, 40, 3000];

/// The last run at or before `now`, if there was any in the last eight years.
pub fn last_firing(time: &CronTime, zone: &TimeZone, now: Timestamp) -> Option<Firing> {
    let second = now.as_second();
    let clock = |days: &i64| Clock::new(zone, instant(second.saturating_sub(days * DAY)), instant(second + 1));
    REACH.iter().find_map(|days| firings(time, &clock(days)).last())
}

/// The first run after `now`, if there is any in the next eight years.
pub fn next_firing(time: &CronTime, zone: &TimeZone, now: Timestamp) -> Option<Firing> {
    let second = now.as_second();
    let clock = |days: &i64| Clock::new(zone, instant(second + 1), instant(second.saturating_add(days * DAY)));
    REACH.iter().find_map(|days| firings(time, &clock(days)).next())
}

/// The time line's ends instead of what lies beyond.
pub(super) fn instant(second: i64) -> Timestamp {
    let inside = second.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(inside).unwrap_or(Timestamp::UNIX_EPOCH)
}
