//! What is taken of a database's head: what snapshots hold, and that checkpoints lie between them.

use super::Case;
use crate::schedule::{
    Check, Draft, Line, Outcome,
    head::{self, Taken},
    story::{span, when},
    timeline::all_firings,
};

pub(super) fn checks(case: &Case<'_, '_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (draft, timeline) in case.jobs() {
        let (Some(line), Some(taken)) = (head::line(timeline), head::snapshots(draft)) else { continue };
        let begins = |taken: &Taken| all_firings(&taken.times, case.clocks.sink(&line.sink));
        let snapshots = begins(&taken);
        checks.push(holding(case, draft, line, &taken, &snapshots));
        checks.extend(
            head::checkpoints(draft).map(|dense| between(case, draft, line, (&taken, &snapshots), &begins(&dense))),
        );
    }
    checks
}

/// What the snapshots hold: whatever has arrived when they are taken, for that is what the head has applied.
fn holding(case: &Case<'_, '_>, draft: &Draft<'_>, line: &Line, taken: &Taken, snapshots: &[i64]) -> Check {
    let clock = &case.clocks.source;
    let check = |outcome, text: String| Check::new(taken.name(), outcome, text).of(&draft.job.job).on(line.stream);
    let arrived = |at: i64| line.deliveries.partition_point(|delivery| delivery.arrives <= at);
    let held = |&at: &i64| Some((at, line.deliveries[arrived(at).checked_sub(1)?].data));
    let Some((at, data)) = snapshots.iter().filter_map(held).max_by_key(|&(at, data)| (at - data, -at)) else {
        return check(Outcome::Unknown, format!("nothing arrives on {} before any snapshot", line.sink));
    };
    let oldest = format!(
        "the snapshot of {} holds what has arrived by then, data of {}, {} old; none holds older",
        case.on_both(&line.sink, at),
        when(clock, data),
        span(at - data)
    );
    let stale = snapshots.windows(2).find(|pair| arrived(pair[0]) > 0 && arrived(pair[0]) == arrived(pair[1]));
    let stale = stale.map(|pair| {
        let [before, at] = [pair[0], pair[1]].map(|at| when(clock, at));
        format!("that of {at} holds nothing new: nothing arrives after the one of {before}")
    });
    let apart = snapshots.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
    let longer = u64::try_from(apart).is_ok_and(|apart| apart > taken.every.0);
    let longer = longer.then(|| format!("where clocks go back, two are {} apart", span(apart)));
    let outcome = if stale.is_some() || longer.is_some() { Outcome::Warning } else { Outcome::Ok };
    let text: Vec<String> = [Some(oldest), stale, longer].into_iter().flatten().collect();
    check(outcome, text.join("; ")).at(clock, at).figure("age", at - data).figure("apart", apart)
}

/// Whether a checkpoint lies between any two snapshots.
fn between(
    case: &Case<'_, '_>,
    draft: &Draft<'_>,
    line: &Line,
    (taken, snapshots): (&Taken, &[i64]),
    checkpoints: &[i64],
) -> Check {
    let clock = &case.clocks.source;
    let check = |outcome, text: String| Check::new("checkpoint", outcome, text).of(&draft.job.job).on(line.stream);
    let is_between = |pair: &&[i64]| {
        checkpoints.get(checkpoints.partition_point(|&at| at <= pair[0])).is_some_and(|&at| at < pair[1])
    };
    // Between two that a change of clocks has brought nearer there may be no room for one.
    let local = |at: i64| case.clocks.sink(&line.sink).local(at);
    let usual = |pair: &&[i64]| {
        let apart = pair[1] - pair[0];
        apart == local(pair[1]) - local(pair[0]) || u64::try_from(apart).is_ok_and(|apart| apart >= taken.every.0)
    };
    if let Some(pair) = snapshots.windows(2).filter(usual).find(|pair| !is_between(pair)) {
        let text = format!(
            "no checkpoint lies between the snapshots of {} and {}: `checkpoints.every` is longer than `snapshots.every`",
            case.on_both(&line.sink, pair[0]),
            case.on_both(&line.sink, pair[1])
        );
        return check(Outcome::Failed, text).at(clock, pair[1]);
    }
    check(Outcome::Ok, format!("between any two of {} snapshots lies one at least", snapshots.len()))
}
