//! From what the rules keep to a verdict per generation.

use super::{
    Candidate, Decision, Policy, Reason, RetentionError, RetentionPlan, Rules, Side, Unproven, Verdict,
    candidate::{Standing, standings},
    rules::{Choice, before, choices},
};
use crate::{GenerationId, GenerationKind, units::Span};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Decides about every generation in a store. The order of `candidates` does not matter.
///
/// # Errors
/// [`RetentionError`] if the policy keeps nothing where something must be kept.
pub fn plan(candidates: &[Candidate], policy: &Policy, rules: &Rules) -> Result<RetentionPlan, RetentionError> {
    if policy.is_empty() {
        return Err(RetentionError::Empty);
    }
    if policy.keeps_nothing() && rules.side != Side::Source {
        return Err(RetentionError::KeepsNothing);
    }
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
    /// What each rule keeps.
    choices: Vec<Choice>,
    /// The same by generation.
    chosen: BTreeMap<GenerationId, Vec<Reason>>,
    /// Kept whatever the rules and `max_age` say: the newest that counts.
    last: BTreeSet<GenerationId>,
    /// Kept whatever the rules say: the two newest fulls that count.
    fulls: BTreeSet<GenerationId>,
}

impl<'a> Desk<'a> {
    fn new(sorted: &'a [&'a Candidate], standings: &'a [Standing], policy: &'a Policy, rules: &'a Rules) -> Self {
        let counted: Vec<_> = with(sorted, standings, Standing::Counted).collect();
        let mut last = BTreeSet::new();
        if !policy.keeps_nothing() {
            last.extend(counted.last().map(|c| c.id));
            // On a source an arrival receipt counts too, but does not displace the last that the sink has compared.
            last.extend(counted.iter().rev().find(|c| c.proven_at().is_some()).map(|c| c.id));
        }
        let several = policy.names_several() && rules.side != Side::Source;
        let fulls = counted.iter().rev().filter(|c| c.kind() == GenerationKind::Full).take(if several { 2 } else { 0 });
        let choices = choices(&counted, policy, rules);
        let mut chosen: BTreeMap<GenerationId, Vec<Reason>> = BTreeMap::new();
        for (id, reason) in choices.iter().flat_map(|choice| &choice.kept) {
            chosen.entry(*id).or_default().push(reason.clone());
        }
        Self { sorted, standings, policy, rules, choices, chosen, last, fulls: fulls.map(|c| c.id).collect() }
    }

    /// What rules and promises keep among the copies that count, with their bases.
    fn wanted(&self) -> BTreeSet<GenerationId> {
        let wanted = self.chosen.keys().chain(&self.fulls).copied().filter_map(|id| self.find(id));
        let young = wanted.filter(|c| !self.is_over_age(c)).chain(self.last.iter().filter_map(|id| self.find(*id)));
        young.flat_map(|c| [Some(c.id), self.base(c)]).flatten().collect()
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
            Standing::Counted => self.merits(candidate),
            Standing::Future => vec![Reason::Future],
            _ if self.rules.side == Side::Source && candidate.receipt.is_none() => vec![Reason::Unacknowledged],
            Standing::Unread if worth_reading.contains(&candidate.id) => vec![Reason::WouldCount],
            _ if self.policy.keeps_nothing() || self.superseded_by(candidate).is_some() => Vec::new(),
            Standing::Unread | Standing::Unproven(_) => vec![Reason::NotSuperseded { why: why(standing) }],
        };
        reasons.extend(candidate.hold.iter().map(|why| Reason::Held { why: why.clone() }));
        if let Side::Sink { protect, .. } = self.rules.side {
            let until = after(candidate.time(self.rules.side), protect);
            if self.rules.now < until {
                reasons.push(Reason::Protected { until });
            }
        }
        reasons
    }

    /// Why a copy that counts is kept, apart from what holds for every copy.
    fn merits(&self, candidate: &Candidate) -> Vec<Reason> {
        let over_age = self.is_over_age(candidate);
        let mut reasons = Vec::new();
        if !over_age {
            reasons.extend(self.chosen.get(&candidate.id).into_iter().flatten().cloned());
            if self.fulls.contains(&candidate.id) {
                reasons.push(Reason::TwoFulls);
            }
        }
        if self.last.contains(&candidate.id) {
            reasons.push(Reason::Last { over_age });
        }
        reasons
    }

    fn is_over_age(&self, candidate: &Candidate) -> bool {
        let oldest = self.policy.max_age.map(|max_age| before(self.rules.now, max_age));
        oldest.is_some_and(|oldest| candidate.time(self.rules.side) < oldest)
    }

    /// The newest copy that counts, if it is newer than this one.
    fn superseded_by(&self, candidate: &Candidate) -> Option<GenerationId> {
        self.last.last().copied().filter(|last| *last > candidate.id)
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
        let mut relied = self.last.clone();
        if *reason == Reason::NoRule {
            relied.extend(&self.fulls);
            relied.extend(self.choices.iter().filter_map(|choice| choice.instead_of(candidate, self.rules)));
        }
        let stay = relied.iter().filter(|id| kept.contains_key(id)).filter_map(|id| self.find(*id));
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

fn after(time: Timestamp, span: Span) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(span.0).unwrap_or(i64::MAX));
    time.saturating_add(span).unwrap_or(Timestamp::MAX)
}
