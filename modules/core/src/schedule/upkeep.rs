//! What is done to copies besides making them: verification and drills, planned after what they need has arrived. They
//! have their entries on the sink: it is the sink's clock that begins them.

use super::{
    Clock, Clocks, CronTime, Days, Delivery, Draft, Line, Pattern, Week, cadence::LADDER, pattern::days,
    timeline::all_firings,
};
use crate::{GenerationKind, job::objectives::Recurrence};
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

/// Verification and drills of a stream.
pub(super) fn of(draft: &Draft<'_>, line: &Line, clocks: &Clocks) -> Vec<Upkeep> {
    let declared = [(Sort::Verify, &draft.objectives.verify), (Sort::Drill, &draft.objectives.drill)];
    let planned = declared.into_iter().filter_map(|(sort, recurrence)| Some((sort, recurrence.as_ref()?)));
    planned.map(|(sort, recurrence)| upkeep(sort, recurrence, line, clocks.sink(&line.sink))).collect()
}

fn upkeep(sort: Sort, recurrence: &Recurrence, line: &Line, clock: &Clock) -> Upkeep {
    let pattern = pattern(recurrence);
    let times =
        |minutes: &[u16]| Pattern { minutes: minutes.iter().copied().collect(), ..pattern.clone() }.cron_times();
    if !recurrence.at.is_empty() {
        let declared: Vec<u16> = recurrence.at.iter().map(|time| time.0).collect();
        return Upkeep { sort, times: times(&declared), why: "as declared".into() };
    }
    let fulls: Vec<&Delivery> = fulls(line).collect();
    let holds = |minute: &u16| {
        let begins = all_firings(&times(&[*minute]), clock);
        begins.into_iter().all(|at| newest(&fulls, at).is_none_or(|full| full.arrives <= at))
    };
    let first = after_arrivals(&pattern.days, &fulls, clock);
    let found = quarters_from(first).find(holds).unwrap_or(first);
    Upkeep { sort, times: times(&[found]), why: "once the newest full has arrived".into() }
}

/// The fulls that arrive, in order.
pub(super) fn fulls(line: &Line) -> impl Iterator<Item = &Delivery> {
    line.deliveries.iter().filter(|delivery| delivery.kind == GenerationKind::Full)
}

/// The newest full at that time, arrived or not.
pub(super) fn newest<'d>(fulls: &[&'d Delivery], at: i64) -> Option<&'d Delivery> {
    fulls[..fulls.partition_point(|full| full.data <= at)].last().copied()
}

/// All quarters of an hour of a day.
fn quarters_from(first: u16) -> impl Iterator<Item = u16> {
    (0..Week::DAY).step_by(15).map(move |later| (first + u16::try_from(later).unwrap_or_default()) % 1440)
}

/// The days: declared, or the rarest that hold the interval.
fn pattern(recurrence: &Recurrence) -> Pattern {
    let Some(every) = recurrence.every else { return Pattern::new([], days(&recurrence.days)) };
    let holds = LADDER.iter().find(|cadence| u64::from(cadence.longest) * 60 <= every.0 && cadence.is_daily());
    holds.map_or_else(|| Pattern::new([], Days::Every), |cadence| cadence.pattern(0))
}

/// A time of day by which what was collected that day or before has usually arrived: the first quarter of an hour after the
/// latest arrival of a full on these days, or after the usual time of arrivals.
fn after_arrivals(days: &Days, fulls: &[&Delivery], clock: &Clock) -> u16 {
    let on = |weekday: u8, day: u8| match days {
        Days::Every => true,
        Days::Week(days) => days.contains(&weekday),
        Days::Month(days) => days.contains(&day),
    };
    let mut latest = None;
    let mut usual: BTreeMap<i64, usize> = BTreeMap::new();
    for full in fulls {
        let local = clock.local(full.arrives);
        let date = super::story::civil(local).date();
        let minute = local.rem_euclid(86_400) / 60;
        *usual.entry(minute).or_default() += 1;
        if on(date.weekday().to_sunday_zero_offset().unsigned_abs(), date.day().unsigned_abs()) {
            latest = latest.max(Some(minute));
        }
    }
    let usual = || usual.into_iter().max_by_key(|&(_, count)| count).map(|(minute, _)| minute);
    let minute = latest.or_else(usual).unwrap_or_default();
    u16::try_from((minute / 15 + 1) * 15 % 1440).unwrap_or_default()
}
