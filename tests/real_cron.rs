//! The model of cron against Debian's own `cron`, through the days on which clocks change.
//!
//! `libfaketime` keeps the clock of cron and of its jobs in a file. Nothing moves it but cron's own `sleep`, which ends at
//! once and puts the clock forward instead; it first waits for the jobs that were started. So a day passes in a second
//! or two, the same way on a busy machine as on an idle one: a clock that ran by itself would let cron wake up late now
//! and then, which it treats as a change of the clock.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_core::schedule::{Clock, CronTime, firings};
use backup_tests::executables::sh;
use jiff::{Timestamp, tz::TimeZone};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Loaded before libfaketime, which would sleep really.
const SLEEP: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
unsigned int sleep(unsigned int seconds) {
    while (wait(0) > 0 || errno == EINTR) {}
    long now = (long)time(0) + seconds;
    FILE *clock = fopen(getenv("FAKETIME_TIMESTAMP_FILE"), "r+");
    if (!clock || fprintf(clock, "%ld\n", now) < 0 || fclose(clock) != 0) _exit(3);
    if (now >= atol(getenv("CLOCK_END"))) _exit(0);
    return 0;
}
"#;

/// Fixed times before, within and after the hours concerned, lists, and wild entries of each form. All missed times
/// together are six with what is due at the end of the gap, so that cron makes up for them within a minute.
const ENTRIES: &[&str] = &[
    "50 1 * * *",
    "45 1 * * *",
    "0 2 * * *",
    "15,30 2 * * *",
    "59 2 * * *",
    "0 3 * * *",
    "10 3 * * *",
    "0 2,3 * * *",
    "0 6 * * *",
    "30 0-6 * * *",
    "0 2 * * 0",
    "0 2 * * 1-6",
    "15 2 28 * *",
    "*/15 * * * *",
    "*/20,5 * * * *",
    "* 2 * * *",
    "0 */2 * * *",
    "7-59/15 * * * *",
    "0 1-23/2 * * *",
];

/// Runs cron in namespaces of its own: it sees its entries, its state and its zone, and nobody else does.
const HOST: &str = r#"
set -eu
mount -t tmpfs none /run
mount -t tmpfs none /dev/shm
mount -t tmpfs none /var/spool/cron
mkdir /var/spool/cron/crontabs
mount --bind "$room/cron.d" /etc/cron.d
if [ -e /etc/crontab ]; then mount --bind "$room/empty" /etc/crontab; fi
mount --bind "$zone" /etc/localtime
export LD_PRELOAD="$preload" FAKETIME_TIMESTAMP_FILE="$room/clock" FAKETIME_FMT=%s FAKETIME_NO_CACHE=1 CLOCK_END="$end"
exec /usr/sbin/cron -f
"#;

/// What cron ran from `from` to `to`: entry and UTC second, as its jobs read their clock.
fn run_cron(zone: &Path, from: i64, to: i64) -> BTreeSet<(usize, i64)> {
    assert_eq!(sh("id -u").trim(), "0", "cron runs in a mount namespace of its own: run this as root");
    let faketime = sh("ls /usr/lib/*/faketime/libfaketime.so.1");
    let room = tempfile::tempdir().unwrap();
    let at = |name: &str| room.path().join(name);
    let shown = room.path().display();
    fs::write(at("sleep.c"), SLEEP).unwrap();
    sh(&format!("${{CC:-cc}} -shared -fPIC -O1 -o {shown}/sleep.so {shown}/sleep.c"));
    fs::write(at("clock"), format!("{from}\n")).unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::write(at("ran"), "").unwrap();
    fs::write(at("job"), format!("#!/bin/sh\necho \"$1 $(date +%s)\" >>{shown}/ran\n")).unwrap();
    fs::set_permissions(at("job"), fs::Permissions::from_mode(0o755)).unwrap();
    // Cron gives its jobs none of its own environment.
    let environment = format!(
        "LD_PRELOAD={}\nFAKETIME_TIMESTAMP_FILE={shown}/clock\nFAKETIME_FMT=%s\nFAKETIME_NO_CACHE=1\n",
        faketime.trim()
    );
    let entries = ENTRIES.iter().enumerate().map(|(number, entry)| format!("{entry} root {shown}/job {number}\n"));
    let table: String = std::iter::once(environment).chain(entries).collect();
    fs::create_dir(at("cron.d")).unwrap();
    fs::write(at("cron.d/entries"), table).unwrap();
    fs::write(at("host"), HOST).unwrap();
    sh(&format!(
        "room={shown} zone={} end={to} preload={shown}/sleep.so:{} timeout 300 \
         unshare --mount --pid --fork --kill-child sh {shown}/host",
        zone.display(),
        faketime.trim(),
    ));
    let ran = fs::read_to_string(at("ran")).unwrap();
    let number = |text: Option<&str>| text.unwrap().parse::<i64>().unwrap();
    let runs = ran.lines().map(|line| {
        let mut words = line.split(' ');
        (usize::try_from(number(words.next())).unwrap(), number(words.next()))
    });
    let found: BTreeSet<_> = runs.collect();
    assert_eq!(found.len(), ran.lines().count(), "nothing runs twice within a second");
    found
}

/// Runs cron for six hours on both sides of a change and compares each entry's minutes with the model's.
fn cron_does_what_the_model_says(zone: &str, change: &str, is_gap: bool) {
    let file = Path::new("/usr/share/zoneinfo").join(zone);
    let zone = TimeZone::tzif(zone, &fs::read(&file).unwrap()).unwrap();
    let change: i64 = change.parse::<Timestamp>().unwrap().as_second();
    let (from, to) = (change - 6 * 3600, change + 6 * 3600);
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    // Cron has nothing to do with the minute in which it starts.
    let clock = Clock::new(&zone, at(from + 60), at(to));
    let changes: Vec<_> = clock.changes().map(|change| (change.at, change.is_gap())).collect();
    assert_eq!(changes, [(change, is_gap)]);
    let ran = run_cron(&file, from, to);
    for (number, entry) in ENTRIES.iter().enumerate() {
        let time: CronTime = entry.parse().unwrap();
        let minute = |second: i64| at(second - second.rem_euclid(60)).to_string();
        let planned: Vec<String> = firings(&time, &clock).map(|firing| minute(firing.at)).collect();
        let real: Vec<String> = ran.iter().filter(|run| run.0 == number).map(|run| minute(run.1)).collect();
        assert_eq!(real, planned, "{entry} in {}", file.display());
    }
    // What was missed is made up for in the order of the times, whichever entries they are of.
    let fixed = ENTRIES.iter().enumerate().map(|(number, entry)| (number, entry.parse::<CronTime>().unwrap()));
    let mut planned: Vec<_> = fixed
        .filter(|(_, time)| !time.is_wild())
        .flat_map(|(number, time)| firings(&time, &clock).map(move |firing| (firing.local, number)).collect::<Vec<_>>())
        .collect();
    planned.sort_unstable();
    let mut real: Vec<_> = ran.iter().filter(|run| planned.iter().any(|(_, number)| *number == run.0)).collect();
    real.sort_unstable_by_key(|run| run.1);
    assert_eq!(real.len(), planned.len());
    for (real, planned) in real.windows(2).zip(planned.windows(2)) {
        assert_eq!(real[0].1 == real[1].1, planned[0].0 == planned[1].0, "{real:?} {planned:?}");
    }
}

#[test]
fn clocks_go_forward_in_berlin() {
    cron_does_what_the_model_says("Europe/Berlin", "2027-03-28T01:00:00Z", true);
}

#[test]
fn clocks_go_back_in_berlin() {
    cron_does_what_the_model_says("Europe/Berlin", "2029-10-28T01:00:00Z", false);
}

#[test]
fn clocks_go_forward_by_half_an_hour_on_lord_howe() {
    cron_does_what_the_model_says("Australia/Lord_Howe", "2026-10-03T15:30:00Z", true);
}

#[test]
fn clocks_go_back_by_half_an_hour_on_lord_howe() {
    cron_does_what_the_model_says("Australia/Lord_Howe", "2026-04-04T15:00:00Z", false);
}
