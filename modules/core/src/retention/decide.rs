//! From what the rules keep to a verdict per generation.

use super::{
    Candidate, Decision, Policy, Reason, RetentionError, RetentionPlan, Rules, Side, Unproven, Verdict,
    merits::Merits,
    standing::{Sorted, Standing, with},
};
use crate::GenerationId;
use std::collections::{BTreeMap, BTreeSet};

/// Deletions rely on no more copies than this with a policy of all rules; that many are made room for at once.
const MOST_RELIED: usize = 24;

/// Decides about every generation in a store. The order of `candidates` does not matter.
///
/// # Errors
/// [`RetentionError`] if the policy keeps nothing where something must be kept.
pub fn plan(candidates: &[Candidate], policy: &Policy, rules: &Rules) -> Result<RetentionPlan, RetentionError> {
    RetentionError::check(policy, rules.side)?;
    let sorted = Sorted::new(candidates);
    let standings = sorted.standings(rules);
    let desk = |standings| Desk::new(&sorted, standings, policy, rules);
    let unread = with(&standings, Standing::Unread);
    if unread.is_empty() {
        return Ok(desk(&standings).plan(&BTreeSet::new()));
    }

    // What would be if a re-reading found every unread copy intact: those that a rule would then keep, stay.
    let read: Vec<_> = standings.iter().map(|s| if *s == Standing::Unread { Standing::Counted } else { *s }).collect();
    let hoped = desk(&read);
    let worth_reading: BTreeSet<_> = hoped.wanted().intersection(&unread).copied().collect();

    let mut plan = desk(&standings).plan(&worth_reading);
    if !worth_reading.is_empty() {
        let later = hoped.plan(&BTreeSet::new());
        if later
            .decisions
            .iter()
            .zip(&plan.decisions)
            .any(|(l, n)| l.verdict != Verdict::Keep && n.verdict == Verdict::Keep)
        {
            // Newest first: the sooner a newer copy counts, the sooner older ones may go.
            plan.needs_reread.extend(sorted.ids(worth_reading.into_iter().rev()));
        }
    }
    Ok(plan)
}

/// Everything that one round of decisions looks at.
struct Desk<'a> {
    sorted: &'a Sorted<'a>,
    standings: &'a [Standing],
    policy: &'a Policy,
    rules: &'a Rules,
    /// What speaks for those that count.
    merits: Merits,
    /// The places of those, as `merits` numbers them.
    counted: Vec<usize>,
    /// And back.
    numbers: Vec<Option<usize>>,
    /// The newest copy that counts.
    newest: Option<usize>,
    /// Which copies a deletion may rely on: re-read recently enough. Only asked of a sink.
    fresh: Vec<bool>,
}

impl<'a> Desk<'a> {
    fn new(sorted: &'a Sorted<'a>, standings: &'a [Standing], policy: &'a Policy, rules: &'a Rules) -> Self {
        let mut merits = Merits::new(policy, rules);
        let mut counted = Vec::new();
        let mut numbers = Vec::with_capacity(sorted.len());
        let mut lost = Vec::new();
        for (place, candidate) in sorted.iter().enumerate() {
            let counts = standings[place] == Standing::Counted;
            numbers.push(counts.then_some(counted.len()));
            if counts {
                merits.push(candidate.copied(rules.side), &mut lost);
                lost.clear();
                counted.push(place);
            }
        }
        let fresh = match rules.side {
            Side::Source => Vec::new(),
            Side::Sink { verify_max_age, .. } => {
                sorted.iter().map(|candidate| candidate.is_fresh(verify_max_age, rules.now)).collect()
            }
        };
        let newest = merits.last().map(|n| counted[n]).max();
        Self { sorted, standings, policy, rules, merits, counted, numbers, newest, fresh }
    }

    /// What speaks for the copy at `place`, if it counts.
    fn merits_of(&self, place: usize) -> impl Iterator<Item = Reason> {
        self.numbers[place].into_iter().flat_map(|n| self.merits.of(n, self.rules.now))
    }

    /// What rules and promises keep among the copies that count, with their bases.
    fn wanted(&self) -> BTreeSet<usize> {
        let wanted = self.counted.iter().filter(|place| self.merits_of(**place).next().is_some());
        wanted.flat_map(|place| self.sorted.whole(*place)).collect()
    }

    fn plan(&self, worth_reading: &BTreeSet<usize>) -> RetentionPlan {
        let places = 0..self.sorted.len();
        let mut kept: Vec<_> = places.clone().map(|place| self.reasons_to_keep(place, worth_reading)).collect();
        self.keep_bases(&mut kept);
        let stays: Vec<_> = kept.iter().map(|reasons| !reasons.is_empty()).collect();
        let mut decisions: Vec<_> = places.zip(kept).map(|(place, kept)| self.decide(place, kept, &stays)).collect();
        let needs_reread = self.postpone_bases(&mut decisions);
        RetentionPlan { decisions, needs_reread }
    }

    fn reasons_to_keep(&self, place: usize, worth_reading: &BTreeSet<usize>) -> Vec<Reason> {
        let candidate = self.sorted.get(place);
        let mut reasons = match self.standings[place] {
            Standing::Counted => self.merits_of(place).collect(),
            Standing::Future => vec![Reason::Future],
            _ if self.rules.side == Side::Source && candidate.receipt.is_none() => vec![Reason::Unacknowledged],
            Standing::Unread if worth_reading.contains(&place) => vec![Reason::WouldCount],
            _ if self.policy.keeps_nothing() || self.superseded_by(place).is_some() => Vec::new(),
            standing @ (Standing::Unread | Standing::Unproven(_)) => vec![Reason::NotSuperseded { why: why(standing) }],
        };
        reasons.extend(candidate.hold.iter().map(|why| Reason::Held { why: why.clone() }));
        let until = self.rules.side.protects_until(candidate.time(self.rules.side));
        reasons.extend(until.filter(|until| self.rules.now < *until).map(|until| Reason::Protected { until }));
        reasons
    }

    fn is_over_age(&self, candidate: &Candidate) -> bool {
        self.merits.is_over_age(candidate.time(self.rules.side), self.rules.now)
    }

    /// The newest copy that counts, if it is newer than the one at `place`.
    fn superseded_by(&self, place: usize) -> Option<GenerationId> {
        self.newest.filter(|newest| *newest > place).map(|newest| self.sorted.get(newest).id)
    }

    fn keep_bases(&self, kept: &mut [Vec<Reason>]) {
        for (base, ids) in self.needed(|place| !kept[place].is_empty()) {
            kept[base].push(Reason::NeededBy { ids });
        }
    }

    /// The bases of those that are `there`, each with what needs it.
    fn needed(&self, there: impl Fn(usize) -> bool) -> BTreeMap<usize, Vec<GenerationId>> {
        let mut needed: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for place in (0..self.sorted.len()).filter(|place| there(*place)) {
            if let Some(base) = self.sorted.base(place) {
                needed.entry(base).or_default().push(self.sorted.get(place).id);
            }
        }
        needed
    }

    /// The verdict on the copy at `place`, for which `kept` speaks. `stays` says which have anything that speaks for them.
    fn decide(&self, place: usize, kept: Vec<Reason>, stays: &[bool]) -> Decision {
        let candidate = self.sorted.get(place);
        let decision = |verdict, reasons, justified_by| Decision {
            id: candidate.id,
            kind: candidate.kind(),
            bytes: candidate.bytes,
            verdict,
            reasons,
            justified_by,
        };
        if !kept.is_empty() {
            return decision(Verdict::Keep, kept, Vec::new());
        }
        let reason = match (self.standings[place], self.superseded_by(place)) {
            _ if self.is_over_age(candidate) => Reason::OverAge { max_age: self.policy.max_age.unwrap_or_default() },
            (standing @ (Standing::Unread | Standing::Unproven(_)), Some(by)) => {
                Reason::Superseded { why: why(standing), by }
            }
            _ => Reason::NoRule,
        };
        if self.rules.side == Side::Source {
            return decision(Verdict::Expire, vec![reason], Vec::new());
        }
        let relied = self.justification(place, &reason, stays);
        let stale = self.sorted.ids(relied.iter().copied().filter(|place| !self.fresh[*place]));
        let justified_by = self.sorted.ids(relied);
        if stale.is_empty() {
            return decision(Verdict::Expire, vec![reason], justified_by);
        }
        decision(Verdict::Postpone, vec![reason, Reason::NotReread { ids: stale }], justified_by)
    }

    /// What a deletion relies on: the newest that counts; and if rules make it superfluous, the two newest fulls and for
    /// each rule the one that stands in the place of the deleted. Each with its base, oldest first.
    fn justification(&self, place: usize, reason: &Reason, stays: &[bool]) -> Vec<usize> {
        let mut whole = Vec::with_capacity(MOST_RELIED);
        let mut rely = |n: usize| {
            if stays[self.counted[n]] {
                whole.extend(self.sorted.whole(self.counted[n]));
            }
        };
        self.merits.last().for_each(&mut rely);
        if *reason == Reason::NoRule
            && let Some(n) = self.numbers[place]
        {
            self.merits.fulls().chain(self.merits.instead_of(n)).for_each(rely);
        }
        whole.sort_unstable();
        whole.dedup();
        whole
    }

    /// What stays for now keeps its base for now. Returns what to re-read, for the oldest deletion first.
    fn postpone_bases(&self, decisions: &mut [Decision]) -> Vec<GenerationId> {
        let needed = self.needed(|place| decisions[place].verdict == Verdict::Postpone);
        let reasons = decisions.iter().filter(|d| d.verdict == Verdict::Postpone).flat_map(|d| &d.reasons);
        let mut seen = BTreeSet::new();
        let reread = reasons.filter_map(|reason| if let Reason::NotReread { ids } = reason { Some(ids) } else { None });
        let reread = reread.flatten().copied().filter(|id| seen.insert(*id)).collect();
        for (base, ids) in needed {
            if decisions[base].verdict == Verdict::Expire {
                decisions[base].verdict = Verdict::Postpone;
                decisions[base].reasons.push(Reason::NeededBy { ids });
            }
        }
        reread
    }
}

const fn why(standing: Standing) -> Unproven {
    match standing {
        Standing::Unproven(why) => why,
        _ => Unproven::Unread,
    }
}
