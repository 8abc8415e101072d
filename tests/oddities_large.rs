//! A hundred thousand files, and one of five gigabytes, as a full and as an incremental, restored by plain tools and by ours.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::sh;
use backup_tests::lab::{Lab, Way};
use backup_tests::plain;
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

#[test]
fn a_hundred_thousand_files_come_back() {
    let lab = Lab::in_memory(Way::Push);
    for folder in 0..200 {
        let folder = lab.srv().join(format!("d{folder}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..500 {
            fs::write(folder.join(format!("f{file}")), format!("{folder:?} {file}\n").repeat(file % 7)).unwrap();
        }
    }
    let full = lab.collect(&[]);
    lab.transport().good();
    plain::by_tar(&lab, &full, &lab.srv());
    sh(&format!(
        "cd {}; rm -r d7 d8; rm d*/f77; for d in d1*; do echo more >> $d/f1; done; mkdir new; echo n > new/n; mv d9 moved",
        lab.srv().display()
    ));
    let incremental = lab.collect(&[]);
    lab.transport().good();
    lab.restores_to(&incremental, &lab.srv(), "an incremental of many files");
    plain::by_script(&lab, &incremental, &lab.srv());
}

/// Every fifth megabyte holds data, no two alike and quick to compress, the rest are holes: a gigabyte over five,
/// because an executable that is built for tests hashes slowly. The last one cannot be compressed.
fn write_five_gigabytes(path: &Path) {
    let file = File::create(path).unwrap();
    for megabyte in (0..5 << 10).step_by(5) {
        // The NUL: `diff` reads what looks like text as a whole into memory.
        let line = format!("megabyte {megabyte} of a large file\n\0");
        let mut text = line.repeat((1 << 20) / line.len() + 1);
        text.truncate(1 << 20);
        file.write_all_at(text.as_bytes(), megabyte << 20).unwrap();
    }
    sh(&format!("head -c 100000 /dev/urandom | dd of={} bs=1M seek=5200 conv=notrunc status=none", path.display()));
}

#[test]
fn a_file_of_five_gigabytes_comes_back_and_changes_by_patches() {
    let mut lab = Lab::in_memory(Way::Push);
    lab.change(&json!({"streams": {"data": {"compression_level": 1}}}));
    let disk = lab.srv().join("disk");
    write_five_gigabytes(&disk);
    let full = lab.collect(&[]);
    lab.transport().good();
    plain::by_tar(&lab, &full, &lab.srv());
    sh(&format!(
        "cd {}; for i in 3 1030 4990 5190; do echo changed block $i | dd of=disk bs=1M seek=$i conv=notrunc status=none; done",
        lab.srv().display()
    ));
    let incremental = lab.collect(&[]);
    let generation = lab.here("data", "handover").join(&incremental);
    let patch = fs::metadata(generation.join("patches/1.zst")).unwrap().len();
    assert!(patch < 4 * 70_000, "{patch} bytes for four blocks");
    lab.transport().good();
    lab.restores_to(&incremental, &lab.srv(), "an incremental");
    plain::by_script(&lab, &incremental, &lab.srv());
}
