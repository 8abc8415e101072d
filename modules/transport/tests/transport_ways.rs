//! Push, pull and logs between two configurations over a real sshd.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::process::Command;
use support::{Lab, Way, names, noise};

const FIRST: &str = "20261110T020000Z";
const SECOND: &str = "20261111T020000Z";
const THIRD: &str = "20261112T020000Z";

fn carries(way: Way) {
    let lab = Lab::new(way);
    let nothing = lab.good();
    assert!(!nothing.changed, "{nothing:?}");

    lab.generation(FIRST, None, &noise(1, 300_000));
    lab.generation(SECOND, Some(FIRST), b"little");
    let answer = lab.good();
    assert!(answer.changed);
    let ids: Vec<_> = answer.generations.iter().map(|moved| moved.id.as_str()).collect();
    assert_eq!(ids, [FIRST, SECOND], "{answer:?}");
    for moved in &answer.generations {
        assert!(moved.verified && moved.moved_to_store && !moved.resumed, "{moved:?}");
        assert!(moved.action == "send" && moved.received_at.is_some(), "{moved:?}");
        assert!(moved.rotated.sink.is_some() && moved.rotated.source.is_some(), "{answer:?}");
        assert!(moved.wire_bytes > 0 && answer.outstanding.is_empty() && answer.warnings.is_empty());
    }
    assert_eq!(lab.sink_is_whole(), [FIRST, SECOND]);
    assert_eq!(names(&lab.handover()), [""; 0]);
    assert_eq!(names(&lab.incoming()), [""; 0]);
    assert_eq!(names(&lab.verifying()), [""; 0]);
    // The default of data is one generation with its base, that of logs none.
    let kept: &[&str] = if way == Way::PullLogs { &[] } else { &[FIRST, SECOND] };
    assert_eq!(names(&lab.source_store()), kept);
    for id in kept {
        let receipt = |store: std::path::PathBuf| fs::read(store.join("receipts").join(format!("{id}.json"))).unwrap();
        assert_eq!(receipt(lab.source_store()), receipt(lab.sink_store()));
    }

    let again = lab.good();
    assert!(!again.changed && again.generations.is_empty(), "{again:?}");
    assert_eq!(lab.mail(), "");
}

#[test]
fn push_carries_data() {
    carries(Way::Push);
}

#[test]
fn pull_carries_data() {
    carries(Way::Pull);
}

#[test]
fn pull_carries_logs() {
    carries(Way::PullLogs);
}

/// What both hosts did, in one list: to carry, to verify by hash, to move to the sink's store, to rotate there; then to
/// move to the source's store, and to rotate there.
fn follows_the_order(way: Way) {
    const STEPS: [&str; 7] = [
        "transport.receive.prepared",
        "transport.commit.moved",
        "transport.commit.verified",
        "transport.commit.stored",
        "rotate.delete",
        "transport.acknowledge.moved",
        "rotate.delete",
    ];
    let mut lab = Lab::new(way);
    lab.retention = "{generations: 1}".into();
    lab.declare();
    for id in [FIRST, SECOND] {
        lab.generation(id, None, b"data");
        lab.good();
    }
    let list = lab.path().join("points");
    lab.serve_with(&format!("HANDOVER_FAULT_LIST={}\n", list.display()));
    lab.generation(THIRD, None, b"data");
    let answer = support::answer(lab.command("run").env("HANDOVER_FAULT_LIST", &list));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let text = fs::read_to_string(list).unwrap();
    let steps: Vec<_> = text.lines().filter(|point| STEPS.contains(point)).collect();
    assert_eq!(steps, STEPS, "{text}");
}

#[test]
fn the_steps_of_a_transport_come_in_their_order() {
    follows_the_order(Way::Push);
    follows_the_order(Way::Pull);
    follows_the_order(Way::PullLogs);
}

#[test]
fn check_mode_says_what_run_then_does_and_changes_nothing() {
    for way in [Way::Push, Way::Pull] {
        let lab = Lab::new(way);
        lab.generation(FIRST, None, b"data");
        lab.generation(SECOND, Some(FIRST), b"little");
        let before =
            support::sh("find source sink | sort; find source sink -type f | sort | xargs sha256sum", lab.path());
        let plan = support::answer(&mut lab.command("plan"));
        let after =
            support::sh("find source sink | sort; find source sink -type f | sort | xargs sha256sum", lab.path());
        assert_eq!(before, after);
        let run = lab.good();
        let told = |answer: &support::Answer| {
            answer.generations.iter().map(|m| (m.id.clone(), m.action.clone(), m.bytes)).collect::<Vec<_>>()
        };
        assert!(plan.changed && plan.code == Some(0));
        assert_eq!(told(&plan), told(&run));
        assert_eq!(plan.diff, run.diff);
        let empty = support::answer(&mut lab.command("plan"));
        assert!(!empty.changed, "{empty:?}");
    }
}

#[test]
fn each_side_keeps_what_its_own_policy_says() {
    let began = std::time::Instant::now();
    let mut lab = Lab::new(Way::Push);
    lab.retention = "{generations: 2}".into();
    lab.declare();
    for id in [FIRST, SECOND, THIRD] {
        lab.generation(id, None, id.as_bytes());
        lab.good();
    }
    assert_eq!(lab.sink_is_whole(), [SECOND, THIRD]);
    assert_eq!(names(&lab.source_store()), [THIRD]);
    let accepted = fs::read_to_string(lab.sink_store().join("accepted.jsonl")).unwrap();
    assert_eq!(accepted.lines().count(), 3, "what expired is remembered");
    for (line, id) in accepted.lines().zip([FIRST, SECOND, THIRD]) {
        let accepted: backup_core::accepted::Accepted = serde_json::from_str(line).unwrap();
        let took = accepted.took.expect("what a generation cost is remembered");
        assert_eq!(accepted.id.unwrap().to_string(), id);
        let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap();
        assert!(took.transport_ms > 0 && took.transport_ms + took.verify_ms <= elapsed, "{took:?}");
        assert!(took.bytes > id.len() as u64, "{took:?}");
    }
}

#[test]
fn a_full_travels_as_its_difference_to_the_previous_one() {
    let lab = Lab::new(Way::Push);
    let mut data = noise(7, 8 << 20);
    lab.generation(FIRST, None, &data);
    let first = lab.good();
    data[4 << 20..(4 << 20) + 1000].copy_from_slice(&noise(8, 1000));
    lab.generation(SECOND, None, &data);
    let second = lab.good();
    let wire = |answer: &support::Answer| answer.generations[0].wire_bytes;
    assert!(wire(&first) > 8 << 20);
    assert!(wire(&second) < 200_000, "{}", wire(&second));
    lab.sink_is_whole();
}

#[test]
fn without_verification_the_receipt_says_arrived_only() {
    let mut lab = Lab::new(Way::Push);
    lab.transport = "window: 0s\n      verify: none".into();
    lab.declare();
    lab.generation(FIRST, None, b"data");
    let answer = lab.good();
    let moved = &answer.generations[0];
    assert!(!moved.verified && moved.received_at.is_some() && moved.moved_to_store, "{moved:?}");
}

#[test]
fn ansible_gets_one_line_and_check_mode_changes_nothing() {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, b"data");
    let module = |check: bool, stream: &str| {
        let arguments = serde_json::json!({
            "job": "shop", "stream": stream, "config": lab.path().join("source/etc"),
            "_ansible_check_mode": check, "_ansible_diff": true,
        });
        let file = lab.path().join("arguments");
        support::write(&file, arguments.to_string(), 0o600);
        let output = Command::new(env!("CARGO_BIN_EXE_backup_transport")).arg(file).output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        support::Answer::of(&output)
    };
    let planned = module(true, "data");
    assert!(planned.changed && names(&lab.handover()) == [FIRST], "{planned:?}");
    let done = module(false, "data");
    assert!(done.changed && done.diff == planned.diff && names(&lab.handover()) == [""; 0], "{done:?}");
    assert!(!module(false, "data").changed);
    let refused = module(false, "logs");
    assert!(refused.kind == "invalid_option" && refused.msg.contains("logs"), "{refused:?}");
}

#[test]
fn the_other_side_is_told_that_it_is_the_other_side() {
    let lab = Lab::new(Way::Pull);
    let mut command = Command::new(env!("CARGO_BIN_EXE_backup_transport"));
    command.args(["run", "shop", "--stream", "data", "--json", "--config"]).arg(lab.path().join("source/etc"));
    let answer = support::answer(&mut command);
    assert!(answer.kind == "invalid_option" && answer.msg.contains("the sink pulls it"), "{answer:?}");
}
