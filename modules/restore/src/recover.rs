//! `recover`: what an interrupted restore left is undone or finished, and services that it stopped are started again.

use crate::error::Result;
use crate::report::RecoverReport;
use crate::request;
use crate::swap::{self, Recovered};
use backup_adapters::intent::{self, Recovery};
use backup_adapters::jobs;
use backup_adapters::lock::{Lock, LockError};
use backup_adapters::logger::{Logger, Severity};
use backup_common::JobArgs;
use backup_core::Job;
use backup_core::job::DEFAULT_STATE;
use backup_interface::{Call, Failed, Outcome};
use std::path::{Path, PathBuf};
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
    /// The job's state directory: what a rescue needs to know even if the document has become unreadable.
    #[arg(long, hide = true, requires = "job")]
    pub state: Option<PathBuf>,
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
        let loaded = request::load(&JobArgs { job: name.clone(), config: args.config.clone() });
        // A document that somebody broke meanwhile must not keep the application down.
        let state = match (&args.state, &loaded) {
            (Some(state), _) => state.clone(),
            (None, Ok(job)) => job.state_dir(),
            (None, Err(_)) => Path::new(DEFAULT_STATE).join(&name),
        };
        match one(&name, &state, loaded.as_ref().ok(), call.check) {
            Ok(done) => recovered.extend(done),
            Err(failure) => failures.push(failure),
        }
        failures.extend(loaded.err().filter(|_| args.state.is_none()));
    }
    let report = RecoverReport { recovered };
    let changed = !report.recovered.is_empty();
    let mut failures = failures.into_iter();
    if let Some(first) = failures.next() {
        let first = failures.fold(first, |first, other| first.with_warning(other.message()));
        return Err(if changed { first.with_changes() } else { first }.with_report(&report));
    }
    if !changed {
        return Ok(Outcome::unchanged("nothing to recover").with_report(&report));
    }
    let done = report.recovered.join("; ");
    if !call.check {
        Logger::new("backup_restore").log(Severity::Warning, &format!("an interrupted restore: {done}"));
    }
    Ok(Outcome::changed(done).with_report(&report))
}

fn one(name: &str, state: &Path, job: Option<&Job>, check: bool) -> Result<Vec<String>> {
    if check {
        let pending = swap::is_pending(state)?;
        return Ok(pending.then(|| format!("{name}: an interrupted restore")).into_iter().collect());
    }
    if !state.is_dir() {
        return Ok(Vec::new());
    }
    match Lock::take(&state.join("collect.lock"), &format!("recover of {name}")) {
        Ok(_lock) => leftovers(state, job),
        // Its owner lives. Only what is overdue is its rescue's business.
        Err(LockError::Locked { .. }) => services(state, false),
        Err(error) => Err(error.into()),
    }
}

/// For who holds the job's lock: trees first, so that no service starts on half of them. Without the job only containers
/// that no journal knows are left to a later call: they are rubbish, and harmless.
pub(crate) fn leftovers(state: &Path, job: Option<&Job>) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let places =
        |places: Vec<PathBuf>| places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    match swap::recover(state)? {
        Recovered::Nothing => {}
        Recovered::Undone(paths) => done.push(format!("put back {}", places(paths))),
        Recovered::Finished(paths) => done.push(format!("finished {}", places(paths))),
    }
    for root in job.into_iter().flat_map(Job::streams).flat_map(|of| &of.stream.include) {
        let removed = swap::remove_leftovers(root)?;
        done.extend(removed.iter().map(|path| format!("removed {}", path.display())));
    }
    done.extend(services(state, true)?);
    Ok(done)
}

fn services(state: &Path, force: bool) -> Result<Vec<String>> {
    Ok(match intent::recover(state, force)? {
        Recovery::Restored(services) => services.iter().map(|name| format!("started {name}")).collect(),
        Recovery::Nothing | Recovery::Running(_) => Vec::new(),
    })
}
