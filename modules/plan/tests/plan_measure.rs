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

/// The journal of a stream, written as transport writes it: so many nights, the last of them the slowest.
fn journal(home: &Path, source: &str, stream: StreamName, nights: u64) {
    let store = StreamStore::open(StreamDir::new(&home.join("store").join(source), "shop", stream));
    store.ensure(None, None).unwrap();
    for night in 1..=nights {
        let at = jiff::Timestamp::from_second(1_795_168_800 + i64::try_from(night * 86_400).unwrap()).unwrap();
        let kind = if night % 7 == 0 { GenerationKind::Full } else { GenerationKind::Incremental };
        let took = Took { kind, bytes: night << 20, collect_ms: night * 60_000, transport_ms: 1500, verify_ms: 0 };
        let line = Accepted {
            id: Some(GenerationId::at(at)),
            digest: Some(Digest::of(&night.to_le_bytes())),
            instance: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            at,
            took: Some(took),
        };
        store.accept(&line).unwrap();
    }
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
    journal(&home, "web1", StreamName::Data, 60);
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
        (50, 0)
    );
    let shop = answer.facts.hosts["web1"].jobs["shop"];
    // Nights 11 to 60 count. The 48th of them in order is exceeded by two.
    assert_eq!((shop.collect, shop.transport, shop.verify), (Some(Span(58 * 60)), Some(Span(2)), Some(Span(0))));
    assert_eq!((shop.full, shop.incremental, shop.restore), (Some(Bytes(56 << 20)), Some(Bytes(60 << 20)), None));
    assert!(!answer.facts.hosts.contains_key("web2"));

    let table = String::from_utf8(cli(&["measure", "--config", config]).stdout).unwrap();
    assert!(table.contains("web1/shop") && table.contains("58min") && table.contains("data 50"), "{table}");

    let raw: Value = serde_json::from_slice(&cli(&["measure", "--config", config, "--json"]).stdout).unwrap();
    let plan = planned(json!({"jobs": [web1], "facts": raw["facts"]}));
    assert!(plan.feasible && plan.entries.iter().any(|entry| entry.why.contains("58 min")), "{:?}", plan.entries);
    let outgrown = with(web1, "objectives.window", json!(["22:00-22:50"]));
    let refused = planned(json!({"jobs": [outgrown], "facts": raw["facts"]}));
    assert!(refused.msg.contains("a collection of shop takes 58 min, as measured"), "{}", refused.msg);
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
        journal(&home, source, StreamName::Data, 10);
    }
    let document = room.path().join("jobs/web1/shop.yml");
    let good = fs::read_to_string(&document).unwrap();

    fs::write(&document, "version: 1\njob: shop\nsource: web1\nstream: {}\n").unwrap();
    let warning = without_web1(room.path(), document.to_str().unwrap());
    // The controller declares what is right, and plans as if nothing were known of it.
    let config = room.path().to_str().unwrap();
    let raw: Value = serde_json::from_slice(&cli(&["measure", "--config", config, "--json"]).stdout).unwrap();
    let declared = jobs.each_ref().map(|(_, job)| job);
    let plan = planned(json!({"jobs": declared, "facts": raw["facts"]}));
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
