//! The power fails: a file system of a host is shut down at a random moment of collect, transport or rotate, without
//! writing anything more (`xfs_io -x -c shutdown`), and mounted again. What is verified stays, nothing half counts, the next
//! run ends well. On ext4 and xfs. `HANDOVER_TORTURE=all`, as `make torture` sets it: more than a hundred times.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::disks::Hosts;
use backup_tests::executables::Executable;
use backup_tests::kill;
use backup_tests::lab::Host;
use serde_json::json;

fn while_it_collects(kind: &'static str) {
    let mut hosts = Hosts::new(kind);
    let collect = |hosts: &Hosts| hosts.lab.command(Host::Source, Executable::Collect, &["run"]);
    let length = Hosts::length(collect(&hosts));
    hosts.lab.transport().good();
    let mut moments = Vec::new();
    for _ in 0..Hosts::cuts() {
        hosts.change();
        let verified = hosts.newest(2);
        let moment = hosts.cut(Host::Source, collect(&hosts), length);
        let at = format!("collect, cut after {moment:?}");
        hosts.kept(&verified, &at);
        hosts.converges(&at);
        moments.push(moment);
    }
    hosts.tell("collect", &moments);
}

fn while_it_arrives(kind: &'static str, host: Host) {
    let mut hosts = Hosts::new(kind);
    let transport = |hosts: &Hosts| hosts.lab.command(Host::Source, Executable::Transport, &["run"]);
    hosts.another();
    let length = Hosts::length(transport(&hosts));
    let mut moments = Vec::new();
    for _ in 0..Hosts::cuts() {
        hosts.another();
        let verified = hosts.newest(1);
        let moment = hosts.cut(host, transport(&hosts), length);
        let at = format!("transport, {host:?} cut after {moment:?}");
        hosts.kept(&verified, &at);
        kill::good(&mut transport(&hosts), &at);
        hosts.converges(&at);
        moments.push(moment);
    }
    hosts.tell(&format!("transport, at the {host:?}"), &moments);
}

fn while_it_rotates(kind: &'static str) {
    let mut hosts = Hosts::new(kind);
    let rotate = |hosts: &Hosts| hosts.lab.command(Host::Sink, Executable::Rotate, &["run"]);
    let fill = |hosts: &mut Hosts| {
        let keep = |hosts: &mut Hosts, n: u32| {
            let change = json!({"streams": {"data": {"sink": {"retention": {"generations": n}}}}});
            hosts.lab.change(&change);
        };
        keep(hosts, 9);
        for _ in 0..2 {
            hosts.another();
            hosts.lab.transport().good();
        }
        keep(hosts, 2);
    };
    fill(&mut hosts);
    let length = Hosts::length(rotate(&hosts));
    let mut moments = Vec::new();
    for _ in 0..Hosts::cuts() {
        fill(&mut hosts);
        let verified = hosts.newest(2);
        let moment = hosts.cut(Host::Sink, rotate(&hosts), length);
        let at = format!("rotate, cut after {moment:?}");
        hosts.kept(&verified, &at);
        hosts.converges(&at);
        moments.push(moment);
    }
    hosts.tell("rotate", &moments);
}

#[test]
fn power_fails_while_ext4_collects() {
    while_it_collects("ext4");
}

#[test]
fn power_fails_while_xfs_collects() {
    while_it_collects("xfs");
}

#[test]
fn power_of_an_ext4_source_fails_while_it_pushes() {
    while_it_arrives("ext4", Host::Source);
}

#[test]
fn power_of_an_xfs_sink_fails_while_it_commits() {
    while_it_arrives("xfs", Host::Sink);
}

#[test]
fn power_of_an_ext4_sink_fails_while_it_commits() {
    while_it_arrives("ext4", Host::Sink);
}

#[test]
fn power_fails_while_xfs_rotates() {
    while_it_rotates("xfs");
}

#[test]
fn power_fails_while_ext4_rotates() {
    while_it_rotates("ext4");
}
