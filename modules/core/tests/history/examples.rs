//! One promise per test.

use crate::make::*;
use backup_core::{
    GenerationKind,
    job::objectives::{Provider, Sizes},
    retention::{RetentionError, Side},
    schedule::history::{
        Extreme, FOREVER, Keeping, Loss, Spell, ages, derive_policy, first_lost, kept_by_provider, replay, window,
    },
    units::{Bytes, Span},
};

const SIZES: Sizes = Sizes { full: Bytes(1000), incremental: Some(Bytes(10)) };

#[test]
fn a_store_of_three_generations_with_weekly_fulls() {
    let all = nights(3653, 22);
    let kept = policy("generations: 3");
    let course = replay(&all, &keeping(sink(0), &kept), Some(SIZES)).unwrap();
    // Fullest on Saturdays: four incrementals of the week with the new one, their full, and the second full.
    assert_eq!((course.most.generations(), course.most.fulls), (6, 2));
    assert_eq!(told(course.most.at), "2026-11-12 22:00");
    // Most bytes on Sundays: three fulls until the rotation.
    assert_eq!((course.largest.fulls, course.largest.bytes(SIZES)), (3, 3030));
    assert_eq!(told(course.largest.at), "2026-11-15 22:00");
    assert_eq!(course.orphan, None);
    let shortest = window(&all, &[&course.until]).unwrap();
    // The three newest, on the day of 23 hours.
    assert_eq!((shortest.age(), told(shortest.data)), (3 * DAY, "2027-03-25 21:00".to_owned()));
    assert_eq!(course.until.iter().filter(|until| **until == FOREVER).count(), 5);
}

#[test]
fn a_promised_history_needs_the_day_of_23_hours() {
    let all = nights(3653, 22);
    let none = policy("generations: 1");
    let derived = derive_policy(&all, &keeping(sink(30), &none), days(21), None).unwrap();
    assert_eq!((derived.policy, derived.lost), (policy("{generations: 22, within: 21d}"), None));
    // The spring day makes the 21 nights before it as old as 21 days less the hour that a copy travels.
    let fewer = policy("generations: 21");
    let course = replay(&all, &keeping(sink(0), &fewer), None).unwrap();
    let lost = first_lost(&all, &[&course.until], days(21)).unwrap();
    assert_eq!(
        (told(lost.data), told(lost.gone), lost.age()),
        ("2027-03-08 21:00".into(), "2027-03-29 21:00".into(), 21 * DAY)
    );
}

#[test]
fn a_history_longer_than_max_age_is_lost() {
    let all = nights(400, 22);
    let kept = policy("{generations: 1, max_age: 20d}");
    let lost = |history| derive_policy(&all, &keeping(sink(0), &kept), days(history), None).unwrap().lost;
    assert_eq!(derive_policy(&all, &keeping(sink(0), &kept), days(22), None).unwrap().policy.max_age, Some(days(20)));
    // When 20 days have passed to the second since its receipt, the second copy is not over age; at the next arrival it is.
    let second = lost(22).unwrap();
    assert_eq!((told(second.data), second.age()), ("2026-11-02 21:00".into(), 21 * DAY + HOUR));
    let spring = lost(21).unwrap();
    assert_eq!((told(spring.gone), spring.age()), ("2027-03-29 21:00".into(), 21 * DAY));
    assert_eq!(lost(20), None);
}

#[test]
fn what_protect_keeps_is_not_relied_on_but_proven() {
    let all = nights(400, 22);
    let kept = policy("generations: 1");
    let short = replay(&all, &keeping(sink(30), &kept), None).unwrap();
    assert_eq!(first_lost(&all, &[&short.until], days(21)), None);
    assert_eq!(derive_policy(&all, &keeping(sink(30), &kept), days(21), None).unwrap().policy.within, Some(days(21)));
}

#[test]
fn every_quarter_of_an_hour_is_kept() {
    let quarters: Vec<_> = (0..20_000)
        .map(|n| {
            delivery(
                at("2026-11-01T00:00:00") + n * 900,
                60,
                if n % 672 == 0 { GenerationKind::Full } else { GenerationKind::Incremental },
            )
        })
        .collect();
    let none = policy("generations: 1");
    let derived = derive_policy(&quarters, &keeping(sink(0), &none), days(14), None).unwrap();
    assert_eq!((derived.policy, derived.lost), (policy("{generations: 1344, within: 14d}"), None));
    assert!(derived.replay.most.generations() > 14 * 96);
    assert!(derived.replay.most.generations() < 21 * 96 + 10, "and the bases of a week");
}

#[test]
fn copies_besides_the_schedule_push_out_none_that_the_history_needs() {
    let all = nights(100, 22);
    let none = policy("generations: 1");
    let derived = derive_policy(&all, &keeping(sink(0), &none), days(21), None).unwrap().policy;
    // Before an upgrade somebody makes three.
    let mut more = all.clone();
    more.extend([1, 2, 3].map(|hour| delivery(all[50].data + hour * HOUR, 60, GenerationKind::Full)));
    more.sort_by_key(|delivery| delivery.data);
    let lost = |policy| {
        let course = replay(&more, &keeping(sink(0), &policy), None).unwrap();
        first_lost(&more, &[&course.until], days(21))
    };
    assert_eq!(lost(derived), None);
    assert!(lost(policy("generations: 22")).is_some(), "enough on schedule");
}

#[test]
fn a_provider_turns_one_copy_into_days() {
    let all = nights(3653, 22);
    let one = policy("generations: 1");
    let source = replay(&all, &keeping(Side::Source, &one), None).unwrap();
    let alone = window(&all, &[&source.until]).unwrap();
    assert_eq!(alone.age(), DAY);
    let provided = kept_by_provider(&all, &source, Provider { days: 14, every: days(1) });
    assert_eq!(window(&all, &[&provided]).unwrap().age(), 14 * DAY + HOUR);
    assert_eq!(first_lost(&all, &[&provided], days(14)), None);
    // The better place counts.
    let far = replay(&all, &keeping(sink(0), &policy("generations: 40")), None).unwrap();
    assert_eq!(window(&all, &[&provided, &far.until]), window(&all, &[&far.until]));
    assert_eq!(source.most.generations(), 3, "the full, yesterday's and today's until the rotation");
    // What never goes needs no provider, whatever that one does.
    let all = &all[..10];
    let source = replay(all, &keeping(Side::Source, &policy("generations: 40")), None).unwrap();
    let provided = kept_by_provider(all, &source, Provider { days: 1, every: days(2) });
    assert_eq!(window(all, &[&provided]), None, "{provided:?}");
}

#[test]
fn what_a_provider_may_never_have_seen_does_not_count() {
    let hours: Vec<_> =
        (0..2000).map(|n| delivery(at("2026-11-01T00:00:00") + n * HOUR, 60, GenerationKind::Full)).collect();
    let one = policy("generations: 1");
    let source = replay(&hours, &keeping(Side::Source, &one), None).unwrap();
    let provided = |every| kept_by_provider(&hours, &source, Provider { days: 14, every: Span(every) });
    // Once a day it sees one copy of 24, and nobody knows which.
    assert_eq!(window(&hours, &[&provided(86_400)]).unwrap().age(), 60);
    assert_eq!(window(&hours, &[&provided(3600)]).unwrap().age(), 14 * DAY + 60);
    // Copies of the last three days are there long enough to be seen by who looks every other day.
    let three = policy("within: 3d");
    let source = replay(&hours, &keeping(Side::Source, &three), None).unwrap();
    let provided = kept_by_provider(&hours, &source, Provider { days: 14, every: days(2) });
    assert_eq!(window(&hours, &[&provided]).unwrap().age(), 15 * DAY + 60);
}

#[test]
fn a_monthly_copy_and_nothing_older_than_a_month() {
    let copies = months(120);
    let kept = policy("{within: 3w, max_age: 31d}");
    let store = keeping(sink(0), &kept);
    let course = replay(&copies, &store, None).unwrap();
    let found = ages(&copies, &store, &course, days(31), 0).unwrap();
    // From 28 to 28 are 31 days at most, but the next copy travels 22 hours.
    let stale =
        Spell { data: at("2026-12-28T02:00:00"), from: at("2027-01-28T02:00:01"), until: at("2027-01-29T00:00:00") };
    assert_eq!((found.stale, found.stalest), (Some(stale), Some(stale)));
    assert_eq!(found.fewest, Some(Extreme { count: 0, at: at("2027-01-28T02:00:01") }));
    assert_eq!(found.most.count, 2);
    // By its receipt, which the sink goes by, it is not over age when the next one comes, and no rotation runs before March.
    assert_eq!((found.overstays, found.oldest.map(|spell| told(spell.until))), (None, Some("2027-03-01 00:00".into())));

    // One missed 28th leaves none for a month.
    let found = ages(&copies, &store, &course, days(31), 1).unwrap();
    let stale = found.stale.unwrap();
    assert_eq!((told(stale.from), told(stale.until)), ("2026-12-29 02:00".into(), "2027-01-29 00:00".into()));
    assert_eq!(found.stalest.map(|s| s.until - s.from), Some(31 * DAY + 22 * HOUR - 1));
}

#[test]
fn what_protect_holds_beyond_max_age_is_told() {
    let all = nights(100, 22);
    let kept = policy("{generations: 5, max_age: 7d}");
    let overstays = |protect| {
        let store = keeping(sink(protect), &kept);
        let course = replay(&all, &store, None).unwrap();
        ages(&all, &store, &course, days(7), 0).unwrap().overstays
    };
    assert_eq!(overstays(7), None);
    // Received on the 1st at 22:00, found over age on the 9th at 22:00, gone on the 11th.
    let spell = overstays(10).unwrap();
    assert_eq!(
        (told(spell.data), told(spell.from), told(spell.until)),
        ("2026-11-02 21:00".into(), "2026-11-10 22:00".into(), "2026-11-12 22:00".into())
    );
    // Of age for three days, the last good one until the next has come after a week, and protected for ten days.
    let weeks: Vec<_> = (0..6).map(|n| delivery(n * 7 * DAY, HOUR, GenerationKind::Full)).collect();
    let kept = policy("{generations: 5, max_age: 3d}");
    let store = keeping(sink(10), &kept);
    let course = replay(&weeks, &store, None).unwrap();
    let spell = Spell { data: 0, from: weeks[1].arrives, until: weeks[2].arrives };
    assert_eq!(ages(&weeks, &store, &course, days(3), 0).unwrap().overstays, Some(spell));
}

#[test]
fn ages_are_counted_to_the_second() {
    let one = policy("generations: 1");
    let store = keeping(sink(0), &one);
    let of = |lag: i64, max_age: u64| {
        let daily: Vec<_> = (0..10).map(|n| delivery(n * DAY, lag, GenerationKind::Full)).collect();
        let five = policy("generations: 5");
        let kept = if lag == 1 { store } else { Keeping { policy: &five, ..store } };
        ages(&daily, &kept, &replay(&daily, &kept, None).unwrap(), days(max_age), 0).unwrap()
    };
    // The next copy comes in the very second in which the last one is a day and a second old, and that goes at once.
    let found = of(1, 1);
    assert_eq!((found.stale, found.stalest, found.oldest), (None, None, None));
    // Of age are two, and one from the second after a copy's two days until the next one has come an hour later. When the
    // first two days have passed since the first arrival, one has just come.
    let found = of(HOUR, 2);
    assert_eq!(found.most, Extreme { count: 2, at: DAY + HOUR });
    assert_eq!(found.fewest, Some(Extreme { count: 1, at: 3 * DAY + 1 }));
}

#[test]
fn a_rotation_in_the_second_of_an_arrival_finds_what_has_arrived() {
    let all = nights(100, 22);
    let kept = policy("{generations: 5, max_age: 36h}");
    let usual = keeping(sink(0), &kept);
    let at_once: Vec<i64> = all.iter().map(|night| night.arrives).collect();
    let course = |keeping: &Keeping<'_>| replay(&all, keeping, None).unwrap();
    assert_eq!(course(&Keeping { rotations: &at_once, ..usual }), course(&usual));
}

#[test]
fn between_rotations_over_age_waits() {
    let copies = months(3);
    let kept = policy("{generations: 5, max_age: 14d}");
    let daily: Vec<i64> = (0..90).map(|day| at("2026-11-29T06:00:00") + day * DAY).collect();
    let store = Keeping { rotations: &daily, ..keeping(sink(0), &kept) };
    let course = replay(&copies, &store, None).unwrap();
    // The last good copy goes when the next has come, not by the daily rotation.
    assert_eq!(course.until, [copies[1].arrives, copies[2].arrives, FOREVER]);
    let two = policy("{generations: 5, max_age: 40d}");
    let store = Keeping { policy: &two, ..store };
    let course = replay(&copies, &store, None).unwrap();
    assert_eq!(told(course.until[0]), "2027-01-08 06:00", "41 days after it was received, at the daily rotation");
}

#[test]
fn an_incremental_that_comes_after_its_base_went_is_an_orphan() {
    // Wednesday's incremental is collected before the full of Tuesday has arrived, and comes after it.
    let start = at("2026-11-02T00:00:00");
    let all = [
        delivery(start, HOUR, GenerationKind::Full),
        delivery(start + DAY, 26 * HOUR, GenerationKind::Full),
        delivery(start + 2 * DAY, 3 * HOUR, GenerationKind::Incremental),
        delivery(start + 3 * DAY, HOUR, GenerationKind::Incremental),
    ];
    let one = policy("generations: 1");
    let course = replay(&all, &keeping(sink(0), &one), None).unwrap();
    assert_eq!((course.orphan, course.until[2]), (Some(2), all[2].arrives));
    assert_eq!(course.bases, [None, None, Some(0), Some(1)]);
    let lost = Loss { data: all[2].data, gone: all[2].arrives };
    assert_eq!(first_lost(&all, &[&course.until], days(1)), Some(lost));
    let two = policy("generations: 2");
    assert_eq!(replay(&all, &keeping(sink(0), &two), None).unwrap().orphan, None);
}

#[test]
fn a_policy_that_keeps_nothing_is_for_sources() {
    let all = nights(10, 22);
    let zero = policy("generations: 0");
    assert_eq!(replay(&all, &keeping(sink(0), &zero), None), Err(RetentionError::KeepsNothing));
    let course = replay(&all, &keeping(Side::Source, &zero), None).unwrap();
    assert!(course.until.iter().zip(&all).all(|(until, night)| *until == night.arrives));
    assert_eq!(ages(&all, &keeping(Side::Source, &zero), &course, days(1), 0), None);
    assert_eq!(course.most.generations(), 1);
    assert_eq!(window(&all, &[&course.until]), first_lost(&all, &[&course.until], Span(u64::MAX)));
}

#[test]
fn after_a_long_absence_no_store_is_emptied_at_once() {
    let none = policy("generations: 1");
    let all = nights(100, 22);
    let derived = derive_policy(&all, &keeping(sink(0), &none), days(21), None).unwrap().policy;
    // Half a year later nights go on.
    let absent = |n: usize| if n < 50 { 0 } else { 180 * DAY };
    let late = all.iter().enumerate().map(|(n, night)| delivery(night.data + absent(n), HOUR, night.kind));
    let late: Vec<_> = late.collect();
    let left = |policy| {
        let course = replay(&late, &keeping(sink(0), &policy), None).unwrap();
        course.until[..50].iter().filter(|until| **until > late[50].arrives).count()
    };
    assert_eq!(left(derived), 21, "the newest 22 with the new one");
    assert_eq!(left(policy("within: 21d")), 2, "no more than two fulls");
}
