//! How a child can fail.

use crate::signals::Interrupted;
use backup_core::{Failure, Kind};
use std::io;
use std::time::Duration;

/// A child process that did not do what it was started for. Never carries arguments or environment: they may be secret.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program is not installed.
    #[error("cannot find the program {program}")]
    Missing {
        /// First word of the command.
        program: String,
    },
    /// The program exists but cannot be started.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// First word of the command.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a status that means failure.
    #[error("{program} ended with {status}{}", said(stderr))]
    Failed {
        /// First word of the command.
        program: String,
        /// `exit status 3` or `signal 9`.
        status: String,
        /// The exit status, where it was not a signal.
        code: Option<i32>,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
    /// It ran past its timeout; its whole process group was killed.
    #[error("{program} did not end within {} s and was killed{}", after.as_secs_f64(), said(stderr))]
    TimedOut {
        /// First word of the command.
        program: String,
        /// The timeout.
        after: Duration,
        /// The end of what it wrote to stderr.
        stderr: String,
    },
    /// We were asked to end; its whole process group was killed.
    #[error("{program} was ended because this run was interrupted: {by}")]
    Interrupted {
        /// First word of the command.
        program: String,
        /// What interrupted it.
        by: Box<Interrupted>,
    },
    /// Something ceased to hold that must hold while it runs; its whole process group was killed.
    #[error("{program} was killed: {why}")]
    OutOfBounds {
        /// First word of the command.
        program: String,
        /// What it did.
        why: &'static str,
    },
    /// It wrote more than a caller expects.
    #[error("{program} wrote more than {limit} bytes to stdout")]
    TooMuchOutput {
        /// First word of the command.
        program: String,
        /// The bound, in bytes.
        limit: usize,
    },
    /// Its input or output could not be moved.
    #[error("cannot {action} {program}: {source}")]
    Io {
        /// First word of the command.
        program: String,
        /// `read the output of`, `feed`, …
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl CommandError {
    /// The exit status, where the child ended by itself with one.
    pub const fn code(&self) -> Option<i32> {
        match self {
            Self::Failed { code, .. } => *code,
            _ => None,
        }
    }

    /// The end of the child's stderr; empty where there is none.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Failed { stderr, .. } | Self::TimedOut { stderr, .. } => stderr,
            _ => "",
        }
    }
}

impl Failure for CommandError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } => Kind::MissingTool,
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Kind::Permission,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Kind::NoSpace,
            Self::Spawn { .. } | Self::Io { .. } => Kind::Io,
            Self::OutOfBounds { .. } => Kind::Refused,
            Self::Interrupted { by, .. } => by.kind(),
            Self::Failed { .. } | Self::TimedOut { .. } | Self::TooMuchOutput { .. } => Kind::CommandFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { program } => Some(match package(program) {
                Some(package) => format!("Install the package {package}."),
                None => format!("Install {program}, or name it by its full path."),
            }),
            Self::TimedOut { .. } => Some("Find out why it hangs, or allow it more time.".into()),
            Self::Interrupted { by, .. } => by.hint(),
            _ => None,
        }
    }
}

/// The package that brings a program, in the names that Debian and most others share.
fn package(program: &str) -> Option<&'static str> {
    let name = program.rsplit('/').next().unwrap_or(program);
    Some(match name {
        "rsync" => "rsync",
        "ssh" | "ssh-keygen" | "ssh-keyscan" => "openssh-client",
        "systemctl" | "systemd-run" => "systemd",
        "service" => "init-system-helpers (Debian) or initscripts (Red Hat)",
        "sendmail" => "dma, nullmailer or another mail agent that provides sendmail",
        _ => return None,
    })
}

fn said(stderr: &str) -> String {
    let text = stderr.trim();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
