//! Commands that the job declares: hooks and dumps. Who they run as, what they may read, how long they may take.

use crate::error::{CollectError, Result};
use backup_adapters::command::{Command, CommandError};
use backup_adapters::signals::Interrupt;
use backup_adapters::users::{self, Account};
use backup_core::job::{self, Hooks};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// When hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before anything is stopped.
    Before,
    /// After success.
    After,
    /// After a failure.
    Failed,
    /// Always, last.
    Finally,
}

impl Moment {
    const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Failed => "failed",
            Self::Finally => "finally",
        }
    }

    fn of(self, hooks: &Hooks) -> &[job::Command] {
        match self {
            Self::Before => &hooks.before,
            Self::After => &hooks.after,
            Self::Failed => &hooks.failed,
            Self::Finally => &hooks.r#finally,
        }
    }
}

/// What a hook learns through its environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// `HANDOVER_JOB`.
    pub job: &'a str,
    /// `HANDOVER_RESULT`: `ok`, or the kind of the failure.
    pub result: &'a str,
}

/// Runs the hooks of one moment in order. Before success is known the first failure ends it; afterwards all run, and the
/// first failure is returned. An interrupt ends a hook only before and after success: what tidies up is let finish.
pub(crate) fn hooks(moment: Moment, hooks: &Hooks, told: Told<'_>, interrupt: &Interrupt) -> Result<()> {
    let tidying = matches!(moment, Moment::Failed | Moment::Finally);
    let mut first_failure = Ok(());
    for (index, hook) in moment.of(hooks).iter().enumerate() {
        let result = hook_command(hook, moment, told).and_then(|command| {
            let command = if tidying { command } else { command.interrupted_by(interrupt) };
            let failed = |source| CollectError::Hook { hook: format!("{}[{index}]", moment.name()), source };
            Ok(command.run_quiet().map(drop).map_err(failed)?)
        });
        if !tidying {
            result?;
        } else if first_failure.is_ok() {
            first_failure = result;
        }
    }
    first_failure
}

fn hook_command(hook: &job::Command, moment: Moment, told: Told<'_>) -> Result<Command> {
    Ok(command(hook)?
        .env("HANDOVER_JOB", told.job)
        .env("HANDOVER_HOOK", moment.name())
        .env("HANDOVER_RESULT", told.result))
}

/// A declared command, ready to run: its user looked up, its secrets' files checked, its time limited.
pub(crate) fn command(declared: &job::Command) -> Result<Command> {
    let account = match &declared.user {
        Some(name) => users::by_name(name)?,
        None => users::current()?,
    };
    for path in &declared.secret_files {
        check_secret(path, &account)?;
    }
    // The job's check refuses an empty list.
    let missing = || CommandError::Missing { program: String::new() };
    let command = Command::from_words(&declared.run).ok_or_else(missing)?;
    Ok(command.as_user(&account).timeout(declared.timeout.duration()))
}

/// A file with a secret belongs to its reader or to root, and nobody else can open it.
fn check_secret(path: &Path, reader: &Account) -> Result<()> {
    let unsafe_because = |why: String| CollectError::UnsafeSecret { path: path.to_owned(), why };
    let failed = |source| CollectError::Io { action: "inspect the secret file", path: path.to_owned(), source };
    let file = path.metadata().map_err(failed)?;
    if !file.is_file() {
        return Err(unsafe_because("it is not a regular file".into()).into());
    }
    if file.uid() != 0 && file.uid() != reader.uid {
        return Err(unsafe_because(format!("it belongs to uid {}, not to {} or root", file.uid(), reader.name)).into());
    }
    let mode = file.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(unsafe_because(format!("its mode {mode:04o} lets others in")).into());
    }
    Ok(())
}
