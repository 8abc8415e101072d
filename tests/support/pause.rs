//! Holding an executable at one of its named points, while something else is done.

use crate::executables::Done;
use crate::lab::wait_for;
use std::fs;
use std::process::{Child, Command, Stdio};

/// What stands still until it is told to go on. Killed if nobody tells it.
#[derive(Debug)]
pub struct Paused {
    pid: u32,
    child: Option<Child>,
}

/// The environment of a process that shall stand still at `point`.
pub fn environment(point: &str) -> [(&'static str, &str); 2] {
    [("HANDOVER_FAULT", point), ("HANDOVER_FAULT_ACTION", "pause")]
}

/// Starts `command` and waits until it stands still at `point`.
#[track_caller]
pub fn at(point: &str, command: &mut Command) -> Paused {
    let child = command.envs(environment(point)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    let pid = child.id();
    wait_for(&format!("{point} is reached"), || is_stopped(pid));
    Paused { pid, child: Some(child) }
}

/// Waits until a process that somebody else started, with `words` in its command line, stands still.
#[track_caller]
pub fn found(words: &str) -> Paused {
    let mut pid = None;
    let matches = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").contains(words) && is_stopped(*pid)
    };
    wait_for(&format!("{words:?} stands still"), || {
        let processes = fs::read_dir("/proc").unwrap();
        pid = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(matches);
        pid.is_some()
    });
    Paused { pid: pid.unwrap(), child: None }
}

fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

impl Paused {
    fn signal(&self, signal: &str) {
        let _ = Command::new("kill").args([signal, &self.pid.to_string()]).stderr(Stdio::null()).status();
    }

    /// Lets it go on, and waits for its end if it was started here.
    pub fn go_on(mut self) -> Option<Done> {
        self.signal("-CONT");
        let output = self.child.take()?.wait_with_output().unwrap();
        Some(Done::from(&output))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        } else if is_stopped(self.pid) {
            self.signal("-KILL");
        }
    }
}
