//! A bench for the real executable: a temporary host with a job, a service that really writes, and a mail spool.
#![allow(
    dead_code,
    unused_imports,
    clippy::missing_panics_doc,
    clippy::struct_field_names,
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs
)]

pub use backup_tests::lab::{merge, wait_for};

use backup_tests::lab::write_script;
use backup_tests::mail;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

pub const BINARY: &str = env!("CARGO_BIN_EXE_backup_collect");

/// What a run reports, besides what every answer has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    pub job: Option<String>,
    pub streams: Vec<Stream>,
    pub services: Vec<Service>,
    pub previous_transport_failed: bool,
    pub recovered: Vec<String>,
    pub downtime_ms: u64,
    pub downtime_with_services_ms: u64,
    pub duration_ms: u64,
}

pub type Answer = backup_tests::answer::Answer<Report>;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub name: String,
    pub was_on: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    pub kind: String,
    pub msg: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    pub id: String,
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    pub stream: String,
    pub fate: String,
    pub id: Option<String>,
    pub kind: Option<String>,
    pub reason: Option<String>,
    pub base: Option<Reference>,
    pub digest: Option<String>,
    pub path: PathBuf,
    pub paths: Option<u64>,
    pub bytes: Option<u64>,
    pub files: Option<u64>,
    pub stored_bytes: Option<u64>,
    pub deleted: Option<u64>,
    pub patched: Option<u64>,
    pub dumps: Vec<String>,
    pub previous_transport_failed: Vec<String>,
    pub failure: Option<Failure>,
    pub warnings: Vec<String>,
}

/// A temporary host. Its job has one stream `data` with the folder `srv`, unless changed.
pub struct Bench {
    room: TempDir,
    pub job: Value,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    pub fn within(parent: &Path) -> Self {
        assert!(nix_is_root(), "these tests collect as root; run them as root");
        let room = tempfile::Builder::new().prefix("collect-").tempdir_in(parent).unwrap();
        let at = |name: &str| room.path().join(name);
        for directory in ["config/jobs", "srv", "bin"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("srv/orders"), "first order\n").unwrap();
        let job = json!({
            "version": 1, "job": "shop", "source": "web1", "state": at("state"),
            "mail": {"to": ["root"], "sendmail": at("bin/sendmail")},
            "streams": {"data": stream(room.path(), "data", &json!({"include": [at("srv")]}))},
        });
        let bench = Self { room, job };
        mail::agent(&bench.at("bin/sendmail"), &bench.at("mail"));
        bench
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// Changes the job by a JSON merge: objects merge, the rest replaces.
    pub fn with(mut self, patch: &Value) -> Self {
        merge(&mut self.job, patch);
        self
    }

    /// Declares a further stream.
    pub fn with_stream(mut self, name: &str, what: &Value) -> Self {
        self.job["streams"][name] = stream(self.room.path(), name, what);
        self
    }

    /// Declares services that the scripts of [`Bench::service`] control.
    pub fn with_services(mut self, names: &[&str]) -> Self {
        self.job["services"] = names.iter().map(|name| self.service(name)).collect();
        self
    }

    /// A script in `bin`, executable.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.at("bin").join(name);
        write_script(&path, body);
        path
    }

    /// A service with a pid file and a real process that appends to `srv/<name>.log` as long as it lives.
    fn service(&self, name: &str) -> Value {
        let (pid, log, calls) =
            (self.at(&format!("{name}.pid")), self.at(&format!("srv/{name}.log")), self.at("calls"));
        let writer = self.script(
            &format!("{name}-writer"),
            &format!("n=0; while :; do n=$((n+1)); echo line $n >> {}; sleep 0.02; done", log.display()),
        );
        let control = self.script(
            name,
            &format!(
                "pid={pid}\n\
                 on() {{ test -s $pid && grep -q ') [^Z]' /proc/$(cat $pid)/stat 2>/dev/null; }}\n\
                 case $1 in\n\
                 status) on && exit 0; exit 3;;\n\
                 stop) echo stop {name} >> {calls}; test -e {pid}.no-stop && exit 0\n\
                   on || exit 0; kill $(cat $pid); while on; do sleep 0.01; done; rm -f $pid;;\n\
                 start) echo start {name} >> {calls}; test -e {pid}.no-start && exit 1\n\
                   on && exit 0; setsid {writer} </dev/null >/dev/null 2>&1 & echo $! > $pid;;\n\
                 esac",
                pid = pid.display(),
                calls = calls.display(),
                writer = writer.display(),
            ),
        );
        json!({
            "name": name, "timeout": "5s",
            "status": [control, "status"], "stop": [control, "stop"], "start": [control, "start"],
        })
    }

    /// Starts or stops a service by hand.
    pub fn control(&self, name: &str, verb: &str) -> bool {
        Command::new(self.at("bin").join(name)).arg(verb).status().unwrap().success()
    }

    pub fn is_on(&self, name: &str) -> bool {
        self.control(name, "status")
    }

    /// What the services were told, in order; forgets it.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.at("calls"));
        text.lines().map(str::to_owned).collect()
    }

    /// The mail spool; empties it.
    pub fn mail(&self) -> String {
        mail::take(&self.at("mail"))
    }

    /// Writes the job document, unless it says the same already: its time means something.
    pub fn declare(&self) {
        let (path, text) = (self.at("config/jobs/shop.yml"), serde_json::to_string_pretty(&self.job).unwrap());
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return;
        }
        fs::write(path, text).unwrap();
    }

    /// The executable on a command line, not yet started. It leads a process group, as under cron.
    pub fn command(&self, words: &[&str]) -> Command {
        use std::os::unix::process::CommandExt;
        self.declare();
        let mut command = Command::new(BINARY);
        command.args(words).arg("--config").arg(self.at("config")).stdin(Stdio::null()).process_group(0);
        command
    }

    pub fn cli(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub fn spawn(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// As Ansible calls it: a file of arguments, one line of JSON, nothing on stderr.
    pub fn module(&self, options: &Value) -> Answer {
        self.declare();
        let mut options = options.clone();
        merge(&mut options, &json!({"job": "shop", "config": self.at("config")}));
        let arguments = self.at("arguments");
        fs::write(&arguments, options.to_string()).unwrap();
        let output = Command::new(BINARY).arg(&arguments).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "a module is silent on stderr");
        Answer::of(&output)
    }

    pub fn run(&self) -> Answer {
        self.module(&json!({}))
    }

    pub fn handover(&self, stream: &str) -> PathBuf {
        self.at(&format!("handover-{stream}/shop/{stream}"))
    }

    pub fn store(&self, stream: &str) -> PathBuf {
        self.at(&format!("store-{stream}/shop/{stream}"))
    }

    /// Generations in a handover point, partial ones too, sorted.
    pub fn handed_over(&self, stream: &str) -> Vec<String> {
        let entries = fs::read_dir(self.handover(stream)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.retain(|name| name.ends_with('Z'));
        names.sort();
        names
    }

    pub fn state(&self, stream: &str) -> Value {
        let text = fs::read(self.at(&format!("state/shop/{stream}.json"))).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// What transport does after the sink has answered: the receipt, then the generation, into the source store.
    pub fn transport(&self, stream: &str, id: &str, verified: bool) {
        let (from, to) = (self.handover(stream).join(id), self.store(stream));
        let manifest: Value = serde_json::from_slice(&fs::read(from.join("manifest.json")).unwrap()).unwrap();
        let digest = sha256(&from.join("SHA256SUMS"));
        let now = "2026-11-20T22:00:00Z";
        let receipt = json!({
            "format": 1, "source": "web1", "job": "shop", "stream": stream, "id": id, "digest": digest,
            "instance": manifest["instance"], "sink": "sink1", "received_at": now,
            "verified_at": verified.then_some(now), "tool": "test",
        });
        fs::create_dir_all(to.join("receipts")).unwrap();
        fs::write(to.join(format!("receipts/{id}.json")), receipt.to_string()).unwrap();
        fs::rename(&from, to.join(id)).unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Whatever a test started must not outlive it.
        for entry in fs::read_dir(self.room.path()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == "pid")
                && let Ok(pid) = fs::read_to_string(entry.path())
            {
                let _ = Command::new("kill").arg("-9").arg(pid.trim()).output();
            }
        }
    }
}

fn stream(room: &Path, name: &str, what: &Value) -> Value {
    let at = |kind: &str| room.join(format!("{kind}-{name}"));
    let mut stream = json!({
        "user": "root",
        "handover": {"path": at("handover")}, "store": {"path": at("store")}, "restore_folder": at("restore"),
        "transport": {"mode": "push", "peer": {"address": "sink1", "identity": at("key")}},
        "sink": {"name": "sink1", "retention": {"generations": 7}},
    });
    merge(&mut stream, what);
    stream
}

/// The exit status and stderr of a command line that failed.
pub fn failure(output: &Output) -> (i32, String) {
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs a foreign tool; its output if it succeeds.
pub fn tool(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn sha256(path: &Path) -> String {
    tool("sha256sum", &[path.to_str().unwrap()], Path::new("/")).split(' ').next().unwrap().to_owned()
}

/// Digests of every file below, by name: what must not change.
pub fn digests(directory: &Path) -> String {
    tool("sh", &["-c", "find . -type f | LC_ALL=C sort | xargs -r sha256sum"], directory)
}

fn nix_is_root() -> bool {
    tool("id", &["-u"], Path::new("/")).trim() == "0"
}
