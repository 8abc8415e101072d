//! What is planned at once: the jobs of any number of sources, and what is known of their hosts.

use crate::{
    Job,
    document::{self, DocumentError, Problem},
    schedule::{Facts, HostFacts, SinkFacts},
    units::Span,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

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
            fleet.jobs.iter().enumerate().find_map(|(i, job)| {
                let problem = job.problem()?;
                Some(Problem { key: format!("jobs[{i}].{}", problem.key), ..problem })
            })
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
    /// Reads facts. `file` is only named in errors.
    ///
    /// # Errors
    /// The first problem found, with its position and the key.
    pub fn parse(text: &str, file: &str) -> Result<Self, DocumentError> {
        document::parse(text, file, |_| None)
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
        assert_eq!((facts.sinks["sink1"].parallel, facts.sinks["sink1"].zone.as_str()), (3, "UTC"));
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
        ] {
            let text = FLEET.replacen(this, that, 1);
            let error = Fleet::parse(&text, "fleet.yml").unwrap_err().to_string();
            assert!(error.starts_with(&format!("fleet.yml:{refusal}")), "{that}: {error}");
        }
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
