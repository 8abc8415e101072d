//! Retention: which generations are kept, and why.
//!
//! [`plan`] is one pure function from what lies in a store, the policy and the time to a verdict with reasons per
//! generation. Whoever executes it decides nothing (docs/retention.md has the rules with examples).
//!
//! The promises, in order of rank:
//! 1. Only copies that are verified count. What is not verified never displaces what is.
//! 2. The last verified copy, with its base, is kept by whatever policy (on a source: unless `generations: 0` is declared).
//! 3. A base is kept while anything that stays needs it.
//! 4. At a sink nothing younger than `protect`, by receipt time, is deleted.
//! 5. At a sink a verified copy is deleted only if the copies that make it superfluous were re-read recently.

mod candidate;
mod decide;
mod merits;
mod period;
mod policy;
mod reason;
mod rules;
mod simulation;
mod standing;

pub use candidate::{Arrival, Candidate, assume_reread, stale};
pub use decide::plan;
pub use period::Period;
pub use policy::Policy;
pub use reason::{Reason, Unproven};
pub use simulation::Simulation;

use crate::{Failure, GenerationId, GenerationKind, Kind, units::Span};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// The zone in which stores are rotated: hosts in several zones share a sink, and no day of it has 23 hours.
pub const ZONE: TimeZone = TimeZone::UTC;

/// Everything besides generations and policy that decides.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The time of the decision.
    pub now: Timestamp,
    /// Where days, weeks, months and years begin.
    pub zone: TimeZone,
    /// Whose store it is.
    pub side: Side,
}

/// Whose store is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The source's own: a copy counts if the sink acknowledged it, its time is its id's.
    Source,
    /// The sink's: a copy counts if its digests were re-read here, its time is its receipt's.
    Sink {
        /// Nothing younger than this by receipt time is deleted.
        protect: Span,
        /// A deletion needs the copies that justify it to have been re-read within this time.
        verify_max_age: Span,
    },
}

impl Side {
    /// Until when nothing that came at `time` may be deleted.
    fn protects_until(self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Source => None,
            Self::Sink { protect, .. } => Some(after(time, protect)),
        }
    }
}

/// What happens to a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It is superfluous, but what makes it so is not proven recently enough: it stays for now.
    Postpone,
    /// It is deleted.
    Expire,
}

impl Verdict {
    /// As in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Postpone => "postpone",
            Self::Expire => "expire",
        }
    }
}

/// The verdict on one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which.
    pub id: GenerationId,
    /// Full or incremental.
    pub kind: GenerationKind,
    /// Stored bytes.
    pub bytes: u64,
    /// What happens to it.
    pub verdict: Verdict,
    /// Every reason that applies; never empty.
    pub reasons: Vec<Reason>,
    /// At a sink, for what is superfluous: the kept generations that make it so, with their bases.
    pub justified_by: Vec<GenerationId>,
}

/// A verdict per generation, oldest first, and what to read so that more can be decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetentionPlan {
    /// One per candidate, oldest first.
    pub decisions: Vec<Decision>,
    /// Re-read these, in this order, note the results and plan again: then postponed deletions may be due.
    pub needs_reread: Vec<GenerationId>,
}

impl RetentionPlan {
    /// What to delete, in the order that leaves no incremental without its base: incrementals first, oldest first.
    pub fn deletions(&self) -> Vec<&Decision> {
        let mut expired: Vec<_> = self.with(Verdict::Expire).collect();
        expired.sort_by_key(|decision| (decision.kind == GenerationKind::Full, decision.id));
        expired
    }

    /// The decisions with this verdict, oldest first.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(move |decision| decision.verdict == verdict)
    }
}

/// A policy that must not be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// No rule that keeps anything.
    #[error("cannot rotate by an empty policy")]
    Empty,
    /// Rules that keep nothing, at a sink.
    #[error("cannot rotate a sink by a policy that keeps nothing")]
    KeepsNothing,
}

impl RetentionError {
    /// Refuses a policy that must not be executed.
    fn check(policy: &Policy, side: Side) -> Result<(), Self> {
        match side {
            _ if policy.is_empty() => Err(Self::Empty),
            Side::Sink { .. } if policy.keeps_nothing() => Err(Self::KeepsNothing),
            _ => Ok(()),
        }
    }
}

impl Failure for RetentionError {
    fn kind(&self) -> Kind {
        Kind::RetentionRefused
    }

    fn hint(&self) -> Option<String> {
        Some("Give at least one rule, such as `generations: 7`.".into())
    }
}

fn signed(span: Span) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(span.0).unwrap_or(i64::MAX))
}

/// `span` before `time`.
fn before(time: Timestamp, span: Span) -> Timestamp {
    time.saturating_sub(signed(span)).unwrap_or(Timestamp::MIN)
}

/// `span` after `time`.
fn after(time: Timestamp, span: Span) -> Timestamp {
    time.saturating_add(signed(span)).unwrap_or(Timestamp::MAX)
}
