//! Short ways to say what lies in a store.

use backup_core::retention::{Arrival, Candidate, Policy, RetentionPlan, Rules, Side, Verdict, plan};
use backup_core::{Digest, GenerationId, GenerationRef, receipt::Checked, units::Span};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

pub(crate) const DAY: u64 = 86_400;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn policy(yaml: &str) -> Policy {
    serde_saphyr::from_str(yaml).unwrap()
}

/// A full of `2026-11-20` or `2026-11-20T22:00:00`: received one hour later, verified on arrival.
pub(crate) fn full(time: &str) -> Candidate {
    let time = if time.contains('T') { at(&format!("{time}Z")) } else { at(&format!("{time}T22:00:00Z")) };
    full_at(time)
}

pub(crate) fn full_at(time: Timestamp) -> Candidate {
    let id = GenerationId::at(time);
    let received_at = time.saturating_add(SignedDuration::from_hours(1)).unwrap();
    Candidate {
        id,
        digest: Digest::of(id.to_string().as_bytes()),
        base: None,
        bytes: 1000,
        hold: None,
        receipt: Some(Arrival { received_at, verified_at: Some(received_at) }),
        checked: None,
    }
}

pub(crate) fn incremental(time: &str, base: &Candidate) -> Candidate {
    Candidate { base: Some(reference(base)), ..full(time) }
}

pub(crate) fn reference(of: &Candidate) -> GenerationRef {
    GenerationRef { id: of.id, digest: of.digest.clone() }
}

pub(crate) trait Change: Sized {
    fn change(self, how: impl FnOnce(&mut Self)) -> Self;
}

impl Change for Candidate {
    fn change(mut self, how: impl FnOnce(&mut Self)) -> Self {
        how(&mut self);
        self
    }
}

pub(crate) fn arrived_only(candidate: Candidate) -> Candidate {
    candidate.change(|c| c.receipt.as_mut().unwrap().verified_at = None)
}

pub(crate) fn checked(candidate: Candidate, time: &str, ok: bool) -> Candidate {
    candidate.change(|c| c.checked = Some(Checked { digest: c.digest.clone(), checked_at: at(time), ok }))
}

/// A sink without protection where everything counts as freshly re-read.
pub(crate) fn sink(now: &str) -> Rules {
    careful_sink(now, 0, 100_000 * DAY)
}

pub(crate) fn careful_sink(now: &str, protect: u64, verify_max_age: u64) -> Rules {
    let side = Side::Sink { protect: Span(protect), verify_max_age: Span(verify_max_age) };
    Rules { now: at(now), zone: TimeZone::UTC, side }
}

pub(crate) fn source(now: &str) -> Rules {
    Rules { now: at(now), zone: TimeZone::UTC, side: Side::Source }
}

pub(crate) fn ids(plan: &RetentionPlan, verdict: Verdict) -> Vec<String> {
    plan.with(verdict).map(|decision| decision.id.to_string()[..8].to_owned()).collect()
}

/// The dates that stay, for good or for now.
pub(crate) fn stay(candidates: &[Candidate], rules: &str, sides: &Rules) -> Vec<String> {
    let plan = plan(candidates, &policy(rules), sides).unwrap();
    plan.decisions.iter().filter(|d| d.verdict != Verdict::Expire).map(|d| d.id.to_string()[..8].to_owned()).collect()
}

/// One line per generation: what happens, and why.
pub(crate) fn explain(plan: &RetentionPlan) -> String {
    let line = |d: &backup_core::retention::Decision| {
        let reasons: Vec<_> = d.reasons.iter().map(ToString::to_string).collect();
        format!("{:8} {} {}\n", d.verdict.as_str(), d.id, reasons.join("; "))
    };
    plan.decisions.iter().map(line).collect()
}
