//! Two hosts in one folder: a source and a sink with their own configuration, and a real sshd between them. Needs root.

use crate::executables::{Done, Executable, sh};
use crate::mail;
use crate::sshd;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Which side begins the transport of data. Logs are pulled always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The source.
    Push,
    /// The sink.
    Pull,
}

/// Which of the two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Where the application is.
    Source,
    /// Where the copies go.
    Sink,
}

/// The two hosts. What is public may be changed before [`Lab::declare`].
#[derive(Debug)]
pub struct Lab {
    room: TempDir,
    /// The job document, on both sides.
    pub job: Value,
    /// Which side begins.
    pub way: Way,
    /// The host that has the executables of an earlier release; sshd has to be started anew after a change.
    pub earlier: Option<Host>,
    /// sshd's port.
    pub port: u16,
    /// sshd's `MaxStartups`; sshd has to be started anew after a change.
    pub startups: &'static str,
    sshd: Option<Child>,
}

/// Merges as JSON does: objects key by key, the rest is replaced.
pub fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

/// Waits until a condition holds; fails after a minute.
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a process sleeps in `poll`, as a run does that waits for another.
#[track_caller]
pub fn wait_for_poll(process: u32) {
    // poll and ppoll of x86_64, ppoll of aarch64: what the kernel says a sleeping process is in.
    let in_poll = |call: String| call.split(' ').next().is_some_and(|number| ["7", "271", "73"].contains(&number));
    wait_for("it waits", || fs::read_to_string(format!("/proc/{process}/syscall")).is_ok_and(in_poll));
}

fn write(path: &Path, text: impl AsRef<[u8]>, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes an executable shell script. A child of ours writes it: what another thread forks at that moment would hold our own
/// descriptor for a moment, and the script could not be executed so long (`ETXTBSY`).
pub fn write_script(path: &Path, body: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = Command::new("sh");
    writer.args(["-euc", "cat > \"$1\"; chmod 755 \"$1\"", "sh"]).arg(path).stdin(Stdio::piped());
    let mut writer = writer.spawn().unwrap();
    writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{body}\n").as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "{} cannot be written", path.display());
}

impl Lab {
    /// One job `shop` of the source `web1` with the stream `data` of the folder `source/srv`, kept three times at the sink.
    pub fn new(way: Way) -> Self {
        Self::within(&std::env::temp_dir(), way)
    }

    /// In memory, where that can be: for tests that are not about disks.
    pub fn in_memory(way: Way) -> Self {
        let memory = Path::new("/dev/shm");
        let usable = "[ $(df --output=avail -k /dev/shm | tail -1) -gt 4000000 ] && p=$(mktemp -p /dev/shm) && \
                      echo exit 0 > $p && chmod 755 $p && { $p; s=$?; rm $p; exit $s; }";
        let usable = Command::new("sh").args(["-uc", usable]).stderr(Stdio::null()).status().unwrap().success();
        Self::within(&if usable { memory.to_owned() } else { std::env::temp_dir() }, way)
    }

    fn within(parent: &Path, way: Way) -> Self {
        assert_eq!(
            sh("id -u").trim(),
            "0",
            "these tests own files of others and log in to an sshd of theirs: run them as root"
        );
        let room = tempfile::Builder::new().prefix("lab-").tempdir_in(parent).unwrap();
        let at = |name: &str| room.path().join(name);
        fs::create_dir_all(at("source/srv")).unwrap();
        sh(&format!(
            "cd {}; for k in host push pull logs fetch deliver receipt; do ssh-keygen -q -t ed25519 -N '' -C $k -f $k; done",
            room.path().display()
        ));
        let public = fs::read_to_string(at("receipt.pub")).unwrap();
        write(&at("signers"), format!("sink1 namespaces=\"handover-receipt\" {public}"), 0o644);
        mail::agent(&at("bin/sendmail"), &at("mail"));
        for host in ["source", "sink"] {
            write(&at(&format!("{host}/env")), "", 0o644);
        }
        let job = json!({
            "version": 1, "job": "shop", "source": "web1", "state": at("source/state"),
            "mail": {"to": ["ops"], "sendmail": at("bin/sendmail")},
            "streams": {},
        });
        let mut lab = Self { job, way, earlier: None, port: 0, startups: "100", sshd: None, room };
        lab.start_sshd();
        let include = json!({"include": [lab.at("source/srv")]});
        lab.stream("data", &include);
        lab.declare();
        lab
    }

    /// A path in the lab.
    pub fn at(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// What is collected.
    pub fn srv(&self) -> PathBuf {
        self.at("source/srv")
    }

    /// Adds or changes a stream.
    pub fn stream(&mut self, name: &str, what: &Value) {
        let pull = name == "logs" || self.way == Way::Pull;
        let key = if !pull {
            "push"
        } else if name == "logs" {
            "logs"
        } else {
            "pull"
        };
        let mut stream = json!({
            "user": "root",
            "handover": {"path": self.at(&format!("source/{name}/handover"))},
            "store": {"path": self.at(&format!("source/{name}/store"))},
            "restore_folder": self.at(&format!("source/{name}/restore")),
            "transport": {
                "mode": if pull { "pull" } else { "push" }, "window": "0s", "signers": self.at("signers"),
                "peer": {
                    "address": "127.0.0.1", "port": self.port, "user": "root",
                    "identity": self.at(key), "known_hosts": self.at("known_hosts"),
                },
            },
            "sink": {
                "name": "sink1", "user": "root", "home": self.at("sink/home"), "receipt_key": self.at("receipt"),
                "protect": "0s", "retention": {"generations": 3},
            },
        });
        merge(&mut stream, what);
        merge(&mut self.job["streams"][name], &stream);
    }

    /// Writes the job document on both sides.
    pub fn declare(&self) {
        let document = serde_json::to_string_pretty(&self.job).unwrap();
        write(&self.at("source/etc/jobs/shop.yml"), &document, 0o644);
        write(&self.at("sink/etc/jobs/web1/shop.yml"), &document, 0o644);
    }

    /// Changes the job by a merge, and declares it.
    pub fn change(&mut self, patch: &Value) {
        merge(&mut self.job, patch);
        self.declare();
    }

    /// Makes a full of every collection, and keeps so many on both sides.
    pub fn keep_fulls(&mut self, generations: u32) {
        let keep = json!({"generations": generations});
        self.change(&json!({"streams": {"data": {
            "full": {"every": "0s"}, "store": {"retention": keep}, "sink": {"retention": keep},
        }}}));
    }

    /// Starts sshd, on the port it had before if it ran already. Every key is bound to one `serve`.
    pub fn start_sshd(&mut self) {
        if self.port == 0 {
            self.port = sshd::port();
        }
        let room = self.room.path().display();
        self.pin(self.port);
        let mut authorized = String::new();
        for (key, host, serve) in [
            ("push", Host::Sink, "--job web1/shop --stream data --allow push"),
            ("pull", Host::Source, "--job shop --stream data --allow pull"),
            ("logs", Host::Source, "--job shop --stream logs --allow pull"),
            ("fetch", Host::Sink, "--job web1/shop --stream data --allow fetch"),
            ("deliver", Host::Source, "--job shop --stream data --allow deliver"),
        ] {
            let (transport, host) = (self.path(host, Executable::Transport), host.folder());
            let forced = format!(
                "set -a; . {room}/{host}/env; set +a\nexec {} serve --config {room}/{host}/etc {serve}",
                transport.display()
            );
            write_script(&self.at(&format!("bin/serve-{key}")), &forced);
            let public = fs::read_to_string(self.at(&format!("{key}.pub"))).unwrap();
            let _ = write!(authorized, "restrict,command=\"{room}/bin/serve-{key}\" {public}");
        }
        write(&self.at("authorized_keys"), authorized, 0o644);
        self.sshd = Some(sshd::start(self.room.path(), self.port, self.startups));
    }

    /// Pins sshd's host key also for another port: a proxy's.
    pub fn pin(&self, port: u16) {
        let host = fs::read_to_string(self.at("host.pub")).unwrap();
        let known = self.at("known_hosts");
        let before = fs::read_to_string(&known).unwrap_or_default();
        write(&known, format!("{before}[127.0.0.1]:{port} {host}"), 0o644);
    }

    /// sshd goes, and with it every connection.
    pub fn kill_sshd(&mut self) {
        if let Some(mut sshd) = self.sshd.take() {
            let sessions = sh(&format!("pgrep -P {} || true", sshd.id()));
            sshd.kill().unwrap();
            sshd.wait().unwrap();
            for session in sessions.split_whitespace() {
                let _ = Command::new("kill").args(["-9", session]).stderr(Stdio::null()).status();
            }
        }
    }

    /// The environment of what sshd starts on a host, as shell assignments.
    pub fn serve_with(&self, host: Host, env: &str) {
        write(&self.at(&format!("{}/env", host.folder())), env, 0o644);
    }

    /// The same from what a process would be given.
    pub fn serve_with_all<'a>(&self, host: Host, env: impl IntoIterator<Item = (&'a str, String)>) {
        let lines: Vec<_> = env.into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        self.serve_with(host, &lines.concat());
    }

    /// An executable as it is installed on a host.
    fn path(&self, host: Host, executable: Executable) -> PathBuf {
        if self.earlier == Some(host) { executable.earlier() } else { executable.path() }
    }

    /// A call, not started yet. It leads a process group, as under cron.
    pub fn command(&self, host: Host, executable: Executable, words: &[&str]) -> Command {
        let mut command = Command::new(self.path(host, executable));
        let job = if host == Host::Source { "shop" } else { "web1/shop" };
        command.arg(words[0]).arg(job).args(&words[1..]).arg("--json").arg("--config");
        command.arg(self.at(&format!("{}/etc", host.folder()))).process_group(0);
        command
    }

    /// A call.
    pub fn call(&self, host: Host, executable: Executable, words: &[&str]) -> Done {
        Done::of(&mut self.command(host, executable, words))
    }

    /// Collects; the id that all streams of it share.
    #[track_caller]
    pub fn collect(&self, words: &[&str]) -> String {
        let answer = self.call(Host::Source, Executable::Collect, &[&["run"], words].concat()).good();
        answer["streams"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Where the transport of data begins.
    pub const fn carrier(&self) -> Host {
        match self.way {
            Way::Push => Host::Source,
            Way::Pull => Host::Sink,
        }
    }

    /// Carries the data.
    pub fn transport(&self) -> Done {
        self.call(self.carrier(), Executable::Transport, &["run", "--stream", "data"])
    }

    /// The call that brings a generation of the data from the sink into the restore folder.
    pub fn fetch_command(&self, words: &[&str]) -> Command {
        self.granted(Host::Source, "fetch", words)
    }

    /// A call that needs access of its own, which the key of the same name has.
    fn granted(&self, host: Host, action: &'static str, words: &[&str]) -> Command {
        let (port, identity, known) = (self.port.to_string(), self.at(action), self.at("known_hosts"));
        let mut command = self.command(host, Executable::Transport, &[&[action], words].concat());
        command.args(["--address", "127.0.0.1", "--port", &port, "--login", "root", "--identity"]).arg(identity);
        command.arg("--known-hosts").arg(known);
        command
    }

    /// Brings a generation of the data from the sink into the restore folder.
    pub fn fetch(&self, words: &[&str]) -> Done {
        Done::of(&mut self.fetch_command(words))
    }

    /// Has the sink place a generation of the data in the restore folder.
    pub fn deliver(&self, words: &[&str]) -> Done {
        Done::of(&mut self.granted(Host::Sink, "deliver", words))
    }

    /// A place of the job's generations on the source: `handover`, `store` or `restore`.
    pub fn here(&self, stream: &str, place: &str) -> PathBuf {
        self.at(&format!("source/{stream}/{place}/shop/{stream}"))
    }

    /// A place of the job's generations at the sink: `incoming`, `verifying` or `store`.
    pub fn there(&self, stream: &str, place: &str) -> PathBuf {
        self.at(&format!("sink/home/{place}/web1/shop/{stream}"))
    }

    /// Restores a generation of the data from the sink's store into an empty folder, and compares it with `wanted`.
    #[track_caller]
    pub fn restores_to(&self, id: &str, wanted: &Path, at: &str) {
        let target = self.at("restored");
        let words = [
            "run",
            "--from",
            "sink_store",
            "--generation",
            id,
            "--stream",
            "data",
            "--target",
            target.to_str().unwrap(),
        ];
        let answer = self.call(Host::Source, Executable::Restore, &words).good();
        assert_eq!(answer["streams"][0]["signed_by"], "sink1", "{at}");
        let differences = crate::oracle::differences(wanted, &within(&target, &self.srv()));
        assert!(differences.is_empty(), "{at}: {differences}");
        fs::remove_dir_all(target).unwrap();
    }

    /// All mail since the last question.
    pub fn mail(&self) -> String {
        mail::take(&self.at("mail"))
    }
}

/// Where an absolute path lies below a restore's target.
pub fn within(target: &Path, absolute: &Path) -> PathBuf {
    target.join(absolute.strip_prefix("/").unwrap())
}

impl Host {
    /// The folder of the lab that is this host.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("sshd said: {}", fs::read_to_string(self.at("sshd.log")).unwrap_or_default());
        }
        self.kill_sshd();
        crate::service::stop_all(self.room.path());
    }
}
