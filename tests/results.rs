//! What the executables answer, and what their documentation declares of it: the same fields, in both directions, also of reports
//! in reports. Every action is called for real. Ansible's own fields (`msg`, `kind` ...) are those of every executable.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Done, Executable, sh};
use backup_tests::lab::{Host, Lab, Way};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Fields of every executable's answers that no report declares.
const COMMON: [&str; 8] = ["changed", "failed", "msg", "kind", "hint", "rc", "warnings", "diff"];

/// Those of inner fields that are left out where they do not apply.
const OPTIONAL: [&str; 1] = ["quota"];

#[derive(Deserialize)]
struct Declared {
    /// Of a field in another one: absent where it is there whenever that is.
    returned: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    contains: BTreeMap<String, Self>,
}

/// What `library/<name>.py` declares beyond what all answers have.
fn declared(executable: Executable) -> BTreeMap<String, Declared> {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("library");
    let text = std::fs::read_to_string(library.join(format!("{}.py", executable.name()))).unwrap();
    let yaml = text.split("\nRETURN = r\"\"\"\n").nth(1).unwrap().split("\"\"\"").next().unwrap();
    let mut declared: BTreeMap<String, Declared> = serde_saphyr::from_str(yaml).unwrap();
    declared.retain(|name, _| !COMMON.contains(&name.as_str()));
    declared
}

fn returned_by(declared: &Declared, action: &str) -> bool {
    let Some(returned) = &declared.returned else { return true };
    returned == "success" || returned.split([' ', ',']).any(|word| word == action)
}

/// Says what differs between a value and what is declared of its fields, wherever something is.
fn inner_differences(place: &str, action: &str, declared: &Declared, value: &Value) -> Vec<String> {
    let wanted: BTreeMap<_, _> = declared.contains.iter().filter(|(_, inner)| returned_by(inner, action)).collect();
    match value {
        Value::Array(items) => items.iter().flat_map(|item| inner_differences(place, action, declared, item)).collect(),
        Value::Object(fields) if !wanted.is_empty() => {
            let optional = |name: &str| OPTIONAL.contains(&name);
            let missing = wanted.keys().filter(|name| !fields.contains_key(name.as_str()) && !optional(name));
            let mut wrong: Vec<_> = missing.map(|name| format!("{place} lacks {name}, which is declared")).collect();
            for (name, value) in fields {
                let place = format!("{place}.{name}");
                match wanted.get(name) {
                    None => wrong.push(format!("{place} is not declared")),
                    Some(_) if value.is_null() => {}
                    Some(inner) if inner.kind == kind(value) => {
                        wrong.extend(inner_differences(&place, action, inner, value));
                    }
                    Some(inner) => wrong.push(format!("{place} is declared as {}: {value}", inner.kind)),
                }
            }
            wrong
        }
        _ => Vec::new(),
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "bool",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// All answers of one executable, by action.
struct Answers(Executable, Vec<(&'static str, Value)>);

impl Answers {
    /// Says everything that differs.
    fn differences(&self) -> Vec<String> {
        let (name, declared) = (self.0.name(), declared(self.0));
        let mut found = BTreeSet::new();
        let mut wrong = Vec::new();
        for (action, answer) in &self.1 {
            let own = answer.as_object().unwrap().iter().filter(|(field, _)| !COMMON.contains(&field.as_str()));
            for (field, value) in own {
                match declared.get(field).filter(|declared| returned_by(declared, action)) {
                    None => wrong.push(format!("{name} {action} answers {field}, which is not declared of it")),
                    Some(_) if value.is_null() => {}
                    Some(declared) if declared.kind == kind(value) => {
                        found.insert((*action, field.clone()));
                        wrong.extend(inner_differences(&format!("{name} {action}: {field}"), action, declared, value));
                    }
                    Some(declared) => {
                        wrong.push(format!("{name} {action}: {field} is declared as {}: {value}", declared.kind));
                    }
                }
            }
        }
        let actions: BTreeSet<_> = self.1.iter().map(|(action, _)| *action).collect();
        for (field, declared) in &declared {
            for action in actions.iter().filter(|action| returned_by(declared, action)) {
                if !found.contains(&(*action, field.clone())) {
                    wrong.push(format!("{name} {action} never answers {field}, which is declared of it"));
                }
            }
        }
        wrong
    }
}

fn plans(lab: &Lab) -> Vec<(&'static str, Value)> {
    let call = |action: &str, words: &[&str]| {
        Done::of(Command::new(Executable::Plan.path()).arg(action).args(words).arg("--json"))
    };
    let (source, sink) = (lab.at("source/etc"), lab.at("sink/etc"));
    let broken = json!({
        "version": 1, "job": "shop", "source": "web1", "objectives": {"at": ["22:00"], "rpo": "24h"},
        "streams": {"data": {
            "include": ["/srv"], "transport": {"mode": "push", "peer": {"address": "sink1"}},
            "sink": {"name": "sink1", "retention": {"generations": 7}},
        }},
    })
    .to_string();
    let places = lab.at("places");
    let asked =
        ["--config", source.to_str().unwrap(), "--places", places.to_str().unwrap(), "--text", "--calendar", "1d"];
    let mut answers = Vec::new();
    for action in ["run", "plan"] {
        answers.push((action, call(action, &[&asked[..], &["--years", "1"]].concat()).good()));
        answers.push((action, call(action, &["--jobs", &broken, "--years", "1"]).failed("infeasible")));
    }
    answers.push(("measure", call("measure", &["--config", sink.to_str().unwrap()]).good()));
    answers
}

#[test]
fn every_answer_is_declared_and_every_declared_field_is_answered() {
    let lab = Lab::in_memory(Way::Push);
    sh(&format!("seq 1 1000 > {}/orders", lab.srv().display()));
    let call = |host, executable, words: &[&'static str]| (words[0], lab.call(host, executable, words).good());
    let (source, sink) = (Host::Source, Host::Sink);
    let (collect, transport) = (Executable::Collect, Executable::Transport);
    let (rotate, restore, job) = (Executable::Rotate, Executable::Restore, Executable::Job);
    let target = lab.at("restored").to_str().unwrap().to_owned();
    let restored = |action: &'static str, words: &[&str]| {
        (action, lab.call(source, restore, &[&[action][..], words].concat()).good())
    };

    // One after the other, as in a job's life.
    let document = lab.at("source/etc/jobs/shop.yml");
    let validated = Command::new(collect.path()).args(["validate", "--json"]).arg(document).output().unwrap();
    let collected = vec![
        ("validate", Done::from(&validated).good()),
        call(source, collect, &["plan"]),
        call(source, collect, &["run"]),
        call(source, collect, &["status"]),
        call(source, collect, &["recover"]),
    ];
    let carried = vec![
        call(source, transport, &["plan"]),
        call(source, transport, &["run"]),
        call(source, transport, &["status"]),
        call(sink, transport, &["status"]),
        ("deliver", lab.deliver(&[]).good()),
        ("fetch", lab.fetch(&[]).good()),
        call(sink, transport, &["adopt", "--instance", "fedcba9876543210fedcba9876543210"]),
    ];
    let rotated = vec![call(sink, rotate, &["plan"]), call(sink, rotate, &["run"]), call(sink, rotate, &["status"])];
    let put_back = vec![
        restored("plan", &["--target", &target]),
        restored("run", &["--target", &target]),
        restored("status", &[]),
        restored("recover", &[]),
    ];
    let planned = plans(&lab);
    let led = vec![
        call(source, job, &["status"]),
        call(source, job, &["stop"]),
        call(source, job, &["restart"]),
        call(source, job, &["run", "--state", "stopped"]),
        call(source, job, &["terminate", "--confirm", "shop"]),
        call(source, job, &["start"]),
    ];
    let all = [
        Answers(collect, collected),
        Answers(transport, carried),
        Answers(rotate, rotated),
        Answers(restore, put_back),
        Answers(Executable::Plan, planned),
        Answers(job, led),
    ];
    let wrong: Vec<_> = all.iter().flat_map(Answers::differences).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
