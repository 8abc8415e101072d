//! Sources that declare the same: they are planned once, under names that no host has.

use super::super::{
    Clocks, Entry, Facts, HostFacts, Measured, Plan, PlanError, Week,
    facts::{ASSUMED, hash},
    plan::prepared,
};
use crate::{
    Job,
    job::{Auth, Checks, Handover, Hooks, Mail, Objectives, Peer, Priority, Restore, Sink, Store, Stream, Transport},
    units::{Bytes, Span},
};
use jiff::Timestamp;
use std::{collections::BTreeMap, path::PathBuf};

/// Stands for the source. No name has braces.
const SOURCE: &str = "{source}";

/// Stands for a sink, by its number among those of the source.
fn sink(number: usize) -> String {
    format!("{{sink{number}}}")
}

/// What several sources declare alike.
pub(super) struct Kind {
    pub jobs: Vec<Job>,
    facts: Facts,
    pub clocks: Clocks,
}

/// One source.
pub(super) struct Member<'a> {
    pub source: &'a str,
    /// Index of its kind.
    pub kind: usize,
    /// Its sinks, by the kind's numbers.
    pub sinks: Vec<&'a str>,
    /// Its own place, in minutes of the day.
    pub place: u32,
    /// How far it was shifted before, in minutes.
    pub before: Option<u32>,
}

/// Where a kind is planned: as far as it matters to its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Position {
    /// Minute of the day, shift included.
    pub place: u32,
    /// Minutes by which transports after declared times are delayed.
    pub shift: u32,
}

/// Sorts the sources by what they declare.
///
/// # Errors
/// If no plan can be made of one of them.
pub(super) fn kinds<'a>(
    sources: &'a BTreeMap<String, Vec<Job>>,
    facts: &Facts,
    from: Timestamp,
    until: Timestamp,
) -> Result<(Vec<Kind>, Vec<Member<'a>>), PlanError> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let (mut kinds, mut members) = (Vec::new(), Vec::with_capacity(sources.len()));
    for (source, jobs) in sources {
        let host = facts.hosts.get(source).cloned().unwrap_or_default();
        let mut sinks: Vec<&str> = Vec::new();
        for name in jobs.iter().flat_map(Job::streams).map(|of| of.stream.sink.name.as_str()) {
            if !sinks.contains(&name) {
                sinks.push(name);
            }
        }
        let plain: Vec<Job> = jobs.iter().map(|job| plain(job, &sinks)).collect();
        let about = Facts {
            hosts: [(SOURCE.to_owned(), telling(jobs, &host))].into(),
            sinks: sinks
                .iter()
                .enumerate()
                .filter_map(|(n, name)| Some((sink(n), facts.sinks.get(*name)?.clone())))
                .collect(),
        };
        let key = serde_json::to_string(&(&plain, &about)).unwrap_or_default();
        let kind = if let Some(&kind) = known.get(&key) {
            kind
        } else {
            // What contradicts itself is told by its own names.
            prepared(jobs, facts, from, until)?;
            let clocks = prepared(&plain, &about, from, until)?;
            kinds.push(Kind { jobs: plain, facts: about, clocks });
            known.insert(key, kinds.len() - 1);
            kinds.len() - 1
        };
        let before = host.shift.map(|_| host.shift_minutes());
        members.push(Member { source, kind, sinks, place: host.place(source).0.into(), before });
    }
    Ok((kinds, members))
}

/// The job with all that a plan depends on, and nothing else: the plan is made from this, so nothing else can matter.
fn plain(job: &Job, sinks: &[&str]) -> Job {
    let stream = |of: &Stream| Stream {
        include: Vec::new(),
        exclude: Vec::new(),
        one_file_system: true,
        special_files: false,
        dumps: Vec::new(),
        checks: Checks::default(),
        full: of.full,
        large_file: Bytes(0),
        compression_level: 0,
        user: of.user.clone(),
        handover: Handover { path: None, keep: of.handover.keep },
        store: Store { path: None, retention: of.store.retention.clone() },
        restore_folder: None,
        transport: Transport {
            mode: of.transport.mode,
            peer: Peer { address: String::new(), port: 0, user: None, identity: None, known_hosts: PathBuf::new() },
            auth: Auth::default(),
            verify: of.transport.verify,
            bandwidth: of.transport.bandwidth,
            window: of.transport.window,
            signers: PathBuf::new(),
        },
        sink: Sink {
            name: sink(sinks.iter().position(|name| *name == of.sink.name).unwrap_or_default()),
            user: of.sink.user.clone(),
            login: of.sink.login.clone(),
            home: None,
            retention: of.sink.retention.clone(),
            quota: None,
            protect: of.sink.protect,
            verify_max_age: of.sink.verify_max_age,
            verify_box: Span(0),
            receipt_key: PathBuf::new(),
        },
    };
    Job {
        version: job.version,
        job: job.job.clone(),
        group: String::new(),
        source: SOURCE.into(),
        state: PathBuf::new(),
        mail: Mail::default(),
        priority: Priority::default(),
        services: Vec::new(),
        max_downtime: Span(0),
        hooks: Hooks::default(),
        restore: Restore::default(),
        schedule: job.schedule.declared(),
        objectives: job.objectives.clone(),
        streams: job.streams.iter().map(|(&name, of)| (name, stream(of))).collect(),
    }
}

/// What is known of a host, as far as it says more than the declarations: measurements that stay below what is declared or
/// assumed would make each host another kind.
fn telling(jobs: &[Job], host: &HostFacts) -> HostFacts {
    let told = |job: &Job| {
        let measured = host.jobs.get(&job.job)?;
        let Objectives { durations, size, .. } = job.objectives.clone().unwrap_or_default();
        // What stays below the assumption is not told as if nobody had measured it: then it would be unknown.
        let beyond = |measured: Option<Span>, declared: Option<Span>, assumed: Span| match declared {
            Some(_) => measured.max(declared),
            None => measured.map(|measured| measured.max(assumed)),
        };
        let [collect, transport, verify] = ASSUMED;
        let told = Measured {
            collect: beyond(measured.collect, durations.collect, collect),
            transport: beyond(measured.transport, durations.transport, transport),
            verify: beyond(measured.verify, durations.verify, verify),
            // That it was measured is something in itself.
            restore: measured.restore,
            full: measured.full.max(size.map(|size| size.full)),
            incremental: measured.incremental.max(size.and_then(|size| size.incremental)),
            samples: (!measured.is_usual()).then_some(0),
        };
        Some((job.job.clone(), told))
    };
    HostFacts {
        zone: host.zone.clone(),
        jobs: jobs.iter().filter_map(told).collect(),
        delays: jobs.iter().filter_map(|job| Some((job.job.clone(), *host.delays.get(&job.job)?))).collect(),
        place: None,
        shift: None,
    }
}

impl Kind {
    /// What is known, at a position.
    pub(super) fn facts(&self, at: Position) -> Facts {
        let mut facts = self.facts.clone();
        for host in facts.hosts.values_mut() {
            // The shift counts for the place, too.
            host.put(at.place + Week::DAY - at.shift % Week::DAY, at.shift);
        }
        facts
    }
}

impl Member<'_> {
    /// The plan of its kind, under its own names. The entries are those for each minute of a quarter of an hour.
    pub(super) fn named(&self, (plan, entries): &(Plan, Vec<Vec<Entry>>)) -> Plan {
        let named = |text: &str| self.text(text);
        let mut plan = Plan { source: self.source.to_owned(), ..plan.clone() };
        plan.entries.clone_from(&entries[hash(self.source) as usize % entries.len()]);
        plan.counter_example = plan.counter_example.as_deref().map(named);
        for entry in &mut plan.entries {
            for text in [&mut entry.host, &mut entry.job, &mut entry.command, &mut entry.why] {
                *text = named(text);
            }
        }
        plan.sort_entries();
        plan.streams.iter_mut().for_each(|of| of.sink = named(&of.sink));
        for check in &mut plan.checks {
            check.text = named(&check.text);
            check.other = check.other.as_deref().map(named);
        }
        plan
    }

    fn text(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        let text = text.replace(SOURCE, self.source);
        self.sinks.iter().enumerate().fold(text, |text, (n, name)| text.replace(&sink(n), name))
    }
}
