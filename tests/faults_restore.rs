//! `kill -9` at every named point of restore and of rotate, and faults at their numbered calls: the application runs again,
//! trees are old or new and never half, what is verified stays, the next run ends well.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::calls::{End, Suite};
use backup_tests::executables::{Executable, sh};
use backup_tests::kill::{self, Point, Whom};
use backup_tests::lab::{Host, Lab, Way};
use backup_tests::oracle;
use backup_tests::service::{self, Service};
use serde_json::json;
use std::process::Command;

/// An application that leaves its files alone, a full and an incremental of them at the sink, with a patch and a dump.
fn lab() -> Lab {
    let mut lab = Lab::in_memory(Way::Push);
    service::declare(&mut lab, "exec sleep 3600", "");
    let (srv, loaded) = (lab.srv().display().to_string(), lab.at("loaded"));
    lab.change(&json!({
        // So long that no guardian of an earlier kill comes while a later one is looked at.
        "max_downtime": "10min",
        "streams": {"data": {
            "large_file": "1MiB",
            "dumps": [{"name": "all", "command": {"run": ["echo", "dumped"]}, "restore": {"run": ["tee", loaded]}}],
        }},
    }));
    sh(&format!("cd {srv}; mkdir -p d/e; seq 1 5000 > d/list; ln d/list hard; head -c 2M /dev/urandom > large"));
    Service::of(&lab).start();
    lab.collect(&[]);
    lab.transport().good();
    sh(&format!(
        "cd {srv}; echo more >> d/list; rmdir d/e; echo x | dd of=large bs=1 seek=70000 conv=notrunc status=none"
    ));
    lab.collect(&[]);
    lab.transport().good();
    sh(&format!("cp -a {srv} {}", lab.at("good").display()));
    lab
}

fn restore(lab: &Lab) -> Command {
    lab.command(Host::Source, Executable::Restore, &["run", "--from", "sink_store"])
}

/// Writes only what differs, into the live tree.
fn merge(lab: &Lab) -> Command {
    lab.command(Host::Source, Executable::Restore, &["run", "--from", "sink_store", "--mode", "merge", "--delete"])
}

/// What has happened to the live tree that makes somebody restore.
fn spoil(lab: &Lab) {
    sh(&format!(
        "cd {0}; rm -rf d hard; echo spoilt > large; echo more > more; rm -rf {1}; cp -a {0} {1}",
        lab.srv().display(),
        lab.at("bad").display()
    ));
}

/// After a kill: the live tree is the one from before or the new one, whole.
fn is_old_or_new(lab: &Lab, at: &str) {
    let (bad, good) =
        (oracle::differences(&lab.at("bad"), &lab.srv()), oracle::differences(&lab.at("good"), &lab.srv()));
    assert!(bad.is_empty() || good.is_empty(), "{at}: neither old:\n{bad}\nnor new:\n{good}");
}

fn recover(lab: &Lab) -> Command {
    lab.command(Host::Source, Executable::Restore, &["recover"])
}

fn restore_survives(whom: Whom) {
    let lab = lab();
    let sink = oracle::digests(&lab.there("data", "store"));
    spoil(&lab);
    let points = kill::points(&lab.at("list"), &mut restore(&lab));
    kill::tell("restore", &points);
    assert!(points.len() >= 15, "{points:?}");
    for point in &points {
        let at = point.to_string();
        spoil(&lab);
        point.kill(whom, &mut restore(&lab));
        kill::good(&mut recover(&lab), &at);
        assert!(Service::of(&lab).is_on(), "{at}: the application is off");
        is_old_or_new(&lab, &at);
        kill::good(&mut restore(&lab), &at);
        oracle::same(&lab.at("good"), &lab.srv());
        assert!(Service::of(&lab).is_on(), "{at}: the application is off");
        assert_eq!(sh(&format!("ls -A {} | grep handover- || true", lab.at("source").display())), "", "{at}");
    }
    assert_eq!(oracle::digests(&lab.there("data", "store")), sink);
}

#[test]
fn restore_may_be_killed_anywhere() {
    restore_survives(Whom::Process);
}

#[test]
fn restore_may_be_killed_anywhere_with_its_group() {
    restore_survives(Whom::Group);
}

#[test]
fn undoing_a_restore_may_be_killed_anywhere() {
    let lab = lab();
    spoil(&lab);
    let exchanged = Point { name: "restore.swap.exchanged".into(), pass: 1 };
    exchanged.kill(Whom::Group, &mut restore(&lab));
    let points = kill::points(&lab.at("list"), &mut recover(&lab));
    kill::tell("recover of restore", &points);
    assert!(points.len() >= 3, "{points:?}");
    for point in &points {
        let at = point.to_string();
        exchanged.kill(Whom::Group, &mut restore(&lab));
        point.kill(Whom::Process, &mut recover(&lab));
        kill::good(&mut recover(&lab), &at);
        oracle::same(&lab.at("bad"), &lab.srv());
        assert!(Service::of(&lab).is_on(), "{at}: the application is off");
    }
}

/// A sink that is to delete two of four fulls.
struct Rotating {
    lab: Lab,
}

impl Rotating {
    fn new() -> Self {
        let mut rotating = Self { lab: Lab::in_memory(Way::Push) };
        rotating.another();
        rotating
    }

    fn keep(&mut self, n: u32) {
        let sink = json!({"retention": {"generations": n}});
        self.lab.change(&json!({"streams": {"data": {"full": {"every": "0s"}, "sink": sink}}}));
    }

    /// Brings two more; those that are there then.
    fn another(&mut self) -> Vec<String> {
        self.keep(9);
        for _ in 0..2 {
            sh(&format!("date +%N > {}/new", self.lab.srv().display()));
            self.lab.collect(&["--kind", "full"]);
            self.lab.transport().good();
        }
        self.keep(2);
        oracle::generations(&self.store())
    }

    fn store(&self) -> std::path::PathBuf {
        self.lab.there("data", "store")
    }

    fn rotate(&self) -> Command {
        self.lab.command(Host::Sink, Executable::Rotate, &["run"])
    }

    /// What counts is whole, and the next rotation does what this one was to do.
    fn is_unharmed(&self, at: &str, ids: &[String]) {
        let (store, signers) = (self.store(), self.lab.at("signers"));
        assert_eq!(ids.len(), 4, "{ids:?}");
        for id in &ids[2..] {
            oracle::whole_one(&store, id, Some(&signers));
        }
        // What is left of the others has lost its receipt, or is whole.
        for id in oracle::generations(&store) {
            if store.join(format!("receipts/{id}.json")).exists() {
                oracle::whole_one(&store, &id, Some(&signers));
            }
        }
        kill::good(&mut self.rotate(), at);
        assert_eq!(oracle::whole(&store, Some(&signers)), &ids[2..], "{at}");
        self.lab.restores_to(&ids[3], &self.lab.srv(), at);
    }
}

#[test]
fn rotation_may_be_killed_anywhere() {
    let mut rotating = Rotating::new();
    rotating.another();
    let points = kill::points(&rotating.lab.at("list"), &mut rotating.rotate());
    kill::tell("rotate", &points);
    assert!(points.len() >= 5, "{points:?}");
    for point in &points {
        let ids = rotating.another();
        point.kill(Whom::Group, &mut rotating.rotate());
        rotating.is_unharmed(&point.to_string(), &ids);
    }
}

#[test]
fn any_call_of_rotation_may_fail() {
    let mut rotating = Rotating::new();
    rotating.another();
    let mut suite = Suite::of("rotate", &rotating.lab.at(""), &mut rotating.rotate());
    for fault in suite.chosen() {
        let ids = rotating.another();
        if let End::Good(_) = suite.befall(&fault, &mut rotating.rotate()) {
            assert_eq!(oracle::generations(&rotating.store()), &ids[2..], "{fault}");
        }
        rotating.is_unharmed(&fault.to_string(), &ids);
    }
    suite.tell();
}

/// Whatever call fails, and however: the tree is the old one or the new one, and the run says which.
fn any_call_may_fail(what: &str, restore: fn(&Lab) -> Command) {
    let lab = lab();
    spoil(&lab);
    let mut suite = Suite::of(what, &lab.at(""), &mut restore(&lab));
    for fault in suite.chosen() {
        let at = fault.to_string();
        spoil(&lab);
        if let End::Good(_) = suite.befall(&fault, &mut restore(&lab)) {
            oracle::same(&lab.at("good"), &lab.srv());
        }
        kill::good(&mut recover(&lab), &at);
        assert!(Service::of(&lab).is_on(), "{at}: the application is off");
        if fault.name == "futimens" && !oracle::differences(&lab.at("good"), &lab.srv()).is_empty() {
            // It gives a directory its time back in which a container was made. Nobody can do that later: the application
            // may have changed the directory since.
            sh(&format!("touch -r {} {}", lab.at("bad").display(), lab.srv().display()));
        }
        is_old_or_new(&lab, &at);
        kill::good(&mut restore(&lab), &at);
        oracle::same(&lab.at("good"), &lab.srv());
        nothing_is_left_over(&lab, &at);
    }
    suite.tell();
}

fn nothing_is_left_over(lab: &Lab, at: &str) {
    for folder in [lab.at("source"), lab.srv()] {
        assert_eq!(sh(&format!("ls -A {} | grep handover- || true", folder.display())), "", "{at}");
    }
}

#[test]
fn any_call_of_restore_may_fail() {
    any_call_may_fail("restore", restore);
}

#[test]
fn any_call_of_a_merge_may_fail() {
    any_call_may_fail("merge", merge);
}

/// What is undone is removed piece by piece. Where that is cut short, the tree that is back must not be taken for the new one.
#[test]
fn what_undoing_has_half_removed_is_not_exchanged_again() {
    let lab = lab();
    spoil(&lab);
    let killed_at = |name: &str| Point { name: name.into(), pass: 1 };
    killed_at("restore.swap.exchanged").kill(Whom::Group, &mut restore(&lab));
    killed_at("restore.swap.undone").kill(Whom::Group, &mut recover(&lab));
    sh(&format!("cd {}; rm -r .srv.handover-*/srv; ls -d .srv.handover-*", lab.at("source").display()));
    kill::good(&mut recover(&lab), "the new tree is gone, and its container is not");
    oracle::same(&lab.at("bad"), &lab.srv());
    assert_eq!(sh(&format!("ls -A {} | grep handover- || true", lab.at("source").display())), "");
    assert!(Service::of(&lab).is_on());
}

/// What was cut short is undone, whatever call fails on the way back.
fn any_call_of_undoing_may_fail(what: &str, restore: fn(&Lab) -> Command, cut: &str) {
    let lab = lab();
    spoil(&lab);
    let cut = Point { name: cut.into(), pass: 1 };
    cut.kill(Whom::Group, &mut restore(&lab));
    let mut suite = Suite::of(what, &lab.at(""), &mut recover(&lab));
    for fault in suite.chosen() {
        cut.kill(Whom::Group, &mut restore(&lab));
        if let End::Good(_) = suite.befall(&fault, &mut recover(&lab)) {
            oracle::same(&lab.at("bad"), &lab.srv());
        }
        kill::good(&mut recover(&lab), &fault.to_string());
        oracle::same(&lab.at("bad"), &lab.srv());
        assert!(Service::of(&lab).is_on(), "{fault}: the application is off");
        nothing_is_left_over(&lab, &fault.to_string());
    }
    suite.tell();
}

#[test]
fn any_call_of_undoing_a_restore_may_fail() {
    any_call_of_undoing_may_fail("recover of restore", restore, "restore.swap.exchanged");
}

#[test]
fn any_call_of_undoing_a_merge_may_fail() {
    any_call_of_undoing_may_fail("recover of merge", merge, "restore.merge.set");
}
