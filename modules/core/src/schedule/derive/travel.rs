//! When what is collected travels: with a carrier, or as soon as collecting has ended.

use super::{Host, starts, times};
use crate::{
    job::StreamOf,
    schedule::{
        Carry, ClockChange, CronTime, Days, Draft, Pattern, PlanError, Run, Week, carrier, difference::Difference,
        facts::minutes, story::span,
    },
};
use std::collections::BTreeSet;

impl Host<'_, '_> {
    pub(super) fn carries(&self, draft: &Draft<'_>, runs: &[Run]) -> Result<Vec<Carry>, PlanError> {
        let carrier = carrier::of(draft, &self.drafts)?;
        let mut carries = Vec::new();
        for (position, of) in draft.job.streams().enumerate() {
            let explicit = &draft.schedule.transport;
            let ((times, again), why) = match carrier {
                _ if !explicit.is_empty() => {
                    ((times(draft.job, "transport", explicit)?, Vec::new()), "as `schedule.transport` says".into())
                }
                Some(carrier) => (
                    carrier::along(draft, &of, carrier, self.clocks)?,
                    format!("with the transport of {}, as `objectives.with` says", carrier.job.job),
                ),
                None => self.after(draft, runs, position, &of),
            };
            let (mode, sink) = (of.stream.transport.mode, of.stream.sink.name.clone());
            carries.push(Carry { stream: of.name, mode, sink, times, again, why });
        }
        Ok(carries)
    }

    /// Transports as soon as collecting, and carrying the streams before, has ended at p95; and where there is room before
    /// the next collection, once more for a collection that took longer. On all other days nothing waits then.
    fn after(
        &self,
        draft: &Draft<'_>,
        runs: &[Run],
        position: usize,
        of: &StreamOf<'_>,
    ) -> ((Vec<CronTime>, Vec<CronTime>), String) {
        let ready = minutes(draft.steps.collect) + i64::from(draft.delay);
        let before = ready + minutes(draft.steps.transport) * i64::try_from(position).unwrap_or_default();
        let sink = of.stream.sink.name.as_str();
        let apart = Difference::of(self.clocks, of.stream.transport.mode, sink);
        // As much as the clocks ever differ, so that the transport is never before the collection.
        let (margin, shift) = (draft.margin(), apart.most);
        let room = i64::from(shortest(&starts(runs))) - before - minutes(draft.steps.transport);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut why = vec![format!("after collecting, which takes {} at p95", span(draft.steps.collect))];
        if before > ready {
            why.push("after carrying the streams before".into());
        }
        why.extend(apart.told(sink, &draft.job.source));
        let mut forward = None;
        for run in runs {
            let pattern = if shift == 0 { run.pattern.clone() } else { run.pattern.on_any_date() };
            let late = self.while_clocks_change(&pattern, before);
            if !late.minutes.is_empty() && self.forward() > 0 {
                let later = span(self.forward() * 60);
                forward = Some(format!("once more {later} later, for nights in which clocks go forward meanwhile"));
            }
            let later = |minutes: &Pattern, by: i64| {
                minutes.later(before + shift + by).iter().flat_map(Pattern::cron_times).collect::<Vec<_>>()
            };
            // Where clocks may go forward meanwhile, a transport would begin too early that night, and comes later by as much, too.
            for (pattern, by) in [(&pattern, 0), (&late, self.forward())] {
                first.extend(later(pattern, by));
                if margin <= room {
                    second.extend(later(pattern, by + margin));
                }
            }
        }
        why.extend(forward);
        ((merged(&first), merged(&second)), why.join("; "))
    }

    /// The minutes by which clocks ever go forward.
    fn forward(&self) -> i64 {
        let gaps = self.clocks.source.changes().filter(ClockChange::is_gap).map(|change| change.after - change.before);
        gaps.max().unwrap_or_default() / 60
    }

    /// The starts after which clocks may change within so many minutes.
    fn while_clocks_change(&self, pattern: &Pattern, takes: i64) -> Pattern {
        let takes = u32::try_from(takes).unwrap_or(Week::MINUTES);
        let meets = pattern.week().filter(|&start| !self.changing.is_free(start, takes));
        let minutes = meets.filter_map(|start| u16::try_from(start % Week::DAY).ok()).collect();
        Pattern { minutes, ..pattern.clone() }
    }
}

/// The least minutes from one start to the next.
fn shortest(starts: &BTreeSet<u32>) -> u32 {
    let again = starts.first().map(|first| first + Week::MINUTES);
    let next = starts.iter().copied().skip(1).chain(again);
    starts.iter().zip(next).map(|(start, next)| next - start).min().unwrap_or(Week::MINUTES)
}

/// One entry instead of several that differ in their days only, or in their times only.
pub(in crate::schedule) fn merged(times: &[CronTime]) -> Vec<CronTime> {
    let mut patterns: Vec<Pattern> = Vec::new();
    for pattern in times.iter().map(Pattern::of) {
        let like = |other: &&mut Pattern| other.minutes == pattern.minutes && other.months == pattern.months;
        let joined = patterns.iter_mut().find(like).and_then(|other| {
            other.days = union(&other.days, &pattern.days)?;
            Some(())
        });
        if joined.is_none() {
            patterns.push(pattern);
        }
    }
    let mut on_same_days: Vec<Pattern> = Vec::new();
    for pattern in patterns {
        let like = |other: &&mut Pattern| other.days == pattern.days && other.months == pattern.months;
        match on_same_days.iter_mut().find(like) {
            Some(other) => other.minutes.extend(&pattern.minutes),
            None => on_same_days.push(pattern),
        }
    }
    let mut times: Vec<_> = on_same_days.iter().flat_map(Pattern::cron_times).collect();
    times.sort();
    times.dedup();
    times
}

fn union(a: &Days, b: &Days) -> Option<Days> {
    use Days::{Every, Month, Week};
    let joined = |a: &[u8], b: &[u8]| a.iter().chain(b).copied().collect::<BTreeSet<_>>();
    Some(match (a, b) {
        (Every, _) | (_, Every) => Every,
        (Week(a), Week(b)) if joined(a, b).len() == 7 => Every,
        (Week(a), Week(b)) => Week(joined(a, b).into_iter().collect()),
        (Month(a), Month(b)) => Month(joined(a, b).into_iter().collect()),
        _ => return None,
    })
}
