//! What a well-formed job document may still get wrong.

mod commands;
mod names;
mod streams;
mod together;

use super::Job;
use crate::{
    Failure,
    document::Problem,
    schedule::{CronTime, LAST_COMMON_DAY},
};

/// Every problem, in the order of the document.
pub(super) fn problems(job: &Job) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    found.job(job);
    found.0
}

/// The problems found so far. Each method looks at one part of the document; `key` is the part's place in it.
struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Problem { key: key.into(), message: message.into(), remedy: remedy.into() });
    }

    fn job(&mut self, job: &Job) {
        if job.version != 1 {
            self.add("version", format!("{} is not known", job.version), "This version of Handover reads version 1.");
        }
        self.name("job", &job.job, 48);
        self.name("group", &job.group, 48);
        self.name("source", &job.source, 63);
        self.path("state", &job.state);
        self.mail(job);
        if !(-20..=19).contains(&job.priority.nice) {
            self.add("priority.nice", format!("{} is out of range", job.priority.nice), "Use -20 to 19.");
        }
        if job.priority.ionice.level > 7 {
            self.add("priority.ionice.level", format!("{} is out of range", job.priority.ionice.level), "Use 0 to 7.");
        }
        for (i, service) in job.services.iter().enumerate() {
            self.service(&format!("services[{i}]"), service);
        }
        if job.max_downtime.0 == 0 && !job.services.is_empty() {
            self.add(
                "max_downtime",
                "0s leaves no time to collect",
                "Give the longest standstill you accept, such as 10min.",
            );
        }
        self.hooks("hooks", &job.hooks);
        self.hooks("restore.hooks", &job.restore.hooks);
        self.schedule(job);
        self.0.extend(super::objectives::problems(job));
        if job.streams.is_empty() {
            self.add("streams", "nothing is declared", "Declare `data`, `logs` or both.");
        }
        for stream in job.streams() {
            self.stream(&format!("streams.{}", stream.name), &stream);
        }
        self.separation(job);
        self.links(job);
    }

    fn mail(&mut self, job: &Job) {
        for (i, to) in job.mail.to.iter().enumerate() {
            self.address(&format!("mail.to[{i}]"), to);
        }
        if let Some(from) = &job.mail.from {
            self.address("mail.from", from);
        }
        self.path("mail.sendmail", &job.mail.sendmail);
    }

    /// An entry that some month has no day for would be left out there, and nobody told.
    fn every_month(&mut self, key: String, text: &str, time: &CronTime) {
        let left_out: Vec<&str> = time.months_left_out().collect();
        if !left_out.is_empty() {
            self.add(
                key,
                format!("{text:?} would be left out in {}: not every month has such a day", left_out.join(", ")),
                format!(
                    "Use a day up to {LAST_COMMON_DAY}, which every month has, or day 1 of the next month, or name months that have the day."
                ),
            );
        }
    }

    fn schedule(&mut self, job: &Job) {
        let steps = [
            ("collect", &job.schedule.collect),
            ("transport", &job.schedule.transport),
            ("rotate", &job.schedule.rotate),
        ];
        for (name, times) in steps {
            for (i, time) in times.iter().enumerate() {
                let key = format!("schedule.{name}[{i}]");
                match time.parse::<CronTime>() {
                    Err(error) => self.add(key, error.to_string(), error.hint().unwrap_or_default()),
                    Ok(parsed) => self.every_month(key, time, &parsed),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Job, job::parse::GOOD};
    use serde_json::Value;

    fn keys(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, child) in map {
                    into.push(key.clone());
                    keys(child, into);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
            _ => {}
        }
    }

    #[test]
    fn every_key_is_documented() {
        let text = include_str!("../../../../../docs/configuration.md");
        let mut job = Job::parse(GOOD, "shop.yml").unwrap();
        let dump = serde_json::json!({"name": "a", "command": {"run": ["x"]}, "restore": {"run": ["x"]}});
        job.streams.values_mut().for_each(|s| s.dumps.push(serde_json::from_value(dump.clone()).unwrap()));
        job.objectives = Some(crate::job::Objectives::default());
        let mut found = Vec::new();
        keys(&serde_json::to_value(&job).unwrap(), &mut found);
        found.sort();
        found.dedup();
        assert!(found.len() > 60, "the document is not complete: {found:?}");
        let missing: Vec<_> = found
            .iter()
            .filter(|key| {
                !["`", "."].iter().any(|before| {
                    ["`", ".", ":", "<"].iter().any(|after| text.contains(&format!("{before}{key}{after}")))
                })
            })
            .collect();
        assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
    }
}
