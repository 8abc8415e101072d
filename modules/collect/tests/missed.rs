//! Catching up what cron could not begin, with the real executable: once, and only if nobody tried since.
#![allow(clippy::unwrap_used)]

mod support;

use backup_tests::lab::wait_for_poll;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fs::{self, FileTimes};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use support::{Answer, Bench, failure};

/// A cron time that was due so long ago, in the host's zone.
fn daily(ago: Duration) -> String {
    daily_at(Timestamp::now() - ago)
}

/// One that comes so much later.
fn daily_in(time: Duration) -> String {
    daily_at(Timestamp::now() + time)
}

fn daily_at(time: Timestamp) -> String {
    let then = format!("@{}", time.as_second());
    let output = Command::new("date").env_remove("TZ").args(["-d", &then, "+%-M %-H * * *"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A host whose job was declared yesterday and whose schedule asked for a run half an hour ago.
fn bench() -> Bench {
    Bench::new().with(&json!({"schedule": {"collect": daily(Duration::from_mins(30))}}))
}

/// The job document gets this age: what was scheduled before it was written was never due.
fn declared(bench: &Bench, ago: Duration) {
    bench.declare();
    let file = fs::File::options().write(true).open(bench.at("config/jobs/shop.yml")).unwrap();
    file.set_times(FileTimes::new().set_modified(SystemTime::now() - ago)).unwrap();
}

/// As cron's periodic entry calls it, with a document of yesterday.
fn catch_up(bench: &Bench) -> Answer {
    catch_up_with(bench, &json!({}))
}

fn catch_up_with(bench: &Bench, options: &Value) -> Answer {
    declared(bench, Duration::from_hours(24));
    let mut options = options.clone();
    support::merge(&mut options, &json!({"missed": true}));
    bench.module(&options)
}

fn did_nothing(bench: &Bench, answer: &Answer, why: &str) {
    assert!(!answer.changed && !answer.failed, "{answer:?}");
    assert_eq!(answer.streams[0].fate, "fresh");
    assert!(answer.streams[0].reason.as_ref().is_some_and(|reason| reason.contains(why)), "{answer:?}");
    assert_eq!(bench.mail(), "");
}

/// Sets when something was last tried.
fn tried(bench: &Bench, ago: Duration) {
    let mut state = bench.state("data");
    state["last_attempt"] = json!(Timestamp::now() - ago);
    fs::write(bench.at("state/shop/data.json"), state.to_string()).unwrap();
}

#[test]
fn a_missed_run_is_caught_up_once() {
    let bench = bench();
    let check = catch_up_with(&bench, &json!({"_ansible_check_mode": true}));
    assert!(check.changed && bench.handed_over("data").is_empty(), "{check:?}");
    let first = catch_up(&bench);
    assert!(first.changed && first.streams[0].fate == "sealed", "{first:?}");
    let state = bench.state("data");
    did_nothing(&bench, &catch_up(&bench), "no scheduled run was missed");
    did_nothing(&bench, &catch_up_with(&bench, &json!({"_ansible_check_mode": true})), "no scheduled run was missed");
    assert_eq!(bench.handed_over("data").len(), 1);
    assert_eq!(bench.state("data"), state, "asking leaves no trace");
}

#[test]
fn what_fell_into_a_stop_was_not_missed() {
    let bench = bench();
    let restarted = |ago: Duration| {
        let state = json!({"format": 1, "state": "active", "since": Timestamp::now() - ago, "by": "alice"});
        fs::create_dir_all(bench.at("state")).unwrap();
        fs::write(bench.at("state/shop.state.json"), state.to_string()).unwrap();
    };
    restarted(Duration::from_mins(10));
    did_nothing(&bench, &catch_up(&bench), "no scheduled run was missed");
    restarted(Duration::from_mins(50));
    assert!(catch_up(&bench).changed, "it was active by then");
}

#[test]
fn on_a_day_of_blackout_nothing_is_collected_but_by_hand() {
    let now = Timestamp::now();
    // Tomorrow, too: the day may end meanwhile.
    let day = |time: Timestamp| {
        let then = format!("@{}", time.as_second());
        let output = Command::new("date").env_remove("TZ").args(["-d", &then, "+%m-%d"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let blackout = [day(now), day(now + Duration::from_hours(24))];
    let bench = bench().with(&json!({"objectives": {"rpo": "7d", "blackout": blackout}}));
    declared(&bench, Duration::from_hours(24));
    assert!(silent(&bench.cli(&["run", "shop", "--quiet"])));
    let why = "nothing is collected on this day, as objectives.blackout says";
    did_nothing(&bench, &catch_up(&bench), why);
    did_nothing(&bench, &catch_up_with(&bench, &json!({"_ansible_check_mode": true})), why);
    assert!(bench.handed_over("data").is_empty());
    assert!(bench.run().changed, "whoever asks for a copy gets one");
}

#[test]
fn whatever_was_tried_after_the_scheduled_time_counts() {
    let bench = bench().with(&json!({"streams": {"data": {"handover": {"keep": 9}}}}));
    assert!(catch_up(&bench).changed);
    // The generation itself is too young to be undone: look only at what is remembered of an older one.
    let id = bench.handed_over("data").remove(0);
    fs::remove_dir_all(bench.handover("data").join(&id)).unwrap();
    let mut state = bench.state("data");
    state["last_good"] = Value::Null;
    state["last_full"] = Value::Null;
    fs::write(bench.at("state/shop/data.json"), state.to_string()).unwrap();
    tried(&bench, Duration::from_mins(29));
    did_nothing(&bench, &catch_up(&bench), "no scheduled run was missed");
    tried(&bench, Duration::from_mins(32));
    assert!(catch_up(&bench).changed);
}

#[test]
fn a_failed_attempt_is_not_repeated() {
    let bench = bench();
    fs::rename(bench.at("srv"), bench.at("elsewhere")).unwrap();
    let failed = catch_up(&bench);
    assert!(failed.failed && failed.kind == "source_invalid", "{failed:?}");
    assert!(bench.mail().contains("source_invalid"));
    did_nothing(&bench, &catch_up(&bench), "no scheduled run was missed");
}

/// A run that hangs in its first hook, and what ends it together with its group.
fn hanging(bench: &Bench, words: &[&str]) -> impl FnOnce() + use<> {
    let begun = bench.at("begun");
    bench.script("hook", &format!("touch {}; exec sleep 60", begun.display()));
    declared(bench, Duration::from_hours(24));
    let mut child = bench.command(words).spawn().unwrap();
    support::wait_for("the hook runs", || begun.exists());
    move || {
        Command::new("kill").args(["-9", "--", &format!("-{}", child.id())]).status().unwrap();
        child.wait().unwrap();
    }
}

fn bench_with_hook() -> Bench {
    let bench = bench();
    let hook = bench.at("bin/hook");
    bench.with(&json!({"hooks": {"before": [{"run": [hook]}]}}))
}

#[test]
fn catching_up_is_tried_once_even_if_it_is_killed() {
    let bench = bench_with_hook();
    let kill = hanging(&bench, &["run", "shop", "--missed"]);
    kill();
    did_nothing(&bench, &catch_up(&bench), "no scheduled run was missed");
}

#[test]
fn a_scheduled_run_is_not_disturbed_and_is_caught_up_if_it_was_killed() {
    let bench = bench_with_hook();
    let kill = hanging(&bench, &["run", "shop"]);
    did_nothing(&bench, &catch_up(&bench), "another run of this job is at work");
    kill();
    bench.script("hook", "exit 0");
    assert!(catch_up(&bench).changed);
}

/// A run whose time came a minute ago, and that has begun to wait for another one.
fn waiting(bench: Bench, words: &[&str]) -> (Bench, std::process::Child) {
    let bench = bench.with(&json!({"schedule": {"collect": daily(Duration::from_mins(1))}}));
    declared(&bench, Duration::from_hours(24));
    let mut command = bench.command(words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_poll(child.id());
    (bench, child)
}

fn silent(output: &std::process::Output) -> bool {
    output.status.success() && output.stdout.is_empty() && output.stderr.is_empty()
}

#[test]
fn a_scheduled_run_waits_for_another_that_does_its_work() {
    let bench = bench_with_hook();
    bench.script(
        "hook",
        &format!("touch {0}/begun; while [ ! -e {0}/go ]; do sleep 0.05; done", bench.at("").display()),
    );
    declared(&bench, Duration::from_hours(24));
    let mut catching_up = bench.command(&["run", "shop", "--missed"]).spawn().unwrap();
    support::wait_for("the hook runs", || bench.at("begun").exists());
    let (bench, scheduled) = waiting(bench, &["run", "shop", "--quiet"]);
    fs::write(bench.at("go"), "").unwrap();
    assert!(catching_up.wait().unwrap().success());
    let output = scheduled.wait_with_output().unwrap();
    assert!(silent(&output), "{output:?}");
    assert_eq!((bench.handed_over("data").len(), bench.mail().as_str()), (1, ""));
}

#[test]
fn a_scheduled_run_collects_after_another_that_failed() {
    let bench = bench_with_hook();
    let text = "touch ROOM/begun; while [ ! -e ROOM/go ]; do sleep 0.05; done; test -e ROOM/again || { touch ROOM/again; exit 1; }";
    bench.script("hook", &text.replace("ROOM", &bench.at("").display().to_string()));
    declared(&bench, Duration::from_hours(24));
    let mut other = bench.command(&["run", "shop", "--quiet", "--label", "mine"]).spawn().unwrap();
    support::wait_for("the hook runs", || bench.at("begun").exists());
    let (bench, scheduled) = waiting(bench, &["run", "shop", "--quiet"]);
    fs::write(bench.at("go"), "").unwrap();
    assert!(!other.wait().unwrap().success());
    let output = scheduled.wait_with_output().unwrap();
    assert!(silent(&output), "{output:?}");
    assert_eq!(bench.handed_over("data").len(), 1);
}

#[test]
fn a_full_is_made_after_another_run_that_made_an_incremental() {
    let bench = bench_with_hook();
    bench.script("hook", "exit 0");
    let first = bench.run();
    bench.script(
        "hook",
        &format!("touch {0}/begun; while [ ! -e {0}/go ]; do sleep 0.05; done", bench.at("").display()),
    );
    let mut other = bench.command(&["run", "shop", "--quiet", "--kind", "incremental"]).spawn().unwrap();
    support::wait_for("the hook runs", || bench.at("begun").exists());
    let (bench, scheduled) = waiting(bench, &["run", "shop", "--quiet", "--kind", "full"]);
    fs::write(bench.at("go"), "").unwrap();
    assert!(other.wait().unwrap().success());
    assert!(scheduled.wait_with_output().unwrap().status.success());
    let full = bench.state("data")["last_full"]["generation"]["id"].clone();
    assert_ne!(full, first.streams[0].id.clone().unwrap());
    assert_eq!(bench.state("data")["last_good"]["generation"]["id"], full);
}

#[test]
fn a_scheduled_run_collects_after_another_that_did_not() {
    let bench = bench_with_hook();
    let kill = hanging(&bench, &["run", "shop"]);
    let (bench, scheduled) = waiting(bench, &["run", "shop", "--quiet"]);
    bench.script("hook", "exit 0");
    kill();
    let output = scheduled.wait_with_output().unwrap();
    assert!(silent(&output), "{output:?}");
    assert_eq!((bench.handed_over("data").len(), bench.mail().as_str()), (1, ""));
}

#[test]
fn a_run_that_waits_can_be_ended_and_one_besides_the_schedule_is_refused() {
    let bench = bench_with_hook();
    let kill = hanging(&bench, &["run", "shop"]);
    let (bench, scheduled) = waiting(bench, &["run", "shop", "--quiet"]);
    let (_, text) = failure(&bench.cli(&["run", "shop", "--label", "mine"]));
    assert!(text.contains("held by collect of shop"), "{text}");
    Command::new("kill").arg(scheduled.id().to_string()).status().unwrap();
    assert!(!scheduled.wait_with_output().unwrap().status.success());
    assert!(bench.mail().contains("ended by SIGTERM"), "{}", bench.mail());
    kill();
}

#[test]
fn nothing_is_caught_up_while_the_next_run_is_near() {
    // Collecting and carrying take 40 minutes if nothing is declared.
    let times = |next| json!({"schedule": {"collect": [daily(Duration::from_mins(30)), daily_in(next)]}});
    let near = Bench::new().with(&times(Duration::from_mins(55)));
    did_nothing(&near, &catch_up(&near), "the next scheduled run is near");
    let far = Bench::new().with(&times(Duration::from_mins(62)));
    assert!(catch_up(&far).changed);
    let short = json!({"objectives": {"durations": {"collect": "1min", "transport": "1min", "verify": "1min"}}});
    let soon_done = Bench::new().with(&times(Duration::from_mins(55))).with(&short);
    assert!(catch_up(&soon_done).changed);
}

#[test]
fn nothing_is_missed_before_the_job_was_declared_or_while_cron_may_be_late() {
    let now = bench();
    declared(&now, Duration::ZERO);
    did_nothing(&now, &now.module(&json!({"missed": true})), "no scheduled run was missed");
    let bench = Bench::new().with(&json!({"schedule": {"collect": daily(Duration::from_mins(2))}}));
    declared(&bench, Duration::from_mins(10));
    did_nothing(&bench, &bench.module(&json!({"missed": true})), "no scheduled run was missed");
}

#[test]
fn without_a_schedule_the_option_is_refused() {
    let bench = Bench::new();
    let (code, text) = failure(&bench.cli(&["run", "shop", "--missed"]));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("schedule.collect") && text.contains("leave `missed` away"), "{text}");
}

#[test]
fn a_schedule_that_was_moved_leaves_no_gap() {
    let bench = bench();
    let too_small = json!({"overrides": {"streams": {"data": {"checks": {"min_size": "1TiB"}}}}});
    assert!(bench.module(&too_small).failed);
    tried(&bench, Duration::from_hours(20));
    bench.mail();
    declared(&bench, Duration::from_mins(10));
    let answer = bench.module(&json!({"missed": true}));
    assert!(answer.changed, "the new time was half an hour ago, the old one would come in hours: {answer:?}");
}
