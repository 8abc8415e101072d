//! The example as a module of a real Ansible on this machine.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{cli, example, root, text};
use tempfile::TempDir;

/// A folder with `library/`, as a playbook would see it.
struct Project(TempDir);

impl Project {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("library");
        std::fs::create_dir(&library).unwrap();
        std::fs::copy(example(), library.join("backup_example")).unwrap();
        // Apart: of two files with one name Ansible takes either.
        let docs = dir.path().join("docs");
        std::fs::create_dir(&docs).unwrap();
        std::fs::write(docs.join("backup_example.py"), cli(["docs"]).stdout).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs one of Ansible's commands; `Err` is its output if it failed.
    fn run(&self, command: &str, words: &[&str]) -> Result<String, String> {
        let bin = root().join(".venv/bin");
        let program: PathBuf = bin.join(command);
        assert!(program.is_file(), "{} is missing: run `make bootstrap`", program.display());
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let output = Command::new(program)
            .args(words)
            .current_dir(self.path())
            .env("PATH", path)
            .env("ANSIBLE_LIBRARY", "library")
            .env("ANSIBLE_LOCAL_TEMP", self.path().join("tmp"))
            .env("ANSIBLE_REMOTE_TEMP", self.path().join("tmp"))
            .env("ANSIBLE_NOCOLOR", "1")
            .output()
            .unwrap();
        let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
        if output.status.success() { Ok(text(&output.stdout).to_owned()) } else { Err(all) }
    }

    fn ad_hoc(&self, arguments: &str, more: &[&str]) -> Result<String, String> {
        let words = ["localhost", "-c", "local", "-i", "localhost,", "-m", "backup_example", "-a", arguments];
        self.run("ansible", &[&words[..], more].concat())
    }
}

#[test]
fn check_mode_diff_and_idempotence_through_ansible() {
    let project = Project::new();
    let file = project.path().join("word");
    let arguments = format!("path={} text=hi copies=2 exclude=a,b mode=0600 loud=no", file.display());

    let planned = project.ad_hoc(&arguments, &["--check", "--diff"]).unwrap();
    assert!(planned.contains("localhost | CHANGED") && planned.contains("\n+hi\n+hi\n"), "{planned}");
    assert!(!file.exists());
    let done = project.ad_hoc(&arguments, &["--diff"]).unwrap();
    assert!(done.contains("localhost | CHANGED") && done.contains("\n+hi\n+hi\n"), "{done}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hi\nhi\n");
    let again = project.ad_hoc(&arguments, &["--diff"]).unwrap();
    assert!(again.contains("localhost | SUCCESS") && !again.contains("+hi"), "{again}");

    let refused = project.ad_hoc(&format!("{arguments} txet=x"), &[]).unwrap_err();
    for part in ["localhost | FAILED!", "unknown option txet", "Did you mean text?", "invalid_option"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn typed_values_templates_and_no_log_in_a_playbook() {
    let project = Project::new();
    let play = r#"
- hosts: localhost
  gather_facts: false
  tasks:
    - backup_example:
        path: "{{ playbook_dir }}/a"
        text: "{{ 7 }}"
        copies: "{{ 1 + 1 }}"
        loud: "{{ true }}"
        exclude: [x, y]
        mode: 0644
        fresh: "{{ none }}"
        replace: {7: seven}
      register: first
      diff: true
    - assert:
        that:
          - first is changed
          - first.lines == 2
          - first.mode == '0644'
          - first.excluded == ['x', 'y']
          - first.diff[0].after == "SEVEN\nSEVEN\n"
    - backup_example: {action: status, path: "{{ playbook_dir }}/a"}
      register: status
    - assert:
        that: [status is not changed, status.bytes == 12, status.diff is not defined]
    - backup_example: {path: "{{ playbook_dir }}/b", password: "{{ secret }}"}
      no_log: true
      ignore_errors: true
"#;
    std::fs::write(project.path().join("play.yml"), play).unwrap();
    let output = project
        .run("ansible-playbook", &["-i", "localhost,", "-c", "local", "-e", "secret=hunter2", "play.yml"])
        .unwrap_or_else(|all| panic!("{all}"));
    assert!(!output.contains("hunter2"), "{output}");
}

#[test]
fn ansible_doc_shows_the_same_options_that_the_executable_takes() {
    let project = Project::new();
    let shown = project.run("ansible-doc", &["--module-path", "docs", "--json", "backup_example"]).unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let doc = &shown["backup_example"]["doc"];
    assert_eq!(doc["options"]["copies"]["type"], "int");
    assert_eq!(doc["options"]["copies"]["default"], 1);
    assert_eq!(doc["options"]["line_end"]["choices"], serde_json::json!(["unix", "dos"]));
    assert_eq!(doc["options"]["exclude"]["elements"], "str");
    assert_eq!(doc["options"]["path"]["required"], true);
    let known: Vec<&String> = doc["options"].as_object().unwrap().keys().collect();
    let said = support::module(&serde_json::json!({"path": "/tmp", "nothing_like_it": 1})).hint.unwrap();
    let mut taken: Vec<&str> = said.trim_start_matches("Known options: ").trim_end_matches('.').split(", ").collect();
    taken.sort_unstable();
    assert_eq!(known, taken);
    let returned = shown["backup_example"]["return"].as_object().unwrap();
    for field in ["msg", "kind", "hint", "rc", "path", "mode", "lines", "excluded", "bytes"] {
        assert!(returned.contains_key(field), "{field}");
    }
}
