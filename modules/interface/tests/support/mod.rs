//! Runs the example executable as its callers would.
#![allow(dead_code, reason = "every test file uses another part")]

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use serde_json::Value;

/// Every field that the example may return; anything else is a defect.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) changed: bool,
    pub(crate) msg: String,
    #[serde(default)]
    pub(crate) failed: bool,
    pub(crate) kind: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) rc: Option<u8>,
    pub(crate) path: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) lines: Option<usize>,
    pub(crate) excluded: Option<Vec<String>>,
    pub(crate) bytes: Option<u64>,
    pub(crate) diff: Option<Vec<Diff>>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Diff {
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) before_header: String,
    pub(crate) after_header: String,
}

pub(crate) fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples/backup_example");
    assert!(path.is_file(), "{} is missing: run the whole crate's tests, or `cargo build --examples`", path.display());
    path
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

pub(crate) fn cli<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Output {
    Command::new(example()).args(words).stdin(Stdio::null()).output().unwrap()
}

/// As Ansible calls it: one argument, a file.
pub(crate) fn args_file(json: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("args");
    std::fs::write(&file, json).unwrap();
    cli([file])
}

/// As the action plugin calls it: the same JSON on standard input.
pub(crate) fn stdin(json: &str) -> Output {
    piped(&["module", "-"], json)
}

pub(crate) fn piped(words: &[&str], input: &str) -> Output {
    let mut child = Command::new(example())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever refuses the call need not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The one line of a module, checked for everything that Ansible would stumble over.
pub(crate) fn answer(output: &Output) -> Answer {
    assert_eq!(text(&output.stderr), "", "a module prints nothing to standard error");
    let out = std::str::from_utf8(&output.stdout).expect("a result is UTF-8");
    assert_eq!(out.matches('\n').count(), 1, "a result is one line: {out:?}");
    assert!(out.starts_with('{') && out.ends_with("}\n"), "{out:?}");
    let answer: Answer = serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!(answer.failed, answer.kind.is_some());
    assert_eq!(answer.failed, answer.rc.is_some());
    answer
}

pub(crate) fn module(arguments: &Value) -> Answer {
    let output = args_file(&arguments.to_string());
    let answer = answer(&output);
    assert_eq!(output.status.code(), Some(i32::from(answer.failed)), "a module exits with 0 or 1");
    answer
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
