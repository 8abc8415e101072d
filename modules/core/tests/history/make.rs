//! Short ways to say what is delivered, and how it is kept.

use backup_core::{
    GenerationKind,
    retention::{Policy, Side},
    schedule::{Delivery, history::Keeping},
    units::Span,
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 86_400;

pub(crate) fn at(text: &str) -> i64 {
    format!("{text}Z").parse::<Timestamp>().unwrap().as_second()
}

pub(crate) fn told(second: i64) -> String {
    Timestamp::from_second(second).unwrap().strftime("%Y-%m-%d %H:%M").to_string()
}

pub(crate) fn days(days: u64) -> Span {
    Span(days * 86_400)
}

pub(crate) fn policy(yaml: &str) -> Policy {
    serde_saphyr::from_str(yaml).unwrap()
}

pub(crate) fn sink(protect: u64) -> Side {
    Side::Sink { protect: days(protect), verify_max_age: days(8) }
}

pub(crate) fn keeping(side: Side, policy: &Policy) -> Keeping<'_> {
    Keeping { side, policy, rotations: &[] }
}

/// Collected then, sealed ten minutes later, on the sink after `lag` seconds.
pub(crate) fn delivery(data: i64, lag: i64, kind: GenerationKind) -> Delivery {
    Delivery { data, sealed: data + 600, arrives: data + lag, kind }
}

/// Every day from 2026-11-01 at this hour in Berlin, a full on Sundays; an hour to the sink.
pub(crate) fn nights(count: i64, hour: i8) -> Vec<Delivery> {
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let first: DateTime = "2026-11-01T00:00:00".parse().unwrap();
    let one = |day: i64| {
        let local = first.checked_add(jiff::Span::new().days(day).hours(hour)).unwrap();
        let data = berlin.to_timestamp(local).unwrap().as_second();
        let sunday = day % 7 == 0;
        delivery(data, HOUR, if sunday { GenerationKind::Full } else { GenerationKind::Incremental })
    };
    (0..count).map(one).collect()
}

/// On the 28th of every month at 02:00 UTC from November 2026, carried to the sink 22 hours later.
pub(crate) fn months(count: i16) -> Vec<Delivery> {
    let one = |n: i16| {
        let (year, month) = (2026 + (10 + n) / 12, (10 + n) % 12 + 1);
        delivery(at(&format!("{year}-{month:02}-28T02:00:00")), 22 * HOUR, GenerationKind::Full)
    };
    (0..count).map(one).collect()
}
