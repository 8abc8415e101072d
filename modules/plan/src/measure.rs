//! What a sink's journals tell of past transports: durations at p95 and sizes, as facts for a plan.

use backup_adapters::jobs;
use backup_adapters::store::StreamStore;
use backup_core::accepted::Took;
use backup_core::job::StreamOf;
use backup_core::layout::StreamDir;
use backup_core::schedule::Measured;
use backup_core::units::{Bytes, Span};
use backup_core::{GenerationKind, StreamName};
use backup_interface::{Failed, Outcome, report};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// So many of the newest acceptances of a stream count: what was long ago says little.
const RECENT: usize = 50;

report! {
    /// What measure answers.
    #[derive(Debug, Default, Serialize)]
    pub(crate) struct MeasureReport {
        /// What was measured, in the form that the option `facts` takes: durations at p95 over the newest 50 acceptances of
        /// the job's slowest stream, and the largest full and incremental among them.
        pub(crate) facts: Measurements,
        /// How many acceptances each stream's figures come from, by `<source>/<job>` and stream.
        pub(crate) samples: BTreeMap<String, BTreeMap<StreamName, usize>>,
    }
}

/// Facts without what a sink cannot know, such as the sources' time zones.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measurements {
    hosts: BTreeMap<String, MeasuredHost>,
}

#[derive(Debug, Default, Serialize)]
struct MeasuredHost {
    jobs: BTreeMap<String, Measured>,
}

impl MeasureReport {
    /// For the documentation.
    pub(crate) fn sample() -> Self {
        let took =
            Took { kind: GenerationKind::Full, bytes: 5 << 20, collect_ms: 61_000, transport_ms: 9000, verify_ms: 400 };
        let mut sample = Self::default();
        sample.add("web1", "shop", StreamName::Data, &[took]);
        sample
    }

    fn add(&mut self, source: &str, job: &str, stream: StreamName, took: &[Took]) {
        self.samples.entry(format!("{source}/{job}")).or_default().insert(stream, took.len());
        if took.is_empty() {
            return;
        }
        let of = measured(took);
        let job = self.facts.hosts.entry(source.into()).or_default().jobs.entry(job.into()).or_default();
        *job = Measured {
            collect: job.collect.max(of.collect),
            transport: job.transport.max(of.transport),
            verify: job.verify.max(of.verify),
            restore: None,
            full: job.full.max(of.full),
            incremental: job.incremental.max(of.incremental),
        };
    }

    /// A line per job.
    fn table(&self) -> String {
        let mut text = String::from(
            "job                               collect transport    verify         full  incremental  samples\n",
        );
        for (name, streams) in &self.samples {
            let samples =
                streams.iter().map(|(stream, count)| format!("{stream} {count}")).collect::<Vec<_>>().join(", ");
            let of = name.split_once('/').and_then(|(source, job)| self.facts.hosts.get(source)?.jobs.get(job));
            let of = of.copied().unwrap_or_default();
            let span = |span: Option<Span>| span.map_or_else(|| "-".to_owned(), |span| span.to_string());
            let bytes = |bytes: Option<Bytes>| bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
            let (collect, transport, verify) = (span(of.collect), span(of.transport), span(of.verify));
            let (full, incremental) = (bytes(of.full), bytes(of.incremental));
            let _ = writeln!(
                text,
                "{name:<30} {collect:>10} {transport:>9} {verify:>9} {full:>12} {incremental:>12}  {samples}"
            );
        }
        text
    }
}

/// The p95 and the largest of what one stream took.
fn measured(took: &[Took]) -> Measured {
    let p95 = |of: fn(&Took) -> u64| {
        let mut all: Vec<u64> = took.iter().map(of).collect();
        all.sort_unstable();
        // The nearest rank: the least value that no more than one in twenty exceeds.
        let rank = (all.len() * 19).div_ceil(20);
        Some(Span(all[rank - 1].div_ceil(1000)))
    };
    let largest = |kind| took.iter().filter(|took| took.kind == kind).map(|took| Bytes(took.bytes)).max();
    Measured {
        collect: p95(|took| took.collect_ms),
        transport: p95(|took| took.transport_ms),
        verify: p95(|took| took.verify_ms),
        restore: None,
        full: largest(GenerationKind::Full),
        incremental: largest(GenerationKind::Incremental),
    }
}

/// Reads the journals of every stream that is kept here. A job of which that fails says nothing, as if it were new, and is
/// warned of: what is wrong with one must not keep the others from being planned, nor itself from being mended.
///
/// # Errors
/// If it cannot be told which jobs are kept.
pub(crate) fn measure(config: &Path) -> Result<Outcome, Failed> {
    let mut report = MeasureReport::default();
    let mut unmeasured = Vec::new();
    let kept = jobs::known(&config.join("jobs"))?;
    let kept: Vec<_> = kept.iter().filter(|name| name.contains('/')).collect();
    for name in &kept {
        if let Err(failed) = add_kept(&mut report, config, name) {
            unmeasured.push(format!("job {name} is not measured: {}", failed.message()));
        }
    }
    let msg = format!("measured {} of {} jobs that are kept here", measured_jobs(&report), kept.len());
    let outcome = Outcome::unchanged(msg).with_answer(report.table()).with_report(&report);
    Ok(unmeasured.into_iter().fold(outcome, Outcome::with_warning))
}

/// Adds a job that is kept here, with all of its streams: half of them would pass for a fast job.
fn add_kept(report: &mut MeasureReport, config: &Path, name: &str) -> Result<(), Failed> {
    let job = jobs::load(config, name)?.job;
    let streams: Vec<_> = job.streams().map(|of| Ok((of.name, recent(&of)?))).collect::<Result<_, Failed>>()?;
    for (stream, took) in streams {
        report.add(&job.source, &job.job, stream, &took);
    }
    Ok(())
}

fn measured_jobs(report: &MeasureReport) -> usize {
    report.facts.hosts.values().map(|host| host.jobs.len()).sum()
}

/// What the newest accepted generations of a stream took, oldest first.
fn recent(of: &StreamOf<'_>) -> Result<Vec<Took>, Failed> {
    let store = StreamStore::open(StreamDir::new(&of.sink_store_root(), &of.job.job, of.name));
    let mut took: Vec<Took> = store.accepted()?.into_iter().filter_map(|line| line.took).collect();
    took.drain(..took.len().saturating_sub(RECENT));
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(kind: GenerationKind, n: u64) -> Took {
        Took { kind, bytes: n * 1000, collect_ms: n * 1000, transport_ms: n * 1000 + 1, verify_ms: 0 }
    }

    #[test]
    fn one_in_twenty_may_be_slower() {
        for (count, rank) in [(1, 1), (2, 2), (19, 19), (20, 19), (21, 20), (40, 38), (50, 48)] {
            let all: Vec<_> = (1..=count).rev().map(|n| took(GenerationKind::Full, n)).collect();
            let measured = measured(&all);
            assert_eq!(measured.collect, Some(Span(rank)), "{count}");
            assert_eq!(measured.transport, Some(Span(rank + 1)), "{count}: rounded up");
            assert_eq!((measured.verify, measured.full), (Some(Span(0)), Some(Bytes(count * 1000))));
            assert_eq!((measured.incremental, measured.restore), (None, None));
        }
    }

    #[test]
    fn the_slowest_stream_speaks_for_its_job() {
        let mut report = MeasureReport::default();
        report.add(
            "web1",
            "shop",
            StreamName::Data,
            &[took(GenerationKind::Full, 7), took(GenerationKind::Incremental, 2)],
        );
        report.add("web1", "shop", StreamName::Logs, &[took(GenerationKind::Full, 9)]);
        report.add("web1", "mail", StreamName::Data, &[]);
        let shop = report.facts.hosts["web1"].jobs["shop"];
        assert_eq!((shop.collect, shop.full, shop.incremental), (Some(Span(9)), Some(Bytes(9000)), Some(Bytes(2000))));
        assert!(!report.facts.hosts["web1"].jobs.contains_key("mail"), "nothing is known of it");
        assert_eq!(report.samples["web1/mail"][&StreamName::Data], 0);
        assert!(report.table().contains("web1/mail"));
    }
}
