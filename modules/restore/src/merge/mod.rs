//! `mode: merge`: only what differs is written, into trees that stay where they are. For mount points, for trees that others
//! share, and for some paths of a tree.
//!
//! What the generation does not have stays, unless its removal was asked for. What comes is made before the application is
//! stopped; at the standstill both trees are compared once more, because the application went on writing meanwhile.
//! [`journal`] knows how to go on, or back, from anywhere.

pub(crate) mod journal;
mod meta;
mod plan;
mod regions;

pub(crate) use journal::{CONTAINER, Interrupted};
pub(crate) use plan::{is_container, needs, prune};

use crate::compare::{Change, How, Item, compare};
use crate::error::{RestoreError, Result};
use crate::fetch::fetch;
use crate::live::Replacement;
use crate::pipeline::Track;
use crate::request::Merge;
use crate::staging::Staging;
use crate::swap::Recovered;
use backup_adapters::signals::Interrupt;
use backup_adapters::{fault, publish, space, there};
use backup_archive::{EntryKind, order};
use backup_core::Job;
use backup_core::state::RESTORE_JOURNAL;
use backup_interface::Progress;
use journal::{Journal, Mode, Phase, Steps, encoded};
use nix::sys::stat::futimens;
use nix::sys::time::TimeSpec;
use regions::Regions;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One merge.
pub(crate) struct Merging<'a> {
    job: &'a str,
    how: Merge,
    compare: How,
    work: &'a [Track<'a>],
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    state: PathBuf,
    journal: Journal,
    /// What was made already, by path: container and number.
    staged: HashMap<Vec<u8>, (usize, u64)>,
    /// What these have to be made of.
    put: Vec<Vec<Item>>,
    last: u64,
}

impl<'a> Merging<'a> {
    /// Makes what comes, in containers on the file systems that it goes to. On an error nothing is left over.
    pub(crate) fn begin(
        job: &'a Job,
        how: Merge,
        compare: How,
        relabels: bool,
        work: &'a [Track<'a>],
        progress: &'a Progress,
        interrupt: &'a Interrupt,
    ) -> Result<Self> {
        let state = job.state_dir();
        let mut roots: Vec<_> = work.iter().flat_map(|track| track.comparison.present(&track.generation)).collect();
        roots.sort_by(|a, b| order::compare(a, b));
        for root in &roots {
            if let Some(above) = crate::select::shown(root).parent() {
                publish::create_dirs(above, 0o755, None)?;
            }
        }
        let journal = Journal {
            mode: Mode::Merge,
            phase: Phase::Staging,
            interrupted: how.interrupted,
            roots: roots.iter().map(|root| encoded(root)).collect(),
            containers: Vec::new(),
            relabels,
        };
        let put = work.iter().map(|track| track.comparison.items.clone()).collect();
        let (staged, last) = (HashMap::new(), 0);
        let mut merging =
            Self { job: &job.job, how, compare, work, interrupt, progress, state, journal, staged, put, last };
        match merging.stage() {
            Ok(()) => Ok(merging),
            Err(failed) => match journal::clean(&merging.journal, &merging.state) {
                Ok(()) => Err(failed),
                Err(more) => Err(failed.with_warning(more.message())),
            },
        }
    }

    /// Makes what is not made yet. Further names are made anew each time: what they are names of may have been.
    fn stage(&mut self) -> Result<()> {
        for (track, items) in self.work.iter().zip(&self.put) {
            let roots = track.comparison.present(&track.generation);
            let mut regions = Regions::new(&roots, self.job, &self.journal.containers())?;
            let kinds = plan::kinds(&track.generation, items)?;
            let mut numbers = HashMap::new();
            let mut made = HashSet::new();
            for item in items.iter().filter(|item| plan::is_put(&item.change)) {
                let container = regions.of(&item.path, items)?;
                let is_link = matches!(kinds.get(&item.path), Some(EntryKind::Hardlink { .. }));
                let known = self.staged.get(&item.path).filter(|(at, _)| *at == container && !is_link);
                let place = known.copied().unwrap_or_else(|| {
                    self.last += 1;
                    made.insert(item.path.clone());
                    (container, self.last)
                });
                numbers.insert(item.path.clone(), place);
            }
            for item in items.iter().filter(|item| item.change == Change::Removed) {
                regions.of(&item.path, items)?;
            }
            // Known before they are there: so whatever happens, they are found and removed.
            self.journal.containers =
                regions.containers().iter().map(|path| encoded(path.as_os_str().as_bytes())).collect();
            self.journal.write(&self.state)?;
            fault::point("restore.merge.noted");
            for container in regions.missing()? {
                make_container(&container)?;
            }
            let mut staging =
                Staging::numbered(&self.journal.containers(), numbers.clone(), journal::live(roots.clone())?)?;
            fetch(
                &track.generation,
                &mut staging,
                &|pick| made.contains(&pick.entry.path),
                self.progress,
                self.interrupt,
            )?;
            self.staged.extend(numbers);
        }
        for container in self.journal.containers() {
            publish::sync_fs(&container)?;
        }
        fault::point("restore.merge.staged");
        Ok(())
    }

    /// What differs now that nothing writes any more.
    fn look_again(&mut self) -> Result<()> {
        let mut put = Vec::new();
        for track in self.work {
            let mut comparison = compare(&track.generation, track.of.stream, Path::new("/"), self.compare)?;
            prune(&mut comparison, track.of.stream, self.how.delete)?;
            put.push(comparison.items);
        }
        if put != self.put {
            self.put = put;
            self.stage()?;
        }
        Ok(())
    }

    fn steps(&self) -> Result<Steps> {
        let containers = self.journal.containers();
        let mut steps = Steps::default();
        let mut next = self.last;
        for (track, items) in self.work.iter().zip(&self.put) {
            plan::steps(track, items, &self.staged, &containers, &mut next, self.job, &mut steps)?;
        }
        Ok(steps)
    }
}

impl Replacement for Merging<'_> {
    fn exchange(&mut self) -> Result<()> {
        self.look_again()?;
        let steps = self.steps()?;
        steps.write(&self.state)?;
        self.journal.phase = Phase::Merging;
        self.journal.write(&self.state)?;
        fault::point("restore.merge.begun");
        journal::forward(&self.journal, &steps)
    }

    fn is_exchanged(&self) -> Result<bool> {
        Ok(self.journal.phase == Phase::Merging)
    }

    fn commit(&mut self) -> Result<()> {
        journal::commit(&mut self.journal, &self.state)
    }

    fn finish(self) -> Result<Vec<PathBuf>> {
        journal::clean(&self.journal, &self.state)?;
        Ok(Vec::new())
    }

    fn undo(mut self) -> Result<()> {
        journal::undo(&mut self.journal, &self.state)
    }
}

/// Whether the journal in this directory is that of a merge.
pub(crate) fn pending(state: &Path) -> Result<Option<Journal>> {
    let path = state.join(RESTORE_JOURNAL);
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(RestoreError::io("read", &path))?,
    };
    // What is neither is refused by whoever reads the other one.
    Ok(serde_json::from_slice(&bytes).ok())
}

/// Puts right what a merge left, as was asked for, or else as the merge itself was told.
pub(crate) fn recover(mut journal: Journal, state: &Path, wish: Option<Interrupted>) -> Result<Recovered> {
    let places = journal.places();
    match (journal.phase, wish.unwrap_or(journal.interrupted)) {
        (Phase::Committed, Interrupted::Undo) if wish.is_some() => Err(RestoreError::Approved.into()),
        (Phase::Merging, Interrupted::Wait) => Err(RestoreError::Undecided { places }.into()),
        (Phase::Merging, Interrupted::Finish) => {
            journal::finish(&mut journal, state)?;
            Ok(Recovered::Merged(places))
        }
        (Phase::Committed, _) => {
            journal::finish(&mut journal, state)?;
            Ok(Recovered::Finished(places))
        }
        (Phase::Staging | Phase::Undone | Phase::Merging, _) => {
            journal::undo(&mut journal, state)?;
            Ok(Recovered::Undone(places))
        }
    }
}

/// Makes a private directory; that it was made cannot be told by the time of the directory that it is in.
fn make_container(container: &Path) -> Result<()> {
    keeping_time(container, || {
        let made = publish::create_own(container)?;
        Ok(crate::tree::drop_inherited(&made).map_err(RestoreError::io("prepare", container))?)
    })
}

/// Removes a container and what it holds, unless something is mounted in it.
fn remove_container(container: &Path) -> Result<()> {
    let mounts = space::mounts_within(container).map_err(RestoreError::io("look for mount points in", container))?;
    if let Some(mount) = mounts.first() {
        let why = format!("{} is mounted in what has to be removed", mount.display());
        return Err(RestoreError::InTheWay { path: container.to_owned(), why }.into());
    }
    if !there::is_there(container)? {
        return Ok(());
    }
    keeping_time(container, || Ok(publish::remove_tree(container, &[])?))
}

fn keeping_time(container: &Path, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let directory = regions::holder(container);
    let failed = || RestoreError::io("keep the time of", directory);
    let opened = File::open(directory).map_err(failed())?;
    let found = opened.metadata().map_err(failed())?;
    let result = work();
    let time = TimeSpec::new(found.mtime(), found.mtime_nsec());
    let kept = futimens(&opened, &TimeSpec::UTIME_OMIT, &time).map_err(io::Error::from).map_err(failed());
    result.and_then(|()| Ok(kept?))
}
