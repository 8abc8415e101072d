//! Deleting what a job keeps on this host: the inventory, item by item. What makes a generation valid goes before its data.

use crate::error::{JobError, Result};
use crate::inventory::{self, Inventory, Item, Place, What};
use crate::select::Target;
use backup_adapters::lock::Lock;
use backup_adapters::store::StreamStore;
use backup_adapters::{fault, intent, publish, users};
use backup_core::manifest::SEAL;
use backup_core::state::RESTORE_JOURNAL;
use std::path::Path;
use std::time::{Duration, Instant};

/// Nobody holds these locks for longer, unless a copy is under way.
const MOMENT: Duration = Duration::from_secs(10);

/// Refuses while services are off or trees half exchanged: their recovery may need what would be deleted.
pub(crate) fn refuse_unrecovered(target: &Target) -> Result<()> {
    let state = target.job.state_dir();
    let refuse = |what, command| Err(JobError::Unrecovered { job: target.job.job.clone(), what, command }.into());
    if target.is_sink {
        return Ok(());
    }
    if state.join(RESTORE_JOURNAL).exists() {
        return refuse("a restore", "backup_restore");
    }
    if state.is_dir() && intent::pending(&state)?.is_some() {
        return refuse("a collect", "backup_collect");
    }
    Ok(())
}

/// Takes every lock under which somebody may be at work in the job's folders.
pub(crate) fn lock(target: &Target) -> Result<Vec<Lock>> {
    let mut locks = Vec::new();
    let what = format!("terminate of {}", target.name);
    for of in target.job.streams() {
        for (place, store) in inventory::places(target, &of) {
            if !store.dir().path().is_dir() {
                continue;
            }
            as_owner(target.owner(&of), || {
                if matches!(place, Place::Handover | Place::Incoming) {
                    locks.push(Lock::take_until(&store.dir().transport_lock(), &what, Instant::now() + MOMENT)?);
                }
                locks.push(store.lock(&what, Instant::now() + MOMENT)?);
                Ok(())
            })?;
        }
    }
    Ok(locks)
}

/// Deletes the items in their order. The caller holds the [`lock`]s.
pub(crate) fn delete(target: &Target, inventory: &Inventory) -> Result<()> {
    for of in target.job.streams() {
        let stores = inventory::places(target, &of);
        for item in inventory.items.iter().filter(|item| item.stream == of.name) {
            let store = stores.iter().find(|(place, _)| *place == item.place).map(|(_, store)| store);
            // Root's own is what collect remembers, and what it was writing. Whatever else lies beside that belongs to
            // the owner of the folders, who may have put links there.
            match (item.place, item.what, item.id, store) {
                (Place::State, ..) => remove(item, store)?,
                (Place::Handover, What::Rest, Some(id), Some(store)) => store.remove_rest(id)?,
                _ => {}
            }
            if item.place != Place::State {
                as_owner(target.owner(&of), || remove(item, store))?;
            }
            fault::point("job.item");
        }
    }
    Ok(())
}

fn remove(item: &Item, store: Option<&StreamStore>) -> Result<()> {
    match (item.what, item.id, store) {
        (What::Generation | What::Rest | What::Receipt, Some(id), Some(store)) => {
            store.delete(id)?;
            publish::remove_file(&store.dir().hold(id))?;
        }
        // A link is removed, never followed.
        (What::Quarantined, ..) if is_dir(&item.path) => publish::remove_tree(&item.path, &[SEAL])?,
        _ => publish::remove_file(&item.path)?,
    }
    Ok(())
}

fn is_dir(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

/// Works as the owner of the folders: where he may not delete, nothing is deleted for him.
fn as_owner<T>(owner: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if users::current()?.name == owner {
        return work();
    }
    users::acting_as(&users::by_name(owner)?, work)?
}
