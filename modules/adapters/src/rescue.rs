//! Something that runs `recover` in time even if everything of ours is killed at once.
//!
//! With systemd a transient timer: PID 1 owns it, so neither a signal to our process group nor to our cgroup reaches
//! it. If `recover` fails there, it is tried again every minute. Without, a guardian: our own executable in a session of
//! its own, which sleeps and then recovers, once. Neither survives a reboot; the cron entry that runs `recover` at boot
//! and every minute does.
//!
//! A rescue that fires late or twice does no harm: `recover` does nothing where nothing is left to do. So a rescue is
//! never waited for, and dropping an [`Armed`] without [`Armed::disarm`] is only untidy.

use crate::command::{Command, CommandError};
use crate::{host, users};
use backup_core::{Failure, Kind};
use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::process::Child;
use std::time::Duration;

/// How long systemd may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Added to every rescue, so that it never comes a moment before the window's end and finds nothing to do.
const MARGIN: Duration = Duration::from_secs(1);

/// Of the service that the timer starts. The daemons that `recover` leaves behind (init scripts and declared commands
/// fork them here) must not die with it. A `recover` that fails is tried again, rarely enough for systemd's start limit.
const SERVICE: [&str; 3] =
    ["--property=KillMode=process", "--property=Restart=on-failure", "--property=RestartSec=60s"];

/// No rescue could be armed: nothing may be stopped.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    /// The guardian did not start.
    #[error("cannot start the guardian that would restart the services: {0}")]
    Guardian(CommandError),
    /// No name for the timer.
    #[error("cannot read random bytes: {0}")]
    Random(io::Error),
}

impl Failure for RescueError {
    fn kind(&self) -> Kind {
        match self {
            Self::Guardian(error) => error.kind(),
            Self::Random(_) => Kind::Io,
        }
    }
}

/// An armed rescue.
#[derive(Debug)]
pub enum Armed {
    /// A transient systemd timer of this name.
    Timer(String),
    /// A process in a session of its own.
    Guardian(Child),
}

/// Arranges that `recover` (the absolute path of our executable, then its arguments) runs when `after` has passed.
/// The guardian gets `--after <seconds>` in addition: it has to sleep by itself.
pub fn arm(job: &str, recover: &[OsString], after: Duration) -> Result<Armed, RescueError> {
    if host::has_systemd() {
        let name = unit_name(job, &host::random_hex(4).map_err(RescueError::Random)?);
        // Where systemd is there but not reachable, a guardian is still better than no rescue.
        if timer_command(&name, recover, after + MARGIN).run().is_ok() {
            return Ok(Armed::Timer(name));
        }
    }
    arm_guardian(recover, after)
}

/// The rescue without systemd.
pub fn arm_guardian(recover: &[OsString], after: Duration) -> Result<Armed, RescueError> {
    let seconds = (after + MARGIN).as_secs_f64().ceil();
    let mut command = Command::from_words(recover).unwrap_or_else(|| Command::new(""));
    if let Ok(account) = users::current() {
        command = command.as_user(&account);
    }
    let command = command.args(["--after".to_owned(), format!("{seconds}")]);
    Ok(Armed::Guardian(command.detach().map_err(RescueError::Guardian)?))
}

impl Armed {
    /// Takes the rescue back. It may have fired, or gone already: that is fine, too.
    pub fn disarm(self) {
        match self {
            Self::Timer(name) => {
                let timer = format!("{name}.timer");
                let _ = Command::new("systemctl").args(["stop", "--", &timer]).timeout(ANSWER).run();
            }
            Self::Guardian(mut child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn timer_command(name: &str, recover: &[OsString], after: Duration) -> Command {
    Command::new("systemd-run")
        .args(["--quiet", "--no-ask-password", "--collect"])
        .arg(format!("--unit={name}"))
        .arg("--description=Restart what a backup stopped, if it does not")
        .arg(format!("--on-active={}s", after.as_secs_f64().ceil()))
        .arg("--timer-property=AccuracySec=1s")
        .args(SERVICE)
        .arg("--")
        .args(recover)
        .timeout(ANSWER)
}

/// `handover-rescue-<job>-<unique>`: what a unit name does not take is escaped as systemd does it.
fn unit_name(job: &str, unique: &str) -> String {
    let mut name = String::from("handover-rescue-");
    for byte in job.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-".contains(&byte) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "\\x{byte:02x}");
        }
    }
    name + "-" + unique
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn unit_names_are_escaped() {
        assert_eq!(unit_name("shop_db-1", "0a"), "handover-rescue-shop_db-1-0a");
        assert_eq!(unit_name("web1/shop ä", "0a"), "handover-rescue-web1\\x2fshop\\x20\\xc3\\xa4-0a");
    }

    fn script(text: &str) -> Vec<OsString> {
        ["/bin/sh", "-c", text, "guardian"].map(OsString::from).into()
    }

    fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !condition() {
            assert!(Instant::now() < deadline, "never happened: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_guardian_lives_outside_our_session_and_fires_with_its_delay() {
        let room = tempfile::tempdir().unwrap();
        let fired = room.path().join("fired");
        let text = format!("echo $(ps -o sid= -p $$) $1 $2 >{0}.tmp; mv {0}.tmp {0}; exec sleep 1000", fired.display());
        let armed = arm_guardian(&script(&text), Duration::from_millis(2100)).unwrap();
        let Armed::Guardian(child) = &armed else { panic!("not a guardian") };
        let pid = child.id();
        eventually("it runs", || fired.exists());
        assert_eq!(std::fs::read_to_string(&fired).unwrap(), format!("{pid} --after 4\n"));
        armed.disarm();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn disarming_what_has_fired_is_fine_and_a_missing_executable_is_not() {
        let armed = arm_guardian(&script("exit 0"), Duration::ZERO).unwrap();
        armed.disarm();
        Armed::Timer("handover-rescue-gone".into()).disarm();
        let error = arm_guardian(&["/nowhere/backup_collect".into()], Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), Kind::MissingTool);
    }
}
