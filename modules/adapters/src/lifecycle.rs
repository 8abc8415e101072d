//! A job's state as this host remembers it. Root writes it; transport and rotation, which are not root, read it.

use crate::lock::{Lock, LockError};
use crate::publish::{self, PublishError};
use crate::signals::Interrupt;
use backup_core::lifecycle::{Lifecycle, LifecycleError, Suspended};
use backup_core::state::LOCK;
use backup_core::{Failure, Job, Kind};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How often a [`Watch`] asks. An operator who stops a job waits that long, and the time in which rsync ends.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Of the folder that holds the states: whoever knows a name in it may open that, and nobody else sees what is there.
pub const FOLDER_MODE: u32 = 0o711;
const FILE_MODE: u32 = 0o644;

/// The state of a job is not known, or cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read.
    #[error("cannot read the state of the job, {}: {source}", path.display())]
    Read {
        /// The state file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what we wrote.
    #[error("cannot use the state of the job, {}: {source}", path.display())]
    Refused {
        /// The state file.
        path: PathBuf,
        /// What is wrong with it.
        source: LifecycleError,
    },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] PublishError),
    /// Somebody is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The job is not active.
    #[error(transparent)]
    Suspended(#[from] Suspended),
}

impl Failure for StateError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { source, .. } => publish::kind_of(source),
            Self::Refused { source, .. } => source.kind(),
            Self::Write(error) => error.kind(),
            Self::Lock(error) => error.kind(),
            Self::Suspended(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read { path, source } if source.kind() == ErrorKind::PermissionDenied => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                Some(format!("Let the job's accounts pass: `chmod a+x {}`.", folder.display()))
            }
            Self::Read { .. } => None,
            Self::Refused { source, .. } => source.hint(),
            Self::Write(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Suspended(error) => error.hint(),
        }
    }
}

/// The state of `job` on this host, which is its sink or its source. Without a state file it is active.
///
/// # Errors
/// [`StateError::Read`], also where we may not look: a job that may be stopped is not taken for an active one.
pub fn read(job: &Job, is_sink: bool) -> Result<Lifecycle, StateError> {
    at(&job.lifecycle_file(is_sink))
}

fn at(path: &Path) -> Result<Lifecycle, StateError> {
    let path = path.to_owned();
    match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Lifecycle::default()),
        Err(source) => Err(StateError::Read { path, source }),
        Ok(bytes) => Lifecycle::parse(&bytes).map_err(|source| StateError::Refused { path, source }),
    }
}

/// Where whoever makes, carries or expires copies of a job asks whether the job is active.
///
/// A stop writes the state first, and then takes and releases every lock of the job before it answers. So whoever asks
/// after having taken a lock knows for as long as he holds it that no stop has answered.
#[derive(Debug, Clone)]
pub struct Gate {
    name: String,
    state: PathBuf,
}

impl Gate {
    /// Of `job` on this host, which is its sink or its source.
    pub fn of(job: &Job, is_sink: bool) -> Self {
        let name = if is_sink { job.name_at_sink() } else { job.job.clone() };
        Self { name, state: job.lifecycle_file(is_sink) }
    }

    /// Refuses what only an active job does. Without a lock only what is put off by it may rely on the answer.
    ///
    /// # Errors
    /// [`StateError::Suspended`] if it is not active.
    pub fn ask(&self) -> Result<(), StateError> {
        Ok(at(&self.state)?.require_active(&self.name)?)
    }

    /// Takes the lock at `path`, then asks.
    ///
    /// # Errors
    /// As [`Self::ask`], or the lock is not free by the `deadline`.
    pub fn lock(&self, path: &Path, what: &str, deadline: Instant) -> Result<Lock, StateError> {
        let lock = Lock::take_until(path, what, deadline)?;
        self.ask()?;
        Ok(lock)
    }
}

/// Asks for a job's state as long as it is not dropped: see [`Gate::watch`].
#[derive(Debug)]
#[must_use = "nobody watches once it is dropped"]
pub struct Watch {
    _ends_with: Sender<()>,
}

impl Gate {
    /// Interrupts a run of the job that takes long, once the job is not active any more: what was begun before a stop does
    /// not go on for hours after it. A state that cannot be read for a moment ends nothing; whoever goes on to another
    /// generation asks by himself.
    pub fn watch(&self, interrupt: &Interrupt) -> Watch {
        let (gate, interrupt) = (self.clone(), interrupt.clone());
        let (ends_with, ended) = mpsc::channel();
        // Without a thread a stop waits until the run ends by itself.
        let _ = thread::Builder::new().name("watch".into()).spawn(move || {
            while ended.recv_timeout(ASK_EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Err(StateError::Suspended(suspended)) = gate.ask() {
                    return interrupt.stop(suspended);
                }
            }
        });
        Watch { _ends_with: ends_with }
    }
}

/// Remembers a state durably. The folder becomes one that the job's accounts can pass.
pub fn write(job: &Job, is_sink: bool, lifecycle: &Lifecycle) -> Result<(), StateError> {
    prepare(job)?;
    Ok(publish::write_atomic(&job.lifecycle_file(is_sink), &lifecycle.to_bytes(), FILE_MODE, None)?)
}

/// Takes the lock of whoever collects, restores or changes the state on the source, if it is free. Makes the job's state
/// directory, closed to everybody but root.
pub fn lock(job: &Job, what: &str) -> Result<Lock, StateError> {
    lock_until(job, false, what, Instant::now())
}

/// [`lock`], waiting for it until `deadline`. On a sink it is the lock of whoever changes the state.
pub fn lock_until(job: &Job, is_sink: bool, what: &str, deadline: Instant) -> Result<Lock, StateError> {
    prepare(job)?;
    if is_sink {
        return Ok(Lock::take_until(&job.lifecycle_file(true).with_extension("lock"), what, deadline)?);
    }
    let directory = job.state_dir();
    publish::create_dirs(&directory, 0o700, None)?;
    Ok(Lock::take_until(&directory.join(LOCK), what, deadline)?)
}

/// Makes the folder of the states, or opens one that an earlier version made for root alone.
pub fn prepare(job: &Job) -> Result<(), StateError> {
    publish::create_dirs(&job.state, FOLDER_MODE, None)?;
    let failed = |action| move |source| PublishError::Io { action, path: job.state.clone(), source };
    let mode = fs::metadata(&job.state).map_err(failed("inspect"))?.permissions().mode() & 0o7777;
    if mode & 0o011 != 0o011 {
        fs::set_permissions(&job.state, Permissions::from_mode(mode | 0o011)).map_err(failed("set the mode of"))?;
    }
    Ok(())
}
