//! Archives that want to write, link or delete elsewhere, or to be huge: refused, and nothing outside is touched.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::process::Command;
use support::{FULL, INCREMENTAL, Lab, run};

const BUILDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/support/build_hostile.py");

/// Ours refuses the generation with one of these kinds; `restore.sh` may refuse or put things into its target. Neither
/// touches what lies outside.
fn refused(case: &str, kinds: &[&str]) {
    let lab = Lab::new();
    let outside = lab.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("canary"), "sings").unwrap();
    lab.shell("echo live >live");
    let mut build = Command::new("python3");
    build.arg(BUILDER).arg(lab.path("restore")).arg(lab.live()).arg(&outside).arg(case);
    run(&mut build);
    let id = if lab.generation(INCREMENTAL).exists() { INCREMENTAL } else { FULL };
    lab.sign(id, "sink_key");

    let (around, live) = (support::marks(&outside), support::marks(&lab.live()));
    let target = lab.path("elsewhere");
    for arguments in [vec!["run"], vec!["run", "--target", target.to_str().unwrap()]] {
        let answer = lab.call(&arguments);
        assert!(kinds.contains(&answer.kind.as_str()), "{case}: {answer:?}");
        assert_eq!(support::marks(&outside), around, "{case}");
        assert_eq!(support::marks(&lab.live()), live, "{case}");
        lab.assert_clean(case);
    }
    assert!(!target.exists() || target.join(".restore-incomplete").exists(), "{case}");

    for tar in ["tar", "bsdtar"] {
        let target = lab.path(format!("plain-{tar}"));
        let output = lab.script("dash", tar, id, &target);
        assert_eq!(support::marks(&outside), around, "{case}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(support::marks(&lab.live()), live, "{case}");
        let marked = target.join(".restore-incomplete").exists();
        assert_eq!(output.status.success(), !marked && target.exists(), "{case} {tar}");
    }
}

#[test]
fn names_that_lead_elsewhere() {
    for case in ["absolute", "dotdot", "another-root", "through-symlink", "symlink-as-root", "too-long"] {
        refused(case, &["unsafe_archive"]);
    }
}

#[test]
fn links_to_elsewhere() {
    for case in ["hardlink-outside", "hardlink-dotdot", "hardlink-through-symlink"] {
        refused(case, &["unsafe_archive"]);
    }
}

#[test]
fn incrementals_that_use_what_their_base_left() {
    for case in ["base-symlink", "base-patch-symlink"] {
        refused(case, &["unsafe_archive"]);
    }
    for case in ["base-hardlink", "base-hardlink-to-symlink", "base-symlink-to-symlink"] {
        refused(case, &["unsafe_archive", "damaged"]);
    }
    for case in ["base-deleted-dotdot", "base-deleted-absolute"] {
        refused(case, &["unsafe_archive"]);
    }
    refused("base-patch-other", &["unsafe_archive", "damaged"]);
}

#[test]
fn links_where_the_script_writes() {
    for case in ["dump-symlink", "marker-symlink"] {
        refused(case, &["unsafe_archive"]);
    }
}

#[test]
fn deletions_through_a_link_delete_nothing() {
    // For us a list of names to leave out: harmless. The script would have to follow the link.
    let lab = Lab::new();
    let outside = lab.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("canary"), "sings").unwrap();
    let mut build = Command::new("python3");
    build.arg(BUILDER).arg(lab.path("restore")).arg(lab.live()).arg(&outside).arg("base-deleted-symlink");
    run(&mut build);
    let output = lab.script("dash", "tar", INCREMENTAL, &lab.path("target"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("symbolic link"), "{said}");
    assert!(outside.join("canary").exists());
    lab.restore(&["--allow-unsigned"]);
    assert!(outside.join("canary").exists());
}

#[test]
fn streams_that_are_not_what_the_catalog_says() {
    refused("not-what-is-listed", &["unsafe_archive", "damaged"]);
    refused("more-than-is-listed", &["damaged"]);
}

#[test]
fn sizes_that_are_huge() {
    for case in ["huge-records", "huge-frame", "huge-line"] {
        refused(case, &["damaged"]);
    }
    refused("huge-size", &["damaged", "no_space"]);
}
