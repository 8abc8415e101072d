//! Commit: from `incoming` over `verifying` into the store, and the receipt. The same request again, after a kill at
//! any point, does what is left to do and gives the same answer.

use super::{LocalSink, is_damaged, offered, shelf};
use crate::arrival::{Arrival, arriving, exclude_others};
use crate::candidate::Candidate;
use crate::ends::Handle;
use crate::error::{Result, TransportError};
use crate::judge;
use crate::wire::{Commit, SignedReceipt, TOOL, Verdict};
use backup_adapters::rsync::basis;
use backup_adapters::store::{Limits, Reread, StoreError, Stored, StreamStore};
use backup_adapters::{fault, host, keys, publish, there};
use backup_core::accepted::{Accepted, Took};
use backup_core::job::Verify;
use backup_core::manifest::FORMAT;
use backup_core::receipt::Receipt;
use backup_core::{GenerationId, GenerationRef};
use jiff::Timestamp;

impl Handle<Commit> for LocalSink {
    fn handle(&self, ask: Commit) -> Result<SignedReceipt> {
        // A receiving rsync holds this lock as long as it lives: nobody writes what is moved below.
        let incoming = self.place.incoming();
        publish::create_dirs(incoming.dir().path(), 0o750, None)?;
        let _arrivals = self.place.lock_active(&incoming, "commit")?;
        let received_at = host::now().timestamp();
        let wanted = &ask.generation;
        let offered_at = Arrival::new(&self.place, &incoming, wanted.id).offered_at();
        let stored = match self.stored(wanted)? {
            Some(stored) => stored,
            None => self.take_in(wanted)?,
        };
        fault::point("transport.commit.stored");
        let signed = self.sign_for(&stored, received_at, offered_at)?;
        // Ids only grow: what is older can never be committed any more.
        for folder in [&incoming, &self.place.verifying()] {
            for id in arriving(folder)?.into_iter().filter(|id| *id <= wanted.id) {
                Arrival::new(&self.place, folder, id).clear()?;
            }
        }
        Ok(signed)
    }
}

impl LocalSink {
    /// The generation, if it is in the store and counts, or will once it is signed for.
    ///
    /// Whatever lies there under this id stays there, damaged or not, until a copy of the very same digest is verified: no
    /// request of a source moves it, or puts something else in its place.
    fn stored(&self, wanted: &GenerationRef) -> Result<Option<Stored>> {
        let (store, id) = (self.place.store(), wanted.id);
        if there::is_there(&store.dir().deleting(id))? {
            // A deletion that was cut short: finished before anything new gets this id, or it would be taken for that.
            let _lock = self.place.lock_active(&store, "commit")?;
            store.delete(id)?;
            return Ok(None);
        }
        let other = || StoreError::Conflict { id, digest: wanted.digest.clone(), store: store.dir().path().to_owned() };
        let has_arrived = || [self.place.incoming(), self.place.verifying()].iter().any(|at| at.get(id).is_ok());
        match store.get(id) {
            Ok(stored) if stored.digest != wanted.digest => Err(other().into()),
            // Once what has arrived is verified, it takes the place of the damaged one.
            Ok(stored) if is_damaged(&stored) && has_arrived() => Ok(None),
            Ok(stored) if is_damaged(&stored) => self.again(&store, id),
            Ok(stored) if stored.receipt.is_some() => Ok(Some(stored)),
            // A kill came before the receipt.
            Ok(stored) if self.flaw(&store, id)?.is_none() => Ok(Some(stored)),
            Ok(_) => self.again(&store, id),
            Err(StoreError::NotFound { .. }) => Ok(None),
            // Its own seal does not tell any more what it was.
            Err(StoreError::Damaged { .. }) if !was_accepted(&store, wanted)? => Err(other().into()),
            Err(StoreError::Damaged { .. }) if has_arrived() => Ok(None),
            Err(StoreError::Damaged { why, .. }) => Err(TransportError::Damaged { id, why }.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks again at a generation that was found damaged. It stays where it is: the next offer has it carried again,
    /// and what arrives then takes its place.
    fn again(&self, store: &StreamStore, id: GenerationId) -> Result<Option<Stored>> {
        let limits = Limits { deadline: None, interrupt: Some(self.place.interrupt.clone()), ..Limits::default() };
        match flaw_of(store.verify(id, &limits, "commit")?) {
            None => Ok(Some(store.get(id)?)),
            Some(why) => Err(TransportError::Damaged { id, why }.into()),
        }
    }

    /// Moves what arrived to `verifying`, verifies it there, and moves it into the store.
    fn take_in(&self, wanted: &GenerationRef) -> Result<Stored> {
        let (store, verifying) = (self.place.store(), self.place.verifying());
        let id = wanted.id;
        self.begin_verifying(id)?;
        fault::point("transport.commit.moved");
        // What is open waits in `verifying` until the other one has ended; what has a second name goes back and is carried anew.
        if let Some(why) = exclude_others(&self.place, &verifying, id)? {
            return Err(self.damaged(id, why)?.into());
        }
        match verifying.get(id) {
            Ok(arrived) if arrived.digest == wanted.digest => self.accept(id)?,
            Ok(arrived) => {
                let why = format!("its seal has digest {}, not {}", arrived.digest, wanted.digest);
                return Err(self.damaged(id, why)?.into());
            }
            Err(StoreError::Damaged { why, .. }) => return Err(self.damaged(id, why)?.into()),
            Err(StoreError::NotFound { .. }) => {
                return Err(self.damaged(id, "it has no seal".into())?.into());
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(why) = self.flaw(&verifying, id)? {
            return Err(self.damaged(id, why)?.into());
        }
        fault::point("transport.commit.verified");
        self.place.ensure(&store)?;
        let _lock = self.place.lock_active(&store, "commit")?;
        // What lies there under this id is a damaged copy of the same, or the rest of a deletion: its receipt goes first.
        store.delete(id)?;
        fault::point("transport.commit.replaced");
        store.adopt(&verifying, id)?;
        Ok(store.get(id)?)
    }

    /// Puts the arrived folder where no login of the peer reaches, unless an earlier commit did.
    fn begin_verifying(&self, id: GenerationId) -> Result<()> {
        let (incoming, verifying) = (self.place.incoming(), self.place.verifying());
        let (from, to) = (incoming.dir().generation(id), verifying.dir().generation(id));
        publish::create_dirs(verifying.dir().path(), 0o750, None)?;
        if there::is_dir(&from)? {
            // What an interrupted commit left is older than what has arrived since.
            publish::remove_tree(&to, &[])?;
            basis::clear(&from)?;
            publish::sync_tree(&from)?;
            publish::move_dir(&from, &to)?;
        }
        if there::is_dir(&to)? {
            return Ok(());
        }
        Err(TransportError::NotServed(format!("nothing of generation {id} has arrived")).into())
    }

    /// Judges again what was judged when it was offered: another generation may have been accepted meanwhile.
    fn accept(&self, id: GenerationId) -> Result<()> {
        let candidate = Candidate::parse(offered(&self.place.verifying(), id)?, &self.place.subject())?;
        candidate.tidy(&self.place.verifying().dir().generation(id))?;
        let shelf = shelf::read(&self.place)?;
        match judge::judge(&shelf, &[candidate], host::now().timestamp()).pop() {
            Some(Verdict::Refused(complaint)) => Err(complaint.into_error(&self.place.of().stream.sink.name).into()),
            Some(Verdict::WantFull { why }) => Err(TransportError::WantFull { id, why }.into()),
            _ => Ok(()),
        }
    }

    /// Why the base does not carry `stored` any more: since it was judged, hours of hashing may have passed, and a
    /// rotation. `None` if it does. The caller holds the store's lock.
    fn lost_base(&self, stored: &Stored) -> Result<Option<String>> {
        let Some(base) = &stored.manifest.base else { return Ok(None) };
        Ok(shelf::read(&self.place)?.lacks(base).map(|why| format!("base {} {why}", base.id)))
    }

    /// Why the generation does not count; `None` if it does.
    fn flaw(&self, store: &StreamStore, id: GenerationId) -> Result<Option<String>> {
        if self.place.of().stream.transport.verify == Verify::None {
            let candidate = Candidate::parse(offered(store, id)?, &self.place.subject())?;
            return Ok(candidate.incomplete(&store.dir().generation(id)));
        }
        let limits = Limits { deadline: None, interrupt: Some(self.place.interrupt.clone()), ..Limits::default() };
        Ok(flaw_of(store.reread(id, &limits)?))
    }

    /// Takes a generation that arrived damaged back to where it arrived; returns the error.
    fn damaged(&self, id: GenerationId, why: String) -> Result<TransportError> {
        let (incoming, verifying) = (self.place.incoming(), self.place.verifying());
        Arrival::new(&self.place, &incoming, id).take_back(&verifying.dir().generation(id))?;
        fault::point("transport.commit.refused");
        Ok(TransportError::Damaged { id, why })
    }

    /// What a generation cost that was offered, had arrived and was verified at these times.
    fn took(&self, stored: &Stored, [offered_at, received_at, verified_at]: [Timestamp; 3]) -> Result<Took> {
        let manifest = &stored.manifest;
        // What is offered together travels one after the other.
        let before = self.place.store().accepted()?.last().map(|line| line.at);
        let begun_at = before.map_or(offered_at, |before| offered_at.max(before));
        let hashed = self.place.of().stream.transport.verify == Verify::Hash;
        Ok(Took {
            kind: manifest.kind,
            bytes: stored.bytes,
            collect_ms: between(manifest.started_at, manifest.finished_at),
            transport_ms: between(begun_at, received_at),
            verify_ms: if hashed { between(received_at, verified_at) } else { 0 },
        })
    }

    /// The receipt of a stored generation: the one that was given already, or a new one.
    fn sign_for(
        &self,
        stored: &Stored,
        received_at: Timestamp,
        offered_at: Option<Timestamp>,
    ) -> Result<SignedReceipt> {
        let (store, of, id) = (self.place.store(), self.place.of(), stored.id);
        let _lock = self.place.lock_active(&store, "receipt")?;
        // As it is now: a rotation may have come between.
        let stored = &store.get(id)?;
        if is_damaged(stored) {
            return Err(TransportError::Damaged { id, why: "a rotation found it damaged meanwhile".into() }.into());
        }
        if stored.receipt.is_none()
            && let Some(why) = self.lost_base(stored)?
        {
            // Of no use here, if it was never signed for. The source keeps its own, and is asked for a full by the
            // answer to its next offer.
            if !was_accepted(&store, &GenerationRef { id, digest: stored.digest.clone() })? {
                store.delete(id)?;
            }
            return Err(TransportError::WantFull { id, why }.into());
        }
        let instance = stored.manifest.instance.clone();
        let at = host::now().timestamp();
        let took = offered_at.map(|offered_at| self.took(stored, [offered_at, received_at, at])).transpose()?;
        let line = Accepted { id: Some(id), digest: Some(stored.digest.clone()), instance: instance.clone(), at, took };
        store.accept(&line)?;
        fault::point("transport.commit.journal");
        if stored.receipt.is_some()
            && let Some(signed) = offered(&store, id)?.receipt
        {
            return Ok(signed);
        }
        let hashed = of.stream.transport.verify == Verify::Hash;
        let receipt = Receipt {
            format: FORMAT,
            source: self.place.job.source.clone(),
            job: self.place.job.job.clone(),
            stream: self.place.name,
            id,
            digest: stored.digest.clone(),
            instance,
            sink: of.stream.sink.name.clone(),
            received_at,
            verified_at: hashed.then(|| host::now().timestamp()),
            tool: TOOL.into(),
        };
        let receipt = receipt.to_bytes();
        let signature = keys::sign(&of.stream.sink.receipt_key, &receipt)?;
        store.write_receipt(id, &receipt, Some(&signature), None)?;
        fault::point("transport.commit.signed");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(SignedReceipt { receipt: text(&receipt), signature: text(&signature) })
    }
}

/// Whether the store's own notes name this very digest under this id.
fn was_accepted(store: &StreamStore, wanted: &GenerationRef) -> Result<bool> {
    let lines = store.accepted()?;
    if let Some(line) = lines.iter().rfind(|line| line.id == Some(wanted.id)) {
        return Ok(line.digest.as_ref() == Some(&wanted.digest));
    }
    let signed = store.signed_receipt(wanted.id)?;
    let receipt = signed.and_then(|signed| Receipt::parse(&signed.receipt).ok());
    Ok(receipt.is_some_and(|receipt| receipt.digest == wanted.digest))
}

/// Milliseconds; none where a clock was set back between.
fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

fn flaw_of(reread: Reread) -> Option<String> {
    match reread {
        Reread::Intact => None,
        Reread::Damaged(why) => Some(why),
        Reread::OutOfTime => Some("it could not be read in time".into()),
    }
}
