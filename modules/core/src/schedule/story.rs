//! Times and spans as people say them.

use super::Clock;
use jiff::{Timestamp, civil::DateTime, tz::Offset};

/// Local time to the minute: `2026-11-22 23:59`. Where clocks went back: which of the two it is.
pub(super) fn when(clock: &Clock, at: i64) -> String {
    let local = clock.local(at);
    let text = written(local);
    let twice = clock.changes().any(|change| !change.is_gap() && change.local().contains(&local));
    if twice { format!("{text} (UTC{})", offset(local - at)) } else { text }
}

/// A local second as text, to the minute.
pub(super) fn written(local: i64) -> String {
    let time = civil(local);
    format!("{:04}-{:02}-{:02} {:02}:{:02}", time.year(), time.month(), time.day(), time.hour(), time.minute())
}

/// A local second as date and time.
pub(super) fn civil(local: i64) -> DateTime {
    Offset::UTC.to_datetime(Timestamp::from_second(local).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn offset(seconds: i64) -> String {
    let minutes = seconds.abs() / 60;
    let sign = if seconds < 0 { '-' } else { '+' };
    if minutes % 60 == 0 {
        format!("{sign}{}", minutes / 60)
    } else {
        format!("{sign}{}:{:02}", minutes / 60, minutes % 60)
    }
}

/// A number of things: `1 generation`, `2 generations`.
pub(super) fn several(count: impl TryInto<u64>, what: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// What is added where runs in a row are missed: `, 2 runs missed`.
pub(super) fn missed_runs(missed: u32) -> String {
    if missed == 0 { String::new() } else { format!(", {} missed", several(missed, "run")) }
}

/// The condition under which something is told: `if 2 runs in a row are missed,`.
pub(super) fn if_missed(missed: u32) -> String {
    match missed {
        0 => "even if no run is missed,".into(),
        1 => "if one run is missed,".into(),
        runs => format!("if {runs} runs in a row are missed,"),
    }
}

/// A span: `25 h 59 min`, `30 min`, `20 s`; days from three days on. Nothing is rounded: who declares what is told declares enough.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let days = if seconds >= 3 * 86_400 { seconds / 86_400 } else { 0 };
    let rest = seconds - days * 86_400;
    let parts = [(days, "d"), (rest / 3600, "h"), (rest % 3600 / 60, "min"), (rest % 60, "s")];
    let mut said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if said.is_empty() {
        said.push("0 min".into());
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let cases = [
            (0, "0 min"),
            (20, "20 s"),
            (1800, "30 min"),
            (86_400, "24 h"),
            (93_540, "25 h 59 min"),
            (259_200, "3 d"),
            (2_685_660, "31 d 2 h 1 min"),
        ];
        for (seconds, text) in cases {
            assert_eq!(span(seconds), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn who_declares_a_span_that_is_told_declares_no_less(seconds in 0..4_000_000_000i64) {
            let declared: crate::units::Span = span(seconds).parse().unwrap();
            proptest::prop_assert_eq!(i64::try_from(declared.0), Ok(seconds));
        }
    }

    #[test]
    fn times_that_occur_twice_say_which() {
        let when = |zone: &str, at: &str| {
            let zone = super::super::zone(zone, "web1").unwrap();
            let ends = ["2026-04-01T00:00:00Z", "2026-12-01T00:00:00Z"].map(|end| end.parse().unwrap());
            super::when(&Clock::new(&zone, ends[0], ends[1]), at.parse::<Timestamp>().unwrap().as_second())
        };
        assert_eq!(when("Europe/Berlin", "2026-10-25T00:30:00Z"), "2026-10-25 02:30 (UTC+2)");
        assert_eq!(when("Europe/Berlin", "2026-10-25T01:30:00Z"), "2026-10-25 02:30 (UTC+1)");
        assert_eq!(when("Europe/Berlin", "2026-10-25T02:30:00Z"), "2026-10-25 03:30");
        assert_eq!(when("Europe/London", "2026-10-25T01:30:00Z"), "2026-10-25 01:30 (UTC+0)");
        assert_eq!(when("America/New_York", "2026-11-01T05:30:00Z"), "2026-11-01 01:30 (UTC-4)");
        assert_eq!(when("Australia/Lord_Howe", "2026-04-04T14:45:00Z"), "2026-04-05 01:45 (UTC+11)");
        assert_eq!(when("Australia/Lord_Howe", "2026-04-04T15:15:00Z"), "2026-04-05 01:45 (UTC+10:30)");
    }
}
