//! Where things lie in a store, a handover point and a restore folder: all three have one layout (docs/format.md).

use crate::{GenerationId, job::StreamName};
use std::path::{Path, PathBuf};

const OFFER: &str = ".offer-";
const BASIS: &str = ".basis-";

/// The directory of one job's stream in a store, handover point, incoming area or restore folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDir(PathBuf);

impl StreamDir {
    /// `<store>/<job>/<stream>`.
    pub fn new(store: &Path, job: &str, stream: StreamName) -> Self {
        Self(store.join(job).join(stream.as_str()))
    }

    /// The one that lies at `path`, by whatever way that leads there.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A sealed generation.
    pub fn generation(&self, id: GenerationId) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// A generation being written, or half deleted.
    pub fn partial(&self, id: GenerationId) -> PathBuf {
        self.0.join(format!(".partial-{id}"))
    }

    /// All receipts.
    pub fn receipts(&self) -> PathBuf {
        self.0.join("receipts")
    }

    /// The sink's receipt of a generation.
    pub fn receipt(&self, id: GenerationId) -> PathBuf {
        self.receipts().join(format!("{id}.json"))
    }

    /// The signature of [`Self::receipt`].
    pub fn signature(&self, id: GenerationId) -> PathBuf {
        self.receipts().join(format!("{id}.json.sig"))
    }

    /// When the digests were last re-read here.
    pub fn checked(&self, id: GenerationId) -> PathBuf {
        self.receipts().join(format!("{id}.checked.json"))
    }

    /// What the receipt is renamed to when the generation's deletion begins, and removed as the last step of it.
    pub fn deleting(&self, id: GenerationId) -> PathBuf {
        self.receipts().join(format!("{id}.deleting"))
    }

    /// The mark that forbids expiry.
    pub fn hold(&self, id: GenerationId) -> PathBuf {
        self.0.join("holds").join(id.to_string())
    }

    /// Where implausible generations are set aside.
    pub fn quarantine(&self) -> PathBuf {
        self.0.join("quarantine")
    }

    /// Every (id, digest) a sink ever accepted.
    pub fn accepted(&self) -> PathBuf {
        self.0.join("accepted.jsonl")
    }

    /// The sink's wish for a full, as it reached the source's handover point.
    pub fn want_full(&self) -> PathBuf {
        self.0.join("want-full.json")
    }

    /// What was offered under this id and is wanted, in a sink's `incoming`.
    pub fn offer(&self, id: GenerationId) -> PathBuf {
        self.0.join(format!("{OFFER}{id}"))
    }

    /// What a sink's operator was told of lately, in `incoming`.
    pub fn told(&self) -> PathBuf {
        self.0.join(".told.json")
    }

    /// Held by a transport from its beginning to its end, where generations wait or arrive on the side that begins it.
    pub fn transport_lock(&self) -> PathBuf {
        self.0.join(".transport.lock")
    }

    /// When a transport was last tried, beside its lock.
    pub fn transport_attempt(&self) -> PathBuf {
        self.0.join(".transport.attempt")
    }

    /// The lock of whoever changes this directory.
    pub fn lock(&self) -> PathBuf {
        self.0.join(".lock")
    }
}

/// What a name in a stream's directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Named like a generation (sealed if it holds `SHA256SUMS`).
    Generation(GenerationId),
    /// Being written, or half deleted.
    Partial(GenerationId),
    /// The memory of an offer.
    Offer(GenerationId),
    /// What an arriving one is compared with, in blocks.
    Basis(GenerationId),
    /// Anything else: receipts, holds, the lock, foreign files.
    Other,
}

impl Entry {
    /// Classifies a name.
    pub fn of(name: &str) -> Self {
        if let Ok(id) = name.parse() {
            return Self::Generation(id);
        }
        let after = |prefix: &str| name.strip_prefix(prefix).and_then(|id| id.parse().ok());
        if let Some(id) = after(".partial-") {
            return Self::Partial(id);
        }
        if let Some(id) = after(BASIS) {
            return Self::Basis(id);
        }
        after(OFFER).map_or(Self::Other, Self::Offer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_classified() {
        let id = "20261120T220000Z".parse().unwrap();
        assert_eq!(Entry::of("20261120T220000Z"), Entry::Generation(id));
        assert_eq!(Entry::of(".partial-20261120T220000Z"), Entry::Partial(id));
        assert_eq!(Entry::of(".offer-20261120T220000Z"), Entry::Offer(id));
        assert_eq!(Entry::of(".basis-20261120T220000Z"), Entry::Basis(id));
        for other in ["receipts", ".lock", "20261120T220000Z~", ".partial-", ".offer-x", "20261120"] {
            assert_eq!(Entry::of(other), Entry::Other);
        }
    }
}
