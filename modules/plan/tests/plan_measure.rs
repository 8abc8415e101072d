//! What a sink measures, and plans that are made with it.
#![allow(clippy::unwrap_used)]

mod support;

use backup_adapters::store::StreamStore;
use backup_core::accepted::{Accepted, Took};
use backup_core::layout::StreamDir;
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
    assert!(refused.msg.contains("a collection takes 58 min"), "{}", refused.msg);
}

#[test]
fn a_journal_that_cannot_be_read_is_no_measurement() {
    let room = tempfile::tempdir().unwrap();
    let home = room.path().join("home");
    declare(room.path(), &[("web1/shop", &kept(&home, "web1"))]);
    fs::create_dir_all(home.join("store/web1/shop/data/accepted.jsonl")).unwrap();
    let answer = task::<MeasuredAnswer>(json!({"action": "measure", "config": room.path()}));
    assert!(answer.failed && answer.msg.contains("cannot read"), "{}", answer.msg);
    assert!(answer.facts.hosts.is_empty());
}
