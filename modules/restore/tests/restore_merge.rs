//! `mode: merge`: only what differs is written, into trees that stay where they are.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{FULL, INCREMENTAL, Lab, NEXT_DAY, assert_same, names, portrait, run, two_days};

const MERGE: [&str; 2] = ["--mode", "merge"];

/// Merges a generation; a plan announced the same, and a second time there is nothing to do.
fn merge(lab: &Lab, arguments: &[&str]) -> support::Answer {
    let arguments = [&MERGE, arguments, &["--diff"]].concat();
    let before = portrait(&lab.path("srv"));
    let announced = lab.call(&[&["plan"], arguments.as_slice()].concat());
    assert!(announced.changed, "{announced:?}");
    assert_eq!(portrait(&lab.path("srv")), before, "a plan changes nothing");
    let done = lab.restore(&arguments);
    assert_eq!(announced.diff[0].prepared, done.diff[0].prepared);
    assert_clean(lab, "a merge");
    let again = lab.restore(&arguments);
    assert!(!again.changed, "the second time there is nothing to do: {again:?}");
    done
}

fn assert_clean(lab: &Lab, what: &str) {
    let found = run(Command::new("find").arg(lab.path("srv")).args(["-name", ".handover*"]));
    assert_eq!(found, "", "{what}");
    assert!(
        !lab.path("state/shop/restore.json").exists() && !lab.path("state/shop/restore.steps.json").exists(),
        "{what}"
    );
    lab.assert_clean(what);
}

fn inode(path: &Path) -> u64 {
    path.symlink_metadata().unwrap().ino()
}

#[test]
fn a_tree_with_one_of_everything_becomes_the_other_day() {
    let lab = Lab::new();
    let (first, second) = two_days(&lab);
    let (top, kept) = (inode(&lab.live()), inode(&lab.live().join("sparse")));
    merge(&lab, &["--generation", FULL, "--delete"]);
    assert_same(&first, &lab.live(), "back to the full");
    merge(&lab, &["--delete"]);
    assert_same(&second, &lab.live(), "on to the incremental");
    assert_eq!(
        (inode(&lab.live()), inode(&lab.live().join("sparse"))),
        (top, kept),
        "what does not differ is not touched"
    );
    fs::remove_dir_all(lab.live()).unwrap();
    merge(&lab, &[]);
    assert_same(&second, &lab.live(), "where nothing was");
}

#[test]
fn what_the_generation_does_not_have_stays() {
    let lab = Lab::new();
    lab.shell("mkdir d; echo 1 >d/f; echo 1 >g; ln g h");
    lab.collect(FULL, &[]);
    lab.shell("echo 2 >d/f; echo mine >d/mine; mkdir new; echo new >new/n; rm h");
    let answer = merge(&lab, &[]);
    let lines: Vec<_> =
        answer.diff[0].prepared.lines().map(|line| line.replace(lab.live().to_str().unwrap(), "")).collect();
    assert!(lines.iter().all(|line| !line.starts_with('-')), "{lines:?}");
    assert_eq!(answer.streams[0].roots[0].removed, 0);
    assert_eq!(fs::read_to_string(lab.live().join("d/f")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(lab.live().join("d/mine")).unwrap(), "mine\n");
    assert_eq!(fs::read_to_string(lab.live().join("new/n")).unwrap(), "new\n");
    assert_eq!(inode(&lab.live().join("g")), inode(&lab.live().join("h")));
    merge(&lab, &["--delete"]);
    assert!(!lab.live().join("d/mine").exists() && !lab.live().join("new").exists());
}

#[test]
fn owners_and_times_come_back_without_writing_contents() {
    let lab = Lab::new();
    two_days(&lab);
    let before = portrait(&lab.live());
    let inodes = run(Command::new("find").arg(lab.live()).args(["-printf", "%p %i\n"]));
    lab.shell("find . -exec chown -h 99:98 {} +; find . -exec touch -h {} +; find . -type f -exec chmod 600 {} +; setfattr -x trusted.t a; setfattr -n user.more -v x a/f1");
    assert_ne!(portrait(&lab.live()), before);
    merge(&lab, &[]);
    assert_eq!(portrait(&lab.live()), before);
    assert_eq!(run(Command::new("find").arg(lab.live()).args(["-printf", "%p %i\n"])), inodes);
}

#[test]
fn a_mount_point_that_cannot_be_exchanged_is_merged_into() {
    let lab = Lab::new();
    let mount = |path: &Path| run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(path));
    let media = lab.live().join("media");
    mount(&lab.live());
    lab.shell("mkdir media d; echo 1 >d/f; head -c 300K /dev/urandom >big");
    mount(&media);
    lab.shell("echo 1 >media/m; mkdir media/sub; echo 1 >media/sub/s; touch -d 2001-02-03 media .");
    lab.collect(FULL, &[]);
    let good = portrait(&lab.live());
    lab.shell("echo 2 >d/f; rm big; echo 2 >media/m; rm -r media/sub; echo new >media/new");
    let refused = lab.call(&["run"]);
    let merged = lab.call(&["run", "--mode", "merge", "--delete"]);
    let found = std::panic::catch_unwind(|| {
        assert_eq!(refused.kind, "invalid_option", "{refused:?}");
        assert!(refused.hint.contains("mode: merge"), "{refused:?}");
        assert!(merged.changed, "{merged:?}");
        assert_eq!(portrait(&lab.live()), good);
        assert_clean(&lab, "two file systems");
    });
    run(Command::new("umount").arg(&media));
    run(Command::new("umount").arg(lab.live()));
    found.unwrap();
}

#[test]
fn one_path_and_nothing_beside_it() {
    let lab = Lab::new();
    let (first, second) = two_days(&lab);
    let path = |name: &str| lab.live().join(name).display().to_string();
    let answer =
        lab.restore(&["--generation", FULL, "--path", &path("a/b"), "--path", &path("cap"), "--path", &path("a/h1")]);
    assert!(answer.changed);
    for name in ["a/b", "c", "closed"] {
        let tree = if name == "a/b" { &first } else { &second };
        assert_same(&tree.join(name), &lab.live().join(name), name);
    }
    let capabilities = run(Command::new("getcap").arg(lab.live().join("cap")));
    assert!(capabilities.contains("cap_net_raw"), "{capabilities}");
    // Its first name was not asked for: it is the same file again only because that one is as it was.
    assert_eq!(fs::read(lab.live().join("a/h1")).unwrap(), fs::read(first.join("a/h1")).unwrap());
    let time = |path: &Path| path.metadata().unwrap().mtime();
    assert_eq!(time(&lab.live()), time(&second), "the way there keeps its time");
    assert!(lab.live().join("n1").exists());
    let refused = lab.call(&["run", "--mode", "replace", "--path", &path("a")]);
    assert!(refused.kind == "invalid_option" && refused.msg.contains("mode"), "{refused:?}");
}

#[test]
fn what_is_in_the_way_is_refused_and_what_is_excluded_stays() {
    let lab = Lab::new();
    lab.job("", "    exclude: [\"*.tmp\"]\n", "[LIVE]");
    lab.shell("echo file >x; echo y >y");
    lab.collect(FULL, &[]);
    lab.shell("rm x; mkdir x; echo precious >x/precious");
    let before = support::marks(&lab.live());
    let refused = lab.call(&["run", "--mode", "merge"]);
    assert_eq!(refused.kind, "invalid_option", "{refused:?}");
    assert!(refused.msg.contains("/x") && refused.hint.contains("delete"), "{refused:?}");
    assert_eq!(support::marks(&lab.live()), before);
    lab.shell("echo cache >x/a.tmp");
    assert!(lab.call(&["run", "--mode", "merge", "--delete"]).msg.contains("a.tmp"));
    lab.shell("rm x/a.tmp; mkdir old; echo 1 >old/1; echo cache >old/b.tmp; mkdir gone");
    let answer = lab.restore(&["--mode", "merge", "--delete"]);
    assert!(answer.warnings.iter().any(|warning| warning.contains("old") && warning.contains("b.tmp")), "{answer:?}");
    assert_eq!(fs::read_to_string(lab.live().join("x")).unwrap(), "file\n");
    assert!(lab.live().join("old/b.tmp").exists() && !lab.live().join("gone").exists());
    assert_clean(&lab, "a merge");
    for arguments in
        [&["--delete"][..], &["--mode", "merge", "--keep-old"], &["--mode", "merge", "--target", "/nowhere"]]
    {
        let refused = lab.call(&[&["run"], arguments].concat());
        assert!(refused.kind == "invalid_option" && !refused.hint.is_empty(), "{arguments:?}: {refused:?}");
    }
}

#[test]
fn what_the_application_writes_until_it_is_stopped_is_merged_as_well() {
    let lab = Lab::new();
    let hooks =
        "restore: {hooks: {before: [{run: [sh, -c, \"echo late >LIVE/same; rm LIVE/hard; echo x >LIVE/d/late\"]}]}}\n";
    lab.job(hooks, "", "[LIVE]");
    lab.shell("mkdir d; echo same >same; ln same hard; echo 1 >f");
    lab.collect(FULL, &[]);
    support::copy(&lab.live(), &lab.path("good"));
    lab.shell("echo 2 >f");
    lab.restore(&["--mode", "merge", "--delete"]);
    assert_same(&lab.path("good"), &lab.live(), "after late writes");
    assert_clean(&lab, "late writes");
}

/// Runs a merge that stops at a point, has `script` done, and lets it go on.
fn merge_with(lab: &Lab, point: &str, script: &str) -> support::Answer {
    let mut command = lab.command(&["run", "--mode", "merge"]);
    command.env("HANDOVER_FAULT", point).env("HANDOVER_FAULT_ACTION", "pause");
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/stat", child.id());
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !fs::read_to_string(&status).unwrap().contains(") T ") {
        assert!(std::time::Instant::now() < deadline, "{point} was not reached");
        std::thread::yield_now();
    }
    lab.shell(script);
    run(Command::new("kill").args(["-CONT", &child.id().to_string()]));
    support::answer(&child.wait_with_output().unwrap())
}

#[test]
fn a_disk_that_fills_up_meanwhile_leaves_everything_as_it_was() {
    let lab = Lab::new();
    fs::create_dir(lab.path("state")).unwrap();
    let mount = |path: &Path| run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=8M", "none"]).arg(path));
    mount(&lab.live());
    mount(&lab.path("state"));
    lab.shell("for n in $(seq 300); do echo $n >f$n; done; head -c 2M /dev/urandom >big");
    lab.collect(FULL, &[]);
    lab.shell("for n in $(seq 300); do echo other >f$n; done; head -c 2M /dev/urandom >big");
    lab.shell("touch -d @9 .");
    let bad = portrait(&lab.live());
    let trees = lab.call(&["plan", "--mode", "merge"]);
    let mut answers = Vec::new();
    for (point, place) in [("restore.merge.noted", "srv/shop"), ("restore.merge.staged", "state")] {
        let fill = format!("cat /dev/zero >$ROOM/{place}/filler 2>/dev/null || true");
        answers.push((point, merge_with(&lab, point, &fill)));
        lab.shell(&format!("rm -f $ROOM/{place}/filler; touch -d @9 ."));
        answers.push((point, lab.call(&["recover"])));
    }
    let found = std::panic::catch_unwind(|| {
        assert!(trees.changed);
        for (point, answer) in answers.iter().step_by(2) {
            assert_eq!(answer.kind, "no_space", "{point}: {answer:?}");
        }
        assert_eq!(portrait(&lab.live()), bad);
        assert_clean(&lab, "a full disk");
    });
    run(Command::new("umount").arg(lab.live()));
    run(Command::new("umount").arg(lab.path("state")));
    found.unwrap();
}

#[test]
fn an_incremental_is_merged_over_what_became_of_its_base() {
    let lab = Lab::new();
    let (_, second) = two_days(&lab);
    run(Command::new("rm").arg("-rf").arg(lab.live()));
    support::copy(&lab.path("first"), &lab.live());
    lab.shell(NEXT_DAY);
    lab.shell("dd if=/dev/urandom of=big bs=1 seek=5000 count=9 conv=notrunc status=none");
    lab.restore(&["--mode", "merge", "--delete", "--generation", INCREMENTAL]);
    assert_same(&second, &lab.live(), "a patched file");
    assert!(names(&lab.path("srv")).len() == 1);
}
