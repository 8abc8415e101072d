//! The next days of a plan, in the source's local time: as text here, drawn in `picture`.
//!
//! What is shown is what happens if nothing goes wrong: transports that find nothing to carry, second tries and catching up
//! are left out.

mod picture;

use super::{
    Carry, Clocks, CronTime, Draft, Entry, Facts, Outcome, Plan, PlanError, Planned, Purpose, Run, Timeline,
    plan::prepared,
    story::{civil, span, when},
    timeline::all_firings,
};
use crate::{GenerationKind, Job, StreamName, job::objectives::WEEKDAYS};
use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// Some days of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// The source.
    pub source: String,
    /// Its zone.
    pub zone: String,
    /// One after the other.
    pub days: Vec<CalendarDay>,
    /// The first moment at which a promise of the plan does not hold, as a story.
    pub counter_example: Option<String>,
}

/// One day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarDay {
    /// `2026-11-22`.
    pub date: String,
    /// `sun`.
    pub weekday: &'static str,
    /// In order.
    pub events: Vec<Event>,
    /// Promises that are broken on this day for the first time: the minute of the day, and the story.
    pub breaches: Vec<(u16, String)>,
}

/// Something that begins on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `22:00`; where clocks go back with the offset: `02:30 (UTC+2)`.
    pub time: String,
    /// Minute of the day.
    pub minute: u16,
    /// How long it takes at p95, in seconds.
    pub takes: i64,
    /// Host.
    pub host: String,
    /// Job, as that host names it.
    pub job: String,
    /// The stream, where it is about one.
    pub stream: Option<StreamName>,
    /// What.
    pub purpose: Purpose,
    /// Of collections: what was declared.
    pub kind: Option<GenerationKind>,
    /// Of transports: so many generations are carried.
    pub copies: usize,
}

/// So long before the first day it is looked for what may still be under way then.
const BEFORE: SignedDuration = SignedDuration::from_hours(24 * 62);

impl Calendar {
    /// The first `days` days from `from` on.
    ///
    /// # Errors
    /// If the jobs are not those of the plan.
    pub fn of(plan: &Plan, jobs: &[Job], facts: &Facts, from: Timestamp, days: u16) -> Result<Self, PlanError> {
        let until = from.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
        let clocks = prepared(jobs, facts, from.checked_sub(BEFORE).unwrap_or(from), until)?;
        let clock = &clocks.source;
        let mut events: Vec<(i64, Event)> = Vec::new();
        for job in jobs {
            let own: Vec<&Entry> = plan.entries.iter().filter(|entry| is_of(job, entry)).collect();
            events.extend(happening(job, &own, facts, &clocks));
        }
        events.retain(|(at, _)| *at >= from.as_second());
        events.sort_by(|a, b| (a.0, &a.1.job, a.1.stream).cmp(&(b.0, &b.1.job, b.1.stream)));
        let day_of = |at: i64| clock.local(at).div_euclid(86_400);
        for (at, event) in &mut events {
            when(clock, *at)[DATE..].clone_into(&mut event.time);
            event.minute = minute(clock.local(*at));
        }
        let failed = plan.checks.iter().filter(|check| check.outcome == Outcome::Failed);
        let breaches: Vec<_> = failed.filter_map(|check| Some((check.instant?, &check.text))).collect();
        let day = |day: i64| {
            let date = civil(day * 86_400).date();
            let weekday = usize::try_from(date.weekday().to_sunday_zero_offset()).unwrap_or_default();
            let here = |at: i64| day_of(at) == day;
            let breaches =
                breaches.iter().filter(|(at, _)| (from.as_second()..until.as_second()).contains(at) && here(*at));
            CalendarDay {
                date: date.to_string(),
                weekday: WEEKDAYS[weekday],
                events: events.iter().filter(|(at, _)| here(*at)).map(|(_, event)| event.clone()).collect(),
                breaches: breaches.map(|(at, text)| (minute(clock.local(*at)), (*text).clone())).collect(),
            }
        };
        Ok(Self {
            source: plan.source.clone(),
            zone: plan.zone.clone(),
            days: (day_of(from.as_second())..=day_of(until.as_second() - 1)).map(day).collect(),
            counter_example: plan.counter_example.clone(),
        })
    }
}

/// Where the time of day begins in `2026-11-22 23:59`.
const DATE: usize = 11;

fn minute(local: i64) -> u16 {
    u16::try_from(local.rem_euclid(86_400) / 60).unwrap_or_default()
}

/// Whether an entry is for this job, by whichever name.
fn is_of(job: &Job, entry: &Entry) -> bool {
    entry.job == job.name_at_sink() || (entry.host == job.source && entry.job == job.job)
}

/// All that its entries do, if nothing goes wrong.
fn happening(job: &Job, entries: &[&Entry], facts: &Facts, clocks: &Clocks) -> Vec<(i64, Event)> {
    let of = |purpose: Purpose| entries.iter().copied().filter(move |entry| entry.purpose == purpose);
    let draft = as_planned(job, entries, facts);
    let timeline = Timeline::of(&draft, clocks);
    let event = |entry: &Entry, takes: i64| Event {
        time: String::new(),
        minute: 0,
        takes,
        host: entry.host.clone(),
        job: entry.job.clone(),
        stream: entry.stream,
        purpose: entry.purpose,
        kind: entry.kind,
        copies: 0,
    };
    let mut events = Vec::new();
    for &(at, kind) in &timeline.collections {
        let entry = of(Purpose::Collect).find(|entry| planned(entry) == kind);
        events.extend(entry.map(|entry| (at, event(entry, draft.steps.collect))));
    }
    for line in &timeline.lines {
        let Some(entry) = of(Purpose::Transport).find(|entry| entry.stream == Some(line.stream)) else { continue };
        let carried = |&(at, copies): &(i64, usize)| (at, Event { copies, ..event(entry, line.takes(copies)) });
        events.extend(line.transports.iter().map(carried));
    }
    let others = [Purpose::Rotate, Purpose::Verify, Purpose::Drill, Purpose::Snapshot, Purpose::Checkpoint];
    for entry in others.into_iter().flat_map(of) {
        let Ok(time) = entry.cron.parse::<CronTime>() else { continue };
        let clock = if entry.host == job.source { &clocks.source } else { clocks.sink(&entry.host) };
        let takes = match entry.purpose {
            Purpose::Verify => draft.steps.verify,
            Purpose::Drill => draft.steps.restore.unwrap_or_default(),
            _ => 0,
        };
        events.extend(all_firings(&[time], clock).into_iter().map(|at| (at, event(entry, takes))));
    }
    events
}

/// What an entry asks a collection to be.
fn planned(entry: &Entry) -> Planned {
    match entry.kind {
        None => Planned::Auto,
        Some(GenerationKind::Incremental) => Planned::Incremental,
        Some(GenerationKind::Full) => Planned::Full,
    }
}

/// The job's part of the plan, as its entries have it.
fn as_planned<'a>(job: &'a Job, entries: &[&Entry], facts: &Facts) -> Draft<'a> {
    let times = |purpose: Purpose, stream: Option<StreamName>| {
        let of = entries.iter().filter(move |entry| entry.purpose == purpose && entry.stream == stream);
        of.filter_map(|entry| Some((entry, entry.cron.parse::<CronTime>().ok()?)))
    };
    let run = |(entry, time): (&&Entry, CronTime)| Run::explicit(time, planned(entry));
    let mut draft = Draft::new(job, facts.hosts.get(&job.source));
    draft.runs = times(Purpose::Collect, None).map(run).collect();
    let carry = |of: crate::job::StreamOf<'_>| {
        let times = |purpose| times(purpose, Some(of.name)).map(|(_, time)| time).collect();
        Carry {
            stream: of.name,
            mode: of.stream.transport.mode,
            sink: of.stream.sink.name.clone(),
            times: times(Purpose::Transport),
            again: times(Purpose::Again),
            why: String::new(),
        }
    };
    draft.carries = job.streams().map(carry).collect();
    draft
}

impl Event {
    /// What is done.
    const fn word(&self) -> &'static str {
        match (self.purpose, self.kind) {
            (Purpose::Collect, Some(GenerationKind::Full)) => "full",
            (Purpose::Collect, Some(GenerationKind::Incremental)) => "incremental",
            (Purpose::Collect | Purpose::CatchUp, _) => "collect",
            (Purpose::Transport | Purpose::Again, _) => "transport",
            (Purpose::Rotate, _) => "rotate",
            (Purpose::Verify, _) => "verify",
            (Purpose::Drill, _) => "drill",
            (Purpose::Snapshot, _) => "snapshot",
            (Purpose::Checkpoint, _) => "checkpoint",
        }
    }
}

/// `22:10 transport   shop data on web1, 20 min`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:<11} {}", self.time, self.word(), self.job)?;
        self.stream.iter().try_for_each(|stream| write!(f, " {stream}"))?;
        write!(f, " on {}", self.host)?;
        if self.copies > 1 {
            write!(f, ", {} generations", self.copies)?;
        }
        if self.takes > 0 { write!(f, ", {}", span(self.takes)) } else { Ok(()) }
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, local time of {}", self.source, self.zone)?;
        for day in &self.days {
            writeln!(f, "{} {}", day.weekday, day.date)?;
            day.events.iter().try_for_each(|event| writeln!(f, "  {event}"))?;
        }
        Ok(())
    }
}
