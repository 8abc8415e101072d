//! Everything that a job keeps on this host, item by item: what a terminate announces and then deletes.
//!
//! Only what is known is on the list: generations, finished and unfinished, what is written about them, what collect
//! remembers. Whatever else lies in a job's folders is somebody else's; it is named and stays.

use crate::error::{JobError, Result};
use crate::select::Target;
use backup_adapters::store::{StreamStore, size};
use backup_adapters::there;
use backup_core::job::StreamOf;
use backup_core::layout::{Entry, StreamDir};
use backup_core::{GenerationId, GenerationKind, StreamName};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where something lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    Handover,
    SourceStore,
    RestoreFolder,
    Incoming,
    Verifying,
    SinkStore,
    State,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// A sealed generation with its receipt.
    Generation,
    /// An unsealed or contradictory one.
    Rest,
    /// A receipt or a hold of a generation that is not there any more.
    Receipt,
    /// Set aside.
    Quarantined,
    /// What is written down about generations.
    Note,
}

/// One thing that would be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) stream: StreamName,
    pub(crate) place: Place,
    pub(crate) what: What,
    pub(crate) id: Option<GenerationId>,
    pub(crate) kind: Option<GenerationKind>,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// The reason of a hold. It forbids expiry, not this.
    pub(crate) hold: Option<String>,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// In the order of deletion.
    pub(crate) items: Vec<Item>,
    /// In the job's folders, but not the job's.
    pub(crate) left: Vec<PathBuf>,
    /// Where copies lie of streams that the job does not declare any more. Nobody says whose they are: they stay.
    pub(crate) undeclared: Vec<PathBuf>,
}

/// The folders of streams that the job does not declare, as far as they hold anything: where the declared ones lie, and where
/// a stream lies of which nothing is said.
fn undeclared(target: &Target) -> Result<Vec<PathBuf>> {
    let mut found = BTreeSet::new();
    let declared = target.streams();
    for name in StreamName::ALL.into_iter().filter(|name| !declared.contains(name)) {
        for of in target.job.streams() {
            let mut plain = of.stream.clone();
            (plain.user, plain.restore_folder) = (None, None);
            (plain.handover.path, plain.store.path, plain.sink.home) = (None, None, None);
            for stream in [of.stream, &plain] {
                for (_, store) in places(target, &StreamOf { job: of.job, name, stream }) {
                    let listing = store.list()?;
                    if !(listing.generations.is_empty() && listing.partials.is_empty()) {
                        found.insert(store.dir().path().to_owned());
                    }
                }
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// The folders of a stream on this host.
pub(crate) fn places(target: &Target, of: &StreamOf<'_>) -> Vec<(Place, StreamStore)> {
    let roots = if target.is_sink {
        vec![
            (Place::Incoming, of.incoming_root()),
            (Place::Verifying, of.verifying_root()),
            (Place::SinkStore, of.sink_store_root()),
        ]
    } else {
        vec![
            (Place::Handover, of.handover_root()),
            (Place::SourceStore, of.store_root()),
            (Place::RestoreFolder, of.restore_root()),
        ]
    };
    let open = |root: &Path| StreamStore::open(StreamDir::new(root, &of.job.job, of.name));
    roots.into_iter().map(|(place, root)| (place, open(&root))).collect()
}

/// Lists everything. Reads only.
pub(crate) fn take(target: &Target) -> Result<Inventory> {
    let mut inventory = Inventory { undeclared: undeclared(target)?, ..Inventory::default() };
    for of in target.job.streams() {
        for (place, store) in places(target, &of) {
            inventory.store(of.name, place, &store)?;
        }
    }
    if !target.is_sink {
        inventory.state(target, |_| true)?;
    }
    Ok(inventory)
}

/// The files in which collect remembers generations of each stream: how it went last, and the indexes of bases.
fn remembered(target: &Target) -> Result<Vec<(StreamName, PathBuf)>> {
    let mut found = Vec::new();
    for name in names(&target.job.state_dir())? {
        let stream = target.streams().into_iter().find(|stream| {
            let rest = name.strip_prefix(stream.as_str());
            rest.is_some_and(|rest| rest == ".json" || is_index(rest))
        });
        found.extend(stream.map(|stream| (stream, target.job.state_dir().join(&name))));
    }
    Ok(found)
}

fn is_index(rest: &str) -> bool {
    let id = rest.strip_prefix('-').and_then(|rest| rest.strip_suffix(".index"));
    id.is_some_and(|id| id.parse::<GenerationId>().is_ok())
}

/// The indexes of bases on the source: without them the next generation of each stream is a full.
pub(crate) fn indexes(target: &Target) -> Result<Inventory> {
    let mut inventory = Inventory::default();
    if !target.is_sink {
        inventory.state(target, |path| path.extension().is_some_and(|extension| extension == "index"))?;
    }
    Ok(inventory)
}

impl Inventory {
    /// What collect remembers, as far as it is `wanted`.
    fn state(&mut self, target: &Target, wanted: impl Fn(&Path) -> bool) -> Result<()> {
        for (stream, path) in remembered(target)?.into_iter().filter(|(_, path)| wanted(path)) {
            let bytes = path.symlink_metadata().map_or(0, |meta| meta.len());
            self.note(stream, Place::State, path, bytes);
        }
        Ok(())
    }

    fn store(&mut self, stream: StreamName, place: Place, store: &StreamStore) -> Result<()> {
        let (dir, listing) = (store.dir(), store.list()?);
        let mut items = Vec::new();
        let mut listed = BTreeSet::new();
        let blank = |what, id, path| Item { stream, place, what, id, kind: None, path, bytes: 0, hold: None };
        for stored in listing.generations {
            listed.insert(stored.id);
            items.push(Item {
                kind: Some(stored.manifest.kind),
                // What lies there, not what is sealed: it may be damaged.
                bytes: size(&dir.generation(stored.id)),
                hold: stored.hold,
                ..blank(What::Generation, Some(stored.id), dir.generation(stored.id))
            });
        }
        let mut contradictory = Vec::new();
        for oddity in &listing.oddities {
            match oddity.name.parse() {
                Ok(id) if there::is_dir(&dir.generation(id))? => contradictory.push(id),
                _ => self.left.push(dir.path().join(&oddity.name)),
            }
        }
        for id in listing.partials.into_iter().chain(contradictory) {
            if listed.insert(id) {
                let (named, partial) = (dir.generation(id), dir.partial(id));
                let path = if there::is_there(&named)? { named.clone() } else { partial.clone() };
                items.push(Item { bytes: size(&named) + size(&partial), ..blank(What::Rest, Some(id), path) });
            }
        }
        let noted = [dir.receipts(), dir.path().join("holds")]
            .iter()
            .map(|folder| names(folder))
            .collect::<Result<Vec<_>>>()?;
        for id in noted.iter().flatten().filter_map(|name| name.split('.').next()?.parse().ok()) {
            if listed.insert(id) {
                items.push(blank(What::Receipt, Some(id), dir.receipt(id)));
            }
        }
        // An incremental before its base: what is left of a deletion that is cut short is whole.
        items.sort_by_key(|item| std::cmp::Reverse(item.id));
        self.items.append(&mut items);
        for name in names(&dir.quarantine())? {
            let path = dir.quarantine().join(name);
            let bytes = path.symlink_metadata().map_or(0, |meta| if meta.is_dir() { size(&path) } else { meta.len() });
            self.items.push(Item { bytes, ..blank(What::Quarantined, None, path) });
        }
        let offers = names(dir.path())?.into_iter().filter_map(|name| match Entry::of(&name) {
            Entry::Offer(_) | Entry::Basis(_) => Some(dir.path().join(name)),
            _ => None,
        });
        for path in offers.chain([dir.accepted(), dir.want_full(), dir.told(), dir.transport_attempt()]) {
            if let Ok(meta) = path.symlink_metadata() {
                let bytes = if meta.is_dir() { size(&path) } else { meta.len() };
                self.note(stream, place, path, bytes);
            }
        }
        Ok(())
    }

    fn note(&mut self, stream: StreamName, place: Place, path: PathBuf, bytes: u64) {
        self.items.push(Item { stream, place, what: What::Note, id: None, kind: None, path, bytes, hold: None });
    }

    /// Bytes of all items.
    pub(crate) fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.bytes).sum()
    }
}

impl Item {
    /// One line.
    pub(crate) fn line(&self) -> String {
        let what = match (self.what, self.kind) {
            (What::Generation, Some(kind)) => kind.to_string(),
            (What::Generation, None) => "generation".into(),
            (What::Rest, _) => "rest".into(),
            (What::Receipt, _) => "receipt".into(),
            (What::Quarantined, _) => "quarantined".into(),
            (What::Note, _) => "note".into(),
        };
        let hold = self.hold.as_ref().map(|why| format!(" held: {why}")).unwrap_or_default();
        format!("{what:11} {:>12} {}{hold}", self.bytes, self.path.display())
    }
}

/// The names in a folder; none, if there is no such folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |source| JobError::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
