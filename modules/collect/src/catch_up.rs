//! Runs that meet: one that only catches up does nothing unless a scheduled one was missed, and a scheduled one waits for it.

use crate::decide::Wish;
use crate::error::Result;
use crate::pipeline::{Run, Track};
use crate::report::StreamReport;
use crate::survey::Found;
use crate::{stream, survey};
use backup_adapters::lock::Lock;
use backup_adapters::{host, lifecycle};
use backup_common::Timetable;
use backup_common::timetable::{DAY_OFF, Turn};
use backup_core::GenerationId;
use backup_core::job::StreamOf;
use backup_core::state::CollectState;
use std::time::Duration;

/// How long a scheduled run waits for another one.
const PATIENCE: Duration = Duration::from_hours(1);

impl<'a> Track<'a> {
    /// Of a stream for which nothing is to be done.
    pub(crate) fn idle(of: StreamOf<'a>, newest: Option<GenerationId>, why: String) -> Self {
        Self { of, report: StreamReport::fresh(of, newest, why), failure: None, good: None, work: None }
    }
}

impl Run<'_> {
    /// Whether there is nothing to catch up for any stream; the run is over then.
    pub(crate) fn is_caught_up(&mut self) -> Result<bool> {
        if !self.request.missed {
            return Ok(false);
        }
        for name in &self.request.streams {
            let Some(of) = self.request.job.stream(*name) else { continue };
            let found = survey::look(of, &self.memory)?;
            let Some(why) = stream::nothing_due(self.request, &found, self.began) else {
                self.tracks.clear();
                return Ok(false);
            };
            self.tracks.push(Track::idle(of, found.newest, why));
        }
        Ok(true)
    }

    /// Makes sure that nobody else works for the job. Whoever else does may be catching up: a scheduled run waits for it.
    pub(crate) fn turn(&mut self) -> Result<Lock> {
        let request = self.request;
        let timetable = request.timetable.as_ref().filter(|_| request.is_scheduled);
        let what = format!("collect of {}", request.job.job);
        let take = || lifecycle::lock(&request.job, &what);
        match Timetable::turn(timetable, self.began, PATIENCE, self.interrupt(), take)? {
            Turn::Ours(lock, waited) => {
                if waited.is_some() {
                    (self.began, self.waited) = (host::now().timestamp(), waited);
                }
                Ok(lock)
            }
            // This collection is lost, and somebody should know.
            Turn::Relieved(locked) => Err(locked),
        }
    }

    /// Whether a run that had to wait finds its work done: a copy was sealed since its time, of the kind that it is to make.
    /// That another run has tried is not enough.
    pub(crate) fn is_answered(&self, found: &Found) -> bool {
        let sealed = match self.request.kind {
            Wish::Full => found.history.last_full.as_ref().map(|good| good.generation.id),
            Wish::Auto | Wish::Incremental => found.newest,
        };
        self.waited.is_some() && sealed.map(GenerationId::time) >= self.waited
    }

    /// Whether the schedule has this day off; a run that it began is over then.
    pub(crate) fn has_day_off(&mut self) -> bool {
        let timetable = self.request.timetable.as_ref().filter(|_| self.request.is_scheduled);
        let rests = timetable.is_some_and(|timetable| timetable.rests(self.began));
        if rests {
            self.do_nothing(DAY_OFF);
        }
        rests
    }

    /// What was missed is being done.
    pub(crate) fn leave_to_the_other(&mut self) {
        self.do_nothing("another run of this job is at work");
    }

    fn do_nothing(&mut self, why: &str) {
        let wanted = |of: &StreamOf<'_>| self.request.streams.contains(&of.name);
        self.tracks = self.request.job.streams().filter(wanted).map(|of| Track::idle(of, None, why.into())).collect();
    }

    /// Catching up is tried once, even if it is killed: the application must not be stopped again every few minutes.
    pub(crate) fn remember_attempt(&self) -> Result<()> {
        if !self.request.missed {
            return Ok(());
        }
        for track in self.tracks.iter().filter(|track| track.work.is_some()) {
            let state = CollectState { last_attempt: Some(self.began), ..self.memory.state(track.of.name)? };
            self.memory.remember(track.of.name, &state)?;
        }
        Ok(())
    }
}
