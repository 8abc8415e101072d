//! Disks that fill up and connections that break, on the whole path: the failure is loud, the application is on, what is
//! verified stays, and when there is room again the next run ends well.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Executable, sh};
use backup_tests::lab::{Host, Lab, Way, wait_for};
use backup_tests::oracle;
use backup_tests::proxy::Proxy;
use backup_tests::service::{self, Service};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// A small file system.
struct Disk(PathBuf);

impl Disk {
    fn new(at: &Path, size: &str) -> Self {
        sh(&format!("mkdir -p {0}; mount -t tmpfs -o size={size},mode=755 lab {0}", at.display()));
        Self(at.to_owned())
    }

    fn grow(&self, size: &str) {
        sh(&format!("mount -o remount,size={size} {}", self.0.display()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        sh(&format!("umount -l {}", self.0.display()));
    }
}

fn with_app(lab: &mut Lab) {
    service::declare(lab, "exec sleep 3600", "");
    Service::of(lab).start();
}

fn fill(lab: &Lab, megabytes: u32) {
    sh(&format!(
        "cd {}; for i in $(seq {megabytes}); do head -c 1000000 /dev/urandom > f$i; done",
        lab.srv().display()
    ));
}

fn ends_well(lab: &Lab) {
    let (store, signers) = (lab.there("data", "store"), lab.at("signers"));
    let stored = oracle::whole(&store, Some(&signers));
    assert!(oracle::generations(&lab.here("data", "handover")).is_empty());
    lab.restores_to(stored.last().unwrap(), &lab.srv(), "in the end");
}

fn collect_fails_for_room(lab: &Lab) {
    let waits = oracle::generations(&lab.here("data", "handover"));
    lab.call(Host::Source, Executable::Collect, &["run"]).failed("no_space");
    assert!(lab.mail().contains("no_space"), "nobody was told");
    assert!(Service::of(lab).is_on());
    assert_eq!(oracle::whole(&lab.here("data", "handover"), None), waits);
    let rests = sh(&format!("ls -A {} | grep partial || true", lab.here("data", "handover").display()));
    assert_eq!(rests, "", "rests take room from the next run");
}

#[test]
fn a_full_disk_under_the_handover_point() {
    let mut lab = Lab::new(Way::Push);
    with_app(&mut lab);
    let disk = Disk::new(&lab.at("source/data"), "8m");
    fill(&lab, 12);
    collect_fails_for_room(&lab);
    disk.grow("60m");
    lab.collect(&[]);
    lab.transport().good();
    // Now what changes does not fit, and then what changes while the rest is read.
    disk.grow("16m");
    fill(&lab, 12);
    collect_fails_for_room(&lab);
    disk.grow("60m");
    lab.collect(&[]);
    lab.transport().good();
    ends_well(&lab);
}

#[test]
fn a_disk_that_fills_up_during_the_standstill() {
    let mut lab = Lab::new(Way::Push);
    let srv = lab.srv().display().to_string();
    fill(&lab, 3);
    // Its end is what does not fit: nothing before it could know.
    service::declare(&mut lab, "exec sleep 3600", &format!("head -c 20000000 /dev/urandom > {srv}/late"));
    Service::of(&lab).start();
    let disk = Disk::new(&lab.at("source/data"), "12m");
    collect_fails_for_room(&lab);
    disk.grow("200m");
    lab.collect(&[]);
    lab.transport().good();
    ends_well(&lab);
}

#[test]
fn a_full_disk_at_the_sink() {
    let lab = Lab::new(Way::Push);
    let disk = Disk::new(&lab.at("sink/home"), "30m");
    fill(&lab, 4);
    lab.collect(&[]);
    lab.transport().good();
    let store = lab.there("data", "store");
    let before = oracle::digests(&store);
    // Under what arrives, asked for before it is carried or found out while it is.
    fill(&lab, 12);
    lab.collect(&["--kind", "full"]);
    disk.grow("12m");
    lab.transport().failed("no_space");
    assert!(lab.mail().contains("Subject: "), "nobody was told");
    assert_eq!(oracle::digests(&store), before);
    let (home, filler) = (lab.at("sink/home").display().to_string(), lab.at("sink/home/filler").display().to_string());
    disk.grow("150m");
    lab.serve_with(
        Host::Sink,
        &format!("case $SSH_ORIGINAL_COMMAND in *receive*) head -c $(($(df --output=avail -B1 {home} | tail -1) - 6000000)) /dev/zero > {filler};; esac\n"),
    );
    lab.transport().failed("no_space");
    assert_eq!(oracle::digests(&store), before);
    fs::remove_file(&filler).unwrap();
    lab.serve_with(Host::Sink, "");
    // Under the receipt: there is no room for one more file.
    let receipts = Disk::new(&store.join("receipts"), "64k,nr_inodes=1");
    lab.transport().failed("no_space");
    assert_eq!(oracle::generations(&lab.here("data", "handover")).len(), 1, "it still waits");
    drop(receipts);
    lab.transport().good();
    ends_well(&lab);
}

#[test]
fn sshd_dies_in_the_middle() {
    let mut lab = Lab::new(Way::Push);
    lab.change(&json!({"streams": {"data": {"transport": {"bandwidth": "1M"}}}}));
    fill(&lab, 6);
    let id = lab.collect(&[]);
    let running = lab
        .command(Host::Source, Executable::Transport, &["run"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let incoming = lab.there("data", "incoming").join(&id);
    wait_for("some of it has arrived", || {
        sh(&format!("du -sk {} 2>/dev/null | cut -f1 || true", incoming.display()))
            .trim()
            .parse::<u64>()
            .is_ok_and(|kilobytes| kilobytes > 1000)
    });
    lab.kill_sshd();
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains("\"unreachable\""), "{said}");
    assert!(oracle::generations(&lab.there("data", "store")).is_empty());
    lab.start_sshd();
    lab.change(&json!({"streams": {"data": {"transport": {"bandwidth": null}}}}));
    let answer = lab.transport().good();
    assert_eq!(answer["generations"][0]["resumed"], true, "{answer}");
    ends_well(&lab);
}

fn cut(way: Way) {
    let mut lab = Lab::new(way);
    let proxy = Proxy::before(lab.port);
    lab.pin(proxy.port);
    lab.change(&json!({"streams": {"data": {"transport": {"peer": {"port": proxy.port}}}}}));
    fill(&lab, 6);
    lab.collect(&[]);
    for bytes in [0, 100, 3000, 20_000, 1_000_000, 4_000_000] {
        let before = proxy.cuts();
        proxy.cut_after(bytes);
        lab.transport().failed("unreachable");
        assert!(proxy.cuts() > before);
        assert!(oracle::generations(&lab.there("data", "store")).is_empty(), "after {bytes}");
        assert_eq!(oracle::generations(&lab.here("data", "handover")).len(), 1, "after {bytes}");
    }
    proxy.cut_after(i64::MAX);
    let answer = lab.transport().good();
    assert_eq!(answer["generations"][0]["resumed"], true, "{answer}");
    let wire = answer["generations"][0]["wire_bytes"].as_u64().unwrap();
    assert!(wire < 4_500_000, "{wire} bytes, though the rest had arrived before");
    ends_well(&lab);
}

#[test]
fn a_pushing_connection_is_cut() {
    cut(Way::Push);
}

#[test]
fn a_pulling_connection_is_cut() {
    cut(Way::Pull);
}
