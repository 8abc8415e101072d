//! One job's stream where generations lie: a store, a handover point, a restore folder (docs/format.md).
//!
//! Everything here is derived from the files each time; there is no index that could disagree with them. Reading needs
//! no lock: what is being written or deleted is never sealed. Changing needs [`StreamStore::lock`], which the caller holds.

mod change;
mod error;
mod exclusive;
mod journal;
mod read;
mod signed;
mod verify;

pub use change::{Cleaned, Instructions, size};
pub use error::StoreError;
pub use exclusive::Exclusive;
pub use verify::{Limits, Reread};

use crate::lock::Lock;
use backup_core::{
    Digest, GenerationId,
    layout::{Entry, StreamDir},
    manifest::Manifest,
    receipt::{Checked, Receipt},
    retention::{Arrival, Candidate},
};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

type Result<T> = std::result::Result<T, StoreError>;

/// Receipts, checks and holds are a few lines; more is not read.
const MAX_NOTE_BYTES: u64 = 64 << 10;

/// Of every directory and file in a store.
const DIR_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;

/// Nobody holds a store's lock for longer than a few renames and removals.
const LOCK_WAIT: Duration = Duration::from_mins(1);

/// Fewer generations are read before a thread has begun.
const FEW: usize = 64;
/// More threads wait for the medium.
const MAX_THREADS: usize = 8;

/// What may lie beside generations.
const KNOWN: [&str; 9] = [
    "receipts",
    "holds",
    "quarantine",
    "accepted.jsonl",
    "want-full.json",
    ".told.json",
    ".lock",
    ".transport.lock",
    ".transport.attempt",
];

/// The directory of one job's stream.
#[derive(Debug, Clone)]
pub struct StreamStore {
    dir: StreamDir,
}

/// A sealed generation as it lies in a store. Seal, manifest and directory name agree; artifacts were not read.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its id.
    pub id: GenerationId,
    /// SHA-256 of its seal.
    pub digest: Digest,
    /// What it is.
    pub manifest: Manifest,
    /// Stored bytes, manifest and seal included.
    pub bytes: u64,
    /// The sink's receipt for exactly this digest. Its signature is not checked here.
    pub receipt: Option<Receipt>,
    /// Why a receipt that lies there does not count.
    pub receipt_ignored: Option<String>,
    /// The last re-reading of exactly this digest.
    pub checked: Option<Checked>,
    /// The reason of a hold.
    pub hold: Option<String>,
}

/// Something that is not a generation, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// Its name in the stream's directory.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Everything in a stream's directory, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Sealed generations.
    pub generations: Vec<Stored>,
    /// Unsealed: being written, half deleted, or left by a crash.
    pub partials: Vec<GenerationId>,
    /// Generations whose deletion has begun: their receipt is gone, the rest must follow.
    pub deleting: BTreeSet<GenerationId>,
    /// Sealed but contradictory, or foreign. Nothing of ours deletes them.
    pub oddities: Vec<Oddity>,
    /// Those of the oddities of which the system could not read something, and what it said: they may be whole, and count.
    pub unreadable: Vec<(GenerationId, String)>,
}

impl Stored {
    /// This generation as retention sees it.
    pub fn candidate(&self) -> Candidate {
        let arrival =
            |receipt: &Receipt| Arrival { received_at: receipt.received_at, verified_at: receipt.verified_at };
        Candidate {
            id: self.id,
            digest: self.digest.clone(),
            base: self.manifest.base.clone(),
            bytes: self.bytes,
            hold: self.hold.clone(),
            receipt: self.receipt.as_ref().map(arrival),
            checked: self.checked.clone(),
        }
    }
}

impl Listing {
    /// A sealed generation by id.
    pub fn get(&self, id: GenerationId) -> Option<&Stored> {
        self.generations.iter().find(|stored| stored.id == id)
    }
}

impl StreamStore {
    /// Names the directory; reads nothing.
    pub const fn open(dir: StreamDir) -> Self {
        Self { dir }
    }

    /// Where everything lies.
    pub const fn dir(&self) -> &StreamDir {
        &self.dir
    }

    /// Takes the lock that every change of this directory needs, waiting until `deadline`. `what` is told to those who
    /// wait for it in turn.
    pub fn lock(&self, what: &str, deadline: Instant) -> Result<Lock> {
        Ok(Lock::take_until(&self.dir.lock(), what, deadline)?)
    }

    /// Everything there is. A directory that does not exist yet is empty.
    pub fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        let notes = Notes::of(&self.dir)?;
        let mut sealed = Vec::new();
        for (name, is_dir) in names(self.dir.path())? {
            match Entry::of(&name) {
                Entry::Generation(_) | Entry::Partial(_) if !is_dir => {
                    listing.oddities.push(Oddity { name, why: "not a directory".into() });
                }
                Entry::Partial(id) => listing.partials.push(id),
                Entry::Generation(id) => sealed.push((id, name)),
                Entry::Offer(_) | Entry::Basis(_) => {}
                Entry::Other if KNOWN.contains(&name.as_str()) || name.strip_suffix(".tmp").is_some() => {}
                Entry::Other => listing.oddities.push(Oddity { name, why: "not ours".into() }),
            }
        }
        let read = together(&sealed, |(id, _)| self.stored(*id, &notes));
        for ((id, name), stored) in sealed.into_iter().zip(read) {
            match stored {
                Ok(Some(stored)) => listing.generations.push(stored),
                Ok(None) => listing.partials.push(id),
                Err(StoreError::Damaged { why, .. }) => listing.oddities.push(Oddity { name, why }),
                Err(error @ StoreError::Read { .. }) => {
                    if read::is_systems(&error) {
                        listing.unreadable.push((id, error.to_string()));
                    }
                    listing.oddities.push(Oddity { name, why: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        listing.deleting = notes.deleting;
        listing.generations.sort_unstable_by_key(|stored| stored.id);
        listing.partials.sort_unstable();
        listing.partials.dedup();
        listing.oddities.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(listing)
    }

    /// One sealed generation with its receipt, check and hold.
    pub fn get(&self, id: GenerationId) -> Result<Stored> {
        self.stored(id, &Notes::of(&self.dir)?)?.ok_or_else(|| self.not_found(id))
    }

    /// The newest id that was ever used here, as far as anything still tells: generations, partials, receipts.
    pub fn newest_id(&self) -> Result<Option<GenerationId>> {
        let here = names(self.dir.path())?.into_iter().filter_map(|(name, _)| match Entry::of(&name) {
            Entry::Generation(id) | Entry::Partial(id) | Entry::Offer(id) | Entry::Basis(id) => Some(id),
            Entry::Other => None,
        });
        let noted = names(&self.dir.receipts())?
            .into_iter()
            .filter_map(|(name, _)| name.split_once('.').and_then(|(id, _)| id.parse().ok()));
        Ok(here.chain(noted).max())
    }

    /// Which generations have a receipt here, present or not.
    pub fn receipts(&self) -> Result<BTreeSet<GenerationId>> {
        Ok(Notes::of(&self.dir)?.receipts)
    }

    /// The bytes of a receipt and of its signature, if there is one.
    pub fn signed_receipt(&self, id: GenerationId) -> Result<Option<SignedReceipt>> {
        let read = |path: &Path| read::small(path, MAX_NOTE_BYTES);
        let Some(receipt) = read(&self.dir.receipt(id))? else { return Ok(None) };
        Ok(Some(SignedReceipt { id, receipt, signature: read(&self.dir.signature(id))? }))
    }

    fn stored(&self, id: GenerationId, notes: &Notes) -> Result<Option<Stored>> {
        let directory = self.dir.generation(id);
        let head = match read::head(&directory, id)? {
            None => return Ok(None),
            Some(Err(why)) => return Err(self.damaged(id, why)),
            Some(Ok(head)) => head,
        };
        let (receipt, receipt_ignored) = if notes.receipts.contains(&id) {
            match self.receipt(id, &head)? {
                Ok(receipt) => (Some(receipt), None),
                Err(why) => (None, Some(why)),
            }
        } else {
            (None, None)
        };
        let checked = if notes.checked.contains(&id) { note::<Checked>(&self.dir.checked(id))?.ok() } else { None };
        let hold = if notes.holds.contains(&id) {
            let text = read::small(&self.dir.hold(id), MAX_NOTE_BYTES)?.unwrap_or_default();
            Some(String::from_utf8_lossy(&text).trim().to_owned())
        } else {
            None
        };
        Ok(Some(Stored {
            id,
            checked: checked.filter(|checked| checked.digest == head.digest),
            digest: head.digest,
            manifest: head.manifest,
            bytes: head.bytes,
            receipt,
            receipt_ignored,
            hold,
        }))
    }

    /// The receipt, or why it is none of this very generation.
    ///
    /// # Errors
    /// The system could not read it: then nothing is known.
    fn receipt(&self, id: GenerationId, head: &read::Head) -> Result<std::result::Result<Receipt, String>> {
        let bytes = match read::note(&self.dir.receipt(id), MAX_NOTE_BYTES)? {
            Ok(bytes) => bytes,
            Err(why) => return Ok(Err(why)),
        };
        Ok(Receipt::parse(&bytes).map_err(|error| error.to_string()).and_then(|receipt| {
            let manifest = &head.manifest;
            let about = (&receipt.source, &receipt.job, receipt.stream, receipt.id, &receipt.instance);
            if receipt.digest != head.digest {
                Err(format!("the receipt names digest {}, the generation has {}", receipt.digest, head.digest))
            } else if about != (&manifest.source, &manifest.job, manifest.stream, id, &manifest.instance) {
                Err("the receipt is about another generation".into())
            } else {
                Ok(receipt)
            }
        }))
    }

    fn not_found(&self, id: GenerationId) -> StoreError {
        StoreError::NotFound { id, store: self.dir.path().to_owned() }
    }

    fn damaged(&self, id: GenerationId, why: String) -> StoreError {
        StoreError::Damaged { id, store: self.dir.path().to_owned(), why }
    }
}

/// A receipt as it lies there, with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// The generation it is about.
    pub id: GenerationId,
    /// The exact bytes.
    pub receipt: Vec<u8>,
    /// The signature over them.
    pub signature: Option<Vec<u8>>,
}

/// Which ids have a note, so that listing opens only files that exist.
struct Notes {
    receipts: BTreeSet<GenerationId>,
    checked: BTreeSet<GenerationId>,
    deleting: BTreeSet<GenerationId>,
    holds: BTreeSet<GenerationId>,
}

impl Notes {
    fn of(dir: &StreamDir) -> Result<Self> {
        let files = names(&dir.receipts())?;
        let with = |suffix: &str| {
            files.iter().filter_map(|(name, _)| name.strip_suffix(suffix)?.parse().ok()).collect::<BTreeSet<_>>()
        };
        let holds = dir.path().join("holds");
        Ok(Self {
            receipts: with(".json"),
            checked: with(".checked.json"),
            deleting: with(".deleting"),
            holds: names(&holds)?.into_iter().filter_map(|(name, _)| name.parse().ok()).collect(),
        })
    }
}

/// Does something with each of many, on all processors; the results are in their order.
fn together<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    if items.len() < FEW || threads == 1 {
        return items.iter().map(work).collect();
    }
    let work = &work;
    std::thread::scope(|scope| {
        let chunk = |items| scope.spawn(move || Iterator::map(<[T]>::iter(items), work).collect::<Vec<_>>());
        let running: Vec<_> = items.chunks(items.len().div_ceil(threads)).map(chunk).collect();
        let done =
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        done.flatten().collect()
    })
}

fn note<T: DeserializeOwned>(path: &Path) -> Result<std::result::Result<T, String>> {
    let bytes = read::note(path, MAX_NOTE_BYTES)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string())))
}

/// The names in a directory and whether each is a directory (links are not). None, if there is no such directory.
fn names(directory: &Path) -> Result<Vec<(String, bool)>> {
    let failed = |source| StoreError::Read { path: PathBuf::from(directory), source };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        names.push((entry.file_name().to_string_lossy().into_owned(), kind.is_dir()));
    }
    Ok(names)
}
