//! Overlaps and gaps on the source: no two steps at once, and the declared time between the steps of different jobs.

use super::Case;
use crate::schedule::{
    Check, Outcome,
    story::{span, when},
};

/// A step that occupies the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    start: i64,
    end: i64,
    /// Index of the job.
    job: usize,
    /// A transport; what is carried together is one.
    transport: bool,
    /// The job whose transport it is: the carrier's, if it is carried.
    leader: usize,
    /// Least time until another job's next start.
    gap: i64,
}

pub(super) fn checks(case: &Case<'_, '_>) -> Vec<Check> {
    let steps = steps(case);
    let mut checks = vec![overlap(case, &steps)];
    checks.extend(gaps(case, &steps));
    checks
}

fn steps(case: &Case<'_, '_>) -> Vec<Step> {
    let mut all = Vec::new();
    for (job, (draft, timeline)) in case.jobs().enumerate() {
        let gap = i64::try_from(draft.objectives.gap.0).unwrap_or(i64::MAX >> 8);
        let carrier = draft.objectives.with.as_ref();
        let leader =
            carrier.and_then(|with| case.drafts.iter().position(|other| other.job.job == *with)).unwrap_or(job);
        all.extend(timeline.collections.iter().map(|&(start, _)| Step {
            start,
            end: start + draft.steps.collect,
            job,
            transport: false,
            leader: job,
            gap,
        }));
        for line in &timeline.lines {
            all.extend(line.transports.iter().map(|&(start, copies)| Step {
                start,
                // The last one need not be verified for the source to be free.
                end: start + line.takes(copies) - draft.steps.verify,
                job,
                transport: true,
                leader,
                gap,
            }));
        }
    }
    all.sort_unstable();
    all
}

impl Step {
    /// What a carrier takes along, and both streams of a job where they begin together: they share the way, not the
    /// application. A transport that begins while the job's last one is running is none of these.
    fn is_same_transport(&self, other: &Self) -> bool {
        let together = self.job != other.job || self.start == other.start;
        self.transport && other.transport && self.leader == other.leader && together
    }

    fn told(&self, case: &Case<'_, '_>) -> String {
        let what = if self.transport { "the transport" } else { "the collection" };
        format!("{what} of {}", case.drafts[self.job].job.job)
    }
}

/// The first step that begins before another has ended; how close the closest come.
fn overlap(case: &Case<'_, '_>, steps: &[Step]) -> Check {
    let clock = &case.clocks.source;
    // The steps before a step that may still run: the longest is enough, but what travels together is no clash.
    for (index, step) in steps.iter().enumerate() {
        let before = &steps[index.saturating_sub(64)..index];
        let clash = before.iter().find(|other| other.end > step.start && !other.is_same_transport(step));
        if let Some(other) = clash {
            let text = format!(
                "at {} {} begins while {} is running until {}",
                when(clock, step.start),
                step.told(case),
                other.told(case),
                when(clock, other.end)
            );
            return Check::new("overlap", Outcome::Failed, text)
                .of(&case.drafts[step.job].job.job)
                .and(&case.drafts[other.job].job.job)
                .at(clock, step.start);
        }
    }
    let text = format!("none of {} steps begins while another is running", steps.len());
    Check::new("overlap", Outcome::Ok, text)
}

fn gaps(case: &Case<'_, '_>, steps: &[Step]) -> Vec<Check> {
    let clock = &case.clocks.source;
    let mut closest: Vec<Option<(i64, usize, usize)>> = vec![None; case.drafts.len()];
    let mut first: Vec<Option<(usize, usize)>> = vec![None; case.drafts.len()];
    for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.gap > 0 && step.leader == step.job) {
        // What begins at the same instant is next, too, wherever it is in the list.
        let same = steps[..index].partition_point(|other| other.start < step.start);
        let next = steps[same..].iter().position(|other| other.leader != step.leader);
        let Some(next) = next.map(|next| same + next) else { continue };
        let time = steps[next].start - step.end;
        if closest[step.job].is_none_or(|(least, ..)| time < least) {
            closest[step.job] = Some((time, index, next));
        }
        // Of several steps before the same start the last one is told.
        if time < step.gap && first[step.job].is_none_or(|(_, found)| found == next) {
            first[step.job] = Some((index, next));
        }
    }
    let mut checks = Vec::new();
    for (job, draft) in case.drafts.iter().enumerate().filter(|(_, draft)| draft.objectives.gap.0 > 0) {
        let gap = i64::try_from(draft.objectives.gap.0).unwrap_or(i64::MAX);
        let check = |outcome, text: String| Check::new("gap", outcome, text).of(&draft.job.job).figure("gap", gap);
        checks.push(match (first[job], closest[job]) {
            (Some((step, next)), closest) => {
                let (step, next) = (&steps[step], &steps[next]);
                let least = closest.map_or(next.start - step.end, |(least, ..)| least);
                let text = format!(
                    "at {} {} begins {}; gap is {}",
                    when(clock, next.start),
                    next.told(case),
                    after(step.end, next.start, &step.told(case)),
                    span(gap)
                );
                let other = &case.drafts[next.job].job.job;
                check(Outcome::Failed, text).and(other).at(clock, next.start).figure("least", least)
            }
            (None, Some((least, _, next))) => {
                let text = format!(
                    "the next step of another job begins {} later at the earliest; gap is {}",
                    span(least),
                    span(gap)
                );
                check(Outcome::Ok, text).at(clock, steps[next].start).figure("least", least)
            }
            (None, None) => check(Outcome::Ok, "no other job runs on this host".into()),
        });
    }
    checks
}

fn after(end: i64, start: i64, what: &str) -> String {
    if start >= end {
        format!("{} after the end of {what}", span(start - end))
    } else {
        format!("{} before the end of {what}", span(end - start))
    }
}
