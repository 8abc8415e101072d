//! What must not become a generation, and what must be said loudly: each with kind, exit status, state, mail, and the
//! digests of what was sealed before.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Answer, Bench, failure, tool, wait_for};

/// A stream of one dump: quick, and whole in every generation.
fn bench() -> Bench {
    Bench::new().with(&json!({"streams": {"data": {"include": [], "dumps": [dump("orders", "seq 1 1000")]}}}))
}

fn dump(name: &str, script: &str) -> Value {
    json!({"name": name, "command": {"run": ["sh", "-c", script]}})
}

/// The run fails with this kind and seals nothing; mail and state say the same; what was there is as it was.
fn refuses(bench: &Bench, kind: &str, code: i32, part: &str) -> Answer {
    let before = support::digests(&bench.at("."));
    let sealed = bench.handed_over("data");
    bench.mail();
    let (status, stderr) = failure(&bench.cli(&["run", "shop"]));
    assert_eq!(status, code, "{stderr}");
    assert!(stderr.contains(part), "{stderr}");
    let mail = bench.mail();
    assert!(mail.contains(kind) && mail.contains(part), "{mail}");
    let answer = bench.run();
    assert_eq!((answer.kind.as_str(), answer.rc), (kind, code), "{answer:?}");
    assert_eq!(bench.state("data")["last_failure"]["kind"], kind);
    assert_eq!(bench.handed_over("data"), sealed);
    let generations =
        |text: &str| text.lines().filter(|l| l.contains("handover")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(generations(&support::digests(&bench.at("."))), generations(&before));
    answer
}

#[test]
fn a_source_that_is_missing_empty_or_not_mounted() {
    let srv = |bench: &Bench| bench.at("srv");
    let missing = Bench::new();
    fs::remove_dir_all(srv(&missing)).unwrap();
    refuses(&missing, "source_invalid", 20, "does not exist");

    let empty = Bench::new();
    fs::remove_file(srv(&empty).join("orders")).unwrap();
    refuses(&empty, "source_invalid", 20, "is empty");

    let unmounted = Bench::new();
    let path = srv(&unmounted);
    let unmounted = unmounted.with(&json!({"streams": {"data": {"checks": {"mounted": [path]}}}}));
    refuses(&unmounted, "source_invalid", 20, "not mounted");
}

#[test]
fn nothing_is_stopped_for_a_source_that_is_not_there() {
    let bench = Bench::new().with_services(&["app"]);
    bench.control("app", "start");
    bench.calls();
    let gone = bench.at("gone");
    let bench = bench.with(&json!({"streams": {"data": {"include": [gone]}}}));
    refuses(&bench, "source_invalid", 20, "does not exist");
    assert_eq!(bench.calls(), Vec::<String>::new());
}

#[test]
fn a_mount_may_come_with_a_hook_and_must_not_go_with_a_service() {
    let bench = Bench::new().with_services(&["app"]);
    bench.control("app", "start");
    let srv = bench.at("srv");
    let mount = format!("mount -t tmpfs none {0}; echo x > {0}/orders", srv.display());
    let away = |command: &str| json!([{"name": "orders", "when": "stopped", "command": {"run": ["sh", "-c", format!("echo x; {command}")]}}]);
    let bench = bench.with(&json!({
        "hooks": {"before": [{"run": ["sh", "-c", mount]}], "finally": [{"run": ["umount", "-q", srv]}]},
        "streams": {"data": {"checks": {"mounted": [srv]}, "dumps": away("true")}},
    }));
    let answer = bench.run();
    assert!(!answer.failed, "{answer:?}");
    let bench = bench.with(&json!({
        "hooks": {"finally": []},
        "streams": {"data": {"dumps": away(&format!("umount {}", srv.display()))}},
    }));
    let answer = bench.run();
    assert_eq!(answer.kind, "source_invalid", "{answer:?}");
    assert!(answer.msg.contains("not mounted") && bench.is_on("app"), "{answer:?}");
    assert_eq!(bench.handed_over("data").len(), 1);
}

#[test]
fn check_mode_does_not_refuse_what_a_hook_will_bring() {
    let bench = Bench::new();
    let (srv, gone, spare) = (bench.at("srv"), bench.at("gone"), bench.at("spare"));
    fs::remove_file(srv.join("orders")).unwrap();
    let bring = format!("mkdir {0}; echo x >{0}/f", gone.display());
    let bench = bench.with(&json!({"hooks": {"before": [{"run": ["sh", "-c", bring]}]}}));
    let check = || json!({"_ansible_check_mode": true, "_ansible_diff": true});
    for (patch, part) in [
        (json!({"include": [srv]}), "is empty now; the hooks `before` have not run in check mode"),
        (json!({"include": [gone], "checks": {"mounted": [gone]}}), "is not mounted now; the hooks"),
        (json!({"include": [gone]}), "does not exist now; the hooks"),
    ] {
        let bench = Bench::new().with(&bench.job).with(&json!({"streams": {"data": patch}}));
        let planned = bench.module(&check());
        assert!(planned.changed && !planned.failed, "{planned:?}");
        assert!(planned.warnings.iter().any(|warning| warning.contains(part)), "{planned:?}");
        assert_eq!((planned.streams[0].fate.as_str(), planned.streams[0].paths), ("planned", None), "{planned:?}");
        assert!(!gone.exists(), "check mode runs no hook");
    }
    // What the hook brings is what the plan said, and what it does not bring is refused.
    let bench = bench.with(&json!({"streams": {"data": {"include": [gone]}}}));
    let (planned, done) = (bench.module(&check()), bench.module(&json!({"_ansible_diff": true})));
    assert!(!done.failed && done.warnings.is_empty(), "{done:?}");
    assert_eq!(planned.diff, done.diff);
    fs::remove_dir_all(&gone).unwrap();
    refuses(&bench.with(&json!({"streams": {"data": {"include": [spare]}}})), "source_invalid", 20, "does not exist");
}

#[test]
fn a_pipe_in_place_of_a_receipt_is_no_receipt() {
    let bench = Bench::new();
    let sealed = bench.run().streams[0].id.clone().unwrap();
    let receipts = bench.store("data").join("receipts");
    fs::create_dir_all(&receipts).unwrap();
    tool("mkfifo", &[&format!("{sealed}.json")], &receipts);
    let answer = bench.run();
    assert!(!answer.failed && answer.streams.len() == 1, "{answer:?}");
}

#[test]
fn a_full_handover_point_refuses_and_mails_and_keeps_what_it_has() {
    let bench = bench().with(&json!({"streams": {"data": {"handover": {"keep": 2}}}}));
    let first = bench.run();
    assert!(!first.failed && !first.previous_transport_failed, "{first:?}");
    assert_eq!(bench.mail(), "");

    let second = bench.run();
    assert!(!second.failed && second.previous_transport_failed, "{second:?}");
    assert_eq!(second.streams[0].previous_transport_failed, [first.streams[0].id.clone().unwrap()]);
    assert!(second.warnings.iter().any(|warning| warning.contains("previous transport")), "{second:?}");
    assert!(bench.mail().contains("previous transport"));
    assert_eq!(bench.state("data")["previous_transport_failed"], json!([first.streams[0].id]));
    assert_eq!(bench.state("data")["last_failure"], Value::Null);

    let third = refuses(&bench, "handover_full", 26, "2 generations");
    assert!(third.previous_transport_failed);

    // As soon as transport does its work again, so does collect, and the state is clean.
    for id in [first.streams[0].id.clone(), second.streams[0].id.clone()] {
        bench.transport("data", &id.unwrap(), true);
    }
    let again = bench.run();
    assert!(!again.failed && !again.previous_transport_failed, "{again:?}");
    assert_eq!(bench.state("data")["previous_transport_failed"], json!([]));
}

#[test]
fn a_failure_that_nobody_is_mailed_is_told_even_to_a_quiet_caller() {
    let bench = bench().with(&json!({"streams": {"data": {"dumps": [dump("orders", "exit 1")]}}}));
    let said = |bench: &Bench| failure(&bench.cli(&["run", "shop", "--quiet"])).1;
    assert_eq!(said(&bench), "", "it was mailed");
    assert!(bench.mail().contains("dump_failed"));
    let bench = bench.with(&json!({"mail": {"to": []}}));
    assert!(said(&bench).contains("exit status 1"));
    let bench = bench.with(&json!({"mail": {"to": ["root"], "sendmail": "/nowhere/sendmail"}}));
    assert!(said(&bench).contains("exit status 1"));
}

#[test]
fn an_ad_hoc_copy_is_no_failed_transport() {
    let bench = bench();
    let labelled = bench.module(&json!({"label": "before upgrade"}));
    assert!(!labelled.failed, "{labelled:?}");
    let manifest = fs::read(labelled.streams[0].path.join("manifest.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&manifest).unwrap()["label"], "before upgrade");
    assert!(!bench.run().previous_transport_failed);
}

#[test]
fn a_generation_from_the_future_stops_collecting_until_it_is_set_aside() {
    let bench = bench();
    let first = bench.run();
    let (handover, id) = (bench.handover("data"), first.streams[0].id.clone().unwrap());
    // A host whose clock had been wrong would have sealed exactly this.
    let future = "20991231T000000Z";
    let manifest = fs::read_to_string(handover.join(&id).join("manifest.json")).unwrap().replace(&id, future);
    fs::rename(handover.join(&id), handover.join(future)).unwrap();
    fs::write(handover.join(future).join("manifest.json"), manifest).unwrap();
    tool("sh", &["-c", "sha256sum catalog* dump* manifest.json > SHA256SUMS"], &handover.join(future));
    fs::remove_file(bench.at("state/shop/data.json")).unwrap();

    let answer = refuses(&bench, "clock_went_back", 8, future);
    assert!(answer.hint.contains("quarantine"));
    fs::create_dir(handover.join("quarantine")).unwrap();
    fs::rename(handover.join(future), handover.join("quarantine").join(future)).unwrap();
    let after = bench.run();
    assert!(!after.failed, "{after:?}");
}

#[test]
fn a_young_enough_generation_means_nothing_to_do() {
    let bench = bench();
    let marker = bench.at("hook");
    let bench = bench.with(&json!({"hooks": {"finally": [{"run": ["touch", marker]}]}}));
    assert!(bench.run().changed);
    fs::remove_file(&marker).unwrap();
    let state = bench.state("data");
    let fresh = bench.module(&json!({"max_age": "12h"}));
    assert!(!fresh.changed && !fresh.failed, "{fresh:?}");
    assert_eq!(fresh.streams[0].fate, "fresh");
    assert_eq!(bench.handed_over("data").len(), 1);
    assert_eq!(bench.state("data"), state);
    assert!(!marker.exists());
    assert!(bench.module(&json!({"max_age": 0})).changed);
}

#[test]
fn a_second_run_is_locked_out_and_harms_nothing() {
    let bench = bench();
    let go = bench.at("go");
    let wait = format!("while ! test -e {}; do sleep 0.05; done; echo x", go.display());
    let bench = bench.with(&json!({"streams": {"data": {"dumps": [dump("orders", &wait)]}}}));
    let child = bench.spawn(&["run", "shop", "--json"]);
    wait_for("the first run", || bench.handed_over("data").iter().any(|name| name.starts_with(".partial")));
    let second = bench.run();
    assert_eq!((second.kind.as_str(), second.rc), ("locked", 7), "{second:?}");
    assert!(second.msg.contains("collect of shop"), "{second:?}");
    assert!(bench.mail().contains("locked"));
    fs::write(go, "").unwrap();
    let first = support::Answer::of(&child.wait_with_output().unwrap());
    assert!(!first.failed, "{first:?}");
    assert_eq!(bench.state("data")["last_failure"], Value::Null);
}

#[test]
fn hooks_run_in_their_moments_and_decide() {
    let bench = bench();
    let log = bench.at("hooks");
    let note = |word: &str| json!({"run": ["sh", "-c", format!("echo {word} $HANDOVER_RESULT >> {}", log.display())]});
    let failing = json!({"run": ["sh", "-c", "echo no good >&2; exit 4"]});
    let said = || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(&log);
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = json!({"before": [note("before")], "after": [note("after")], "failed": [note("failed")], "finally": [note("finally")]});
    let bench = bench.with(&json!({"hooks": all}));
    assert!(!bench.run().failed);
    assert_eq!(said(), ["before ok", "after ok", "finally ok"]);

    let bench = bench.with(&json!({"hooks": {"before": [failing]}}));
    let answer = bench.run();
    assert_eq!((answer.kind.as_str(), answer.rc), ("hook_failed", 24), "{answer:?}");
    assert!(answer.msg.contains("before[0]") && answer.msg.contains("no good"), "{answer:?}");
    assert_eq!(said(), ["failed hook_failed", "finally hook_failed"]);
    assert_eq!(bench.handed_over("data").len(), 1);

    // What was sealed stays sealed, but the run has failed.
    let bench = bench.with(&json!({"hooks": {"before": [], "after": [failing]}}));
    let answer = bench.run();
    assert_eq!(answer.kind, "hook_failed", "{answer:?}");
    assert!(answer.changed);
    assert_eq!(said(), ["failed hook_failed", "finally hook_failed"]);
    assert_eq!(bench.handed_over("data").len(), 2);
    assert_eq!(bench.state("data")["last_failure"]["kind"], "hook_failed");
}

#[test]
fn a_hook_past_its_timeout_is_killed_with_its_grandchildren() {
    let bench = bench();
    let pid = bench.at("grandchild");
    let script = format!("(sleep 1000 & echo $! > {}; wait) & wait", pid.display());
    let bench = bench.with(&json!({"hooks": {"before": [{"run": ["sh", "-c", script], "timeout": "1s"}]}}));
    refuses(&bench, "hook_failed", 24, "did not end within");
    let pid = fs::read_to_string(pid).unwrap();
    wait_for("the grandchild's end", || !Path::new("/proc").join(pid.trim()).join("exe").exists());
}

/// A small file system of its own, gone with the value.
struct Small(tempfile::TempDir);

impl Small {
    fn new(size: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        tool(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={size}"), "none", room.path().to_str().unwrap()],
            Path::new("/"),
        );
        Self(room)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_fills_up_brings_the_service_back_and_leaves_no_partial() {
    let small = Small::new("8m");
    let bench = Bench::new().with_services(&["app"]);
    bench.control("app", "start");
    bench.calls();
    let mut late = dump("orders", "head -c 30000000 /dev/urandom");
    late["when"] = "stopped".into();
    let bench = bench.with(&json!({"streams": {"data": {
        "include": [], "dumps": [late],
        "handover": {"path": small.0.path().join("handover")}, "store": {"path": small.0.path().join("store")},
    }}}));
    let (status, stderr) = failure(&bench.cli(&["run", "shop"]));
    assert_eq!(status, 9, "{stderr}");
    assert_eq!(bench.calls(), ["stop app", "start app"]);
    assert!(bench.is_on("app"));
    assert_eq!(tool("find", &[".", "-name", "*Z*"], small.0.path()), "");
    assert!(bench.mail().contains("no_space"));
    assert_eq!(bench.state("data")["last_failure"]["kind"], "no_space");

    // It is known beforehand when the last one was too large for what is left.
    let good = bench.state("data");
    assert_eq!(good["last_good"], Value::Null);
}

#[test]
fn a_tree_that_does_not_fit_is_noticed_before_anything_is_stopped() {
    let small = Small::new("8m");
    let bench = Bench::new().with_services(&["app"]);
    tool("sh", &["-c", "head -c 20000000 /dev/urandom > large"], &bench.at("srv"));
    bench.control("app", "start");
    bench.calls();
    let bench = bench.with(&json!({"streams": {"data": {
        "handover": {"path": small.0.path().join("handover")}, "store": {"path": small.0.path().join("store")},
    }}}));
    refuses(&bench, "no_space", 9, "");
    assert_eq!(bench.calls(), Vec::<String>::new());
    assert_eq!(tool("find", &[".", "-name", "*Z*"], small.0.path()), "");
}

#[test]
fn a_signal_in_the_warm_pass_stops_nothing_and_leaves_nothing() {
    let bench = Bench::new().with_services(&["app"]);
    tool("sh", &["-c", "head -c 400000000 /dev/urandom > large"], &bench.at("srv"));
    bench.control("app", "start");
    bench.calls();
    let child = bench.spawn(&["run", "shop"]);
    let partial = || bench.handed_over("data").iter().any(|name| name.starts_with(".partial"));
    wait_for("the warm pass", partial);
    tool("kill", &["-TERM", &child.id().to_string()], Path::new("/"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(bench.calls(), Vec::<String>::new());
    assert!(!partial());
    assert_eq!(bench.state("data")["last_failure"]["kind"], "interrupted");
}

/// The user of the stream can put anything where root is about to write, and gains nothing by it.
#[test]
fn a_link_in_place_of_the_partial_directory_gives_nothing_away() {
    let bench = bench();
    let (victim, handover) = (bench.at("victim"), bench.handover("data"));
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("shadow"), "root's").unwrap();
    let swap = format!(
        "cd {} && name=$(ls -d .partial-*) && mv $name aside && ln -s {} $name && echo x",
        handover.display(),
        victim.display()
    );
    let bench = bench.with(&json!({"streams": {"data": {"user": "nobody", "dumps": [dump("orders", &swap)]}}}));
    let answer = bench.run();
    assert!(handover.join("aside").exists(), "{answer:?}");
    let owner = tool("stat", &["-c", "%U", "shadow"], &victim);
    assert_eq!(owner, "root\n");
    assert_eq!(tool("ls", &["-A"], &victim), "shadow\n", "nothing is written there");
    assert!(answer.failed && bench.handed_over("data").iter().all(|name| name == "aside"), "{answer:?}");
}

#[test]
fn an_interrupted_restore_comes_first() {
    let bench = bench();
    fs::create_dir_all(bench.at("state/shop")).unwrap();
    fs::write(bench.at("state/shop/restore.json"), "{}").unwrap();
    let answer = refuses(&bench, "source_invalid", 20, "interrupted restore");
    assert!(answer.hint.contains("backup_restore recover shop"));
    assert!(bench.cli(&["recover"]).status.success());
    fs::remove_file(bench.at("state/shop/restore.json")).unwrap();
    assert!(!bench.run().failed);
}

#[test]
fn a_full_state_directory_never_keeps_the_service_down() {
    let small = Small::new("1m");
    let bench = Bench::new().with_services(&["app"]);
    bench.control("app", "start");
    let filler = small.0.path().join("filler");
    let mut late = dump("orders", &format!("cat /dev/zero > {} 2>/dev/null; echo x", filler.display()));
    late["when"] = "stopped".into();
    let bench = bench.with(&json!({
        "state": small.0.path().join("state"), "max_downtime": "60s",
        "streams": {"data": {"include": [], "dumps": [late]}},
    }));
    let output = bench.cli(&["run", "shop"]);
    assert!(filler.exists(), "{output:?}");
    assert!(bench.is_on("app"), "{output:?}");
}

#[test]
fn check_mode_announces_what_the_run_does_and_changes_nothing() {
    let bench = bench().with_services(&["app"]);
    bench.control("app", "start");
    bench.calls();
    let planned = bench.module(&json!({"_ansible_check_mode": true, "_ansible_diff": true}));
    assert!(planned.changed && !planned.failed, "{planned:?}");
    assert_eq!(planned.streams[0].fate, "planned");
    assert_eq!(bench.calls(), Vec::<String>::new());
    assert!(!bench.at("state").exists() && !bench.at("handover-data").exists());

    let done = bench.module(&json!({"_ansible_diff": true}));
    assert_eq!(done.diff, planned.diff);
    assert_eq!(done.services, planned.services);
    let (plan, real) = (&planned.streams[0], &done.streams[0]);
    assert_eq!(
        (&plan.kind, &plan.reason, &plan.base, &plan.dumps),
        (&real.kind, &real.reason, &real.base, &real.dumps)
    );

    let gone = bench.at("gone");
    let bench = bench.with(&json!({"streams": {"data": {"include": [gone]}}}));
    let planned = bench.module(&json!({"_ansible_check_mode": true}));
    assert_eq!(planned.kind, "source_invalid", "a plan fails as the run would: {planned:?}");
}

#[test]
fn bad_calls_are_refused_with_option_value_and_remedy() {
    let bench = bench();
    // (options, kind, part of the message)
    let table = [
        (json!({"stream": "logs"}), "invalid_option", "no stream logs"),
        (json!({"stream": "both"}), "invalid_option", "both"),
        (json!({"max_age": "soon"}), "invalid_option", "soon"),
        (json!({"label": "two\nlines"}), "invalid_option", "label"),
        (json!({"nonsense": 1}), "invalid_option", "nonsense"),
        (json!({"job": "shop"}), "", ""),
    ];
    for (options, kind, part) in table {
        let answer = bench.module(&options);
        assert_eq!(answer.kind, kind, "{options}: {answer:?}");
        assert!(answer.msg.contains(part), "{options}: {answer:?}");
        if !kind.is_empty() {
            assert!(!answer.hint.is_empty() || part == "soon", "{options}");
            assert!(!bench.at("handover-data").exists(), "{options}");
        }
    }
    let output = bench.cli(&["run", "other"]);
    assert_eq!(failure(&output).0, 4, "{output:?}");
    assert!(failure(&output).1.contains("Declared jobs: shop"), "{output:?}");
}

#[test]
fn status_and_validate_tell() {
    let bench = bench();
    bench.declare();
    let status =
        || tool(support::BINARY, &["status", "shop", "--config", bench.at("config").to_str().unwrap()], Path::new("/"));
    assert!(status().contains("never collected"));
    let id = bench.run().streams[0].id.clone().unwrap();
    let text = status();
    assert!(text.contains(&id) && text.contains("1 of 3") && text.contains("next: full"), "{text}");

    let document = bench.at("config/jobs/shop.yml");
    tool(support::BINARY, &["validate", document.to_str().unwrap()], Path::new("/"));
    fs::write(&document, "version: 1\njob: shop\nsorce: web1\n").unwrap();
    let output = Command::new(support::BINARY).arg("validate").arg(&document).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(failure(&output).1.contains("shop.yml:3"), "{output:?}");
}
