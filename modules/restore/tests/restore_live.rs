//! The live trees: services, hooks, dumps, and the way back when something fails.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use support::{FULL, INCREMENTAL, Lab, assert_same, names, run};

/// A service that is a file: `on` while it runs. It refuses to start while `ROOM/refuse` names what it finds in the tree.
const SERVICE: &str = r#"services:
  - name: shop
    status: [sh, -c, "test -e ROOM/on || exit 3"]
    stop: [sh, -c, "echo stop $(cat LIVE/version) >>ROOM/log; rm -f ROOM/on"]
    start: [sh, -c, "echo start $(cat LIVE/version) >>ROOM/log; ! grep -qsxF \"$(cat LIVE/version)\" ROOM/refuse && touch ROOM/on"]
    timeout: 5s
"#;

const HOOKS: &str = r#"restore:
  hooks:
    before: [{run: [sh, -c, "echo before $(cat LIVE/version) >>ROOM/log; ! test -e ROOM/fail-before"]}]
    after: [{run: [sh, -c, "echo after $(cat LIVE/version) >>ROOM/log; ! test -e ROOM/fail-after"]}]
    failed: [{run: [sh, -c, "echo failed $HANDOVER_RESULT >>ROOM/log"]}]
    finally: [{run: [sh, -c, "echo finally $HANDOVER_RESULT >>ROOM/log"]}]
"#;

/// Version 1 collected, version 2 live, the service on.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.job(&format!("{SERVICE}{HOOKS}"), "", "[LIVE]");
    lab.shell("echo 1 >version; echo data >data");
    lab.collect(FULL, &[]);
    lab.shell("echo 2 >version; echo more >more; touch $ROOM/on");
    lab
}

fn log(lab: &Lab) -> Vec<String> {
    fs::read_to_string(lab.path("log")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn version(lab: &Lab) -> String {
    fs::read_to_string(lab.live().join("version")).unwrap().trim().to_owned()
}

#[test]
fn stopped_exchanged_started() {
    let lab = lab();
    let answer = lab.restore(&[]);
    assert_eq!(log(&lab), ["before 2", "stop 2", "start 1", "after 1", "finally ok"]);
    assert!(lab.path("on").exists() && !lab.live().join("more").exists());
    assert_eq!((answer.services[0].name.as_str(), answer.services[0].was_on), ("shop", true));
    assert!(
        answer.downtime_ms <= answer.downtime_with_services_ms
            && answer.downtime_with_services_ms <= answer.duration_ms
    );
    lab.assert_clean("a restore");
    assert!(!lab.restore(&[]).changed);
    assert_eq!(log(&lab).len(), 5, "nothing is stopped where nothing changes");
}

#[test]
fn off_stays_off() {
    let lab = lab();
    fs::remove_file(lab.path("on")).unwrap();
    lab.restore(&[]);
    assert!(!lab.path("on").exists());
    assert!(!log(&lab).iter().any(|line| line.starts_with("start")), "{:?}", log(&lab));
    assert_eq!(version(&lab), "1");
}

#[test]
fn what_fails_before_the_exchange_changes_nothing() {
    let lab = lab();
    fs::write(lab.path("fail-before"), "").unwrap();
    let before = support::marks(&lab.live());
    let answer = lab.call(&["run"]);
    assert_eq!((answer.kind.as_str(), answer.changed), ("hook_failed", false), "{answer:?}");
    assert_eq!(support::marks(&lab.live()), before);
    assert_eq!(log(&lab), ["before 2", "failed hook_failed", "finally hook_failed"]);
    assert_eq!(answer.streams[0].fate, "failed");
    lab.assert_clean("a failed hook");
}

#[test]
fn a_service_that_comes_back_before_the_exchange_keeps_its_tree() {
    let lab = lab();
    // Looked at for the first time after it was stopped, it comes back.
    let status = r"test -e ROOM/on || { test -e ROOM/haunt && mv ROOM/haunt ROOM/on; exit 3; }";
    let service = SERVICE.replace("test -e ROOM/on || exit 3", status);
    lab.job(&format!("{service}{HOOKS}"), "", "[LIVE]");
    fs::write(lab.path("haunt"), "").unwrap();
    let before = support::marks(&lab.live());
    let answer = lab.call(&["run"]);
    assert_eq!((answer.kind.as_str(), answer.changed), ("window_broken", false), "{answer:?}");
    assert_eq!(support::marks(&lab.live()), before);
    assert!(lab.path("on").exists());
    lab.assert_clean("a service that came back");
}

#[test]
fn loading_at_the_standstill_has_its_own_time() {
    let lab = dump_lab();
    let slow =
        DUMPS.replace("cat >ROOM/loaded-users;", "cat >ROOM/loaded-users; cp ROOM/state/shop/intent.json ROOM/intent;");
    lab.job(&format!("max_downtime: 30s\n{SERVICE}{HOOKS}"), &slow, "[LIVE]");
    lab.restore(&[]);
    let intent: serde_json::Value = serde_json::from_slice(&fs::read(lab.path("intent")).unwrap()).unwrap();
    // Five minutes are what a command has by default.
    assert_eq!(intent["max_downtime"]["secs"], 30 + 300, "{intent}");
}

#[test]
fn a_sink_has_nothing_live() {
    let lab = lab();
    fs::create_dir(lab.path("config/jobs/web1")).unwrap();
    fs::rename(lab.path("config/jobs/shop.yml"), lab.path("config/jobs/web1/shop.yml")).unwrap();
    let call = |arguments: &[&str]| {
        let mut command = Command::new(support::EXECUTABLE);
        command.args(["run", "web1/shop", "--json", "--config"]).arg(lab.path("config")).args(arguments);
        support::answer(&command.output().unwrap())
    };
    let answer = call(&[]);
    assert_eq!(answer.kind, "invalid_option", "{answer:?}");
    assert!(answer.msg.contains("target") && answer.hint.contains("target"), "{answer:?}");
    assert_eq!(version(&lab), "2");
    assert!(log(&lab).is_empty());
    let target = lab.path("elsewhere");
    assert!(!call(&["--target", target.to_str().unwrap()]).failed);
    assert_eq!(fs::read_to_string(lab.within(&target).join("version")).unwrap(), "1\n");
}

#[test]
fn a_failure_is_mailed() {
    let lab = lab();
    fs::write(lab.path("fail-before"), "").unwrap();
    lab.call(&["plan"]);
    assert_eq!(lab.mail(), "");
    assert_eq!(lab.call(&["run"]).kind, "hook_failed");
    let mail = lab.mail();
    assert!(mail.contains("To: ops\n") && mail.contains("handover shop: restore failed"), "{mail}");
    assert!(mail.contains("hook_failed"), "{mail}");
}

#[test]
fn an_application_that_does_not_start_gets_its_old_tree_back() {
    let lab = lab();
    fs::write(lab.path("refuse"), "1\n").unwrap();
    support::copy(&lab.live(), &lab.path("before"));
    let answer = lab.call(&["run"]);
    assert_eq!((answer.kind.as_str(), answer.changed), ("service_start", false), "{answer:?}");
    assert_same(&lab.path("before"), &lab.live(), "undone");
    assert!(lab.path("on").exists(), "{:?}", log(&lab));
    assert_eq!(log(&lab).last().unwrap(), "finally service_start");
    lab.assert_clean("a failed start");
}

#[test]
fn a_failed_check_of_the_application_undoes_it() {
    let lab = lab();
    fs::write(lab.path("fail-after"), "").unwrap();
    support::copy(&lab.live(), &lab.path("before"));
    let answer = lab.call(&["run"]);
    assert_eq!((answer.kind.as_str(), answer.changed), ("hook_failed", false), "{answer:?}");
    assert_same(&lab.path("before"), &lab.live(), "undone");
    assert!(lab.path("on").exists());
    let expected =
        ["before 2", "stop 2", "start 1", "after 1", "stop 1", "start 2", "failed hook_failed", "finally hook_failed"];
    assert_eq!(log(&lab), expected);
    lab.assert_clean("a failed after hook");
}

#[test]
fn the_old_tree_can_be_kept() {
    let lab = lab();
    support::copy(&lab.live(), &lab.path("before"));
    let answer = lab.restore(&["--keep-old"]);
    let kept = lab.path(format!("srv/.shop.before-{FULL}"));
    assert_eq!(answer.kept_old, std::slice::from_ref(&kept));
    assert_same(&lab.path("before"), &kept, "kept");
    assert_eq!(version(&lab), "1");
    lab.shell("echo 3 >version");
    lab.restore(&[]);
    assert!(kept.exists());
    lab.assert_clean("keep_old");
    lab.shell("echo 4 >version");
    for action in ["plan", "run"] {
        let answer = lab.call(&[action, "--keep-old"]);
        assert_eq!(answer.kind, "invalid_option", "{answer:?}");
        assert!(answer.msg.contains(kept.to_str().unwrap()), "{answer:?}");
    }
    assert_eq!(version(&lab), "4");
    assert_same(&lab.path("before"), &kept, "still kept");
}

#[test]
fn what_the_job_excludes_is_not_touched() {
    let lab = lab();
    let exclude = "    exclude: [\"LIVE/cache/\", \"*.tmp\"]\n";
    lab.job(&format!("{SERVICE}{HOOKS}"), exclude, "[LIVE]");
    // The generation was made without them.
    lab.shell("echo 1 >version; rm more; mkdir -p d/e; echo f >d/f; touch -d 2020-01-01 d d/e");
    lab.collect(FULL_AGAIN, &[]);
    lab.shell(
        "mkdir cache; echo hit >cache/page; echo t >d/x.tmp; touch -d 2020-01-01 d; mkfifo fifo; chown 5:5 cache",
    );
    run(Command::new("touch").arg("-r").arg(lab.live().join("version")).arg(lab.live()));
    let top = "mtime";
    let plan = lab.call(&["plan", "--diff"]);
    assert!(plan.diff.iter().all(|diff| diff.prepared.contains(top)), "{plan:?}");
    lab.shell("echo 2 >version; mkdir gone; echo x >gone/y.tmp");
    fs::write(lab.path("fail-after"), "").unwrap();
    support::copy(&lab.live(), &lab.path("before"));
    assert!(lab.call(&["run"]).failed);
    assert_same(&lab.path("before"), &lab.live(), "undone");
    fs::remove_file(lab.path("fail-after")).unwrap();
    lab.restore(&[]);
    assert_eq!(version(&lab), "1");
    assert_eq!(fs::read_to_string(lab.live().join("cache/page")).unwrap(), "hit\n");
    assert!(
        lab.live().join("d/x.tmp").exists() && lab.live().join("fifo").exists() && !lab.live().join("gone").exists()
    );
    assert!(!lab.restore(&[]).changed, "what is excluded makes no difference");
    lab.assert_clean("excluded");
}

#[test]
fn logs_inside_the_data() {
    let lab = lab();
    let logs = lab.live().join("logs");
    let both = r"    exclude: [LIVE/logs]
  logs:
    include: [LIVE/logs]
    restore_folder: ROOM/restore
    handover: {path: ROOM/handover-logs}
    store: {path: ROOM/store-logs}
    transport: {mode: push, peer: {address: sink1}}
    sink: {name: sink1, home: ROOM/sink, retention: {generations: 7}}
";
    lab.job(&format!("{SERVICE}{HOOKS}"), both, "[LIVE]");
    lab.shell("mkdir logs; echo 1 >logs/log; echo 1 >version; rm more");
    lab.collect_logs("20261122T220000Z", &logs);
    lab.shell("mv logs $ROOM/logs");
    lab.collect("20261122T220000Z", &[]);
    lab.shell("mv $ROOM/logs .; echo 2 >version; echo 2 >>logs/log; echo 2 >logs/new");
    support::copy(&lab.live(), &lab.path("before"));
    fs::write(lab.path("fail-after"), "").unwrap();
    assert_eq!(lab.call(&["run", "--allow-unsigned"]).kind, "hook_failed");
    assert_eq!(version(&lab), "2");
    assert_same(&lab.path("before/logs"), &logs, "undone");
    lab.assert_clean("undone");
    fs::remove_file(lab.path("fail-after")).unwrap();
    let answer = lab.restore(&["--allow-unsigned"]);
    assert_eq!(answer.streams.iter().map(|stream| stream.fate.as_str()).collect::<Vec<_>>(), ["restored", "restored"]);
    assert_eq!(version(&lab), "1");
    assert_eq!(fs::read_to_string(logs.join("log")).unwrap(), "1\n");
    assert_eq!(names(&logs), ["log"]);
    assert!(!names(&lab.live()).iter().any(|name| name.contains("handover")), "{:?}", names(&lab.live()));
    lab.assert_clean("both");
}

const FULL_AGAIN: &str = "20261121T120000Z";

const DUMPS: &str = r#"    dumps:
      - {name: orders, extension: sql, command: {run: ["true"]}, restore: {run: [sh, -c, "cat >ROOM/loaded; echo load $(cat LIVE/version) $(test -e ROOM/on && echo on) >>ROOM/log; ! test -e ROOM/fail-load"]}}
      - {name: users, extension: ldif, compression: gzip, when: stopped, command: {run: ["true"]}, restore: {run: [sh, -c, "cat >ROOM/loaded-users; echo users $(cat LIVE/version) $(test -e ROOM/on && echo on) >>ROOM/log"]}}
      - {name: left, extension: txt, command: {run: ["true"]}}
"#;

fn dump_lab() -> Lab {
    let lab = lab();
    run(Command::new("bash")
        .args(["-c", "seq 1 300000 >orders; echo dn >users; echo left >left"])
        .current_dir(lab.room.path()));
    let dump = |name: &str, file: &str| format!("{name}={}", lab.path(file).display());
    let options = [dump("orders.sql", "orders"), dump("users.ldif.gz", "users"), dump("left.txt", "left")];
    let options: Vec<_> = options.iter().flat_map(|option| ["--dump", option]).collect();
    lab.shell("echo 1 >version; rm more");
    lab.collect("20261122T220000Z", &options);
    lab.shell("echo 2 >version");
    lab.job(&format!("{SERVICE}{HOOKS}"), DUMPS, "[LIVE]");
    lab
}

#[test]
fn dumps_are_loaded_or_left() {
    let lab = dump_lab();
    let answer = lab.restore(&["--diff"]);
    assert_eq!(log(&lab), ["before 2", "stop 2", "users 1", "start 1", "load 1 on", "after 1", "finally ok"]);
    assert_eq!(fs::read(lab.path("loaded")).unwrap(), fs::read(lab.path("orders")).unwrap());
    assert_eq!(fs::read_to_string(lab.path("loaded-users")).unwrap(), "dn\n");
    let dumps = &answer.streams[0].dumps;
    let left = dumps.iter().find(|dump| dump.name == "dump-left.txt.zst").unwrap();
    assert_eq!(fs::read_to_string(left.path.as_ref().unwrap()).unwrap(), "left\n");
    assert!(left.path.as_ref().unwrap().starts_with(lab.path("restore/shop/data")));
    assert_eq!(dumps.iter().filter(|dump| dump.loaded).count(), 2);
    assert!(answer.diff[0].prepared.contains("dump-orders.sql.zst"));
    assert!(!lab.path("state/shop/restore.spool").exists());
    // Elsewhere nothing is loaded.
    let target = lab.path("elsewhere");
    lab.restore(&["--target", target.to_str().unwrap()]);
    assert_eq!(fs::read(target.join("dump-orders.sql")).unwrap(), fs::read(lab.path("orders")).unwrap());
    assert!(!lab.restore(&["--target", target.to_str().unwrap()]).changed);
    assert_eq!(log(&lab).len(), 7);
    // The script leaves all of them.
    let target = lab.path("plain");
    assert!(lab.script("dash", "tar", "20261122T220000Z", &target).status.success());
    assert_eq!(fs::read(target.join("dump-orders.sql")).unwrap(), fs::read(lab.path("orders")).unwrap());
    assert_eq!(fs::read_to_string(target.join("dump-users.ldif")).unwrap(), "dn\n");
}

#[test]
fn a_dump_is_not_left_through_a_link_of_the_user() {
    let lab = dump_lab();
    let outside = lab.path("outside");
    lab.shell("mv $ROOM/restore/shop/data $ROOM/outside; ln -s $ROOM/outside $ROOM/restore/shop/data");
    // Root's own link is followed.
    lab.restore(&[]);
    run(Command::new("rm").arg("-r").arg(outside.join("dumps")));
    lab.shell("echo 2 >version; chown 1234 $ROOM/restore/shop");
    let answer = lab.call(&["run"]);
    assert_eq!(answer.kind, "permission", "{answer:?}");
    assert!(answer.msg.contains("restore/shop/data"), "{answer:?}");
    assert!(!outside.join("dumps").exists());
    assert_eq!(version(&lab), "2");
    lab.assert_clean("a link of the user");
}

#[test]
fn a_dump_that_does_not_load_undoes_the_trees_and_says_what_stays() {
    let lab = dump_lab();
    fs::write(lab.path("fail-load"), "").unwrap();
    let answer = lab.call(&["run"]);
    assert_eq!(answer.kind, "command_failed", "{answer:?}");
    // The users were loaded before.
    assert!(
        answer.changed && answer.warnings.iter().any(|warning| warning.contains("cannot be taken back")),
        "{answer:?}"
    );
    assert_eq!(version(&lab), "2");
    assert!(lab.path("on").exists());
    lab.assert_clean("a failed load");
}

#[test]
fn roots_that_cannot_be_exchanged_are_refused() {
    let lab = lab();
    let mounted = lab.live().join("media");
    fs::create_dir(&mounted).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&mounted));
    fs::write(mounted.join("precious"), "x").unwrap();
    let answer = lab.call(&["run"]);
    run(Command::new("umount").arg(&mounted));
    assert_eq!(answer.kind, "invalid_option", "{answer:?}");
    assert!(answer.msg.contains("media") && answer.hint.contains("target"), "{answer:?}");
    assert_eq!(version(&lab), "2");
    assert!(log(&lab).is_empty());
}

#[test]
fn no_room_is_said_before_anything_is_unpacked() {
    let lab = lab();
    let small = lab.path("srv");
    fs::remove_dir_all(&small).unwrap();
    fs::create_dir(&small).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=1M", "none"]).arg(&small));
    fs::create_dir(lab.live()).unwrap();
    lab.shell("head -c 600K /dev/urandom >big; echo 1 >version");
    lab.collect(INCREMENTAL, &[]);
    lab.shell("echo 2 >version");
    let answer = lab.call(&["run"]);
    let still = (version(&lab), names(&small));
    run(Command::new("umount").arg(&small));
    assert_eq!(answer.kind, "no_space", "{answer:?}");
    assert!(answer.hint.contains("Free room"));
    assert_eq!(still, ("2".to_owned(), vec!["shop".to_owned()]));
}

#[test]
fn a_signal_leaves_everything_as_it_was() {
    let lab = lab();
    let hooks = HOOKS.replace("! test -e ROOM/fail-after", "touch ROOM/reached; sleep 1000");
    lab.job(&format!("{SERVICE}{hooks}"), "", "[LIVE]");
    support::copy(&lab.live(), &lab.path("before"));
    let child = lab.command(&["run"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_for(&lab.path("reached"));
    run(Command::new("kill").arg(child.id().to_string()));
    let answer = support::answer(&child.wait_with_output().unwrap());
    assert_eq!(answer.kind, "interrupted", "{answer:?}");
    assert_same(&lab.path("before"), &lab.live(), "interrupted");
    assert!(lab.path("on").exists());
    lab.assert_clean("a signal");
}

fn wait_for(path: &Path) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline, "{} never appeared", path.display());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn as_a_task_of_ansible() {
    let lab = lab();
    let task = serde_json::json!({
        "job": "shop", "config": lab.path("config"), "keep_old": "no", "_ansible_check_mode": true, "_ansible_diff": true,
    });
    let file = lab.path("args");
    fs::write(&file, task.to_string()).unwrap();
    let call = || {
        let output = Command::new(support::EXECUTABLE).arg(&file).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        support::answer(&output)
    };
    let announced = call();
    assert!(announced.changed && announced.streams[0].fate == "planned" && version(&lab) == "2");
    fs::write(&file, task.to_string().replace("\"_ansible_check_mode\":true", "\"_ansible_check_mode\":false"))
        .unwrap();
    let done = call();
    assert_eq!(done.diff[0].prepared, announced.diff[0].prepared);
    assert_eq!(version(&lab), "1");
    assert!(!call().changed);
    fs::write(&file, task.to_string().replace("shop", "shopp")).unwrap();
    assert_eq!(call().kind, "not_found");
}

#[test]
fn recover_leaves_the_lock_to_others_where_nothing_is_left() {
    let lab = lab();
    lab.restore(&[]);
    let lock = lab.path("state/shop").join(backup_core::state::LOCK);
    fs::remove_file(&lock).unwrap();
    assert!(!lab.call(&["recover"]).changed);
    assert!(!lock.exists(), "recover has taken the lock that the job's other runs begin with");
}

#[test]
fn what_looks_unchanged_is_read_unless_times_shall_do() {
    let lab = lab();
    lab.restore(&[]);
    // The same size, and the time set back: nothing but reading tells.
    lab.shell("cp -p data before; printf DATA | dd of=data conv=notrunc status=none; touch -r before data; rm before");
    lab.restore(&["--mode", "merge", "--delete"]);
    assert_eq!(fs::read_to_string(lab.live().join("data")).unwrap(), "data\n");

    lab.shell("cp -p data before; printf DATA | dd of=data conv=notrunc status=none; touch -r before data; rm before");
    let directory = lab.restore(&["--mode", "merge", "--delete", "--compare", "times"]);
    assert_eq!(fs::read_to_string(lab.live().join("data")).unwrap(), "DATA\n", "{directory:?}");
    assert!(!lab.restore(&["--compare", "times"]).changed);
    // Another time, and it is read, whatever is asked for.
    lab.shell("touch data");
    assert!(lab.restore(&["--compare", "times"]).changed);
    assert_eq!(fs::read_to_string(lab.live().join("data")).unwrap(), "data\n");
}

#[test]
fn a_tree_that_is_as_in_the_copy_needs_no_byte_of_it() {
    let lab = lab();
    lab.restore(&[]);
    fs::remove_file(lab.generation(FULL).join("data.tar.zst")).unwrap();
    assert!(!lab.restore(&[]).changed);
    // To write anything, all of it has to be whole; a plan says so, too.
    lab.shell("echo more >more");
    let before = support::marks(&lab.live());
    for words in [&["plan"][..], &["run"]] {
        assert_eq!(lab.call(words).kind, "damaged", "{words:?}");
    }
    assert_eq!(support::marks(&lab.live()), before);
}
