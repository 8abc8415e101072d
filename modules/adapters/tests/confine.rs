//! What a confined program can still do, tried by plain tools. Where the kernel has no Landlock this test says so and fails:
//! it has nothing to show there.
#![allow(clippy::unwrap_used)]

use backup_adapters::command::Command;
use backup_adapters::confine::{Confinement, Force};
use std::fs;
use std::path::Path;

/// What a script prints under confinement to `room/mine` (write) and `room/shared` (read).
fn tries(room: &Path, script: &str) -> Result<String, String> {
    let confinement = Confinement { read: vec![room.join("shared")], write: vec![room.join("mine")] };
    let command = Command::new("sh").args(["-c", script]).directory(room.join("mine")).confined(confinement);
    command.run().map(|output| output.text()).map_err(|error| error.to_string())
}

#[test]
fn a_confined_program_stays_where_it_is() {
    let force = Force::here();
    assert_ne!(force, Force::None, "this kernel has no Landlock: what is confined cannot be shown here");
    let room = tempfile::tempdir().unwrap();
    for folder in ["mine", "mine/sub", "shared", "other"] {
        fs::create_dir_all(room.path().join(folder)).unwrap();
        fs::write(room.path().join(folder).join("file"), "text\n").unwrap();
    }
    let room = room.path();
    for allowed in [
        "cat file ../shared/file",
        "echo x > new; mv new sub/new; mkdir deep; rm -r deep sub/new; : > file",
        "cat < /dev/null > /dev/null",
    ] {
        tries(room, &format!("set -e; {allowed}")).unwrap();
    }
    for forbidden in [
        "cat ../other/file",
        "cat /etc/passwd",
        "ls ..",
        "echo x > ../shared/file",
        "echo x >> ../shared/file",
        "echo x > ../other/new",
        "rm ../shared/file",
        "ln ../shared/file stolen && echo x > stolen",
        "ln ../other/file stolen && echo x > stolen",
        "mv ../shared/file .",
        "mv file ../shared/moved",
        "mkfifo pipe",
        "mknod device c 1 3",
        "ln -s /etc/passwd link",
        "cp /bin/true .; ./true; said=$?; rm true; exit $said",
        "cat /proc/1/environ",
        "kill -0 1",
    ] {
        let result = tries(room, forbidden);
        // Signals are scoped from Linux 6.12 on.
        assert!(result.is_err() || forbidden.starts_with("kill") && force == Force::Partial, "{forbidden}: {result:?}");
    }
    // Everything there is as it was, but for what was allowed.
    let find = std::process::Command::new("find").arg(".").current_dir(room).output().unwrap();
    let mut left: Vec<_> = std::str::from_utf8(&find.stdout).unwrap().lines().collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            ".",
            "./mine",
            "./mine/file",
            "./mine/sub",
            "./mine/sub/file",
            "./other",
            "./other/file",
            "./shared",
            "./shared/file"
        ]
    );
    for kept in ["mine/sub/file", "other/file", "shared/file"] {
        assert_eq!(fs::read_to_string(room.join(kept)).unwrap(), "text\n", "{kept}");
    }
    // We ourselves are free as before.
    fs::write(room.join("other/file"), "ours").unwrap();
}

#[test]
fn a_confined_program_connects_to_nobody() {
    if Force::here() != Force::Full {
        eprintln!("this kernel's Landlock does not know connections");
        return;
    }
    let room = tempfile::tempdir().unwrap();
    fs::create_dir(room.path().join("mine")).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!("bash -c ': > /dev/tcp/127.0.0.1/{port}'");
    assert!(std::process::Command::new("sh").args(["-c", &connect]).status().unwrap().success(), "without confinement");
    let refused = tries(room.path(), &connect).unwrap_err();
    assert!(refused.contains("Permission denied"), "{refused}");
}
