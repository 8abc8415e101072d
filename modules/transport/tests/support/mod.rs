//! Two hosts in one folder: a source and a sink with their own configuration, a real sshd between them, and
//! generations made with plain tools. Needs root, since sshd logs root in.
#![allow(dead_code, unreachable_pub, clippy::struct_field_names, reason = "each test file uses its part")]

pub mod attack;

use backup_tests::{mail, sshd};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub const INSTANCE: &str = "0123456789abcdef0123456789abcdef";
const TRANSPORT: &str = env!("CARGO_BIN_EXE_backup_transport");

/// Which side begins, and what is carried.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Push,
    Pull,
    PullLogs,
}

impl Way {
    fn stream(self) -> &'static str {
        if self == Self::PullLogs { "logs" } else { "data" }
    }
}

pub struct Lab {
    room: tempfile::TempDir,
    pub way: Way,
    pub port: u16,
    sshd: Option<Child>,
    /// The job's `schedule.transport`, if any.
    pub schedule: Option<String>,
    /// Lines for the job's `transport:`.
    pub transport: String,
    /// The job's `sink.retention`.
    pub retention: String,
    /// The job's `sink.protect`.
    pub protect: String,
    /// The job's `sink.quota`, if any.
    pub quota: Option<String>,
}

/// What a run reports, besides what every answer has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    pub generations: Vec<Moved>,
    pub outstanding: Vec<Value>,
}

pub type Answer = backup_tests::answer::Answer<Report>;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    pub stream: String,
    pub id: String,
    pub kind: String,
    pub bytes: u64,
    pub action: String,
    pub wire_bytes: u64,
    pub resumed: bool,
    pub verified: bool,
    pub received_at: Option<String>,
    pub moved_to_store: bool,
    pub rotated: Rotated,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotated {
    pub sink: Option<Rotation>,
    pub source: Option<Rotation>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    pub kept: Vec<String>,
    pub expired: Vec<String>,
    pub postponed: Vec<String>,
}

pub fn sh(script: &str, directory: &Path) -> String {
    let output = Command::new("sh").args(["-euc", script]).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn write(path: &Path, text: impl AsRef<[u8]>, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.len() == 16 && name.ends_with('Z'));
    names.sort();
    names
}

impl Lab {
    pub fn new(way: Way) -> Self {
        let uid = sh("id -u", Path::new("/"));
        assert_eq!(uid.trim(), "0", "these tests log in to an sshd of their own and need root");
        let room = tempfile::tempdir().unwrap();
        let mut lab = Self {
            room,
            way,
            port: 0,
            sshd: None,
            schedule: None,
            transport: "window: 0s".into(),
            retention: "{generations: 3}".into(),
            protect: "0s".into(),
            quota: None,
        };
        sh("for k in host client receipt other; do ssh-keygen -q -t ed25519 -N '' -C $k -f $k; done", lab.path());
        lab.sign_with("receipt");
        mail::agent(&lab.path().join("sendmail"), &lab.path().join("mail"));
        write(&lab.path().join("env"), "", 0o644);
        lab.start_sshd();
        lab.declare();
        lab
    }

    pub fn path(&self) -> &Path {
        self.room.path()
    }

    /// Pins this key for the sink's receipts.
    pub fn sign_with(&self, key: &str) {
        let public = fs::read_to_string(self.path().join(format!("{key}.pub"))).unwrap();
        write(&self.path().join("signers"), format!("sink1 namespaces=\"handover-receipt\" {public}"), 0o644);
    }

    /// Starts sshd, on the port it had before if it ran already.
    pub fn start_sshd(&mut self) {
        if self.port == 0 {
            self.port = sshd::port();
        }
        let host = fs::read_to_string(self.path().join("host.pub")).unwrap();
        write(&self.path().join("known_hosts"), format!("[127.0.0.1]:{} {host}", self.port), 0o644);
        self.authorize(match self.way {
            Way::Push => "--job web1/shop --stream data --allow push",
            Way::Pull => "--job shop --stream data --allow pull",
            Way::PullLogs => "--job shop --stream logs --allow pull",
        });
        self.sshd = Some(sshd::start(self.path(), self.port, "100"));
    }

    pub fn stop_sshd(&mut self) {
        if let Some(mut sshd) = self.sshd.take() {
            sshd.kill().unwrap();
            sshd.wait().unwrap();
        }
    }

    /// Lets the client's key do this, through a script that takes its environment from a file of the test's.
    pub fn authorize(&self, serve: &str) {
        let room = self.path().display();
        // A served request is on the other host than the one that begins.
        let at_sink = (self.way == Way::Push || serve.contains("fetch")) && !serve.contains("deliver");
        let side = if at_sink { "sink" } else { "source" };
        let script = format!(
            "#!/bin/sh\nset -a; . {room}/env; set +a\n[ ! -x {room}/before ] || {room}/before\n\
             exec {TRANSPORT} serve --config {room}/{side}/etc {serve}\n"
        );
        write(&self.path().join("forced"), script, 0o755);
        let key = fs::read_to_string(self.path().join("client.pub")).unwrap();
        write(&self.path().join("authorized_keys"), format!("restrict,command=\"{room}/forced\" {key}"), 0o644);
    }

    /// A script that runs on the serving side before each request; `$SSH_ORIGINAL_COMMAND` says which.
    pub fn before_each_request(&self, script: &str) {
        write(&self.path().join("before"), format!("#!/bin/sh\n{script}\n"), 0o755);
    }

    pub fn nothing_before_requests(&self) {
        let _ = fs::remove_file(self.path().join("before"));
    }

    /// The environment of the serving side, as shell assignments.
    pub fn serve_with(&self, env: &str) {
        write(&self.path().join("env"), env, 0o644);
    }

    /// Writes the job document on both sides.
    pub fn declare(&self) {
        let room = self.path().display();
        let (mode, stream) = (if self.way == Way::Push { "push" } else { "pull" }, self.way.stream());
        let document = format!(
            "version: 1\njob: shop\nsource: web1\n{}state: {room}/source/state\n\
             mail: {{to: [ops], sendmail: {room}/sendmail}}\nstreams:\n  {stream}:\n    include: [/srv/shop]\n    user: root\n\
             \x20   handover: {{path: {room}/source/handover}}\n    store: {{path: {room}/source/store}}\n\
             \x20   restore_folder: {room}/source/restore\n    transport:\n      mode: {mode}\n      {}\n\
             \x20     signers: {room}/signers\n      peer: {{address: 127.0.0.1, port: {}, user: root, identity: {room}/client, known_hosts: {room}/known_hosts}}\n\
             \x20   sink: {{name: sink1, user: root, home: {room}/sink, receipt_key: {room}/receipt, protect: {}, {}retention: {}}}\n",
            self.schedule.as_ref().map(|time| format!("schedule: {{transport: \"{time}\"}}\n")).unwrap_or_default(),
            self.transport,
            self.port,
            self.protect,
            self.quota.as_ref().map(|quota| format!("quota: {quota}, ")).unwrap_or_default(),
            self.retention
        );
        write(&self.path().join("source/etc/jobs/shop.yml"), &document, 0o644);
        write(&self.path().join("sink/etc/jobs/web1/shop.yml"), &document, 0o644);
    }

    pub fn handover(&self) -> PathBuf {
        self.path().join("source/handover/shop").join(self.way.stream())
    }

    pub fn source_store(&self) -> PathBuf {
        self.path().join("source/store/shop").join(self.way.stream())
    }

    pub fn sink_store(&self) -> PathBuf {
        self.path().join("sink/store/web1/shop").join(self.way.stream())
    }

    pub fn incoming(&self) -> PathBuf {
        self.path().join("sink/incoming/web1/shop").join(self.way.stream())
    }

    pub fn verifying(&self) -> PathBuf {
        self.path().join("sink/verifying/web1/shop").join(self.way.stream())
    }

    pub fn mail(&self) -> String {
        mail::read(&self.path().join("mail"))
    }

    /// Makes a sealed generation with plain tools and puts it into the handover point; returns its folder.
    pub fn generation(&self, id: &str, base: Option<&str>, data: &[u8]) -> PathBuf {
        self.generation_of(id, base, data, INSTANCE)
    }

    pub fn generation_of(&self, id: &str, base: Option<&str>, data: &[u8], instance: &str) -> PathBuf {
        let folder = self.handover().join(id);
        fs::create_dir_all(&folder).unwrap();
        write(&folder.join("contents"), data, 0o644);
        sh(
            "tar --numeric-owner -cf plain.tar contents; zstd -q --no-check plain.tar -o data.tar.zst; rm contents\n\
             echo '{}' > plain.jsonl; zstd -q plain.jsonl -o catalog.jsonl.zst",
            &folder,
        );
        let sha = |name: &str| sh(&format!("sha256sum {name} | cut -d' ' -f1"), &folder).trim().to_owned();
        let size = |name: &str| fs::metadata(folder.join(name)).unwrap().len();
        let artifact = |stored: &str, plain: &str| json!({"bytes": size(stored), "plain_bytes": size(plain), "plain_sha256": sha(plain)});
        let base = base.map(|base| {
            let places = [self.handover(), self.source_store(), self.sink_store()];
            let seal = places.iter().map(|place| place.join(base).join("SHA256SUMS")).find(|path| path.exists());
            json!({"id": base, "digest": sha(seal.unwrap().to_str().unwrap())})
        });
        let time = format!("{}-{}-{}T{}:{}:{}Z", &id[..4], &id[4..6], &id[6..8], &id[9..11], &id[11..13], &id[13..15]);
        let manifest = json!({
            "format": 1, "tool": "test", "source": "web1", "job": "shop", "stream": self.way.stream(), "id": id,
            "instance": instance, "kind": if base.is_some() { "incremental" } else { "full" }, "base": base,
            "label": null, "started_at": time, "finished_at": time, "quiet": null, "roots": ["/srv/shop"],
            "tree": {"paths": 1, "bytes": data.len()}, "counts": {"files": 1},
            "artifacts": {
                "data.tar.zst": artifact("data.tar.zst", "plain.tar"),
                "catalog.jsonl.zst": artifact("catalog.jsonl.zst", "plain.jsonl"),
            },
            "large_file": 67_108_864, "block": 65536, "warnings": [],
        });
        write(&folder.join("manifest.json"), serde_json::to_string_pretty(&manifest).unwrap() + "\n", 0o640);
        sh("rm plain.*; LC_ALL=C; export LC_ALL; sha256sum -- * > SUMS; mv SUMS SHA256SUMS", &folder);
        folder
    }

    /// The arguments with which the beginning side runs.
    pub fn arguments(&self, action: &str) -> Vec<String> {
        let (side, job) = if self.way == Way::Push { ("source", "shop") } else { ("sink", "web1/shop") };
        let config = self.path().join(side).join("etc");
        [action, job, "--json", "--diff", "--config"]
            .map(str::to_owned)
            .into_iter()
            .chain([config.to_str().unwrap().to_owned()])
            .collect()
    }

    pub fn command(&self, action: &str) -> Command {
        let mut command = Command::new(TRANSPORT);
        command.args(self.arguments(action)).stdin(Stdio::null());
        command
    }

    pub fn run(&self) -> Answer {
        answer(&mut self.command("run"))
    }

    /// Runs and expects success.
    pub fn good(&self) -> Answer {
        let answer = self.run();
        assert!(!answer.failed && answer.code == Some(0), "{answer:?}");
        answer
    }

    /// `sha256sum -c` over every generation in the sink's store; each has a receipt whose signature holds.
    pub fn sink_is_whole(&self) -> Vec<String> {
        let signed = self.sink_is_whole_where_signed();
        assert_eq!(names(&self.sink_store()), signed);
        signed
    }

    /// The same for those that have a receipt: after a kill there may be others.
    pub fn sink_is_whole_where_signed(&self) -> Vec<String> {
        let store = self.sink_store();
        let mut ids = names(&store);
        ids.retain(|id| store.join("receipts").join(format!("{id}.json")).exists());
        for id in &ids {
            sh("sha256sum --quiet -c SHA256SUMS", &store.join(id));
            let signers = self.path().join("signers");
            let check = format!(
                "ssh-keygen -q -Y verify -f {} -I sink1 -n handover-receipt -s {id}.json.sig < {id}.json",
                signers.display()
            );
            sh(&check, &store.join("receipts"));
        }
        ids
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("sshd said: {}", fs::read_to_string(self.path().join("sshd.log")).unwrap_or_default());
        }
        self.stop_sshd();
    }
}

/// Runs a command that prints one line of JSON; after a kill there is none.
pub fn answer(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    if output.status.code().is_none() { Answer::default() } else { Answer::of(&output) }
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[3]
        })
        .collect()
}
