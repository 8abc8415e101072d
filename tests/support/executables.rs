//! The executables under test, and what comes of calling them.
//!
//! They are this crate's examples: the executables' own `main`, linked here so that cargo compiles them with the feature
//! `fault-points`, which it switches on for tests only. What `make build` makes does not know `HANDOVER_FAULT`.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The variable that names the folder with executables of an earlier release, or of another processor.
const EARLIER: &str = "HANDOVER_EARLIER";

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Executable {
    /// `backup_collect`
    Collect,
    /// `backup_transport`
    Transport,
    /// `backup_rotate`
    Rotate,
    /// `backup_restore`
    Restore,
    /// `backup_job`
    Job,
    /// `backup_plan`
    Plan,
}

impl Executable {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collect => "backup_collect",
            Self::Transport => "backup_transport",
            Self::Rotate => "backup_rotate",
            Self::Restore => "backup_restore",
            Self::Job => "backup_job",
            Self::Plan => "backup_plan",
        }
    }

    /// Where the other one lies, for the tests that `scripts/upgrade.sh` and `scripts/emulated.sh` run.
    pub fn earlier(self) -> PathBuf {
        let folder =
            std::env::var_os(EARLIER).unwrap_or_else(|| panic!("{EARLIER} is not set: scripts/upgrade.sh does"));
        PathBuf::from(folder).join(self.name())
    }

    /// Where it was built.
    pub fn path(self) -> PathBuf {
        let test = std::env::current_exe().unwrap();
        let path = test.ancestors().nth(2).unwrap().join("examples").join(self.name());
        assert!(
            path.is_file(),
            "{} is missing: run the whole crate's tests, or `cargo build --examples`",
            path.display()
        );
        path
    }
}

/// What came of a call with `--json`.
#[derive(Debug)]
pub struct Done {
    /// The exit status; `None` after a signal.
    pub code: Option<i32>,
    /// The one line of JSON; null after a signal.
    pub answer: Value,
    /// What else was said.
    pub stderr: String,
}

impl From<&Output> for Done {
    fn from(output: &Output) -> Self {
        let (stdout, stderr) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        let code = output.status.code();
        let answer = match code {
            None => Value::Null,
            Some(_) => serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout:?}, {stderr:?}")),
        };
        Self { code, answer, stderr }
    }
}

impl Done {
    /// Calls and waits.
    pub fn of(command: &mut Command) -> Self {
        Self::from(&command.stdin(Stdio::null()).output().unwrap())
    }

    /// Its answer, if it succeeded.
    #[track_caller]
    pub fn good(self) -> Value {
        assert_eq!(self.code, Some(0), "{self:#?}");
        assert_ne!(self.answer["failed"], true, "{self:#?}");
        self.answer
    }

    /// Its answer, if it failed with this kind.
    #[track_caller]
    pub fn failed(self, kind: &str) -> Value {
        assert_ne!(self.code, Some(0), "{self:#?}");
        assert_eq!(self.answer["kind"], kind, "{self:#?}");
        self.answer
    }

    /// Whether a signal ended it.
    pub const fn was_killed(&self) -> bool {
        self.code.is_none()
    }
}

/// Runs a shell script; what it prints if it succeeds.
#[track_caller]
pub fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-euc", script]).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
