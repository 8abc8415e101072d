//! Warm and cold passes: what changes in between, before, and unseen.

use crate::support::{Made, Place, later};
use backup_adapters::host::{self, Now};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const TREE: &str = "mkdir d; for n in $(seq 50); do head -c $((n * 9000)) /dev/urandom >d/f$n; done
    head -c 14M /dev/urandom >large; ln d/f1 link; head -c 10M /dev/urandom >shrinks";

const CHANGES: &str =
    "echo new >d/f7; rm d/f8 link; echo more >>d/f50; mkdir e; mv d/f9 e; ln d/f10 0first; ln -s x d/f8
    dd if=/dev/urandom of=large bs=4096 seek=1500 count=1 conv=notrunc status=none; truncate -s 100 shrinks
    echo 0 >d/0; chmod 600 d/f20; rm d/f21; mkdir d/f21; head -c 5M /dev/urandom >d/f22";

#[test]
fn what_changes_between_the_passes_is_in() {
    let place = Place::new();
    place.sh(TREE);
    for base in [None, Some(place.collect(None, 3600))] {
        let (mut collector, staging) = place.collector(base.as_ref().map(Made::index));
        collector.warm(&later(3600)).unwrap();
        place.sh(if base.is_none() {
            CHANGES
        } else {
            "echo again >d/f7; rm e/f9; printf YYYYYYYY | dd of=large bs=1 seek=9000000 conv=notrunc status=none"
        });
        let cold = collector.cold(&later(3600)).unwrap();
        assert!(cold.read < 30, "{cold:?}");
        let made = Made::new(staging, collector.finish().unwrap());
        match &base {
            None => place.assert_restores(&[&made]),
            Some(base) => place.assert_restores(&[base, &made]),
        }
    }
}

#[test]
fn many_passes_give_what_one_gives() {
    let place = Place::new();
    place.sh(TREE);
    let (mut collector, staging) = place.collector(None);
    collector.warm(&later(3600)).unwrap();
    place.sh(CHANGES);
    collector.warm(&later(3600)).unwrap();
    place.sh("echo third >d/f30; printf ZZZZZZZZ | dd of=large bs=1 seek=13000000 conv=notrunc status=none");
    collector.warm(&later(3600)).unwrap();
    place.sh("echo cold >d/f31; truncate -s 15M large");
    collector.cold(&later(3600)).unwrap();
    let made = Made::new(staging, collector.finish().unwrap());
    place.assert_restores(&[&made]);
    let at_once = place.collect(None, 3600);
    assert_eq!(made.frames(), at_once.frames());
    let count =
        |result: &backup_collect::tree::TreeResult| result.index.as_ref().map(backup_archive::index::Draft::len);
    assert_eq!(count(&made.result), count(&at_once.result));
}

#[test]
fn a_large_file_may_change_its_size_between_the_passes() {
    for base in [false, true] {
        let place = Place::new();
        let base = base.then(|| place.collect(None, 3600));
        place.sh("for n in cut grown rest; do head -c 6M /dev/urandom >$n; done");
        let (mut collector, staging) = place.collector(base.as_ref().map(Made::index));
        collector.warm(&later(3600)).unwrap();
        place.sh("truncate -s 5M cut; head -c 1M /dev/urandom >>grown; truncate -s 4M rest");
        collector.cold(&later(3600)).unwrap();
        let made = Made::new(staging, collector.finish().unwrap());
        place.assert_restores(&base.iter().chain([&made]).collect::<Vec<_>>());
    }
}

#[test]
fn groups_with_long_names_are_more_than_one_frame() {
    let place = Place::new();
    // Names after which no group ends by chance: all of them are one group by weight.
    let stays = |path: &Path| {
        let digest = backup_core::Digest::of(&path.as_os_str().as_encoded_bytes()[1..]);
        u32::from_str_radix(&digest.as_str()[..8], 16).unwrap() > 1 << 27
    };
    let links: Vec<_> = (0..1500).map(|n| place.path(&format!("link{n:04}"))).filter(|path| stays(path)).collect();
    for (n, link) in links.iter().enumerate() {
        std::os::unix::fs::symlink(format!("{n:04}/").repeat(800), link).unwrap();
    }
    let (mut collector, staging) = place.collector(None);
    collector.warm(&later(3600)).unwrap();
    // Groups are built anew from frames and spool.
    for link in links.iter().step_by(400) {
        fs::remove_file(link).unwrap();
        fs::write(link, "a file now").unwrap();
    }
    collector.cold(&later(3600)).unwrap();
    let made = Made::new(staging, collector.finish().unwrap());
    place.assert_restores(&[&made]);
    let largest = made.frame_sizes().into_iter().max().unwrap();
    assert!((4 << 20..backup_archive::group::MAX_FRAME as u64).contains(&largest), "{largest}");
    assert_eq!(made.frames(), place.collect(None, 3600).frames());
}

#[test]
fn the_live_tree_is_not_needed_after_the_last_pass() {
    let place = Place::new();
    place.sh(TREE);
    let (mut collector, staging) = place.collector(None);
    collector.warm(&later(3600)).unwrap();
    place.sh("echo cold >d/f31; printf ZZZZZZZZ | dd of=large bs=1 seek=1 conv=notrunc status=none");
    collector.cold(&later(3600)).unwrap();
    let aside = place.folder.path().join("aside");
    fs::rename(place.src(), &aside).unwrap();
    let result = collector.finish().unwrap();
    fs::rename(&aside, place.src()).unwrap();
    place.assert_restores(&[&Made::new(staging, result)]);
}

#[test]
fn a_page_written_through_a_mapping_is_not_missed() {
    // The first store to a mapped page moves mtime, the later ones do not until the page is clean again.
    let place = Place::new();
    place.write("mapped", [b'0'; 8192]);
    place.write("other", "x");
    let mapping = Mapping::new(&place.path("mapped"));
    mapping.set(b'1');
    let (mut collector, staging) = place.collector(None);
    collector.warm(&later(0)).unwrap();
    mapping.set(b'2');
    let between = fs::metadata(place.path("mapped")).unwrap().modified().unwrap();
    mapping.set(b'3');
    assert_eq!(fs::metadata(place.path("mapped")).unwrap().modified().unwrap(), between, "the case under test");
    collector.cold(&later(0)).unwrap();
    let made = Made::new(staging, collector.finish().unwrap());
    place.assert_restores(&[&made]);
}

/// A shared mapping of a file's first page, held by another program that stores what it is told.
struct Mapping(std::cell::RefCell<Child>);

impl Mapping {
    fn new(path: &Path) -> Self {
        let program = "import mmap, os, sys
page = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 4096)
while byte := sys.stdin.buffer.read(1):
    page[0:1] = byte
    os.write(1, byte)";
        let mut command = Command::new("python3");
        command.args(["-uc", program]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(std::cell::RefCell::new(command.spawn().unwrap()))
    }

    fn set(&self, byte: u8) {
        let mut child = self.0.borrow_mut();
        child.stdin.as_mut().unwrap().write_all(&[byte]).unwrap();
        let mut done = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut done).unwrap();
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let child = self.0.get_mut();
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

#[test]
fn a_database_and_a_log_written_through_the_warm_passes_are_what_stood_still() {
    let place = Place::new();
    let program = "import sqlite3, sys
database = sqlite3.connect('app.db', isolation_level=None)
database.execute('PRAGMA journal_mode=WAL')
database.execute('CREATE TABLE t (n INTEGER, filling TEXT)')
log = open('app.log', 'a')
n = 0
while True:
    database.execute('INSERT INTO t VALUES (?, ?)', (n, str(n) * 500))
    print('inserted', n, file=log, flush=True)
    n += 1
    if n == 200: print(flush=True)";
    let mut writer =
        Command::new("python3").args(["-c", program]).current_dir(place.src()).stdout(Stdio::piped()).spawn().unwrap();
    // A first line: it is well under way.
    writer.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let (mut collector, staging) = place.collector(None);
    collector.warm(&later(0)).unwrap();
    collector.warm(&later(0)).unwrap();
    writer.kill().unwrap();
    writer.wait().unwrap();
    collector.cold(&later(0)).unwrap();
    let made = Made::new(staging, collector.finish().unwrap());
    assert!(made.result.warnings.is_empty(), "{:?}", made.result.warnings);
    place.assert_restores(&[&made]);
    let check =
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchone()[0])";
    let told = crate::support::output("python3", &["-c", check, place.path("app.db").to_str().unwrap()]);
    assert_eq!(told, b"ok\n");
}

#[test]
fn a_stepped_clock_makes_the_cold_pass_read_everything() {
    let place = Place::new();
    place.sh(TREE);
    let (mut collector, staging) = place.collector(None);
    collector.warm(&later(3600)).unwrap();
    let stepped = || {
        let now = host::now();
        Now { realtime: now.realtime + Duration::from_hours(2), boottime: now.boottime + Duration::from_hours(1) }
    };
    let cold = collector.cold(&stepped).unwrap();
    assert_eq!(cold.read, cold.paths);
    let made = Made::new(staging, collector.finish().unwrap());
    place.assert_restores(&[&made]);
    // What was read and found equal was not stored again.
    assert_eq!(made.frames(), place.collect(None, 3600).frames());
}

#[test]
fn an_untrusted_file_system_is_read_again_in_the_cold_pass() {
    let mut place = Place::new();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    fs::write(memory.path().join("f"), "1").unwrap();
    fs::write(memory.path().join("g"), "1").unwrap();
    place.spec.include = vec![memory.path().to_owned()];
    let (mut collector, staging) = place.collector(None);
    collector.warm(&later(3600)).unwrap();
    assert_eq!(collector.estimate().paths, 3);
    let cold = collector.cold(&later(3600)).unwrap();
    assert_eq!(cold.read, 3);
    let made = Made::new(staging, collector.finish().unwrap());
    // An incremental compares contents there, and stores nothing that is equal.
    let incremental = place.collect(Some(made.index()), 3600);
    assert_eq!(incremental.result.counts.files, 0);
}

#[test]
fn files_that_never_stand_still_are_stored_whole_and_told() {
    let place = Place::new();
    place.sh("head -c 3M /dev/zero >log; head -c 9M /dev/zero >biglog");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let made = std::thread::scope(|scope| {
        let logs = ["log", "biglog"].map(|name| fs::OpenOptions::new().append(true).open(place.path(name)).unwrap());
        let stop = &stop;
        scope.spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for mut log in &logs {
                    log.write_all(b"line\n").unwrap();
                }
            }
        });
        let made = place.collect(None, 0);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        made
    });
    made.check_artifacts();
    let listed =
        crate::support::output("tar", &["--zstd", "-tvf", made.staging.join("data.tar.zst").to_str().unwrap()]);
    assert_eq!(listed.split(|&byte| byte == b'\n').count(), 4);
    // The small one may have been lucky.
    assert!(made.result.warnings.iter().any(|told| told.ends_with("biglog changed while it was read")));
    // Such a file proves nothing to the next incremental.
    let next = place.collect(Some(made.index()), 3600);
    place.assert_restores(&[&made, &next]);
}

/// Ends the other thread of a scope also when an assertion fails: the scope waits for it.
struct Stop<'a>(&'a std::sync::atomic::AtomicBool);
impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn paths_that_come_and_go_during_a_pass_are_no_error() {
    let place = Place::new();
    place.sh("mkdir d; for n in $(seq 400); do echo $n >d/f$n; done");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            for n in 0.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                // No path changes every few microseconds: such a one cannot be read, and that is told as an error.
                let (one, other) =
                    (place.path(&format!("d/f{}", n % 400 + 1)), place.path(&format!("d/moved{}", n / 5 % 100)));
                // Replaced, removed, turned into another type, linked.
                match n % 5 {
                    0 => drop(fs::rename(&one, &other)),
                    1 => drop(fs::remove_file(&one)),
                    2 => drop(fs::write(&one, "again")),
                    3 => drop(std::os::unix::fs::symlink("x", &one)),
                    _ => drop(fs::hard_link(&other, &one)),
                }
            }
        });
        for _ in 0..10 {
            let made = place.collect(None, 0);
            made.check_artifacts();
            crate::support::output("tar", &["--zstd", "-tf", made.staging.join("data.tar.zst").to_str().unwrap()]);
        }
    });
    place.assert_restores(&[&place.collect(None, 0)]);
}

#[test]
fn a_write_in_place_that_restores_the_time_is_seen_by_the_inode() {
    let place = Place::new();
    place.write("f", "aaaa");
    let (mut collector, staging) = place.collector(None);
    collector.warm(&later(3600)).unwrap();
    let then = fs::metadata(place.path("f")).unwrap().modified().unwrap();
    let file = fs::OpenOptions::new().write(true).open(place.path("f")).unwrap();
    file.write_all_at(b"bbbb", 0).unwrap();
    file.set_modified(then).unwrap();
    collector.cold(&later(3600)).unwrap();
    place.assert_restores(&[&Made::new(staging, collector.finish().unwrap())]);
}
