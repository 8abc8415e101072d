//! What a sink's journals tell of past transports: durations at p95 and sizes, as facts for a plan.

use backup_adapters::jobs;
use backup_adapters::store::StreamStore;
use backup_core::StreamName;
use backup_core::accepted::Took;
use backup_core::job::StreamOf;
use backup_core::layout::StreamDir;
use backup_core::schedule::Measured;
use backup_core::units::{Bytes, Span};
use backup_interface::{Failed, Outcome, report};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

report! {
    /// What measure answers.
    #[derive(Debug, Default, Serialize)]
    pub(crate) struct MeasureReport {
        /// What was measured, in the form that the option `measured` takes: durations at p95 over the newest 50 fulls and the
        /// newest 50 incrementals of the job's slowest stream, rounded up, and the largest among them.
        pub(crate) facts: Measurements,
        /// How many copies of each stream were measured, by `<source>/<job>` and stream.
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
        let took = Took {
            kind: backup_core::GenerationKind::Full,
            bytes: 5 << 20,
            collect_ms: 61_000,
            transport_ms: 9000,
            verify_ms: 400,
        };
        let mut sample = Self::default();
        sample.add("web1", "shop", StreamName::Data, &[took]);
        sample
    }

    fn add(&mut self, source: &str, job: &str, stream: StreamName, took: &[Took]) {
        self.samples.entry(format!("{source}/{job}")).or_default().insert(stream, took.len());
        let Some(of) = Measured::of(took) else { return };
        let jobs = &mut self.facts.hosts.entry(source.into()).or_default().jobs;
        jobs.entry(job.into()).and_modify(|job| *job = job.and(of)).or_insert(of);
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
    let streams: Vec<_> = job.streams().map(|of| Ok((of.name, carried(&of)?))).collect::<Result<_, Failed>>()?;
    for (stream, took) in streams {
        report.add(&job.source, &job.job, stream, &took);
    }
    Ok(())
}

fn measured_jobs(report: &MeasureReport) -> usize {
    report.facts.hosts.values().map(|host| host.jobs.len()).sum()
}

/// What the accepted generations of a stream took, oldest first.
fn carried(of: &StreamOf<'_>) -> Result<Vec<Took>, Failed> {
    let store = StreamStore::open(StreamDir::new(&of.sink_store_root(), &of.job.job, of.name));
    Ok(store.accepted()?.into_iter().filter_map(|line| line.took).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::GenerationKind;

    #[test]
    fn a_job_is_known_by_those_of_its_streams_that_were_carried() {
        let took = |n: u64| Took {
            kind: GenerationKind::Full,
            bytes: n,
            collect_ms: n * 60_000,
            transport_ms: 0,
            verify_ms: 0,
        };
        let mut report = MeasureReport::default();
        report.add("web1", "shop", StreamName::Data, &[took(2), took(5)]);
        report.add("web1", "shop", StreamName::Logs, &[took(20)]);
        report.add("web1", "mail", StreamName::Data, &[]);
        report.add("web1", "mail", StreamName::Logs, &[took(3)]);
        report.add("web2", "shop", StreamName::Data, &[]);
        let [shop, mail] = ["shop", "mail"].map(|job| report.facts.hosts["web1"].jobs[job]);
        assert_eq!((shop.collect, shop.transport, shop.full), (Some(Span(1200)), Some(Span(0)), Some(Bytes(20))));
        assert_eq!((mail.collect, mail.transport, mail.full), (Some(Span(180)), None, Some(Bytes(3))));
        assert!(!report.facts.hosts.contains_key("web2"), "nothing is known of it");
        assert_eq!(report.samples["web2/shop"][&StreamName::Data], 0);
        assert!(report.table().contains("web2/shop"));
    }
}
