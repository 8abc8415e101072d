//! Bringing a generation back from the sink's store into the restore folder of this host, with its base and receipts.
//!
//! What arrives is verified apart from the restore folder and moves into it whole: what lies there is sealed and was
//! re-read, or is not there.

use crate::arrival::Arrival;
use crate::candidate::Candidate;
use crate::carry::Line;
use crate::ends::{Handle, Remote};
use crate::error::{Result, TransportError};
use crate::place::Place;
use crate::report::FetchReport;
use crate::restored::incoming;
use crate::wire::{List, Select};
use backup_adapters::rsync::basis;
use backup_adapters::store::{Limits, Reread, StoreError, StreamStore};
use backup_adapters::{fault, publish};
use backup_core::receipt::Receipt;

/// What was found at the sink and what is missing here.
pub struct Plan {
    /// What was asked for, after its base.
    pub chain: Vec<Candidate>,
    /// Of these, what the restore folder lacks.
    pub missing: Vec<Candidate>,
    /// A receipt is missing there: an earlier fetch was killed between a generation and its receipt.
    pub unsigned: bool,
}

/// Asks the sink what there is.
pub fn plan(place: &Place, remote: &Remote, select: Select) -> Result<Plan> {
    let subject = place.subject();
    let listing = remote.handle(List { select })?;
    let chain: Vec<_> = listing
        .generations
        .into_iter()
        .map(|one| Candidate::parse(one, &subject))
        .collect::<std::result::Result<_, _>>()?;
    let folder = place.restore_folder();
    let (mut missing, mut unsigned) = (Vec::new(), false);
    for candidate in &chain {
        match folder.get(candidate.id()) {
            Ok(there) if there.digest == candidate.digest => {
                unsigned |= there.receipt.is_none() && candidate.offered.receipt.is_some();
            }
            Ok(there) => {
                let (id, digest) = (there.id, candidate.digest.clone());
                return Err(StoreError::Conflict { id, digest, store: folder.dir().path().to_owned() }.into());
            }
            Err(StoreError::NotFound { .. }) => missing.push(candidate.clone()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Plan { chain, missing, unsigned })
}

impl Plan {
    /// The generation that was asked for.
    pub fn wanted(&self, place: &Place) -> Result<&Candidate> {
        let nothing = || {
            let host = place.of().stream.sink.name.clone();
            let msg = format!("the sink holds no generation of {}", place.subject());
            TransportError::Peer { host, kind: backup_core::Kind::NotFound, msg, hint: None }
        };
        Ok(self.chain.last().ok_or_else(nothing)?)
    }

    /// Whether the sink's receipt says that all of what was asked for was compared there.
    pub fn is_verified(&self, place: &Place) -> Result<bool> {
        let signed = self.wanted(place)?.offered.receipt.as_ref();
        Ok(signed.is_some_and(|signed| Receipt::parse(signed.receipt.as_bytes()).is_ok_and(|it| it.is_verified())))
    }

    /// Whether anything is to be done.
    pub fn is_change(&self) -> bool {
        self.unsigned || !self.missing.is_empty()
    }

    /// What there is to tell, before anything is carried.
    pub fn report(&self, place: &Place) -> Result<FetchReport> {
        Ok(FetchReport {
            generation: self.wanted(place)?.id(),
            generations: self.chain.iter().map(Candidate::id).collect(),
            folder: place.restore_folder().dir().path().display().to_string(),
            wire_bytes: 0,
        })
    }

    /// Carries what is missing; returns the bytes on the wire.
    pub fn run(&self, place: &Place, line: &Line<'_>) -> Result<u64> {
        let incoming = incoming(place);
        let mut wire = 0;
        for candidate in &self.missing {
            wire += one(place, line, &incoming, candidate)?;
        }
        for candidate in &self.chain {
            if let Some(signed) = &candidate.offered.receipt {
                // Refused here rather than at restore: a receipt that is none.
                Receipt::parse(signed.receipt.as_bytes())?;
                let (receipt, signature) = (signed.receipt.as_bytes(), signed.signature.as_bytes());
                place.restore_folder().write_receipt(candidate.id(), receipt, Some(signature), None)?;
            }
        }
        Ok(wire)
    }
}

fn one(place: &Place, line: &Line<'_>, incoming: &StreamStore, candidate: &Candidate) -> Result<u64> {
    let id = candidate.id();
    let arrival = Arrival::new(place, incoming, id);
    publish::create_dirs(incoming.dir().path(), 0o750, None)?;
    let wire = line.receive_into(incoming, candidate, None)?;
    fault::point("transport.fetch.carried");
    let _lock = place.lock(incoming, "fetch")?;
    basis::clear(&arrival.folder())?;
    publish::sync_tree(&arrival.folder())?;
    let limits = Limits { deadline: None, interrupt: Some(place.interrupt.clone()), ..Limits::default() };
    match incoming.reread(id, &limits)? {
        Reread::Intact if incoming.get(id)?.digest == candidate.digest => {}
        Reread::Intact => {
            return Err(TransportError::Damaged { id, why: "its seal is not the one that was listed".into() }.into());
        }
        Reread::Damaged(why) => return Err(TransportError::Damaged { id, why }.into()),
        Reread::OutOfTime => return Err(TransportError::Damaged { id, why: "it could not be read".into() }.into()),
    }
    candidate.tidy(&arrival.folder())?;
    let folder = place.restore_folder();
    place.ensure(&folder)?;
    let _kept = place.lock(&folder, "fetch")?;
    folder.adopt(incoming, id)?;
    fault::point("transport.fetch.adopted");
    arrival.clear()?;
    Ok(wire)
}
