//! One stream on its way from a decision to a sealed generation. The pipeline says when; here is how.

use crate::decide::{self, Choice};
use crate::dump::{self, Written};
use crate::error::{CollectError, Result};
use crate::limits::{self, PassTime};
use crate::memory::Memory;
use crate::report::{Fate, StreamReport};
use crate::request::Request;
use crate::seal::Staging;
use crate::surroundings::{self, Room};
use crate::survey::{self, Found};
use crate::sync::SyncJournal;
use crate::tree::{self, Look, TreeCollector, TreeSpec};
use backup_adapters::signals::Interrupt;
use backup_adapters::{fault, host, space, there};
use backup_archive::Index;
use backup_common::pipeline;
use backup_core::job::{DumpTime, StreamOf};
use backup_core::{GenerationId, Kind, StreamName};
use backup_interface::Progress;
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a run decided about one stream, and what it has of it so far.
pub(crate) struct Work<'a> {
    /// The stream.
    pub(crate) of: StreamOf<'a>,
    /// What was there before.
    pub(crate) found: Found,
    /// Full or incremental, and why.
    pub(crate) choice: Choice,
    base: Option<Index>,
    warnings: Vec<String>,
    /// What a plan found.
    look: Option<Look>,
    /// Where the generation grows.
    pub(crate) staging: Option<Staging>,
    /// Reads the include paths; `None` if there are none.
    pub(crate) tree: Option<TreeCollector>,
    passes: Vec<PassTime>,
    /// The dumps, as far as they were taken.
    pub(crate) written: Vec<Written>,
    /// When the first of them was begun.
    pub(crate) dumps_began: Option<Timestamp>,
}

/// The decision: do nothing, or do this.
pub(crate) enum Decision<'a> {
    /// Nothing is due, and why.
    Nothing(String),
    /// Collect.
    Collect(Box<Work<'a>>),
}

/// Decides about a stream from what is found. Changes nothing.
pub(crate) fn decide<'a>(
    request: &Request,
    of: StreamOf<'a>,
    found: Found,
    memory: &Memory,
    now: Timestamp,
) -> Result<Decision<'a>> {
    if let Some(why) = nothing_due(request, &found, now) {
        return Ok(Decision::Nothing(why));
    }
    let keep = of.stream.handover.keep;
    if found.waiting.len() >= keep as usize {
        let path = survey::handover(of).dir().path().to_owned();
        return Err(CollectError::HandoverFull { path, waiting: found.waiting.len(), keep }.into());
    }
    let mut warnings = found.warnings.clone();
    let mut history = found.history.clone();
    let (choice, base) = loop {
        let rule = of.stream.full;
        let choice = decide::next_kind(request.kind, rule, of.stream.transport.verify, now, &history);
        let Some(base) = &choice.base else { break (choice, None) };
        match memory.load_index(of.name, base) {
            Ok(index) => break (choice, Some(index)),
            Err(why) => {
                warnings.push(format!("the index of the full {} cannot be used: {why}", base.id));
                let lost = base.id;
                history.candidates.retain(|candidate| candidate.id != lost);
            }
        }
    };
    Ok(Decision::Collect(Box::new(Work {
        of,
        found,
        choice,
        base,
        warnings,
        look: None,
        staging: None,
        tree: None,
        passes: Vec::new(),
        written: Vec::new(),
        dumps_began: None,
    })))
}

/// Why nothing is to be done, if so.
pub(crate) fn nothing_due(request: &Request, found: &Found, now: Timestamp) -> Option<String> {
    if decide::is_fresh(found.newest, request.max_age, now) {
        return Some("the newest generation is younger than max_age".into());
    }
    let tried = found.tried();
    let timetable = request.timetable.as_ref().filter(|_| request.missed)?;
    timetable.declines(tried, now).map(Into::into)
}

impl Work<'_> {
    /// There is room for as much as was stored last, besides what others have `taken`.
    pub(crate) fn check_room(&self, taken: &mut Room) -> Result<()> {
        let root = self.of.handover_root();
        taken.take(there::nearest(&root)?, self.estimate().unwrap_or(0))
    }

    /// The sources are there.
    pub(crate) fn check_sources(&self) -> Result<()> {
        surroundings::sources(self.of)
    }

    /// Stored bytes of the last generation of the same kind; `None` if there was none.
    fn estimate(&self) -> Option<u64> {
        let state = &self.found.state;
        let last = state.last_good.as_ref().filter(|good| good.kind == self.choice.kind());
        last.or(state.last_full.as_ref()).map(|good| good.stored_bytes)
    }

    /// Plain bytes of the last good generation's tree; 0 if there was none.
    pub(crate) fn expected_bytes(&self) -> u64 {
        self.found.state.last_good.as_ref().map_or(0, |good| good.tree.bytes)
    }

    /// Looks at the source without reading contents: for a plan. What is not there may still come `with_hooks`; nothing
    /// more is known of it then.
    pub(crate) fn look(&mut self, skip: &[PathBuf], with_hooks: bool) -> Result<()> {
        match self.check_sources() {
            Err(failure) if with_hooks && failure.failure().kind() == Kind::SourceInvalid => {
                let found = failure.message();
                self.warnings.push(format!("{found} now; the hooks `before` have not run in check mode"));
                return Ok(());
            }
            checked => checked?,
        }
        if !self.of.stream.include.is_empty() {
            self.look = Some(tree::look(&self.spec(skip), self.base.as_ref())?);
        }
        Ok(())
    }

    /// Plain bytes that the include paths hold now.
    pub(crate) fn plain_bytes(&self, skip: &[PathBuf]) -> Result<u64> {
        if self.of.stream.include.is_empty() {
            return Ok(0);
        }
        Ok(tree::look(&self.spec(skip), None)?.tree.bytes)
    }

    /// What is known before anything is read.
    pub(crate) fn announce(&self, report: &mut StreamReport) {
        report.fate = Fate::Planned;
        report.kind = Some(self.choice.kind());
        report.reason = Some(self.choice.reason.to_string());
        report.base.clone_from(&self.choice.base);
        report.stored_bytes = self.estimate();
        report.dumps = self.of.stream.dumps.iter().map(dump::artifact_name).collect();
        report.warnings.clone_from(&self.warnings);
        if let Some(look) = &self.look {
            report.paths = Some(look.tree.paths);
            report.bytes = Some(look.tree.bytes);
            report.files = Some(look.read);
            report.deleted = Some(look.deleted);
            report.stored_bytes = report.stored_bytes.or(Some(look.read_bytes));
            report.warnings.extend_from_slice(&look.warnings);
        }
    }

    /// Makes the directory that the generation `id` grows in.
    pub(crate) fn stage(&mut self, id: GenerationId, skip: &[PathBuf], watch: Watcher) -> Result<()> {
        let staging = Staging::create(self.of, &survey::handover(self.of), id)?;
        if !self.of.stream.include.is_empty() {
            // Taken out of here: an index of a million paths is not kept twice.
            let mut tree = TreeCollector::new(self.spec(skip), self.base.take(), staging.path())?;
            tree.watch(Box::new(move |progress| watch.look(progress.bytes)));
            self.tree = Some(tree);
        }
        self.staging = Some(staging);
        Ok(())
    }

    fn spec(&self, skip: &[PathBuf]) -> TreeSpec {
        let stream = self.of.stream;
        TreeSpec {
            include: stream.include.clone(),
            exclude: stream.exclude.clone(),
            one_file_system: stream.one_file_system,
            special_files: stream.special_files,
            level: stream.compression_level.into(),
            large_file: stream.large_file.0,
            missing: stream.checks.missing,
            empty: stream.checks.empty,
            unreadable: stream.checks.unreadable,
            skip: skip.to_vec(),
            threads: pipeline::threads(),
        }
    }

    /// Takes the dumps that run at this time.
    pub(crate) fn dumps(&mut self, when: DumpTime, interrupt: &Interrupt) -> Result<()> {
        let Some(staging) = &self.staging else { return Ok(()) };
        let stream = self.of.stream;
        for dump in stream.dumps.iter().filter(|dump| dump.when == when) {
            interrupt.check()?;
            self.dumps_began.get_or_insert_with(|| host::now().timestamp());
            let (level, empty) = (stream.compression_level, stream.checks.empty);
            let (written, warning) = dump::take(dump, staging.path(), level, empty, interrupt)?;
            self.written.push(written);
            self.warnings.extend(warning);
        }
        Ok(())
    }

    /// One warm pass, and whether another is worth while.
    pub(crate) fn warm(&mut self, max_downtime: Duration) -> Result<bool> {
        let (Some(tree), Some(staging)) = (&mut self.tree, &self.staging) else { return Ok(false) };
        let began = Instant::now();
        let stats = tree.warm(&host::now)?;
        let (took, delta) = (began.elapsed(), tree.estimate().bytes);
        self.passes.push(PassTime { took, read_bytes: stats.read_bytes, delta });
        fault::point("collect.warm");
        Ok(limits::another_pass(&self.passes, free(staging)?, max_downtime))
    }

    /// Whether the last pass lost something that another may catch.
    pub(crate) fn may_catch_more(&self) -> bool {
        self.passes.len() < limits::MAX_PASSES && self.tree.as_ref().is_some_and(TreeCollector::has_lost_something)
    }

    /// After the warm passes and before anything is stopped: the cold pass is going to fit into what other streams have
    /// left of the standstill and of the room.
    pub(crate) fn check_cold(&self, max_downtime: Duration, standstill: &mut Duration, taken: &mut Room) -> Result<()> {
        let (Some(staging), Some(last)) = (&self.staging, self.passes.last()) else { return Ok(()) };
        let delta = last.delta;
        let predicted = *standstill + limits::predicted_standstill(&self.passes);
        if predicted > max_downtime {
            return Err(CollectError::TooMuchToRead { stream: self.of.name, bytes: delta, predicted }.into());
        }
        // If anything is read again, what was framed so far is copied in its new order.
        let copy = if delta == 0 { 0 } else { staging.bytes()? };
        taken.take(staging.path(), delta + copy)?;
        *standstill = predicted;
        Ok(())
    }

    /// The cold pass.
    pub(crate) fn cold(&mut self) -> Result<()> {
        if let Some(tree) = &mut self.tree {
            tree.cold(&host::now)?;
        }
        Ok(())
    }
}

/// Shows how far a pass is, and ends it when the run is asked to end.
pub(crate) struct Watcher {
    interrupt: Interrupt,
    progress: Progress,
    sync: SyncJournal,
    stream: StreamName,
    shown: AtomicU64,
}

impl Watcher {
    /// Over all streams of a run.
    pub(crate) const fn new(interrupt: Interrupt, progress: Progress, sync: SyncJournal, stream: StreamName) -> Self {
        Self { interrupt, progress, sync, stream, shown: AtomicU64::new(0) }
    }

    /// Each pass counts from nothing; the bar only goes forward.
    fn look(&self, bytes: u64) -> bool {
        self.progress.add(bytes.saturating_sub(self.shown.swap(bytes, Ordering::Relaxed)));
        self.sync.read(self.stream, bytes);
        !self.interrupt.is_set()
    }
}

fn free(staging: &Staging) -> Result<u64> {
    let path = staging.path();
    let failed = |source| CollectError::Io { action: "ask for free room", path: path.to_owned(), source };
    Ok(space::free(path).map_err(failed)?.bytes)
}
