//! The standstill of an application, so written down that whatever was on comes back on, whoever dies.
//!
//! ```text
//!            open             stop                       start
//!  (nothing) ────► intent on ────► services stopped ──────────► services on, intent gone
//!                  disk, synced          │
//!                       └────────────────┴──── recover ───────► services on, intent gone
//! ```
//!
//! - The intent is on disk before the first stop and goes after the last start: a crash at any point leaves either
//!   nothing to do, or an intent that [`recover`] carries out. Restoring is idempotent.
//! - Two locks. The owner holds `window.lock` for the whole window: free means that the owner died. `intent.lock` is
//!   held for each single step, by its stopping command too, so that a rescue never works against a step under way;
//!   a rescue waits for it only as long as a step may take, and then goes on without.
//! - The rescue takes the intent away from the owner: an owner that finds its intent gone, or marked, knows that the
//!   window is broken, and never stops anything again.
//! - A reboot changes nothing: what was on is started, whether or not a boot brings it up by itself.

use crate::fault;
use crate::host::{self, Now};
use crate::lock::{Lock, LockError};
use crate::publish::{self, PublishError};
use crate::services::{self, Service, ServiceError, Stopped};
use backup_core::{Failure, Kind};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The owner holds a lock for moments only, unless a step is under way.
const MOMENT: Duration = Duration::from_secs(5);

/// Version of the intent's form.
const VERSION: u32 = 1;

/// What was on before the window, and until when it may stay off.
///
/// An upgrade may come while a window is open, in either direction. The services matter more than the rest of the file,
/// so fields that are not known are ignored, and a version counts only where the file is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    version: u32,
    /// Random; tells this window from any other.
    id: String,
    /// The job, for messages.
    pub job: String,
    /// Of the boot in which it was written.
    boot_id: String,
    /// When it was written.
    pub opened: Now,
    /// How long the services may stay off.
    pub max_downtime: Duration,
    /// Where it stands.
    pub phase: Phase,
    /// In the order of stopping.
    pub services: Vec<Entry>,
}

/// How far a window has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Services may be stopping or stopped.
    Stopping,
    /// All of them are stopped.
    Stopped,
    /// Its owner starts them again.
    Starting,
    /// A rescue starts them again: the owner has lost the window.
    Rescue,
}

/// One service and its state before the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which service.
    pub service: Service,
    /// Whether it was on.
    pub was_on: bool,
    /// Whether it did not stay on before either: it is started again, and whether it stays now is not for this window to say.
    #[serde(default)]
    pub was_failing: bool,
}

/// The window cannot be opened, was broken, or could not be closed.
#[derive(Debug, thiserror::Error)]
pub enum IntentError {
    /// A service did not obey.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Another window of this job is open.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The intent cannot be written or removed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// An earlier window was never closed.
    #[error("cannot stop services for job {job}: an earlier run left services stopped")]
    Unfinished {
        /// The job.
        job: String,
    },
    /// The intent on disk cannot be read.
    #[error("cannot read the intent {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The rescue started the services before the window ended.
    #[error("the services of job {job} were started by the rescue before the run was done")]
    RescueFired {
        /// The job.
        job: String,
    },
    /// A service came back on its own during the window.
    #[error("the service {name} came back before the run was done")]
    CameBack {
        /// The service.
        name: String,
    },
    /// Clock, boot id or randomness of the host cannot be read.
    #[error("cannot read the boot id or random bytes of this host: {0}")]
    Host(io::Error),
}

impl Failure for IntentError {
    fn kind(&self) -> Kind {
        match self {
            Self::Service(error) => error.kind(),
            Self::Lock(error) => error.kind(),
            Self::Publish(error) => error.kind(),
            Self::Unfinished { .. } => Kind::ServiceStart,
            Self::Unreadable { .. } | Self::Host(_) => Kind::Io,
            Self::RescueFired { .. } | Self::CameBack { .. } => Kind::WindowBroken,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Publish(error) => error.hint(),
            Self::Unfinished { job } => Some(format!("Run `backup_collect recover {job}` and look why it fails.")),
            Self::Unreadable { path, .. } => {
                Some(format!("Start the services by hand, then remove {}.", path.display()))
            }
            Self::RescueFired { .. } => {
                Some("Raise max_downtime, or find out what took so long while the services were off.".into())
            }
            Self::CameBack { name } => Some(format!("Find out what starts {name} (a timer, a monitor, a person).")),
            Self::Host(_) => None,
        }
    }
}

type Result<T> = std::result::Result<T, IntentError>;

fn file(state: &Path) -> PathBuf {
    state.join("intent.json")
}

/// Takes the lock that each single step holds.
fn step_lock(state: &Path, what: &str, patience: Duration) -> std::result::Result<Lock, LockError> {
    Lock::take_until(&state.join("intent.lock"), what, Instant::now() + patience)
}

/// The intent in the state directory of a job, if a window is open there (or was left open).
pub fn pending(state: &Path) -> Result<Option<Intent>> {
    let path = file(state);
    let unreadable = |reason: String| IntentError::Unreadable { path: path.clone(), reason };
    match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error.to_string())),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(why(&bytes, &error))),
    }
}

/// Why an intent was not understood.
fn why(bytes: &[u8], error: &serde_json::Error) -> String {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_slice(bytes) {
        Ok(Versioned { version }) if version > VERSION => {
            format!("it has version {version}, and this executable knows {VERSION}: {error}")
        }
        _ => error.to_string(),
    }
}

impl Intent {
    fn write(&self, state: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| IntentError::Host(error.into()))?;
        Ok(publish::write_atomic(&file(state), &text, 0o600, None)?)
    }

    /// When the rescue is due, on `CLOCK_BOOTTIME`.
    fn deadline(&self) -> Duration {
        self.opened.boottime + self.max_downtime
    }

    fn longest_step(&self) -> Duration {
        self.services.iter().map(|entry| entry.service.timeout()).max().unwrap_or_default()
    }

    /// Starts what was on, all of it even if one fails, and sees that it stays on if it did before. The first error counts.
    fn start(&self) -> std::result::Result<Vec<String>, ServiceError> {
        let entries = services::start_order(&self.services, |entry| &entry.service);
        let entries: Vec<_> = entries.into_iter().filter(|entry| entry.was_on).collect();
        let wanted: Vec<_> = entries.iter().map(|entry| (&entry.service, !entry.was_failing)).collect();
        services::start_all(&wanted)?;
        Ok(entries.iter().map(|entry| entry.service.name().to_owned()).collect())
    }
}

/// An open window: services are off, or about to be. Dropping it starts them again.
#[derive(Debug)]
pub struct Window {
    state: PathBuf,
    intent: Intent,
    stopped: Vec<Stopped>,
    /// Held until the window is closed; its release tells everybody that the owner is gone.
    _alive: Lock,
    closed: bool,
}

impl Window {
    /// Writes down which of `services` (and of the units that trigger them) are on. Nothing is stopped yet: arm the
    /// rescue next, for `max_downtime` from now at the earliest. `state` is the job's state directory.
    pub fn open(state: &Path, job: &str, services: &[Service], max_downtime: Duration) -> Result<Self> {
        let what = format!("collect of {job}");
        let alive = Lock::take_until(&state.join("window.lock"), &what, Instant::now() + MOMENT)?;
        let _step = step_lock(state, &what, MOMENT)?;
        if pending(state)?.is_some() {
            return Err(IntentError::Unfinished { job: job.into() });
        }
        let mut entries = Vec::new();
        for service in services::with_triggers(services)? {
            let (was_on, was_failing) = (service.settles_on()?, service.is_failing()?);
            entries.push(Entry { service, was_on, was_failing });
        }
        let intent = Intent {
            version: VERSION,
            id: host::random_hex(8).map_err(IntentError::Host)?,
            job: job.into(),
            boot_id: host::boot_id().map_err(IntentError::Host)?,
            opened: host::now(),
            max_downtime,
            phase: Phase::Stopping,
            services: entries,
        };
        intent.write(state)?;
        fault::point("intent.written");
        Ok(Self { state: state.into(), intent, stopped: Vec::new(), _alive: alive, closed: false })
    }

    /// The services and what they were.
    pub fn services(&self) -> &[Entry] {
        &self.intent.services
    }

    /// Stops everything, in order; also what is off, since a trigger may have started it meanwhile. On an error the
    /// window stays open: drop it, or call [`Window::start`].
    pub fn stop(&mut self) -> Result<()> {
        for index in self.stopped.len()..self.intent.services.len() {
            let step = self.own_step()?;
            let stopped = self.intent.services[index].service.stop(Some(&step))?;
            self.stopped.push(stopped);
            drop(step);
        }
        self.enter(Phase::Stopped)
    }

    /// `Err` if the rescue fired, or if a service came back since it was stopped: what was read is not quiet.
    pub fn still_quiet(&self) -> Result<()> {
        let _step = self.own_step()?;
        for (entry, stopped) in self.intent.services.iter().zip(&self.stopped) {
            if !entry.service.still_stopped(stopped)? {
                return Err(IntentError::CameBack { name: entry.service.name().into() });
            }
        }
        Ok(())
    }

    /// Starts what was on, in reverse order, and closes the window. If the rescue was faster, that is the error, but
    /// the services are on.
    pub fn start(mut self) -> Result<()> {
        self.close()
    }

    fn close(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        let step = self.own_step();
        if step.is_ok() {
            self.intent.phase = Phase::Starting;
            // For information only: a full disk must not keep the services off.
            let _ = self.intent.write(&self.state);
        }
        // Also when the window is lost: the rescue may still be at it, and starting what is on does nothing.
        self.intent.start()?;
        let _step = step?;
        fault::point("intent.started");
        publish::remove_file(&file(&self.state))?;
        fault::point("intent.removed");
        Ok(())
    }

    fn enter(&mut self, phase: Phase) -> Result<()> {
        let _step = self.own_step()?;
        self.intent.phase = phase;
        self.intent.write(&self.state)
    }

    /// The step lock, provided that the window is still ours.
    fn own_step(&self) -> Result<Lock> {
        let job = &self.intent.job;
        let patience = self.intent.longest_step() + MOMENT;
        let step = step_lock(&self.state, &format!("collect of {job}"), patience)?;
        match pending(&self.state)? {
            Some(intent) if intent.id == self.intent.id && intent.phase != Phase::Rescue => Ok(step),
            _ => Err(IntentError::RescueFired { job: job.clone() }),
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // If this fails, the intent is still there, and the rescue is armed.
        let _ = self.close();
    }
}

/// What [`recover`] found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// No window is open.
    Nothing,
    /// Its owner lives and has this much time left.
    Running(Duration),
    /// These services were started (or were found on).
    Restored(Vec<String>),
}

/// Closes a window whose owner died, whose time is over, or which a reboot cut off (`force`: any window): starts what
/// was on. Safe at any time, any number of times, next to a living owner, and as often as cron likes. On an error the
/// intent stays, so that the next call tries again. Whether the owner lives may not be known, if its lock cannot be read: that
/// is an error, too, until the window's time is over.
pub fn recover(state: &Path, force: bool) -> Result<Recovery> {
    let Some(seen) = pending(state)? else { return Ok(Recovery::Nothing) };
    let same_boot = host::boot_id().map_err(IntentError::Host)? == seen.boot_id;
    let left = seen.deadline().saturating_sub(host::now().boottime);
    if same_boot && !left.is_zero() && !force && !Lock::is_free(&state.join("window.lock"))? {
        return Ok(Recovery::Running(left));
    }
    let what = format!("recover of {}", seen.job);
    // Whoever holds it beyond that hangs longer than it may, and a disk that turned read-only has no lock to offer: the
    // services matter more.
    let step = step_lock(state, &what, seen.longest_step() + MOMENT).ok();
    let Some(mut intent) = pending(state)?.filter(|intent| intent.id == seen.id) else {
        return Ok(Recovery::Nothing);
    };
    intent.phase = Phase::Rescue;
    // The mark only tells the owner sooner; a full disk must not keep the services off.
    let _ = intent.write(state);
    fault::point("recover.marked");
    let started = intent.start()?;
    fault::point("recover.started");
    publish::remove_file(&file(state))?;
    drop(step);
    Ok(Recovery::Restored(started))
}
