//! Catching up a transport that cron could not begin: once, when something waits.
#![allow(clippy::unwrap_used)]

mod support;

use backup_tests::lab::wait_for_poll;
use std::fs::{self, FileTimes};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};
use support::{Answer, Lab, Way, names, sh};

const FIRST: &str = "20261110T020000Z";
const SECOND: &str = "20261111T020000Z";
const NOT_MISSED: &str = "no scheduled run was missed";

/// Two hosts on which a transport was due half an hour ago, by a schedule of yesterday.
fn lab(way: Way) -> Lab {
    let mut lab = Lab::new(way);
    lab.schedule = Some(sh("unset TZ; date -d '30 minutes ago' '+%-M %-H * * *'", lab.path()).trim().to_owned());
    lab.declare();
    for document in ["source/etc/jobs/shop.yml", "sink/etc/jobs/web1/shop.yml"] {
        let file = fs::File::options().write(true).open(lab.path().join(document)).unwrap();
        file.set_times(FileTimes::new().set_modified(SystemTime::now() - Duration::from_hours(24))).unwrap();
    }
    lab
}

fn command(lab: &Lab) -> Command {
    let mut command = lab.command("run");
    command.arg("--missed");
    command
}

fn catch_up(lab: &Lab) -> Answer {
    support::answer(&mut command(lab))
}

fn did_nothing(answer: &Answer, why: &str) {
    assert!(!answer.changed && !answer.failed && answer.generations.is_empty(), "{answer:?}");
    assert_eq!(answer.msg, why);
}

fn attempt(lab: &Lab) -> PathBuf {
    let folder = if lab.way == Way::Push { lab.handover() } else { lab.incoming() };
    folder.join(".transport.attempt")
}

fn catches_up(way: Way) {
    let lab = lab(way);
    did_nothing(&catch_up(&lab), "nothing is outstanding");
    // What collect caught up a little later is carried, too.
    lab.generation(FIRST, None, b"data");
    did_nothing_in_check_mode(&lab);
    let caught_up = catch_up(&lab);
    assert!(caught_up.changed && !caught_up.failed, "{caught_up:?}");
    assert_eq!(lab.sink_is_whole(), [FIRST]);
    // Now it is done: what comes later waits for its own time.
    lab.generation(SECOND, Some(FIRST), b"little");
    lab.before_each_request(&format!("touch {}/asked", lab.path().display()));
    did_nothing(&catch_up(&lab), NOT_MISSED);
    assert!(!lab.path().join("asked").exists(), "it does not even connect");
    let longer_ago = sh("date -u -d '40 minutes ago' +%Y-%m-%dT%H:%M:%SZ", lab.path());
    fs::write(attempt(&lab), longer_ago).unwrap();
    assert!(catch_up(&lab).changed);
    assert_eq!(lab.sink_is_whole(), [FIRST, SECOND]);
    assert_eq!(lab.mail(), "");
}

fn did_nothing_in_check_mode(lab: &Lab) {
    let check = support::answer(command(lab).arg("--check"));
    assert!(check.changed && !attempt(lab).exists(), "{check:?}");
    assert_eq!(names(&lab.sink_store()), [""; 0]);
}

#[test]
fn a_missed_push_is_caught_up_once() {
    catches_up(Way::Push);
}

#[test]
fn a_missed_pull_is_caught_up_once() {
    catches_up(Way::Pull);
}

#[test]
fn a_scheduled_run_counts_although_nothing_waited() {
    let lab = lab(Way::Push);
    fs::create_dir_all(lab.handover()).unwrap();
    assert!(!lab.good().changed);
    lab.generation(FIRST, None, b"data");
    did_nothing(&catch_up(&lab), NOT_MISSED);
    assert_eq!(names(&lab.sink_store()), [""; 0]);
}

#[test]
fn a_failed_attempt_is_mailed_once_and_not_repeated() {
    for way in [Way::Push, Way::Pull] {
        let mut lab = lab(way);
        lab.generation(FIRST, None, b"data");
        lab.stop_sshd();
        let failed = catch_up(&lab);
        assert!(failed.failed && failed.kind == "unreachable", "{failed:?}");
        let mail = lab.mail();
        assert!(mail.contains("transport failed"), "{mail}");
        did_nothing(&catch_up(&lab), NOT_MISSED);
        assert_eq!(lab.mail(), mail);
    }
}

/// Somebody who has the lock until the end of standard input.
fn holder(lab: &Lab) -> std::process::Child {
    let lock = lab.handover().join(".transport.lock");
    let mut holder = Command::new("sh");
    holder.args(["-c", "exec 9>>\"$0\"; flock -n 9; echo held; read -r end"]).arg(&lock);
    let mut holder = holder.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().unwrap()), &mut line).unwrap();
    holder
}

#[test]
fn a_scheduled_run_waits_for_another_one() {
    let mut lab = lab(Way::Push);
    lab.transport = "window: 1min".into();
    lab.schedule = Some(sh("unset TZ; date -d '1 minute ago' '+%-M %-H * * *'", lab.path()).trim().to_owned());
    lab.declare();
    lab.generation(FIRST, None, b"data");
    let mut holder = holder(&lab);
    let scheduled = lab.command("run").arg("--quiet").stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_for_poll(scheduled.id());
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let output = scheduled.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(lab.sink_is_whole(), [FIRST]);
}

#[test]
fn a_run_under_way_is_not_disturbed() {
    let lab = lab(Way::Push);
    lab.generation(FIRST, None, b"data");
    let mut holder = holder(&lab);
    did_nothing(&catch_up(&lab), "another run is at work");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert!(catch_up(&lab).changed);
}

#[test]
fn without_a_schedule_the_option_is_refused() {
    let lab = Lab::new(Way::Push);
    let refused = catch_up(&lab);
    assert!(
        refused.failed && refused.kind == "invalid_option" && refused.msg.contains("schedule.transport"),
        "{refused:?}"
    );
}
