//! What is planned at once: the jobs of any number of sources, and what is known of their hosts.

use crate::{
    Job,
    document::{self, DocumentError, Problem},
    schedule::{Facts, HostFacts, SinkFacts},
    units::Span,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// One document that declares all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// Complete job documents.
    pub jobs: Vec<Job>,
    /// What is known of sources, by name.
    #[serde(default)]
    pub hosts: BTreeMap<String, HostFacts>,
    /// What is known of sinks, by name.
    #[serde(default)]
    pub sinks: BTreeMap<String, SinkFacts>,
}

impl Fleet {
    /// Reads such a document. `file` is only named in errors.
    ///
    /// # Errors
    /// The first problem found, with its position and the key: `jobs[3].objectives.rpo`.
    pub fn parse(text: &str, file: &str) -> Result<Self, DocumentError> {
        document::parse(text, file, |fleet: &Self| {
            let of_job = |(i, job): (usize, &Job)| {
                let problem = job.problem()?;
                Some(Problem { key: format!("jobs[{i}].{}", problem.key), ..problem })
            };
            let jobs = fleet.jobs.iter().enumerate().find_map(of_job);
            jobs.or_else(|| Names::of(&fleet.jobs).unknown(&fleet.hosts, &fleet.sinks, Others::Refused))
        })
    }

    /// Its jobs, and its facts.
    pub fn into_parts(self) -> (Vec<Job>, Facts) {
        (self.jobs, Facts { hosts: self.hosts, sinks: self.sinks })
    }
}

/// How far each source was shifted by the last plan, by its name: so that a new one moves nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Places(pub BTreeMap<String, Span>);

impl Places {
    /// Reads such a document. `file` is only named in errors.
    ///
    /// # Errors
    /// The first problem found, with its position and the key.
    pub fn parse(text: &str, file: &str) -> Result<Self, DocumentError> {
        document::parse(text, file, |_| None)
    }

    /// Those of some facts.
    pub fn of(facts: &Facts) -> Self {
        Self(facts.hosts.iter().filter_map(|(source, host)| Some((source.clone(), host.shift?))).collect())
    }

    /// Gives each source its place back, if the facts do not say another.
    pub fn remember(&self, facts: &mut Facts) {
        for (source, shift) in &self.0 {
            facts.hosts.entry(source.clone()).or_default().shift.get_or_insert(*shift);
        }
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(source, shift)| writeln!(f, "{source}: {shift}"))
    }
}

impl Facts {
    /// Reads facts about whatever there is, or was. `file` is only named in errors.
    ///
    /// # Errors
    /// The first problem found, with its position and the key.
    pub fn parse(text: &str, file: &str) -> Result<Self, DocumentError> {
        document::parse(text, file, |_| None)
    }

    /// Reads facts about these jobs. A name that none of them bears is refused: what is known of a misspelt host would not
    /// count, and nobody would be told.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_of(jobs: &[Job], others: Others, text: &str, file: &str) -> Result<Self, DocumentError> {
        document::parse(text, file, |facts: &Self| Names::of(jobs).unknown(&facts.hosts, &facts.sinks, others))
    }
}

/// Whether facts may be about hosts that no job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They were written for more than this plan.
    Allowed,
    /// They were written for this plan.
    Refused,
}

/// The names that jobs bear.
struct Names<'a> {
    /// Jobs by source.
    sources: BTreeMap<&'a str, BTreeSet<&'a str>>,
    sinks: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(jobs: &'a [Job]) -> Self {
        let mut sources: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for job in jobs {
            sources.entry(&job.source).or_default().insert(&job.job);
        }
        Self { sources, sinks: jobs.iter().flat_map(Job::streams).map(|of| of.stream.sink.name.as_str()).collect() }
    }

    /// The first name among facts that no job bears.
    fn unknown(
        &self,
        hosts: &BTreeMap<String, HostFacts>,
        sinks: &BTreeMap<String, SinkFacts>,
        others: Others,
    ) -> Option<Problem> {
        let of_host = |(source, host): (&String, &HostFacts)| {
            let Some(jobs) = self.sources.get(source.as_str()) else {
                let problem = || unknown(format!("hosts.{source}"), "is the source of no job", self.sources.keys());
                return (others == Others::Refused).then(problem);
            };
            let measured = host.jobs.keys().map(|job| ("jobs", job));
            let delayed = host.delays.keys().map(|job| ("delays", job));
            let (key, job) = measured.chain(delayed).find(|(_, job)| !jobs.contains(job.as_str()))?;
            Some(unknown(format!("hosts.{source}.{key}.{job}"), "is no job of this source", jobs.iter()))
        };
        let of_sink = || {
            let name = sinks.keys().find(|name| others == Others::Refused && !self.sinks.contains(name.as_str()))?;
            Some(unknown(format!("sinks.{name}"), "is the sink of no job", self.sinks.iter()))
        };
        hosts.iter().find_map(of_host).or_else(of_sink)
    }
}

/// So many names are offered instead.
const OFFERED: usize = 5;

fn unknown<'n>(key: String, what: &str, known: impl ExactSizeIterator<Item = &'n &'n str>) -> Problem {
    let more = if known.len() > OFFERED { ", …" } else { "" };
    let known: Vec<&str> = known.copied().take(OFFERED).collect();
    let name = key.rsplit('.').next().unwrap_or_default();
    let message = format!("{name:?} {what} that is planned");
    Problem {
        message,
        remedy: format!("Correct the name, or remove it; planned are: {}{more}.", known.join(", ")),
        key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: &str = "jobs:
  - version: 1
    job: shop
    source: web1
    objectives: {rpo: 24h}
    streams:
      data:
        include: [/srv/shop]
        transport: {mode: push, peer: {address: sink1}}
        sink: {name: sink1, retention: {generations: 7}}
hosts:
  web1: {zone: Europe/Berlin, jobs: {shop: {collect: 5min}}}
sinks:
  sink1: {parallel: 3}
";

    #[test]
    fn jobs_and_facts_lie_in_one_document() {
        let (jobs, facts) = Fleet::parse(FLEET, "fleet.yml").unwrap().into_parts();
        assert_eq!((jobs.len(), jobs[0].job.as_str()), (1, "shop"));
        assert_eq!(facts.hosts["web1"].jobs["shop"].collect, Some(Span(300)));
        assert_eq!((facts.sinks["sink1"].parallel, facts.sinks["sink1"].zone.name()), (3, "UTC"));
        let again = Facts::parse(&serde_json::to_string(&facts).unwrap(), "again").unwrap();
        assert_eq!(again, facts);
    }

    #[test]
    fn refusals_name_the_place_in_the_whole_document() {
        for (this, that, refusal) in [
            ("rpo: 24h", "rpo: 0", "5:23: jobs[0].objectives.rpo: 0s cannot be held"),
            ("rpo: 24h", "rpo: soon", "5:23: jobs[0].objectives.rpo: "),
            ("generations: 7", "generations: 0", "10:40: jobs[0].streams.data.sink.retention: "),
            ("zone:", "zoen:", "12:10: hosts.web1.zoen: unknown key"),
            ("parallel: 3", "parallel: some", "14:21: sinks.sink1.parallel: \"some\" is given"),
            ("sinks:", "sink:", "13:1: sink: unknown key"),
            ("  web1:", "  wbe1:", "12:9: hosts.wbe1: \"wbe1\" is the source of no job that is planned"),
            ("{shop:", "{shpo:", "12:44: hosts.web1.jobs.shpo: \"shpo\" is no job of this source that is planned"),
            (
                "jobs: {shop: {collect: 5min}}",
                "delays: {shpo: 5min}",
                "12:46: hosts.web1.delays.shpo: \"shpo\" is no job",
            ),
            ("  sink1:", "  snik1:", "14:10: sinks.snik1: \"snik1\" is the sink of no job that is planned"),
        ] {
            let text = FLEET.replacen(this, that, 1);
            let error = Fleet::parse(&text, "fleet.yml").unwrap_err().to_string();
            assert!(error.starts_with(&format!("fleet.yml:{refusal}")), "{that}: {error}");
        }
    }

    #[test]
    fn facts_for_more_than_a_plan_may_name_other_hosts_and_no_other_jobs() {
        let (jobs, _) = Fleet::parse(FLEET, "fleet.yml").unwrap().into_parts();
        let other = "{hosts: {web9: {jobs: {mail: {}}}}, sinks: {sink9: {}}}";
        let misspelt = "{hosts: {web9: {}, web1: {jobs: {shop: {}, shpo: {}}}}}";
        assert!(
            Facts::parse(misspelt, "facts").is_ok() && Facts::parse_of(&jobs, Others::Allowed, other, "facts").is_ok()
        );
        let error = Facts::parse_of(&jobs, Others::Refused, other, "facts").unwrap_err();
        assert_eq!(error.to_string(), "facts:1:16: hosts.web9: \"web9\" is the source of no job that is planned");
        assert_eq!(error.remedy, "Correct the name, or remove it; planned are: web1.");
        let error = Facts::parse_of(&jobs, Others::Allowed, misspelt, "facts").unwrap_err().to_string();
        assert!(error.contains("hosts.web1.jobs.shpo: \"shpo\" is no job of this source"), "{error}");
    }

    #[test]
    fn of_many_names_some_are_offered() {
        let many: Vec<String> = (0..9).map(|n| format!("web{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let remedy = |count| unknown("hosts.x".into(), "is", many[..count].iter()).remedy;
        assert!(remedy(5).ends_with("web3, web4.") && remedy(6).ends_with("web3, web4, …."), "{}", remedy(6));
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        let mut facts = Facts::default();
        facts.hosts.insert("web1".into(), HostFacts::default());
        facts.hosts.insert("web2".into(), HostFacts { shift: Some(Span(0)), ..HostFacts::default() });
        let places = Places::parse("web1: 12min\nweb2: 3min\nweb3: 4min\n", "places.yml").unwrap();
        places.remember(&mut facts);
        assert_eq!(Places::of(&facts).to_string(), "web1: 12min\nweb2: 0s\nweb3: 4min\n", "what the facts say stays");
        assert_eq!(Places::parse(&Places::of(&facts).to_string(), "again").unwrap(), Places::of(&facts));
        let error = Places::parse("web1: soon\n", "places.yml").unwrap_err().to_string();
        assert!(error.starts_with("places.yml:1:7: web1: \"soon\" is not a time span"), "{error}");
    }

    #[test]
    fn a_long_document_may_have_many_values() {
        let (head, facts) = FLEET.split_once("hosts:").unwrap();
        let job = head.strip_prefix("jobs:\n").unwrap();
        let many: String = (0..3500).map(|n| job.replace("web1", &format!("web{n}"))).collect();
        let fleet = Fleet::parse(&format!("jobs:\n{many}hosts:{facts}"), "fleet.yml").unwrap();
        assert_eq!(fleet.jobs.len(), 3500);
    }
}
