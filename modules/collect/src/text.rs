//! A report in words: one line for a log, a plan for a person, the items of a difference.

use crate::report::{Fate, RunReport, StreamReport};
use backup_core::{GenerationId, Job};
use std::fmt::Write as _;

/// One line on what became of a stream.
pub(crate) fn line(report: &StreamReport) -> String {
    let stream = report.stream;
    let id = report.id.map(|id| format!(" {id}")).unwrap_or_default();
    let kind = report.kind.map(|kind| kind.to_string()).unwrap_or_default();
    let reason = report.reason.as_deref().unwrap_or_default();
    match report.fate {
        Fate::Planned => format!("{stream}: would collect: {kind}, because {reason}"),
        Fate::Sealed => format!("{stream}: collected{id}: {kind}, because {reason}"),
        Fate::Fresh => format!("{stream}: nothing to do{id}: {reason}"),
        Fate::Failed => {
            let msg = report.failure.as_ref().map(|failure| failure.msg.as_str()).unwrap_or_default();
            format!("{stream}: failed: {msg}")
        }
    }
}

/// What to say of a transport that did not do its work.
pub(crate) fn left_behind(report: &StreamReport) -> Option<String> {
    let ids = &report.previous_transport_failed;
    let list = ids.iter().map(GenerationId::to_string).collect::<Vec<_>>().join(", ");
    let stream = report.stream;
    (!ids.is_empty())
        .then(|| format!("the previous transport of stream {stream} has failed: still in the handover point: {list}"))
}

/// How much a plan is about, and where it goes.
pub(crate) fn plan(report: &RunReport) -> String {
    let mut text = String::new();
    for service in &report.services {
        let fate = if service.was_on { "stopped and started again" } else { "off, stays off" };
        let _ = writeln!(text, "service {}: {fate}", service.name);
    }
    for stream in report.streams.iter().filter(|stream| stream.fate == Fate::Planned) {
        let _ = writeln!(text, "{}: to {}", stream.stream, stream.path.display());
        if let (Some(paths), Some(bytes), Some(files)) = (stream.paths, stream.bytes, stream.files) {
            let deleted = stream.deleted.unwrap_or_default();
            let _ = writeln!(text, "  {paths} paths, {}; {files} of them to read, {deleted} gone", human(bytes));
        }
        if let Some(bytes) = stream.stored_bytes {
            let _ = writeln!(text, "  about {} to store", human(bytes));
        }
        for dump in &stream.dumps {
            let _ = writeln!(text, "  {dump}");
        }
    }
    text
}

/// Item by item what is done, or would be: the same lines for both.
pub(crate) fn diff(job: &Job, report: &RunReport) -> String {
    let mut text = String::new();
    for service in &report.recovered {
        let _ = writeln!(text, "start {service}: left stopped by an earlier run");
    }
    for service in report.services.iter().filter(|service| service.was_on) {
        let _ = writeln!(text, "stop and start {}", service.name);
    }
    for stream in report.streams.iter().filter(|stream| matches!(stream.fate, Fate::Planned | Fate::Sealed)) {
        let kind = stream.kind.map(|kind| kind.to_string()).unwrap_or_default();
        let base = stream.base.as_ref().map(|base| format!(" of {}", base.id)).unwrap_or_default();
        let reason = stream.reason.as_deref().unwrap_or_default();
        let _ = writeln!(text, "+ {}: {kind}{base}, because {reason}", stream.stream);
        for path in job.stream(stream.stream).into_iter().flat_map(|of| &of.stream.include) {
            let _ = writeln!(text, "+   {}", path.display());
        }
        for dump in &stream.dumps {
            let _ = writeln!(text, "+   {dump}");
        }
    }
    text
}

/// Bytes as people read them: three digits are enough.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut whole, mut tenths, mut unit) = (bytes, 0, 0);
    while whole >= 1000 && unit + 1 < UNITS.len() {
        (whole, tenths) = (whole / 1000, whole % 1000 / 100);
        unit += 1;
    }
    if unit == 0 { format!("{whole} {}", UNITS[0]) } else { format!("{whole}.{tenths} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in
            [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_990_000, "1.9 MB"), (u64::MAX, "18446744.0 TB")]
        {
            assert_eq!(human(bytes), text);
        }
    }
}
