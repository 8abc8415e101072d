//! RPO and RTO: how old copies get, how long they travel, how long a restore takes.

use super::Case;
use crate::{
    job::Verify,
    schedule::{
        Carry, Check, Delivery, Draft, Line, Outcome, Steps, Timeline, Worst,
        facts::minutes,
        outage, rpo,
        story::{if_missed, missed_runs, span, when},
    },
};

pub(super) fn checks(case: &Case<'_, '_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (draft, timeline) in case.jobs() {
        checks.extend(durations(draft));
        for (line, carry) in timeline.lines.iter().zip(&draft.carries) {
            checks.push(rpo(case, draft, timeline, line));
            checks.extend(late(case, draft, carry));
            checks.extend(missed(case, draft, line));
            checks.extend(carried(case, draft, line));
            checks.push(handover(case, draft, line));
        }
        checks.extend(rto(case, draft));
    }
    checks
}

fn durations(draft: &Draft<'_>) -> Option<Check> {
    let steps = &draft.steps;
    let text = format!(
        "durations are assumed where they are neither declared nor measured in ten runs: collect {}, transport {}, verification {}",
        span(steps.collect),
        span(steps.transport),
        span(steps.verify)
    );
    steps.assumed.then(|| Check::new("durations", Outcome::Unknown, text).of(&draft.job.job))
}

fn rpo(case: &Case<'_, '_>, draft: &Draft<'_>, timeline: &Timeline, line: &Line) -> Check {
    let check = |outcome, text: String| Check::new("rpo", outcome, text).of(&draft.job.job).on(line.stream);
    let clock = &case.clocks.source;
    let objective = draft.objectives.rpo.map(|rpo| i64::try_from(rpo.0).unwrap_or(i64::MAX));
    let verified = draft.job.stream(line.stream).is_none_or(|of| of.stream.transport.verify == Verify::Hash);
    if !verified && objective.is_some() {
        return check(
            Outcome::Failed,
            "with `transport.verify: none` no copy is ever verified; set it to `hash`".into(),
        );
    }
    let tolerated = draft.objectives.tolerate;
    let Some(worst) = rpo::worst(line, tolerated) else {
        let outcome = if objective.is_some() { Outcome::Failed } else { Outcome::Unknown };
        let (sink, all) = (&line.sink, line.transports.len());
        let text = if line.deliveries.len() < 2 {
            format!("fewer than two copies reach {sink} within the horizon")
        } else {
            format!(
                "cannot be told: {all} transports reach {sink} within the horizon, and any {tolerated} in a row may be missed"
            )
        };
        return check(outcome, text);
    };
    let said = format!("effective RPO {}, before {}", span(worst.age()), when(clock, worst.until));
    let figures = |check: Check| check.figure("effective", worst.age()).figure("rpo", objective.unwrap_or_default());
    match objective {
        None => figures(check(Outcome::Unknown, format!("{said}; none is declared")).at(clock, worst.until)),
        Some(rpo) => match rpo::first_breach(line, tolerated, rpo) {
            None => figures(check(Outcome::Ok, format!("{said}; RPO is {}", span(rpo))).at(clock, worst.until)),
            Some(breach) => {
                let story = story(case, draft, timeline, line, breach);
                let text = format!("{story}; RPO is {}. The worst: {said}", span(rpo));
                figures(check(Outcome::Failed, text).at(clock, breach.until - 1))
            }
        },
    }
}

/// The last whole minute before the next copy arrives.
fn last_minute(moment: Worst) -> i64 {
    (moment.until - 1).div_euclid(60) * 60
}

/// "at … the newest verified copy on … holds data of …, … old; the copy of … is still in transfer". The copy is the next one:
/// its arrival ends the breach, whatever else is on its way.
fn story(case: &Case<'_, '_>, draft: &Draft<'_>, timeline: &Timeline, line: &Line, moment: Worst) -> String {
    let clock = &case.clocks.source;
    let at = last_minute(moment);
    let text = format!(
        "at {} the newest verified copy on {} holds data of {}, {} old{}",
        when(clock, at),
        line.sink,
        when(clock, moment.held),
        span(at - moment.held),
        missed_runs(draft.objectives.tolerate)
    );
    let next = timeline.collections.partition_point(|&(data, _)| data <= moment.held);
    match timeline.collections.get(next) {
        Some(&(data, _)) => format!("{text}; the copy of {} is still in transfer", when(clock, data)),
        None => text,
    }
}

/// What a collection does that takes so long that only the second try carries it. Of a carried job it is not told: its own
/// collection has long ended, or the carrier's is told of.
fn late(case: &Case<'_, '_>, draft: &Draft<'_>, carry: &Carry) -> Option<Check> {
    if carry.again.is_empty() || draft.objectives.with.is_some() {
        return None;
    }
    let collect = (minutes(draft.steps.collect) + draft.margin()) * 60;
    let draft = Draft { steps: Steps { collect, ..draft.steps }, carries: vec![carry.clone()], ..draft.clone() };
    let worst = rpo::worst(&Timeline::of(&draft, case.clocks).lines[0], draft.objectives.tolerate)?;
    let clock = &case.clocks.source;
    let rpo = draft.objectives.rpo.map(|rpo| i64::try_from(rpo.0).unwrap_or(i64::MAX));
    let exceeds = rpo.is_some_and(|rpo| worst.age() > rpo);
    let text = format!(
        "a collection of up to {} travels with the second try; then the newest verified copy on {} gets {} old, at worst before {}{}",
        span(collect),
        carry.sink,
        span(worst.age()),
        when(clock, worst.until),
        if exceeds { format!("; RPO is {}", span(rpo.unwrap_or_default())) } else { String::new() },
    );
    let outcome = if exceeds { Outcome::Warning } else { Outcome::Ok };
    let check = Check::new("late_run", outcome, text).of(&draft.job.job).on(carry.stream);
    Some(check.at(clock, worst.until).figure("effective", worst.age()).figure("collect", collect))
}

/// What one more missed run than tolerated does.
fn missed(case: &Case<'_, '_>, draft: &Draft<'_>, line: &Line) -> Option<Check> {
    let missed = draft.objectives.tolerate + 1;
    let worst = rpo::worst(line, missed)?;
    let clock = &case.clocks.source;
    let text = format!(
        "{} the newest verified copy on {} gets {} old, at worst before {}",
        if_missed(missed),
        line.sink,
        span(worst.age()),
        when(clock, worst.until)
    );
    let check = Check::new("missed_run", Outcome::Ok, text).of(&draft.job.job).on(line.stream);
    Some(check.at(clock, worst.until).figure("effective", worst.age()))
}

/// How long copies wait for the transport of another job.
fn carried(case: &Case<'_, '_>, draft: &Draft<'_>, line: &Line) -> Option<Check> {
    let with = draft.objectives.with.as_ref()?;
    let clock = &case.clocks.source;
    let start = |delivery: &Delivery| delivery.arrives - draft.steps.verify - draft.steps.transport;
    let first = line.deliveries.first()?;
    let longest = line.deliveries.iter().max_by_key(|delivery| (start(delivery) - delivery.data, -delivery.data))?;
    let mut text = format!(
        "the copy of {} travels {} later, with the transport of {with} at {}, and counts on {} at {}",
        when(clock, first.data),
        span(start(first) - first.data),
        when(clock, start(first)),
        line.sink,
        when(clock, first.arrives),
    );
    let wait = start(longest) - longest.data;
    if wait > start(first) - first.data {
        text = format!("{text}; that of {} even {}", when(clock, longest.data), span(wait));
    }
    let check = Check::new("carrier", Outcome::Warning, text).of(&draft.job.job).on(line.stream);
    Some(check.at(clock, longest.arrives).figure("wait", wait))
}

/// The handover point holds what waits.
fn handover(case: &Case<'_, '_>, draft: &Draft<'_>, line: &Line) -> Check {
    let keep = draft.job.stream(line.stream).map_or(0, |of| of.stream.handover.keep);
    let tolerated = draft.objectives.tolerate;
    let (waiting, at) = outage::most_waiting(line, tolerated);
    let missed = missed_runs(tolerated);
    let fits = u32::try_from(waiting).is_ok_and(|waiting| waiting <= keep);
    let text = if fits {
        format!("copies wait for transport, at most {waiting} at once{missed}; the handover point holds {keep}")
    } else {
        format!(
            "at {} collect is refused{missed}: {} generations wait for transport already, `handover.keep` is {keep}",
            when(&case.clocks.source, at),
            waiting - 1
        )
    };
    let outcome = if fits { Outcome::Ok } else { Outcome::Failed };
    let check = Check::new("handover", outcome, text).of(&draft.job.job).on(line.stream);
    check.at(&case.clocks.source, at).figure("waiting", i64::try_from(waiting).unwrap_or(i64::MAX))
}

fn rto(case: &Case<'_, '_>, draft: &Draft<'_>) -> Option<Check> {
    let rto = i64::try_from(draft.objectives.rto?.0).unwrap_or(i64::MAX);
    let host = case.facts.hosts.get(&draft.job.source);
    let measured = host.and_then(|host| host.jobs.get(&draft.job.job)).and_then(|measured| measured.restore);
    let (outcome, text) = match (draft.steps.restore, measured) {
        (Some(restore), _) if restore > rto => {
            (Outcome::Failed, format!("a restore takes {}, RTO is {}", span(restore), span(rto)))
        }
        (Some(restore), Some(_)) => (Outcome::Ok, format!("a restore takes {}, RTO is {}", span(restore), span(rto))),
        (Some(restore), None) => (
            Outcome::Unknown,
            format!("a restore is declared to take {} and was never measured; RTO is {}", span(restore), span(rto)),
        ),
        (None, _) => (Outcome::Unknown, format!("no restore was ever measured; RTO is {}", span(rto))),
    };
    Some(Check::new("rto", outcome, text).of(&draft.job.job).figure("rto", rto))
}
