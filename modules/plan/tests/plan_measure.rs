//! What a sink measures, and plans that are made with it.
#![allow(clippy::unwrap_used)]

mod support;

use backup_adapters::store::StreamStore;
use backup_core::accepted::{Accepted, Took};
use backup_core::layout::StreamDir;
use backup_core::schedule::Outcome as CheckOutcome;
use backup_core::units::{Bytes, Span};
use backup_core::{Digest, GenerationId, GenerationKind, StreamName};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::{MeasuredAnswer, cli, declare, job, planned, task, with};

/// The journal of a stream, written as transport writes it: an hour between two copies.
fn journal(home: &Path, source: &str, stream: StreamName, copies: impl IntoIterator<Item = Took>) {
    let store = StreamStore::open(StreamDir::new(&home.join("store").join(source), "shop", stream));
    store.ensure(None, None).unwrap();
    for (hour, took) in (1..).zip(copies) {
        let at = jiff::Timestamp::from_second(1_795_168_800 + hour * 3600).unwrap();
        let line = Accepted {
            id: Some(GenerationId::at(at)),
            digest: Some(Digest::of(&hour.to_le_bytes())),
            instance: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            at,
            took: Some(took),
        };
        store.accept(&line).unwrap();
    }
}

/// So many copies, each of which takes a minute longer than the one before; every seventh is a full.
fn slower_and_slower(copies: u64) -> impl Iterator<Item = Took> {
    (1..=copies).map(|n| Took {
        kind: if n % 7 == 0 { GenerationKind::Full } else { GenerationKind::Incremental },
        bytes: n << 20,
        collect_ms: n * 60_000,
        transport_ms: 1500,
        verify_ms: 0,
    })
}

fn kept(home: &Path, source: &str) -> Value {
    with(job(source, "shop", json!({"rpo": "26h"})), "streams.data.sink.home", json!(home))
}

#[test]
fn what_a_sink_measures_goes_into_the_next_plan_as_it_is() {
    let room = tempfile::tempdir().unwrap();
    let home = room.path().join("home");
    let (web1, web2) = (kept(&home, "web1"), kept(&home, "web2"));
    declare(room.path(), &[("web1/shop", &web1), ("web2/shop", &web2)]);
    journal(&home, "web1", StreamName::Data, slower_and_slower(60));
    // What a kill tore, and what is not known to have cost anything, are no samples.
    let path = home.join("store/web1/shop/data/accepted.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let unmeasured = text.lines().next().unwrap().split(",\"took\"").next().unwrap();
    fs::write(&path, format!("{unmeasured}}}\n{text}{{\"id\":\"2026")).unwrap();

    let config = room.path().to_str().unwrap();
    let answer = task::<MeasuredAnswer>(json!({"action": "measure", "config": config}));
    assert!(!answer.changed && !answer.failed);
    assert_eq!(answer.msg, "measured 1 of 2 jobs that are kept here");
    assert_eq!(
        (answer.samples["web1/shop"][&StreamName::Data], answer.samples["web2/shop"][&StreamName::Data]),
        (60, 0)
    );
    let shop = answer.facts.hosts["web1"].jobs["shop"];
    // Two of the newest fifty incrementals take longer than 58 minutes, and all fulls less. Everything is rounded up.
    assert_eq!((shop.collect, shop.transport, shop.verify), (Some(Span(3600)), Some(Span(5)), Some(Span(0))));
    assert_eq!((shop.full, shop.incremental), (Some(Bytes(59_000_000)), Some(Bytes(63_000_000))));
    assert_eq!((shop.restore, shop.samples), (None, Some(60)));
    assert!(!answer.facts.hosts.contains_key("web2"));

    let table = String::from_utf8(cli(&["measure", "--config", config]).stdout).unwrap();
    assert!(table.contains("web1/shop") && table.contains(" 1h ") && table.contains("data 60"), "{table}");

    let raw: Value = serde_json::from_slice(&cli(&["measure", "--config", config, "--json"]).stdout).unwrap();
    let plan = planned(json!({"jobs": [web1], "measured": raw["facts"]}));
    assert!(plan.feasible && plan.entries.iter().any(|entry| entry.why.contains("1 h at p95")), "{:?}", plan.entries);
    let outgrown = with(web1, "objectives.window", json!(["22:00-22:50"]));
    let refused = planned(json!({"jobs": [outgrown], "measured": raw["facts"]}));
    assert!(refused.msg.contains("a collection of shop takes 1 h, as measured"), "{}", refused.msg);
}

/// What a sink tells of a stream with these copies, as the next plan gets it.
fn measured(room: &Path, copies: &[Took]) -> Value {
    let home = room.join("home");
    declare(room, &[("web1/shop", &kept(&home, "web1"))]);
    let journaled = home.join("store/web1/shop/data/accepted.jsonl");
    let _ = fs::remove_file(&journaled);
    journal(&home, "web1", StreamName::Data, copies.iter().cloned());
    let answer = cli(&["measure", "--config", room.to_str().unwrap(), "--json"]);
    serde_json::from_slice::<Value>(&answer.stdout).unwrap()["facts"].clone()
}

fn copy(kind: GenerationKind, collect: u64, transport: u64) -> Took {
    Took { kind, bytes: 7 << 30, collect_ms: collect * 1000, transport_ms: transport * 1000, verify_ms: 300 }
}

#[test]
fn a_weekly_full_among_hourly_collections_reaches_the_plan() {
    let room = tempfile::tempdir().unwrap();
    let [full, incremental] = [copy(GenerationKind::Full, 9000, 5000), copy(GenerationKind::Incremental, 20, 10)];
    let week = || [full.clone()].into_iter().chain((1..168).map(|_| incremental.clone()));
    let mut copies: Vec<_> = week().chain(week()).collect();
    let facts = measured(room.path(), &copies);
    let job = with(kept(&room.path().join("home"), "web1"), "objectives.window", json!(["22:00-24:00"]));
    let refused = planned(json!({"jobs": [job], "measured": facts}));
    assert!(refused.msg.contains("a collection of shop takes 3 h, as measured"), "{}", refused.msg);
    let of = |name: &str| refused.checks.iter().find(|check| check.of.check == name).unwrap().of.clone();
    assert!(!of("space").text.contains("neither declared nor measured"), "{:?}", of("space"));
    // Two fulls and forty-eight incrementals: the newest fifty of all.
    copies = [&full, &full].into_iter().chain((0..48).map(|_| &incremental)).cloned().collect();
    assert_eq!(measured(room.path(), &copies)["hosts"]["web1"]["jobs"]["shop"]["collect"], "3h");
}

#[test]
fn slightly_different_measurements_make_the_same_plan() {
    let room = tempfile::tempdir().unwrap();
    let nights = |count: usize, collect: u64| -> Vec<Took> {
        (0..count).map(|n| copy(GenerationKind::Incremental, collect - (n as u64) % 3, 9)).collect()
    };
    let plain = kept(&room.path().join("home"), "web1");
    let short = with(plain.clone(), "objectives.durations", json!({"collect": "1min", "transport": "1min"}));
    let plan = |job: &Value, facts: &Value| planned(json!({"jobs": [job], "measured": facts})).entries.clone();
    let unmeasured = json!({"hosts": {}});
    let before = plan(&plain, &unmeasured);
    for seconds in [3, 59, 61, 590] {
        let facts = measured(room.path(), &nights(12, seconds));
        assert_eq!(plan(&plain, &facts), before, "{seconds} s are less than what is assumed");
    }
    let [slow, slower, slowest] = [700, 800, 2000].map(|seconds| measured(room.path(), &nights(40, seconds)));
    assert_ne!(plan(&plain, &slow), before, "it was outgrown");
    assert_eq!(plan(&plain, &slower), plan(&plain, &slow));
    assert_ne!(plan(&plain, &slowest), plan(&plain, &slow));
    // What is declared is outgrown by a second, and then again by nothing small.
    let declared = plan(&short, &unmeasured);
    let facts = [59, 61, 75, 89].map(|seconds| measured(room.path(), &nights(12, seconds)));
    assert_eq!(plan(&short, &facts[0]), declared);
    assert_ne!(plan(&short, &facts[1]), declared);
    for other in &facts[2..] {
        assert_eq!(plan(&short, other), plan(&short, &facts[1]), "{other} {}", facts[1]);
    }
}

#[test]
fn nine_runs_do_not_say_what_is_usual() {
    let room = tempfile::tempdir().unwrap();
    let job = kept(&room.path().join("home"), "web1");
    let unknown = |runs: usize, seconds| {
        let facts = measured(room.path(), &vec![copy(GenerationKind::Full, seconds, 9); runs]);
        let plan = planned(json!({"jobs": [job], "measured": facts}));
        assert_eq!(plan.entries.iter().any(|entry| entry.why.contains("takes 30 min")), seconds == 1800, "{plan:?}");
        plan.checks.iter().any(|check| check.of.check == "durations" && check.of.outcome == CheckOutcome::Unknown)
    };
    assert!([1, 9].iter().all(|&runs| unknown(runs, 5)));
    assert!(!unknown(10, 5));
    assert!(unknown(1, 1800), "what took longer than assumed counts from the first time on");
}

/// One of three jobs that are kept cannot be measured: it is as if it were new, and named in a warning.
fn without_web1(room: &Path, why: &str) -> String {
    let answer = task::<MeasuredAnswer>(json!({"action": "measure", "config": room}));
    assert!(!answer.failed && !answer.changed, "{}", answer.msg);
    assert_eq!(answer.msg, "measured 1 of 3 jobs that are kept here");
    assert_eq!(answer.facts.hosts.keys().collect::<Vec<_>>(), ["web2"]);
    assert!(!answer.samples.contains_key("web1/shop") && answer.samples.contains_key("web3/shop"));
    let [warning] = &answer.warnings[..] else { panic!("{:?}", answer.warnings) };
    assert!(warning.starts_with("job web1/shop is not measured: ") && warning.contains(why), "{warning}");
    warning.clone()
}

#[test]
fn a_job_that_cannot_be_measured_is_named_and_the_others_are_measured() {
    let room = tempfile::tempdir().unwrap();
    let home = room.path().join("home");
    let jobs = ["web1", "web2", "web3"].map(|source| (format!("{source}/shop"), kept(&home, source)));
    declare(room.path(), &jobs.each_ref().map(|(name, job)| (name.as_str(), job)));
    for source in ["web1", "web2"] {
        journal(&home, source, StreamName::Data, slower_and_slower(10));
    }
    let document = room.path().join("jobs/web1/shop.yml");
    let good = fs::read_to_string(&document).unwrap();

    fs::write(&document, "version: 1\njob: shop\nsource: web1\nstream: {}\n").unwrap();
    let warning = without_web1(room.path(), document.to_str().unwrap());
    // The controller declares what is right, and plans as if nothing were known of it.
    let config = room.path().to_str().unwrap();
    let raw: Value = serde_json::from_slice(&cli(&["measure", "--config", config, "--json"]).stdout).unwrap();
    let declared = jobs.each_ref().map(|(_, job)| job);
    let plan = planned(json!({"jobs": declared, "measured": raw["facts"]}));
    assert!(plan.feasible, "{}", plan.msg);
    let unknown = plan.checks.iter().filter(|check| check.of.check.as_str() == "durations");
    let unknown: Vec<_> =
        unknown.filter(|check| check.of.outcome == CheckOutcome::Unknown).map(|check| &check.source).collect();
    assert_eq!(unknown, ["web1", "web3"], "it is assumed, and said");
    let told = String::from_utf8(cli(&["measure", "--config", config]).stderr).unwrap();
    assert!(told.contains(&warning), "{told}");

    fs::write(&document, good.replace("web1", "web9")).unwrap();
    without_web1(room.path(), "declares web9/shop, not web1/shop");

    fs::write(&document, good).unwrap();
    let journal = home.join("store/web1/shop/data/accepted.jsonl");
    fs::remove_file(&journal).unwrap();
    fs::create_dir(&journal).unwrap();
    without_web1(room.path(), "cannot read");
}
