//! Killed at every point of a restore: every root is old or new as a whole, the application comes back, and the next run
//! converges.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use support::{FULL, INCREMENTAL, Lab, assert_same, portrait};

/// The time is so long that no guardian of an earlier kill comes while a later one is looked at.
const JOB: &str = r#"max_downtime: 10min
services:
  - name: shop
    status: [sh, -c, "test -e ROOM/on || exit 3"]
    stop: [rm, -f, ROOM/on]
    start: [touch, ROOM/on]
    timeout: 5s
restore: {hooks: {before: [{run: ["true"]}], after: [{run: [sh, -c, "! test -e ROOM/fail-after"]}]}}
"#;
const INCLUDE: &str = "[LIVE, ROOM/etc/shop.conf]";
const DUMPS: &str = "    exclude: [\"*.tmp\"]\n    dumps: [{name: orders, extension: sql, command: {run: [\"true\"]}, restore: {run: [sh, -c, \"cat >ROOM/loaded\"]}}]\n";

struct Case {
    lab: Lab,
    old: [String; 3],
    new: [String; 3],
    /// What the file system cannot do.
    lacks: &'static str,
}

/// Two roots; the generation is an incremental with a patch and a dump.
fn case() -> Case {
    let lab = Lab::new();
    fs::create_dir(lab.path("etc")).unwrap();
    lab.job(JOB, DUMPS, INCLUDE);
    let conf = lab.path("etc/shop.conf");
    let roots = [lab.live(), conf];
    let roots: Vec<_> = roots.iter().map(PathBuf::as_path).collect();
    lab.shell("mkdir d; echo 1 >d/f; head -c 300K /dev/urandom >big; echo 1 >$ROOM/etc/shop.conf");
    lab.collect_roots(FULL, &["--large-file", "200000"], &roots);
    lab.shell("echo 2 >d/f; echo tail >>big; echo 2 >$ROOM/etc/shop.conf; echo dump >$ROOM/orders");
    let dump = format!("orders.sql={}", lab.path("orders").display());
    lab.collect_roots(INCREMENTAL, &["--base", FULL, "--large-file", "200000", "--dump", &dump], &roots);
    // What is excluded moves over, and comes back with the old tree.
    lab.shell("touch -r d $ROOM/time; mkdir d/x.tmp; echo stays >d/x.tmp/f; touch -r $ROOM/time d");
    let new = look(&lab);
    lab.shell("echo 3 >d/f; echo 3 >new; rm big; echo 3 >$ROOM/etc/shop.conf; touch $ROOM/on");
    let old = look(&lab);
    lab.shell("mkdir $ROOM/pristine; cp -a $ROOM/srv $ROOM/etc $ROOM/pristine");
    Case { lab, old, new, lacks: "" }
}

impl Case {
    /// The old state again, whatever happened; then `prepare`.
    fn reset(&self, prepare: &str) {
        self.lab.shell("cd $ROOM; rm -rf srv etc state fail-after; cp -a pristine/srv pristine/etc .; touch on");
        self.lab.shell(prepare);
    }
}

/// Both roots, to every foreign tool; and the first once more, without what is excluded.
fn look(lab: &Lab) -> [String; 3] {
    let conf = Command::new("stat").args(["-c", "%a %u %g %s %y"]).arg(lab.path("etc/shop.conf")).output().unwrap();
    let text = fs::read_to_string(lab.path("etc/shop.conf")).unwrap();
    let script = "find . -name '*.tmp' -prune -o -printf '%p %y %T@ %m %U %G %s\\n' | sort; cat d/f";
    let kept = support::run(Command::new("bash").args(["-c", script]).current_dir(lab.live()));
    [portrait(&lab.live()), format!("{text}{}", String::from_utf8_lossy(&conf.stdout)), kept]
}

/// Every point that a run passes, with how often.
fn points(case: &Case, prepare: &str) -> BTreeMap<String, u32> {
    case.reset(prepare);
    let list = case.lab.path("points");
    let mut command = case.lab.command(&["run"]);
    command.env("HANDOVER_FAULT_LIST", &list).env("HANDOVER_LACKS", case.lacks).output().unwrap();
    let mut points = BTreeMap::new();
    for name in fs::read_to_string(list).unwrap().lines() {
        *points.entry(name.to_owned()).or_default() += 1;
    }
    points
}

fn kill(case: &Case, what: &str, action: &str, prepare: &str) {
    case.reset(prepare);
    let mut command = case.lab.command(&["run"]);
    command.env("HANDOVER_FAULT", what).env("HANDOVER_FAULT_ACTION", action).env("HANDOVER_LACKS", case.lacks);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let output = command.output().unwrap();
    assert_eq!(output.status.signal(), Some(9), "{what}: {}", String::from_utf8_lossy(&output.stdout));
}

/// What `recover` must leave: one of both states in both roots, services on, nothing of ours left over.
fn assert_recovered(case: &Case, what: &str) {
    let Case { lab, old, new, .. } = case;
    let answer = lab.call(&["recover"]);
    assert!(!answer.failed, "{what}: {answer:?}");
    let now = look(lab);
    assert!(now == *old || now == *new, "{what}: neither old nor new: {now:?}");
    assert!(lab.path("on").exists(), "{what}: the application is off");
    lab.assert_clean(what);
    let etc = support::names(&lab.path("etc"));
    assert_eq!(etc, ["shop.conf"], "{what}");
    assert!(!lab.call(&["recover"]).changed, "{what}: recover is not done at once");
}

#[test]
fn anywhere_on_the_way_forward() {
    let case = case();
    let points = points(&case, ":");
    let ours = [
        "restore.prepared",
        "restore.unpack.base",
        "restore.unpack.patch",
        "restore.unpacked",
        "restore.swap.begun",
        "restore.hooks.before",
        "restore.rescue.armed",
        "restore.stopped",
        "restore.swap.exchanged",
        "restore.swap.carried",
        "restore.started",
        "restore.dump.loaded",
        "restore.hooks.after",
        "restore.swap.committed",
        "restore.swap.cleaned",
    ];
    let missing: Vec<_> = ours.iter().filter(|name| !points.contains_key(**name)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in {points:?}");
    for (name, passes) in points {
        for pass in 1..=passes {
            let what = format!("{name}:{pass}");
            kill(&case, &what, "kill", ":");
            let at_once = look(&case.lab);
            // The exchange of one root is one step: at no time is there a mixture within a root, but for what is excluded.
            for (root, now) in at_once.iter().enumerate().skip(1) {
                assert!(*now == case.old[root] || *now == case.new[root], "{what}: root {root}: {now}");
            }
            assert_recovered(&case, &what);
            let next = case.lab.restore(&[]);
            assert_eq!(look(&case.lab), case.new, "{what}: {next:?}");
            assert!(case.lab.path("on").exists(), "{what}");
            case.lab.assert_clean(&what);
        }
    }
}

#[test]
fn anywhere_on_the_way_back() {
    let fail = "touch $ROOM/fail-after";
    let case = case();
    let points = points(&case, fail);
    for name in ["restore.swap.carried", "restore.swap.back", "restore.swap.undone", "restore.back.undone"] {
        let passes = *points.get(name).unwrap_or_else(|| panic!("{name} is not in {points:?}"));
        for pass in 1..=passes {
            let what = format!("{name}:{pass}");
            kill(&case, &what, "kill", fail);
            assert_recovered(&case, &what);
            assert_eq!(look(&case.lab), case.old, "{what}");
        }
    }
}

#[test]
fn in_an_exchange_of_many_steps() {
    let case = Case { lacks: "rename-exchange", ..case() };
    let fail = "touch $ROOM/fail-after";
    let points = points(&case, fail);
    for name in ["publish.exchange.aside", "publish.exchange.placed", "publish.exchange.done"] {
        // Two roots there and back.
        assert_eq!(points.get(name), Some(&4), "{points:?}");
        for pass in 1..=4 {
            let what = format!("{name}:{pass}");
            kill(&case, &what, "kill", fail);
            assert_recovered(&case, &what);
            assert_eq!(look(&case.lab), case.old, "{what}");
        }
    }
}

#[test]
fn the_whole_process_group() {
    let case = case();
    for what in ["restore.stopped", "restore.swap.exchanged:1", "restore.started"] {
        kill(&case, what, "kill-group", ":");
        assert_recovered(&case, what);
        assert_eq!(look(&case.lab), case.old, "{what}");
    }
}

#[test]
fn in_another_target() {
    let probe = case();
    let target = probe.lab.path("elsewhere");
    for what in ["restore.target.marked", "restore.unpack.base", "restore.unpack.patch", "restore.target.filled"] {
        let mut command = probe.lab.command(&["run", "--target", target.to_str().unwrap()]);
        assert_eq!(command.env("HANDOVER_FAULT", what).output().unwrap().status.signal(), Some(9), "{what}");
        assert!(target.join(".restore-incomplete").exists(), "{what}");
    }
    probe.lab.restore(&["--target", target.to_str().unwrap()]);
    assert!(!target.join(".restore-incomplete").exists());
    probe.lab.restore(&[]);
    probe.lab.shell("rm -r d/x.tmp; touch -r $ROOM/time d");
    assert_same(&probe.lab.live(), &probe.lab.within(&target), "elsewhere, after kills");
}

#[test]
fn what_recover_did_is_mailed_and_what_it_cannot_do_is_mailed_once() {
    let case = case();
    let lab = &case.lab;
    kill(&case, "restore.swap.exchanged:1", "kill", ":");
    // The journal cannot be read for as long as this lasts.
    let journal = lab.path("state/shop/restore.json");
    let text = fs::read(&journal).unwrap();
    fs::write(&journal, "{").unwrap();
    let quiet = || {
        let mut command = Command::new(support::EXECUTABLE);
        command.args(["recover", "--quiet", "--config"]).arg(lab.path("config")).output().unwrap()
    };
    for call in 1..=3 {
        let output = quiet();
        assert!(!output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
        let mail = lab.mail();
        assert_eq!(mail.contains("Subject: handover shop: recover failed on "), call == 1, "call {call}: {mail}");
        assert!(call > 1 || mail.contains("restore.json"), "{mail}");
    }
    fs::write(&journal, text).unwrap();
    let output = quiet();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let mail = lab.mail();
    assert!(mail.contains("interrupted restore of shop") && mail.contains("started shop"), "{mail}");
    assert!(!lab.path("state/shop/told.json").exists());
    assert_recovered(&case, "after all");
    assert_eq!(lab.mail(), "", "there was nothing left to do");
}
