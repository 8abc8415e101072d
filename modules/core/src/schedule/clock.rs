//! A zone's local time over some years as a small table, so that ten years of firings cost integer arithmetic only.
//!
//! Seconds are `i64`: UTC ones since 1970, and *local* ones, which are UTC seconds plus the zone's offset.
//! Cron counts local minutes and compares, each minute, the count with how far it has got. What it does when the two
//! differ is decided here, per stretch of equal offset, because it depends on the clock and not on the entry.

use jiff::{Timestamp, tz::TimeZone};

pub(super) const MINUTE: i64 = 60;

/// How far before its range a clock looks, two days: a change of up to a day may still have cron running after it.
const LOOK_BACK: i64 = 172_800;

/// A moment at which a zone's clocks are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockChange {
    /// When, UTC seconds.
    pub at: i64,
    /// Seconds to add to UTC until then.
    pub before: i64,
    /// Seconds to add to UTC from then on.
    pub after: i64,
}

impl ClockChange {
    /// Clocks go forward: some local times do not exist.
    pub const fn is_gap(&self) -> bool {
        self.after > self.before
    }

    /// The local seconds concerned, end exclusive: those that do not exist, or those that occur twice.
    pub fn local(&self) -> std::ops::Range<i64> {
        let (a, b) = (self.at + self.before, self.at + self.after);
        a.min(b)..a.max(b)
    }
}

/// A stretch of time with one offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    /// First UTC second.
    pub(super) start: i64,
    /// Seconds to add to UTC.
    pub(super) offset: i64,
    /// The first local minute whose fixed-time entries cron runs in this stretch: before its own first minute where
    /// clocks went forward (the missed ones are made up for), after it where they went back (not repeated).
    pub(super) fixed_from: i64,
    /// The same for wild entries.
    pub(super) wild_from: i64,
    /// The local minute after its last.
    pub(super) until: i64,
}

/// A zone's local time from one instant to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    from: i64,
    to: i64,
    /// Never empty, ascending; begins [`LOOK_BACK`] before `from`.
    stretches: Vec<Stretch>,
}

impl Clock {
    /// The local time of `zone` from `from` to `to` (exclusive).
    pub fn new(zone: &TimeZone, from: Timestamp, to: Timestamp) -> Self {
        let (from, to) = (from.as_second(), to.as_second());
        let start = Timestamp::from_second(from - LOOK_BACK).unwrap_or(Timestamp::MIN);
        let mut offsets = vec![(start.as_second(), i64::from(zone.to_offset(start).seconds()))];
        for change in zone.following(start).take_while(|change| change.timestamp().as_second() < to) {
            let offset = i64::from(change.offset().seconds());
            if offsets.last().is_some_and(|&(_, before)| before != offset) {
                offsets.push((change.timestamp().as_second(), offset));
            }
        }
        let ends = offsets.iter().skip(1).map(|&(start, _)| start).chain([to]);
        let mut stretches = Vec::with_capacity(offsets.len());
        // The first local minute for which cron has not yet run anything.
        let mut next = ceil(offsets[0].0 + offsets[0].1);
        for (&(start, offset), end) in offsets.iter().zip(ends) {
            let local = (start + offset).div_euclid(MINUTE) * MINUTE;
            let (fixed_from, wild_from) = match (local - next) / MINUTE {
                // Cron sleeps through a minute that comes again at once. After a few, it thinks that it woke up late, and runs
                // everything minute by minute.
                -1..=4 => (next, next),
                // It makes up for missed fixed times, or waits until they have not been run yet.
                -180..=179 => (next, local),
                // More than three hours: the clock was set. Whatever lies between is forgotten.
                _ => (local, local),
            };
            let until = ceil(end + offset);
            next = until.max(fixed_from);
            stretches.push(Stretch { start, offset, fixed_from, wild_from, until });
        }
        Self { from, to, stretches }
    }

    /// The same local time, of which less is played: until an earlier end. It knows all changes, so that what is planned by
    /// them stays the same.
    pub(super) fn until(&self, to: i64) -> Self {
        Self { to: to.min(self.to), ..self.clone() }
    }

    /// First UTC second.
    pub const fn from(&self) -> i64 {
        self.from
    }

    /// The UTC second after the last.
    pub const fn to(&self) -> i64 {
        self.to
    }

    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// The local second of a UTC second within the range.
    pub fn local(&self, utc: i64) -> i64 {
        let after = self.stretches.partition_point(|stretch| stretch.start <= utc);
        utc + self.stretches[after.saturating_sub(1)].offset
    }

    /// The changes within the range, in order.
    pub fn changes(&self) -> impl Iterator<Item = ClockChange> {
        self.stretches
            .windows(2)
            .map(|pair| ClockChange { at: pair[1].start, before: pair[0].offset, after: pair[1].offset })
            .filter(|change| change.at >= self.from)
    }
}

/// The first whole minute at or after a second.
const fn ceil(second: i64) -> i64 {
    (second + MINUTE - 1).div_euclid(MINUTE) * MINUTE
}
