//! What a source may fill, honest or not. Sizes are those that `find` tells.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use std::fs;
use support::attack::kind;
use support::{Lab, Way, names, noise, write};

const QUOTA: u64 = 2 << 20;

fn lab(way: Way) -> Lab {
    let mut lab = Lab::new(way);
    lab.quota = Some("2MiB".into());
    lab.retention = "{generations: 100}".into();
    lab.declare();
    lab
}

fn id(day: usize) -> String {
    format!("202611{day:02}T020000Z")
}

fn a_full_quota_refuses_and_deletes_nothing(way: Way) {
    let mut lab = lab(way);
    let mut stored = Vec::new();
    let refused = (1..=9).find_map(|day| {
        lab.generation(&id(day), None, &noise(day as u64, 300_000));
        let answer = lab.run();
        assert!(lab.taken() <= QUOTA, "{} bytes", lab.taken());
        if answer.failed {
            return Some(answer);
        }
        stored.push(id(day));
        None
    });
    let refused = refused.expect("nine times 300 kB do not fit");
    assert_eq!(refused.kind, "no_space", "{refused:?}");
    assert!(refused.msg.contains("of the source's quota of 2097152 are taken"), "{refused:?}");
    assert!(refused.hint.contains("sink.quota"), "{refused:?}");
    assert!(stored.len() >= 5, "as many as fit: {stored:?}");
    assert_eq!(lab.sink_is_whole(), stored);
    let mail = lab.mail();
    assert!(mail.contains("quota"), "{mail}");

    // The sink's own mail, where the source may keep quiet.
    if way == Way::Push {
        assert_eq!(mail.matches("the source's quota").count(), 2, "each side tells once: {mail}");
    }
    // Raised, it goes on.
    lab.quota = Some("4MiB".into());
    lab.declare();
    lab.good();
    stored.push(id(stored.len() + 1));
    assert_eq!(lab.sink_is_whole(), stored);
}

#[test]
fn a_full_quota_refuses_what_is_pushed() {
    a_full_quota_refuses_and_deletes_nothing(Way::Push);
}

#[test]
fn a_full_quota_refuses_what_is_pulled() {
    a_full_quota_refuses_and_deletes_nothing(Way::Pull);
}

#[test]
fn status_tells_what_is_taken() {
    let lab = lab(Way::Push);
    lab.generation(&id(1), None, &noise(1, 300_000));
    lab.good();
    let config = lab.path().join("sink/etc");
    let mut status = lab.command("status");
    let program = status.get_program().to_owned();
    status = std::process::Command::new(program);
    status.args(["status", "web1/shop", "--json", "--config"]).arg(config);
    let told: serde_json::Value = serde_json::from_slice(&status.output().unwrap().stdout).unwrap();
    assert_eq!(told["confinement"], "full", "{told}");
    assert_eq!(told["streams"][0]["here"]["quota"], json!({"limit": QUOTA, "used": lab.taken()}), "{told}");
}

#[test]
fn more_than_was_announced_is_cut_off_and_thrown_away() {
    let lab = lab(Way::Push);
    lab.generation(&id(1), None, b"good");
    lab.good();
    let before = lab.sink_contents();
    let folder = lab.generation(&id(2), None, b"small");
    let evil = lab.path().join("evil");
    for (script, what) in [
        ("head -c 30M /dev/urandom > data.tar.zst", "a file that is longer than any that was announced"),
        ("for n in $(seq 3000); do echo $n > $n; done", "more files"),
        ("mkdir -p patches; for n in $(seq 60); do head -c 500 /dev/zero > patches/$n.zst; done", "more patches"),
    ] {
        let _ = fs::remove_dir_all(&evil);
        fs::create_dir(&evil).unwrap();
        support::sh(script, &evil);
        assert!(lab.offer(&folder)["send"].is_object(), "{what}");
        let output = lab.rsync(&format!("receive {}", id(2)), &["-rRI", ".", "root@127.0.0.1:."], &evil);
        assert!(!output.status.success(), "{what}: {output:?}");
        assert!(lab.taken() < 200_000, "{what}: {} bytes are left", lab.taken());
        assert_eq!(lab.sink_contents(), before, "{what}");
    }
    assert!(lab.mail().contains("than was announced"), "the sink's operator is told");
    // Nothing of that is in the way of the true one.
    lab.good();
    assert_eq!(lab.sink_is_whole(), [id(1), id(2)]);
}

#[test]
fn offers_alone_fill_nothing() {
    let lab = lab(Way::Push);
    lab.generation(&id(1), None, b"good");
    lab.good();
    let before = lab.taken();
    // Ten different ones, none of which ever comes.
    for day in 2..12 {
        let folder = lab.generation(&id(day), None, b"never");
        assert!(lab.offer(&folder)["send"].is_object());
        fs::remove_dir_all(folder).unwrap();
        assert!(lab.taken() <= before + 8192, "{} bytes", lab.taken());
    }
    // Larger than the quota by what it says: refused before anything is carried.
    let folder = lab.generation(&id(12), None, b"large");
    let manifest: String = fs::read_to_string(folder.join("manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["artifacts"]["data.tar.zst"]["bytes"] = json!(u64::MAX);
    write(&folder.join("manifest.json"), manifest.to_string(), 0o640);
    support::sh("rm SHA256SUMS; sha256sum -- * > S; mv S SHA256SUMS", &folder);
    let verdict = lab.offer(&folder);
    assert_eq!(verdict["refused"]["kind"], "no_space", "{verdict}");
}

/// A beginning is worth less than the whole: it goes where both have no room.
#[test]
fn what_was_interrupted_at_the_edge_of_the_quota_still_arrives() {
    let lab = lab(Way::Push);
    let folder = lab.generation(&id(1), None, &noise(1, 1_800_000));
    let partial = lab.incoming().join(id(1)).join(".partial");
    fs::create_dir_all(&partial).unwrap();
    support::sh(&format!("head -c 1500000 data.tar.zst > {}/data.tar.zst", partial.display()), &folder);
    let answer = lab.good();
    assert!(answer.report.generations[0].resumed);
    assert_eq!(lab.sink_is_whole(), [id(1)]);
    assert!(lab.taken() <= QUOTA);
    assert_eq!(names(&lab.incoming()), [""; 0]);
    // And where there is room for both, only the rest travels.
    let (_, answer) = lab.ask("status", &support::attack::request("web1", "shop", &json!({})));
    assert_eq!(answer["ok"]["quota"]["used"], lab.taken(), "{answer}");
    assert_eq!(kind(&lab.ask("list", &support::attack::request("web1", "shop", &json!({}))).1), "refused");
}
