//! What needs something else to have arrived: verification and drills after the full that they are about.

use super::Case;
use crate::schedule::{
    Check, Delivery, Draft, Line, Outcome,
    story::{span, when},
    upkeep::{self, Upkeep},
};

pub(super) fn checks(case: &Case<'_, '_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (draft, timeline) in case.jobs() {
        for line in &timeline.lines {
            let planned = upkeep::of(draft, line, case.clocks);
            checks.extend(planned.iter().map(|upkeep| order(case, draft, line, upkeep)));
        }
    }
    checks
}

/// The newest full at that time, collected or not yet arrived.
fn order(case: &Case<'_, '_>, draft: &Draft<'_>, line: &Line, upkeep: &Upkeep) -> Check {
    let clock = &case.clocks.source;
    let fulls: Vec<&Delivery> = upkeep::fulls(line).collect();
    let check = |outcome, text: String| Check::new(upkeep.name(), outcome, text).of(&draft.job.job).on(line.stream);
    let mut closest: Option<(i64, i64, &Delivery)> = None;
    for at in upkeep.firings(case.clocks.sink(&line.sink)) {
        let Some(full) = upkeep::newest(&fulls, at) else { continue };
        let after = at - full.arrives;
        if after < 0 {
            let text = format!(
                "at {} the {} begins, but the full of {} has not arrived: it counts on its sink from {} on, {} later",
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
        None => check(Outcome::Unknown, format!("no full arrives before any {}", upkeep.name())),
        Some((after, at, full)) => {
            let text = format!(
                "the {} of {} comes {} after the full of {} has arrived at {}; it is never closer. It needs that full",
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
