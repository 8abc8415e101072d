//! The minutes of a local week: what windows allow, and what a host is busy with.

use crate::job::objectives::{Blackout, Weekdays, Window};

/// A set of minutes of the week. Minute 0 is Sunday 00:00; after Saturday 23:59 it begins again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Week(Vec<bool>);

impl Week {
    /// Minutes of a day.
    pub const DAY: u32 = 1440;
    /// Minutes of a week.
    pub const MINUTES: u32 = 7 * Self::DAY;

    /// No minute, or every minute.
    pub fn new(all: bool) -> Self {
        Self(vec![all; Self::MINUTES as usize])
    }

    /// What lies in a window (no window: everything) and in no blackout. Days of the year are not part of a week.
    pub fn allowed(windows: &[Window], blackouts: &[Blackout]) -> Self {
        let mut week = Self::new(windows.is_empty());
        for window in windows {
            week.mark(*window, true);
        }
        for blackout in blackouts {
            if let Blackout::Weekly(window) = blackout {
                week.mark(*window, false);
            }
        }
        week
    }

    fn mark(&mut self, window: Window, value: bool) {
        for day in (0..7).filter(|&day| window.days.contains(day)) {
            self.set(u32::from(day) * Self::DAY + u32::from(window.from), window.minutes().into(), value);
        }
    }

    /// Sets `minutes` minutes from `start` on.
    pub fn set(&mut self, start: u32, minutes: u32, value: bool) {
        for minute in start..start + minutes.min(Self::MINUTES) {
            self.0[(minute % Self::MINUTES) as usize] = value;
        }
    }

    /// Whether this minute is in the set.
    pub fn contains(&self, minute: u32) -> bool {
        self.0[(minute % Self::MINUTES) as usize]
    }

    /// Whether all of these minutes are in the set.
    pub fn fits(&self, start: u32, minutes: u32) -> bool {
        self.is_all(true, start, minutes)
    }

    /// Whether none of these minutes is in the set.
    pub fn is_free(&self, start: u32, minutes: u32) -> bool {
        self.is_all(false, start, minutes)
    }

    /// Planning asks this more often than anything else, of collections of hours: of whole slices, not minute by minute.
    fn is_all(&self, value: bool, start: u32, minutes: u32) -> bool {
        let (before, from) = self.0.split_at((start % Self::MINUTES) as usize);
        let minutes = minutes.clamp(1, Self::MINUTES) as usize;
        let after = &from[..minutes.min(from.len())];
        !after.contains(&!value) && !before[..minutes - after.len()].contains(&!value)
    }

    /// The weekdays on which these minutes from this time of day on are all in the set.
    pub fn days(&self, time: u32, minutes: u32) -> Weekdays {
        Weekdays(
            (0..7u8)
                .filter(|&day| self.fits(u32::from(day) * Self::DAY + time, minutes))
                .fold(0, |set, day| set | 1 << day),
        )
    }

    /// Length in minutes of the longest run in the set.
    pub fn longest(&self) -> u32 {
        // Most hosts have no window.
        if self.0.iter().all(|&minute| minute) {
            return Self::MINUTES;
        }
        let (mut longest, mut run) = (0, 0);
        for minute in 0..2 * Self::MINUTES {
            run = if self.contains(minute) { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        longest.min(Self::MINUTES)
    }
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

    #[test]
    fn blackouts_take_away() {
        let blackouts = ["mon-fri 08:00-18:00".parse().unwrap()];
        assert_eq!(Week::allowed(&[], &blackouts).days(12 * 60, 1), Weekdays(0b100_0001));
        assert_eq!(Week::allowed(&["09:00-10:00".parse().unwrap()], &["00:00-24:00".parse().unwrap()]).longest(), 0);
    }
}
