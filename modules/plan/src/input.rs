//! What is planned: from the caller's options to jobs by source, facts and a horizon.

use crate::RunArgs;
use crate::error::InputError;
use backup_adapters::{host, jobs};
use backup_core::fleet::{Fleet, Others, Places};
use backup_core::schedule::{Facts, PlanError};
use backup_core::{DocumentError, Job};
use backup_interface::scalar::Mapping;
use backup_interface::{Call, Failed};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Where a host's jobs are declared.
const CONFIG: &str = "/etc/handover";

/// All that a plan follows from.
pub(crate) struct Input {
    /// Jobs by source, those of a source in the order in which they were given.
    pub(crate) sources: BTreeMap<String, Vec<Job>>,
    pub(crate) facts: Facts,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    /// From here on it is told.
    pub(crate) now: Timestamp,
}

impl Input {
    pub(crate) fn of(args: &RunArgs, call: &Call) -> Result<Self, Failed> {
        let (jobs, facts) = if !args.jobs.is_empty() {
            (args.jobs.iter().enumerate().map(document).collect::<Result<_, _>>()?, Facts::default())
        } else if let Some(file) = &args.file {
            let fleet = Fleet::parse(&read(file)?, &file.display().to_string()).map_err(InputError::from)?;
            fleet.into_parts()
        } else {
            // A template that yields no jobs must not plan those of whatever host it runs on.
            let default = || (!call.is_module()).then_some(Path::new(CONFIG));
            of_host(args.config.as_deref().or_else(default).ok_or(InputError::Nothing)?)?
        };
        if jobs.is_empty() {
            return Err(PlanError::NoJobs.into());
        }
        let mut facts = match &args.facts {
            Some(given) => {
                overlaid(facts, given, |text| Facts::parse_of(&jobs, Others::Refused, text, "option facts"))?
            }
            None => facts,
        };
        if let Some(measured) = &args.measured {
            // A sink has measured whom it keeps, also who is not planned any more.
            facts = overlaid(facts, measured, |text| Facts::parse(text, "option measured"))?;
        }
        if let Some(path) = &args.places {
            places(path)?.remember(&mut facts);
        }
        let mut sources: BTreeMap<String, Vec<Job>> = BTreeMap::new();
        for mut job in jobs {
            // An installed document holds the times of its plan. They are no declaration.
            job.schedule = job.schedule.declared();
            sources.entry(job.source.clone()).or_default().push(job);
        }
        let from = args.from.unwrap_or_else(|| host::now().timestamp());
        let until = from.to_zoned(TimeZone::UTC).checked_add(i64::from(args.years).years());
        let until = until.map_err(|_| InputError::Horizon { years: args.years, from })?.timestamp();
        let now = args.now.unwrap_or(from).max(from);
        if now >= until {
            return Err(InputError::Now { now, until }.into());
        }
        Ok(Self { sources, facts, from, until, now })
    }
}

/// A job that was given as a mapping.
fn document((index, mapping): (usize, &Mapping)) -> Result<Job, InputError> {
    let named = |key: &str| mapping.0.get(key).and_then(Value::as_str);
    let name = match (named("source"), named("job")) {
        (Some(source), Some(job)) => format!("{source}/{job}"),
        _ => format!("jobs[{index}]"),
    };
    Ok(Job::parse(&Value::from(mapping.0.clone()).to_string(), &name)?)
}

/// The jobs of this source, and what is known of its hosts. Where no zone is told of this host, it has its own.
fn of_host(config: &Path) -> Result<(Vec<Job>, Facts), Failed> {
    let mut documents = Vec::new();
    for name in jobs::known(&config.join("jobs"))? {
        // Those of other sources, `<source>/<job>`, are kept here.
        if !name.contains('/') {
            documents.push(jobs::load(config, &name)?.job);
        }
    }
    if documents.is_empty() {
        return Err(InputError::NoJobs(config.to_owned()).into());
    }
    let path = config.join("facts.yml");
    let mut facts = match read(&path) {
        Err(InputError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => Facts::default(),
        text => {
            // One file may lie on all hosts.
            Facts::parse_of(&documents, Others::Allowed, &text?, &path.display().to_string())
                .map_err(InputError::Facts)?
        }
    };
    for job in &documents {
        let about = facts.hosts.entry(job.source.clone()).or_default();
        if !about.zone.is_given() {
            let none = || InputError::NoZone { path: path.clone(), source_host: job.source.clone() };
            about.zone = host::zone_name().ok_or_else(none)?.as_str().into();
        }
    }
    Ok((documents, facts))
}

/// The places of an earlier plan; none before the first.
fn places(path: &Path) -> Result<Places, InputError> {
    match read(path) {
        Err(InputError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(Places::default()),
        text => Places::parse(&text?, &path.display().to_string()).map_err(InputError::Facts),
    }
}

fn read(path: &Path) -> Result<String, InputError> {
    std::fs::read_to_string(path).map_err(|source| InputError::Read { path: path.to_owned(), source })
}

/// What an option says wins, key by key.
fn overlaid(
    facts: Facts,
    given: &Mapping,
    parse: impl Fn(&str) -> Result<Facts, DocumentError>,
) -> Result<Facts, InputError> {
    let given = Value::from(given.0.clone());
    parse(&given.to_string()).map_err(InputError::Facts)?;
    let mut base = serde_json::to_value(facts).expect("facts have only string keys");
    lay(&given, &mut base);
    Facts::parse(&base.to_string(), "facts").map_err(InputError::Facts)
}

/// `null` says nothing: a measurement that is missing does not hide what a file declares.
fn lay(over: &Value, base: &mut Value) {
    match (over, base) {
        (Value::Object(over), Value::Object(base)) => {
            for (key, value) in over {
                lay(value, base.entry(key).or_insert(Value::Null));
            }
        }
        (Value::Null, _) => {}
        (value, base) => *base = value.clone(),
    }
}
