//! Times of day, days and windows as people write them: `22:00`, `sun`, `28`, `mon-fri 22:00-06:00`, `12-24`.

use crate::units::as_text;
use jiff::civil::Date;
use std::{fmt, str::FromStr};

/// Why a time was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct TimesError {
    /// The text as given.
    pub value: String,
    /// What is accepted, with an example.
    pub expected: &'static str,
}

macro_rules! text {
    ($name:ident, $expected:literal) => {
        impl $name {
            fn error(text: &str) -> TimesError {
                TimesError { value: text.to_owned(), expected: $expected }
            }
        }
        as_text!($name, $expected);
    };
}

/// Minutes since local midnight, below 1440.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(pub u16);

text!(TimeOfDay, "a time of day such as \"22:00\", in quotes");

/// `HH:MM` up to 24:00.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| (digits.len() == 2 && digits.bytes().all(|c| c.is_ascii_digit())).then(|| digits.parse());
    let (hour, minute): (u16, u16) = (two(hour)?.ok()?, two(minute)?.ok()?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= 1440).then_some(total)
}

impl FromStr for TimeOfDay {
    type Err = TimesError;
    fn from_str(text: &str) -> Result<Self, TimesError> {
        minutes(text).filter(|&minutes| minutes < 1440).map(Self).ok_or_else(|| Self::error(text))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Names of the weekdays in cron's order: Sunday is 0.
pub(crate) const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn weekday(text: &str) -> Option<u8> {
    (0..7).find(|&day| WEEKDAYS[usize::from(day)] == text)
}

/// A day on which something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Day {
    /// A weekday; Sunday is 0.
    Week(u8),
    /// A day of every month, 1 to 31.
    Month(u8),
}

text!(Day, "a weekday such as `sun`, or a day of the month, 1 to 31");

impl FromStr for Day {
    type Err = TimesError;
    fn from_str(text: &str) -> Result<Self, TimesError> {
        let number = || text.parse().ok().filter(|day| (1..=31).contains(day)).map(Self::Month);
        weekday(text).map(Self::Week).or_else(number).ok_or_else(|| Self::error(text))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Week(day) => f.write_str(WEEKDAYS[usize::from(*day % 7)]),
            Self::Month(day) => write!(f, "{day}"),
        }
    }
}

/// A set of weekdays: bit 0 is Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weekdays(pub u8);

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0x7f);

    /// Whether it holds this day; Sunday is 0.
    pub const fn contains(self, day: u8) -> bool {
        self.0 >> (day % 7) & 1 == 1
    }

    /// So many days later, or earlier.
    pub(crate) fn later(self, days: i32) -> Self {
        let moved = (0..7i32).filter(|day| self.0 >> day & 1 == 1).map(|day| (day + days).rem_euclid(7));
        Self(moved.fold(0, |set, day| set | 1 << day))
    }

    /// `mon`, `mon-fri` (`sat-mon` goes over the end of the week), or several of these: `mon,thu`.
    fn parse(text: &str) -> Option<Self> {
        let stretch = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (weekday(first)?, weekday(last)?);
            let span = (last + 7 - first) % 7;
            Some((0..=span).fold(0, |set, step| set | 1 << ((first + step) % 7)))
        };
        text.split(',').try_fold(0, |set, part| Some(set | stretch(part)?)).map(Self)
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begins = (1..=7).find(|&day| self.contains(day) && !self.contains(day + 6)).unwrap_or(1);
        let days: Vec<_> = (begins..begins + 7).map(|day| day % 7).filter(|&day| self.contains(day)).collect();
        let consecutive = days.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 7);
        match days.as_slice() {
            [first, .., last] if consecutive => {
                write!(f, "{}-{}", WEEKDAYS[usize::from(*first)], WEEKDAYS[usize::from(*last)])
            }
            _ => f.write_str(&days.iter().map(|&day| WEEKDAYS[usize::from(day)]).collect::<Vec<_>>().join(",")),
        }
    }
}

/// A part of the day on some weekdays. `from` after `until`: it ends on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// The days on which it begins.
    pub days: Weekdays,
    /// Minutes since midnight, below 1440.
    pub from: u16,
    /// Minutes since midnight, up to 1440.
    pub until: u16,
}

text!(Window, "a window such as \"22:00-06:00\" or \"sat-sun 00:00-24:00\"");

impl Window {
    /// Minutes from begin to end.
    pub const fn minutes(&self) -> u16 {
        if self.until > self.from { self.until - self.from } else { self.until + 1440 - self.from }
    }
}

impl FromStr for Window {
    type Err = TimesError;
    fn from_str(text: &str) -> Result<Self, TimesError> {
        let parse = || {
            let (days, times) = match text.split_once(' ') {
                Some((days, times)) => (Weekdays::parse(days)?, times),
                None => (Weekdays::ALL, text),
            };
            let (from, until) = times.split_once('-')?;
            let (from, until) = (minutes(from)?, minutes(until)?);
            // `22:00-22:00` may mean nothing or a whole day: nobody has to guess.
            (from < 1440 && until > 0 && from != until).then_some(Self { days, from, until })
        };
        parse().ok_or_else(|| Self::error(text))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != Weekdays::ALL {
            write!(f, "{} ", self.days)?;
        }
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, self.until / 60, self.until % 60)
    }
}

/// When nothing may be collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blackout {
    /// A part of some days.
    Weekly(Window),
    /// A whole day of every year.
    Yearly {
        /// 1 to 12.
        month: u8,
        /// 1 to 31.
        day: u8,
    },
}

/// Days of the year on which nothing is collected. Cron cannot leave them out where an entry goes by weekdays, so a scheduled
/// run looks by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DaysOff(Vec<(i8, i8)>);

impl DaysOff {
    /// The days among these times.
    pub fn of(blackout: &[Blackout]) -> Self {
        let day = |blackout: &Blackout| match *blackout {
            Blackout::Yearly { month, day } => Some((month.cast_signed(), day.cast_signed())),
            Blackout::Weekly(_) => None,
        };
        Self(blackout.iter().filter_map(day).collect())
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a day is one of them.
    pub fn contains(&self, date: Date) -> bool {
        self.0.contains(&(date.month(), date.day()))
    }
}

/// As they are declared, after "not on"; nothing if there are none.
impl fmt::Display for DaysOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (month, day)) in self.0.iter().enumerate() {
            write!(f, "{}{month:02}-{day:02}", if n == 0 { "not on " } else { ", " })?;
        }
        Ok(())
    }
}

text!(Blackout, "a window such as \"mon 08:00-18:00\", or a day of every year such as \"12-24\"");

impl FromStr for Blackout {
    type Err = TimesError;
    fn from_str(text: &str) -> Result<Self, TimesError> {
        const LENGTHS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let yearly = || {
            let (month, day) = text.split_once('-').filter(|(month, day)| month.len() == 2 && day.len() == 2)?;
            let (month, day): (u8, u8) = (month.parse().ok()?, day.parse().ok()?);
            let length = *LENGTHS.get(usize::from(month).checked_sub(1)?)?;
            (1..=length).contains(&day).then_some(Self::Yearly { month, day })
        };
        yearly().or_else(|| text.parse().ok().map(Self::Weekly)).ok_or_else(|| Self::error(text))
    }
}

impl fmt::Display for Blackout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weekly(window) => window.fmt(f),
            Self::Yearly { month, day } => write!(f, "{month:02}-{day:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same<T: FromStr<Err = TimesError> + fmt::Display>(texts: &[&str]) {
        for &text in texts {
            assert_eq!(text.parse::<T>().map(|value| value.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_read_is_printed_the_same() {
        same::<TimeOfDay>(&["00:00", "22:00", "23:59"]);
        same::<Day>(&["sun", "sat", "1", "31"]);
        same::<Window>(&[
            "22:00-06:00",
            "sat 00:00-24:00",
            "mon-fri 08:00-18:00",
            "sat-mon 01:00-02:00",
            "sat-sun 00:00-24:00",
        ]);
        for days in 1..0x7f {
            let window = Window { days: Weekdays(days), from: 0, until: 60 };
            assert_eq!(window.to_string().parse(), Ok(window), "{window}");
        }
        assert_eq!("mon-wed,fri 00:00-01:00".parse::<Window>().unwrap().days, Weekdays(0b10_1110));
        same::<Blackout>(&["12-24", "02-29", "mon 08:00-18:00"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["24:00", "7:00", "22.00", "2200", "22:60", ""] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
        for text in ["0", "32", "sunday", "Sun", "-1", ""] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        for text in ["22:00-22:00", "22:00", "tomorrow 22:00-23:00", "24:00-01:00", "03:00-00:00", "mon, 01:00-02:00"] {
            assert!(text.parse::<Window>().is_err(), "{text}");
        }
        for text in ["02-30", "13-01", "00-01", "12-0", "2026-12-24"] {
            assert!(text.parse::<Blackout>().is_err(), "{text}");
        }
    }

    #[test]
    fn windows_know_their_length() {
        for (text, minutes) in [("22:00-06:00", 480), ("00:00-24:00", 1440), ("08:00-08:01", 1)] {
            assert_eq!(text.parse::<Window>().unwrap().minutes(), minutes, "{text}");
        }
        assert_eq!("sat-mon 00:00-24:00".parse::<Window>().unwrap().days, Weekdays(0b100_0011));
    }
}
