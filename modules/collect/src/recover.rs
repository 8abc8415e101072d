//! `recover`: starts what an interrupted run left stopped. Called by the rescue, at boot, every minute by cron; does
//! nothing, silently, where there is nothing to do.

use crate::error::Result;
use crate::memory::Memory;
use crate::notify;
use crate::report::RecoverReport;
use crate::request::{self, JobArgs};
use backup_adapters::intent::{self, Recovery};
use backup_adapters::jobs;
use backup_adapters::logger::Severity;
use backup_core::Job;
use backup_interface::{Call, Failed, Outcome};
use std::path::PathBuf;
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
        let loaded = request::load(&JobArgs { job: name, config: args.config.clone() });
        match loaded.and_then(|job| one(&job, call.check, args.after)) {
            Ok(services) => recovered.extend(services),
            Err(failure) => failures.push(failure),
        }
    }
    let report = RecoverReport { recovered };
    if !failures.is_empty() {
        let first = failures.remove(0);
        let first = failures.iter().fold(first, |first, other| first.with_warning(other.message()));
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

fn one(job: &Job, check: bool, after: Option<u64>) -> Result<Vec<String>> {
    let memory = Memory::of(job);
    if check {
        let pending = intent::pending(memory.directory())?;
        let entries = pending.into_iter().flat_map(|intent| intent.services).filter(|entry| entry.was_on);
        return Ok(entries.map(|entry| entry.service.name().to_owned()).collect());
    }
    let end = after.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        let may_wait = end.is_some_and(|end| Instant::now() < end);
        match intent::recover(memory.directory(), false) {
            Ok(Recovery::Restored(services)) => {
                tell(job, &services);
                return Ok(services);
            }
            Ok(Recovery::Running(_)) | Err(_) if may_wait => std::thread::sleep(LOOK),
            Ok(Recovery::Nothing | Recovery::Running(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A rescue has no terminal and no caller: somebody must hear of it nevertheless.
fn tell(job: &Job, services: &[String]) {
    let text = format!(
        "A run of job {} on {} was interrupted while services were stopped. They are on again: {}.\n\
         Nothing was sealed by that run.\n",
        job.job,
        job.source,
        services.join(", ")
    );
    let _ = notify::send(job, Severity::Error, &format!("interrupted run of {} on {}", job.job, job.source), &text);
}
