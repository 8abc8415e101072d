//! What travels with a carrier begins when the carrier's transport begins, whichever host begins it and whatever its zone.

use crate::simulator::live;
use backup_core::{
    Failure, Job,
    schedule::{Check, Facts, HostFacts, Outcome, Plan, PlanError, SinkFacts, plan, zone},
};
use jiff::{SignedDuration, Timestamp};

/// Streams as `data push sink1, logs pull sink1`.
fn job(name: &str, objectives: &str, streams: &str) -> Job {
    let stream = |of: &str| {
        let [stream, mode, sink] = of.split(' ').collect::<Vec<_>>()[..] else { panic!("{of}") };
        format!(
            "{stream}: {{include: [/srv/{name}/{stream}], transport: {{mode: {mode}, peer: {{address: peer}}}},
            sink: {{name: {sink}, retention: {{generations: 7}}}}}}"
        )
    };
    let streams = streams.split(", ").map(stream).collect::<Vec<_>>().join(", ");
    let text = format!(
        "{{version: 1, job: {name}, source: web1, streams: {{{streams}}}, objectives: {{{objectives},
        durations: {{collect: 10min, transport: 10min, verify: 5min}}}}}}"
    );
    Job::parse(&text, name).unwrap()
}

/// The carrier at these times, and what it carries two hours before.
fn jobs(carrier: (&str, &str), carried: &str) -> [Job; 2] {
    [job("files", carrier.0, carrier.1), job("shop", "rpo: 40d, at: [\"01:00\"], with: files", carried)]
}

fn range() -> (Timestamp, Timestamp) {
    let from: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    (from, from + SignedDuration::from_hours(24 * 400))
}

fn planned(jobs: &[Job], [source, sink]: [&str; 2]) -> Result<Plan, PlanError> {
    let mut facts = Facts::default();
    facts.hosts.insert("web1".into(), HostFacts { zone: source.into(), ..HostFacts::default() });
    facts.sinks.insert("sink1".into(), SinkFacts { zone: sink.into(), ..SinkFacts::default() });
    let (from, until) = range();
    plan(jobs, &facts, from, until)
}

/// Asserts that this stream of the carried job begins whenever that of the carrier does.
fn assert_together(jobs: &[Job; 2], zones: [&str; 2], stream: &str, of: &str) {
    let plan = planned(jobs, zones).unwrap();
    let clocks = [("web1", zones[0]), ("sink1", zones[1])];
    let clocks = clocks.map(|(host, name)| (host.to_owned(), zone(name, host).unwrap())).into();
    let (from, until) = range();
    let seen = live(jobs, &plan, &clocks, from.as_second(), until.as_second());
    let starts = |job: &str, stream: &str| &seen.starts[&(job.to_owned(), stream.to_owned())];
    assert!(starts("files", of).len() >= 12, "{plan}");
    assert_eq!(starts("shop", stream), starts("files", of), "{zones:?}\n{plan}");
}

/// The first check of the carried job of this name.
fn told(plan: &Plan, name: &str) -> Check {
    let of = |check: &&Check| check.check == name && check.job.as_deref() == Some("shop");
    plan.checks.iter().find(of).unwrap_or_else(|| panic!("{plan}")).clone()
}

const DAILY: &str = "rpo: 40d, at: [\"03:00\"]";

#[test]
fn whichever_host_begins_it() {
    // (carrier, its streams, the carried streams, zones of source and sink, stream, with which)
    let pushed = "data push sink1";
    let both = "data push sink1, logs pull sink1";
    let cases = [
        (DAILY, pushed, both, ["Europe/Berlin", "Europe/Berlin"], "logs", "data"),
        (DAILY, both, both, ["Europe/Berlin", "UTC"], "logs", "logs"),
        (DAILY, both, both, ["Europe/Berlin", "UTC"], "data", "data"),
        // Clocks that always differ by as much.
        (DAILY, pushed, both, ["Europe/Berlin", "Europe/London"], "logs", "data"),
        (DAILY, pushed, both, ["UTC", "Asia/Kathmandu"], "logs", "data"),
        (DAILY, "data pull sink1", pushed, ["UTC", "Asia/Tokyo"], "data", "data"),
        ("rpo: 40d, at: [\"22:00\"], days: [mon, sat]", pushed, both, ["UTC", "Asia/Kolkata"], "logs", "data"),
        ("rpo: 40d, at: [\"02:00\"], days: [28]", pushed, both, ["UTC", "Asia/Kolkata"], "logs", "data"),
        ("rpo: 40d, at: [\"03:00\"], days: [28]", pushed, both, ["Asia/Kolkata", "UTC"], "logs", "data"),
        // Each hour is an hour everywhere.
        ("rpo: 40d, schedule", pushed, both, ["Europe/Berlin", "UTC"], "logs", "data"),
    ];
    for (carrier, streams, carried, zones, stream, of) in cases {
        let mut jobs = jobs((carrier.trim_end_matches(", schedule"), streams), carried);
        if carrier.ends_with("schedule") {
            jobs[0].schedule.transport = vec!["50 * * * *".into()];
            jobs[0].schedule.collect = vec!["50 0 * * *".into()];
        }
        assert_together(&jobs, zones, stream, of);
    }
}

#[test]
fn what_cannot_begin_together_is_refused() {
    let both = "data push sink1, logs pull sink1";
    // (carrier, its streams, the carried streams, zones, parts of message and remedy)
    let cases = [
        (
            DAILY,
            "data push sink1",
            both,
            ["Europe/Berlin", "UTC"],
            ["the source begins", "`streams.logs.transport.mode: push`"],
        ),
        (
            DAILY,
            "data pull sink1",
            "data push sink1",
            ["Europe/Berlin", "America/New_York"],
            ["the sink begins", "`streams.data.transport.mode: pull`"],
        ),
        // The evening of the 28th is the 29th there, which February has not.
        (
            "rpo: 40d, at: [\"22:00\"], days: [28]",
            "data push sink1",
            both,
            ["UTC", "Asia/Kolkata"],
            ["cannot name the same times", "one time zone"],
        ),
        (DAILY, "data push sink2", "data push sink1", ["UTC", "UTC"], ["another sink than the data", "one sink"]),
    ];
    for (carrier, streams, carried, zones, [message, remedy]) in cases {
        let error = planned(&jobs((carrier, streams), carried), zones).expect_err(message);
        let (told, hint) = (error.to_string(), error.hint().unwrap());
        for part in ["shop", "files", message] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(hint.contains(remedy) && hint.contains("remove `with`"), "{told}: {hint}");
    }
}

#[test]
fn what_a_carrier_takes_along_may_still_travel_when_its_next_stream_begins() {
    let both = "data push sink1, logs push sink1";
    let mut jobs = jobs((DAILY, both), "data push sink1");
    // The logs of the carrier begin ten minutes after its data; what it takes along with them is on its way for 20.
    jobs[1].objectives.as_mut().unwrap().durations.transport = Some("20min".parse().unwrap());
    let overlap = |jobs: &[Job]| {
        let plan = planned(jobs, ["UTC", "UTC"]).unwrap();
        plan.checks.into_iter().find(|check| check.check == "overlap").unwrap().outcome
    };
    assert_eq!(overlap(&jobs), Outcome::Ok);
    jobs[1].objectives.as_mut().unwrap().with = None;
    jobs[1].schedule.transport = vec!["10 3 * * *".into()];
    assert_eq!(overlap(&jobs), Outcome::Failed, "what is not taken along is in the way");
}

#[test]
fn the_first_copy_that_waits_and_the_first_that_waits_longest_are_told() {
    let waits = |carrier: &str| {
        let jobs = jobs((carrier, "data push sink1"), "data push sink1");
        let told = told(&planned(&jobs, ["UTC", "UTC"]).unwrap(), "carrier");
        (told.text, told.figures["wait"] / 60)
    };
    let daily = "the copy of 2026-11-21 01:00 travels 2 h 10 min later, with the transport of files at 2026-11-21 03:10, and counts on sink1 at 2026-11-21 03:25";
    assert_eq!(waits(DAILY), (daily.to_owned(), 130));
    // Saturday's copy goes on Monday; Friday's are the ones that wait three days.
    let twice = "the copy of 2026-11-21 01:00 travels 50 h 10 min later, with the transport of files at 2026-11-23 03:10, and counts on sink1 at 2026-11-23 03:25; that of 2026-11-27 01:00 even 3 d 2 h 10 min";
    assert_eq!(waits("rpo: 40d, at: [\"03:00\"], days: [mon, thu]"), (twice.to_owned(), 74 * 60 + 10));
}

#[test]
fn of_what_is_carried_no_collection_is_late() {
    let plan = planned(&jobs((DAILY, "data push sink1"), "data push sink1"), ["UTC", "UTC"]).unwrap();
    let late = plan.checks.iter().filter(|check| check.check == "late_run").map(|check| check.job.as_deref());
    assert_eq!(late.collect::<Vec<_>>(), [Some("files")], "{plan}");
}

#[test]
fn after_what_is_carried_comes_the_gap_of_the_carrier() {
    // Carried until 03:20, or until 03:30 with what is taken along.
    let mut jobs = jobs((DAILY, "data push sink1"), "data push sink1").to_vec();
    jobs[1].objectives.as_mut().unwrap().gap = "1h".parse().unwrap();
    jobs.push(job("mail", "rpo: 40d, at: [\"04:00\"]", "data push sink1"));
    let gap = |jobs: &[Job]| {
        let told = told(&planned(jobs, ["UTC", "UTC"]).unwrap(), "gap");
        (told.outcome, told.figures["least"] / 60)
    };
    assert_eq!(gap(&jobs), (Outcome::Ok, 110), "from the end of its collection to the carrier's");
}
