//! What holds for every store and every policy.

use crate::make::*;
use backup_core::retention::{
    Arrival, Candidate, Period, Policy, RetentionPlan, Rules, Side, Verdict, assume_reread, plan,
};
use backup_core::{GenerationId, receipt::Checked, units::Span};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const NOW: i64 = 1_800_000_000; // 2027-01-15
const HOUR: i64 = 3600;

/// Ages in hours, kinds, receipts, checks and holds of a store; many copies per day over three months.
fn stores() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0i64..2200, 0u8..3, 0u8..8, 0u8..8, 0u8..20, 0i64..200);
    prop::collection::vec(one, 0..40).prop_map(|drawn| {
        let mut store: BTreeMap<GenerationId, Candidate> = BTreeMap::new();
        let mut newest_full: Option<Candidate> = None;
        let mut sorted = drawn;
        sorted.sort_by_key(|(age, ..)| -age);
        for (age, kind, receipt, check, hold, checked_age) in sorted {
            let time = Timestamp::from_second(NOW - age * HOUR).unwrap();
            let mut candidate = full_at(time);
            match newest_full.as_ref().filter(|base| kind > 0 && base.id < candidate.id) {
                Some(base) => candidate.base = Some(reference(base)),
                None => newest_full = Some(candidate.clone()),
            }
            match receipt {
                0 => candidate.receipt = None,
                1 => candidate = arrived_only(candidate),
                _ => {}
            }
            if check < 3 {
                let checked_at = Timestamp::from_second(NOW - checked_age.min(age) * HOUR).unwrap();
                candidate.checked = Some(Checked { digest: candidate.digest.clone(), checked_at, ok: check > 0 });
            }
            if hold == 0 {
                candidate.hold = Some("drawn".into());
            }
            store.insert(candidate.id, candidate);
        }
        store.into_values().collect()
    })
}

fn count(max: u32) -> impl Strategy<Value = Option<u32>> {
    prop_oneof![2 => Just(None), 3 => (0..=max).prop_map(Some)]
}

fn span(days: u64) -> impl Strategy<Value = Option<Span>> {
    prop_oneof![2 => Just(None), 1 => (0..=days).prop_map(|n| Some(Span(n * DAY)))]
}

prop_compose! {
    fn policies()(generations in count(6), hourly in count(4), daily in count(8), weekly in count(6), monthly in count(4),
                  yearly in count(2), within in span(20), max_age in span(90)) -> Policy {
        Policy { generations, hourly, daily, weekly, monthly, yearly, within, max_age }
    }
}

fn sides() -> impl Strategy<Value = Rules> {
    let sink = (0u64..40, 1u64..20)
        .prop_map(|(protect, verify)| Side::Sink { protect: Span(protect * DAY), verify_max_age: Span(verify * DAY) });
    prop_oneof![1 => Just(Side::Source), 3 => sink].prop_map(|side| Rules {
        now: Timestamp::from_second(NOW).unwrap(),
        zone: TimeZone::UTC,
        side,
    })
}

fn gone(plan: &RetentionPlan) -> BTreeSet<GenerationId> {
    plan.with(Verdict::Expire).map(|d| d.id).collect()
}

/// Superfluous, whether that may be acted upon yet or not.
fn superfluous(plan: &RetentionPlan) -> BTreeSet<GenerationId> {
    plan.decisions.iter().filter(|d| d.verdict != Verdict::Keep).map(|d| d.id).collect()
}

/// Written apart from the code under test: verified, or on a source acknowledged, and whole.
fn counts(store: &[Candidate], candidate: &Candidate, side: Side) -> bool {
    let Some(receipt) = candidate.receipt else { return false };
    let check = candidate.checked.as_ref().map(|checked| checked.ok);
    let read = receipt.verified_at.is_some() || check == Some(true) || side == Side::Source;
    let base = candidate.base.as_ref().is_none_or(|base| {
        store.iter().any(|other| other.id == base.id && other.digest == base.digest && counts(store, other, side))
    });
    read && check != Some(false) && base
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_promises_hold(store in stores(), policy in policies(), rules in sides()) {
        let Ok(plan) = plan(&store, &policy, &rules) else { return Ok(()) };
        let gone = gone(&plan);
        let left: Vec<_> = store.iter().filter(|c| !gone.contains(&c.id)).cloned().collect();
        prop_assert_eq!(plan.decisions.len(), store.len());
        prop_assert!(plan.decisions.iter().all(|d| !d.reasons.is_empty()));

        // The last copy that counts stays, and still counts.
        let newest = store.iter().rev().find(|c| counts(&store, c, rules.side));
        if let Some(newest) = newest && !policy.keeps_nothing() {
            prop_assert!(counts(&left, newest, rules.side));
            prop_assert!(left.contains(newest));
        }
        // No incremental loses its base; and at no step in between.
        let mut present: BTreeSet<_> = store.iter().map(|c| c.id).collect();
        for decision in plan.deletions() {
            present.remove(&decision.id);
            for c in store.iter().filter(|c| present.contains(&c.id)) {
                let had = c.base.as_ref().is_some_and(|base| store.iter().any(|o| o.id == base.id));
                prop_assert!(!had || present.contains(&c.base.as_ref().unwrap().id), "{}", explain(&plan));
            }
        }
        // Holds, and what the sink did not acknowledge.
        prop_assert!(store.iter().all(|c| c.hold.is_none() || !gone.contains(&c.id)));
        if let Side::Sink { protect, verify_max_age } = rules.side {
            for decision in plan.with(Verdict::Expire) {
                let c = store.iter().find(|c| c.id == decision.id).unwrap();
                let came = c.receipt.map_or(c.id.time(), |r| r.received_at);
                prop_assert!(rules.now.duration_since(came) >= SignedDuration::from_secs(protect.0.cast_signed()));
                // Every deletion relies on something that stays, counts and was read lately.
                prop_assert!(!decision.justified_by.is_empty());
                for id in &decision.justified_by {
                    let relied = left.iter().find(|c| c.id == *id).unwrap();
                    prop_assert!(counts(&left, relied, rules.side));
                    let read = relied.checked.as_ref().filter(|k| k.ok).map(|k| k.checked_at)
                        .max(relied.receipt.and_then(|r| r.verified_at)).unwrap();
                    prop_assert!(rules.now.duration_since(read) <= SignedDuration::from_secs(verify_max_age.0.cast_signed()));
                }
            }
            if counted_fulls(&store, rules.side) >= 2 && policy.max_age.is_none() && names_two(&policy) {
                prop_assert!(counted_fulls(&left, rules.side) >= 2);
            }
        } else {
            prop_assert!(store.iter().all(|c| c.receipt.is_some() || !gone.contains(&c.id)));
        }
    }

    #[test]
    fn the_order_of_the_listing_does_not_matter(store in stores(), policy in policies(), rules in sides(), seed in any::<u64>()) {
        let mut shuffled = store.clone();
        shuffled.sort_by_key(|c| c.id.time().as_second().wrapping_mul(seed.cast_signed() | 1));
        prop_assert_eq!(plan(&store, &policy, &rules), plan(&shuffled, &policy, &rules));
    }

    #[test]
    fn a_second_rotation_deletes_nothing(store in stores(), policy in policies(), rules in sides()) {
        let Ok(first) = plan(&store, &policy, &rules) else { return Ok(()) };
        let gone_first = gone(&first);
        let left: Vec<_> = store.iter().filter(|c| !gone_first.contains(&c.id)).cloned().collect();
        let second = plan(&left, &policy, &rules).unwrap();
        prop_assert!(gone(&second).is_empty(), "{}\nthen\n{}", explain(&first), explain(&second));
        // Nothing else becomes superfluous by it; what waits may come to be wanted instead of what went.
        prop_assert!((&superfluous(&second) | &gone_first).is_subset(&superfluous(&first)));
    }

    #[test]
    fn re_reading_what_is_wanted_ends(store in stores(), policy in policies(), rules in sides()) {
        let mut store = store;
        let Ok(mut next) = plan(&store, &policy, &rules) else { return Ok(()) };
        for _ in 0..=store.len() {
            if next.needs_reread.is_empty() {
                prop_assert!(next.with(Verdict::Postpone).next().is_none());
                return Ok(());
            }
            assume_reread(&mut store, &next.needs_reread, rules.now);
            next = plan(&store, &policy, &rules).unwrap();
        }
        prop_assert!(false, "still wants {:?}", next.needs_reread);
    }

    #[test]
    fn more_retention_never_deletes_more(store in stores(), less in policies(), more in policies(), rules in sides()) {
        let most = |a: Option<u32>, b: Option<u32>| a.max(b);
        let more = Policy {
            generations: most(less.generations, more.generations),
            hourly: most(less.hourly, more.hourly),
            daily: most(less.daily, more.daily),
            weekly: most(less.weekly, more.weekly),
            monthly: most(less.monthly, more.monthly),
            yearly: most(less.yearly, more.yearly),
            within: less.within.max(more.within),
            max_age: less.max_age.and_then(|a| more.max_age.map(|b| a.max(b))),
        };
        let (Ok(less), Ok(more)) = (plan(&store, &less, &rules), plan(&store, &more, &rules)) else { return Ok(()) };
        prop_assert!(superfluous(&more).is_subset(&superfluous(&less)), "{}\n{}", explain(&less), explain(&more));
    }

    #[test]
    fn time_passing_changes_nothing_by_itself(store in stores(), policy in policies(), days in 1i64..2000) {
        let policy = Policy { max_age: None, ..policy };
        let side = Side::Sink { protect: Span(0), verify_max_age: Span(100_000 * DAY) };
        let at = |days: i64| Rules { now: Timestamp::from_second(NOW + days * 86_400).unwrap(), zone: TimeZone::UTC, side };
        // One day on, so that nothing is received in the future.
        let (Ok(now), Ok(then)) = (plan(&store, &policy, &at(1)), plan(&store, &policy, &at(1 + days))) else { return Ok(()) };
        prop_assert_eq!(now, then);
    }

    #[test]
    fn the_rules_agree_with_a_naive_second_implementation(store in stores(), policy in policies(), source in any::<bool>()) {
        // Everything counts and nothing else keeps: what is left is the rules, bases and the newest.
        let store: Vec<_> = store.into_iter().map(|c| {
            let received_at = c.id.time();
            c.change(|c| {
                (c.checked, c.hold, c.base) = (None, None, None);
                c.receipt = Some(Arrival { received_at, verified_at: Some(received_at) });
            })
        }).collect();
        let policy = Policy { max_age: None, ..policy };
        let side = if source { Side::Source } else { Side::Sink { protect: Span(0), verify_max_age: Span(100_000 * DAY) } };
        let rules = Rules { now: Timestamp::from_second(NOW + 86_400).unwrap(), zone: TimeZone::UTC, side };
        let Ok(plan) = plan(&store, &policy, &rules) else { return Ok(()) };
        let mut expected = naive(&store, &policy, source);
        if !policy.keeps_nothing() {
            let extra = if names_two(&policy) && !source { 2 } else { 1 };
            expected.extend(store.iter().rev().take(extra).map(|c| c.id));
        }
        let kept: BTreeSet<_> = plan.with(Verdict::Keep).map(|d| d.id).collect();
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn a_period_begins_once(second in -2_000_000_000i64..4_000_000_000) {
        let time = Timestamp::from_second(second).unwrap().to_zoned(TimeZone::UTC).datetime();
        for period in [Period::Hour, Period::Day, Period::Week, Period::Month, Period::Year] {
            let start = period.start(time);
            prop_assert!(start <= time);
            prop_assert_eq!(period.start(start), start);
        }
        let (week, iso) = (Period::Week.start(time).date(), time.date().iso_week_date());
        prop_assert_eq!((week.iso_week_date().year(), week.iso_week_date().week()), (iso.year(), iso.week()));
    }
}

fn counted_fulls(store: &[Candidate], side: Side) -> usize {
    store.iter().filter(|c| c.base.is_none() && counts(store, c, side)).count()
}

fn names_two(p: &Policy) -> bool {
    let counts = [p.generations, p.hourly, p.daily, p.weekly, p.monthly, p.yearly];
    counts.iter().flatten().sum::<u32>() >= 2 || p.within.is_some_and(|span| span.0 > 0)
}

/// Restic's algorithm as its documentation tells it: walk from the newest to the oldest, note the last period that each
/// rule saw, keep when it changes and the rule has some left; keep the oldest of all while a rule has some left. Periods are
/// texts, so that nothing is shared with the code under test. `first`: keep the first of a period instead of the last.
fn naive(store: &[Candidate], policy: &Policy, last: bool) -> BTreeSet<GenerationId> {
    let rules = [
        (policy.hourly, "%Y%m%d%H"),
        (policy.daily, "%Y%m%d"),
        (policy.weekly, "%G%V"),
        (policy.monthly, "%Y%m"),
        (policy.yearly, "%Y"),
    ];
    let mut kept: BTreeSet<GenerationId> =
        store.iter().rev().take(policy.generations.unwrap_or(0) as usize).map(|c| c.id).collect();
    for (count, format) in rules {
        let mut left = count.unwrap_or(0);
        let mut seen = String::new();
        for (n, c) in store.iter().enumerate().rev() {
            let name = c.id.time().strftime(format).to_string();
            if left == 0 {
                break;
            }
            if name != seen || (last && n == 0) {
                let of_period = |o: &&Candidate| o.id.time().strftime(format).to_string() == name;
                kept.insert(if last { c.id } else { store.iter().find(of_period).unwrap().id });
                left -= 1;
            }
            seen = name;
        }
    }
    if let (Some(span), Some(newest)) = (policy.within, store.last()) {
        let after = newest.id.time().as_second() - span.0.cast_signed();
        kept.extend(store.iter().filter(|c| c.id.time().as_second() > after).map(|c| c.id));
    }
    kept
}
