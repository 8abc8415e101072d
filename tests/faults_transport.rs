//! `kill -9` at every named point of transport, and faults at its numbered calls, at the side that begins and at the side that
//! serves, pushed and pulled: what is verified stays, nothing partial counts, the next run ends well.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_core::GenerationId;
use backup_tests::calls::{End, Suite};
use backup_tests::executables::{Executable, sh};
use backup_tests::kill::{self, Whom};
use backup_tests::lab::{Host, Lab, Way, wait_for};
use backup_tests::oracle;
use backup_tests::strace::Traced;
use jiff::Timestamp;
use std::path::Path;
use std::process::Command;

/// Both sides keep two, so that every transport also deletes.
fn lab(way: Way) -> Lab {
    let mut lab = Lab::in_memory(way);
    sh(&format!("cd {}; mkdir -p d/e; seq 1 5000 > d/list; ln d/list hard; echo x > d/e/x", lab.srv().display()));
    lab.keep_fulls(2);
    for _ in 0..3 {
        another(&lab);
        lab.transport().good();
    }
    lab
}

/// Changes the tree and collects it. The second of two collections in one second is named by the next second: rotation has to
/// find the same every time, so it is not begun before that.
fn another(lab: &Lab) -> String {
    sh(&format!("date +%N >> {0}/d/list; date +%N > {0}/d/new", lab.srv().display()));
    let id = lab.collect(&[]);
    wait_for("the clock to reach the generation's second", || GenerationId::at(Timestamp::now()).to_string() >= id);
    id
}

fn transport(lab: &Lab) -> Command {
    lab.command(lab.carrier(), Executable::Transport, &["run"])
}

const fn server(lab: &Lab) -> Host {
    match lab.carrier() {
        Host::Source => Host::Sink,
        Host::Sink => Host::Source,
    }
}

/// The newest that count, before a kill.
fn newest(store: &Path) -> Vec<String> {
    let mut ids = oracle::generations(store);
    ids.drain(..ids.len() - 1);
    ids
}

fn is_unharmed(lab: &Lab, at: &str, verified: &[String], new: &str) {
    let (handover, store, signers) = (lab.here("data", "handover"), lab.there("data", "store"), lab.at("signers"));
    for id in verified {
        oracle::whole_one(&store, id, Some(&signers));
    }
    for id in oracle::generations(&store) {
        // Without a receipt it does not count, but it is whole, or it could be taken for one that is.
        let signed = store.join(format!("receipts/{id}.json")).exists();
        oracle::whole_one(&store, &id, signed.then_some(&signers));
    }
    let waits = oracle::generations(&handover).contains(&new.to_owned());
    let has_left = lab.here("data", "store").join(format!("receipts/{new}.json")).exists();
    assert!(waits || has_left, "{at}: {new} has left the handover point without a receipt");

    kill::good(&mut transport(lab), at);
    for host in [Host::Sink, Host::Source] {
        kill::good(&mut lab.command(host, Executable::Rotate, &["run"]), at);
    }
    assert!(oracle::generations(&handover).is_empty(), "{at}");
    assert!(oracle::whole(&store, Some(&signers)).contains(&new.to_owned()), "{at}");
    oracle::whole_one(&lab.here("data", "store"), new, Some(&signers));
    for place in ["incoming", "verifying"] {
        assert!(oracle::generations(&lab.there("data", place)).is_empty(), "{at}: rests in {place}");
    }
    lab.restores_to(new, &lab.srv(), at);
}

/// After the last kill: both sides are as if there had been none.
fn ends_well(lab: &Lab) {
    another(lab);
    lab.transport().good();
    for store in [lab.there("data", "store"), lab.here("data", "store")] {
        assert_eq!(oracle::whole(&store, Some(&lab.at("signers"))).len(), 2, "{}", store.display());
        assert_eq!(sh(&format!("ls -A {} | grep -c partial || true", store.display())).trim(), "0");
    }
}

fn the_beginning_side(way: Way, whom: Whom) {
    let lab = lab(way);
    another(&lab);
    let points = kill::points(&lab.at("list"), &mut transport(&lab));
    kill::tell(&format!("transport, {way:?}, the side that begins"), &points);
    assert!(points.len() >= 8, "{points:?}");
    for point in &points {
        let (new, verified) = (another(&lab), newest(&lab.there("data", "store")));
        point.kill(whom, &mut transport(&lab));
        is_unharmed(&lab, &point.to_string(), &verified, &new);
    }
    ends_well(&lab);
}

fn the_serving_side(way: Way, whom: Whom) {
    let lab = lab(way);
    let (host, list) = (server(&lab), lab.at("list"));
    another(&lab);
    lab.serve_with(host, &format!("HANDOVER_FAULT_LIST={}", list.display()));
    lab.transport().good();
    // Every request is a process of its own, which counts for itself.
    let points: Vec<_> = kill::listed(&list).into_iter().filter(|point| point.pass == 1).collect();
    kill::tell(&format!("transport, {way:?}, the side that serves"), &points);
    assert!(points.len() >= 5, "{points:?}");
    for point in &points {
        let (new, verified) = (another(&lab), newest(&lab.there("data", "store")));
        lab.serve_with_all(host, point.environment(whom));
        let done = lab.transport();
        // After the receipt nothing can fail a run any more: a rotation that died is a warning.
        let noticed = done.code != Some(0) || done.answer["warnings"].as_array().is_some_and(|all| !all.is_empty());
        assert!(noticed, "{point}: {done:?}");
        lab.serve_with(host, "");
        is_unharmed(&lab, &point.to_string(), &verified, &new);
    }
    ends_well(&lab);
}

#[test]
fn the_source_may_be_killed_anywhere_while_it_pushes() {
    the_beginning_side(Way::Push, Whom::Process);
}

#[test]
fn the_sink_may_be_killed_anywhere_while_it_pulls() {
    the_beginning_side(Way::Pull, Whom::Group);
}

#[test]
fn the_sink_may_be_killed_anywhere_while_it_serves() {
    the_serving_side(Way::Push, Whom::Group);
}

#[test]
fn the_source_may_be_killed_anywhere_while_it_serves() {
    the_serving_side(Way::Pull, Whom::Process);
}

#[test]
fn fetching_may_be_killed_anywhere() {
    let lab = lab(Way::Push);
    let folder = lab.here("data", "restore");
    let newest = oracle::generations(&lab.there("data", "store")).pop().unwrap();
    let list = lab.at("list");
    let points = kill::points(&list, &mut lab.fetch_command(&[]));
    kill::tell("transport, fetch", &points);
    assert!(points.len() >= 4, "{points:?}");
    for point in &points {
        sh(&format!("rm -rf {}", lab.at("source/data/restore").display()));
        point.kill(Whom::Process, &mut lab.fetch_command(&[]));
        oracle::whole(&folder, None);
        lab.fetch(&[]).good();
        assert_eq!(oracle::whole(&folder, Some(&lab.at("signers"))), std::slice::from_ref(&newest), "{point}");
        assert!(!lab.at("source/data/restore/.incoming/shop/data").join(&newest).exists(), "{point}");
    }
}

fn any_call_may_fail(way: Way) {
    let lab = lab(way);
    another(&lab);
    let mut suite = Suite::of(&format!("transport, {way:?}, the side that begins"), &lab.at(""), &mut transport(&lab));
    for fault in suite.chosen() {
        let (new, verified) = (another(&lab), newest(&lab.there("data", "store")));
        if let End::Good(_) = suite.befall(&fault, &mut transport(&lab)) {
            oracle::whole_one(&lab.there("data", "store"), &new, Some(&lab.at("signers")));
        }
        is_unharmed(&lab, &fault.to_string(), &verified, &new);
    }
    ends_well(&lab);
    suite.tell();
}

fn any_call_may_fail_at_the_server(way: Way) {
    let lab = lab(way);
    let (host, list) = (server(&lab), lab.at("list"));
    another(&lab);
    lab.serve_with(host, &format!("HANDOVER_CALLS={}", list.display()));
    lab.transport().good();
    let mut suite = Suite::listed(&format!("transport, {way:?}, the side that serves"), &lab.at(""), &list);
    for fault in suite.chosen() {
        let (new, verified) = (another(&lab), newest(&lab.there("data", "store")));
        lab.serve_with_all(host, suite.environment(&fault));
        let done = suite.befall_server(&fault, &mut transport(&lab));
        lab.serve_with(host, "");
        if done.code == Some(0) {
            oracle::whole_one(&lab.there("data", "store"), &new, Some(&lab.at("signers")));
        }
        is_unharmed(&lab, &fault.to_string(), &verified, &new);
    }
    ends_well(&lab);
    suite.tell();
}

#[test]
fn any_call_of_a_push_may_fail() {
    any_call_may_fail(Way::Push);
}

#[test]
fn any_call_of_a_pull_may_fail() {
    any_call_may_fail(Way::Pull);
}

#[test]
fn any_call_of_a_sink_that_serves_may_fail() {
    any_call_may_fail_at_the_server(Way::Push);
}

#[test]
fn any_call_of_a_source_that_serves_may_fail() {
    any_call_may_fail_at_the_server(Way::Pull);
}

fn any_system_call_may_fail(way: Way) {
    let lab = lab(way);
    another(&lab);
    let mut traced = Traced::of(&format!("transport, {way:?}"), &lab.at(""), &transport(&lab));
    for injection in traced.chosen() {
        let (new, verified) = (another(&lab), newest(&lab.there("data", "store")));
        if traced.befall(&injection, &transport(&lab)).is_some() {
            oracle::whole_one(&lab.there("data", "store"), &new, Some(&lab.at("signers")));
        }
        is_unharmed(&lab, &injection.to_string(), &verified, &new);
    }
    ends_well(&lab);
    traced.tell();
}

#[test]
fn any_system_call_of_a_push_may_fail() {
    any_system_call_may_fail(Way::Push);
}

#[test]
fn any_system_call_of_a_pull_may_fail() {
    any_system_call_may_fail(Way::Pull);
}
