//! Services of the host: is it on, stop it, start it, and did it stay stopped.
//!
//! Three managers, one enum. "On" includes on its way up; a stop counts only when the service is seen off, a start only
//! when it is seen on. Whatever answers neither "on" nor "off" is an error, never "off".

mod declared;
mod order;
mod start;
mod systemd;
mod sysv;

pub use declared::Declared;
pub use order::{start_order, with_triggers};
pub(crate) use start::start_all;
pub use systemd::Unit;
pub use sysv::Script;

use crate::command::{Command, CommandError};
use crate::lock::Lock;
use crate::{fault, users};
use backup_core::{Failure, Kind};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How often a service is asked whether it has come or gone: commands may return before it has.
const POLL: Duration = Duration::from_millis(100);
/// How long a question about the state may take.
const QUESTION: Duration = Duration::from_secs(30);

/// A service, whoever manages it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// A systemd unit of any type.
    Systemd(Unit),
    /// A script in `/etc/init.d`.
    Sysv(Script),
    /// Commands named in the job, for containers and everything else.
    Declared(Declared),
}

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// On, or on its way up.
    On,
    /// On its way down: neither quiet yet nor to be counted on.
    Leaving,
    Off,
}

/// What a stop left behind, to tell later whether the service came back in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// systemd: when the unit last left `inactive`, in microseconds of `CLOCK_MONOTONIC`.
    left_inactive: Option<u64>,
}

/// A service did not do what it was told, or its state cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The manager does not know it.
    #[error("cannot find the service {name}")]
    Unknown {
        /// The service.
        name: String,
    },
    /// Neither "on" nor "off".
    #[error("cannot tell whether the service {name} is on: {source}")]
    Status {
        /// The service.
        name: String,
        /// How the question failed.
        source: CommandError,
    },
    /// The command that stops it failed.
    #[error("cannot stop the service {name}: {source}")]
    Stop {
        /// The service.
        name: String,
        /// How the command failed.
        source: CommandError,
    },
    /// It was told to stop and did not.
    #[error("cannot stop the service {name}: still on after {} s", after.as_secs())]
    StillOn {
        /// The service.
        name: String,
        /// Its timeout.
        after: Duration,
    },
    /// The command that starts it failed.
    #[error("cannot start the service {name}: {source}")]
    Start {
        /// The service.
        name: String,
        /// How the command failed.
        source: CommandError,
    },
    /// It was told to start and did not.
    #[error("cannot start the service {name}: not on after {} s", after.as_secs())]
    StillOff {
        /// The service.
        name: String,
        /// Its timeout.
        after: Duration,
    },
    /// It was started and did not stay.
    #[error("cannot start the service {name}: it does not stay on")]
    Died {
        /// The service.
        name: String,
    },
}

impl Failure for ServiceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unknown { .. } => Kind::NotFound,
            Self::Status { source, .. } => source.kind(),
            Self::Stop { .. } | Self::StillOn { .. } => Kind::ServiceStop,
            Self::Start { .. } | Self::StillOff { .. } | Self::Died { .. } => Kind::ServiceStart,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { name } => Some(format!("Install the service {name}, or correct its name in the job.")),
            Self::Status { .. } => Some("A status command must end with 0 (on) or 1, 2, 3 (off).".into()),
            Self::Stop { source, .. } | Self::Start { source, .. } => source.hint(),
            Self::StillOn { name, .. } | Self::StillOff { name, .. } => {
                Some(format!("Look into the log of {name}; if it only needs longer, raise its timeout."))
            }
            Self::Died { name } => Some(format!("Look into the log of {name}.")),
        }
    }
}

type Result<T> = std::result::Result<T, ServiceError>;

impl Service {
    /// Its name, for messages.
    pub fn name(&self) -> &str {
        match self {
            Self::Systemd(unit) => &unit.name,
            Self::Sysv(script) => &script.name,
            Self::Declared(declared) => &declared.name,
        }
    }

    /// How long a stop or a start may take.
    pub const fn timeout(&self) -> Duration {
        match self {
            Self::Systemd(unit) => unit.timeout,
            Self::Sysv(script) => script.timeout,
            Self::Declared(declared) => declared.timeout,
        }
    }

    /// Whether it is on, or on its way up.
    pub fn is_on(&self) -> Result<bool> {
        Ok(self.activity()? == Activity::On)
    }

    /// Whether it is on, once it has made up its mind: what is on its way down may come back by itself. Waits for that
    /// as long as a stop may take.
    pub fn settles_on(&self) -> Result<bool> {
        let deadline = Instant::now() + self.timeout();
        match self.settle(deadline)? {
            Activity::Leaving => Err(ServiceError::StillOn { name: self.name().into(), after: self.timeout() }),
            activity => Ok(activity == Activity::On),
        }
    }

    fn activity(&self) -> Result<Activity> {
        let on = match self {
            Self::Systemd(unit) => return unit.activity(),
            Self::Sysv(script) => script.is_on()?,
            Self::Declared(declared) => declared.is_on()?,
        };
        Ok(if on { Activity::On } else { Activity::Off })
    }

    /// Whether a successful start leaves it on; a unit that does one thing and ends does not.
    pub fn stays_on(&self) -> bool {
        !matches!(self, Self::Systemd(unit) if unit.ends_by_itself())
    }

    /// Stops it and waits until it is off. The stopping command holds `lock` as long as it lives, even beyond us.
    pub fn stop(&self, lock: Option<&Lock>) -> Result<Stopped> {
        let mut command = match self {
            Self::Systemd(unit) => unit.stop_command(),
            Self::Sysv(script) => script.command("stop"),
            Self::Declared(declared) => declared.stop_command(),
        };
        if let Some(descriptor) = lock.and_then(|lock| lock.descriptor().ok()) {
            command = command.keep_open(descriptor);
        }
        let failed = |source| ServiceError::Stop { name: self.name().into(), source };
        let deadline = Instant::now() + self.timeout();
        let told = command.timeout(self.timeout()).run_quiet();
        fault::point("services.stopping");
        if let Err(source) = told {
            // Many a script fails to stop what is off already: being off is all that counts.
            if !matches!(self.settle(deadline), Ok(Activity::Off)) {
                return Err(failed(source));
            }
        }
        if !self.reaches(Activity::Off, deadline)? {
            return Err(ServiceError::StillOn { name: self.name().into(), after: self.timeout() });
        }
        fault::point("services.stopped");
        Ok(Stopped { left_inactive: if let Self::Systemd(unit) = self { Some(unit.left_inactive()?) } else { None } })
    }

    /// Whether it has been off ever since that stop. systemd also shows an
    /// enabled unit that came and went in between.
    pub fn still_stopped(&self, stopped: &Stopped) -> Result<bool> {
        if self.is_on()? {
            return Ok(false);
        }
        match (self, stopped.left_inactive) {
            // 0: nothing refers to the unit (it is not enabled), and systemd forgets such a unit as soon as it is off.
            // Then its state is all there is.
            (Self::Systemd(unit), Some(then)) => unit.left_inactive().map(|now| now == then || now == 0),
            _ => Ok(true),
        }
    }

    fn reaches(&self, wanted: Activity, deadline: Instant) -> Result<bool> {
        Ok(self.poll(deadline, |activity| activity == wanted)? == wanted)
    }

    /// What it does once it is no longer on its way down, or at the deadline.
    fn settle(&self, deadline: Instant) -> Result<Activity> {
        self.poll(deadline, |activity| activity != Activity::Leaving)
    }

    fn poll(&self, deadline: Instant, enough: impl Fn(Activity) -> bool) -> Result<Activity> {
        loop {
            let activity = self.activity()?;
            if enough(activity) || Instant::now() >= deadline {
                return Ok(activity);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Runs a status command by the convention of init scripts: 0 is on; 1, 2, 3 are off; the rest is no answer.
fn ask(name: &str, command: Command) -> Result<bool> {
    let failed = |source| ServiceError::Status { name: name.into(), source };
    let output = with_home(command).timeout(QUESTION).accept(&[1, 2, 3]).run().map_err(failed)?;
    Ok(output.code == 0)
}

/// Init scripts and container tools expect a home.
fn with_home(command: Command) -> Command {
    match users::current() {
        Ok(account) => command.as_user(&account),
        Err(_) => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_stays() {
        let unit = Service::Systemd(Unit { name: "shop.service".into(), timeout: Duration::from_secs(1) });
        let text = serde_json::to_string(&unit).unwrap();
        assert_eq!(text, r#"{"systemd":{"name":"shop.service","timeout":{"secs":1,"nanos":0}}}"#);
        assert_eq!(serde_json::from_str::<Service>(&text).unwrap(), unit);
    }
}
