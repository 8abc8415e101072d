//! What is done to copies besides making them: verification and drills, planned after what they need has arrived.

use super::{
    Clock, Clocks, CronTime, Days, Draft, Line, Pattern, cadence::LADDER, pattern::days, timeline::all_firings,
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
    /// The entries, in the source's local time.
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

    /// When it begins.
    pub(super) fn firings(&self, clock: &Clock) -> Vec<i64> {
        all_firings(&self.times, clock)
    }
}

/// Verification and drills of a stream.
pub(super) fn of(draft: &Draft<'_>, line: &Line, clocks: &Clocks) -> Vec<Upkeep> {
    let declared = [(Sort::Verify, &draft.objectives.verify), (Sort::Drill, &draft.objectives.drill)];
    let planned = declared.into_iter().filter_map(|(sort, recurrence)| Some((sort, recurrence.as_ref()?)));
    planned.map(|(sort, recurrence)| upkeep(sort, recurrence, line, &clocks.source)).collect()
}

fn upkeep(sort: Sort, recurrence: &Recurrence, line: &Line, clock: &Clock) -> Upkeep {
    let pattern = pattern(recurrence);
    let (minutes, why) = if recurrence.at.is_empty() {
        let minute = after_arrivals(&pattern.days, line, clock);
        (vec![minute], "once the newest full has arrived".to_owned())
    } else {
        (recurrence.at.iter().map(|time| time.0).collect(), "as declared".to_owned())
    };
    let pattern = Pattern { minutes: minutes.into_iter().collect(), ..pattern };
    Upkeep { sort, times: pattern.cron_times(), why }
}

/// The days: declared, or the rarest that hold the interval.
fn pattern(recurrence: &Recurrence) -> Pattern {
    let Some(every) = recurrence.every else { return Pattern::new([], days(&recurrence.days)) };
    let holds = LADDER.iter().find(|cadence| u64::from(cadence.longest) * 60 <= every.0 && cadence.is_daily());
    holds.map_or_else(|| Pattern::new([], Days::Every), |cadence| cadence.pattern(0))
}

/// A time of day at which what was collected that day or before has arrived, on every such day: the first quarter of an
/// hour after the latest arrival of a full on these days, or after the usual time of arrivals.
fn after_arrivals(days: &Days, line: &Line, clock: &Clock) -> u16 {
    let on = |weekday: u8, day: u8| match days {
        Days::Every => true,
        Days::Week(days) => days.contains(&weekday),
        Days::Month(days) => days.contains(&day),
    };
    let mut latest = 0;
    let mut usual: BTreeMap<i64, usize> = BTreeMap::new();
    for delivery in line.deliveries.iter().filter(|delivery| delivery.kind == GenerationKind::Full) {
        let local = clock.local(delivery.arrives);
        let date = super::story::civil(local).date();
        let minute = local.rem_euclid(86_400) / 60;
        *usual.entry(minute).or_default() += 1;
        if on(date.weekday().to_sunday_zero_offset().unsigned_abs(), date.day().unsigned_abs()) {
            latest = latest.max(minute);
        }
    }
    if latest == 0 {
        latest = usual.into_iter().max_by_key(|&(_, count)| count).map_or(0, |(minute, _)| minute);
    }
    u16::try_from((latest / 15 + 1) * 15 % 1440).unwrap_or_default()
}
