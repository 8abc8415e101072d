//! Clocks that are wrong by a year, in either direction, on either host, for a night or from the middle of a collection on:
//! nothing that is verified goes, what cannot be dated is refused with its remedy, and with the right clock the next night ends well.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_core::GenerationId;
use backup_tests::executables::{Done, Executable, sh};
use backup_tests::lab::{Host, Lab, Way};
use backup_tests::oracle;
use backup_tests::service::{self, Service};
use jiff::Timestamp;
use std::fs;
use std::process::Command;

/// In libfaketime's words.
const AHEAD: &str = "+365d";
const BEHIND: &str = "-365d";

fn lab() -> Lab {
    let mut lab = Lab::in_memory(Way::Push);
    sh(&format!("cd {}; mkdir d; seq 1 5000 > d/list; ln d/list hard", lab.srv().display()));
    lab.keep_fulls(2);
    for _ in 0..2 {
        night(&lab);
    }
    lab
}

fn change(lab: &Lab) {
    sh(&format!("date +%N >> {0}/d/list; date +%N > {0}/d/new", lab.srv().display()));
}

/// Collects and carries, with the right clocks: afterwards the sink has a verified copy of the tree.
#[track_caller]
fn night(lab: &Lab) -> String {
    change(lab);
    let id = lab.collect(&[]);
    lab.transport().good();
    assert!(oracle::whole(&lab.there("data", "store"), Some(&lab.at("signers"))).contains(&id));
    assert!(oracle::generations(&lab.here("data", "handover")).is_empty());
    lab.restores_to(&id, &lab.srv(), "with the right clocks");
    id
}

/// The host's clock alone is wrong: the times of files are what they are.
fn environment(clock: &str) -> [(&'static str, String); 5] {
    let faketime = sh("ls /usr/lib/*/faketime/libfaketime.so.1").trim().to_owned();
    [
        ("LD_PRELOAD", faketime),
        ("FAKETIME", clock.to_owned()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// A call on a host with such a clock.
fn with(clock: &str, mut command: Command) -> Done {
    Done::of(command.envs(environment(clock)))
}

fn collect(lab: &Lab) -> Command {
    lab.command(Host::Source, Executable::Collect, &["run"])
}

fn transport(lab: &Lab) -> Command {
    lab.command(Host::Source, Executable::Transport, &["run"])
}

/// What the sink has verified.
fn kept(lab: &Lab) -> Vec<String> {
    oracle::whole(&lab.there("data", "store"), Some(&lab.at("signers")))
}

#[test]
fn a_source_that_is_a_year_behind_collects_nothing_until_its_clock_is_set() {
    let lab = lab();
    let before = oracle::digests(&lab.there("data", "store"));
    change(&lab);
    let refused = with(BEHIND, collect(&lab)).failed("clock_went_back");
    assert!(refused["msg"].as_str().unwrap().contains("the clock says"), "{refused}");
    with(BEHIND, transport(&lab)).good();
    with(BEHIND, lab.command(Host::Source, Executable::Rotate, &["run"])).good();
    assert_eq!(oracle::digests(&lab.there("data", "store")), before);
    night(&lab);
}

#[test]
fn what_a_source_collects_a_year_ahead_is_refused_and_set_aside() {
    let lab = lab();
    let (before, store) = (kept(&lab), lab.there("data", "store"));
    change(&lab);
    let ahead = with(AHEAD, collect(&lab)).good()["streams"][0]["id"].as_str().unwrap().to_owned();
    let refused = with(AHEAD, transport(&lab));
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert_eq!(kept(&lab), before);
    // It waits, and is not lost.
    let handover = lab.here("data", "handover");
    assert_eq!(oracle::whole(&handover, None), std::slice::from_ref(&ahead));
    let told = lab.call(Host::Source, Executable::Collect, &["run"]).failed("clock_went_back");
    assert!(told["hint"].as_str().unwrap().contains("quarantine"), "{told}");
    // As the hint says.
    sh(&format!("cd {}; mkdir -p quarantine; mv {ahead} quarantine", handover.display()));
    let new = night(&lab);
    assert_eq!(oracle::whole(&store, Some(&lab.at("signers"))), [before[1].clone(), new]);
    assert!(handover.join("quarantine").join(&ahead).is_dir());
}

#[test]
fn what_a_sink_receives_a_year_ahead_displaces_nothing() {
    let lab = lab();
    let before = kept(&lab);
    lab.serve_with_all(Host::Sink, environment(AHEAD));
    change(&lab);
    let during = lab.collect(&[]);
    lab.transport().good();
    with(AHEAD, lab.command(Host::Sink, Executable::Rotate, &["run"])).good();
    lab.serve_with(Host::Sink, "");
    let after = kept(&lab);
    assert!(after.contains(&during) && after.contains(&before[1]), "{after:?}");
    // Its receipt is from the future now: it neither counts nor goes, whatever else comes.
    let nights: Vec<_> = (0..3).map(|_| night(&lab)).collect();
    lab.call(Host::Sink, Executable::Rotate, &["run"]).good();
    assert_eq!(kept(&lab), [during, nights[1].clone(), nights[2].clone()]);
}

#[test]
fn a_sink_that_is_a_year_behind_takes_nothing_until_its_clock_is_set() {
    let lab = lab();
    let before = kept(&lab);
    lab.serve_with_all(Host::Sink, environment(BEHIND));
    change(&lab);
    let during = lab.collect(&[]);
    let refused = lab.transport();
    assert_ne!(refused.code, Some(0), "{refused:?}");
    with(BEHIND, lab.command(Host::Sink, Executable::Rotate, &["run"])).good();
    lab.serve_with(Host::Sink, "");
    assert_eq!(kept(&lab), before);
    lab.transport().good();
    assert!(kept(&lab).contains(&during));
    night(&lab);
}

/// The clock steps while the application is off, between the passes of a collection.
fn steps_between_the_passes(clock: &str) {
    let mut lab = lab();
    let srv = lab.srv().display().to_string();
    let file = lab.at("clock");
    service::declare(
        &mut lab,
        &format!("n=0; while :; do n=$((n+1)); echo line $n >> {srv}/app.log; sleep 0.02; done"),
        &format!("rm -rf {srv}.standstill; cp -a {srv} {srv}.standstill; echo {clock} > {}", file.display()),
    );
    Service::of(&lab).start();
    fs::write(&file, "+0\n").unwrap();
    let mut command = collect(&lab);
    command.envs(environment("")).env_remove("FAKETIME").env("FAKETIME_TIMESTAMP_FILE", &file);
    let answer = Done::of(&mut command).good();
    assert!(Service::of(&lab).is_on(), "the application is off");
    let id = answer["streams"][0]["id"].as_str().unwrap();
    let handover = lab.here("data", "handover");
    assert_eq!(oracle::whole(&handover, None), [id]);
    let manifest = fs::read_to_string(handover.join(id).join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let finished: Timestamp = manifest["finished_at"].as_str().unwrap().parse().unwrap();
    let stepped = finished.duration_since(id.parse::<GenerationId>().unwrap().time()).as_hours();
    assert!(stepped.abs() >= 364 * 24, "the clock did not step: {stepped} hours");
    lab.transport().good();
    lab.restores_to(id, &lab.at("source/srv.standstill"), clock);
    sh(&format!("{} stop", lab.at("bin/app").display()));
    night(&lab);
}

#[test]
fn a_clock_that_leaps_a_year_between_the_passes_costs_nothing() {
    steps_between_the_passes(AHEAD);
}

#[test]
fn a_clock_that_falls_back_a_year_between_the_passes_costs_nothing() {
    steps_between_the_passes(BEHIND);
}
