//! A second opinion: lives through a plan minute by minute, with the entries as texts, a cron daemon per host, and jiff's
//! own local time. It shares no code with the planner but the reading of job documents.

use backup_core::{Job, schedule::Plan, schedule::Purpose};
use jiff::{Timestamp, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// One entry as cron reads it.
struct Line {
    /// One bit per value: minute, hour, day of month, month, day of week.
    fields: [u64; 5],
    wild: bool,
    job: usize,
    action: Action,
}

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Collect,
    /// Index of the stream within its job.
    Transport(usize),
}

fn field(text: &str, low: u8, high: u8) -> u64 {
    let part = |part: &str| {
        let (span, step) = part.split_once('/').map_or((part, 1), |(span, step)| (span, step.parse().unwrap()));
        let (first, last) = match span.split_once('-') {
            Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
            None if span == "*" => (low, high),
            None => (span.parse().unwrap(), span.parse().unwrap()),
        };
        (first..=last).step_by(step).collect::<Vec<u8>>()
    };
    text.split(',').flat_map(part).fold(0, |set, value| set | 1 << value)
}

impl Line {
    fn new(cron: &str, job: usize, action: Action) -> Self {
        let texts: Vec<&str> = cron.split(' ').collect();
        let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        let fields = std::array::from_fn(|n| field(texts[n], ranges[n].0, ranges[n].1));
        Self { fields, wild: texts[0].starts_with('*') || texts[1].starts_with('*'), job, action }
    }

    /// Never both kinds of days, so that *and* and *or* are the same.
    fn matches(&self, now: [i8; 5]) -> bool {
        self.fields.iter().zip(now).all(|(field, now)| field >> now & 1 == 1)
    }
}

/// The fields of a local minute.
fn fields(minute: i64) -> [i8; 5] {
    let time = TimeZone::UTC.to_datetime(Timestamp::from_second(minute * 60).unwrap());
    [time.minute(), time.hour(), time.day(), time.month(), time.weekday().to_sunday_zero_offset()]
}

/// Debian's cron: it wakes each minute and compares the clock with how far it has come.
struct Daemon {
    zone: TimeZone,
    lines: Vec<Line>,
    /// The local minute up to which everything was run.
    done: Option<i64>,
    /// Of which quarter of an hour the offset is known, and the offset.
    quarter: Option<i64>,
    offset: i64,
}

impl Daemon {
    /// Starts at this UTC second: which line, when.
    fn wake(&mut self, now: i64) -> Vec<(usize, i64)> {
        // Clocks are changed at quarters of an hour.
        if self.quarter != Some(now.div_euclid(900)) {
            self.quarter = Some(now.div_euclid(900));
            self.offset = self.zone.to_offset(Timestamp::from_second(now).unwrap()).seconds().into();
        }
        let clock = (now + self.offset).div_euclid(60);
        let done = self.done.unwrap_or(clock - 1);
        let mut starts: Vec<(usize, i64)> = Vec::new();
        let mut run = |minute: i64, wild: bool, fixed: bool| {
            if self.lines.iter().all(|line| line.fields[0] >> minute.rem_euclid(60) & 1 == 0) {
                return;
            }
            let now_local = fields(minute);
            for (index, line) in self.lines.iter().enumerate() {
                if (if line.wild { wild } else { fixed }) && line.matches(now_local) {
                    // It sleeps ten seconds after each minute of the past that had something to do.
                    let before = starts.iter().filter(|(other, _)| *other == index).count();
                    starts.push((index, now + 10 * i64::try_from(before).unwrap()));
                }
            }
        };
        match clock - done {
            ..-180 | 181.. => {
                run(clock, true, true);
                self.done = Some(clock);
            }
            -180..=0 => {
                run(clock, true, false);
                self.done = Some(done);
            }
            1..=5 => {
                (done + 1..=clock).for_each(|minute| run(minute, true, true));
                self.done = Some(clock);
            }
            6..=180 => {
                run(clock, true, false);
                (done + 1..=clock).for_each(|minute| run(minute, false, true));
                self.done = Some(clock);
            }
        }
        starts
    }
}

/// Something that occupies the source.
#[derive(Clone, Copy)]
struct Step {
    start: i64,
    end: i64,
    job: usize,
    leader: usize,
    transport: bool,
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Per job and stream: when transports that carried something began.
    pub starts: BTreeMap<(String, String), Vec<i64>>,
    /// Per job and stream: when copies came to count, and how new their data were.
    pub arrivals: BTreeMap<(String, String), Vec<(i64, i64)>>,
    /// Starts of steps while another was running.
    pub overlaps: BTreeSet<i64>,
    /// Starts that came too soon after a step of this job.
    pub crowded: BTreeSet<(String, i64)>,
    /// Minutes of collections outside of their window.
    pub outside: BTreeSet<(String, i64)>,
    /// Collections that found the handover point full.
    pub refused: BTreeSet<(String, i64)>,
}

impl Seen {
    /// The age of the newest copy's data just before `at`.
    pub(crate) fn age(&self, job: &str, stream: &str, at: i64) -> Option<i64> {
        let arrivals = self.arrivals.get(&(job.to_owned(), stream.to_owned()))?;
        let there = arrivals.partition_point(|(arrives, _)| *arrives < at);
        Some(at - arrivals[there.checked_sub(1)?].1)
    }

    /// The greatest of these ages before a copy came to count.
    pub(crate) fn worst(&self, job: &str, stream: &str) -> Option<i64> {
        let arrivals = self.arrivals.get(&(job.to_owned(), stream.to_owned()))?;
        arrivals.iter().filter_map(|(arrives, _)| self.age(job, stream, *arrives)).max()
    }
}

/// A job as it lives.
struct Living {
    steps: [i64; 3],
    gap: i64,
    leader: usize,
    busy_until: i64,
    streams: Vec<Flow>,
}

/// A stream of a job as it flows.
struct Flow {
    name: String,
    /// What waits: data time, end of the collection.
    waiting: Vec<(i64, i64)>,
    /// When what is on its way will count; until then the handover point holds it.
    leaving: Vec<i64>,
    /// Until then a transport runs.
    busy_until: i64,
    /// So many may wait.
    keep: usize,
}

/// Lives from `from` to `until`.
pub(crate) fn live(jobs: &[Job], plan: &Plan, zones: &BTreeMap<String, TimeZone>, from: i64, until: i64) -> Seen {
    live_through(jobs, plan, zones, [from, until], None)
}

/// A sink that is away for one stream.
pub(crate) struct Outage {
    /// Job and stream.
    pub of: (String, String),
    /// Transports after this instant fail.
    pub after: i64,
    /// Those from this one on do not.
    pub back: i64,
}

/// The same, through an outage.
pub(crate) fn live_through(
    jobs: &[Job],
    plan: &Plan,
    zones: &BTreeMap<String, TimeZone>,
    [from, until]: [i64; 2],
    outage: Option<Outage>,
) -> Seen {
    let mut daemons: BTreeMap<String, Daemon> = BTreeMap::new();
    for entry in plan.entries.iter().filter(|entry| entry.install) {
        let name = entry.job.rsplit('/').next().unwrap();
        let job = jobs.iter().position(|job| job.job == name).unwrap();
        let action = match entry.purpose {
            Purpose::Collect => Action::Collect,
            Purpose::Transport | Purpose::Again => {
                let stream = entry.command.split("--stream ").nth(1).unwrap().split(' ').next().unwrap();
                Action::Transport(jobs[job].streams().position(|of| of.name.as_str() == stream).unwrap())
            }
            _ => continue,
        };
        let zone = zones[&entry.host].clone();
        let daemon = daemons.entry(entry.host.clone()).or_insert(Daemon {
            zone,
            lines: Vec::new(),
            done: None,
            quarter: None,
            offset: 0,
        });
        daemon.lines.push(Line::new(&entry.cron, job, action));
    }
    let mut world = World {
        jobs,
        zone: zones[&jobs[0].source].clone(),
        living: jobs.iter().map(|job| living(job, jobs)).collect(),
        running: Vec::new(),
        ended: BTreeMap::new(),
        outage,
        seen: Seen::default(),
    };
    let mut now = from;
    while now < until {
        let mut starts: Vec<(i64, usize, Action)> = Vec::new();
        for daemon in daemons.values_mut() {
            let due = daemon.wake(now);
            starts.extend(due.into_iter().map(|(line, at)| (at, daemon.lines[line].job, daemon.lines[line].action)));
        }
        // Two entries of one job at one instant: the lock lets one through. Collections first, as a transport that finds
        // nothing sealed does nothing.
        starts.sort_by_key(|&(at, job, action)| (at, action != Action::Collect, job));
        starts.into_iter().filter(|(at, ..)| *at < until).for_each(|(at, job, action)| world.start(at, job, action));
        now += 60;
    }
    world.seen
}

fn living(job: &Job, jobs: &[Job]) -> Living {
    let objectives = job.objectives.clone().unwrap();
    let seconds = |span: Option<backup_core::units::Span>| i64::try_from(span.unwrap().0).unwrap();
    let durations = objectives.durations;
    let name = objectives.with.as_ref().unwrap_or(&job.job);
    Living {
        steps: [durations.collect, durations.transport, durations.verify].map(seconds),
        gap: i64::try_from(objectives.gap.0).unwrap(),
        leader: jobs.iter().position(|other| other.job == *name).unwrap(),
        busy_until: i64::MIN,
        streams: job
            .streams()
            .map(|of| Flow {
                name: of.name.to_string(),
                waiting: Vec::new(),
                leaving: Vec::new(),
                busy_until: i64::MIN,
                keep: of.stream.handover.keep as usize,
            })
            .collect(),
    }
}

struct World<'a> {
    jobs: &'a [Job],
    zone: TimeZone,
    living: Vec<Living>,
    /// Steps that may still run.
    running: Vec<Step>,
    /// When the last step of a job's own ended.
    ended: BTreeMap<usize, i64>,
    outage: Option<Outage>,
    seen: Seen,
}

impl World<'_> {
    fn start(&mut self, at: i64, job: usize, action: Action) {
        match action {
            Action::Collect => self.collect(at, job),
            Action::Transport(stream) => self.transport(at, job, stream),
        }
    }

    fn collect(&mut self, at: i64, job: usize) {
        let name = self.jobs[job].job.clone();
        let living = &mut self.living[job];
        if living.busy_until > at {
            return;
        }
        let end = at + living.steps[0];
        living.busy_until = end;
        for flow in &mut living.streams {
            flow.waiting.push((at, end));
            flow.leaving.retain(|counts| *counts > at);
            if flow.waiting.len() + flow.leaving.len() > flow.keep {
                self.seen.refused.insert((name.clone(), at));
            }
        }
        for minute in (at..end).step_by(60) {
            if !self.is_open(job, minute) {
                self.seen.outside.insert((name.clone(), minute));
            }
        }
        self.occupy(Step { start: at, end, job, leader: job, transport: false });
    }

    fn transport(&mut self, at: i64, job: usize, stream: usize) {
        let name = self.jobs[job].job.clone();
        let living = &mut self.living[job];
        let [_, transport, verify] = living.steps;
        let leader = living.leader;
        let flow = &mut living.streams[stream];
        let of = (name, flow.name.clone());
        if flow.busy_until > at || flow.waiting.iter().all(|(_, sealed)| *sealed > at) {
            return;
        }
        if self.outage.as_ref().is_some_and(|outage| outage.of == of && outage.after < at && at < outage.back) {
            return;
        }
        self.seen.starts.entry(of.clone()).or_default().push(at);
        // The oldest goes first, and the next one only when it is verified.
        let mut left = at;
        while let Some(&(data, _)) = flow.waiting.first().filter(|(_, sealed)| *sealed <= at) {
            flow.waiting.remove(0);
            flow.busy_until = left.max(flow.busy_until) + transport + verify;
            left = flow.busy_until;
            flow.leaving.push(left);
            self.seen.arrivals.entry(of.clone()).or_default().push((left, data));
        }
        self.occupy(Step { start: at, end: left - verify, job, leader, transport: true });
    }

    fn occupy(&mut self, step: Step) {
        self.running.retain(|other| other.end > step.start);
        let together = |other: &Step| {
            let apart = other.job == step.job && other.start != step.start;
            other.transport && step.transport && other.leader == step.leader && !apart
        };
        if self.running.iter().any(|other| !together(other)) {
            self.seen.overlaps.insert(step.start);
        }
        for (job, living) in self.living.iter().enumerate().filter(|(_, living)| living.gap > 0) {
            let own = |other: &&Step| other.job == job && other.leader == job;
            let running = self.running.iter().filter(own).map(|other| other.end).max();
            let ended = running.max(self.ended.get(&job).copied());
            if step.leader != job && ended.is_some_and(|ended| step.start - ended < living.gap) {
                self.seen.crowded.insert((self.jobs[job].job.clone(), step.start));
            }
        }
        // Of two that begin at once each is too close to the other.
        let twin = |other: &Step| other.start == step.start && other.leader != step.leader;
        if step.leader == step.job && self.living[step.job].gap > 0 && self.running.iter().any(twin) {
            self.seen.crowded.insert((self.jobs[step.job].job.clone(), step.start));
        }
        if step.leader == step.job {
            let ended = self.ended.entry(step.job).or_insert(step.end);
            *ended = step.end.max(*ended);
        }
        self.running.push(step);
    }

    /// Whether this minute lies in the job's window and in no blackout.
    fn is_open(&self, job: usize, at: i64) -> bool {
        let objectives = self.jobs[job].objectives.as_ref().unwrap();
        let time = self.zone.to_datetime(Timestamp::from_second(at).unwrap());
        let minute = u16::try_from(time.hour()).unwrap() * 60 + u16::try_from(time.minute()).unwrap();
        let today = u8::try_from(time.weekday().to_sunday_zero_offset()).unwrap();
        let yesterday = (today + 6) % 7;
        let within = |window: &backup_core::job::objectives::Window| {
            if window.from < window.until {
                window.days.contains(today) && (window.from..window.until).contains(&minute)
            } else {
                (window.days.contains(today) && minute >= window.from)
                    || (window.days.contains(yesterday) && minute < window.until)
            }
        };
        objectives.window.is_empty() || objectives.window.iter().any(within)
    }
}
