//! SIGTERM, SIGINT and SIGHUP as a flag and a descriptor, so that a long run can end in order.

use backup_core::{Failure, Kind};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The run was asked to end.
#[derive(Debug, thiserror::Error)]
#[error("ended by {name}")]
pub struct Interrupted {
    /// The signal's name.
    pub name: &'static str,
}

impl Failure for Interrupted {
    fn kind(&self) -> Kind {
        Kind::Interrupted
    }
}

/// Remembers the first request to end. Clones share it.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    signal: Arc<AtomicUsize>,
    /// Readable for ever once a signal arrived; never read.
    wake: UnixStream,
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
        Ok(Self(Arc::new(Inner { signal, wake })))
    }

    /// Whether the run was asked to end.
    pub fn is_set(&self) -> bool {
        self.0.signal.load(Ordering::Relaxed) != 0
    }

    /// `Err` once the run was asked to end: put it between two steps.
    pub fn check(&self) -> Result<(), Interrupted> {
        let name = match i32::try_from(self.0.signal.load(Ordering::Relaxed)) {
            Ok(0) => return Ok(()),
            Ok(SIGINT) => "SIGINT",
            Ok(SIGHUP) => "SIGHUP",
            _ => "SIGTERM",
        };
        Err(Interrupted { name })
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
    /// Becomes readable with the first signal and stays so.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}
