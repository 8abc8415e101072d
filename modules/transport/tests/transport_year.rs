//! A source that was honest for ten weeks and is in other hands for a year. The sink's own executable serves each request,
//! at a time that libfaketime tells it; ssh, which would refuse no more and no less, is left out.
#![allow(clippy::unwrap_used)]

mod support;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::attack::request;
use support::{INSTANCE, Lab, Way, names, noise, sh, write};

const SINK: &str = env!("CARGO_BIN_EXE_backup_transport");
const QUOTA: u64 = 3 << 20;
const PROTECT: SignedDuration = SignedDuration::from_hours(30 * 24);

struct Year {
    lab: Lab,
    now: Timestamp,
    /// What the sink ever held, and when it came.
    came: BTreeMap<String, Timestamp>,
    seed: u64,
}

impl Year {
    fn new() -> Self {
        let mut lab = Lab::new(Way::Push);
        lab.stop_sshd();
        (lab.quota, lab.protect, lab.retention) = (Some("3MiB".into()), "30d".into(), "{generations: 3}".into());
        lab.declare();
        let faketime = sh("ls /usr/lib/*/faketime/libfaketime.so.1", lab.path());
        let far = format!(
            "#!/bin/sh\nwhile [ \"$1\" != far ]; do shift; done; shift\nexport SSH_ORIGINAL_COMMAND=\"$*\" TZ=UTC DONT_FAKE_MONOTONIC=1 LD_PRELOAD={}\n\
             exec {SINK} serve --config {}/sink/etc --job web1/shop --stream data --allow push\n",
            faketime.trim(),
            lab.path().display()
        );
        write(&lab.path().join("far"), far, 0o755);
        Self { lab, now: "2027-01-01T02:00:00Z".parse().unwrap(), came: BTreeMap::new(), seed: 1 }
    }

    /// A command at the sink's time.
    fn at(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("FAKETIME", self.now.strftime("%Y-%m-%d %H:%M:%S").to_string());
        command
    }

    fn ask(&self, verb: &str, body: &Value) -> Value {
        let mut child = self
            .at(&self.lab.path().join("far"))
            .args(["far", "handover/1", verb])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(request("web1", "shop", body).to_string().as_bytes());
        serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
    }

    fn offer(&self, folder: &Path) -> Value {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let generations = json!([{"manifest": text("manifest.json"), "seal": text("SHA256SUMS")}]);
        self.ask("offer", &json!({"generations": generations, "check": false}))["ok"]["verdicts"][0].take()
    }

    fn carry(&self, id: &str, folder: &Path) -> bool {
        let mut rsync = self.at(Path::new("rsync"));
        rsync.arg("-e").arg(self.lab.path().join("far")).arg(format!("--rsync-path=handover/1 receive {id}"));
        rsync.args(["-rRI", ".", "far:."]).current_dir(folder).stderr(Stdio::null()).status().unwrap().success()
    }

    fn commit(&self, id: &str, folder: &Path) -> Value {
        let digest = sh("sha256sum SHA256SUMS | cut -d' ' -f1", folder);
        self.ask("commit", &json!({"generation": {"id": id, "digest": digest.trim()}}))
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn id(&self, later: i64) -> String {
        self.now.checked_add(SignedDuration::from_secs(later)).unwrap().strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// A generation that verifies, whatever it means.
    fn make(&mut self, id: &str, bytes: usize, instance: &str) -> PathBuf {
        let seed = self.random(1 << 30);
        let _ = fs::remove_dir_all(self.lab.handover().join(id));
        self.lab.generation_of(id, None, &noise(seed, bytes), instance)
    }

    /// All that an honest source does; how the sink answered.
    fn night(&mut self, id: &str, bytes: usize) -> String {
        let folder = self.make(id, bytes, INSTANCE);
        let verdict = self.offer(&folder);
        let answer = match verdict["refused"]["kind"].as_str() {
            Some(kind) => kind.to_owned(),
            None if verdict["send"].is_null() => verdict.to_string(),
            None if !self.carry(id, &folder) => "not carried".into(),
            None => {
                let answer = self.commit(id, &folder);
                self.ask("rotate", &json!({}));
                answer["error"]["kind"].as_str().unwrap_or("stored").to_owned()
            }
        };
        fs::remove_dir_all(folder).unwrap();
        answer
    }

    /// Something that the key allows, or does not.
    fn mischief(&mut self) -> String {
        let (id, stored) = (self.id(0), names(&self.lab.sink_store()));
        let any = stored[usize::try_from(self.random(stored.len() as u64)).unwrap()].clone();
        match self.random(9) {
            0 | 1 => self.night(&id, 300_000),
            2 => (0..4).map(|n| self.night(&self.id(n), 100_000)).last().unwrap(),
            3 => self.night("29991231T235959Z", 1000),
            4 => self.night(&any, 1000),
            5 => {
                let folder = self.make(&id, 1000, &"f".repeat(32));
                self.offer(&folder)["refused"]["kind"].to_string()
            }
            6 => {
                // Far more than it announces; sometimes it leaves what arrived where it is.
                let folder = self.make(&id, 1000, INSTANCE);
                self.offer(&folder);
                sh("head -c 4M /dev/urandom > data.tar.zst; for n in $(seq 300); do echo x > $n; done", &folder);
                let carried = self.carry(&id, &folder);
                let answer = self.commit(&id, &folder);
                assert!(answer["ok"].is_null(), "{answer}");
                format!("a lie, carried: {carried}")
            }
            7 => {
                let zeros = json!({"generation": {"id": any, "digest": "0".repeat(64)}});
                self.ask("commit", &zeros)["error"]["kind"].to_string()
            }
            _ => {
                for _ in 0..3 {
                    self.ask("rotate", &json!({}));
                }
                "rotated".into()
            }
        }
    }

    /// Nothing went that is younger than `protect`; nothing of the rest is damaged; the disk is not filled. Returns what went.
    fn check(&mut self, thoroughly: bool) -> Vec<String> {
        let store = self.lab.sink_store();
        let stored = names(&store);
        let gone: Vec<_> = self.came.keys().filter(|id| !stored.contains(id)).cloned().collect();
        for id in &gone {
            let age = self.now.duration_since(self.came.remove(id).unwrap());
            assert!(age >= PROTECT, "{id} went {age:?} after it came");
        }
        for id in &stored {
            self.came.entry(id.clone()).or_insert(self.now);
            if thoroughly {
                sh("sha256sum --quiet -c SHA256SUMS", &store.join(id));
            }
        }
        let taken = self.lab.taken();
        assert!(taken <= QUOTA, "{taken} bytes");
        gone
    }

    fn pass(&mut self, days: i64) {
        self.now = self.now.checked_add(SignedDuration::from_hours(24 * days)).unwrap();
    }
}

#[test]
fn a_source_that_turns_hostile_harms_nothing_that_is_protected_and_fills_nothing_beyond_its_quota() {
    let mut year = Year::new();
    for _ in 0..20 {
        let id = year.id(0);
        assert_eq!(year.night(&id, 50_000), "stored");
        year.check(false);
        year.pass(7 * 10 / 20);
    }
    let good = names(&year.lab.sink_store());
    assert!(good.len() >= 8, "protected ones stay beyond the policy's three: {good:?}");
    let (mut came, mut gone) = (BTreeMap::<String, u32>::new(), Vec::new());
    for step in 0..120 {
        *came.entry(year.mischief()).or_default() += 1;
        gone.extend(year.check(step % 20 == 19));
        year.pass(3);
    }
    eprintln!("{came:#?}\n{} went by the sink's own policy", gone.len());
    // It was tried: some of it was taken in, some found no room, and the policy went on.
    for answer in ["stored", "no_space", "quarantined"] {
        assert!(came.contains_key(answer), "{came:?}");
    }
    assert!(!gone.is_empty());
    assert!(year.lab.mail().contains("of the source's quota"), "the sink's operator was told");
}
