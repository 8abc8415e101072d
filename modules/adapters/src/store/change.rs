//! Changing a store: make its directories, take a generation in, delete one. Every step survives a crash.

use super::{DIR_MODE, FILE_MODE, Result, StoreError, StreamStore};
use crate::{
    fault, publish,
    publish::Owner,
    there::{is_dir, is_there},
};
use backup_core::{GenerationId, manifest::SEAL};
use std::{fs, path::Path};

/// What tells people with plain tools how to restore: lies in the root of every store.
#[derive(Debug, Clone, Copy)]
pub struct Instructions<'a> {
    /// `RESTORE.txt`.
    pub text: &'a [u8],
    /// `restore.sh`.
    pub script: &'a [u8],
}

/// What clean-up removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Which generations were rests.
    pub ids: Vec<GenerationId>,
    /// Bytes of file contents that are gone.
    pub bytes: u64,
}

impl StreamStore {
    /// Makes the stream's directories with their parents (0750) and, in the store's root, puts the instructions up to
    /// date. `owner` owns what is new.
    pub fn ensure(&self, owner: Option<Owner>, instructions: Option<Instructions<'_>>) -> Result<()> {
        let dir = self.dir();
        for path in [dir.path().to_owned(), dir.receipts(), dir.path().join("holds")] {
            publish::create_dirs(&path, DIR_MODE, owner)?;
        }
        let root = dir.path().parent().and_then(Path::parent);
        if let (Some(root), Some(Instructions { text, script })) = (root, instructions) {
            for (name, bytes, mode) in [("RESTORE.txt", text, FILE_MODE), ("restore.sh", script, DIR_MODE)] {
                let path = root.join(name);
                if fs::read(&path).ok().as_deref() != Some(bytes) {
                    publish::write_atomic(&path, bytes, mode, owner)?;
                }
            }
        }
        Ok(())
    }

    /// Files the sink's receipt and its signature. The signature comes first: a receipt that is there is signed.
    pub fn write_receipt(
        &self,
        id: GenerationId,
        receipt: &[u8],
        signature: Option<&[u8]>,
        owner: Option<Owner>,
    ) -> Result<()> {
        publish::create_dirs(&self.dir().receipts(), DIR_MODE, owner)?;
        if let Some(signature) = signature {
            publish::write_atomic(&self.dir().signature(id), signature, FILE_MODE, owner)?;
            fault::point("store.receipt.signature");
        }
        publish::write_atomic(&self.dir().receipt(id), receipt, FILE_MODE, owner)?;
        fault::point("store.receipt.written");
        Ok(())
    }

    /// Moves the sealed generation `id` from another stream's directory on the same file system into this one. Again
    /// after a crash, or if it is here already, it does what is left to do.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if this store has another generation of that id; [`StoreError::NotFound`] if neither has.
    pub fn adopt(&self, from: &Self, id: GenerationId) -> Result<()> {
        let found = |store: &Self| match store.get(id) {
            Ok(stored) => Ok(Some(stored.digest)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        };
        match (found(from)?, found(self)?) {
            (None, Some(_)) => Ok(()),
            (None, None) => Err(from.not_found(id)),
            (Some(theirs), Some(ours)) if theirs == ours => from.delete(id),
            (Some(digest), Some(_)) => Err(StoreError::Conflict { id, digest, store: self.dir().path().to_owned() }),
            (Some(_), None) => {
                self.remove_rest(id)?;
                fault::point("store.adopt.begin");
                publish::move_dir(&from.dir().generation(id), &self.dir().generation(id))?;
                fault::point("store.adopt.done");
                Ok(())
            }
        }
    }

    /// Deletes a generation. First goes what makes it valid: the receipt (renamed
    /// to `.deleting`, which remembers to finish), the seal, the name; then the data. Again after a crash, it does what is left to do.
    pub fn delete(&self, id: GenerationId) -> Result<()> {
        let dir = self.dir();
        let (receipt, mark) = (dir.receipt(id), dir.deleting(id));
        if is_there(&receipt)? {
            publish::remove_file(&mark)?;
            publish::move_dir(&receipt, &mark)?;
            fault::point("store.delete.receipt");
        }
        publish::remove_file(&dir.signature(id))?;
        publish::remove_file(&dir.checked(id))?;
        let generation = dir.generation(id);
        if is_dir(&generation)? {
            publish::remove_file(&generation.join(SEAL))?;
            fault::point("store.delete.seal");
        }
        self.remove_rest(id)?;
        fault::point("store.delete.data");
        Ok(publish::remove_file(&mark)?)
    }

    /// Finishes deletions that a crash cut short, and removes half-written notes and partials: all of them, or those
    /// older than `before`. Whoever writes here must hold the lock while doing so; we hold it now, so nobody does.
    pub fn clean_partials(&self, before: Option<GenerationId>) -> Result<Cleaned> {
        let listing = self.list()?;
        let mut cleaned = Cleaned::default();
        let partials = listing.partials.iter().filter(|id| before.is_none_or(|before| **id < before));
        let mut ids: Vec<_> = listing.deleting.iter().chain(partials).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            cleaned.bytes += size(&self.dir().generation(id)) + size(&self.dir().partial(id));
            // Only a begun deletion takes the receipt along: a partial's may have arrived before the generation itself.
            if listing.deleting.contains(&id) {
                self.delete(id)?;
            } else {
                self.remove_rest(id)?;
            }
            cleaned.ids.push(id);
        }
        for directory in [self.dir().path().to_owned(), self.dir().receipts()] {
            if is_dir(&directory)? {
                publish::remove_temporaries(&directory)?;
            }
        }
        Ok(cleaned)
    }

    /// Removes both unsealed forms of a generation, and nothing that is kept beside it.
    pub fn remove_rest(&self, id: GenerationId) -> Result<()> {
        let (named, partial) = (self.dir().generation(id), self.dir().partial(id));
        publish::remove_tree(&partial, &[])?;
        if is_dir(&named)? {
            publish::move_dir(&named, &partial)?;
            fault::point("store.delete.renamed");
            publish::remove_tree(&partial, &[])?;
        }
        Ok(())
    }
}

/// Bytes of file contents below a directory, as far as they can be counted; 0 if there is none.
pub fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
