//! The real executable, called as each of its callers does, and its answers read strictly.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use backup_core::schedule::{Attained, Check, Entry, Measured, SinkPlan};
use backup_core::units::Span;
use backup_core::{StreamName, retention::Policy};
use backup_tests::answer::Answer;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

pub const EXECUTABLE: &str = env!("CARGO_BIN_EXE_backup_plan");
pub const FROM: &str = "2026-11-20T12:00:00Z";

/// Everything that run may answer; another key is a failure of the test.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Planned {
    pub feasible: bool,
    pub counter_example: String,
    pub entries: Vec<Entry>,
    pub streams: Vec<Of<Attained>>,
    pub checks: Vec<Of<Check>>,
    pub plans: Vec<Summary>,
    pub schedules: BTreeMap<String, Installed>,
    pub sinks: Vec<SinkPlan>,
    pub places: BTreeMap<String, Span>,
    pub calendar: String,
    pub text: String,
}

/// Something of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct Of<T> {
    pub source: String,
    pub of: T,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Of<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::<String, Value>::deserialize(deserializer)?;
        let source = fields.remove("source").and_then(|source| source.as_str().map(str::to_owned));
        let source = source.ok_or_else(|| serde::de::Error::missing_field("source"))?;
        let of = serde_json::from_value(fields.into()).map_err(serde::de::Error::custom)?;
        Ok(Self { source, of })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub source: String,
    pub zone: String,
    pub from: String,
    pub until: String,
    pub feasible: bool,
    pub counter_example: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    pub schedule: Times,
    pub retention: BTreeMap<StreamName, Policy>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    pub collect: Vec<String>,
    pub transport: Vec<String>,
    pub rotate: Vec<String>,
    pub derived: Vec<String>,
}

/// Everything that measure may answer.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeasuredAnswer {
    pub facts: MeasuredFacts,
    pub samples: BTreeMap<String, BTreeMap<StreamName, usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredFacts {
    pub hosts: BTreeMap<String, MeasuredHost>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredHost {
    pub jobs: BTreeMap<String, Measured>,
}

/// A job document with these objectives.
#[expect(clippy::needless_pass_by_value, reason = "callers write json!(..)")]
pub fn job(source: &str, name: &str, objectives: Value) -> Value {
    json!({
        "version": 1, "job": name, "source": source, "objectives": objectives,
        "streams": {"data": {
            "include": [format!("/srv/{name}")],
            "transport": {"mode": "push", "peer": {"address": "sink1"}},
            "sink": {"name": "sink1", "retention": {"generations": 7}},
        }},
    })
}

/// Sets the value at a path such as `streams.data.sink.name`.
pub fn with(mut document: Value, path: &str, value: Value) -> Value {
    let pointer = format!("/{}", path.replace('.', "/"));
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
    document
}

/// As Ansible's action plugin calls it: the task's options on standard input. One year is enough where nothing else is said.
pub fn task<R: DeserializeOwned>(options: Value) -> Answer<R> {
    let mut options = options;
    if options.get("action").is_none_or(|action| action == "run" || action == "plan") {
        options.as_object_mut().unwrap().entry("from").or_insert(FROM.into());
        options.as_object_mut().unwrap().entry("years").or_insert(1.into());
    }
    Answer::of(&on_stdin(&options))
}

pub fn on_stdin(options: &Value) -> Output {
    let mut child = Command::new(EXECUTABLE)
        .args(["module", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(options.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub fn planned(options: Value) -> Answer<Planned> {
    task(options)
}

/// As people and cron call it.
pub fn cli(words: &[&str]) -> Output {
    Command::new(EXECUTABLE).args(words).output().unwrap()
}

/// A source's, or a sink's, folder of job documents.
pub fn declare(config: &Path, documents: &[(&str, &Value)]) {
    for (name, document) in documents {
        let path = config.join("jobs").join(format!("{name}.yml"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, document.to_string()).unwrap();
    }
}
