//! A job is stopped while something of it is under way: nothing of it goes on once `stop` has answered.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::Executable;
use backup_tests::lab::{Host, Lab, Way};
use backup_tests::{oracle, pause};
use serde_json::{Value, json};
use std::fs;

fn night(lab: &Lab, text: &str) -> String {
    fs::write(lab.srv().join("order"), text).unwrap();
    lab.collect(&["--kind", "full"])
}

/// A sink that keeps four fulls, and would keep two.
fn with_four() -> Lab {
    let mut lab = Lab::in_memory(Way::Push);
    lab.change(&json!({"streams": {"data": {"sink": {"retention": {"generations": 9}}}}}));
    for n in 1..=4 {
        night(&lab, &n.to_string());
        lab.transport().good();
    }
    lab.change(&json!({"streams": {"data": {"sink": {"retention": {"generations": 2}}}}}));
    lab
}

fn kept(lab: &Lab) -> Vec<String> {
    oracle::whole(&lab.there("data", "store"), Some(&lab.at("signers")))
}

/// Stops, but something is under way that does not end in time: who that is.
fn is_waited_for(lab: &Lab, host: Host, holder: &str) {
    let answer = lab.call(host, Executable::Job, &["stop", "--wait", "1s"]).failed("locked");
    assert_eq!((&answer["changed"], &answer["jobs"][0]["state"]), (&json!(true), &json!("stopped")), "{answer}");
    assert_eq!((&answer["jobs"][0]["stopping"], &answer["jobs"][0]["legal"][0]), (&json!(true), &json!("stop")));
    let said = answer["msg"].as_str().unwrap();
    assert!(said.contains("not finished") && said.contains(holder), "{answer}");
}

fn stops(lab: &Lab, host: Host, words: &[&str]) -> Value {
    let answer = lab.call(host, Executable::Job, words).good();
    assert_eq!((&answer["changed"], &answer["jobs"][0]["stopping"]), (&json!(true), &json!(false)), "{answer}");
    answer
}

#[test]
fn a_rotation_that_waits_for_its_turn_deletes_nothing_any_more() {
    let lab = with_four();
    let before = kept(&lab);
    let rotation = pause::at("rotate.begin", &mut lab.command(Host::Sink, Executable::Rotate, &["run"]));
    stops(&lab, Host::Sink, &["stop"]);
    let answer = rotation.go_on().unwrap().good();
    assert_eq!((&answer["changed"], kept(&lab)), (&json!(false), before), "{answer}");
    assert!(answer["msg"].as_str().unwrap().contains("nothing expires"), "{answer}");
}

#[test]
fn a_rotation_that_deletes_ends_with_the_generation_that_it_deletes() {
    let lab = with_four();
    let before = kept(&lab);
    let rotation = pause::at("rotate.delete", &mut lab.command(Host::Sink, Executable::Rotate, &["run"]));
    is_waited_for(&lab, Host::Sink, "rotation of web1/shop data");
    let answer = rotation.go_on().unwrap().good();
    assert_eq!(answer["expired"], 1, "{answer}");
    assert!(answer["warnings"].to_string().contains("is stopped"), "{answer}");
    // Also as a wish: it is not there before it is finished.
    stops(&lab, Host::Sink, &["run", "--state", "stopped"]);
    assert_eq!(kept(&lab), before[1..]);
    assert_eq!(lab.call(Host::Sink, Executable::Job, &["run", "--state", "stopped"]).good()["changed"], false);
    lab.call(Host::Sink, Executable::Job, &["restart"]).good();
    lab.call(Host::Sink, Executable::Rotate, &["run"]).good();
    assert_eq!(kept(&lab), before[2..]);
}

#[test]
fn a_push_ends_with_the_copy_that_it_carries() {
    let lab = Lab::in_memory(Way::Push);
    let ids = [night(&lab, "one"), night(&lab, "two")];
    lab.mail();
    let mut command = lab.command(Host::Source, Executable::Transport, &["run"]);
    let transport = pause::at("transport.committed", &mut command);
    is_waited_for(&lab, Host::Source, "transport");
    let answer = transport.go_on().unwrap().good();
    assert!(answer["warnings"].to_string().contains("is stopped"), "{answer}");
    assert_eq!(kept(&lab), ids[..1]);
    assert_eq!(oracle::generations(&lab.here("data", "handover")), ids[1..]);
    assert_eq!(lab.mail(), "", "an operator decided it");
    stops(&lab, Host::Source, &["stop"]);
    lab.call(Host::Source, Executable::Job, &["restart"]).good();
    lab.transport().good();
    assert_eq!(kept(&lab), ids);
}

#[test]
fn a_stopped_sink_stores_nothing_that_had_arrived() {
    let lab = Lab::in_memory(Way::Push);
    let id = night(&lab, "one");
    lab.serve_with(Host::Sink, "HANDOVER_FAULT=transport.commit.verified HANDOVER_FAULT_ACTION=pause");
    let mut source = lab.command(Host::Source, Executable::Transport, &["run"]);
    let source = source.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let commit = pause::found(&format!("--config {}", lab.at("sink/etc").display()));
    is_waited_for(&lab, Host::Sink, "commit");
    commit.go_on();
    let output = source.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("wrong_state"), "{output:?}");
    assert_eq!(kept(&lab), Vec::<String>::new());
    assert_eq!(lab.mail().matches("Subject:").count(), 1, "the source fails; the sink's operator decided it");
    lab.serve_with(Host::Sink, "");
    stops(&lab, Host::Sink, &["stop"]);
    lab.call(Host::Sink, Executable::Job, &["restart"]).good();
    lab.transport().good();
    assert_eq!(kept(&lab), [id], "what had arrived was not lost");
}

#[test]
fn a_source_that_is_read_from_is_not_stopped_yet() {
    let lab = Lab::in_memory(Way::Pull);
    let id = night(&lab, "one");
    lab.serve_with(Host::Source, "HANDOVER_FAULT=transport.send.begin HANDOVER_FAULT_ACTION=pause");
    let mut sink = lab.command(Host::Sink, Executable::Transport, &["run"]);
    let sink = sink.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let sender = pause::found(&format!("--config {}", lab.at("source/etc").display()));
    is_waited_for(&lab, Host::Source, "sending");
    sender.go_on();
    sink.wait_with_output().unwrap();
    lab.serve_with(Host::Source, "");
    stops(&lab, Host::Source, &["stop"]);
    lab.call(Host::Source, Executable::Job, &["restart"]).good();
    lab.transport().good();
    assert_eq!(kept(&lab), [id]);
}

#[test]
fn a_stop_that_was_killed_is_finished_by_the_next() {
    let lab = Lab::in_memory(Way::Push);
    let mut stop = lab.command(Host::Source, Executable::Job, &["stop"]);
    assert!(backup_tests::executables::Done::of(stop.env("HANDOVER_FAULT", "job.stopping")).was_killed());
    let status = lab.call(Host::Source, Executable::Job, &["status"]).good();
    assert_eq!((&status["jobs"][0]["state"], &status["jobs"][0]["stopping"]), (&json!("stopped"), &json!(true)));
    stops(&lab, Host::Source, &["stop"]);
}
