//! `recover`: what an interrupted restore left is undone or finished, and services that it stopped are started again.

use crate::error::Result;
use crate::report::RecoverReport;
use crate::request::{self, JobArgs};
use crate::swap::{self, Recovered};
use backup_adapters::intent::{self, Recovery};
use backup_adapters::jobs;
use backup_adapters::lock::{Lock, LockError};
use backup_core::Job;
use backup_interface::{Call, Failed, Outcome};
use std::path::PathBuf;
use std::time::Duration;

/// Options of `recover`.
#[derive(Debug, clap::Args)]
pub(crate) struct RecoverArgs {
    /// The job; all jobs of this host if it is left away.
    pub job: Option<String>,
    /// Holds the job documents in `jobs/`.
    #[arg(long, default_value = "/etc/handover")]
    pub config: PathBuf,
    /// Wait so many seconds first: for a rescue without systemd.
    #[arg(long, hide = true)]
    pub after: Option<u64>,
}

/// Recovers one job or all. One that fails does not keep the others waiting.
pub(crate) fn recover(args: &RecoverArgs, call: &Call) -> Result<Outcome> {
    if let Some(seconds) = args.after {
        std::thread::sleep(Duration::from_secs(seconds));
    }
    let names = match &args.job {
        Some(job) => vec![job.clone()],
        None => jobs::known(&args.config.join("jobs")).into_iter().filter(|name| !name.contains('/')).collect(),
    };
    let mut recovered = Vec::new();
    let mut failures: Vec<Failed> = Vec::new();
    for name in names {
        let loaded = request::load(&JobArgs { job: name, config: args.config.clone() });
        match loaded.and_then(|job| one(&job, call.check)) {
            Ok(done) => recovered.extend(done),
            Err(failure) => failures.push(failure),
        }
    }
    let report = RecoverReport { recovered };
    let changed = !report.recovered.is_empty();
    let mut failures = failures.into_iter();
    if let Some(first) = failures.next() {
        let first = failures.fold(first, |first, other| first.with_warning(other.message()));
        return Err(if changed { first.with_changes() } else { first }.with_report(&report));
    }
    Ok(if changed { Outcome::changed(report.recovered.join("; ")) } else { Outcome::unchanged("nothing to recover") }
        .with_report(&report))
}

fn one(job: &Job, check: bool) -> Result<Vec<String>> {
    let state = job.state_dir();
    if check {
        let mut pending = Vec::new();
        if swap::is_pending(&state)? {
            pending.push(format!("{}: an interrupted restore", job.job));
        }
        return Ok(pending);
    }
    if !state.is_dir() {
        return Ok(Vec::new());
    }
    match Lock::take(&state.join("collect.lock"), &format!("recover of {}", job.job)) {
        Ok(_lock) => leftovers(job),
        // Its owner lives. Only what is overdue is its rescue's business.
        Err(LockError::Locked { .. }) => services(job, false),
        Err(error) => Err(error.into()),
    }
}

/// For who holds the job's lock: trees first, so that no service starts on half of them.
pub(crate) fn leftovers(job: &Job) -> Result<Vec<String>> {
    let state = job.state_dir();
    let mut done = Vec::new();
    let places =
        |places: Vec<PathBuf>| places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    match swap::recover(&state)? {
        Recovered::Nothing => {}
        Recovered::Undone(paths) => done.push(format!("put back {}", places(paths))),
        Recovered::Finished(paths) => done.push(format!("finished {}", places(paths))),
    }
    for of in job.streams() {
        for root in &of.stream.include {
            let removed = swap::remove_leftovers(root)?;
            done.extend(removed.iter().map(|path| format!("removed {}", path.display())));
        }
    }
    done.extend(services(job, true)?);
    Ok(done)
}

fn services(job: &Job, force: bool) -> Result<Vec<String>> {
    Ok(match intent::recover(&job.state_dir(), force)? {
        Recovery::Restored(services) => services.iter().map(|name| format!("started {name}")).collect(),
        Recovery::Nothing | Recovery::Running(_) => Vec::new(),
    })
}
