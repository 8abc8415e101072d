//! An application as a job sees it: a real process with a pid file, controlled by declared commands.

use crate::executables::sh;
use crate::lab::{Lab, write_script};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The application of a lab.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    lab: &'a Lab,
}

/// Declares the application `app`: `body` is the shell script that is its process and leads its group, `before_end` runs
/// in the stop command when the last of them is gone.
pub fn declare(lab: &mut Lab, body: &str, before_end: &str) {
    let (pid, process) = (lab.at("app.pid"), lab.at("bin/app-process"));
    // It ends also with a test that is killed.
    let test = std::process::id();
    let ends = format!("(while kill -s 0 {test} 2>/dev/null; do sleep 1; done; kill -s KILL 0) &");
    write_script(&process, &format!("{ends}\n{body}"));
    // One start or stop at a time, as service managers have it: what a killed run has begun goes on beside the next one's.
    // Its processes inherit a lock, which tells whether one of them lives: process numbers stay until somebody asks for
    // the dead, and in a container that may take seconds.
    let control = format!(
        "pid={pid}\n\
         on() {{ ! flock --nonblock --shared $pid.lock true; }}\n\
         [ $1 = status ] || {{ exec 9>$pid.turn; flock 9; }}\n\
         case $1 in\n\
         status) on && exit 0; exit 3;;\n\
         stop) on || exit 0; kill -s TERM -- -$(cat $pid); while on; do sleep 0.01; done; rm -f $pid\n{before_end}\n;;\n\
         start) on && exit 0; setsid flock $pid.lock {process} </dev/null >/dev/null 2>&1 9>&- & p=$!\n\
           until on; do kill -0 $p || exit 1; sleep 0.01; done; echo $p > $pid.new; mv $pid.new $pid;;\n\
         esac",
        pid = pid.display(),
        process = process.display(),
    );
    let control_path = lab.at("bin/app");
    write_script(&control_path, &control);
    let command = |verb: &str| -> Value { json!([control_path, verb]) };
    let service = json!({
        "name": "app", "timeout": "30s", "status": command("status"), "stop": command("stop"), "start": command("start"),
    });
    lab.change(&json!({"services": [service]}));
}

impl<'a> Service<'a> {
    /// The application of this lab.
    pub const fn of(lab: &'a Lab) -> Self {
        Self { lab }
    }

    fn control(self, verb: &str) -> bool {
        Command::new(self.lab.at("bin/app")).arg(verb).stdin(Stdio::null()).status().unwrap().success()
    }

    /// Starts it.
    pub fn start(self) {
        assert!(self.control("start"));
    }

    /// Whether its process lives.
    pub fn is_on(self) -> bool {
        self.control("status")
    }
}

/// Ends every process whose command line names all of these. One of them is a test's own folder.
pub fn end_processes(named: &[&str]) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words);
        if named.iter().all(|name| words.contains(name)) {
            let _ = Command::new("kill").arg("-9").arg(entry.file_name()).stderr(Stdio::null()).status();
        }
    }
}

/// Whatever a test started must not outlive it.
pub(crate) fn stop_all(room: &Path) {
    if let Ok(pid) = fs::read_to_string(room.join("app.pid")) {
        sh(&format!("kill -s KILL -- -{0} 2>/dev/null || kill -9 {0} 2>/dev/null || true", pid.trim()));
    }
    end_processes(&[room.to_str().unwrap()]);
}
