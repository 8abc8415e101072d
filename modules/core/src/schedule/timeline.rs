//! From entries to events: what is collected, sealed, carried and verified when, over the whole horizon.

use super::{Clock, CronTime, Delivery, Draft, Planned, Steps, firings, story::civil};
use crate::{GenerationKind, StreamName, job::Mode};
use std::collections::{BTreeMap, VecDeque};

/// Local times of the source and of its sinks.
#[derive(Debug, Clone)]
pub(super) struct Clocks {
    /// The source's.
    pub source: Clock,
    /// The sinks'.
    pub sinks: BTreeMap<String, Clock>,
}

impl Clocks {
    /// The same until an earlier end.
    pub(super) fn until(&self, to: i64) -> Self {
        let sinks = self.sinks.iter().map(|(name, clock)| (name.clone(), clock.until(to))).collect();
        Self { source: self.source.until(to), sinks }
    }

    /// The clock of the side that begins a transport.
    pub(super) fn of(&self, mode: Mode, sink: &str) -> &Clock {
        match mode {
            Mode::Push => &self.source,
            Mode::Pull => self.sink(sink),
        }
    }

    /// The clock of a sink, by which everything begins that has an entry there.
    pub(super) fn sink(&self, sink: &str) -> &Clock {
        self.sinks.get(sink).unwrap_or(&self.source)
    }
}

/// What happens to one stream of a job.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Which stream.
    pub stream: StreamName,
    /// The sink.
    pub sink: String,
    /// Everything that arrives, in order.
    pub deliveries: Vec<Delivery>,
    /// Starts of transports that carried something, with the number of generations that they carried.
    pub transports: Vec<(i64, usize)>,
    /// All starts of transports.
    pub starts: Vec<i64>,
    /// How long one generation is on its way, once its transport has begun.
    pub carry: i64,
    /// Most generations that were in the handover point at once, and when it came to that.
    pub most_waiting: (usize, i64),
}

impl Line {
    /// How long so many generations are on their way, one after the other.
    pub(super) fn takes(&self, copies: usize) -> i64 {
        i64::try_from(copies).unwrap_or(i64::MAX).saturating_mul(self.carry)
    }
}

/// What happens to a job.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    /// Starts of collections, with what they were asked to be. A start during another collection of the job is left out: it
    /// waits for that one and takes its copy for its own.
    pub collections: Vec<(i64, Planned)>,
    /// The first start that is left out because of a collection that began earlier, and when that one began.
    pub early: Option<(i64, i64)>,
    /// Per stream.
    pub lines: Vec<Line>,
}

/// All firings of some entries, ascending, each instant once.
pub(super) fn all_firings(times: &[CronTime], clock: &Clock) -> Vec<i64> {
    let mut all: Vec<i64> = times.iter().flat_map(|time| firings(time, clock).map(|firing| firing.at)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Timeline {
    /// The events of a draft.
    pub(super) fn of(draft: &Draft<'_>, clocks: &Clocks) -> Self {
        let (collections, early) = collections(draft, &clocks.source);
        let line = |carry: &super::Carry| {
            let transports =
                all_firings(&[&carry.times[..], &carry.again].concat(), clocks.of(carry.mode, &carry.sink));
            let full_every = draft.job.stream(carry.stream).map_or(0, |of| of.stream.full.every.0);
            let mut line = deliver(&collections, transports, &draft.steps, full_every);
            (line.stream, line.sink) = (carry.stream, carry.sink.clone());
            line
        };
        Self { lines: draft.carries.iter().map(line).collect(), collections, early }
    }
}

/// Starts of collections, with what they are asked to be.
type Collections = Vec<(i64, Planned)>;

/// All collections, and the first start during one that began earlier, with the start of that one.
fn collections(draft: &Draft<'_>, clock: &Clock) -> (Collections, Option<(i64, i64)>) {
    let off = draft.objectives.days_off();
    // Ten years have many firings: no date is asked for where no day is off.
    let works = |at: &i64| off.is_empty() || !off.contains(civil(clock.local(*at)).date());
    let starts = |run: &super::Run| {
        let firings = all_firings(&run.times(), clock).into_iter().filter(works);
        firings.map(|at| (at, run.kind)).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = draft.runs.iter().flat_map(starts).collect();
    // At one instant the full goes first, and what it makes is enough for the other.
    all.sort_unstable_by_key(|&(at, kind)| (at, std::cmp::Reverse(kind)));
    let (mut running, mut early) = (None, None);
    all.retain(|&(at, _)| match running {
        Some(since) if at < since + draft.steps.collect.max(1) => {
            if at > since {
                early.get_or_insert((at, since));
            }
            false
        }
        _ => {
            running = Some(at);
            true
        }
    });
    (all, early)
}

/// Carries collections away: a transport takes everything that is sealed when it begins, one after the other, oldest first.
fn deliver(collections: &[(i64, Planned)], starts: Vec<i64>, steps: &Steps, full_every: u64) -> Line {
    let mut state = Carrying {
        waiting: Vec::new(),
        base: None,
        fulls: VecDeque::new(),
        free: i64::MIN,
        line: Line {
            stream: StreamName::Data,
            sink: String::new(),
            deliveries: Vec::with_capacity(collections.len()),
            transports: Vec::new(),
            starts: Vec::new(),
            carry: steps.transport + steps.verify,
            most_waiting: (0, 0),
        },
        gone: 0,
    };
    let mut transports = starts.iter().copied().peekable();
    for &(data, planned) in collections {
        while let Some(start) = transports.next_if(|&start| start < data) {
            state.transport(start);
        }
        state.collect(data, planned, steps, full_every);
    }
    transports.for_each(|start| state.transport(start));
    Line { starts, ..state.line }
}

struct Carrying {
    /// Data time, end of the collection, kind.
    waiting: Vec<(i64, i64, GenerationKind)>,
    /// Data time of the newest full that had arrived.
    base: Option<i64>,
    /// Fulls on their way, in order: arrival, data time.
    fulls: VecDeque<(i64, i64)>,
    /// Until then a transport is running.
    free: i64,
    /// So many deliveries had left the handover point at the last collection: each stays there until it counts on the sink.
    gone: usize,
    line: Line,
}

impl Carrying {
    fn collect(&mut self, data: i64, planned: Planned, steps: &Steps, full_every: u64) {
        while let Some((_, full)) = self.fulls.pop_front_if(|&mut (arrives, _)| arrives <= data) {
            self.base = Some(full);
        }
        let kind = match (planned, self.base) {
            (Planned::Full, _) | (_, None) => GenerationKind::Full,
            (Planned::Auto, Some(base)) if (data - base).unsigned_abs() >= full_every => GenerationKind::Full,
            _ => GenerationKind::Incremental,
        };
        self.waiting.push((data, data + steps.collect, kind));
        self.gone += self.line.deliveries[self.gone..].iter().take_while(|delivery| delivery.arrives <= data).count();
        let waiting = self.line.deliveries.len() - self.gone + self.waiting.len();
        if waiting > self.line.most_waiting.0 {
            self.line.most_waiting = (waiting, data);
        }
    }

    fn transport(&mut self, start: i64) {
        let sealed = self.waiting.partition_point(|&(_, sealed, _)| sealed <= start);
        if start < self.free || sealed == 0 {
            return;
        }
        let mut arrives = start;
        self.line.transports.push((start, sealed));
        for (data, sealed, kind) in self.waiting.drain(..sealed) {
            arrives += self.line.carry;
            if kind == GenerationKind::Full {
                self.fulls.push_back((arrives, data));
            }
            self.line.deliveries.push(Delivery { data, sealed, arrives, kind });
        }
        self.free = arrives;
    }
}
