//! A tree with one of everything comes back exactly, by us and by plain tools, from a full and from an incremental.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use support::{FULL, INCREMENTAL, Lab, assert_same, names, two_days};

#[test]
fn ours_in_place_and_elsewhere() {
    let lab = Lab::new();
    let (first, second) = two_days(&lab);

    let answer = lab.restore(&["--generation", FULL]);
    assert!(answer.changed);
    assert_eq!(answer.streams[0].signed_by.as_deref(), Some("sink1"));
    assert_same(&first, &lab.live(), "a full, in place");
    lab.assert_clean("a full");
    let answer = lab.restore(&[]);
    assert!(answer.changed && answer.streams[0].id == INCREMENTAL, "{answer:?}");
    assert_same(&second, &lab.live(), "an incremental, in place");
    assert!(!lab.restore(&[]).changed);

    fs::remove_dir_all(lab.live()).unwrap();
    lab.restore(&[]);
    assert_same(&second, &lab.live(), "on a bare host");

    let target = lab.path("elsewhere");
    lab.restore(&["--target", target.to_str().unwrap()]);
    assert_same(&second, &lab.within(&target), "an incremental, elsewhere");
    assert_eq!(names(&target).len(), 1, "{:?}", names(&target));
    assert!(!lab.restore(&["--target", target.to_str().unwrap()]).changed);
    fs::write(target.join("mine"), "").unwrap();
    fs::remove_file(lab.within(&target).join("n1")).unwrap();
    assert_eq!(lab.call(&["run", "--target", target.to_str().unwrap()]).kind, "invalid_option");
    assert!(target.join("mine").exists());
}

#[test]
fn plain_tools() {
    let lab = Lab::new();
    let (first, second) = two_days(&lab);
    for shell in ["dash", "bash"] {
        for (id, tree) in [(FULL, &first), (INCREMENTAL, &second)] {
            let target = lab.path(format!("{shell}-{id}"));
            let output = lab.script(shell, "tar", id, &target);
            assert!(output.status.success(), "{shell} {id}: {}", String::from_utf8_lossy(&output.stderr));
            assert_same(tree, &lab.within(&target), &format!("{shell} {id}"));
            assert_eq!(names(&target).len(), 1, "{:?}", names(&target));
        }
    }
}

#[test]
fn ten_thousand_small_files() {
    let lab = Lab::new();
    lab.shell("for d in {1..100}; do mkdir d$d; for f in {1..100}; do echo $d$f >d$d/f$f; done; done");
    lab.collect(FULL, &[]);
    support::copy(&lab.live(), &lab.path("first"));
    lab.shell("rm -r d5; echo x >>d6/f6");
    let answer = lab.restore(&["--diff"]);
    assert_eq!((answer.streams[0].roots[0].created, answer.streams[0].roots[0].paths), (101, 10_101));
    assert_same(&lab.path("first"), &lab.live(), "many files");
}

#[test]
fn several_roots_and_single_files() {
    let lab = Lab::new();
    let (file, other) = (lab.path("etc/shop.conf"), lab.path("var/deep/er"));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::create_dir_all(&other).unwrap();
    lab.shell("echo 1 >f; echo conf >$ROOM/etc/shop.conf; ln f $ROOM/var/deep/er/link");
    lab.job("", "", "[LIVE, ROOM/etc/shop.conf, ROOM/var/deep/er]");
    lab.collect_roots(FULL, &[], &[&lab.live(), &file, &other]);
    let before = support::portrait(&lab.live());
    lab.shell("echo 2 >f; rm -r $ROOM/var; echo other >$ROOM/etc/shop.conf; echo beside >$ROOM/etc/beside");
    lab.restore(&[]);
    assert_eq!(support::portrait(&lab.live()), before);
    assert_eq!(fs::read_to_string(&file).unwrap(), "conf\n");
    assert_eq!(fs::read_to_string(other.join("link")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(lab.path("etc/beside")).unwrap(), "beside\n");
    assert_eq!(names(&lab.path("etc")).len(), 2);
    assert!(!lab.restore(&[]).changed);
}

#[test]
fn check_mode_announces_what_is_done() {
    let lab = Lab::new();
    let (_, second) = two_days(&lab);
    let announced = lab.call(&["plan", "--generation", FULL, "--diff"]);
    assert!(announced.changed && announced.streams[0].fate == "planned");
    assert_same(&second, &lab.live(), "a plan changes nothing");
    lab.assert_clean("a plan");
    let done = lab.restore(&["--generation", FULL, "--diff"]);
    assert_eq!(announced.diff[0].prepared, done.diff[0].prepared);
    let lines: Vec<_> = done.diff[0].prepared.lines().collect();
    let live = lab.live().display().to_string();
    for line in [
        format!("+ {live}/c/gone"),
        format!("- {live}/n1"),
        format!("~ {live}/tofile (type)"),
        format!("+ {live}/new\\nline"),
        format!("- {live}/new\\nline2"),
        format!("~ {live}/closed/in (mode)"),
    ] {
        assert!(lines.contains(&line.as_str()), "{line} is not in {lines:#?}");
    }
    assert!(lab.call(&["plan", "--generation", FULL, "--diff"]).diff.is_empty());
}

#[test]
fn a_root_that_was_missing_is_left_alone() {
    // As if the policy had tolerated it: the manifest names it, the catalog does not.
    let lab = Lab::new();
    lab.job("", "", "[LIVE, ROOM/var]");
    lab.shell("echo 1 >f");
    lab.collect(FULL, &[]);
    let manifest = lab.generation(FULL).join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let root = format!("\"{}\"", lab.live().display());
    let both = format!("{root},\n    \"{}\"", lab.path("var").display());
    fs::write(&manifest, text.replace(&root, &both)).unwrap();
    lab.reseal(FULL);
    lab.shell("mkdir $ROOM/var; echo mine >$ROOM/var/mine");
    assert!(!lab.restore(&[]).changed);
    lab.shell("echo 2 >f");
    let answer = lab.restore(&[]);
    assert_eq!(answer.streams[0].roots.len(), 2);
    assert_eq!(fs::read_to_string(lab.path("var/mine")).unwrap(), "mine\n");
    assert_eq!(fs::read_to_string(lab.live().join("f")).unwrap(), "1\n");
}
