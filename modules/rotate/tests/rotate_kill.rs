//! Killed at every step of every deletion: nothing verified is lost, nothing partial counts, the next run converges.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use support::Lab;

fn lab() -> Lab {
    // Everything is stale, so that re-reading is part of the run.
    let lab = Lab::sink("      retention: {generations: 2}\n      protect: 0\n      verify_max_age: 1s\n");
    let base = lab.full(9);
    lab.incremental(8, &base);
    (1..=3).for_each(|days| drop(lab.full(days)));
    lab
}

/// Every point that a whole run passes, with how often.
fn points() -> BTreeMap<String, u32> {
    let lab = lab();
    let list = lab.room.path().join("points");
    let output = lab.command(&["run"]).env("HANDOVER_FAULT_LIST", &list).output().unwrap();
    assert!(output.status.success());
    assert_eq!(lab.days(), [2, 1]);
    let mut points = BTreeMap::new();
    for name in fs::read_to_string(list).unwrap().lines() {
        *points.entry(name.to_owned()).or_default() += 1;
    }
    points
}

#[test]
fn killed_anywhere() {
    let points = points();
    let ours = [
        "rotate.reread",
        "rotate.delete",
        "store.delete.receipt",
        "store.delete.seal",
        "store.delete.renamed",
        "store.delete.data",
    ];
    assert!(ours.iter().all(|name| points.contains_key(*name)), "{points:?}");
    for (name, passes) in points {
        for pass in 1..=passes {
            let what = format!("{name}:{pass}");
            let lab = lab();
            let before = lab.digests();
            let killed = lab.command(&["run"]).env("HANDOVER_FAULT", &what).output().unwrap();
            assert_eq!(killed.status.signal(), Some(9), "{what}");

            let listing = lab.store.list().unwrap();
            assert!(lab.all_intact(), "{what}");
            assert!(lab.digests().iter().all(|line| before.contains(line)), "{what}");
            assert!(lab.days().ends_with(&[2, 1]), "{what}");
            for stored in &listing.generations {
                let base = stored.manifest.base.as_ref();
                assert!(base.is_none_or(|base| listing.get(base.id).is_some()), "{what}: an orphan");
            }

            let next = lab.call(&["run"]);
            assert!(!next.failed, "{what}: {next:?}");
            assert_eq!(lab.days(), [2, 1], "{what}");
            assert!(lab.all_intact(), "{what}");
            let rests = lab.store.list().unwrap();
            assert!(
                rests.partials.is_empty() && rests.deleting.is_empty() && rests.oddities.is_empty(),
                "{what}: {rests:?}"
            );
            let mut notes: Vec<_> = fs::read_dir(lab.store.dir().receipts())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| !name.ends_with(".checked.json"))
                .collect();
            notes.sort();
            assert_eq!(notes.len(), 2, "{what}: {notes:?}");
            assert!(!lab.call(&["run"]).changed, "{what}");
        }
    }
}
