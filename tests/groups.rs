//! An action on a group acts on all of its jobs or on none, whoever is in its way and wherever it is killed.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Done, Executable, sh};
use backup_tests::kill::{self, Whom};
use backup_tests::lab::{Lab, Way};
use backup_tests::pause;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// A source with the jobs `shop` and `till` of the group `shops`, and `mail` of another.
fn lab() -> Lab {
    let mut lab = Lab::in_memory(Way::Push);
    fs::write(lab.srv().join("order"), "one").unwrap();
    lab.change(&json!({"group": "shops"}));
    let mut second = lab.job.clone();
    (second["job"], second["group"]) = (json!("till"), json!("shops"));
    let mut third = second.clone();
    (third["job"], third["group"]) = (json!("mail"), json!("others"));
    for job in [&second, &third] {
        let path = lab.at(&format!("source/etc/jobs/{}.yml", job["job"].as_str().unwrap()));
        fs::write(path, job.to_string()).unwrap();
    }
    lab
}

fn command(lab: &Lab, executable: Executable, words: &[&str]) -> Command {
    let mut command = Command::new(executable.path());
    command.args(words).args(["--json", "--config"]).arg(lab.at("source/etc"));
    command
}

fn call(lab: &Lab, words: &[&str]) -> Done {
    Done::of(&mut command(lab, Executable::Job, words))
}

fn states(lab: &Lab) -> Vec<String> {
    let list = |group| {
        let answer: Value = call(lab, &["status", "--group", group]).good();
        let line = |job: &Value| format!("{} {}", job["job"], job["state"]).replace('"', "");
        answer["jobs"].as_array().unwrap().iter().map(line).collect::<Vec<_>>()
    };
    [list("shops"), list("others")].concat()
}

/// Whether an action on one of the shops has begun and not ended.
fn is_open(lab: &Lab) -> bool {
    let answer = call(lab, &["status", "--group", "shops"]).good();
    answer["jobs"].as_array().unwrap().iter().any(|job| job["stopping"] == true || job["terminating"] == true)
}

#[test]
fn an_action_on_a_group_acts_on_its_jobs_or_on_none() {
    let lab = lab();
    assert_eq!(call(&lab, &["stop", "--group", "shops"]).good()["changed"], true);
    assert_eq!(states(&lab), ["shop stopped", "till stopped", "mail active"]);
    call(&lab, &["restart", "till"]).good();
    call(&lab, &["restart", "--group", "shops"]).failed("wrong_state");
    assert_eq!(states(&lab), ["shop stopped", "till active", "mail active"], "till is refused, so none is touched");
    call(&lab, &["run", "--group", "shops", "--state", "active"]).good();
    assert_eq!(states(&lab), ["shop active", "till active", "mail active"]);
    call(&lab, &["stop", "--group", "shops"]).good();
    call(&lab, &["terminate", "--group", "shops", "--confirm", "shop"]).failed("invalid_option");
    call(&lab, &["terminate", "--group", "shops", "--confirm", "shops"]).good();
    assert_eq!(states(&lab), ["shop inactive", "till inactive", "mail active"]);
    let none = call(&lab, &["stop", "--group", "shop"]).failed("not_found");
    assert_eq!(none["hint"], "Groups of this host: others, shops.");
    call(&lab, &["stop"]).failed("invalid_option");
    let all = call(&lab, &["status"]).good();
    let names: Vec<_> = all["jobs"].as_array().unwrap().iter().map(|job| job["job"].clone()).collect();
    assert_eq!(names, ["mail", "shop", "till"], "who only looks needs not name any");
    call(&lab, &["stop", "shop", "--group", "shops"]).failed("invalid_option");
}

#[test]
fn a_document_that_is_refused_hides_no_other_job() {
    let lab = lab();
    let path = lab.at("source/etc/jobs/till.yml");
    fs::write(&path, "version: 1\njob: till\nno: document\n").unwrap();
    let all = call(&lab, &["status"]).good();
    let names: Vec<_> = all["jobs"].as_array().unwrap().iter().map(|job| job["job"].clone()).collect();
    assert_eq!(names, ["mail", "shop"]);
    let refused = all["refused"].as_object().unwrap();
    assert_eq!(refused.keys().collect::<Vec<_>>(), ["till"]);
    assert!(refused["till"].as_str().unwrap().contains(path.to_str().unwrap()), "{all}");
    assert!(all["warnings"][0].as_str().unwrap().starts_with("job till cannot be told of: "), "{all}");
    // Who asks for it, or for a group that it may belong to, is told by a failure.
    for words in [&["status", "till"][..], &["stop", "till"], &["stop", "--group", "shops"]] {
        call(&lab, words).failed("invalid_job");
    }
    call(&lab, &["stop", "shop"]).good();
}

#[test]
fn while_one_job_is_at_work_none_is_touched() {
    let lab = lab();
    let collect = pause::at("collect.recovered", &mut command(&lab, Executable::Collect, &["run", "till"]));
    let refused = call(&lab, &["stop", "--group", "shops", "--wait", "0s"]).failed("locked");
    assert_eq!((&refused["changed"], refused["msg"].to_string().contains("collect of till")), (&json!(false), true));
    assert_eq!(states(&lab), ["shop active", "till active", "mail active"]);
    collect.go_on().unwrap();
    call(&lab, &["stop", "--group", "shops"]).good();
}

#[test]
fn what_comes_up_while_the_locks_are_waited_for_counts() {
    let lab = lab();
    call(&lab, &["stop", "--group", "shops"]).good();
    let words = ["terminate", "--group", "shops", "--confirm", "shops"];
    let terminate = pause::at("job.asked", &mut command(&lab, Executable::Job, &words));
    fs::write(lab.at("source/state/till/restore.json"), "{}").unwrap();
    let refused = terminate.go_on().unwrap().failed("wrong_state");
    assert_eq!(refused["hint"], "Run `backup_restore recover till` first.");
    assert_eq!(states(&lab), ["shop stopped", "till stopped", "mail active"]);
}

/// Kills the action at each of its points; the same call again brings both jobs to where it leads.
fn killed_anywhere(prepare: &[&str], words: &[&str], to: &str, needed: &[&str]) {
    let lab = lab();
    for job in ["shop", "till"] {
        Done::of(&mut command(&lab, Executable::Collect, &["run", job])).good();
    }
    if !prepare.is_empty() {
        call(&lab, prepare).good();
    }
    sh(&format!("cd {}; mkdir saved; cp -a source saved/", lab.at("").display()));
    let points = kill::points(&lab.at("points"), &mut command(&lab, Executable::Job, words));
    kill::tell(words[0], &points);
    for name in needed {
        assert!(points.iter().any(|point| point.name == *name), "{name} is not among {points:?}");
    }
    let wanted = [format!("shop {to}"), format!("till {to}"), "mail active".into()];
    assert_eq!(states(&lab), wanted);
    for point in points {
        sh(&format!("cd {}; rm -r source; cp -a saved/source .", lab.at("").display()));
        point.kill(Whom::Process, &mut command(&lab, Executable::Job, words));
        if states(&lab) != wanted || is_open(&lab) {
            call(&lab, words).good();
        }
        assert_eq!((states(&lab), is_open(&lab)), (wanted.to_vec(), false), "{point}");
        let again = call(&lab, words).failed("wrong_state");
        assert_eq!(again["changed"], false, "{point}: it has ended");
    }
}

#[test]
fn a_stop_of_a_group_may_be_killed_anywhere() {
    killed_anywhere(&[], &["stop", "--group", "shops"], "stopped", &["job.decided", "job.stopping"]);
}

#[test]
fn a_restart_of_a_group_may_be_killed_anywhere() {
    killed_anywhere(&["stop", "--group", "shops"], &["restart", "--group", "shops"], "active", &["job.decided"]);
}

#[test]
fn a_terminate_of_a_group_may_be_killed_anywhere() {
    let words = ["terminate", "--group", "shops", "--confirm", "shops"];
    killed_anywhere(&["stop", "--group", "shops"], &words, "inactive", &["job.decided", "job.terminating", "job.item"]);
}
