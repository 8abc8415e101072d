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
    let drills: Vec<Drill<'_>> = case.upkeep.iter().filter_map(|upkeep| Drill::of(case, upkeep)).collect();
    let told = |(n, one): (usize, &Drill<'_>)| {
        let here = |other: &&Drill<'_>| other.line.sink == one.line.sink;
        let (mut earlier, later) = (drills[..n].iter().filter(here), drills[n + 1..].iter().filter(here));
        if one.takes.is_none() {
            return earlier.chain(later).next().map(|_| one.unknown());
        }
        earlier.find_map(|other| one.meets(case, other))
    };
    drills.iter().enumerate().filter_map(told).collect()
}

/// One stream's drills.
struct Drill<'c> {
    job: &'c str,
    line: &'c Line,
    begins: Vec<i64>,
    /// Seconds.
    takes: Option<i64>,
}

impl<'c> Drill<'c> {
    fn of(case: &Case<'c, '_>, upkeep: &Upkeep) -> Option<Self> {
        let (draft, line) = (&case.drafts[upkeep.job], &case.timelines[upkeep.job].lines[upkeep.line]);
        let drill = || Self {
            job: &draft.job.job,
            line,
            begins: upkeep.firings(case.clocks.sink(&line.sink)),
            takes: draft.steps.restore,
        };
        (upkeep.sort == Sort::Drill).then(drill)
    }

    fn check(&self, outcome: Outcome, text: String) -> Check {
        Check::new("drill", outcome, text).of(self.job).on(self.line.stream)
    }

    fn unknown(&self) -> Check {
        let (stream, sink) = (self.line.stream, &self.line.sink);
        let text =
            format!("how long a restore of {} {stream} takes is unknown: other drills on {sink} may meet it", self.job);
        self.check(Outcome::Unknown, text)
    }

    /// Tells the first time that two of them run at once.
    fn meets(&self, case: &Case<'_, '_>, other: &Self) -> Option<Check> {
        let (takes, others_take) = (self.takes?, other.takes?);
        let (at, since) = self.begins.iter().find_map(|&at| {
            let before = other.begins[..other.begins.partition_point(|&begin| begin < at + takes)].last()?;
            (before + others_take > at).then_some((at, *before))
        })?;
        let sink = &self.line.sink;
        let text = format!(
            "the drill of {} {} at {} and that of {} {} at {} meet on {sink}: they take {} and {}",
            self.job,
            self.line.stream,
            case.on_both(sink, at),
            other.job,
            other.line.stream,
            case.on_both(sink, since),
            span(takes),
            span(others_take)
        );
        Some(self.check(Outcome::Warning, text).and(other.job).at(&case.clocks.source, at.max(since)))
    }
}
