//! How far the initial sync of each stream is, as this host can see it: from what collect wrote down and from what lies
//! where.

use crate::error::Result;
use crate::select::Target;
use backup_adapters::store::{StreamStore, size};
use backup_core::job::{StreamOf, Verify};
use backup_core::layout::StreamDir;
use backup_core::lifecycle::{Lifecycle, Phase, Progress, SinkFacts, SourceFacts, Stand};
use backup_core::manifest::Manifest;
use backup_core::{GenerationId, GenerationKind, StreamName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One stream of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct StreamStanding {
    /// `data` or `logs`.
    pub(crate) stream: StreamName,
    /// How far the initial sync is; null: nothing has begun, or the job is not active.
    pub(crate) phase: Option<Phase>,
    /// How each phase stands; those that have no work for files are passed.
    pub(crate) phases: BTreeMap<Phase, Stand>,
    /// How much of it.
    #[serde(flatten)]
    pub(crate) progress: Progress,
    /// The full that it makes.
    pub(crate) generation: Option<GenerationId>,
    /// When it was asked for.
    pub(crate) began: Option<Timestamp>,
    /// Why there was a resync.
    pub(crate) cause: Option<String>,
    /// Why a resync is required; null: none is.
    pub(crate) resync_required: Option<String>,
}

/// Looks at every stream. Reads only.
pub(crate) fn look(target: &Target, lifecycle: &Lifecycle) -> Result<Vec<StreamStanding>> {
    let look = |of: StreamOf<'_>| if target.is_sink { sink(of, lifecycle) } else { source(of, lifecycle) };
    let mut streams: Vec<_> = target.job.streams().map(look).collect::<Result<_>>()?;
    for stream in &mut streams {
        stream.phase = stream.phase.filter(|_| lifecycle.state.creates_new());
        stream.phases = Phase::stands(stream.phase);
    }
    Ok(streams)
}

fn store(root: &Path, of: StreamOf<'_>) -> StreamStore {
    StreamStore::open(StreamDir::new(root, &of.job.job, of.name))
}

fn source(of: StreamOf<'_>, lifecycle: &Lifecycle) -> Result<StreamStanding> {
    let (handover, kept) = (store(&of.handover_root(), of), store(&of.store_root(), of));
    let known = lifecycle.sync.get(&of.name);
    let is_full = |kind| kind == GenerationKind::Full;
    // A full is signed for once it is sealed; without a record any copy will do.
    let can_be_signed = known.is_none_or(|sync| sync.generation.is_some());
    let since = known.and_then(|sync| sync.generation);
    let verified = of.stream.transport.verify == Verify::Hash;
    let facts = SourceFacts {
        full_waits: handover.list()?.generations.iter().any(|stored| is_full(stored.manifest.kind)),
        acknowledged: can_be_signed && kept.is_signed_since(since, verified)?,
    };
    let phase = facts.phase(known);
    let mut progress = known.map(|sync| sync.progress).unwrap_or_default();
    if phase == Some(Phase::Complete) {
        progress.slices = progress.slices_total;
    }
    Ok(StreamStanding {
        stream: of.name,
        phase,
        phases: BTreeMap::new(),
        progress,
        generation: since,
        began: known.map(|sync| sync.began),
        cause: known.and_then(|sync| sync.cause.clone()),
        resync_required: handover.wanted_full()?,
    })
}

fn sink(of: StreamOf<'_>, lifecycle: &Lifecycle) -> Result<StreamStanding> {
    let (kept, incoming) = (store(&of.sink_store_root(), of), store(&of.incoming_root(), of));
    let verifying = store(&of.verifying_root(), of).list()?;
    let listing = kept.list()?;
    let known = lifecycle.sync.get(&of.name);
    let counts = |receipt: &backup_core::receipt::Receipt| {
        (receipt.is_verified() || of.stream.transport.verify == Verify::None)
            && known.is_none_or(|sync| receipt.received_at >= sync.began)
    };
    let newest = listing.generations.iter().rfind(|stored| stored.manifest.kind == GenerationKind::Full);
    let arrives = arriving(&incoming)?;
    let facts = SinkFacts {
        arriving: arrives.map(|(_, bytes, all)| (bytes, all)),
        verifies: !verifying.generations.is_empty() || !verifying.partials.is_empty(),
        unsigned: newest.is_some_and(|stored| stored.receipt.is_none()),
        counts: newest.and_then(|stored| stored.receipt.as_ref()).is_some_and(counts),
    };
    let phase = facts.phase();
    let (generation, bytes, bytes_total) = match (phase, newest, arrives) {
        (Some(Phase::Transferring | Phase::Building), _, Some((id, bytes, all))) => (Some(id), bytes, all),
        // Compared as a whole: what was compared of it is noted when all of it was.
        (Some(Phase::FetchingMissing), ..) => {
            let compared = verifying.generations.last();
            (compared.map(|stored| stored.id), 0, compared.map_or(0, |stored| stored.bytes))
        }
        (Some(Phase::CreatingIndexes | Phase::Complete), Some(stored), _) => {
            (Some(stored.id), stored.bytes, stored.bytes)
        }
        _ => (None, 0, 0),
    };
    let progress = Progress { bytes, bytes_total, slices: u64::from(phase == Some(Phase::Complete)), slices_total: 1 };
    Ok(StreamStanding {
        stream: of.name,
        phase,
        phases: BTreeMap::new(),
        progress,
        generation,
        began: known.map(|sync| sync.began),
        cause: None,
        resync_required: None,
    })
}

/// The newest full that was offered and is wanted: how many bytes of it are there, and how many there will be.
fn arriving(incoming: &StreamStore) -> Result<Option<(GenerationId, u64, u64)>> {
    #[derive(Deserialize)]
    struct Offered {
        manifest: String,
        seal: String,
    }
    let Some(id) = incoming.newest_id()? else { return Ok(None) };
    // What cannot be read is not on its way.
    let Ok(bytes) = fs::read(incoming.dir().offer(id)) else { return Ok(None) };
    let Ok(Offered { manifest, seal }) = serde_json::from_slice(&bytes) else { return Ok(None) };
    let Ok(parsed) = Manifest::parse(manifest.as_bytes()) else { return Ok(None) };
    if parsed.kind != GenerationKind::Full {
        return Ok(None);
    }
    let all = parsed.stored_bytes() + (manifest.len() + seal.len()) as u64;
    Ok(Some((id, size(&incoming.dir().generation(id)).min(all), all)))
}
