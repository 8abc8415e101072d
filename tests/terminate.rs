//! Terminate on two real hosts: what is announced is what is deleted, nothing else is, and a kill at any step is finished
//! by the next call.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Done, Executable, sh};
use backup_tests::kill::{self, Whom};
use backup_tests::lab::{Host, Lab, Way};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Both hosts with something in every place, stopped.
fn lab() -> Lab {
    let mut lab = Lab::in_memory(Way::Push);
    lab.change(&json!({"streams": {"data": {"store": {"retention": {"generations": 3}}}}}));
    let write = |text: &str| fs::write(lab.srv().join("order"), text).unwrap();
    for night in ["one", "two", "three"] {
        write(night);
        lab.collect(&[]);
        lab.transport().good();
    }
    lab.fetch(&[]).good();
    write("waits");
    lab.collect(&[]);
    // Half arrived, offered, half deleted, set aside, held, and what does not belong there.
    let mut cut = lab.command(Host::Source, Executable::Transport, &["run", "--stream", "data"]);
    assert!(Done::of(cut.env("HANDOVER_FAULT", "transport.carried")).was_killed());
    let (store, handover) = (lab.there("data", "store"), lab.here("data", "handover"));
    sh(&format!(
        "cd {0}; id=$(ls -d 2*Z | head -1); echo audit > holds/$id; mkdir -p quarantine; cp -a $id quarantine/20990101T000000Z\n\
         echo mine > theirs; cp -a $id .partial-20200101T000000Z; mkdir -p {1}/quarantine/20200101T000000Z",
        store.display(),
        handover.display()
    ));
    for host in [Host::Source, Host::Sink] {
        lab.call(host, Executable::Job, &["stop"]).good();
    }
    lab
}

/// Every file below both hosts' folders that a terminate may delete, and those that it must leave.
fn files(lab: &Lab, host: Host) -> BTreeSet<String> {
    let (root, skip) = match host {
        Host::Source => ("source", "-path */srv/* -o -path */etc/*"),
        Host::Sink => ("sink", "-path */etc/*"),
    };
    let list =
        sh(&format!("cd {}; find . \\( {skip} \\) -prune -o -type f -print", lab.at(root).display())
            .replace("*/", "'*/'"));
    list.lines().map(ToOwned::to_owned).collect()
}

fn is_foreign(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap();
    [
        ".lock",
        ".transport.lock",
        "collect.lock",
        "theirs",
        "RESTORE.txt",
        "restore.sh",
        "instance",
        ".instance.lock",
        "env",
    ]
    .contains(&name)
        || path.contains(".state.")
        || name.ends_with("window.lock")
        || name.ends_with("intent.lock")
}

fn terminate(lab: &Lab, host: Host, words: &[&str]) -> Done {
    lab.call(host, Executable::Job, &[&["terminate", "--confirm", "shop"], words].concat())
}

fn nothing_is_left(lab: &Lab, host: Host, at: &str) {
    let left: Vec<_> = files(lab, host).into_iter().filter(|path| !is_foreign(path)).collect();
    assert!(left.is_empty(), "{at}: {left:?}");
    let status = lab.call(host, Executable::Job, &["status"]).good()["jobs"][0].take();
    assert_eq!((&status["state"], &status["terminating"]), (&json!("inactive"), &json!(false)), "{at}");
    if host == Host::Sink {
        assert_eq!(fs::read_to_string(lab.there("data", "store").join("theirs")).unwrap(), "mine\n", "{at}");
    }
    assert!(lab.srv().join("order").exists(), "{at}: what is backed up is nobody's business");
}

#[test]
fn what_is_announced_is_what_is_deleted_and_nothing_else() {
    let lab = lab();
    for host in [Host::Source, Host::Sink] {
        let before = files(&lab, host);
        let plan = lab.call(host, Executable::Job, &["terminate", "--check", "--diff"]).good();
        assert_eq!(files(&lab, host), before, "check mode changes nothing");
        let diff = plan["diff"][0]["before"].as_str().unwrap();
        let job = &plan["jobs"][0];
        let items: Vec<Value> = job["deleted"].as_array().unwrap().clone();
        assert!(items.iter().all(|item| diff.contains(item["path"].as_str().unwrap())), "{diff}");
        let places: BTreeSet<_> = items.iter().map(|item| item["place"].as_str().unwrap()).collect();
        let wanted: &[&str] = match host {
            Host::Source => &["handover", "restore_folder", "source_store", "state"],
            Host::Sink => &["incoming", "sink_store"],
        };
        assert_eq!(places, wanted.iter().copied().collect());
        if host == Host::Sink {
            assert!(diff.contains("held: audit") && diff.contains("quarantined"), "{diff}");
            assert!(plan["warnings"][0].as_str().unwrap().contains("theirs"), "{plan}");
            let place = sh(&format!("du -sb --apparent-size {} | cut -f1", lab.there("data", "store").display()));
            let bytes: u64 = items
                .iter()
                .filter(|item| item["place"] == "sink_store")
                .map(|item| item["bytes"].as_u64().unwrap())
                .sum();
            let there: u64 = place.trim().parse().unwrap();
            assert!(bytes < there && bytes * 2 > there, "{bytes} of {there}");
        }
        let done = terminate(&lab, host, &["--diff"]).good();
        assert_eq!(done["changed"], true);
        assert_eq!(done["jobs"][0]["deleted"], job["deleted"]);
        assert_eq!(done["diff"], plan["diff"]);
        nothing_is_left(&lab, host, "terminated");
        let after = files(&lab, host);
        assert!(before.iter().filter(|path| is_foreign(path)).all(|path| after.contains(path)), "{before:?} {after:?}");
        assert_eq!(lab.call(host, Executable::Job, &["run", "--state", "inactive"]).good()["changed"], false);
    }
    // Inactive: nothing is made, nothing is taken.
    assert_eq!(lab.call(Host::Source, Executable::Collect, &["run"]).good()["changed"], false);
    assert_eq!(lab.transport().good()["changed"], false);
    for host in [Host::Source, Host::Sink] {
        lab.call(host, Executable::Job, &["start"]).good();
    }
    let id = lab.collect(&[]);
    lab.transport().good();
    let stored = backup_tests::oracle::whole(&lab.there("data", "store"), Some(&lab.at("signers")));
    assert_eq!(stored, [id], "a new beginning, with a full");
}

#[test]
fn one_host_may_be_down_and_is_done_later() {
    let lab = lab();
    terminate(&lab, Host::Source, &[]).good();
    nothing_is_left(&lab, Host::Source, "source");
    lab.call(Host::Source, Executable::Job, &["start"]).good();
    lab.collect(&[]);
    lab.mail();
    lab.transport().failed("wrong_state");
    assert!(lab.mail().contains("wrong_state"), "the sink has not been done yet, and somebody hears of it");
    terminate(&lab, Host::Sink, &[]).good();
    nothing_is_left(&lab, Host::Sink, "sink");
    lab.call(Host::Sink, Executable::Job, &["start"]).good();
    lab.transport().good();
}

#[test]
fn copies_of_a_stream_that_is_declared_no_more_are_named_and_stay() {
    let mut lab = Lab::in_memory(Way::Push);
    fs::write(lab.srv().join("order"), "one").unwrap();
    let logs = lab.at("source/log");
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("log"), "line").unwrap();
    lab.stream("logs", &json!({"include": [logs]}));
    lab.declare();
    lab.collect(&[]);
    lab.transport().good();
    lab.call(Host::Sink, Executable::Transport, &["run", "--stream", "logs"]).good();
    let kept = lab.there("logs", "store");
    let before = sh(&format!("cd {}; find . | sort", kept.display()));
    assert!(before.contains("SHA256SUMS"), "{before}");
    lab.job["streams"].as_object_mut().unwrap().remove("logs");
    lab.declare();
    lab.call(Host::Sink, Executable::Job, &["stop"]).good();
    for words in [&["--check"][..], &[]] {
        let answer = terminate(&lab, Host::Sink, words).good();
        let (warnings, path) = (answer["warnings"].to_string(), kept.display().to_string());
        assert!(warnings.contains(&path) && warnings.contains("does not declare any more"), "{answer}");
        assert!(!answer["jobs"][0]["deleted"].to_string().contains(&path), "{answer}");
    }
    assert_eq!(sh(&format!("cd {}; find . | sort", kept.display())), before);
}

/// What an interrupted collection left is root's, in a folder of somebody else.
#[test]
fn root_is_led_nowhere_by_the_owner_of_the_folders() {
    let mut lab = Lab::in_memory(Way::Push);
    sh(&format!("chmod 755 {}", lab.at("").display()));
    lab.change(&json!({"streams": {"data": {"user": "nobody"}}}));
    fs::write(lab.srv().join("order"), "one").unwrap();
    let mut killed = lab.command(Host::Source, Executable::Collect, &["run"]);
    assert!(Done::of(killed.env("HANDOVER_FAULT", "collect.staging.created")).was_killed());
    let here = lab.here("data", "handover");
    let partial = sh(&format!("cd {}; ls -d .partial-*", here.display()));
    let id = partial.trim().strip_prefix(".partial-").unwrap();
    lab.call(Host::Source, Executable::Job, &["stop"]).good();

    let victim = lab.at("victim");
    sh(&format!(
        "mkdir -p {0}/{id} {0}/.partial-{id}; echo seal > {0}/{id}/SHA256SUMS; echo x > {0}/.partial-{id}/x",
        victim.display()
    ));
    let theirs = || sh(&format!("cd {}; find . | sort", victim.display()));
    let before = theirs();
    let mut command = lab.command(Host::Source, Executable::Job, &["terminate", "--confirm", "shop"]);
    let running = backup_tests::pause::at("job.terminating", &mut command);
    let swap = format!("mv {0} {0}.aside; ln -s {1} {0}; chown -h nobody {0}", here.display(), victim.display());
    sh(&swap);
    running.go_on().unwrap().failed("permission");
    assert_eq!(theirs(), before);
    sh(&format!("rm {0}; mv {0}.aside {0}", here.display()));
    terminate(&lab, Host::Source, &[]).good();
    nothing_is_left(&lab, Host::Source, "with its own folder back");
}

fn killed_anywhere(host: Host) {
    let lab = lab();
    // Both hosts as they were, for every point anew.
    let again = || sh(&format!("cd {}; rm -rf source sink; cp -a saved/source saved/sink .", lab.at("").display()));
    sh(&format!("cd {}; mkdir saved; cp -a source sink saved/", lab.at("").display()));
    let list = lab.at("points");
    let points = kill::points(&list, &mut lab.command(host, Executable::Job, &["terminate", "--confirm", "shop"]));
    kill::tell("terminate", &points);
    for name in
        ["job.terminating", "job.item", "job.deleted", "store.delete.receipt", "store.delete.seal", "store.delete.data"]
    {
        assert!(points.iter().any(|point| point.name == name), "{name} is not among {points:?}");
    }
    for point in points {
        again();
        point.kill(Whom::Process, &mut lab.command(host, Executable::Job, &["terminate", "--confirm", "shop"]));
        let at = point.to_string();
        let status = lab.call(host, Executable::Job, &["status"]).good()["jobs"][0].take();
        let begun = status["state"] == "inactive";
        // Nothing that is half deleted counts as a copy.
        let place = if host == Host::Sink { lab.there("data", "store") } else { lab.here("data", "store") };
        whole_or_unsealed(&place, &at);
        if begun && status["terminating"] == true {
            for action in ["start", "restart", "stop"] {
                lab.call(host, Executable::Job, &[action]).failed("wrong_state");
            }
            assert_eq!(lab.call(Host::Source, Executable::Collect, &["run"]).good()["changed"], false, "{at}");
        }
        let next = lab.call(host, Executable::Job, &["run", "--state", "inactive", "--confirm", "shop"]);
        assert_eq!(next.code, Some(0), "{at}: {next:?}");
        nothing_is_left(&lab, host, &at);
    }
}

fn whole_or_unsealed(store: &Path, at: &str) {
    for entry in fs::read_dir(store).into_iter().flatten() {
        let path = entry.unwrap().path();
        let is_generation = path.file_name().unwrap().to_str().unwrap().ends_with('Z');
        if is_generation && path.join("SHA256SUMS").exists() {
            sh(&format!("cd {}; sha256sum --quiet --check SHA256SUMS || {{ echo {at}; exit 1; }}", path.display()));
        }
    }
}

#[test]
fn terminate_may_be_killed_anywhere_on_the_source() {
    killed_anywhere(Host::Source);
}

#[test]
fn terminate_may_be_killed_anywhere_on_the_sink() {
    killed_anywhere(Host::Sink);
}

#[test]
fn what_a_recovery_needs_is_not_deleted() {
    let lab = lab();
    fs::write(lab.at("source/state/shop/restore.json"), "{}").unwrap();
    let before = files(&lab, Host::Source);
    let refused = terminate(&lab, Host::Source, &[]).failed("wrong_state");
    assert_eq!(refused["hint"], "Run `backup_restore recover shop` first.");
    assert_eq!(files(&lab, Host::Source), before);
}

#[test]
fn a_copy_that_is_arriving_is_waited_for() {
    let lab = lab();
    let lock = lab.there("data", "incoming").join(".lock");
    let mut holder = std::process::Command::new("flock")
        .arg(&lock)
        .args(["sh", "-c", "echo held; read x"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut held).unwrap();
    let copies = || files(&lab, Host::Sink).into_iter().filter(|path| !is_foreign(path)).collect::<Vec<_>>();
    let before = copies();
    terminate(&lab, Host::Sink, &[]).failed("locked");
    assert_eq!(copies(), before);
    drop(holder.stdin.take());
    holder.wait().unwrap();
    terminate(&lab, Host::Sink, &[]).good();
    nothing_is_left(&lab, Host::Sink, "after the wait");
}
