//! Questions that change nothing: how a job stands, and whether a document is one.

use crate::decide::{self, Wish};
use crate::error::{CollectError, Result};
use crate::memory::Memory;
use crate::report::{FailureReport, StatusReport, StreamStatus};
use crate::request;
use crate::survey;
use backup_adapters::intent;
use backup_common::JobArgs;
use backup_core::{GenerationId, Job};
use backup_interface::Outcome;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::path::Path;

/// How a job stands.
pub(crate) fn status(args: &JobArgs, now: Timestamp) -> Result<Outcome> {
    let job = request::load(args)?.job;
    let memory = Memory::of(&job);
    let mut streams = Vec::new();
    for of in job.streams() {
        let found = survey::look(of, &memory)?;
        let rule = of.stream.full;
        let next = decide::next_kind(Wish::Auto, rule, of.stream.transport.verify, now, &found.history);
        streams.push(StreamStatus {
            stream: of.name,
            last_good: found.newest,
            age_seconds: found.newest.and_then(|id| u64::try_from(now.duration_since(id.time()).as_secs()).ok()),
            last_failure: found.state.last_failure.map(|note| FailureReport { kind: note.kind, msg: note.msg }),
            waiting: found.waiting.iter().map(|waiting| waiting.id).collect(),
            keep: of.stream.handover.keep,
            next_kind: next.kind(),
            reason: next.reason.to_string(),
        });
    }
    let stopped = intent::pending(memory.directory())?
        .map(|intent| intent.services.iter().filter(|e| e.was_on).map(|e| e.service.name().to_owned()).collect())
        .unwrap_or_default();
    let report = StatusReport { job: job.job.clone(), streams, stopped };
    Ok(Outcome::unchanged(format!("job {}", job.job)).with_answer(text(&report)).with_report(&report))
}

fn text(report: &StatusReport) -> String {
    let mut text = String::new();
    for stream in &report.streams {
        let _ = match (stream.last_good, stream.age_seconds) {
            (Some(id), Some(age)) => {
                writeln!(text, "{}: newest {id}, {} old", stream.stream, backup_core::units::Span(age))
            }
            (Some(id), None) => writeln!(text, "{}: newest {id}, from the future", stream.stream),
            (None, _) => writeln!(text, "{}: never collected", stream.stream),
        };
        let waiting = stream.waiting.iter().map(GenerationId::to_string).collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "  waiting for transport: {} of {} {waiting}", stream.waiting.len(), stream.keep);
        let _ = writeln!(text, "  next: {}, because {}", stream.next_kind, stream.reason);
        if let Some(failure) = &stream.last_failure {
            let _ = writeln!(text, "  the last attempt failed: {}: {}", failure.kind.name(), failure.msg);
        }
    }
    if !report.stopped.is_empty() {
        let _ = writeln!(text, "stopped at this moment: {}", report.stopped.join(", "));
    }
    text
}

/// Checks one job document, wherever it lies.
pub(crate) fn validate(path: &Path) -> Result<Outcome> {
    let failed = |source| CollectError::Io { action: "read", path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let job = Job::parse(&text, &path.display().to_string())?;
    Ok(Outcome::unchanged(format!("{} declares the job {}", path.display(), job.job)))
}
