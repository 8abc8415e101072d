//! Commands that the user declares.

use crate::units::Span;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Commands run around the work, in order. Each has a time limit, after which its whole process group is killed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Before anything is stopped; a failure ends the run.
    pub before: Vec<Command>,
    /// After success; a failure fails the run.
    pub after: Vec<Command>,
    /// After a failure.
    pub failed: Vec<Command>,
    /// Always, last.
    pub r#finally: Vec<Command>,
}

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Program and arguments; no shell is involved.
    pub run: Vec<String>,
    /// Time limit.
    #[serde(default = "default_hook_timeout")]
    pub timeout: Span,
    /// Run as this user instead of root.
    pub user: Option<String>,
    /// Files with secrets that the command reads: refused unless owned by its user or root and closed to everybody else.
    #[serde(default)]
    pub secret_files: Vec<PathBuf>,
}

fn default_hook_timeout() -> Span {
    Span(300)
}

/// What restore does besides putting files back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Restore {
    /// Commands around restore: the application's own procedure.
    pub hooks: Hooks,
}
