//! Catching up: whether cron should have begun a run that nobody began, because the host was off.

use super::{CronTime, last_firing};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// How long after its time a run counts as on its way: cron may be busy, and delays what a clock change jumped over.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// The last run scheduled by any of these times, if nothing answered it: it lies after `since`, when something was last tried or the schedule
/// was made, and at least [`GRACE`] before `now`.
pub fn missed(times: &[CronTime], zone: &TimeZone, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let last = times.iter().filter_map(|time| last_firing(time, zone, now - GRACE)).max()?;
    Timestamp::from_second(last.at).ok().filter(|&at| at > since)
}
