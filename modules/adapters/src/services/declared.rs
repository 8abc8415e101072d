//! Services by commands that the job declares: containers, supervisors, anything.

use super::{Result, ask, with_home};
use crate::command::Command;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A service with its own commands, each a list of words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Its name in messages.
    pub name: String,
    /// Ends with 0 if it is on, with 1, 2 or 3 if it is off.
    pub status: Vec<String>,
    /// Stops it.
    pub stop: Vec<String>,
    /// Starts it; may leave a daemon behind.
    pub start: Vec<String>,
    /// How long a stop or start may take.
    pub timeout: Duration,
}

impl Declared {
    pub(super) fn stop_command(&self) -> Command {
        command(&self.stop)
    }

    pub(super) fn start_command(&self) -> Command {
        command(&self.start)
    }

    pub(super) fn is_on(&self) -> Result<bool> {
        ask(&self.name, command(&self.status))
    }
}

fn command(words: &[String]) -> Command {
    // The job's check refuses an empty list; if one gets here it is a program that is not found.
    with_home(Command::from_words(words).unwrap_or_else(|| Command::new("")))
}
