//! The end where generations wait: they are listed, carried away, and move to the store once a receipt proves arrival.

use crate::candidate::Candidate;
use crate::ends::Handle;
use crate::error::{Result, TransportError};
use crate::place::Place;
use crate::sink::{offered, shelf, standing};
use crate::wire::{
    Acknowledge, Complaint, Done, List, Listing, Moved, Offered, Recheck, Rechecked, Release, Standing, Status,
    Unusable, WantFull,
};
use backup_adapters::store::{Limits, Reread, StoreError, Stored, StreamStore};
use backup_adapters::{fault, host, keys, publish};
use backup_core::manifest::Manifest;
use backup_core::receipt::Receipt;
use backup_core::{Digest, GenerationId, GenerationKind, GenerationRef};
use std::collections::BTreeSet;

/// This host as the source of one stream.
#[derive(Debug, Clone)]
pub struct LocalSource {
    /// Where everything lies.
    pub place: Place,
}

impl Handle<List> for LocalSource {
    fn handle(&self, _: List) -> Result<Listing> {
        let handover = self.place.handover();
        let found = handover.list()?;
        let mut listing = Listing::default();
        let odd = found.oddities.iter().filter_map(|oddity| oddity.name.parse::<GenerationId>().ok());
        let sealed = found.generations.iter().map(|stored| stored.id);
        for id in odd.chain(sealed).collect::<BTreeSet<_>>() {
            match self.offer(&handover, id) {
                Ok(offered) => listing.generations.push(offered),
                Err(failed) => listing.unusable.push(Unusable { id, complaint: Complaint::of(&failed) }),
            }
        }
        Ok(listing)
    }
}

impl Handle<Acknowledge> for LocalSource {
    fn handle(&self, ask: Acknowledge) -> Result<Moved> {
        let receipt = Receipt::parse(ask.signed.receipt.as_bytes())?;
        let of = self.place.of();
        let (text, signature) = (ask.signed.receipt.as_bytes(), ask.signed.signature.as_bytes());
        keys::verify(&of.stream.transport.signers, &of.stream.sink.name, text, signature)?;
        let (handover, store) = (self.place.handover(), self.place.store());
        let waits = find(&handover, receipt.id)?;
        let moved = waits.is_some();
        let Some(stored) = waits.map_or_else(|| find(&store, receipt.id), |stored| Ok(Some(stored)))? else {
            return Err(TransportError::NotWaiting { id: receipt.id }.into());
        };
        about(&self.place, &receipt, &stored.manifest, &stored.digest)?;
        fault::point("transport.acknowledge.checked");
        self.place.ensure(&store)?;
        {
            let _lock = self.place.lock(&store, "acknowledge")?;
            store.write_receipt(receipt.id, text, Some(signature), None)?;
        }
        fault::point("transport.acknowledge.receipt");
        self.move_to_store(receipt.id)?;
        if stored.manifest.kind == GenerationKind::Full {
            publish::remove_file(&handover.dir().want_full())?;
        }
        fault::point("transport.acknowledge.moved");
        Ok(Moved { moved })
    }
}

impl Handle<Release> for LocalSource {
    fn handle(&self, ask: Release) -> Result<Moved> {
        let wanted = &ask.generation;
        let found = find(&self.place.handover(), wanted.id)?;
        match found {
            Some(stored) if stored.digest == wanted.digest => {
                self.place.ensure(&self.place.store())?;
                self.has_room_for_alone(wanted.id)?;
                self.move_to_store(wanted.id)?;
                Ok(Moved { moved: true })
            }
            Some(_) => Err(TransportError::NotWaiting { id: wanted.id }.into()),
            None => Ok(Moved { moved: false }),
        }
    }
}

impl Handle<WantFull> for LocalSource {
    fn handle(&self, ask: WantFull) -> Result<Done> {
        let handover = self.place.handover();
        // A sentence is for people; a sink in other hands may send a book.
        let why: String = ask.why.chars().take(500).collect();
        let wish = serde_json::json!({"format": 1, "at": host::now().timestamp(), "base": ask.base, "why": why});
        publish::write_atomic(&handover.dir().want_full(), format!("{wish}\n").as_bytes(), 0o640, None)?;
        Ok(Done {})
    }
}

impl Handle<Recheck> for LocalSource {
    fn handle(&self, ask: Recheck) -> Result<Rechecked> {
        let handover = self.place.handover();
        let id = ask.generation.id;
        let limits = Limits { deadline: None, interrupt: Some(self.place.interrupt.clone()), ..Limits::default() };
        let Reread::Damaged(why) = handover.reread(id, &limits)? else { return Ok(Rechecked { damage: None }) };
        let _lock = self.place.lock(&handover, "set aside")?;
        let aside = handover.dir().quarantine();
        publish::create_dirs(&aside, 0o750, None)?;
        publish::move_dir(&handover.dir().generation(id), &aside.join(id.to_string()))?;
        Ok(Rechecked { damage: Some(why) })
    }
}

impl Handle<Status> for LocalSource {
    fn handle(&self, _: Status) -> Result<Standing> {
        Ok(self.standing()?.0)
    }
}

impl LocalSource {
    /// How it stands, and which generations of its store no sink gave a receipt for.
    pub(crate) fn standing(&self) -> Result<(Standing, Vec<GenerationId>)> {
        let handover = self.place.handover();
        let outstanding = handover.list()?.generations.iter().map(|stored| stored.id).collect();
        let free_bytes = shelf::free(handover.dir().path())?;
        let kept = self.place.store().list()?;
        let alone = kept.generations.iter().filter(|stored| stored.receipt.is_none()).map(|stored| stored.id).collect();
        Ok((standing(&kept, outstanding, free_bytes), alone))
    }

    /// What there is to tell a sink about a generation, if all of it is there.
    fn offer(&self, handover: &StreamStore, id: GenerationId) -> Result<Offered> {
        handover.get(id)?;
        let candidate = Candidate::parse(offered(handover, id)?, &self.place.subject())?;
        match candidate.incomplete(&handover.dir().generation(id)) {
            Some(why) => Err(TransportError::Unusable { id, why }.into()),
            None => Ok(candidate.offered),
        }
    }

    /// No rotation deletes what no sink has, so that a sink could fill this host by releasing night after night. As many may lie in
    /// the store as may wait; then the rest waits, and collect refuses.
    fn has_room_for_alone(&self, id: GenerationId) -> Result<()> {
        let store = self.place.store();
        let receipts = store.receipts()?;
        let kept = store.list()?.generations.iter().filter(|stored| !receipts.contains(&stored.id)).count();
        if kept < self.place.of().stream.handover.keep as usize {
            return Ok(());
        }
        Err(TransportError::TooManyAlone { id, kept }.into())
    }

    /// From the handover point to the store, in this order of locks everywhere.
    fn move_to_store(&self, id: GenerationId) -> Result<()> {
        let (handover, store) = (self.place.handover(), self.place.store());
        let _waiting = self.place.lock(&handover, "move to the store")?;
        let _kept = self.place.lock(&store, "move to the store")?;
        Ok(store.adopt(&handover, id)?)
    }

    /// The sealed generation that waits in the handover point under exactly this name.
    pub fn waiting(&self, wanted: &GenerationRef) -> Result<Stored> {
        let found = find(&self.place.handover(), wanted.id)?.filter(|stored| stored.digest == wanted.digest);
        found.ok_or_else(|| TransportError::NotWaiting { id: wanted.id }.into())
    }
}

fn find(store: &StreamStore, id: GenerationId) -> Result<Option<Stored>> {
    match store.get(id) {
        Ok(stored) => Ok(Some(stored)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes sure that a receipt is this stream's sink's, and about this very generation.
pub(crate) fn about(place: &Place, receipt: &Receipt, manifest: &Manifest, digest: &Digest) -> Result<()> {
    let pairs = [
        ("source", receipt.source.clone(), manifest.source.clone()),
        ("job", receipt.job.clone(), manifest.job.clone()),
        ("stream", receipt.stream.to_string(), manifest.stream.to_string()),
        ("id", receipt.id.to_string(), manifest.id.to_string()),
        ("digest", receipt.digest.to_string(), digest.to_string()),
        ("instance", receipt.instance.to_string(), manifest.instance.to_string()),
        ("sink", receipt.sink.clone(), place.of().stream.sink.name.clone()),
    ];
    match pairs.into_iter().find(|(_, found, expected)| found != expected) {
        Some((field, found, _)) => Err(TransportError::OtherReceipt { id: manifest.id, field, found }.into()),
        None => Ok(()),
    }
}
