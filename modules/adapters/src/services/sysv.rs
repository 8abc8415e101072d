//! Init scripts, by `service` or directly.

use super::{Result, ServiceError, ask, with_home};
use crate::command::{self, Command};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A script in `/etc/init.d`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Its file name.
    pub name: String,
    /// How long a stop or start may take.
    pub timeout: Duration,
}

impl Script {
    fn path(&self) -> PathBuf {
        Path::new("/etc/init.d").join(&self.name)
    }

    pub(super) fn command(&self, verb: &str) -> Command {
        let command = if command::find("service").is_some() {
            Command::new("service").arg(&self.name)
        } else {
            Command::new(self.path())
        };
        with_home(command.arg(verb))
    }

    pub(super) fn is_on(&self) -> Result<bool> {
        // `service` answers 1 for a script that is not there, which would pass for "off".
        if !crate::there::is_there(&self.path()).unwrap_or(true) {
            return Err(ServiceError::Unknown { name: self.name.clone() });
        }
        ask(&self.name, self.command("status"))
    }
}
