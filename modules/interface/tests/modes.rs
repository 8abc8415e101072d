//! The same options from every caller.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{answer, args_file, cli, module, stdin, text};

/// What Ansible 2.19 adds to the arguments of a task.
fn as_task(mut options: Value, settings: &Value) -> Value {
    let all = json!({
        "_ansible_check_mode": false, "_ansible_debug": false, "_ansible_diff": false, "_ansible_ignore_unknown_opts": false,
        "_ansible_keep_remote_files": false, "_ansible_module_name": "handover.backup.backup_example", "_ansible_no_log": false,
        "_ansible_remote_tmp": "~/.ansible/tmp", "_ansible_selinux_special_fs": ["fuse"], "_ansible_shell_executable": "/bin/sh",
        "_ansible_socket": null, "_ansible_syslog_facility": "LOG_USER", "_ansible_target_log_info": "", "_ansible_tmpdir": null,
        "_ansible_tracebacks_for": [], "_ansible_verbosity": 0, "_ansible_version": "2.19.14", "_ansible_yet_unknown": {"a": 1},
    });
    for more in [&all, settings] {
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    options
}

#[test]
fn a_file_a_stream_and_a_command_line_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("word");
    let task =
        as_task(json!({"path": file, "text": "hi", "copies": 2, "exclude": ["bye", "a,b"]}), &json!({})).to_string();

    let by_file = args_file(&task);
    assert!(answer(&by_file).changed);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hi\nhi\n");
    std::fs::remove_file(&file).unwrap();
    let by_stream = stdin(&task);
    assert_eq!(text(&by_stream.stdout), text(&by_file.stdout));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hi\nhi\n");
    std::fs::remove_file(&file).unwrap();
    let path = file.to_str().unwrap();
    let by_words = cli(["run", path, "--text", "hi", "--copies=2", "--exclude", "bye", "--exclude", "a,b", "--json"]);
    assert_eq!(text(&by_words.stdout), text(&by_file.stdout));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hi\nhi\n");

    assert!(!module(&json!({"path": file, "text": "hi", "copies": 2})).changed, "a second run changes nothing");
}

#[test]
fn a_subcommand_is_not_mistaken_for_a_file_of_arguments() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("status"), r#"{"path": "x"}"#).unwrap();
    let output = std::process::Command::new(support::example()).arg("status").current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "backup_example: missing option path\n");
}

#[test]
fn check_mode_plans_and_changes_nothing_whoever_asks() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("word");
    let path = file.to_str().unwrap();
    let task = |settings| module(&as_task(json!({"path": path, "text": "hi"}), &settings));

    let plain = task(json!({"_ansible_check_mode": true}));
    assert!(plain.changed && plain.diff.is_none(), "a difference is for those who ask");
    let with_diff = task(json!({"_ansible_check_mode": true, "_ansible_diff": true}));
    let diff = &with_diff.diff.unwrap()[0];
    assert_eq!((diff.before.as_str(), diff.after.as_str()), ("", "hi\n"));
    assert_eq!((diff.before_header.as_str(), diff.after_header.as_str()), (path, path));
    assert!(module(&json!({"action": "plan", "path": path, "text": "hi"})).changed);
    for words in [["run", path, "--check"], ["run", path, "--dry-run"], ["--check", "run", path]] {
        assert_eq!(text(&cli(words).stdout), "kept the text\n");
    }
    assert_eq!(
        text(&cli(["plan", path, "--text=hi", "--diff"]).stdout),
        format!("kept the text\n--- before: {path}\n+++ after: {path}\n+hi\n")
    );
    assert!(!file.exists());

    let unclear = module(&json!({"path": path, "_ansible_check_mode": "perhaps"}));
    assert_eq!(unclear.kind.unwrap(), "invalid_option");
    assert!(!file.exists(), "a check mode that is not understood is no real run");
}

#[test]
fn other_actions_are_named_by_an_option() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("word");
    std::fs::write(&file, "12345").unwrap();
    assert_eq!(module(&json!({"action": "status", "path": file})).bytes, Some(5));
    for hidden in ["crash", "docs", "help", "mdoule"] {
        let answer = module(&json!({"action": hidden}));
        assert_eq!(answer.msg, format!("option action: \"{hidden}\" is not an action"));
        assert_eq!(answer.hint.unwrap(), "Use one of: run, plan, status.");
    }
    assert_eq!(
        module(&json!({"action": "status", "path": file, "copies": 1})).msg,
        "unknown option copies for action status"
    );
}

/// Values as they arrive from Ansible's versions and ways of writing a task, and what they mean.
#[test]
fn scalars_are_as_lenient_as_ansibles() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("word");
    let kept = |options: &Value| {
        let mut task = json!({"path": file, "text": "Hi"});
        task.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let answer = module(&task);
        assert!(!answer.failed, "{options}: {}", answer.msg);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        (text, answer)
    };
    for yes in [
        json!(true),
        json!(1),
        json!(1.0),
        json!("yes"),
        json!("True"),
        json!("on"),
        json!("1"),
        json!(" y "),
        json!("T"),
    ] {
        assert_eq!(kept(&json!({"loud": yes})).0, "HI\n");
        assert_eq!(kept(&json!({"loud": yes, "whisper": "no"})).0, "HI\n", "no is as good as nothing");
    }
    for no in [
        json!(false),
        json!(0),
        json!("no"),
        json!("False"),
        json!("off"),
        json!("0"),
        json!("n"),
        json!("f"),
        json!(""),
        json!(null),
    ] {
        assert_eq!(kept(&json!({"loud": no})).0, "Hi\n");
    }
    for three in [json!(3), json!("3"), json!(3.0), json!(" 3 ")] {
        assert_eq!(kept(&json!({"copies": three})).1.lines, Some(3));
    }
    for unset in [json!(null), json!("")] {
        assert_eq!(
            kept(&json!({"copies": unset, "mode": unset, "exclude": unset, "line_end": unset, "action": unset}))
                .1
                .lines,
            Some(1)
        );
    }
    for list in [json!(["a", "b"]), json!("a,b"), json!("a, b")] {
        assert_eq!(kept(&json!({"exclude": list})).1.excluded.unwrap(), ["a", "b"]);
    }
    assert_eq!(kept(&json!({"exclude": ["a,b", 7, true]})).1.excluded.unwrap(), ["a,b", "7", "true"]);
    assert_eq!(kept(&json!({"exclude": 7})).1.excluded.unwrap(), ["7"]);
    assert!(kept(&json!({"exclude": []})).1.excluded.unwrap().is_empty());
    for mode in [json!("0644"), json!("644"), json!("0o644"), json!(420)] {
        assert_eq!(kept(&json!({"mode": mode})).1.mode.unwrap(), "0644");
    }
    for replace in [json!({"H": "h"}), json!(r#"{"H": "h"}"#)] {
        assert_eq!(kept(&json!({"replace": replace})).0, "hi\n");
    }
    for (text, line) in
        [(json!("--loud"), "--loud\n"), (json!("a b=c"), "a b=c\n"), (json!(7), "7\n"), (json!(true), "true\n")]
    {
        assert_eq!(kept(&json!({"text": text})).0, line);
    }
    assert_eq!(kept(&json!({"line_end": "dos"})).0, "Hi\r\n");
}

#[test]
fn bad_values_name_the_option_the_value_and_the_remedy() {
    let bad = |option: &str, value: Value| {
        let answer = module(&json!({"path": "/nonexistent/word", "text": "Hi", option: value}));
        assert_eq!((answer.kind.as_deref(), answer.rc, answer.changed), (Some("invalid_option"), Some(2), false));
        (answer.msg, answer.hint.unwrap_or_default())
    };
    assert_eq!(bad("loud", json!("maybe")).0, r#"option loud: expects a boolean, not "maybe""#);
    assert_eq!(bad("loud", json!(2)).0, "option loud: expects a boolean, not 2");
    assert_eq!(bad("fresh", json!("never")).0, r#"option fresh: expects a boolean, not "never""#);
    assert_eq!(bad("copies", json!("many")).0, r#"option copies: "many" is not valid: invalid digit found in string"#);
    assert_eq!(bad("copies", json!(0)).0, r#"option copies: "0" is not valid: 0 is not in 1..=1000"#);
    assert_eq!(bad("copies", json!([1])).0, "option copies: expects an integer, not [1]");
    assert_eq!(bad("copies", json!(true)).0, "option copies: expects an integer, not true");
    assert_eq!(bad("mode", json!("rw")).0, r#"option mode: "rw" is not valid: not an octal mode between 0 and 7777"#);
    assert_eq!(
        bad("mode", json!(99999)).0,
        r#"option mode: "303237" is not valid: not an octal mode between 0 and 7777"#
    );
    assert_eq!(bad("exclude", json!({"a": 1})).0, r#"option exclude: expects a list, each item a string, not {"a":1}"#);
    assert_eq!(bad("exclude", json!([["a"]])).0, r#"option exclude: expects a list, each item a string, not [["a"]]"#);
    assert_eq!(bad("exclude", json!(["a", ""])).0, "option exclude: the value is empty");
    assert_eq!(
        bad("replace", json!("H")).0,
        r#"option replace: "H" is not valid: not a JSON object (expected value at line 1 column 1)"#
    );
    assert_eq!(bad("replace", json!([1])).0, "option replace: expects a mapping, not [1]");
    assert_eq!(bad("path", json!(true)).0, "option path: expects a path, not true");
    assert_eq!(bad("path", json!(null)).0, "missing option path");
    assert_eq!(
        bad("line_end", json!("mac")),
        (r#"option line_end: "mac" is not a valid value"#.into(), "Use one of: unix, dos.".into())
    );
}

#[test]
fn unknown_options_are_refused_with_the_known_ones() {
    let known = "Known options: path, text, copies, mode, line_end, exclude, loud, whisper, fresh, replace, action.";
    for (given, near) in [("txet", "text"), ("line-end", "line_end"), ("excludes", "exclude"), ("actoin", "action")] {
        let answer = module(&json!({"path": "/tmp", given: "x"}));
        assert_eq!(answer.msg, format!("unknown option {given} for action run"));
        assert_eq!(answer.hint.unwrap(), format!("Did you mean {near}? {known}"));
    }
    assert_eq!(
        module(&json!({"json": true})).hint.unwrap(),
        known,
        "a flag of the command line is not an option of a task"
    );
    let cli = cli(["run", "/tmp/word", "--txet", "x"]);
    assert_eq!(text(&cli.stderr), "backup_example: unknown option --txet\nhint: Did you mean --text?\n");
    assert_eq!(cli.status.code(), Some(2));
}

/// Ansible prints `msg` even under `no_log`.
#[test]
fn arguments_that_are_not_understood_are_not_repeated() {
    let secret = "hunter2";
    for arguments in [
        json!({"path": "/tmp/word", "password": secret}).to_string(),
        format!("{secret:?}"),
        format!("[{secret:?}]"),
        format!("{{\"path\": {secret}}}"),
        format!("{{\"path\": {secret:?}"),
        String::new(),
    ] {
        for output in [args_file(&arguments), stdin(&arguments)] {
            assert!(!text(&output.stdout).contains(secret), "{}", text(&output.stdout));
            assert_eq!(answer(&output).kind.unwrap(), "invalid_option");
        }
    }
}

#[test]
fn another_release_than_the_caller_asked_for_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("word");
    let task = json!({"path": file, "text": "hi"}).to_string();
    let call = |release: &str| support::piped(&["module", "-", "--release", release], &task);

    let other = call("9.9.9+other");
    assert_eq!(other.status.code(), Some(86));
    assert_eq!(text(&other.stdout), format!("{{\"release\":\"{}\"}}\n", backup_interface::RELEASE));
    assert_eq!(text(&other.stderr), "");
    assert!(!file.exists());

    assert!(answer(&call(backup_interface::RELEASE)).changed);
    assert!(file.exists());
}
