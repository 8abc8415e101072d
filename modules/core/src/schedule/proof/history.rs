//! Retention: what can be restored at each instant, what grows too old, how much room it takes.

use super::Case;
use crate::{
    schedule::{
        Check, Draft, Line, Outcome,
        history::{FOREVER, Loss, Replay, Spell, ages, first_lost, window},
        stored::Stored,
        story::{if_missed, span, when},
    },
    units::{Bytes, Span},
};
use std::collections::BTreeMap;

pub(super) fn checks(case: &Case<'_, '_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (draft, line, stored) in case.stores() {
        let Some(replay) = &stored.replay else { continue };
        checks.push(history(case, draft, line, stored));
        checks.extend(over_age(case, draft, line, stored, replay));
        checks.extend(base(case, draft, line, replay));
    }
    checks.extend(space(case));
    checks
}

fn seconds(span: Span) -> i64 {
    i64::try_from(span.0).unwrap_or(i64::MAX)
}

fn history(case: &Case<'_, '_>, draft: &Draft<'_>, line: &Line, stored: &Stored) -> Check {
    let clock = &case.clocks.source;
    let check = |outcome, text: String| Check::new("history", outcome, text).of(&draft.job.job).on(line.stream);
    let places = stored.places();
    let provider = if stored.provider.is_some() { ", the provider's backup counted" } else { "" };
    let window = window(&line.deliveries, &places);
    let reach = match window {
        None => "nothing expires within the horizon".to_owned(),
        Some(loss) => format!(
            "each collection can be restored for {} at least{provider}; the copy of {} goes at {}",
            span(loss.age()),
            when(clock, loss.data),
            when(clock, loss.gone)
        ),
    };
    let figure = |check: Check| match window {
        Some(loss) => check.figure("window", loss.age()).at(clock, loss.gone),
        None => check,
    };
    let Some(promised) = draft.objectives.history else {
        return figure(check(Outcome::Ok, reach));
    };
    match first_lost(&line.deliveries, &places, promised) {
        None => figure(check(Outcome::Ok, format!("{reach}; history is {}", span(seconds(promised))))),
        Some(loss) => {
            let text = format!(
                "at {} the copy of {} cannot be restored any more, {} after its collection{provider}; history is {}",
                when(clock, loss.gone),
                when(clock, loss.data),
                span(loss.age()),
                span(seconds(promised))
            );
            let least = window.map_or(loss.age(), Loss::age);
            check(Outcome::Failed, text).at(clock, loss.gone).figure("window", least)
        }
    }
}

/// What `max_age` leaves.
fn over_age(case: &Case<'_, '_>, draft: &Draft<'_>, line: &Line, stored: &Stored, replay: &Replay) -> Vec<Check> {
    let clock = &case.clocks.source;
    let check = |text: String| Check::new("max_age", Outcome::Warning, text).of(&draft.job.job).on(line.stream);
    let Some(max_age) = stored.policy.max_age else { return Vec::new() };
    let of = |tolerate| ages(&line.deliveries, &stored.keeping(), replay, max_age, tolerate);
    let limit = span(seconds(max_age));
    let mut checks = Vec::new();
    let tolerated = draft.objectives.tolerate;
    let Some(found) = of(tolerated) else { return checks };
    let stale = |spell: Spell, missed: u32| {
        let text = format!(
            "{} from {} until {} the newest verified copy on {}, of {}, is older than {limit}; it stays as the last",
            if_missed(missed),
            when(clock, spell.from),
            when(clock, spell.until),
            line.sink,
            when(clock, spell.data)
        );
        check(text).at(clock, spell.from).figure("over", spell.until - spell.from)
    };
    if let Some(spell) = found.stale {
        checks.push(stale(spell, tolerated));
    }
    if let Some(spell) = of(tolerated + 1).and_then(|found| found.stalest) {
        checks.push(stale(spell, tolerated + 1));
    }
    let fewest = found.fewest.map_or(0, |fewest| fewest.count);
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let told = match (fewest, found.most.count) {
        (0, 1) => "none or one copy".to_owned(),
        (few, most) if few == most => format!("{few} copies"),
        (few, most) => format!("{few} to {most} copies"),
    };
    let mut few = check(format!("what is kept leaves {told} no older than {limit} on {}", line.sink));
    if let (Some(least), true) = (found.fewest, fewest != found.most.count) {
        let (least, most) = (when(clock, least.at), when(clock, found.most.at));
        few.text = format!("{} (fewest first at {least}, most first at {most})", few.text);
    }
    few.outcome = if fewest < 2 { Outcome::Warning } else { Outcome::Ok };
    let at = found.fewest.map_or(found.most.at, |fewest| fewest.at);
    checks.push(few.at(clock, at).figure("fewest", count(fewest)).figure("most", count(found.most.count)));
    if let Some(spell) = found.overstays {
        let until = match spell.until {
            FOREVER => "beyond the horizon".to_owned(),
            until => format!("until {}", when(clock, until)),
        };
        let text = format!(
            "the copy of {} stays {until}, longer than {limit}: `sink.protect` forbids to delete it before",
            when(clock, spell.data)
        );
        checks.push(check(text).at(clock, spell.from));
    }
    checks
}

/// An incremental whose base the sink has deleted is refused there.
fn base(case: &Case<'_, '_>, draft: &Draft<'_>, line: &Line, replay: &Replay) -> Option<Check> {
    let orphan = &line.deliveries[replay.orphan?];
    let clock = &case.clocks.source;
    let text = format!(
        "at {} the incremental of {} comes to {} after its base was deleted; the sink refuses it and asks for a full",
        when(clock, orphan.arrives),
        when(clock, orphan.data),
        line.sink
    );
    Some(Check::new("base", Outcome::Failed, text).of(&draft.job.job).on(line.stream).at(clock, orphan.arrives))
}

/// The sum of the largest that each store becomes, per sink. They need not be largest at once: it is a bound.
fn space(case: &Case<'_, '_>) -> Vec<Check> {
    let mut sinks: BTreeMap<&str, (u64, Vec<&str>)> = BTreeMap::new();
    for (draft, line, stored) in case.stores() {
        let (sum, unknown) = sinks.entry(&line.sink).or_default();
        let job = draft.job.job.as_str();
        match (draft.sizes, &stored.replay) {
            (Some(sizes), Some(replay)) => *sum = sum.saturating_add(replay.largest.bytes(sizes)),
            _ if unknown.contains(&job) => {}
            _ => unknown.push(job),
        }
    }
    let check = |(sink, (bytes, unknown)): (&str, (u64, Vec<&str>))| {
        let capacity = case.facts.sinks.get(sink).and_then(|facts| facts.capacity);
        let needed = Bytes(bytes).told();
        let needed = match unknown.join(", ") {
            jobs if jobs.is_empty() => format!("the stores on {sink} take {needed} at most"),
            jobs if bytes == 0 => {
                format!("what the stores on {sink} take is unknown: `size` of {jobs} is neither declared nor measured")
            }
            jobs => format!("the stores on {sink} take {needed} at most, without {jobs}, whose sizes are unknown"),
        };
        let there =
            capacity.map_or_else(|| format!("`capacity` of {sink} is not given"), |there| format!("{there} are there"));
        let outcome = match capacity {
            Some(capacity) if bytes > capacity.0 => Outcome::Failed,
            Some(_) if unknown.is_empty() => Outcome::Ok,
            _ => Outcome::Unknown,
        };
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        Check::new("space", outcome, format!("{needed}; {there}")).and(sink).figure("bytes", bytes)
    };
    sinks.into_iter().map(check).chain(case.stores().filter_map(quota)).collect()
}

/// What a full quota does not take in is refused at the sink: then nothing arrives any more.
fn quota((draft, line, stored): (&Draft<'_>, &Line, &Stored)) -> Option<Check> {
    let quota = draft.job.streams[&line.stream].sink.quota?;
    let bytes = draft.sizes.zip(stored.replay.as_ref()).map(|(sizes, replay)| replay.largest.bytes(sizes));
    let (outcome, needed) = match bytes {
        None => {
            (Outcome::Unknown, "what its store takes is unknown: `size` is neither declared nor measured".to_owned())
        }
        Some(bytes) => {
            let outcome = if bytes > quota.0 { Outcome::Failed } else { Outcome::Ok };
            (outcome, format!("its store on {} takes {} at most", line.sink, Bytes(bytes).told()))
        }
    };
    let check = Check::new("space", outcome, format!("{needed}; its quota is {quota}"));
    let check = check.of(&draft.job.job).on(line.stream).and(&line.sink);
    Some(bytes.into_iter().fold(check, |check, bytes| check.figure("bytes", i64::try_from(bytes).unwrap_or(i64::MAX))))
}
