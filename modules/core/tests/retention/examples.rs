//! One rule or promise per test.

use crate::make::*;
use backup_core::retention::{Candidate, Reason, RetentionError, Verdict, assume_reread, plan};
use backup_core::{Failure, Kind};

const LATER: &str = "2027-06-01T00:00:00Z";

fn nights(from: u8, to: u8) -> Vec<Candidate> {
    (from..=to).map(|day| full(&format!("2026-11-{day:02}"))).collect()
}

#[test]
fn an_empty_policy_is_refused_and_a_sink_keeps_something() {
    for (text, error) in [
        ("{}", RetentionError::Empty),
        ("max_age: 7d", RetentionError::Empty),
        ("generations: 0", RetentionError::KeepsNothing),
    ] {
        let refused = plan(&nights(1, 3), &policy(text), &sink(LATER)).unwrap_err();
        assert_eq!((refused, refused.kind()), (error, Kind::RetentionRefused));
        assert_eq!(refused.hint().as_deref(), Some("Give at least one rule, such as `generations: 7`."));
    }
}

#[test]
fn ten_garbage_nights_displace_nothing() {
    let good = nights(1, 3);
    let damage = |c: Candidate| checked(c, "2026-11-15T00:00:00Z", false);
    let no_receipt = |c: Candidate| c.change(|c| c.receipt = None);
    for spoil in [&damage as &dyn Fn(Candidate) -> Candidate, &no_receipt, &arrived_only] {
        let mut store = good.clone();
        store.extend(nights(4, 13).into_iter().map(spoil));
        let plan = plan(&store, &policy("generations: 3"), &sink(LATER)).unwrap();
        assert_eq!(ids(&plan, Verdict::Expire), Vec::<String>::new(), "{}", explain(&plan));
    }
}

#[test]
fn what_does_not_count_goes_once_a_newer_copy_counts() {
    let mut store = vec![full("2026-11-01"), checked(full("2026-11-02"), "2026-11-03T00:00:00Z", false)];
    assert_eq!(stay(&store, "generations: 5", &sink(LATER)), ["20261101", "20261102"]);
    store.push(full("2026-11-03"));
    assert_eq!(stay(&store, "generations: 5", &sink(LATER)), ["20261101", "20261103"]);
    assert_eq!(stay(&store, "generations: 5", &source(LATER)), ["20261101", "20261103"]);
    store[1].receipt = None;
    assert_eq!(
        stay(&store, "generations: 5", &sink(LATER)),
        ["20261101", "20261103"],
        "nobody waits for a receipt here"
    );
}

#[test]
fn the_last_verified_copy_stays_with_its_base_however_old() {
    let base = full("2026-01-01");
    let store = [base.clone(), incremental("2026-01-02", &base)];
    let plan = plan(&store, &policy("{generations: 3, max_age: 30d}"), &sink(LATER)).unwrap();
    assert_eq!(ids(&plan, Verdict::Keep), ["20260101", "20260102"]);
    assert_eq!(plan.decisions[1].reasons, [Reason::Last { over_age: true }]);
    assert_eq!(plan.decisions[0].reasons, [Reason::NeededBy { ids: vec![store[1].id] }]);
}

#[test]
fn max_age_ends_what_other_rules_keep_also_the_second_full() {
    let store = nights(1, 20);
    let now = "2026-11-21T00:00:00Z";
    assert_eq!(stay(&store, "{generations: 20, max_age: 48h}", &sink(now)), ["20261119", "20261120"]);
    assert_eq!(stay(&store[..5], "{generations: 20, max_age: 48h}", &sink(now)), ["20261105"]);
}

#[test]
fn a_copy_of_max_age_to_the_second_is_not_over_age() {
    // Received at 23:00.
    let store = nights(1, 3);
    let left = |now| stay(&store, "{generations: 9, max_age: 7d}", &sink(now));
    assert_eq!(left("2026-11-08T23:00:00Z"), ["20261101", "20261102", "20261103"]);
    assert_eq!(left("2026-11-08T23:00:01Z"), ["20261102", "20261103"]);
}

#[test]
fn of_copies_received_in_one_second_the_id_tells_which_came_first() {
    let received = |candidate: Candidate| candidate.change(|c| c.receipt = full("2026-11-05T10:00:00").receipt);
    let store = [
        received(full("2026-11-01T10:00:00")),
        received(full("2026-11-02T10:00:00")),
        received(full("2026-11-03T10:00:00")),
        full("2026-11-06"),
        full("2026-11-07"),
    ];
    for rule in ["daily: 5", "weekly: 5", "daily: 3", "{generations: 1, monthly: 2}"] {
        assert_eq!(stay(&store, rule, &sink(LATER)), ["20261101", "20261106", "20261107"], "{rule}");
    }
    // On a source the last of a day stays, and the oldest of all while the rule is not filled.
    assert_eq!(stay(&store, "monthly: 1", &source(LATER)), ["20261107"]);
    assert_eq!(stay(&store, "monthly: 2", &source(LATER)), ["20261101", "20261107"]);
}

#[test]
fn two_fulls_stay_unless_fewer_are_asked_for() {
    let base = full("2026-11-08");
    let mut store = vec![full("2026-11-01"), base.clone()];
    store.extend((9..=14).map(|day| incremental(&format!("2026-11-{day:02}"), &base)));
    assert_eq!(stay(&store, "generations: 2", &sink(LATER)), ["20261101", "20261108", "20261113", "20261114"]);
    assert_eq!(stay(&store, "generations: 1", &sink(LATER)), ["20261108", "20261114"]);
    assert_eq!(
        stay(&store, "generations: 2", &source(LATER)),
        ["20261108", "20261113", "20261114"],
        "a sink's promise"
    );
    assert_eq!(stay(&store, "{generations: 1, within: 0s}", &sink(LATER)), ["20261108", "20261114"]);
    assert_eq!(stay(&store, "within: 1s", &sink(LATER)), ["20261101", "20261108", "20261114"]);
}

#[test]
fn a_base_goes_only_after_its_last_incremental() {
    let base = full("2026-11-01");
    let store = [base.clone(), incremental("2026-11-02", &base), full("2026-11-08"), full("2026-11-15")];
    let plan = plan(&store, &policy("generations: 2"), &sink(LATER)).unwrap();
    let order: Vec<_> = plan.deletions().iter().map(|d| d.id).collect();
    assert_eq!(order, [store[1].id, store[0].id]);
}

#[test]
fn an_incremental_without_its_base_does_not_count() {
    let (base, other) = (full("2026-11-01"), full("2026-11-01").change(|c| c.digest = full("2026-10-01").digest));
    let orphan = incremental("2026-11-03", &base);
    for store in [vec![full("2026-11-02"), orphan.clone()], vec![other, full("2026-11-02"), orphan]] {
        let plan = plan(&store, &policy("generations: 1"), &sink(LATER)).unwrap();
        let [.., good, orphan] = plan.decisions.as_slice() else { panic!("two at least") };
        assert!(good.reasons.contains(&Reason::Last { over_age: false }), "{}", explain(&plan));
        assert_eq!(orphan.reasons[0].to_string(), "its base is missing or does not count, and no newer copy counts");
    }
}

#[test]
fn an_incremental_of_a_damaged_base_does_not_count() {
    let base = checked(full("2026-11-08"), "2026-11-20T00:00:00Z", false);
    let store = [full("2026-11-01"), base.clone(), incremental("2026-11-09", &base)];
    assert_eq!(stay(&store, "generations: 1", &sink(LATER)), ["20261101", "20261108", "20261109"]);
}

#[test]
fn an_incremental_is_worth_no_more_than_its_base() {
    let base = arrived_only(full("2026-11-08"));
    let another = base.clone().change(|c| c.digest = full("2026-10-01").digest);
    let of = |incremental: Candidate| {
        let told = |base: &Candidate| {
            let store = [full("2026-11-01"), base.clone(), incremental.clone()];
            let plan = plan(&store, &policy("generations: 3"), &careful_sink(LATER, 0, 8 * DAY)).unwrap();
            let asked = plan.needs_reread.contains(&incremental.id);
            (plan.decisions[2].reasons[0].to_string(), asked)
        };
        [told(&base), told(&another)]
    };
    let unread = "its digests were never compared; a rule keeps it if they match";
    let no_base = "its base is missing or does not count, and no newer copy counts";
    let no_receipt = "it has no receipt, and no newer copy counts";
    let incremental = incremental("2026-11-09", &base);
    assert_eq!(of(incremental.clone()), [(unread.into(), false), (no_base.into(), false)]);
    let unknown = incremental.change(|c| c.receipt = None);
    assert_eq!(of(unknown), [(no_receipt.into(), false), (no_receipt.into(), false)]);
}

#[test]
fn nothing_younger_than_protect_goes_by_the_sinks_clock() {
    // The source claims that these are a year old; the sink knows when they came.
    let came = |day: u8, c: Candidate| {
        c.change(|c| {
            let time = at(&format!("2026-11-{day:02}T23:00:00Z"));
            let receipt = c.receipt.as_mut().unwrap();
            (receipt.received_at, receipt.verified_at) = (time, Some(time));
        })
    };
    let store: Vec<_> = (1..=20).map(|day| came(day, full(&format!("2025-11-{day:02}")))).collect();
    let kept = stay(&store, "generations: 2", &careful_sink("2026-11-21T00:00:00Z", 7 * DAY, 30 * DAY));
    assert_eq!(kept.len(), 7);
    assert_eq!(kept[0], "20251114");
    let kept = stay(&store, "generations: 2", &careful_sink("2026-11-21T23:00:00Z", 7 * DAY, 30 * DAY));
    assert_eq!(kept[0], "20251115", "after seven days to the second");
}

#[test]
fn a_copy_from_the_future_neither_counts_nor_goes() {
    let store = [full("2026-11-01"), full("2026-11-02"), full("2043-01-01")];
    let plan = plan(&store, &policy("generations: 1"), &sink("2026-11-03T00:00:00Z")).unwrap();
    assert_eq!(ids(&plan, Verdict::Keep), ["20261102", "20430101"]);
    assert_eq!(plan.decisions[2].reasons[0], Reason::Future);
}

#[test]
fn whatever_clock_is_ahead_by_more_than_clocks_differ_is_the_future() {
    let now = "2026-11-03T00:00:00Z";
    let soon = at(now) + backup_core::GenerationId::CLOCK_TOLERANCE;
    let second = jiff::SignedDuration::from_secs(1);
    let is_future = |of_source, of_sink| {
        let mut copy = full_at(of_source);
        copy.receipt.as_mut().unwrap().received_at = of_sink;
        let plan = plan(&[full("2026-11-01"), copy], &policy("generations: 9"), &sink(now)).unwrap();
        plan.decisions[1].reasons.contains(&Reason::Future)
    };
    assert!(!is_future(soon, soon));
    assert!(is_future(soon + second, at(now)), "the source's");
    assert!(is_future(at(now), soon + second), "the sink's");
}

#[test]
fn a_hold_keeps_and_tells_why() {
    let store = [full("2026-11-01").change(|c| c.hold = Some("audit".into())), full("2026-11-02"), full("2026-11-03")];
    let plan = plan(&store, &policy("generations: 1"), &sink(LATER)).unwrap();
    assert_eq!(plan.decisions[0].reasons[0].to_string(), "hold: audit");
    assert_eq!(Reason::Held { why: String::new() }.to_string(), "hold");
    assert_eq!(ids(&plan, Verdict::Expire), ["20261102"]);
}

#[test]
fn a_sink_keeps_the_first_copy_of_a_day_and_a_source_the_last() {
    let store = [
        full("2026-11-01T02:00:00"),
        full("2026-11-01T20:00:00"),
        full("2026-11-02T02:00:00"),
        full("2026-11-02T20:00:00"),
    ];
    let hours = |rules| {
        let plan = plan(&store, &policy("daily: 2"), &rules).unwrap();
        let chosen =
            |d: &&backup_core::retention::Decision| d.reasons.iter().any(|r| matches!(r, Reason::OneOf { .. }));
        plan.decisions.iter().filter(chosen).map(|d| d.id.to_string()[6..11].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(hours(sink(LATER)), ["01T02", "02T02"]);
    assert_eq!(hours(source(LATER)), ["01T20", "02T20"]);
    let base = full("2026-10-01");
    let day = [base.clone(), incremental("2026-11-01T02:00:00", &base), full("2026-11-01T20:00:00")];
    let plan = plan(&day, &policy("daily: 1"), &sink(LATER)).unwrap();
    assert!(matches!(plan.decisions[1].reasons[0], Reason::OneOf { .. }), "also before a full: {}", explain(&plan));
}

#[test]
fn long_periods_prefer_a_full() {
    // Weeks begin on Monday: 2026-11-02, 2026-11-09, 2026-11-16. Fulls come on Wednesdays.
    let wednesday = full("2026-10-28");
    let mut store = vec![wednesday.clone()];
    let mut base = wednesday;
    for day in 1..=20 {
        let date = format!("2026-11-{day:02}");
        if [4, 11, 18].contains(&day) {
            base = full(&date);
            store.push(base.clone());
        } else {
            store.push(incremental(&date, &base));
        }
    }
    assert_eq!(stay(&store, "weekly: 3", &sink(LATER)), ["20261104", "20261111", "20261118", "20261120"]);
    let daily = stay(&store, "daily: 2", &sink(LATER));
    assert_eq!(daily, ["20261111", "20261118", "20261119", "20261120"], "two fulls, and two days");
}

#[test]
fn weeks_do_not_split_at_new_year() {
    // 2026-12-28 is the Monday of a week that ends on 2027-01-03.
    let store: Vec<_> =
        ["2026-12-27", "2026-12-28", "2026-12-31", "2027-01-01", "2027-01-03", "2027-01-04"].map(full).to_vec();
    assert_eq!(stay(&store, "weekly: 3", &sink(LATER)), ["20261227", "20261228", "20270103", "20270104"]);
}

#[test]
fn within_counts_from_the_newest_not_from_now() {
    let store = nights(1, 20);
    assert_eq!(stay(&store, "within: 3d", &sink(LATER)), ["20261118", "20261119", "20261120"]);
}

#[test]
fn a_stale_justification_postpones_and_says_what_to_read() {
    let store = nights(1, 10);
    let rules = careful_sink("2026-11-21T00:00:00Z", 0, 8 * DAY);
    let first = plan(&store, &policy("generations: 3"), &rules).unwrap();
    assert_eq!(ids(&first, Verdict::Expire), Vec::<String>::new());
    assert_eq!(ids(&first, Verdict::Postpone).len(), 7);
    let reread: Vec<_> = first.needs_reread.iter().map(|id| id.to_string()[..8].to_owned()).collect();
    assert_eq!(reread, ["20261108", "20261109", "20261110"]);

    let mut read = store.clone();
    assume_reread(&mut read, &first.needs_reread, rules.now);
    let second = plan(&read, &policy("generations: 3"), &rules).unwrap();
    assert_eq!(ids(&second, Verdict::Expire).len(), 7);
    assert!(second.needs_reread.is_empty());

    // One of them is found damaged: it no longer counts, the next older one takes its place and has to be read.
    read[7] = checked(read[7].clone(), "2026-11-21T00:00:00Z", false);
    let third = plan(&read, &policy("generations: 3"), &rules).unwrap();
    assert_eq!(third.needs_reread, [store[6].id]);
    // The damaged one is superseded by what was read; the verified ones wait.
    assert_eq!(ids(&third, Verdict::Expire), ["20261108"], "{}", explain(&third));
    assert_eq!(ids(&third, Verdict::Postpone).len(), 6);
    assert_eq!(third.decisions[6].verdict, Verdict::Keep);
}

#[test]
fn with_arrival_receipts_alone_nothing_goes_before_it_is_read() {
    let store: Vec<_> = nights(1, 5).into_iter().map(arrived_only).collect();
    let rules = careful_sink("2026-11-06T00:00:00Z", 0, 8 * DAY);
    let first = plan(&store, &policy("generations: 3"), &rules).unwrap();
    assert_eq!(ids(&first, Verdict::Keep).len(), 5);
    assert_eq!(first.needs_reread, [store[4].id, store[3].id, store[2].id]);
    let mut read = store.clone();
    assume_reread(&mut read, &first.needs_reread, rules.now);
    assert_eq!(stay(&read, "generations: 3", &rules), ["20261103", "20261104", "20261105"]);

    let enough = plan(&store, &policy("generations: 5"), &rules).unwrap();
    assert_eq!(enough.needs_reread, [], "nothing is to be deleted, so nothing has to be read");
}

#[test]
fn a_source_deletes_only_what_the_sink_acknowledged() {
    let waiting = full("2026-11-03").change(|c| c.receipt = None);
    let store = [full("2026-11-01"), full("2026-11-02"), waiting];
    assert_eq!(stay(&store, "generations: 1", &source(LATER)), ["20261102", "20261103"]);
    assert_eq!(stay(&store, "generations: 0", &source(LATER)), ["20261103"]);
}

#[test]
fn a_source_keeps_the_newest_with_its_base_unless_none_is_declared() {
    let base = full("2026-11-01");
    let store = [base.clone(), incremental("2026-11-02", &base), incremental("2026-11-03", &base)];
    assert_eq!(stay(&store, "generations: 1", &source(LATER)), ["20261101", "20261103"]);
    assert_eq!(stay(&store, "{generations: 1, max_age: 1d}", &source(LATER)), ["20261101", "20261103"]);
    assert!(stay(&store, "generations: 0", &source(LATER)).is_empty());
}

#[test]
fn on_a_source_an_arrival_receipt_does_not_displace_the_last_compared_copy() {
    let store = [full("2026-11-01"), full("2026-11-02"), arrived_only(full("2026-11-03"))];
    assert_eq!(stay(&store, "generations: 1", &source(LATER)), ["20261102", "20261103"]);
}

#[test]
fn on_a_source_the_newest_acknowledged_copy_stays_however_old() {
    let store = [full("2026-11-01"), arrived_only(full("2026-11-02"))];
    assert_eq!(stay(&store, "{generations: 1, max_age: 1d}", &source(LATER)), ["20261101", "20261102"]);
}

#[test]
fn a_deletion_relies_on_bases_too() {
    let base = full("2026-11-01");
    let store = [base.clone(), incremental("2026-11-10", &base), incremental("2026-11-11", &base)];
    let plan = plan(&store, &policy("generations: 1"), &careful_sink("2026-11-12T00:00:00Z", 0, 8 * DAY)).unwrap();
    assert_eq!(plan.decisions[1].justified_by, [base.id, store[2].id]);
    assert_eq!(plan.needs_reread, [base.id]);
}

#[test]
fn another_generation_of_the_same_id_is_nobodys_base() {
    let other = full("2026-11-01").change(|c| c.digest = full("2026-10-01").digest);
    let store = [other, full("2026-11-02"), incremental("2026-11-03", &full("2026-11-01"))];
    assert_eq!(stay(&store, "generations: 1", &sink(LATER)), ["20261102", "20261103"]);
}

#[test]
fn what_is_over_age_is_not_worth_reading() {
    let store = [arrived_only(full("2026-10-01")), full("2026-11-19")];
    assert_eq!(stay(&store, "{generations: 5, max_age: 7d}", &sink("2026-11-20T00:00:00Z")), ["20261119"]);
}

#[test]
fn at_a_sink_age_begins_with_the_arrival() {
    let late = full("2026-01-01").change(|c| c.receipt = full("2026-11-19").receipt);
    let store = [late, full("2026-11-20")];
    assert_eq!(stay(&store, "{generations: 5, max_age: 7d}", &sink("2026-11-21T00:00:00Z")), ["20260101", "20261120"]);
}

#[test]
fn the_newest_proof_counts_up_to_its_last_second_and_not_from_the_future() {
    let rules = careful_sink("2026-11-20T23:00:00Z", 0, 8 * DAY);
    let old = full("2026-11-01");
    let verdict = |newest: Candidate| {
        plan(&[old.clone(), newest], &policy("generations: 1"), &rules).unwrap().decisions[0].verdict
    };
    // Verified on arrival, at 23:00 of its day: eight days ago to the second.
    assert_eq!(verdict(full("2026-11-12")), Verdict::Expire);
    assert_eq!(verdict(full("2026-11-12T21:59:59")), Verdict::Postpone);
    assert_eq!(verdict(checked(full("2026-11-12"), "2026-11-10T00:00:00Z", true)), Verdict::Expire);
    assert_eq!(verdict(checked(full("2026-11-02"), "2026-11-19T00:00:00Z", true)), Verdict::Expire);
    assert_eq!(verdict(checked(full("2026-11-02"), "2030-01-01T00:00:00Z", true)), Verdict::Postpone);
}

#[test]
fn what_goes_relies_on_what_stands_for_its_own_period() {
    let mut store = Vec::new();
    for day in 1..=3 {
        store.extend([full(&format!("2026-11-0{day}T02:00:00")), full(&format!("2026-11-0{day}T20:00:00"))]);
    }
    let plan = plan(&store, &policy("daily: 3"), &sink(LATER)).unwrap();
    let evening = &plan.decisions[3];
    assert_eq!(evening.verdict, Verdict::Expire);
    assert_eq!(evening.justified_by, [store[2].id, store[4].id, store[5].id], "its morning, and the two newest fulls");
}
