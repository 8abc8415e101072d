//! What a job's schedule says about a run: whether it catches up a missed one, and how long a scheduled one waits for another
//! that is at work. Cron asks every few minutes, so it is cheap.

use backup_adapters::jobs::Named;
use backup_adapters::lock::Lock;
use backup_adapters::signals::Interrupt;
use backup_adapters::{host, lifecycle};
use backup_core::job::Step;
use backup_core::job::objectives::DaysOff;
use backup_core::schedule::{self, GRACE, Runs, TimeError};
use backup_core::{Failure, Kind};
use backup_interface::Failed;
use jiff::{SignedDuration, Timestamp};
use std::io;
use std::time::{Duration, Instant};

/// The times of one step of a job on this host.
#[derive(Debug, Clone)]
pub struct Timetable {
    runs: Runs,
    /// When the job was declared: what was due before is missed by nobody who never tried.
    declared: Timestamp,
    /// When it was started or restarted: what fell into a stop was not missed.
    active: Timestamp,
    takes: SignedDuration,
}

/// What the schedule says is not known.
#[derive(Debug, thiserror::Error)]
pub enum TimetableError {
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

impl Failure for TimetableError {
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

/// Why nothing is done on such a day.
pub const DAY_OFF: &str = "nothing is collected on this day, as objectives.blackout says";

/// How often a wanted lock is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What became of waiting for another run.
#[derive(Debug)]
pub enum Turn {
    /// It is ours. If it was waited for, the scheduled time of this run is told.
    Ours(Lock, Option<Timestamp>),
    /// The next scheduled run has begun to wait for it, too.
    Relieved(Failed),
}

impl Timetable {
    /// About `step` of a job.
    ///
    /// # Errors
    /// It has no times, or the host's zone cannot be read.
    pub fn new(named: &Named, step: Step) -> Result<Self, TimetableError> {
        let schedule = &named.job.schedule;
        let (times, key) = match step {
            Step::Collect => (&schedule.collect, "collect"),
            Step::Transport => (&schedule.transport, "transport"),
            Step::Rotate => (&schedule.rotate, "rotate"),
        };
        if times.is_empty() {
            return Err(TimetableError::NoSchedule { job: named.job.job.clone(), step: key });
        }
        let times = times.iter().map(|time| time.parse()).collect::<Result<_, _>>()?;
        let takes = schedule::catching_up(&named.job, step);
        // A state that cannot be read is told by whoever asks whether the job is active.
        let active = lifecycle::read(&named.job, named.is_sink).ok().and_then(|state| state.since);
        let active = active.unwrap_or(Timestamp::MIN);
        // A transport brings what there is, on any day.
        let off = match (step, &named.job.objectives) {
            (Step::Collect, Some(objectives)) => objectives.days_off(),
            _ => DaysOff::default(),
        };
        Ok(Self { runs: Runs { times, zone: host::zone()?, off }, declared: named.declared, active, takes })
    }

    /// Why nothing is caught up; `None`: a run was missed, and there is time to make up for it. `tried` is when something was
    /// last tried; where nothing was, nothing was due before the job document was written. Another schedule may leave a gap
    /// between its times and those of the one before: that counts as missed, too. Where the next run is so near that it
    /// would meet this one, it does the work itself.
    pub fn declines(&self, tried: Option<Timestamp>, now: Timestamp) -> Option<&'static str> {
        let since = tried.unwrap_or(self.declared).max(self.active);
        if self.rests(now) {
            return Some(DAY_OFF);
        }
        if self.runs.missed(since, now).is_none() {
            return Some("no scheduled run was missed");
        }
        // A run whose time has just come may not have begun yet.
        let next = self.runs.next(now - GRACE);
        next.is_some_and(|next| next < now + self.takes + GRACE).then_some("the next scheduled run is near")
    }

    /// Whether nothing that is scheduled is done today.
    pub fn rests(&self, now: Timestamp) -> bool {
        self.runs.rests(now)
    }

    /// Takes a lock that another run of this job may hold. A run whose time has just come waits for it, for `patience` at most and
    /// until the next run's time comes; any other is refused at once.
    ///
    /// # Errors
    /// It is not free after that, cannot be taken, or this run was asked to end.
    pub fn turn<E: Failure>(
        this: Option<&Self>,
        began: Timestamp,
        patience: Duration,
        interrupt: &Interrupt,
        mut take: impl FnMut() -> Result<Lock, E>,
    ) -> Result<Turn, Failed> {
        let locked = match take() {
            Err(error) if error.kind() == Kind::Locked => error,
            taken => return Ok(Turn::Ours(taken?, None)),
        };
        let due = this.and_then(|this| Some((this, this.runs.due(began)?)));
        let Some((this, due)) = due else { return Err(locked.into()) };
        let (begin, now) = (Instant::now(), host::now().timestamp());
        let next = this.runs.next(now).map(|next| now.duration_until(next).unsigned_abs());
        loop {
            interrupt.sleep(RETRY)?;
            match take() {
                Err(error) if error.kind() == Kind::Locked => {
                    let waited = begin.elapsed();
                    if next.is_some_and(|next| waited >= next) {
                        return Ok(Turn::Relieved(error.into()));
                    }
                    if waited >= patience {
                        return Err(error.into());
                    }
                }
                taken => return Ok(Turn::Ours(taken?, Some(due))),
            }
        }
    }
}
