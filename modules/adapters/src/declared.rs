//! What a job declares, in the terms of this crate: its services, its hooks, the commands of its dumps.
//!
//! The only translation between both, so that every executable runs a declared command as the same user, under the same
//! rules for secrets, with the same time limit.

use crate::command::{Command, CommandError};
use crate::services::{Declared, Script, Service, Unit};
use crate::signals::Interrupt;
use crate::users::{self, Account, UserError};
use backup_core::job::{self, Hooks};
use backup_core::{Failure, Job, Kind};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A declared command cannot be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum DeclaredError {
    /// A hook failed.
    #[error("hook {hook}: {source}")]
    Hook {
        /// `before[0]`.
        hook: String,
        /// How it failed.
        source: CommandError,
    },
    /// Its user does not exist.
    #[error(transparent)]
    User(#[from] UserError),
    /// A file with a secret is open to others.
    #[error("cannot use the secret file {}: {why}", path.display())]
    UnsafeSecret {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file with a secret is not there.
    #[error("cannot inspect the secret file {}: {source}", path.display())]
    NoSecret {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Failure for DeclaredError {
    fn kind(&self) -> Kind {
        match self {
            Self::Hook { source, .. } if source.kind() == Kind::Interrupted => Kind::Interrupted,
            Self::Hook { .. } => Kind::HookFailed,
            Self::User(error) => error.kind(),
            Self::UnsafeSecret { .. } => Kind::Permission,
            Self::NoSecret { source, .. } => crate::publish::kind_of(source),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::User(error) => error.hint(),
            Self::UnsafeSecret { path, .. } => {
                Some(format!("Give {} to the user of the command, with mode 0600.", path.display()))
            }
            Self::Hook { .. } | Self::NoSecret { .. } => None,
        }
    }
}

/// The job's services, in the order of stopping.
pub fn services(job: &Job) -> Vec<Service> {
    job.services.iter().map(service).collect()
}

fn service(declared: &job::Service) -> Service {
    let timeout = declared.timeout.duration();
    match (&declared.systemd, &declared.sysv) {
        (Some(name), _) => Service::Systemd(Unit { name: name.clone(), timeout }),
        (None, Some(name)) => Service::Sysv(Script { name: name.clone(), timeout }),
        (None, None) => Service::Declared(Declared {
            // The job's check refuses a service without any of the three.
            name: declared.name.clone().unwrap_or_default(),
            status: declared.status.clone(),
            stop: declared.stop.clone(),
            start: declared.start.clone(),
            timeout,
        }),
    }
}

/// When hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
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
pub struct Told<'a> {
    /// `HANDOVER_JOB`.
    pub job: &'a str,
    /// `HANDOVER_RESULT`: `ok`, or the kind of the failure.
    pub result: &'a str,
}

/// Runs the hooks of one moment in order. `before` and `after` end with their first failure; `failed` and `finally` all
/// run, and the first failure is returned. An interrupt ends only the former: what tidies up is let finish.
pub fn hooks(moment: Moment, hooks: &Hooks, told: Told<'_>, interrupt: &Interrupt) -> Result<(), DeclaredError> {
    let tidying = matches!(moment, Moment::Failed | Moment::Finally);
    let mut first_failure = Ok(());
    for (index, hook) in moment.of(hooks).iter().enumerate() {
        let result = command(hook).and_then(|command| {
            let command = command
                .env("HANDOVER_JOB", told.job)
                .env("HANDOVER_HOOK", moment.name())
                .env("HANDOVER_RESULT", told.result);
            let command = if tidying { command } else { command.interrupted_by(interrupt) };
            let failed = |source| DeclaredError::Hook { hook: format!("{}[{index}]", moment.name()), source };
            command.run_quiet().map(drop).map_err(failed)
        });
        if !tidying {
            result?;
        } else if first_failure.is_ok() {
            first_failure = result;
        }
    }
    first_failure
}

/// A declared command, ready to run: its user looked up, its secrets' files checked, its time limited.
pub fn command(declared: &job::Command) -> Result<Command, DeclaredError> {
    let account = match &declared.user {
        Some(name) => users::by_name(name)?,
        None => users::current()?,
    };
    for path in &declared.secret_files {
        check_secret(path, &account)?;
    }
    // The job's check refuses an empty list; a program without a name is not found when it is run.
    let command = Command::from_words(&declared.run).unwrap_or_else(|| Command::new(""));
    Ok(command.as_user(&account).timeout(declared.timeout.duration()))
}

/// A file with a secret belongs to its reader or to root, and nobody else can open it.
fn check_secret(path: &Path, reader: &Account) -> Result<(), DeclaredError> {
    let unsafe_because = |why: String| DeclaredError::UnsafeSecret { path: path.to_owned(), why };
    let file = path.metadata().map_err(|source| DeclaredError::NoSecret { path: path.to_owned(), source })?;
    if !file.is_file() {
        return Err(unsafe_because("it is not a regular file".into()));
    }
    if file.uid() != 0 && file.uid() != reader.uid {
        return Err(unsafe_because(format!("it belongs to uid {}, not to {} or root", file.uid(), reader.name)));
    }
    let mode = file.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(unsafe_because(format!("its mode {mode:04o} lets others in")));
    }
    Ok(())
}
