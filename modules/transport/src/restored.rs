//! The restore folder as an end: what a sink places there, for as long as a person grants it.
//!
//! Only whole generations come in, which a pinned sink has signed for, whose base is there, and all of whose digests were
//! re-read here. What lies there is never replaced and never deleted.

use crate::arrival::{self, Arrival};
use crate::candidate::Candidate;
use crate::ends::Handle;
use crate::error::{Result, TransportError};
use crate::judge::RESERVE;
use crate::place::Place;
use crate::sink::{offered, shelf};
use crate::source::about;
use crate::wire::{Commit, Complaint, Offer, Offered, SignedReceipt, Verdict, Verdicts};
use backup_adapters::command::CommandError;
use backup_adapters::rsync::{self, basis};
use backup_adapters::space::Tally;
use backup_adapters::store::{Limits, Reread, StoreError, StreamStore};
use backup_adapters::{fault, host, keys, publish, there};
use backup_core::layout::{Entry, StreamDir};
use backup_core::receipt::Receipt;
use backup_core::{GenerationId, GenerationRef};
use std::path::Path;

/// Where generations arrive, below the restore folder.
const INCOMING: &str = ".incoming";

/// A generation and its base: nobody needs more at once.
const MOST: usize = 2;

/// The restore folder of one stream on this host.
#[derive(Debug, Clone)]
pub struct RestoreFolder {
    /// Where everything lies.
    pub place: Place,
}

/// Where what comes into the restore folder arrives, whoever begins.
pub fn incoming(place: &Place) -> StreamStore {
    StreamStore::open(StreamDir::new(&place.of().restore_root().join(INCOMING), &place.job.job, place.name))
}

impl Handle<Offer> for RestoreFolder {
    fn handle(&self, offer: Offer) -> Result<Verdicts> {
        if offer.generations.len() > MOST {
            let why = format!("{} generations at once; a generation and its base are enough", offer.generations.len());
            return Err(TransportError::NotServed(why).into());
        }
        let incoming = incoming(&self.place);
        let _lock = if offer.check {
            None
        } else {
            publish::create_dirs(incoming.dir().path(), 0o750, None)?;
            Some(self.place.lock(&incoming, "offer")?)
        };
        if !offer.check {
            arrival::forget_offers(&incoming)?;
        }
        let (mut coming, mut verdicts) = (Vec::new(), Vec::new());
        for one in offer.generations {
            let verdict = match self.judge(&one, &coming) {
                Ok((candidate, verdict)) => {
                    if matches!(verdict, Verdict::Send { .. }) {
                        if !offer.check {
                            Arrival::new(&self.place, &incoming, candidate.id()).announce(&one)?;
                        }
                        coming.push(candidate);
                    }
                    verdict
                }
                Err(failed) => Verdict::Refused(Complaint::of(&failed)),
            };
            verdicts.push(verdict);
        }
        Ok(Verdicts { verdicts })
    }
}

impl Handle<Commit> for RestoreFolder {
    /// Puts what has arrived into the restore folder, and answers the receipt that lies beside it.
    fn handle(&self, ask: Commit) -> Result<SignedReceipt> {
        let (wanted, incoming) = (&ask.generation, incoming(&self.place));
        let _lock = self.place.lock(&incoming, "deliver")?;
        let arrival = Arrival::new(&self.place, &incoming, wanted.id);
        let folder = self.place.restore_folder();
        if self.there(wanted)?
            && let Some(signed) = offered(&folder, wanted.id)?.receipt
        {
            arrival.clear()?;
            return Ok(signed);
        }
        let candidate = arrival.announced(&self.place.subject())?;
        let signed = self.signed(&candidate)?.clone();
        if !self.there(wanted)? {
            self.verify(&incoming, &arrival, &candidate, wanted)?;
        }
        fault::point("transport.deliver.verified");
        self.place.ensure(&folder)?;
        let _kept = self.place.lock(&folder, "deliver")?;
        self.needs_base(&candidate, &[])?;
        // First, so that what lies there is signed for.
        folder.write_receipt(wanted.id, signed.receipt.as_bytes(), Some(signed.signature.as_bytes()), None)?;
        if !self.there(wanted)? {
            folder.adopt(&incoming, wanted.id)?;
        }
        fault::point("transport.deliver.adopted");
        arrival.clear()?;
        Ok(signed)
    }
}

impl RestoreFolder {
    /// What is wanted of an offered generation, with those that `come` before it.
    fn judge(&self, one: &Offered, coming: &[Candidate]) -> Result<(Candidate, Verdict)> {
        let candidate = Candidate::parse(one.clone(), &self.place.subject())?;
        self.signed(&candidate)?;
        let id = candidate.id();
        let now = host::now().timestamp();
        if id.time() > now + GenerationId::CLOCK_TOLERANCE {
            return Err(TransportError::FromTheFuture { id }.into());
        }
        if self.there(&candidate.reference())? {
            let is_signed = offered(&self.place.restore_folder(), id)?.receipt.is_some();
            // Without one it comes once more: that is rare, and needs no rule of its own.
            let verdict = if is_signed { Verdict::Have } else { Verdict::Send { resumed: true } };
            return Ok((candidate, verdict));
        }
        self.needs_base(&candidate, coming)?;
        self.admit(&candidate, coming)?;
        let resumed = incoming(&self.place).dir().generation(id);
        let resumed = there::is_there(&resumed)?;
        Ok((candidate, Verdict::Send { resumed }))
    }

    /// The receipt that came with it, if a pinned key signed it and it is about this very generation.
    fn signed<'c>(&self, candidate: &'c Candidate) -> Result<&'c SignedReceipt> {
        let id = candidate.id();
        let signed = candidate.offered.receipt.as_ref().ok_or(TransportError::WithoutReceipt { id })?;
        let (text, signature) = (signed.receipt.as_bytes(), signed.signature.as_bytes());
        let of = self.place.of();
        keys::verify(&of.stream.transport.signers, &of.stream.sink.name, text, signature)?;
        about(&self.place, &Receipt::parse(text)?, &candidate.manifest, &candidate.digest)?;
        Ok(signed)
    }

    /// Whether the generation lies in the restore folder; what lies there under its name and is another one is in the way.
    fn there(&self, wanted: &GenerationRef) -> Result<bool> {
        let folder = self.place.restore_folder();
        match folder.get(wanted.id) {
            Ok(there) if there.digest == wanted.digest => Ok(true),
            Ok(_) => {
                let (id, digest) = (wanted.id, wanted.digest.clone());
                Err(StoreError::Conflict { id, digest, store: folder.dir().path().to_owned() }.into())
            }
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn needs_base(&self, candidate: &Candidate, coming: &[Candidate]) -> Result<()> {
        let Some(base) = &candidate.manifest.base else { return Ok(()) };
        let is_there = coming.iter().any(|one| one.reference() == *base)
            || self.place.restore_folder().get(base.id).is_ok_and(|there| there.digest == base.digest);
        if is_there { Ok(()) } else { Err(TransportError::WithoutBase { id: candidate.id(), base: base.id }.into()) }
    }

    /// Refuses what there is no room for: on the disk, and in what the job lets this stream fill on a host that is not its own.
    fn admit(&self, candidate: &Candidate, coming: &[Candidate]) -> Result<()> {
        let (folder, incoming) = (self.place.restore_folder(), incoming(&self.place));
        let room = |sum: u64, one: &Candidate| sum.saturating_add(one.room());
        let needed = [candidate].into_iter().chain(coming).fold(0, room);
        let ids: Vec<_> = coming.iter().map(Candidate::id).chain([candidate.id()]).collect();
        let (mut used, mut begun) = (Tally::default(), Tally::default());
        let add = |tally: &mut Tally, path: &Path| {
            let failed = |source| TransportError::Io { action: "count what is in", path: path.to_owned(), source };
            tally.add(path).map_err(failed)
        };
        add(&mut used, folder.dir().path())?;
        for name in arrival::names(&incoming)? {
            let path = incoming.dir().path().join(&name);
            match Entry::of(&name.to_string_lossy()) {
                Entry::Generation(id) | Entry::Offer(id) | Entry::Basis(id) if ids.contains(&id) => {
                    add(&mut begun, &path)?
                }
                _ => add(&mut used, &path)?,
            };
        }
        let id = candidate.id();
        if let Some(limit) = self.place.of().stream.sink.quota.map(|quota| quota.0)
            && used.bytes().saturating_add(needed) > limit
        {
            return Err(TransportError::QuotaFull { id, needed, used: used.bytes(), limit }.into());
        }
        let free = shelf::free(incoming.dir().path())?;
        if free.saturating_add(begun.bytes()) < needed.saturating_add(RESERVE) {
            return Err(TransportError::NoRoom { id, needed: needed.saturating_add(RESERVE), free }.into());
        }
        Ok(())
    }

    /// Makes sure that what arrived is what was announced, and that nobody can change it any more.
    fn verify(
        &self,
        incoming: &StreamStore,
        arrival: &Arrival<'_>,
        candidate: &Candidate,
        wanted: &GenerationRef,
    ) -> Result<()> {
        let (id, damaged) = (wanted.id, |why: String| TransportError::Damaged { id: wanted.id, why });
        if candidate.digest != wanted.digest || !there::is_dir(&arrival.folder())? {
            return Err(TransportError::NotServed(format!("nothing of this generation {id} has arrived")).into());
        }
        basis::clear(&arrival.folder())?;
        candidate.tidy(&arrival.folder())?;
        publish::sync_tree(&arrival.folder())?;
        if let Some(why) = arrival::exclude_others(&self.place, incoming, id)? {
            // It comes anew.
            publish::remove_tree(&arrival.folder(), &[])?;
            return Err(damaged(why).into());
        }
        let limits = Limits { deadline: None, interrupt: Some(self.place.interrupt.clone()), ..Limits::default() };
        match incoming.reread(id, &limits) {
            Ok(Reread::Intact) if incoming.get(id)?.digest == wanted.digest => Ok(()),
            Ok(Reread::Intact) => Err(damaged("its seal is not the one that was announced".into()).into()),
            Ok(Reread::Damaged(why)) | Err(StoreError::Damaged { why, .. }) => Err(damaged(why).into()),
            Err(StoreError::NotFound { .. }) => Err(damaged("it has no seal".into()).into()),
            Ok(Reread::OutOfTime) => Err(damaged("it could not be read".into()).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Receives the files of what was announced.
    pub fn receive(&self, id: GenerationId, words: &[&str]) -> Result<()> {
        let request = rsync::Request::parse(words)?;
        if request.we_send {
            return Err(TransportError::NotServed("this key brings generations, it takes none".into()).into());
        }
        let incoming = incoming(&self.place);
        let arrival = Arrival::new(&self.place, &incoming, id);
        let candidate = arrival.announced(&self.place.subject())?;
        let lock = arrival.prepare(&candidate, None)?;
        // Again, with the lock: others may have come since the offer.
        self.admit(&candidate, &[])?;
        let limits = rsync::Limits { ceiling: Some(candidate.ceiling()), ..rsync::Limits::default() };
        match request.serve(&arrival.folder(), limits, Some(&lock), &self.place.interrupt) {
            Err(CommandError::OutOfBounds { .. }) => Err(arrival.overfilled()?.into()),
            result => Ok(result.map(drop)?),
        }
    }
}
