//! What is done to copies besides making them: verification and drills, planned after what they need has arrived. They
//! have their entries on the sink: it is the sink's clock that begins them. Drills of a source at one sink are kept apart.

use super::{
    Clock, Clocks, CronTime, Days, Delivery, Draft, Line, Pattern, Timeline, Week, cadence::Cadence, pattern::days,
    story::civil, timeline::all_firings,
};
use crate::{GenerationKind, job::objectives::Recurrence};
use jiff::civil::Date;
use std::collections::BTreeMap;

/// Which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// The sink's copies are read again.
    Verify,
    /// A copy is restored on another machine.
    Drill,
}

/// When it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upkeep {
    /// Index of the job.
    pub job: usize,
    /// Index of its stream.
    pub line: usize,
    /// Which kind.
    pub sort: Sort,
    /// The entries, in the sink's local time.
    pub times: Vec<CronTime>,
    /// Why then.
    pub why: String,
}

impl Upkeep {
    /// As in checks.
    pub(super) const fn name(&self) -> &'static str {
        match self.sort {
            Sort::Verify => "verification",
            Sort::Drill => "drill",
        }
    }

    /// When it begins, by the sink's clock.
    pub(super) fn firings(&self, clock: &Clock) -> Vec<i64> {
        all_firings(&self.times, clock)
    }
}

/// Verification and drills of all jobs of a source, job by job. Those whose time somebody declared are there first.
pub(super) fn planned(drafts: &[Draft<'_>], timelines: &[Timeline], clocks: &Clocks) -> Vec<Upkeep> {
    let mut wanted = Vec::new();
    for (job, (draft, timeline)) in drafts.iter().zip(timelines).enumerate() {
        for (line, of) in timeline.lines.iter().enumerate() {
            let declared = [(Sort::Verify, &draft.objectives.verify), (Sort::Drill, &draft.objectives.drill)];
            let declared = declared.into_iter().filter_map(|(sort, recurrence)| Some((sort, recurrence.as_ref()?)));
            wanted.extend(declared.map(|(sort, recurrence)| (job, line, sort, recurrence, of)));
        }
    }
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&n| wanted[n].3.at.is_empty());
    let mut drills: BTreeMap<&str, Spells> = BTreeMap::new();
    let mut found: Vec<(usize, Upkeep)> = Vec::new();
    for n in order {
        let (job, line, sort, recurrence, of) = wanted[n];
        let clock = clocks.sink(&of.sink);
        let takes = drafts[job].steps.restore.filter(|_| sort == Sort::Drill);
        let others = drills.entry(&of.sink).or_default();
        let (times, why) = times(recurrence, of, clock, |begins| takes.is_none_or(|takes| others.leave(begins, takes)));
        let upkeep = Upkeep { job, line, sort, times, why: why.into() };
        if let Some(takes) = takes {
            others.add(&upkeep.firings(clock), takes);
        }
        found.push((n, upkeep));
    }
    found.sort_by_key(|(n, _)| *n);
    found.into_iter().map(|(_, upkeep)| upkeep).collect()
}

/// When drills run at a sink: the begin of each, in order, and when all that began by then have ended.
#[derive(Debug, Default)]
struct Spells(Vec<(i64, i64)>);

impl Spells {
    /// Whether none of them runs while one runs that begins at these times and takes so long.
    fn leave(&self, begins: &[i64], takes: i64) -> bool {
        begins.iter().all(|&at| {
            let before = self.0.partition_point(|&(begin, _)| begin < at + takes);
            self.0[..before].last().is_none_or(|&(_, end)| end <= at)
        })
    }

    fn add(&mut self, begins: &[i64], takes: i64) {
        self.0.extend(begins.iter().map(|&at| (at, at + takes)));
        self.0.sort_unstable();
        let mut last = i64::MIN;
        for (_, end) in &mut self.0 {
            last = last.max(*end);
            *end = last;
        }
    }
}

/// When something recurs, and why then. `free` says of all its begins whether nothing is in the way.
fn times(
    recurrence: &Recurrence,
    line: &Line,
    clock: &Clock,
    free: impl Fn(&[i64]) -> bool,
) -> (Vec<CronTime>, &'static str) {
    let pattern = pattern(recurrence);
    let times =
        |minutes: &[u16]| Pattern { minutes: minutes.iter().copied().collect(), ..pattern.clone() }.cron_times();
    if !recurrence.at.is_empty() {
        let declared: Vec<u16> = recurrence.at.iter().map(|time| time.0).collect();
        return (times(&declared), "as declared");
    }
    let fulls: Vec<&Delivery> = fulls(line).collect();
    let begins = |minute: u16| all_firings(&times(&[minute]), clock);
    let arrived = |begins: &[i64]| begins.iter().all(|&at| newest(&fulls, at).is_none_or(|full| full.arrives <= at));
    let first = after_arrivals(&pattern.days, &fulls, clock);
    let holds = |minute: &u16| {
        let begins = begins(*minute);
        arrived(&begins) && free(&begins)
    };
    let all = || quarters_from(first);
    let found = all().find(holds).or_else(|| all().find(|minute| arrived(&begins(*minute)))).or_else(|| all().next());
    (times(found.as_slice()), "once the newest full has arrived")
}

/// The fulls that arrive, in order.
pub(super) fn fulls(line: &Line) -> impl Iterator<Item = &Delivery> {
    line.deliveries.iter().filter(|delivery| delivery.kind == GenerationKind::Full)
}

/// Whether a date is one of these days.
pub(super) fn is_on(days: &Days, date: Date) -> bool {
    match days {
        Days::Every => true,
        Days::Week(days) => days.contains(&date.weekday().to_sunday_zero_offset().unsigned_abs()),
        Days::Month(days) => days.contains(&date.day().unsigned_abs()),
    }
}

/// The newest full at that time, arrived or not.
pub(super) fn newest<'d>(fulls: &[&'d Delivery], at: i64) -> Option<&'d Delivery> {
    fulls[..fulls.partition_point(|full| full.data <= at)].last().copied()
}

/// All quarters of an hour of a day, from this minute on.
fn quarters_from(first: u16) -> impl Iterator<Item = u16> {
    (0..Week::DAY).step_by(15).map(move |later| (first + u16::try_from(later).unwrap_or_default()) % 1440)
}

/// The days: declared, or the rarest that hold the interval, which is a day or more.
fn pattern(recurrence: &Recurrence) -> Pattern {
    let declared = || Pattern::new([], days(&recurrence.days));
    recurrence.every.map_or_else(declared, |every| Cadence::holding(every).pattern(0))
}

/// A time of day by which what was collected that day or before has usually arrived: the first quarter of an hour after the
/// latest arrival of a full on these days, or after the usual time of arrivals.
fn after_arrivals(days: &Days, fulls: &[&Delivery], clock: &Clock) -> u16 {
    let mut latest = None;
    let mut usual: BTreeMap<i64, usize> = BTreeMap::new();
    for full in fulls {
        let local = clock.local(full.arrives);
        let minute = local.rem_euclid(86_400) / 60;
        *usual.entry(minute).or_default() += 1;
        if is_on(days, civil(local).date()) {
            latest = latest.max(Some(minute));
        }
    }
    let usual = || usual.into_iter().max_by_key(|&(_, count)| count).map(|(minute, _)| minute);
    let minute = latest.or_else(usual).unwrap_or_default();
    u16::try_from((minute / 15 + 1) * 15).unwrap_or_default()
}
