//! The minutes of a local week: what windows allow, and what a host is busy with.

use crate::job::objectives::{Blackout, Weekdays, Window};

/// A set of minutes of the week. Minute 0 is Sunday 00:00; after Saturday 23:59 it begins again.
///
/// Planning asks for stretches of hours more often than for anything else: of each minute it is known how far it is alike from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Week {
    set: Vec<bool>,
    /// So many minutes from each on are in the set as it is, or not in it as it is not; at most a week.
    alike: Vec<u32>,
}

impl Week {
    /// Minutes of a day.
    pub const DAY: u32 = 1440;
    /// Minutes of a week.
    pub const MINUTES: u32 = 7 * Self::DAY;

    /// The minute of the week of a local second.
    pub(super) fn minute(local: i64) -> u32 {
        // 1970-01-01 was a Thursday.
        u32::try_from((local.div_euclid(60) + 4 * 1440).rem_euclid(7 * 1440)).unwrap_or_default()
    }

    /// No minute, or every minute.
    pub fn new(all: bool) -> Self {
        let minutes = Self::MINUTES as usize;
        Self { set: vec![all; minutes], alike: vec![Self::MINUTES; minutes] }
    }

    /// What lies in a window (no window: everything) and in no blackout. Days of the year are not part of a week.
    pub fn allowed(windows: &[Window], blackouts: &[Blackout]) -> Self {
        let mut week = Self::new(windows.is_empty());
        week.set(windows.iter().flat_map(stretches), true);
        let weekly = blackouts.iter().filter_map(|blackout| match blackout {
            Blackout::Weekly(window) => Some(window),
            Blackout::Yearly { .. } => None,
        });
        week.set(weekly.flat_map(stretches), false);
        week
    }

    /// Puts stretches in the set or takes them out of it: each a first minute, and so many from there on.
    pub fn set(&mut self, stretches: impl IntoIterator<Item = (u32, u32)>, value: bool) {
        for (start, minutes) in stretches {
            for minute in start..start + minutes.min(Self::MINUTES) {
                self.set[(minute % Self::MINUTES) as usize] = value;
            }
        }
        // Twice round, for what goes on over the end of the week.
        let mut alike = 0;
        for minute in (0..self.set.len()).rev().chain((0..self.set.len()).rev()) {
            let is_like_next = self.set[minute] == self.set[(minute + 1) % self.set.len()];
            alike = if is_like_next { (alike + 1).min(Self::MINUTES) } else { 1 };
            self.alike[minute] = alike;
        }
    }

    /// Whether this minute is in the set.
    pub fn contains(&self, minute: u32) -> bool {
        self.set[(minute % Self::MINUTES) as usize]
    }

    /// Whether all of these minutes are in the set.
    pub fn fits(&self, start: u32, minutes: u32) -> bool {
        self.is_all(true, start, minutes)
    }

    /// Whether none of these minutes is in the set.
    pub fn is_free(&self, start: u32, minutes: u32) -> bool {
        self.is_all(false, start, minutes)
    }

    fn is_all(&self, value: bool, start: u32, minutes: u32) -> bool {
        let alike = self.alike[(start % Self::MINUTES) as usize];
        self.contains(start) == value && alike >= minutes.min(Self::MINUTES)
    }

    /// The weekdays on which these minutes from this time of day on are all in the set.
    pub fn days(&self, time: u32, minutes: u32) -> Weekdays {
        Weekdays(
            (0..7u8).filter(|&day| self.fits(u32::from(day) * Self::DAY + time, minutes)).map(|day| 1 << day).sum(),
        )
    }

    /// Length in minutes of the longest run in the set.
    pub fn longest(&self) -> u32 {
        let runs = self.alike.iter().zip(&self.set).filter(|(_, is_in)| **is_in);
        runs.map(|(alike, _)| *alike).max().unwrap_or_default()
    }
}

/// The stretches of a window.
fn stretches(window: &Window) -> impl Iterator<Item = (u32, u32)> {
    let days = (0..7u8).filter(|&day| window.days.contains(day));
    days.map(|day| (u32::from(day) * Week::DAY + u32::from(window.from), window.minutes().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_join_over_midnight_and_the_end_of_the_week() {
        let windows = ["fri-sat 22:00-24:00", "sun 00:00-01:30"].map(|window| window.parse().unwrap());
        let week = Week::allowed(&windows, &[]);
        assert_eq!(week.longest(), 210);
        assert!(week.fits(6 * Week::DAY + 22 * 60, 210) && !week.fits(6 * Week::DAY + 22 * 60, 211));
        assert_eq!(week.days(22 * 60, 120), Weekdays(0b110_0000));
        assert_eq!(week.days(22 * 60, 121), Weekdays(0b100_0000));
    }

    proptest::proptest! {
        #[test]
        fn what_is_alike_is_what_is_set(
            stretches in proptest::collection::vec((0..Week::MINUTES, 0..3 * Week::DAY, proptest::bool::ANY), 0..5),
            (start, minutes) in (0..Week::MINUTES, 0..2 * Week::MINUTES),
        ) {
            let mut week = Week::new(false);
            let mut set = vec![false; Week::MINUTES as usize];
            for (from, length, value) in stretches {
                week.set([(from, length)], value);
                (from..from + length).for_each(|minute| set[(minute % Week::MINUTES) as usize] = value);
            }
            let asked = (start..start + minutes.max(1)).map(|minute| set[(minute % Week::MINUTES) as usize]);
            let (any, all) = asked.fold((false, true), |(any, all), is_in| (any || is_in, all && is_in));
            proptest::prop_assert_eq!((week.fits(start, minutes), week.is_free(start, minutes)), (all, !any));
            let twice = set.iter().chain(&set);
            let longest = twice.fold((0, 0), |(run, longest): (u32, u32), is_in| {
                let run = if *is_in { run + 1 } else { 0 };
                (run, longest.max(run))
            });
            proptest::prop_assert_eq!(week.longest(), longest.1.min(Week::MINUTES));
        }
    }

    #[test]
    fn blackouts_take_away() {
        let blackouts = ["mon-fri 08:00-18:00".parse().unwrap()];
        assert_eq!(Week::allowed(&[], &blackouts).days(12 * 60, 1), Weekdays(0b100_0001));
        assert_eq!(Week::allowed(&["09:00-10:00".parse().unwrap()], &["00:00-24:00".parse().unwrap()]).longest(), 0);
    }
}
