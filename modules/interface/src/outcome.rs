//! What an executable hands back, for Ansible, for scripts, for people and for cron.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;

use backup_core::Failure;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::docs::Report;
use crate::invocation::Call;

/// Keys with a meaning to Ansible or to this crate; a report has none of them.
pub(crate) const RESERVED: &[&str] = &[
    "changed",
    "failed",
    "skipped",
    "skip_reason",
    "msg",
    "kind",
    "hint",
    "rc",
    "diff",
    "warnings",
    "deprecations",
    "exception",
    "invocation",
    "results",
    "stdout",
    "stderr",
    "__ansible_type",
];

/// The fields of a result, written down: as values a report of thousands of hosts would need several times its room.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    fn of(report: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&serde_json::to_string(report)?).map(Self)
    }

    fn set(&mut self, name: &str, value: &impl Serialize) {
        // Texts, numbers and lists of texts can always be written down.
        self.0.extend(to_raw_value(value).ok().map(|value| (name.to_owned(), value)));
    }

    fn set_warnings(&mut self, warnings: &[String]) {
        if !warnings.is_empty() {
            self.set("warnings", &warnings);
        }
    }
}

/// A call that did what it was asked to.
#[derive(Debug, Default)]
pub struct Outcome {
    changed: bool,
    msg: String,
    fields: Fields,
    answer: Option<String>,
    diff: Vec<Diff>,
    warnings: Vec<String>,
    mailed: bool,
}

impl Outcome {
    /// Something is different now, or would be in check mode.
    pub fn changed(msg: impl Into<String>) -> Self {
        Self { changed: true, msg: msg.into(), ..Self::default() }
    }

    /// Everything is as it was.
    pub fn unchanged(msg: impl Into<String>) -> Self {
        Self { msg: msg.into(), ..Self::default() }
    }

    /// For a command that spoke another protocol on standard output and has nothing to add.
    pub fn silent() -> Self {
        Self::default()
    }

    /// The executable's own part of the result.
    #[must_use]
    pub fn with_report(mut self, report: &impl Report) -> Self {
        match Fields::of(report) {
            Ok(fields) => self.fields.0.extend(fields.0),
            // The work is done and must not be called a failure for what is told about it.
            Err(error) => self.warnings.push(format!("the report is incomplete: {error}")),
        }
        self
    }

    /// Text for people, printed even where nobody watches: use it for what was asked (a plan, a status), not for what was done.
    #[must_use]
    pub fn with_answer(mut self, text: impl Into<String>) -> Self {
        self.answer = Some(text.into());
        self
    }

    /// Adds a difference; shown only to those who asked for differences.
    #[must_use]
    pub fn with_diff(mut self, diff: Diff) -> Self {
        self.diff.push(diff);
        self
    }

    /// Adds a warning. Ansible prints warnings even under `no_log`: no secrets.
    #[must_use]
    pub fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.msg.is_empty()
    }

    pub(crate) fn into_fields(self, with_diff: bool) -> Fields {
        let mut result = self.fields;
        result.set("changed", &self.changed);
        result.set("msg", &self.msg);
        if with_diff && !self.diff.is_empty() {
            result.set("diff", &self.diff);
        }
        result.set_warnings(&self.warnings);
        result
    }

    /// The warnings were mailed: with `--quiet` nobody is told of them again.
    #[must_use]
    pub fn mailed(mut self, mailed: bool) -> Self {
        self.mailed = mailed;
        self
    }

    /// Lines for standard output and for standard error.
    pub(crate) fn to_text(&self, name: &str, how: Human) -> (String, String) {
        let mut out = String::new();
        if !how.quiet && (how.watched || how.check || self.answer.is_some()) {
            let _ = writeln!(out, "{}", self.msg);
        }
        if !how.quiet {
            out.extend(self.answer.iter().map(|answer| with_newline(answer)));
            if how.diff {
                out.extend(self.diff.iter().map(Diff::to_text));
            }
        }
        let err = if how.quiet && self.mailed { String::new() } else { warning_lines(name, &self.warnings) };
        (out, err)
    }
}

/// A call that could not do what it was asked to: any [`Failure`], and what is known besides it.
#[derive(Debug)]
pub struct Failed {
    failure: Box<dyn Failure>,
    changed: bool,
    fields: Fields,
    answer: Option<String>,
    warnings: Vec<String>,
    mailed: bool,
}

impl<F: Failure> From<F> for Failed {
    fn from(failure: F) -> Self {
        Self::boxed(Box::new(failure))
    }
}

impl Failed {
    /// For a failure whose type is already erased.
    pub fn boxed(failure: Box<dyn Failure>) -> Self {
        Self { failure, changed: false, fields: Fields::default(), answer: None, warnings: Vec::new(), mailed: false }
    }

    /// Something was changed before it failed.
    #[must_use]
    pub fn with_changes(mut self) -> Self {
        self.changed = true;
        self
    }

    /// What was done up to the failure.
    #[must_use]
    pub fn with_report(mut self, report: &impl Report) -> Self {
        match Fields::of(report) {
            Ok(fields) => self.fields.0.extend(fields.0),
            Err(error) => self.warnings.push(format!("the report is incomplete: {error}")),
        }
        self
    }

    /// Text for people, printed on standard output before the failure: a table that shows what is wrong.
    #[must_use]
    pub fn with_answer(mut self, text: impl Into<String>) -> Self {
        self.answer = Some(text.into());
        self
    }

    /// Adds a warning. Ansible prints warnings even under `no_log`: no secrets.
    #[must_use]
    pub fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// The failure and the warnings were mailed: with `--quiet` nobody is told of them again.
    #[must_use]
    pub fn mailed(mut self, mailed: bool) -> Self {
        self.mailed = mailed;
        self
    }

    /// What was noticed besides.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The failure itself, for those who log it or mail it.
    pub fn failure(&self) -> &dyn Failure {
        self.failure.as_ref()
    }

    /// The failure and its causes in one line, as `msg` has it.
    pub fn message(&self) -> String {
        let mut message = self.failure.to_string();
        let mut cause = self.failure.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                let _ = write!(message, ": {text}");
            }
            cause = error.source();
        }
        message
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.failure.kind().exit_code()
    }

    pub(crate) fn into_fields(self) -> Fields {
        let (message, code) = (self.message(), self.exit_code());
        let mut result = self.fields;
        result.set("failed", &true);
        result.set("changed", &self.changed);
        result.set("kind", &self.failure.kind().name());
        result.set("msg", &message);
        result.set("rc", &code);
        if let Some(hint) = self.failure.hint() {
            result.set("hint", &hint);
        }
        result.set_warnings(&self.warnings);
        result
    }

    /// Lines for standard output and for standard error.
    pub(crate) fn to_text(&self, name: &str, how: Human) -> (String, String) {
        let out = self.answer.as_deref().filter(|_| !how.quiet).map(with_newline).unwrap_or_default();
        if how.quiet && self.mailed {
            return (out, String::new());
        }
        let mut text = warning_lines(name, &self.warnings);
        let _ = writeln!(text, "{name}: {}", self.message());
        if let Some(hint) = self.failure.hint() {
            let _ = writeln!(text, "hint: {hint}");
        }
        (out, text)
    }
}

/// How a person or cron wants to be told.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent wish")]
pub(crate) struct Human {
    /// A terminal, or somebody who asked for more words.
    pub(crate) watched: bool,
    pub(crate) check: bool,
    pub(crate) diff: bool,
    pub(crate) quiet: bool,
}

impl From<&Call> for Human {
    fn from(call: &Call) -> Self {
        let watched = std::io::stdout().is_terminal() || call.verbosity > 0;
        Self { watched, check: call.check, diff: call.diff, quiet: call.quiet }
    }
}

/// A difference in the form that Ansible displays.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the fields are Ansible's")]
pub enum Diff {
    /// Two texts that Ansible compares line by line.
    Texts { before: String, after: String, before_header: String, after_header: String },
    /// Text that is shown as it is.
    Prepared { prepared: String },
}

impl Diff {
    /// Two versions of `what`, a file for example; an empty text for one that is absent.
    pub fn texts(what: impl Into<String>, before: &str, after: &str) -> Self {
        let what = what.into();
        Self::Texts {
            before: with_newline(before),
            after: with_newline(after),
            before_header: what.clone(),
            after_header: what,
        }
    }

    /// A list of what differs, one item per line.
    pub fn prepared(text: &str) -> Self {
        Self::Prepared { prepared: with_newline(text) }
    }

    /// The lines between what both texts begin and end with: enough to read, and true.
    fn to_text(&self) -> String {
        let (before, after, before_header, after_header) = match self {
            Self::Prepared { prepared } => return prepared.clone(),
            Self::Texts { before, after, before_header, after_header } => (before, after, before_header, after_header),
        };
        let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
        let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
        let mut text = format!("--- before: {before_header}\n+++ after: {after_header}\n");
        let removed = old[head..old.len() - tail].iter().map(|line| format!("-{line}\n"));
        text.extend(removed.chain(new[head..new.len() - tail].iter().map(|line| format!("+{line}\n"))));
        text
    }
}

/// For a field that holds a path: JSON is UTF-8, file names need not be.
///
/// `#[serde(serialize_with = "backup_interface::lossy")]`
pub fn lossy<S: Serializer>(path: impl AsRef<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.as_ref().to_string_lossy())
}

/// [`lossy`] for a field that holds several paths.
pub fn lossy_all<S: Serializer, P: AsRef<Path>>(paths: &[P], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.as_ref().to_string_lossy()))
}

/// [`lossy`] for a field that holds a path or nothing.
pub fn lossy_option<S: Serializer, P: AsRef<Path>>(path: &Option<P>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.as_ref().to_string_lossy()).serialize(serializer)
}

/// A report as values, for the documentation.
pub(crate) fn values(report: &impl Serialize) -> Result<Map<String, Value>, serde_json::Error> {
    match serde_json::to_value(report)? {
        Value::Object(fields) => Ok(fields),
        other => Err(serde::ser::Error::custom(format!("not a mapping: {other}"))),
    }
}

fn warning_lines(name: &str, warnings: &[String]) -> String {
    warnings.iter().fold(String::new(), |lines, warning| {
        lines
            + name
            + ": warning: "
            + warning
            + "
"
    })
}

fn with_newline(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it broke")]
    struct Broken;

    impl Failure for Broken {
        fn kind(&self) -> backup_core::Kind {
            backup_core::Kind::Io
        }
    }

    #[test]
    fn a_quiet_caller_is_not_told_what_was_mailed() {
        let failed = |mailed| Failed::from(Broken).with_warning("odd").mailed(mailed);
        let outcome = |mailed| Outcome::unchanged("done").with_warning("odd").mailed(mailed);
        let quiet = Human { quiet: true, ..Human::default() };
        assert_eq!(failed(true).to_text("x", quiet).1, "");
        assert_eq!(failed(false).to_text("x", quiet).1, "x: warning: odd\nx: it broke\n");
        assert_eq!(failed(true).to_text("x", Human::default()).1, "x: warning: odd\nx: it broke\n");
        assert_eq!(outcome(true).to_text("x", quiet).1, "");
        assert_eq!(outcome(false).to_text("x", quiet).1, "x: warning: odd\n");
        let told = failed(true).with_answer("table");
        assert_eq!(told.to_text("x", quiet).0, "");
        assert_eq!(told.to_text("x", Human::default()).0, "table\n");
        assert_eq!(outcome(true).to_text("x", Human::default()).1, "x: warning: odd\n");
    }
}
