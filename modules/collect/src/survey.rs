//! What a run finds before it decides anything: the handover point, the source store, receipts, what it remembers.
//! Reads only.

use crate::decide::{Acknowledged, Candidate, History};
use crate::error::Result;
use crate::memory::Memory;
use backup_adapters::store::{Stored, StreamStore};
use backup_adapters::there;
use backup_core::job::StreamOf;
use backup_core::layout::StreamDir;
use backup_core::receipt::Receipt;
use backup_core::state::{CollectState, Good};
use backup_core::{GenerationId, GenerationKind, GenerationRef};
use jiff::Timestamp;

/// A sealed generation in the handover point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Its id.
    pub id: GenerationId,
    /// Whether it was made besides the schedule: then no transport was due for it yet.
    pub is_ad_hoc: bool,
}

/// What was found of one stream.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// How it went last.
    pub state: CollectState,
    /// What waits for transport, oldest first.
    pub waiting: Vec<Waiting>,
    /// What matters for the kind of the next generation.
    pub history: History,
    /// The newest sealed generation that is known.
    pub newest: Option<GenerationId>,
    /// The newest id that was ever used, by unsealed ones too: the next must be later.
    pub newest_id: Option<GenerationId>,
    /// Things in the handover point that are no generations.
    pub warnings: Vec<String>,
}

impl Found {
    /// When something was last tried, whatever came of it.
    pub(crate) fn tried(&self) -> Option<Timestamp> {
        self.state.last_attempt.max(self.newest.map(GenerationId::time))
    }

    /// What a transport should have taken before this run.
    pub(crate) fn left_behind(&self) -> Vec<GenerationId> {
        self.waiting.iter().filter(|waiting| !waiting.is_ad_hoc).map(|waiting| waiting.id).collect()
    }
}

/// The stream's handover point.
pub(crate) fn handover(of: StreamOf<'_>) -> StreamStore {
    StreamStore::open(StreamDir::new(&of.handover_root(), &of.job.job, of.name))
}

/// The stream's store on the source.
pub(crate) fn source_store(of: StreamOf<'_>) -> StreamStore {
    StreamStore::open(StreamDir::new(&of.store_root(), &of.job.job, of.name))
}

fn is_set_aside(stores: &[&StreamStore], id: GenerationId) -> Result<bool> {
    for store in stores {
        if there::is_there(&store.dir().quarantine().join(id.to_string()))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks at everything that a decision about this stream needs.
pub(crate) fn look(of: StreamOf<'_>, memory: &Memory) -> Result<Found> {
    let (handover, store) = (handover(of), source_store(of));
    let (waiting, kept) = (handover.list()?, store.list()?);
    let mut state = memory.state(of.name)?;
    // What an operator set aside as coming from the future must not hold time up here either.
    for remembered in [&mut state.last_good, &mut state.last_full] {
        if let Some(id) = remembered.as_ref().map(|good| good.generation.id)
            && is_set_aside(&[&handover, &store], id)?
        {
            *remembered = None;
        }
    }

    // A run that was killed between publishing and remembering left more than it remembers.
    for stored in waiting.generations.iter().chain(&kept.generations) {
        catch_up(&mut state, stored);
    }

    let sealed = waiting.generations.iter().chain(&kept.generations).map(|stored| stored.id);
    let remembered = state.last_good.as_ref().map(|good| good.generation.id);
    let newest = sealed.chain(remembered).max();
    let newest_id = waiting.partials.iter().chain(&kept.partials).copied().chain(newest).max();
    let is_full = |kind| kind == GenerationKind::Full;
    let history = History {
        candidates: candidates(of, memory, &store)?,
        waiting_full: waiting.generations.iter().filter(|w| is_full(w.manifest.kind)).map(|w| w.id).max(),
        last: state.last_good.clone(),
        last_full: state.last_full.clone(),
        sink_wants_full: there::is_there(&handover.dir().want_full())?,
        only_dumps: of.stream.include.is_empty(),
    };
    let warnings = waiting.oddities.iter().map(|odd| {
        format!("{} in the handover point {} is no generation: {}", odd.name, handover.dir().path().display(), odd.why)
    });
    Ok(Found {
        warnings: warnings.collect(),
        waiting: waiting
            .generations
            .iter()
            .map(|stored| Waiting { id: stored.id, is_ad_hoc: stored.manifest.label.is_some() })
            .collect(),
        state,
        history,
        newest,
        newest_id,
    })
}

/// Takes a generation that is newer than what the state knows into it.
fn catch_up(state: &mut CollectState, stored: &Stored) {
    let is_newer = |known: &Option<Good>| known.as_ref().is_none_or(|known| known.generation.id < stored.id);
    let good = || Good {
        generation: GenerationRef { id: stored.id, digest: stored.digest.clone() },
        kind: stored.manifest.kind,
        base: stored.manifest.base.clone(),
        tree: stored.manifest.tree,
        stored_bytes: stored.manifest.stored_bytes(),
        duration_ms: 0,
        downtime_ms: 0,
    };
    if stored.manifest.kind == GenerationKind::Full && is_newer(&state.last_full) {
        state.last_full = Some(good());
    }
    if is_newer(&state.last_good) {
        state.last_good = Some(good());
    }
}

/// The fulls with an index here, and what the sink says of them. The receipt outlives the generation itself, which the
/// source may keep for no time at all.
fn candidates(of: StreamOf<'_>, memory: &Memory, store: &StreamStore) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for id in memory.indexed(of.name)? {
        let receipt = receipt(of, store, id).map(|r| Acknowledged { is_verified: r.is_verified(), digest: r.digest });
        candidates.push(Candidate { id, receipt });
    }
    Ok(candidates)
}

/// The sink's receipt for this generation. One that cannot be read counts as none, whatever its folder's owner has put
/// in its place: then the next generation is a full, which is never wrong.
fn receipt(of: StreamOf<'_>, store: &StreamStore, id: GenerationId) -> Option<Receipt> {
    let about = (of.job.source.as_str(), of.job.job.as_str(), of.name, id);
    let receipt = Receipt::parse(&store.signed_receipt(id).ok()??.receipt).ok()?;
    Some(receipt).filter(|receipt| (receipt.source.as_str(), receipt.job.as_str(), receipt.stream, receipt.id) == about)
}
