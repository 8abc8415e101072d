//! Locks between real processes.
#![allow(clippy::unwrap_used)]

use backup_adapters::command::Command;
use backup_adapters::lock::Lock;
use backup_core::{Failure, Kind};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

#[test]
fn says_who_holds_it_and_is_free_after_kill_minus_nine() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("job.lock");
    drop(Lock::take(&path, "earlier run").unwrap());

    // flock(1) as a foreign holder, killed by SIGKILL with its group.
    let mut holder = Command::new("flock").arg(&path).args(["sh", "-c", "echo held; sleep 1000"]).stream().unwrap();
    let mut held = [0; 4];
    holder.read_exact(&mut held).unwrap();
    let error = Lock::take(&path, "me").unwrap_err();
    assert_eq!(error.kind(), Kind::Locked);
    assert!(error.retryable());
    assert!(error.to_string().contains("earlier run (pid "), "{error}");
    drop(holder);

    // The last of the killed group may take a moment to go.
    let lock = Lock::take_until(&path, "me", Instant::now() + Duration::from_mins(1)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("me (pid {})\n", std::process::id()));
    assert_eq!(lock.path(), path);
}

#[test]
fn waits_until_its_deadline_and_no_longer() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("job.lock");
    let held = Lock::take(&path, "first").unwrap();
    let started = Instant::now();
    let error = Lock::take_until(&path, "second", started + Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.kind(), Kind::Locked);
    assert!(started.elapsed() >= Duration::from_millis(300));

    let freer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(held);
    });
    Lock::take_until(&path, "second", Instant::now() + Duration::from_secs(20)).unwrap();
    freer.join().unwrap();
}

#[test]
fn whoever_only_asks_disturbs_nobody_who_asks() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("job.lock");
    assert!(Lock::is_free(&path).unwrap(), "nobody has made it yet");
    assert!(!path.exists());
    let held = Lock::take(&path, "owner").unwrap();
    assert!(!Lock::is_free(&path).unwrap());
    drop(held);

    // flock(1) as another one who asks, just now.
    let mut other =
        Command::new("flock").arg("--shared").arg(&path).args(["sh", "-c", "echo held; sleep 1000"]).stream().unwrap();
    other.read_exact(&mut [0; 4]).unwrap();
    assert!(Lock::is_free(&path).unwrap());
}

#[test]
fn a_child_that_got_the_descriptor_holds_it_after_us() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("job.lock");
    let lock = Lock::take(&path, "parent").unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "echo up; exec sleep 1000"])
        .keep_open(lock.descriptor().unwrap())
        .stream()
        .unwrap();
    let mut up = [0; 2];
    child.read_exact(&mut up).unwrap();
    drop(lock);
    assert_eq!(Lock::take(&path, "other").unwrap_err().kind(), Kind::Locked);
    drop(child);
    Lock::take_until(&path, "other", Instant::now() + Duration::from_mins(1)).unwrap();
}

#[test]
fn a_link_in_place_of_the_file_is_refused() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("job.lock");
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_eq!(Lock::take(&path, "me").unwrap_err().kind(), Kind::Io);
}

#[test]
fn the_file_belongs_to_the_owner_of_its_directory_whoever_makes_it() {
    assert!(backup_adapters::users::is_root(), "this test needs root");
    let room = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(room.path(), Some(1), Some(2)).unwrap();
    let path = room.path().join(".lock");
    // A second take changes nothing, neither of ours nor of what somebody else put there.
    for _ in 0..2 {
        drop(Lock::take(&path, "root").unwrap());
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (1, 2, 0o600));
    }
    std::os::unix::fs::chown(&path, Some(3), Some(3)).unwrap();
    drop(Lock::take(&path, "root").unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().uid(), 3);
}
