//! Lines for the system log, through `/dev/log` (journald, rsyslog, any syslogd).
//!
//! A log that is absent or stuck is no reason to fail or to wait: the line is dropped. Callers never log secrets,
//! arguments or environment.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// The daemon facility of RFC 3164, shifted into place.
const FACILITY: u8 = 3 << 3;
/// Longer lines are cut: syslog daemons do it too, at their own places.
const LONGEST: usize = 1900;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Somebody has to act.
    Error,
    /// Somebody should look.
    Warning,
    /// What happened.
    Info,
}

/// A connection to the system log, or none.
#[derive(Debug)]
pub struct Logger {
    socket: Option<UnixDatagram>,
    tag: String,
}

impl Logger {
    /// Logs under the name `tag`.
    pub fn new(tag: &str) -> Self {
        Self::at(Path::new("/dev/log"), tag)
    }

    fn at(path: &Path, tag: &str) -> Self {
        let connect = || {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            socket.set_nonblocking(true)?;
            std::io::Result::Ok(socket)
        };
        Self { socket: connect().ok(), tag: format!("{tag}[{}]", std::process::id()) }
    }

    /// Writes each line of `text`.
    pub fn log(&self, severity: Severity, text: &str) {
        let Some(socket) = &self.socket else { return };
        let priority = FACILITY
            + match severity {
                Severity::Error => 3,
                Severity::Warning => 4,
                Severity::Info => 6,
            };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let line = &line[..line.floor_char_boundary(LONGEST)];
            // No time stamp: every daemon adds its own, in its own zone.
            let _ = socket.send(format!("<{priority}>{}: {line}", self.tag).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_with_priority_tag_and_without_control_characters() {
        let room = tempfile::tempdir().unwrap();
        let daemon = UnixDatagram::bind(room.path().join("log")).unwrap();
        let logger = Logger::at(&room.path().join("log"), "backup_collect");
        logger.log(Severity::Error, "first\n\nsecond\twith \x1b[31mcolour");
        logger.log(Severity::Info, &"ü".repeat(2000));
        let mut buffer = [0; 4096];
        let mut next = || {
            let count = daemon.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..count].to_vec()).unwrap()
        };
        let tag = format!("backup_collect[{}]", std::process::id());
        assert_eq!(next(), format!("<27>{tag}: first"));
        assert_eq!(next(), format!("<27>{tag}: second with  [31mcolour"));
        assert!(next().starts_with(&format!("<30>{tag}: üü")));
    }

    #[test]
    fn neither_an_absent_nor_a_stuck_log_matters() {
        let room = tempfile::tempdir().unwrap();
        Logger::at(&room.path().join("none"), "x").log(Severity::Info, "lost");
        let _stuck = UnixDatagram::bind(room.path().join("log")).unwrap();
        let logger = Logger::at(&room.path().join("log"), "x");
        for _ in 0..10_000 {
            logger.log(Severity::Info, "nobody reads this");
        }
    }
}
