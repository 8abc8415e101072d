//! What a power cut would have left at any moment of a run: while collect and transport work, the disk of a host is copied again
//! and again (a reflink takes no time), and each copy is mounted in its place afterwards.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::disks::Hosts;
use backup_tests::executables::Executable;
use backup_tests::lab::Host;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Of the copies that a run gives, so many are looked at unless all are asked for.
const SOME: usize = 6;

fn some(images: Vec<PathBuf>) -> Vec<PathBuf> {
    let step = if std::env::var_os("HANDOVER_TORTURE").is_some() { 1 } else { images.len().div_ceil(SOME) };
    let (looked_at, rest): (Vec<_>, Vec<_>) = images.into_iter().enumerate().partition(|(n, _)| n % step == 0);
    for (_, image) in rest {
        fs::remove_file(image).unwrap();
    }
    looked_at.into_iter().map(|(_, image)| image).collect()
}

/// What the sink has verified stays, no half generation counts anywhere, and from each copy the next night ends well.
fn each_moment(kind: &'static str, what: &str, run: impl Fn(&Hosts) -> Command) {
    let hosts = Hosts::new(kind);
    hosts.another();
    let images = some(hosts.crash_images(Host::Source, run(&hosts)));
    let verified = hosts.newest(1);
    let sink = hosts.snapshot(Host::Sink, "after");
    for (n, image) in images.iter().enumerate() {
        let at = format!("{what}, {}", image.display());
        // The sink's power did not fail: it has what the run had brought.
        hosts.exchange(Host::Sink, &hosts.copy(&sink, &format!("{n}.after")));
        hosts.exchange(Host::Source, image);
        hosts.kept(&verified, &at);
        hosts.lab.transport().good();
        hosts.converges(&at);
    }
    for host in [Host::Source, Host::Sink] {
        hosts.own_disk(host);
    }
    println!("{what} on {kind}: {} crash images, no promise broken", images.len());
}

#[test]
fn every_moment_of_a_collection_on_ext4() {
    each_moment("ext4", "collect", |hosts| hosts.lab.command(Host::Source, Executable::Collect, &["run"]));
}

#[test]
fn every_moment_of_a_collection_on_xfs() {
    each_moment("xfs", "collect", |hosts| hosts.lab.command(Host::Source, Executable::Collect, &["run"]));
}

#[test]
fn every_moment_of_a_push_on_ext4() {
    each_moment("ext4", "push", |hosts| hosts.lab.command(Host::Source, Executable::Transport, &["run"]));
}

/// At the sink each copy is a moment of its own: what was verified before the run is whole in it, and nothing half counts.
#[test]
fn every_moment_of_an_arrival_on_xfs() {
    let hosts = Hosts::new("xfs");
    hosts.another();
    let verified = hosts.newest(1);
    let push = hosts.lab.command(Host::Source, Executable::Transport, &["run"]);
    let images = some(hosts.crash_images(Host::Sink, push));
    for image in &images {
        hosts.exchange(Host::Sink, image);
        hosts.kept(&verified, &format!("arrival, {}", image.display()));
    }
    hosts.own_disk(Host::Sink);
    hosts.converges("after the last copy");
    println!("an arrival on xfs: {} crash images, no promise broken", images.len());
}
