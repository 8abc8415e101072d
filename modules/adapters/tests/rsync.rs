//! Real transfers between two rsyncs, with a script in place of ssh that does what the forced command does.
//!
//! The script asks this executable (the test `server`) for the server's arguments, so that both ends run what they
//! would run between hosts. `HANDOVER_TEST_RSYNC` names another rsync for the server, to try two versions together.
#![allow(clippy::unwrap_used)]

use backup_adapters::rsync::{self, Limits, Request, RsyncError, Stats, Transfer};
use backup_adapters::ssh::Peer;
use backup_core::{Failure, Kind};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const MB: u64 = 1_000_000;

/// Prints the server's arguments for the command in `SERVER_COMMAND`; does nothing when it is run as a test.
#[test]
fn server() {
    let Ok(command) = std::env::var("SERVER_COMMAND") else { return };
    let words: Vec<_> = command.split_whitespace().collect();
    assert_eq!(words[..2], ["transfer", "shop/data"], "the verb comes first: {command}");
    let request = Request::parse(&words[2..]).unwrap();
    println!(
        "\nWORDS {}",
        request.words(Path::new("there"), Limits { bandwidth: Some(100 * MB), ..Limits::default() }).join(" ")
    );
}

struct Room {
    room: tempfile::TempDir,
    peer: Peer,
}

impl Room {
    /// `before` is shell text that the server runs first.
    fn new(before: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        for name in ["here", "there", "previous"] {
            fs::create_dir(room.path().join(name)).unwrap();
        }
        let rsync = std::env::var("HANDOVER_TEST_RSYNC").unwrap_or_else(|_| "rsync".into());
        let script = format!(
            "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done; shift\n[ \"$1\" = sink.example ] || exit 255; shift\n\
             {before}\n\
             words=$(SERVER_COMMAND=\"$*\" '{}' --exact server --nocapture 2>/dev/null | sed -n 's/^WORDS //p')\n\
             cd '{}' && exec {rsync} $words\n",
            std::env::current_exe().unwrap().display(),
            room.path().join("there").display(),
        );
        let path = room.path().join("it's ssh");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let peer = Peer {
            host: "sink.example".into(),
            port: 22,
            user: "u".into(),
            identity: "/a key".into(),
            certificate: None,
            known_hosts: "/known hosts".into(),
            connect_timeout: Duration::from_secs(5),
            program: vec![path.to_str().unwrap().into()],
        };
        Self { room, peer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    fn transfer<'a>(&'a self, directory: &'a Path, names: &'a [String]) -> Transfer<'a> {
        Transfer {
            peer: &self.peer,
            verb: &["transfer", "shop/data"],
            directory,
            names,
            bandwidth: None,
            timeout: Some(Duration::from_mins(2)),
            niceness: None,
            interrupt: None,
            lock: None,
            ceiling: None,
        }
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.into()).collect()
}

fn random(path: &Path, bytes: u64) {
    let mut source = File::open("/dev/urandom").unwrap().take(bytes);
    std::io::copy(&mut source, &mut File::create(path).unwrap()).unwrap();
}

/// Overwrites every hundredth block of 64 KiB.
fn change_one_percent(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let mut block = vec![0; 64 << 10];
    for offset in (0..length).step_by(6_553_600) {
        File::open("/dev/urandom").unwrap().read_exact(&mut block).unwrap();
        let end = block.len().min(usize::try_from(length - offset).unwrap());
        file.write_all_at(&block[..end], offset).unwrap();
    }
}

fn assert_equal(one: &Path, other: &Path) {
    let told = Command::new("diff").args(["-r", "--no-dereference"]).args([one, other]).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
}

fn sample(directory: &Path) -> Vec<String> {
    fs::create_dir(directory.join("patches")).unwrap();
    random(&directory.join("data.tar.zst"), 3 * MB);
    fs::write(directory.join("patches/1.zst"), "patch").unwrap();
    fs::write(directory.join("SHA256SUMS"), "").unwrap();
    names(&["data.tar.zst", "patches/1.zst", "SHA256SUMS"])
}

#[test]
fn a_push_delivers_exactly_the_files() {
    let room = Room::new("");
    let names = sample(&room.path("here"));
    fs::write(room.path("here/not-named"), "").unwrap();
    let mut seen = 0;
    let here = room.path("here");
    let stats = room.transfer(&here, &names).push(&mut |done| seen = done).unwrap();
    assert_eq!((stats.total, stats.matched), (3 * MB + 5, 0));
    assert!(stats.sent > 3 * MB && seen == stats.total, "{stats:?} {seen}");
    fs::remove_file(room.path("here/not-named")).unwrap();
    rsync::basis::clear(&room.path("there")).unwrap();
    assert_equal(&room.path("here"), &room.path("there"));
}

#[test]
fn a_pull_fetches_exactly_the_files() {
    let room = Room::new("");
    let names = sample(&room.path("there"));
    fs::write(room.path("there/not-named"), "").unwrap();
    let here = room.path("here");
    let files: Vec<_> = names.iter().map(|name| (name.clone(), 1)).collect();
    rsync::basis::prepare(&here, None, &files).unwrap();
    let stats = room.transfer(&here, &names).pull(&mut |_| {}).unwrap();
    assert!(stats.received > 3 * MB);
    fs::remove_file(room.path("there/not-named")).unwrap();
    rsync::basis::clear(&here).unwrap();
    assert_equal(&room.path("there"), &here);
}

#[test]
fn more_names_than_rsync_takes_at_once_are_pulled_too() {
    let room = Room::new("");
    fs::create_dir(room.path("there/patches")).unwrap();
    let names: Vec<String> = (0..1200).map(|number| format!("patches/{number}.zst")).collect();
    for name in &names {
        fs::write(room.path("there").join(name), name).unwrap();
    }
    let here = room.path("here");
    let stats = room.transfer(&here, &names).pull(&mut |_| {}).unwrap();
    assert_eq!(stats.total, names.iter().map(|name| name.len() as u64).sum::<u64>());
    rsync::basis::clear(&here).unwrap();
    assert_equal(&room.path("there"), &here);
}

#[test]
fn a_file_of_equal_size_and_time_is_not_taken_for_equal() {
    let room = Room::new("");
    let (here, there) = (room.path("here"), room.path("there"));
    let names = names(&["manifest.json"]);
    for (directory, text) in [(&here, "new"), (&there, "old")] {
        fs::write(directory.join("manifest.json"), text).unwrap();
        let file = File::options().write(true).open(directory.join("manifest.json")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    room.transfer(&here, &names).push(&mut |_| {}).unwrap();
    assert_eq!(fs::read(there.join("manifest.json")).unwrap(), b"new");
}

/// Both directions, with the server's part of the preparation done here in the open.
fn attempt(room: &Room, push: bool, timeout: Option<Duration>) -> Result<Stats, RsyncError> {
    let names = names(&["data.tar.zst"]);
    let (from, to) = if push { ("here", "there") } else { ("there", "here") };
    let size = fs::metadata(room.path(from).join("data.tar.zst")).unwrap().len();
    rsync::basis::prepare(&room.path(to), Some(&room.path("previous")), &[(names[0].clone(), size)]).unwrap();
    assert!(!room.path(to).join("data.tar.zst").exists());
    let here = room.path("here");
    let mut transfer = room.transfer(&here, &names);
    if let Some(timeout) = timeout {
        transfer.timeout = Some(timeout);
        // Slow enough to be cut in the middle.
        transfer.bandwidth = Some(60 * MB);
    }
    if push { transfer.push(&mut |_| {}) } else { transfer.pull(&mut |_| {}) }
}

fn finish(room: &Room, to: &str) {
    rsync::basis::clear(&room.path(to)).unwrap();
    assert_equal(&room.path("here"), &room.path("there"));
}

#[test]
fn an_interrupted_transfer_of_200_mb_goes_on_where_it_was() {
    for push in [true, false] {
        let room = Room::new("");
        let (from, to) = if push { ("here", "there") } else { ("there", "here") };
        random(&room.path(from).join("data.tar.zst"), 200 * MB);
        let timeout = Duration::from_millis(if push { 1500 } else { 600 });
        attempt(&room, push, Some(timeout)).unwrap_err();
        let stats = attempt(&room, push, None).unwrap();
        eprintln!("push {push}: {stats:?}");
        assert!(stats.matched > 10 * MB, "push {push}: {stats:?}");
        assert_eq!(stats.matched + stats.literal, 200 * MB);
        finish(&room, to);
    }
}

#[test]
fn one_percent_changed_moves_few_bytes_even_after_an_interruption() {
    for push in [true, false] {
        let room = Room::new("");
        let (from, to) = if push { ("here", "there") } else { ("there", "here") };
        let (old, new) = (room.path("previous/data.tar.zst"), room.path(from).join("data.tar.zst"));
        random(&new, 200 * MB);
        // The first attempt has nothing to start from, so that it is in the middle when it is cut.
        attempt(&room, push, Some(Duration::from_millis(if push { 1500 } else { 600 }))).unwrap_err();
        fs::copy(&new, &old).unwrap();
        change_one_percent(&old);
        let before = fs::read(&old).unwrap();
        let stats = attempt(&room, push, None).unwrap();
        eprintln!("push {push}: {stats:?}");
        assert!(stats.wire() < 6 * MB, "push {push}: {stats:?}");
        // The copy that served as the basis is as it was.
        assert!(fs::read(&old).unwrap() == before);
        finish(&room, to);
        // Checksums of blocks of 2 KiB.
        let nothing = attempt(&room, push, None).unwrap();
        assert!(nothing.literal == 0 && nothing.wire() < 3 * MB / 2, "push {push}: {nothing:?}");
    }
}

#[test]
fn a_killed_receiver_leaves_a_usable_beginning() {
    let room = Room::new("");
    fs::write(room.path("there/.data.tar.zst.Ab3dEf"), vec![7; 3_000_000]).unwrap();
    fs::write(room.path("here/data.tar.zst"), vec![7; 4_000_000]).unwrap();
    let stats = attempt(&room, true, None).unwrap();
    assert!(stats.literal <= MB + 100_000, "{stats:?}");
    finish(&room, "there");
}

#[test]
fn a_shorter_beginning_does_not_replace_a_longer_one() {
    let room = Room::new("");
    let to = room.path("there");
    let files = [("data.tar.zst".to_owned(), 10)];
    let partial = to.join(".partial/data.tar.zst");
    fs::create_dir(to.join(".partial")).unwrap();
    for (arrived, kept) in
        [("12345", "12345old"), ("123", "12345old"), ("1234567", "1234567old"), ("1234567890", "1234567890")]
    {
        fs::write(&partial, arrived).unwrap();
        fs::write(room.path("previous/data.tar.zst"), "old").unwrap();
        rsync::basis::prepare(&to, Some(&room.path("previous")), &files).unwrap();
        assert_eq!(fs::read_to_string(room.path(".basis-there/data.tar.zst")).unwrap(), kept);
        assert!(!partial.exists());
    }
}

#[test]
fn failures_have_their_kinds() {
    let cases = [
        ("echo 'Host key verification failed.' >&2; exit 255", Kind::Authentication),
        ("echo 'u@h: Permission denied (publickey).' >&2; exit 255", Kind::Authentication),
        ("echo 'ssh: connect to host h port 22: Connection refused' >&2; exit 255", Kind::Unreachable),
        ("exit 255", Kind::Unreachable),
        ("head -c 4 >/dev/null; exit 1", Kind::Unreachable),
        // It stays until it was greeted: else rsync may find nobody to write to before it has read.
        ("echo rubbish; head -c 4 >/dev/null; exit 0", Kind::VersionMismatch),
    ];
    for (before, kind) in cases {
        let room = Room::new(before);
        let names = sample(&room.path("here"));
        let here = room.path("here");
        let error = room.transfer(&here, &names).push(&mut |_| {}).unwrap_err();
        assert_eq!(error.kind(), kind, "{before}: {error}");
    }
}

#[test]
fn a_full_disk_on_the_far_side_is_told_as_such() {
    assert!(backup_adapters::users::is_root(), "this test mounts a tmpfs and needs root");
    let room = Room::new("");
    let there = room.path("there");
    assert!(
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&there).status().unwrap().success()
    );
    let names = sample(&room.path("here"));
    let here = room.path("here");
    let result = room.transfer(&here, &names).push(&mut |_| {});
    // The far side's rsync may still be on its way out.
    assert!(Command::new("umount").arg("--lazy").arg(&there).status().unwrap().success());
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace, "{error}");
}

#[test]
fn missing_files_and_bad_names_are_told() {
    let room = Room::new("");
    let here = room.path("here");
    let error = room.transfer(&here, &names(&["missing"])).push(&mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::Io, "{error}");
    assert!(error.to_string().contains("missing"), "{error}");
    let error = room.transfer(&here, &names(&["../there/x"])).pull(&mut |_| {}).unwrap_err();
    assert!(matches!(error, RsyncError::Name(_)), "{error}");
}
