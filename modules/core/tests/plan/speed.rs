//! Twenty jobs on one host, ten years: at most a second, when built for release.

use backup_core::{
    Job,
    schedule::{Facts, HostFacts, plan, ten_years},
};
use std::time::Duration;

fn jobs() -> Vec<Job> {
    let rhythms = ["rpo: 4h", "rpo: 26h", "rpo: 26h, history: 3w", "at: [\"03:30\"], rpo: 2d", "days: [sun], rpo: 10d"];
    let job = |n: usize| {
        let text = format!(
            "version: 1
job: job{n}
source: web1
objectives: {{{}, durations: {{collect: 2min, transport: 3min, verify: 1min}}}}
streams:
  data:
    include: [/srv/{n}]
    transport: {{mode: push, peer: {{address: sink1}}}}
    sink: {{name: sink1, retention: {{daily: 14, weekly: 8}}}}
",
            rhythms[n % rhythms.len()]
        );
        Job::parse(&text, "speed").unwrap()
    };
    (0..20).map(job).collect()
}

/// Time that this thread had a processor: the machine may have other things to do.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn twenty_jobs_in_ten_years() {
    let mut facts = Facts::default();
    facts.hosts.insert("web1".into(), HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() });
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    let start = on_processor();
    let plan = plan(&jobs(), &facts, from, ten_years(from)).unwrap();
    let took = on_processor().saturating_sub(start);
    eprintln!("20 jobs, 10 years: {took:?}");
    assert_eq!(plan.streams.len(), 20);
    // Without optimization it says nothing.
    assert!(cfg!(debug_assertions) || took < Duration::from_secs(1), "{took:?}");
}
