//! Spans of the calendar that a rule keeps one copy of.

use jiff::{ToSpan, civil::DateTime};
use std::fmt;

/// A span of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Period {
    Hour,
    Day,
    /// Begins on Monday, also across New Year.
    Week,
    Month,
    Year,
}

impl Period {
    /// As in a policy.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }

    /// When the period of `time` began. Two times are in one period if and only if this is equal.
    pub fn start(self, time: DateTime) -> DateTime {
        let date = time.date();
        match self {
            Self::Hour => date.at(time.hour(), 0, 0, 0),
            Self::Day => date.at(0, 0, 0, 0),
            // The first week of the calendar may begin before it; nothing is that old.
            Self::Week => {
                let days = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(days.days()).unwrap_or(date).at(0, 0, 0, 0)
            }
            Self::Month => date.first_of_month().at(0, 0, 0, 0),
            Self::Year => date.first_of_year().at(0, 0, 0, 0),
        }
    }

    /// Long periods prefer a full: it is to be kept long, and would drag its base along otherwise.
    pub(super) const fn prefers_full(self) -> bool {
        matches!(self, Self::Week | Self::Month | Self::Year)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}
