//! What is known besides the declarations: zones, measured durations and sizes, what a sink can bear.

use super::{PlanError, Week};
use crate::{
    Job,
    job::objectives::{Sizes, TimeOfDay},
    units::{Bytes, Span},
};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Facts by host name. A host that is not named has the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// Sources.
    pub hosts: BTreeMap<String, HostFacts>,
    /// Sinks.
    pub sinks: BTreeMap<String, SinkFacts>,
}

/// A time zone by its name, such as `Europe/Berlin`. Where none is given times are taken for UTC, and a check says so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ZoneName(Option<String>);

impl ZoneName {
    /// The zone that times are taken for.
    pub fn name(&self) -> &str {
        self.0.as_deref().unwrap_or("UTC")
    }

    /// Whether somebody said so.
    pub const fn is_given(&self) -> bool {
        self.0.is_some()
    }
}

impl From<&str> for ZoneName {
    fn from(name: &str) -> Self {
        Self(Some(name.into()))
    }
}

/// What is known of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostFacts {
    /// Its time zone.
    pub zone: ZoneName,
    /// What was measured, by job.
    pub jobs: BTreeMap<String, Measured>,
    /// How much later than right after collecting the transports of a job begin.
    pub delays: BTreeMap<String, Span>,
    /// Its place: the time of day around which its jobs are planned whose times nobody declared. Where none is given it
    /// follows from the source's name, so that nobody else moves it.
    pub place: Option<TimeOfDay>,
    /// So much later than its place it is planned, to share its sinks with others; transports after declared times begin
    /// later by as much. A plan of many sources finds it, and keeps what is given where it can.
    pub shift: Option<Span>,
}

/// A source has one of so many places a day: few enough that many sources of one kind share a plan.
const PLACES: u32 = 96;

/// Minutes between two of them.
const BETWEEN_PLACES: u32 = Week::DAY / PLACES;

impl HostFacts {
    /// The place of a source: as given, or by its name alone.
    pub(super) fn place(&self, source: &str) -> TimeOfDay {
        let own = || TimeOfDay(u16::try_from(hash(source) % PLACES * BETWEEN_PLACES).unwrap_or_default());
        self.place.unwrap_or_else(own)
    }

    /// Puts it at a time of day, and shifts it from there.
    pub(super) fn put(&mut self, place: u32, shift: u32) {
        self.place = u16::try_from(place % Week::DAY).ok().map(TimeOfDay);
        self.shift = Some(Span(u64::from(shift) * 60));
    }

    /// Minutes of the shift.
    pub(super) fn shift_minutes(&self) -> u32 {
        self.shift.map_or(0, |shift| u32::try_from(shift.0.div_ceil(60)).unwrap_or(Week::MINUTES))
    }
}

/// The phase of a place in a cycle of so many phases: a quarter of an hour of a day is as large a share of any other cycle,
/// and single minutes are minutes in each. Those may lie beyond its end: a cycle goes round.
pub(super) fn phase_of(place: u32, phases: u32) -> u32 {
    let (share, minutes) = (place % Week::DAY / BETWEEN_PLACES, place % BETWEEN_PLACES);
    share * phases / PLACES + minutes
}

/// A number that follows from a name alone (FNV-1a).
pub(super) fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What was measured of a job, at p95. It makes a plan more careful than the declarations, never less: so the plan stays
/// as it is until it was outgrown, whatever is measured, and whoever cannot be asked one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Measured {
    /// From the start of collect to the seal.
    pub collect: Option<Span>,
    /// Until all bytes are on the sink.
    pub transport: Option<Span>,
    /// Comparing digests there.
    pub verify: Option<Span>,
    /// The last restore or drill.
    pub restore: Option<Span>,
    /// Stored bytes of a full.
    pub full: Option<Bytes>,
    /// Stored bytes of an incremental.
    pub incremental: Option<Bytes>,
    /// From so many runs, where a sink counted them: few do not yet say what is usual.
    pub samples: Option<u32>,
}

/// What is known of a sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SinkFacts {
    /// Its time zone.
    pub zone: ZoneName,
    /// So many transports may run at once; a default sshd refuses more than ten.
    pub parallel: u32,
    /// Of these, so many are left to restores and to people; default: a fifth.
    pub reserve: Option<u32>,
    /// Bytes per second that all transports together may use.
    pub bandwidth: Option<Bytes>,
    /// Bytes that all stores together may use.
    pub capacity: Option<Bytes>,
}

impl Default for SinkFacts {
    fn default() -> Self {
        Self { zone: ZoneName::default(), parallel: 10, reserve: None, bandwidth: None, capacity: None }
    }
}

/// A zone by its name, from the rules that are compiled in.
///
/// # Errors
/// If there is no such zone; `host` is named.
pub fn zone(name: &str, host: &str) -> Result<TimeZone, PlanError> {
    let unknown = |_| PlanError::UnknownZone { host: host.to_owned(), zone: name.to_owned() };
    TimeZoneDatabase::bundled().get(name).map_err(unknown)
}

/// How long the steps of a job take at p95, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps {
    /// From the start of collect to the seal.
    pub collect: i64,
    /// Until all bytes are on the sink.
    pub transport: i64,
    /// Comparing digests there.
    pub verify: i64,
    /// Bringing everything back, if known.
    pub restore: Option<i64>,
    /// Whether one of the first three is neither declared nor measured often enough.
    pub assumed: bool,
}

/// What is assumed where nothing is declared: collect, transport, verify.
pub(super) const ASSUMED: [Span; 3] = [Span(600), Span(1200), Span(600)];

/// Nothing takes longer: it ends beyond every horizon, at a time that can still be told.
const AGES: Span = Span(1000 * 366 * 86_400);

impl Steps {
    /// As declared, or else as assumed; where it was measured to be longer, as measured.
    pub(super) fn of(job: &Job, measured: Option<&Measured>) -> Self {
        let measured = measured.copied().unwrap_or_default();
        let declared = job.objectives.as_ref().map(|objectives| objectives.durations).unwrap_or_default();
        let seconds = |span: Span| i64::try_from(span.min(AGES).0).unwrap_or_default();
        let steps = [
            (declared.collect, measured.collect),
            (declared.transport, measured.transport),
            (declared.verify, measured.verify),
        ];
        let [collect, transport, verify] = std::array::from_fn(|i| {
            let (declared, measured) = steps[i];
            seconds(declared.unwrap_or(ASSUMED[i]).max(measured.unwrap_or_default()))
        });
        let is_usual = measured.is_usual();
        Self {
            collect,
            transport,
            verify,
            restore: declared.restore.max(measured.restore).map(seconds),
            assumed: steps.iter().any(|(declared, measured)| declared.is_none() && (measured.is_none() || !is_usual)),
        }
    }

    /// From the start of a collection until the copy counts, if nothing lies between.
    pub(super) fn latency(&self) -> i64 {
        minutes(self.collect) * 60 + self.transport + self.verify
    }
}

/// Whole minutes, rounded up: what cron can wait.
pub(super) fn minutes(seconds: i64) -> i64 {
    (seconds + 59).div_euclid(60)
}

/// Stored size of a generation: declared or measured, whichever is larger.
pub(super) fn sizes(declared: Option<Sizes>, measured: Option<&Measured>) -> Option<Sizes> {
    let measured = measured.copied().unwrap_or_default();
    let full = declared.map(|sizes| sizes.full).max(measured.full)?;
    let incremental = declared.and_then(|sizes| sizes.incremental).max(measured.incremental);
    Some(Sizes { full, incremental })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_as_large_a_share_of_any_cycle() {
        let (hour, day, week) = (60, Week::DAY, Week::MINUTES);
        // (place, cycle, phase)
        let cases = [
            (6 * 60, day, 6 * 60),
            (6 * 60, hour, 15),
            (6 * 60, week, week / 4),
            (6 * 60 + 7, day, 6 * 60 + 7),
            (6 * 60 + 7, hour, 22),
        ];
        for (place, cycle, phase) in cases {
            assert_eq!(phase_of(place, cycle), phase, "{place} of {cycle}");
            assert_eq!(phase_of(place + Week::DAY, cycle), phase, "{place} of {cycle}, a day later");
        }
        let mut host = HostFacts::default();
        host.put(Week::DAY + 90, 20);
        assert_eq!((host.place, host.shift), (Some(TimeOfDay(90)), Some(Span(1200))), "a place is a time of day");
    }
}
