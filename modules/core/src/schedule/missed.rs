//! Which runs cron should have begun: one that nobody began, because the host was off; one that it has just begun; the next.

use super::{CronTime, Firing, Steps, last_firing, next_firing};
use crate::{
    Job,
    job::{Step, objectives::DaysOff},
};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// How long after its time a run counts as on its way: cron may be busy, and delays what a clock change jumped over.
pub const GRACE: SignedDuration = SignedDuration::from_mins(5);

/// How often it is looked for what was missed, in minutes.
pub(super) const CATCH_UP: u16 = 15;

/// When a host's cron begins one step of a job.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The entries.
    pub times: Vec<CronTime>,
    /// Of the host.
    pub zone: TimeZone,
    /// On these days cron begins it, but it does nothing.
    pub off: DaysOff,
}

impl Runs {
    /// The last run, if nothing answered it: it lies after `since`, when something was last tried or the schedule was made, and
    /// at least [`GRACE`] before `now`.
    pub fn missed(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        self.last(now - GRACE).filter(|&at| at > since)
    }

    /// The run that cron has begun within the last [`GRACE`].
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        self.last(now).filter(|&at| at > now - GRACE)
    }

    /// The first run that cron begins after `now`.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let next = |time| self.on_a_working_day(now, |now| next_firing(time, &self.zone, now), Date::tomorrow);
        self.times.iter().filter_map(next).min()
    }

    /// Whether this is a day off.
    pub fn rests(&self, now: Timestamp) -> bool {
        self.off.contains(now.to_zoned(self.zone.clone()).date())
    }

    fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let last = |time| self.on_a_working_day(now, |now| last_firing(time, &self.zone, now), Ok);
        self.times.iter().filter_map(last).max()
    }

    /// What `find` finds from `now` on, or from the beginning of the day on that `then` names if it is on a day off.
    fn on_a_working_day(
        &self,
        mut now: Timestamp,
        find: impl Fn(Timestamp) -> Option<Firing>,
        then: impl Fn(Date) -> Result<Date, jiff::Error>,
    ) -> Option<Timestamp> {
        // There are no more days in a year, whatever is declared.
        for _ in 0..366 {
            let found = Timestamp::from_second(find(now)?.at).ok()?;
            let date = found.to_zoned(self.zone.clone()).date();
            if !self.off.contains(date) {
                return Some(found);
            }
            let beginning = then(date).ok()?.to_zoned(self.zone.clone()).ok()?.timestamp();
            now = beginning - SignedDuration::from_secs(1);
        }
        None
    }
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
