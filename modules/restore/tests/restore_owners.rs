//! Owners are found by name or by number, or as declared, on a host whose accounts are not the source's. The other host is a file
//! system of its own, in which `/etc/passwd` and `/etc/group` are others.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Answer, FULL, INCREMENTAL, Lab, answer, run};

const SOURCE: &str = "alice:4001 bob:4002 carol:4003";
/// Bob is gone, and his number is somebody else's.
const TARGET: &str = "alice:5001 mallory:4002 carol:4003 www:5009";

/// Writes the accounts of a host: names with the number of user and group.
fn accounts(lab: &Lab, host: &str, names: &str) {
    let (mut users, mut groups) = ("root:x:0:0::/root:/bin/sh\n".to_owned(), "root:x:0:\n".to_owned());
    for (name, number) in names.split(' ').filter_map(|account| account.split_once(':')) {
        writeln!(users, "{name}:x:{number}:{number}::/:/bin/false").unwrap();
        writeln!(groups, "{name}:x:{number}:").unwrap();
    }
    fs::write(lab.path(format!("{host}.passwd")), users).unwrap();
    fs::write(lab.path(format!("{host}.group")), groups).unwrap();
}

/// A command on that host.
fn on(lab: &Lab, host: &str, command: &Command) -> Command {
    let mut other = Command::new("unshare");
    other.args(["--mount", "sh", "-euc"]);
    other.arg("mount --bind \"$0.passwd\" /etc/passwd; mount --bind \"$0.group\" /etc/group; exec \"$@\"");
    other.arg(lab.path(host)).arg(command.get_program()).args(command.get_args());
    other
}

fn collect(lab: &Lab, id: &str, options: &[&str]) {
    let mut builder = Command::new("python3");
    builder.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/support/build_generation.py"));
    builder.arg(lab.path("restore")).args(["shop", "data", id]).args(options).arg(lab.live());
    run(&mut on(lab, "source", &builder));
    lab.sign(id, "sink_key");
}

fn restore(lab: &Lab, arguments: &[&str]) -> Answer {
    answer(&on(lab, "target", &lab.command(arguments)).output().unwrap())
}

/// Who owns what below a directory, and whom ACLs name, all in numbers.
fn owned(tree: &Path) -> String {
    let script =
        "find . -printf '%P %U:%G\\n' | sort; getfacl -Rnp . | grep -E '^(default:)?(user|group):[0-9]' | sort";
    run(Command::new("bash").args(["-euc", script]).current_dir(tree).env("LC_ALL", "C"))
}

fn lab() -> Lab {
    let lab = Lab::new();
    accounts(&lab, "source", SOURCE);
    accounts(&lab, "target", TARGET);
    lab.shell(
        "mkdir d; echo 1 >alice; ln alice d/again; echo 2 >d/bob; ln -s x link; echo 3 >nobody; echo 4 >carol; chown 4003:4003 carol\n\
         chown -h 4001:4001 . alice d link; chown 4002:4002 d/bob; chown 4999:0 nobody; chmod 4755 alice; setcap cap_net_raw+ep nobody\n\
         setfacl -m u:4002:r,u:4001:rw,g:4001:r,u:4777:x nobody; setfacl -d -m u:4001:rwx d",
    );
    collect(&lab, FULL, &[]);
    lab
}

const BY_NAME: &str = " 5001:5001\nalice 5001:5001\ncarol 4003:4003\nd 5001:5001\nd/again 5001:5001\nd/bob 4002:4002\n\
    link 5001:5001\nnobody 4999:0\ndefault:user:5001:rwx\ngroup:5001:r--\nuser:4002:r--\nuser:4777:--x\nuser:5001:rw-\n";

#[test]
fn by_name_where_it_is_known_else_by_number() {
    let lab = lab();
    let before = owned(&lab.live());
    let planned = restore(&lab, &["plan", "--diff"]);
    assert_eq!(owned(&lab.live()), before);
    let done = restore(&lab, &["run", "--diff"]);
    assert_eq!(owned(&lab.live()), BY_NAME, "{done:?}");
    assert!(run(Command::new("getcap").arg(lab.live().join("nobody"))).contains("cap_net_raw=ep"));
    assert_eq!(run(Command::new("stat").args(["-c", "%a"]).arg(lab.live().join("alice"))), "4755\n");
    assert_eq!(planned.diff[0].prepared, done.diff[0].prepared);
    let lines: Vec<_> = done.diff[0].prepared.lines().collect();
    for line in [
        "@ user alice (4001) becomes 5001 (alice)",
        "@ group alice (4001) becomes 5001 (alice)",
        "@ user bob (4002) becomes 4002 (mallory)",
        &format!("~ {}/alice (owner)", lab.live().display()),
    ] {
        assert!(lines.contains(&line), "{line} is not in {lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with('@')).count(), 4, "{lines:#?}");
    assert_eq!(done.streams[0].owners.len(), 4);
    let told =
        |warning: &String| warning.contains("user bob") && warning.contains("4002") && warning.contains("mallory");
    assert!(done.warnings.iter().any(told), "{:?}", done.warnings);
    assert!(!restore(&lab, &["run"]).changed, "the second time there is nothing to do");
}

#[test]
fn by_number_whatever_it_means() {
    let lab = lab();
    let before = owned(&lab.live());
    assert!(!restore(&lab, &["run", "--owners", "number"]).changed);
    let target = lab.path("target");
    let done = restore(&lab, &["run", "--owners", "number", "--target", target.to_str().unwrap()]);
    assert!(done.changed && done.warnings.is_empty() && done.streams[0].owners.is_empty(), "{done:?}");
    assert_eq!(owned(&lab.within(&target)), before);
}

#[test]
fn as_declared_in_every_way_to_restore() {
    let expected = " 5009:5009\nalice 5009:5009\ncarol 4003:4003\nd 5009:5009\nd/again 5009:5009\nd/bob 6002:6002\n\
        link 5009:5009\nnobody 5001:0\ndefault:user:5009:rwx\ngroup:5009:r--\nuser:4777:--x\nuser:5009:rw-\nuser:6002:r--\n";
    let declared = [
        "--map-users",
        r#"{"alice": "www", "bob": 6002, "4999": "alice"}"#,
        "--map-groups",
        r#"{"4001": "www", "bob": "6002"}"#,
    ];
    for (how, undo) in [
        (&["--owners", "number"][..], ""),
        (&["--mode", "merge"], ""),
        (&["--mode", "merge"], "rm alice d/again"),
        (&["--target"], ""),
    ] {
        let lab = lab();
        lab.shell(undo);
        let target = lab.path("elsewhere");
        let mut arguments = [&["run"], how].concat();
        if how == ["--target"] {
            arguments.push(target.to_str().unwrap());
        }
        arguments.extend(declared);
        let done = restore(&lab, &arguments);
        assert!(done.changed && done.warnings.is_empty(), "{how:?}: {done:?}");
        let tree = if how == ["--target"] { lab.within(&target) } else { lab.live() };
        assert_eq!(owned(&tree), expected, "{how:?}");
        assert!(!restore(&lab, &arguments).changed, "{how:?}");
    }
}

#[test]
fn one_path_of_an_incremental_and_its_links() {
    let lab = lab();
    lab.shell("echo more >d/bob; chown 4003 d/bob; mkdir e; echo 9 >e/f; chown -R 4001 e");
    collect(&lab, INCREMENTAL, &["--base", FULL]);
    let target = lab.path("part");
    let paths = ["d", "e"].map(|name| format!("{}/{name}", lab.live().display()));
    let done = restore(&lab, &["run", "--path", &paths[0], "--path", &paths[1], "--target", target.to_str().unwrap()]);
    assert!(done.changed, "{done:?}");
    let found = owned(&lab.within(&target));
    for line in ["d 5001:5001", "d/again 5001:5001", "d/bob 4003:4002", "e 5001:0", "e/f 5001:0"] {
        assert!(found.lines().any(|one| one == line), "{line}: {found}");
    }
    assert!(
        done.warnings.iter().any(|warning| warning.contains("group bob")),
        "bob's group is in it: {:?}",
        done.warnings
    );
    assert!(!done.warnings.iter().any(|warning| warning.contains("user bob")), "bob is not: {:?}", done.warnings);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_changed() {
    let lab = lab();
    lab.shell("echo other >alice");
    let before = (owned(&lab.live()), support::marks(&lab.live()));
    for (option, value, said) in [
        ("--map-users", r#"{"alice": "bob"}"#, r#"option map_users: alice: there is no user "bob" on this host"#),
        ("--map-groups", r#"{"alice": "bob"}"#, r#"option map_groups: alice: there is no group "bob" on this host"#),
        (
            "--map-users",
            r#"{"alice": "mallory"}"#,
            "option map_users: users 4001 and 4002 become 4002, and an ACL gives them different rights",
        ),
    ] {
        for action in ["plan", "run"] {
            let refused = restore(&lab, &[action, option, value]);
            assert_eq!(refused.kind, "invalid_option", "{refused:?}");
            assert!(refused.msg.contains(said), "{refused:?}");
            assert!(!refused.hint.is_empty() && !refused.changed, "{refused:?}");
        }
    }
    assert_eq!((owned(&lab.live()), support::marks(&lab.live())), before);
    lab.assert_clean("a refusal");
    let warned = restore(&lab, &["plan", "--map-users", r#"{"alcie": "www"}"#]);
    assert!(warned.warnings.iter().any(|warning| warning.contains("nothing belongs to user alcie")), "{warned:?}");
}
