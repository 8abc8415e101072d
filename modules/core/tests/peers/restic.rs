//! `restic forget --dry-run --json`. One call judges one history of every line: lines are hosts, histories are tags.

use crate::{
    compare::{compare, start},
    lines::{Random, Snapshot, folder, iso, line, policy},
};
use backup_core::retention::{Period, Policy};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

const LINES: usize = 12;
const SNAPSHOTS: usize = 22;
const HISTORIES: usize = 180;
const WORKERS: usize = 4;

/// What forget says of one host.
#[derive(Deserialize)]
struct Group {
    host: String,
    keep: Option<Vec<Kept>>,
}

#[derive(Deserialize)]
struct Kept {
    time: jiff::Timestamp,
}

#[test]
fn we_keep_what_restic_keeps() {
    let folder = folder();
    let restic = |args: &[String]| run(folder.path(), args);
    repository(&folder.path().join("repository"));
    std::fs::write(folder.path().join("file"), "x").unwrap();

    let mut random = Random(7);
    let lines: Vec<Vec<Snapshot>> = (0..LINES).map(|_| line(&mut random, SNAPSHOTS, HISTORIES)).collect();
    let policies: Vec<Policy> = (0..HISTORIES).map(|_| policy(&mut random, true)).collect();
    let all: Vec<(usize, &Snapshot)> =
        lines.iter().enumerate().flat_map(|(host, line)| line.iter().map(move |s| (host, s))).collect();
    in_parallel(all.len(), |n| {
        let (host, snapshot) = all[n];
        let tags = snapshot.part.iter().map(|t| format!("t{t}")).collect::<Vec<_>>().join(",");
        let time = iso(snapshot.time).replace('T', " ");
        let words = ["backup", "--host", &format!("h{host}"), "--tag", &tags, "--time", &time, "file"];
        restic(&words.map(str::to_owned));
    });

    let compared = AtomicUsize::new(0);
    in_parallel(HISTORIES, |history| {
        let policy = &policies[history];
        let mut words: Vec<String> =
            ["forget", "--dry-run", "--json", "--no-lock", "--group-by", "host", "--tag", &format!("t{history}")]
                .map(str::to_owned)
                .to_vec();
        words.extend(options(policy));
        let groups: Vec<Group> = serde_json::from_str(&restic(&words)).unwrap();
        assert_eq!(groups.len(), LINES, "a group per host");
        for group in groups {
            let host: usize = group.host[1..].parse().unwrap();
            let times: Vec<i64> = lines[host].iter().filter(|s| s.part.contains(&history)).map(|s| s.time).collect();
            let kept = group.keep.into_iter().flatten();
            let mut kept: BTreeSet<usize> = kept.map(|k| times.binary_search(&k.time.as_second()).unwrap()).collect();
            if is_unfilled(policy, &times) {
                kept.insert(0);
            }
            let count = compare(&times, policy, &kept, &format!("restic {}", options(policy).join(" ")));
            compared.fetch_add(count, Ordering::Relaxed);
        }
    });
    let compared = compared.into_inner();
    println!("{} histories, {compared} comparisons", LINES * HISTORIES);
    assert!(compared > 3 * LINES * HISTORIES / 2);
}

/// Whether there are fewer periods than a rule has places: then the oldest copy stands in for those before it. So it is in
/// borg and in newer versions of restic; Debian 12's restic 0.14 does not have it yet.
fn is_unfilled(policy: &Policy, times: &[i64]) -> bool {
    let periods = |period: Period| times.iter().map(|time| start(*time, period)).collect::<BTreeSet<_>>().len();
    let rules = [
        (policy.hourly, Period::Hour),
        (policy.daily, Period::Day),
        (policy.weekly, Period::Week),
        (policy.monthly, Period::Month),
        (policy.yearly, Period::Year),
    ];
    rules.iter().any(|(count, period)| count.is_some_and(|count| periods(*period) < count as usize))
}

fn options(policy: &Policy) -> Vec<String> {
    let counts = [
        ("last", policy.generations),
        ("hourly", policy.hourly),
        ("daily", policy.daily),
        ("weekly", policy.weekly),
        ("monthly", policy.monthly),
        ("yearly", policy.yearly),
    ];
    let counts = counts.iter().filter_map(|(rule, count)| Some(format!("--keep-{rule}={}", (*count)?)));
    let within = policy.within.map(|span| format!("--keep-within={}d{}h", span.0 / 86_400, span.0 % 86_400 / 3600));
    counts.chain(within).collect()
}

/// An empty repository. Every call derives its key from the password, and `restic init` makes that cost half a second of
/// the machine that it runs on: what it made on a slow one spares most of this test's time.
fn repository(at: &Path) {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/restic-repository");
    let done = Command::new("cp").arg("-r").args([&made, at]).status().unwrap();
    assert!(done.success(), "cannot copy {}", made.display());
    for part in ["data", "index", "locks", "snapshots"] {
        std::fs::create_dir(at.join(part)).unwrap();
    }
}

fn run(folder: &Path, args: &[String]) -> String {
    let mut command = Command::new("restic");
    command.args(["--quiet", "--no-cache"]).args(args).current_dir(folder);
    command.env("RESTIC_REPOSITORY", folder.join("repository")).env("RESTIC_PASSWORD", "x").env("TZ", "UTC");
    let output = command.output().expect("restic runs; it is a Debian package");
    assert!(output.status.success(), "restic {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Does it for all numbers below `count`, some at a time: starting restic is mostly waiting.
fn in_parallel(count: usize, job: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let n = next.fetch_add(1, Ordering::Relaxed)
                    && n < count
                {
                    job(n);
                }
            });
        }
    });
}
