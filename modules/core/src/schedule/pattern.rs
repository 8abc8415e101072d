//! What recurs in local time, before it becomes cron entries: minutes of the day, on days.

use super::{CronTime, Days, Week};
use crate::job::objectives::{Day, Weekdays};
use std::collections::{BTreeMap, BTreeSet};

/// The last day that every month has, so that the day after it can be named in every month.
pub(crate) const LAST_COMMON_DAY: u8 = 28;

/// Minutes of the day on days, in local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Minutes since midnight, below 1440.
    pub minutes: BTreeSet<u16>,
    /// On which days.
    pub days: Days,
    /// In which months, 1 to 12; empty: in all.
    pub months: Vec<u8>,
}

impl Pattern {
    /// On these days, in all months.
    pub(super) fn new(minutes: impl IntoIterator<Item = u16>, days: Days) -> Self {
        Self { minutes: minutes.into_iter().collect(), days, months: Vec::new() }
    }

    /// When this entry runs.
    pub(super) fn of(time: &CronTime) -> Self {
        let minutes = time.hours().flat_map(|hour| time.minutes().map(move |m| u16::from(hour) * 60 + u16::from(m)));
        let days = match (time.weekdays(), time.days_of_month()) {
            (Some(days), _) => Days::Week(days.collect()),
            (None, Some(days)) => Days::Month(days.collect()),
            (None, None) => Days::Every,
        };
        let months: Vec<u8> = time.months.iter().collect();
        Self { minutes: minutes.collect(), days, months: if months.len() == 12 { Vec::new() } else { months } }
    }

    /// The weekdays on which it may run.
    pub(super) fn weekdays(&self) -> Weekdays {
        match &self.days {
            Days::Week(days) => Weekdays(days.iter().fold(0, |set, day| set | 1 << (day % 7))),
            Days::Every | Days::Month(_) => Weekdays::ALL,
        }
    }

    /// The same times for a host whose date may be another one: every day instead of dates. A transport does nothing when
    /// nothing waits.
    pub(super) fn on_any_date(&self) -> Self {
        let days = if let Days::Week(_) = self.days { self.days.clone() } else { Days::Every };
        Self { minutes: self.minutes.clone(), days, months: Vec::new() }
    }

    /// The minutes of a week at which it may run.
    pub(super) fn week(&self) -> impl Iterator<Item = u32> + '_ {
        let days = self.weekdays();
        (0..7u8)
            .filter(move |&day| days.contains(day))
            .flat_map(move |day| self.minutes.iter().map(move |&minute| u32::from(day) * Week::DAY + u32::from(minute)))
    }

    /// The same, so many minutes later, or earlier. What passes midnight is on the next day or the one before, and may be in
    /// another month; a day that cannot be named in every month becomes every day.
    pub(super) fn later(&self, by: i64) -> Vec<Self> {
        let mut on: BTreeMap<i64, BTreeSet<u16>> = BTreeMap::new();
        for &minute in &self.minutes {
            let minute = i64::from(minute) + by;
            let of_day = u16::try_from(minute.rem_euclid(Week::DAY.into())).unwrap_or_default();
            on.entry(minute.div_euclid(Week::DAY.into())).or_default().insert(of_day);
        }
        if self.days == Days::Every && self.months.is_empty() {
            return vec![Self { minutes: on.into_values().flatten().collect(), ..self.clone() }];
        }
        on.into_iter().map(|(days, minutes)| self.on_day_after(days, minutes)).collect()
    }

    fn on_day_after(&self, after: i64, minutes: BTreeSet<u16>) -> Self {
        if after == 0 {
            return Self { minutes, ..self.clone() };
        }
        let moved = |from: &u8, by: i64, among: i64| {
            u8::try_from((i64::from(*from) + by).rem_euclid(among)).unwrap_or_default()
        };
        let nameable = 1..=i64::from(LAST_COMMON_DAY);
        let stays = |&day: &u8| nameable.contains(&day.into()) && nameable.contains(&(i64::from(day) + after));
        let days = match &self.days {
            Days::Week(days) => Days::Week(days.iter().map(|day| moved(day, after, 7)).collect()),
            Days::Month(days) if days.iter().all(stays) => {
                let days = Days::Month(days.iter().map(|day| moved(day, after, 32)).collect());
                return Self { minutes, days, months: self.months.clone() };
            }
            Days::Every | Days::Month(_) => Days::Every,
        };
        // The last days of a month have their successors in the next one, the first ones have them in the last.
        let beside = |month: u8| moved(&(month - 1), after.signum(), 12) + 1;
        let months: BTreeSet<u8> = self.months.iter().flat_map(|&month| [month, beside(month)]).collect();
        let months = if months.len() == 12 { Vec::new() } else { months.into_iter().collect() };
        Self { minutes, days, months }
    }

    /// The entries that run at these times: one per set of hours that share their minutes.
    pub(super) fn cron_times(&self) -> Vec<CronTime> {
        let mut hours: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for &minute in &self.minutes {
            let [hour, minute] = [minute / 60, minute % 60].map(|number| u8::try_from(number).unwrap_or_default());
            hours.entry(hour).or_default().push(minute);
        }
        let mut same: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (hour, minutes) in hours {
            same.entry(minutes).or_default().push(hour);
        }
        let entry = |(minutes, hours): (Vec<u8>, Vec<u8>)| {
            let mut time = CronTime::new(&minutes, &hours, &self.days).ok()?;
            time.restrict_months(&self.months);
            Some(time)
        };
        same.into_iter().filter_map(entry).collect()
    }
}

/// Declared days as cron has them; none: every day.
pub(super) fn days(declared: &[Day]) -> Days {
    let weekly: Vec<u8> =
        declared.iter().filter_map(|day| if let Day::Week(day) = day { Some(*day) } else { None }).collect();
    let monthly: Vec<u8> =
        declared.iter().filter_map(|day| if let Day::Month(day) = day { Some(*day) } else { None }).collect();
    match (weekly.is_empty(), monthly.is_empty()) {
        (true, true) => Days::Every,
        (false, _) => Days::Week(weekly),
        (true, false) => Days::Month(monthly),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(patterns: &[Pattern]) -> Vec<String> {
        patterns.iter().flat_map(Pattern::cron_times).map(|time| time.to_string()).collect()
    }

    #[test]
    fn entries_and_back() {
        for text in ["30 2 * * *", "0 0,12 * * 1-6", "5 2 28 * *", "*/15 * * * *", "0 3 1 1,4,7,10 *"] {
            let pattern = Pattern::of(&text.parse().unwrap());
            assert_eq!(pattern.cron_times().iter().map(Pattern::of).collect::<Vec<_>>(), [pattern], "{text}");
        }
        let mixed = Pattern::new([0, 90, 180, 270], Days::Every);
        assert_eq!(shown(&[mixed]), ["0 0,3 * * *", "30 1,4 * * *"]);
    }

    #[test]
    fn later_passes_midnight() {
        let later = |text: &str, by| shown(&Pattern::of(&text.parse().unwrap()).later(by));
        assert_eq!(later("30 2 * * *", 40), ["10 3 * * *"]);
        assert_eq!(later("50 23 * * *", 20), ["10 0 * * *"]);
        assert_eq!(later("50 23 * * 6", 20), ["10 0 * * 0"]);
        assert_eq!(later("0 1,23 * * 1", 90), ["30 2 * * 1", "30 0 * * 2"]);
        assert_eq!(later("50 23 27 * *", 20), ["10 0 28 * *"]);
        assert_eq!(later("50 23 28 * *", 20), ["10 0 * * *"]);
        assert_eq!(later("0 1 31 * *", 20), ["20 1 31 * *"]);
    }

    #[test]
    fn earlier_passes_midnight() {
        let earlier = |text: &str, by: i64| shown(&Pattern::of(&text.parse().unwrap()).later(-by));
        assert_eq!(earlier("10 0 * * *", 20), ["50 23 * * *"]);
        assert_eq!(earlier("10 0,2 * * 0", 20), ["50 23 * * 6", "50 1 * * 0"]);
        assert_eq!(earlier("10 0 28 * *", 20), ["50 23 27 * *"]);
        assert_eq!(earlier("10 0 1 * *", 20), ["50 23 * * *"]);
        assert_eq!(earlier("10 0 1 1,4 *", 20), ["50 23 * 1,3,4,12 *"]);
        assert_eq!(earlier("10 0 29 * *", 20), ["50 23 * * *"]);
    }

    #[test]
    fn later_passes_the_end_of_a_month() {
        let later = |text: &str, by| shown(&Pattern::of(&text.parse().unwrap()).later(by));
        assert_eq!(later("50 23 * 12 *", 20), ["10 0 * 1,12 *"]);
        assert_eq!(later("50 23 * 1-11 *", 20), ["10 0 * * *"]);
        assert_eq!(later("50 23 * 4 6", 20), ["10 0 * 4,5 0"]);
        assert_eq!(later("0 1,23 * 11 *", 90), ["30 2 * 11 *", "30 0 * 11,12 *"]);
        assert_eq!(later("50 23 31 12 *", 20), ["10 0 * 1,12 *"]);
        assert_eq!(later("50 23 27 2 *", 20), ["10 0 28 2 *"]);
    }
}
