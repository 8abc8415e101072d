//! A generation on its way in: what was announced, and the folder that rsync fills.
//!
//! What an interrupted or damaged attempt left stays in the folder: the next attempt carries only what differs.

use crate::candidate::Candidate;
use crate::error::{Result, TransportError};
use crate::notify;
use crate::place::Place;
use crate::sink::quota;
use crate::wire::{Offered, Subject};
use backup_adapters::publish;
use backup_adapters::rsync::basis;
use backup_adapters::space::counted;
use backup_adapters::store::{Exclusive, StreamStore};
use backup_adapters::{fault, lock::Lock, there};
use backup_core::GenerationId;
use backup_core::layout::Entry;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const DIR_MODE: u32 = 0o750;

/// One generation in a folder of arriving ones.
#[derive(Debug)]
pub struct Arrival<'a> {
    incoming: &'a StreamStore,
    id: GenerationId,
    place: &'a Place,
}

impl<'a> Arrival<'a> {
    /// Names it; touches nothing.
    pub const fn new(place: &'a Place, incoming: &'a StreamStore, id: GenerationId) -> Self {
        Self { incoming, id, place }
    }

    /// The folder that rsync fills.
    pub fn folder(&self) -> PathBuf {
        self.incoming.dir().generation(self.id)
    }

    fn offer(&self) -> PathBuf {
        self.incoming.dir().offer(self.id)
    }

    /// Remembers what was offered and wanted: only that may be received.
    pub fn announce(&self, offered: &Offered) -> Result<()> {
        publish::create_dirs(self.incoming.dir().path(), DIR_MODE, None)?;
        let json = serde_json::to_vec(offered).expect("an offer has only string keys");
        Ok(publish::write_atomic(&self.offer(), &json, 0o640, None)?)
    }

    /// What was announced.
    pub fn announced(&self, subject: &Subject) -> Result<Candidate> {
        let path = self.offer();
        let json = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let why = format!("generation {} was not offered, or is not wanted", self.id);
                return Err(TransportError::NotServed(why).into());
            }
            json => json.map_err(|source| TransportError::Io { action: "read", path, source })?,
        };
        let offered = serde_json::from_slice(&json)
            .map_err(|error| TransportError::NotServed(format!("the remembered offer cannot be read: {error}")))?;
        Ok(Candidate::parse(offered, subject)?)
    }

    /// When it was offered last; `None` if it never was.
    pub fn offered_at(&self) -> Option<jiff::Timestamp> {
        fs::metadata(self.offer()).and_then(|offer| offer.modified()).ok()?.try_into().ok()
    }

    /// Makes the folder ready to be filled. `previous` is the folder of an older generation with much in common. The
    /// lock that comes back has to be held by the rsync that fills it.
    pub fn prepare(&self, candidate: &Candidate, previous: Option<&Path>) -> Result<Lock> {
        publish::create_dirs(&self.folder(), DIR_MODE, None)?;
        let what = format!("receiving {}", self.id);
        // What arrives on a source is restored.
        let take = if self.place.is_sink { Place::lock_active } else { Place::lock };
        let lock = take(self.place, self.incoming, &what)?;
        basis::prepare(&self.folder(), previous, &candidate.sizes())?;
        if self.place.is_sink
            && quota::admit(self.place, candidate, |_| {
                fs::metadata(self.offer()).map_or(0, |offer| counted(offer.len()))
            })
            .is_err()
        {
            // Beginnings of earlier attempts, and what was copied to compare with, leave no room for the whole.
            self.empty()?;
            quota::admit(self.place, candidate, |begun| begun.get(&self.id).copied().unwrap_or(0))?;
            publish::create_dirs(&self.folder(), DIR_MODE, None)?;
            basis::prepare(&self.folder(), None, &candidate.sizes())?;
        }
        fault::point("transport.receive.prepared");
        Ok(lock)
    }

    fn empty(&self) -> Result<()> {
        basis::forget(&self.folder())?;
        Ok(publish::remove_tree(&self.folder(), &[])?)
    }

    /// Removes what arrived, since it was more than was announced.
    pub fn overfilled(&self) -> Result<TransportError> {
        self.empty()?;
        Ok(TransportError::Overfilled { id: self.id })
    }

    /// Takes the damaged generation in `folder` back, for the next attempt to compare with.
    pub fn take_back(&self, folder: &Path) -> Result<()> {
        self.empty()?;
        Ok(publish::move_dir(folder, &self.folder())?)
    }

    /// Removes everything of it that is left here.
    pub fn clear(&self) -> Result<()> {
        self.empty()?;
        Ok(publish::remove_file(&self.offer())?)
    }
}

/// Refuses what somebody can still write to: what is hashed next must stay what it is. Returns what is wrong if a file has a second
/// name, by which it could be written.
pub fn exclude_others(place: &Place, store: &StreamStore, id: GenerationId) -> Result<Option<String>> {
    match store.exclusive(id)? {
        Exclusive::Yes => Ok(None),
        Exclusive::Unknown => {
            let subject = place.subject();
            let why = "the file system has no leases, so a file that is still open for writing would not be noticed";
            notify::log(&format!("{subject} {id}: {why}"));
            Ok(None)
        }
        Exclusive::Open(name) => Err(TransportError::InUse { id, name }.into()),
        Exclusive::Linked(name) => Ok(Some(format!("{name} has a second name"))),
    }
}

/// Forgets what was offered, but for what has begun to arrive: a new offer takes the place of the last one, or a source
/// could fill the disk with offers.
pub fn forget_offers(incoming: &StreamStore) -> Result<()> {
    for id in arriving(incoming)? {
        if !there::is_there(&incoming.dir().generation(id))? {
            publish::remove_file(&incoming.dir().offer(id))?;
        }
    }
    Ok(())
}

/// Generations of which something lies in `incoming`.
pub fn arriving(incoming: &StreamStore) -> Result<BTreeSet<GenerationId>> {
    let mut ids = BTreeSet::new();
    for name in names(incoming)? {
        if let Entry::Generation(id) | Entry::Offer(id) | Entry::Basis(id) = Entry::of(&name.to_string_lossy()) {
            ids.insert(id);
        }
    }
    Ok(ids)
}

/// Everything in `incoming`.
pub fn names(incoming: &StreamStore) -> Result<Vec<OsString>> {
    let path = incoming.dir().path();
    let failed = |source| TransportError::Io { action: "read", path: path.to_owned(), source };
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    Ok(entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>().map_err(failed)?)
}
