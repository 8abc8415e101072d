//! For what failed: the nearest change of each single setting with which it holds.
//!
//! One search serves all. `setting` lists what a check depends on (`rhythm`, `keeping`), `ways` how a setting is changed, as
//! steps away from what is declared; `search` finds the least step that helps; `verdict` says what helps. Nothing is
//! guessed: each change was planned and proven anew, and harms no other promise.

mod keeping;
mod rhythm;
mod search;
mod setting;
mod verdict;
mod ways;

use super::{Check, Clocks, Facts, Remedy, plan::prove};
use crate::Job;
use search::Reach;
use setting::{Nearness, Setting, nearness};
use std::{collections::BTreeMap, rc::Rc};
use verdict::{Before, failed, key};

/// So many events are proven in search of changes for one source: some seconds. What is not tried for that is said.
pub(super) const EVENTS: usize = 16_000_000;

/// So many tries there are however much each proves.
const LEAST_TRIES: usize = 24;

/// What a try costs besides its events.
const TRY: usize = 200;

/// What it costs besides to look for a place for one job between the ends of windows: as much as so many events.
const PLACING: usize = 20_000;

/// Adds remedies to the checks that failed, the first told first, for at most so many events. Of the horizons the last is the
/// whole one; those before are the begin of it, quick to try.
pub(super) fn remedies(jobs: &[Job], facts: &Facts, horizons: &[Clocks], events: usize, checks: &mut [Check]) {
    let settings = setting::all(jobs, facts);
    let mut trials = Trials { jobs, facts, horizons, known: BTreeMap::new(), placing: placing(jobs), left: 0 };
    let mut left = events;
    let before = checks.to_vec();
    let before = Before::of(&before);
    let mut order: Vec<&mut Check> =
        checks.iter_mut().filter(|check| failed(std::slice::from_ref(check)).next().is_some()).collect();
    order.sort_by_key(|check| check.instant.unwrap_or(i64::MAX));
    let checks = order.len();
    for (n, check) in order.into_iter().enumerate() {
        let mut budget = share(&mut left, checks - n);
        let (mut remedies, mut untried) = (Vec::new(), Vec::new());
        for near in [Nearness::Own, Nearness::Other, Nearness::Far] {
            // What has nothing to do with it but for the room that is left is looked at where nothing else helps.
            if near == Nearness::Far && !remedies.is_empty() {
                break;
            }
            let here = settings.iter().enumerate().filter(|(_, setting)| nearness(setting, check, jobs) == Some(near));
            let here: Vec<_> = here.collect();
            for (n, (number, setting)) in here.iter().enumerate() {
                let job = setting.job.map(|job| jobs[job].job.clone());
                trials.left = share(&mut budget, here.len() - n);
                match trials.nearest(*number, setting, &before, check) {
                    Ok(Some(value)) => remedies.push(Remedy { job, setting: setting.name.clone(), value }),
                    Ok(None) => {}
                    Err(Spent) => untried.push(match job {
                        Some(job) => format!("{} in job {job}", setting.name),
                        None => setting.name.clone(),
                    }),
                }
                budget += trials.left;
            }
        }
        left += budget;
        (check.remedies, check.untried) = (remedies, untried);
    }
}

/// Takes from what may be spent what the first of so many gets: half, since it is asked for most, and all if it is the last. What one
/// leaves is for those after it.
fn share(budget: &mut usize, among: usize) -> usize {
    let share = *budget / among.clamp(1, 2);
    *budget -= share;
    share
}

/// The first horizon to look at: on those before, the check holds as it is, and every change would seem to help.
fn first_told(check: &Check, horizons: &[Clocks]) -> usize {
    let last = horizons.len() - 1;
    match check.instant {
        Some(at) => horizons.iter().position(|clocks| clocks.source.to() > at).unwrap_or(last),
        // Stores are full after a year; all else that has no instant is seen at once.
        None if check.check == "space" => last.saturating_sub(1),
        None => 0,
    }
}

/// The cost of trying was spent before an answer was found.
struct Spent;

/// The number of a setting, of a group of its ways, and of the way; the step, and the horizon.
type Trial = (usize, usize, usize, u64, usize);

/// Everything that was tried.
struct Trials<'a> {
    jobs: &'a [Job],
    facts: &'a Facts,
    horizons: &'a [Clocks],
    /// What failed; `None`: no such document, or no plan. Several checks depend on one setting.
    known: BTreeMap<Trial, Option<Rc<[Check]>>>,
    /// What places cost in each try.
    placing: usize,
    /// So many more events may be proven for the setting that is looked at.
    left: usize,
}

/// What it costs to find places for these jobs.
fn placing(jobs: &[Job]) -> usize {
    let is_placed = |job: &&Job| {
        let objectives = job.objectives.as_ref();
        job.schedule.declared().collect.is_empty()
            && objectives.is_some_and(|of| of.at.is_empty() && !(of.window.is_empty() && of.blackout.is_empty()))
    };
    jobs.iter().filter(is_placed).count() * PLACING
}

impl Trials<'_> {
    /// The nearest value of a setting with which the check holds.
    fn nearest(
        &mut self,
        number: usize,
        setting: &Setting,
        before: &Before<'_>,
        check: &Check,
    ) -> Result<Option<String>, Spent> {
        let (wanted, first) = (key(check), first_told(check, self.horizons));
        for (group, ways) in setting.ways.iter().enumerate() {
            let mut best: Option<(u64, usize)> = None;
            for (n, way) in ways.iter().enumerate() {
                let steps = best.map_or(way.reach.steps, |(step, _)| way.reach.steps.min(step - 1));
                let mut spent = false;
                let last = self.horizons.len() - 1;
                let reach = Reach { steps, ..way.reach };
                let found = search::least(reach, last + 1 - first, |step, horizon| {
                    let horizon = first + horizon;
                    let failing = self.failing((number, group, n, step, horizon), setting);
                    spent |= failing.is_err();
                    failing.ok().flatten().is_some_and(|failing| before.is_helped(&wanted, &failing, horizon == last))
                });
                if spent {
                    return Err(Spent);
                }
                best = found.map(|step| (step, n)).or(best);
            }
            if let Some((step, n)) = best {
                return Ok(self.changed(setting, (group, n, step)).map(|(value, ..)| value));
            }
        }
        Ok(None)
    }

    /// The checks that fail with this change.
    fn failing(&mut self, trial: Trial, setting: &Setting) -> Result<Option<Rc<[Check]>>, Spent> {
        if let Some(known) = self.known.get(&trial) {
            return Ok(known.clone());
        }
        if self.left == 0 {
            return Err(Spent);
        }
        let (_, group, way, step, horizon) = trial;
        let mut events = 0;

        let failing = self.changed(setting, (group, way, step)).and_then(|(_, jobs, facts)| {
            let proven = prove(&jobs, &facts, &self.horizons[horizon]).ok()?;
            events = proven.events();
            Some(failed(&proven.checks).cloned().collect())
        });
        self.left = self.left.saturating_sub(events.min(EVENTS / LEAST_TRIES) + TRY + self.placing);
        self.known.insert(trial, failing.clone());
        Ok(failing)
    }

    /// The documents and facts with this change, and the value that it gives; `None`: there is no such document.
    fn changed(&self, setting: &Setting, (group, way, step): (usize, usize, u64)) -> Option<(String, Vec<Job>, Facts)> {
        let (mut jobs, mut facts) = (self.jobs.to_vec(), self.facts.clone());
        let job = &mut jobs[setting.job.unwrap_or_default()];
        let value = (setting.ways[group][way].change)(step, job, &mut facts)?;
        job.problem().is_none().then_some((value, jobs, facts))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::plan::prepared, *};
    use jiff::{SignedDuration, Timestamp};

    #[test]
    fn an_rpo_is_answered_first_and_what_is_not_tried_is_said() {
        let text = "{version: 1, job: shop, source: web1, objectives: {rpo: 12h, at: ['22:00']},
            streams: {data: {include: [/srv/shop], transport: {mode: push, peer: {address: sink1}},
            sink: {name: sink1, retention: {generations: 7}}}}}";
        let (jobs, facts) = ([Job::parse(text, "shop").unwrap()], Facts::default());
        let from: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let clocks = prepared(&jobs, &facts, from, from + SignedDuration::from_hours(24 * 8)).unwrap();
        let told = |events| {
            let mut checks = prove(&jobs, &facts, &clocks).unwrap().checks;
            remedies(&jobs, &facts, std::slice::from_ref(&clocks), events, &mut checks);
            let check = failed(&checks).find(|check| check.check == "rpo").unwrap();
            let helps: Vec<_> = check.remedies.iter().map(|remedy| remedy.setting.clone()).collect();
            (helps.join(", "), check.untried.join(", "))
        };
        let (_, nothing) = told(0);
        for setting in ["objectives.rpo", "objectives.at", "objectives.durations.verify"] {
            assert!(nothing.contains(&format!("{setting} in job shop")), "{nothing}");
        }
        // A place among seven would not be enough for it: it gets half.
        assert_eq!(told(20_000), ("objectives.rpo".into(), "objectives.at in job shop".into()));
        assert_eq!(told(100_000), ("objectives.rpo, objectives.at".into(), String::new()));
    }
}
