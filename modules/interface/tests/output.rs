//! What comes back: to Ansible, to scripts, to people, to cron.
#![allow(clippy::unwrap_used)]

mod support;

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::{answer, cli, example, module, stdin, text};

fn spoken(words: &[&str]) -> (Option<i32>, String, String) {
    let output = cli(words);
    (output.status.code(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
}

/// Runs a command on a terminal of its own, made by util-linux.
fn on_a_terminal(words: &str) -> String {
    let command = format!("{} {words}", example().display());
    let output = Command::new("script").args(["--quiet", "--return", "--command", &command, "/dev/null"]).output();
    text(&output.expect("script(1) of util-linux is needed").stdout).replace('\r', "")
}

#[test]
fn cron_hears_of_failures_and_warnings_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("word");
    let path = file.to_str().unwrap();
    assert_eq!(spoken(&["run", path, "--text=hi"]), (Some(0), String::new(), String::new()));
    let (code, out, err) = spoken(&["run", path, "--fresh=true"]);
    assert_eq!((code, out.as_str()), (Some(42), ""));
    assert_eq!(err, format!("backup_example: {path} exists already\nhint: Remove the file first.\n"));

    assert_eq!(spoken(&["status", path]).1, "the text is kept\n3 bytes\n", "what was asked for is told to anybody");
    assert_eq!(spoken(&["status", path, "--quiet"]).1, "");
    assert_eq!(spoken(&["run", path, "--text=hi", "-v"]).1, "the text is kept\n");
    std::fs::write(&file, "x".repeat(200)).unwrap();
    assert_eq!(spoken(&["status", path, "-q"]).2, "backup_example: warning: the text is long\n");
}

#[test]
fn people_at_a_terminal_see_the_result_and_the_progress() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("word").display().to_string();
    let seen = on_a_terminal(&format!("run {path} --text=hi --copies=1000"));
    assert!(seen.ends_with("kept the text\n"), "{seen:?}");
    assert!(seen.contains("repeating"), "the bar shows: {seen:?}");
    assert_eq!(on_a_terminal(&format!("run {path} --text=ho --copies=1000 --quiet")), "");
    let json = on_a_terminal(&format!("run {path} --text=hu --copies=1000 --json"));
    assert!(json.starts_with('{') && json.ends_with("}\n") && json.lines().count() == 1, "{json:?}");
}

/// Ansible's ssh gives the module a terminal that merges both streams.
#[test]
fn a_module_on_a_terminal_prints_its_result_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let args = dir.path().join("args");
    let task = json!({"path": dir.path().join("word"), "text": "hi", "copies": 1000, "_ansible_verbosity": 4});
    std::fs::write(&args, task.to_string()).unwrap();
    let seen = on_a_terminal(args.to_str().unwrap());
    let answer: support::Answer = serde_json::from_str(&seen).unwrap_or_else(|error| panic!("{error}: {seen:?}"));
    assert_eq!((answer.changed, answer.lines, seen.lines().count()), (true, Some(1000), 1));
}

#[test]
fn json_on_the_command_line_keeps_the_exit_status_of_the_kind() {
    let output = cli(["status", "/nonexistent/word", "--json"]);
    let answer = answer(&output);
    assert_eq!(output.status.code(), Some(10));
    assert_eq!((answer.failed, answer.kind.as_deref(), answer.rc), (true, Some("io"), Some(10)));
    assert_eq!(
        answer.msg, "cannot read /nonexistent/word: No such file or directory (os error 2)",
        "causes are part of the message"
    );
    let misunderstood = cli(["status", "--json"]);
    assert_eq!(support::answer(&misunderstood).msg, "missing option path");
    assert_eq!(misunderstood.status.code(), Some(2));
}

#[test]
fn a_failure_tells_what_was_done_before() {
    let answer = module(&json!({"path": "/nonexistent/word", "text": "hi"}));
    assert_eq!((answer.kind.as_deref(), answer.lines), (Some("io"), Some(1)));
}

#[test]
fn names_that_are_not_utf8_do_not_spoil_the_result() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(OsStr::from_bytes(b"w\xffrd"));
    let words: [&OsStr; 6] =
        ["run".as_ref(), file.as_os_str(), "--text".as_ref(), "hi".as_ref(), "--json".as_ref(), "--diff".as_ref()];
    let answer = answer(&cli(words));
    assert!(answer.path.unwrap().ends_with("w\u{fffd}rd"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hi\n");
    let failed =
        support::answer(&cli([OsStr::new("run"), file.as_os_str(), "--fresh=true".as_ref(), "--json".as_ref()]));
    assert!(failed.msg.ends_with("w\u{fffd}rd exists already"), "{}", failed.msg);
    let text_not_utf8 =
        cli([OsStr::new("run"), file.as_os_str(), OsStr::new("--text"), OsStr::from_bytes(b"\xff"), "--json".as_ref()]);
    assert_eq!(support::answer(&text_not_utf8).kind.unwrap(), "invalid_option");
}

#[test]
fn a_panic_is_a_failure_of_kind_internal() {
    for words in [&["crash", "--json"][..], &["crash", "--aside", "--json"]] {
        let output = Command::new(example()).args(words).env("RUST_BACKTRACE", "full").output().unwrap();
        let answer = answer(&output);
        assert_eq!((answer.kind.as_deref(), output.status.code()), (Some("internal"), Some(1)));
        let what = if words.contains(&"--aside") { "aside" } else { "a broken invariant" };
        assert!(answer.msg.starts_with(&format!("internal error: {what} (")), "{}", answer.msg);
    }
    let (code, out, err) = spoken(&["crash"]);
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(1), "", 2));
}

#[test]
fn a_result_that_cannot_be_printed_is_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let path = dir.path().join("word");
    let run = |words: &[&OsStr]| Command::new(example()).args(words).stdout(full()).status().unwrap().code();
    assert_eq!(run(&["run".as_ref(), path.as_ref(), "--json".as_ref()]), Some(10));
    assert_eq!(run(&["run".as_ref(), path.as_ref()]), Some(0), "cron is told nothing, so nothing is missing");
    assert_eq!(run(&["docs".as_ref()]), Some(10));
}

#[test]
fn help_and_version_are_for_people_only() {
    assert_eq!(spoken(&["--version"]).1, format!("backup_example {}\n", backup_interface::RELEASE));
    let help = spoken(&["--help"]).1;
    assert!(help.starts_with("Keep a text in a file\n"), "{help}");
    assert!(!help.contains("crash") && !help.contains("docs"), "{help}");
    assert_eq!(
        spoken(&[]),
        (
            Some(2),
            String::new(),
            "backup_example: option action: missing\nhint: Use one of: run, plan, status.\n".into()
        )
    );
    assert_eq!(spoken(&["run", "/tmp/word", "--text="]).2, "backup_example: option text: the value is empty\n");
    assert_eq!(
        spoken(&["run", "/tmp/a", "b"]).2,
        "backup_example: unexpected argument b\nhint: See `backup_example --help`.\n"
    );
    assert_eq!(
        spoken(&["run", "/tmp/a", "--loud", "--whisper"]).2,
        "backup_example: option loud: cannot be combined with whisper\n"
    );
    assert_eq!(
        spoken(&["run", "/tmp/a", "--text=a", "--text=b"]).2,
        "backup_example: option text: given more than once\n"
    );
    assert_eq!(answer(&stdin(r#"{"help": true}"#)).msg, "unknown option help for action run");
    assert!(Path::new("/dev/full").exists());
}
