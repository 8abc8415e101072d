//! Which runs cron should have begun: one that nobody began, because the host was off; one that it has just begun; the next.

use super::{CronTime, Steps, last_firing, next_firing};
use crate::{Job, job::Step};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// How long after its time a run counts as on its way: cron may be busy, and delays what a clock change jumped over.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// How often it is looked for what was missed, in minutes.
pub(super) const CATCH_UP: u16 = 15;

/// The last run scheduled by any of these times, if nothing answered it: it lies after `since`, when something was last tried or the schedule
/// was made, and at least [`GRACE`] before `now`.
pub fn missed(times: &[CronTime], zone: &TimeZone, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let last = times.iter().filter_map(|time| last_firing(time, zone, now - GRACE)).max()?;
    Timestamp::from_second(last.at).ok().filter(|&at| at > since)
}

/// The run that cron has begun within the last [`GRACE`].
pub fn due(times: &[CronTime], zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let last = times.iter().filter_map(|time| last_firing(time, zone, now)).max()?;
    Timestamp::from_second(last.at).ok().filter(|&at| at > now - GRACE)
}

/// The first run that cron begins after `now`.
pub fn next(times: &[CronTime], zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let next = times.iter().filter_map(|time| next_firing(time, zone, now)).min()?;
    Timestamp::from_second(next.at).ok()
}

/// How long catching up a step may be at work, as far as its job document tells: what is declared, else what is assumed. To a
/// collection belongs its transport, for which it is looked every [`CATCH_UP`] minutes: the next collection would take a
/// copy that is still on its way for one that was left behind.
pub fn catching_up(job: &Job, step: Step) -> SignedDuration {
    let steps = Steps::of(job, None);
    let carried = steps.transport + steps.verify;
    SignedDuration::from_secs(match step {
        Step::Collect => steps.collect + i64::from(CATCH_UP) * 60 + carried,
        Step::Transport | Step::Rotate => carried,
    })
}
