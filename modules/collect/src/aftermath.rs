//! After the work: remember, run the last hooks, tell by mail, and answer.

use crate::PROGRAM;
use crate::error::Result;
use crate::pipeline::{Run, Track};
use crate::report::{FailureReport, Fate, RunReport, StreamReport};
use crate::text;
use backup_adapters::declared::{self, Moment, Told};
use backup_adapters::logger::{Logger, Severity};
use backup_adapters::notify;
use backup_core::job::StreamOf;
use backup_core::state::{FailureNote, Good};
use backup_core::{GenerationId, GenerationKind, Job};
use backup_interface::{Diff, Failed, Outcome};
use std::fmt::Write as _;

impl StreamReport {
    /// Of a stream about which nothing is decided yet.
    pub(crate) fn of(of: StreamOf<'_>, previous_transport_failed: Vec<GenerationId>) -> Self {
        Self {
            stream: of.name,
            fate: Fate::Failed,
            id: None,
            kind: None,
            reason: None,
            base: None,
            digest: None,
            path: crate::survey::handover(of).dir().path().to_owned(),
            paths: None,
            bytes: None,
            files: None,
            stored_bytes: None,
            deleted: None,
            patched: None,
            dumps: Vec::new(),
            previous_transport_failed,
            failure: None,
            warnings: Vec::new(),
        }
    }

    /// Of a stream for which nothing needs to be done. Whether the transport did its work is not this run's question.
    pub(crate) fn fresh(of: StreamOf<'_>, newest: Option<GenerationId>, why: String) -> Self {
        Self { fate: Fate::Fresh, id: newest, reason: Some(why), ..Self::of(of, Vec::new()) }
    }
}

/// The failure that a run ends with.
struct Fault {
    failure: Failed,
    /// Else it is that of one stream, and the others do not remember it.
    is_everybodys: bool,
}

/// Ends a run: nothing of what follows is skipped because something before it failed.
pub(crate) fn conclude(mut run: Run<'_>, result: Result<()>) -> Result<Outcome> {
    let mut fault = first_fault(&mut run, result);
    remember(&mut run, fault.as_ref());
    let did_nothing = run.tracks.iter().all(|track| track.report.fate == Fate::Fresh);
    if fault.is_some() || !did_nothing {
        fault = last_hooks(&mut run, fault);
    }
    let mailed = tell(&mut run, fault.as_ref());
    respond(run, fault, mailed)
}

/// Ends a run that did not even begin: nothing of the job is its own, not even the state.
pub(crate) fn refuse(mut run: Run<'_>, failure: Failed) -> Result<Outcome> {
    let fault = Some(Fault { failure, is_everybodys: true });
    let mailed = tell(&mut run, fault.as_ref());
    respond(run, fault, mailed)
}

/// What a run says that has nothing to do.
pub(crate) fn nothing(job: &Job) -> RunReport {
    RunReport {
        job: job.job.clone(),
        streams: Vec::new(),
        services: Vec::new(),
        previous_transport_failed: false,
        recovered: Vec::new(),
        downtime_ms: 0,
        downtime_with_services_ms: 0,
        duration_ms: 0,
    }
}

/// Ends check mode.
pub(crate) fn answer(mut run: Run<'_>, result: Result<()>) -> Result<Outcome> {
    let fault = first_fault(&mut run, result);
    left_behind(&mut run);
    respond(run, fault, false)
}

/// The failure of the run: everybody's, or the first stream's. Those of further streams become warnings.
fn first_fault(run: &mut Run<'_>, result: Result<()>) -> Option<Fault> {
    let mut fault = result.err().map(|failure| Fault { failure, is_everybodys: true });
    for Track { of, report, failure, .. } in &mut run.tracks {
        let Some(failure) = failure.take() else { continue };
        report.fate = Fate::Failed;
        report.failure = Some(note_of(&failure));
        match fault {
            None => fault = Some(Fault { failure, is_everybodys: false }),
            Some(_) => run.warnings.push(format!("stream {}: {}", of.name, failure.message())),
        }
    }
    if let Some(fault) = &fault {
        let without = run.tracks.iter_mut().map(|track| &mut track.report);
        for report in without.filter(|report| report.fate == Fate::Failed && report.failure.is_none()) {
            report.failure = Some(note_of(&fault.failure));
        }
    }
    fault
}

fn note_of(failure: &Failed) -> FailureReport {
    FailureReport { kind: failure.failure().kind(), msg: failure.message() }
}

/// Writes each stream's state. That it cannot be written is said, but changes nothing about what was done.
fn remember(run: &mut Run<'_>, fault: Option<&Fault>) {
    let (duration_ms, downtime_ms) = (run.duration_ms(), milliseconds(run.standstill.downtime));
    let everybodys = fault.filter(|fault| fault.is_everybodys).map(|fault| note_of(&fault.failure));
    for stream in &run.request.streams {
        let track = run.tracks.iter().find(|track| track.of.name == *stream);
        if track.is_some_and(|track| track.report.fate == Fate::Fresh) {
            continue;
        }
        let own = track.and_then(|track| track.report.failure.clone());
        let remembered =
            run.memory.state(*stream).and_then(|mut state| {
                state.last_attempt = Some(run.began);
                state.last_failure = own
                    .or_else(|| everybodys.clone())
                    .map(|FailureReport { kind, msg }| FailureNote { at: run.began, kind, msg });
                if let Some(track) = track {
                    state.previous_transport_failed.clone_from(&track.report.previous_transport_failed);
                    if let Some(good) = &track.good {
                        let good = Good { duration_ms, downtime_ms, ..good.clone() };
                        if good.kind == GenerationKind::Full {
                            state.last_full = Some(good.clone());
                        }
                        state.last_good = Some(good);
                    }
                }
                run.memory.remember(*stream, &state)
            });
        if let Err(error) = remembered {
            run.warnings.push(format!("the state of stream {stream} is not up to date: {}", error.message()));
        }
    }
}

/// The hooks after success or failure, and those that always run. What they add is remembered.
fn last_hooks(run: &mut Run<'_>, fault: Option<Fault>) -> Option<Fault> {
    let job = &run.request.job;
    let hooks = |moment, fault: Option<&Fault>| {
        let result = fault.map_or("ok", |fault| fault.failure.failure().kind().name());
        declared::hooks(moment, &job.hooks, Told { job: &job.job, result }, run.interrupt()).err().map(Failed::from)
    };
    let mut late = Vec::new();
    let mut fault = fault;
    let failed_before = fault.is_some();
    for moment in [Moment::After, Moment::Failed, Moment::Finally] {
        let is_due = match moment {
            Moment::After => fault.is_none(),
            Moment::Failed => fault.is_some(),
            Moment::Before | Moment::Finally => true,
        };
        let failure = if is_due { hooks(moment, fault.as_ref()) } else { None };
        match (failure, &fault) {
            (Some(failure), None) => fault = Some(Fault { failure, is_everybodys: true }),
            (Some(failure), Some(_)) => late.push(failure.message()),
            (None, _) => {}
        }
    }
    run.warnings.append(&mut late);
    if fault.is_some() && !failed_before {
        remember(run, fault.as_ref());
    }
    fault
}

/// Mails a failure, and that the previous transport failed; says whether it did. That mail cannot be sent is said.
fn tell(run: &mut Run<'_>, fault: Option<&Fault>) -> bool {
    let failure = fault.map(|fault| &fault.failure);
    let job = &run.request.job;
    let left = left_behind(run);
    let lines: Vec<_> = run.tracks.iter().map(|track| text::line(&track.report)).collect();
    let mut body = String::new();
    let (severity, subject) = match failure {
        None if left.is_empty() => {
            let (job, log) = (&job.job, Logger::new(PROGRAM));
            for line in &lines {
                log.log(Severity::Info, &format!("{job}: {line}"));
            }
            return false;
        }
        Some(failure) => {
            let _ = writeln!(body, "{}\n", failure.message());
            if let Some(hint) = failure.failure().hint() {
                let _ = writeln!(body, "{hint}\n");
            }
            let kind = failure.failure().kind().name();
            (Severity::Error, format!("collect of {} on {} failed: {kind}", job.job, job.source))
        }
        None => (Severity::Warning, format!("previous transport of {} on {} failed", job.job, job.source)),
    };
    for line in lines {
        let _ = writeln!(body, "{line}");
    }
    for warning in &run.warnings {
        let _ = writeln!(body, "warning: {warning}");
    }
    let sent = notify::send(PROGRAM, &job.mail, severity, &subject, &body);
    let mailed = matches!(sent, Ok(true));
    run.warnings.extend(sent.err().map(|error| error.to_string()));
    mailed
}

/// Warns of a transport that did not do its work; returns what it says.
fn left_behind(run: &mut Run<'_>) -> Vec<String> {
    let left: Vec<_> = run.tracks.iter().filter_map(|track| text::left_behind(&track.report)).collect();
    run.warnings.extend(left.iter().cloned());
    left
}

fn respond(run: Run<'_>, fault: Option<Fault>, mailed: bool) -> Result<Outcome> {
    let is_plan = run.tracks.iter().any(|track| track.report.fate == Fate::Planned);
    let changed =
        is_plan || !run.recovered.is_empty() || run.tracks.iter().any(|track| track.report.fate == Fate::Sealed);
    let tolerated = run
        .tracks
        .iter()
        .flat_map(|track| track.report.warnings.iter().map(|warning| format!("stream {}: {warning}", track.of.name)));
    let warnings: Vec<_> = run.warnings.iter().cloned().chain(tolerated).collect();
    // What was tolerated is in no mail.
    let mailed = mailed && warnings.len() == run.warnings.len();
    let job = &run.request.job;
    let report = RunReport {
        job: job.job.clone(),
        previous_transport_failed: run.tracks.iter().any(|track| !track.report.previous_transport_failed.is_empty()),
        duration_ms: run.duration_ms(),
        services: run.standstill.services,
        recovered: run.recovered,
        downtime_ms: milliseconds(run.standstill.downtime),
        downtime_with_services_ms: milliseconds(run.standstill.downtime_with_services),
        streams: run.tracks.into_iter().map(|track| track.report).collect(),
    };
    if let Some(Fault { failure, .. }) = fault {
        let failure = if changed { failure.with_changes() } else { failure };
        let failure = warnings.into_iter().fold(failure, Failed::with_warning);
        return Err(failure.with_report(&report).mailed(mailed));
    }
    let msg = report.streams.iter().map(text::line).collect::<Vec<_>>().join("; ");
    let outcome = if changed { Outcome::changed(msg) } else { Outcome::unchanged(msg) };
    let outcome = if is_plan { outcome.with_answer(text::plan(&report)) } else { outcome };
    let outcome = warnings.into_iter().fold(outcome.with_report(&report).mailed(mailed), Outcome::with_warning);
    let diff = text::diff(job, &report);
    Ok(if diff.is_empty() { outcome } else { outcome.with_diff(Diff::prepared(&diff)) })
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
