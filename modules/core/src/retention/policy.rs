//! The retention rules as a job document declares them.

use crate::units::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a store keeps. A generation stays if any rule keeps it; rules left out keep nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The newest N.
    #[serde(alias = "last")]
    pub generations: Option<u32>,
    /// One per hour, for the last N hours that have one.
    pub hourly: Option<u32>,
    /// One per day.
    pub daily: Option<u32>,
    /// One per ISO week.
    pub weekly: Option<u32>,
    /// One per month.
    pub monthly: Option<u32>,
    /// One per year.
    pub yearly: Option<u32>,
    /// Everything within this time before the newest.
    pub within: Option<Span>,
    /// Nothing older than this, whatever the other rules keep; never the last verified copy.
    pub max_age: Option<Span>,
}

impl Policy {
    fn counts(&self) -> [Option<u32>; 6] {
        [self.generations, self.hourly, self.daily, self.weekly, self.monthly, self.yearly]
    }

    /// Whether no rule that keeps anything was given at all.
    pub fn is_empty(&self) -> bool {
        self.counts().iter().all(Option::is_none) && self.within.is_none()
    }

    /// Whether rules were given, but each keeps nothing (`generations: 0`).
    pub fn keeps_nothing(&self) -> bool {
        self.counts().iter().all(|n| n.unwrap_or(0) == 0) && self.within.is_none_or(|span| span.0 == 0)
    }

    /// Whether the rules ask for two generations or more: then two fulls are kept whatever they say of their ages.
    pub(super) fn names_several(&self) -> bool {
        let named: u64 = self.counts().iter().map(|n| u64::from(n.unwrap_or(0))).sum();
        named >= 2 || self.within.is_some_and(|span| span.0 > 0)
    }
}

/// The rules that were given, as a document has them: `within: 21d, max_age: 31d`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const COUNTS: [&str; 6] = ["generations", "hourly", "daily", "weekly", "monthly", "yearly"];
        let counts = COUNTS.into_iter().zip(self.counts()).filter_map(|(key, n)| Some((key, n?.to_string())));
        let spans = [("within", self.within), ("max_age", self.max_age)];
        let spans = spans.into_iter().filter_map(|(key, span)| Some((key, span?.to_string())));
        let mut first = true;
        counts.chain(spans).try_for_each(|(key, value)| {
            let comma = if std::mem::take(&mut first) { "" } else { ", " };
            write!(f, "{comma}{key}: {value}")
        })
    }
}
