//! A sink, or a source, in one folder: job document, store, a sendmail that writes to a file, and the real executable.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use backup_adapters::store::StreamStore;
use backup_core::layout::StreamDir;
use backup_core::{GenerationRef, StreamName};
use backup_tests::generation::{self, DUMP, JOB, SOURCE};
use backup_tests::mail;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const EXECUTABLE: &str = env!("CARGO_BIN_EXE_backup_rotate");

/// What a run or a status reports, besides what every answer has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    pub kept: usize,
    pub expired: usize,
    pub postponed: usize,
    pub bytes_freed: u64,
    pub stores: Vec<Store>,
}

pub type Answer = backup_tests::answer::Answer<Report>;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub stream: String,
    pub path: PathBuf,
    pub missing: bool,
    pub generations: Vec<Item>,
    pub deleted: Vec<String>,
    pub reread: Vec<String>,
    pub waiting: Vec<String>,
    pub damaged: Vec<String>,
    pub rests: Vec<String>,
    pub oddities: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub id: String,
    pub kind: String,
    pub bytes: u64,
    pub verdict: String,
    pub reasons: Vec<String>,
    pub relies_on: Vec<String>,
}

pub struct Lab {
    pub room: tempfile::TempDir,
    /// Name of the job here.
    pub name: &'static str,
    pub store: StreamStore,
}

impl Lab {
    /// A sink that keeps web1's shop. `sink` are the lines below `sink:` besides name, user and home, indented by six.
    pub fn sink(sink: &str) -> Self {
        Self::new(
            "web1/shop",
            "store/web1",
            &format!("sink:\n      name: vault\n      user: {}\n      home: HOME\n{sink}", user()),
        )
    }

    /// The source's own store.
    pub fn source(retention: &str) -> Self {
        let sink = "sink: {name: vault, retention: {generations: 7}}";
        Self::new("shop", "store", &format!("store: {{path: HOME/store, retention: {retention}}}\n    {sink}\n"))
    }

    fn new(name: &'static str, store: &str, stream: &str) -> Self {
        let room = tempfile::tempdir().unwrap();
        let home = room.path().join("home");
        let sendmail = room.path().join("sendmail");
        mail::agent(&sendmail, &room.path().join("mbox"));
        let document = format!(
            "version: 1\njob: {JOB}\nsource: {SOURCE}\nmail: {{to: [ops@example.org], sendmail: {}}}\nstreams:\n  data:\n    \
             include: [/srv/shop]\n    user: {}\n    handover: {{path: HOME/handover}}\n    restore_folder: HOME/restore\n    \
             transport: {{mode: push, peer: {{address: vault}}}}\n    {stream}",
            sendmail.display(),
            user(),
        );
        let file = room.path().join("config/jobs").join(format!("{name}.yml"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, document.replace("HOME", home.to_str().unwrap())).unwrap();
        let store = StreamStore::open(StreamDir::new(&home.join(store), JOB, StreamName::Data));
        store.ensure(None, None).unwrap();
        Self { room, name, store }
    }

    /// A full that arrived `days` ago, and was compared then.
    pub fn full(&self, days: i64) -> GenerationRef {
        self.add(&generation::full(&id(days)), days)
    }

    pub fn incremental(&self, days: i64, base: &GenerationRef) -> GenerationRef {
        self.add(&generation::incremental(&id(days), base), days)
    }

    fn add(&self, plan: &generation::Plan, days: i64) -> GenerationRef {
        let made = plan.write(self.store.dir());
        generation::receipt(self.store.dir(), &made, ago(days), Some(ago(days)));
        made
    }

    pub fn arrived_only(&self, days: i64) -> GenerationRef {
        let made = generation::full(&id(days)).write(self.store.dir());
        generation::receipt(self.store.dir(), &made, ago(days), None);
        made
    }

    pub fn without_receipt(&self, days: i64) -> GenerationRef {
        generation::full(&id(days)).write(self.store.dir())
    }

    /// Flips one bit of an artifact.
    pub fn damage(&self, of: &GenerationRef) {
        let path = self.store.dir().generation(of.id).join(DUMP);
        let mut bytes = fs::read(&path).unwrap();
        bytes[3] ^= 4;
        fs::write(path, bytes).unwrap();
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(EXECUTABLE);
        command.args(words).arg(self.name).arg("--config").arg(self.room.path().join("config")).arg("--json");
        command
    }

    /// Runs the executable; the answer must be one line of JSON and nothing else.
    pub fn call(&self, words: &[&str]) -> Answer {
        answer(&self.command(words).output().unwrap())
    }

    /// Days of the generations that are there, oldest first.
    pub fn days(&self) -> Vec<i64> {
        let now = now().as_second();
        let age = |id: backup_core::GenerationId| (now - id.time().as_second() + 43_200) / 86_400;
        self.store.list().unwrap().generations.iter().map(|stored| age(stored.id)).collect()
    }

    /// What the foreign judge says of every file of every sealed generation: sorted lines of `sha256sum`.
    pub fn digests(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for stored in self.store.list().unwrap().generations {
            let directory = self.store.dir().generation(stored.id);
            let output = sh("find . -type f -exec sha256sum {} +", &directory);
            lines.extend(String::from_utf8(output.stdout).unwrap().lines().map(|line| format!("{} {line}", stored.id)));
        }
        lines.sort();
        lines
    }

    /// Whether `sha256sum -c` finds every sealed generation whole.
    pub fn all_intact(&self) -> bool {
        let listing = self.store.list().unwrap();
        listing.generations.iter().all(|stored| {
            sh("sha256sum --check --quiet SHA256SUMS", &self.store.dir().generation(stored.id)).status.success()
        })
    }

    /// What cron would mail of a run: everything that it printed.
    pub fn printed_for_cron(&self) -> String {
        let config = self.room.path().join("config");
        let output =
            Command::new(EXECUTABLE).args(["run", self.name, "--quiet", "--config"]).arg(config).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    /// Where the job documents are.
    pub fn config(&self) -> PathBuf {
        self.room.path().join("config")
    }

    /// Takes the recipients out of the job.
    pub fn mail_nobody(&self) {
        let file = self.config().join("jobs").join(format!("{}.yml", self.name));
        let document = fs::read_to_string(&file).unwrap();
        fs::write(&file, document.replace("to: [ops@example.org]", "to: []")).unwrap();
    }

    pub fn mails(&self) -> String {
        mail::read(&self.room.path().join("mbox"))
    }
}

pub fn answer(output: &Output) -> Answer {
    Answer::of(output)
}

fn sh(script: &str, directory: &Path) -> Output {
    Command::new("sh").args(["-c", script]).current_dir(directory).output().unwrap()
}

fn user() -> String {
    backup_adapters::users::current().unwrap().name
}

fn now() -> Timestamp {
    backup_adapters::host::now().timestamp()
}

pub fn ago(days: i64) -> Timestamp {
    now().saturating_sub(SignedDuration::from_hours(24 * days)).unwrap()
}

pub fn id(days: i64) -> String {
    backup_core::GenerationId::at(ago(days)).to_string()
}
