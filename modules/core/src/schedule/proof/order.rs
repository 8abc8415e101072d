//! What needs something else to have arrived: verification and drills after the full that they are about. And what needs the
//! sink for itself: drills there.

use super::{Case, calendar::disputed};
use crate::{
    job::objectives::Day,
    schedule::{
        Check, Delivery, Draft, Line, Outcome,
        pattern::days,
        story::{civil, span, when},
        upkeep::{self, Sort, Upkeep},
    },
};

pub(super) fn checks(case: &Case<'_, '_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for upkeep in case.upkeep {
        let (draft, line) = (&case.drafts[upkeep.job], &case.timelines[upkeep.job].lines[upkeep.line]);
        let fulls: Vec<&Delivery> = upkeep::fulls(line).collect();
        match disputed(draft) {
            None => checks.push(order(case, (draft, line), upkeep, "", &fulls)),
            // Which full it is about will be known when one of them is kept: it is told of each.
            Some(disputed) => checks.extend(disputed.iter().map(|day| {
                let alone = format!("with the full of {day} alone, ");
                order(case, (draft, line), upkeep, &alone, &on_day(case, &fulls, *day))
            })),
        }
    }
    checks.extend(apart(case));
    checks
}

/// The fulls of one of several days.
fn on_day<'d>(case: &Case<'_, '_>, fulls: &[&'d Delivery], day: Day) -> Vec<&'d Delivery> {
    let days = days(&[day]);
    let is_on = |full: &&&Delivery| upkeep::is_on(&days, civil(case.clocks.source.local(full.data)).date());
    fulls.iter().filter(is_on).copied().collect()
}

/// The newest full at that time, collected or not yet arrived.
fn order(
    case: &Case<'_, '_>,
    (draft, line): (&Draft<'_>, &Line),
    upkeep: &Upkeep,
    alone: &str,
    fulls: &[&Delivery],
) -> Check {
    let clock = &case.clocks.source;
    let check = |outcome, text: String| Check::new(upkeep.name(), outcome, text).of(&draft.job.job).on(line.stream);
    let mut closest: Option<(i64, i64, &Delivery)> = None;
    for at in upkeep.firings(case.clocks.sink(&line.sink)) {
        let Some(full) = upkeep::newest(fulls, at) else { continue };
        let after = at - full.arrives;
        if after < 0 {
            let text = format!(
                "{alone}at {} the {} begins, but the full of {} has not arrived: it counts on its sink from {} on, {} later",
                case.on_both(&line.sink, at),
                upkeep.name(),
                when(clock, full.data),
                when(clock, full.arrives),
                span(-after)
            );
            return check(Outcome::Failed, text).at(clock, at);
        }
        if closest.is_none_or(|(least, ..)| after < least) {
            closest = Some((after, at, full));
        }
    }
    match closest {
        None => check(Outcome::Unknown, format!("{alone}no full arrives before any {}", upkeep.name())),
        Some((after, at, full)) => {
            let text = format!(
                "{alone}the {} of {} comes {} after the full of {} has arrived at {}; it is never closer. It needs that full",
                upkeep.name(),
                case.on_both(&line.sink, at),
                span(after),
                when(clock, full.data),
                when(clock, full.arrives)
            );
            check(Outcome::Ok, text).at(clock, at).figure("after", after)
        }
    }
}

/// Drills that meet at a sink: declared ones may, and those of which nobody knows how long they take.
fn apart(case: &Case<'_, '_>) -> Vec<Check> {
    let drills: Vec<&Upkeep> = case.upkeep.iter().filter(|upkeep| upkeep.sort == Sort::Drill).collect();
    let pairs = drills.iter().enumerate().flat_map(|(n, one)| drills[..n].iter().map(move |other| (*one, *other)));
    pairs.filter_map(|(one, other)| meet(case, one, other)).collect()
}

fn meet(case: &Case<'_, '_>, one: &Upkeep, other: &Upkeep) -> Option<Check> {
    let of = |upkeep: &Upkeep| (&case.drafts[upkeep.job], &case.timelines[upkeep.job].lines[upkeep.line]);
    let ((draft, line), (other_draft, other_line)) = (of(one), of(other));
    if line.sink != other_line.sink {
        return None;
    }
    let name = |draft: &Draft<'_>, line: &Line| format!("{} {}", draft.job.job, line.stream);
    let (name, other_name) = (name(draft, line), name(other_draft, other_line));
    let check = |outcome, text: String| {
        Check::new("drill", outcome, text).of(&draft.job.job).on(line.stream).and(&other_draft.job.job)
    };
    let (Some(takes), Some(other_takes)) = (draft.steps.restore, other_draft.steps.restore) else {
        let unknown = if draft.steps.restore.is_none() { name } else { other_name };
        let text =
            format!("how long a restore of {unknown} takes is unknown: other drills on {} may meet it", line.sink);
        return Some(check(Outcome::Unknown, text));
    };
    let clock = case.clocks.sink(&line.sink);
    let others = other.firings(clock);
    let (at, since) = one.firings(clock).into_iter().find_map(|at| {
        let before = others[..others.partition_point(|&other| other < at + takes)].last()?;
        (before + other_takes > at).then_some((at, *before))
    })?;
    let text = format!(
        "the drill of {name} at {} and that of {other_name} at {} meet on {}: they take {} and {}",
        case.on_both(&line.sink, at),
        case.on_both(&line.sink, since),
        line.sink,
        span(takes),
        span(other_takes)
    );
    Some(check(Outcome::Warning, text).at(&case.clocks.source, at.max(since)))
}
