//! What the rules of a policy keep among the copies that count: restic's names and meaning, with one difference.
//!
//! At a sink a period keeps its *first* copy instead of its last: otherwise a source that goes bad in the evening would
//! replace the good copy of the morning.

use super::{Candidate, Policy, Reason, Rules, Side};
use crate::{GenerationId, GenerationKind, units::Span};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::DateTime};
use std::{collections::BTreeMap, fmt};

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
    const fn prefers_full(self) -> bool {
        matches!(self, Self::Week | Self::Month | Self::Year)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())
    }
}

/// What one rule keeps.
pub(super) struct Choice {
    /// Newest first.
    pub(super) kept: Vec<(GenerationId, Reason)>,
    /// Which one stands for which period; empty for rules without periods.
    periods: BTreeMap<DateTime, GenerationId>,
    period: Option<Period>,
}

impl Choice {
    /// The kept generation that makes one that this rule does not keep superfluous: the one that stands for its
    /// period, or else the oldest that is kept.
    pub(super) fn instead_of(&self, candidate: &Candidate, rules: &Rules) -> Option<GenerationId> {
        let start = self.period.map(|period| period.start(civil(candidate, rules)));
        let same = start.and_then(|start| self.periods.get(&start).copied());
        same.or_else(|| self.kept.last().map(|(id, _)| *id))
    }
}

/// What each rule keeps of `counted`, which is sorted by id.
pub(super) fn choices(counted: &[&Candidate], policy: &Policy, rules: &Rules) -> Vec<Choice> {
    let periods = [
        (Period::Hour, policy.hourly),
        (Period::Day, policy.daily),
        (Period::Week, policy.weekly),
        (Period::Month, policy.monthly),
        (Period::Year, policy.yearly),
    ];
    let mut choices: Vec<_> = policy.generations.into_iter().map(|of| newest(counted, of)).collect();
    choices.extend(periods.into_iter().filter_map(|(period, n)| Some(one_per(period, n?, counted, rules))));
    choices.extend(policy.within.into_iter().map(|span| within(counted, span, rules)));
    choices.retain(|choice| !choice.kept.is_empty());
    choices
}

fn newest(counted: &[&Candidate], of: u32) -> Choice {
    let kept = (1..=of).zip(counted.iter().rev()).map(|(rank, c)| (c.id, Reason::Newest { rank, of })).collect();
    Choice { kept, periods: BTreeMap::new(), period: None }
}

fn civil(candidate: &Candidate, rules: &Rules) -> DateTime {
    rules.zone.to_datetime(candidate.time(rules.side))
}

fn one_per(period: Period, n: u32, counted: &[&Candidate], rules: &Rules) -> Choice {
    let mut by_time = counted.to_vec();
    by_time.sort_by_key(|c| (c.time(rules.side), c.id));
    let mut groups: BTreeMap<DateTime, Vec<&Candidate>> = BTreeMap::new();
    for candidate in &by_time {
        groups.entry(period.start(civil(candidate, rules))).or_default().push(candidate);
    }
    let first = matches!(rules.side, Side::Sink { .. });
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    let periods: BTreeMap<_, _> =
        groups.iter().rev().take(n).map(|(start, group)| (*start, pick(period, group, first))).collect();
    let mut kept: Vec<_> =
        periods.iter().rev().map(|(start, id)| (*id, Reason::OneOf { period, start: *start, first })).collect();
    // While a rule is not filled yet, the oldest copy stands in for the periods before it.
    if let (true, Some(oldest)) = (groups.len() < n, by_time.first())
        && !periods.values().any(|id| *id == oldest.id)
    {
        kept.push((oldest.id, Reason::Oldest { period }));
    }
    Choice { kept, periods, period: Some(period) }
}

/// The one that stands for a group of copies, which is sorted by time and not empty.
fn pick(period: Period, group: &[&Candidate], first: bool) -> GenerationId {
    let fulls: Vec<_> = group.iter().copied().filter(|c| c.kind() == GenerationKind::Full).collect();
    let eligible = if period.prefers_full() && !fulls.is_empty() { &fulls } else { group };
    eligible[if first { 0 } else { eligible.len() - 1 }].id
}

fn within(counted: &[&Candidate], span: Span, rules: &Rules) -> Choice {
    let newest = counted.iter().map(|c| c.time(rules.side)).max();
    let after = newest.map(|newest| before(newest, span));
    let young = counted.iter().rev().filter(|c| Some(c.time(rules.side)) > after);
    Choice { kept: young.map(|c| (c.id, Reason::Within { span })).collect(), periods: BTreeMap::new(), period: None }
}

/// `span` before `time`.
pub(super) fn before(time: Timestamp, span: Span) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(span.0).unwrap_or(i64::MAX));
    time.saturating_sub(span).unwrap_or(Timestamp::MIN)
}
