//! SIGTERM, SIGINT, SIGHUP and the stop of a job as a flag and a descriptor, so that a long run can end in order.

use backup_core::lifecycle::Suspended;
use backup_core::{Failure, Kind};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The run was asked to end.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// By a signal.
    #[error("ended by {name}")]
    Signal {
        /// Its name.
        name: &'static str,
    },
    /// Somebody stopped the job that it is about.
    #[error(transparent)]
    Stopped(#[from] Suspended),
}

impl Failure for Interrupted {
    fn kind(&self) -> Kind {
        match self {
            Self::Signal { .. } => Kind::Interrupted,
            Self::Stopped(suspended) => suspended.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Signal { .. } => None,
            Self::Stopped(suspended) => suspended.hint(),
        }
    }
}

/// Remembers the first request to end. Clones share it.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    signal: Arc<AtomicUsize>,
    stopped: OnceLock<Suspended>,
    /// Readable for ever once a signal or a stop arrived; never read.
    wake: UnixStream,
    send: UnixStream,
}

impl Interrupt {
    /// Installs the handlers. Call it once, early in `main`: from here on these signals no longer end the process.
    pub fn install() -> io::Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        let (wake, send) = UnixStream::pair()?;
        for number in [SIGTERM, SIGINT, SIGHUP] {
            // The number is a small positive constant.
            signal_hook::flag::register_usize(number, Arc::clone(&signal), number.unsigned_abs() as usize)?;
            signal_hook::low_level::pipe::register(number, send.try_clone()?)?;
        }
        Ok(Self(Arc::new(Inner { signal, stopped: OnceLock::new(), wake, send })))
    }

    /// Asks the run to end, as a signal does, because its job is not active any more.
    pub fn stop(&self, why: Suspended) {
        if self.0.stopped.set(why).is_ok() {
            // One byte fits into an empty buffer, and a full one is readable anyway.
            let _ = (&self.0.send).write(&[0]);
        }
    }

    /// Whether the run was asked to end.
    pub fn is_set(&self) -> bool {
        self.check().is_err()
    }

    /// `Err` once the run was asked to end: put it between two steps.
    pub fn check(&self) -> Result<(), Interrupted> {
        if let Some(suspended) = self.0.stopped.get() {
            return Err(suspended.clone().into());
        }
        let name = match i32::try_from(self.0.signal.load(Ordering::Relaxed)) {
            Ok(0) => return Ok(()),
            Ok(SIGINT) => "SIGINT",
            Ok(SIGHUP) => "SIGHUP",
            _ => "SIGTERM",
        };
        Err(Interrupted::Signal { name })
    }

    /// Sleeps for `time` or until the run is asked to end, whichever comes first.
    pub fn sleep(&self, time: std::time::Duration) -> Result<(), Interrupted> {
        let end = std::time::Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let mut wake = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut wake, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        }
    }
}

impl AsFd for Interrupt {
    /// Becomes readable with the first request to end and stays so.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}
