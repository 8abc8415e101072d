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

/// Asks `sink1`, and `sink2`, which is down.
fn ask(install: &str, sinks: &str) -> Output {
    let tasks = "    - ansible.builtin.include_role: {name: backup_common, tasks_from: measure}
    - ansible.builtin.debug: {msg: \"measured {{ __backup_common_measured | to_json }}\"}
";
    let room = TempDir::new().unwrap();
    play(room.path(), install, sinks, &Play::Tasks("localhost", tasks))
}

/// What is played.
enum Play<'a> {
    /// Tasks on hosts.
    Tasks(&'a str, &'a str),
    /// A playbook of this project, with what is given besides.
    Book(&'a str, &'a [&'a str]),
}

/// Plays in `room`, with /usr/local/bin of a mount namespace of its own: `install` puts there what it likes. The controller has its own module.
fn play(room: &Path, install: &str, sinks: &str, what: &Play<'_>) -> Output {
    let at = |name: &str| room.join(name);
    let (book, more) = match what {
        Play::Tasks(hosts, tasks) => {
            fs::write(at("play.yml"), format!("- hosts: {hosts}\n  gather_facts: false\n  tasks:\n{tasks}")).unwrap();
            (at("play.yml"), &[][..])
        }
        Play::Book(name, more) => (root().join("playbooks").join(name), *more),
    };
    let hosts = "localhost ansible_connection=local\nsink1 ansible_connection=local\nsink2 ansible_host=127.0.0.1 ansible_port=1\n";
    let source = "[backup_sources]\nweb1 ansible_connection=local\n";
    fs::write(
        at("hosts"),
        format!("{hosts}{source}[all:vars]\nansible_python_interpreter=/usr/bin/python3\n[backup_sinks]\n{sinks}\n"),
    )
    .unwrap();
    fs::create_dir_all(at("library")).unwrap();
    fs::copy(Executable::Plan.path(), at("library/backup_plan")).unwrap();
    let script = format!("set -e; mount -t tmpfs none /usr/local/bin; {install}\nexec \"$0\" \"$@\"");
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .arg(root().join(".venv/bin/ansible-playbook"))
        .arg("-i")
        .arg(at("hosts"))
        .arg(book)
        .args(more)
        .env("ANSIBLE_LIBRARY", at("library"))
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

/// Declares a job of `web1`, without a word about how long it takes.
fn declare(room: &Path) {
    fs::create_dir_all(room.join("group_vars")).unwrap();
    let job = "{job: shop, objectives: {rpo: 26h}, streams: {data: {include: [/srv/shop], sink: {retention: {generations: 7}}}}}";
    let idle = "{job: idle, streams: {data: {include: [/srv/idle], sink: {retention: {generations: 7}}}}}";
    fs::write(room.join("group_vars/backup_sources.yml"), format!("backup_jobs: [{job}, {idle}]\n")).unwrap();
}

/// A sink that tells how long collections of `web1/shop` take; and of jobs that are not planned, or not there any more.
fn tells(collect: &str) -> String {
    let host =
        |job: &str, collect: &str| format!(r#"{{"jobs": {{"{job}": {{"collect": "{collect}", "samples": 50}}}}}}"#);
    let all = format!(r#""web1": {}, "web0": {}"#, host("shop", collect), host("idle", "9h"));
    script(&format!("echo '{{\"facts\": {{\"hosts\": {{{all}}}}}}}'"))
}

/// The times of all entries, as the plan is shown.
fn entries(shown: &str) -> Vec<String> {
    let of = |line: &str| line.contains(" backup_collect ") || line.contains(" backup_transport ");
    shown.replace("\\n", "\n").lines().filter(|line| of(line)).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_playbook_shows_what_is_installed() {
    let room = TempDir::new().unwrap();
    declare(room.path());
    let shown = |sink: &str, more: &[&str]| {
        let output = play(room.path(), sink, "sink1", &Play::Book("plan.yml", more));
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    // As site.yml plans, on its hosts.
    let installed = |sink: &str| {
        let tasks = "    - ansible.builtin.include_role: {name: backup_common, tasks_from: plan}
      vars: {backup_common_text: true}
    - ansible.builtin.debug: {msg: \"{{ __backup_common_plan.text }}\"}
      run_once: true
";
        let output = play(room.path(), sink, "sink1", &Play::Tasks("backup_sources:backup_sinks", tasks));
        assert!(output.status.success(), "{}", said(&output));
        entries(&said(&output))
    };
    let unmeasured = shown(&tells("59s"), &["-e", "backup_plan_measured=false"]);
    assert!(unmeasured.contains("without measurements: no sink was asked"), "{unmeasured}");
    let before = entries(&unmeasured);
    assert!(before.len() >= 4, "{unmeasured}");
    for steady in ["59s", "61s", "10min"] {
        assert_eq!(entries(&shown(&tells(steady), &[])), before, "{steady}");
        assert_eq!(installed(&tells(steady)), before, "{steady}");
    }
    let outgrown = shown(&tells("45min"), &[]);
    assert_ne!(entries(&outgrown), before);
    assert!(!outgrown.contains("without measurements") && outgrown.contains("45 min at p95"), "{outgrown}");
    assert_eq!(installed(&tells("45min")), entries(&outgrown));
}
