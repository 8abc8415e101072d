//! A merge is killed at every point: what is left is finished or undone, as somebody says or as it was told before, and no
//! service starts on a mixture.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use support::{FULL, Lab, portrait};

const JOB: &str = r#"max_downtime: 10min
services:
  - name: shop
    status: [sh, -c, "test -e ROOM/on || exit 3"]
    stop: [rm, -f, ROOM/on]
    start: [sh, -c, "touch ROOM/on; cp -a LIVE/version ROOM/started-on"]
    timeout: 5s
restore: {hooks: {after: [{run: [sh, -c, "! test -e ROOM/fail-after"]}]}}
"#;

struct Case {
    lab: Lab,
    old: String,
    new: String,
    lacks: &'static str,
}

/// Something is created, changed, removed, of another type, linked otherwise, and has another owner only.
fn case() -> Case {
    let lab = Lab::new();
    lab.job(JOB, "", "[LIVE]");
    lab.shell("echo 1 >version; mkdir -p d/e gone/deep; echo 1 >d/e/f; echo 1 >gone/deep/f; echo t >type; ln version hard; echo o >owner; ln -s x link; echo q >d/q");
    lab.collect(FULL, &[]);
    let new = portrait(&lab.live());
    lab.shell("echo 2 >version2; mv version2 version; rm -r gone; rm type d/q; mkdir type; chown 5:6 owner; echo more >d/more; mkdir d/sub; echo s >d/sub/s; ln -sf y link; touch -d @5 d/e; touch $ROOM/on");
    lab.shell("touch -d @7 .");
    let old = portrait(&lab.live());
    lab.shell("mkdir $ROOM/pristine; cp -a $ROOM/srv $ROOM/pristine");
    Case { lab, old, new, lacks: "" }
}

impl Case {
    fn reset(&self, prepare: &str) {
        self.lab.shell("cd $ROOM; rm -rf srv state fail-after started-on; cp -a pristine/srv .; touch on");
        self.lab.shell(prepare);
    }

    fn command(&self, interrupted: &str) -> std::process::Command {
        let mut command = self.lab.command(&["run", "--mode", "merge", "--delete", "--interrupted", interrupted]);
        command.env("HANDOVER_LACKS", self.lacks);
        command
    }

    fn points(&self, prepare: &str) -> BTreeMap<String, u32> {
        self.reset(prepare);
        let list = self.lab.path("points");
        self.command("undo").env("HANDOVER_FAULT_LIST", &list).output().unwrap();
        let mut points = BTreeMap::new();
        for name in fs::read_to_string(&list).unwrap().lines() {
            *points.entry(name.to_owned()).or_default() += 1;
        }
        fs::remove_file(list).unwrap();
        points
    }

    fn kill(&self, what: &str, prepare: &str, interrupted: &str) {
        self.reset(prepare);
        let output = self.command(interrupted).env("HANDOVER_FAULT", what).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{what}: {}", String::from_utf8_lossy(&output.stdout));
    }

    /// After `recover`: this state, the service on, and nothing left over.
    fn is(&self, states: &[&String], what: &str) {
        let now = portrait(&self.lab.live());
        assert!(states.iter().any(|state| **state == now), "{what}: neither one nor the other:\n{now}");
        assert!(self.lab.path("on").exists(), "{what}: the application is off");
        self.lab.assert_clean(what);
        assert!(!support::names(&self.lab.live()).iter().any(|name| name.starts_with(".handover")), "{what}");
        assert!(!self.lab.call(&["recover"]).changed, "{what}: recover is not done at once");
    }

    fn recover(&self, arguments: &[&str], what: &str) {
        let answer = self.lab.call(&[&["recover"], arguments].concat());
        assert!(!answer.failed, "{what}: {answer:?}");
    }
}

/// Of each name the first pass, the last one and two between.
fn each(points: BTreeMap<String, u32>) -> Vec<(String, u32)> {
    let passes = |passes: u32| BTreeSet::from([1, passes.div_ceil(3), passes * 2 / 3, passes]);
    let each = |(name, all): (String, u32)| {
        passes(all).into_iter().filter(|pass| *pass > 0).map(move |pass| (name.clone(), pass))
    };
    points.into_iter().flat_map(each).collect()
}

#[test]
fn undone_or_finished_from_anywhere() {
    let case = case();
    let points = case.points(":");
    let ours = ["noted", "staged", "begun", "moved", "set", "synced", "committed", "cleaned"];
    for name in ours {
        assert!(points.contains_key(&format!("restore.merge.{name}")), "{name} is not in {points:?}");
    }
    assert!(points["restore.merge.moved"] >= 8, "{points:?}");
    for (name, pass) in each(points) {
        let what = format!("{name}:{pass}");
        case.kill(&what, ":", "undo");
        case.recover(&[], &what);
        case.is(&[&case.old, &case.new], &what);
        let begun = name == "restore.merge.moved" || name == "restore.merge.set";
        if begun {
            case.is(&[&case.old], &what);
            case.kill(&what, ":", "undo");
            case.recover(&["--finish"], &what);
            case.is(&[&case.new], &format!("{what}, finished"));
        }
        case.lab.restore(&["--mode", "merge", "--delete"]);
        case.is(&[&case.new], &format!("{what}, again"));
    }
}

#[test]
fn as_it_was_told_or_when_somebody_decides() {
    let case = case();
    case.kill("restore.merge.moved:4", ":", "finish");
    case.recover(&[], "finish");
    case.is(&[&case.new], "finish");

    for (decision, state) in [("--undo", &case.old), ("--finish", &case.new)] {
        case.kill("restore.merge.moved:4", ":", "wait");
        case.lab.mail();
        let mixed = portrait(&case.lab.live());
        for arguments in [&["recover"][..], &["run", "--mode", "merge"], &["run"]] {
            let answer = case.lab.call(arguments);
            assert_eq!(answer.kind, "interrupted", "{arguments:?}: {answer:?}");
            assert!(answer.hint.contains("--finish") && answer.hint.contains("--undo"), "{answer:?}");
            assert_eq!(portrait(&case.lab.live()), mixed);
            assert!(!case.lab.path("on").exists(), "no service starts on a mixture");
        }
        assert!(case.lab.mail().contains("waits for a decision"));
        let status = case.lab.command(&["status"]).output().unwrap();
        assert!(status.status.success() && String::from_utf8_lossy(&status.stdout).contains("\"interrupted\":true"));
        case.recover(&[decision], decision);
        case.is(&[state], decision);
    }
}

#[test]
fn undoing_and_finishing_may_be_killed_as_well() {
    let case = case();
    for (decision, state) in [("--undo", &case.old), ("--finish", &case.new)] {
        case.kill("restore.merge.set:2", ":", "wait");
        let list = case.lab.path("points");
        case.lab.command(&["recover", decision]).env("HANDOVER_FAULT_LIST", &list).output().unwrap();
        let mut points = BTreeMap::new();
        for name in fs::read_to_string(&list).unwrap().lines() {
            *points.entry(name.to_owned()).or_default() += 1;
        }
        fs::remove_file(list).unwrap();
        assert!(points.len() >= 5, "{points:?}");
        for (name, pass) in each(points) {
            let what = format!("{decision} {name}:{pass}");
            case.kill("restore.merge.set:2", ":", "wait");
            let mut command = case.lab.command(&["recover", decision]);
            let output = command.env("HANDOVER_FAULT", format!("{name}:{pass}")).output().unwrap();
            assert_eq!(output.status.signal(), Some(9), "{what}");
            case.recover(&[decision], &what);
            case.is(&[state], &what);
        }
    }
}

#[test]
fn a_failure_at_the_end_is_undone_and_may_be_killed_on_the_way_back() {
    let case = case();
    let fail = "touch $ROOM/fail-after";
    let points = case.points(fail);
    assert_eq!(portrait(&case.lab.live()), case.old);
    for name in ["restore.merge.back", "restore.merge.undone", "restore.back.undone"] {
        for pass in 1..=*points.get(name).unwrap_or_else(|| panic!("{name} is not in {points:?}")) {
            let what = format!("{name}:{pass}");
            case.kill(&what, fail, "undo");
            case.recover(&[], &what);
            case.is(&[&case.old], &what);
        }
    }
}

#[test]
fn where_names_cannot_be_exchanged_in_one_step() {
    let case = Case { lacks: "rename-exchange", ..case() };
    let points = case.points(":");
    for name in ["publish.exchange.aside", "publish.exchange.placed", "publish.exchange.done"] {
        for pass in 1..=points[name] {
            for (decision, state) in [("--undo", &case.old), ("--finish", &case.new)] {
                let what = format!("{name}:{pass} {decision}");
                case.kill(&format!("{name}:{pass}"), ":", "wait");
                case.recover(&[decision], &what);
                case.is(&[state], &what);
            }
        }
    }
}
