//! What a plan tells, as fields of the result.

use crate::input::Input;
use backup_core::fleet::Places;
use backup_core::job::{Schedule, Step};
use backup_core::schedule::{Attained, Check, Entry, Facts, FleetPlan, Outcome, Plan, Purpose, SinkPlan, plan_fleet};
use backup_core::{Job, StreamName};
use backup_interface::report;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

report! {
    /// What run answers.
    #[derive(Debug, Serialize)]
    pub(crate) struct PlanReport {
        /// Whether every promise holds over the whole time.
        pub(crate) feasible: bool,
        /// The first moment at which one does not hold, as a story; absent where all hold.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) counter_example: Option<String>,
        /// The cron entries of all hosts: `host`, `user`, `job` as that host names it, `purpose`, `stream`, `kind`, `cron` (the five fields),
        /// `command`, `install` (false for what is planned only) and `why`.
        pub(crate) entries: Vec<Entry>,
        /// What each stream attains: `source`, `job`, `stream`, `sink`, `effective_rpo` in seconds, the `worst` moment, `freedom`,
        /// `collections`, the `retention` that its sink needs, for how many seconds each is `restorable`, and the most generations and bytes in
        /// `handover_point`, `source_store` and `sink_store`.
        pub(crate) streams: Vec<Of<Attained>>,
        /// The proof: `source`, `check`, `job`, `stream`, `other` (the job of a clash, or the sink), `outcome` (`ok`, `warning`,
        /// `unknown`, `failed`), `text`, `at`, `instant`, `figures`, `remedies` with `job`, `setting` and `value` each, and
        /// `untried`: settings on which it depends, too.
        pub(crate) checks: Vec<Of<Check>>,
        /// By sink: its `zone`, how many `sources` share it, whether it is `feasible`, and the proof in `checks`: how many
        /// transports run there at once, how many bytes per second they bring, how much room the stores take.
        pub(crate) sinks: Vec<SinkPlan>,
        /// By source: how much later than its own place it is planned, so that all sinks have room.
        pub(crate) places: Places,
        /// By source: its `zone`, from when until when it was proven, whether it is `feasible`, and its `counter_example`.
        pub(crate) plans: Vec<Summary>,
        /// By `<source>/<job>`: what the installed document says, `schedule` (`derived` names the times that were not
        /// declared) and by stream `retention`.
        pub(crate) schedules: BTreeMap<String, Installed>,
        /// The next days as text, if they were asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) calendar: Option<String>,
        /// All of it for people, if it was asked for: entries with their reasons, what is kept where, the proof, the calendar.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) text: Option<String>,
    }
}

/// Something of one source.
#[derive(Debug, Serialize)]
pub(crate) struct Of<T> {
    source: String,
    #[serde(flatten)]
    of: T,
}

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    source: String,
    zone: String,
    from: String,
    until: String,
    feasible: bool,
    counter_example: Option<String>,
}

/// A part of an installed job document.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Installed {
    schedule: Times,
    retention: BTreeMap<StreamName, Map<String, Value>>,
}

#[derive(Debug, Default, Serialize)]
struct Times {
    collect: BTreeSet<String>,
    transport: BTreeSet<String>,
    rotate: BTreeSet<String>,
    derived: BTreeSet<Step>,
}

impl PlanReport {
    pub(crate) fn of(input: &Input, fleet: FleetPlan, calendar: Option<String>) -> Self {
        let mut report = Self {
            calendar,
            text: None,
            feasible: fleet.is_feasible(),
            counter_example: first_broken(&fleet).map(|(_, check)| check.text.clone()),
            places: Places::of(&fleet.facts),
            entries: Vec::new(),
            streams: Vec::new(),
            checks: Vec::new(),
            plans: fleet.plans.iter().map(Summary::of).collect(),
            schedules: BTreeMap::new(),
            sinks: fleet.sinks,
        };
        for plan in fleet.plans {
            report.schedules.extend(installed(&input.sources[&plan.source], &plan));
            let source = &plan.source;
            report.streams.extend(plan.streams.into_iter().map(|of| Of { source: source.clone(), of }));
            report.checks.extend(plan.checks.into_iter().map(|of| Of { source: source.clone(), of }));
            report.entries.extend(plan.entries);
        }
        report
    }

    /// One line.
    pub(crate) fn sentence(&self) -> String {
        let until = self.plans.first().map_or("", |plan| &plan.until);
        let checks =
            || self.checks.iter().map(|check| &check.of).chain(self.sinks.iter().flat_map(|sink| &sink.checks));
        let [warnings, unknown] = [Outcome::Warning, Outcome::Unknown]
            .map(|outcome| checks().filter(|check| check.outcome == outcome).count());
        let [jobs, entries, sources] =
            [self.schedules.len(), self.entries.len(), self.plans.len()].map(|count| count.to_string());
        format!(
            "feasible until {until}: jobs {jobs}, cron entries {entries}, sources {sources}; warnings {warnings}, unknown {unknown}"
        )
    }

    /// For the documentation.
    pub(crate) fn sample() -> Self {
        const JOB: &str =
            "{version: 1, job: shop, source: web1, objectives: {rpo: 26h}, streams: {data: {include: [/srv/shop],
            transport: {mode: push, peer: {address: sink1}}, sink: {name: sink1, retention: {generations: 7}}}}}";
        let job = Job::parse(JOB, "sample").expect("the sample is a job");
        let (from, until) =
            (jiff::Timestamp::UNIX_EPOCH, jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1000));
        let input = Input {
            sources: BTreeMap::from([("web1".into(), vec![job])]),
            facts: Facts::default(),
            from,
            until,
            now: from,
        };
        let plan = plan_fleet(&input.sources, &input.facts, from, until).expect("the sample can be planned");
        let mut sample =
            Self::of(&input, plan, Some("sun 2026-11-22\n  22:00 collect    shop on web1, 10 min\n".into()));
        sample.text = Some("plan of web1, Europe/Berlin, proven from 2026-11-20 13:00 to 2036-11-20 13:00\n".into());
        sample.counter_example = Some(
            "at 2026-11-22 00:49 the newest verified copy on sink1 holds data of 2026-11-20 22:00, 26 h 49 min old"
                .into(),
        );
        sample.entries.truncate(1);
        sample.checks.truncate(1);
        sample
    }
}

/// The first broken promise of all hosts, and whose it is.
pub(crate) fn first_broken(fleet: &FleetPlan) -> Option<(&str, &Check)> {
    let sources =
        fleet.plans.iter().flat_map(|plan| plan.checks.iter().map(move |check| (plan.source.as_str(), check)));
    let sinks = fleet.sinks.iter().flat_map(|sink| sink.checks.iter().map(move |check| (sink.sink.as_str(), check)));
    // What sinks lack is told of all sources together before it is told of one.
    let broken = sinks.chain(sources).filter(|(_, check)| check.outcome == Outcome::Failed);
    broken.min_by_key(|(_, check)| check.instant.unwrap_or(i64::MAX))
}

impl Summary {
    fn of(plan: &Plan) -> Self {
        Self {
            source: plan.source.clone(),
            zone: plan.zone.clone(),
            from: plan.from.clone(),
            until: plan.until.clone(),
            feasible: plan.feasible,
            counter_example: plan.counter_example.clone(),
        }
    }
}

/// What the installed documents of a source's jobs say, by `<source>/<job>`.
fn installed(jobs: &[Job], plan: &Plan) -> impl Iterator<Item = (String, Installed)> {
    jobs.iter().map(|job| {
        let name = job.name_at_sink();
        // An entry names the job as its host does.
        let own = plan.entries.iter().filter(|entry| entry.install && (entry.job == job.job || entry.job == name));
        let streams = plan.streams.iter().filter(|attained| attained.job == job.job);
        let retention = streams.map(|attained| (attained.stream, stated(&attained.retention))).collect();
        let installed = Installed { schedule: Times::of(&job.schedule, own), retention };
        (name, installed)
    })
}

impl Times {
    fn of<'e>(declared: &Schedule, entries: impl Iterator<Item = &'e Entry>) -> Self {
        let mut times = Self::default();
        for entry in entries {
            let (step, of) = match entry.purpose {
                Purpose::Collect => (Step::Collect, &mut times.collect),
                Purpose::Transport | Purpose::Again => (Step::Transport, &mut times.transport),
                Purpose::Rotate => (Step::Rotate, &mut times.rotate),
                _ => continue,
            };
            of.insert(entry.cron.clone());
            times.derived.insert(step);
        }
        let written = [
            (Step::Collect, &declared.collect),
            (Step::Transport, &declared.transport),
            (Step::Rotate, &declared.rotate),
        ];
        for (step, _) in written.iter().filter(|(_, times)| !times.is_empty()) {
            times.derived.remove(step);
        }
        times
    }
}

/// A policy as people write it: the rules that it has.
fn stated(policy: &impl Serialize) -> Map<String, Value> {
    let rules = serde_json::to_value(policy).ok().and_then(|rules| rules.as_object().cloned()).unwrap_or_default();
    rules.into_iter().filter(|(_, rule)| !rule.is_null()).collect()
}
