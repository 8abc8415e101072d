//! The five time fields of a cron entry, read as Debian's cron (3.0pl1) reads them.
//!
//! What its parser tolerates without doing what it seems to say is refused here: rubbish behind a number, a range
//! that runs backwards and matches nothing, days of both kinds (joined by *or*), a date that no year has.

use crate::{Failure, Kind};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Why a text is not a time that can be given to cron.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not five fields.
    #[error("{text:?} is not a cron time: it has {count} fields instead of five")]
    Fields {
        /// The text as given.
        text: String,
        /// How many fields it has.
        count: usize,
    },
    /// One of the words that stand for a time.
    #[error("{text:?} is a word, not the five fields of a cron time")]
    Word {
        /// The text as given.
        text: String,
    },
    /// A character that would end the entry or is not printable.
    #[error("{text:?} holds a character that no cron time has")]
    Character {
        /// The text as given.
        text: String,
    },
    /// A part of a field is not understood, or out of range.
    #[error("{part:?} is not a valid {field} of a cron time")]
    Part {
        /// Name of the field.
        field: &'static str,
        /// The part between commas.
        part: String,
        /// Least and greatest value of the field.
        range: (u8, u8),
    },
    /// A range whose end is before its start: cron accepts it and never runs the entry.
    #[error("{part:?} runs backwards: cron would never run it")]
    Backwards {
        /// The part between commas.
        part: String,
    },
    /// Both the day of the month and the day of the week are restricted.
    #[error("{text:?} restricts the day of the month and the day of the week: cron runs it when either matches")]
    BothDays {
        /// The text as given.
        text: String,
    },
    /// No year has such a date.
    #[error("{text:?} never happens: no such month has that day")]
    Never {
        /// The time.
        text: String,
    },
}

impl Failure for TimeError {
    fn kind(&self) -> Kind {
        Kind::InvalidOption
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Fields { .. } | Self::Character { .. } => {
                "Give minute, hour, day of month, month and day of week, such as \"30 2 * * *\".".into()
            }
            Self::Word { .. } => "Write it out: daily at midnight is \"0 0 * * *\".".into(),
            Self::Part { range: (low, high), .. } => format!(
                "Give `*`, a number from {low} to {high}, a range `a-b`, `*/step` or `a-b/step`, or several with commas between them."
            ),
            Self::Backwards { .. } => "Write it as two ranges, such as `22-23,0-5`.".into(),
            Self::BothDays { .. } => "Leave one of both at `*`; two entries can say both.".into(),
            Self::Never { .. } => "Choose a day that the month has.".into(),
        })
    }
}

/// One field's name and range, and its names for values (those of week days also wrap: 7 is Sunday).
struct Field {
    name: &'static str,
    low: u8,
    high: u8,
    words: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", low: 0, high: 59, words: &[] };
const HOUR: Field = Field { name: "hour", low: 0, high: 23, words: &[] };
const DAY: Field = Field { name: "day of month", low: 1, high: 31, words: &[] };
const MONTH: Field = Field {
    name: "month",
    low: 1,
    high: 12,
    words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Field =
    Field { name: "day of week", low: 0, high: 7, words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The week as it is kept: cron's 7 is folded into 0.
const WEEK: Field = Field { high: 6, ..WEEKDAY };

/// A set of small numbers, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Set(u64);

impl Set {
    fn range(low: u8, high: u8, step: u8) -> Self {
        Self((low..=high).step_by(usize::from(step)).map(|n| 1 << n).sum())
    }

    pub(super) const fn has(self, n: u8) -> bool {
        self.0 >> n & 1 == 1
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u8> + Clone {
        // Bit by bit and not number by number: ten years of firings are made of this.
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let least = u8::try_from(rest.trailing_zeros()).ok().filter(|&n| n < 64)?;
            rest &= rest - 1;
            Some(least)
        })
    }
}

/// Which days an entry runs on. Never both kinds: cron would join them with *or*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    /// Every day.
    Every,
    /// Days of the week, 0 or 7 for Sunday.
    Week(Vec<u8>),
    /// Days of the month, 1 to 31.
    Month(Vec<u8>),
}

/// The time of a cron entry. Two that print alike are alike; what it prints is what gets installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronTime {
    pub(super) minutes: Set,
    pub(super) hours: Set,
    pub(super) days: Set,
    pub(super) months: Set,
    /// Sunday is 0 only.
    pub(super) weekdays: Set,
    minute_star: bool,
    hour_star: bool,
}

impl CronTime {
    /// At these minutes (0 to 59) of these hours (0 to 23) of these days, in every month.
    ///
    /// All minutes or all hours become `*`, which makes the entry wild; anything less has fixed times.
    ///
    /// # Errors
    /// If a set is empty or a number is out of range.
    pub fn new(minutes: &[u8], hours: &[u8], days: &Days) -> Result<Self, TimeError> {
        let all = Self { minutes: full(&MINUTE), hours: full(&HOUR), ..Self::every_minute() };
        let mut time = Self { minutes: set(minutes, &MINUTE)?, hours: set(hours, &HOUR)?, ..all };
        time.minute_star = time.minutes == all.minutes;
        time.hour_star = time.hours == all.hours;
        match days {
            Days::Every => {}
            Days::Week(days) => time.weekdays = sunday_is_zero(set(days, &WEEKDAY)?),
            Days::Month(days) => time.days = set(days, &DAY)?,
        }
        Ok(time)
    }

    fn every_minute() -> Self {
        Self {
            minutes: full(&MINUTE),
            hours: full(&HOUR),
            days: full(&DAY),
            months: full(&MONTH),
            weekdays: full(&WEEK),
            minute_star: true,
            hour_star: true,
        }
    }

    /// Whether the minute or the hour begins with `*`: cron then follows the clock blindly through its changes.
    /// Other entries have fixed times: cron neither skips nor repeats them.
    pub const fn is_wild(&self) -> bool {
        self.minute_star || self.hour_star
    }

    /// The minutes of an hour, ascending.
    pub fn minutes(&self) -> impl Iterator<Item = u8> + Clone + use<> {
        self.minutes.iter()
    }

    /// The hours of a day, ascending.
    pub fn hours(&self) -> impl Iterator<Item = u8> + Clone + use<> {
        self.hours.iter()
    }

    /// The days of the month, ascending, if only some.
    pub fn days_of_month(&self) -> Option<impl Iterator<Item = u8> + Clone + use<>> {
        (self.days != full(&DAY)).then(|| self.days.iter())
    }

    /// The days of the week, Sunday is 0, if only some.
    pub fn weekdays(&self) -> Option<impl Iterator<Item = u8> + Clone + use<>> {
        (self.weekdays != full(&WEEK)).then(|| self.weekdays.iter())
    }

    /// Whether it runs on this date; `weekday` 0 is Sunday.
    pub(super) const fn on(&self, day: u8, month: u8, weekday: u8) -> bool {
        self.days.has(day) && self.months.has(month) && self.weekdays.has(weekday)
    }

    /// In these months only, 1 to 12; none: in all.
    pub(super) fn restrict_months(&mut self, months: &[u8]) {
        if !months.is_empty() {
            self.months = Set(months.iter().fold(0, |bits, month| bits | 1 << month) & full(&MONTH).0);
        }
    }

    fn happens(&self) -> bool {
        self.months.iter().any(|month| (1..=longest(month)).any(|day| self.days.has(day)))
    }

    /// The months in which it begins nothing, at least in common years, although it names them: they end before its days.
    pub fn months_left_out(&self) -> impl Iterator<Item = &'static str> + use<> {
        let first = self.days.iter().next().unwrap_or_default();
        self.months_without(first)
    }

    /// The months that it names and that have no such day, at least in common years.
    pub(super) fn months_without(&self, day: u8) -> impl Iterator<Item = &'static str> + use<> {
        let usual = |month| if month == 2 { 28 } else { longest(month) };
        let without = self.months.iter().filter(move |&month| day > usual(month));
        without.map(|month| MONTH.words[usize::from(month - MONTH.low)])
    }
}

/// The last day that a month ever has.
const fn longest(month: u8) -> u8 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn full(field: &Field) -> Set {
    Set::range(field.low, field.high, 1)
}

/// 7 and 0 are the same day.
fn sunday_is_zero(set: Set) -> Set {
    Set((set.0 | (set.0 >> 7)) & full(&WEEK).0)
}

fn set(numbers: &[u8], field: &Field) -> Result<Set, TimeError> {
    let error = |part: String| TimeError::Part { field: field.name, part, range: (field.low, field.high) };
    if numbers.is_empty() {
        return Err(error(String::new()));
    }
    numbers.iter().try_fold(Set(0), |set, &n| {
        if (field.low..=field.high).contains(&n) { Ok(Set(set.0 | 1 << n)) } else { Err(error(n.to_string())) }
    })
}

impl FromStr for CronTime {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        if text.starts_with('@') {
            return Err(TimeError::Word { text: text.into() });
        }
        if text.chars().any(|c| c != ' ' && c != '\t' && !c.is_ascii_graphic()) {
            return Err(TimeError::Character { text: text.into() });
        }
        let fields: Vec<&str> = text.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(TimeError::Fields { text: text.into(), count: fields.len() });
        };
        let time = Self {
            minutes: list(minute, &MINUTE)?,
            hours: list(hour, &HOUR)?,
            days: list(day, &DAY)?,
            months: list(month, &MONTH)?,
            weekdays: sunday_is_zero(list(weekday, &WEEKDAY)?),
            minute_star: minute.starts_with('*'),
            hour_star: hour.starts_with('*'),
        };
        // Without a star in front cron takes even 1-31 for a restriction, and *or* makes the entry run every day.
        let starless = !day.starts_with('*') && !weekday.starts_with('*');
        if starless || (time.days_of_month().is_some() && time.weekdays().is_some()) {
            return Err(TimeError::BothDays { text: text.into() });
        }
        if time.happens() { Ok(time) } else { Err(TimeError::Never { text: text.into() }) }
    }
}

fn list(text: &str, field: &Field) -> Result<Set, TimeError> {
    text.split(',').try_fold(Set(0), |set, part| Ok(Set(set.0 | range(part, field)?.0)))
}

fn range(part: &str, field: &Field) -> Result<Set, TimeError> {
    let error = || TimeError::Part { field: field.name, part: part.into(), range: (field.low, field.high) };
    let (span, step) = match part.split_once('/') {
        Some((span, step)) => (span, Some(number(step, &[]).filter(|&step| step > 0).ok_or_else(error)?)),
        None => (part, None),
    };
    let value =
        |text: &str| number(text, field.words).filter(|n| (field.low..=field.high).contains(n)).ok_or_else(error);
    let (low, high) = match span.split_once('-') {
        _ if span == "*" => (field.low, field.high),
        Some((low, high)) => (value(low)?, value(high)?),
        // cron does not know "from here on": `5/10` is an error there too.
        None if step.is_some() => return Err(error()),
        None => (value(span)?, value(span)?),
    };
    if low > high {
        return Err(TimeError::Backwards { part: part.into() });
    }
    Ok(Set::range(low, high, step.unwrap_or(1)))
}

/// A number or a word; months count from 1, week days from 0.
fn number(text: &str, words: &[&str]) -> Option<u8> {
    let first = u8::from(words.len() == MONTH.words.len());
    if let Some(at) = words.iter().position(|word| word.eq_ignore_ascii_case(text)) {
        return u8::try_from(at).ok().map(|at| at + first);
    }
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for CronTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = |set: Set, field: &Field| written(set, field, set == full(field));
        write!(
            f,
            "{} {} {} {} {}",
            written(self.minutes, &MINUTE, self.minute_star),
            written(self.hours, &HOUR, self.hour_star),
            days(self.days, &DAY),
            days(self.months, &MONTH),
            days(self.weekdays, &WEEK)
        )
    }
}

/// A field in its one spelling. A star in front means something to cron: it stays, and is not invented.
fn written(set: Set, field: &Field, star: bool) -> String {
    let (mut parts, mut rest) = (Vec::new(), set);
    if star {
        // The widest `*/step` within the set: there is one, since a field that begins with a star holds its lowest value.
        let within = |&step: &u8| Set::range(field.low, field.high, step).0 & !set.0 == 0;
        let step = (1..=field.high).find(within).unwrap_or(field.high + 1);
        parts.push(if step == 1 { "*".into() } else { format!("*/{step}") });
        rest = Set(set.0 & !Set::range(field.low, field.high, step).0);
    }
    parts.extend(progression(rest).map_or_else(|| runs(rest), |whole| vec![whole]));
    parts.join(",")
}

/// `a-b/step`, if that is all of five numbers or more.
fn progression(set: Set) -> Option<String> {
    let numbers: Vec<u8> = set.iter().collect();
    let (&[first, second, ..], &[.., last]) = (&numbers[..], &numbers[..]) else { return None };
    let step = second - first;
    (numbers.len() >= 5 && step > 1 && Set::range(first, last, step) == set).then(|| format!("{first}-{last}/{step}"))
}

/// Single numbers, and ranges of three or more.
fn runs(set: Set) -> Vec<String> {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for n in set.iter() {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            _ => runs.push((n, n)),
        }
    }
    runs.into_iter()
        .flat_map(|(a, b)| match b - a {
            0 => vec![a.to_string()],
            1 => vec![a.to_string(), b.to_string()],
            _ => vec![format!("{a}-{b}")],
        })
        .collect()
}

impl TryFrom<String> for CronTime {
    type Error = TimeError;
    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl From<CronTime> for String {
    fn from(time: CronTime) -> Self {
        time.to_string()
    }
}
