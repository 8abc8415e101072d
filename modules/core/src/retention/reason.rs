//! Why a generation is kept, postponed or expired, as a type and as a sentence.

use super::Period;
use crate::{GenerationId, units::Span};
use jiff::{Timestamp, civil::DateTime};
use std::fmt;

/// Why a generation does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// There is no receipt for exactly this digest.
    NoReceipt,
    /// The last re-reading found damage.
    Damaged,
    /// It needs a base that is not there, or does not count itself.
    NoBase,
    /// It arrived, and its digests were never compared.
    Unread,
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoReceipt => "it has no receipt",
            Self::Damaged => "it is damaged",
            Self::NoBase => "its base is missing or does not count",
            Self::Unread => "its digests were never compared",
        })
    }
}

/// One reason for a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Keep: rule `generations`.
    Newest {
        /// 1 is the newest.
        rank: u32,
        /// How many the rule keeps.
        of: u32,
    },
    /// Keep: it stands for a period.
    OneOf {
        /// Which rule.
        period: Period,
        /// When the period began.
        start: DateTime,
        /// Whether it is the first of the period, or the last.
        first: bool,
    },
    /// Keep: the rule is not filled yet and nothing is older.
    Oldest {
        /// Which rule.
        period: Period,
    },
    /// Keep: rule `within`.
    Within {
        /// How long before the newest.
        span: Span,
    },
    /// Keep: somebody wants it kept.
    Held {
        /// What they said.
        why: String,
    },
    /// Keep: what depends on it stays.
    NeededBy {
        /// Those incrementals.
        ids: Vec<GenerationId>,
    },
    /// Keep: the newest copy that counts goes only by an explicit end of the job.
    Last {
        /// It stays although the policy's `max_age` says otherwise.
        over_age: bool,
    },
    /// Keep: one of the two newest fulls.
    TwoFulls,
    /// Keep: it arrived recently.
    Protected {
        /// When the protection ends.
        until: Timestamp,
    },
    /// Keep: its time has not come.
    Future,
    /// Keep: it does not count, and there is no newer copy that does.
    NotSuperseded {
        /// Why it does not count.
        why: Unproven,
    },
    /// Keep: it does not count, but a rule would keep it if a re-reading found it intact.
    WouldCount,
    /// Keep: on a source, the sink has not said that it has it.
    Unacknowledged,
    /// Postpone: these were not re-read recently enough to rely on.
    NotReread {
        /// What has to be re-read.
        ids: Vec<GenerationId>,
    },
    /// Expire: no rule keeps it.
    NoRule,
    /// Expire: it is older than the policy allows.
    OverAge {
        /// The policy's `max_age`.
        max_age: Span,
    },
    /// Expire: it does not count, and a newer copy does.
    Superseded {
        /// Why it does not count.
        why: Unproven,
        /// The newest copy that counts.
        by: GenerationId,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest { rank, of } => write!(f, "generations: number {rank} of the newest {of}"),
            Self::OneOf { period, start, first } => {
                let which = if *first { "first" } else { "last" };
                write!(f, "{period}: the {which} of the {} {}", noun(*period), name(*period, *start))
            }
            Self::Oldest { period } => write!(f, "{period}: the oldest, while the rule is not filled"),
            Self::Within { span } => write!(f, "within: less than {span} older than the newest"),
            Self::Held { why } if why.is_empty() => f.write_str("hold"),
            Self::Held { why } => write!(f, "hold: {why}"),
            Self::NeededBy { ids } => write!(f, "base of {}", list(ids)),
            Self::Last { over_age: false } => f.write_str("the newest copy that counts"),
            Self::Last { over_age: true } => f.write_str("over age, but the newest copy that counts"),
            Self::TwoFulls => f.write_str("one of the two newest fulls that count"),
            Self::Protected { until } => write!(f, "protected until {until}"),
            Self::Future => f.write_str("from the future: it neither counts nor goes"),
            Self::NotSuperseded { why } => write!(f, "{why}, and no newer copy counts"),
            Self::WouldCount => f.write_str("its digests were never compared; a rule keeps it if they match"),
            Self::Unacknowledged => f.write_str("the sink has not acknowledged it"),
            Self::NotReread { ids } => write!(f, "superfluous, but {} must be re-read first", list(ids)),
            Self::NoRule => f.write_str("no rule keeps it"),
            Self::OverAge { max_age } => write!(f, "max_age: older than {max_age}"),
            Self::Superseded { why, by } => write!(f, "{why}, and {by} counts"),
        }
    }
}

const fn noun(period: Period) -> &'static str {
    match period {
        Period::Hour => "hour",
        Period::Day => "day",
        Period::Week => "week of",
        Period::Month => "month",
        Period::Year => "year",
    }
}

fn name(period: Period, start: DateTime) -> impl fmt::Display {
    start.strftime(match period {
        Period::Hour => "%Y-%m-%d %H:00",
        Period::Day | Period::Week => "%Y-%m-%d",
        Period::Month => "%Y-%m",
        Period::Year => "%Y",
    })
}

fn list(ids: &[GenerationId]) -> String {
    const SHOWN: usize = 3;
    let shown = ids.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN { format!("{shown} and {} more", ids.len() - SHOWN) } else { shown }
}
