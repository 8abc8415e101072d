//! What a sink answers to an offer: one pure function over what it holds.
//!
//! Invariants: the same id with another digest is never accepted; ids only grow; an incremental is never accepted
//! without its base; what was accepted once is not carried again.

use crate::candidate::Candidate;
use crate::error::TransportError;
use crate::wire::{Complaint, Quota, Verdict};
use backup_core::{Digest, GenerationId, GenerationKind, GenerationRef, InstanceId, Kind};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Room that stays free whatever arrives, in bytes: receipts, journals and directories need some.
pub(crate) const RESERVE: u64 = 16 << 20;

/// What the sink holds of one stream.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    /// Every generation ever accepted, also after its expiry.
    pub accepted: BTreeMap<GenerationId, Digest>,
    /// Sealed generations in the store.
    pub stored: BTreeMap<GenerationId, Stored>,
    /// Generations that arrived whole and wait to be verified.
    pub arrived: BTreeMap<GenerationId, Digest>,
    /// Generations of which something lies in `incoming`.
    pub incoming: BTreeSet<GenerationId>,
    /// The source installation that is accepted; `None` before the first.
    pub instance: Option<InstanceId>,
    /// Bytes free where generations arrive.
    pub free: u64,
    /// What the source may fill, and what it does; `None`: whatever is free.
    pub quota: Option<Quota>,
    /// Bytes of what lies in `incoming`, by generation: it makes room for the rest of the same.
    pub begun: BTreeMap<GenerationId, u64>,
}

/// A sealed generation in the sink's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of its seal.
    pub digest: Digest,
    /// The last re-reading found damage.
    pub damaged: bool,
}

impl Shelf {
    /// The newest id that was ever accepted.
    pub fn newest(&self) -> Option<GenerationId> {
        let last = |id: Option<&GenerationId>| id.copied();
        last(self.accepted.keys().next_back()).max(last(self.stored.keys().next_back()))
    }

    /// The digest under which this id was accepted.
    fn known(&self, id: GenerationId) -> Option<&Digest> {
        self.accepted.get(&id).or_else(|| self.stored.get(&id).map(|stored| &stored.digest))
    }

    /// Why `base` cannot carry an incremental; `None` if it can.
    pub fn lacks(&self, base: &GenerationRef) -> Option<&'static str> {
        match self.stored.get(&base.id) {
            None => Some("is not in the sink's store"),
            Some(stored) if stored.digest != base.digest => Some("has another digest in the sink's store"),
            Some(stored) if stored.damaged => Some("is damaged in the sink's store"),
            Some(_) => None,
        }
    }
}

/// Judges `offers`, oldest first, each as if those before it had been accepted as judged.
pub fn judge(shelf: &Shelf, offers: &[Candidate], now: Timestamp) -> Vec<Verdict> {
    let mut shelf = shelf.clone();
    offers
        .iter()
        .map(|offer| {
            let verdict = one(&shelf, offer, now);
            if matches!(verdict, Verdict::Send { .. } | Verdict::Have) {
                if verdict != Verdict::Have {
                    shelf.free = shelf.free.saturating_sub(offer.bytes());
                    if let Some(quota) = &mut shelf.quota {
                        quota.used = quota.used.saturating_add(offer.room());
                    }
                }
                shelf.stored.insert(offer.id(), Stored { digest: offer.digest.clone(), damaged: false });
                shelf.instance = Some(offer.manifest.instance.clone());
            }
            verdict
        })
        .collect()
}

fn one(shelf: &Shelf, offer: &Candidate, now: Timestamp) -> Verdict {
    let id = offer.id();
    match shelf.known(id) {
        Some(digest) if *digest != offer.digest => {
            return refuse(
                Kind::Quarantined,
                format!("generation {id} was accepted before with another digest, {digest}"),
                "Two source installations write ids of their own, or a copy was altered: find out which before anything else.",
            );
        }
        Some(_) if shelf.stored.get(&id).is_some_and(|stored| !stored.damaged) => return Verdict::Have,
        // Known damaged: no receipt is given for it again, and the source still has another.
        Some(_) if shelf.stored.contains_key(&id) => {}
        // Something in `incoming` under an accepted id: the stored copy was found damaged and was set aside there.
        Some(_) if shelf.arrived.contains_key(&id) || shelf.incoming.contains(&id) => {}
        Some(_) => return Verdict::Gone,
        None => {
            if let Some(refusal) = implausible(shelf, offer, now) {
                return refusal;
            }
        }
    }
    if offer.manifest.kind == GenerationKind::Incremental
        && let Some(base) = &offer.manifest.base
        && let Some(why) = shelf.lacks(base)
    {
        return Verdict::WantFull { why: format!("base {} {why}", base.id) };
    }
    if shelf.arrived.get(&id) == Some(&offer.digest) {
        return Verdict::Have;
    }
    if let Some(refusal) = exceeds_quota(shelf, offer) {
        return refusal;
    }
    let needed = offer.bytes().saturating_add(RESERVE);
    if shelf.free < needed {
        return refuse(
            Kind::NoSpace,
            format!("generation {id} needs {needed} bytes and the sink has {} free", shelf.free),
            "Make room on the sink; nothing is deleted beyond its retention to take a new copy in.",
        );
    }
    Verdict::Send { resumed: shelf.incoming.contains(&id) }
}

/// Room in the quota for all of it, but for what lies there of the same already.
fn exceeds_quota(shelf: &Shelf, offer: &Candidate) -> Option<Verdict> {
    let Quota { limit, used } = shelf.quota?;
    let used = used.saturating_sub(shelf.begun.get(&offer.id()).copied().unwrap_or(0));
    let needed = offer.room();
    let id = offer.id();
    let full = || Verdict::Refused(Complaint::of(&TransportError::QuotaFull { id, needed, used, limit }.into()));
    (used.saturating_add(needed) > limit).then(full)
}

/// What an honest source with a right clock would not offer.
fn implausible(shelf: &Shelf, offer: &Candidate, now: Timestamp) -> Option<Verdict> {
    let id = offer.id();
    let instance = &offer.manifest.instance;
    if let Some(known) = shelf.instance.as_ref().filter(|known| *known != instance) {
        return Some(refuse(
            Kind::Quarantined,
            format!("generation {id} comes from source instance {instance}, this sink knows {known}"),
            format!(
                "If the source was installed anew, run `backup_transport adopt {}/{} --stream {} --instance {instance}` on the sink; if it is a clone, give the clone a job of its own.",
                offer.manifest.source, offer.manifest.job, offer.manifest.stream
            ),
        ));
    }
    if let Some(newest) = shelf.newest().filter(|newest| id <= *newest) {
        return Some(refuse(
            Kind::Quarantined,
            format!("generation {id} is not newer than {newest}, the newest that was accepted"),
            "The source's clock went back, or an old copy came into its handover point: move it to `quarantine/` there.",
        ));
    }
    if now.duration_until(id.time()) > GenerationId::CLOCK_TOLERANCE {
        return Some(refuse(
            Kind::Quarantined,
            format!("generation {id} is from the future: the sink's clock says {}", GenerationId::at(now)),
            "Set the clock that is wrong.",
        ));
    }
    None
}

fn refuse(kind: Kind, msg: String, hint: impl Into<String>) -> Verdict {
    Verdict::Refused(Complaint { kind, msg, hint: Some(hint.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const OURS: &str = "0123456789abcdef0123456789abcdef";
    const THEIRS: &str = "fedcba9876543210fedcba9876543210";

    fn id(day: u8) -> GenerationId {
        format!("202611{day:02}T020000Z").parse().unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-20T02:30:00Z".parse().unwrap()
    }

    fn full(day: u8) -> Candidate {
        sample::candidate(id(day), OURS, None, "data")
    }

    fn incremental(day: u8, base: &Candidate) -> Candidate {
        sample::candidate(id(day), OURS, Some(base.reference()), "data")
    }

    fn holding(held: &[&Candidate]) -> Shelf {
        Shelf {
            accepted: held.iter().map(|c| (c.id(), c.digest.clone())).collect(),
            stored: held.iter().map(|c| (c.id(), Stored { digest: c.digest.clone(), damaged: false })).collect(),
            instance: (!held.is_empty()).then(|| OURS.parse().unwrap()),
            free: 1 << 30,
            ..Shelf::default()
        }
    }

    /// A quota of which so much is left.
    fn within(left: u64, held: &Candidate) -> Shelf {
        Shelf { quota: Some(Quota { limit: 1 << 20, used: (1 << 20) - left }), ..holding(&[held]) }
    }

    fn damaged(held: &Candidate) -> Shelf {
        let stored = Stored { digest: held.digest.clone(), damaged: true };
        Shelf { stored: [(held.id(), stored)].into(), ..holding(&[held]) }
    }

    fn word(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Send { resumed: false } => "send".into(),
            Verdict::Send { resumed: true } => "resume".into(),
            Verdict::Have => "have".into(),
            Verdict::Gone => "gone".into(),
            Verdict::WantFull { .. } => "want_full".into(),
            Verdict::Refused(complaint) => complaint.kind.name().into(),
        }
    }

    fn words(shelf: &Shelf, offers: &[Candidate]) -> Vec<String> {
        judge(shelf, offers, now()).iter().map(word).collect()
    }

    #[test]
    fn one_offer() {
        let base = full(10);
        let other = sample::candidate(id(10), OURS, None, "other contents");
        let table: Vec<(&str, Shelf, Candidate, &str)> = vec![
            ("the first ever", holding(&[]), full(11), "send"),
            ("a newer full", holding(&[&base]), full(11), "send"),
            ("an incremental on a base that is there", holding(&[&base]), incremental(11, &base), "send"),
            ("again what is stored", holding(&[&base]), full(10), "have"),
            (
                "stored, but the journal was not written yet",
                Shelf { accepted: BTreeMap::new(), ..holding(&[&base]) },
                full(10),
                "have",
            ),
            ("stored, but found damaged since", damaged(&base), full(10), "send"),
            (
                "the same, and another has arrived",
                Shelf { arrived: [(id(10), base.digest.clone())].into(), ..damaged(&base) },
                full(10),
                "have",
            ),
            ("expired since", Shelf { stored: BTreeMap::new(), ..holding(&[&base]) }, full(10), "gone"),
            (
                "accepted, found damaged and set aside",
                Shelf { stored: BTreeMap::new(), incoming: [id(10)].into(), ..holding(&[&base]) },
                full(10),
                "resume",
            ),
            (
                "an earlier attempt was cut",
                Shelf { incoming: [id(11)].into(), ..holding(&[&base]) },
                full(11),
                "resume",
            ),
            ("the same id with another digest", holding(&[&base]), other, "quarantined"),
            ("older than the newest", holding(&[&base]), full(9), "quarantined"),
            ("another installation", holding(&[&base]), sample::candidate(id(11), THEIRS, None, "data"), "quarantined"),
            (
                "another installation, the first ever",
                holding(&[]),
                sample::candidate(id(11), THEIRS, None, "d"),
                "send",
            ),
            ("from tomorrow", holding(&[&base]), full(21), "quarantined"),
            ("a base that never came", holding(&[]), incremental(11, &base), "want_full"),
            ("a damaged base", damaged(&base), incremental(11, &base), "want_full"),
            (
                "a base with another digest",
                holding(&[&base]),
                incremental(11, &sample::candidate(id(10), OURS, None, "other contents")),
                "want_full",
            ),
            (
                "arrived, not verified yet",
                Shelf { arrived: [(id(11), full(11).digest)].into(), ..holding(&[&base]) },
                full(11),
                "have",
            ),
            ("just within the quota", within(full(11).room(), &base), full(11), "send"),
            ("just beyond the quota", within(full(11).room() - 1, &base), full(11), "no_space"),
            (
                "what lies there of it makes room for it",
                Shelf {
                    incoming: [id(11)].into(),
                    begun: [(id(11), 4096)].into(),
                    ..within(full(11).room() - 4096, &base)
                },
                full(11),
                "resume",
            ),
            ("stored already, whatever the quota", within(0, &base), full(10), "have"),
            ("no room", Shelf { free: RESERVE, ..holding(&[&base]) }, full(11), "no_space"),
        ];
        for (what, shelf, offer, expected) in table {
            assert_eq!(words(&shelf, &[offer]), [expected], "{what}");
        }
    }

    #[test]
    fn within_five_minutes_the_clocks_may_differ() {
        let near = sample::candidate("20261120T023400Z".parse().unwrap(), OURS, None, "data");
        let far = sample::candidate("20261120T023501Z".parse().unwrap(), OURS, None, "data");
        assert_eq!(words(&holding(&[]), &[near]), ["send"]);
        assert_eq!(words(&holding(&[]), &[far]), ["quarantined"]);
    }

    #[test]
    fn offers_are_judged_one_after_the_other() {
        let base = full(10);
        let chain = [base.clone(), incremental(11, &base), incremental(12, &base)];
        assert_eq!(words(&holding(&[]), &chain), ["send", "send", "send"]);
        assert_eq!(words(&holding(&[]), &[incremental(11, &base), full(12)]), ["want_full", "send"]);
        let room = Shelf { free: RESERVE + full(11).bytes(), ..holding(&[]) };
        assert_eq!(words(&room, &[full(11), full(12)]), ["send", "no_space"]);
        let quota = Shelf { quota: within(2 * full(11).room() - 1, &base).quota, ..holding(&[]) };
        assert_eq!(words(&quota, &[full(11), full(12)]), ["send", "no_space"]);
        let stranger = sample::candidate(id(12), THEIRS, None, "data");
        assert_eq!(words(&holding(&[]), &[full(11), stranger]), ["send", "quarantined"]);
    }

    #[test]
    fn a_refusal_names_the_command_that_resolves_it() {
        let verdicts = judge(&holding(&[&full(10)]), &[sample::candidate(id(11), THEIRS, None, "data")], now());
        let [Verdict::Refused(complaint)] = verdicts.as_slice() else { panic!("{verdicts:?}") };
        let hint = complaint.hint.as_deref().unwrap();
        assert!(
            hint.contains(&format!("backup_transport adopt web1/shop --stream data --instance {THEIRS}")),
            "{hint}"
        );
    }
}
