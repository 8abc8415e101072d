//! Catching up after the host was off: whether a scheduled run was missed. Cron asks every few minutes, so it is cheap.

use backup_adapters::host;
use backup_adapters::jobs::Named;
use backup_core::schedule::{self, CronTime, TimeError};
use backup_core::{Failure, Kind};
use jiff::{Timestamp, tz::TimeZone};
use std::io;

/// What a run with `missed` asks before it does anything.
#[derive(Debug, Clone)]
pub struct CatchUp {
    times: Vec<CronTime>,
    zone: TimeZone,
    declared: Timestamp,
}

/// It cannot be known whether a run was missed.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// The job has no such schedule.
    #[error("option missed: job {job} declares no schedule.{step}, so no run of it can have been missed")]
    NoSchedule {
        /// The job.
        job: String,
        /// The key below `schedule`.
        step: &'static str,
    },
    /// It is no time for cron.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The host's zone is not known.
    #[error("cannot read the zone of this host, /etc/localtime: {0}")]
    Zone(#[from] io::Error),
}

impl Failure for CatchUpError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSchedule { .. } => Kind::InvalidOption,
            Self::Time(error) => error.kind(),
            Self::Zone(_) => Kind::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoSchedule { step, .. } => Some(format!("Declare schedule.{step}, or leave `missed` away.")),
            Self::Time(error) => error.hint(),
            Self::Zone(_) => Some("Let /etc/localtime lead to a file of /usr/share/zoneinfo.".into()),
        }
    }
}

impl CatchUp {
    /// About `step` of a job, whose times in `schedule` are `times`.
    ///
    /// # Errors
    /// There is none, or the host's zone cannot be read.
    pub fn new(named: &Named, step: &'static str, times: &[String]) -> Result<Self, CatchUpError> {
        if times.is_empty() {
            return Err(CatchUpError::NoSchedule { job: named.job.job.clone(), step });
        }
        let times = times.iter().map(|time| time.parse()).collect::<Result<_, _>>()?;
        Ok(Self { times, zone: host::zone()?, declared: named.declared })
    }

    /// The run that was missed, if the last one was. `tried` is when something was last tried; what was scheduled before
    /// the job document was written was never due.
    pub fn missed(&self, tried: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let since = tried.map_or(self.declared, |tried| tried.max(self.declared));
        schedule::missed(&self.times, &self.zone, since, now)
    }
}
