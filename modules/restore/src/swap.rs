//! The moment that counts: whole trees change places, and a journal says how to go back or on.
//!
//! ```text
//!              begin                exchange each root           commit              finish
//! (staging) ─────────► "swapping" ─────────────────────► (new) ────────► "committed" ──────► (nothing left over)
//!                          │                                │                 │
//!                          │                                │                 └─ resume: remove what is old
//!                          └──── undo: exchange back ───────┘──────► "undone" ──► (nothing left over)
//!                                                                       └─ resume: remove what is new
//! ```
//!
//! A staging container `.<name>.handover-<id>` lies beside each root, on the same file system, and is private to root. It
//! holds the new tree before the exchange and the old one after it. Which of both is in place is told by the new tree's
//! inode, which the journal has: so undoing and resuming can be repeated, and a kill at any point leaves each root
//! either old or new. (Where the file system cannot exchange two names in one step, a kill may leave a root without a
//! name until it is recovered: the tree lies in the container meanwhile.) Without a journal a container is rubbish.

use crate::error::{RestoreError, Result};
use crate::live::Replacement;
use crate::merge;
use crate::tree::{Room, drop_inherited};
use backup_adapters::publish;
use backup_adapters::there::{is_gone, is_there, look};
use backup_adapters::{fault, selinux, space};
use backup_core::GenerationId;
use backup_core::state::RESTORE_JOURNAL;
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One root that is exchanged as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The root. Paths of roots come from a job document and a manifest: both are text.
    pub live: PathBuf,
    /// The generation that comes here.
    pub id: GenerationId,
    /// What is not of the generation's business and moves over from the old tree: paths from the root's own name on, in
    /// hex because names are bytes.
    stays: Vec<String>,
    /// Device and inode of the new tree's top; `None` before it was made.
    new: Option<(u64, u64)>,
}

/// How far an exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    /// Some roots may be new; the old trees count.
    Swapping,
    /// All roots are new and approved; the old trees are to be removed.
    Committed,
    /// All roots are old again; the new trees are to be removed. Where each tree lies is not asked any more: of what is
    /// half removed it could not be told.
    Undone,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Journal {
    format: u32,
    phase: Phase,
    keep_old: bool,
    places: Vec<Place>,
}

impl Journal {
    fn write(&self, state: &Path) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self).expect("a journal has only string keys");
        Ok(publish::write_atomic(&journal_path(state), &bytes, 0o600, None)?)
    }
}

/// What [`recover`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// There was nothing to do.
    Nothing,
    /// The old trees are back in these places.
    Undone(Vec<PathBuf>),
    /// The new trees stay in these places, and what was left over is gone.
    Finished(Vec<PathBuf>),
    /// A merge into these places was brought to its end; what was to follow it did not run.
    Merged(Vec<PathBuf>),
}

impl Place {
    /// A root and its generation. Refuses what cannot be exchanged as a whole, so that nothing was done yet.
    /// `stays` are absolute paths below it that move over as they are.
    pub(crate) fn new(live: &Path, id: GenerationId, stays: &[PathBuf]) -> Result<Self> {
        let refuse = |why: &str| RestoreError::NotReplaceable { root: live.to_owned(), why: why.into() };
        if live.file_name().is_none() {
            return Err(refuse("it is the root of the file system").into());
        }
        let mounts = space::mounts_within(live).map_err(RestoreError::io("look for mount points in", live))?;
        if let Some(mount) = mounts.first() {
            return Err(if mount == live {
                refuse("it is a mount point")
            } else {
                refuse(&format!("{} is mounted in it", mount.display()))
            }
            .into());
        }
        let above = live.parent().unwrap_or(live);
        let device = |path: &Path| look(path).map(|found| found.map(|metadata| metadata.dev()));
        let real = above.canonicalize().unwrap_or_else(|_| above.to_owned());
        // A subvolume is not mounted, and cannot be renamed across all the same.
        if let Some(own) = device(live)?
            && Some(own) != device(&real)?
        {
            return Err(refuse("it is on another file system than the directory that it lies in").into());
        }
        let stays = stays.iter().filter(|path| path.starts_with(live)).filter_map(|path| path.strip_prefix(above).ok());
        let stays = stays.map(|path| hex::encode(path.as_os_str().as_bytes())).collect();
        Ok(Self { live: live.to_owned(), id, stays, new: None })
    }

    fn hidden(&self, word: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.live.file_name().unwrap_or_default());
        name.push(format!(".{word}-{}", self.id));
        self.live.with_file_name(name)
    }

    /// The private directory beside the root.
    pub(crate) fn container(&self) -> PathBuf {
        self.hidden("handover")
    }

    /// Refuses to keep an old tree where an earlier restore of the same generation has left one.
    pub(crate) fn check_keeping(&self) -> Result<()> {
        if is_there(&self.kept())? { Err(RestoreError::AlreadyKept(self.kept()).into()) } else { Ok(()) }
    }

    /// Where the old tree is kept for those who want it.
    fn kept(&self) -> PathBuf {
        self.hidden("before")
    }

    fn staged(&self) -> PathBuf {
        self.container().join(self.live.file_name().unwrap_or_default())
    }

    /// The directory that holds the root; missing ones above it are made as a system has them.
    pub(crate) fn prepare(&self) -> Result<()> {
        if let Some(parent) = self.live.parent() {
            publish::create_dirs(parent, 0o755, None)?;
        }
        let container = self.container();
        let failed = || RestoreError::io("create", &container);
        nix::unistd::mkdir(&container, Mode::S_IRWXU).map_err(io::Error::from).map_err(failed())?;
        let opened = File::open(&container).map_err(failed())?;
        drop_inherited(&opened).map_err(failed())?;
        Ok(nix::sys::stat::fchmod(&opened, Mode::S_IRWXU).map_err(io::Error::from).map_err(failed())?)
    }

    /// Remembers which tree is the new one, once it is on disk.
    fn note_new(&mut self) -> Result<()> {
        let staged = self.staged();
        let metadata = staged.symlink_metadata().map_err(RestoreError::io("inspect", &staged))?;
        self.new = Some((metadata.dev(), metadata.ino()));
        Ok(publish::sync_fs(&self.container())?)
    }

    /// Whether the new tree has left the container. Where it lay is asked, not where it belongs: an application that runs
    /// on it may have replaced a single file since.
    fn is_new(&self) -> Result<bool> {
        let lies = look(&self.staged())?.map(|metadata| (metadata.dev(), metadata.ino()));
        Ok(lies != self.new && is_there(&self.container())?)
    }

    /// Exchanges both trees, in either direction: the new one in, or out again.
    fn exchange(&self) -> Result<()> {
        let (live, staged) = (&self.live, &self.staged());
        match (is_there(live)?, is_there(staged)?) {
            (true, true) => publish::exchange(staged, live)?,
            (false, _) => publish::move_dir(staged, live)?,
            // Undoing where nothing was before.
            (true, false) => publish::move_dir(live, staged)?,
        }
        Ok(())
    }

    /// Ends an exchange that a kill cut in its middle, where the file system cannot do it in one step. Either way both trees
    /// have a name again.
    fn settle(&self) -> Result<()> {
        let (live, staged) = (&self.live, &self.staged());
        let aside = publish::aside(staged);
        if is_there(&aside)? {
            publish::move_dir(&aside, if is_there(live)? { staged } else { live })?;
        }
        Ok(())
    }

    /// Moves over what stays: to the new tree, or back. Can be repeated.
    fn carry(&self, back: bool) -> Result<()> {
        if self.stays.is_empty() {
            return Ok(());
        }
        let (mut live, mut aside) =
            (Room::open(self.live.parent().unwrap_or(&self.live))?, Room::open(&self.container())?);
        for path in self.stays.iter().filter_map(|path| hex::decode(path).ok()) {
            let (in_place, put_aside) = (live.spot(&path)?, aside.spot(&path)?);
            let (from, to) = if back { (in_place, put_aside) } else { (put_aside, in_place) };
            if from.exists()? && !to.exists()? {
                from.move_to(&to)?;
                fault::point("restore.swap.carried");
            }
        }
        Ok(())
    }

    fn remove_rest(&self, keep_old: bool) -> Result<()> {
        if keep_old && is_there(&self.staged())? {
            publish::move_dir(&self.staged(), &self.kept())?;
        }
        remove_container(&self.container())
    }
}

/// An exchange under way. Dropping it without [`Swap::commit`] leaves it to [`recover`].
#[derive(Debug)]
pub(crate) struct Swap {
    state: PathBuf,
    journal: Journal,
    /// Whether SELinux gives labels to the new trees.
    relabels: bool,
}

fn journal_path(state: &Path) -> PathBuf {
    state.join(RESTORE_JOURNAL)
}

impl Swap {
    /// Notes the finished new trees. From here on [`recover`] knows what to do.
    pub(crate) fn begin(state: &Path, mut places: Vec<Place>, keep_old: bool, relabels: bool) -> Result<Self> {
        // A root inside another one (of another stream, which excludes it) goes first and comes back last: its container
        // lies in the tree that is exchanged around it.
        places.sort_by_key(|place| std::cmp::Reverse(place.live.components().count()));
        let mut journal = Journal { format: 1, phase: Phase::Swapping, keep_old, places };
        let noted = journal.places.iter_mut().try_for_each(Place::note_new);
        let swap = Self { state: state.to_owned(), journal, relabels };
        if let Err(error) = noted.and_then(|()| swap.journal.write(&swap.state)) {
            for place in &swap.journal.places {
                // The next run removes what this cannot.
                let _ = remove_container(&place.container());
            }
            return Err(error);
        }
        fault::point("restore.swap.begun");
        Ok(swap)
    }
}

impl Replacement for Swap {
    fn exchange(&mut self) -> Result<()> {
        for place in &self.journal.places {
            if !place.is_new()? {
                place.exchange()?;
            }
            fault::point("restore.swap.exchanged");
            place.carry(false)?;
        }
        if self.relabels {
            let roots: Vec<_> = self.journal.places.iter().map(|place| place.live.clone()).collect();
            selinux::relabel(&roots, true)?;
            fault::point("restore.swap.labelled");
        }
        Ok(())
    }

    fn is_exchanged(&self) -> Result<bool> {
        for place in &self.journal.places {
            if place.is_new()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn undo(mut self) -> Result<()> {
        undo(&mut self.journal, &self.state)?;
        Ok(publish::remove_file(&journal_path(&self.state))?)
    }

    fn commit(&mut self) -> Result<()> {
        self.journal.phase = Phase::Committed;
        self.journal.write(&self.state)?;
        fault::point("restore.swap.committed");
        Ok(())
    }

    fn finish(self) -> Result<Vec<PathBuf>> {
        finish(&self.journal)?;
        publish::remove_file(&journal_path(&self.state))?;
        let mut kept = Vec::new();
        for path in self.journal.places.iter().map(Place::kept).filter(|_| self.journal.keep_old) {
            if is_there(&path)? {
                kept.push(path);
            }
        }
        Ok(kept)
    }
}

fn undo(journal: &mut Journal, state: &Path) -> Result<()> {
    for place in journal.places.iter().rev() {
        place.settle()?;
        if place.is_new()? {
            // Where nothing was before, nothing was carried over.
            if is_there(&place.staged())? {
                place.carry(true)?;
            }
            place.exchange()?;
        }
        fault::point("restore.swap.back");
    }
    journal.phase = Phase::Undone;
    journal.write(state)?;
    fault::point("restore.swap.undone");
    discard(journal)
}

/// Removes the new trees, which lie where they were made.
fn discard(journal: &Journal) -> Result<()> {
    for place in &journal.places {
        remove_container(&place.container())?;
    }
    Ok(())
}

fn finish(journal: &Journal) -> Result<()> {
    for place in &journal.places {
        place.remove_rest(journal.keep_old)?;
        fault::point("restore.swap.cleaned");
    }
    Ok(())
}

/// What an interrupted run left in the state directory of a job: undone before it was approved, finished after.
pub(crate) fn recover(state: &Path) -> Result<Recovered> {
    let Some(mut journal) = pending(state)? else { return Ok(Recovered::Nothing) };
    let places = journal.places.iter().map(|place| place.live.clone()).collect();
    let recovered = match journal.phase {
        Phase::Swapping => {
            undo(&mut journal, state)?;
            Recovered::Undone(places)
        }
        Phase::Undone => {
            discard(&journal)?;
            Recovered::Undone(places)
        }
        Phase::Committed => {
            finish(&journal)?;
            Recovered::Finished(places)
        }
    };
    publish::remove_file(&journal_path(state))?;
    Ok(recovered)
}

/// Whether an interrupted run left an exchange.
pub(crate) fn is_pending(state: &Path) -> Result<bool> {
    Ok(merge::pending(state)?.is_some() || pending(state)?.is_some())
}

fn pending(state: &Path) -> Result<Option<Journal>> {
    let path = journal_path(state);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(RestoreError::io("read", &path))?,
    };
    let unreadable = |error: serde_json::Error| RestoreError::Journal { path, why: error.to_string() };
    Ok(Some(serde_json::from_slice(&bytes).map_err(unreadable)?))
}

/// Containers beside a root. Without a journal that knows them, an interrupted run had not come to the exchange.
pub(crate) fn leftovers(live: &Path) -> Result<Vec<PathBuf>> {
    let (Some(parent), Some(name)) = (live.parent(), live.file_name()) else { return Ok(Vec::new()) };
    let entries = match fs::read_dir(parent) {
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        entries => entries.map_err(RestoreError::io("read", parent))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(RestoreError::io("read", parent))?;
        if is_container_of(name, &entry.file_name()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes them.
pub(crate) fn remove_leftovers(live: &Path) -> Result<Vec<PathBuf>> {
    let containers = leftovers(live)?;
    containers.iter().try_for_each(|container| remove_container(container))?;
    Ok(containers)
}

fn is_container_of(name: &OsStr, candidate: &OsStr) -> bool {
    let prefix = [b".", name.as_bytes(), b".handover-"].concat();
    let id = candidate.as_bytes().strip_prefix(prefix.as_slice());
    id.and_then(|id| std::str::from_utf8(id).ok()).is_some_and(|id| id.parse::<GenerationId>().is_ok())
}

/// Removes a container and what it holds, unless something is mounted in it.
fn remove_container(container: &Path) -> Result<()> {
    let mounts = space::mounts_within(container).map_err(RestoreError::io("look for mount points in", container))?;
    if let Some(mount) = mounts.first() {
        let why = format!("{} is mounted in what has to be removed", mount.display());
        return Err(RestoreError::NotReplaceable { root: container.to_owned(), why }.into());
    }
    Ok(publish::remove_tree(container, &[])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_containers_of_the_same_root_are_leftovers() {
        let of = |candidate: &str| is_container_of(OsStr::new("shop"), OsStr::new(candidate));
        assert!(of(".shop.handover-20261120T220000Z"));
        for other in [".shop.before-20261120T220000Z", ".shop.handover-x", ".shop2.handover-20261120T220000Z", "shop"] {
            assert!(!of(other), "{other}");
        }
    }
}
