//! What a user promises instead of cron times: how much may be lost, how long copies live, when the host has time for it.
//!
//! Everything is optional here; `schedule` derives times from it and proves them. All times of day are the local time of the host on which
//! it runs: the source's, and for `verify` and `drill` the sink's.

mod check;
mod times;

pub(super) use check::problems;
pub(crate) use times::WEEKDAYS;
pub use times::{Blackout, Day, DaysOff, TimeOfDay, TimesError, Weekdays, Window};

use crate::units::{Bytes, Span};
use serde::{Deserialize, Serialize};

/// The objectives of one job. They hold for each of its streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objectives {
    /// The greatest age that the data of the newest verified copy on the sink may reach.
    pub rpo: Option<Span>,
    /// The longest restore.
    pub rto: Option<Span>,
    /// So many runs in a row may be missed without breaking the RPO.
    pub tolerate: u32,
    /// Every collection within this time before now can be restored.
    pub history: Option<Span>,
    /// Collections begin at these times.
    pub at: Vec<TimeOfDay>,
    /// Collections are made on these days only: weekdays, or days of the month.
    pub days: Vec<Day>,
    /// Collections begin and end within one of these.
    pub window: Vec<Window>,
    /// Nothing is collected within these.
    pub blackout: Vec<Blackout>,
    /// Days with a full; the other collections are incrementals then.
    pub full: Option<FullTimes>,
    /// Least time between the end of a step of this job and the next start of another job of the host.
    pub gap: Span,
    /// Another job of this source: copies of this one travel with its transport, and age until then.
    pub with: Option<String>,
    /// How long the steps take, at p95; what was measured to be longer wins.
    pub durations: Durations,
    /// What was missed while the host was off runs when it is back, once.
    pub catch_up: bool,
    /// When the sink's copies are read again.
    pub verify: Option<Recurrence>,
    /// When a copy is restored on another machine.
    pub drill: Option<Recurrence>,
    /// Snapshots of a database's head.
    pub snapshots: Option<Every>,
    /// Between them: positions at which the members of a database are consistent with each other.
    pub checkpoints: Option<Every>,
    /// A provider's backup of the source's whole file system.
    pub provider: Option<Provider>,
    /// Stored size of one generation.
    pub size: Option<Sizes>,
}

impl Default for Objectives {
    fn default() -> Self {
        Self {
            rpo: None,
            rto: None,
            tolerate: 0,
            history: None,
            at: Vec::new(),
            days: Vec::new(),
            window: Vec::new(),
            blackout: Vec::new(),
            full: None,
            gap: Span(0),
            with: None,
            durations: Durations::default(),
            catch_up: true,
            verify: None,
            drill: None,
            snapshots: None,
            checkpoints: None,
            provider: None,
            size: None,
        }
    }
}

impl Objectives {
    /// The days of the year on which nothing is collected.
    pub fn days_off(&self) -> DaysOff {
        DaysOff::of(&self.blackout)
    }
}

/// Days and times of fulls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullTimes {
    /// Weekdays, or days of the month.
    pub days: Vec<Day>,
    /// Times on these days; default: the job's.
    #[serde(default)]
    pub at: Vec<TimeOfDay>,
}

/// How long the steps of a job take, at p95.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Durations {
    /// From the start of collect to the sealed generation.
    pub collect: Option<Span>,
    /// From the start of the transport until all bytes are on the sink.
    pub transport: Option<Span>,
    /// Comparing digests on the sink afterwards.
    pub verify: Option<Span>,
    /// Bringing everything back.
    pub restore: Option<Span>,
}

/// Something that recurs: on days (at times), or with a longest interval.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recurrence {
    /// The longest interval.
    pub every: Option<Span>,
    /// Weekdays, or days of the month.
    pub days: Vec<Day>,
    /// Times on these days; default: once what it needs has arrived.
    pub at: Vec<TimeOfDay>,
}

/// A longest interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// The longest interval.
    pub every: Span,
}

/// A provider that keeps the whole file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// So many days back.
    pub days: u32,
    /// How often it takes a copy; when in that time is not known.
    #[serde(default = "daily")]
    pub every: Span,
}

const fn daily() -> Span {
    Span(86_400)
}

/// Stored sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Of a full.
    pub full: Bytes,
    /// Of an incremental; default: a full's.
    pub incremental: Option<Bytes>,
}
