//! What each rule of a policy keeps among the copies that count: restic's names and meaning, with one difference.
//!
//! At a sink a period keeps its *first* copy instead of its last: otherwise a source that goes bad in the evening would
//! replace the good copy of the morning.
//!
//! A rule is told of one copy after the other, in the order of their ids, and says at once which copies it may keep no
//! longer. So one and the same rule judges a whole store at once ([`super::plan`]) and a store through ten years ([`super::Simulation`])
//! at a price per copy that does not grow with the store.

use super::{Period, Reason, before};
use crate::units::Span;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::{cmp::Ordering, collections::BTreeMap};

/// A copy that counts, as rules see it. Its number is its place in the order of ids.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    /// When it came to be, for rules that go by time.
    pub(super) time: Timestamp,
    /// Whether it stands alone.
    pub(super) full: bool,
    /// Whether its bytes were compared.
    pub(super) proven: bool,
    /// It was deleted since.
    pub(super) gone: bool,
}

/// One rule, and what it keeps so far.
#[derive(Debug)]
pub(super) enum Rule {
    Newest(Newest),
    OnePer(OnePer),
    Within(Within),
}

impl Rule {
    /// Takes note of the newest copy, `copies.last()`, and puts into `lost` those that may have lost this rule's favour.
    pub(super) fn push(&mut self, copies: &[Copied], lost: &mut Vec<usize>) {
        match self {
            Self::Newest(rule) => rule.push(copies, lost),
            Self::OnePer(rule) => rule.push(copies, lost),
            Self::Within(rule) => rule.push(copies, lost),
        }
    }

    /// Takes note that copy `n` is deleted.
    pub(super) fn forget(&mut self, copies: &[Copied], n: usize) {
        match self {
            // What goes although it is among the newest goes for its age, and so does all that is older.
            Self::Newest(_) | Self::Within(_) => {}
            Self::OnePer(rule) => rule.forget(copies, n),
        }
    }

    /// Why this rule keeps copy `n`, if it does.
    pub(super) fn keeps(&self, copies: &[Copied], n: usize) -> Option<Reason> {
        match self {
            Self::Newest(rule) => rule.keeps(n),
            Self::OnePer(rule) => rule.keeps(n),
            Self::Within(rule) => rule.keeps(copies, n),
        }
    }

    /// The kept copy that makes copy `n`, which this rule does not keep, superfluous: the one that stands for its period,
    /// or else the oldest that is kept.
    pub(super) fn instead_of(&self, copies: &[Copied], n: usize) -> Option<usize> {
        match self {
            Self::Newest(rule) => (rule.of > 0).then(|| rule.oldest()),
            Self::OnePer(rule) => rule.instead_of(n),
            Self::Within(rule) => rule.oldest(copies),
        }
    }
}

/// The newest so many.
#[derive(Debug)]
pub(super) struct Newest {
    of: u32,
    pushed: usize,
}

impl Newest {
    pub(super) const fn new(of: u32) -> Self {
        Self { of, pushed: 0 }
    }

    fn oldest(&self) -> usize {
        self.pushed.saturating_sub(usize::try_from(self.of).unwrap_or(usize::MAX))
    }

    fn push(&mut self, copies: &[Copied], lost: &mut Vec<usize>) {
        self.pushed = copies.len();
        lost.extend(self.oldest().checked_sub(1));
    }

    fn keeps(&self, n: usize) -> Option<Reason> {
        let rank = u32::try_from(self.pushed - n).ok()?;
        (rank <= self.of).then_some(Reason::Newest { rank, of: self.of })
    }
}

/// Everything less than a span older than the newest.
#[derive(Debug)]
pub(super) struct Within {
    span: Span,
    /// What is newer than this is kept.
    after: Timestamp,
    /// All before this one were reported as lost.
    young: usize,
}

impl Within {
    pub(super) const fn new(span: Span) -> Self {
        Self { span, after: Timestamp::MIN, young: 0 }
    }

    fn push(&mut self, copies: &[Copied], lost: &mut Vec<usize>) {
        if let Some(newest) = copies.last() {
            self.after = self.after.max(before(newest.time, self.span));
        }
        while self.young < copies.len() && self.keeps(copies, self.young).is_none() {
            lost.push(self.young);
            self.young += 1;
        }
    }

    fn keeps(&self, copies: &[Copied], n: usize) -> Option<Reason> {
        (copies[n].time > self.after).then_some(Reason::Within { span: self.span })
    }

    /// What was lost once is never kept again: it is not looked at.
    fn oldest(&self, copies: &[Copied]) -> Option<usize> {
        (self.young..copies.len()).find(|&n| self.keeps(copies, n).is_some())
    }
}

/// One per period, for the newest so many periods that have one.
#[derive(Debug)]
pub(super) struct OnePer {
    period: Period,
    of: usize,
    /// The first copy of a period stands for it, or the last.
    first: bool,
    zone: TimeZone,
    /// When the period of each copy began.
    starts: Vec<DateTime>,
    /// The newest `of` periods.
    groups: BTreeMap<DateTime, Group>,
    /// The oldest copy of all. While the rule is not filled, it stands in for the periods before it.
    oldest: Option<usize>,
}

/// The copies of one period, of which only those that come first (or last) matter.
#[derive(Debug, Clone, Copy)]
struct Group {
    any: usize,
    full: Option<usize>,
}

impl OnePer {
    pub(super) fn new(period: Period, of: u32, first: bool, zone: TimeZone) -> Self {
        let of = usize::try_from(of).unwrap_or(usize::MAX);
        Self { period, of, first, zone, starts: Vec::new(), groups: BTreeMap::new(), oldest: None }
    }

    fn push(&mut self, copies: &[Copied], lost: &mut Vec<usize>) {
        let n = self.starts.len();
        let start = self.period.start(self.zone.to_datetime(copies[n].time));
        self.starts.push(start);
        if self.oldest.is_none_or(|oldest| copies[n].time < copies[oldest].time) {
            lost.extend(self.oldest.replace(n));
        }
        if let Some(group) = self.groups.get_mut(&start) {
            let before = group.stands(self.period);
            group.join(copies, n, self.first);
            lost.extend((group.stands(self.period) != before).then_some(before));
            return;
        }
        self.groups.insert(start, Group { any: n, full: copies[n].full.then_some(n) });
        match self.groups.len().cmp(&self.of) {
            Ordering::Less => {}
            Ordering::Equal => lost.extend(self.oldest),
            // A period that is out of the count stays out: only newer ones come.
            Ordering::Greater => lost.extend(self.groups.pop_first().map(|(_, group)| group.stands(self.period))),
        }
    }

    fn forget(&mut self, copies: &[Copied], n: usize) {
        if self.oldest == Some(n) {
            self.oldest = (n..copies.len()).find(|&n| !copies[n].gone);
        }
        let start = self.starts[n];
        let Some(group) = self.groups.get(&start).copied() else { return };
        let any = if group.any == n { self.next(copies, n, false) } else { Some(group.any) };
        let full = if group.full == Some(n) { self.next(copies, n, true) } else { group.full };
        match any {
            Some(any) => self.groups.insert(start, Group { any, full }),
            None => self.groups.remove(&start),
        };
    }

    /// The copy that takes the place of `n`, which is gone, in its period: the next after it, or before it.
    fn next(&self, copies: &[Copied], n: usize, full: bool) -> Option<usize> {
        let same = |m: &usize| self.starts[*m] == self.starts[n];
        let fits = |m: &usize| !copies[*m].gone && (!full || copies[*m].full);
        if self.first {
            (n..copies.len()).take_while(same).find(fits)
        } else {
            (0..n).rev().take_while(same).find(fits)
        }
    }

    fn keeps(&self, n: usize) -> Option<Reason> {
        let start = self.starts[n];
        if self.groups.get(&start).is_some_and(|group| group.stands(self.period) == n) {
            return Some(Reason::OneOf { period: self.period, start, first: self.first });
        }
        (self.stand_in() == Some(n)).then_some(Reason::Oldest { period: self.period })
    }

    fn stand_in(&self) -> Option<usize> {
        self.oldest.filter(|_| self.groups.len() < self.of)
    }

    fn instead_of(&self, n: usize) -> Option<usize> {
        let same = self.groups.get(&self.starts[n]);
        let eldest = || self.groups.values().next().map(|group| group.stands(self.period));
        same.map(|group| group.stands(self.period)).or_else(|| self.stand_in()).or_else(eldest)
    }
}

impl Group {
    fn join(&mut self, copies: &[Copied], n: usize, first: bool) {
        // Ids and times may disagree at a sink; of equal times the id decides.
        let before = |m: usize| if first { copies[n].time < copies[m].time } else { copies[n].time >= copies[m].time };
        if before(self.any) {
            self.any = n;
        }
        if copies[n].full && self.full.is_none_or(before) {
            self.full = Some(n);
        }
    }

    fn stands(&self, period: Period) -> usize {
        self.full.filter(|_| period.prefers_full()).unwrap_or(self.any)
    }
}
