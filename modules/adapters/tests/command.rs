//! Real children: their environment, output, end, and the end of their descendants.
#![allow(clippy::unwrap_used)]

use backup_adapters::command::{Command, CommandError, Input};
use backup_adapters::{host, users};
use backup_core::{Failure, Kind};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

fn sh(script: &str) -> Command {
    Command::new("sh").arg("-c").arg(script)
}

/// Polls a condition until it holds; there is no event for "that process has gone".
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

#[test]
fn the_environment_is_only_ours() {
    let output = Command::new("env").env("GIVEN", "1").run().unwrap();
    let mut lines: Vec<_> = output.text().lines().map(|line| line.split('=').next().unwrap().to_owned()).collect();
    lines.sort();
    assert_eq!(lines, ["GIVEN", "LANG", "PATH"]);
}

#[test]
fn a_missing_program_names_its_package() {
    let error = Command::new("no-such-program").run().unwrap_err();
    assert_eq!(error.kind(), Kind::MissingTool);
    assert!(error.to_string().contains("no-such-program"));
    let error = Command::new("/nowhere/rsync").run().unwrap_err();
    assert_eq!(error.hint().unwrap(), "Install the package rsync.");
}

#[test]
fn the_exit_status_decides_and_stderr_explains() {
    let error = sh("echo out; echo why >&2; exit 3").run().unwrap_err();
    assert_eq!((error.kind(), error.code(), error.stderr()), (Kind::CommandFailed, Some(3), "why"));
    assert_eq!(error.to_string(), "sh ended with exit status 3: why");
    let output = sh("echo out; exit 3").accept(&[3]).run().unwrap();
    assert_eq!((output.code, output.text().as_str()), (3, "out\n"));
    let error = sh("kill -9 $$").run().unwrap_err();
    assert_eq!(error.to_string(), "sh ended with signal SIGKILL");
}

#[test]
fn a_noisy_child_does_not_block_and_only_the_end_is_kept() {
    let output = sh("yes noise | head -c 3000000 >&2; echo last >&2; echo done").run().unwrap();
    assert_eq!(output.text(), "done\n");
    assert!(output.stderr.ends_with("last") && output.stderr.len() <= 4096);
}

#[test]
fn a_timeout_ends_the_whole_group_even_if_it_ignores_sigterm() {
    let room = tempfile::tempdir().unwrap();
    let pids = room.path().join("pids");
    let script = format!(
        "trap '' TERM; sleep 1000 & echo $! >{0}; echo $$ >>{0}; echo hangs >&2; while :; do wait; done",
        pids.display()
    );
    let started = Instant::now();
    // A busy machine needs some of that until it hangs.
    let error = sh(&script).timeout(Duration::from_secs(2)).grace(Duration::from_millis(200)).run().unwrap_err();
    assert!(started.elapsed() < Duration::from_mins(5));
    assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
    assert_eq!(error.stderr(), "hangs");
    for pid in std::fs::read_to_string(pids).unwrap().lines() {
        eventually("the group has gone", || !alive(pid));
    }
}

#[test]
fn dropping_a_stream_ends_the_child() {
    let mut running = sh("echo $$; exec sleep 1000").stream().unwrap();
    let mut pid = [0; 16];
    let count = running.read(&mut pid).unwrap();
    let pid = String::from_utf8_lossy(&pid[..count]).into_owned();
    assert!(alive(&pid));
    drop(running);
    assert!(!alive(&pid));
}

#[test]
fn a_stream_that_fails_late_is_worth_nothing() {
    let mut bytes = Vec::new();
    let error = sh("head -c 1000000 /dev/zero; echo lost connection >&2; exit 2").run_to(&mut bytes).unwrap_err();
    assert_eq!(bytes.len(), 1_000_000);
    assert_eq!(error.stderr(), "lost connection");
    assert_eq!(sh("head -c 1000000 /dev/zero").run_to(&mut io::sink()).unwrap(), 1_000_000);
}

#[test]
fn a_stream_that_hangs_is_ended_in_the_middle() {
    let error = sh("echo begin; sleep 1000").timeout(Duration::from_millis(300)).run_to(&mut io::sink()).unwrap_err();
    assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
}

#[test]
fn a_full_disk_under_the_stream_is_told_as_such() {
    let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = sh("cat /dev/zero").run_to(&mut full).unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace);
}

#[test]
fn input_comes_from_bytes_a_file_or_a_reader() {
    assert_eq!(sh("cat").input(Input::Bytes(vec![b'x'; 300_000])).run().unwrap().stdout.len(), 300_000);
    let file = std::fs::File::open("/etc/passwd").unwrap();
    assert_eq!(sh("cat").input(Input::File(file)).run().unwrap().stdout, std::fs::read("/etc/passwd").unwrap());
    let reader = Box::new(io::repeat(b'y').take(200_000));
    assert_eq!(sh("wc -c").input(Input::Reader(reader)).run().unwrap().text().trim(), "200000");
    assert_eq!(sh("cat").run().unwrap().stdout, b"");
    // A child may ignore its input.
    sh("true").input(Input::Bytes(vec![0; 10_000_000])).run().unwrap();
}

#[test]
fn a_broken_input_never_looks_complete() {
    struct Breaks(bool);
    impl Read for Breaks {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("the source broke"));
            }
            buffer[0] = b'x';
            Ok(1)
        }
    }
    let room = tempfile::tempdir().unwrap();
    let loaded = room.path().join("loaded");
    let script = format!("cat >/dev/null; touch {}", loaded.display());
    let error = sh(&script).input(Input::Reader(Box::new(Breaks(false)))).run().unwrap_err();
    assert!(error.to_string().contains("the source broke"), "{error}");
    assert!(!loaded.exists());
}

#[test]
fn output_is_bounded() {
    let error = sh("cat /dev/zero").limit(100_000).run().unwrap_err();
    assert!(matches!(error, CommandError::TooMuchOutput { limit: 100_000, .. }), "{error}");
}

#[test]
fn a_daemon_left_behind_neither_blocks_nor_dies() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("pid");
    let script = format!("(while :; do echo alive; echo alive >&2; sleep 0.05; done) & echo $! >{}", file.display());
    let started = Instant::now();
    sh(&script).timeout(Duration::from_mins(1)).run_quiet().unwrap();
    assert!(started.elapsed() < Duration::from_secs(50));
    let pid = std::fs::read_to_string(file).unwrap();
    // It has to survive a few of its own writes.
    std::thread::sleep(Duration::from_millis(300));
    assert!(alive(&pid));
    Command::new("kill").arg(pid.trim()).run().unwrap();
    // Captured output does not wait for such a daemon either.
    let output = sh("sleep 5 & echo started").timeout(Duration::from_mins(1)).run().unwrap();
    assert_eq!(output.text(), "started\n");
}

#[test]
fn runs_as_another_user_with_its_groups_and_home() {
    assert!(users::is_root(), "this test needs root");
    let nobody = users::by_name("nobody").unwrap();
    let output = sh("id -un; id -G; echo $HOME").as_user(&nobody).directory("/").run().unwrap();
    let groups = std::process::Command::new("id").args(["-G", "nobody"]).output().unwrap();
    let expected = format!("nobody\n{}{}\n", String::from_utf8(groups.stdout).unwrap(), nobody.home.display());
    assert_eq!(output.text(), expected);
}

#[test]
fn runs_in_its_own_session_directory_and_priority() {
    let output = sh("pwd; nice; ionice; ps -o sid= -p $$; echo $$")
        .directory("/usr")
        .niceness(host::Niceness { nice: 5, io: host::IoClass::Idle })
        .run()
        .unwrap();
    let text = output.text();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    assert_eq!(lines[..3], ["/usr", "5", "idle"]);
    assert_eq!(lines[3], lines[4], "session leader");
}

#[test]
fn keeps_a_descriptor_open_and_no_other() {
    use std::os::fd::AsRawFd;
    let kept = std::fs::File::open("/etc/passwd").unwrap();
    let other = std::fs::File::open("/etc/group").unwrap();
    let descriptor = OwnedFd::from(kept.try_clone().unwrap());
    let script = format!(
        "readlink /proc/$$/fd/{}; readlink /proc/$$/fd/{} || echo none",
        descriptor.as_raw_fd(),
        other.as_raw_fd()
    );
    assert_eq!(sh(&script).keep_open(descriptor).run().unwrap().text(), "/etc/passwd\nnone\n");
}

#[test]
fn attached_children_use_our_own_descriptors_and_session() {
    let failed = sh("exit 4").run_attached().unwrap_err();
    assert_eq!(failed.code(), Some(4));
    // The test's own stdin and session are what the child gets.
    let link = |file: &str| std::fs::read_link(file).unwrap();
    let script = format!("test \"$(readlink /proc/$$/fd/0)\" = '{}'", link("/proc/self/fd/0").display());
    sh(&script).run_attached().unwrap();
    let ours = own_session();
    sh(&format!("test $(ps -o sid= -p $$) = {ours}")).run_attached().unwrap();
}

fn own_session() -> String {
    let told = std::process::Command::new("ps").args(["-o", "sid=", "-p", &std::process::id().to_string()]).output();
    String::from_utf8(told.unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn a_detached_child_outlives_its_handle() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("pid");
    drop(sh(&format!("echo $$ >{0}.tmp; mv {0}.tmp {0}; exec sleep 1000", file.display())).detach().unwrap());
    eventually("it runs", || file.exists());
    let pid = std::fs::read_to_string(&file).unwrap();
    assert!(alive(&pid));
    Command::new("kill").arg(pid.trim()).run().unwrap();
}
