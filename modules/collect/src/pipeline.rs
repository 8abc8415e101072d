//! A run, from the request to the report, in the order in which things happen.

use crate::PROGRAM;
use crate::aftermath;
use crate::error::{CollectError, Result};
use crate::finish::SealArgs;
use crate::memory::Memory;
use crate::report::StreamReport;
use crate::request::Request;
use crate::standstill::{self, Standstill};
use crate::stream::{self, Decision, Watcher, Work};
use crate::surroundings::Room;
use crate::survey;
use crate::sync::SyncJournal;
use backup_adapters::declared::{self, Moment, Told};
use backup_adapters::intent::{self, Recovery};
use backup_adapters::lock::LockError;
use backup_adapters::logger::Severity;
use backup_adapters::publish::Pinned;
use backup_adapters::signals::Interrupt;
use backup_adapters::store::{StoreError, StreamStore};
use backup_adapters::{fault, host, lifecycle, notify};
use backup_common::gate;
use backup_core::job::{DumpTime, StreamOf};
use backup_core::layout::StreamDir;
use backup_core::lifecycle::Lifecycle;
use backup_core::state::Good;
use backup_core::{GenerationId, GenerationKind, InstanceId, Kind};
use backup_interface::{Call, Failed, Outcome, Progress};
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long transport may be busy with the handover point before clean-up is left for later.
const MOMENT: Duration = Duration::from_secs(5);

/// A run of collect: what was asked, and what has become of it.
pub(crate) struct Run<'a> {
    /// What was asked.
    pub(crate) request: &'a Request,
    /// What the job remembers.
    pub(crate) memory: Memory,
    /// How far the initial sync is.
    sync: SyncJournal,
    /// When it began, by the wall clock: every decision's "now".
    pub(crate) began: Timestamp,
    /// Its scheduled time, if another run was at work then.
    pub(crate) waited: Option<Timestamp>,
    clock: Instant,
    /// The streams that are wanted, once it is decided what becomes of them.
    pub(crate) tracks: Vec<Track<'a>>,
    /// The standstill, as far as there was one.
    pub(crate) standstill: Standstill,
    /// Services that an earlier run had left stopped.
    pub(crate) recovered: Vec<String>,
    /// What somebody should know besides the streams' own warnings.
    pub(crate) warnings: Vec<String>,
    interrupt: &'a Interrupt,
    progress: Progress,
}

/// One stream in a run. Streams fail on their own: what ails the logs does not cost the data their copy.
pub(crate) struct Track<'a> {
    /// The stream.
    pub(crate) of: StreamOf<'a>,
    /// What is told of it.
    pub(crate) report: StreamReport,
    /// Why it dropped out.
    pub(crate) failure: Option<Failed>,
    /// What it sealed.
    pub(crate) good: Option<Good>,
    /// What is to be done; `None` once it is done, has failed or is not needed.
    pub(crate) work: Option<Work<'a>>,
}

/// Collects, and tells everybody how it went.
pub(crate) fn run(request: &Request, call: &Call, interrupt: &Interrupt) -> Result<Outcome> {
    let mut run = Run::new(request, call, interrupt);
    // Before everything else: what stands in the way of a run is told by those that are due.
    if run.has_day_off() || run.is_caught_up()? {
        return aftermath::answer(run, Ok(()));
    }
    if call.check {
        if let Some(suspended) = gate::suspended(&request.job, false)? {
            return Ok(gate::declined(call, &suspended, "is collected").with_report(&aftermath::nothing(&request.job)));
        }
        let result = run.announce();
        return aftermath::answer(run, result);
    }
    // Held to the end: hooks and state belong to the run.
    let _lock = match run.turn() {
        Ok(lock) => lock,
        Err(failed) if request.missed && failed.failure().kind() == Kind::Locked => {
            run.leave_to_the_other();
            return aftermath::answer(run, Ok(()));
        }
        Err(failed) => return aftermath::refuse(run, failed),
    };
    // Under the lock: nobody changes the state before the end of the run.
    match gate::suspended(&request.job, false) {
        Ok(None) => {}
        Ok(Some(suspended)) => {
            return Ok(gate::declined(call, &suspended, "is collected").with_report(&aftermath::nothing(&request.job)));
        }
        Err(error) => return aftermath::refuse(run, error.into()),
    }
    run.sync = SyncJournal::new(&request.job, lifecycle::read(&request.job, false)?);
    let result = run.collect();
    run.warnings.extend(run.sync.problem());
    aftermath::conclude(run, result)
}

impl<'a> Run<'a> {
    fn new(request: &'a Request, call: &Call, interrupt: &'a Interrupt) -> Self {
        Self {
            request,
            memory: Memory::of(&request.job),
            sync: SyncJournal::new(&request.job, Lifecycle::default()),
            began: host::now().timestamp(),
            waited: None,
            clock: Instant::now(),
            tracks: Vec::new(),
            standstill: Standstill::default(),
            recovered: Vec::new(),
            warnings: Vec::new(),
            interrupt,
            progress: Progress::bytes(call, "collecting", 0),
        }
    }

    /// The whole run. An error is everybody's; what ails one stream is in its track.
    fn collect(&mut self) -> Result<()> {
        self.refuse_half_restored()?;
        self.finish_earlier_run()?;
        let id = self.decide()?;
        self.remember_attempt()?;
        self.begin_sync()?;
        self.check_room()?;
        if self.is_idle() {
            return Ok(());
        }
        self.hooks(Moment::Before)?;
        // Only now: a hook may mount a snapshot.
        self.each(|work| work.check_sources())?;
        let instance = self.memory.instance()?;
        self.stage(id)?;
        self.dumps(DumpTime::Running)?;
        self.warm_passes()?;
        let started = self.stand_still()?;
        self.seal(id, &instance)?;
        started
    }

    /// Check mode: decides and checks as a run does, and stops there.
    fn announce(&mut self) -> Result<()> {
        self.refuse_half_restored()?;
        if let Some(intent) = intent::pending(self.memory.directory())? {
            let on = intent.services.iter().filter(|entry| entry.was_on);
            self.recovered = on.map(|entry| entry.service.name().to_owned()).collect();
        }
        self.decide()?;
        self.check_room()?;
        let own = self.own_directories();
        let with_hooks = !self.request.job.hooks.before.is_empty();
        self.each(|work| work.look(&own, with_hooks))?;
        if !self.is_idle() {
            self.standstill.services = standstill::found(&self.request.job)?;
        }
        for track in &mut self.tracks {
            if let Some(work) = &track.work {
                work.announce(&mut track.report);
            }
        }
        Ok(())
    }

    /// Trees that a restore has half exchanged are nobody's data.
    fn refuse_half_restored(&self) -> Result<()> {
        let pending = self.memory.is_restoring()?;
        if pending { Err(CollectError::RestorePending(self.request.job.job.clone()).into()) } else { Ok(()) }
    }

    /// What a killed run left: services that are off, directories half written.
    fn finish_earlier_run(&mut self) -> Result<()> {
        let job = &self.request.job;
        match intent::recover(self.memory.directory(), false)? {
            Recovery::Restored(services) => self.recovered = services,
            Recovery::Running(_) => return Err(CollectError::WindowOpen(job.job.clone()).into()),
            Recovery::Nothing => {}
        }
        fault::point("collect.recovered");
        for of in job.streams() {
            remove_partials(&survey::handover(of))?;
        }
        Ok(())
    }

    /// Looks at every stream, decides what is done with those that are wanted, and finds the id that they share.
    fn decide(&mut self) -> Result<GenerationId> {
        let mut newest = None;
        for of in self.request.job.streams() {
            let found = survey::look(of, &self.memory)?;
            newest = newest.max(found.newest_id);
            if !self.request.streams.contains(&of.name) {
                continue;
            }
            if self.is_answered(&found) {
                let why = "another run has collected since the scheduled time".into();
                self.tracks.push(Track::idle(of, found.newest, why));
                continue;
            }
            let (report, newest_sealed) = (StreamReport::of(of, found.left_behind()), found.newest);
            let (work, failure) = match stream::decide(self.request, of, found, &self.memory, self.began) {
                Ok(Decision::Collect(work)) => (Some(*work), None),
                Ok(Decision::Nothing(why)) => {
                    self.tracks.push(Track::idle(of, newest_sealed, why));
                    continue;
                }
                Err(failure) => (None, Some(failure)),
            };
            self.tracks.push(Track { of, report, failure, good: None, work });
        }
        Ok(GenerationId::next(self.began, newest)?)
    }

    /// Notes which initial syncs have ended since, and which begin with this run.
    fn begin_sync(&mut self) -> Result<()> {
        for track in &self.tracks {
            self.sync.catch_up(track.of)?;
            if let Some(work) = track.work.as_ref().filter(|work| work.choice.kind() == GenerationKind::Full) {
                self.sync.begin(track.of, &work.found, self.began)?;
            }
        }
        Ok(())
    }

    fn check_room(&mut self) -> Result<()> {
        let mut room = Room::default();
        self.each(|work| work.check_room(&mut room))
    }

    fn is_idle(&self) -> bool {
        self.tracks.iter().all(|track| track.work.is_none())
    }

    /// Does one step for each stream that is still on its way; a stream that fails it drops out.
    fn each(&mut self, mut step: impl FnMut(&mut Work<'a>) -> Result<()>) -> Result<()> {
        for track in &mut self.tracks {
            let Some(work) = &mut track.work else { continue };
            if let Err(failure) = step(work) {
                // Being asked to end is not a stream's own fault.
                if failure.failure().kind() == Kind::Interrupted {
                    return Err(failure);
                }
                track.work = None;
                track.failure = Some(failure);
            }
        }
        Ok(self.interrupt.check()?)
    }

    fn hooks(&self, moment: Moment) -> Result<()> {
        let job = &self.request.job;
        Ok(declared::hooks(moment, &job.hooks, Told { job: &job.job, result: "ok" }, self.interrupt)?)
    }

    fn stage(&mut self, id: GenerationId) -> Result<()> {
        let works = self.tracks.iter().filter_map(|track| track.work.as_ref());
        self.progress.set_total(works.map(Work::expected_bytes).sum());
        let own = self.own_directories();
        let (interrupt, progress, sync) = (self.interrupt.clone(), self.progress.clone(), self.sync.clone());
        self.each(|work| {
            let stream = work.of.name;
            if sync.is_open(stream) {
                sync.transfer(stream, work.plain_bytes(&own)?);
            }
            work.stage(id, &own, Watcher::new(interrupt.clone(), progress.clone(), sync.clone(), stream))
        })
    }

    /// Where copies and state lie: never part of a copy.
    fn own_directories(&self) -> Vec<PathBuf> {
        let job = &self.request.job;
        let of_stream = |of: StreamOf<'_>| [of.handover_root(), of.store_root(), of.restore_root()];
        job.streams().flat_map(of_stream).chain([job.state_dir()]).collect()
    }

    fn dumps(&mut self, when: DumpTime) -> Result<()> {
        let interrupt = self.interrupt.clone();
        self.each(|work| work.dumps(when, &interrupt))
    }

    /// Reads everything while the application runs, and again what changed meanwhile, until the rest is small. A job
    /// that stops nothing reads once, unless something could not be caught.
    fn warm_passes(&mut self) -> Result<()> {
        let max_downtime = self.request.job.max_downtime.duration();
        let stops_nothing = self.request.job.services.is_empty();
        self.each(|work| {
            loop {
                let is_worth_while = work.warm(max_downtime)?;
                if !(if stops_nothing { work.may_catch_more() } else { is_worth_while }) {
                    break;
                }
            }
            Ok(())
        })?;
        if stops_nothing {
            return Ok(());
        }
        // All of them share the standstill: a stream for which nothing is left of it drops out.
        let (mut standstill, mut room) = (Duration::ZERO, Room::default());
        self.each(|work| work.check_cold(max_downtime, &mut standstill, &mut room))
    }

    /// Stops, reads the rest, starts. `Err`: nothing that was read counts. The inner result says whether the
    /// application is back: what was read is consistent even if it is not, and gets sealed, but the run fails.
    fn stand_still(&mut self) -> Result<Result<()>> {
        if self.is_idle() {
            return Ok(Ok(()));
        }
        let request = self.request;
        let mut read = || {
            self.dumps(DumpTime::Stopped)?;
            if !request.job.services.is_empty() {
                self.each(Work::cold)?;
            }
            // A service that stops may take its mounts along, and what was read then is what lay below them.
            self.each(|work| work.check_sources())
        };
        if request.job.services.is_empty() {
            read()?;
            return Ok(Ok(()));
        }
        let ended = standstill::during(&request.job, &request.recover, read)?;
        self.standstill = ended.standstill;
        if let Err(down) = &ended.started {
            self.tell_down(down);
        }
        match (ended.read, ended.started) {
            (Ok(()), started) => Ok(started),
            (Err(failure), Ok(())) => Err(failure),
            // The application is down: that comes first.
            (Err(failure), Err(down)) => Err(down.with_warning(failure.message())),
        }
    }

    /// Sealing may take hours; that the application is down is told before.
    fn tell_down(&mut self, down: &Failed) {
        let job = &self.request.job;
        let subject = format!("services of {} on {} are down", job.job, job.source);
        let hint = down.failure().hint().unwrap_or_default();
        let sent =
            notify::send(PROGRAM, &job.mail, Severity::Error, &subject, &format!("{}\n\n{hint}\n", down.message()));
        self.warnings.extend(sent.err().map(|error| error.to_string()));
    }

    fn seal(&mut self, id: GenerationId, instance: &InstanceId) -> Result<()> {
        let seal = SealArgs {
            id,
            instance,
            label: self.request.label.as_deref(),
            quiet: self.standstill.quiet.as_ref(),
            memory: &self.memory,
            interrupt: self.interrupt,
        };
        for track in &mut self.tracks {
            let Some(work) = track.work.take() else { continue };
            match work.finish(&seal, &mut track.report) {
                Ok(good) => {
                    self.sync.sealed(track.of.name, good.generation.id, good.tree.bytes);
                    track.good = Some(good);
                }
                Err(failure) if failure.failure().kind() == Kind::Interrupted => return Err(failure),
                Err(failure) => track.failure = Some(failure),
            }
        }
        Ok(())
    }

    /// Set when the run is asked to end.
    pub(crate) const fn interrupt(&self) -> &'a Interrupt {
        self.interrupt
    }

    /// Milliseconds since it began.
    pub(crate) fn duration_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Removes what a killed run had not sealed. Nobody else makes partials here; transport's own deletions pass through
/// that form, under the lock.
fn remove_partials(handover: &StreamStore) -> Result<()> {
    if handover.list()?.partials.is_empty() {
        return Ok(());
    }
    match handover.lock("collect: clean-up", Instant::now() + MOMENT) {
        Ok(_lock) => {
            // The folder's owner must not lead root elsewhere.
            let folder = Pinned::open(handover.dir().path())?;
            Ok(StreamStore::open(StreamDir::at(folder.path())).clean_partials(None).map(drop)?)
        }
        // Busy: the next run is soon enough, and the next id is later than any partial's.
        Err(StoreError::Lock(LockError::Locked { .. })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
