//! From objectives to times: declared ones as they are, the others the rarest and least crowded that hold the RPO.

mod rarest;
mod travel;

use super::{
    Clock, ClockChange, Clocks, CronTime, Draft, Facts, PlanError, Planned, Run, Week,
    cadence::Cadence,
    facts::{hash, phase_of},
};
use crate::Job;
use rarest::uncut;
use std::collections::BTreeSet;
pub(super) use travel::merged;

/// A draft per job, in the order of the jobs.
///
/// # Errors
/// If declarations contradict each other across jobs, or contradict the facts.
pub(super) fn derive<'a>(jobs: &'a [Job], facts: &Facts, clocks: &Clocks) -> Result<Vec<Draft<'a>>, PlanError> {
    let mut drafts = Vec::with_capacity(jobs.len());
    for job in jobs {
        drafts.push(Draft::new(job, facts.hosts.get(&job.source)));
    }
    let (changing, turns) = changing_minutes(&clocks.source);
    let host = |drafts, packed| Host {
        busy: Week::new(false),
        changing: changing.clone(),
        turns: turns.clone(),
        clocks,
        packed,
        crowded: false,
        drafts,
    };
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

/// The minutes of the week at which the zone's clocks are ever changed, and the first and the one after the last of each such stretch.
fn changing_minutes(clock: &Clock) -> (Week, Week) {
    let stretch = |change: ClockChange| {
        let local = change.local();
        (Week::minute(local.start), u32::try_from((local.end - local.start) / 60).unwrap_or(Week::DAY))
    };
    let (mut changing, mut turns) = (Week::new(false), Week::new(false));
    changing.set(clock.changes().map(stretch), true);
    turns.set(clock.changes().map(stretch).flat_map(|(start, minutes)| [(start, 1), (start + minutes, 1)]), true);
    (changing, turns)
}

/// A host while its jobs get their times.
struct Host<'a, 'c> {
    /// Minutes that are taken, gaps included.
    busy: Week,
    /// Minutes at which clocks change.
    changing: Week,
    /// Where those begin, and where they have ended.
    turns: Week,
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
        self.busy.set(starts.into_iter().map(|start| (start, minutes)), true);
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
            let build = |phase: u32| draft.on_declared_days([u16::try_from(phase).unwrap_or_default()]);
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

    /// Runs of this cadence where the host has time; where it has none, at the job's own place all the same.
    fn place(&self, draft: &Draft<'_>, cadence: &Cadence) -> Vec<Run> {
        let build = |phase: u32| draft.with_fulls(draft.within(&cadence.pattern(phase)));
        let whole = uncut(draft, cadence);
        let search = Search { phases: cadence.phases(), daily: cadence.is_daily(), whole, build: &build };
        let phase = self.phase(draft, &search);
        build(phase.unwrap_or_else(|| preferred(draft, cadence.phases())))
    }

    /// The first phase from the job's own place on at which everything is free; of those that leave most runs, one to which
    /// changes of clocks do nothing, if there is any.
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
            let built = (search.build)(phase);
            let starts = starts(&built);
            if starts.is_empty() || !starts.iter().all(is_free) {
                continue;
            }
            // Windows may leave fewer runs at every phase: then the most that they leave.
            let runs = starts.len().min(search.whole);
            let quiet = if search.daily {
                starts.iter().all(|&start| self.changing.is_free(start, busy))
            } else {
                is_wild(&built) || starts.iter().all(|&start| self.is_apart_from_turns(start, busy))
            };
            if runs == search.whole && quiet {
                return Some(phase);
            }
            if best.is_none_or(|(most, _)| (runs, quiet) > most) {
                best = Some(((runs, quiet), phase));
            }
        }
        best.map(|(_, phase)| phase)
    }

    /// Whether what starts then is done when the clocks are moved, and what cron makes up for right after is done when it starts.
    /// What runs several times a day cannot leave the stretch itself out.
    fn is_apart_from_turns(&self, start: u32, busy: u32) -> bool {
        let busy = busy.clamp(1, Week::MINUTES);
        self.turns.is_free(start, busy) && self.turns.is_free(start + Week::MINUTES + 1 - busy, busy)
    }
}

/// Whether all of it follows the clock through its changes: then nothing is made up for.
fn is_wild(runs: &[Run]) -> bool {
    runs.iter().flat_map(|run| run.pattern.cron_times()).all(|time| time.is_wild())
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

fn times(job: &Job, key: &'static str, texts: &[String]) -> Result<Vec<CronTime>, PlanError> {
    let refused = |error| PlanError::Time { job: job.name_at_sink(), key, error };
    texts.iter().map(|text| text.parse().map_err(refused)).collect()
}

/// A job's own phase: by its name and the place of its source, so that nobody else moves it.
pub(super) fn preferred(draft: &Draft<'_>, phases: u32) -> u32 {
    hash(&draft.job.job).wrapping_add(phase_of(draft.place, phases)) % phases
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

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn clocks_turn_when_a_change_begins_and_when_it_has_ended() {
        let [from, until] = ["2026-11-20T12:00:00Z", "2027-11-20T12:00:00Z"].map(|text| text.parse().unwrap());
        // Half an hour forward at 02:00, and back to 01:30 at 02:00.
        let clock = Clock::new(&TimeZone::get("Australia/Lord_Howe").unwrap(), from, until);
        let of = |week: &Week| (0..Week::MINUTES).filter(|&minute| !week.is_free(minute, 1)).collect::<Vec<_>>();
        let (changing, turns) = changing_minutes(&clock);
        assert_eq!(of(&changing), (90..150).collect::<Vec<_>>());
        assert_eq!(of(&turns), [90, 120, 150]);
    }
}
