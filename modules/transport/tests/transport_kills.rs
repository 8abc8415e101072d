//! kill -9 at every named point, on either side, alone or with the whole process group: nothing is lost, nothing
//! partial counts, and the next run converges.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use support::{Lab, Way, answer, names};

/// Ids one day apart, so that each round carries a new generation.
fn id(round: usize) -> String {
    format!("2026{:02}{:02}T020000Z", 1 + round / 28, 1 + round % 28)
}

/// Every point that one whole run passes on the side that begins or on the one that serves.
fn points(lab: &Lab, serving: bool) -> Vec<String> {
    let list = lab.path().join("points");
    // So many that the last one pushes another out on both sides.
    for round in 0..3 {
        lab.generation(&id(round), None, b"to learn the points");
        if round < 2 {
            lab.good();
        }
    }
    let mut command = lab.command("run");
    if serving {
        lab.serve_with(&format!("HANDOVER_FAULT_LIST={}\n", list.display()));
    } else {
        command.env("HANDOVER_FAULT_LIST", &list);
    }
    assert_eq!(answer(&mut command).code, Some(0));
    let text = fs::read_to_string(list).unwrap();
    text.lines().map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Kills at every second point, from the first or the second on: all of them take long on a busy machine.
fn survives(way: Way, serving: bool, half: usize, expected: &[&str]) {
    let mut lab = Lab::new(way);
    lab.retention = "{generations: 2}".into();
    lab.declare();
    let points = points(&lab, serving);
    for point in expected {
        assert!(points.iter().any(|passed| passed == point), "{point} is not among {points:?}");
    }
    let points: Vec<_> = points.iter().skip(half).step_by(2).collect();
    let mut killed = 0;
    for (round, point) in (3..).zip(&points) {
        let (id, before) = (id(round), lab.sink_is_whole_where_signed());
        lab.generation(&id, None, format!("round {round}").as_bytes());
        let action = if round % 2 == 0 { "kill-group" } else { "" };
        let mut command = lab.command("run");
        // A group of its own: the kill must not reach the test.
        command.process_group(0);
        if serving {
            lab.serve_with(&format!("HANDOVER_FAULT={point}\nHANDOVER_FAULT_ACTION={action}\n"));
        } else {
            lab.serve_with("");
            command.env("HANDOVER_FAULT", point).env("HANDOVER_FAULT_ACTION", action);
        }
        let cut = answer(&mut command);
        killed += usize::from(cut.code != Some(0) || !cut.warnings.is_empty());

        // Nothing verified is lost, whatever came of this one, and it is in at least one place.
        let after = lab.sink_is_whole_where_signed();
        assert!(before.iter().rev().take(1).all(|old| after.contains(old)), "{point}: {before:?} {after:?}");
        let places = [lab.handover(), lab.source_store()];
        assert!(places.iter().any(|place| names(place).contains(&id)), "{point}: {id} is gone");

        lab.serve_with("");
        let next = lab.run();
        assert!(!next.failed, "after {point}: {next:?}");
        // What a kill kept from rotating is rotated with the next arrival.
        assert!(lab.sink_is_whole_where_signed().contains(&id), "after {point}");
        assert!(names(&lab.source_store()).contains(&id), "after {point}");
        assert_eq!(names(&lab.handover()), [""; 0], "after {point}");
        assert_eq!((names(&lab.incoming()), names(&lab.verifying())), (vec![], vec![]), "after {point}");
    }
    assert!(!lab.good().changed);
    let last = id(points.len() + 3);
    lab.generation(&last, None, b"last");
    lab.good();
    assert_eq!(names(&lab.source_store()), [last.as_str()]);
    assert_eq!(lab.sink_is_whole(), [id(points.len() + 2), last]);
    // A few points lie after everything that can still fail; most of them must have cut something.
    assert!(killed * 10 >= points.len() * 9, "{killed} of {} points killed anything", points.len());
}

macro_rules! halves {
    ($($name:ident: $way:expr, $serving:expr, $expected:expr;)+) => {
        $(mod $name {
            use super::*;

            #[test]
            fn first_half() {
                survives($way, $serving, 0, $expected);
            }

            #[test]
            fn second_half() {
                survives($way, $serving, 1, $expected);
            }
        })+
    };
}

halves! {
    the_pushing_source: Way::Push, false, &["transport.offered", "transport.carried", "transport.committed", "transport.acknowledge.receipt", "transport.acknowledged", "store.receipt.signature"];
    the_sink_that_is_pushed_to: Way::Push, true, &["transport.receive.prepared", "transport.commit.moved", "transport.commit.verified", "transport.commit.stored", "transport.commit.journal", "transport.commit.signed", "rotate.delete"];
    the_pulling_sink: Way::Pull, false, &["transport.carried", "transport.commit.moved", "transport.commit.stored", "transport.commit.signed", "transport.acknowledged"];
    the_source_that_is_pulled_from: Way::Pull, true, &["transport.acknowledge.checked", "transport.acknowledge.receipt", "transport.acknowledge.moved"];
}
