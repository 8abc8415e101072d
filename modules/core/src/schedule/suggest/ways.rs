//! Ways to change a setting: numbers grow or shrink, times of day move, items of a list come and go.

use super::{
    super::{CronTime, Pattern, Week},
    search::Reach,
};
use crate::{
    Job,
    job::objectives::TimeOfDay,
    schedule::Facts,
    units::{Bytes, Span},
};

/// Makes the change of a step and tells the value; `None`: there is no such value.
pub(super) type Change = Box<dyn Fn(u64, &mut Job, &mut Facts) -> Option<String>>;

/// Puts a value into a document.
pub(super) type Set<T> = fn(&mut Job, T);

/// One way.
pub(super) struct Way {
    pub reach: Reach,
    pub change: Change,
}

impl Way {
    pub(super) fn new(
        steps: u64,
        leap: u64,
        change: impl Fn(u64, &mut Job, &mut Facts) -> Option<String> + 'static,
    ) -> Self {
        Self { reach: Reach { steps, leap }, change: Box::new(change) }
    }

    /// Values one after the other, the nearest first.
    pub(super) fn listed<T: 'static>(
        values: Vec<T>,
        change: impl Fn(&T, &mut Job) -> Option<String> + 'static,
    ) -> Self {
        Self::new(values.len() as u64, 1, move |step, job, _| change(values.get(index(step))?, job))
    }
}

fn index(step: u64) -> usize {
    usize::try_from(step).unwrap_or(usize::MAX).saturating_sub(1)
}

/// No leap of times of day and of windows is longer: other jobs leave room for a quarter of an hour at least, or it is not
/// worth while.
const QUARTER: u64 = 15;

/// A minute, an hour, a day, in seconds.
pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 3600;

/// Numbers as they are written.
pub(super) trait Number: Copy + 'static {
    fn of(value: u64) -> Option<Self>;
    fn written(self) -> String;
}

impl Number for Span {
    fn of(value: u64) -> Option<Self> {
        Some(Self(value))
    }
    fn written(self) -> String {
        self.to_string()
    }
}

impl Number for Bytes {
    fn of(value: u64) -> Option<Self> {
        Some(Self(value))
    }
    fn written(self) -> String {
        self.to_string()
    }
}

impl Number for u32 {
    fn of(value: u64) -> Option<Self> {
        Self::try_from(value).ok()
    }
    fn written(self) -> String {
        self.to_string()
    }
}

/// Larger by whole units, up to `most`.
pub(super) fn larger<T: Number>(
    now: u64,
    unit: u64,
    most: u64,
    set: impl Fn(&mut Job, &mut Facts, T) + 'static,
) -> Way {
    let from = now / unit;
    Way::new((most / unit).saturating_sub(from), u64::MAX, move |step, job, facts| {
        let value = T::of((from + step) * unit)?;
        set(job, facts, value);
        Some(value.written())
    })
}

/// Smaller by whole units, down to `least`.
pub(super) fn smaller<T: Number>(now: u64, unit: u64, least: u64, set: impl Fn(&mut Job, T) + 'static) -> Way {
    let from = now.div_ceil(unit);
    Way::new(from.saturating_sub(least.div_ceil(unit)), u64::MAX, move |step, job, _| {
        let value = T::of(from.checked_sub(step)? * unit)?;
        set(job, value);
        Some(value.written())
    })
}

/// A list as people write it.
pub(super) fn list(items: impl IntoIterator<Item = impl std::fmt::Display>, quoted: bool) -> String {
    let item = |item: &dyn std::fmt::Display| if quoted { format!("\"{item}\"") } else { item.to_string() };
    format!("[{}]", items.into_iter().map(|one| item(&one)).collect::<Vec<_>>().join(", "))
}

/// All times of day earlier, or later, by up to half a day.
pub(super) fn moved(times: &[TimeOfDay], set: Set<Vec<TimeOfDay>>) -> Vec<Way> {
    let way = |earlier: bool| {
        let times = times.to_vec();
        Way::new(720, QUARTER, move |step, job, _| {
            let by = if earlier { 1440 - step } else { step };
            let moved = |time: &TimeOfDay| u16::try_from((u64::from(time.0) + by) % 1440).ok().map(TimeOfDay);
            let moved: Vec<_> = times.iter().map(moved).collect::<Option<_>>()?;
            let told = list(&moved, true);
            set(job, moved);
            Some(told)
        })
    };
    vec![way(true), way(false)]
}

/// All entries earlier, or later, by up to half a day. Those on dates stay within their day.
pub(super) fn moved_entries(entries: &[String], set: Set<Vec<String>>) -> Vec<Way> {
    let patterns: Vec<Pattern> =
        entries.iter().filter_map(|entry| entry.parse::<CronTime>().ok()).map(|time| Pattern::of(&time)).collect();
    let way = |earlier: bool| {
        let patterns = patterns.clone();
        Way::new(720, QUARTER, move |step, job, _| {
            let step = u32::try_from(step).ok()?;
            let moved = patterns.iter().map(|pattern| shifted(pattern, earlier, step)).collect::<Option<Vec<_>>>()?;
            let moved = written(moved.into_iter().flatten());
            let told = list(&moved, true);
            set(job, moved);
            Some(told)
        })
    };
    vec![way(true), way(false)]
}

fn shifted(pattern: &Pattern, earlier: bool, by: u32) -> Option<Vec<Pattern>> {
    let by = if earlier { -i64::from(by) } else { by.into() };
    let is_dated = matches!(pattern.days, super::super::Days::Month(_)) || !pattern.months.is_empty();
    let stays = |&minute: &u16| (0..i64::from(Week::DAY)).contains(&(i64::from(minute) + by));
    // A date may have no neighbour that can be named.
    (!is_dated || pattern.minutes.iter().all(stays)).then(|| pattern.later(by))
}

/// Patterns as the entries that run then.
pub(super) fn written(patterns: impl IntoIterator<Item = Pattern>) -> Vec<String> {
    patterns.into_iter().flat_map(|pattern| pattern.cron_times()).map(|time| time.to_string()).collect()
}

/// The subsets of some items, the smallest first; not the empty one.
pub(super) fn subsets<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let chosen =
        |mask: u32| items.iter().enumerate().filter(move |(n, _)| mask >> n & 1 == 1).map(|(_, item)| item.clone());
    let mut all: Vec<Vec<T>> = (1..1u32 << items.len().min(7)).map(|mask| chosen(mask).collect()).collect();
    all.sort_by_key(Vec::len);
    all
}

/// The list without one of its items, for each of them.
pub(super) fn without_one<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let without = |n: usize| [&items[..n], &items[n + 1..]].concat();
    (0..items.len()).map(without).collect()
}

/// A window, or what it shares its shape with, that ends later and later or begins earlier and earlier: minutes.
pub(super) fn stretched(
    steps: u64,
    change: impl Fn(u16, u16, &mut Job) -> Option<String> + Copy + 'static,
) -> Vec<Way> {
    let minutes = |step: u64| u16::try_from(step).ok();
    vec![
        Way::new(steps, QUARTER, move |step, job, _| change(0, minutes(step)?, job)),
        Way::new(steps, QUARTER, move |step, job, _| change(minutes(step)?, 0, job)),
    ]
}
