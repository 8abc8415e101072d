//! Capabilities and labels of SELinux: what comes from the copy, and what is the host's own affair. No kernel here runs SELinux, but
//! every one keeps its attribute; where a host is to run it, the test shows it a sign of that, and a `restorecon` with a simple policy.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Answer, FULL, Lab, answer, portrait, run};

const MERGE: [&str; 2] = ["--mode", "merge"];

/// Paths with their labels.
fn labels(tree: &Path) -> String {
    let script = "getfattr -Rhn security.selinux --absolute-names . 2>/dev/null | awk -F= '/^# file: / { path = substr($0, 9) } /^security/ { print path, $2 }' | sort | paste -sd' '";
    run(Command::new("bash").args(["-euc", script]).current_dir(tree).env("LC_ALL", "C")).trim().to_owned()
}

fn capabilities(tree: &Path) -> String {
    run(Command::new("getcap").args(["-r", "."]).current_dir(tree)).trim().to_owned()
}

const LABEL: &str = "label() { setfattr -hn security.selinux -v \"$@\"; }; ";

/// A tree with labels and a capability, collected; then all of it is changed.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.shell(&format!(
        "{LABEL} mkdir d; echo 1 >d/f; echo 2 >plain; cp /bin/true program; setcap cap_net_raw+ep program; ln -s x link\n\
         label src:d d; label src:f d/f; label src:program program; label src:link link"
    ));
    lab.collect(FULL, &[]);
    lab
}

const SOURCE: &str = "./d \"src:d\" ./d/f \"src:f\" ./link \"src:link\" ./program \"src:program\"";

#[test]
fn labels_are_the_hosts_unless_they_are_to_be_kept() {
    let lab = lab();
    lab.shell(&format!("{LABEL} label here:d d; label here:plain plain; label here:f d/f"));
    assert!(!lab.restore(&[]).changed, "labels alone are no difference");
    assert!(!lab.restore(&MERGE).changed);
    let (old, target) = (labels(&lab.live()), lab.path("target"));
    lab.shell("touch plain d; chmod 600 d/f; chmod 700 d");
    assert!(lab.restore(&MERGE).changed);
    assert_eq!(labels(&lab.live()), old, "what is only set keeps its label");
    lab.shell("rm d/f");
    assert!(lab.restore(&MERGE).changed);
    assert_eq!(labels(&lab.live()), old.replace(" ./d/f \"here:f\"", ""), "what comes has none of the copy");
    lab.restore(&["--target", target.to_str().unwrap()]);
    assert_eq!(labels(&lab.within(&target)), "");
    lab.shell("echo other >plain");
    lab.restore(&[]);
    assert_eq!(labels(&lab.live()), "");
    assert!(capabilities(&lab.live()).ends_with("program cap_net_raw=ep"));
}

#[test]
fn kept_labels_come_back_and_the_others_stay() {
    for how in [&[][..], &MERGE] {
        let lab = lab();
        lab.shell(&format!("{LABEL} label here:d d; label here:plain plain; rm link"));
        let arguments = [how, &["--labels", "kept"]].concat();
        assert!(lab.restore(&arguments).changed);
        let plain = if how.is_empty() { "" } else { " ./plain \"here:plain\"" };
        assert_eq!(labels(&lab.live()), SOURCE.replace(" ./program", &format!("{plain} ./program")), "{how:?}");
        assert!(!lab.restore(&arguments).changed, "{how:?}");
    }
    let lab = lab();
    let target = lab.path("target");
    lab.restore(&["--labels", "kept", "--target", target.to_str().unwrap()]);
    assert_eq!(labels(&lab.within(&target)), SOURCE);
}

#[test]
fn a_merge_that_is_undone_leaves_no_label_behind() {
    let lab = lab();
    lab.shell("setfattr -x security.selinux d; setfattr -hx security.selinux link; echo new >d/f");
    let before = portrait(&lab.live());
    for point in ["restore.merge.set:2", "restore.merge.synced"] {
        let mut command = lab.command(&["run", "--mode", "merge", "--labels", "kept"]);
        let killed = command.env("HANDOVER_FAULT", point).output().unwrap();
        assert_eq!(killed.status.code(), None, "{killed:?}");
        assert_ne!(portrait(&lab.live()), before, "{point}");
        let recovered = lab.call(&["recover", "--undo"]);
        assert!(!recovered.failed, "{recovered:?}");
        assert_eq!(portrait(&lab.live()), before, "{point}");
    }
}

#[test]
fn capabilities_are_kept_or_none() {
    let lab = lab();
    assert!(!lab.restore(&[]).changed);
    let target = lab.path("target");
    lab.restore(&["--capabilities", "none", "--target", target.to_str().unwrap()]);
    assert_eq!(capabilities(&lab.within(&target)), "");
    let arguments = [&MERGE[..], &["--capabilities", "none"]].concat();
    assert!(lab.restore(&arguments).changed);
    assert_eq!(capabilities(&lab.live()), "");
    assert!(!lab.restore(&arguments).changed);
    assert!(lab.restore(&MERGE).changed);
    assert_eq!(capabilities(&lab.live()), "./program cap_net_raw=ep");
}

/// On a host that seems to run SELinux, with this `restorecon` if there is any.
fn on_selinux(lab: &Lab, restorecon: Option<&str>, arguments: &[&str]) -> Answer {
    let sbin = lab.path("sbin");
    let _ = fs::remove_dir_all(&sbin);
    fs::create_dir_all(&sbin).unwrap();
    if let Some(script) = restorecon {
        support::make_executable(&sbin.join("restorecon"), &format!("#!/bin/bash\nset -eu\n{script}"));
    }
    let command = lab.command(arguments);
    let mut other = Command::new("unshare");
    other.args(["--mount", "sh", "-euc"]);
    other.arg(
        "mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce; mount --bind \"$0\" /usr/local/sbin; exec \"$@\"",
    );
    other.arg(sbin).arg(command.get_program()).args(command.get_args());
    answer(&other.output().unwrap())
}

/// Its policy: a label tells the place. It notes its options, and whether the service runs.
const RESTORECON: &str = r#"
echo "$* $(cat $ROOM/on)" >>$ROOM/relabelled
[ "$1" = -R ] && more= && shift || more=-maxdepth\ 0
[ "$*" = "-0 -f -" ]
while IFS= read -rd '' path; do find "$path" $more -printf '%p\0'; done |
    while IFS= read -rd '' path; do setfattr -hn security.selinux -v "at:$path" "$path"; done
"#;

#[test]
fn where_it_runs_its_policy_gives_the_labels_before_the_service_starts() {
    for how in [&[][..], &MERGE] {
        let lab = lab();
        let room = lab.room.path().display().to_string();
        let script = RESTORECON.replace("$ROOM", &room);
        lab.job(
            "services:\n  - {name: app, status: [grep, -q, running, ROOM/on], start: [sh, -c, 'echo running >ROOM/on'], stop: [sh, -c, 'echo off >ROOM/on']}\n",
            "",
            "[LIVE]",
        );
        fs::write(lab.path("on"), "running\n").unwrap();
        lab.shell("echo 3 >plain; rm d/f");
        let before = portrait(&lab.live());

        let refused = on_selinux(&lab, None, &[&["run"], how].concat());
        assert!(refused.kind == "missing_tool" && refused.msg.contains("option labels"), "{refused:?}");
        assert!(refused.hint.contains("policycoreutils"), "{refused:?}");
        assert_eq!(on_selinux(&lab, None, &[&["plan"], how].concat()).kind, "missing_tool");
        let failed = on_selinux(&lab, Some("cat >/dev/null; echo no policy >&2; exit 1"), &[&["run"], how].concat());
        assert!(failed.failed && failed.msg.contains("no policy"), "{failed:?}");
        assert_eq!(portrait(&lab.live()), before, "{how:?}: the old tree is back");
        assert_eq!(fs::read_to_string(lab.path("on")).unwrap(), "running\n");
        lab.assert_clean("a refusal");

        let done = on_selinux(&lab, Some(&script), &[&["run"], how].concat());
        assert!(done.changed, "{done:?}");
        let at = |name: &str| format!("./{name} \"at:{}/{name}\"", lab.live().display());
        let found = labels(&lab.live());
        let (options, expected) = if how.is_empty() {
            let all = ["d", "d/f", "link", "plain", "program"].map(at).join(" ");
            ("-R -0 -f - off\n", format!(". \"at:{}\" {all}", lab.live().display()))
        } else {
            // What only was set keeps its own.
            (
                "-0 -f - off\n",
                format!("./d \"src:d\" {} ./link \"src:link\" {} ./program \"src:program\"", at("d/f"), at("plain")),
            )
        };
        assert_eq!(found, expected, "{how:?}");
        assert_eq!(fs::read_to_string(lab.path("relabelled")).unwrap(), options, "{how:?}");
        assert!(!on_selinux(&lab, Some(&script), &[&["run"], how].concat()).changed, "{how:?}");
        let kept = on_selinux(&lab, None, &[&["run", "--labels", "kept"], how].concat());
        assert!(kept.changed, "{kept:?}");
        assert!(labels(&lab.live()).contains("./d/f \"src:f\""), "{how:?}");
    }
}
