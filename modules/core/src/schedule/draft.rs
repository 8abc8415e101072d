//! What one job does and when, before it becomes cron entries.

use super::{
    CATCH_UP, CronTime, Days, Pattern, Steps, Week,
    facts::{HostFacts, hash, minutes, sizes},
    pattern::days,
};
use crate::{
    Job, StreamName,
    job::{Mode, Objectives, Schedule, objectives::Sizes},
};
use std::collections::BTreeSet;

/// Which kind a collection is asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Planned {
    /// A full where it is due, else an incremental.
    Auto,
    /// An incremental, unless there is no base.
    Incremental,
    /// A full.
    Full,
}

/// One or more entries that collect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// When, in the source's local time.
    pub pattern: Pattern,
    /// An entry that somebody wrote: it is taken as it is.
    written: Option<CronTime>,
    /// What the entries ask for.
    pub kind: Planned,
}

impl Run {
    fn new(pattern: Pattern, kind: Planned) -> Self {
        Self { pattern, written: None, kind }
    }

    /// An entry that is there already.
    pub(super) fn explicit(time: CronTime, kind: Planned) -> Self {
        Self { pattern: Pattern::of(&time), written: Some(time), kind }
    }

    /// The entries. Many patterns are looked at before one gets some.
    pub(super) fn times(&self) -> Vec<CronTime> {
        self.written.map_or_else(|| self.pattern.cron_times(), |time| vec![time])
    }
}

/// The entries that transport one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Carry {
    /// Which stream.
    pub stream: StreamName,
    /// The side whose cron begins it: the sink (pull) or the source (push).
    pub mode: Mode,
    /// The sink.
    pub sink: String,
    /// The entries, in local time of that side.
    pub times: Vec<CronTime>,
    /// Entries that carry what was not ready then.
    pub again: Vec<CronTime>,
    /// Why then.
    pub why: String,
}

/// One job's part of a plan.
#[derive(Debug, Clone)]
pub(super) struct Draft<'a> {
    /// The job.
    pub job: &'a Job,
    /// Its objectives; the defaults if it has none.
    pub objectives: Objectives,
    /// The times that somebody wrote.
    pub schedule: Schedule,
    /// How long its steps take.
    pub steps: Steps,
    /// Minutes from the end of a collection to its transport.
    pub delay: u32,
    /// Where the planner chooses the times: the place of the source, in minutes of the day.
    pub place: u32,
    /// The source's own minute of a quarter of an hour.
    pub minute: u32,
    /// Stored size of a generation, if it is known.
    pub sizes: Option<Sizes>,
    /// What windows and blackouts leave.
    pub allowed: Week,
    /// What collects.
    pub runs: Vec<Run>,
    /// What transports.
    pub carries: Vec<Carry>,
    /// How the times were found.
    pub why: String,
}

impl<'a> Draft<'a> {
    /// Nothing planned yet.
    pub(super) fn new(job: &'a Job, host: Option<&HostFacts>) -> Self {
        let host = host.cloned().unwrap_or_default();
        let measured = host.jobs.get(&job.job);
        let delay = host.delays.get(&job.job).map_or(0, |delay| delay.0.div_ceil(60));
        let place = u32::from(host.place(&job.source).0) + host.shift_minutes();
        let steps = Steps::of(job, measured);
        let objectives = job.objectives.clone().unwrap_or_default();
        let allowed = Week::allowed(&objectives.window, &objectives.blackout);
        let sizes = sizes(objectives.size, measured);
        let schedule = job.schedule.declared();
        let delay = u32::try_from(delay).unwrap_or(Week::MINUTES);
        let mut draft = Self {
            job,
            objectives,
            schedule,
            delay,
            place,
            minute: hash(&job.source) % u32::from(CATCH_UP),
            steps,
            sizes,
            allowed,
            runs: Vec::new(),
            carries: Vec::new(),
            why: String::new(),
        };
        if !draft.is_free() {
            draft.delay = draft.delay.saturating_add(host.shift_minutes());
        }
        draft
    }

    /// Whether a collection fits between the begin and the end of what windows and blackouts leave, anywhere in the week.
    pub(super) fn has_room(&self) -> bool {
        self.allowed.longest() >= self.collect_minutes().min(Week::MINUTES)
    }

    /// Whether its times are for the planner to choose.
    pub(super) fn is_free(&self) -> bool {
        self.schedule.collect.is_empty() && self.objectives.at.is_empty()
    }

    /// Minutes that a collection takes.
    pub(super) fn collect_minutes(&self) -> u32 {
        u32::try_from(minutes(self.steps.collect)).unwrap_or(Week::MINUTES)
    }

    /// So many minutes longer than at p95 a collection may take and still travel before the next, where its transport is
    /// tried twice: half as long again, and at least until the first try has ended.
    pub(super) fn margin(&self) -> i64 {
        minutes(self.steps.collect / 2).max(minutes(self.steps.transport + self.steps.verify))
    }

    /// Minutes from the start of a collection to the end of the transports right after it.
    pub(super) fn busy_minutes(&self) -> u32 {
        let transports = if self.objectives.with.is_some() { 0 } else { self.job.streams().count() };
        let transport = u32::try_from(minutes(self.steps.transport)).unwrap_or(Week::MINUTES);
        let transports = u32::try_from(transports).unwrap_or_default();
        let before = self.collect_minutes().saturating_add(self.delay);
        before.saturating_add(transport.saturating_mul(transports)).min(Week::MINUTES)
    }

    /// Minutes of the gap.
    pub(super) fn gap_minutes(&self) -> u32 {
        u32::try_from(self.objectives.gap.0.div_ceil(60)).unwrap_or(Week::MINUTES).min(Week::MINUTES)
    }

    /// Collections at these times on the declared days, fulls on theirs.
    pub(super) fn on_declared_days(&self, at: impl IntoIterator<Item = u16>) -> Vec<Run> {
        self.with_fulls(vec![Pattern::new(at, days(&self.objectives.days))])
    }

    /// Gives the days with a full to fulls. What remains are incrementals; without declared fulls, either.
    pub(super) fn with_fulls(&self, patterns: Vec<Pattern>) -> Vec<Run> {
        let Some(full) = &self.objectives.full else {
            return patterns.into_iter().map(|pattern| Run::new(pattern, Planned::Auto)).collect();
        };
        let full_days = days(&full.days);
        let minutes: BTreeSet<u16> = if full.at.is_empty() {
            patterns.iter().flat_map(|pattern| pattern.minutes.iter().copied()).collect()
        } else {
            full.at.iter().map(|time| time.0).collect()
        };
        // Several collections a day: the first of the day is the full.
        let minutes = if full.at.is_empty() { minutes.into_iter().take(1).collect() } else { minutes };
        let mut runs = Vec::new();
        for pattern in patterns {
            let (both, others) = pattern.minutes.iter().partition(|minute| minutes.contains(minute));
            let parts = [(both, minus(&pattern.days, &full_days)), (others, Some(pattern.days.clone()))];
            for (minutes, days) in parts {
                let part = days.filter(|_| !BTreeSet::is_empty(&minutes)).map(|days| Pattern {
                    minutes,
                    days,
                    ..pattern.clone()
                });
                runs.extend(part.map(|part| Run::new(part, Planned::Incremental)));
            }
        }
        runs.push(Run::new(Pattern { minutes, days: full_days, months: Vec::new() }, Planned::Full));
        runs
    }

    /// The part of a pattern that windows and blackouts leave.
    pub(super) fn within(&self, pattern: &Pattern) -> Vec<Pattern> {
        let mut parts: Vec<Pattern> = Vec::new();
        for &minute in &pattern.minutes {
            let fits = self.allowed.days(minute.into(), self.collect_minutes()).0 & pattern.weekdays().0;
            let days = match &pattern.days {
                days if fits == pattern.weekdays().0 => days.clone(),
                Days::Month(_) => continue,
                _ if fits == 0 => continue,
                _ => Days::Week((0..7).filter(|day| fits >> day & 1 == 1).collect()),
            };
            match parts.iter_mut().find(|part| part.days == days) {
                Some(part) => {
                    part.minutes.insert(minute);
                }
                None => parts.push(Pattern { minutes: [minute].into(), days, months: pattern.months.clone() }),
            }
        }
        parts
    }
}

/// The days of one set that are not in the other; `None`: no day remains.
fn minus(days: &Days, taken: &Days) -> Option<Days> {
    let remaining =
        |from: Vec<u8>, taken: &[u8]| -> Vec<u8> { from.into_iter().filter(|day| !taken.contains(day)).collect() };
    let (remaining, week) = match (days, taken) {
        (Days::Every, Days::Week(taken)) => (remaining((0..7).collect(), taken), true),
        (Days::Week(days), Days::Week(taken)) => (remaining(days.clone(), taken), true),
        (Days::Every, Days::Month(taken)) => (remaining((1..=31).collect(), taken), false),
        (Days::Month(days), Days::Month(taken)) => (remaining(days.clone(), taken), false),
        (_, Days::Every) => return None,
        // Weekdays and days of the month cannot be subtracted in one entry: on such a day there is one of each.
        (days, _) => return Some(days.clone()),
    };
    match (remaining.is_empty(), week) {
        (true, _) => None,
        (false, true) => Some(Days::Week(remaining)),
        (false, false) => Some(Days::Month(remaining)),
    }
}
