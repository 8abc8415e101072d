//! The end where generations arrive: offers are judged, arrivals verified, stored and signed for.

pub mod alarm;
mod commit;
pub mod quota;
pub mod shelf;

use crate::arrival::{self, Arrival};
use crate::candidate::Candidate;
use crate::ends::Handle;
use crate::error::{Result, TransportError};
use crate::judge;
use crate::place::Place;
use crate::wire::{
    Complaint, List, Listing, Offer, Offered, Select, SignedReceipt, Standing, Status, Verdict, Verdicts,
};
use backup_adapters::store::{Listing as Listed, Stored, StreamStore};
use backup_adapters::{host, publish};
use backup_core::receipt::Receipt;
use backup_core::{GenerationId, GenerationRef};
use backup_interface::Failed;
use std::path::PathBuf;

/// This host as a sink of one stream.
#[derive(Debug, Clone)]
pub struct LocalSink {
    /// Where everything lies.
    pub place: Place,
}

impl Handle<Offer> for LocalSink {
    fn handle(&self, offer: Offer) -> Result<Verdicts> {
        let subject = self.place.subject();
        let parsed: Vec<_> =
            offer.generations.into_iter().map(|one| Candidate::parse(one, &subject).map_err(Failed::from)).collect();
        let candidates: Vec<_> = parsed.iter().filter_map(|one| one.as_ref().ok()).cloned().collect();
        let incoming = self.place.incoming();
        let _lock = if offer.check {
            None
        } else {
            publish::create_dirs(incoming.dir().path(), 0o750, None)?;
            Some(self.place.lock_active(&incoming, "offer")?)
        };
        if !offer.check {
            arrival::forget_offers(&incoming)?;
        }
        let shelf = shelf::read(&self.place)?;
        let mut judged = judge::judge(&shelf, &candidates, host::now().timestamp()).into_iter();
        let mut verdicts = Vec::with_capacity(parsed.len());
        for one in &parsed {
            let verdict = match one {
                Ok(_) => judged.next().expect("one verdict for each candidate"),
                Err(failed) => Verdict::Refused(Complaint::of(failed)),
            };
            if let (Ok(candidate), Verdict::Send { .. }, false) = (one, &verdict, offer.check) {
                Arrival::new(&self.place, &incoming, candidate.id()).announce(&candidate.offered)?;
            }
            verdicts.push(verdict);
        }
        Ok(Verdicts { verdicts })
    }
}

impl Handle<Status> for LocalSink {
    fn handle(&self, _: Status) -> Result<Standing> {
        let outstanding = crate::arrival::arriving(&self.place.incoming())?.into_iter().collect();
        let free_bytes = shelf::free(self.place.incoming().dir().path())?;
        let (quota, _) = quota::used(&self.place)?;
        Ok(Standing { quota, ..standing(&self.place.store().list()?, outstanding, free_bytes) })
    }
}

/// How a store stands.
pub fn standing(listing: &Listed, outstanding: Vec<GenerationId>, free_bytes: u64) -> Standing {
    Standing {
        outstanding,
        stored: listing.generations.iter().map(|stored| stored.id).collect(),
        newest_verified: newest_verified(listing)
            .map(|stored| GenerationRef { id: stored.id, digest: stored.digest.clone() }),
        free_bytes,
        quota: None,
    }
}

/// Whether its last re-reading found damage.
fn is_damaged(stored: &Stored) -> bool {
    stored.checked.as_ref().is_some_and(|checked| !checked.ok)
}

/// The newest generation that is verified and, with its base, not known to be damaged since.
fn newest_verified(listing: &Listed) -> Option<&Stored> {
    newest_sound(listing, is_verified)
}

fn is_verified(stored: &Stored) -> bool {
    stored.receipt.as_ref().is_some_and(Receipt::is_verified)
}

/// The newest generation that is `wanted` and, with its base, not known to be damaged.
fn newest_sound(listing: &Listed, wanted: impl Fn(&Stored) -> bool) -> Option<&Stored> {
    let based = |stored: &Stored| {
        let found = |base: &GenerationRef| listing.get(base.id).filter(|found| found.digest == base.digest);
        stored.manifest.base.as_ref().is_none_or(|base| found(base).is_some_and(|found| !is_damaged(found)))
    };
    listing.generations.iter().rev().find(|stored| wanted(stored) && !is_damaged(stored) && based(stored))
}

impl Handle<List> for LocalSink {
    /// For a host that restores: what was asked for, after its base.
    fn handle(&self, list: List) -> Result<Listing> {
        let store = self.place.store();
        let listing = store.list()?;
        let chosen = match list.select {
            Select::All => return Ok(Listing::default()),
            Select::Newest => newest_verified(&listing).or_else(|| newest_sound(&listing, |_| true)),
            Select::NotAfter(last) => {
                let in_time = |stored: &Stored| stored.id <= last;
                newest_sound(&listing, |stored| in_time(stored) && is_verified(stored))
                    .or_else(|| newest_sound(&listing, in_time))
            }
            Select::Id(id) => Some(listing.get(id).ok_or_else(|| not_there(&store, id))?),
        };
        let Some(chosen) = chosen else { return Ok(Listing::default()) };
        let mut chain = vec![chosen.id];
        if let Some(base) = &chosen.manifest.base {
            listing.get(base.id).ok_or_else(|| not_there(&store, base.id))?;
            chain.insert(0, base.id);
        }
        let generations = chain.into_iter().map(|id| offered(&store, id)).collect::<Result<_>>()?;
        Ok(Listing { generations, unusable: Vec::new() })
    }
}

fn not_there(store: &StreamStore, id: GenerationId) -> backup_adapters::store::StoreError {
    backup_adapters::store::StoreError::NotFound { id, store: store.dir().path().to_owned() }
}

/// A sealed generation as it travels: its texts, and its receipt if there is one.
pub fn offered(store: &StreamStore, id: GenerationId) -> Result<Offered> {
    let folder = store.dir().generation(id);
    Ok(Offered {
        manifest: text(folder.join(backup_core::manifest::MANIFEST))?,
        seal: text(folder.join(backup_core::manifest::SEAL))?,
        receipt: match (text(store.dir().receipt(id)), text(store.dir().signature(id))) {
            (Ok(receipt), Ok(signature)) => Some(SignedReceipt { receipt, signature }),
            _ => None,
        },
    })
}

/// The text of a file of which the store has already checked the size.
fn text(path: PathBuf) -> Result<String> {
    std::fs::read_to_string(&path).map_err(|source| TransportError::Io { action: "read", path, source }.into())
}

impl LocalSink {
    /// A generation in the store that has much in common with `candidate`: the newest of its kind, or its own damaged copy.
    pub fn previous(&self, candidate: &Candidate) -> Result<Option<PathBuf>> {
        let store = self.place.store();
        let alike = |stored: &&Stored| stored.manifest.kind == candidate.manifest.kind && stored.id <= candidate.id();
        let newest = store.list()?.generations.iter().rev().find(alike).map(|stored| stored.id);
        Ok(newest.map(|id| store.dir().generation(id)))
    }
}

impl Complaint {
    /// A failure as it travels.
    pub fn of(failed: &Failed) -> Self {
        Self { kind: failed.failure().kind(), msg: failed.message(), hint: failed.failure().hint() }
    }

    /// The failure again, of `host`.
    pub fn into_error(self, host: &str) -> TransportError {
        TransportError::Peer { host: host.to_owned(), kind: self.kind, msg: self.msg, hint: self.hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use backup_core::receipt::Checked;

    fn stored(day: u8, base: Option<&Stored>) -> Stored {
        let id: GenerationId = format!("202611{day:02}T020000Z").parse().unwrap();
        let base = base.map(|base| GenerationRef { id: base.id, digest: base.digest.clone() });
        let candidate = sample::candidate(id, "0123456789abcdef0123456789abcdef", base, "data");
        let receipt = Receipt {
            format: 1,
            source: "web1".into(),
            job: "shop".into(),
            stream: backup_core::StreamName::Data,
            id,
            digest: candidate.digest.clone(),
            instance: candidate.manifest.instance.clone(),
            sink: "sink1".into(),
            received_at: id.time(),
            verified_at: Some(id.time()),
            tool: "test".into(),
        };
        Stored {
            id,
            digest: candidate.digest,
            bytes: 0,
            manifest: candidate.manifest,
            receipt: Some(receipt),
            receipt_ignored: None,
            checked: None,
            hold: None,
        }
    }

    fn newest(generations: Vec<Stored>) -> Option<GenerationId> {
        newest_verified(&Listed { generations, ..Listed::default() }).map(|stored| stored.id)
    }

    #[test]
    fn the_newest_is_verified_and_sound_with_its_base() {
        let (first, second) = (stored(10, None), stored(11, None));
        let third = stored(12, Some(&second));
        let (ids, all) = ([first.id, second.id, third.id], vec![first.clone(), second.clone(), third.clone()]);
        assert_eq!(newest(all), Some(ids[2]));
        assert_eq!(newest(vec![first.clone(), third.clone()]), Some(ids[0]), "its base is gone");
        let damaged = Checked { digest: second.digest.clone(), checked_at: second.id.time(), ok: false };
        let second = Stored { checked: Some(damaged), ..second };
        assert_eq!(newest(vec![first.clone(), second, third]), Some(ids[0]), "its base is damaged");
        let arrived = Receipt { verified_at: None, ..first.receipt.clone().unwrap() };
        assert_eq!(newest(vec![Stored { receipt: Some(arrived), ..first }]), None);
    }
}
