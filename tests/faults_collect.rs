//! `kill -9` at every named point of collect and of its recovery, and faults at their numbered calls: the application runs
//! again, what is verified stays, nothing partial counts, the next run ends well.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::calls::{End, Suite};
use backup_tests::executables::{Executable, sh};
use backup_tests::kill::{self, Point, Whom};
use backup_tests::lab::{Host, Lab, Way, wait_for};
use backup_tests::oracle;
use backup_tests::service::{self, Service};
use backup_tests::strace::Traced;
use serde_json::json;

/// A job with an application that writes, a dump in each window, and one generation at the sink.
fn lab() -> Lab {
    let mut lab = Lab::in_memory(Way::Push);
    let srv = lab.srv().display().to_string();
    service::declare(
        &mut lab,
        &format!("n=0; while :; do n=$((n+1)); echo line $n >> {srv}/app.log; sleep 0.02; done"),
        &format!("rm -rf {srv}.standstill; cp -a {srv} {srv}.standstill"),
    );
    lab.change(&json!({
        "max_downtime": "10min",
        "streams": {"data": {"dumps": [
            {"name": "on", "command": {"run": ["echo", "running"]}},
            {"name": "off", "command": {"run": ["echo", "stopped"]}, "when": "stopped"},
        ]}},
    }));
    sh(&format!("cd {srv}; mkdir -p d/e; seq 1 5000 > d/list; ln d/list hard; echo x > d/e/x"));
    Service::of(&lab).start();
    lab.collect(&[]);
    lab.transport().good();
    lab
}

fn collect(lab: &Lab) -> std::process::Command {
    lab.command(Host::Source, Executable::Collect, &["run"])
}

fn recover(lab: &Lab) -> std::process::Command {
    lab.command(Host::Source, Executable::Collect, &["recover"])
}

/// Afterwards, and what cron does every minute: the application is on, nothing at the sink is touched, no half generation
/// counts, and the next night ends with a verified copy of exactly what stood still.
fn is_unharmed(lab: &Lab, at: &str, sink_before: &str) {
    kill::good(&mut recover(lab), at);
    assert!(Service::of(lab).is_on(), "{at}: the application is off");
    assert!(!lab.at("source/state/shop/intent.json").exists(), "{at}");
    let (handover, store) = (lab.here("data", "handover"), lab.there("data", "store"));
    assert_eq!(oracle::digests(&store), sink_before, "{at}");
    oracle::whole(&handover, None);

    let id = lab.collect(&[]);
    lab.transport().good();
    assert!(oracle::generations(&handover).is_empty(), "{at}");
    assert!(sh(&format!("ls -A {} | grep partial || true", handover.display())).is_empty(), "{at}");
    let stored = oracle::whole(&store, Some(&lab.at("signers")));
    assert_eq!(stored.last(), Some(&id), "{at}");
    lab.restores_to(&id, &lab.at("source/srv.standstill"), at);
}

fn collect_survives(whom: Whom) {
    let lab = lab();
    let points = kill::points(&lab.at("list"), &mut collect(&lab));
    kill::tell("collect", &points);
    assert!(points.len() >= 20, "{points:?}");
    lab.transport().good();
    for point in &points {
        sh(&format!("date +%N >> {0}/d/list; date +%N > {0}/d/new", lab.srv().display()));
        let before = oracle::digests(&lab.there("data", "store"));
        point.kill(whom, &mut collect(&lab));
        is_unharmed(&lab, &point.to_string(), &before);
    }
}

#[test]
fn collect_may_be_killed_anywhere() {
    collect_survives(Whom::Process);
}

#[test]
fn collect_may_be_killed_anywhere_with_its_group() {
    collect_survives(Whom::Group);
}

/// Kills a collection while the application is off, and its guardian before that starts it.
fn leave_stopped(lab: &Lab) {
    let stopped = Point { name: "collect.stopped".into(), pass: 1 };
    for _ in 0..10 {
        stopped.kill(Whom::Group, &mut collect(lab));
        service::end_processes(&[lab.at("").to_str().unwrap(), "--after"]);
        if !Service::of(lab).is_on() && lab.at("source/state/shop/intent.json").exists() {
            return;
        }
        kill::good(&mut recover(lab), "its guardian, which was quicker");
    }
    panic!("the guardian is always quicker");
}

#[test]
fn recovery_may_be_killed_anywhere() {
    let lab = lab();
    leave_stopped(&lab);
    let points = kill::points(&lab.at("list"), &mut recover(&lab));
    kill::tell("recover", &points);
    assert!(points.len() >= 3, "{points:?}");
    for point in &points {
        let before = oracle::digests(&lab.there("data", "store"));
        leave_stopped(&lab);
        point.kill(Whom::Process, &mut recover(&lab));
        is_unharmed(&lab, &point.to_string(), &before);
    }
}

#[test]
fn the_rescue_starts_the_application_without_anybody() {
    let lab = lab();
    let process = || sh(&format!("cat {} || true", lab.at("app.pid").display()));
    let before = process();
    let stopped = Point { name: "collect.stopped".into(), pass: 1 };
    stopped.kill(Whom::Group, &mut collect(&lab));
    wait_for("the rescue starts it", || Service::of(&lab).is_on() && process() != before);
}

/// Whatever call fails, and however: either the run says so, or there is a generation of what stood still.
#[test]
fn any_call_of_collect_may_fail() {
    let lab = lab();
    let mut suite = Suite::of("collect", &lab.at(""), &mut collect(&lab));
    lab.transport().good();
    for fault in suite.chosen() {
        let at = fault.to_string();
        sh(&format!("date +%N >> {0}/d/list; date +%N > {0}/d/new", lab.srv().display()));
        let before = oracle::digests(&lab.there("data", "store"));
        if let End::Good(answer) = suite.befall(&fault, &mut collect(&lab)) {
            assert_eq!(oracle::digests(&lab.there("data", "store")), before, "{at}");
            let id = answer["streams"][0]["id"].as_str().unwrap().to_owned();
            assert_eq!(oracle::whole(&lab.here("data", "handover"), None).last(), Some(&id), "{at}");
            assert!(Service::of(&lab).is_on(), "{at}: the application is off");
            lab.transport().good();
            lab.restores_to(&id, &lab.at("source/srv.standstill"), &at);
        }
        let before = oracle::digests(&lab.there("data", "store"));
        is_unharmed(&lab, &at, &before);
    }
    suite.tell();
}

#[test]
fn any_system_call_of_collect_may_fail() {
    let lab = lab();
    let mut traced = Traced::of("collect", &lab.at(""), &collect(&lab));
    lab.transport().good();
    for injection in traced.chosen() {
        sh(&format!("date +%N >> {0}/d/list; date +%N > {0}/d/new", lab.srv().display()));
        let before = oracle::digests(&lab.there("data", "store"));
        let good = traced.befall(&injection, &collect(&lab));
        let at = injection.to_string();
        if let Some(answer) = good {
            let id = answer["streams"][0]["id"].as_str().unwrap();
            assert_eq!(oracle::whole(&lab.here("data", "handover"), None).last().map(String::as_str), Some(id), "{at}");
            assert!(Service::of(&lab).is_on(), "{at}: the application is off");
        }
        is_unharmed(&lab, &at, &before);
    }
    traced.tell();
}

#[test]
fn any_call_of_recovery_may_fail() {
    let lab = lab();
    leave_stopped(&lab);
    let mut suite = Suite::of("recover", &lab.at(""), &mut recover(&lab));
    for fault in suite.chosen() {
        let before = oracle::digests(&lab.there("data", "store"));
        leave_stopped(&lab);
        if let End::Good(_) = suite.befall(&fault, &mut recover(&lab)) {
            assert!(Service::of(&lab).is_on(), "{fault}: the application is off");
        }
        is_unharmed(&lab, &fault.to_string(), &before);
    }
    suite.tell();
}
