//! Settings that say when something runs, and how long it takes.

use super::{
    super::{Pattern, Steps, cadence::LADDER, facts::Measured},
    setting::{About, Setting},
    ways::{MINUTE, Set, Way, larger, list, moved, moved_entries, smaller, stretched, subsets, without_one, written},
};
use crate::{
    Job, StreamName,
    job::{
        Objectives, Verify,
        objectives::{Blackout, Day, Every, Recurrence, TimeOfDay, Weekdays, Window},
    },
    units::Span,
};

/// No RPO and no duration is longer.
const LONGEST: u64 = 2 * 366 * 86_400;

/// More generations wait in no handover point.
const MOST_WAITING: u64 = 1000;

pub(super) fn settings(job: &Job, measured: &Measured) -> Vec<Setting> {
    let objectives = job.objectives.clone().unwrap_or_default();
    let mut all = promises(job, &objectives);
    all.extend(times(job, &objectives));
    all.extend(days(&objectives));
    all.extend(windows(&objectives));
    all.extend(durations(job, measured));
    all.extend(upkeep(&objectives));
    all.extend(head(&objectives));
    all
}

pub(super) fn change(job: &mut Job) -> &mut Objectives {
    job.objectives.get_or_insert_default()
}

fn promises(job: &Job, objectives: &Objectives) -> Vec<Setting> {
    let mut all = Vec::new();
    let declared = job.schedule.declared();
    if let Some(rpo) = objectives.rpo {
        let is_derived = declared.collect.is_empty() && objectives.at.is_empty() && objectives.days.is_empty();
        let about = if is_derived { About::Often } else { About::Promise };
        let longer = larger(rpo.0, MINUTE, LONGEST, |job, _, value| change(job).rpo = Some(value));
        all.push(Setting::new("objectives.rpo", about, vec![vec![longer]]));
    }
    let fewer = smaller(objectives.tolerate.into(), 1, 0, |job, value| change(job).tolerate = value);
    all.push(Setting::new("objectives.tolerate", About::Promise, vec![vec![fewer]]));
    let shorter = smaller(objectives.gap.0, MINUTE, 0, |job, value| change(job).gap = value);
    all.push(Setting::new("objectives.gap", About::Promise, vec![vec![shorter]]));
    if objectives.with.is_some() {
        let alone = Way::listed(vec![()], |(), job| {
            change(job).with = None;
            Some("none: a transport of its own".into())
        });
        all.push(Setting::new("objectives.with", About::Rhythm, vec![vec![alone]]));
    }
    for of in job.streams() {
        let (name, now) = (of.name, of.stream.handover.keep.into());
        let keep = larger(now, 1, MOST_WAITING, move |job, _, value| {
            job.streams.get_mut(&name).into_iter().for_each(|of| of.handover.keep = value);
        });
        all.push(Setting::new(format!("streams.{name}.handover.keep"), About::Promise, vec![vec![keep]]));
        if of.stream.transport.verify != Verify::Hash {
            all.push(Setting::new(
                format!("streams.{name}.transport.verify"),
                About::Promise,
                vec![vec![verified(name)]],
            ));
        }
    }
    all
}

fn verified(stream: StreamName) -> Way {
    Way::listed(vec![()], move |(), job| {
        job.streams.get_mut(&stream)?.transport.verify = Verify::Hash;
        Some("hash".into())
    })
}

fn times(job: &Job, objectives: &Objectives) -> Vec<Setting> {
    let mut all = Vec::new();
    if !objectives.at.is_empty() {
        let set: Set<Vec<TimeOfDay>> = |job, times| change(job).at = times;
        let ways = vec![moved(&objectives.at, set), vec![more_times(&objectives.at)]];
        all.push(Setting::new("objectives.at", About::Rhythm, ways));
    }
    if let Some(full) = objectives.full.as_ref().filter(|full| !full.at.is_empty()) {
        let set: Set<Vec<TimeOfDay>> = |job, times| {
            change(job).full.iter_mut().for_each(|full| full.at.clone_from(&times));
        };
        all.push(Setting::new("objectives.full.at", About::Rhythm, vec![moved(&full.at, set)]));
    }
    let declared = job.schedule.declared();
    let entries = |name: &str, entries: &[String], set: Set<Vec<String>>| {
        let ways = vec![moved_entries(entries, set), vec![denser(entries, set)]];
        (!entries.is_empty()).then(|| Setting::new(name, About::Rhythm, ways))
    };
    all.extend(entries("schedule.collect", &declared.collect, |job, entries| job.schedule.collect = entries));
    all.extend(entries("schedule.transport", &declared.transport, |job, entries| job.schedule.transport = entries));
    all
}

/// More times of day, evenly from the first on.
fn more_times(now: &[TimeOfDay]) -> Way {
    let (first, count) = (now.first().map_or(0, |time| time.0), now.len());
    let more = [2u16, 3, 4, 6, 8, 12, 24].into_iter().filter(|&more| usize::from(more) > count).collect();
    Way::listed(more, move |&more, job| {
        let every = 1440 / more;
        let mut times: Vec<_> = (0..more).map(|n| TimeOfDay((first + n * every) % 1440)).collect();
        times.sort_unstable();
        let told = list(&times, true);
        change(job).at = times;
        Some(told)
    })
}

/// More runs than these entries have: the next more frequent that one entry can hold, and the next.
fn denser(entries: &[String], set: Set<Vec<String>>) -> Way {
    let patterns: Vec<Pattern> =
        entries.iter().filter_map(|entry| entry.parse().ok()).map(|time| Pattern::of(&time)).collect();
    let now: usize = patterns.iter().map(runs).sum();
    let first = patterns.iter().filter_map(|pattern| pattern.minutes.first()).min().copied().unwrap_or_default();
    let more = LADDER.iter().map(|cadence| cadence.pattern(u32::from(first) % cadence.phases()));
    Way::listed(more.filter(|pattern| runs(pattern) > now).collect(), move |pattern, job| {
        let entries = written([pattern.clone()]);
        let told = list(&entries, true);
        set(job, entries);
        Some(told)
    })
}

/// So many times it runs in twelve years.
fn runs(pattern: &Pattern) -> usize {
    use super::super::Days::{Every, Month, Week};
    let months = if pattern.months.is_empty() { 12 } else { pattern.months.len() };
    let days = match &pattern.days {
        Every => 365,
        Week(days) => 52 * days.len(),
        Month(days) => 12 * days.len(),
    };
    pattern.minutes.len() * days * months
}

fn days(objectives: &Objectives) -> Vec<Setting> {
    let mut all = Vec::new();
    let full = objectives.full.as_ref().map(|full| full.days.clone()).unwrap_or_default();
    if !objectives.days.is_empty() {
        let set: Set<Vec<Day>> = |job, days| change(job).days = days;
        let no_fulls = objectives.days.iter().copied().filter(|day| !full.contains(day)).collect();
        let mut ways = of_days(&objectives.days, set);
        ways.insert(0, vec![fewer(&objectives.days, no_fulls, set)]);
        all.push(Setting::new("objectives.days", About::Days, ways));
    }
    if !full.is_empty() {
        let set: Set<Vec<Day>> = |job, days| {
            change(job).full.iter_mut().for_each(|full| full.days.clone_from(&days));
        };
        let once = full.iter().copied().filter(|day| !objectives.days.contains(day)).collect();
        let mut ways = of_days(&full, set);
        ways.insert(0, vec![fewer(&full, once, set)]);
        ways.push(vec![set_days(of_their_sort(&full, &objectives.days), set)]);
        all.push(Setting::new("objectives.full.days", About::Days, ways));
    }
    all
}

fn set_days(values: Vec<Vec<Day>>, set: Set<Vec<Day>>) -> Way {
    Way::listed(values, move |days, job| {
        set(job, days.clone());
        Some(list(days, false))
    })
}

/// What is given to something else, too, is left out; nothing if nothing would be left.
fn fewer(now: &[Day], without: Vec<Day>, set: Set<Vec<Day>>) -> Way {
    let is_other = !without.is_empty() && without != now;
    set_days(if is_other { vec![without] } else { Vec::new() }, set)
}

/// Other days, as many; more of them; one less.
fn of_days(now: &[Day], set: Set<Vec<Day>>) -> Vec<Vec<Way>> {
    let other = |by: u8| now.iter().map(|day| later(*day, by)).collect::<Vec<_>>();
    let missing = left_by(now);
    let cycle = if now.iter().copied().any(is_weekday) { 7 } else { 28 };
    let nearest_first = (1..=cycle / 2).flat_map(|by| [by, cycle - by]);
    let added = if cycle == 7 { subsets(&missing) } else { spread(&missing) };
    let more = added.into_iter().map(|added| {
        let mut days = [now, &added].concat();
        days.sort_unstable();
        days
    });
    let others: Vec<Vec<Day>> = nearest_first.map(other).collect();
    let less = if now.len() > 1 { without_one(now) } else { Vec::new() };
    [others, more.collect(), less].map(|values| vec![set_days(values, set)]).into()
}

const fn is_weekday(day: Day) -> bool {
    matches!(day, Day::Week(_))
}

/// Days of the same sort that are none of these.
fn left_by(days: &[Day]) -> Vec<Day> {
    let all: Vec<Day> = match days.first() {
        Some(Day::Month(_)) => (1..=28).map(Day::Month).collect(),
        _ => (0..7).map(Day::Week).collect(),
    };
    all.into_iter().filter(|day| !days.contains(day)).collect()
}

/// For fulls by date among collections by weekday, or the other way round: each day that the others leave, of their sort.
fn of_their_sort(fulls: &[Day], others: &[Day]) -> Vec<Vec<Day>> {
    let differ = others.first().is_some_and(|other| fulls.iter().all(|full| is_weekday(*full) != is_weekday(*other)));
    if differ { left_by(others).into_iter().map(|day| vec![day]).collect() } else { Vec::new() }
}

fn later(day: Day, by: u8) -> Day {
    match day {
        Day::Week(day) => Day::Week((day + by) % 7),
        Day::Month(day) => Day::Month((day + by - 1) % 28 + 1),
    }
}

/// One of them, two, and so on, evenly.
fn spread(items: &[Day]) -> Vec<Vec<Day>> {
    (1..=items.len())
        .map(|count| (0..count).map(|n| items[(2 * n + 1) * items.len() / (2 * count)]).collect())
        .collect()
}

fn windows(objectives: &Objectives) -> Vec<Setting> {
    let mut all = Vec::new();
    if !objectives.window.is_empty() {
        all.push(Setting::new("objectives.window", About::Rhythm, wider(&objectives.window)));
    }
    if !objectives.blackout.is_empty() {
        all.push(Setting::new("objectives.blackout", About::Rhythm, narrower(&objectives.blackout)));
    }
    all
}

/// Windows that end later or begin earlier; on more days; the whole day.
fn wider(now: &[Window]) -> Vec<Vec<Way>> {
    let set = |windows: Vec<Window>, job: &mut Job| {
        let told = list(&windows, true);
        change(job).window = windows;
        Some(told)
    };
    // Each setting is one list: all of its windows are widened alike, as far as a day goes.
    let room = now.iter().map(|window| 1439 - u64::from(window.minutes().min(1439))).max().unwrap_or_default();
    let widened = stretched(room, move |earlier, later, job| {
        set(change(job).window.iter().map(|&window| widened(window, earlier, later)).collect(), job)
    });
    let on_all = now.iter().fold(Weekdays::ALL.0, |days, window| days & window.days.0);
    let missing: Vec<u8> = (0..7).filter(|&day| !Weekdays(on_all).contains(day)).collect();
    let on_more = Way::listed(subsets(&missing), move |added, job| {
        let added = added.iter().map(|day| 1 << day).sum::<u8>();
        let on = |window: &Window| Window { days: Weekdays(window.days.0 | added), ..*window };
        set(change(job).window.iter().map(on).collect(), job)
    });
    let always =
        Way::listed(vec![()], move |(), job| set(vec![Window { days: Weekdays::ALL, from: 0, until: 1440 }], job));
    vec![widened, vec![on_more], vec![always]]
}

fn widened(window: Window, earlier: u16, later: u16) -> Window {
    let room = 1439 - window.minutes().min(1439);
    let (earlier, later) = (earlier.min(room), later.min(room));
    let until = match (window.until + later) % 1440 {
        0 => 1440,
        until => until,
    };
    Window { until, ..begun(window, -i32::from(earlier)) }
}

/// The window with a begin so many minutes later, or earlier. What passes midnight begins on another day.
fn begun(window: Window, later: i32) -> Window {
    let from = i32::from(window.from) + later;
    let of_day = u16::try_from(from.rem_euclid(1440)).unwrap_or_default();
    Window { days: window.days.later(from.div_euclid(1440)), from: of_day, ..window }
}

/// Blackouts that begin later or end earlier; one less.
fn narrower(now: &[Blackout]) -> Vec<Vec<Way>> {
    let set = |blackouts: Vec<Blackout>, job: &mut Job| {
        let told = list(&blackouts, true);
        change(job).blackout = blackouts;
        Some(told)
    };
    let weekly = now.iter().enumerate().filter_map(|(n, blackout)| match blackout {
        Blackout::Weekly(window) => Some((n, *window)),
        Blackout::Yearly { .. } => None,
    });
    let shrunk = weekly.flat_map(|(n, window)| {
        stretched(u64::from(window.minutes()) - 1, move |later, earlier, job| {
            let mut all = change(job).blackout.clone();
            let until = match (window.until + 1440 - earlier) % 1440 {
                0 => 1440,
                until => until,
            };
            all[n] = Blackout::Weekly(Window { until, ..begun(window, later.into()) });
            set(all, job)
        })
    });
    let one_less = Way::listed(without_one(now), move |left, job| set(left.clone(), job));
    vec![shrunk.collect(), vec![one_less]]
}

/// What a measurement says does not become shorter by another declaration.
fn durations(job: &Job, measured: &Measured) -> Vec<Setting> {
    let steps = Steps::of(job, None);
    let known: [(&str, i64, Option<Span>, Set<Span>); 3] = [
        ("collect", steps.collect, measured.collect, |job, value| change(job).durations.collect = Some(value)),
        ("transport", steps.transport, measured.transport, |job, value| change(job).durations.transport = Some(value)),
        ("verify", steps.verify, measured.verify, |job, value| change(job).durations.verify = Some(value)),
    ];
    let setting = |(name, now, measured, set): (&str, i64, Option<Span>, Set<Span>)| {
        let least = measured.map_or(MINUTE, |measured| measured.0.max(MINUTE));
        let shorter = smaller(now.unsigned_abs(), MINUTE, least, set);
        Setting::new(format!("objectives.durations.{name}"), About::Rhythm, vec![vec![shorter]])
    };
    known.map(setting).into()
}

fn upkeep(objectives: &Objectives) -> Vec<Setting> {
    let of = |name: &str, recurrence: &Option<Recurrence>, set_times: Set<Vec<TimeOfDay>>, set_days: Set<Vec<Day>>| {
        let Recurrence { at, days, .. } = recurrence.clone().unwrap_or_default();
        let times = (!at.is_empty()).then(|| vec![moved(&at, set_times)]);
        let days = (!days.is_empty()).then(|| of_days(&days, set_days));
        let named =
            [("at", times), ("days", days)].map(|(key, ways)| Some((format!("objectives.{name}.{key}"), ways?)));
        named.into_iter().flatten().map(|(name, ways)| Setting::new(name, About::Upkeep, ways)).collect::<Vec<_>>()
    };
    let verify = of(
        "verify",
        &objectives.verify,
        |job, times| change(job).verify.iter_mut().for_each(|verify| verify.at.clone_from(&times)),
        |job, days| change(job).verify.iter_mut().for_each(|verify| verify.days.clone_from(&days)),
    );
    let drill = of(
        "drill",
        &objectives.drill,
        |job, times| change(job).drill.iter_mut().for_each(|drill| drill.at.clone_from(&times)),
        |job, days| change(job).drill.iter_mut().for_each(|drill| drill.days.clone_from(&days)),
    );
    verify.into_iter().chain(drill).collect()
}

fn head(objectives: &Objectives) -> Vec<Setting> {
    let rarer = objectives.snapshots.map(|Every { every }| {
        let way = larger(every.0, MINUTE, LONGEST, |job, _, every| change(job).snapshots = Some(Every { every }));
        Setting::new("objectives.snapshots.every", About::Head, vec![vec![way]])
    });
    let denser = objectives.checkpoints.map(|Every { every }| {
        let way = smaller(every.0, MINUTE, MINUTE, |job, every| change(job).checkpoints = Some(Every { every }));
        Setting::new("objectives.checkpoints.every", About::Head, vec![vec![way]])
    });
    rarer.into_iter().chain(denser).collect()
}

#[cfg(test)]
mod tests;
