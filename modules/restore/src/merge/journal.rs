//! What a merge does to the live trees, written down before it begins, so that it can be finished or undone from
//! wherever it was cut short.
//!
//! ```text
//!          begin            note the steps          move, set           commit
//! (nothing) ───► "staging" ───────────────► "merging" ───────► (new) ───────────► "committed" ───► (nothing left over)
//!                                               │ ▲                                   ▲
//!                                        undo   ▼ │ from anywhere         finish ─────┘
//!                                            "undone" ───► (nothing left over)
//! ```
//!
//! New files lie in private containers on the file system of the place that they go to, one under each number. A step
//! exchanges one with what lies at its place, in one call: so the container then holds the old one, and no copy is made
//! to undo it. Which of both is in place is told by the new one's inode, which is written down: each step can be repeated,
//! in either direction. Owners, times and attributes are noted, old and new, and set at the end.

use super::meta::Meta;
use crate::error::{RestoreError, Result};
use crate::staging::Staging;
use crate::tree::{Room, Spot, lost};
use backup_adapters::{fault, publish, selinux};
use backup_core::state::RESTORE_JOURNAL;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The steps, beside the journal: written once, however often the journal is.
const STEPS: &str = "restore.steps.json";

/// Holds the new files, and then the old ones. Followed by the job's name.
pub(crate) const CONTAINER: &str = ".handover-merge-";

/// What `recover` does about a merge that was cut short, if nobody says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Interrupted {
    /// Everything as before.
    #[default]
    Undo,
    /// Everything as in the generation.
    Finish,
    /// Nothing, until somebody says; the services stay as they are.
    Wait,
}

/// How far a merge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Only containers were made.
    Staging,
    /// Some steps may be done.
    Merging,
    /// All are done and approved: what is old is to be removed.
    Committed,
    /// All are undone: what is new is to be removed.
    Undone,
}

/// A name in a journal: bytes in hex.
pub(crate) fn encoded(name: &[u8]) -> String {
    hex::encode(name)
}

fn decoded(name: &str) -> Vec<u8> {
    hex::decode(name).unwrap_or_default()
}

/// One path that comes, goes, or is exchanged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Move {
    pub path: String,
    pub container: usize,
    pub number: u64,
    /// Device and inode of what comes; `None`: something only goes.
    pub new: Option<(u64, u64)>,
    /// Whether something lay there.
    pub had: bool,
}

/// Owner, mode, time and attributes of one path.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Set {
    pub path: String,
    /// `None`: it was not there.
    pub old: Option<Meta>,
    pub new: Meta,
    /// A container lies in it, and changes its time again when it is removed.
    pub holds_container: bool,
}

/// All that a merge does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Steps {
    pub moves: Vec<Move>,
    pub sets: Vec<Set>,
}

/// A merge under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journal {
    pub mode: Mode,
    pub phase: Phase,
    pub interrupted: Interrupted,
    /// The roots that are touched, as catalog names.
    pub roots: Vec<String>,
    pub containers: Vec<String>,
    /// Whether what comes is given labels by SELinux.
    #[serde(default)]
    pub relabels: bool,
}

/// Tells this journal from that of an exchange of whole trees.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Merge,
}

impl Journal {
    pub(crate) fn write(&self, state: &Path) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self).expect("a journal has only string keys");
        Ok(publish::write_atomic(&state.join(RESTORE_JOURNAL), &bytes, 0o600, None)?)
    }

    pub(crate) fn containers(&self) -> Vec<PathBuf> {
        self.containers.iter().map(|path| PathBuf::from(OsStr::from_bytes(&decoded(path)))).collect()
    }

    /// The roots as people write them.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        self.roots.iter().map(|root| crate::select::shown(&decoded(root))).collect()
    }

    fn live(&self) -> Result<Staging> {
        live(self.roots.iter().map(|root| decoded(root)).collect())
    }
}

/// The live trees, entered through the directories that hold their roots.
pub(crate) fn live(roots: Vec<Vec<u8>>) -> Result<Staging> {
    let mut above = Vec::new();
    for root in &roots {
        let parent = crate::select::shown(backup_archive::order::parent(root).unwrap_or_default());
        above.push(parent.canonicalize().map_err(RestoreError::io("find", &parent))?);
    }
    Staging::beside(roots, above)
}

impl Steps {
    pub(crate) fn write(&self, state: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self).expect("steps have only string keys");
        Ok(publish::write_atomic(&state.join(STEPS), &bytes, 0o600, None)?)
    }

    fn read(state: &Path) -> Result<Self> {
        let path = state.join(STEPS);
        let bytes = fs::read(&path).map_err(RestoreError::io("read", &path))?;
        Ok(serde_json::from_slice(&bytes).map_err(|error| RestoreError::Journal { path, why: error.to_string() })?)
    }
}

/// Takes every step that is not taken yet, and makes it durable.
fn moved(journal: &Journal, steps: &Steps) -> Result<()> {
    let mut trees = Trees::open(journal)?;
    trees.settle(steps)?;
    for step in &steps.moves {
        let (staged, live) = trees.of(step)?;
        let live = live.ok_or_else(|| lost(staged.shown()))?;
        let waits =
            if step.new.is_some() { staged.inode()? == step.new } else { live.exists()? && !staged.exists()? };
        if waits {
            if step.new.is_some() { staged.exchange_or_move(&live)? } else { live.exchange_or_move(&staged)? }
        }
        fault::point("restore.merge.moved");
    }
    for set in &steps.sets {
        set.new.set(&trees.live.find(&decoded(&set.path))?)?;
        fault::point("restore.merge.set");
    }
    trees.sync(journal)
}

/// Takes every step that is not taken yet, and lets SELinux give labels to what came.
pub(crate) fn forward(journal: &Journal, steps: &Steps) -> Result<()> {
    moved(journal, steps)?;
    if journal.relabels {
        let came = steps.moves.iter().filter(|step| step.new.is_some());
        let came: Vec<_> = came.map(|step| crate::select::shown(&decoded(&step.path))).collect();
        selinux::relabel(&came, false)?;
        fault::point("restore.merge.labelled");
    }
    Ok(())
}

/// Takes every step back that was taken, the last one first, and makes it durable.
pub(crate) fn back(journal: &Journal, steps: &Steps) -> Result<()> {
    let mut trees = Trees::open(journal)?;
    trees.settle(steps)?;
    for step in steps.moves.iter().rev() {
        // Where its directory is gone again, it went before that.
        let (staged, Some(live)) = trees.of(step)? else { continue };
        if step.new.is_none() {
            if staged.exists()? {
                staged.exchange_or_move(&live)?;
            }
        } else if staged.inode()? != step.new {
            // What has come is here, or the application has replaced it since: in either case the old one comes back.
            match (staged.exists()?, live.exists()?) {
                (true, _) => staged.exchange_or_move(&live)?,
                (false, true) => live.exchange_or_move(&staged)?,
                (false, false) => {}
            }
        }
        fault::point("restore.merge.back");
    }
    for set in &steps.sets {
        if let Some(old) = &set.old {
            old.set_back(&trees.live.find(&decoded(&set.path))?)?;
        }
    }
    trees.sync(journal)
}

/// Both ends of every step, as open directories.
struct Trees {
    live: Staging,
    containers: Vec<Room>,
}

impl Trees {
    fn open(journal: &Journal) -> Result<Self> {
        let containers =
            journal.containers().iter().map(|path| Room::open(path)).collect::<std::result::Result<_, _>>();
        Ok(Self { live: journal.live()?, containers: containers? })
    }

    /// In its container, and in its place. There is no place where what it comes into is not there.
    fn of(&mut self, step: &Move) -> Result<(Spot, Option<Spot>)> {
        let live = self.live.find_if_there(&decoded(&step.path))?;
        let staged = self.containers[step.container].spot(step.number.to_string().as_bytes())?;
        Ok((staged, live))
    }

    /// Ends an exchange that a kill cut in its middle, where the file system cannot do it in one step.
    fn settle(&mut self, steps: &Steps) -> Result<()> {
        for container in 0..self.containers.len() {
            let aside = self.containers[container].spot(publish::ASIDE.as_bytes())?;
            if !aside.exists()? {
                continue;
            }
            for step in steps.moves.iter().filter(|step| step.container == container && step.had && step.new.is_some())
            {
                let (staged, Some(live)) = self.of(step)? else { continue };
                if !staged.exists()? || !live.exists()? {
                    aside.exchange_or_move(if staged.exists()? { &live } else { &staged })?;
                    break;
                }
            }
        }
        Ok(())
    }

    fn sync(&self, journal: &Journal) -> Result<()> {
        for container in journal.containers() {
            publish::sync_fs(&container)?;
        }
        fault::point("restore.merge.synced");
        self.live.sync()
    }
}

/// Approves what was merged: from here on nothing goes back.
pub(crate) fn commit(journal: &mut Journal, state: &Path) -> Result<()> {
    journal.phase = Phase::Committed;
    journal.write(state)?;
    fault::point("restore.merge.committed");
    Ok(())
}

/// Removes the containers, and the journal at last.
pub(crate) fn clean(journal: &Journal, state: &Path) -> Result<()> {
    for container in journal.containers() {
        super::remove_container(&container)?;
        fault::point("restore.merge.cleaned");
    }
    if journal.phase != Phase::Staging {
        let steps = Steps::read(state)?;
        let mut live = journal.live()?;
        for set in steps.sets.iter().filter(|set| set.holds_container) {
            let spot = live.find(&decoded(&set.path))?;
            match &set.old {
                _ if journal.phase == Phase::Committed => set.new.set(&spot)?,
                Some(old) => old.set_back(&spot)?,
                None => {}
            }
        }
    }
    publish::remove_file(&state.join(RESTORE_JOURNAL))?;
    Ok(publish::remove_file(&state.join(STEPS))?)
}

/// Takes everything back.
pub(crate) fn undo(journal: &mut Journal, state: &Path) -> Result<()> {
    if journal.phase == Phase::Merging {
        back(journal, &Steps::read(state)?)?;
        journal.phase = Phase::Undone;
        journal.write(state)?;
        fault::point("restore.merge.undone");
    }
    clean(journal, state)
}

/// Goes on to the end with what was cut short.
pub(crate) fn finish(journal: &mut Journal, state: &Path) -> Result<()> {
    if journal.phase == Phase::Merging {
        forward(journal, &Steps::read(state)?)?;
        commit(journal, state)?;
    }
    clean(journal, state)
}
