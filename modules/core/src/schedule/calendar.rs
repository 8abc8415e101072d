//! The next days of a plan: as text, and as a picture with one row per day.

use super::{
    Clock, CronTime, Entry, Facts, Plan, PlanError, Purpose, Steps, firings,
    story::{civil, span},
    zone,
};
use crate::{Job, job::objectives::WEEKDAYS};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// Some days of a plan, in the source's local time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// The source.
    pub source: String,
    /// Its zone.
    pub zone: String,
    /// One after the other.
    pub days: Vec<CalendarDay>,
}

/// One day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarDay {
    /// `2026-11-22`.
    pub date: String,
    /// `sun`.
    pub weekday: String,
    /// In order.
    pub events: Vec<Event>,
}

/// Something that begins on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// `22:00`.
    pub time: String,
    /// How long it takes at p95, in seconds.
    pub takes: i64,
    /// Host.
    pub host: String,
    /// Job.
    pub job: String,
    /// What.
    pub purpose: Purpose,
}

impl Calendar {
    /// The first `days` days from `from` on. What catches up or tries again is not shown: usually it does nothing.
    ///
    /// # Errors
    /// If a zone is not known.
    pub fn of(plan: &Plan, jobs: &[Job], facts: &Facts, from: Timestamp, days: u16) -> Result<Self, PlanError> {
        let until = from.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
        let local = Clock::new(&zone(&plan.zone, &plan.source)?, from, until);
        let mut events: Vec<(i64, Event)> = Vec::new();
        for entry in plan.entries.iter().filter(|entry| SHOWN.contains(&entry.purpose)) {
            let Ok(time) = entry.cron.parse::<CronTime>() else { continue };
            let sink = facts.sinks.get(&entry.host).map(|facts| facts.zone.as_str());
            let name = if entry.host == plan.source { plan.zone.as_str() } else { sink.unwrap_or("UTC") };
            let clock = Clock::new(&zone(name, &entry.host)?, from, until);
            let takes = takes(entry, jobs, facts);
            events.extend(
                firings(&time, &clock).map(|firing| (local.local(firing.at), event(entry, firing.at, &local, takes))),
            );
        }
        events.sort_by(|a, b| (a.0, &a.1.host, &a.1.job).cmp(&(b.0, &b.1.host, &b.1.job)));
        let mut calendar = Self { source: plan.source.clone(), zone: plan.zone.clone(), days: Vec::new() };
        let first = local.local(from.as_second()).div_euclid(86_400);
        let last = local.local(until.as_second() - 1).div_euclid(86_400);
        for day in first..=last {
            let date = civil(day * 86_400).date();
            let weekday = usize::try_from(date.weekday().to_sunday_zero_offset()).unwrap_or_default();
            let of_day = events.iter().filter(|(local, _)| local.div_euclid(86_400) == day);
            calendar.days.push(CalendarDay {
                date: date.to_string(),
                weekday: WEEKDAYS[weekday].into(),
                events: of_day.map(|(_, event)| event.clone()).collect(),
            });
        }
        Ok(calendar)
    }

    /// The same as a picture: a row per day, a column per hour, and a list of the colours.
    pub fn svg(&self) -> String {
        const HOUR: i64 = 40;
        const ROW: usize = 26;
        const LEFT: i64 = 110;
        let height = ROW * (self.days.len() + 3);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
             <title>Backups of {} ({})</title>\n",
            LEFT + 24 * HOUR + 20,
            self.source,
            self.zone
        );
        let mut add = |text: String| svg.push_str(&(text + "\n"));
        for hour in 0..=24 {
            let x = LEFT + hour * HOUR;
            add(format!("<text x=\"{x}\" y=\"14\" text-anchor=\"middle\">{hour:02}</text>"));
            add(format!(
                "<line x1=\"{x}\" y1=\"18\" x2=\"{x}\" y2=\"{}\" stroke=\"#ddd\"/>",
                ROW * (self.days.len() + 1)
            ));
        }
        for (row, day) in self.days.iter().enumerate() {
            let y = ROW * (row + 1);
            add(format!("<text x=\"4\" y=\"{}\">{} {}</text>", y + 14, day.weekday, day.date));
            for event in &day.events {
                let minutes = minutes(&event.time);
                // Something short is still seen; what passes midnight is cut there.
                let length = (event.takes / 60).max(4).min(1440 - minutes);
                add(format!(
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"16\" fill=\"{}\" fill-opacity=\"0.7\"><title>{} {} {} on {}, {}</title></rect>",
                    LEFT + minutes * HOUR / 60,
                    y + 2,
                    (length * HOUR / 60).max(2),
                    colour(event.purpose),
                    event.time,
                    word(event.purpose),
                    event.job,
                    event.host,
                    span(event.takes)
                ));
            }
        }
        let y = ROW * (self.days.len() + 2);
        for (place, purpose) in (0i64..).zip(SHOWN) {
            let x = LEFT + place * 130;
            add(format!(
                "<rect x=\"{x}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{}\" fill-opacity=\"0.7\"/>",
                y - 10,
                colour(purpose)
            ));
            add(format!("<text x=\"{}\" y=\"{y}\">{}</text>", x + 18, word(purpose)));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

const SHOWN: [Purpose; 7] = [
    Purpose::Collect,
    Purpose::Transport,
    Purpose::Rotate,
    Purpose::Verify,
    Purpose::Drill,
    Purpose::Snapshot,
    Purpose::Checkpoint,
];

fn event(entry: &Entry, at: i64, clock: &Clock, takes: i64) -> Event {
    let time = civil(clock.local(at));
    Event {
        time: format!("{:02}:{:02}", time.hour(), time.minute()),
        takes,
        host: entry.host.clone(),
        job: entry.job.clone(),
        purpose: entry.purpose,
    }
}

fn takes(entry: &Entry, jobs: &[Job], facts: &Facts) -> i64 {
    let name = entry.job.rsplit('/').next().unwrap_or_default();
    let Some(job) = jobs.iter().find(|job| job.job == name) else { return 0 };
    let steps = Steps::of(job, facts.hosts.get(&job.source).and_then(|host| host.jobs.get(name)));
    match entry.purpose {
        Purpose::Collect => steps.collect,
        Purpose::Transport => steps.transport + steps.verify,
        Purpose::Verify => steps.verify,
        Purpose::Drill => steps.restore.unwrap_or_default(),
        Purpose::CatchUp | Purpose::Again | Purpose::Rotate | Purpose::Snapshot | Purpose::Checkpoint => 0,
    }
}

fn minutes(time: &str) -> i64 {
    let number = |text: &str| text.parse::<i64>().unwrap_or_default();
    time.split_once(':').map_or(0, |(hour, minute)| number(hour) * 60 + number(minute))
}

const fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Collect => "collect",
        Purpose::CatchUp => "catch up",
        Purpose::Transport => "transport",
        Purpose::Again => "transport again",
        Purpose::Rotate => "rotate",
        Purpose::Verify => "verify",
        Purpose::Drill => "drill",
        Purpose::Snapshot => "snapshot",
        Purpose::Checkpoint => "checkpoint",
    }
}

const fn colour(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Collect | Purpose::CatchUp => "#1f77b4",
        Purpose::Transport | Purpose::Again => "#2ca02c",
        Purpose::Rotate => "#7f7f7f",
        Purpose::Verify => "#9467bd",
        Purpose::Drill => "#d62728",
        Purpose::Snapshot => "#ff7f0e",
        Purpose::Checkpoint => "#8c564b",
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, local time of {}", self.source, self.zone)?;
        for day in &self.days {
            writeln!(f, "{} {}", day.weekday, day.date)?;
            for event in &day.events {
                let mut line = format!("  {} {:<10} {} on {}", event.time, word(event.purpose), event.job, event.host);
                if event.takes > 0 {
                    write!(line, ", {}", span(event.takes))?;
                }
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}
