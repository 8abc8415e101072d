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

    /// Whether a runlevel starts it. A host without runlevel directories gives no answer, which counts as yes.
    pub(super) fn is_enabled(&self) -> bool {
        let levels: Vec<_> = (2..=5).map(|level| format!("/etc/rc{level}.d")).collect();
        let entries = |level: &String| std::fs::read_dir(level).into_iter().flatten().flatten();
        let starts = |name: &str| name.strip_prefix('S').is_some_and(|rest| rest.get(2..) == Some(&self.name));
        !levels.iter().any(|level| Path::new(level).is_dir())
            || levels.iter().flat_map(entries).any(|entry| entry.file_name().to_str().is_some_and(starts))
    }
}
