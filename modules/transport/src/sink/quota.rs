//! What a source may fill: everything of its stream counts, wherever on the sink it lies, and nothing is deleted to make room.

use crate::arrival;
use crate::candidate::Candidate;
use crate::error::{Result, TransportError};
use crate::place::Place;
use crate::wire::Quota;
use backup_adapters::space::Tally;
use backup_core::GenerationId;
use backup_core::layout::Entry;
use std::collections::BTreeMap;
use std::path::Path;

/// The quota of a place, if it has one, and how much lies in `incoming` by generation.
pub fn used(place: &Place) -> Result<(Option<Quota>, BTreeMap<GenerationId, u64>)> {
    let Some(limit) = place.of().stream.sink.quota else { return Ok((None, BTreeMap::new())) };
    let mut tally = Tally::default();
    let mut count = |path: &Path| {
        let failed = |source| TransportError::Io { action: "count what is in", path: path.to_owned(), source };
        tally.add(path).map_err(failed)
    };
    // The store first: what it shares with what arrives (a basis is a link) is not what arrives.
    for store in [place.store(), place.verifying()] {
        count(store.dir().path())?;
    }
    let incoming = place.incoming();
    let mut begun = BTreeMap::new();
    for name in arrival::names(&incoming)? {
        let bytes = count(&incoming.dir().path().join(&name))?;
        if let Entry::Generation(id) | Entry::Offer(id) | Entry::Basis(id) = Entry::of(&name.to_string_lossy()) {
            *begun.entry(id).or_default() += bytes;
        }
    }
    Ok((Some(Quota { limit: limit.0, used: tally.bytes() }), begun))
}

/// Refuses a generation for which there is no room in the quota, with `spared` bytes of what is taken not counted.
pub fn admit(place: &Place, candidate: &Candidate, spared: impl Fn(&BTreeMap<GenerationId, u64>) -> u64) -> Result<()> {
    let (Some(Quota { limit, used }), begun) = used(place)? else { return Ok(()) };
    let (id, needed, used) = (candidate.id(), candidate.room(), used.saturating_sub(spared(&begun)));
    if used.saturating_add(needed) <= limit {
        return Ok(());
    }
    Err(TransportError::QuotaFull { id, needed, used, limit }.into())
}
