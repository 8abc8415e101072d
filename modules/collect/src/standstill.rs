//! The standstill: the services stop, something is read, they start again, whatever happens in between.

use crate::error::{CollectError, Result};
use crate::report::ServiceReport;
use backup_adapters::declared::services;
use backup_adapters::intent::{IntentError, Window};
use backup_adapters::services::with_triggers;
use backup_adapters::{fault, host, rescue};
use backup_core::Job;
use backup_core::manifest::Quiet;
use backup_interface::Failed;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// What the standstill was.
#[derive(Debug, Default)]
pub(crate) struct Standstill {
    /// What was found, in the order of stopping.
    pub services: Vec<ServiceReport>,
    /// Between the last stop and the first start; `None` if nothing was stopped.
    pub quiet: Option<Quiet>,
    /// Its length, without the services' own stop and start.
    pub downtime: Duration,
    /// With them.
    pub downtime_with_services: Duration,
}

/// How a standstill ended.
pub(crate) struct Ended {
    /// As far as it came.
    pub standstill: Standstill,
    /// Whether what was read counts: it was all read, and nothing came back meanwhile.
    pub read: Result<()>,
    /// Whether everything that was on is on again.
    pub started: Result<()>,
}

/// What a standstill would stop, in that order: nothing is touched.
pub(crate) fn found(job: &Job) -> Result<Vec<ServiceReport>> {
    let mut found = Vec::new();
    for service in with_triggers(&services(job))? {
        found.push(ServiceReport { name: service.name().to_owned(), was_on: service.is_on()? });
    }
    Ok(found)
}

/// Stops the job's services, lets `read` read, and starts again what was on. `recover` is the command that a rescue runs.
///
/// `Err` only if nothing was stopped.
pub(crate) fn during(job: &Job, recover: &[OsString], read: impl FnOnce() -> Result<()>) -> Result<Ended> {
    let max_downtime = job.max_downtime.duration();
    let mut window = Window::open(&job.state_dir(), &job.job, &services(job), max_downtime)?;
    let mut standstill = Standstill {
        services: window
            .services()
            .iter()
            .map(|entry| ServiceReport { name: entry.service.name().to_owned(), was_on: entry.was_on })
            .collect(),
        ..Standstill::default()
    };
    let armed = rescue::arm(&job.job, recover, max_downtime)?;
    fault::point("collect.rescue.armed");

    let away = Instant::now();
    let mut quiet_since = None;
    let result = window.stop().map_err(Failed::from).and_then(|()| {
        quiet_since = Some((host::now().timestamp(), Instant::now()));
        fault::point("collect.stopped");
        read()?;
        fault::point("collect.read");
        Ok(window.still_quiet()?)
    });
    if let Some((from, since)) = quiet_since {
        standstill.quiet = Some(Quiet { from, to: host::now().timestamp() });
        standstill.downtime = since.elapsed();
    }
    let started = window.start();
    standstill.downtime_with_services = away.elapsed();
    fault::point("collect.started");
    // If it failed, the rescue tries again.
    if started.is_ok() {
        armed.disarm();
    }
    let (read, started) = match started {
        // The rescue was faster: the services are on, but what was read is not quiet.
        Err(error @ IntentError::RescueFired { .. }) => (result.and(Err(error.into())), Ok(())),
        // Its own kind may say how, but not what it means for the application.
        Err(error) => (result, Err(CollectError::NotStarted(error.to_string()).into())),
        Ok(()) => (result, Ok(())),
    };
    Ok(Ended { standstill, read, started })
}
