//! Init scripts, by `service` or directly.

use super::{Result, ask, with_home};
use crate::command::{self, Command};
use serde::{Deserialize, Serialize};
use std::path::Path;
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
    pub(super) fn command(&self, verb: &str) -> Command {
        let command = if command::find("service").is_some() {
            Command::new("service").arg(&self.name)
        } else {
            Command::new(Path::new("/etc/init.d").join(&self.name))
        };
        with_home(command.arg(verb))
    }

    pub(super) fn is_on(&self) -> Result<bool> {
        ask(&self.name, self.command("status"))
    }
}
