//! A host that restores takes a generation, its base and their receipts from the sink, with a key for nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::fs;
use std::process::Command;
use support::{Lab, Way, names, noise, sh};

const FIRST: &str = "20261110T020000Z";
const SECOND: &str = "20261111T020000Z";
const THIRD: &str = "20261112T020000Z";

impl Lab {
    fn fetch(&self, words: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup_transport"));
        command.args(["fetch", "shop", "--json", "--config"]).arg(self.path().join("source/etc"));
        // As the restoring host is told by the playbook; the sink's port is not the default in this test.
        command.args(["--address", "127.0.0.1", "--login", "root", "--port", &self.port.to_string()]);
        for (option, file) in [("--identity", "client"), ("--known-hosts", "known_hosts")] {
            command.arg(option).arg(self.path().join(file));
        }
        let output = command.args(words).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn restore_folder(&self) -> std::path::PathBuf {
        self.path().join("source/restore/shop/data")
    }
}

/// A sink with a full, an incremental on it, and another full.
fn lab() -> Lab {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, &noise(1, 500_000));
    lab.generation(SECOND, Some(FIRST), &noise(2, 20_000));
    lab.generation(THIRD, None, &noise(3, 100_000));
    lab.good();
    lab.authorize("--job web1/shop --stream data --allow fetch");
    lab
}

#[test]
fn the_newest_or_one_with_its_base_comes_back_whole() {
    let lab = lab();
    let plan = lab.fetch(&["--check"]);
    assert!(plan["changed"] == true && !lab.restore_folder().exists(), "{plan}");
    let newest = lab.fetch(&[]);
    assert_eq!((&newest["generation"], &newest["generations"]), (&plan["generation"], &plan["generations"]));
    assert_eq!(newest["generation"], THIRD, "{newest}");
    assert_eq!(names(&lab.restore_folder()), [THIRD]);
    assert_eq!(lab.fetch(&[])["changed"], false);

    let one = lab.fetch(&["--generation", SECOND]);
    assert_eq!(one["generations"], serde_json::json!([FIRST, SECOND]), "{one}");
    assert_eq!(names(&lab.restore_folder()), [FIRST, SECOND, THIRD]);
    for id in names(&lab.restore_folder()) {
        sh("sha256sum --quiet -c SHA256SUMS", &lab.restore_folder().join(&id));
        let verify = format!(
            "ssh-keygen -q -Y verify -f {}/signers -I sink1 -n handover-receipt -s {id}.json.sig < {id}.json",
            lab.path().display()
        );
        sh(&verify, &lab.restore_folder().join("receipts"));
        sh(&format!("diff -r {id} {}/{id}", lab.sink_store().display()), &lab.restore_folder());
    }
    for store in [lab.restore_folder(), lab.sink_store(), lab.source_store()] {
        sh("test -s ../../RESTORE.txt && dash -n ../../restore.sh && test -x ../../restore.sh", &store);
    }
    for nothing in ["20250101T000000Z", "2026-11-09", "2026-11-10T01:59:59Z"] {
        assert_eq!(lab.fetch(&["--generation", nothing])["kind"], "not_found", "{nothing}");
    }
    for (time, id) in [
        ("2026-11-11", SECOND),
        ("2026-11-12T01:59Z", SECOND),
        ("2026-11-12T03:00+01:00", THIRD),
        ("2030-01-01", THIRD),
    ] {
        assert_eq!(lab.fetch(&["--generation", time])["generation"], id, "{time}");
    }
    // What is damaged is not what somebody means who names a day.
    let checked = lab.sink_store().join("receipts").join(format!("{SECOND}.checked.json"));
    let seal = sh("sha256sum <SHA256SUMS", &lab.sink_store().join(SECOND));
    fs::write(checked, format!(r#"{{"digest":"{}","checked_at":"2026-11-13T00:00:00Z","ok":false}}"#, &seal[..64]))
        .unwrap();
    assert_eq!(lab.fetch(&["--generation", "2026-11-11"])["generation"], FIRST);
    let refused = lab.fetch(&["--generation", "yesterday"]);
    assert!(refused["kind"] == "invalid_option" && refused["msg"].as_str().unwrap().contains("yesterday"), "{refused}");
}

#[test]
fn what_is_damaged_at_the_sink_never_enters_the_restore_folder() {
    let lab = lab();
    sh("printf XXXXXXXX | dd of=data.tar.zst bs=1 seek=5000 conv=notrunc status=none", &lab.sink_store().join(THIRD));
    let answer = lab.fetch(&[]);
    assert_eq!(answer["kind"], "damaged", "{answer}");
    assert_eq!(names(&lab.restore_folder()), [""; 0]);
    assert_eq!(lab.fetch(&["--generation", FIRST])["changed"], true);
    assert_eq!(names(&lab.restore_folder()), [FIRST]);
}

#[test]
fn where_nothing_is_verified_the_newest_comes_with_a_warning() {
    let mut lab = Lab::new(Way::Push);
    lab.transport = "window: 0s\n      verify: none".into();
    lab.declare();
    lab.generation(FIRST, None, b"data");
    lab.good();
    lab.authorize("--job web1/shop --stream data --allow fetch");
    let answer = lab.fetch(&[]);
    assert_eq!(answer["generation"], FIRST, "{answer}");
    assert!(answer["warnings"][0].as_str().unwrap().contains("never verified"), "{answer}");
}

#[test]
fn everything_is_done_as_the_streams_user_and_no_planted_link_is_followed() {
    let lab = lab();
    sh(
        &format!(
            "chmod 755 .; chown nobody client; sed -i 's/^    user: root$/    user: nobody/' source/etc/jobs/shop.yml\n\
             mkdir -p precious source/restore/.incoming/shop/data; echo x > precious/file\n\
             ln -s $PWD/precious source/restore/.incoming/shop/data/{THIRD}; chown -R nobody source/restore"
        ),
        lab.path(),
    );
    let answer = lab.fetch(&[]);
    assert_eq!((&answer["changed"], &answer["generation"]), (&true.into(), &THIRD.into()), "{answer}");
    assert_eq!(sh("find . -printf '%y %u %P\\n' | sort", &lab.path().join("precious")), "d root \nf root file\n");
    assert_eq!(sh("find . ! -user nobody", &lab.path().join("source/restore")), "");
}

#[test]
fn a_key_to_fetch_can_read_and_nothing_else() {
    let lab = lab();
    lab.generation("20261113T020000Z", None, b"data");
    let pushed = lab.run();
    assert_eq!(pushed.kind, "refused", "{pushed:?}");
    assert_eq!(lab.sink_is_whole(), [FIRST, SECOND, THIRD]);
    let before = sh("find . -type f | sort | xargs sha256sum", &lab.sink_store());
    lab.fetch(&[]);
    assert_eq!(before, sh("find . -type f | sort | xargs sha256sum", &lab.sink_store()));
}

#[test]
fn a_killed_fetch_is_finished_by_the_next() {
    let lab = lab();
    for point in [
        "transport.receive.prepared",
        "transport.fetch.carried",
        "store.adopt.begin",
        "store.adopt.done",
        "transport.fetch.adopted",
        "store.receipt.signature",
    ] {
        let _ = fs::remove_dir_all(lab.path().join("source/restore"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup_transport"));
        command.args(["fetch", "shop", "--config"]).arg(lab.path().join("source/etc"));
        let killed = command.env("HANDOVER_FAULT", point).output().unwrap();
        assert_eq!(killed.status.code(), None, "{point}: {killed:?}");
        let next = lab.fetch(&[]);
        assert_eq!(next["generation"], THIRD, "{point}: {next}");
        sh("sha256sum --quiet -c SHA256SUMS", &lab.restore_folder().join(THIRD));
        assert!(lab.restore_folder().join("receipts").join(format!("{THIRD}.json")).exists(), "{point}");
        assert!(!lab.path().join("source/restore/.incoming/shop/data").join(THIRD).exists(), "{point}");
    }
}
