//! A hundred thousand files, and one of five gigabytes, as a full and as an incremental.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::sh;
use backup_tests::lab::{Lab, Way, within};
use backup_tests::oracle;
use std::fs;

fn plain_tools(lab: &Lab, id: &str) {
    let (store, target) = (lab.there("data", "store"), lab.at("plain"));
    let root = store.ancestors().nth(2).unwrap();
    sh(&format!("dash {}/restore.sh {}/{id} {} 2>&1", root.display(), store.display(), target.display()));
    oracle::same(&lab.srv(), &within(&target, &lab.srv()));
    sh(&format!("rm -rf {}", target.display()));
}

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
    lab.collect(&[]);
    lab.transport().good();
    sh(&format!(
        "cd {}; rm -r d7 d8; rm d*/f77; for d in d1*; do echo more >> $d/f1; done; mkdir new; echo n > new/n; mv d9 moved",
        lab.srv().display()
    ));
    let incremental = lab.collect(&[]);
    lab.transport().good();
    lab.restores_to(&incremental, &lab.srv(), "an incremental of many files");
    plain_tools(&lab, &incremental);
}

#[test]
fn a_file_of_five_gigabytes_comes_back_and_changes_by_patches() {
    let lab = Lab::in_memory(Way::Push);
    sh(&format!(
        "cd {}; truncate -s 5G disk; head -c 60M /dev/urandom | dd of=disk bs=1M seek=2000 conv=notrunc status=none\n\
         for i in $(seq 1 40); do head -c 100000 /dev/urandom | dd of=disk bs=1M seek=$((i * 120)) conv=notrunc status=none; done",
        lab.srv().display()
    ));
    lab.collect(&[]);
    lab.transport().good();
    sh(&format!(
        "cd {}; for i in 3 1030 2010 4900; do echo changed block $i | dd of=disk bs=1M seek=$i conv=notrunc status=none; done",
        lab.srv().display()
    ));
    let incremental = lab.collect(&[]);
    let generation = lab.here("data", "handover").join(&incremental);
    let patch = fs::metadata(generation.join("patches/1.zst")).unwrap().len();
    assert!(patch < 4 * 70_000, "{patch} bytes for four blocks");
    lab.transport().good();
    lab.restores_to(&incremental, &lab.srv(), "an incremental");
    plain_tools(&lab, &incremental);
}
