//! The intervals that one cron entry can express, from a year down to a minute.

use super::{Days, Pattern, Week};
use crate::units::Span;

const HOUR: u32 = 60;
const DAY: u32 = Week::DAY;

/// An interval that cron can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cadence {
    /// For people.
    pub name: &'static str,
    /// The longest time between two runs, in minutes of local time.
    pub longest: u32,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Every so many minutes: divides a day.
    Within(u32),
    /// Weekdays, counted from the first.
    Weekdays(&'static [u8]),
    /// Days of the month, counted from the first, which is at most `room`.
    Monthdays(&'static [u8], u8),
    /// One day in every so many months.
    Months(u8),
}

const fn cadence(name: &'static str, longest: u32, shape: Shape) -> Cadence {
    Cadence { name, longest, shape }
}

/// All of them, the longest first. What does not divide an hour or a day evenly is not in here: cron would begin anew at its end.
/// Nor is what would take several entries: one repeats its minutes in each of its hours, so between one hour and two there is nothing.
pub(super) const LADDER: &[Cadence] = &[
    cadence("once a year", 366 * DAY, Shape::Months(12)),
    cadence("every 6 months", 184 * DAY, Shape::Months(6)),
    cadence("every 3 months", 92 * DAY, Shape::Months(3)),
    cadence("once a month", 31 * DAY, Shape::Months(1)),
    cadence("twice a month", 17 * DAY, Shape::Monthdays(&[0, 14], 14)),
    cadence("once a week", 7 * DAY, Shape::Weekdays(&[0])),
    cadence("twice a week", 4 * DAY, Shape::Weekdays(&[0, 3])),
    cadence("three times a week", 3 * DAY, Shape::Weekdays(&[0, 2, 4])),
    cadence("four times a week", 2 * DAY, Shape::Weekdays(&[0, 2, 4, 6])),
    cadence("daily", DAY, Shape::Within(DAY)),
    cadence("every 12 h", 12 * HOUR, Shape::Within(12 * HOUR)),
    cadence("every 8 h", 8 * HOUR, Shape::Within(8 * HOUR)),
    cadence("every 6 h", 6 * HOUR, Shape::Within(6 * HOUR)),
    cadence("every 4 h", 4 * HOUR, Shape::Within(4 * HOUR)),
    cadence("every 3 h", 3 * HOUR, Shape::Within(3 * HOUR)),
    cadence("every 2 h", 2 * HOUR, Shape::Within(2 * HOUR)),
    cadence("hourly", HOUR, Shape::Within(HOUR)),
    cadence("every 30 min", 30, Shape::Within(30)),
    cadence("every 20 min", 20, Shape::Within(20)),
    cadence("every 15 min", 15, Shape::Within(15)),
    cadence("every 12 min", 12, Shape::Within(12)),
    cadence("every 10 min", 10, Shape::Within(10)),
    cadence("every 6 min", 6, Shape::Within(6)),
    cadence("every 5 min", 5, Shape::Within(5)),
    cadence("every 4 min", 4, Shape::Within(4)),
    cadence("every 3 min", 3, Shape::Within(3)),
    cadence("every 2 min", 2, Shape::Within(2)),
    cadence("every minute", 1, Shape::Within(1)),
];

impl Cadence {
    /// The rarest that holds an interval in local time. Below a minute documents declare none.
    pub(super) fn holding(every: Span) -> &'static Self {
        let holds = LADDER.iter().find(|cadence| u64::from(cadence.longest) * 60 <= every.0);
        holds.unwrap_or(&LADDER[LADDER.len() - 1])
    }

    /// The longest time between two runs, in seconds of local time.
    pub(super) fn seconds(&self) -> i64 {
        i64::from(self.longest) * 60
    }

    /// How many phases there are: one per minute in which the first run may lie.
    pub(super) const fn phases(&self) -> u32 {
        match self.shape {
            Shape::Within(minutes) => minutes,
            Shape::Weekdays(_) => 7 * DAY,
            Shape::Monthdays(_, room) => room as u32 * DAY,
            Shape::Months(_) => 28 * DAY,
        }
    }

    /// The runs, the first of which is `phase` minutes after the begin.
    pub(super) fn pattern(&self, phase: u32) -> Pattern {
        let of_day = |minute: u32| u16::try_from(minute % DAY).unwrap_or_default();
        let first = u8::try_from(phase / DAY).unwrap_or_default();
        match self.shape {
            Shape::Within(every) => Pattern::new((phase % every..DAY).step_by(every as usize).map(of_day), Days::Every),
            Shape::Weekdays(days) => {
                Pattern::new([of_day(phase)], Days::Week(days.iter().map(|day| (day + first) % 7).collect()))
            }
            Shape::Monthdays(days, _) => {
                Pattern::new([of_day(phase)], Days::Month(days.iter().map(|day| day + 1 + first).collect()))
            }
            Shape::Months(every) => {
                let months = if every == 1 { Vec::new() } else { (1..=12).step_by(every.into()).collect() };
                Pattern { months, ..Pattern::new([of_day(phase)], Days::Month(vec![first + 1])) }
            }
        }
    }

    /// For people: why an interval between this one and the next rarer one is cut.
    pub(super) fn not_rarer(&self) -> String {
        let rarer = LADDER.iter().take_while(|other| other.longest > self.longest).last();
        let told = |rarer: &Self| format!(", which no entry holds evenly; {} would be too rare", rarer.name);
        rarer.map(told).unwrap_or_default()
    }

    /// Whether it runs at the same time on each of its days.
    pub(super) const fn is_daily(&self) -> bool {
        self.longest >= DAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_between_two_runs_is_the_one_that_is_told() {
        for cadence in LADDER {
            for phase in [0, 1, cadence.phases() / 3, cadence.phases() - 1] {
                let entries = cadence.pattern(phase).cron_times();
                assert!(!entries.is_empty(), "{}", cadence.name);
                let mut runs = runs(&entries);
                runs.sort_unstable();
                let longest = runs.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
                assert_eq!(longest, i64::from(cadence.longest) * 60, "{}", cadence.name);
            }
        }
    }

    #[test]
    fn phases_are_the_minutes_in_which_the_first_run_may_lie() {
        let of = |name: &str| LADDER.iter().find(|cadence| cadence.name == name).unwrap();
        let shown = |name: &str, phase| {
            let times = of(name).pattern(phase).cron_times();
            times.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let of_first_and_last = |name: &str| {
            let phases = of(name).phases();
            (phases, of(name).is_daily(), shown(name, 0), shown(name, phases - 1))
        };
        let (hour, day) = (60, 1440);
        let ends = |phases: u32, daily: bool, first: &str, last: &str| (phases, daily, first.into(), last.into());
        assert_eq!(of_first_and_last("hourly"), ends(hour, false, "0 * * * *", "59 * * * *"));
        assert_eq!(of_first_and_last("twice a week"), ends(7 * day, true, "0 0 * * 0,3", "59 23 * * 2,6"));
        assert_eq!(of_first_and_last("twice a month"), ends(14 * day, true, "0 0 1,15 * *", "59 23 14,28 * *"));
        assert_eq!(of_first_and_last("every 6 months"), ends(28 * day, true, "0 0 1 1,7 *", "59 23 28 1,7 *"));
    }

    /// Runs within eight years that hold two leap years.
    fn runs(entries: &[super::super::CronTime]) -> Vec<i64> {
        let utc = jiff::tz::TimeZone::UTC;
        let days = if entries.iter().any(|time| time.hours().count() > 4) { 30 } else { 8 * 366 };
        let from: jiff::Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let clock = super::super::Clock::new(&utc, from, from + jiff::SignedDuration::from_hours(24 * days));
        entries.iter().flat_map(|time| super::super::firings(time, &clock).map(|firing| firing.at)).collect()
    }

    #[test]
    fn the_ladder_falls() {
        assert!(LADDER.windows(2).all(|pair| pair[0].longest > pair[1].longest));
    }
}
