//! The states of a job on two real hosts: what each of them still does, and what it refuses.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Executable, sh};
use backup_tests::lab::{Host, Lab, Way};
use backup_tests::oracle;
use serde_json::{Value, json};
use std::fs;

fn job(lab: &Lab, host: Host, words: &[&str]) -> Value {
    lab.call(host, Executable::Job, words).good()["jobs"][0].take()
}

/// The phase of the data's initial sync.
fn phase(lab: &Lab, host: Host) -> Value {
    job(lab, host, &["status"])["streams"][0]["phase"].take()
}

fn both(lab: &Lab, words: &[&str]) {
    for host in [Host::Source, Host::Sink] {
        assert_eq!(lab.call(host, Executable::Job, words).good()["changed"], true);
    }
}

/// A call that does nothing and says why, without being a failure.
fn declines(lab: &Lab, host: Host, executable: Executable, why: &str) {
    for words in [&["run"][..], &["plan"]] {
        let answer = lab.call(host, executable, words).good();
        assert_eq!(answer["changed"], false, "{answer}");
        assert!(answer["msg"].as_str().unwrap().contains(why), "{answer}");
        assert!(answer["warnings"][0].as_str().unwrap().contains("backup_job"), "{answer}");
    }
    // What cron does: nothing to mail.
    let quiet = lab.command(host, executable, &["run", "--quiet"]);
    let words: Vec<_> = quiet.get_args().filter(|word| *word != "--json").map(ToOwned::to_owned).collect();
    let output = std::process::Command::new(quiet.get_program()).args(words).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    drop(quiet);
}

fn write(lab: &Lab, text: &str) {
    fs::write(lab.srv().join("order"), text).unwrap();
}

/// One night: collected, carried, rotated.
fn night(lab: &Lab, text: &str) -> String {
    write(lab, text);
    let id = lab.collect(&[]);
    lab.transport().good();
    id
}

fn a_stopped_job_stands_still(way: Way) {
    let lab = Lab::in_memory(way);
    assert_eq!(job(&lab, Host::Source, &["status"])["state"], "active", "nobody ever said anything");
    assert_eq!(phase(&lab, Host::Source), Value::Null);
    let full = night(&lab, "one");
    let kept: Vec<_> = (2..=3).map(|n| night(&lab, &n.to_string())).collect();
    assert_eq!(phase(&lab, Host::Source), "complete");
    assert_eq!(phase(&lab, Host::Sink), "complete");
    write(&lab, "four");
    let waiting = lab.collect(&[]);

    let stopped = job(&lab, Host::Source, &["run", "--state", "stopped"]);
    assert_eq!(
        (&stopped["before"], &stopped["state"], &stopped["action"]),
        (&json!("active"), &json!("stopped"), &json!("stop"))
    );
    assert_eq!(stopped["legal"], json!(["restart", "terminate"]));
    assert_eq!(lab.call(Host::Source, Executable::Job, &["run", "--state", "stopped"]).good()["changed"], false);
    declines(&lab, Host::Source, Executable::Collect, "nothing is collected");
    declines(&lab, Host::Source, Executable::Rotate, "nothing expires");

    // Where only one side was told, the other one hears it, and that is an alarm.
    lab.mail();
    if way == Way::Pull {
        lab.transport().failed("wrong_state");
        assert!(lab.mail().contains("job shop is stopped"));
    }
    assert_eq!(job(&lab, Host::Sink, &["stop"])["state"], "stopped");
    declines(&lab, lab.carrier(), Executable::Transport, "nothing is carried");
    declines(&lab, Host::Sink, Executable::Rotate, "nothing expires");
    assert_eq!(lab.mail(), "", "an operator decided it");

    // Nothing expires by anything, although the policy has become smaller.
    let (store, signers) = (lab.there("data", "store"), lab.at("signers"));
    let before = oracle::digests(&store);
    let mut lab = lab;
    lab.change(&json!({"streams": {"data": {"sink": {"retention": {"generations": 1}}}}}));
    lab.call(Host::Sink, Executable::Rotate, &["run"]).good();
    assert_eq!(oracle::digests(&store), before);
    assert_eq!(oracle::whole(&store, Some(&signers)), [&[full], &kept[..]].concat());
    assert_eq!(oracle::generations(&lab.here("data", "handover")), std::slice::from_ref(&waiting));

    // What is kept can be looked at and restored.
    lab.call(Host::Sink, Executable::Rotate, &["status"]).good();
    assert_eq!(lab.fetch(&["--generation", &kept[1]]).good()["generation"], kept[1].as_str());
    fs::write(lab.srv().join("order"), "lost").unwrap();
    lab.call(Host::Source, Executable::Restore, &["run", "--generation", &kept[1]]).good();
    assert_eq!(fs::read_to_string(lab.srv().join("order")).unwrap(), "3");

    // Going on begins with a full, although the sink has a base.
    both(&lab, &["restart"]);
    assert_eq!(phase(&lab, Host::Source), "starting");
    assert_eq!(phase(&lab, Host::Sink), Value::Null, "what came before the restart does not count");
    let plan = lab.call(Host::Source, Executable::Collect, &["plan"]).good();
    assert_eq!(plan["streams"][0]["kind"], "full", "{plan}");
    write(&lab, "five");
    let answer = lab.call(Host::Source, Executable::Collect, &["run"]).good();
    assert_eq!(answer["streams"][0]["kind"], "full", "{answer}");
    let id = answer["streams"][0]["id"].as_str().unwrap().to_owned();
    let standing = job(&lab, Host::Source, &["status"])["streams"][0].take();
    assert_eq!(standing["phase"], "transferring");
    assert_eq!(
        (&standing["generation"], &standing["slices"], &standing["slices_total"]),
        (&json!(id), &json!(0), &json!(1))
    );
    assert!(standing["bytes"].as_u64().unwrap() > 0 && standing["bytes"] == standing["bytes_total"], "{standing}");
    lab.transport().good();
    assert_eq!(oracle::whole(&store, Some(&signers)).last(), Some(&id));
    for host in [Host::Source, Host::Sink] {
        assert_eq!(phase(&lab, host), "complete");
    }
    write(&lab, "six");
    let next = lab.call(Host::Source, Executable::Collect, &["run"]).good();
    assert_eq!(next["streams"][0]["kind"], "incremental", "once is enough: {next}");
}

#[test]
fn a_stopped_job_stands_still_where_the_source_pushes() {
    a_stopped_job_stands_still(Way::Push);
}

#[test]
fn a_stopped_job_stands_still_where_the_sink_pulls() {
    a_stopped_job_stands_still(Way::Pull);
}

#[test]
fn the_copies_of_a_stopped_sink_are_re_read_and_damage_is_mailed() {
    let mut lab = Lab::in_memory(Way::Push);
    lab.change(&json!({"streams": {"data": {"sink": {
        "retention": {"generations": 3}, "protect": 0, "verify_max_age": "7d",
    }}}}));
    let ids: Vec<_> = (1..=3).map(|n| night(&lab, &n.to_string())).collect();
    let rotate = |lab: &Lab, words: &[&str]| lab.call(Host::Sink, Executable::Rotate, words);
    let only_if_stopped = rotate(&lab, &["run", "--stopped"]).good();
    assert!(only_if_stopped["msg"].as_str().unwrap().contains("is active: nothing to do"), "{only_if_stopped}");
    job(&lab, Host::Sink, &["stop"]);
    let fresh = rotate(&lab, &["run", "--stopped"]).good();
    assert_eq!(fresh["stores"][0]["reread"], json!([]), "all were read on arrival: {fresh}");

    // Time passes, one copy rots, and the policy has become smaller.
    lab.change(&json!({"streams": {"data": {"sink": {"verify_max_age": 0, "retention": {"generations": 1}}}}}));
    let store = lab.there("data", "store");
    fs::create_dir(store.join("20260101T000000Z.partial")).unwrap();
    let victim = sh(&format!("ls {}/*.tar.zst | head -1", store.join(&ids[1]).display()));
    sh(&format!("printf xxxxxxxx | dd of={} bs=1 seek=20 conv=notrunc status=none", victim.trim()));
    let before = sh(&format!("cd {}; find . -not -path './receipts*' -not -name .lock | sort", store.display()));
    let planned = rotate(&lab, &["plan"]).good();
    assert_eq!(planned["stores"][0]["reread"], json!(ids), "{planned}");
    lab.mail();
    let found = rotate(&lab, &["run", "--stopped"]).failed("damaged");
    assert_eq!((&found["changed"], &found["stores"][0]["reread"]), (&json!(false), &json!(ids)), "{found}");
    assert!(found["msg"].as_str().unwrap().contains(&ids[1]), "{found}");
    assert!(lab.mail().contains("(damaged)"));
    assert_eq!(sh(&format!("cd {}; find . -not -path './receipts*' -not -name .lock | sort", store.display())), before);

    // From then on it is known; without time the others wait.
    lab.change(&json!({"streams": {"data": {"sink": {"verify_box": 0}}}}));
    let waiting = rotate(&lab, &["run"]).good();
    assert_eq!(waiting["stores"][0]["waiting"].as_array().unwrap().len(), 2, "{waiting}");
    assert!(waiting["msg"].as_str().unwrap().ends_with("nothing expires, 2 wait to be re-read"), "{waiting}");
    assert_eq!(lab.mail(), "");
    job(&lab, Host::Sink, &["terminate", "--confirm", "shop"]);
    assert!(rotate(&lab, &["run"]).good()["msg"].as_str().unwrap().ends_with("nothing expires"));
}

#[test]
fn a_stopped_sink_takes_nothing_and_the_source_hears_why() {
    let lab = Lab::in_memory(Way::Push);
    night(&lab, "one");
    job(&lab, Host::Sink, &["stop"]);
    write(&lab, "two");
    let waiting = lab.collect(&[]);
    lab.mail();
    let refused = lab.transport().failed("wrong_state");
    assert!(refused["msg"].as_str().unwrap().contains("job web1/shop is stopped since"), "{refused}");
    assert!(lab.mail().contains("wrong_state"), "the source was not told: that is an alarm");
    assert!(oracle::generations(&lab.there("data", "incoming")).is_empty());
    assert_eq!(oracle::generations(&lab.here("data", "handover")), std::slice::from_ref(&waiting));
    job(&lab, Host::Sink, &["restart"]);
    lab.transport().good();
    assert_eq!(oracle::whole(&lab.there("data", "store"), Some(&lab.at("signers"))).last(), Some(&waiting));
}

#[test]
fn what_is_illegal_is_refused_with_what_is_legal_and_changes_nothing() {
    let lab = Lab::in_memory(Way::Push);
    let file = lab.at("source/state/shop.state.json");
    let refused = |words: &[&str], msg: &str, legal: &str| {
        let before = fs::read(&file).ok();
        let answer = lab.call(Host::Source, Executable::Job, words).failed("wrong_state");
        assert_eq!((answer["msg"].as_str(), answer["rc"].as_u64()), (Some(msg), Some(13)), "{answer}");
        assert!(answer["hint"].as_str().unwrap().ends_with(&format!(": {legal}.")), "{answer}");
        assert_eq!(fs::read(&file).ok(), before);
    };
    refused(&["start"], "cannot start job shop: it is active", "stop");
    refused(&["restart"], "cannot restart job shop: it is active", "stop");
    refused(&["terminate", "--confirm", "shop"], "cannot terminate job shop: it is active", "stop");
    refused(
        &["run", "--state", "inactive", "--confirm", "shop"],
        "cannot make job shop inactive: it is active",
        "stop",
    );
    job(&lab, Host::Source, &["stop"]);
    refused(&["start"], "cannot start job shop: it is stopped", "restart, terminate");
    refused(&["stop"], "cannot stop job shop: it is stopped", "restart, terminate");
    for words in [&["terminate"][..], &["terminate", "--confirm", "shop2"], &["run", "--state", "inactive"]] {
        let answer = lab.call(Host::Source, Executable::Job, words).failed("invalid_option");
        assert!(answer["msg"].as_str().unwrap().contains("confirm"), "{answer}");
        assert!(file.exists());
    }
    job(&lab, Host::Source, &["terminate", "--confirm", "shop"]);
    refused(&["stop"], "cannot stop job shop: it is inactive", "start");
    refused(&["restart"], "cannot restart job shop: it is inactive", "start");
    refused(&["terminate", "--confirm", "shop"], "cannot terminate job shop: it is inactive", "start");
    refused(&["run", "--state", "stopped"], "cannot make job shop stopped: it is inactive", "start");
    assert_eq!(lab.call(Host::Source, Executable::Job, &["run", "--state", "inactive"]).good()["changed"], false);
    fs::write(&file, "{").unwrap();
    for (executable, words) in
        [(Executable::Job, ["status"]), (Executable::Collect, ["run"]), (Executable::Transport, ["run"])]
    {
        lab.call(Host::Source, executable, &words).failed("damaged");
    }
}

#[test]
fn the_phases_are_written_down_while_they_happen() {
    let lab = Lab::in_memory(Way::Push);
    sh(&format!("cd {}; for i in 1 2 3 4; do head -c 3000000 /dev/urandom > $i; done", lab.srv().display()));
    let stands = |host| job(&lab, host, &["status"])["streams"][0].take();
    let state = || serde_json::from_slice::<Value>(&fs::read(lab.at("source/state/shop.state.json")).unwrap()).unwrap();
    let killed = |point: &str| {
        let mut run = lab.command(Host::Source, Executable::Collect, &["run"]);
        assert!(backup_tests::executables::Done::of(run.env("HANDOVER_FAULT", point)).was_killed(), "{point}");
    };
    // Killed after a pass: what is written then was written while it read.
    killed("collect.staging.created");
    let at = stands(Host::Source);
    assert_eq!(
        (&at["phase"], &at["bytes"], &at["bytes_total"]),
        (&json!("transferring"), &json!(0), &json!(12_000_000))
    );
    let began = state()["sync"]["data"]["began"].clone();
    let id = lab.collect(&[]);
    let at = stands(Host::Source);
    assert_eq!(
        (&at["phase"], &at["bytes"], &at["generation"]),
        (&json!("transferring"), &json!(12_000_000), &json!(id))
    );
    assert_eq!(state()["sync"]["data"]["began"], began, "it is still the first one");

    let killed = |point: &str| {
        let mut run = lab.command(Host::Source, Executable::Transport, &["run", "--stream", "data"]);
        assert!(backup_tests::executables::Done::of(run.env("HANDOVER_FAULT", point)).was_killed(), "{point}");
    };
    killed("transport.offered");
    assert_eq!(stands(Host::Source)["phases"]["transferring"], "under_way");
    let at = stands(Host::Sink);
    assert_eq!((&at["phase"], &at["bytes"]), (&json!("transferring"), &json!(0)), "{at}");
    assert!(at["bytes_total"].as_u64().unwrap() > 12_000_000, "{at}");
    killed("transport.carried");
    let at = stands(Host::Sink);
    assert_eq!(at["phase"], "building", "{at}");
    assert_eq!(at["bytes"], at["bytes_total"], "{at}");
    for (point, phase) in [
        ("transport.commit.moved", "fetching_missing"),
        ("transport.commit.stored", "creating_indexes"),
        ("transport.commit.signed", "complete"),
    ] {
        lab.serve_with(Host::Sink, &format!("HANDOVER_FAULT={point}"));
        assert_ne!(lab.transport().code, Some(0));
        let at = stands(Host::Sink);
        assert_eq!((&at["phase"], &at["phases"]["applying"]), (&json!(phase), &json!("no_work")), "{point}");
        assert!(at["generation"] == json!(id) && at["bytes_total"].as_u64().unwrap() > 12_000_000, "{point}: {at}");
        assert_eq!(stands(Host::Source)["phase"], "transferring", "{point}: no receipt has come back");
    }
    lab.serve_with(Host::Sink, "");
    lab.transport().good();
    assert_eq!(stands(Host::Source)["phase"], "complete");
    assert_eq!(state()["sync"]["data"]["phase"], "transferring", "root writes it down at the next collection");
    lab.collect(&[]);
    assert_eq!(state()["sync"]["data"]["phase"], "complete");
}

#[test]
fn a_lost_base_requires_a_resync_and_says_why() {
    let lab = Lab::in_memory(Way::Push);
    let full = night(&lab, "one");
    sh(&format!("rm -r {}/{full}", lab.there("data", "store").display()));
    write(&lab, "two");
    lab.collect(&[]);
    lab.mail();
    lab.transport().failed("want_full");
    assert!(lab.mail().contains("want_full"), "it is an alarm");
    let why = format!("base {full} is not in the sink's store");
    let stands = |lab: &Lab| job(lab, Host::Source, &["status"])["streams"][0].take();
    assert_eq!(stands(&lab)["resync_required"], why.as_str(), "{}", stands(&lab));
    write(&lab, "three");
    lab.collect(&[]);
    let at = stands(&lab);
    assert_eq!(
        (&at["phase"], &at["cause"], &at["resync_required"]),
        (&json!("transferring"), &json!(why), &Value::Null)
    );
    lab.transport();
    assert_eq!(stands(&lab)["phase"], "complete");
}
