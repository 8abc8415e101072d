//! From objectives to times: declared ones as they are, the others the rarest and least crowded that hold the RPO.

use super::{
    Carry, Clock, ClockChange, Clocks, CronTime, Draft, Facts, Pattern, PlanError, Planned, Run, Timeline, Week,
    cadence::{Cadence, LADDER},
    carrier,
    difference::Difference,
    facts::{hash, minutes, phase_of},
    rpo,
    story::span,
};
use crate::{Job, job::StreamOf};
use std::collections::BTreeSet;

/// What is so many times denser than an RPO asks for is not tried: no window and no blackout asks for it either.
const DENSEST: i64 = 48;

/// A draft per job, in the order of the jobs.
///
/// # Errors
/// If declarations contradict each other across jobs, or contradict the facts.
pub(super) fn derive<'a>(jobs: &'a [Job], facts: &Facts, clocks: &Clocks) -> Result<Vec<Draft<'a>>, PlanError> {
    let mut drafts = Vec::with_capacity(jobs.len());
    for job in jobs {
        drafts.push(Draft::new(job, facts.hosts.get(&job.source)));
    }
    let avoid = changing_minutes(&clocks.source);
    let host =
        |drafts, packed| Host { busy: Week::new(false), avoid: avoid.clone(), clocks, packed, crowded: false, drafts };
    let mut spread = host(drafts.clone(), false);
    spread.all()?;
    if spread.crowded {
        // Side by side they may find room where each at its own place does not.
        let mut packed = host(drafts, true);
        packed.all()?;
        if !packed.crowded {
            return Ok(packed.drafts);
        }
    }
    Ok(spread.drafts)
}

/// The times of day at which the zone's clocks are ever changed.
fn changing_minutes(clock: &Clock) -> Week {
    let mut week = Week::new(false);
    for change in clock.changes() {
        let local = change.local();
        let of_day = |second: i64| u32::try_from(second.rem_euclid(86_400) / 60).unwrap_or_default();
        let minutes = u32::try_from((local.end - local.start) / 60).unwrap_or(Week::DAY);
        (0..7).for_each(|day| week.set(day * Week::DAY + of_day(local.start), minutes, true));
    }
    week
}

/// A host while its jobs get their times.
struct Host<'a, 'c> {
    /// Minutes that are taken, gaps included.
    busy: Week,
    /// Minutes at which clocks change.
    avoid: Week,
    clocks: &'c Clocks,
    /// Jobs lie side by side from the host's own place on, instead of each at a place of its own.
    packed: bool,
    /// A job that could move found no room.
    crowded: bool,
    drafts: Vec<Draft<'a>>,
}

impl Host<'_, '_> {
    /// Gives all jobs their times: what cannot move first, carriers before what they carry, then by name; side by side, what
    /// runs most often and takes longest comes first.
    fn all(&mut self) -> Result<(), PlanError> {
        let mut order: Vec<usize> = (0..self.drafts.len()).collect();
        order.sort_by_key(|&index| {
            let draft = &self.drafts[index];
            let rhythm = (draft.objectives.rpo, std::cmp::Reverse(draft.busy_minutes()));
            (draft.objectives.with.is_some(), draft.is_free(), self.packed.then_some(rhythm), &draft.job.job)
        });
        for &index in order.iter().filter(|&&index| !self.drafts[index].is_free()).collect::<Vec<_>>() {
            self.take(index)?;
        }
        for index in order {
            if self.drafts[index].is_free() {
                self.take(index)?;
            }
            self.drafts[index].carries = self.carries(&self.drafts[index], &self.drafts[index].runs)?;
        }
        Ok(())
    }

    /// Gives one job its collections and takes its minutes.
    fn take(&mut self, index: usize) -> Result<(), PlanError> {
        let (runs, why) = self.runs(&self.drafts[index])?;
        let draft = &mut self.drafts[index];
        let minutes = draft.busy_minutes() + draft.gap_minutes();
        let starts = starts(&runs);
        self.crowded |= draft.is_free() && starts.iter().any(|&start| !self.busy.is_free(start, minutes));
        for start in starts {
            self.busy.set(start, minutes, true);
        }
        (draft.runs, draft.why) = (runs, why);
        Ok(())
    }

    fn runs(&self, draft: &Draft<'_>) -> Result<(Vec<Run>, String), PlanError> {
        let objectives = &draft.objectives;
        let explicit = &draft.schedule.collect;
        if !explicit.is_empty() {
            let runs = times(draft.job, "collect", explicit)?
                .into_iter()
                .map(|time| Run::explicit(time, Planned::Auto))
                .collect();
            return Ok((runs, "as `schedule.collect` says".into()));
        }
        if !objectives.at.is_empty() {
            return Ok((
                draft.on_declared_days(objectives.at.iter().map(|time| time.0)),
                "as `objectives.at` says".into(),
            ));
        }
        if !objectives.days.is_empty() || (objectives.full.is_some() && objectives.rpo.is_none()) {
            let build = |phase: u32| draft.on_declared_days([u16::try_from(phase % Week::DAY).unwrap_or_default()]);
            let whole = starts(&build(0)).len();
            let search = Search { phases: Week::DAY, daily: true, whole, build: &build };
            let runs = build(self.phase(draft, &search).unwrap_or_else(|| preferred(draft, Week::DAY)));
            return Ok((runs, "on the declared days, at the first time that is free".into()));
        }
        match objectives.rpo {
            Some(rpo) => self.for_rpo(draft, i64::try_from(rpo.0).unwrap_or(i64::MAX)),
            None => Ok((Vec::new(), "nothing says when".into())),
        }
    }

    /// The rarest collections that hold the RPO on the whole horizon.
    fn for_rpo(&self, draft: &Draft<'_>, rpo: i64) -> Result<(Vec<Run>, String), PlanError> {
        let in_a_row = i64::from(draft.objectives.tolerate) + 1;
        let latency = draft.steps.latency() + i64::from(draft.delay) * 60;
        let long_enough = |cadence: &&Cadence| cadence.longest >= draft.busy_minutes().min(Week::DAY);
        let fits = |cadence: &&Cadence| i64::from(cadence.longest) * 60 * in_a_row + latency <= rpo;
        let mut first = None;
        let sane = |cadence: &&Cadence| i64::from(cadence.longest) * 60 * DENSEST >= rpo;
        for cadence in LADDER.iter().filter(long_enough).filter(fits).take_while(sane) {
            let runs = self.place(draft, cadence);
            let exact = (rpo - latency) / in_a_row == i64::from(cadence.longest) * 60;
            let why = format!(
                "{}: the RPO of {} less {} for collect, transport and verification{} leaves {}{}{}",
                cadence.name,
                span(rpo),
                span(latency),
                if in_a_row > 1 { format!(", for each of {in_a_row} runs,") } else { String::new() },
                span((rpo - latency) / in_a_row),
                if exact { String::new() } else { cadence.not_rarer() },
                cut(draft, cadence, &runs),
            );
            let tried = Draft { carries: self.carries(draft, &runs)?, runs, ..draft.clone() };
            let timeline = Timeline::of(&tried, self.clocks);
            let held = timeline
                .lines
                .iter()
                .all(|line| rpo::worst(line, draft.objectives.tolerate).is_some_and(|worst| worst.age() <= rpo));
            if held {
                return Ok((tried.runs, why));
            }
            first.get_or_insert((tried.runs, why));
        }
        let densest = || LADDER.iter().rfind(long_enough).unwrap_or(&LADDER[0]);
        Ok(first.unwrap_or_else(|| {
            let cadence = densest();
            (self.place(draft, cadence), format!("{}: nothing rarer comes near the RPO of {}", cadence.name, span(rpo)))
        }))
    }

    /// Runs of this cadence where the host has time; where it has none, at the job's own place all the same.
    fn place(&self, draft: &Draft<'_>, cadence: &Cadence) -> Vec<Run> {
        let build = |phase: u32| draft.with_fulls(draft.within(&cadence.pattern(phase)));
        let whole = uncut(draft, cadence);
        let search = Search { phases: cadence.phases(), daily: cadence.is_daily(), whole, build: &build };
        let phase = self.phase(draft, &search);
        build(phase.unwrap_or_else(|| preferred(draft, cadence.phases())))
    }

    /// The first phase from the job's own place on at which everything is free; of those that leave most runs, one at which no
    /// clock ever changes, if there is any.
    fn phase(&self, draft: &Draft<'_>, search: &Search<'_>) -> Option<u32> {
        // No phase would do: the proof tells.
        if !draft.has_room() {
            return None;
        }
        let own = if self.packed { phase_of(draft.place, search.phases) } else { own(draft, search) };
        let busy = draft.busy_minutes();
        let is_free = |&start: &u32| {
            self.busy.is_free(start, busy + draft.gap_minutes()) && draft.allowed.fits(start, draft.collect_minutes())
        };
        let mut best = None;
        for phase in (0..search.phases).map(|step| (own + step) % search.phases) {
            let starts = starts(&(search.build)(phase));
            if starts.is_empty() || !starts.iter().all(is_free) {
                continue;
            }
            // Windows may leave fewer runs at every phase: then the most that they leave.
            let runs = starts.len().min(search.whole);
            let quiet = !search.daily || starts.iter().all(|&start| self.avoid.is_free(start, busy));
            if runs == search.whole && quiet {
                return Some(phase);
            }
            if best.is_none_or(|(most, _)| (runs, quiet) > most) {
                best = Some(((runs, quiet), phase));
            }
        }
        best.map(|(_, phase)| phase)
    }

    fn carries(&self, draft: &Draft<'_>, runs: &[Run]) -> Result<Vec<Carry>, PlanError> {
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
        let meets = |&minute: &u16| !self.avoid.is_free(minute.into(), takes);
        Pattern { minutes: pattern.minutes.iter().copied().filter(meets).collect(), ..pattern.clone() }
    }
}

/// What a place is searched for.
struct Search<'f> {
    /// So many phases there are.
    phases: u32,
    /// Whether it runs at the same time on each of its days.
    daily: bool,
    /// Runs per week where windows cut nothing away.
    whole: usize,
    /// The runs of a phase.
    build: &'f dyn Fn(u32) -> Vec<Run>,
}

/// The minutes of a week at which something starts.
fn starts(runs: &[Run]) -> BTreeSet<u32> {
    runs.iter().flat_map(|run| run.pattern.week()).collect()
}

/// Runs per week where windows cut nothing away.
fn uncut(draft: &Draft<'_>, cadence: &Cadence) -> usize {
    starts(&draft.with_fulls(vec![cadence.pattern(0)])).len()
}

/// For people: how many of these runs windows leave.
fn cut(draft: &Draft<'_>, cadence: &Cadence, runs: &[Run]) -> String {
    let (left, all) = (starts(runs).len(), uncut(draft, cadence));
    let by = match (draft.objectives.window.is_empty(), draft.objectives.blackout.is_empty()) {
        _ if left >= all => return String::new(),
        (false, true) => "`window` leaves",
        (true, _) => "`blackout` leaves",
        (false, false) => "`window` and `blackout` leave",
    };
    format!("; {by} {left} of {all} runs a week")
}

/// The least minutes from one start to the next.
fn shortest(starts: &BTreeSet<u32>) -> u32 {
    let again = starts.first().map(|first| first + Week::MINUTES);
    let next = starts.iter().copied().skip(1).chain(again);
    starts.iter().zip(next).map(|(start, next)| next - start).min().unwrap_or(Week::MINUTES)
}

/// One entry instead of several that differ in their days only, or in their times only.
pub(super) fn merged(times: &[CronTime]) -> Vec<CronTime> {
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

fn union(a: &super::Days, b: &super::Days) -> Option<super::Days> {
    use super::Days::{Every, Month, Week};
    let joined = |a: &[u8], b: &[u8]| a.iter().chain(b).copied().collect::<BTreeSet<_>>();
    Some(match (a, b) {
        (Every, _) | (_, Every) => Every,
        (Week(a), Week(b)) if joined(a, b).len() == 7 => Every,
        (Week(a), Week(b)) => Week(joined(a, b).into_iter().collect()),
        (Month(a), Month(b)) => Month(joined(a, b).into_iter().collect()),
        _ => return None,
    })
}

fn times(job: &Job, key: &'static str, texts: &[String]) -> Result<Vec<CronTime>, PlanError> {
    let refused = |error| PlanError::Time { job: job.name_at_sink(), key, error };
    texts.iter().map(|text| text.parse().map_err(refused)).collect()
}

/// A job's own phase: by its name and the place of its source, so that nobody else moves it.
pub(super) fn preferred(draft: &Draft<'_>, phases: u32) -> u32 {
    (hash(&draft.job.job) % phases + phase_of(draft.place, phases)) % phases
}

/// So many phases are looked at for one in the window. They lie evenly: ten minutes of a day are met.
const LOOKED_AT: u32 = 256;

/// Where the window is shut at its own phase, a job takes another by leaps of the golden section: jobs of many sources
/// spread over the window instead of meeting at its begin.
fn own(draft: &Draft<'_>, search: &Search<'_>) -> u32 {
    let preferred = preferred(draft, search.phases);
    let leap = search.phases * 618 / 1000;
    let is_open = |phase: &u32| {
        let starts = starts(&(search.build)(*phase));
        starts.len() >= search.whole && starts.iter().all(|&start| draft.allowed.fits(start, draft.collect_minutes()))
    };
    let mut leaps = (0..LOOKED_AT).map(|n| (preferred + n * leap) % search.phases);
    leaps.find(is_open).unwrap_or(preferred)
}
