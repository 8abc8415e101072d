//! Ten bad nights and more, with three generations kept: whatever fails, is empty or is garbage, the sink's store is
//! the same byte for byte, the failure is loud, and the first good night works.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Executable, sh};
use backup_tests::kill::{Point, Whom};
use backup_tests::lab::{Host, Lab, Way};
use backup_tests::oracle;
use backup_tests::service;
use serde_json::{Value, json};

fn lab() -> Lab {
    let mut lab = Lab::in_memory(Way::Push);
    service::declare(&mut lab, "exec sleep 3600", "");
    lab.change(&json!({"streams": {"data": {"handover": {"keep": 9}}}}));
    sh(&format!("cd {}; mkdir d; seq 1 50000 > d/list; seq 1 100 > orders", lab.srv().display()));
    service::Service::of(&lab).start();
    for _ in 0..4 {
        sh(&format!("date +%N >> {}/orders", lab.srv().display()));
        lab.collect(&[]);
        lab.transport().good();
        lab.mail();
    }
    lab
}

/// What cron does in a night after the collection.
fn rest_of_the_night(lab: &Lab) {
    lab.call(Host::Sink, Executable::Rotate, &["run"]).good();
    lab.call(Host::Source, Executable::Rotate, &["run"]).good();
}

/// The last sealed generation in the handover point, to be spoilt.
fn waiting(lab: &Lab) -> String {
    let handover = lab.here("data", "handover");
    let id = oracle::generations(&handover).pop().unwrap();
    handover.join(id).display().to_string()
}

const RESEAL: &str = "rm SHA256SUMS; find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum > /tmp/seal.$$; mv /tmp/seal.$$ SHA256SUMS";

#[test]
fn bad_collections_displace_nothing() {
    let mut lab = lab();
    let (srv, away) = (lab.srv().display().to_string(), lab.at("away").display().to_string());
    let store = lab.there("data", "store");
    let before = oracle::digests(&store);
    let nothing = json!({});
    let failing = json!({"run": ["false"]});
    let streams = |what: Value| json!({"streams": {"data": what}});
    let nights: Vec<(&str, String, Value, Value, String)> = vec![
        ("source_invalid", format!("mv {srv} {away}"), nothing.clone(), nothing.clone(), format!("mv {away} {srv}")),
        (
            "source_invalid",
            format!("mv {srv} {away}; mkdir {srv}"),
            nothing.clone(),
            nothing.clone(),
            format!("rmdir {srv}; mv {away} {srv}"),
        ),
        (
            "source_invalid",
            ":".into(),
            streams(json!({"checks": {"mounted": [srv]}})),
            streams(json!({"checks": {"mounted": []}})),
            ":".into(),
        ),
        (
            "source_invalid",
            format!("mv {srv}/d {away}"),
            streams(json!({"checks": {"max_shrink": "50%"}})),
            nothing.clone(),
            format!("mv {away} {srv}/d"),
        ),
        (
            "source_invalid",
            ":".into(),
            streams(json!({"checks": {"min_size": "1G"}})),
            streams(json!({"checks": {"min_size": "1K"}})),
            ":".into(),
        ),
        (
            "dump_failed",
            ":".into(),
            streams(json!({"dumps": [{"name": "all", "command": {"run": ["sh", "-c", "echo half; exit 3"]}}]})),
            streams(json!({"dumps": []})),
            ":".into(),
        ),
        (
            "dump_failed",
            ":".into(),
            streams(json!({"dumps": [{"name": "all", "command": {"run": ["true"]}}]})),
            streams(json!({"dumps": []})),
            ":".into(),
        ),
        (
            "hook_failed",
            ":".into(),
            json!({"hooks": {"before": [failing]}}),
            json!({"hooks": {"before": []}}),
            ":".into(),
        ),
        (
            "service_stop",
            format!("cp -p {0} {0}.good; sed -i 's/stop) /stop) exit 0;/' {0}", lab.at("bin/app").display()),
            nothing.clone(),
            nothing.clone(),
            format!("mv {0}.good {0}", lab.at("bin/app").display()),
        ),
    ];
    for (kind, spoil, declared, mended, mend) in nights {
        sh(&spoil);
        lab.change(&declared);
        lab.call(Host::Source, Executable::Collect, &["run"]).failed(kind);
        assert!(lab.mail().contains("Subject: "), "{kind}: nobody was told");
        assert!(oracle::generations(&lab.here("data", "handover")).is_empty(), "{kind}");
        assert_eq!(lab.transport().good()["changed"], false, "{kind}");
        rest_of_the_night(&lab);
        assert_eq!(oracle::digests(&store), before, "{kind}: {spoil}, {declared}");
        assert!(service::Service::of(&lab).is_on(), "{kind}");
        sh(&mend);
        lab.change(&mended);
    }
    let stopped = Point { name: "collect.stopped".into(), pass: 1 };
    stopped.kill(Whom::Group, &mut lab.command(Host::Source, Executable::Collect, &["run"]));
    assert_eq!(lab.transport().good()["changed"], false);
    rest_of_the_night(&lab);
    assert_eq!(oracle::digests(&store), before);
    first_good_night(&lab);
}

fn first_good_night(lab: &Lab) {
    let store = lab.there("data", "store");
    let before = oracle::generations(&store);
    let id = lab.collect(&[]);
    lab.transport().good();
    let stored = oracle::whole(&store, Some(&lab.at("signers")));
    assert_eq!(stored.last(), Some(&id));
    assert!(stored.len() <= before.len() + 1, "{stored:?}");
    lab.restores_to(&id, &lab.srv(), "the first good night");
}

#[test]
fn bad_transports_displace_nothing() {
    let mut lab = lab();
    let store = lab.there("data", "store");
    let before = oracle::digests(&store);
    let incoming = lab.there("data", "incoming").display().to_string();
    let unharmed = |lab: &Lab, what: &str, kind: &str| {
        let done = lab.transport();
        done.failed(kind);
        assert!(lab.mail().contains("Subject: "), "{what}: nobody was told");
        rest_of_the_night(lab);
        assert_eq!(oracle::digests(&store), before, "{what}");
    };

    lab.collect(&["--kind", "full"]);
    lab.kill_sshd();
    unharmed(&lab, "the sink is down", "unreachable");
    lab.start_sshd();

    let flip = "f=$(ls */data.tar.zst | tail -1); printf '\\377\\376' | dd of=$f bs=1 seek=$(($(stat -c %s $f) / 2)) conv=notrunc status=none";
    lab.serve_with(Host::Sink, &format!("case $SSH_ORIGINAL_COMMAND in *commit*) cd {incoming}; {flip};; esac\n"));
    unharmed(&lab, "bits flip on the way", "damaged");
    assert_eq!(oracle::generations(&lab.here("data", "handover")).len(), 1, "it still waits");
    lab.serve_with(Host::Sink, "");

    let spoil = |what: &str| sh(&format!("cd {}; {what}", waiting(&lab)));
    sh(&format!("cd {}/..; cp -a $(basename {}) ../../../kept", waiting(&lab), waiting(&lab)));
    let kept = lab.at("source/data/kept").display().to_string();
    let again = || {
        let handover = lab.here("data", "handover").display().to_string();
        sh(&format!(
            "cd {handover}; id=$(sed -n 's/^  \"id\": \"\\(.*\\)\",/\\1/p' {kept}/manifest.json); rm -rf $id .partial-* [0-9]*Z; cp -a {kept} $id"
        ));
    };
    for (what, kind, script) in [
        (
            "a file is damaged",
            "damaged",
            "printf xxxxxxxx | dd of=data.tar.zst bs=1 seek=40 conv=notrunc status=none".to_owned(),
        ),
        ("a file is empty", "damaged", "rm data.tar.zst; touch data.tar.zst".to_owned()),
        ("a file is missing", "damaged", "rm data.tar.zst".to_owned()),
        ("garbage is sealed", "damaged", format!("echo garbage > data.tar.zst; {RESEAL}")),
        ("the manifest is garbage", "damaged", format!("echo garbage > manifest.json; {RESEAL}")),
        (
            "it is another job's",
            "damaged",
            format!("sed -i 's/\"job\": \"shop\"/\"job\": \"mail\"/' manifest.json; {RESEAL}"),
        ),
        (
            "it is another installation's",
            "quarantined",
            format!("sed -i 's/\"instance\": \"....../\"instance\": \"abcdef/' manifest.json; {RESEAL}"),
        ),
    ] {
        again();
        spoil(&script);
        unharmed(&lab, what, kind);
    }
    // Made by a clock that was a year ahead.
    again();
    let waiting = waiting(&lab);
    sh(&format!(
        "cd {waiting}; sed -i 's/\"id\": \"2/\"id\": \"3/' manifest.json; {RESEAL}; mv {waiting} $(dirname {waiting})/$(basename {waiting} | sed s/^2/3/)"
    ));
    unharmed(&lab, "it is from the future", "quarantined");
    lab.call(Host::Source, Executable::Collect, &["run"]).failed("clock_went_back");
    sh(&format!("rm -rf {}/*Z", lab.here("data", "handover").display()));
    lab.mail();
    first_good_night(&lab);
}
