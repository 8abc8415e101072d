//! What we keep, what a peer keeps, and the rules that turn the one into the other.
//!
//! 1. *The last good copy*, and at a sink the *two newest fulls*, stay whatever the rules say; so does every *base* of what
//!    stays. Peers know none of these: they are added to what a peer keeps.
//! 2. *Weekly and longer periods prefer a full*: compared with histories of fulls.
//! 3. *At a sink a period keeps its first copy*, at a peer its last. A peer is shown the copies of each period in reverse;
//!    what it then keeps only as the oldest of all is not kept by us, for the oldest is the first of its period.
//! 4. *The oldest copy stays while a rule is not filled*: Debian 12's restic does not do that yet ([`super::restic`] adds it).
//! 5. borg counts for a rule only what no finer rule has kept ([`super::borg`] raises our counts by these).

use backup_core::{
    Digest, GenerationId, GenerationRef,
    retention::{Arrival, Candidate, Period, Policy, Rules, Side, Verdict, ZONE, plan},
    units::Span,
};
use jiff::Timestamp;
use std::collections::BTreeSet;

pub(crate) const SINK: Side = Side::Sink { protect: Span(0), verify_max_age: Span(u64::MAX) };

/// The copies of a history by number, in the order of their times; `base` is the number of the full that each needs.
#[derive(Clone)]
pub(crate) struct History {
    pub(crate) times: Vec<i64>,
    pub(crate) bases: Vec<Option<usize>>,
}

impl History {
    /// All fulls.
    pub(crate) fn fulls(times: Vec<i64>) -> Self {
        Self { bases: vec![None; times.len()], times }
    }

    /// Every third a full, about; the others need the full before them.
    pub(crate) fn mixed(times: Vec<i64>) -> Self {
        let mut full = 0;
        let mut base = |(n, time): (usize, &i64)| {
            if n == 0 || time % 3 == 0 {
                full = n;
                return None;
            }
            Some(full)
        };
        let bases = times.iter().enumerate().map(&mut base).collect();
        Self { times, bases }
    }

    /// What our retention keeps of it.
    pub(crate) fn kept(&self, policy: &Policy, side: Side) -> BTreeSet<usize> {
        let reference = |n: usize| {
            let id = GenerationId::at(Timestamp::from_second(self.times[n]).unwrap());
            GenerationRef { id, digest: Digest::of(id.to_string().as_bytes()) }
        };
        let candidate = |n: usize| {
            let GenerationRef { id, digest } = reference(n);
            let receipt = Some(Arrival { received_at: id.time(), verified_at: Some(id.time()) });
            Candidate { id, digest, base: self.bases[n].map(reference), bytes: 1, hold: None, receipt, checked: None }
        };
        let candidates: Vec<_> = (0..self.times.len()).map(candidate).collect();
        let now = candidates.last().map_or(Timestamp::UNIX_EPOCH, |newest| newest.id.time());
        let plan = plan(&candidates, policy, &Rules { now, zone: ZONE, side }).unwrap();
        let kept = plan.decisions.iter().enumerate().filter(|(_, decision)| decision.verdict == Verdict::Keep);
        kept.map(|(n, _)| n).collect()
    }

    /// Rule 1.
    fn with_promises(&self, mut kept: BTreeSet<usize>, policy: &Policy, side: Side) -> BTreeSet<usize> {
        kept.extend(self.times.len().checked_sub(1));
        if side == SINK && names_two(policy) {
            kept.extend((0..self.times.len()).rev().filter(|n| self.bases[*n].is_none()).take(2));
        }
        let bases: Vec<_> = kept.iter().filter_map(|n| self.bases[*n]).collect();
        kept.extend(bases);
        kept
    }
}

/// The single period rule of a policy that has no other.
pub(crate) fn only_period(policy: &Policy) -> Option<Period> {
    let counts = [policy.hourly, policy.daily, policy.weekly, policy.monthly, policy.yearly];
    let periods = [Period::Hour, Period::Day, Period::Week, Period::Month, Period::Year];
    let mut given = counts.iter().zip(periods).filter(|(count, _)| count.is_some()).map(|(_, period)| period);
    let only = given.next().filter(|_| policy.generations.is_none() && policy.within.is_none());
    only.filter(|_| given.next().is_none())
}

fn names_two(policy: &Policy) -> bool {
    let counts = [policy.generations, policy.hourly, policy.daily, policy.weekly, policy.monthly, policy.yearly];
    counts.iter().flatten().sum::<u32>() >= 2 || policy.within.is_some()
}

fn has_long_period(policy: &Policy) -> bool {
    policy.weekly.is_some() || policy.monthly.is_some() || policy.yearly.is_some()
}

/// Compares what a peer keeps of copies of these times with what we keep. Returns the number of comparisons.
///
/// `ours` is the policy for us, which means what the peer was told. Says what differs, if it does.
pub(crate) fn compare(times: &[i64], ours: &Policy, peer: &BTreeSet<usize>, label: &str) -> usize {
    let mut histories = vec![History::fulls(times.to_vec())];
    if !has_long_period(ours) {
        histories.push(History::mixed(times.to_vec())); // rule 2
    }
    let has_period = has_long_period(ours) || ours.hourly.is_some() || ours.daily.is_some();
    let mut done = 0;
    for history in &histories {
        for side in if has_period { &[Side::Source][..] } else { &[Side::Source, SINK] } {
            let expected = history.with_promises(peer.clone(), ours, *side);
            agree(history, ours, *side, &expected, label);
            done += 1;
        }
    }
    if let Some(period) = only_period(ours) {
        done += compare_reversed(times, ours, peer, period, label);
    }
    done
}

/// Rule 3: what the peer saw is the history with the copies of each period in reverse.
fn compare_reversed(times: &[i64], ours: &Policy, peer: &BTreeSet<usize>, period: Period, label: &str) -> usize {
    let mirrored: Vec<i64> = times.iter().map(|time| mirror(*time, period)).collect();
    let mut peer = peer.clone();
    let alone = times.get(1).is_none_or(|next| start(*next, period) != start(times[0], period));
    if !alone {
        peer.remove(&0);
    }
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|n| mirrored[*n]);
    let kept: BTreeSet<usize> = (0..order.len()).filter(|n| peer.contains(&order[*n])).collect();
    let times: Vec<i64> = order.iter().map(|n| mirrored[*n]).collect();
    let mut histories = vec![History::fulls(times.clone())];
    if !has_long_period(ours) {
        histories.push(History::mixed(times));
    }
    for history in &histories {
        agree(history, ours, SINK, &history.with_promises(kept.clone(), ours, SINK), label);
    }
    histories.len()
}

fn agree(history: &History, policy: &Policy, side: Side, expected: &BTreeSet<usize>, label: &str) {
    let kept = history.kept(policy, side);
    let tell = |n: &usize| {
        format!(
            "{}{}",
            super::lines::iso(history.times[*n]),
            if history.bases[*n].is_some() { " incremental" } else { "" }
        )
    };
    assert!(
        kept == *expected,
        "{label}, {side:?}\n{policy:?}\nof {:#?}\nwe keep alone {:?}\nthe peer alone {:?}",
        (0..history.times.len()).map(|n| tell(&n)).collect::<Vec<_>>(),
        kept.difference(expected).map(tell).collect::<Vec<_>>(),
        expected.difference(&kept).map(tell).collect::<Vec<_>>(),
    );
}

pub(crate) fn start(time: i64, period: Period) -> jiff::civil::DateTime {
    period.start(ZONE.to_datetime(Timestamp::from_second(time).unwrap()))
}

/// As far from the end of its period as `time` is from the beginning.
fn mirror(time: i64, period: Period) -> i64 {
    let begin = start(time, period);
    let span = jiff::Span::new();
    let length = match period {
        Period::Hour => span.hours(1),
        Period::Day => span.days(1),
        Period::Week => span.days(7),
        Period::Month => span.months(1),
        Period::Year => span.years(1),
    };
    let second = |time: jiff::civil::DateTime| ZONE.to_timestamp(time).unwrap().as_second();
    second(begin) + second(begin.checked_add(length).unwrap()) - 1 - time
}
