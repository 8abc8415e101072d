//! What fails, fails loudly, loses nothing, and is made good by the next run.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Answer, INSTANCE, Lab, Way, answer, names, noise, sh, write};

const FIRST: &str = "20261110T020000Z";
const SECOND: &str = "20261111T020000Z";
const THIRD: &str = "20261112T020000Z";
const BOTH: [Way; 2] = [Way::Push, Way::Pull];

fn fails(lab: &Lab, kind: &str) -> Answer {
    let answer = lab.run();
    assert!(answer.failed && answer.kind == kind && answer.rc != 0, "{kind}: {answer:?}");
    assert_eq!(answer.code, Some(answer.rc));
    answer
}

#[test]
fn an_unreachable_or_untrusted_peer_costs_a_mail_and_nothing_else() {
    for way in BOTH {
        let mut lab = Lab::new(way);
        lab.generation(FIRST, None, b"data");
        let known = fs::read_to_string(lab.path().join("known_hosts")).unwrap();
        let authorized = fs::read_to_string(lab.path().join("authorized_keys")).unwrap();
        let other = fs::read_to_string(lab.path().join("other.pub")).unwrap();

        write(&lab.path().join("known_hosts"), format!("[127.0.0.1]:{} {other}", lab.port), 0o644);
        let wrong_host = fails(&lab, "authentication");
        assert!(wrong_host.hint.contains("known-hosts"), "{wrong_host:?}");
        write(&lab.path().join("known_hosts"), known, 0o644);

        write(&lab.path().join("authorized_keys"), other, 0o644);
        let wrong_key = fails(&lab, "authentication");
        assert!(wrong_key.hint.contains("public key"), "{wrong_key:?}");
        write(&lab.path().join("authorized_keys"), authorized, 0o644);

        lab.stop_sshd();
        fails(&lab, "unreachable");
        assert_eq!(lab.mail().matches("Subject: handover web1/shop: transport failed").count(), 3);
        assert_eq!(names(&lab.handover()), [FIRST]);
        assert_eq!(names(&lab.sink_store()), [""; 0]);

        lab.start_sshd();
        lab.good();
        assert_eq!(lab.sink_is_whole(), [FIRST]);
    }
}

#[test]
fn a_call_overrides_the_window() {
    let mut lab = Lab::new(Way::Push);
    lab.transport = "window: 1h".into();
    lab.declare();
    lab.generation(FIRST, None, b"data");
    lab.stop_sshd();
    let mut run = lab.command("run");
    run.args(["--overrides", r#"{"streams": {"data": {"transport": {"window": "0s"}}}}"#]);
    assert_eq!(answer(&mut run).kind, "unreachable");
}

#[test]
fn a_peer_that_comes_back_within_the_window_is_enough() {
    let mut lab = Lab::new(Way::Push);
    lab.transport = "window: 1min".into();
    lab.declare();
    lab.generation(FIRST, None, b"data");
    lab.stop_sshd();
    let refusing = std::net::TcpListener::bind(("127.0.0.1", lab.port)).unwrap();
    let mut run = lab.command("run");
    let running = std::thread::spawn(move || answer(&mut run));
    // The first attempt gets as far as a connection that is closed at once.
    drop(refusing.accept().unwrap());
    drop(refusing);
    lab.start_sshd();
    let answer = running.join().unwrap();
    assert!(answer.changed && answer.code == Some(0), "{answer:?}");
    assert!(answer.warnings[0].contains("attempt 1"), "{answer:?}");
    assert_eq!(lab.sink_is_whole(), [FIRST]);
    assert_eq!(lab.mail(), "");
}

#[test]
fn a_flipped_bit_is_refused_and_only_the_difference_travels_again() {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, &noise(3, 4 << 20));
    lab.before_each_request(&format!(
        "case $SSH_ORIGINAL_COMMAND in */1\\ commit) printf XXXXXXXX | dd of={}/{FIRST}/data.tar.zst bs=1 seek=2000000 conv=notrunc status=none;; esac",
        lab.incoming().display()
    ));
    let refused = fails(&lab, "damaged");
    assert!(refused.msg.contains("data.tar.zst"), "{refused:?}");
    assert_eq!(names(&lab.handover()), [FIRST]);
    assert_eq!(names(&lab.sink_store()), [""; 0]);
    assert_eq!(names(&lab.source_store()), [""; 0]);
    // The sink tells its operator, the source its own.
    assert_eq!(lab.mail().matches("did not arrive intact").count(), 2, "{}", lab.mail());

    lab.nothing_before_requests();
    let answer = lab.good();
    let moved = &answer.generations[0];
    assert!(moved.resumed && moved.wire_bytes < 100_000, "{moved:?}");
    assert_eq!(lab.sink_is_whole(), [FIRST]);
    assert_eq!(names(&lab.source_store()), [FIRST]);
}

#[test]
fn what_the_peer_refuses_instead_of_rsync_is_told_as_the_peer_says_it() {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, b"data");
    lab.before_each_request(&format!(
        "case $SSH_ORIGINAL_COMMAND in */1\\ receive*) rm {}/.offer-{FIRST};; esac",
        lab.incoming().display()
    ));
    let answer = fails(&lab, "refused");
    assert!(answer.msg.contains("was not offered") && answer.hint.contains("key"), "{answer:?}");
    lab.nothing_before_requests();
    lab.good();
}

#[test]
fn damage_at_the_source_is_set_aside_and_the_next_generation_passes() {
    for way in [Way::Push, Way::Pull, Way::PullLogs] {
        let lab = Lab::new(way);
        let folder = lab.generation(FIRST, None, &noise(4, 100_000));
        lab.generation(SECOND, None, b"good");
        sh("printf XXXXXXXX | dd of=data.tar.zst bs=1 seek=5000 conv=notrunc status=none", &folder);
        let answer = fails(&lab, "damaged");
        assert!(answer.msg.contains("set aside"), "{answer:?}");
        assert_eq!(names(&lab.handover().join("quarantine")), [FIRST]);
        assert_eq!(lab.sink_is_whole(), [SECOND]);
        assert!(!lab.good().changed);
    }
}

#[test]
fn a_failed_rotation_at_the_sink_does_not_withhold_the_receipt() {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, b"data");
    let lock = lab.sink_store().join(".lock");
    lab.before_each_request(&format!(
        "case $SSH_ORIGINAL_COMMAND in */1\\ rotate) rm {0}; mkdir {0};; esac",
        lock.display()
    ));
    let answer = lab.good();
    assert!(
        answer.warnings.iter().any(|warning| warning.contains("rotation of the sink's store failed")),
        "{answer:?}"
    );
    assert_eq!(lab.mail().matches("Subject:").count(), 1, "the sink's operator is told: {}", lab.mail());
    let moved = &answer.generations[0];
    assert!(moved.moved_to_store && moved.verified && moved.rotated.sink.is_none(), "{moved:?}");
    assert_eq!(names(&lab.source_store()), [FIRST]);
    fs::remove_dir(lock).unwrap();
    lab.sink_is_whole();
}

#[test]
fn a_receipt_by_another_key_moves_nothing() {
    for way in BOTH {
        let lab = Lab::new(way);
        lab.generation(FIRST, None, b"data");
        lab.sign_with("other");
        fails(&lab, "unsigned");
        assert_eq!((names(&lab.handover()), names(&lab.source_store())), (vec![FIRST.to_owned()], vec![]));
        lab.sign_with("receipt");
        let answer = lab.good();
        assert_eq!(answer.generations[0].action, "have", "{answer:?}");
        assert_eq!((names(&lab.handover()), names(&lab.source_store())), (vec![], vec![FIRST.to_owned()]));
    }
}

/// Waits until the file that rsync writes in `folder` has this many bytes.
fn wait_for_bytes(folder: &Path, bytes: u64) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let files = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let largest = files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).max().unwrap_or(0);
        if largest >= bytes {
            return;
        }
        assert!(Instant::now() < deadline, "{largest} of {bytes} bytes in {}", folder.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_cut_transfer_goes_on_where_it_was_cut() {
    for (way, victim) in [(Way::Push, "ssh"), (Way::Pull, "rsync")] {
        let mut lab = Lab::new(way);
        lab.transport = "window: 0s\n      bandwidth: 4MiB".into();
        lab.declare();
        let data = noise(5, 12 << 20);
        lab.generation(FIRST, None, &data);
        let mut run = lab.command("run").stdout(Stdio::piped()).spawn().unwrap();
        wait_for_bytes(&lab.incoming().join(FIRST), 6 << 20);
        // ssh is the child of rsync, which is the child of the run.
        let rsync = sh(&format!("pgrep -P {}", run.id()), lab.path());
        let ssh = sh(&format!("pgrep -P {} -x ssh", rsync.trim()), lab.path());
        let pid = if victim == "ssh" { ssh } else { rsync };
        sh(&format!("kill -9 {}", pid.trim()), lab.path());
        let cut = run.wait().unwrap();
        assert!(!cut.success());
        assert_eq!(names(&lab.sink_store()), [""; 0]);

        lab.transport = "window: 0s".into();
        lab.declare();
        let answer = lab.good();
        let moved = &answer.generations[0];
        assert!(moved.resumed && moved.wire_bytes < 7 << 20, "{moved:?}");
        assert_eq!(lab.sink_is_whole(), [FIRST]);
    }
}

#[test]
fn an_interrupted_run_says_so_and_the_next_one_finishes() {
    let mut lab = Lab::new(Way::Push);
    lab.transport = "window: 10min\n      bandwidth: 1MiB".into();
    lab.declare();
    lab.generation(FIRST, None, &noise(6, 6 << 20));
    let run = lab.command("run").stdout(Stdio::piped()).spawn().unwrap();
    wait_for_bytes(&lab.incoming().join(FIRST), 1 << 20);
    sh(&format!("kill -TERM {}", run.id()), lab.path());
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    lab.transport = "window: 0s".into();
    lab.declare();
    lab.good();
    assert_eq!(lab.sink_is_whole(), [FIRST]);
}

#[test]
fn a_second_run_at_the_same_time_is_refused() {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, b"data");
    let lock = lab.handover().join(".transport.lock");
    let mut holder = Command::new("flock").arg(&lock).args(["sleep", "60"]).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while Command::new("flock").args(["-n"]).arg(&lock).arg("true").status().unwrap().success() {
        assert!(Instant::now() < deadline);
    }
    fails(&lab, "locked");
    assert_eq!(lab.mail(), "", "the other run tells what comes of it");
    sh(&format!("pkill -9 -P {}", holder.id()), lab.path());
    holder.wait().unwrap();
    lab.good();
}

#[test]
fn a_missing_base_makes_the_sink_want_a_full() {
    for way in BOTH {
        let lab = Lab::new(way);
        lab.generation(FIRST, None, b"data");
        lab.good();
        lab.generation(SECOND, Some(FIRST), b"little");
        fs::remove_dir_all(lab.sink_store().join(FIRST)).unwrap();
        let answer = fails(&lab, "want_full");
        assert!(answer.msg.contains(FIRST), "{answer:?}");
        let wish = fs::read_to_string(lab.handover().join("want-full.json")).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&wish).unwrap()["base"]["id"], FIRST);
        assert_eq!(names(&lab.handover()), [SECOND]);

        lab.generation(THIRD, None, b"all");
        let answer = lab.good();
        assert!(answer.warnings.iter().any(|warning| warning.contains(SECOND)), "{answer:?}");
        assert_eq!(names(&lab.handover()), [""; 0]);
        assert!(!lab.handover().join("want-full.json").exists());
        assert_eq!(lab.sink_is_whole(), [THIRD]);
        assert!(names(&lab.source_store()).contains(&SECOND.to_owned()));
    }
}

#[test]
fn another_installation_waits_until_it_is_adopted() {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, b"data");
    lab.good();
    let stranger = "fedcba9876543210fedcba9876543210";
    lab.generation_of(SECOND, None, b"reinstalled", stranger);
    let refused = fails(&lab, "quarantined");
    assert!(refused.hint.contains("backup_transport adopt web1/shop") && refused.hint.contains(stranger));
    assert_eq!(lab.mail().matches(stranger).count(), 4, "message and hint, on both sides: {}", lab.mail());
    let adopt = |instance: &str| {
        let config = lab.path().join("sink/etc");
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup_transport"));
        command.args(["adopt", "web1/shop", "--stream", "data", "--instance", instance, "--json", "--config"]);
        let output = command.arg(config).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(adopt(stranger)["changed"], true);
    assert_eq!(adopt(stranger)["changed"], false);
    lab.good();
    lab.generation_of(THIRD, None, b"the old one again", INSTANCE);
    fails(&lab, "quarantined");
    assert_eq!(lab.sink_is_whole(), [FIRST, SECOND]);
}

#[test]
fn implausible_ids_are_refused() {
    let lab = Lab::new(Way::Push);
    lab.generation(SECOND, None, b"data");
    lab.good();
    // The same id with other contents; an older one; one from the future.
    for (id, data) in [(SECOND, &b"other"[..]), (FIRST, b"older"), ("29991231T000000Z", b"future")] {
        lab.generation(id, None, data);
        let answer = fails(&lab, "quarantined");
        assert!(answer.msg.contains(id), "{answer:?}");
        assert_eq!(answer.generations[0].action, "refuse");
        fs::remove_dir_all(lab.handover().join(id)).unwrap();
    }
    assert_eq!(lab.sink_is_whole(), [SECOND]);
}

#[test]
fn what_the_sink_expired_is_not_carried_again() {
    let lab = Lab::new(Way::Push);
    let folder = lab.generation(FIRST, None, b"data");
    sh(&format!("cp -a {} kept", folder.display()), lab.path());
    lab.good();
    fs::remove_dir_all(lab.sink_store().join(FIRST)).unwrap();
    fs::remove_dir_all(lab.source_store()).unwrap();
    sh(&format!("mv kept {}", folder.display()), lab.path());
    let answer = lab.good();
    assert_eq!(answer.generations[0].action, "release", "{answer:?}");
    assert!(answer.warnings[0].contains("until somebody removes it"), "{answer:?}");
    let status = lab.command("status").output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert!(status["warnings"][0].as_str().unwrap().contains(FIRST), "{status}");
    assert_eq!(names(&lab.sink_store()), [""; 0]);
    assert_eq!(names(&lab.source_store()), [FIRST]);
}

#[test]
fn a_sink_that_lets_go_of_everything_fills_the_source_no_further_than_what_may_wait() {
    let lab = Lab::new(Way::Pull);
    let ids = [FIRST, SECOND, THIRD, "20261113T020000Z"];
    let kept = |id: &str| lab.path().join(format!("kept-{id}")).display().to_string();
    for id in ids {
        let folder = lab.generation(id, None, b"data");
        sh(&format!("cp -a {} {}", folder.display(), kept(id)), lab.path());
        lab.good();
    }
    // The sink has had them all, and has none: what it lets go of has no receipt.
    fs::remove_dir_all(lab.source_store()).unwrap();
    for id in ids {
        // Or its own policy was faster.
        let _ = fs::remove_dir_all(lab.sink_store().join(id));
        sh(&format!("mv {} {id}", kept(id)), &lab.handover());
    }
    let answer = fails(&lab, "handover_full");
    assert!(answer.msg.contains(ids[3]) && answer.msg.contains("3 copies that no sink has"), "{answer:?}");
    let actions: Vec<_> = answer.generations.iter().map(|moved| &*moved.action).collect();
    assert_eq!(actions, ["release", "release", "release", "fail"]);
    assert_eq!(names(&lab.source_store()), ids[..3]);
    assert_eq!(names(&lab.handover()), ids[3..]);
    // Somebody looks at them and removes one.
    fs::remove_dir_all(lab.source_store().join(FIRST)).unwrap();
    lab.good();
    assert_eq!(names(&lab.source_store()), ids[1..]);
}

#[test]
fn a_copy_that_is_known_damaged_gets_no_receipt_again_and_is_replaced() {
    let lab = Lab::new(Way::Push);
    let folder = lab.generation(FIRST, None, &noise(11, 1 << 20));
    sh(&format!("cp -a {} kept", folder.display()), lab.path());
    lab.good();
    // The acknowledgement was lost, and the sink's disk went bad, which a rotation noticed.
    fs::remove_dir_all(lab.source_store()).unwrap();
    sh(&format!("mv kept {}", folder.display()), lab.path());
    let stored = lab.sink_store().join(FIRST);
    sh("printf XXXXXXXX | dd of=data.tar.zst bs=1 seek=5000 conv=notrunc status=none", &stored);
    let digest = sh("sha256sum SHA256SUMS | cut -d' ' -f1", &stored);
    let note = format!("{{\"digest\":\"{}\",\"checked_at\":\"2026-11-12T02:00:00Z\",\"ok\":false}}", digest.trim());
    let note_file = lab.sink_store().join(format!("receipts/{FIRST}.checked.json"));
    write(&note_file, note, 0o640);

    let answer = lab.good();
    let moved = &answer.generations[0];
    assert!(moved.action == "send" && moved.wire_bytes < 500_000, "its damaged copy is the basis: {moved:?}");
    assert_eq!(lab.sink_is_whole(), [FIRST]);
    assert!(!note_file.exists());
    assert_eq!((names(&lab.handover()), names(&lab.source_store())), (vec![], vec![FIRST.to_owned()]));
}

#[test]
fn a_base_that_goes_while_its_incremental_is_hashed_withholds_the_receipt() {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, b"data");
    lab.good();
    lab.generation(SECOND, Some(FIRST), b"little");
    // Killed when it is in the store and has no receipt: as if a rotation came between.
    lab.serve_with("HANDOVER_FAULT=transport.commit.stored\n");
    assert!(lab.run().failed);
    lab.serve_with("");
    assert_eq!(names(&lab.sink_store()), [FIRST, SECOND]);
    fs::remove_dir_all(lab.sink_store().join(FIRST)).unwrap();
    fails(&lab, "want_full");
    assert_eq!((names(&lab.sink_store()), names(&lab.handover())), (vec![], vec![SECOND.to_owned()]));
    fails(&lab, "want_full");
    assert!(lab.handover().join("want-full.json").exists());
}

#[test]
fn a_deletion_that_was_cut_short_at_the_sink_is_not_signed_for() {
    let lab = Lab::new(Way::Push);
    let folder = lab.generation(FIRST, None, b"data");
    sh(&format!("cp -a {} kept", folder.display()), lab.path());
    lab.good();
    fs::remove_dir_all(lab.source_store()).unwrap();
    sh(&format!("mv kept {}", folder.display()), lab.path());
    let receipts = lab.sink_store().join("receipts");
    fs::rename(receipts.join(format!("{FIRST}.json")), receipts.join(format!("{FIRST}.deleting"))).unwrap();
    let answer = lab.good();
    assert_eq!(answer.generations[0].action, "release", "{answer:?}");
    assert!(!receipts.join(format!("{FIRST}.json")).exists());
    assert_eq!(names(&lab.source_store()), [FIRST]);
}

#[test]
fn a_source_cannot_flood_the_sinks_operator() {
    let lab = Lab::new(Way::Push);
    lab.generation(SECOND, None, b"data");
    lab.good();
    lab.generation(FIRST, None, b"older");
    for _ in 0..3 {
        fails(&lab, "quarantined");
    }
    assert_eq!(
        lab.mail().matches("Subject:").count(),
        3 + 1,
        "the source's own each time, the sink's once: {}",
        lab.mail()
    );
}

struct Mounted(std::path::PathBuf);
impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_sink_without_room_refuses_before_anything_is_carried() {
    let lab = Lab::new(Way::Push);
    let etc = lab.path().join("sink/etc");
    let kept = lab.path().join("etc");
    fs::rename(&etc, &kept).unwrap();
    let sink = Mounted(lab.path().join("sink"));
    sh("mount -t tmpfs -o size=24M tmpfs sink && cp -a etc sink/etc", lab.path());
    lab.generation(FIRST, None, &noise(9, 12 << 20));
    let answer = fails(&lab, "no_space");
    assert_eq!(answer.generations[0].wire_bytes, 0);
    assert_eq!(names(&lab.handover()), [FIRST]);
    sh("mount -o remount,size=64M sink", lab.path());
    lab.good();
    assert_eq!(lab.sink_is_whole(), [FIRST]);
    drop(sink);
}
