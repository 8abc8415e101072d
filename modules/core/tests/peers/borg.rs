//! `borg prune --list --dry-run`. An archive's name tells by ones and zeros of which histories it is part, for the glob.

use crate::{
    compare::{History, compare, start},
    lines::{Random, Snapshot, folder, iso, line, policy},
};
use backup_core::retention::{Period, Policy, Side};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

const LINES: usize = 12;
const SNAPSHOTS: usize = 26;
const HISTORIES: usize = 180;

#[test]
fn we_keep_what_borg_keeps() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let mut borg = Borg::start(folder.path());
    borg.run(&["init", "--encryption", "none", "repository"]);

    let mut random = Random(11);
    let lines: Vec<Vec<Snapshot>> = (0..LINES).map(|_| line(&mut random, SNAPSHOTS, HISTORIES)).collect();
    for (l, line) in lines.iter().enumerate() {
        for snapshot in line {
            let bits: String = (0..HISTORIES).map(|h| if snapshot.part.contains(&h) { '1' } else { '0' }).collect();
            let archive = format!("repository::{l}-{bits}-{}", snapshot.time);
            borg.run(&["create", "--timestamp", &iso(snapshot.time), &archive, "file"]);
        }
    }
    let mut compared = 0;
    for (l, line) in lines.iter().enumerate() {
        for history in 0..HISTORIES {
            let told = policy(&mut random, false);
            let glob = format!("{l}-{}1*", "?".repeat(history));
            let mut words = vec!["prune".into(), "--list".into(), "--dry-run".into(), "--glob-archives".into(), glob];
            words.extend(options(&told));
            words.push("repository".into());
            let times: Vec<i64> = line.iter().filter(|s| s.part.contains(&history)).map(|s| s.time).collect();
            let kept = kept(&borg.run(&words), &times);
            compared += compare(&times, &raised(&told, &times), &kept, &format!("borg {}", options(&told).join(" ")));
        }
    }
    println!("{} histories, {compared} comparisons", LINES * HISTORIES);
    assert!(compared > 3 * LINES * HISTORIES / 2);
}

/// Finest first, as borg goes through them. Its `--keep-last` is one per second.
fn rules(policy: &mut Policy) -> [(&'static str, Option<Period>, &mut Option<u32>); 6] {
    [
        ("last", None, &mut policy.generations),
        ("hourly", Some(Period::Hour), &mut policy.hourly),
        ("daily", Some(Period::Day), &mut policy.daily),
        ("weekly", Some(Period::Week), &mut policy.weekly),
        ("monthly", Some(Period::Month), &mut policy.monthly),
        ("yearly", Some(Period::Year), &mut policy.yearly),
    ]
}

fn options(policy: &Policy) -> Vec<String> {
    let mut policy = policy.clone();
    let given = rules(&mut policy).into_iter().filter_map(|(rule, _, count)| Some((rule, (*count)?)));
    given.map(|(rule, count)| format!("--keep-{rule}={count}")).collect()
}

/// The policy that means to us what `told` means to borg, for copies of these times: borg does not count for a rule what a
/// finer rule has kept, so our counts are higher by as many periods as are kept already.
fn raised(told: &Policy, times: &[i64]) -> Policy {
    let history = History::fulls(times.to_vec());
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    let mut raised = Policy::default();
    let mut told = told.clone();
    for ((_, period, to), (_, _, from)) in rules(&mut raised).into_iter().zip(rules(&mut told)) {
        let Some(wanted) = *from else { continue };
        let periods = period.map_or(times.len(), |p| times.iter().map(|t| start(*t, p)).collect::<BTreeSet<_>>().len());
        let mut count = wanted;
        let by = |count: u32| {
            let mut alone = Policy::default();
            for (_, other, rule) in rules(&mut alone) {
                if other == period {
                    *rule = Some(count);
                }
            }
            history.kept(&alone, Side::Source)
        };
        while count as usize <= periods && by(count).difference(&kept).count() < wanted as usize {
            count += 1;
        }
        kept.extend(by(count));
        *to = Some(count);
    }
    raised
}

/// The copies that the listing says are kept.
fn kept(listing: &[String], times: &[i64]) -> BTreeSet<usize> {
    assert_eq!(listing.len(), times.len(), "a line per archive: {listing:#?}");
    let kept = listing.iter().filter_map(|line| line.strip_prefix("Keeping archive (rule: "));
    let time = |line: &str| -> i64 {
        let archive = line.split_once("):").unwrap().1.split_whitespace().next().unwrap();
        archive.rsplit('-').next().unwrap().parse().unwrap()
    };
    kept.map(|line| times.binary_search(&time(line)).unwrap()).collect()
}

/// Debian's borg, which answers one call after the other.
struct Borg {
    process: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Borg {
    fn start(folder: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/borg_calls.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        // The self-test is of borg's hashing and chunking, at every call.
        command.env("BORG_BASE_DIR", folder.join("base")).env("BORG_SELFTEST", "disabled").env("TZ", "UTC");
        let mut process = command.spawn().expect("/usr/bin/python3 runs");
        let (calls, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, calls, answers: BufReader::new(answers) }
    }

    /// The lines that it lists.
    fn run(&mut self, args: &[impl AsRef<str>]) -> Vec<String> {
        let args: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
        writeln!(self.calls, "{}", serde_json::to_string(&args).unwrap()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "borg failed (it is the Debian package borgbackup): {args:?}");
        serde_json::from_str(&answer).unwrap()
    }
}

impl Drop for Borg {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
