//! The copies that count in one store, and what speaks for each: the rules, the two newest fulls, the last good copy.

use super::{
    Period, Policy, Reason, Rules, Side, before,
    rules::{Copied, Newest, OnePer, Rule, Within},
};
use crate::units::Span;
use jiff::Timestamp;

/// The copies that count, in the order of their ids. [`super::plan`] and [`super::Simulation`] judge by this and nothing else.
#[derive(Debug)]
pub(super) struct Merits {
    copies: Vec<Copied>,
    rules: Vec<Rule>,
    max_age: Option<Span>,
    /// Kept whatever rules and `max_age` say: the newest, and the newest that was compared. On a source an arrival
    /// receipt counts too, but does not displace the last that the sink has compared.
    last: Option<[Option<usize>; 2]>,
    /// Kept whatever the rules say: the two newest fulls.
    fulls: Option<[Option<usize>; 2]>,
}

impl Merits {
    pub(super) fn new(policy: &Policy, rules: &Rules) -> Self {
        let sink = rules.side != Side::Source;
        let none = [None; 2];
        Self {
            copies: Vec::new(),
            rules: of_policy(policy, sink, rules),
            max_age: policy.max_age,
            last: (!policy.keeps_nothing()).then_some(none),
            fulls: (sink && policy.names_several()).then_some(none),
        }
    }

    /// Takes note of the next copy and puts into `lost` those for which less may speak now.
    pub(super) fn push(&mut self, copy: Copied, lost: &mut Vec<usize>) {
        let n = self.copies.len();
        self.copies.push(copy);
        if let Some([newest, proven]) = &mut self.last {
            lost.extend(newest.replace(n));
            if copy.proven {
                lost.extend(proven.replace(n));
            }
        }
        if let Some([newest, second]) = &mut self.fulls
            && copy.full
        {
            lost.extend(second.take());
            *second = newest.replace(n);
        }
        for rule in &mut self.rules {
            rule.push(&self.copies, lost);
        }
    }

    /// Marks copy `n` as deleted; the rules judge as before until they [`forget`](Self::forget) it.
    pub(super) fn mark_gone(&mut self, n: usize) {
        self.copies[n].gone = true;
    }

    /// Makes the rules take note that copy `n` is gone.
    pub(super) fn forget(&mut self, n: usize) {
        for rule in &mut self.rules {
            rule.forget(&self.copies, n);
        }
    }

    /// Whether the policy's `max_age` is against a copy of this time.
    pub(super) fn is_over_age(&self, time: Timestamp, now: Timestamp) -> bool {
        self.max_age.is_some_and(|max_age| time < before(now, max_age))
    }

    /// Everything that speaks for keeping copy `n`.
    pub(super) fn of(&self, n: usize, now: Timestamp) -> impl Iterator<Item = Reason> {
        let over_age = self.is_over_age(self.copies[n].time, now);
        let rules = self.rules.iter().filter_map(move |rule| rule.keeps(&self.copies, n));
        let fulls = self.fulls().any(|full| full == n).then_some(Reason::TwoFulls);
        let last = self.last().any(|last| last == n).then_some(Reason::Last { over_age });
        rules.chain(fulls).filter(move |_| !over_age).chain(last)
    }

    /// The newest copy, and the newest that was compared.
    pub(super) fn last(&self) -> impl Iterator<Item = usize> {
        self.last.into_iter().flatten().flatten()
    }

    /// The two newest fulls, where they are promised.
    pub(super) fn fulls(&self) -> impl Iterator<Item = usize> {
        self.fulls.into_iter().flatten().flatten()
    }

    /// For each rule that keeps anything: the kept copy that makes copy `n` superfluous.
    pub(super) fn instead_of(&self, n: usize) -> impl Iterator<Item = usize> {
        self.rules.iter().filter_map(move |rule| rule.instead_of(&self.copies, n))
    }

    /// The copies as they were pushed.
    pub(super) fn copies(&self) -> &[Copied] {
        &self.copies
    }
}

fn of_policy(policy: &Policy, sink: bool, rules: &Rules) -> Vec<Rule> {
    let periods = [
        (Period::Hour, policy.hourly),
        (Period::Day, policy.daily),
        (Period::Week, policy.weekly),
        (Period::Month, policy.monthly),
        (Period::Year, policy.yearly),
    ];
    let one_per = |(period, of): (_, Option<u32>)| Some(OnePer::new(period, of?, sink, rules.zone.clone()));
    let newest = policy.generations.map(Newest::new).map(Rule::Newest);
    let within = policy.within.map(Within::new).map(Rule::Within);
    newest.into_iter().chain(periods.into_iter().filter_map(one_per).map(Rule::OnePer)).chain(within).collect()
}
