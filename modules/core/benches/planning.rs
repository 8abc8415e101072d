//! What planning costs: seconds, and the most memory that it took. `make bench` prints them; no test depends on them.
//!
//! Each measurement runs in a process of its own, since a process remembers only its own largest size.

use backup_core::{
    Job,
    schedule::{Facts, HostFacts, SinkFacts, plan, plan_fleet, ten_years},
};
use jiff::Timestamp;
use std::{collections::BTreeMap, process::Command, time::Instant};

/// A measurement: its name, and what it does. It answers what to say of the result.
type Measurement = (&'static str, fn() -> String);

const MEASUREMENTS: [Measurement; 3] = [
    ("1 source, 20 jobs, 10 years", one_source),
    ("10000 sources, 2 jobs each, 20 sinks, 10 years", || fleet(1)),
    ("10000 sources of 5 kinds, 2 jobs each, 20 sinks, 10 years", || fleet(5)),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.as_slice() {
        [number] if number.parse().is_ok_and(|number: usize| number < MEASUREMENTS.len()) => {
            let (name, measured) = MEASUREMENTS[number.parse::<usize>().unwrap_or_default()];
            let start = Instant::now();
            let said = measured();
            let (took, on_processor) = (start.elapsed().as_secs_f64(), on_processor());
            println!("{name}: {took:.2} s, {on_processor:.2} s on a processor, {} MiB; {said}", most_memory() >> 10);
        }
        _ => (0..MEASUREMENTS.len()).for_each(again),
    }
}

fn again(number: usize) {
    let own = std::env::current_exe().expect("this program has a path");
    let status = Command::new(own).arg(number.to_string()).status().expect("this program can be started");
    assert!(status.success(), "{}: {status}", MEASUREMENTS[number].0);
}

/// Seconds that all threads of this process had a processor, also those that have ended: the machine may have other things to do.
fn on_processor() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("procfs is mounted");
    // What follows the name begins with field 3; 14 and 15 are the times, in hundredths of a second.
    let (_, fields) = text.rsplit_once(')').expect("the name is in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().expect("it is a number"));
    ticks.sum::<f64>() / 100.0
}

/// The most memory that this process had at once, in KiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it tells the high water mark");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}

fn from() -> Timestamp {
    Timestamp::from_second(1_795_176_000).expect("it is 2026-11-20")
}

fn job(source: &str, name: &str, sink: &str, objectives: &str, retention: &str) -> Job {
    let text = format!(
        "version: 1
job: {name}
source: {source}
objectives: {{{objectives}}}
streams:
  data:
    include: [/srv/{name}]
    transport: {{mode: push, peer: {{address: {sink}}}}}
    sink: {{name: {sink}, retention: {{{retention}}}}}
"
    );
    Job::parse(&text, "bench").expect("the document is valid")
}

fn one_source() -> String {
    let rhythms = ["rpo: 4h", "rpo: 26h", "rpo: 26h, history: 3w", "at: [\"03:30\"], rpo: 2d", "days: [sun], rpo: 10d"];
    let durations = "durations: {collect: 2min, transport: 3min, verify: 1min}";
    let of = |n: usize| {
        let objectives = format!("{}, {durations}", rhythms[n % rhythms.len()]);
        job("web1", &format!("job{n}"), "sink1", &objectives, "daily: 14, weekly: 8")
    };
    let jobs: Vec<Job> = (0..20).map(of).collect();
    let mut facts = Facts::default();
    facts.hosts.insert("web1".into(), HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() });
    let plan = plan(&jobs, &facts, from(), ten_years(from())).expect("it can be planned");
    format!("{} entries", plan.entries.len())
}

fn fleet(kinds: usize) -> String {
    const SOURCES: usize = 10_000;
    const SINKS: usize = 20;
    let mut facts = Facts::default();
    for n in 0..SINKS {
        facts.sinks.insert(format!("sink{n}"), SinkFacts { zone: "Europe/Berlin".into(), ..SinkFacts::default() });
    }
    let durations = "durations: {collect: 2min, transport: 2min, verify: 1min}, size: {full: 4GB, incremental: 200MB}";
    let mut sources = BTreeMap::new();
    for n in 0..SOURCES {
        let (source, sink) = (format!("web{n}"), format!("sink{}", n % SINKS));
        let daily = format!("rpo: {}h, {durations}", 26 + n % kinds);
        let jobs = vec![
            job(&source, "shop", &sink, &daily, "daily: 14, weekly: 8"),
            job(&source, "mail", &sink, &format!("rpo: 26h, history: 3w, {durations}"), "within: 4w"),
        ];
        facts.hosts.insert(source.clone(), HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() });
        sources.insert(source, jobs);
    }
    let declared = on_processor();
    let plan = plan_fleet(&sources, &facts, from(), ten_years(from())).expect("it can be planned");
    let most = plan.sinks.iter().map(|sink| sink.checks[0].figures["most"]).max().unwrap_or_default();
    format!(
        "feasible: {}, {} plans, at most {most} transports at once; planning alone {:.2} s on a processor",
        plan.is_feasible(),
        plan.plans.len(),
        on_processor() - declared
    )
}
