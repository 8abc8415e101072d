//! The standstill: whatever was on comes back on, whoever dies, and a broken window is never sealed.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use support::{Bench, failure, wait_for};

/// A job whose dump runs while its services stand still.
fn bench(services: &[&str], dump: &str) -> Bench {
    let dump = json!([{"name": "orders", "when": "stopped", "command": {"run": ["sh", "-c", dump]}}]);
    let bench = Bench::new()
        .with(&json!({"max_downtime": "60s", "streams": {"data": {"include": [], "dumps": dump}}}))
        .with_services(services);
    for service in services {
        bench.control(service, "start");
    }
    bench.calls();
    bench
}

#[test]
fn services_stop_in_order_and_start_in_reverse_and_only_what_was_on() {
    let bench = bench(&["db", "app", "batch"], "cat srv/*.log; wc -c < /dev/null");
    bench.control("batch", "stop");
    bench.calls();
    let answer = bench.run();
    assert!(!answer.failed, "{answer:?}");
    let calls = bench.calls();
    let started: Vec<_> = calls.iter().filter(|call| call.starts_with("start")).collect();
    let stopped: Vec<_> = calls.iter().filter(|call| call.starts_with("stop")).take(2).collect();
    assert_eq!(stopped, ["stop db", "stop app"]);
    assert_eq!(started, ["start app", "start db"]);
    assert!(bench.is_on("db") && bench.is_on("app") && !bench.is_on("batch"));
    let was_on: Vec<_> = answer.services.iter().map(|service| (service.name.as_str(), service.was_on)).collect();
    assert_eq!(was_on, [("db", true), ("app", true), ("batch", false)]);
    assert!(answer.downtime_with_services_ms >= answer.downtime_ms);
    assert!(!bench.at("state/shop/intent.json").exists());
    let manifest = fs::read(answer.streams[0].path.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert!(manifest["quiet"]["from"].as_str() < manifest["quiet"]["to"].as_str());
}

#[test]
fn after_every_failure_the_service_is_on_and_nothing_is_sealed() {
    // (the dump, kind)
    for (dump, kind) in [("exit 3", "dump_failed"), ("kill -9 $$", "dump_failed")] {
        let bench = bench(&["app"], dump);
        let answer = bench.run();
        assert_eq!(answer.kind, kind, "{answer:?}");
        assert!(bench.is_on("app"), "{dump}");
        assert_eq!(bench.calls(), ["stop app", "start app"], "{dump}");
        assert_eq!(bench.handed_over("data"), Vec::<String>::new(), "{dump}");
        assert!(bench.mail().contains(kind), "{dump}");
        assert_eq!(bench.state("data")["last_failure"]["kind"], kind);
    }
}

#[test]
fn a_service_that_does_not_stop_fails_the_run() {
    let bench = bench(&["db", "app"], "echo x");
    fs::write(bench.at("app.pid.no-stop"), "").unwrap();
    let bench = bench.with(&json!({}));
    let mut job = bench.job.clone();
    job["services"][1]["timeout"] = json!("1s");
    let bench = bench.with(&job);
    let answer = bench.run();
    assert_eq!((answer.kind.as_str(), answer.rc), ("service_stop", 21), "{answer:?}");
    assert!(bench.is_on("db") && bench.is_on("app"));
    assert_eq!(bench.handed_over("data"), Vec::<String>::new());
}

#[test]
fn a_service_that_does_not_start_is_loud_and_the_copy_is_good() {
    let bench = bench(&["app"], "echo x");
    fs::write(bench.at("app.pid.no-start"), "").unwrap();
    let (status, stderr) = failure(&bench.cli(&["run", "shop"]));
    assert_eq!(status, 22, "{stderr}");
    assert!(stderr.contains("app"), "{stderr}");
    let mail = bench.mail();
    let told = ["services of shop on", "failed: service_start"].map(|part| mail.find(part));
    assert!(told[0].is_some() && told[0] < told[1], "at once, and in the end: {mail}");
    let sealed = bench.handed_over("data");
    assert_eq!(sealed.len(), 1, "what was read is consistent: {sealed:?}");
    assert_eq!(bench.state("data")["last_failure"]["kind"], "service_start");
    assert!(bench.at("state/shop/intent.json").exists(), "the rescue tries again");

    // As a rescue does it, although somebody has broken the document meanwhile.
    fs::remove_file(bench.at("app.pid.no-start")).unwrap();
    let state = bench.at("state/shop");
    let mut recover = bench.command(&["recover", "shop", "--state", state.to_str().unwrap()]);
    fs::write(bench.at("config/jobs/shop.yml"), "nonsense").unwrap();
    let recovered = recover.output().unwrap();
    assert!(recovered.status.success(), "{recovered:?}");
    assert!(bench.is_on("app"));
    let before = bench.calls();
    assert!(bench.cli(&["recover"]).status.success());
    assert_eq!(bench.calls(), Vec::<String>::new(), "idempotent; before: {before:?}");
}

#[test]
fn a_service_that_comes_back_breaks_the_window() {
    let bench = bench(&["app"], "echo x");
    let control = bench.at("bin/app");
    let dump = json!([{"name": "orders", "when": "stopped",
        "command": {"run": ["sh", "-c", format!("{} start; echo x", control.display())]}}]);
    let bench = bench.with(&json!({"streams": {"data": {"dumps": dump}}}));
    let answer = bench.run();
    assert_eq!((answer.kind.as_str(), answer.rc), ("window_broken", 23), "{answer:?}");
    assert_eq!(bench.handed_over("data"), Vec::<String>::new());
    assert!(bench.is_on("app"));
}

#[test]
fn the_rescue_fires_at_max_downtime_and_the_generation_is_not_sealed() {
    let bench = bench(&["app"], "echo x");
    // Lasts until the application is back, however busy the machine.
    let dump = format!("until {} status; do sleep 0.05; done; echo x", bench.at("bin/app").display());
    let dump = json!([{"name": "orders", "when": "stopped", "command": {"run": ["sh", "-c", dump]}}]);
    let bench = bench.with(&json!({"max_downtime": "2s", "streams": {"data": {"dumps": dump}}}));
    let child = bench.spawn(&["run", "shop", "--json"]);
    wait_for("the stop", || !bench.is_on("app"));
    wait_for("the rescue", || bench.is_on("app"));
    assert!(bench.at("state/shop/window.lock").exists());
    let answer = support::Answer::of(&child.wait_with_output().unwrap());
    assert_eq!(answer.kind, "window_broken", "{answer:?}");
    assert!(bench.is_on("app"));
    assert_eq!(bench.handed_over("data"), Vec::<String>::new());
}

#[test]
fn signals_bring_the_service_back_first() {
    for signal in ["TERM", "INT", "HUP"] {
        let bench = bench(&["app"], "echo x; sleep 1000");
        let child = bench.spawn(&["run", "shop"]);
        wait_for("the stop", || !bench.is_on("app"));
        wait_for("the dump", || bench.handed_over("data").iter().any(|name| name.starts_with(".partial")));
        assert!(
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap().success()
        );
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {output:?}");
        assert!(bench.is_on("app"), "{signal}");
        assert_eq!(bench.handed_over("data"), Vec::<String>::new(), "{signal}");
        assert_eq!(bench.state("data")["last_failure"]["kind"], "interrupted");
    }
}

#[test]
fn a_killed_process_group_is_rescued_and_the_next_run_converges() {
    let bench = bench(&["app"], "echo x; sleep 1000");
    let mut child = bench.spawn(&["run", "shop"]);
    wait_for("the stop", || !bench.is_on("app"));
    wait_for("the dump", || bench.handed_over("data").iter().any(|name| name.starts_with(".partial")));
    assert!(Command::new("kill").args(["-9", "--", &format!("-{}", child.id())]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    wait_for("the guardian", || bench.is_on("app"));
    wait_for("the end of the intent", || !bench.at("state/shop/intent.json").exists());
    let said = || fs::read_to_string(bench.at("mail")).is_ok_and(|mail| mail.contains("interrupted run"));
    wait_for("the mail", said);
    let bench = bench.with(&json!({"streams": {"data": {"dumps":
        [{"name": "orders", "when": "stopped", "command": {"run": ["echo", "x"]}}]}}}));
    let answer = bench.run();
    assert!(!answer.failed, "{answer:?}");
    assert_eq!(bench.handed_over("data").len(), 1, "no partials: {:?}", bench.handed_over("data"));
}
