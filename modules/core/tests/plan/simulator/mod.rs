//! A second opinion: lives through a plan minute by minute, with the entries as texts, a cron daemon per host, and jiff's
//! own local time. It shares no code with the planner but the reading of job documents.

mod cron;
mod store;

use backup_core::{
    Job,
    job::objectives::{Blackout, Window},
    schedule::{Plan, Purpose},
};
use cron::Daemon;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
pub(crate) use store::Course;
use store::{Parcel, Store};

/// What an entry does. The order is that of those that begin at one instant: collections first, as a transport that finds
/// nothing sealed does nothing; of two collections the full, as the other waits for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Collect(Kind),
    /// Index of the stream within its job.
    Transport(usize),
    Rotate(usize),
    /// What is done to copies on the sink.
    Tend(Purpose, usize),
}

/// What a collection is asked to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Full,
    Incremental,
    Auto,
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
    /// Per job and stream: when its transport was begun, whether it carried something or not.
    pub tries: BTreeMap<(String, String), Vec<i64>>,
    /// Per job and stream: when fulls were collected, and when they came to count.
    pub fulls: BTreeMap<(String, String), Vec<(i64, i64)>>,
    /// Per job and stream: when what is done to copies was begun.
    pub tended: BTreeMap<(Purpose, String, String), Vec<i64>>,
    /// Starts of steps while another was running.
    pub overlaps: BTreeSet<i64>,
    /// Starts that came too soon after a step of this job, and how soon.
    pub crowded: BTreeMap<(String, i64), i64>,
    /// Minutes of collections outside of their window.
    pub outside: BTreeSet<(String, i64)>,
    /// Collections that found the handover point full.
    pub refused: BTreeSet<(String, i64)>,
    /// Per job and stream: so many copies were in the handover point at the most.
    pub most_waiting: BTreeMap<(String, String), usize>,
    /// Starts of a full and an incremental of one job at one instant.
    pub twins: BTreeSet<(String, i64)>,
    /// Per job and stream: what became of its copies on the sink.
    pub stores: BTreeMap<(String, String), Course>,
}

impl Seen {
    /// The age of the newest copy's data just before `at`.
    pub(crate) fn age(&self, job: &str, stream: &str, at: i64) -> Option<i64> {
        let arrivals = self.arrivals.get(&(job.to_owned(), stream.to_owned()))?;
        let there = arrivals.partition_point(|(arrives, _)| *arrives < at);
        Some(at - arrivals[there.checked_sub(1)?].1)
    }

    fn crowd(&mut self, job: &str, start: i64, after: i64) {
        let least = self.crowded.entry((job.to_owned(), start)).or_insert(after);
        *least = after.min(*least);
    }

    /// The greatest of these ages before a copy came to count.
    pub(crate) fn worst(&self, job: &str, stream: &str) -> Option<i64> {
        let arrivals = self.arrivals.get(&(job.to_owned(), stream.to_owned()))?;
        arrivals.iter().filter_map(|(arrives, _)| self.age(job, stream, *arrives)).max()
    }

    /// The first time at which this was done to copies while the newest of these fulls was not there.
    pub(crate) fn first_too_early(
        &self,
        purpose: Purpose,
        job: &str,
        stream: &str,
        is_one: impl Fn(i64) -> bool,
    ) -> Option<i64> {
        let fulls = self.fulls.get(&(job.to_owned(), stream.to_owned()))?;
        let tended = self.tended.get(&(purpose, job.to_owned(), stream.to_owned()))?;
        let newest = |at: i64| {
            let collected = &fulls[..fulls.partition_point(|(data, _)| *data <= at)];
            collected.iter().rfind(|(data, _)| is_one(*data))
        };
        tended.iter().copied().find(|&at| newest(at).is_some_and(|(_, counts)| *counts > at))
    }
}

/// A job as it lives.
struct Living {
    steps: [i64; 3],
    gap: i64,
    leader: usize,
    /// The last collection: when it began and what it was asked to be.
    last: Option<(i64, Kind)>,
    streams: Vec<Flow>,
}

/// A stream of a job as it flows.
struct Flow {
    name: String,
    /// What waits: data time, end of the collection, base.
    waiting: VecDeque<(i64, i64, Option<i64>)>,
    /// Data time of the newest full that counts.
    base: Option<i64>,
    /// Fulls that were carried and do not yet: when they will, data time.
    fulls: VecDeque<(i64, i64)>,
    /// A base is no older.
    full_every: i64,
    store: Store,
    /// When what is on its way will count; until then the handover point holds it.
    leaving: VecDeque<i64>,
    /// Until then a transport runs.
    busy_until: i64,
    /// So many may wait.
    keep: usize,
    /// So many did.
    most: usize,
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
    let mut daemons: BTreeMap<String, Daemon<(usize, Action)>> = BTreeMap::new();
    let lived = |purpose| matches!(purpose, Purpose::Verify | Purpose::Drill);
    for entry in plan.entries.iter().filter(|entry| entry.install || lived(entry.purpose)) {
        let name = entry.job.rsplit('/').next().unwrap();
        let job = jobs.iter().position(|job| job.job == name).unwrap();
        let stream = || {
            let stream = entry.command.split("--stream ").nth(1).unwrap().split(' ').next().unwrap();
            jobs[job].streams().position(|of| of.name.as_str() == stream).unwrap()
        };
        let action = match entry.purpose {
            Purpose::Collect if entry.command.contains(" --kind full ") => Action::Collect(Kind::Full),
            Purpose::Collect if entry.command.contains(" --kind incremental ") => Action::Collect(Kind::Incremental),
            Purpose::Collect => Action::Collect(Kind::Auto),
            Purpose::Transport | Purpose::Again => Action::Transport(stream()),
            Purpose::Rotate => Action::Rotate(stream()),
            tending @ (Purpose::Verify | Purpose::Drill) => Action::Tend(tending, stream()),
            _ => continue,
        };
        let daemon = daemons.entry(entry.host.clone()).or_insert(Daemon::new(zones[&entry.host].clone()));
        daemon.add(&entry.cron, (job, action));
    }
    let mut world = World {
        jobs,
        zone: zones[&jobs[0].source].clone(),
        living: jobs.iter().map(|job| living(job, jobs, plan)).collect(),
        running: Vec::new(),
        ended: BTreeMap::new(),
        outage,
        seen: Seen::default(),
    };
    let mut now = from;
    let mut starts: Vec<(i64, Action, usize)> = Vec::new();
    while now < until {
        if daemons.values_mut().all(|daemon| daemon.is_quiet(now)) {
            daemons.values_mut().for_each(Daemon::sleep);
            now += 900;
            continue;
        }
        for daemon in daemons.values_mut() {
            daemon.wake(now, |at, (job, action)| starts.push((at, action, job)));
        }
        starts.sort_unstable();
        for (at, action, job) in starts.drain(..).filter(|(at, ..)| *at < until) {
            world.start(at, job, action);
        }
        now += 60;
    }
    world.end()
}

fn living(job: &Job, jobs: &[Job], plan: &Plan) -> Living {
    let objectives = job.objectives.clone().unwrap();
    let seconds = |span: Option<backup_core::units::Span>| i64::try_from(span.unwrap().0).unwrap();
    let durations = objectives.durations;
    let name = objectives.with.as_ref().unwrap_or(&job.job);
    let policy = |stream| {
        let attained = plan.streams.iter().find(|attained| attained.job == job.job && attained.stream == stream);
        &attained.unwrap().retention
    };
    Living {
        steps: [durations.collect, durations.transport, durations.verify].map(seconds),
        gap: i64::try_from(objectives.gap.0).unwrap(),
        leader: jobs.iter().position(|other| other.job == *name).unwrap(),
        last: None,
        streams: job
            .streams()
            .map(|of| Flow {
                name: of.name.to_string(),
                waiting: VecDeque::new(),
                base: None,
                fulls: VecDeque::new(),
                full_every: seconds(Some(of.stream.full.every)),
                store: Store::new(&of, policy(of.name)),
                leaving: VecDeque::new(),
                busy_until: i64::MIN,
                keep: of.stream.handover.keep as usize,
                most: 0,
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
            Action::Collect(kind) => self.collect(at, job, kind),
            Action::Transport(stream) => self.transport(at, job, stream),
            Action::Rotate(stream) => {
                let store = &mut self.living[job].streams[stream].store;
                store.receive(at);
                store.rotate(at);
            }
            Action::Tend(purpose, stream) => {
                let of = (purpose, self.jobs[job].job.clone(), self.living[job].streams[stream].name.clone());
                self.seen.tended.entry(of).or_default().push(at);
            }
        }
    }

    fn end(mut self) -> Seen {
        for (job, living) in self.jobs.iter().zip(self.living) {
            for mut flow in living.streams {
                flow.store.receive(i64::MAX);
                let of = (job.job.clone(), flow.name);
                self.seen.most_waiting.insert(of.clone(), flow.most);
                self.seen.stores.insert(of, flow.store.course);
            }
        }
        self.seen
    }

    fn collect(&mut self, at: i64, job: usize, kind: Kind) {
        let jobs = self.jobs;
        let name = &jobs[job].job;
        // It finds that nothing is collected today.
        if self.is_dark(job, at) {
            return;
        }
        let living = &mut self.living[job];
        if let Some((since, other)) = living.last.filter(|(since, _)| since + living.steps[0] > at) {
            if since < at {
                self.seen.overlaps.insert(at);
            } else if kind != other {
                self.seen.twins.insert((name.clone(), at));
            }
            return;
        }
        let end = at + living.steps[0];
        living.last = Some((at, kind));
        for flow in &mut living.streams {
            let base = flow.base(at, kind);
            flow.waiting.push_back((at, end, base));
            while flow.leaving.pop_front_if(|counts| *counts <= at).is_some() {}
            let waiting = flow.waiting.len() + flow.leaving.len();
            flow.most = flow.most.max(waiting);
            if waiting > flow.keep {
                self.seen.refused.insert((name.clone(), at));
            }
        }
        let forbidden = |minute: &i64| !self.is_open(job, *minute) || self.is_dark(job, *minute);
        let outside: Vec<i64> = (at..end).step_by(60).filter(forbidden).collect();
        self.seen.outside.extend(outside.into_iter().map(|minute| (name.clone(), minute)));
        self.occupy(Step { start: at, end, job, leader: job, transport: false });
    }

    fn transport(&mut self, at: i64, job: usize, stream: usize) {
        let name = self.jobs[job].job.clone();
        let living = &mut self.living[job];
        let [_, transport, verify] = living.steps;
        let leader = living.leader;
        let flow = &mut living.streams[stream];
        let of = (name, flow.name.clone());
        self.seen.tries.entry(of.clone()).or_default().push(at);
        if flow.busy_until > at || flow.waiting.iter().all(|(_, sealed, _)| *sealed > at) {
            return;
        }
        if self.outage.as_ref().is_some_and(|outage| outage.of == of && outage.after < at && at < outage.back) {
            return;
        }
        self.seen.starts.entry(of.clone()).or_default().push(at);
        // The oldest goes first, and the next one only when it is verified.
        let mut left = at;
        while let Some((data, _, base)) = flow.waiting.pop_front_if(|(_, sealed, _)| *sealed <= at) {
            flow.busy_until = left.max(flow.busy_until) + transport + verify;
            left = flow.busy_until;
            flow.leaving.push_back(left);
            flow.fulls.extend(base.is_none().then_some((left, data)));
            flow.store.send(Parcel { data, arrives: left, base });
            self.seen.arrivals.entry(of.clone()).or_default().push((left, data));
            if base.is_none() {
                self.seen.fulls.entry(of.clone()).or_default().push((data, left));
            }
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
                self.seen.crowd(&self.jobs[job].job, step.start, step.start - ended.unwrap());
            }
        }
        // Of two that begin at once each is too close to the other.
        let twin = |other: &Step| other.start == step.start && other.leader != step.leader;
        if step.leader == step.job && self.living[step.job].gap > 0 && self.running.iter().any(twin) {
            self.seen.crowd(&self.jobs[step.job].job, step.start, step.start - step.end);
        }
        if step.leader == step.job {
            let ended = self.ended.entry(step.job).or_insert(step.end);
            *ended = step.end.max(*ended);
        }
        self.running.push(step);
    }

    /// Whether this minute lies in the job's window and in no weekly blackout.
    fn is_open(&self, job: usize, at: i64) -> bool {
        let objectives = self.jobs[job].objectives.as_ref().unwrap();
        if objectives.window.is_empty() && objectives.blackout.is_empty() {
            return true;
        }
        let time = self.local(at);
        let minute = u16::try_from(time.hour()).unwrap() * 60 + u16::try_from(time.minute()).unwrap();
        let today = u8::try_from(time.weekday().to_sunday_zero_offset()).unwrap();
        let yesterday = (today + 6) % 7;
        let within = |window: &Window| {
            if window.from < window.until {
                window.days.contains(today) && (window.from..window.until).contains(&minute)
            } else {
                (window.days.contains(today) && minute >= window.from)
                    || (window.days.contains(yesterday) && minute < window.until)
            }
        };
        let dark = |blackout: &Blackout| matches!(blackout, Blackout::Weekly(window) if within(window));
        (objectives.window.is_empty() || objectives.window.iter().any(within)) && !objectives.blackout.iter().any(dark)
    }

    /// Whether this lies on a day of the year of the job's blackout.
    fn is_dark(&self, job: usize, at: i64) -> bool {
        let blackout = &self.jobs[job].objectives.as_ref().unwrap().blackout;
        let dates: Vec<_> = blackout.iter().filter(|blackout| matches!(blackout, Blackout::Yearly { .. })).collect();
        if dates.is_empty() {
            return false;
        }
        let time = self.local(at);
        let [month, day] = [time.month(), time.day()].map(|number| u8::try_from(number).unwrap());
        dates.contains(&&Blackout::Yearly { month, day })
    }

    fn local(&self, at: i64) -> DateTime {
        self.zone.to_datetime(Timestamp::from_second(at).unwrap())
    }
}

impl Flow {
    /// The full that a collection of this kind needs: the newest that had arrived, unless it is to be a full.
    fn base(&mut self, at: i64, kind: Kind) -> Option<i64> {
        while let Some((_, full)) = self.fulls.pop_front_if(|(counts, _)| *counts <= at) {
            self.base = Some(full);
        }
        let base = self.base?;
        let is_due = kind == Kind::Full || kind == Kind::Auto && at - base >= self.full_every;
        (!is_due).then_some(base)
    }
}
