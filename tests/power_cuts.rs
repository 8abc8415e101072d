//! The power fails: a file system of a host is shut down at a random moment of collect, transport or rotate, without
//! writing anything more (`xfs_io -x -c shutdown`), and mounted again. What is verified stays, nothing half counts, the next
//! run ends well. On ext4 and xfs. `HANDOVER_TORTURE=all`, as `make torture` sets it: more than a hundred times.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_core::GenerationId;
use backup_tests::executables::{Executable, sh};
use backup_tests::kill;
use backup_tests::lab::{Host, Lab, Way, wait_for};
use backup_tests::oracle;
use jiff::Timestamp;
use serde_json::json;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The two hosts, each on a disk of its own.
struct Hosts {
    lab: Lab,
    kind: &'static str,
    /// Of the random moments.
    seed: u64,
}

impl Hosts {
    fn new(kind: &'static str) -> Self {
        let mut lab = Lab::in_memory(Way::Push);
        sh(&format!(
            "cd {}; mkdir -p d/e; seq 1 5000 > d/list; ln d/list hard; head -c 3M /dev/urandom > big",
            lab.srv().display()
        ));
        let keep = json!({"generations": 2});
        lab.change(&json!({"streams": {"data": {
            "full": {"every": "0s"}, "store": {"retention": keep}, "sink": {"retention": keep},
        }}}));
        let hosts = Self { lab, kind, seed: u64::from(std::process::id()) };
        for host in ["source", "sink"] {
            let (at, image, aside) = (hosts.at(host), hosts.at(&format!("{host}.img")), hosts.at("aside"));
            sh(&format!(
                "truncate -s 400M {image}; mkfs.{kind} -q {image}; mkdir {aside}; mount -o loop {image} {aside}\n\
                 cp -a {at}/. {aside}; umount {aside}; rmdir {aside}; mount -o loop {image} {at}",
                at = at.display(),
                image = image.display(),
                aside = aside.display(),
            ));
        }
        for _ in 0..3 {
            hosts.another();
            hosts.lab.transport().good();
        }
        hosts
    }

    fn at(&self, name: &str) -> PathBuf {
        self.lab.at(name)
    }

    /// Changes the tree and collects it. Rotation has to find the same every time, so it is not begun before the generation's second.
    fn another(&self) -> String {
        self.change();
        let id = self.lab.collect(&[]);
        wait_for("the clock to reach the generation's second", || GenerationId::at(Timestamp::now()).to_string() >= id);
        id
    }

    fn change(&self) {
        sh(&format!("date +%N >> {0}/d/list; date +%N > {0}/d/new; sync -f {0}", self.lab.srv().display()));
    }

    /// The next random number below `bound` (an LCG: good enough for moments).
    fn random(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % bound.max(1)
    }

    /// How long a command takes that must succeed.
    fn length(mut command: Command) -> Duration {
        let began = Instant::now();
        kill::good(&mut command, "nothing");
        began.elapsed()
    }

    /// Runs a command and cuts the power of a host while it runs, or right after. What the command says does not matter then; when it
    /// has ended, the power is back.
    fn cut(&mut self, host: Host, mut command: Command, length: Duration) -> Duration {
        let at = self.at(if host == Host::Source { "source" } else { "sink" });
        // What the tests themselves have written is not what may be lost.
        sh(&format!("sync -f {} {}", self.at("source").display(), self.at("sink").display()));
        let moment = Duration::from_micros(self.random(u64::try_from(length.as_micros()).unwrap()));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < moment {
            std::hint::spin_loop();
        }
        sh(&format!("xfs_io -x -c shutdown {}", at.display()));
        child.wait().unwrap();
        let image = self.at(&format!("{}.img", at.file_name().unwrap().to_str().unwrap()));
        // What `serve` had open goes with its connection.
        wait_for("nobody has anything open there", || {
            Command::new("umount").arg(&at).stderr(Stdio::null()).status().unwrap().success()
        });
        sh(&format!("mount -o loop {} {}", image.display(), at.display()));
        moment
    }

    /// How often to cut: enough for a hundred in all of `make torture`.
    fn cuts() -> usize {
        if std::env::var_os("HANDOVER_TORTURE").is_some() { 20 } else { 2 }
    }

    fn signers(&self) -> PathBuf {
        self.at("signers")
    }

    /// What counts at the sink is whole, and was there.
    fn kept(&self, verified: &[String], at: &str) {
        let store = self.lab.there("data", "store");
        for id in verified {
            assert!(store.join(id).exists(), "{at}: {id} is gone");
            oracle::whole_one(&store, id, Some(&self.signers()));
        }
        for id in oracle::generations(&store) {
            let signed = store.join(format!("receipts/{id}.json")).exists();
            oracle::whole_one(&store, &id, signed.then(|| self.signers()).as_deref());
        }
        oracle::whole(&self.lab.here("data", "handover"), None);
    }

    /// The next night.
    fn converges(&self, at: &str) {
        let new = self.another();
        self.lab.transport().good();
        for host in [Host::Sink, Host::Source] {
            kill::good(&mut self.lab.command(host, Executable::Rotate, &["run"]), at);
        }
        assert!(oracle::generations(&self.lab.here("data", "handover")).is_empty(), "{at}");
        for store in [self.lab.there("data", "store"), self.lab.here("data", "store")] {
            let ids = oracle::whole(&store, Some(&self.signers()));
            assert_eq!(ids.last(), Some(&new), "{at}: {}", store.display());
            assert_eq!(ids.len(), 2, "{at}: {}", store.display());
            assert_eq!(sh(&format!("ls -A {} | grep -c partial || true", store.display())).trim(), "0", "{at}");
        }
        self.lab.restores_to(&new, &self.lab.srv(), at);
    }

    fn newest(&self, count: usize) -> Vec<String> {
        let mut ids = oracle::generations(&self.lab.there("data", "store"));
        ids.drain(..ids.len().saturating_sub(count));
        ids
    }

    fn tell(&self, what: &str, moments: &[Duration]) {
        println!("{what} on {}: {} power cuts, no promise broken, after {moments:?}", self.kind, moments.len());
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.lab.kill_sshd();
        for host in ["source", "sink"] {
            // Before the folder is removed, whatever has happened.
            let _ = Command::new("umount").arg("-l").arg(self.at(host)).stderr(Stdio::null()).status();
        }
    }
}

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
