//! kill -9 at every named point, of the process and of its whole group: the application runs again, nothing partial
//! counts, what was sealed before is as it was, and the next run converges.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use support::{Bench, wait_for};

fn bench() -> Bench {
    let dumps = json!([
        {"name": "early", "command": {"run": ["seq", "1", "1000"]}},
        {"name": "late", "when": "stopped", "command": {"run": ["seq", "1", "1000"]}},
    ]);
    let bench = Bench::new()
        .with(&json!({"max_downtime": "60s", "streams": {"data": {"dumps": dumps}}}))
        .with_stream("logs", &json!({"dumps": dumps}))
        .with_services(&["app"]);
    bench.control("app", "start");
    bench
}

/// Every point that a whole run passes that is not the first, in order, with the number of passes.
fn points() -> Vec<(String, usize)> {
    let bench = bench();
    assert!(!bench.run().failed);
    let list = bench.at("points");
    let output = bench.command(&["run", "shop"]).env("HANDOVER_FAULT_LIST", &list).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let passed: Vec<_> = fs::read_to_string(list).unwrap().lines().map(str::to_owned).collect();
    let mut seen = BTreeSet::new();
    let names = passed.iter().filter(|name| seen.insert((*name).clone()));
    names.map(|name| (name.clone(), passed.iter().filter(|other| other == &name).count())).collect()
}

/// Most of a case is waiting for services; several at once are no slower.
const AT_ONCE: usize = 8;

fn survives(action: &str) {
    let points = points();
    assert!(points.len() >= 15, "{points:?}");
    // The first pass and the last: between both the same code runs with the same state around it.
    let cases: Vec<_> = points
        .iter()
        .flat_map(|(name, passes)| BTreeSet::from([1, *passes]).into_iter().map(move |pass| format!("{name}:{pass}")))
        .collect();
    std::thread::scope(|scope| {
        for part in 0..AT_ONCE {
            let cases = cases.iter().skip(part).step_by(AT_ONCE);
            scope.spawn(move || cases.for_each(|case| survives_one(case, action)));
        }
    });
}

fn survives_one(case: &str, action: &str) {
    let bench = bench();
    let first = bench.run();
    assert!(!first.failed, "{first:?}");
    let sealed: Vec<_> = first.streams.iter().map(|stream| stream.path.clone()).collect();
    let before: Vec<_> = sealed.iter().map(|path| support::digests(path)).collect();

    let killed = bench
        .command(&["run", "shop"])
        .env("HANDOVER_FAULT", case)
        .env("HANDOVER_FAULT_ACTION", action)
        .output()
        .unwrap();
    assert_eq!(killed.status.signal(), Some(9), "{case} was not reached");
    wait_for(&format!("{case}: the application"), || bench.is_on("app"));
    // What cron does every minute: a window that was opened before its guardian lived has nothing stopped yet.
    let recovered = bench.cli(&["recover"]);
    assert!(recovered.status.success(), "{case}: {recovered:?}");
    assert!(!bench.at("state/shop/intent.json").exists(), "{case}");
    assert!(bench.is_on("app"), "{case}");

    let after = bench.run();
    assert!(!after.failed, "{case}: {after:?}");
    assert!(bench.is_on("app"), "{case}");
    for stream in ["data", "logs"] {
        for generation in bench.handed_over(stream) {
            assert!(!generation.starts_with('.'), "{case}: {generation}");
            let path = bench.handover(stream).join(generation);
            support::tool("sha256sum", &["-c", "--strict", "--quiet", "SHA256SUMS"], &path);
        }
    }
    let now: Vec<_> = sealed.iter().map(|path| support::digests(path)).collect();
    assert_eq!(now, before, "{case}");
}

#[test]
fn a_kill_at_any_point_does_no_harm() {
    survives("kill");
}

#[test]
fn a_kill_of_the_whole_group_at_any_point_does_no_harm() {
    survives("kill-group");
}
