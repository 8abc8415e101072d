//! A sink places a generation, its base and their receipts in the source's restore folder, with a key for nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::attack::{Holder, kind};
use support::{Lab, Way, names, noise, sh};

const FIRST: &str = "20261110T020000Z";
const SECOND: &str = "20261111T020000Z";
const THIRD: &str = "20261112T020000Z";

impl Lab {
    fn deliver_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup_transport"));
        command.args(["deliver", "web1/shop", "--json", "--config"]).arg(self.path().join("sink/etc"));
        // As the operator is told by the playbook; the source's port is not the default in this test.
        command.args(["--address", "127.0.0.1", "--login", "root", "--port", &self.port.to_string()]);
        for (option, file) in [("--identity", "client"), ("--known-hosts", "known_hosts")] {
            command.arg(option).arg(self.path().join(file));
        }
        command.args(words);
        command
    }

    fn deliver(&self, words: &[&str]) -> Value {
        serde_json::from_slice(&self.deliver_command(words).output().unwrap().stdout).unwrap()
    }

    fn restore_folder(&self) -> PathBuf {
        self.path().join("source/restore/shop/data")
    }

    fn arriving(&self) -> PathBuf {
        self.path().join("source/restore/.incoming/shop/data")
    }

    /// Every generation there is as in the sink's store, and signed for; returns them.
    fn restorable(&self) -> Vec<String> {
        let found = names(&self.restore_folder());
        for id in &found {
            sh(&format!("diff -r {id} {}/{id}", self.sink_store().display()), &self.restore_folder());
            sh("sha256sum --quiet -c SHA256SUMS", &self.restore_folder().join(id));
            let verify = format!(
                "ssh-keygen -q -Y verify -f {}/signers -I sink1 -n handover-receipt -s {id}.json.sig < {id}.json",
                self.path().display()
            );
            sh(&verify, &self.restore_folder().join("receipts"));
        }
        found
    }
}

/// A sink with a full, an incremental on it, and another full; it may deliver.
fn lab() -> Lab {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, &noise(1, 500_000));
    lab.generation(SECOND, Some(FIRST), &noise(2, 20_000));
    lab.generation(THIRD, None, &noise(3, 100_000));
    lab.good();
    lab.authorize("--job shop --stream data --allow deliver");
    lab
}

/// Inode, times and size of everything.
fn marks(folder: &Path) -> String {
    sh("find . -printf '%P %i %C@ %s\\n' | sort", folder)
}

#[test]
fn the_newest_or_one_with_its_base_is_placed_beside_the_others() {
    let lab = lab();
    let plan = lab.deliver(&["--check"]);
    assert!(plan["changed"] == true && !lab.path().join("source/restore").exists(), "{plan}");
    let newest = lab.deliver(&[]);
    assert_eq!((&newest["generation"], &newest["generations"]), (&plan["generation"], &plan["generations"]));
    assert_eq!((&newest["changed"], &newest["delivered"]), (&json!(true), &json!([THIRD])), "{newest}");
    assert_eq!(lab.restorable(), [THIRD]);
    let before = marks(&lab.restore_folder().join(THIRD));
    let again = lab.deliver(&[]);
    assert_eq!((&again["changed"], &again["delivered"]), (&json!(false), &json!([])), "{again}");

    let one = lab.deliver(&["--generation", "2026-11-11"]);
    assert_eq!((&one["generations"], &one["delivered"]), (&json!([FIRST, SECOND]), &json!([FIRST, SECOND])), "{one}");
    assert_eq!(lab.restorable(), [FIRST, SECOND, THIRD]);
    assert_eq!(marks(&lab.restore_folder().join(THIRD)), before, "what lies there is not touched");
    assert_eq!(sh("find . -type f ! -name '.*'", &lab.arriving()), "");
    sh("test -s ../../RESTORE.txt && dash -n ../../restore.sh", &lab.restore_folder());
    assert_eq!(lab.deliver(&["--generation", "20250101T000000Z"])["kind"], "not_found");
    assert_eq!(lab.sink_is_whole(), [FIRST, SECOND, THIRD]);

    // A base that is there does not come again.
    fs::remove_dir_all(lab.restore_folder().join(SECOND)).unwrap();
    assert_eq!(lab.deliver(&["--generation", SECOND])["delivered"], json!([SECOND]));
    // Somebody put it there by hand, without its receipt.
    fs::remove_file(lab.restore_folder().join("receipts").join(format!("{THIRD}.json"))).unwrap();
    assert_eq!(lab.deliver(&[])["changed"], true);
    assert_eq!(lab.restorable(), [FIRST, SECOND, THIRD]);
    assert_eq!(marks(&lab.restore_folder().join(THIRD)), before);
}

#[test]
fn a_sink_that_pulls_delivers_as_well() {
    let lab = Lab::new(Way::Pull);
    lab.generation(FIRST, None, b"data");
    lab.good();
    assert_eq!(lab.deliver(&[])["kind"], "refused", "what it logs in with for transports delivers nothing");
    lab.authorize("--job shop --stream data --allow deliver");
    assert_eq!(lab.deliver(&[])["changed"], true);
    assert_eq!(lab.restorable(), [FIRST]);
    let pulled = lab.run();
    assert!(pulled.failed && pulled.kind == "refused", "{pulled:?}");
    let mut elsewhere = Command::new(env!("CARGO_BIN_EXE_backup_transport"));
    elsewhere.args(["deliver", "shop", "--identity", "/x", "--json", "--config"]).arg(lab.path().join("source/etc"));
    let wrong: Value = serde_json::from_slice(&elsewhere.output().unwrap().stdout).unwrap();
    assert_eq!(wrong["kind"], "invalid_option", "{wrong}");
}

#[test]
fn what_cannot_come_leaves_everything_as_it_was() {
    let mut lab = lab();
    lab.deliver(&["--generation", FIRST]);
    let before = marks(&lab.restore_folder());
    let unchanged = |lab: &Lab, answer: Value, kind: &str| {
        assert!(answer["kind"] == kind && answer["changed"] == false, "{kind}: {answer}");
        assert_eq!(marks(&lab.restore_folder()), before, "{kind}");
    };
    // Damaged at the sink.
    sh(
        "cp data.tar.zst ../good; printf XXXXXXXX | dd of=data.tar.zst bs=1 seek=5000 conv=notrunc status=none",
        &lab.sink_store().join(THIRD),
    );
    unchanged(&lab, lab.deliver(&[]), "damaged");
    sh("mv ../good data.tar.zst", &lab.sink_store().join(THIRD));
    // Signed by nobody whom this source has pinned.
    lab.sign_with("other");
    unchanged(&lab, lab.deliver(&["--check"]), "unsigned");
    unchanged(&lab, lab.deliver(&[]), "unsigned");
    lab.sign_with("receipt");
    let receipts = lab.sink_store().join("receipts");
    sh(&format!("mv {THIRD}.json kept"), &receipts);
    unchanged(&lab, lab.deliver(&["--generation", THIRD]), "unsigned");
    sh(&format!("mv kept {THIRD}.json"), &receipts);
    // More than the stream may fill on a host that is not its own.
    lab.quota = Some("2MiB".into());
    fs::write(lab.arriving().join("filler"), vec![0; 1_500_000]).unwrap();
    lab.declare();
    unchanged(&lab, lab.deliver(&["--check"]), "no_space");
    unchanged(&lab, lab.deliver(&[]), "no_space");
    fs::remove_file(lab.arriving().join("filler")).unwrap();
    // Another one has its name.
    let there = lab.restore_folder().join(THIRD);
    sh(
        &format!(
            "cp -a {} {}; echo >> SHA256SUMS || true",
            lab.restore_folder().join(FIRST).display(),
            there.display()
        ),
        lab.path(),
    );
    let conflict = lab.deliver(&[]);
    assert!(conflict["failed"] == true && conflict["changed"] == false, "{conflict}");
    sh(&format!("diff -r {FIRST} {THIRD}"), &lab.restore_folder());
    fs::remove_dir_all(there).unwrap();
    fs::remove_file(lab.path().join("SHA256SUMS")).unwrap();
    assert_eq!(lab.deliver(&[])["changed"], true);
    assert_eq!(lab.restorable(), [FIRST, THIRD]);
}

#[test]
fn a_kill_on_either_side_leaves_whole_generations_and_the_next_run_ends_it() {
    let lab = lab();
    let here = ["transport.deliver.offered", "transport.deliver.carried", "transport.deliver.done"];
    let there = [
        "transport.receive.prepared",
        "transport.deliver.verified",
        "store.receipt.signature",
        "store.receipt.written",
        "store.adopt.begin",
        "store.adopt.done",
        "transport.deliver.adopted",
    ];
    for (point, is_here) in here.map(|point| (point, true)).into_iter().chain(there.map(|point| (point, false))) {
        let _ = fs::remove_dir_all(lab.path().join("source/restore"));
        let mut command = lab.deliver_command(&["--generation", SECOND]);
        if is_here {
            command.env("HANDOVER_FAULT", point);
        } else {
            lab.serve_with(&format!("HANDOVER_FAULT={point}\n"));
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code().is_none(), is_here, "{point}: {output:?}");
        assert!(!output.status.success(), "{point}: {output:?}");
        lab.serve_with("");
        for id in lab.restorable() {
            assert!([FIRST, SECOND].contains(&id.as_str()));
        }
        let next = lab.deliver(&["--generation", SECOND]);
        assert!(next["failed"].is_null(), "{point}: {next}");
        assert_eq!(lab.restorable(), [FIRST, SECOND], "{point}");
        assert_eq!(sh("find . -type f ! -name '.lock'", &lab.arriving()), "", "{point}");
    }
}

#[test]
fn everything_belongs_to_the_streams_user() {
    let lab = lab();
    sh(
        "chmod 755 .; sed -i 's/^    user: root$/    user: nobody/' source/etc/jobs/shop.yml; mkdir source/restore; chown -R nobody source/restore; chmod 644 signers
         sed -i 's/^exec /exec setpriv --reuid=nobody --clear-groups /' forced",
        lab.path(),
    );
    let answer = lab.deliver(&[]);
    assert_eq!((&answer["changed"], &answer["generation"]), (&true.into(), &THIRD.into()), "{answer}");
    assert_eq!(lab.restorable(), [THIRD]);
    assert_eq!(sh("find . ! -user nobody", &lab.path().join("source/restore")), "");
    assert_eq!(sh(&format!("stat -c %a {THIRD} {THIRD}/*"), &lab.restore_folder()), "750\n640\n640\n640\n640\n");
}

#[test]
fn what_somebody_can_still_write_to_is_not_taken_in() {
    let lab = lab();
    let folder = lab.sink_store().join(THIRD);
    let verdict = lab.offer_signed(&folder, "receipt", |_| {});
    assert!(verdict["send"].is_object(), "{verdict}");
    lab.bring(THIRD, &folder);
    let holder = Holder::new("exec 9>> data.tar.zst", &lab.arriving().join(THIRD));
    assert_eq!(kind(&lab.commit(THIRD, &folder).1), "refused");
    assert_eq!(names(&lab.restore_folder()), [""; 0]);
    drop(holder);
    assert!(lab.commit(THIRD, &folder).1["ok"].is_object());
    assert_eq!(lab.restorable(), [THIRD]);
}
