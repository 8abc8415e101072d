//! Two hosts, each on a disk of its own whose power can fail.

use crate::executables::{Executable, sh};
use crate::kill;
use crate::lab::{Host, Lab, Way, wait_for};
use crate::oracle;
use backup_core::GenerationId;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The two hosts, each on a disk of its own.
#[derive(Debug)]
pub struct Hosts {
    /// Who they are.
    pub lab: Lab,
    kind: &'static str,
    /// Of the random moments.
    seed: u64,
}

impl Hosts {
    /// A job of the source `web1`, three generations of which are at the sink.
    pub fn new(kind: &'static str) -> Self {
        let mut lab = Lab::in_memory(Way::Push);
        sh(&format!(
            "cd {}; mkdir -p d/e; seq 1 5000 > d/list; ln d/list hard; head -c 3M /dev/urandom > big",
            lab.srv().display()
        ));
        lab.keep_fulls(2);
        let hosts = Self { lab, kind, seed: u64::from(std::process::id()) };
        let ground = hosts.at("ground");
        sh(&format!(
            "mkdir {ground}; truncate -s 2G {ground}.img; mkfs.xfs -q -m reflink=1 {ground}.img; mount -o loop {ground}.img {ground}",
            ground = ground.display()
        ));
        for host in [Host::Source, Host::Sink] {
            let (at, image, aside) = (hosts.at(host.folder()), hosts.image(host), hosts.at("aside"));
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

    /// A path in the lab.
    pub fn at(&self, name: &str) -> PathBuf {
        self.lab.at(name)
    }

    /// Changes the tree and collects it. Rotation has to find the same every time, so it is not begun before the generation's second.
    pub fn another(&self) -> String {
        self.change();
        let id = self.lab.collect(&[]);
        wait_for("the clock to reach the generation's second", || GenerationId::at(Timestamp::now()).to_string() >= id);
        id
    }

    /// Changes the tree, durably.
    pub fn change(&self) {
        sh(&format!("date +%N >> {0}/d/list; date +%N > {0}/d/new; sync -f {0}", self.lab.srv().display()));
    }

    /// A host's disk: a file of a file system that can copy it in an instant.
    fn image(&self, host: Host) -> PathBuf {
        self.at(&format!("ground/{}.img", host.folder()))
    }

    /// Runs a command, which must succeed, and copies a host's disk again and again meanwhile: each copy is what a power cut
    /// at that moment would have left.
    pub fn crash_images(&self, host: Host, mut command: Command) -> Vec<PathBuf> {
        let disk = self.image(host);
        sh(&format!("sync -f {} {}", self.at("source").display(), self.at("sink").display()));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut images = Vec::new();
        let status = loop {
            images.push(self.copy(&disk, &format!("{}.crash", images.len())));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
        };
        assert!(status.success(), "{command:?}");
        images
    }

    /// A host's disk as it is now, in a file of its own.
    pub fn snapshot(&self, host: Host, name: &str) -> PathBuf {
        sh(&format!("sync -f {} {}", self.at("source").display(), self.at("sink").display()));
        self.copy(&self.image(host), name)
    }

    /// Copies a disk, or a copy of one, in no time.
    pub fn copy(&self, disk: &Path, name: &str) -> PathBuf {
        let copy = disk.with_extension(name);
        sh(&format!("cp --reflink=always {} {}", disk.display(), copy.display()));
        copy
    }

    /// Puts a copy in the place of a host's disk.
    pub fn exchange(&self, host: Host, image: &Path) {
        let at = self.at(host.folder());
        // What `serve` had open goes with its connection.
        wait_for("nobody has anything open there", || {
            Command::new("umount").arg(&at).stderr(Stdio::null()).status().unwrap().success()
        });
        // A copy has the UUID of what was there, which XFS refuses as long as that is mounted anywhere: a test beside us may have
        // taken it along into a mount namespace of its own.
        let option = if self.kind == "xfs" { "loop,nouuid" } else { "loop" };
        sh(&format!("mount -o {option} {} {}", image.display(), at.display()));
    }

    /// A host's own disk comes back, whatever is in its place.
    pub fn own_disk(&self, host: Host) {
        self.exchange(host, &self.image(host));
    }

    /// The next random number below `bound` (an LCG: good enough for moments).
    pub fn random(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % bound.max(1)
    }

    /// How long a command takes that must succeed.
    pub fn length(mut command: Command) -> Duration {
        let began = Instant::now();
        kill::good(&mut command, "nothing");
        began.elapsed()
    }

    /// Runs a command and cuts the power of a host while it runs, or right after. What the command says does not matter then; when it
    /// has ended, the power is back.
    pub fn cut(&mut self, host: Host, mut command: Command, length: Duration) -> Duration {
        let at = self.at(host.folder());
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
        self.own_disk(host);
        moment
    }

    /// How often to cut: enough for a hundred in all of `make torture`.
    pub fn cuts() -> usize {
        if std::env::var_os("HANDOVER_TORTURE").is_some() { 20 } else { 2 }
    }

    fn signers(&self) -> PathBuf {
        self.at("signers")
    }

    /// What counts at the sink is whole, and was there.
    pub fn kept(&self, verified: &[String], at: &str) {
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
    pub fn converges(&self, at: &str) {
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

    /// The newest so many at the sink.
    pub fn newest(&self, count: usize) -> Vec<String> {
        let mut ids = oracle::generations(&self.lab.there("data", "store"));
        ids.drain(..ids.len().saturating_sub(count));
        ids
    }

    /// Says how many there were; nextest shows it with `--no-capture`.
    pub fn tell(&self, what: &str, moments: &[Duration]) {
        println!("{what} on {}: {} power cuts, no promise broken, after {moments:?}", self.kind, moments.len());
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.lab.kill_sshd();
        for host in ["source", "sink", "ground"] {
            // Before the folder is removed, whatever has happened.
            let _ = Command::new("umount").arg("-l").arg(self.at(host)).stderr(Stdio::null()).status();
        }
    }
}
