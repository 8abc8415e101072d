//! `recover` as cron calls it, every minute: what is wrong is told once, and what is gone is forgotten.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use std::fs;
use std::process::{Command, Output};
use support::{BINARY, Bench};

/// What cron would mail: everything that was printed.
fn printed(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap()
}

/// A job whose service does not start any more after a run.
fn down() -> Bench {
    let bench = Bench::new().with(&json!({"max_downtime": "60s"})).with_services(&["app"]);
    fs::write(bench.at("srv/orders"), "an order\n").unwrap();
    bench.control("app", "start");
    fs::write(bench.at("app.pid.no-start"), "").unwrap();
    assert_eq!(bench.run().kind, "service_start");
    // The guard of that run would try again, too, and be quicker than the call now and then.
    let guard = format!("recover shop .*{}", bench.at("config").display());
    assert!(Command::new("pkill").args(["-KILL", "-f", "--", &guard]).status().unwrap().code() <= Some(1));
    bench.mail();
    bench
}

fn repair(bench: &Bench) {
    fs::remove_file(bench.at("app.pid.no-start")).unwrap();
}

#[test]
fn a_service_that_stays_down_is_mailed_once() {
    let bench = down();
    let quiet = || bench.cli(&["recover", "--quiet"]);
    for call in 1..=3 {
        let output = quiet();
        assert_eq!(output.status.code(), Some(22), "{output:?}");
        assert_eq!(printed(&output), "", "call {call}: it is mailed");
        let mail = bench.mail();
        assert_eq!(mail.contains("Subject: handover shop: recover failed on "), call == 1, "call {call}: {mail}");
        assert_eq!(mail.contains("(service_start)"), call == 1, "call {call}: {mail}");
    }
    assert!(printed(&bench.cli(&["recover"])).contains("app"), "a person is told every time");
    assert!(bench.at("state/shop/told.json").exists());

    repair(&bench);
    let output = quiet();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(printed(&output), "");
    let mail = bench.mail();
    assert!(mail.contains("interrupted run of shop") && mail.contains("started app"), "{mail}");
    assert!(bench.is_on("app"));
    assert!(!bench.at("state/shop/told.json").exists(), "what is gone is forgotten");
    assert!(quiet().status.success());
    assert_eq!(bench.mail(), "");
}

#[test]
fn check_mode_tells_nobody_and_notes_nothing() {
    let bench = down();
    let output = bench.cli(&["recover", "--check"]);
    assert!(output.status.success() && printed(&output).contains("app"), "{output:?}");
    assert_eq!(bench.mail(), "");
    assert!(!bench.at("state/shop/told.json").exists());
    repair(&bench);
}

#[test]
fn without_recipients_the_caller_is_told_once() {
    let bench = down().with(&json!({"mail": {"to": []}}));
    let quiet = || printed(&bench.cli(&["recover", "--quiet"]));
    assert!(quiet().contains("app"));
    assert_eq!(quiet(), "");
    repair(&bench);
    assert!(quiet().contains("started app"), "nobody else hears of it");
    assert_eq!(quiet(), "");
}

#[test]
fn mail_that_cannot_be_sent_is_tried_again() {
    let bench = down();
    let agent = bench.at("bin/sendmail");
    let works = fs::read(&agent).unwrap();
    bench.script("sendmail", "exit 75");
    for _ in 0..2 {
        let said = printed(&bench.cli(&["recover", "--quiet"]));
        assert!(said.contains("nobody was told"), "{said}");
    }
    fs::write(&agent, works).unwrap();
    assert_eq!(printed(&bench.cli(&["recover", "--quiet"])), "");
    assert!(bench.mail().contains("recover failed"));
    repair(&bench);
}

/// Nobody can be mailed whom only the document names: cron has to, from what is printed. The note is where jobs keep
/// their state by default; so each call sees a `/var/lib` of the test's.
#[test]
fn a_broken_document_is_printed_once_and_does_not_keep_the_others_waiting() {
    let bench = Bench::new();
    bench.declare();
    let (broken, lib) = (bench.at("config/jobs/broken.yml"), bench.at("lib"));
    fs::create_dir(&lib).unwrap();
    let quiet = || {
        Command::new("unshare")
            .args(["-m", "sh", "-euc", "mount --bind \"$1\" /var/lib; shift; exec \"$@\"", "sh"])
            .args([lib.as_os_str(), BINARY.as_ref()])
            .args(["recover", "--quiet", "--config"])
            .arg(bench.at("config"))
            .output()
            .unwrap()
    };
    assert_eq!(printed(&quiet()), "");
    fs::write(&broken, "version: [").unwrap();
    let first = quiet();
    assert_eq!(first.status.code(), Some(3), "{first:?}");
    assert!(printed(&first).contains("broken.yml"), "{first:?}");
    let second = quiet();
    assert_eq!(second.status.code(), Some(3), "{second:?}");
    assert_eq!(printed(&second), "");
    fs::remove_file(&broken).unwrap();
    assert!(quiet().status.success());
    assert!(!lib.join("handover/told.json").exists(), "what is gone is forgotten");
    fs::write(&broken, "version: [").unwrap();
    assert!(printed(&quiet()).contains("broken.yml"), "it is new again");
}
