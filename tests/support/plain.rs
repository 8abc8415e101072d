//! Restores from the sink's store with plain tools alone.

use crate::executables::sh;
use crate::lab::{Lab, within};
use crate::oracle;
use std::path::Path;

/// By the store's `restore.sh` under dash: data that came back are `wanted`.
#[track_caller]
pub fn by_script(lab: &Lab, id: &str, wanted: &Path) {
    let (store, target) = (lab.there("data", "store"), lab.at("by-script"));
    let root = store.ancestors().nth(2).unwrap();
    sh(&format!("dash {}/restore.sh {}/{id} {} 2>&1", root.display(), store.display(), target.display()));
    compare(lab, wanted, &target);
}

/// A full, by the one command that docs/format.md prints.
#[track_caller]
pub fn by_tar(lab: &Lab, id: &str, wanted: &Path) {
    let (store, target) = (lab.there("data", "store"), lab.at("by-tar"));
    sh(&format!(
        "mkdir {0}; cd {1}/{id} && sha256sum --quiet -c SHA256SUMS && \
         tar --zstd --numeric-owner --xattrs --xattrs-include='*' --acls -xpf data.tar.zst -C {0}",
        target.display(),
        store.display()
    ));
    compare(lab, wanted, &target);
}

#[track_caller]
fn compare(lab: &Lab, wanted: &Path, target: &Path) {
    oracle::same(wanted, &within(target, &lab.srv()));
    sh(&format!("rm -rf {}", target.display()));
}
