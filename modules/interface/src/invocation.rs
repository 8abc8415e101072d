//! Who calls: a person or cron with a command line, or Ansible with a file or a stream of arguments.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use backup_core::{Failure, Kind};
use clap::Command;
use serde_json::{Map, Value};

use crate::options::{Common, OptionError};
use crate::scalar;

/// Where the options come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The file that Ansible names as the only argument.
    File(PathBuf),
    /// `module -`: the same JSON on standard input. With `--release R` only if that is ours.
    Stdin {
        release: Option<OsString>,
    },
    CommandLine,
}

impl Mode {
    /// A file whose name is also a subcommand's is not mistaken for arguments.
    pub(crate) fn of(arguments: &[OsString], grammar: &Command) -> Self {
        match arguments {
            [only] if grammar.find_subcommand(only).is_none() && Path::new(only).is_file() => Self::File(only.into()),
            [module, dash] if module == "module" && dash == "-" => Self::Stdin { release: None },
            [module, dash, option, release] if module == "module" && dash == "-" && option == "--release" => {
                Self::Stdin { release: Some(release.clone()) }
            }
            _ => Self::CommandLine,
        }
    }
}

/// How the work is to be done and shown; what is to be done is in the executable's own options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent switch of the caller")]
pub struct Call {
    /// Plan, and change nothing.
    pub check: bool,
    /// Whether anybody wants to see differences; computing them may be expensive.
    pub diff: bool,
    /// 0 to 4, as the number of `-v`.
    pub verbosity: u8,
    /// Ansible will censor the result; logs of our own must not tell more.
    pub no_log: bool,
    /// A directory that Ansible deletes after the task; absent on the command line.
    pub tmpdir: Option<PathBuf>,
    pub(crate) module: bool,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Call {
    /// Whether Ansible calls; standard error is then merged into the result and must stay empty.
    pub const fn is_module(&self) -> bool {
        self.module
    }

    /// Whether the caller wants to hear nothing on success.
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether the result is one line of JSON: nobody reads the text for people then.
    pub const fn speaks_json(&self) -> bool {
        self.module || self.json
    }

    pub(crate) fn from_command_line(common: &Common, action: &str) -> Self {
        Self {
            check: common.check || action == PLAN,
            diff: common.diff,
            verbosity: common.verbose,
            json: common.json,
            quiet: common.quiet,
            ..Self::default()
        }
    }

    /// Ansible mixes its own settings, `_ansible_*`, with the options of the task. Their set differs between versions:
    /// all are optional, unknown ones are ignored.
    pub(crate) fn from_task(given: Map<String, Value>) -> Result<(Self, Map<String, Value>), OptionError> {
        let (settings, options): (Map<_, _>, Map<_, _>) =
            given.into_iter().partition(|(key, _)| key.starts_with(PREFIX));
        let setting = |name: &str| settings.get(&format!("{PREFIX}{name}")).filter(|value| !scalar::is_unset(value));
        let switch = |name: &str| {
            setting(name).map_or(Ok(false), |value| {
                // A check mode that is not understood must not become a real run.
                scalar::boolean(value)
                    .ok_or_else(|| OptionError::new(&format!("{PREFIX}{name}"), format!("{value} is not a boolean")))
            })
        };
        let call = Self {
            check: switch("check_mode")? || options.get(crate::options::ACTION).is_some_and(|action| action == PLAN),
            diff: switch("diff")?,
            verbosity: setting("verbosity")
                .and_then(Value::as_u64)
                .and_then(|level| level.try_into().ok())
                .unwrap_or(0),
            no_log: switch("no_log")?,
            tmpdir: setting("tmpdir").and_then(Value::as_str).map(PathBuf::from),
            module: true,
            ..Self::default()
        };
        Ok((call, options))
    }
}

const PREFIX: &str = "_ansible_";
/// The subcommand that is `run` in check mode.
const PLAN: &str = "plan";

/// The arguments of a task could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("cannot read the module arguments from {from}")]
    Read { from: String, source: std::io::Error },
    #[error("the module arguments in {from} are not JSON")]
    Json { from: String, source: serde_json::Error },
    #[error("the module arguments in {from} are not a JSON object")]
    NotAnObject { from: String },
}

impl Failure for InputError {
    fn kind(&self) -> Kind {
        Kind::InvalidOption
    }

    fn hint(&self) -> Option<String> {
        Some("A single argument that is a file is taken for the arguments of an Ansible module; for the command line name a subcommand, see --help.".into())
    }
}

/// Reads the arguments of a task.
pub(crate) fn read(mode: &Mode) -> Result<Map<String, Value>, InputError> {
    let (from, bytes) = match mode {
        Mode::File(path) => (path.display().to_string(), std::fs::read(path)),
        Mode::Stdin { .. } | Mode::CommandLine => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
            ("standard input".to_owned(), read)
        }
    };
    parse(&bytes.map_err(|source| InputError::Read { from: from.clone(), source })?, from)
}

/// The arguments of a task, which lay in `from`.
pub(crate) fn parse(bytes: &[u8], from: String) -> Result<Map<String, Value>, InputError> {
    // The value itself stays out of the message: it may hold a secret.
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(given)) => Ok(given),
        Ok(_) => Err(InputError::NotAnObject { from }),
        Err(source) => Err(InputError::Json { from, source }),
    }
}
