//! Reading what a sink holds into the plain data that [`judge`](crate::judge::judge) decides on.

use super::quota;
use crate::arrival;
use crate::error::{Result, TransportError};
use crate::judge::{Shelf, Stored};
use crate::place::Place;
use backup_adapters::space;
use backup_adapters::there;
use backup_core::GenerationId;
use std::path::Path;

/// Reads the shelf; changes nothing.
pub fn read(place: &Place) -> Result<Shelf> {
    let (store, incoming) = (place.store(), place.incoming());
    let mut shelf =
        Shelf { incoming: arrival::arriving(&incoming)?, free: free(incoming.dir().path())?, ..Shelf::default() };
    (shelf.quota, shelf.begun) = quota::used(place)?;
    for line in store.accepted()? {
        if let (Some(id), Some(digest)) = (line.id, line.digest) {
            shelf.accepted.insert(id, digest);
        }
        shelf.instance = Some(line.instance);
    }
    let listing = store.list()?;
    // What is being deleted is gone: only a kill left something of it.
    for stored in listing.generations.into_iter().filter(|stored| !listing.deleting.contains(&stored.id)) {
        let damaged = super::is_damaged(&stored);
        shelf.stored.insert(stored.id, Stored { digest: stored.digest, damaged });
    }
    for oddity in listing.oddities {
        // Sealed, but contradictory: it is there, under the digest that was accepted, and no longer what it was.
        if let Ok(id) = oddity.name.parse::<GenerationId>()
            && let Some(digest) = shelf.accepted.get(&id)
        {
            shelf.stored.insert(id, Stored { digest: digest.clone(), damaged: true });
        }
    }
    shelf.arrived =
        place.verifying().list()?.generations.into_iter().map(|stored| (stored.id, stored.digest)).collect();
    Ok(shelf)
}

/// Bytes free where `path` is or will be.
pub fn free(path: &Path) -> Result<u64> {
    let there = there::nearest(path)?;
    let failed = |source| TransportError::Io { action: "read the free space of", path: there.to_owned(), source };
    Ok(space::free(there).map_err(failed)?.bytes)
}
