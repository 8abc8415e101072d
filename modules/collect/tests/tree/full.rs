//! Fulls: everything that tar can carry comes back.

use crate::support::{Place, later, output};
use backup_archive::EntryKind;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

#[test]
fn every_type_and_attribute_comes_back() {
    let place = Place::new();
    place.sh(
        r"mkdir -p a/b c; echo 1 >a/f; : >a/empty; ln a/f a/hard; ln -s a/f soft; ln -s nowhere dangling; ln soft softhard
        mkfifo pipe; mknod tty c 4 1048575; mknod disk b 7 300; chmod 4750 a/f; chown 12345:3000000 a/f
        touch -d '2001-02-03 04:05:06.789012345' c; touch -d '1960-05-05 01:02:03.5' a/empty
        setfattr -n user.note -v 'a=b' a/f; setfattr -n trusted.x -v 0x00ff a/b; setfattr -n user.%odd=name -v v c
        setfacl -m u:1234:rwx,g:77:r a/b; setfacl -d -m u:4321:rx a/b; setfacl -m u:99:w a/empty
        cp /bin/true c/capable; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 c/capable
        setfattr -h -n trusted.link -v l soft",
    );
    let full = place.collect(None, 0);
    place.assert_restores(&[&full]);
    let counts = full.result.counts;
    assert_eq!((counts.files, counts.directories, counts.symlinks), (3, 4, 2));
    assert_eq!((counts.hardlinks, counts.specials), (2, 3));
    assert_eq!(full.result.tree.paths, 14);
    assert!(full.result.warnings.is_empty());
}

#[test]
fn names_of_any_bytes_and_great_depth_come_back() {
    let place = Place::new();
    for name in [&b"new\nline"[..], b"\xff\xfe not UTF-8", b"-rf", b" ", b"*", b"quote'\"", b"back\\slash"] {
        fs::write(place.src().join(OsStr::from_bytes(name)), name).unwrap();
    }
    // As deep as an absolute path can be: 4095 bytes.
    let mut deep = place.src();
    while deep.as_os_str().len() + 202 < 4095 {
        deep.push("d".repeat(200));
        fs::create_dir(&deep).unwrap();
    }
    let last = "f".repeat(4095 - deep.as_os_str().len() - 1);
    fs::write(deep.join(last), "deep").unwrap();
    let full = place.collect(None, 0);
    assert!(full.catalog().iter().any(|entry| entry.path.len() == 4094));
    let folder = tempfile::tempdir_in("/").unwrap();
    // Extracted one path relative to each other: absolute names would be too long for the tools here as well.
    crate::support::sh(
        folder.path(),
        &format!("tar --zstd -xpf '{}' --strip-components=2", full.staging.join("data.tar.zst").display()),
    );
    crate::support::assert_equal(&place.src(), &folder.path().join("src"));
}

#[test]
fn holes_stay_holes_and_are_not_read() {
    let place = Place::new();
    place.sh("truncate -s 3M hole; truncate -s 20M largehole; echo end >>largehole
        truncate -s 1M small; printf x | dd of=small bs=1 seek=500000 conv=notrunc status=none
        dd if=/dev/urandom of=mixed bs=1M count=9 status=none; truncate -s 30M mixed
        dd if=/dev/urandom of=mixed bs=4096 seek=4000 count=3 conv=notrunc status=none; truncate -s 200M huge");
    let full = place.collect(None, 0);
    assert!(full.result.artifacts["data.tar.zst"].artifact.plain_bytes < 12 << 20);
    place.assert_restores(&[&full]);
    let folder = tempfile::tempdir_in(place.folder.path()).unwrap();
    crate::support::sh(folder.path(), &format!("tar --zstd -xf '{}'", full.staging.join("data.tar.zst").display()));
    for name in ["hole", "largehole", "small", "mixed", "huge"] {
        let there = fs::metadata(folder.path().join(place.path(name).strip_prefix("/").unwrap())).unwrap();
        assert_eq!(there.blocks(), fs::metadata(place.path(name)).unwrap().blocks(), "{name}");
    }
}

#[test]
fn zstd_and_bsdtar_and_sha256sum_agree() {
    let place = Place::new();
    place.sh("for n in $(seq 60); do head -c $((n * 1310)) /dev/urandom >f$n; done; head -c 13M /dev/urandom >large");
    let full = place.collect(None, 0);
    let data = full.staging.join("data.tar.zst");
    output("zstd", &["-tq", data.to_str().unwrap()]);
    let listed = String::from_utf8(output("bsdtar", &["-tf", data.to_str().unwrap()])).unwrap();
    assert_eq!(listed.lines().count(), 62);
    place.assert_restores(&[&full]);
    for entry in full.catalog() {
        let EntryKind::File { sha256, .. } = entry.kind else { continue };
        let path = format!("/{}", String::from_utf8(entry.path).unwrap());
        let told = String::from_utf8(output("sha256sum", &[&path])).unwrap();
        assert!(told.starts_with(&hex::encode(sha256)), "{path}");
    }
}

#[test]
fn each_member_begins_where_the_catalog_says() {
    let place = Place::new();
    place.sh(
        "for n in $(seq 200); do head -c $((n * 991)) /dev/urandom >f$n; done; head -c 9M /dev/zero >large; mkdir d",
    );
    let full = place.collect(None, 0);
    let data = fs::read(full.staging.join("data.tar.zst")).unwrap();
    for entry in full.catalog() {
        let backup_archive::Place::At { frame, skip } = entry.place else { panic!("a full without patches") };
        let frame = &data[usize::try_from(frame).unwrap()..];
        let plain = zstd::bulk::decompress(
            &frame[..zstd::zstd_safe::find_frame_compressed_size(frame).unwrap()],
            backup_archive::frame::MAX_PLAIN,
        )
        .unwrap();
        let mut archive = tar::Archive::new(&plain[usize::try_from(skip).unwrap()..]);
        let found = archive.entries().unwrap().next().unwrap().unwrap().path_bytes().into_owned();
        assert_eq!(found.strip_suffix(b"/").unwrap_or(&found), entry.path);
    }
}

#[test]
fn a_changed_file_moves_no_other_frame() {
    let place = Place::new();
    for n in 0..2000u32 {
        let noise = (0..n * 2).flat_map(|word| word.wrapping_mul(n).wrapping_mul(2_654_435_761).to_le_bytes());
        place.write(&format!("f{n:04}"), noise.collect::<Vec<_>>());
    }
    let before = place.collect(None, 0);
    place.write("f1000", vec![b'x'; 7000]);
    place.write("f0500new", "one more");
    let after = place.collect(None, 0);
    let old: std::collections::HashSet<_> = before.frames().into_iter().collect();
    let moved = after.frames().iter().filter(|frame| !old.contains(*frame)).count();
    // The directory's own time, the changed file, the new file, and what follows them if a group was full just there.
    assert!(moved <= 5 && moved < old.len(), "{moved} of {}", old.len());
    assert_eq!(place.collect(None, 0).frames(), after.frames());
}

#[test]
fn an_empty_tree_and_a_single_file_are_trees() {
    let place = Place::new();
    let full = place.collect(None, 0);
    place.assert_restores(&[&full]);
    assert_eq!(full.result.warnings.len(), 1);

    let mut place = Place::new();
    place.write("one", "1");
    place.spec.include = vec![place.path("one")];
    let full = place.collect(None, 0);
    assert_eq!(full.names(&place), ["one"]);
}

#[test]
fn memory_stays_bounded_by_the_pipeline_not_by_the_file() {
    let place = Place::new();
    place.sh("head -c 200M /dev/urandom >big");
    let before = peak_memory();
    let full = place.collect(None, 0);
    let grown = peak_memory() - before;
    assert!(grown < 120 << 10, "{grown} KiB");
    let entry = full.catalog().into_iter().find(|entry| entry.path.ends_with(b"big")).unwrap();
    let EntryKind::File { sha256, blocks, .. } = entry.kind else { panic!("a file") };
    assert_eq!(blocks.unwrap().len(), 200 * 16 * 16);
    let told = output("sha256sum", &[place.path("big").to_str().unwrap()]);
    assert!(told.starts_with(hex::encode(sha256).as_bytes()));
}

/// The most memory that this process ever had, in KiB. Each test is a process of its own under nextest; otherwise the
/// other tests only make the bound easier to keep.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn two_passes_without_a_change_read_nothing_and_keep_the_frames() {
    let place = Place::new();
    place.sh("for n in $(seq 100); do head -c $((n * 3000)) /dev/urandom >f$n; done; head -c 9M /dev/urandom >large");
    let once = place.collect(None, 3600);
    let (mut collector, staging) = place.collector(None);
    let first = collector.warm(&later(3600)).unwrap();
    assert_eq!(first.read, 102);
    assert_eq!(collector.estimate(), backup_collect::tree::Estimate::default());
    let second = collector.cold(&later(3600)).unwrap();
    assert_eq!((second.paths, second.read, second.read_bytes), (102, 0, 0));
    let result = collector.finish().unwrap();
    assert_eq!(result.artifacts["data.tar.zst"], once.result.artifacts["data.tar.zst"]);
    assert!(staging.join("data.tar.zst").exists() && !staging.join(".frames").exists());
}
