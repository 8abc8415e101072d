//! A fault at each numbered call with which an executable reaches files and processes (faults/calls.c).
//!
//! What the suite goes through: everything that may become of each call that a run makes. Several threads make them, so the
//! number of a call is not the same in every run; what was hit is written down where it happens, and nothing is missed for
//! long.

use crate::executables::Done;
use crate::torture;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// So many faults of a suite are tried where not all are asked for.
const SOME: usize = 24;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The call, counted from one.
    pub number: u64,
    /// The function.
    pub name: String,
    /// What becomes of it: `kill`, `short`, or the error's name.
    pub action: String,
    /// What it was about, as far as the call says.
    pub path: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}: {} {} {}", self.number, self.action, self.name, self.path)
    }
}

/// How a run ended in which something happened.
#[derive(Debug)]
pub enum End {
    /// By the signal.
    Killed,
    /// It said that it failed.
    Failed(Value),
    /// It said that it did its work.
    Good(Value),
}

/// The faults of one executable in one situation, and what came of them.
#[derive(Debug)]
pub struct Suite {
    what: String,
    /// Number of calls of an undisturbed run.
    calls: usize,
    faults: Vec<Fault>,
    hit: PathBuf,
    ends: BTreeMap<&'static str, usize>,
    reached: BTreeSet<String>,
}

impl Suite {
    /// Runs `command` undisturbed; it must succeed. `room` is for notes.
    #[track_caller]
    pub fn of(what: &str, room: &Path, command: &mut Command) -> Self {
        let list = room.join("calls");
        let _ = fs::remove_file(&list);
        Done::of(command.env("HANDOVER_CALLS", &list)).good();
        Self::listed(what, room, &list)
    }

    /// From what an undisturbed run has listed. Of a server, each request is a process that counts for itself: a fault there befalls
    /// call n of each of them.
    #[track_caller]
    pub fn listed(what: &str, room: &Path, list: &Path) -> Self {
        let listed = fs::read_to_string(list).unwrap();
        let calls: Vec<_> = listed.lines().map(parse).collect();
        assert!(calls.len() > 100, "{what}: only {} calls were counted", calls.len());
        let mut faults = BTreeMap::new();
        for (call, may) in &calls {
            for action in may {
                let fault = Fault { action: action.clone(), ..call.clone() };
                faults.entry((call.number, action.clone())).or_insert(fault);
            }
        }
        Self {
            what: what.to_owned(),
            calls: calls.len(),
            faults: faults.into_values().collect(),
            hit: room.join("hit"),
            ends: BTreeMap::new(),
            reached: BTreeSet::new(),
        }
    }

    /// Those that this run goes through.
    pub fn chosen(&self) -> Vec<Fault> {
        torture::chosen(&self.faults, SOME)
    }

    /// The environment of the process that the fault is for.
    pub fn environment(&self, fault: &Fault) -> [(&'static str, String); 3] {
        [
            ("HANDOVER_CALL", fault.number.to_string()),
            ("HANDOVER_CALL_ACTION", fault.action.clone()),
            ("HANDOVER_CALL_HIT", self.hit.display().to_string()),
        ]
    }

    /// Runs a command in which the fault happens.
    ///
    /// Fails unless what the run says is one thing: exit 0 and an answer without a failure, or another exit, `failed` and a kind. Only where its own
    /// words could not be written, there are none.
    #[track_caller]
    pub fn befall(&mut self, fault: &Fault, command: &mut Command) -> End {
        let _ = fs::remove_file(&self.hit);
        eprintln!("{fault}");
        let output = command.envs(self.environment(fault)).stdin(Stdio::null()).output().unwrap();
        let mute = self.note(fault);
        let answer: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let (end, name) = match (output.status.code(), answer) {
            (None, _) => (End::Killed, "killed"),
            (Some(0), Some(answer)) if answer["failed"] != true => (End::Good(answer), "good"),
            (Some(code), Some(answer)) if code != 0 && answer["failed"] == true && answer["kind"].is_string() => {
                (End::Failed(answer), "failed")
            }
            (Some(code), None) if mute && code != 0 => (End::Failed(Value::Null), "failed without a word"),
            _ => panic!("{fault}: {output:?}"),
        };
        *self.ends.entry(name).or_default() += 1;
        eprintln!("  {end:?}");
        end
    }

    /// Runs a command whose server has the fault, by [`Self::environment`]. It ends by itself, well or not.
    #[track_caller]
    pub fn befall_server(&mut self, fault: &Fault, command: &mut Command) -> Done {
        let _ = fs::remove_file(&self.hit);
        eprintln!("{fault}");
        let done = Done::of(command);
        self.note(fault);
        *self.ends.entry(if done.code == Some(0) { "good" } else { "failed" }).or_default() += 1;
        done
    }

    /// Writes down what was hit; whether that was the answer itself.
    fn note(&mut self, fault: &Fault) -> bool {
        let hit = fs::read_to_string(&self.hit).unwrap_or_default();
        let calls: Vec<_> = hit.lines().map(|line| parse(line).0).collect();
        self.reached.extend(calls.iter().map(|call| format!("{} {}", fault.action, call.name)));
        calls.iter().any(|call| call.name.starts_with("write") && call.path.starts_with("pipe:"))
    }

    /// Says how many there were; nextest shows it with `--no-capture`.
    pub fn tell(&self) {
        let tried: usize = self.ends.values().sum();
        println!(
            "{}: {} calls, {} faults, {tried} tried ({:?}), no promise broken; kinds: {}",
            self.what,
            self.calls,
            self.faults.len(),
            self.ends,
            self.reached.iter().cloned().collect::<Vec<_>>().join(", ")
        );
    }
}

/// A line of a list: number, name, what may become of the call, path.
fn parse(line: &str) -> (Fault, Vec<String>) {
    let mut words = line.splitn(4, ' ');
    let mut next = || words.next().unwrap_or_else(|| panic!("not a line of a list: {line:?}")).to_owned();
    let (number, name, may, path) = (next(), next(), next(), next());
    let may = may.split(',').filter(|action| *action != "-").map(ToOwned::to_owned).collect();
    (Fault { number: number.parse().unwrap(), name, action: String::new(), path }, may)
}
