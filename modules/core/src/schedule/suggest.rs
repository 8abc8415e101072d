//! For what failed: the nearest change of each single setting with which it holds. Nothing is guessed: every suggestion
//! was planned and proven anew, and makes no other check fail.

use super::{Check, Clocks, Facts, Outcome, Remedy, facts::minutes, plan::prove};
use crate::{
    Job, StreamName,
    job::{
        Objectives,
        objectives::{TimeOfDay, Window},
    },
    retention::Policy,
    units::Span,
};
use std::collections::BTreeSet;

/// What identifies a check between two plans.
type Key = (String, Option<String>, Option<StreamName>);

fn key(check: &Check) -> Key {
    (check.check.clone(), check.job.clone(), check.stream)
}

fn failed(checks: &[Check]) -> BTreeSet<Key> {
    checks.iter().filter(|check| check.outcome == Outcome::Failed).map(key).collect()
}

/// One changed value of one setting.
struct Proposal {
    setting: String,
    value: String,
    job: Job,
}

/// Adds remedies to the checks that failed. Of the horizons the last is the whole; those before are quick to try.
pub(super) fn remedies(jobs: &[Job], facts: &Facts, horizons: &[Clocks], checks: &mut [Check]) {
    let before = failed(checks);
    for check in checks.iter_mut().filter(|check| check.outcome == Outcome::Failed) {
        let Some(index) = jobs.iter().position(|job| Some(&job.job) == check.job.as_ref()) else { continue };
        let key = key(check);
        let holds = |proposal: &Proposal| {
            let mut changed = jobs.to_vec();
            changed[index] = proposal.job.clone();
            horizons.iter().all(|clocks| {
                prove(&changed, facts, clocks).is_ok_and(|proven| {
                    let after = failed(&proven.checks);
                    !after.contains(&key) && after.is_subset(&before)
                })
            })
        };
        let nearest = |proposals: Vec<Proposal>| proposals.into_iter().find(&holds);
        let settings = settings(&check.check).iter().filter_map(|setting| nearest(setting(&jobs[index], check)));
        check.remedies = settings
            .map(|found| Remedy { job: Some(found.job.job), setting: found.setting, value: found.value })
            .collect();
    }
}

/// The values of one setting, the nearest first.
type Setting = fn(&Job, &Check) -> Vec<Proposal>;

/// Which settings can make this check hold.
fn settings(check: &str) -> &'static [Setting] {
    match check {
        "rpo" => &[rpo, tolerate, at, with, collect, transport, verify],
        "gap" => &[gap, at, collect, transport],
        "overlap" => &[at, collect, transport],
        "window" => &[window, at, collect],
        "handover" => &[keep, at],
        "full_day" => &[full_on],
        "rto" => &[rto],
        "history" => &[history, retention, max_age],
        "verification" => &[verify_at],
        "drill" => &[drill_at],
        _ => &[],
    }
}

fn propose(setting: &'static str, value: String, job: &Job, change: impl FnOnce(&mut Objectives)) -> Proposal {
    let mut job = job.clone();
    change(job.objectives.get_or_insert_default());
    Proposal { setting: setting.into(), value, job }
}

fn figure(check: &Check, name: &str) -> Option<u64> {
    check.figures.get(name).and_then(|&value| u64::try_from(value).ok())
}

fn whole_minutes(seconds: u64) -> Span {
    Span(seconds.div_ceil(60) * 60)
}

fn rpo(job: &Job, check: &Check) -> Vec<Proposal> {
    let Some(effective) = figure(check, "effective") else { return Vec::new() };
    // A longer RPO may be derived anew, into something rarer: then a little more is needed.
    let values = (0..6).map(|step| whole_minutes(effective + effective * step / 20));
    values.map(|value| propose("objectives.rpo", value.to_string(), job, |o| o.rpo = Some(value))).collect()
}

fn rto(job: &Job, _: &Check) -> Vec<Proposal> {
    let restore = job.objectives.as_ref().and_then(|objectives| objectives.durations.restore);
    let value = restore.map(|restore| whole_minutes(restore.0));
    value.map(|value| propose("objectives.rto", value.to_string(), job, |o| o.rto = Some(value))).into_iter().collect()
}

fn history(job: &Job, check: &Check) -> Vec<Proposal> {
    // Shorter than the age at which the first copy goes, in whole hours.
    let value =
        figure(check, "window").map(|window| Span(window.saturating_sub(1) / 3600 * 3600)).filter(|value| value.0 > 0);
    value
        .map(|value| propose("objectives.history", value.to_string(), job, |o| o.history = Some(value)))
        .into_iter()
        .collect()
}

fn change_policy(
    job: &Job,
    check: &Check,
    key: &str,
    values: impl Iterator<Item = Span>,
    set: fn(&mut Policy, Span),
) -> Vec<Proposal> {
    let Some(stream) = check.stream else { return Vec::new() };
    let change = |value: Span| {
        let mut job = job.clone();
        job.streams.get_mut(&stream).into_iter().for_each(|of| set(&mut of.sink.retention, value));
        Proposal { setting: format!("streams.{stream}.sink.retention.{key}"), value: value.to_string(), job }
    };
    values.map(change).collect()
}

/// The history, and a day more and more.
fn longer(job: &Job) -> impl Iterator<Item = Span> + use<> {
    let history = job.objectives.as_ref().and_then(|objectives| objectives.history).unwrap_or_default();
    (0..40).map(move |days| Span(history.0 + days * 86_400))
}

fn retention(job: &Job, check: &Check) -> Vec<Proposal> {
    change_policy(job, check, "within", longer(job), |policy, value| policy.within = Some(value))
}

fn max_age(job: &Job, check: &Check) -> Vec<Proposal> {
    let declared = check.stream.and_then(|stream| job.stream(stream)).and_then(|of| of.stream.sink.retention.max_age);
    let values = longer(job).filter(move |&value| declared.is_some_and(|now| value > now));
    change_policy(job, check, "max_age", values, |policy, value| policy.max_age = Some(value))
}

fn tolerate(job: &Job, _: &Check) -> Vec<Proposal> {
    let now = job.objectives.as_ref().map_or(0, |objectives| objectives.tolerate);
    let values = (0..now).rev().take(8);
    values.map(|value| propose("objectives.tolerate", value.to_string(), job, |o| o.tolerate = value)).collect()
}

fn gap(job: &Job, check: &Check) -> Vec<Proposal> {
    let least = figure(check, "least").map(|least| Span(least / 60 * 60));
    least.map(|value| propose("objectives.gap", value.to_string(), job, |o| o.gap = value)).into_iter().collect()
}

fn with(job: &Job, _: &Check) -> Vec<Proposal> {
    let carried = job.objectives.as_ref().is_some_and(|objectives| objectives.with.is_some());
    let remove = || propose("objectives.with", "none: a transport of its own".into(), job, |o| o.with = None);
    carried.then(remove).into_iter().collect()
}

fn keep(job: &Job, check: &Check) -> Vec<Proposal> {
    let (Some(stream), Some(waiting)) = (check.stream, figure(check, "waiting").and_then(|n| u32::try_from(n).ok()))
    else {
        return Vec::new();
    };
    let mut job = job.clone();
    if let Some(of) = job.streams.get_mut(&stream) {
        of.handover.keep = waiting;
    }
    vec![Proposal { setting: format!("streams.{stream}.handover.keep"), value: waiting.to_string(), job }]
}

fn full_on(job: &Job, _: &Check) -> Vec<Proposal> {
    let Some(objectives) = &job.objectives else { return Vec::new() };
    let Some(full) = &objectives.full else { return Vec::new() };
    let without: Vec<_> = full.days.iter().copied().filter(|day| !objectives.days.contains(day)).collect();
    let value = format!("[{}]", without.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let change = |o: &mut Objectives| o.full.iter_mut().for_each(|full| full.days.clone_from(&without));
    if without.is_empty() { Vec::new() } else { vec![propose("objectives.full.days", value, job, change)] }
}

/// Times of day, moved by quarters of an hour; then more of them.
fn at(job: &Job, _: &Check) -> Vec<Proposal> {
    let now = job.objectives.as_ref().map(|objectives| objectives.at.clone()).unwrap_or_default();
    let Some(first) = now.first() else { return Vec::new() };
    let moved = |by: u16| now.iter().map(|time| TimeOfDay((time.0 + by) % 1440)).collect::<Vec<_>>();
    let shifted = (1..=48u16).flat_map(|step| [1440 - step * 15, step * 15]).map(moved);
    let more = [2, 3, 4, 6, 8, 12, 24].into_iter().filter(|&count| count > now.len());
    let spread = more.map(|count| {
        let every = 1440 / u16::try_from(count).unwrap_or(1);
        let mut times: Vec<_> = (0..1440 / every).map(|n| TimeOfDay((first.0 + n * every) % 1440)).collect();
        times.sort_unstable();
        times
    });
    shifted
        .chain(spread)
        .map(|times| propose("objectives.at", listed(&times), job, |o| o.at.clone_from(&times)))
        .collect()
}

fn listed(times: &[TimeOfDay]) -> String {
    format!("[{}]", times.iter().map(|time| format!("\"{time}\"")).collect::<Vec<_>>().join(", "))
}

/// Windows that end later or begin earlier, by half hours.
fn window(job: &Job, _: &Check) -> Vec<Proposal> {
    let now = job.objectives.as_ref().map(|objectives| objectives.window.clone()).unwrap_or_default();
    let wider = |window: Window, later: u16, earlier: u16| {
        let room = 1440u16.saturating_sub(window.minutes());
        let (later, earlier) = (later.min(room), earlier.min(room - later.min(room)));
        let until = match (window.until + later) % 1440 {
            0 => 1440,
            until => until,
        };
        Window { until, from: (window.from + 1440 - earlier) % 1440, ..window }
    };
    let all = |later: u16, earlier: u16| now.iter().map(|&window| wider(window, later, earlier)).collect::<Vec<_>>();
    let steps = (1..=47u16).flat_map(|step| [(step * 30, 0), (0, step * 30)]);
    let valid =
        |windows: &Vec<Window>| windows.iter().all(|window| window.from != window.until % 1440 || window.from == 0);
    let told = |windows: &[Window]| windows.iter().map(|window| format!("\"{window}\"")).collect::<Vec<_>>().join(", ");
    let values = steps.map(|(later, earlier)| all(later, earlier)).filter(valid);
    values
        .map(|value| propose("objectives.window", format!("[{}]", told(&value)), job, |o| o.window.clone_from(&value)))
        .collect()
}

/// Shorter and shorter, in at most 60 steps of whole minutes.
fn shorter(job: &Job, setting: &'static str, now: Option<Span>, set: fn(&mut Objectives, Span)) -> Vec<Proposal> {
    let Some(now) = now.map(|now| minutes(i64::try_from(now.0).unwrap_or(i64::MAX >> 8))) else { return Vec::new() };
    let step = usize::try_from(now / 60).unwrap_or(1).max(1);
    let values = (1..now).rev().step_by(step).map(|minutes| Span(minutes.unsigned_abs() * 60));
    values.map(|value| propose(setting, value.to_string(), job, |o| set(o, value))).collect()
}

fn collect(job: &Job, _: &Check) -> Vec<Proposal> {
    let now = job.objectives.as_ref().and_then(|o| o.durations.collect);
    shorter(job, "objectives.durations.collect", now, |o, value| o.durations.collect = Some(value))
}

fn transport(job: &Job, _: &Check) -> Vec<Proposal> {
    let now = job.objectives.as_ref().and_then(|o| o.durations.transport);
    shorter(job, "objectives.durations.transport", now, |o, value| o.durations.transport = Some(value))
}

fn verify(job: &Job, _: &Check) -> Vec<Proposal> {
    let now = job.objectives.as_ref().and_then(|o| o.durations.verify);
    shorter(job, "objectives.durations.verify", now, |o, value| o.durations.verify = Some(value))
}

fn quarters() -> impl Iterator<Item = TimeOfDay> {
    (0..96u16).map(|quarter| TimeOfDay(quarter * 15))
}

fn verify_at(job: &Job, _: &Check) -> Vec<Proposal> {
    let change = |o: &mut Objectives, time| o.verify.iter_mut().for_each(|verify| verify.at = vec![time]);
    quarters().map(|time| propose("objectives.verify.at", listed(&[time]), job, |o| change(o, time))).collect()
}

fn drill_at(job: &Job, _: &Check) -> Vec<Proposal> {
    let change = |o: &mut Objectives, time| o.drill.iter_mut().for_each(|drill| drill.at = vec![time]);
    quarters().map(|time| propose("objectives.drill.at", listed(&[time]), job, |o| change(o, time))).collect()
}
