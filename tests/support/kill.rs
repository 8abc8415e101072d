//! Killing an executable at each of its named points.

use crate::executables::Done;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A named point, and which pass of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// As the code names it.
    pub name: String,
    /// Counted from one in each process.
    pub pass: u32,
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The process alone.
    Process,
    /// Its whole process group at once.
    Group,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.pass)
    }
}

impl Point {
    /// As the environment of the process that shall die.
    pub fn environment(&self, whom: Whom) -> [(&'static str, String); 2] {
        let action = if whom == Whom::Group { "kill-group" } else { "kill" };
        [("HANDOVER_FAULT", self.to_string()), ("HANDOVER_FAULT_ACTION", action.into())]
    }

    /// Runs a command that must die here.
    #[track_caller]
    pub fn kill(&self, whom: Whom, command: &mut Command) {
        let done = Done::of(command.envs(self.environment(whom)));
        assert!(done.was_killed(), "{self} was not reached: {done:?}");
    }
}

/// Runs a command that must succeed; the points that it passed, the first and the last pass of each.
#[track_caller]
pub fn points(list: &Path, command: &mut Command) -> Vec<Point> {
    let _ = fs::remove_file(list);
    Done::of(command.env("HANDOVER_FAULT_LIST", list)).good();
    listed(list)
}

/// What a list of passed points says: of each name the first and the last pass.
pub fn listed(list: &Path) -> Vec<Point> {
    let mut passes = BTreeMap::<String, u32>::new();
    for name in fs::read_to_string(list).unwrap_or_default().lines() {
        *passes.entry(name.to_owned()).or_default() += 1;
    }
    let both = passes.into_iter().flat_map(|(name, last)| {
        let first = Point { name: name.clone(), pass: 1 };
        std::iter::once(first).chain((last > 1).then_some(Point { name, pass: last }))
    });
    both.collect()
}

/// Says how many there were; nextest shows it with `--no-capture`.
pub fn tell(what: &str, points: &[Point]) {
    let mut names: Vec<_> = points.iter().map(|point| point.name.as_str()).collect();
    names.dedup();
    println!("{what}: killed at {} named points, {} passes: {}", names.len(), points.len(), names.join(" "));
}

/// Runs a command that must succeed after a kill at `at`.
#[track_caller]
pub fn good(command: &mut Command, at: &str) {
    let done = Done::of(command);
    assert_eq!(done.code, Some(0), "after {at}: {done:#?}");
}
