//! What needs something else to have arrived: verification and drills after the full that they are about.

use super::Case;
use crate::{
    GenerationKind,
    schedule::{
        Check, Delivery, Outcome,
        story::{span, when},
        upkeep::{self, Upkeep},
    },
};

pub(super) fn checks(case: &Case<'_, '_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (draft, timeline) in case.jobs() {
        for line in &timeline.lines {
            for upkeep in upkeep::of(draft, line, case.clocks) {
                checks.push(order(case, draft, line.stream, &line.deliveries, &upkeep));
            }
        }
    }
    checks
}

/// The newest full at that time, collected or not yet arrived.
fn order(
    case: &Case<'_, '_>,
    draft: &crate::schedule::Draft<'_>,
    stream: crate::StreamName,
    deliveries: &[Delivery],
    upkeep: &Upkeep,
) -> Check {
    let clock = &case.clocks.source;
    let fulls: Vec<&Delivery> = deliveries.iter().filter(|delivery| delivery.kind == GenerationKind::Full).collect();
    let check = |outcome, text: String| Check::new(upkeep.name(), outcome, text).of(&draft.job.job).on(stream);
    let mut closest: Option<(i64, i64, &Delivery)> = None;
    for at in upkeep.firings(clock) {
        let Some(newest) = fulls.partition_point(|full| full.data <= at).checked_sub(1) else { continue };
        let full = fulls[newest];
        let after = at - full.arrives;
        if after < 0 {
            let text = format!(
                "at {} the {} begins, but the full of {} has not arrived: it counts on its sink from {} on, {} later",
                when(clock, at),
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
                "the {} of {} comes {} after the full of {} has arrived at {}; it is never closer. It needs that full, so it cannot begin before",
                upkeep.name(),
                when(clock, at),
                span(after),
                when(clock, full.data),
                when(clock, full.arrives)
            );
            check(Outcome::Ok, text).at(clock, at).figure("after", after)
        }
    }
}
