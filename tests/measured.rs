//! What the roles make of the sinks' measurements, with a real Ansible: nothing measured yet, a failure, a sink that is down.
#![allow(clippy::unwrap_used)]

use backup_tests::executables::Executable;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// This project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Asks `sink1`, and `sink2`, which is down, with /usr/local/bin of a mount namespace of their own: `install` puts there what it likes.
fn ask(install: &str, sinks: &str) -> Output {
    let room = TempDir::new().unwrap();
    let at = |name: &str| room.path().join(name);
    fs::write(
        at("play.yml"),
        "- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: backup_common, tasks_from: measure}
    - ansible.builtin.debug: {msg: \"measured {{ __backup_common_measured | to_json }}\"}
",
    )
    .unwrap();
    let hosts = "localhost ansible_connection=local\nsink1 ansible_connection=local\nsink2 ansible_host=127.0.0.1 ansible_port=1\n";
    fs::write(
        at("hosts"),
        format!("{hosts}[all:vars]\nansible_python_interpreter=/usr/bin/python3\n[backup_sinks]\n{sinks}\n"),
    )
    .unwrap();
    let script = format!(
        "set -e; mount -t tmpfs none /usr/local/bin; {install}
exec \"$0\" -i \"$1/hosts\" \"$1/play.yml\""
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .arg(root().join(".venv/bin/ansible-playbook"))
        .arg(room.path())
        .env("ANSIBLE_ROLES_PATH", root().join("roles"))
        .env("ANSIBLE_LOCAL_TEMP", at("tmp"))
        .env("ANSIBLE_REMOTE_TEMP", at("tmp"))
        .env("ANSIBLE_NOCOLOR", "1")
        .output();
    output.unwrap()
}

/// Installs a script as the executable.
fn script(text: &str) -> String {
    let path = "/usr/local/bin/backup_plan";
    format!("cat >{path} <<'end'\n#!/bin/sh\n{text}\nend\nchmod 0755 {path}\n")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn a_new_sink_has_measured_nothing() {
    let output = ask("", "sink1");
    assert!(output.status.success() && said(&output).contains("measured {}"), "{}", said(&output));
}

#[test]
fn what_was_measured_goes_into_the_plan() {
    let facts = r#"{"facts": {"hosts": {"web1": {"jobs": {"shop": {"collect": "1min"}}}}}}"#;
    let fake = script(&format!("echo '{facts}'"));
    let output = ask(&fake, "sink1");
    assert!(output.status.success() && said(&output).contains("1min"), "{}", said(&output));
}

/// Asks a sink with the real executable, whose configuration `prepare` writes.
fn ask_in(prepare: impl Fn(&Path)) -> Output {
    let room = TempDir::new().unwrap();
    prepare(room.path());
    ask(
        &script(&format!("exec {} \"$@\" --config {}", Executable::Plan.path().display(), room.path().display())),
        "sink1",
    )
}

#[test]
fn a_failure_is_not_taken_for_nothing_measured() {
    let output = ask_in(|config| fs::write(config.join("jobs"), "no directory").unwrap());
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    for part in ["sink1 cannot tell how long transports took", "/jobs", "backup_common_measure=false"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_document_that_is_refused_keeps_no_job_from_being_planned() {
    let output = ask_in(|config| {
        fs::create_dir_all(config.join("jobs/web1")).unwrap();
        fs::write(config.join("jobs/web1/shop.yml"), "job: [\n").unwrap();
    });
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(r#"measured {\"hosts\": {}}"#), "{said}");
    assert!(said.contains("warning: sink1: job web1/shop is not measured: "), "{said}");
}

#[test]
fn a_sink_that_is_down_is_told_of() {
    let output = ask("", "sink2");
    let said = said(&output);
    assert!(output.status.success() && said.contains("measured {}"), "{said}");
    assert!(said.contains("sink2 does not answer; what goes there is planned with declared durations"), "{said}");
}
