//! What is left out, refused or tolerated.

use crate::support::{Place, later};
use backup_collect::tree::{TreeCollector, TreeError};
use backup_core::job::Tolerance;
use backup_core::{Failure, Kind};
use std::os::unix::net::UnixListener;

#[test]
fn exclude_patterns_are_those_of_gitignore() {
    let mut place = Place::new();
    place.sh("mkdir -p a/cache b/cache/x keep; touch a/cache/f b/cache/x/f a/f.tmp a/f keep/f.tmp keep/g '#odd'");
    let src = place.src();
    place.spec.exclude = vec![
        "*.tmp".into(),
        "!/**/keep/*.tmp".into(),
        format!("{}/b/", src.display()),
        "cache/".into(),
        "\\#odd".into(),
    ];
    let made = place.collect(None, 0);
    assert_eq!(made.names(&place), ["", "a", "a/f", "keep", "keep/f.tmp", "keep/g"]);

    place.spec.exclude = vec!["a[b".into()];
    let error = TreeCollector::new(place.spec.clone(), None, &place.staging()).err().unwrap();
    assert_eq!(error.kind(), Kind::InvalidJob);
}

#[test]
fn sockets_are_counted_and_special_files_are_policy() {
    let mut place = Place::new();
    place.sh("mkfifo pipe; mknod tty c 4 1; touch f");
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    assert_eq!(place.collect(None, 0).names(&place), ["", "f", "pipe", "tty"]);
    place.spec.special_files = false;
    let made = place.collect(None, 0);
    assert_eq!(made.names(&place), ["", "f"]);
    assert_eq!(made.result.counts.sockets_skipped, 1);
}

#[test]
fn roots_that_are_missing_empty_or_links_are_refused_unless_allowed() {
    let mut place = Place::new();
    place.sh("mkdir full empty; touch full/f; ln -s full link; mkfifo pipe");
    place.spec.empty = Tolerance::Fail;
    let attempt = |place: &Place, name: &str| {
        let mut spec = place.spec.clone();
        spec.include = vec![place.path("full"), place.path(name)];
        let mut collector = TreeCollector::new(spec, None, &place.staging()).unwrap();
        collector.warm(&later(0)).map(|stats| stats.paths)
    };
    for name in ["nothing", "empty", "link", "pipe"] {
        let error = attempt(&place, name).unwrap_err();
        assert_eq!(error.kind(), Kind::SourceInvalid, "{name}");
        assert!(error.to_string().contains(name) && error.hint().is_some(), "{error}");
    }
    (place.spec.empty, place.spec.missing) = (Tolerance::Allow, Tolerance::Allow);
    assert_eq!(attempt(&place, "nothing").unwrap(), 2);
    assert_eq!(attempt(&place, "empty").unwrap(), 3);
}

#[test]
fn one_file_system_stops_at_mount_points() {
    let mut place = Place::new();
    place.sh("mkdir here mounted; touch here/f; mount -t tmpfs none mounted; touch mounted/f");
    let made = place.collect(None, 0);
    assert_eq!(
        made.result.warnings,
        [format!("{} is another file system; it is left out", place.path("mounted").display())]
    );
    let stays = made.names(&place);
    place.spec.one_file_system = false;
    let crosses = place.collect(None, 0).names(&place);
    // Declared on its own it is collected on its own.
    place.spec.one_file_system = true;
    place.spec.include.push(place.path("mounted"));
    let both = place.collect(None, 0).names(&place);
    place.sh("umount mounted");
    assert_eq!(stays, ["", "here", "here/f", "mounted"]);
    assert_eq!(crosses, ["", "here", "here/f", "mounted", "mounted/f"]);
    assert_eq!(both, crosses);
}

#[test]
fn our_own_folders_are_left_out() {
    let mut place = Place::new();
    place.sh("mkdir -p store/deep staging; touch store/deep/f f");
    place.spec.skip = vec![place.path("store"), place.path("staging")];
    assert_eq!(place.collect(None, 0).names(&place), ["", "f"]);
    // Whatever path leads to them.
    place.sh("ln -s src ../other");
    let other = place.folder.path().join("other");
    place.spec.skip = vec![other.join("store"), other.join("staging")];
    assert_eq!(place.collect(None, 0).names(&place), ["", "f"]);
}

#[test]
fn a_mounted_file_is_trusted_as_its_own_file_system_is() {
    let mut place = Place::new();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    std::fs::write(memory.path().join("f"), "1").unwrap();
    place.sh(&format!("touch f; mount --bind {}/f f", memory.path().display()));
    place.spec.include = vec![place.path("f")];
    let (mut collector, _) = place.collector(None);
    collector.warm(&later(3600)).unwrap();
    let estimate = collector.estimate();
    place.sh("umount f");
    assert_eq!(estimate.paths, 1);
}

#[test]
fn unreadable_files_fail_the_collection_or_are_told() {
    let mut place = Place::new();
    place.sh("touch a b; mkdir d; touch d/f");
    let base = place.collect(None, 3600);
    // Root reads everything; attributes that are not UTF-8 are what it cannot store.
    place.sh("echo new >b; python3 -c \"import os; os.setxattr(b'b', b'user.\\xff', b'1')\"");
    let (mut collector, _) = place.collector(None);
    let error = collector.warm(&later(0)).unwrap_err();
    assert!(matches!(error, TreeError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("/src/b") && error.hint().unwrap().contains("unreadable: allow"));

    place.spec.unreadable = Tolerance::Allow;
    let made = place.collect(Some(base.index()), 3600);
    assert_eq!(made.result.counts.unreadable_skipped, 1);
    assert_eq!(made.result.warnings.len(), 1);
    // What the base has of it stays: it is not gone, only unknown.
    assert!(made.deleted(&place).is_empty());
}

#[test]
fn the_watcher_can_interrupt() {
    let place = Place::new();
    place.sh("for n in $(seq 200); do head -c 100K /dev/zero >f$n; done");
    let (mut collector, _) = place.collector(None);
    collector.watch(Box::new(|progress| progress.bytes < 5 << 20));
    let error = collector.warm(&later(0)).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
}
