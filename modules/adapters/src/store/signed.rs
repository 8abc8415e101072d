//! What a source knows of the sink: its receipts.

use super::{Result, StreamStore};
use crate::there::is_there;
use backup_core::receipt::Receipt;
use backup_core::{GenerationId, GenerationKind};

impl StreamStore {
    /// Whether the sink signed for the full `id` or for a later full; for any copy, if no `id` is given. `verified`:
    /// receipts that only say that a copy arrived do not count. A receipt without its generation is a base's: no other
    /// is kept so long.
    pub fn is_signed_since(&self, id: Option<GenerationId>, verified: bool) -> Result<bool> {
        let counts = |receipt: &Receipt| receipt.is_verified() || !verified;
        let generations = self.list()?.generations;
        for found in self.receipts()?.into_iter().filter(|found| id.is_none_or(|id| *found >= id)) {
            let stored = generations.iter().find(|stored| stored.id == found);
            let is_full = stored.is_none_or(|stored| stored.manifest.kind == GenerationKind::Full);
            if !is_full && id.is_some() {
                continue;
            }
            let receipt = match stored {
                Some(stored) => stored.receipt.clone(),
                // One that cannot be read counts as none, whatever its folder's owner has put in its place.
                None => {
                    self.signed_receipt(found).ok().flatten().and_then(|signed| Receipt::parse(&signed.receipt).ok())
                }
            };
            if receipt.as_ref().is_some_and(counts) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why the sink asked for a full; `None`: it did not. In a handover point.
    pub fn wanted_full(&self) -> Result<Option<String>> {
        #[derive(serde::Deserialize)]
        struct Wish {
            why: String,
        }
        let path = self.dir().want_full();
        if !is_there(&path)? {
            return Ok(None);
        }
        let bytes = super::read::small(&path, super::MAX_NOTE_BYTES).ok().flatten().unwrap_or_default();
        let why =
            serde_json::from_slice(&bytes).map_or_else(|_| "the sink asked for a full".into(), |Wish { why }| why);
        Ok(Some(why))
    }
}
