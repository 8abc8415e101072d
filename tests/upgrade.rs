//! Hosts are upgraded one after the other: an old source with a new sink, a new source with an old sink, and then both, with the generations
//! that were made before. `scripts/upgrade.sh COMMIT` builds the old executables and runs this.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::Executable;
use backup_tests::lab::{Host, Lab, Way};
use backup_tests::tree::{change, fill, reference};
use backup_tests::{oracle, plain};
use std::path::PathBuf;

/// Collects and carries; the id, and a copy of what was collected.
fn night(lab: &Lab, name: &str) -> (String, PathBuf) {
    let id = lab.collect(&[]);
    let copy = reference(lab, name);
    let carried = lab.transport().good();
    assert_eq!(carried["generations"][0]["verified"], true, "{carried}");
    (id, copy)
}

fn one_after_the_other(way: Way, earlier: Host) {
    let mut lab = Lab::new(way);
    let install = |lab: &mut Lab, earlier| {
        lab.earlier = earlier;
        lab.kill_sshd();
        lab.start_sshd();
    };
    install(&mut lab, Some(earlier));
    fill(&lab.srv());
    let full = night(&lab, "full");
    change(&lab.srv());
    let incremental = night(&lab, "incremental");
    assert_eq!(lab.fetch(&[]).good()["generation"], incremental.0.as_str());
    lab.call(Host::Sink, Executable::Rotate, &["run"]).good();

    install(&mut lab, None);
    std::fs::write(lab.srv().join("after"), "the upgrade\n").unwrap();
    let after = night(&lab, "after");
    let ids = [&full, &incremental, &after].map(|(id, _)| id.clone());
    assert_eq!(oracle::whole(&lab.there("data", "store"), Some(&lab.at("signers"))), ids);
    for (id, wanted) in [&full, &incremental, &after] {
        lab.restores_to(id, wanted, id);
        plain::by_script(&lab, id, wanted);
    }
    let rotated = lab.call(Host::Sink, Executable::Rotate, &["run"]).good();
    assert_eq!(rotated["changed"], false, "three are kept, and there are three: {rotated}");
}

#[test]
#[ignore = "needs the executables of an earlier release: scripts/upgrade.sh builds them"]
fn an_old_source_pushes_to_a_new_sink() {
    one_after_the_other(Way::Push, Host::Source);
}

#[test]
#[ignore = "needs the executables of an earlier release: scripts/upgrade.sh builds them"]
fn a_new_source_pushes_to_an_old_sink() {
    one_after_the_other(Way::Push, Host::Sink);
}

#[test]
#[ignore = "needs the executables of an earlier release: scripts/upgrade.sh builds them"]
fn a_new_sink_pulls_from_an_old_source() {
    one_after_the_other(Way::Pull, Host::Source);
}

#[test]
#[ignore = "needs the executables of an earlier release: scripts/upgrade.sh builds them"]
fn an_old_sink_pulls_from_a_new_source() {
    one_after_the_other(Way::Pull, Host::Sink);
}
