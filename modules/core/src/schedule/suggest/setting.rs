//! The settings that a check depends on.

use super::{super::Check, keeping, rhythm, ways::Way};
use crate::{Job, schedule::Facts};

/// What a setting is about, and with it which checks depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// When and how long the host is busy.
    Rhythm,
    /// On which days: fulls and incrementals, too.
    Days,
    /// How often, where the planner chooses.
    Often,
    /// What is promised of the job's own steps.
    Promise,
    /// What is kept.
    Keeping,
    /// How much room there is, and how much copies take.
    Room,
    /// When copies are verified and drilled.
    Upkeep,
    /// What is taken of a head.
    Head,
    /// How long a restore may take.
    Restore,
}

impl About {
    fn concerns(self, check: &str) -> bool {
        use About::{Days, Head, Keeping, Often, Promise, Restore, Rhythm, Room, Upkeep};
        match check {
            "rpo" | "gap" | "handover" => matches!(self, Rhythm | Days | Often | Promise),
            "overlap" | "window" => matches!(self, Rhythm | Days | Often),
            "full_day" => self == Days,
            "verification" | "drill" => matches!(self, Rhythm | Days | Often | Upkeep),
            "history" | "base" => matches!(self, Keeping | Days | Often),
            "space" => matches!(self, Keeping | Room | Often),
            "checkpoint" => self == Head,
            "rto" => self == Restore,
            _ => false,
        }
    }
}

/// One setting, and the ways to change it.
pub(super) struct Setting {
    /// The key in the document of the job: `objectives.rpo`; else `sinks.sink1.capacity`.
    pub name: String,
    /// Whose document; `None`: a fact.
    pub job: Option<usize>,
    pub about: About,
    /// The first of these in which a way helps counts; in it the one of the fewest steps.
    pub ways: Vec<Vec<Way>>,
}

impl Setting {
    pub(super) fn new(name: impl Into<String>, about: About, ways: Vec<Vec<Way>>) -> Self {
        Self { name: name.into(), job: None, about, ways }
    }
}

/// All settings of all jobs of a source, and of their sinks.
pub(super) fn all(jobs: &[Job], facts: &Facts) -> Vec<Setting> {
    let mut all = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let measured =
            facts.hosts.get(&job.source).and_then(|host| host.jobs.get(&job.job)).copied().unwrap_or_default();
        let of_job = rhythm::settings(job, &measured).into_iter().chain(keeping::settings(job, &measured));
        all.extend(of_job.map(|setting| Setting { job: Some(index), ..setting }));
    }
    all.extend(keeping::capacities(jobs, facts));
    all
}

/// How near a setting is to a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nearness {
    /// Of the check's own job, or of no job at all.
    Own,
    /// Of the job that carries it, or with which it clashes.
    Other,
    /// The check depends on it only by where the planner finds room.
    Far,
}

/// How near this setting is to a check, if the check depends on it.
pub(super) fn nearness(setting: &Setting, check: &Check, jobs: &[Job]) -> Option<Nearness> {
    let named = |name: &String| jobs.iter().position(|job| job.job == *name);
    let own = check.job.as_ref().and_then(named);
    let carrier = own.and_then(|own| jobs[own].objectives.as_ref()?.with.as_ref()).and_then(named);
    let other = check.other.as_ref().and_then(named);
    if !setting.about.concerns(&check.check) {
        return None;
    }
    // What the sinks hold is everybody's.
    if own.is_none() || setting.job.is_none() || setting.job == own {
        return Some(Nearness::Own);
    }
    match setting.about {
        About::Rhythm | About::Days | About::Often if check.check != "full_day" => {
            Some(if setting.job == carrier || setting.job == other { Nearness::Other } else { Nearness::Far })
        }
        _ => None,
    }
}
