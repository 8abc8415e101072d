//! Stores of real files: what counts as a generation, what re-reading notices, what a deletion leaves at every step.
#![allow(clippy::unwrap_used)]

use backup_adapters::store::{Instructions, Limits, Reread, StoreError, StreamStore};
use backup_core::{Failure, GenerationId, GenerationRef, Kind, StreamName, layout::StreamDir};
use backup_tests::generation::{self, DUMP, JOB};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const MONDAY: &str = "20261116T220000Z";
const TUESDAY: &str = "20261117T220000Z";
const WEDNESDAY: &str = "20261118T220000Z";

struct Room {
    root: tempfile::TempDir,
    store: StreamStore,
}

impl Room {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = StreamStore::open(StreamDir::new(&root.path().join("store"), JOB, StreamName::Data));
        store.ensure(None, None).unwrap();
        Self { root, store }
    }

    fn full(&self, id: &str) -> GenerationRef {
        let made = generation::full(id).write(self.store.dir());
        generation::receipt(self.store.dir(), &made, made.id.time(), Some(made.id.time()));
        made
    }

    fn other(&self, name: &str) -> StreamStore {
        let store = StreamStore::open(StreamDir::new(&self.root.path().join(name), JOB, StreamName::Data));
        store.ensure(None, None).unwrap();
        store
    }

    fn ids(&self) -> Vec<String> {
        self.store.list().unwrap().generations.iter().map(|stored| stored.id.to_string()).collect()
    }

    fn artifact(&self, id: GenerationId) -> std::path::PathBuf {
        self.store.dir().generation(id).join(DUMP)
    }
}

fn id(text: &str) -> GenerationId {
    text.parse().unwrap()
}

/// The foreign judge.
fn sha256sum_agrees(directory: &Path) -> bool {
    Command::new("sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(directory)
        .status()
        .unwrap()
        .success()
}

#[test]
fn a_store_that_is_not_there_is_empty() {
    let root = tempfile::tempdir().unwrap();
    let store = StreamStore::open(StreamDir::new(root.path(), JOB, StreamName::Data));
    assert!(store.list().unwrap().generations.is_empty());
    assert_eq!(store.newest_id().unwrap(), None);
    assert_eq!(store.verify(id(MONDAY), &Limits::default(), "test").unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn directories_and_instructions_have_exact_modes_and_stay_as_they_are() {
    let room = Room::new();
    let instructions = Instructions { text: b"how to restore\n", script: b"#!/bin/sh\n" };
    for _ in 0..2 {
        room.store.ensure(None, Some(instructions)).unwrap();
    }
    let root = room.root.path().join("store");
    for (path, mode) in [("", 0o750), ("shop/data/receipts", 0o750), ("RESTORE.txt", 0o640), ("restore.sh", 0o750)] {
        let meta = fs::metadata(root.join(path)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, mode, "{path}");
    }
    assert_eq!(fs::read(root.join("RESTORE.txt")).unwrap(), instructions.text);
}

#[test]
fn listing_tells_generations_from_everything_else() {
    let room = Room::new();
    let full = room.full(MONDAY);
    let made = generation::incremental(TUESDAY, &full).label("before the upgrade").write(room.store.dir());
    generation::receipt(room.store.dir(), &full, full.id.time(), None); // another digest than TUESDAY's
    fs::rename(room.store.dir().receipt(full.id), room.store.dir().receipt(made.id)).unwrap();
    fs::write(room.store.dir().hold(made.id), "for the audit\n").unwrap();
    fs::create_dir(room.store.dir().partial(id(WEDNESDAY))).unwrap();
    fs::create_dir(room.store.dir().generation(id("20261119T220000Z"))).unwrap();
    symlink(room.store.dir().generation(full.id), room.store.dir().generation(id("20261120T220000Z"))).unwrap();
    fs::write(room.store.dir().path().join("notes.txt"), "").unwrap();
    let misplaced = room.store.dir().generation(id("20261121T220000Z"));
    fs::create_dir(&misplaced).unwrap();
    for name in ["manifest.json", "SHA256SUMS"] {
        fs::copy(room.store.dir().generation(full.id).join(name), misplaced.join(name)).unwrap();
    }

    let listing = room.store.list().unwrap();
    assert_eq!(room.ids(), [MONDAY, TUESDAY]);
    let (first, second) = (&listing.generations[0], &listing.generations[1]);
    assert_eq!((&first.digest, &first.hold, first.receipt.is_some()), (&full.digest, &None, false));
    assert_eq!(second.manifest.base.as_ref(), Some(&full));
    assert_eq!(second.hold.as_deref(), Some("for the audit"));
    assert_eq!(second.receipt, None);
    assert!(second.receipt_ignored.as_deref().unwrap().contains(full.digest.as_str()));
    assert_eq!(listing.partials, [id(WEDNESDAY), id("20261119T220000Z")]);
    let odd: Vec<_> = listing.oddities.iter().map(|oddity| (oddity.name.as_str(), oddity.why.as_str())).collect();
    assert_eq!(
        odd,
        [
            ("20261120T220000Z", "not a directory"),
            ("20261121T220000Z", "the manifest is of generation 20261116T220000Z"),
            ("notes.txt", "not ours"),
        ]
    );
    assert_eq!(room.store.newest_id().unwrap(), Some(id("20261121T220000Z")));
}

#[test]
fn stored_bytes_are_what_lies_there() {
    let room = Room::new();
    let made = room.full(MONDAY);
    let told = Command::new("find")
        .arg(room.store.dir().generation(made.id))
        .args(["-type", "f", "-printf", "%s\n"])
        .output()
        .unwrap();
    let sum: u64 = String::from_utf8(told.stdout).unwrap().lines().map(|line| line.parse::<u64>().unwrap()).sum();
    assert_eq!(room.store.get(made.id).unwrap().bytes, sum);
}

#[test]
fn re_reading_notices_what_sha256sum_notices_and_what_it_does_not() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage, bool); 8] = [
        ("a flipped bit", |d| flip(&d.join(DUMP)), false),
        ("a flipped bit in the manifest", |d| flip(&d.join("manifest.json")), false),
        ("a file cut short", |d| fs::write(d.join(DUMP), "cont").unwrap(), false),
        ("a missing file", |d| fs::remove_file(d.join(DUMP)).unwrap(), false),
        (
            "a link in place of a file",
            |d| {
                fs::rename(d.join(DUMP), d.join("../aside")).unwrap();
                symlink("../aside", d.join(DUMP)).unwrap();
            },
            true,
        ),
        ("a file that is not sealed", |d| fs::write(d.join("extra"), "").unwrap(), true),
        ("a folder that is not sealed", |d| fs::create_dir(d.join("extra")).unwrap(), true),
        (
            "an unsealed patch",
            |d| {
                fs::create_dir(d.join("patches")).unwrap();
                fs::write(d.join("patches/1.zst"), "").unwrap();
            },
            true,
        ),
    ];
    for (what, damage, foreign_verdict) in cases {
        let room = Room::new();
        let made = room.full(MONDAY);
        let directory = room.store.dir().generation(made.id);
        assert_eq!(room.store.verify(made.id, &Limits::default(), "test").unwrap(), Reread::Intact, "{what}");
        damage(&directory);
        assert_eq!(sha256sum_agrees(&directory), foreign_verdict, "{what}");
        let found = room.store.verify(made.id, &Limits::default(), "test").unwrap();
        assert!(matches!(found, Reread::Damaged(_)), "{what}: {found:?}");
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[5] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_result_of_re_reading_is_noted_and_bound_to_the_digest() {
    let room = Room::new();
    let made = room.full(MONDAY);
    assert_eq!(room.store.get(made.id).unwrap().checked, None);
    room.store.verify(made.id, &Limits::default(), "test").unwrap();
    assert!(room.store.get(made.id).unwrap().checked.unwrap().ok);
    flip(&room.artifact(made.id));
    room.store.verify(made.id, &Limits::default(), "test").unwrap();
    assert!(!room.store.get(made.id).unwrap().checked.unwrap().ok);
    // Another generation of the same id: the note says nothing about it.
    fs::remove_dir_all(room.store.dir().generation(made.id)).unwrap();
    generation::full(MONDAY).contents(b"other").write(room.store.dir());
    assert_eq!(room.store.get(made.id).unwrap().checked, None);
}

#[test]
fn re_reading_ends_at_its_deadline_and_notes_nothing() {
    let room = Room::new();
    let made = room.full(MONDAY);
    let limits = Limits { deadline: Some(Instant::now()), interrupt: None, ..Limits::default() };
    assert_eq!(room.store.verify(made.id, &limits, "test").unwrap(), Reread::OutOfTime);
    assert_eq!(room.store.get(made.id).unwrap().checked, None);
}

#[test]
fn a_deletion_leaves_nothing_and_can_be_repeated() {
    let room = Room::new();
    let (first, second) = (room.full(MONDAY), room.full(TUESDAY));
    room.store.verify(first.id, &Limits::default(), "test").unwrap();
    room.store.delete(first.id).unwrap();
    room.store.delete(first.id).unwrap();
    assert_eq!(room.ids(), [TUESDAY]);
    let left: Vec<_> = fs::read_dir(room.store.dir().receipts()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [format!("{}.json", second.id).as_str()]);
    assert!(sha256sum_agrees(&room.store.dir().generation(second.id)));
}

#[test]
fn whatever_step_a_deletion_ended_at_clean_up_finishes_it() {
    for step in ["receipt", "seal", "name"] {
        let room = Room::new();
        let (made, kept) = (room.full(MONDAY), room.full(TUESDAY));
        let dir = room.store.dir();
        fs::rename(dir.receipt(made.id), dir.deleting(made.id)).unwrap();
        if step != "receipt" {
            fs::remove_file(dir.generation(made.id).join("SHA256SUMS")).unwrap();
        }
        if step == "name" {
            fs::rename(dir.generation(made.id), dir.partial(made.id)).unwrap();
        }
        let cleaned = room.store.clean_partials(Some(made.id)).unwrap();
        assert_eq!(cleaned.ids, [made.id], "{step}");
        assert!(cleaned.bytes > 0, "{step}");
        let listing = room.store.list().unwrap();
        assert_eq!(room.ids(), [TUESDAY], "{step}");
        assert!(listing.partials.is_empty() && listing.deleting.is_empty(), "{step}");
        assert!(dir.receipt(kept.id).exists() && !dir.deleting(made.id).exists(), "{step}");
    }
}

#[test]
fn clean_up_spares_newer_partials_and_every_receipt() {
    let room = Room::new();
    let dir = room.store.dir();
    for partial in [MONDAY, TUESDAY] {
        fs::create_dir(dir.partial(id(partial))).unwrap();
        fs::write(dir.receipt(id(partial)), "{}").unwrap();
    }
    assert_eq!(room.store.clean_partials(Some(id(TUESDAY))).unwrap().ids, [id(MONDAY)]);
    assert!(dir.partial(id(TUESDAY)).is_dir() && dir.receipt(id(MONDAY)).exists());
    assert_eq!(room.store.clean_partials(None).unwrap().ids, [id(TUESDAY)]);
}

#[test]
fn adopting_moves_once_and_refuses_another_of_the_same_id() {
    let room = Room::new();
    let handover = room.other("handover");
    let made = generation::full(MONDAY).write(handover.dir());
    room.store.adopt(&handover, made.id).unwrap();
    room.store.adopt(&handover, made.id).unwrap();
    assert_eq!(room.ids(), [MONDAY]);
    assert!(sha256sum_agrees(&room.store.dir().generation(made.id)));

    generation::full(MONDAY).write(handover.dir());
    room.store.adopt(&handover, made.id).unwrap();
    assert!(handover.list().unwrap().generations.is_empty(), "the second copy of the same is gone");

    generation::full(MONDAY).contents(b"other").write(handover.dir());
    let error = room.store.adopt(&handover, made.id).unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    assert_eq!(handover.list().unwrap().generations.len(), 1);
    assert_eq!(room.store.get(made.id).unwrap().digest, made.digest);
    assert_eq!(room.store.adopt(&handover, id(TUESDAY)).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn the_lock_says_who_holds_it() {
    let room = Room::new();
    let held = room.store.lock("rotate shop", Instant::now()).unwrap();
    let error = room.store.lock("transport shop", Instant::now()).unwrap_err();
    assert_eq!(error.kind(), Kind::Locked);
    assert!(error.to_string().contains("rotate shop"));
    drop(held);
    room.store.lock("transport shop", Instant::now() + Duration::from_secs(5)).unwrap();
}

#[test]
fn listing_opens_the_heads_alone() {
    let room = Room::new();
    let start = id(MONDAY).time();
    for n in 0..20 {
        let id = GenerationId::at(start + Duration::from_mins(n)).to_string();
        let made = generation::full(&id).write(room.store.dir());
        // Ten thousand generations must be listed in no time, whatever they hold: no artifact is even looked at.
        fs::remove_file(room.artifact(made.id)).unwrap();
    }
    assert_eq!(room.store.list().unwrap().generations.len(), 20);
    assert_eq!(room.store.newest_id().unwrap(), Some(GenerationId::at(start + Duration::from_mins(19))));
}
