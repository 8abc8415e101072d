//! `recover`: starts what an interrupted run left stopped. Called by the rescue, at boot, every minute by cron; does
//! nothing, silently, where there is nothing to do.

use crate::error::Result;
use crate::memory::Memory;
use crate::notify;
use crate::report::RecoverReport;
use crate::request;
use backup_adapters::intent::{self, Recovery};
use backup_adapters::logger::Severity;
use backup_adapters::{host, jobs};
use backup_common::JobArgs;
use backup_core::Job;
use backup_core::job::DEFAULT_STATE;
use backup_interface::{Call, Failed, Outcome};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Options of `recover`.
#[derive(Debug, clap::Args)]
pub(crate) struct RecoverArgs {
    /// The job; all jobs of this host if it is left away.
    pub(crate) job: Option<String>,
    /// Holds the job documents in `jobs/`.
    #[arg(long, default_value = "/etc/handover")]
    pub(crate) config: PathBuf,
    /// Stands guard over a run: ends with it, recovers as soon as it died, and at the latest after so many seconds.
    #[arg(long, hide = true, value_name = "SECONDS")]
    pub(crate) after: Option<u64>,
    /// The job's state directory: what a rescue needs to know even if the document has become unreadable.
    #[arg(long, hide = true, requires = "job")]
    pub(crate) state: Option<PathBuf>,
}

/// How often a guard looks. Nobody waits for it except when everything else has died.
const LOOK: Duration = Duration::from_millis(500);

/// Recovers one job or all. One that fails does not keep the others waiting.
pub(crate) fn recover(args: &RecoverArgs, call: &Call) -> Result<Outcome> {
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
        match one(&Memory::at(state), call.check, args.after) {
            Ok(services) if services.is_empty() => {}
            Ok(services) => {
                if !call.check {
                    tell(&name, loaded.as_ref().ok(), &services);
                }
                recovered.extend(services);
            }
            Err(failure) => failures.push(failure),
        }
        failures.extend(loaded.err().filter(|_| args.state.is_none()));
    }
    let report = RecoverReport { recovered };
    let mut failures = failures.into_iter();
    if let Some(first) = failures.next() {
        let first = failures.fold(first, |first, other| first.with_warning(other.message()));
        let first = if report.recovered.is_empty() { first } else { first.with_changes() };
        return Err(first.with_report(&report));
    }
    if report.recovered.is_empty() {
        return Ok(Outcome::unchanged("nothing to recover").with_report(&report));
    }
    let list = report.recovered.join(", ");
    let warning = format!("an interrupted run had left services stopped; they are on again: {list}");
    Ok(Outcome::changed(format!("started {list}")).with_report(&report).with_warning(warning))
}

fn one(memory: &Memory, check: bool, after: Option<u64>) -> Result<Vec<String>> {
    // Services must not start on half exchanged trees: `backup_restore recover` does both, in the right order.
    if memory.is_restoring() {
        return Ok(Vec::new());
    }
    if check {
        let pending = intent::pending(memory.directory())?;
        let entries = pending.into_iter().flat_map(|intent| intent.services).filter(|entry| entry.was_on);
        return Ok(entries.map(|entry| entry.service.name().to_owned()).collect());
    }
    let end = after.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        let may_wait = end.is_some_and(|end| Instant::now() < end);
        match intent::recover(memory.directory(), false) {
            Ok(Recovery::Restored(services)) => return Ok(services),
            Ok(Recovery::Running(_)) | Err(_) if may_wait => std::thread::sleep(LOOK),
            Ok(Recovery::Nothing | Recovery::Running(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A rescue has no terminal and no caller: somebody must hear of it nevertheless.
fn tell(name: &str, job: Option<&Job>, services: &[String]) {
    let subject = format!("interrupted run of {name} on {}", host::hostname());
    let list = services.join(", ");
    let text = format!(
        "A run of job {name} left services stopped. They are on again: {list}.\n\
         If it was killed, it has sealed nothing; if it could not start them, it has told so itself.\n"
    );
    match job {
        // What cannot be mailed is in the log.
        Some(job) => drop(notify::send(job, Severity::Error, &subject, &text)),
        None => notify::log(Severity::Error, &text),
    }
}
