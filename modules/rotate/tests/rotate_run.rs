//! The executable on real stores: what it keeps, what it says, what it never does.
#![allow(clippy::unwrap_used)]

mod support;

use backup_adapters::jobs;
use backup_adapters::signals::Interrupt;
use backup_core::{Failure, Kind, StreamName};
use backup_rotate::{Rotation, rotate_store};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{EXECUTABLE, Lab, answer};

/// Nothing is protected by its youth.
const KEEP_3: &str = "      retention: {generations: 3}\n      protect: 0\n";

#[test]
fn what_check_mode_announces_is_what_is_done_and_then_nothing_is_left_to_do() {
    let lab = Lab::sink(KEEP_3);
    let base = lab.full(9);
    let dependent = lab.incremental(8, &base);
    (3..=7).for_each(|days| drop(lab.full(days)));
    let before = lab.digests();

    let planned = lab.call(&["run", "--check", "--diff"]);
    assert_eq!((planned.changed, planned.expired, planned.kept), (true, 4, 3), "{planned:?}");
    assert_eq!(lab.digests(), before, "check mode changes nothing");
    assert!(!lab.store.dir().lock().exists());

    let done = lab.call(&["run", "--diff"]);
    assert_eq!(done.stores[0].deleted, planned.stores[0].deleted);
    assert_eq!(done.stores[0].deleted[0], dependent.id.to_string(), "the incremental goes before its base");
    assert_eq!(done.diff[0].before, planned.diff[0].before);
    assert_eq!(done.diff[0].after, planned.diff[0].after);
    assert_eq!(done.diff[0].after.lines().count(), 3);
    assert_eq!(done.bytes_freed, planned.bytes_freed);
    assert_eq!(lab.days(), [5, 4, 3]);
    let left: Vec<_> = lab.digests();
    assert!(left.iter().all(|line| before.contains(line)) && lab.all_intact());

    let again = lab.call(&["run", "--diff"]);
    assert!(!again.changed && again.diff.is_empty() && again.expired == 0, "{again:?}");
}

#[test]
fn as_a_module_it_reads_json_and_refuses_what_it_does_not_know() {
    let lab = Lab::sink(KEEP_3);
    (1..=4).for_each(|days| drop(lab.full(days)));
    let call = |task: serde_json::Value| {
        let mut child = Command::new(EXECUTABLE)
            .args(["module", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr.is_empty());
        answer(&output)
    };
    let config = lab.room.path().join("config");
    let task = json!({"job": "web1/shop", "config": config, "_ansible_check_mode": true, "_ansible_diff": true});
    let planned = call(task);
    assert!(planned.changed && planned.diff.len() == 1 && lab.days().len() == 4);
    let done = call(json!({"job": "web1/shop", "config": config, "stream": "data"}));
    assert!(done.changed && done.diff.is_empty() && lab.days().len() == 3);
    let refused = call(json!({"job": "web1/shop", "config": config, "streem": "data"}));
    assert_eq!((refused.kind.as_str(), refused.changed), ("invalid_option", false));
    let missing = call(json!({"job": "web1/shop", "config": config, "stream": "logs"}));
    assert_eq!((missing.kind.as_str(), missing.changed), ("invalid_option", false));
    assert!(missing.msg.contains("no stream logs"), "{}", missing.msg);
    assert_eq!(call(json!({"job": "web2/shop", "config": config})).kind, "not_found");
}

#[test]
fn ten_bad_nights_leave_three_good_copies_as_they_were() {
    let lab = Lab::sink(KEEP_3);
    let good: Vec<_> = (11..=13).rev().map(|days| lab.full(days)).collect();
    let before = lab.digests();
    for night in (1..=10).rev() {
        // What a night can leave: garbage that arrived, a rest, a copy that nobody compared, an empty folder.
        match night % 4 {
            0 => drop(lab.without_receipt(night)),
            1 => {
                let made = lab.arrived_only(night);
                lab.damage(&made);
            }
            2 => fs::create_dir(lab.store.dir().partial(support::id(night).parse().unwrap())).unwrap(),
            _ => fs::create_dir(lab.store.dir().generation(support::id(night).parse().unwrap())).unwrap(),
        }
        lab.command(&["run"]).output().unwrap();
        let now = lab.digests();
        assert!(before.iter().all(|line| now.contains(line)), "night {night}");
    }
    let listing = lab.store.list().unwrap();
    assert!(good.iter().all(|good| listing.get(good.id).is_some_and(|stored| stored.digest == good.digest)));
    assert!(listing.partials.is_empty());
}

#[test]
fn cron_prints_a_failure_that_nobody_was_mailed() {
    for mailed in [true, false] {
        let lab = Lab::sink("      retention: {generations: 2}\n      protect: 0\n      verify_max_age: 1s\n");
        lab.full(5);
        lab.damage(&lab.full(4));
        lab.full(3);
        if !mailed {
            lab.mail_nobody();
        }
        let printed = lab.printed_for_cron();
        assert_eq!((printed.is_empty(), lab.mails().contains("(damaged)")), (mailed, mailed), "{printed}");
    }
}

#[test]
fn damage_in_what_a_deletion_relies_on_is_loud_and_stops_that_deletion() {
    let lab = Lab::sink("      retention: {generations: 2}\n      protect: 0\n      verify_max_age: 1s\n");
    let (oldest, newer) = (lab.full(5), [lab.full(4), lab.full(3)]);
    for made in &newer {
        lab.damage(made);
    }
    let refused = lab.call(&["run"]);
    assert_eq!((refused.kind.as_str(), refused.rc, refused.changed), ("damaged", 60, false), "{refused:?}");
    assert_eq!(lab.days(), [5, 4, 3], "the only good copy stays, and so does the evidence");
    assert!(!refused.hint.is_empty() && refused.stores[0].damaged.len() == 2);
    let mails = lab.mails();
    assert!(mails.contains("To: ops@example.org") && mails.contains("(damaged)"), "{mails}");

    // From now on it is known: nothing to read, nothing to do, nothing displaced.
    let again = lab.call(&["run"]);
    assert!(!again.failed && !again.changed, "{again:?}");
    let item = again.stores[0].generations.iter().find(|item| item.id == oldest.id.to_string()).unwrap();
    assert!(item.reasons.contains(&"the newest copy that counts".to_owned()), "{item:?}");
}

#[test]
fn one_damaged_copy_is_replaced_by_the_next_older_one() {
    let lab = Lab::sink("      retention: {generations: 2}\n      protect: 0\n      verify_max_age: 1s\n");
    let made: Vec<_> = (1..=4).rev().map(|days| lab.full(days)).collect();
    lab.damage(&made[2]);
    let done = lab.call(&["run"]);
    assert_eq!(done.kind, "damaged");
    assert_eq!(lab.days(), [3, 1], "of 4, 3, 2 (damaged), 1");
    assert!(lab.all_intact());
}

#[test]
fn without_time_to_re_read_deletions_are_postponed_and_said_so() {
    let sink = "      retention: {generations: 2}\n      protect: 0\n      verify_max_age: 1s\n      verify_box: 0\n";
    let lab = Lab::sink(sink);
    (1..=5).for_each(|days| drop(lab.full(days)));
    let waited = lab.call(&["run"]);
    assert_eq!((waited.changed, waited.expired, waited.postponed), (false, 0, 3), "{waited:?}");
    assert!(waited.warnings[0].contains("re-read") && waited.warnings[0].contains("verify_box"), "{waited:?}");
    assert_eq!(waited.stores[0].waiting.len(), 2);
    assert_eq!(lab.days().len(), 5);

    let unread = Lab::sink(sink);
    (1..=5).for_each(|days| drop(unread.arrived_only(days)));
    let waited = unread.call(&["run"]);
    assert_eq!((waited.changed, waited.kept, waited.stores[0].waiting.len()), (false, 5, 2), "{waited:?}");
    assert!(waited.warnings[0].contains("verify_box"));
}

#[test]
fn unread_arrivals_are_read_before_anything_goes_for_them() {
    let lab = Lab::sink(KEEP_3);
    (1..=5).for_each(|days| drop(lab.arrived_only(days)));
    let before = lab.digests();
    let planned = lab.call(&["plan"]);
    assert_eq!(lab.digests(), before);
    let done = lab.call(&["run"]);
    assert_eq!(done.stores[0].reread, planned.stores[0].reread, "{done:?}");
    assert_eq!(done.stores[0].deleted, planned.stores[0].deleted, "the plan tells what will be when they are read");
    assert_eq!(done.stores[0].reread.len(), 3);
    assert_eq!(lab.days(), [3, 2, 1]);
    assert!(!lab.call(&["run"]).changed);
}

#[test]
fn what_arrived_lately_is_protected() {
    let lab = Lab::sink("      retention: {generations: 1}\n      protect: 3d\n");
    (1..=6).for_each(|days| drop(lab.full(days)));
    lab.call(&["run"]);
    assert_eq!(lab.days(), [2, 1]);
}

#[test]
fn a_source_keeps_what_the_sink_has_not_acknowledged() {
    let lab = Lab::source("{generations: 0}");
    lab.full(3);
    lab.arrived_only(2);
    lab.without_receipt(1);
    let done = lab.call(&["run"]);
    assert_eq!((done.expired, done.kept), (2, 1), "{done:?}");
    assert_eq!(lab.days(), [1]);
}

#[test]
fn a_source_keeps_the_newest_acknowledged_copy_with_its_base() {
    let lab = Lab::source("{generations: 1}");
    let base = lab.full(9);
    (7..=8).for_each(|days| drop(lab.incremental(days, &base)));
    lab.call(&["run"]);
    assert_eq!(lab.days(), [9, 7]);
}

#[test]
fn a_source_that_keeps_nothing_keeps_the_receipt_of_its_base() {
    let lab = Lab::source("{generations: 0}");
    let old = lab.full(20);
    lab.call(&["run"]);
    let base = lab.full(9);
    lab.incremental(8, &base);
    assert!(lab.store.receipts().unwrap().contains(&old.id), "the base of what comes before the next full");
    lab.call(&["run"]);
    assert_eq!(lab.days(), [0i64; 0]);
    assert_eq!(lab.store.receipts().unwrap().into_iter().collect::<Vec<_>>(), [base.id]);
    assert!(!lab.call(&["run"]).changed);
}

#[test]
fn what_is_not_ours_is_named_and_left_alone() {
    let lab = Lab::sink(KEEP_3);
    (1..=4).for_each(|days| drop(lab.full(days)));
    let foreign = lab.store.dir().path().join("notes.txt");
    fs::write(&foreign, "mine").unwrap();
    let torn = lab.full(20);
    fs::write(lab.store.dir().generation(torn.id).join("manifest.json"), "{").unwrap();
    let done = lab.call(&["run"]);
    assert_eq!(done.stores[0].oddities.len(), 2, "{done:?}");
    assert!(done.warnings.iter().any(|warning| warning.contains("notes.txt")));
    assert!(foreign.exists() && lab.store.dir().generation(torn.id).exists());
}

#[test]
fn a_store_that_is_not_there_is_no_failure_and_is_said() {
    let lab = Lab::sink(KEEP_3);
    fs::remove_dir_all(lab.room.path().join("home")).unwrap();
    let done = lab.call(&["run"]);
    assert!(!done.changed && !done.failed);
    assert!(done.stores[0].missing && done.warnings[0].contains("not mounted"), "{done:?}");
    assert!(!lab.room.path().join("home").exists());
}

#[test]
fn root_leaves_everything_to_the_owner() {
    assert!(backup_adapters::users::is_root(), "this test needs root");
    let sink = "      retention: {generations: 2}\n      protect: 0\n      verify_max_age: 1s\n";
    let lab = Lab::sink(sink);
    let file = lab.room.path().join("config/jobs/web1/shop.yml");
    let document = fs::read_to_string(&file).unwrap().replace("      user: root\n", "      user: nobody\n");
    fs::write(&file, document).unwrap();
    (1..=4).for_each(|days| drop(lab.full(days)));
    let own = Command::new("chown").args(["-R", "nobody"]).arg(lab.room.path()).status().unwrap();
    assert!(own.success());
    let nobody = fs::metadata(lab.store.dir().path()).unwrap().uid();
    lab.call(&["run"]);
    assert_eq!(lab.days(), [2, 1]);
    let told =
        Command::new("find").arg(lab.store.dir().path()).args(["!", "-uid", &nobody.to_string()]).output().unwrap();
    assert_eq!(String::from_utf8(told.stdout).unwrap(), "");

    let other = lab.command(&["run"]);
    let told = Command::new("setpriv")
        .args(["--reuid=1", "--regid=1", "--clear-groups"])
        .arg(other.get_program())
        .args(other.get_args())
        .output();
    // The folder of the test is closed to others; only the refusal matters.
    assert!(!told.unwrap().status.success());
}

#[test]
fn asked_to_end_it_ends_between_two_steps() {
    let lab = Lab::sink(KEEP_3);
    (1..=5).for_each(|days| drop(lab.full(days)));
    let interrupt = Interrupt::install().unwrap();
    let sent = Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status().unwrap();
    assert!(sent.success());
    // Wakes with the signal.
    assert!(interrupt.sleep(Duration::from_mins(1)).is_err());
    let named = jobs::load(&lab.config(), "web1/shop").unwrap();
    let rotation = Rotation::sink(&named.job.stream(StreamName::Data).unwrap());
    assert_eq!(rotate_store(&rotation, Some(&interrupt)).unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(lab.days().len(), 5);
    assert_eq!(rotate_store(&rotation, None).unwrap().deleted.len(), 2);
}

#[test]
fn status_and_plan_tell_people() {
    let lab = Lab::sink(KEEP_3);
    let base = lab.full(9);
    lab.incremental(8, &base);
    (1..=4).for_each(|days| drop(lab.full(days)));
    let text = |action: &str| {
        let output = Command::new(EXECUTABLE)
            .args([action, "web1/shop", "--config"])
            .arg(lab.room.path().join("config"))
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout).unwrap()
    };
    let status = text("status");
    assert!(status.contains(&format!("over {}", base.id)) && status.matches("verified").count() == 6, "{status}");
    let plan = text("plan");
    for part in ["expire", "no rule keeps it", "generations: number 1 of the newest 3"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert_eq!(lab.days().len(), 6);
}

#[test]
fn the_committed_documentation_is_what_the_executable_prints() {
    let printed = Command::new(EXECUTABLE).arg("docs").output().unwrap();
    let committed = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../library/backup_rotate.py")).unwrap();
    assert_eq!(String::from_utf8_lossy(&committed), String::from_utf8_lossy(&printed.stdout));
}
