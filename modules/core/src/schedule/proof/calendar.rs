//! What the calendar does to declared times: windows, days that are given twice, clock changes, the ends of months.

use super::Case;
use crate::{
    job::objectives::{Day, DaysOff},
    schedule::{
        Check, Clock, Days, Draft, Outcome, Planned, Run, Steps, Timeline, Week,
        facts::minutes,
        firings::named,
        story::{civil, span, when, written},
        timeline::all_firings,
    },
};
use jiff::civil::DateTime;

pub(super) fn checks(case: &Case<'_, '_>) -> Vec<Check> {
    let mut checks: Vec<Check> = zone(case).into_iter().collect();
    for (draft, timeline) in case.jobs() {
        checks.extend(window(case, draft, timeline));
        checks.extend(full_day(case, draft));
        checks.extend(clock_changes(case, draft));
        checks.extend(month_end(case, draft));
    }
    checks
}

/// All times are local ones.
fn zone(case: &Case<'_, '_>) -> Option<Check> {
    let source = &case.drafts.first()?.job.source;
    let is_given = case.facts.hosts.get(source).is_some_and(|host| host.zone.is_given());
    (!is_given).then(|| Check::zone(source, "hosts"))
}

/// The first minute of a collection at which nothing may be collected, and why not.
fn forbidden(draft: &Draft<'_>, clock: &Clock, off: &DaysOff, start: i64) -> Option<(i64, &'static str)> {
    let length = minutes(draft.steps.collect).max(1);
    // Ten years have many collections: what is usual is told without a look at each minute.
    if is_usual(draft, clock, off, start, length) {
        return None;
    }
    let on_date = |local: i64| off.contains(civil(local).date());
    (0..length).map(|minute| start + minute * 60).find_map(|at| {
        let local = clock.local(at);
        let why = if on_date(local) {
            "on a day of `blackout`"
        } else if draft.allowed.contains(Week::minute(local)) {
            return None;
        } else if Week::allowed(&draft.objectives.window, &[]).contains(Week::minute(local)) {
            "in a `blackout`"
        } else {
            "outside the window"
        };
        Some((at, why))
    })
}

/// Whether a look at the ends of a collection is enough: clocks do not change meanwhile, and all of it is allowed. None begins
/// on a day off.
fn is_usual(draft: &Draft<'_>, clock: &Clock, off: &DaysOff, start: i64, length: i64) -> bool {
    let [first, last] = [start, start + (length - 1) * 60].map(|at| clock.local(at));
    let straight = last - first == (length - 1) * 60;
    let whole = u32::try_from(length).unwrap_or(Week::MINUTES);
    straight && length <= 1440 && draft.allowed.fits(Week::minute(first), whole) && !off.contains(civil(last).date())
}

fn window(case: &Case<'_, '_>, draft: &Draft<'_>, timeline: &Timeline) -> Option<Check> {
    let objectives = &draft.objectives;
    if objectives.window.is_empty() && objectives.blackout.is_empty() {
        return None;
    }
    let clock = &case.clocks.source;
    let check = |outcome, text: String| Check::new("window", outcome, text).of(&draft.job.job);
    if !draft.has_room() {
        let [opens, shuts] = longest_opening(draft, clock);
        let text = format!(
            "a collection of {} takes {} and the window leaves {} at most: what begins at {} has not ended at {}, when the window does",
            draft.job.job,
            takes(draft),
            span(shuts - opens),
            when(clock, opens),
            when(clock, shuts)
        );
        return Some(check(Outcome::Failed, text).at(clock, shuts));
    }
    let off = objectives.days_off();
    let first = |&(start, _): &(i64, Planned)| Some((start, forbidden(draft, clock, &off, start)?));
    let Some((start, (at, why))) = timeline.collections.iter().find_map(first) else {
        let count = timeline.collections.len();
        return Some(check(Outcome::Ok, format!("all {count} collections begin and end where they may")));
    };
    let text = format!(
        "the collection of {} that begins at {} and takes {} is {why} at {}",
        draft.job.job,
        when(clock, start),
        takes(draft),
        when(clock, at)
    );
    Some(check(Outcome::Failed, text).at(clock, at))
}

/// When the longest time that windows and blackouts leave begins and ends first.
fn longest_opening(draft: &Draft<'_>, clock: &Clock) -> [i64; 2] {
    let longest = draft.allowed.longest();
    let first = minutes(clock.from()) * 60;
    let fits = |at: &i64| draft.allowed.fits(Week::minute(clock.local(*at)), longest);
    let opens = (first..clock.to()).step_by(60).find(fits).unwrap_or(first);
    [opens, opens + i64::from(longest) * 60]
}

/// How long a collection takes, and how that is known.
fn takes(draft: &Draft<'_>) -> String {
    let known = match draft.objectives.durations.collect {
        _ if draft.steps.collect > Steps::of(draft.job, None).collect => "measured",
        Some(_) => "declared",
        None => "assumed",
    };
    format!("{}, as {known},", span(draft.steps.collect))
}

/// The days of fulls of which one is meant: there are several, and some are given to incrementals, too.
pub(super) fn disputed<'d>(draft: &'d Draft<'_>) -> Option<&'d [Day]> {
    let full = draft.objectives.full.as_ref()?;
    let twice = full.days.iter().any(|day| draft.objectives.days.contains(day));
    (twice && full.days.len() > 1).then_some(&full.days)
}

/// Days that are given to a full and to an incremental, and fulls on several days.
fn full_day(case: &Case<'_, '_>, draft: &Draft<'_>) -> Option<Check> {
    let full = draft.objectives.full.as_ref()?;
    let twice: Vec<&Day> = full.days.iter().filter(|day| draft.objectives.days.contains(day)).collect();
    let check = |outcome, text: String| Check::new("full_day", outcome, text).of(&draft.job.job);
    let named = |days: &[&Day]| days.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
    let full_days = named(&full.days.iter().collect::<Vec<_>>());
    let at = full.at.first().or(draft.objectives.at.first()).map_or(String::new(), |time| format!(" {time}"));
    if let Some((start, [sort, others])) = both_kinds(draft, &case.clocks.source) {
        let clock = &case.clocks.source;
        let text = format!(
            "at {} a full and an incremental begin in one minute: `objectives.full.days` names {sort} ({full_days}), the other collections are on {others}, and no cron entry leaves out the one by the other. Name days of one sort in both, or give the full another time in `objectives.full.at`",
            when(clock, start)
        );
        return Some(check(Outcome::Failed, text).at(clock, start));
    }
    if twice.is_empty() {
        return Some(check(Outcome::Ok, format!("fulls on {full_days}{at}, incrementals otherwise")));
    }
    let all: Vec<String> = full.days.iter().map(|day| format!("{day}{at}")).collect();
    let text = if disputed(draft).is_some() {
        format!(
            "the full's day is given twice: {}; `objectives.days` gives {} to an incremental. Keep one of them in `full.days`",
            all.join(" and "),
            named(&twice)
        )
    } else {
        format!("{} is given to a full and to an incremental. Remove it from `objectives.days`", named(&twice))
    };
    Some(check(Outcome::Failed, text))
}

/// The first instant at which a full and an incremental begin because the days of one are weekdays and those of the other days
/// of the month; which sort is whose.
fn both_kinds(draft: &Draft<'_>, clock: &Clock) -> Option<(i64, [&'static str; 2])> {
    let of_kind = |kind| draft.runs.iter().filter(move |run| run.kind == kind);
    let meets = |(full, other): (&Run, &Run)| {
        let sorts = match (&full.pattern.days, &other.pattern.days) {
            (Days::Month(_), Days::Week(_)) => ["days of the month", "weekdays"],
            (Days::Week(_), Days::Month(_)) => ["weekdays", "days of the month"],
            _ => return None,
        };
        if full.pattern.minutes.is_disjoint(&other.pattern.minutes) {
            return None;
        }
        let fulls = all_firings(&full.times(), clock);
        let start = all_firings(&other.times(), clock).into_iter().find(|at| fulls.binary_search(at).is_ok())?;
        Some((start, sorts))
    };
    let pairs = of_kind(Planned::Full).flat_map(|full| of_kind(Planned::Incremental).map(move |other| (full, other)));
    pairs.filter_map(meets).min_by_key(|(start, _)| *start)
}

/// Local times of collections that do not exist or occur twice.
fn clock_changes(case: &Case<'_, '_>, draft: &Draft<'_>) -> Option<Check> {
    let clock = &case.clocks.source;
    let zone = case.facts.hosts.get(&draft.job.source).map_or("UTC", |host| host.zone.name());
    let mut found = Vec::new();
    let mut first = None;
    for change in clock.changes() {
        for run in &draft.runs {
            for time in &run.times() {
                let Some(local) = named(*time, change.local()).next() else { continue };
                first.get_or_insert(change.at);
                let (date, wild) = (written(local), time.is_wild());
                found.push(match (change.is_gap(), wild) {
                    (true, false) => {
                        format!("{date} does not exist in {zone}: cron runs it at {}", when(clock, change.at))
                    }
                    (true, true) => format!("{date} does not exist in {zone}: cron leaves it out"),
                    (false, false) => format!("{date} occurs twice in {zone}: cron runs it the first time only"),
                    (false, true) => format!("{date} occurs twice in {zone}: cron runs it both times"),
                });
            }
        }
    }
    let count = found.len();
    let check = Check::new("clock_changes", Outcome::Warning, String::new()).of(&draft.job.job);
    let mut check = check.at(clock, first?).figure("changes", i64::try_from(count).unwrap_or(i64::MAX));
    // Every night's job meets two a year: the first of each sort say it.
    if count > 4 {
        let sort = |what: &str| found.iter().find(|text| text.contains(what)).cloned();
        let more = format!("{count} such times within the horizon");
        found = [sort("not exist"), sort("occurs twice"), Some(more)].into_iter().flatten().collect();
    }
    check.text = found.join("; ");
    Some(check)
}

/// What is to be known of days at the end of a month.
fn month_end(case: &Case<'_, '_>, draft: &Draft<'_>) -> Option<Check> {
    let check = |text: String| Some(Check::new("month_end", Outcome::Warning, text).of(&draft.job.job));
    // Only what somebody wrote has such days, apart from incrementals on all days but those of the fulls.
    let written = draft.runs.iter().filter(|run| run.kind == Planned::Auto).flat_map(super::super::Run::times);
    let lost = written.filter_map(|time| {
        let day = time.days_of_month()?.last()?;
        let months: Vec<&str> = time.months_without(day).collect();
        let text =
            || format!("`{time}` leaves months with fewer days short: there is no day {day} in {}", months.join(", "));
        (!months.is_empty()).then(text)
    });
    let lost: Vec<String> = lost.collect();
    if !lost.is_empty() {
        return check(lost.join("; "));
    }
    let last =
        draft.runs.iter().filter(|run| run.kind != Planned::Incremental).filter_map(|run| match &run.pattern.days {
            Days::Month(days) => days.iter().max().copied(),
            _ => None,
        });
    let day = last.max().filter(|&day| day == 28)?;
    let year = |at| civil(case.clocks.source.local(at)).date().year();
    let (from, to) = (year(case.clocks.source.from()), year(case.clocks.source.to() - 1));
    let (leap, common): (Vec<i16>, Vec<i16>) = (from..=to).partition(|&year| {
        DateTime::new(year, 2, 1, 0, 0, 0, 0).is_ok_and(|february| february.date().days_in_month() == 29)
    });
    let years = |years: &[i16]| years.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let text = format!(
        "day {day} is the last that every month has: February has 28 days in common years ({}) and 29 in leap years ({}), not the other way round",
        years(&common),
        years(&leap)
    );
    check(text)
}
