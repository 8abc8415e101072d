//! The live trees: hooks, services, the exchange, and the way back.
//!
//! Order: note the new trees (journal) → `before` hooks → stop what is on → exchange → load dumps that were taken at a
//! standstill → start what was on → load the other dumps → `after` hooks → approve → remove the old trees → `finally`.
//!
//! A failure before the approval puts the old trees back and starts the application on them again: it comes back either
//! way. What a dump's command has loaded cannot be taken back, and the failure says so.

use crate::dumps::{self, Spooled, Way};
use crate::error::Result;
use crate::pipeline::Track;
use crate::report::{RunReport, ServiceReport};
use crate::request::Request;
use backup_adapters::declared::{self, Moment, Told};
use backup_adapters::fault;
use backup_adapters::intent::{self, Window};
use backup_adapters::rescue::{self, Armed};
use backup_adapters::services::Service;
use backup_adapters::signals::Interrupt;
use backup_core::job::DumpTime;
use backup_interface::Failed;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How the live trees become those of the generation. Dropping one without [`Replacement::commit`] leaves it to `recover`.
pub(crate) trait Replacement: Sized {
    /// Puts what is new in its place.
    fn exchange(&mut self) -> Result<()>;
    /// Whether anything new is in place.
    ///
    /// # Errors
    /// The system does not say.
    fn is_exchanged(&self) -> Result<bool>;
    /// What is new is approved: from here on nothing goes back.
    fn commit(&mut self) -> Result<()>;
    /// Removes what is old, or puts it aside. Returns where it is kept.
    fn finish(self) -> Result<Vec<PathBuf>>;
    /// Puts everything back that is old and forgets what is new.
    fn undo(self) -> Result<()>;
}

/// One restore of live trees.
pub(crate) struct Live<'a> {
    request: &'a Request,
    work: &'a [Track<'a>],
    interrupt: &'a Interrupt,
    state: PathBuf,
    services: Vec<Service>,
    window: Option<Window>,
    rescue: Option<Armed>,
    away: Option<Instant>,
    quiet: Option<Instant>,
    loaded: u32,
}

impl<'a> Live<'a> {
    pub(crate) fn new(request: &'a Request, work: &'a [Track<'a>], interrupt: &'a Interrupt) -> Self {
        Self {
            request,
            work,
            interrupt,
            state: request.job.state_dir(),
            services: declared::services(&request.job),
            window: None,
            rescue: None,
            away: None,
            quiet: None,
            loaded: 0,
        }
    }

    /// Puts what was made in place. Afterwards either all of it has happened, or everything is as before.
    pub(crate) fn replace(mut self, mut swap: impl Replacement, report: &mut RunReport) -> Result<()> {
        let result = self.forward(&mut swap, report).and_then(|()| swap.commit());
        let result = match result {
            // The new trees are in place, whatever becomes of the old ones.
            Ok(()) => swap.finish().map(|kept| report.kept_old = kept).map_err(Failed::with_changes),
            Err(failed) => {
                let failed = self.back(swap, failed, report);
                let tidied = self.tidy(Moment::Failed, Some(&failed));
                Err(also(failed, tidied))
            }
        };
        let tidied = self.tidy(Moment::Finally, result.as_ref().err());
        match result {
            Ok(()) => tidied.map_err(Failed::with_changes),
            Err(failed) => Err(also(failed, tidied)),
        }
    }

    fn forward(&mut self, swap: &mut impl Replacement, report: &mut RunReport) -> Result<()> {
        let told = Told { job: &self.request.job.job, result: "ok" };
        // Before anything stands still: what is damaged, or finds no room, shall not cost the application a second.
        let dumps = self.spool()?;
        let hooks = &self.request.job.restore.hooks;
        declared::hooks(Moment::Before, hooks, told, self.interrupt)?;
        fault::point("restore.hooks.before");
        self.stop(report)?;
        fault::point("restore.stopped");
        self.interrupt.check()?;
        if let Some(window) = &self.window {
            // What came back by itself would go on writing to the old tree, which is removed at the end.
            window.still_quiet()?;
        }
        swap.exchange()?;
        self.load(&dumps, DumpTime::Stopped)?;
        self.start(report)?;
        fault::point("restore.started");
        self.load(&dumps, DumpTime::Running)?;
        for track in self.work {
            dumps::leave(&track.generation, &track.dumps, track.of)?;
        }
        declared::hooks(Moment::After, hooks, told, self.interrupt)?;
        fault::point("restore.hooks.after");
        Ok(())
    }

    fn spool(&self) -> Result<Vec<Spooled<'a>>> {
        let mut spooled = Vec::new();
        for track in self.work {
            spooled.extend(dumps::spool(&track.generation, &track.dumps, &self.state)?);
        }
        Ok(spooled)
    }

    fn load(&mut self, dumps: &[Spooled<'_>], when: DumpTime) -> Result<()> {
        self.loaded += dumps::load(dumps, when, self.interrupt)?;
        Ok(())
    }

    /// How long the dumps that are loaded at the standstill may take, by the time limits of their commands.
    fn loading(&self) -> Duration {
        let plans = self.work.iter().flat_map(|track| &track.dumps);
        let limits = plans.filter_map(|plan| match &plan.way {
            Way::Load(dump) if dump.when == DumpTime::Stopped => dump.restore.as_ref().map(|command| &command.timeout),
            _ => None,
        });
        limits.map(|limit| limit.duration()).sum()
    }

    fn stop(&mut self, report: &mut RunReport) -> Result<()> {
        let job = &self.request.job;
        // Loading takes as long as it takes, and a rescue that cuts it starts the application on half of the data.
        let limit = job.max_downtime.duration() + self.loading();
        let window = Window::open(&self.state, &job.job, &self.services, limit)?;
        report.services = window
            .services()
            .iter()
            .map(|entry| ServiceReport { name: entry.service.name().to_owned(), was_on: entry.was_on })
            .collect();
        let window = self.window.insert(window);
        self.rescue = Some(rescue::arm(&job.job, &self.request.recover, limit)?);
        fault::point("restore.rescue.armed");
        self.away = Some(Instant::now());
        window.stop()?;
        self.quiet = Some(Instant::now());
        Ok(())
    }

    fn start(&mut self, report: &mut RunReport) -> Result<()> {
        report.downtime_ms = milliseconds(self.quiet.take());
        let started = self.window.take().map_or(Ok(()), Window::start);
        report.downtime_with_services_ms = milliseconds(self.away.take());
        started?;
        if let Some(rescue) = self.rescue.take() {
            rescue.disarm();
        }
        Ok(())
    }

    /// Old trees back, services on. Whatever fails on the way back becomes a warning of the first failure.
    fn back(&mut self, swap: impl Replacement, mut failed: Failed, report: &mut RunReport) -> Failed {
        // Services are stopped once too often where nobody knows.
        if self.window.is_none() && swap.is_exchanged().unwrap_or(true) {
            failed = self.stop_again(failed);
        }
        failed = match swap.undo() {
            Ok(()) => failed,
            Err(more) => also(failed.with_changes(), Err(more)).with_warning(
                "the old trees are not all in place: run `backup_restore recover` when the cause is gone",
            ),
        };
        fault::point("restore.back.undone");
        failed = also(failed, self.start(report));
        match intent::recover(&self.state, true) {
            Ok(_) => self.rescue.take().into_iter().for_each(Armed::disarm),
            Err(more) => failed = failed.with_warning(format!("services did not start again: {more}")),
        }
        if self.loaded > 0 {
            let warning = "a dump had been loaded before the failure, which cannot be taken back";
            failed = failed.with_changes().with_warning(warning);
        }
        failed
    }

    /// The services run, or try to, on the new trees.
    fn stop_again(&mut self, failed: Failed) -> Failed {
        // A window whose start failed is still on record, and knows what was on: it must not be written anew.
        if matches!(intent::pending(&self.state), Ok(Some(_))) {
            return self.services.iter().fold(failed, |failed, service| match service.stop(None) {
                Ok(_) => failed,
                Err(more) => failed.with_warning(more.to_string()),
            });
        }
        also(failed, self.stop(&mut RunReport::default()))
    }

    fn tidy(&self, moment: Moment, failed: Option<&Failed>) -> Result<()> {
        let result = failed.map_or("ok", |failed| failed.failure().kind().name());
        let told = Told { job: &self.request.job.job, result };
        Ok(declared::hooks(moment, &self.request.job.restore.hooks, told, self.interrupt)?)
    }
}

/// A further failure, as a warning of the first.
fn also(failed: Failed, more: Result<()>) -> Failed {
    match more {
        Ok(()) => failed,
        Err(more) => failed.with_warning(more.message()),
    }
}

fn milliseconds(since: Option<Instant>) -> u64 {
    since.map_or(0, |since| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
}
