//! How runs take place: when, with which priority, and who hears of failures.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Explicit cron times, five fields each. The roles install them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// On the source.
    pub collect: Option<String>,
    /// On the side that transports.
    pub transport: Option<String>,
    /// On the sink: rotation apart from the one after each transport.
    pub rotate: Option<String>,
}

/// Mail through the host's sendmail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// Recipients; empty: no mail.
    pub to: Vec<String>,
    /// Sender; absent: sendmail's default.
    pub from: Option<String>,
    /// The sendmail program.
    pub sendmail: PathBuf,
}

impl Default for Mail {
    fn default() -> Self {
        Self { to: vec!["root".into()], from: None, sendmail: "/usr/sbin/sendmail".into() }
    }
}

/// CPU and I/O priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Priority {
    /// −20 to 19.
    pub nice: i8,
    /// I/O class and level.
    pub ionice: IoNice,
}

impl Default for Priority {
    fn default() -> Self {
        Self { nice: 10, ionice: IoNice::default() }
    }
}

/// I/O priority as `ionice` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IoNice {
    /// Scheduling class.
    pub class: IoClass,
    /// 0 (first) to 7 (last); only for realtime and best-effort.
    pub level: u8,
}

impl Default for IoNice {
    fn default() -> Self {
        Self { class: IoClass::BestEffort, level: 7 }
    }
}

/// I/O scheduling class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoClass {
    /// Leave it as it is.
    None,
    /// Before everybody else.
    Realtime,
    /// The usual class.
    BestEffort,
    /// Only when nobody else wants the disk.
    Idle,
}
