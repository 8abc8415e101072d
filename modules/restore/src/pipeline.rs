//! A run, from the request to the report, in the order in which things happen: choose, compare, unpack beside, exchange.

use crate::PROGRAM;
use crate::choose::choose;
use crate::compare::{Comparison, How, compare};
use crate::dumps::{self, DumpPlan, Way};
use crate::error::{RestoreError, Result};
use crate::generation::{Generation, Part};
use crate::live::Live;
use crate::merge::{self, Merging};
use crate::owners;
use crate::recover;
use crate::report::{self, Fate, RunReport, ServiceReport};
use crate::request::Request;
use crate::staging::Staging;
use crate::swap::{self, Place, Swap};
use crate::target::Target;
use crate::unpack::unpack;
use backup_adapters::logger::{Logger, Severity};
use backup_adapters::services::with_triggers;
use backup_adapters::signals::Interrupt;
use backup_adapters::{declared, fault, host, lifecycle, space, there, users};
use backup_archive::order;
use backup_common::notify;
use backup_core::Job;
use backup_core::job::StreamOf;
use backup_interface::{Call, Failed, Outcome, Progress};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One stream: what is there, what will be.
pub(crate) struct Track<'a> {
    pub(crate) of: StreamOf<'a>,
    pub(crate) generation: Generation,
    pub(crate) comparison: Comparison,
    pub(crate) dumps: Vec<DumpPlan>,
}

impl Track<'_> {
    fn tree_differs(&self) -> bool {
        !self.comparison.items.is_empty()
    }

    /// What will be written at most.
    fn bytes(&self) -> u64 {
        if !self.generation.selection.is_all() {
            return self.comparison.sizes.iter().map(|size| size.bytes).sum();
        }
        let parts = [Some(&self.generation.own), self.generation.base.as_ref()];
        parts.into_iter().flatten().map(Part::plain_bytes).sum()
    }

    fn has_work(&self) -> bool {
        self.tree_differs() || self.dumps.iter().any(|plan| !matches!(plan.way, Way::Present(_)))
    }
}

/// Restores, or says what that would do.
pub(crate) fn run(request: &Request, call: &Call, interrupt: &Interrupt) -> Result<Outcome> {
    if !users::is_root() {
        return Err(RestoreError::NotRoot.into());
    }
    let clock = Instant::now();
    let mut report = RunReport { job: request.job.job.clone(), target: request.target.clone(), ..RunReport::default() };
    let state = request.job.state_dir();
    let mut warnings = Vec::new();
    let lock = if call.check {
        if swap::is_pending(&state)? {
            warnings
                .push("an interrupted restore is undone or finished first; this plan is made without that".to_owned());
        }
        None
    } else {
        // Collect takes the same one: neither sees the other's half.
        let lock = lifecycle::lock(&request.job, &format!("restore of {}", request.job.job))?;
        report.recovered = recover::leftovers(&state, Some(&request.job), None)?;
        Some(lock)
    };
    let result = restore(request, call, interrupt, &mut report, &mut warnings);
    drop(lock);
    report.duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    if !call.check && result.is_ok() {
        let logger = Logger::new(PROGRAM);
        for stream in report.streams.iter().filter(|stream| stream.fate == Fate::Restored) {
            logger.log(Severity::Info, &format!("{}: restored {} {}", report.job, stream.stream, stream.id));
        }
    }
    match result {
        Ok(outcome) => Ok(warnings.into_iter().fold(outcome.with_report(&report), Outcome::with_warning)),
        Err(failed) => {
            let failed = warnings.into_iter().fold(failed.with_report(&report), Failed::with_warning);
            Err(if call.check { failed } else { tell(&request.job, failed) })
        }
    }
}

/// Tells the job's recipients.
fn tell(job: &Job, failed: Failed) -> Failed {
    let subject = format!("handover {}: restore failed on {}", job.job, host::hostname());
    notify::failed(PROGRAM, &job.mail, &subject, failed)
}

fn restore(
    request: &Request,
    call: &Call,
    interrupt: &Interrupt,
    report: &mut RunReport,
    warnings: &mut Vec<String>,
) -> Result<Outcome> {
    let mut tracks = Vec::new();
    let how = How { by: request.compare, each: request.merge.is_some() };
    let chosen = choose(request, interrupt, warnings)?;
    warnings.extend(owners::unused(chosen.iter().map(|generation| &generation.told)));
    for generation in chosen {
        warnings.extend(generation.told.warnings.iter().cloned());
        let Some(of) = request.job.stream(generation.stream) else { continue };
        if generation.signed_by.is_none() {
            warnings.push(format!("generation {} is not signed by a pinned key", generation.own.stored.id));
        }
        let top = request.target.as_deref().unwrap_or_else(|| Path::new("/"));
        let mut comparison = compare(&generation, of.stream, top, how)?;
        if let Some(merge) = request.merge {
            warnings.extend(merge::prune(&mut comparison, of.stream, merge.delete)?);
        }
        let dumps = if generation.selection.is_all() {
            dumps::plan(&generation, of, request.target.as_deref())
        } else {
            Vec::new()
        };
        tracks.push(Track { of, generation, comparison, dumps });
    }
    let unfinished = request.target.as_deref().map_or(Ok(false), Target::is_incomplete)?;
    let fate = |track: &Track| if unfinished || track.has_work() { Fate::Planned } else { Fate::Equal };
    report.streams = tracks.iter().map(|t| report::stream(&t.generation, &t.comparison, &t.dumps, fate(t))).collect();
    let work: Vec<_> = tracks.into_iter().filter(|track| unfinished || track.has_work()).collect();
    let ids: Vec<_> = work.iter().map(|t| format!("{} {}", t.of.name, t.generation.own.stored.id)).collect();
    if work.is_empty() {
        return Ok(Outcome::unchanged("everything is as in the generation"));
    }
    // Nothing is written before every stored byte was read again; where nothing is to be written, none is.
    for track in &work {
        track.generation.check_intact(interrupt)?;
    }
    let removed: u64 = report.streams.iter().flat_map(|s| &s.roots).map(|root| root.removed).sum();
    if removed > 0 {
        let what = if request.keep_old { "put aside" } else { "removed" };
        warnings.push(format!("{removed} paths that the generation does not have will be {what}, with what they hold"));
    }
    let diffs: Vec<_> =
        work.iter().filter_map(|t| report::diff(&t.generation.told.owners, &t.comparison.items, &t.dumps)).collect();
    let with_diffs = |outcome| diffs.into_iter().fold(outcome, Outcome::with_diff);

    let places = places(request, &work)?;
    let target = request.target.as_deref().map(|path| Target::inspect(path, &work[0].generation)).transpose()?;
    let relabels = target.is_none() && request.policy.relabels()?;
    check_room(request, &work)?;
    if request.target.is_none() {
        for service in with_triggers(&declared::services(&request.job))? {
            report.services.push(ServiceReport { name: service.name().to_owned(), was_on: service.is_on()? });
        }
    }
    if call.check {
        return Ok(with_diffs(Outcome::changed(format!("would restore {}", ids.join(", ")))));
    }

    let progress = Progress::bytes(call, "restoring", work.iter().map(Track::bytes).sum());
    let result = if let Some(target) = target {
        target.fill(&work, &progress, interrupt)
    } else {
        let live = Live::new(request, &work, interrupt);
        if let Some(merge) = request.merge {
            Merging::begin(&request.job, merge, how, relabels, &work, &progress, interrupt)
                .and_then(|merging| live.replace(merging, report))
        } else {
            unpack_beside(&work, &places, &progress, interrupt)
                .and_then(|()| {
                    let places = places.into_iter().flatten().collect();
                    Swap::begin(&request.job.state_dir(), places, request.keep_old, relabels)
                })
                .and_then(|swap| live.replace(swap, report))
        }
    };
    let fate = if result.is_ok() { Fate::Restored } else { Fate::Failed };
    report.streams.iter_mut().filter(|stream| stream.fate == Fate::Planned).for_each(|stream| stream.fate = fate);
    result.map(|()| with_diffs(Outcome::changed(format!("restored {}", ids.join(", ")))))
}

/// The roots that will be exchanged, stream by stream. A root that the generation has nothing of is left alone.
fn places(request: &Request, work: &[Track<'_>]) -> Result<Vec<Vec<Place>>> {
    let mut places = Vec::new();
    for track in work {
        let mut of_track = Vec::new();
        if request.target.is_none() && request.merge.is_none() && track.tree_differs() {
            let stays: Vec<_> = track.comparison.stays.iter().map(|path| absolute(path)).collect();
            for root in track.comparison.present(&track.generation) {
                let place = Place::new(&absolute(&root), track.generation.own.stored.id, &stays)?;
                if request.keep_old {
                    place.check_keeping()?;
                }
                of_track.push(place);
            }
        }
        places.push(of_track);
    }
    Ok(places)
}

fn absolute(root: &[u8]) -> PathBuf {
    Path::new("/").join(OsStr::from_bytes(root))
}

/// Unpacks every stream beside its roots. On an error nothing is left over.
fn unpack_beside(work: &[Track<'_>], places: &[Vec<Place>], progress: &Progress, interrupt: &Interrupt) -> Result<()> {
    let result = work.iter().zip(places).filter(|(_, places)| !places.is_empty()).try_for_each(|(track, places)| {
        places.iter().try_for_each(Place::prepare)?;
        fault::point("restore.prepared");
        let mut staging =
            Staging::beside(track.comparison.present(&track.generation), places.iter().map(Place::container))?;
        unpack(&track.generation, &mut staging, progress, interrupt)?;
        fault::point("restore.unpacked");
        Ok(())
    });
    if result.is_err() {
        for place in places.iter().flatten() {
            // The next run removes what this cannot.
            let _ = swap::remove_leftovers(&place.live);
        }
    }
    result
}

/// Room for the new trees beside the old ones and for the dumps that are loaded, per file system.
fn check_room(request: &Request, work: &[Track<'_>]) -> Result<()> {
    let mut needs: BTreeMap<u64, (PathBuf, u64, u64)> = BTreeMap::new();
    for track in work.iter().filter(|track| request.merge.is_some() && track.tree_differs()) {
        for (place, bytes, files) in merge::needs(track, &request.job.job)? {
            let place = there::nearest(&place)?;
            let device = place.metadata().map_err(RestoreError::io("inspect", place))?.dev();
            let need = needs.entry(device).or_insert_with(|| (place.to_owned(), 0, 0));
            (need.1, need.2) = (need.1 + bytes, need.2 + files);
        }
    }
    for track in work.iter().filter(|track| request.merge.is_none() && track.tree_differs()) {
        // Holes take no room: what the streams hold is a bound as well.
        let streams = [Some(&track.generation.own), track.generation.base.as_ref()];
        let stored: u64 = streams.into_iter().flatten().map(Part::plain_bytes).sum();
        for (root, size) in track.generation.roots().iter().zip(&track.comparison.sizes) {
            let place = request.target.clone().unwrap_or_else(|| absolute(order::parent(root).unwrap_or_default()));
            let place = there::nearest(&place)?;
            let device = place.metadata().map_err(RestoreError::io("inspect", place))?.dev();
            let need = needs.entry(device).or_insert_with(|| (place.to_owned(), 0, 0));
            need.1 += size.bytes.min(stored);
            need.2 += size.paths;
        }
    }
    let spooled: u64 = work.iter().map(|track| dumps::spool_bytes(&track.generation, &track.dumps)).sum();
    if spooled > 0 {
        let state = request.job.state_dir();
        let place = there::nearest(&state)?;
        let device = place.metadata().map_err(RestoreError::io("inspect", place))?.dev();
        needs.entry(device).or_insert_with(|| (place.to_owned(), 0, 0)).1 += spooled;
    }
    for (path, bytes, files) in needs.into_values() {
        let free = space::free(&path).map_err(RestoreError::io("ask for free room", &path))?;
        let short = |free, needed, unit| RestoreError::NoRoom { path: path.clone(), free, needed, unit };
        if free.bytes < bytes {
            return Err(short(free.bytes, bytes, "bytes").into());
        }
        if let Some(inodes) = free.inodes.filter(|inodes| *inodes < files) {
            return Err(short(inodes, files, "files").into());
        }
    }
    Ok(())
}
