//! `recover`: what an interrupted restore left is undone or finished, and services that it stopped are started again.

use crate::error::Result;
use crate::merge::{self, Interrupted};
use crate::request;
use crate::swap::{self, Recovered};
use backup_adapters::intent::{self, Recovery};
use backup_adapters::lock::{Lock, LockError};
use backup_adapters::there;
use backup_common::JobArgs;
use backup_common::recover::{Left, Recover};
use backup_core::Job;
use backup_core::state::LOCK;
use std::path::{Path, PathBuf};

/// Undoes, or finishes what was approved; a merge as it was told, or as is asked for.
pub(crate) struct Rescue {
    /// What is asked for.
    pub wish: Option<Interrupted>,
}

impl Recover for Rescue {
    const PROGRAM: &'static str = crate::PROGRAM;

    fn load(args: &JobArgs) -> Result<Job> {
        request::load(args)
    }

    fn one(&self, left: &Left<'_>) -> Result<Vec<String>> {
        one(left.name, &left.state, left.job, left.check, self.wish)
    }

    fn summary(done: &[String]) -> String {
        done.join("; ")
    }

    /// Where only services were off, it may as well have been a collect: cron calls this program first.
    fn what(done: &[String]) -> &'static str {
        if touched_trees(done) { "restore" } else { "run or restore" }
    }

    fn advice(done: &[String]) -> &'static str {
        if touched_trees(done) {
            "What was put back is as before the restore; restore again when you know what interrupted it."
        } else {
            "If it was killed, no copy was made and no tree was touched."
        }
    }
}

fn touched_trees(done: &[String]) -> bool {
    done.iter().any(|done| !done.starts_with(STARTED))
}

/// Begins what is said of a service.
const STARTED: &str = "started ";

fn one(name: &str, state: &Path, job: Option<&Job>, check: bool, wish: Option<Interrupted>) -> Result<Vec<String>> {
    if check {
        let pending = swap::is_pending(state)?;
        return Ok(pending.then(|| format!("{name}: an interrupted restore")).into_iter().collect());
    }
    if !there::is_there(state)? || !is_something_left(state, job)? {
        return Ok(Vec::new());
    }
    match Lock::take(&state.join(LOCK), &format!("recover of {name}")) {
        Ok(_lock) => leftovers(state, job, wish),
        // Its owner lives. Only what is overdue is its rescue's business.
        Err(LockError::Locked { .. }) => services(state, false),
        Err(error) => Err(error.into()),
    }
}

/// Looked at without the job's lock, which cron's other entries of this minute begin with.
fn is_something_left(state: &Path, job: Option<&Job>) -> Result<bool> {
    if swap::is_pending(state)? || intent::pending(state)?.is_some() {
        return Ok(true);
    }
    for root in roots(job) {
        if !swap::leftovers(root)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn roots(job: Option<&Job>) -> impl Iterator<Item = &PathBuf> {
    job.into_iter().flat_map(Job::streams).flat_map(|of| &of.stream.include)
}

/// For who holds the job's lock: trees first, so that no service starts on half of them. Without the job only containers
/// that no journal knows are left to a later call: they are rubbish, and harmless.
pub(crate) fn leftovers(state: &Path, job: Option<&Job>, wish: Option<Interrupted>) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let places =
        |places: Vec<PathBuf>| places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let recovered = match merge::pending(state)? {
        Some(journal) => merge::recover(journal, state, wish)?,
        None => swap::recover(state)?,
    };
    match recovered {
        Recovered::Nothing => {}
        Recovered::Undone(paths) => done.push(format!("put back {}", places(paths))),
        Recovered::Finished(paths) => done.push(format!("finished {}", places(paths))),
        Recovered::Merged(paths) => done
            .push(format!("finished merging into {}, without the hooks and dumps that were to follow", places(paths))),
    }
    for root in roots(job) {
        let removed = swap::remove_leftovers(root)?;
        done.extend(removed.iter().map(|path| format!("removed {}", path.display())));
    }
    done.extend(services(state, true)?);
    Ok(done)
}

fn services(state: &Path, force: bool) -> Result<Vec<String>> {
    Ok(match intent::recover(state, force)? {
        Recovery::Restored(services) => services.iter().map(|name| format!("{STARTED}{name}")).collect(),
        Recovery::Nothing | Recovery::Running(_) => Vec::new(),
    })
}
