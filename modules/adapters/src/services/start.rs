//! Starting, and seeing that what was started stays.

use super::{Activity, Result, Service, ServiceError};
use crate::fault;
use crate::host::Niceness;
use std::time::{Duration, Instant};

/// A process that dies at once was never up. Who does not say when it is ready has to stay on this long before it counts.
const SETTLE: Duration = Duration::from_millis(500);

/// A service that was seen on.
struct Seen {
    /// What systemd calls this run of it; a restart gets another one.
    run: Option<String>,
    /// When it has been on long enough.
    settled: Instant,
}

/// Starts these services in this order, all of them even if one fails; what is on already stays as it is. Then sees that
/// each stays on that `must`: those that need a moment for that have it at the same time. What does not stay is started
/// once more. The first error counts.
pub(crate) fn start_all(services: &[(&Service, bool)]) -> Result<()> {
    let on: Vec<_> = services.iter().map(|(service, _)| service.be_on()).collect();
    let mut first_error = Ok(());
    for ((service, _), seen) in services.iter().zip(on).filter(|((_, must), _)| *must) {
        let stays = seen.and_then(|seen| service.stays(&seen)).or_else(|error| match error {
            ServiceError::Died { .. } => service.start_twice().and_then(|seen| service.stays(&seen)),
            error => Err(error),
        });
        first_error = first_error.and(stays);
    }
    first_error
}

impl Service {
    /// Starts it, unless it is on, and sees that it stays.
    pub fn start(&self) -> Result<()> {
        start_all(&[(self, true)])
    }

    /// Whether it tries to start again and again: its processes end, and something makes new ones.
    pub(crate) fn is_failing(&self) -> Result<bool> {
        if let Self::Systemd(unit) = self { unit.waits_for_restart() } else { Ok(false) }
    }

    fn be_on(&self) -> Result<Seen> {
        if matches!(self.is_up(), Ok(true)) { self.seen() } else { self.start_twice() }
    }

    /// On, and not only on its way: a start that somebody else began may fail yet. Ours joins it.
    fn is_up(&self) -> Result<bool> {
        if let Self::Systemd(unit) = self { unit.is_up() } else { self.is_on() }
    }

    fn seen(&self) -> Result<Seen> {
        let (run, tells) = match self {
            Self::Systemd(unit) => unit.run()?,
            Self::Sysv(_) | Self::Declared(_) => (None, false),
        };
        Ok(Seen { run, settled: Instant::now() + if tells { Duration::ZERO } else { SETTLE } })
    }

    /// Waits until it has been on long enough; `Err` if it is not on any more, or on again.
    fn stays(&self, seen: &Seen) -> Result<()> {
        if !self.stays_on() {
            return Ok(());
        }
        std::thread::sleep(seen.settled.saturating_duration_since(Instant::now()));
        let on = match self {
            Self::Systemd(unit) => unit.runs(seen.run.as_deref())?,
            Self::Sysv(_) | Self::Declared(_) => self.is_on()?,
        };
        if on { Ok(()) } else { Err(ServiceError::Died { name: self.name().into() }) }
    }

    /// Starts it, with normal priorities, and waits until it is on. One more try if the first fails.
    fn start_twice(&self) -> Result<Seen> {
        match self.start_once() {
            Err(_) => {
                if let Self::Systemd(unit) = self {
                    unit.forget_failures();
                }
                self.start_once()
            }
            done => done,
        }
    }

    fn start_once(&self) -> Result<Seen> {
        let command = match self {
            Self::Systemd(unit) => unit.start_command(),
            Self::Sysv(script) => script.command("start"),
            Self::Declared(declared) => declared.start_command(),
        };
        let failed = |source| ServiceError::Start { name: self.name().into(), source };
        let deadline = Instant::now() + self.timeout();
        command.timeout(self.timeout()).niceness(Niceness::NORMAL).run_quiet().map_err(failed)?;
        fault::point("services.starting");
        if self.stays_on() {
            self.comes(deadline)?;
        }
        fault::point("services.started");
        self.seen()
    }

    /// Waits until it is on: a script may return before it is. systemd does not, so what it shows off has ended already.
    fn comes(&self, deadline: Instant) -> Result<()> {
        match self {
            Self::Systemd(unit) if self.settle(deadline)? != Activity::On => {
                Err(ServiceError::Died { name: unit.name.clone() })
            }
            Self::Sysv(_) | Self::Declared(_) if !self.reaches(Activity::On, deadline)? => {
                Err(ServiceError::StillOff { name: self.name().into(), after: self.timeout() })
            }
            _ => Ok(()),
        }
    }
}
