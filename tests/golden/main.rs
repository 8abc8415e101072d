//! Stores of every released format, as they were written then: what is here now reads them, by our executables and by the script that
//! lies in each. What must come back is in `<id>.txt`, as foreign tools described it before it was collected.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Done, Executable, sh};
use backup_tests::lab::{Lab, Way, within};
use backup_tests::{oracle, tree};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the stores hold a copy of.
const TREE: &str = "/srv/golden";
/// Where a job document names the folder in which everything lies.
const ROOM: &str = "@ROOM@";

fn stores() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut stores: Vec<_> = found.filter(|path| path.join("store").is_dir()).collect();
    stores.sort();
    assert!(!stores.is_empty());
    stores
}

/// A copy of a store with its job, as they would lie on a host.
struct Copy {
    room: tempfile::TempDir,
    golden: PathBuf,
}

impl Copy {
    fn of(golden: &Path) -> Self {
        let room = tempfile::tempdir().unwrap();
        let (from, to) = (golden.display(), room.path().display());
        sh(&format!(
            "cp -r {from}/store {from}/signers {to}; chown -R root:root {to}; mkdir -p {to}/etc/jobs\n\
             sed 's,{ROOM},{to},g' {from}/job.json > {to}/etc/jobs/shop.yml"
        ));
        Self { room, golden: golden.to_owned() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.at("store/shop/data")
    }

    fn restore(&self, id: &str, target: &Path) -> Done {
        let from = format!("path:{}", self.at("store").display());
        let words = ["run", "shop", "--json", "--stream", "data", "--from", &from, "--generation", id, "--config"];
        let mut command = Command::new(Executable::Restore.path());
        Done::of(command.args(words).arg(self.at("etc")).arg("--target").arg(target))
    }

    fn wanted(&self, id: &str) -> String {
        fs::read_to_string(self.golden.join(format!("{id}.txt"))).unwrap()
    }
}

#[test]
fn every_released_format_is_restored_by_our_executables() {
    for golden in stores() {
        let copy = Copy::of(&golden);
        let before = oracle::digests(&copy.data());
        for id in oracle::whole(&copy.data(), Some(&copy.at("signers"))) {
            let target = copy.at(&format!("ours-{id}"));
            let answer = copy.restore(&id, &target).good();
            assert_eq!(answer["streams"][0]["signed_by"], "sink1", "{}", golden.display());
            assert_eq!(oracle::described(&within(&target, Path::new(TREE))), copy.wanted(&id), "{id}");
        }
        assert_eq!(oracle::digests(&copy.data()), before);
    }
}

#[test]
fn every_released_format_is_restored_by_its_own_script() {
    for golden in stores() {
        let copy = Copy::of(&golden);
        for id in oracle::generations(&copy.data()) {
            let (script, target) = (copy.at("store/restore.sh"), copy.at(&format!("script-{id}")));
            sh(&format!("dash {} {}/{id} {} 2>&1", script.display(), copy.data().display(), target.display()));
            assert_eq!(oracle::described(&within(&target, Path::new(TREE))), copy.wanted(&id), "{id}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_golden_store_is_seen() {
    let copy = Copy::of(&stores()[0]);
    let id = oracle::generations(&copy.data()).remove(0);
    sh(&format!(
        "printf '\\377' | dd of={}/{id}/data.tar.zst bs=1 seek=200 conv=notrunc status=none",
        copy.data().display()
    ));
    copy.restore(&id, &copy.at("damaged")).failed("damaged");
}

/// Everything a generation can have: a full, an incremental with deletions and patches, a dump.
#[test]
#[ignore = "writes the golden store of the present format into this folder, once for each released format"]
fn write_the_golden_store() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/format-{}", backup_core::manifest::FORMAT));
    let mut lab = Lab::new(Way::Push);
    lab.change(&json!({"streams": {"data": {
        "include": [TREE], "large_file": "1MiB", "compression_level": 19,
        "dumps": [{"name": "main", "extension": "sql", "command": {"run": ["echo", "select 1;"]}}],
    }}}));
    let described = |id: &str| fs::write(golden.join(format!("{id}.txt")), oracle::described(Path::new(TREE))).unwrap();
    sh(&format!("rm -rf {0} {TREE}; mkdir -p {0} {TREE}", golden.display()));
    tree::fill(Path::new(TREE));
    // Not much to keep in a repository: what cannot be compressed is replaced. What is patched is too large for a group.
    sh(&format!("cd {TREE}; seq 1 1000 > blob; yes a row | head -c 6000000 > disk"));
    described(&lab.collect(&[]));
    lab.transport().good();
    sh(&format!("cd {TREE}; printf changed | dd of=disk bs=1 seek=1000000 conv=notrunc status=none"));
    tree::change(Path::new(TREE));
    described(&lab.collect(&[]));
    lab.transport().good();
    let root = lab.there("data", "store").ancestors().nth(2).unwrap().to_owned();
    sh(&format!(
        "cp -r {} {golden}/store; cp {} {golden}; sed 's,{},{ROOM},g' {} > {golden}/job.json; rm -r {TREE}\n\
         cd {golden}; find . -name .lock -delete; find . -type d -empty -delete; [ -e store/shop/data/*/patches/1.zst ]",
        root.display(),
        lab.at("signers").display(),
        lab.at("").display().to_string().trim_end_matches('/'),
        lab.at("source/etc/jobs/shop.yml").display(),
        golden = golden.display(),
    ));
}
