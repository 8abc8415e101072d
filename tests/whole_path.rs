//! The whole path on real parts: collect → handover → transport → store → rotate → fetch → restore, pushed and pulled.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_core::units::{Bytes, Span};
use backup_tests::executables::{Done, Executable, sh};
use backup_tests::lab::{Host, Lab, Way, within};
use backup_tests::tree::{change, fill, reference};
use backup_tests::{oracle, plain};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;

fn restore_elsewhere(lab: &Lab, id: &str, wanted: &Path) {
    let target = lab.at(&format!("ours-{id}"));
    let words = ["run", "--generation", id, "--target", target.to_str().unwrap()];
    let answer = lab.call(Host::Source, Executable::Restore, &words).good();
    assert_eq!(answer["streams"][0]["signed_by"], "sink1");
    oracle::same(wanted, &within(&target, &lab.srv()));
}

/// What the sink measured of a full and an incremental, and that a plan takes it.
fn measured(lab: &Lab, store: &Path, ids: [&str; 2]) {
    let plan = |words: &[&str]| Done::of(Command::new(Executable::Plan.path()).args(words).arg("--json")).good();
    let answer = plan(&["measure", "--config", lab.at("sink/etc").to_str().unwrap()]);
    assert_eq!(answer["samples"]["web1/shop"]["data"], 2, "{answer}");
    let shop = &answer["facts"]["hosts"]["web1"]["jobs"]["shop"];
    for (key, id) in ["full", "incremental"].into_iter().zip(ids) {
        let stored = sh(&format!("cat {}/{id}/* | wc -c", store.display()));
        let stored: u64 = stored.trim().parse().unwrap();
        let told: Bytes = shop[key].as_str().unwrap().parse().unwrap();
        assert!((stored..=stored + stored / 10 + 1).contains(&told.0), "{key}: {stored} in {answer}");
    }
    for step in ["collect", "transport", "verify"] {
        let took: Span = shop[step].as_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&took.0), "{step}: {answer}");
    }
    let config = lab.at("source/etc");
    let planned = plan(&[
        "run",
        "--config",
        config.to_str().unwrap(),
        "--measured",
        &answer["facts"].to_string(),
        "--years",
        "1",
    ]);
    assert_eq!(planned["plans"][0]["source"], "web1", "{planned}");
}

fn whole_path(way: Way) {
    let lab = Lab::new(way);
    let (store, signers) = (lab.there("data", "store"), lab.at("signers"));
    fill(&lab.srv());

    let full = lab.collect(&[]);
    assert_eq!(oracle::whole(&lab.here("data", "handover"), None), [full.as_str()]);
    let at_full = reference(&lab, "at-full");
    assert!(!lab.here("data", "store").exists(), "the source store has the generation only after the receipt");
    let carried = lab.transport().good();
    assert_eq!(carried["generations"][0]["verified"], true, "{carried}");
    assert_eq!(oracle::whole(&store, Some(&signers)), [full.as_str()]);
    assert_eq!(oracle::whole(&lab.here("data", "store"), Some(&signers)), [full.as_str()]);
    assert!(oracle::generations(&lab.here("data", "handover")).is_empty());
    assert_eq!(lab.transport().good()["changed"], false);

    change(&lab.srv());
    let incremental = lab.collect(&[]);
    let at_incremental = reference(&lab, "at-incremental");
    let manifest = fs::read_to_string(lab.here("data", "handover").join(&incremental).join("manifest.json")).unwrap();
    assert!(manifest.contains("\"incremental\"") && manifest.contains(&full), "{manifest}");
    lab.transport().good();
    assert_eq!(oracle::whole(&store, Some(&signers)), [full.clone(), incremental.clone()]);

    let before = oracle::digests(&store);
    lab.call(Host::Sink, Executable::Rotate, &["run"]).good();
    assert_eq!(oracle::digests(&store), before, "three are kept, and there are two");

    measured(&lab, &store, [&full, &incremental]);
    plain::by_tar(&lab, &full, &at_full);
    plain::by_script(&lab, &full, &at_full);
    plain::by_script(&lab, &incremental, &at_incremental);

    assert_eq!(lab.fetch(&[]).good()["generation"], incremental.as_str());
    restore_elsewhere(&lab, &full, &at_full);
    restore_elsewhere(&lab, &incremental, &at_incremental);
    // In place: after a loss, after damage, and when there is nothing to do.
    sh(&format!("rm -rf {}", lab.srv().display()));
    assert_eq!(lab.call(Host::Source, Executable::Restore, &["run"]).good()["changed"], true);
    oracle::same(&at_incremental, &lab.srv());
    sh(&format!("cd {}; rm -r new orders; echo other > blob; touch extra", lab.srv().display()));
    assert_eq!(lab.call(Host::Source, Executable::Restore, &["run"]).good()["changed"], true);
    oracle::same(&at_incremental, &lab.srv());
    assert_eq!(lab.call(Host::Source, Executable::Restore, &["run"]).good()["changed"], false);
}

#[test]
fn pushed_data_come_back() {
    whole_path(Way::Push);
}

#[test]
fn pulled_data_come_back() {
    whole_path(Way::Pull);
}

#[test]
fn logs_are_pulled_and_do_not_stay() {
    let mut lab = Lab::new(Way::Push);
    let logs = lab.at("source/log");
    lab.stream("logs", &json!({"include": [logs]}));
    lab.declare();
    sh(&format!(
        "mkdir {0}; seq 1 1000 > {0}/app.log; seq 1 10 | gzip > {0}/app.log.1.gz; echo data > {1}/x",
        logs.display(),
        lab.srv().display()
    ));
    let pull = |lab: &Lab| lab.call(Host::Sink, Executable::Transport, &["run"]);
    let (handover, store, signers) = (lab.here("logs", "handover"), lab.there("logs", "store"), lab.at("signers"));

    let full = lab.collect(&[]);
    assert_eq!(oracle::whole(&handover, None), std::slice::from_ref(&full), "both streams have the same id");
    assert_eq!(oracle::whole(&lab.here("data", "handover"), None), std::slice::from_ref(&full));
    pull(&lab).good();
    assert_eq!(oracle::whole(&store, Some(&signers)), std::slice::from_ref(&full));
    assert!(oracle::generations(&handover).is_empty(), "the log handover point empties");
    assert!(oracle::generations(&lab.here("logs", "store")).is_empty(), "none is kept on the source");
    assert_eq!(oracle::generations(&lab.here("data", "handover")), [full], "data wait for the push");

    sh(&format!("cd {}; seq 1 50 >> app.log; mv app.log app.log.2; echo fresh > app.log", logs.display()));
    let second = lab.collect(&["--stream", "logs"]);
    pull(&lab).good();
    let stored = oracle::whole(&store, Some(&signers));
    assert_eq!(stored.last(), Some(&second));
    let target = lab.at("out");
    let words = ["run", "--stream", "logs", "--from", "sink_store", "--target", target.to_str().unwrap()];
    lab.call(Host::Source, Executable::Restore, &words).good();
    oracle::same(&logs, &within(&target, &logs));
    fs::remove_dir_all(&target).unwrap();
    let root = store.ancestors().nth(2).unwrap();
    sh(&format!("dash {}/restore.sh {}/{second} {} 2>&1", root.display(), store.display(), target.display()));
    oracle::same(&logs, &within(&target, &logs));
}
