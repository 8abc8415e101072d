//! Settings that say what is kept, how much room it takes, and how long a restore may take.

use super::{
    super::{Facts, facts::Measured},
    rhythm::change,
    setting::{About, Setting},
    ways::{HOUR, MINUTE, Way, larger, smaller},
};
use crate::{
    Job, StreamName,
    job::{Sink, StreamOf},
    retention::Policy,
    units::{Bytes, Span},
};

/// Nothing is kept longer: a century.
const LONGEST: u64 = MOST_DAYS * DAY;

const MOST_DAYS: u64 = 100 * 366;

/// Nobody keeps more generations.
const MOST: u64 = 1_000_000;

/// No sink has more room: bytes are counted as figures, too.
const MOST_BYTES: u64 = i64::MAX.unsigned_abs();

const DAY: u64 = 86_400;

pub(super) fn settings(job: &Job, measured: &Measured) -> Vec<Setting> {
    let objectives = job.objectives.clone().unwrap_or_default();
    let mut all: Vec<Setting> = job.streams().flat_map(|of| kept(&of, objectives.history)).collect();
    if let Some(history) = objectives.history {
        let shorter = smaller(history.0, HOUR, HOUR, |job, value| change(job).history = Some(value));
        all.push(Setting::new("objectives.history", About::Keeping, vec![vec![shorter]]));
    }
    if let Some(provider) = objectives.provider {
        let days = larger(provider.days.into(), 1, MOST_DAYS, |job, _, value| {
            change(job).provider.iter_mut().for_each(|provider| provider.days = value);
        });
        all.push(Setting::new("objectives.provider.days", About::Keeping, vec![vec![days]]));
    }
    all.extend(restore(job, measured));
    all.extend(sizes(job, measured));
    all
}

fn sink(job: &mut Job, stream: StreamName) -> Option<&mut Sink> {
    job.streams.get_mut(&stream).map(|of| &mut of.sink)
}

/// Longer or shorter, whichever helps.
fn either(now: Span, set: fn(&mut Sink, Span), stream: StreamName) -> Vec<Way> {
    let set = move |job: &mut Job, value| sink(job, stream).into_iter().for_each(|sink| set(sink, value));
    vec![larger(now.0, HOUR, LONGEST, move |job, _, value| set(job, value)), smaller(now.0, HOUR, HOUR, set)]
}

fn kept(of: &StreamOf<'_>, history: Option<Span>) -> Vec<Setting> {
    let (name, policy) = (of.name, &of.stream.sink.retention);
    let setting = |key: &str, ways| Setting::new(format!("streams.{name}.{key}"), About::Keeping, vec![ways]);
    let mut all = Vec::new();
    // Where nothing is declared, it is derived; where it is not enough, it can be declared.
    let within = policy.within.or(history.map(|history| Span(history.0.saturating_sub(HOUR))));
    if let Some(within) = within {
        all.push(setting(
            "sink.retention.within",
            either(within, |sink, value| sink.retention.within = Some(value), name),
        ));
    }
    if let Some(max_age) = policy.max_age {
        let ways = either(max_age, |sink, value| sink.retention.max_age = Some(value), name);
        all.push(setting("sink.retention.max_age", ways));
    }
    if let Some(quota) = of.stream.sink.quota {
        let more = larger(quota.0, unit(quota.0), MOST_BYTES, move |job, _, value| {
            if let Some(sink) = sink(job, name) {
                sink.quota = Some(value);
            }
        });
        all.push(Setting::new(format!("streams.{name}.sink.quota"), About::Room, vec![vec![more]]));
    }
    all.push(setting("sink.protect", either(of.stream.sink.protect, |sink, value| sink.protect = value, name)));
    for (key, count) in COUNTS {
        let mut policy = policy.clone();
        let Some(now) = *count(&mut policy) else { continue };
        let set = move |job: &mut Job, value: u32| {
            if let Some(sink) = sink(job, name) {
                *count(&mut sink.retention) = Some(value);
            }
        };
        let more = larger(now.into(), 1, MOST, move |job, _, value| set(job, value));
        all.push(setting(&format!("sink.retention.{key}"), vec![more, smaller(now.into(), 1, 1, set)]));
    }
    let every = smaller(of.stream.full.every.0, DAY, DAY, move |job, value| {
        job.streams.get_mut(&name).into_iter().for_each(|of| of.full.every = value);
    });
    all.push(setting("full.every", vec![every]));
    all
}

/// The rules that count.
type Count = fn(&mut Policy) -> &mut Option<u32>;

const COUNTS: [(&str, Count); 6] = [
    ("generations", |policy| &mut policy.generations),
    ("hourly", |policy| &mut policy.hourly),
    ("daily", |policy| &mut policy.daily),
    ("weekly", |policy| &mut policy.weekly),
    ("monthly", |policy| &mut policy.monthly),
    ("yearly", |policy| &mut policy.yearly),
];

fn restore(job: &Job, measured: &Measured) -> Vec<Setting> {
    let Some(objectives) = &job.objectives else { return Vec::new() };
    let mut all = Vec::new();
    if let Some(rto) = objectives.rto {
        let longer = larger(rto.0, MINUTE, LONGEST, |job, _, value| change(job).rto = Some(value));
        all.push(Setting::new("objectives.rto", About::Restore, vec![vec![longer]]));
    }
    if let Some(restore) = objectives.durations.restore {
        let least = measured.restore.map_or(MINUTE, |measured| measured.0.max(MINUTE));
        let shorter = smaller(restore.0, MINUTE, least, |job, value| change(job).durations.restore = Some(value));
        all.push(Setting::new("objectives.durations.restore", About::Restore, vec![vec![shorter]]));
    }
    all
}

/// Sizes and capacities are told to a hundredth.
fn unit(bytes: u64) -> u64 {
    10u64.pow((bytes / 100).checked_ilog10().unwrap_or_default())
}

fn sizes(job: &Job, measured: &Measured) -> Vec<Setting> {
    let Some(sizes) = job.objectives.as_ref().and_then(|objectives| objectives.size) else { return Vec::new() };
    let setting = |name: &str, now: Bytes, measured: Option<Bytes>, set: fn(&mut Job, Bytes)| {
        let unit = unit(now.0);
        let smaller = smaller(now.0, unit, measured.map_or(unit, |measured| measured.0.max(unit)), set);
        Setting::new(format!("objectives.size.{name}"), About::Room, vec![vec![smaller]])
    };
    let full = setting("full", sizes.full, measured.full, |job, value| {
        change(job).size.iter_mut().for_each(|size| size.full = value);
    });
    let incremental = sizes.incremental.map(|now| {
        setting("incremental", now, measured.incremental, |job, value| {
            change(job).size.iter_mut().for_each(|size| size.incremental = Some(value));
        })
    });
    [Some(full), incremental].into_iter().flatten().collect()
}

/// How much room the sinks of these jobs have.
pub(super) fn capacities(jobs: &[Job], facts: &Facts) -> Vec<Setting> {
    let is_used = |name: &str| jobs.iter().flat_map(Job::streams).any(|of| of.stream.sink.name == name);
    let known = facts.sinks.iter().filter(|(name, _)| is_used(name));
    let setting = |(name, capacity): (&String, Bytes)| {
        let of = name.clone();
        let more = larger(capacity.0, unit(capacity.0), MOST_BYTES, move |_, facts, value| {
            facts.sinks.entry(of.clone()).or_default().capacity = Some(value);
        });
        Setting::new(format!("sinks.{name}.capacity"), About::Room, vec![vec![more]])
    };
    known.filter_map(|(name, facts)| Some((name, facts.capacity?))).map(setting).collect()
}
