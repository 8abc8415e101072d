//! What is collected, and why: pure functions from what a run found to what it does.
//!
//! Nothing here reads a clock or a file. Every answer carries its reason, because the reason is part of the result.

use backup_core::job::{FullRule, Verify};
use backup_core::state::Good;
use backup_core::units::{Percent, Span};
use backup_core::{Digest, GenerationId, GenerationKind, GenerationRef};
use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// Which kind of generation the caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Wish {
    /// Whatever the job's rule says.
    #[default]
    Auto,
    /// A full.
    Full,
    /// An incremental, whatever the job's rule says; a full where there is no base.
    Incremental,
}

/// A full whose index is still here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Which.
    pub id: GenerationId,
    /// What the sink says of it.
    pub receipt: Option<Acknowledged>,
}

/// What the sink's receipt for a full says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// Of exactly this content.
    pub digest: Digest,
    /// Its digests were re-read on the sink; else it only arrived.
    pub is_verified: bool,
}

/// What earlier runs left, as far as it matters for the kind of the next generation.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Fulls with an index here, in any order.
    pub candidates: Vec<Candidate>,
    /// The newest full that is still to be transported.
    pub waiting_full: Option<GenerationId>,
    /// The newest generation that was sealed here.
    pub last: Option<Good>,
    /// The newest full that was sealed here.
    pub last_full: Option<Good>,
    /// Whether the sink says that it lacks a usable base.
    pub sink_wants_full: bool,
    /// Whether the stream has only dumps, which every generation holds whole.
    pub only_dumps: bool,
}

/// Why a generation has its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The caller said so.
    Asked,
    /// The sink said so.
    SinkWants,
    /// There is nothing that an incremental could leave out.
    OnlyDumps,
    /// No full was made here yet, or its index is gone.
    NoFull,
    /// The newest full that has an index is not acknowledged by the sink.
    NoReceipt(GenerationId),
    /// Its receipt only says that it arrived, and the job wants its copies verified.
    OnlyArrived(GenerationId),
    /// The newest full is as old as the rule allows.
    Age {
        /// The newest full.
        full: GenerationId,
        /// `full.every`.
        every: Span,
    },
    /// The last incremental was too large a share of its full.
    Size {
        /// The last incremental.
        last: GenerationId,
        /// Its stored bytes.
        bytes: u64,
        /// Stored bytes of its full.
        of: u64,
        /// `full.above`.
        above: Percent,
    },
    /// Nothing speaks against an incremental.
    Base(GenerationId),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("the caller asked for it"),
            Self::SinkWants => f.write_str("the sink lacks a usable base and asked for a full"),
            Self::OnlyDumps => f.write_str("the stream has only dumps, which are always whole"),
            Self::NoFull => f.write_str("there is no full with an index on this host"),
            Self::NoReceipt(id) => write!(f, "the full {id} has no receipt from the sink yet"),
            Self::OnlyArrived(id) => write!(f, "the receipt of the full {id} says only that it arrived"),
            Self::Age { full, every } => write!(f, "the full {full} is {every} old or older"),
            Self::Size { last, bytes, of, above } => {
                write!(f, "the incremental {last} has {bytes} bytes, above {above} of its full's {of}")
            }
            Self::Base(id) => write!(f, "the full {id} is a usable base"),
        }
    }
}

/// The kind of the next generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The base; `None`: a full.
    pub base: Option<GenerationRef>,
    /// Why.
    pub reason: Reason,
}

impl Choice {
    /// Full or incremental.
    pub(crate) const fn kind(&self) -> GenerationKind {
        if self.base.is_some() { GenerationKind::Incremental } else { GenerationKind::Full }
    }

    const fn full(reason: Reason) -> Self {
        Self { base: None, reason }
    }
}

/// Chooses the kind of the next generation. Where there is no base it is a full, even if an incremental was asked for: cron
/// asks for incrementals on most days, and a copy that is larger is better than none.
///
/// An incremental needs a base that the sink has: the newest full that has both an index here and a receipt. A receipt
/// of mere arrival counts only where the job wants no verification.
pub(crate) fn next_kind(wish: Wish, rule: FullRule, verify: Verify, now: Timestamp, history: &History) -> Choice {
    let base = if history.only_dumps {
        Err(Reason::OnlyDumps)
    } else if history.sink_wants_full {
        Err(Reason::SinkWants)
    } else {
        base(verify, &history.candidates)
    };
    match (wish, base) {
        (Wish::Full, _) => Choice::full(Reason::Asked),
        (Wish::Incremental, Ok(base)) => Choice { base: Some(base), reason: Reason::Asked },
        (Wish::Incremental | Wish::Auto, Err(reason)) => Choice::full(reason),
        (Wish::Auto, Ok(base)) => match full_due(rule, now, &base, history) {
            Some(reason) => Choice::full(reason),
            None => Choice { reason: Reason::Base(base.id), base: Some(base) },
        },
    }
}

fn base(verify: Verify, candidates: &[Candidate]) -> Result<GenerationRef, Reason> {
    let usable = candidates.iter().filter_map(|candidate| {
        let receipt = candidate.receipt.as_ref().filter(|receipt| receipt.is_verified || verify == Verify::None)?;
        Some(GenerationRef { id: candidate.id, digest: receipt.digest.clone() })
    });
    if let Some(base) = usable.max_by_key(|base| base.id) {
        return Ok(base);
    }
    Err(match candidates.iter().max_by_key(|candidate| candidate.id) {
        None => Reason::NoFull,
        Some(Candidate { id, receipt: None }) => Reason::NoReceipt(*id),
        Some(Candidate { id, .. }) => Reason::OnlyArrived(*id),
    })
}

/// Whether the rule wants a full although there is a base.
fn full_due(rule: FullRule, now: Timestamp, base: &GenerationRef, history: &History) -> Option<Reason> {
    // A full that waits for transport is not made once more each night.
    let full = history.waiting_full.map_or(base.id, |waiting| waiting.max(base.id));
    let every = SignedDuration::try_from(rule.every.duration()).unwrap_or(SignedDuration::MAX);
    if now.duration_since(full.time()) >= every {
        return Some(Reason::Age { full, every: rule.every });
    }
    let (last, of) = (history.last.as_ref()?, history.last_full.as_ref()?.stored_bytes);
    let measures_this_base =
        last.base.as_ref() == Some(base) && history.last_full.as_ref().is_some_and(|full| full.generation == *base);
    (measures_this_base && last.stored_bytes > rule.above.of(of)).then_some(Reason::Size {
        last: last.generation.id,
        bytes: last.stored_bytes,
        of,
        above: rule.above,
    })
}

/// Whether `newest` is younger than `max_age` at `now`. A generation from the future is no reason to do nothing.
pub(crate) fn is_fresh(newest: Option<GenerationId>, max_age: Option<Span>, now: Timestamp) -> bool {
    let (Some(newest), Some(max_age)) = (newest, max_age) else { return false };
    let age = now.duration_since(newest.time());
    !age.is_negative() && age.unsigned_abs() < max_age.duration()
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::manifest::Tree;

    fn id(text: &str) -> GenerationId {
        text.parse().unwrap()
    }

    fn full(text: &str) -> GenerationRef {
        GenerationRef { id: id(text), digest: Digest::of(text.as_bytes()) }
    }

    fn good(text: &str, base: Option<&str>, stored_bytes: u64) -> Good {
        Good {
            generation: full(text),
            kind: if base.is_some() { GenerationKind::Incremental } else { GenerationKind::Full },
            base: base.map(full),
            tree: Tree { paths: 10, bytes: 1000 },
            stored_bytes,
            duration_ms: 0,
            downtime_ms: 0,
        }
    }

    const W: &str = "20261114T220000Z";
    const X: &str = "20261118T220000Z";
    const Y: &str = "20261119T220000Z";
    const NOW: &str = "2026-11-20T22:00:00Z";

    #[derive(Debug, Clone, Copy)]
    enum Receipt {
        No,
        Arrived,
        Verified,
    }

    fn candidates(list: &[(&str, Receipt)]) -> Vec<Candidate> {
        let acknowledged = |id: &str, is_verified| Some(Acknowledged { digest: full(id).digest, is_verified });
        list.iter()
            .map(|&(text, receipt)| Candidate {
                id: id(text),
                receipt: match receipt {
                    Receipt::No => None,
                    Receipt::Arrived => acknowledged(text, false),
                    Receipt::Verified => acknowledged(text, true),
                },
            })
            .collect()
    }

    fn choose(wish: Wish, verify: Verify, history: &History) -> (Option<GenerationId>, String) {
        let choice = next_kind(wish, FullRule::default(), verify, NOW.parse().unwrap(), history);
        (choice.base.map(|base| base.id), choice.reason.to_string())
    }

    #[test]
    fn the_base_is_the_newest_full_that_the_sink_has() {
        use Receipt::{Arrived, No, Verified};
        // (fulls, verify, base, part of the reason)
        type Case<'a> = (&'a [(&'a str, Receipt)], Verify, Option<&'a str>, &'a str);
        let table: &[Case<'_>] = &[
            (&[], Verify::Hash, None, "no full with an index"),
            (&[(X, No)], Verify::Hash, None, "no receipt"),
            (&[(X, Arrived)], Verify::Hash, None, "only that it arrived"),
            (&[(X, Arrived)], Verify::None, Some(X), "usable base"),
            (&[(X, Verified)], Verify::Hash, Some(X), "usable base"),
            (&[(X, Verified)], Verify::None, Some(X), "usable base"),
            (&[(W, Verified), (X, Verified)], Verify::Hash, Some(X), "usable base"),
            (&[(X, Verified), (W, Verified)], Verify::Hash, Some(X), "usable base"),
            (&[(W, Verified), (X, No)], Verify::Hash, Some(W), "usable base"),
            (&[(W, Arrived), (X, No)], Verify::Hash, None, "no receipt"),
        ];
        for (fulls, verify, base, part) in table {
            let history = History { candidates: candidates(fulls), ..History::default() };
            let (got, reason) = choose(Wish::Auto, *verify, &history);
            assert_eq!(got, base.map(id), "{fulls:?}");
            assert!(reason.contains(part), "{fulls:?}: {reason}");
        }
    }

    #[test]
    fn wishes_are_granted_where_there_is_a_base() {
        let none = History::default();
        let some = History { candidates: candidates(&[(X, Receipt::Verified)]), ..History::default() };
        assert_eq!(choose(Wish::Full, Verify::Hash, &some).0, None);
        assert_eq!(choose(Wish::Incremental, Verify::Hash, &some).0, Some(id(X)));
        assert!(choose(Wish::Incremental, Verify::Hash, &none).1.contains("no full"));
        let wanted = History { sink_wants_full: true, ..some.clone() };
        assert!(choose(Wish::Auto, Verify::Hash, &wanted).1.contains("the sink"));
        assert!(choose(Wish::Incremental, Verify::Hash, &wanted).1.contains("the sink"));
        let dumps = History { only_dumps: true, ..some };
        assert!(choose(Wish::Auto, Verify::Hash, &dumps).1.contains("dumps"));
    }

    #[test]
    fn a_full_is_due_by_age_and_by_the_size_of_the_last_incremental() {
        let now: Timestamp = NOW.parse().unwrap();
        let rule = |every: &str, above| FullRule { every: every.parse().unwrap(), above: Percent(above) };
        let acknowledged = candidates(&[(X, Receipt::Verified)]);
        let last = |bytes| Some(good(Y, Some(X), bytes));
        // (rule, last, last full, waiting full, part of the reason)
        let table = [
            (rule("7d", 30), None, None, None, "usable base"),
            (rule("2d", 30), None, None, None, "2d old"),
            (rule("2d1s", 30), None, None, None, "usable base"),
            (rule("2d", 30), None, None, Some(Y), "usable base"),
            (rule("1d", 30), None, None, Some(Y), "1d old"),
            (rule("0", 30), None, None, None, "0s old"),
            (rule("7d", 30), last(300), Some(good(X, None, 1000)), None, "usable base"),
            (rule("7d", 30), last(301), Some(good(X, None, 1000)), None, "above 30%"),
            // Measured against another full: says nothing about this one.
            (rule("7d", 30), Some(good(Y, Some(W), 900)), Some(good(X, None, 1000)), None, "usable base"),
            (rule("7d", 30), last(900), Some(good(Y, None, 1000)), None, "usable base"),
            (rule("7d", 30), Some(good(X, None, 1000)), Some(good(X, None, 1000)), None, "usable base"),
        ];
        for (rule, last, last_full, waiting_full, part) in table {
            let history = History {
                candidates: acknowledged.clone(),
                last,
                last_full,
                waiting_full: waiting_full.map(id),
                ..History::default()
            };
            let reason = next_kind(Wish::Auto, rule, Verify::Hash, now, &history).reason.to_string();
            assert!(reason.contains(part), "{rule:?} {history:?}: {reason}");
        }
    }

    #[test]
    fn freshness() {
        let now = NOW.parse().unwrap();
        let hours = |n: u64| Some(Span(n * 3600));
        for (newest, max_age, fresh) in [
            (None, hours(24), false),
            (Some(Y), None, false),
            (Some(Y), hours(25), true),
            (Some(Y), hours(24), false),
            (Some(Y), hours(0), false),
            (Some("20261121T220000Z"), hours(24), false),
        ] {
            assert_eq!(is_fresh(newest.map(id), max_age, now), fresh, "{newest:?} {max_age:?}");
        }
    }
}
