//! Where the roles remember the places of the sources, with a real Ansible: beside the inventory, unless somebody says otherwise.
#![allow(clippy::unwrap_used)]

use backup_tests::executables::Executable;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// This project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A job that every host has; a sink bears two of them at a time.
const JOB: &str = r#"{"job": "shop", "objectives": {"at": ["22:00"], "durations": {"collect": "5min", "transport": "10min", "verify": "5min"}},
    "streams": {"data": {"include": ["/srv/shop"], "sink": {"retention": {"generations": 3}}}}}"#;

/// Plans as `site.yml` does before it touches a host.
const PLAY: &str = "- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: backup_common, tasks_from: plan}
      vars: {backup_common_measure: false}
    - ansible.builtin.debug: {msg: \"begins {{ item.host }} {{ item.cron }} end\"}
      loop: \"{{ __backup_common_plan.entries | selectattr('purpose', 'eq', 'transport') }}\"
      loop_control: {label: \"\"}
";

/// A controller with the folder `inventory`.
struct Controller(TempDir);

impl Controller {
    fn new() -> Self {
        let room = TempDir::new().unwrap();
        for folder in ["inventory", "library"] {
            fs::create_dir(room.path().join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(Executable::Plan.path(), room.path().join("library/backup_plan")).unwrap();
        fs::write(room.path().join("play.yml"), PLAY).unwrap();
        Self(room)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Declares so many sources.
    fn declare(&self, sources: usize) {
        let sources = format!("{{hosts: {{'web[1:{sources}]': }}, vars: {{backup_jobs: [{JOB}]}}}}");
        let sinks = "{hosts: {sink1: {backup_sink_parallel: 2, backup_sink_reserve: 0}}}";
        let text = format!("backup_sources: {sources}\nbackup_sinks: {sinks}\n");
        fs::write(self.at("inventory/hosts.yml"), text).unwrap();
    }

    fn run(&self, before: &str, arguments: &[&str]) -> Output {
        Command::new("unshare")
            .args(["--mount", "sh", "-c", &format!("set -e; {before}\nexec \"$@\""), "sh"])
            .arg(root().join(".venv/bin/ansible-playbook"))
            .args(arguments)
            .arg(self.at("play.yml"))
            .current_dir(self.0.path())
            .env("ANSIBLE_ROLES_PATH", root().join("roles"))
            .env("ANSIBLE_LIBRARY", self.at("library"))
            .env("ANSIBLE_LOCAL_TEMP", self.at("tmp"))
            .env("ANSIBLE_REMOTE_TEMP", self.at("tmp"))
            .env("ANSIBLE_NOCOLOR", "1")
            .output()
            .unwrap()
    }

    /// When the transports of each source begin, and whether anything was changed.
    fn planned(&self, arguments: &[&str]) -> (BTreeMap<String, String>, bool) {
        let output = self.run("", &[&["-i", "inventory"], arguments].concat());
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        let begins = said.split("begins ").skip(1).filter_map(|rest| rest.split(" end").next()?.split_once(' '));
        (begins.map(|(host, cron)| (host.to_owned(), cron.to_owned())).collect(), said.contains("changed=1"))
    }

    fn remembered(&self) -> Option<String> {
        fs::read_to_string(self.at("inventory/.handover-places.yml")).ok()
    }
}

/// Words with single spaces: Ansible breaks lines.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_host_that_comes_moves_no_other_unless_somebody_wants_to_forget() {
    let controller = Controller::new();
    controller.declare(4);
    let (announced, changes) = controller.planned(&["--check"]);
    assert!(changes && controller.remembered().is_none(), "check mode says so and writes nothing");
    let (four, changed) = controller.planned(&[]);
    assert!(changed && four.len() == 4 && four == announced, "{four:?}");
    assert_eq!(controller.remembered().unwrap().lines().count(), 4);
    assert!(!controller.planned(&[]).1, "a second run changes nothing");

    controller.declare(5);
    let before = controller.remembered();
    let (looked, changed) = controller.planned(&["-e", "backup_common_remember=false"]);
    assert!(!changed && looked.len() == 5 && controller.remembered() == before, "who only looks leaves nothing");
    let (forgotten, _) = controller.planned(&["-e", "backup_common_places="]);
    assert!(four.iter().any(|(host, cron)| forgotten[host] != *cron), "else this shows nothing: {forgotten:?}");
    let (five, _) = controller.planned(&[]);
    assert_eq!(five, looked);
    assert!(four.iter().all(|(host, cron)| five[host] == *cron), "{four:?}, {five:?}");
}

#[test]
fn where_no_inventory_is_a_place_nothing_is_remembered_and_that_is_said() {
    let controller = Controller::new();
    let all = format!(
        r#"{{"backup_common_sources_group": "all", "backup_common_sinks_group": "all", "backup_jobs": [{JOB}]}}"#
    );
    let output = controller.run("", &["-i", "web1,web2,", "-e", &all]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("warning: it is not remembered how far each source is shifted"),
        "{}",
        said(&output)
    );
    let files = Command::new("find").arg(controller.0.path()).args(["-name", "*places*"]).output().unwrap();
    assert!(files.stdout.is_empty(), "{}", String::from_utf8_lossy(&files.stdout));
}

#[test]
fn a_run_that_cannot_remember_ends_with_the_remedy() {
    let controller = Controller::new();
    controller.declare(2);
    let read_only = "mount --bind inventory inventory; mount -o remount,ro,bind inventory";
    let output = controller.run(read_only, &["-i", "inventory"]);
    assert!(!output.status.success(), "{}", said(&output));
    let words = said(&output);
    assert!(words.contains("cannot remember the places of the sources: cannot create "), "{words}");
    assert!(words.contains("`backup_common_places`"), "{words}");
    // A place that can be written is all it needs.
    let elsewhere = format!("backup_common_places={}", controller.at("places.yml").display());
    assert!(controller.run(read_only, &["-i", "inventory", "-e", &elsewhere]).status.success());
    assert_eq!(fs::read_to_string(controller.at("places.yml")).unwrap().lines().count(), 2);
}
