//! Overlaps and gaps on the source: no two steps at once, and the declared time between the steps of different jobs.

use super::Case;
use crate::schedule::{
    Check, Draft, Outcome, Timeline,
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
        let gap = gap(draft);
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

/// The first step that begins before another has ended.
fn overlap(case: &Case<'_, '_>, steps: &[Step]) -> Check {
    let clash = clash(case, steps).into_iter().chain(early(case)).min_by_key(|clash| clash.instant);
    let text = || format!("none of {} steps begins while another is running", steps.len());
    clash.unwrap_or_else(|| Check::new("overlap", Outcome::Ok, text()))
}

/// The first collection that would begin while an earlier one of its own job is running.
fn early(case: &Case<'_, '_>) -> Option<Check> {
    let clock = &case.clocks.source;
    let of_job = |(draft, timeline): (&Draft<'_>, &Timeline)| {
        let (at, since) = timeline.early?;
        let text = format!(
            "at {} the collection of {} begins while that of {} is running until {}",
            when(clock, at),
            draft.job.job,
            when(clock, since),
            when(clock, since + draft.steps.collect)
        );
        Some(Check::new("overlap", Outcome::Failed, text).of(&draft.job.job).at(clock, at))
    };
    case.jobs().filter_map(of_job).min_by_key(|check| check.instant)
}

/// The first step that begins before one of another sort, or of another job, has ended.
fn clash(case: &Case<'_, '_>, steps: &[Step]) -> Option<Check> {
    let clock = &case.clocks.source;
    let mut running: Vec<&Step> = Vec::new();
    for step in steps {
        running.retain(|other| other.end > step.start);
        if let Some(other) = running.iter().find(|other| !other.is_same_transport(step)) {
            let text = format!(
                "at {} {} begins while {} is running until {}",
                when(clock, step.start),
                step.told(case),
                other.told(case),
                when(clock, other.end)
            );
            let check = Check::new("overlap", Outcome::Failed, text).of(&case.drafts[step.job].job.job);
            return Some(check.and(&case.drafts[other.job].job.job).at(clock, step.start));
        }
        running.push(step);
    }
    None
}

fn gaps(case: &Case<'_, '_>, steps: &[Step]) -> Vec<Check> {
    let clock = &case.clocks.source;
    let others = others(steps);
    let mut closest: Vec<Option<(i64, usize)>> = vec![None; case.drafts.len()];
    let mut first: Vec<Option<(usize, usize)>> = vec![None; case.drafts.len()];
    for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.gap != 0 && step.leader == step.job) {
        // What begins at the same instant is next, too, wherever it is in the list.
        let same = steps[..index].partition_point(|other| other.start < step.start);
        let next = if steps[same].leader == step.leader { others[same] } else { same };
        if next == steps.len() {
            continue;
        }
        let time = steps[next].start - step.end;
        if closest[step.job].is_none_or(|(least, _)| time < least) {
            closest[step.job] = Some((time, next));
        }
        // Of several steps before the same start the last one is told.
        if time < step.gap && first[step.job].is_none_or(|(_, found)| found == next) {
            first[step.job] = Some((index, next));
        }
    }
    let mut checks = Vec::new();
    for (job, draft) in case.drafts.iter().enumerate().filter(|(_, draft)| draft.objectives.gap.0 > 0) {
        let gap = gap(draft);
        let check = |outcome, text: String| Check::new("gap", outcome, text).of(&draft.job.job).figure("gap", gap);
        checks.push(match (closest[job], first[job]) {
            (Some((least, _)), Some((step, next))) => {
                let (step, next) = (&steps[step], &steps[next]);
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
            (Some((least, next)), None) => {
                let text = format!(
                    "the next step of another job begins {} later at the earliest; gap is {}",
                    span(least),
                    span(gap)
                );
                check(Outcome::Ok, text).at(clock, steps[next].start).figure("least", least)
            }
            (None, _) => check(Outcome::Ok, "no other job runs on this host".into()),
        });
    }
    checks
}

/// The least time from the steps of a job to those of another, in seconds.
fn gap(draft: &Draft<'_>) -> i64 {
    i64::try_from(draft.objectives.gap.0).unwrap_or(i64::MAX)
}

/// For each step the first one after it in the list that is of another leader, or the end of the list.
fn others(steps: &[Step]) -> Vec<usize> {
    let mut others = vec![steps.len(); steps.len()];
    for index in (1..steps.len()).rev() {
        let is_other = steps[index].leader != steps[index - 1].leader;
        others[index - 1] = if is_other { index } else { others[index] };
    }
    others
}

fn after(end: i64, start: i64, what: &str) -> String {
    if start >= end {
        format!("{} after the end of {what}", span(start - end))
    } else {
        format!("{} before the end of {what}", span(end - start))
    }
}
