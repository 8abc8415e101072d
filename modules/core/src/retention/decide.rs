//! From what the rules keep to a verdict per generation.

use super::{
    Candidate, Decision, Policy, Reason, RetentionError, RetentionPlan, Rules, Side, Unproven, Verdict,
    candidate::{Standing, standings},
    merits::Merits,
};
use crate::{GenerationId, units::Span};
use std::collections::{BTreeMap, BTreeSet};

/// Decides about every generation in a store. The order of `candidates` does not matter.
///
/// # Errors
/// [`RetentionError`] if the policy keeps nothing where something must be kept.
pub fn plan(candidates: &[Candidate], policy: &Policy, rules: &Rules) -> Result<RetentionPlan, RetentionError> {
    RetentionError::check(policy, rules.side)?;
    let mut sorted: Vec<_> = candidates.iter().collect();
    sorted.sort_by_key(|candidate| candidate.id);
    let standings = standings(&sorted, rules);

    // What would be if a re-reading found every unread copy intact: those that a rule would then keep, stay.
    let read: Vec<_> = standings.iter().map(|s| if *s == Standing::Unread { Standing::Counted } else { *s }).collect();
    let hoped = Desk::new(&sorted, &read, policy, rules);
    let unread: BTreeSet<_> = with(&sorted, &standings, Standing::Unread).map(|c| c.id).collect();
    let worth_reading: BTreeSet<_> = hoped.wanted().intersection(&unread).copied().collect();

    let mut plan = Desk::new(&sorted, &standings, policy, rules).plan(&worth_reading);
    if !worth_reading.is_empty() {
        let later = hoped.plan(&BTreeSet::new());
        if later
            .decisions
            .iter()
            .zip(&plan.decisions)
            .any(|(l, n)| l.verdict != Verdict::Keep && n.verdict == Verdict::Keep)
        {
            // Newest first: the sooner a newer copy counts, the sooner older ones may go.
            plan.needs_reread.extend(worth_reading.iter().rev());
        }
    }
    Ok(plan)
}

fn with<'a>(
    sorted: &'a [&'a Candidate],
    standings: &'a [Standing],
    standing: Standing,
) -> impl DoubleEndedIterator<Item = &'a Candidate> {
    sorted.iter().zip(standings).filter(move |(_, s)| **s == standing).map(|(c, _)| *c)
}

/// Everything that one round of decisions looks at.
struct Desk<'a> {
    sorted: &'a [&'a Candidate],
    standings: &'a [Standing],
    policy: &'a Policy,
    rules: &'a Rules,
    /// What speaks for those that count.
    merits: Merits,
    /// Those, as `merits` numbers them.
    counted: Vec<GenerationId>,
}

impl<'a> Desk<'a> {
    fn new(sorted: &'a [&'a Candidate], standings: &'a [Standing], policy: &'a Policy, rules: &'a Rules) -> Self {
        let mut merits = Merits::new(policy, rules);
        let mut counted = Vec::new();
        for candidate in with(sorted, standings, Standing::Counted) {
            merits.push(candidate.copied(rules.side), &mut Vec::new());
            counted.push(candidate.id);
        }
        Self { sorted, standings, policy, rules, merits, counted }
    }

    /// What speaks for this copy, if it counts.
    fn merits_of(&self, id: GenerationId) -> Vec<Reason> {
        let number = self.counted.binary_search(&id).ok();
        number.into_iter().flat_map(|n| self.merits.of(n, self.rules.now)).collect()
    }

    /// What rules and promises keep among the copies that count, with their bases.
    fn wanted(&self) -> BTreeSet<GenerationId> {
        let wanted = self.counted.iter().filter(|id| !self.merits_of(**id).is_empty());
        wanted.filter_map(|id| self.find(*id)).flat_map(|c| [Some(c.id), self.base(c)]).flatten().collect()
    }

    fn plan(&self, worth_reading: &BTreeSet<GenerationId>) -> RetentionPlan {
        let mut kept: BTreeMap<GenerationId, Vec<Reason>> = BTreeMap::new();
        for (candidate, standing) in self.sorted.iter().zip(self.standings) {
            let reasons = self.reasons_to_keep(candidate, *standing, worth_reading);
            if !reasons.is_empty() {
                kept.insert(candidate.id, reasons);
            }
        }
        self.keep_bases(&mut kept);
        let mut decisions: Vec<_> = self
            .sorted
            .iter()
            .zip(self.standings)
            .map(|(candidate, standing)| self.decide(candidate, *standing, &kept))
            .collect();
        let needs_reread = self.postpone_bases(&mut decisions);
        RetentionPlan { decisions, needs_reread }
    }

    fn reasons_to_keep(
        &self,
        candidate: &Candidate,
        standing: Standing,
        worth_reading: &BTreeSet<GenerationId>,
    ) -> Vec<Reason> {
        let mut reasons = match standing {
            Standing::Counted => self.merits_of(candidate.id),
            Standing::Future => vec![Reason::Future],
            _ if self.rules.side == Side::Source && candidate.receipt.is_none() => vec![Reason::Unacknowledged],
            Standing::Unread if worth_reading.contains(&candidate.id) => vec![Reason::WouldCount],
            _ if self.policy.keeps_nothing() || self.superseded_by(candidate).is_some() => Vec::new(),
            Standing::Unread | Standing::Unproven(_) => vec![Reason::NotSuperseded { why: why(standing) }],
        };
        reasons.extend(candidate.hold.iter().map(|why| Reason::Held { why: why.clone() }));
        let until = self.rules.side.protects_until(candidate.time(self.rules.side));
        reasons.extend(until.filter(|until| self.rules.now < *until).map(|until| Reason::Protected { until }));
        reasons
    }

    fn is_over_age(&self, candidate: &Candidate) -> bool {
        self.merits.is_over_age(candidate.time(self.rules.side), self.rules.now)
    }

    /// The newest copy that counts, if it is newer than this one.
    fn superseded_by(&self, candidate: &Candidate) -> Option<GenerationId> {
        self.merits.last().map(|n| self.counted[n]).max().filter(|last| *last > candidate.id)
    }

    fn find(&self, id: GenerationId) -> Option<&'a Candidate> {
        self.sorted.binary_search_by_key(&id, |c| c.id).ok().map(|index| self.sorted[index])
    }

    /// The base that is really here.
    fn base(&self, candidate: &Candidate) -> Option<GenerationId> {
        let base = candidate.base.as_ref()?;
        self.find(base.id).filter(|found| found.digest == base.digest).map(|found| found.id)
    }

    fn keep_bases(&self, kept: &mut BTreeMap<GenerationId, Vec<Reason>>) {
        let mut needed: BTreeMap<GenerationId, Vec<GenerationId>> = BTreeMap::new();
        for candidate in self.sorted.iter().filter(|c| kept.contains_key(&c.id)) {
            if let Some(base) = self.base(candidate) {
                needed.entry(base).or_default().push(candidate.id);
            }
        }
        for (base, ids) in needed {
            kept.entry(base).or_default().push(Reason::NeededBy { ids });
        }
    }

    fn decide(
        &self,
        candidate: &Candidate,
        standing: Standing,
        kept: &BTreeMap<GenerationId, Vec<Reason>>,
    ) -> Decision {
        let decision = |verdict, reasons, justified_by| Decision {
            id: candidate.id,
            kind: candidate.kind(),
            bytes: candidate.bytes,
            verdict,
            reasons,
            justified_by,
        };
        if let Some(reasons) = kept.get(&candidate.id) {
            return decision(Verdict::Keep, reasons.clone(), Vec::new());
        }
        let reason = match (standing, self.superseded_by(candidate)) {
            _ if self.is_over_age(candidate) => Reason::OverAge { max_age: self.policy.max_age.unwrap_or_default() },
            (Standing::Unread | Standing::Unproven(_), Some(by)) => Reason::Superseded { why: why(standing), by },
            _ => Reason::NoRule,
        };
        let Side::Sink { verify_max_age, .. } = self.rules.side else {
            return decision(Verdict::Expire, vec![reason], Vec::new());
        };
        let justified_by = self.justification(candidate, &reason, kept);
        let stale = self.stale(&justified_by, verify_max_age);
        if stale.is_empty() {
            return decision(Verdict::Expire, vec![reason], justified_by);
        }
        decision(Verdict::Postpone, vec![reason, Reason::NotReread { ids: stale }], justified_by)
    }

    /// What a deletion relies on: the newest that counts; and if rules make it superfluous, the two newest fulls and for
    /// each rule the one that stands in the place of the deleted. Each with its base.
    fn justification(
        &self,
        candidate: &Candidate,
        reason: &Reason,
        kept: &BTreeMap<GenerationId, Vec<Reason>>,
    ) -> Vec<GenerationId> {
        let mut relied: Vec<_> = self.merits.last().collect();
        if *reason == Reason::NoRule
            && let Ok(n) = self.counted.binary_search(&candidate.id)
        {
            relied.extend(self.merits.fulls().chain(self.merits.instead_of(n)));
        }
        let relied = relied.into_iter().map(|n| self.counted[n]);
        let stay = relied.filter(|id| kept.contains_key(id)).filter_map(|id| self.find(id));
        let whole: BTreeSet<_> = stay.flat_map(|c| [Some(c.id), self.base(c)]).flatten().collect();
        whole.into_iter().collect()
    }

    fn stale(&self, ids: &[GenerationId], verify_max_age: Span) -> Vec<GenerationId> {
        let fresh = |id: &GenerationId| self.find(*id).is_some_and(|c| c.is_fresh(verify_max_age, self.rules.now));
        ids.iter().copied().filter(|id| !fresh(id)).collect()
    }

    /// What stays for now keeps its base for now. Returns what to re-read, for the oldest deletion first.
    fn postpone_bases(&self, decisions: &mut [Decision]) -> Vec<GenerationId> {
        let mut reread: Vec<GenerationId> = Vec::new();
        let mut needed: BTreeMap<GenerationId, Vec<GenerationId>> = BTreeMap::new();
        for (decision, candidate) in decisions.iter().zip(self.sorted) {
            if decision.verdict == Verdict::Postpone {
                if let Some(base) = self.base(candidate) {
                    needed.entry(base).or_default().push(candidate.id);
                }
                for reason in &decision.reasons {
                    if let Reason::NotReread { ids } = reason {
                        reread.extend(ids);
                    }
                }
            }
        }
        for decision in decisions.iter_mut().filter(|decision| decision.verdict == Verdict::Expire) {
            if let Some(ids) = needed.remove(&decision.id) {
                decision.verdict = Verdict::Postpone;
                decision.reasons.push(Reason::NeededBy { ids });
            }
        }
        let mut seen = BTreeSet::new();
        reread.retain(|id| seen.insert(*id));
        reread
    }
}

const fn why(standing: Standing) -> Unproven {
    match standing {
        Standing::Unproven(why) => why,
        _ => Unproven::Unread,
    }
}
