//! Durable changes on a real file system, on full ones, and what they leave behind when they fail.
#![allow(clippy::unwrap_used)]

use backup_adapters::publish::{self, Owner, PublishError};
use backup_adapters::users;
use backup_core::{Failure, Kind};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A tmpfs of the given size; needs root.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(options: &str) -> Self {
        assert!(users::is_root(), "this test mounts a tmpfs and needs root");
        let room = tempfile::tempdir().unwrap();
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(room.path()).status().unwrap();
        assert!(status.success());
        Self(room)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_file_is_replaced_with_mode_and_owner_and_nothing_is_left_over() {
    assert!(users::is_root(), "this test needs root");
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("state.json");
    publish::write_atomic(&path, b"old", 0o644, None).unwrap();
    let old = File::open(&path).unwrap();
    publish::write_atomic(&path, b"new", 0o640, Some(Owner { uid: 1, gid: 2 })).unwrap();
    let told = Command::new("stat").args(["-c", "%a %u %g"]).arg(&path).output().unwrap();
    assert_eq!(told.stdout, b"640 1 2\n");
    assert_eq!(fs::read(&path).unwrap(), b"new");
    // Whoever had it open still reads the old one.
    assert_eq!(old.metadata().unwrap().len(), 3);
    assert_ne!(old.metadata().unwrap().ino(), fs::metadata(&path).unwrap().ino());
    assert_eq!(names(room.path()), ["state.json"]);
}

#[test]
fn a_link_at_the_name_is_replaced_not_followed() {
    let room = tempfile::tempdir().unwrap();
    let (path, victim) = (room.path().join("state"), room.path().join("victim"));
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &path).unwrap();
    publish::write_atomic(&path, b"new", 0o600, None).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert!(path.symlink_metadata().unwrap().is_file());
}

#[test]
fn a_full_file_system_keeps_the_old_contents() {
    let small = Small::mount("size=64k");
    let path = small.0.path().join("state");
    publish::write_atomic(&path, b"old", 0o600, None).unwrap();
    let error = publish::write_atomic(&path, &vec![1; 1 << 20], 0o600, None).unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace);
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(small.0.path()), ["state"]);
}

#[test]
fn no_more_inodes_is_no_space_too() {
    let small = Small::mount("nr_inodes=3");
    publish::write_atomic(&small.0.path().join("one"), b"", 0o600, None).unwrap();
    publish::write_atomic(&small.0.path().join("two"), b"", 0o600, None).unwrap();
    let error = publish::write_atomic(&small.0.path().join("three"), b"", 0o600, None).unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace);
    assert!(error.hint().unwrap().contains("inodes"));
}

#[test]
fn leftovers_of_a_crash_are_removed_and_nothing_else() {
    let room = tempfile::tempdir().unwrap();
    for name in [".state.json.0011aabb.tmp", "state.json", "x.tmp", ".hidden"] {
        fs::write(room.path().join(name), "").unwrap();
    }
    publish::remove_temporaries(room.path()).unwrap();
    assert_eq!(names(room.path()), [".hidden", "state.json", "x.tmp"]);
}

#[test]
fn directories_are_made_with_mode_and_owner_whatever_the_umask() {
    assert!(users::is_root(), "this test needs root");
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("a/b/c");
    publish::create_dirs(&path, 0o2775, Some(Owner { uid: 1, gid: 2 })).unwrap();
    publish::create_dirs(&path, 0o700, None).unwrap();
    for directory in [&path, path.parent().unwrap()] {
        let meta = fs::metadata(directory).unwrap();
        assert_eq!((meta.permissions().mode() & 0o7777, meta.uid(), meta.gid()), (0o2775, 1, 2));
    }
    fs::write(room.path().join("file"), "").unwrap();
    let error = publish::create_dirs(&room.path().join("file"), 0o700, None).unwrap_err();
    assert!(error.to_string().starts_with("cannot create "), "{error}");
}

#[test]
fn only_links_of_root_lead_to_a_directory_that_is_given_away() {
    assert!(users::is_root(), "this test needs root");
    let room = tempfile::tempdir().unwrap();
    let path = |name: &str| room.path().join(name);
    let user = Some(Owner { uid: 1, gid: 2 });
    for name in ["srv/home", "victim"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    symlink("srv/../srv/home", path("home")).unwrap();
    symlink(path("home"), path("absolute")).unwrap();
    publish::create_dirs(&path("absolute/user"), 0o750, user).unwrap();
    assert_eq!(fs::metadata(path("srv/home/user")).unwrap().uid(), 1);
    // Below what is the user's a link may be the user's, even if it belongs to root.
    symlink(path("victim"), path("srv/home/user/store")).unwrap();
    symlink(path("victim"), path("foreign")).unwrap();
    std::os::unix::fs::lchown(path("foreign"), Some(1), None).unwrap();
    symlink(path("loop"), path("loop")).unwrap();
    for (planted, kind) in [
        ("home/user/store/new", Kind::Permission),
        ("home/user/store", Kind::Permission),
        ("foreign/new", Kind::Permission),
        ("loop/new", Kind::Io),
    ] {
        let error = publish::create_dirs(&path(planted), 0o750, user).unwrap_err();
        assert_eq!(error.kind(), kind, "{planted}: {error}");
    }
    assert!(names(&path("victim")).is_empty());
    assert_eq!(fs::metadata(path("victim")).unwrap().uid(), 0);
    // What stays ours may go wherever the path leads.
    publish::create_dirs(&path("home/user/store/new"), 0o700, None).unwrap();
    assert_eq!(names(&path("victim")), ["new"]);
}

#[test]
fn what_was_made_is_what_was_opened() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("staging");
    let made = publish::create_own(&path).unwrap();
    let (meta, there) = (made.metadata().unwrap(), fs::metadata(&path).unwrap());
    assert_eq!((meta.dev(), meta.ino(), meta.mode() & 0o7777), (there.dev(), there.ino(), 0o700));
    assert!(publish::create_own(&path).unwrap_err().to_string().starts_with("cannot create "));
}

#[test]
fn a_directory_is_published_once_and_never_over_another() {
    let room = tempfile::tempdir().unwrap();
    let (staging, target) = (room.path().join("staging"), room.path().join("target"));
    fs::create_dir_all(staging.join("deep")).unwrap();
    fs::write(staging.join("deep/file"), "x").unwrap();
    symlink("/nowhere", staging.join("link")).unwrap();
    publish::publish_dir(&staging, &target).unwrap();
    assert_eq!(fs::read(target.join("deep/file")).unwrap(), b"x");
    assert!(!staging.exists());
    // rename(2) alone would replace an empty directory without a word.
    fs::create_dir_all(&staging).unwrap();
    fs::create_dir(room.path().join("empty")).unwrap();
    let error = publish::publish_dir(&staging, &room.path().join("empty")).unwrap_err();
    assert!(matches!(error, PublishError::Exists { .. }), "{error}");
    assert!(staging.exists());
}

#[test]
fn moving_across_file_systems_is_refused_and_changes_nothing() {
    let small = Small::mount("size=1m");
    let room = tempfile::tempdir().unwrap();
    let from = room.path().join("from");
    fs::create_dir(&from).unwrap();
    let error = publish::move_dir(&from, &small.0.path().join("to")).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(from.exists() && names(small.0.path()).is_empty());
}

#[test]
fn names_are_exchanged() {
    let room = tempfile::tempdir().unwrap();
    let (old, new) = (room.path().join("old"), room.path().join("new"));
    fs::create_dir(&old).unwrap();
    fs::write(&new, "a file").unwrap();
    publish::exchange(&old, &new).unwrap();
    assert!(old.is_file() && new.is_dir());
    assert_eq!(publish::exchange(&old, &room.path().join("none")).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_tree_is_removed_without_following_links_and_again() {
    let room = tempfile::tempdir().unwrap();
    let (tree, outside) = (room.path().join("tree"), room.path().join("outside"));
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "").unwrap();
    symlink(&outside, tree.join("sub/link")).unwrap();
    fs::write(tree.join("SHA256SUMS"), "seal").unwrap();
    publish::remove_tree(&tree, &["SHA256SUMS"]).unwrap();
    publish::remove_tree(&tree, &["SHA256SUMS"]).unwrap();
    assert!(!tree.exists());
    assert!(outside.join("precious").exists());
}

#[test]
fn the_seal_goes_first_even_if_the_rest_cannot_be_removed() {
    assert!(users::is_root(), "this test sets a file attribute and needs root");
    let room = tempfile::tempdir().unwrap();
    let tree = room.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("SHA256SUMS"), "seal").unwrap();
    fs::write(tree.join("data"), "data").unwrap();
    let attribute = |flag: &str| Command::new("chattr").arg(flag).arg(tree.join("data")).status().unwrap().success();
    assert!(attribute("+i"), "chattr +i must work on this file system");
    let error = publish::remove_tree(&tree, &["SHA256SUMS"]).unwrap_err();
    assert!(attribute("-i"));
    assert_eq!(error.kind(), Kind::Permission);
    assert_eq!(names(&tree), ["data"]);
}

#[test]
fn ranges_are_copied_exactly_also_across_file_systems() {
    let small = Small::mount("size=16m");
    let room = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    fs::write(room.path().join("from"), &bytes).unwrap();
    let from = File::open(room.path().join("from")).unwrap();
    for target in [room.path().join("to"), small.0.path().join("to")] {
        let mut to = File::options().read(true).write(true).create_new(true).open(&target).unwrap();
        to.write_all(b"head").unwrap();
        assert_eq!(publish::copy_range(&from, 1000, &to, 4, 2_000_000).unwrap(), 2_000_000);
        assert_eq!(publish::copy_range(&from, 2_999_990, &to, 2_000_004, 100).unwrap(), 10);
        let mut read = vec![0; 2_000_014];
        to.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read[..4], b"head");
        assert_eq!(read[4..2_000_004], bytes[1000..2_001_000]);
        assert_eq!(read[2_000_004..], bytes[2_999_990..]);
    }
}

#[test]
fn a_fifo_or_link_in_place_of_a_file_is_an_error_and_no_wait() {
    let room = tempfile::tempdir().unwrap();
    let (fifo, link) = (room.path().join("fifo"), room.path().join("link"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    symlink("/etc/passwd", &link).unwrap();
    for path in [&fifo, &link] {
        assert_eq!(publish::sync(path).unwrap_err().kind(), Kind::Io);
    }
}

#[test]
fn a_missing_directory_is_named() {
    let error = publish::write_atomic(Path::new("/nowhere/at/all"), b"", 0o600, None).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("/nowhere/at/.all."), "{error}");
    publish::sync_fs(Path::new("/")).unwrap();
}

#[test]
fn a_journal_grows_by_whole_lines_even_after_a_torn_one() {
    let room = tempfile::tempdir().unwrap();
    let journal = room.path().join("accepted.jsonl");
    publish::append_line(&journal, b"one", 0o640, None).unwrap();
    publish::append_line(&journal, b"two", 0o640, None).unwrap();
    fs::OpenOptions::new().append(true).open(&journal).unwrap().write_all(b"thr").unwrap();
    publish::append_line(&journal, b"four", 0o640, None).unwrap();
    assert_eq!(fs::read_to_string(&journal).unwrap(), "one\ntwo\nthr\nfour\n");
    assert_eq!(fs::metadata(&journal).unwrap().permissions().mode() & 0o777, 0o640);
}
