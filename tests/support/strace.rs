//! A fault at a system call, whoever makes it: the C library, the loader, a thread. By strace, which needs no word of it in
//! what it follows.

use crate::executables::Done;
use crate::torture;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// So many faults of a suite are tried where not all are asked for.
const SOME: usize = 16;
/// With which a call fails; EIO whichever it is.
const NO_ROOM: [&str; 9] =
    ["write", "pwrite64", "fsync", "fdatasync", "fallocate", "ftruncate", "mkdir", "copy_file_range", "renameat2"];

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// The system call.
    pub call: String,
    /// How many of them a thread has made when it happens, itself included.
    pub number: usize,
    /// `error=EIO`, `error=ENOSPC` or `signal=KILL`.
    pub fault: &'static str,
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.call, self.number, self.fault)
    }
}

/// The faults of one run.
#[derive(Debug)]
pub struct Traced {
    what: String,
    /// How many calls of each name one thread makes at the most.
    counts: BTreeMap<String, usize>,
    ends: BTreeMap<&'static str, usize>,
}

impl Traced {
    /// Follows `command`, undisturbed; it must succeed. `room` is for notes.
    #[track_caller]
    pub fn of(what: &str, room: &Path, command: &Command) -> Self {
        let list = room.join("system-calls");
        let mut traced = strace(command, &["-e", "trace=%file,%desc", "-o", list.to_str().unwrap()]);
        Done::of(&mut traced).good();
        let mut threads: BTreeMap<(String, String), usize> = BTreeMap::new();
        for line in fs::read_to_string(&list).unwrap().lines() {
            // `1234  openat(AT_FDCWD, …`, and where another thread came between, `1234  <... openat resumed>…`.
            let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
            if let Some((name, _)) = rest.trim_start().split_once('(')
                && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
            {
                *threads.entry((name.to_owned(), thread.to_owned())).or_default() += 1;
            }
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for ((name, _), count) in threads {
            let most = counts.entry(name).or_default();
            *most = count.max(*most);
        }
        // By the first one strace itself begins; memory is not what is tested here.
        for left_out in ["execve", "mmap", "munmap"] {
            counts.remove(left_out);
        }
        assert!(counts.len() > 10, "{what}: only {counts:?} were counted");
        Self { what: what.to_owned(), counts, ends: BTreeMap::new() }
    }

    /// What is tried: of each call the first ones, and ever fewer of the later ones.
    pub fn chosen(&self) -> Vec<Injection> {
        let mut all = Vec::new();
        for (call, &count) in &self.counts {
            let mut steps = (1, 2);
            while steps.0 <= count {
                let no_room = NO_ROOM.contains(&call.as_str()).then_some("error=ENOSPC");
                let faults = ["error=EIO", "signal=KILL"].into_iter().chain(no_room);
                all.extend(faults.map(|fault| Injection { call: call.clone(), number: steps.0, fault }));
                steps = (steps.1, steps.0 + steps.1);
            }
        }
        torture::chosen(&all, SOME)
    }

    /// Runs a command in which the fault happens; its answer, if it says that it did its work.
    ///
    /// Fails if it says that and its exit status does not, or the other way round.
    #[track_caller]
    pub fn befall(&mut self, injection: &Injection, command: &Command) -> Option<Value> {
        let Injection { call, number, fault } = injection;
        eprintln!("{injection}");
        let inject = format!("inject={call}:{fault}:when={number}");
        let output =
            strace(command, &["-e", &format!("trace={call}"), "-e", &inject, "-o", "/dev/null"]).output().unwrap();
        let answer: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        eprintln!("  {:?} {answer:?}", output.status);
        let (name, good) = match (output.status.code(), answer) {
            (None, _) => ("killed", None),
            (Some(0), Some(answer)) if answer["failed"] != true => ("good", Some(answer)),
            (Some(code), Some(answer)) if code != 0 && answer["failed"] == true => ("failed", None),
            // The loader failed, or its own words.
            (Some(code), None) if code != 0 => ("failed without a word", None),
            _ => panic!("{injection}: {output:?}"),
        };
        *self.ends.entry(name).or_default() += 1;
        good
    }

    /// Says how many there were; nextest shows it with `--no-capture`.
    pub fn tell(&self) {
        let tried: usize = self.ends.values().sum();
        let names: Vec<_> = self.counts.keys().map(String::as_str).collect();
        println!("{}: {tried} tried ({:?}), no promise broken; calls: {}", self.what, self.ends, names.join(", "));
    }
}

/// The same call under strace, which follows its threads and lets go of what it executes.
fn strace(command: &Command, words: &[&str]) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "-b", "execve"]).args(words).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    traced.stdin(Stdio::null()).process_group(0);
    traced
}
