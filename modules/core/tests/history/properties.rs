//! Against a second store that runs `plan` at each rotation and is looked at instant by instant.

use crate::make::*;
use backup_core::{
    Digest, GenerationId, GenerationKind, GenerationRef,
    retention::{Arrival, Candidate, Policy, Rules, Side, Verdict, ZONE, plan},
    schedule::{
        Delivery,
        history::{Keeping, Replay, ages, derive_policy, first_lost, replay, window},
    },
    units::Span,
};
use jiff::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeSet;

const TEN_YEARS: i64 = 3653 * DAY;

/// Some weeks, or ten years with long times in which nothing comes.
fn deliveries() -> impl Strategy<Value = Vec<Delivery>> {
    let weeks = prop::collection::vec(one(HOUR..60 * HOUR), 1..40).prop_map(|drawn| delivered(drawn, 0));
    let pause = prop_oneof![9 => HOUR..60 * HOUR, 1 => HOUR..400 * DAY];
    let years = prop::collection::vec(one(pause), 100..160).prop_map(|drawn| delivered(drawn, TEN_YEARS));
    prop_oneof![3 => weeks, 1 => years]
}

/// The pause before a delivery, how long it waits, its kind.
fn one(pause: impl Strategy<Value = i64>) -> impl Strategy<Value = (i64, i64, u8)> {
    (pause, 0i64..50 * HOUR, 0u8..5)
}

/// Spread over so many seconds at least.
fn delivered(drawn: Vec<(i64, i64, u8)>, at_least: i64) -> Vec<Delivery> {
    let (mut data, mut arrives) = (at("2026-11-20T22:00:00"), 0);
    let each = (at_least - drawn.iter().map(|(pause, ..)| pause).sum::<i64>()).max(0)
        / i64::try_from(drawn.len()).unwrap()
        + 1;
    let mut all = Vec::new();
    for (pause, lag, kind) in drawn {
        data += pause + each;
        arrives = (data + 600 + lag).max(arrives);
        let kind = if kind == 0 { GenerationKind::Full } else { GenerationKind::Incremental };
        all.push(Delivery { data, sealed: data + 600, arrives, kind });
    }
    all
}

fn policies() -> impl Strategy<Value = Policy> {
    let count = |max: u32| prop_oneof![2 => Just(None), 1 => (0..=max).prop_map(Some)];
    let span = |most: u64| prop_oneof![2 => Just(None), 1 => (1..=most).prop_map(|n| Some(days(n)))];
    (count(8), count(5), count(3), span(10), span(30)).prop_map(|(generations, daily, weekly, within, max_age)| {
        Policy { generations, daily, weekly, within, max_age, ..Policy::default() }
    })
}

/// The deliveries that are there after everything of this second has happened.
struct Looked {
    at: i64,
    there: BTreeSet<usize>,
}

/// Written apart from the code under test: candidates in a list, `plan` at every rotation.
fn second_store(deliveries: &[Delivery], keeping: &Keeping) -> Vec<Looked> {
    let stamp = |second: i64| Timestamp::from_second(second).unwrap();
    let mut store: Vec<(usize, Candidate)> = Vec::new();
    let mut looked = Vec::new();
    let mut events: Vec<(i64, Option<usize>)> = keeping.rotations.iter().map(|at| (*at, None)).collect();
    events.extend(deliveries.iter().enumerate().map(|(n, delivery)| (delivery.arrives, Some(n))));
    events.sort_by_key(|(at, n)| (*at, n.is_none(), *n));
    for (at, arrival) in events {
        if let Some(n) = arrival {
            let delivery = deliveries[n];
            let known = deliveries[..n]
                .iter()
                .enumerate()
                .rev()
                .find(|(m, full)| is_full(deliveries, *m) && full.arrives <= delivery.data);
            let base = known.filter(|_| delivery.kind == GenerationKind::Incremental).map(|(m, _)| m);
            let id = GenerationId::at(stamp(delivery.data));
            let found = base.map(|base| store.iter().find(|(m, _)| *m == base));
            if found != Some(None) {
                let candidate = Candidate {
                    id,
                    digest: Digest::of(id.to_string().as_bytes()),
                    base: found.flatten().map(|(_, c)| GenerationRef { id: c.id, digest: c.digest.clone() }),
                    bytes: 1,
                    hold: None,
                    receipt: Some(Arrival { received_at: stamp(at), verified_at: Some(stamp(at)) }),
                    checked: Some(backup_core::receipt::Checked {
                        digest: Digest::of(id.to_string().as_bytes()),
                        checked_at: stamp(at),
                        ok: true,
                    }),
                };
                store.push((n, candidate));
            }
        }
        let candidates: Vec<_> = store.iter().map(|(_, candidate)| candidate.clone()).collect();
        let plan =
            plan(&candidates, keeping.policy, &Rules { now: stamp(at), zone: ZONE, side: keeping.side }).unwrap();
        let mut verdicts = plan.decisions.iter().map(|decision| decision.verdict);
        store.retain(|_| verdicts.next() != Some(Verdict::Expire));
        let there = store.iter().map(|(n, _)| *n).collect();
        looked.push(Looked { at, there });
    }
    looked
}

/// A full by plan, or for want of one.
fn is_full(deliveries: &[Delivery], n: usize) -> bool {
    let before = |(m, full): (usize, &Delivery)| is_full(deliveries, m) && full.arrives <= deliveries[n].data;
    deliveries[n].kind == GenerationKind::Full || !deliveries[..n].iter().enumerate().any(before)
}

/// A sink at which no verification is ever too old.
fn verified(protect: u64) -> Side {
    Side::Sink { protect: days(protect), verify_max_age: days(100_000) }
}

fn is_there(looked: &[Looked], n: usize, at: i64) -> bool {
    looked[..looked.partition_point(|look| look.at <= at)].last().is_some_and(|look| look.there.contains(&n))
}

/// Both stores have the same copies whenever one looks.
fn assert_same(deliveries: &[Delivery], replay: &Replay, looked: &[Looked]) {
    for (n, delivery) in deliveries.iter().enumerate() {
        for look in looked {
            let expected = (delivery.arrives..replay.until[n]).contains(&look.at);
            assert_eq!(is_there(looked, n, look.at), expected, "{n} at {}", look.at);
        }
        if let Some(base) = replay.bases[n] {
            assert!(replay.until[n] <= replay.until[base] || replay.until[n] == delivery.arrives);
        }
    }
}

#[test]
fn a_week_whose_full_is_too_old_has_its_next_copy() {
    use GenerationKind::{Full, Incremental};
    // A week of which the full goes by age first, while incrementals are still protected; then one of fulls.
    let all: Vec<_> = [
        (0, 600, Full),
        (106_230, 70_169, Incremental),
        (274_671, 74_530, Incremental),
        (385_856, 600, Incremental),
        (601_739, 600, Incremental),
        (725_525, 55_674, Full),
        (867_353, 600, Full),
        (914_639, 600, Full),
        (1_081_699, 600, Full),
        (1_192_626, 20_574, Full),
        (1_196_227, 16_974, Full),
    ]
    .map(|(later, lag, kind)| delivery(at("2026-11-20T23:00:01") + later, lag, kind))
    .into();
    let policy = policy("{weekly: 2, max_age: 10d}");
    let keeping = keeping(verified(9), &policy);
    assert_same(&all, &replay(&all, &keeping, None).unwrap(), &second_store(&all, &keeping));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_second_store_says_the_same(
        deliveries in deliveries(), policy in policies(), protect in prop_oneof![Just(0u64), 0u64..12], source in prop::bool::weighted(0.2),
        mut rotations in prop::collection::vec(0i64..1000, 0..20), history in 1i64..400, max_age in 1i64..500,
    ) {
        rotations.sort_unstable();
        let whole = deliveries.last().unwrap().arrives - deliveries[0].data;
        let rotations: Vec<i64> = rotations.iter().map(|share| deliveries[0].data + whole / 1000 * share + 17).collect();
        let side = if source { Side::Source } else { verified(protect) };
        let keeping = Keeping { side, policy: &policy, rotations: &rotations };
        let Ok(replay) = replay(&deliveries, &keeping, None) else { return Ok(()) };
        let looked = second_store(&deliveries, &keeping);
        let there = |n: usize, at: i64| is_there(&looked, n, at);
        assert_same(&deliveries, &replay, &looked);

        // The first instant at which something is not there that should be.
        let (history, max_age) = (history * HOUR, max_age * HOUR);
        let lost = |at: i64| (0..deliveries.len())
            .find(|n| deliveries[*n].arrives <= at && at - deliveries[*n].data <= history && !there(*n, at));
        let expected = looked.iter().find_map(|l| lost(l.at).map(|n| (deliveries[n].data, l.at)));
        let found = first_lost(&deliveries, &[&replay.until], span(history));
        prop_assert_eq!(found.map(|loss| (loss.data, loss.gone)), expected);
        let window = window(&deliveries, &[&replay.until]);
        prop_assert_eq!(found.is_some(), window.is_some_and(|loss| loss.age() <= history));

        // Every second in which anything can change, for what has an age.
        let Some(ages) = ages(&deliveries, &keeping, &replay, span(max_age), 0) else { return Ok(()) };
        let end = deliveries.last().unwrap().arrives;
        let mut instants: Vec<i64> = looked.iter().map(|l| l.at).chain(deliveries.iter().map(|d| d.data + max_age + 1)).collect();
        instants.retain(|at| *at <= end);
        instants.sort_unstable();
        let young = |at: i64| (0..deliveries.len()).filter(|n| there(*n, at) && at - deliveries[*n].data <= max_age).count();
        let first = deliveries[0].arrives;
        let mut settled: Vec<i64> = instants.iter().copied().filter(|at| *at > first + max_age).collect();
        settled.extend((first + max_age <= end).then_some(first + max_age));
        let any = |at: i64| (0..deliveries.len()).any(|n| there(n, at));
        let accepted = (0..deliveries.len()).rfind(|n| replay.until[*n] > deliveries[*n].arrives).map_or(0, |n| deliveries[n].arrives);
        let stale = instants.iter().find(|at| **at < accepted && any(**at) && young(**at) == 0);
        prop_assert_eq!(ages.stale.map(|spell| spell.from), stale.copied());
        prop_assert_eq!(ages.fewest.map(|fewest| fewest.count), settled.iter().map(|at| young(*at)).min());
        if let Some(fewest) = ages.fewest {
            prop_assert_eq!(young(fewest.at), fewest.count);
        }
        if let Some(oldest) = ages.oldest {
            let n = deliveries.iter().position(|d| d.data == oldest.data).unwrap();
            prop_assert!(there(n, oldest.until - 1) && !there(n, oldest.until) || oldest.until == end);
            prop_assert_eq!(oldest.from, oldest.data + max_age + 1);
        }
        let over = |n: usize, at: i64| there(n, at) && at - deliveries[n].data > max_age;
        let age = |at: i64| (0..deliveries.len()).filter(|n| over(*n, at)).map(|n| at - deliveries[n].data).max();
        let worst = instants.iter().filter_map(|at| age(*at)).max();
        prop_assert!(worst.is_none_or(|worst| ages.oldest.is_some_and(|spell| spell.until - spell.data >= worst)));
    }

    #[test]
    fn what_is_derived_is_enough_whatever_comes_besides(deliveries in deliveries(), history in 1i64..400, source in any::<bool>()) {
        let history = span(history * HOUR);
        let side = if source { Side::Source } else { Side::Sink { protect: Span(0), verify_max_age: days(8) } };
        let none = policy("generations: 1");
        let keeping = keeping(side, &none);
        let scheduled: Vec<_> = deliveries.iter().copied().step_by(2).collect();
        let derived = derive_policy(&scheduled, &keeping, history, None).unwrap();
        prop_assert!(derived.lost.is_none() || derived.replay.orphan.is_some());
        let all = replay(&deliveries, &Keeping { policy: &derived.policy, ..keeping }, None).unwrap();
        prop_assert!(first_lost(&deliveries, &[&all.until], history).is_none() || all.orphan.is_some());
    }

    #[test]
    fn beyond_max_age_only_what_must_stays(deliveries in deliveries(), policy in policies(), protect in 0u64..12) {
        let Some(max_age) = policy.max_age else { return Ok(()) };
        let keeping = keeping(sink(protect), &policy);
        let Ok(replay) = replay(&deliveries, &keeping, None) else { return Ok(()) };
        let Some(ages) = ages(&deliveries, &keeping, &replay, max_age, 0) else { return Ok(()) };
        prop_assert!(ages.overstays.is_none() || days(protect) > max_age);
        if let Some(spell) = ages.overstays {
            let n = deliveries.iter().position(|d| d.data == spell.data).unwrap();
            let newest = deliveries.iter().rposition(|d| d.arrives <= spell.from).unwrap();
            prop_assert!(n != newest && replay.until[n] > spell.from);
            prop_assert!(spell.from - deliveries[n].arrives > max_age.0.cast_signed());
        }
    }
}

fn span(seconds: i64) -> Span {
    Span(seconds.cast_unsigned())
}
