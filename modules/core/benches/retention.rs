//! What deciding about a store costs, and how that grows with its generations. `make bench-plan` prints it; no test depends
//! on it.

use backup_core::{
    Digest, GenerationId, GenerationRef,
    receipt::Checked,
    retention::{Arrival, Candidate, Policy, Rules, Side, Verdict, ZONE, plan},
    units::Span,
};
use jiff::{SignedDuration, Timestamp};
use std::time::Instant;

/// Each store is four times as large as the one before.
const STORES: [usize; 5] = [400, 1_600, 6_400, 25_600, 102_400];
/// Incrementals between two fulls.
const RHYTHM: usize = 6;

fn main() {
    let policies = [
        (
            "several rules",
            Policy { daily: Some(7), weekly: Some(4), monthly: Some(12), yearly: Some(5), ..Policy::default() },
        ),
        ("a span", Policy { within: Some(Span(30 * 86_400)), ..Policy::default() }),
        ("all of them", Policy { generations: Some(u32::MAX), ..Policy::default() }),
    ];
    for (name, policy) in policies {
        let mut before: Option<f64> = None;
        for count in STORES {
            let (candidates, now) = store(count);
            let side = Side::Sink { protect: Span(7 * 86_400), verify_max_age: Span(35 * 86_400) };
            let rules = Rules { now, zone: ZONE, side };
            let start = Instant::now();
            let plan = plan(&candidates, &policy, &rules).expect("the policy keeps something");
            let took = start.elapsed().as_secs_f64();
            let grows = before
                .replace(took)
                .map_or(String::new(), |last| format!(", grows with the {:.2}th power", (took / last).log2() / 2.0));
            let kept = plan.with(Verdict::Keep).count();
            println!("{name}, {count} generations: {:.1} ms{grows}; {kept} are kept", took * 1e3);
        }
    }
}

/// One generation an hour, each re-read a day ago at the latest.
fn store(count: usize) -> (Vec<Candidate>, Timestamp) {
    let hour = |n: usize| {
        let seconds = i64::try_from(n).expect("a small number") * 3_600;
        Timestamp::from_second(1_400_000_400 + seconds).expect("a time of this century")
    };
    let now = hour(count);
    let mut full: Option<GenerationRef> = None;
    let candidates = (0..count).map(|n| {
        let id = GenerationId::at(hour(n));
        let digest = Digest::of(&n.to_le_bytes());
        let base = full.clone().filter(|_| n % (RHYTHM + 1) != 0);
        if base.is_none() {
            full = Some(GenerationRef { id, digest: digest.clone() });
        }
        let received_at = hour(n) + SignedDuration::from_mins(5);
        Candidate {
            id,
            digest: digest.clone(),
            base,
            bytes: 1 << 20,
            hold: None,
            receipt: Some(Arrival { received_at, verified_at: Some(received_at) }),
            checked: Some(Checked { digest, checked_at: now - SignedDuration::from_hours(24), ok: true }),
        }
    });
    (candidates.collect(), now)
}
