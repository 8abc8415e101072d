//! The locks under which somebody may be at work for a job on this host.

use crate::error::Result;
use crate::inventory::{self, Place};
use crate::select::Target;
use backup_adapters::lifecycle;
use backup_adapters::lock::{Lock, LockError};
use backup_adapters::there;
use backup_adapters::users;
use backup_core::job::StreamOf;
use std::path::PathBuf;
use std::time::Instant;

/// Keeps others from changing the state, and on a source from collecting and restoring.
pub(crate) fn state(target: &Target, deadline: Instant) -> Result<Lock> {
    let what = format!("change of the state of {}", target.name);
    Ok(lifecycle::lock_until(&target.job, target.is_sink, &what, deadline)?)
}

/// Keeps others from changing anything in the job's folders.
pub(crate) fn folders(target: &Target, deadline: Instant) -> Result<Vec<Lock>> {
    let what = format!("terminate of {}", target.name);
    let mut locks = Vec::new();
    for of in target.job.streams() {
        for (_, path) in of_stream(target, &of)? {
            locks.push(as_owner(target.owner(&of), || Ok(Lock::take_until(&path, &what, deadline)?))?);
        }
    }
    Ok(locks)
}

/// Waits until nobody is at work who makes, carries or expires copies and began before the state was written: whoever
/// begins later asks for the state under one of these locks. Returns who has not ended by the `deadline`.
pub(crate) fn drain(target: &Target, deadline: Instant) -> Result<Vec<String>> {
    let what = format!("stop of {}", target.name);
    let mut busy = Vec::new();
    for of in target.job.streams() {
        // A restore is possible in every state.
        for (_, path) in of_stream(target, &of)?.into_iter().filter(|(place, _)| *place != Place::RestoreFolder) {
            let taken = as_owner(target.owner(&of), || Ok(Lock::take_until(&path, &what, deadline)))?;
            match taken {
                Ok(lock) => drop(lock),
                Err(LockError::Locked { by, .. }) => busy.push(by),
                Err(error) => return Err(error.into()),
            }
        }
    }
    // One process may hold several.
    busy.sort();
    busy.dedup();
    Ok(busy)
}

/// In the order in which transport takes them.
fn of_stream(target: &Target, of: &StreamOf<'_>) -> Result<Vec<(Place, PathBuf)>> {
    let mut paths = Vec::new();
    for (place, store) in inventory::places(target, of) {
        let dir = store.dir();
        // Where there is no folder nobody is at work in it.
        if !there::is_there(dir.path())? {
            continue;
        }
        if matches!(place, Place::Handover | Place::Incoming) {
            paths.push((place, dir.transport_lock()));
        }
        paths.push((place, dir.lock()));
    }
    Ok(paths)
}

/// Works as the owner of the folders: where he may not write, nothing is written for him.
pub(crate) fn as_owner<T>(owner: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if users::current()?.name == owner {
        return work();
    }
    users::acting_as(&users::by_name(owner)?, work)?
}
