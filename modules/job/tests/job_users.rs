//! Whom the state belongs to, who may read it, and as whom copies are deleted. Needs root: copies belong to somebody else.
#![allow(clippy::unwrap_used)]

use backup_core::StreamName;
use backup_core::layout::StreamDir;
use backup_tests::answer::Answer;
use backup_tests::executables::{Done, sh};
use backup_tests::generation::{self, JOB, SOURCE};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A sink whose copies belong to `nobody`, in one folder.
struct Sink {
    room: tempfile::TempDir,
    store: StreamDir,
}

impl Sink {
    fn new() -> Self {
        assert_eq!(sh("id -u").trim(), "0", "copies of somebody else are deleted here: run this as root");
        let room = tempfile::tempdir().unwrap();
        let at = |name: &str| room.path().join(name);
        let job = json!({
            "version": 1, "job": JOB, "source": SOURCE, "state": at("state"),
            "streams": {"data": {
                "include": ["/srv/shop"], "user": "nobody",
                "handover": {"path": at("handover")}, "store": {"path": at("own")}, "restore_folder": at("restore"),
                "transport": {"mode": "push", "peer": {"address": "vault"}},
                "sink": {"name": "vault", "user": "nobody", "home": at("home"), "retention": {"generations": 7}},
            }},
        });
        let file = at(&format!("config/jobs/{SOURCE}/{JOB}.yml"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, job.to_string()).unwrap();
        let store = StreamDir::new(&at(&format!("home/store/{SOURCE}")), JOB, StreamName::Data);
        fs::create_dir_all(store.receipts()).unwrap();
        generation::full("20261119T220000Z").write(&store);
        generation::full("20261120T220000Z").write(&store);
        // As an earlier version left it.
        sh(&format!(
            "cd {0}; chmod 711 .; mkdir -m 700 state; chown -R nobody home; chmod -R go-rwx home",
            room.path().display()
        ));
        Self { room, store }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    fn call(&self, words: &[&str]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup_job"));
        command.arg(words[0]).arg(format!("{SOURCE}/{JOB}")).args(&words[1..]).args(["--json", "--config"]);
        Done::of(command.arg(self.at("config")))
    }

    fn state_file(&self) -> PathBuf {
        self.at(&format!("state/{SOURCE}--{JOB}.state.json"))
    }
}

/// Whether `nobody` may.
fn nobody_can(what: &str) -> bool {
    let words = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh", "-c", what];
    Command::new("setpriv").args(words).current_dir("/").output().unwrap().status.success()
}

#[test]
fn the_accounts_of_the_job_read_the_state_and_only_root_writes_it() {
    let sink = Sink::new();
    sink.call(&["stop"]).good();
    let (file, folder) = (sink.state_file(), sink.at("state"));
    assert!(nobody_can(&format!("grep -q stopped {}", file.display())));
    assert!(!nobody_can(&format!("ls {}", folder.display())));
    assert!(!nobody_can(&format!("echo x >> {}", file.display())));
    assert!(!nobody_can(&format!("rm -f {}", file.display())));
    let before = fs::read(&file).unwrap();
    let own =
        format!("{} restart {SOURCE}/{JOB} --config {}", env!("CARGO_BIN_EXE_backup_job"), sink.at("config").display());
    assert!(!nobody_can(&own));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn copies_are_deleted_as_their_owner() {
    let sink = Sink::new();
    sink.call(&["stop"]).good();
    // A trap: the owner of the folders has put links to what is root's where copies should be.
    let theirs = sink.at("theirs");
    sh(&format!(
        "cd {}; cp -a home/store/{SOURCE}/{JOB} theirs; chown -R root theirs; mv home/store/{SOURCE}/{JOB} aside; ln -s {} home/store/{SOURCE}/{JOB}",
        sink.room.path().display(),
        theirs.display()
    ));
    let before = sh(&format!("cd {}; find . -type f | sort", theirs.display()));
    sink.call(&["terminate", "--confirm", JOB]).failed("permission");
    assert_eq!(sh(&format!("cd {}; find . -type f | sort", theirs.display())), before);
    let status = sink.call(&["status"]).good();
    assert_eq!(status["jobs"][0]["state"], "stopped", "no lock could be taken: nothing has begun");

    // The copies themselves are back, and a link in quarantine is removed, not followed.
    sh(&format!(
        "cd {}; rm home/store/{SOURCE}/{JOB}; mv aside home/store/{SOURCE}/{JOB}; cd {}; mkdir quarantine; ln -s {} quarantine/link; chown -hR nobody .",
        sink.room.path().display(),
        sink.store.path().display(),
        theirs.display()
    ));
    sink.call(&["terminate", "--confirm", &format!("{SOURCE}/{JOB}")]).good();
    assert_eq!(sh(&format!("cd {}; find . -type f | sort", theirs.display())), before);
    let left = sh(&format!("cd {}; find . -type f ! -name .lock -o -type l", sink.store.path().display()));
    assert_eq!(left, "");
}

/// On a source, too: what root removes of an interrupted collection does not lead to what others keep.
#[test]
fn links_beside_the_rest_of_a_collection_lead_nowhere() {
    let sink = Sink::new();
    let (jobs, kept) = (sink.at("config/jobs"), sink.store.path().to_owned());
    fs::write(sink.store.receipt("20261120T220000Z".parse().unwrap()), "{}").unwrap();
    fs::rename(jobs.join(format!("{SOURCE}/{JOB}.yml")), jobs.join(format!("{JOB}.yml"))).unwrap();
    sh(&format!(
        "cd {}; chown -R root home; mkdir -p handover/{JOB}/data/20261120T220000Z; ln -s {} handover/{JOB}/data/receipts; chown -hR nobody handover",
        sink.room.path().display(),
        kept.join("receipts").display()
    ));
    let before = sh(&format!("cd {}; find . | sort", kept.display()));
    let call = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup_job"));
        Done::of(command.args(words).args(["--json", "--config"]).arg(sink.at("config")))
    };
    call(&["stop", JOB]).good();
    call(&["terminate", JOB, "--confirm", JOB]).failed("permission");
    assert_eq!(sh(&format!("cd {}; find . | sort", kept.display())), before);
    sh(&format!("rm {}", sink.at(&format!("handover/{JOB}/data/receipts")).display()));
    call(&["terminate", JOB, "--confirm", JOB]).good();
    assert_eq!(sh(&format!("cd {}; find . | sort", kept.display())), before);
    assert!(!sink.at(&format!("handover/{JOB}/data/20261120T220000Z")).exists());
}

/// What the module answers besides what every module does; another key is a failure of the test.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Report {
    jobs: Vec<Job>,
    refused: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, clippy::struct_field_names, reason = "the fields are the contract")]
struct Job {
    job: String,
    group: String,
    source: String,
    side: String,
    before: String,
    state: String,
    since: Option<String>,
    by: Option<String>,
    action: Option<String>,
    terminating: bool,
    stopping: bool,
    legal: Vec<String>,
    streams: Vec<Value>,
    deleted: Vec<Value>,
    deleted_bytes: u64,
    left: Vec<String>,
}

#[test]
fn as_a_module_it_is_idempotent_and_check_mode_tells_the_truth() {
    let sink = Sink::new();
    let task = |options: &Value, check: bool| -> Answer<Report> {
        let mut args = json!({"job": format!("{SOURCE}/{JOB}"), "config": sink.at("config"), "_ansible_check_mode": check, "_ansible_diff": true});
        backup_tests::lab::merge(&mut args, options);
        let file = sink.at("args");
        fs::write(&file, args.to_string()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_backup_job")).arg(&file).output().unwrap();
        assert!(output.stderr.is_empty());
        Answer::of(&output)
    };
    let stopped = json!({"state": "stopped"});
    let plan = task(&stopped, true);
    assert!(plan.changed && plan.msg.contains("would become stopped"), "{plan:?}");
    assert!(!sink.state_file().exists());
    assert_eq!(plan.diff[0].before, "state: active\n");
    assert_eq!(plan.diff[0].after, "state: stopped\n");
    assert!(task(&stopped, false).changed);
    let again = task(&stopped, false);
    assert!(!again.changed && again.diff.is_empty(), "{again:?}");
    let inactive = json!({"state": "inactive"});
    let plan = task(&inactive, true);
    assert_eq!((plan.jobs[0].deleted.len(), plan.jobs[0].state.as_str()), (2, "inactive"), "{plan:?}");
    let refused = task(&inactive, false);
    assert!(refused.failed && refused.kind == "invalid_option" && refused.rc == 2, "{refused:?}");
    assert!(refused.hint.contains("confirm"), "{refused:?}");
    let done = task(&json!({"state": "inactive", "confirm": JOB}), false);
    assert!(done.changed && done.jobs[0].deleted == plan.jobs[0].deleted, "{done:?}");
    let refused = task(&json!({"action": "restart"}), false);
    assert_eq!(
        (refused.kind.as_str(), refused.hint.as_str()),
        ("wrong_state", &*format!("Legal for {SOURCE}/{JOB} in state inactive: start."))
    );
    assert!(task(&json!({"action": "start"}), false).changed);
}
