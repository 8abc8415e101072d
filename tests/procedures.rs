//! The procedures of docs/operations.md, "Renaming and moving", step by step: new names begin anew, old copies stay whole.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Done, Executable, sh};
use backup_tests::lab::{Host, Lab, Way, within, write_script};
use backup_tests::oracle;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A call on the host whose configuration is in `folder`, about the job that is called `name` there.
fn call(lab: &Lab, folder: &str, executable: Executable, name: &str, words: &[&str]) -> Done {
    let mut command = Command::new(executable.path());
    command
        .arg(words[0])
        .arg(name)
        .args(&words[1..])
        .args(["--json", "--config"])
        .arg(lab.at(&format!("{folder}/etc")));
    Done::of(&mut command)
}

fn declare(lab: &Lab, folder: &str, name: &str, job: &Value) {
    let path = lab.at(&format!("{folder}/etc/jobs/{name}.yml"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, serde_json::to_string_pretty(job).unwrap()).unwrap();
}

/// What the role writes for a new name or a new sink: the source's key may push this job to that host.
fn authorise(lab: &Lab, folder: &str, name: &str) {
    let (transport, config) = (Executable::Transport.path(), lab.at(&format!("{folder}/etc")));
    let body = format!(
        "exec {} serve --config {} --job {name} --stream data --allow push",
        transport.display(),
        config.display()
    );
    write_script(&lab.at("bin/serve-push"), &body);
}

fn write(lab: &Lab, text: &str) {
    fs::write(lab.srv().join("order"), text).unwrap();
}

/// A job with a full and an incremental at its sink, and the digests of both.
fn begun() -> (Lab, Vec<String>, String) {
    let lab = Lab::in_memory(Way::Push);
    let ids = ["one", "two"].map(|text| {
        write(&lab, text);
        let id = lab.collect(&[]);
        lab.transport().good();
        id
    });
    let digests = format!("{:?}", oracle::digests(&lab.there("data", "store")));
    (lab, ids.to_vec(), digests)
}

/// Collects and carries; a new beginning is a full.
fn first(lab: &Lab, name: &str) -> String {
    let answer = call(lab, "source", Executable::Collect, name, &["run"]).good();
    assert_eq!(answer["streams"][0]["kind"], "full", "{answer}");
    call(lab, "source", Executable::Transport, name, &["run"]).good();
    let status = call(lab, "source", Executable::Job, name, &["status"]).good();
    assert_eq!(status["jobs"][0]["streams"][0]["phase"], "complete", "{status}");
    answer["streams"][0]["id"].as_str().unwrap().to_owned()
}

/// What the script beside the copies makes of one.
fn order_in(lab: &Lab, store: &Path, id: &str) -> String {
    let (out, root) = (lab.at(&format!("out-{id}")), store.ancestors().nth(2).unwrap());
    sh(&format!("dash {}/restore.sh {}/{id} {} 2>&1", root.display(), store.display(), out.display()));
    fs::read_to_string(within(&out, &lab.srv()).join("order")).unwrap()
}

fn terminate(lab: &Lab, folder: &str, name: &str, store: &Path) {
    call(lab, folder, Executable::Job, name, &["terminate", "--confirm", "shop"]).good();
    assert!(oracle::generations(store).is_empty());
}

#[test]
fn another_name_for_a_job() {
    let (lab, ids, digests) = begun();
    let old = lab.there("data", "store");
    for (folder, name) in [("source", "shop"), ("sink", "web1/shop")] {
        call(&lab, folder, Executable::Job, name, &["run", "--state", "stopped"]).good();
    }
    let mut job = lab.job.clone();
    job["job"] = json!("till");
    declare(&lab, "source", "till", &job);
    declare(&lab, "sink", "web1/till", &job);
    authorise(&lab, "sink", "web1/till");
    write(&lab, "three");
    let id = first(&lab, "till");
    let new = lab.at("sink/home/store/web1/till/data");
    assert_eq!(oracle::whole(&new, Some(&lab.at("signers"))), std::slice::from_ref(&id));
    assert_eq!(call(&lab, "source", Executable::Collect, "shop", &["run"]).good()["changed"], false);

    // The old copies are what they were, and come back under the old name.
    assert_eq!(format!("{:?}", oracle::digests(&old)), digests);
    lab.fetch(&[]).good();
    let target = lab.at("back");
    lab.call(Host::Source, Executable::Restore, &["run", "--target", target.to_str().unwrap()]).good();
    assert_eq!(fs::read_to_string(within(&target, &lab.srv()).join("order")).unwrap(), "two");
    assert_eq!(order_in(&lab, &old, &ids[0]), "one");

    terminate(&lab, "source", "shop", &lab.here("data", "store"));
    terminate(&lab, "sink", "web1/shop", &old);
    assert_eq!(oracle::whole(&new, Some(&lab.at("signers"))), [id]);
    write(&lab, "four");
    let next = call(&lab, "source", Executable::Collect, "till", &["run"]).good();
    assert_eq!(next["streams"][0]["kind"], "incremental", "{next}");
    call(&lab, "source", Executable::Transport, "till", &["run"]).good();
}

#[test]
fn another_name_for_a_host() {
    let (lab, ids, digests) = begun();
    let old = lab.there("data", "store");
    assert!(oracle::generations(&lab.here("data", "handover")).is_empty(), "nothing waits");
    call(&lab, "sink", Executable::Job, "web1/shop", &["stop"]).good();
    let document = fs::read(lab.at("sink/etc/jobs/web1/shop.yml")).unwrap();
    let mut job = lab.job.clone();
    job["source"] = json!("web9");
    declare(&lab, "source", "shop", &job);
    declare(&lab, "sink", "web9/shop", &job);
    fs::remove_file(lab.at("sink/etc/jobs/web1/shop.yml")).unwrap();
    authorise(&lab, "sink", "web9/shop");
    write(&lab, "three");
    let id = first(&lab, "shop");
    let new = lab.at("sink/home/store/web9/shop/data");
    assert_eq!(oracle::whole(&new, Some(&lab.at("signers"))), std::slice::from_ref(&id));
    write(&lab, "four");
    let next = call(&lab, "source", Executable::Collect, "shop", &["run"]).good();
    assert_eq!((&next["streams"][0]["kind"], &next["streams"][0]["base"]["id"]), (&json!("incremental"), &json!(id)));
    call(&lab, "source", Executable::Transport, "shop", &["run"]).good();

    assert_eq!(format!("{:?}", oracle::digests(&old)), digests);
    assert_eq!(order_in(&lab, &old, &ids[1]), "two");
    fs::write(lab.at("sink/etc/jobs/web1/shop.yml"), document).unwrap();
    terminate(&lab, "sink", "web1/shop", &old);
    assert_eq!(oracle::whole(&new, Some(&lab.at("signers"))).len(), 2);
}

#[test]
fn another_sink() {
    let (mut lab, ids, digests) = begun();
    let old = lab.there("data", "store");
    call(&lab, "sink", Executable::Job, "web1/shop", &["stop"]).good();
    call(&lab, "source", Executable::Job, "shop", &["stop"]).good();

    // The new sink has a key of its own; the old one's stays pinned as long as its copies are wanted.
    sh(&format!(
        "cd {0}; ssh-keygen -q -t ed25519 -N '' -f receipt2; echo \"sink2 namespaces=\\\"handover-receipt\\\" $(cat receipt2.pub)\" >> signers",
        lab.at("").display()
    ));
    let sink: PathBuf = lab.at("sink2/home");
    let change =
        json!({"streams": {"data": {"sink": {"name": "sink2", "home": sink, "receipt_key": lab.at("receipt2")}}}});
    backup_tests::lab::merge(&mut lab.job, &change);
    declare(&lab, "source", "shop", &lab.job);
    declare(&lab, "sink2", "web1/shop", &lab.job);
    authorise(&lab, "sink2", "web1/shop");
    // The two sinks are different hosts: neither knows of the other's state.
    let mut job = lab.job.clone();
    job["state"] = json!(lab.at("sink2/state"));
    declare(&lab, "sink2", "web1/shop", &job);

    call(&lab, "source", Executable::Job, "shop", &["restart"]).good();
    write(&lab, "three");
    let id = first(&lab, "shop");
    let new = lab.at("sink2/home/store/web1/shop/data");
    assert_eq!(oracle::generations(&new), std::slice::from_ref(&id));
    sh(&format!(
        "cd {}/receipts; ssh-keygen -Y verify -f {} -I sink2 -n handover-receipt -s {id}.json.sig < {id}.json",
        new.display(),
        lab.at("signers").display()
    ));
    write(&lab, "four");
    let next = call(&lab, "source", Executable::Collect, "shop", &["run"]).good();
    assert_eq!((&next["streams"][0]["kind"], &next["streams"][0]["base"]["id"]), (&json!("incremental"), &json!(id)));
    call(&lab, "source", Executable::Transport, "shop", &["run"]).good();
    assert_eq!(oracle::generations(&new).len(), 2);

    // The old sink took nothing more and lost nothing.
    assert_eq!(format!("{:?}", oracle::digests(&old)), digests);
    assert_eq!(order_in(&lab, &old, &ids[1]), "two");
    terminate(&lab, "sink", "web1/shop", &old);
    assert_eq!(oracle::generations(&new).len(), 2);
}
