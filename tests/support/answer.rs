//! The one line of JSON that an executable answers with, read as strictly as it is documented: another key is a failure.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::ops::Deref;
use std::process::Output;

/// What every answer has, and the executable's own report. The report's fields are there directly.
#[derive(Debug, Clone, Default)]
pub struct Answer<R> {
    /// Whether anything changed, or would.
    pub changed: bool,
    /// Whether it failed.
    pub failed: bool,
    /// For people.
    pub msg: String,
    /// The class of a failure; empty without one.
    pub kind: String,
    /// What to do about a failure; may be empty.
    pub hint: String,
    /// The exit code of the failure's kind; 0 without one.
    pub rc: i32,
    /// What was noticed besides.
    pub warnings: Vec<String>,
    /// What differs, for those who asked.
    pub diff: Vec<Difference>,
    /// The exit status; `None` after a signal.
    pub code: Option<i32>,
    /// The executable's own part.
    pub report: R,
}

/// A difference as Ansible shows it: either two texts or one that is prepared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are Ansible's")]
pub struct Difference {
    pub before: String,
    pub after: String,
    pub before_header: String,
    pub after_header: String,
    pub prepared: String,
}

#[derive(Deserialize)]
struct Common {
    changed: bool,
    msg: String,
    #[serde(default)]
    failed: bool,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    hint: String,
    #[serde(default)]
    rc: i32,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    diff: Vec<Difference>,
}

const COMMON: [&str; 8] = ["changed", "msg", "failed", "kind", "hint", "rc", "warnings", "diff"];

impl<R: DeserializeOwned> Answer<R> {
    /// Reads what was printed: one line and nothing else, and an exit status that says the same.
    #[track_caller]
    pub fn of(output: &Output) -> Self {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(text.ends_with('\n') && text.lines().count() == 1, "not one line: {text:?} {said}");
        let mut own: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let common: Map<_, _> = COMMON.iter().filter_map(|key| own.remove_entry(*key)).collect();
        let common: Common = read(common, &text);
        assert_eq!(common.failed, !output.status.success(), "{text}");
        Self {
            changed: common.changed,
            failed: common.failed,
            msg: common.msg,
            kind: common.kind,
            hint: common.hint,
            rc: common.rc,
            warnings: common.warnings,
            diff: common.diff,
            code: output.status.code(),
            report: read(own, &text),
        }
    }
}

#[track_caller]
fn read<T: DeserializeOwned>(fields: Map<String, Value>, text: &str) -> T {
    serde_json::from_value(Value::Object(fields)).unwrap_or_else(|error| panic!("{error}: {text}"))
}

impl<R> Deref for Answer<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.report
    }
}
