//! A year of nightly copies with weekly fulls, and what documented policies leave of it.

use crate::make::*;
use backup_core::retention::{Candidate, plan};
use jiff::{SignedDuration, Timestamp};

/// Every night at 22:00 from 2026-01-01; a full each Sunday and on the first night.
fn year() -> Vec<Candidate> {
    let mut store: Vec<Candidate> = Vec::new();
    let mut base = full("2026-01-01");
    let mut time: Timestamp = base.id.time();
    for day in 0..365 {
        let here = full_at(time);
        let sunday = time.to_zoned(jiff::tz::TimeZone::UTC).weekday() == jiff::civil::Weekday::Sunday;
        if day == 0 || sunday {
            base = here.clone();
            store.push(here);
        } else {
            store.push(Candidate { base: Some(reference(&base)), ..here });
        }
        time = time.saturating_add(SignedDuration::from_hours(24)).unwrap();
    }
    store
}

#[test]
fn a_year_of_nights() {
    // The table of docs/retention.md. A copy of 22:00 arrives at 23:00 of the same day.
    let table: [(&str, &[&str]); 5] = [
        ("generations: 3", &["20261220", "20261227", "20261229", "20261230", "20261231"]),
        ("daily: 3", &["20261220", "20261227", "20261229", "20261230", "20261231"]),
        // The last week has no full yet: its first copy stands for it, over the base of Sunday.
        ("weekly: 4", &["20261213", "20261220", "20261227", "20261228", "20261231"]),
        ("monthly: 4", &["20260906", "20261004", "20261101", "20261206", "20261220", "20261227", "20261231"]),
        ("{generations: 2, yearly: 1}", &["20260101", "20261220", "20261227", "20261230", "20261231"]),
    ];
    let store = year();
    for (rules, expected) in table {
        assert_eq!(stay(&store, rules, &sink("2027-01-01T06:00:00Z")), expected, "{rules}");
    }
}

#[test]
fn every_reason_is_told() {
    let (first, base) = (full("2026-11-01"), full("2026-11-15"));
    let store = [
        full("2026-10-01"),
        first.clone().change(|c| c.hold = Some("for the audit".into())),
        incremental("2026-11-02", &first),
        checked(full("2026-11-08"), "2026-11-10T00:00:00Z", false),
        base.clone(),
        incremental("2026-11-16", &base),
        incremental("2026-11-17", &base),
        arrived_only(incremental("2026-11-18", &base)),
        full("2026-12-24"),
    ];
    let rules = careful_sink("2026-11-20T00:00:00Z", 3 * DAY, 8 * DAY);
    let told =
        explain(&plan(&store, &policy("{generations: 2, monthly: 1, within: 12h, max_age: 45d}"), &rules).unwrap());
    let expected = "\
expire   20261001T220000Z max_age: older than 45d
keep     20261101T220000Z monthly: the first of the month 2026-11; one of the two newest fulls that count; hold: for the audit
postpone 20261102T220000Z no rule keeps it; superfluous, but 20261101T220000Z must be re-read first
expire   20261108T220000Z it is damaged, and 20261117T220000Z counts
keep     20261115T220000Z one of the two newest fulls that count; base of 20261116T220000Z, 20261117T220000Z, 20261118T220000Z
keep     20261116T220000Z generations: number 2 of the newest 2
keep     20261117T220000Z generations: number 1 of the newest 2; within: less than 12h older than the newest; the newest copy that counts; protected until 2026-11-20T23:00:00Z
keep     20261118T220000Z its digests were never compared; a rule keeps it if they match; protected until 2026-11-21T23:00:00Z
keep     20261224T220000Z from the future: it neither counts nor goes; protected until 2026-12-27T23:00:00Z
";
    assert_eq!(told, expected);
}
