//! Deleting what a job keeps on this host: the inventory, item by item. What makes a generation valid goes before its data.

use crate::error::{JobError, Result};
use crate::inventory::{self, Inventory, Item, Place, What};
use crate::locks::as_owner;
use crate::select::Target;
use backup_adapters::publish::{self, Pinned};
use backup_adapters::store::StreamStore;
use backup_adapters::{fault, intent, there};
use backup_core::layout::StreamDir;
use backup_core::manifest::SEAL;
use backup_core::state::RESTORE_JOURNAL;

/// Refuses while services are off or trees half exchanged: their recovery may need what would be deleted.
pub(crate) fn refuse_unrecovered(target: &Target) -> Result<()> {
    let state = target.job.state_dir();
    let refuse = |what, command| Err(JobError::Unrecovered { job: target.job.job.clone(), what, command }.into());
    if target.is_sink {
        return Ok(());
    }
    if there::is_there(&state.join(RESTORE_JOURNAL))? {
        return refuse("a restore", "backup_restore");
    }
    if there::is_there(&state)? && intent::pending(&state)?.is_some() {
        return refuse("a collect", "backup_collect");
    }
    Ok(())
}

/// Deletes the items in their order. The caller holds the locks.
pub(crate) fn delete(target: &Target, inventory: &Inventory) -> Result<()> {
    for of in target.job.streams() {
        let stores = inventory::places(target, &of);
        for item in inventory.items.iter().filter(|item| item.stream == of.name) {
            let store = stores.iter().find(|(place, _)| *place == item.place).map(|(_, store)| store);
            // Root's own is what collect remembers, and what it was writing. Whatever else lies beside that belongs to
            // the owner of the folders, who may have put links there.
            match (item.place, item.what, item.id, store) {
                (Place::State, ..) => remove(item, store)?,
                (Place::Handover, What::Rest, Some(id), Some(store)) => {
                    let folder = Pinned::open(store.dir().path())?;
                    StreamStore::open(StreamDir::at(folder.path())).remove_rest(id)?;
                }
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
        (What::Quarantined | What::Note, ..) if there::is_dir(&item.path)? => {
            publish::remove_tree(&item.path, &[SEAL])?;
        }
        _ => publish::remove_file(&item.path)?,
    }
    Ok(())
}
