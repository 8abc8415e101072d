//! A stop cuts a transport short that would go on for minutes, on whichever side it is asked for; what has arrived stays.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Done, Executable, sh};
use backup_tests::lab::{Host, Lab, Way, wait_for};
use backup_tests::oracle;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};

/// As much as takes a minute and a half at the limit: longer than any stop below is willing to wait.
const SIZE: u64 = 24 << 20;
const LIMIT: u64 = 256 << 10;

fn limited(way: Way) -> (Lab, String) {
    let mut lab = Lab::in_memory(way);
    sh(&format!("head -c {SIZE} /dev/urandom >{}", lab.srv().join("noise").display()));
    let id = lab.collect(&[]);
    set_limit(&mut lab, LIMIT);
    (lab, id)
}

fn set_limit(lab: &mut Lab, bytes_per_second: u64) {
    lab.change(&json!({"streams": {"data": {"transport": {"bandwidth": bytes_per_second}}}}));
}

/// Begins, and waits until a part has arrived.
fn begin(lab: &Lab, command: &mut Command) -> Child {
    let transport = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a part has arrived", || arrived(lab) > 1 << 20);
    transport
}

fn run(lab: &Lab) -> Child {
    begin(lab, &mut lab.command(lab.carrier(), Executable::Transport, &["run", "--stream", "data"]))
}

/// Bytes that lie at the sink and are not stored yet.
fn arrived(lab: &Lab) -> u64 {
    let folder = lab.there("data", "incoming");
    // Files come and go while it looks.
    let list = format!("find {} -type f -not -name '*.lock' -printf '%s\\n' 2>/dev/null || true", folder.display());
    sh(&list).lines().map(|size| size.parse::<u64>().unwrap()).sum()
}

fn stop(lab: &Lab, host: Host) {
    let answer = lab.call(host, Executable::Job, &["stop", "--wait", "30s"]).good();
    assert_eq!((&answer["changed"], &answer["jobs"][0]["stopping"]), (&json!(true), &json!(false)), "{answer}");
}

fn ended(transport: Child) -> Done {
    Done::from(&transport.wait_with_output().unwrap())
}

/// Nothing is lost, and the next run carries the rest only.
fn goes_on(mut lab: Lab, id: &str, stopped: &[Host]) {
    assert_eq!(oracle::generations(&lab.here("data", "handover")), [id]);
    assert_eq!(oracle::generations(&lab.there("data", "store")), [""; 0]);
    let part = arrived(&lab);
    assert!(part > 1 << 20, "{part} bytes are left");
    for host in stopped {
        lab.call(*host, Executable::Job, &["restart"]).good();
    }
    set_limit(&mut lab, 1 << 30);
    let answer = lab.transport().good();
    let moved = &answer["generations"][0];
    assert_eq!((&moved["id"], &moved["resumed"]), (&json!(id), &json!(true)), "{answer}");
    assert!(moved["wire_bytes"].as_u64().unwrap() < SIZE - part / 2, "{part} bytes had arrived: {answer}");
    assert_eq!(oracle::whole(&lab.there("data", "store"), Some(&lab.at("signers"))), [id]);
    assert_eq!(oracle::generations(&lab.here("data", "handover")), [""; 0]);
}

/// The side that carries is stopped, alone or as the last: no failure, and no mail.
fn ends_in_order(way: Way, stopped: &[Host]) {
    let (lab, id) = limited(way);
    let transport = run(&lab);
    for host in stopped {
        stop(&lab, *host);
    }
    let answer: Value = ended(transport).good();
    assert_eq!((&answer["changed"], &answer["generations"][0]["moved_to_store"]), (&json!(false), &json!(false)));
    assert_eq!(answer["generations"][0]["action"], "stop", "{answer}");
    assert_eq!(answer["outstanding"][0]["id"], *id);
    assert!(answer["msg"].as_str().unwrap().ends_with(": nothing more is carried"), "{answer}");
    assert!(answer["warnings"][0].as_str().unwrap().contains("what has arrived stays"), "{answer}");
    assert_eq!(lab.mail(), "", "an operator decided it");
    goes_on(lab, &id, stopped);
}

#[test]
fn a_push_whose_source_is_stopped() {
    ends_in_order(Way::Push, &[Host::Source]);
}

#[test]
fn a_push_whose_sink_is_stopped_before_its_source() {
    ends_in_order(Way::Push, &[Host::Sink, Host::Source]);
}

#[test]
fn a_pull_whose_sink_is_stopped() {
    ends_in_order(Way::Pull, &[Host::Sink]);
}

#[test]
fn a_pull_whose_source_is_stopped_before_its_sink() {
    ends_in_order(Way::Pull, &[Host::Source, Host::Sink]);
}

#[test]
fn a_side_that_is_not_stopped_itself_says_who_is() {
    let (lab, id) = limited(Way::Push);
    let transport = run(&lab);
    stop(&lab, Host::Sink);
    let answer = ended(transport).failed("wrong_state");
    assert!(answer["msg"].as_str().unwrap().contains("job web1/shop is stopped since"), "{answer}");
    assert_eq!(answer["generations"][0]["action"], "stop", "{answer}");
    assert_eq!(lab.mail().matches("Subject:").count(), 1);
    goes_on(lab, &id, &[Host::Sink]);
}

#[test]
fn cron_has_nothing_to_mail_and_terminate_finds_what_has_arrived() {
    let (lab, _) = limited(Way::Pull);
    let mut command = Command::new(Executable::Transport.path());
    command.args(["run", "web1/shop", "--quiet", "--config"]).arg(lab.at("sink/etc"));
    let transport = begin(&lab, &mut command);
    stop(&lab, Host::Source);
    stop(&lab, Host::Sink);
    let output = transport.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(
        (output.status.code(), said.each_ref().map(String::as_str), lab.mail().as_str()),
        (Some(0), ["", ""], "")
    );
    lab.call(Host::Sink, Executable::Job, &["terminate", "--confirm", "shop"]).good();
    assert_eq!(arrived(&lab), 0);
}
