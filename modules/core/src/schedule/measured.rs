//! What past runs tell of the next ones: from what the copies of a stream took, figures so steady that a plan moves only
//! where it was outgrown.
//!
//! Nothing is remembered between two plans. A sink's journal has everything since the first copy, and is played from there
//! on: who reads it twice finds the same.

use super::Measured;
use crate::{
    GenerationKind,
    accepted::Took,
    units::{Bytes, Span},
};

/// So many of the newest copies of a kind count: what was long ago says little. By kind, because many incrementals would
/// hide a rare full.
const RECENT: usize = 50;

/// From so many runs on a measurement says what is usual. Fewer tell only what took longer than anybody expected.
pub(super) const ENOUGH: u32 = 10;

/// What plans are told are these spans, in seconds, and whole days from there on: nobody moves for a second more or less.
const RUNGS: [u64; 27] = [
    0, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10_800, 14_400,
    21_600, 28_800, 43_200, 64_800,
];

const DAY: u64 = 86_400;

impl Measured {
    /// What the copies of one stream took, oldest first: of each step the kind that takes longer at p95, of each kind the
    /// largest. `None`: there are none.
    pub fn of(took: &[Took]) -> Option<Self> {
        if took.is_empty() {
            return None;
        }
        let is = |kind| move |took: &&Took| took.kind == kind;
        let longer = |took: &[Took], of: fn(&Took) -> u64| {
            let of_kind = |kind| steady(took.iter().filter(is(kind)).map(of));
            of_kind(GenerationKind::Full).max(of_kind(GenerationKind::Incremental))
        };
        let largest = |kind| {
            let newest = took.iter().rev().filter(is(kind)).take(RECENT);
            newest.map(|took| two_digits(took.bytes)).max()
        };
        Some(Self {
            collect: longer(took, |took| took.collect_ms),
            // The first copy has none before it to build on: it takes many times longer than any that comes later.
            transport: longer(&took[1..], |took| took.transport_ms),
            verify: longer(took, |took| took.verify_ms),
            restore: None,
            full: largest(GenerationKind::Full),
            incremental: largest(GenerationKind::Incremental),
            samples: Some(u32::try_from(took.len()).unwrap_or(u32::MAX)),
        })
    }

    /// One job's measurements from those of two of its streams: the slower speaks for it, and the one that is known less.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            collect: self.collect.max(other.collect),
            transport: self.transport.max(other.transport),
            verify: self.verify.max(other.verify),
            restore: self.restore.max(other.restore),
            full: self.full.max(other.full),
            incremental: self.incremental.max(other.incremental),
            samples: self.samples.min(other.samples),
        }
    }

    /// Whether there were runs enough to know what is usual. Who writes a figure down by hand knows.
    pub(super) fn is_usual(&self) -> bool {
        self.samples.is_none_or(|samples| samples >= ENOUGH)
    }
}

/// The rung above p95 of the newest, of milliseconds, oldest first. Once told it stays: until p95 exceeds it, or would be told
/// as no more than half of it. What hovers around a rung would move a plan back and forth otherwise.
fn steady(samples: impl Iterator<Item = u64>) -> Option<Span> {
    let samples: Vec<u64> = samples.map(|milliseconds| milliseconds.div_ceil(1000)).collect();
    let newest = |end: usize| &samples[end.saturating_sub(RECENT)..end];
    let all = (1..=samples.len()).map(|end| rung(p95(newest(end))));
    all.reduce(|told, now| if now <= told / 2 { now } else { told.max(now) }).map(Span)
}

/// The nearest rank: the least value that no more than one in twenty exceeds. Of fewer than twenty that is the greatest.
fn p95(samples: &[u64]) -> u64 {
    let mut all = samples.to_vec();
    all.sort_unstable();
    all[(all.len() * 19).div_ceil(20) - 1]
}

fn rung(seconds: u64) -> u64 {
    RUNGS.into_iter().find(|&rung| rung >= seconds).unwrap_or_else(|| seconds.div_ceil(DAY) * DAY)
}

/// Rounded up to two digits, by a tenth at the most.
fn two_digits(bytes: u64) -> Bytes {
    let unit = 10u64.pow((bytes / 10).checked_ilog10().unwrap_or_default());
    Bytes(bytes.div_ceil(unit).saturating_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use GenerationKind::{Full, Incremental};

    fn took(kind: GenerationKind, minutes: u64) -> Took {
        let millis = minutes * 60_000;
        Took { kind, bytes: minutes * 1_000_001, collect_ms: millis, transport_ms: millis + 1, verify_ms: 0 }
    }

    fn told(took: &[Took]) -> [Option<Span>; 3] {
        let measured = Measured::of(took).unwrap();
        [measured.collect, measured.transport, measured.verify]
    }

    #[expect(clippy::unnecessary_wraps, reason = "compared with what may be unknown")]
    fn minutes(count: u64) -> Option<Span> {
        Some(Span(count * 60))
    }

    #[test]
    fn one_in_twenty_may_be_slower() {
        for (count, rank) in [(1, 1), (2, 2), (19, 19), (20, 19), (21, 20), (40, 38), (50, 48)] {
            let all: Vec<u64> = (1..=count).rev().collect();
            assert_eq!(p95(&all), rank, "{count}");
        }
    }

    #[test]
    fn a_rare_full_is_not_hidden_by_many_incrementals() {
        let mut all = vec![took(Full, 110), took(Full, 100)];
        all.extend((0..48).map(|_| took(Incremental, 2)));
        // Two days of hourly collections, after a full on Sunday and one on the Sunday before.
        assert_eq!(told(&all)[0], minutes(120));
        // The transport of the first copy says nothing of those that come later.
        assert_eq!(told(&all)[1], minutes(120));
        let only_first: Vec<_> = [took(Full, 100)].into_iter().chain((0..500).map(|_| took(Incremental, 2))).collect();
        assert_eq!(told(&only_first), [minutes(120), minutes(3), Some(Span(0))]);
        let measured = Measured::of(&only_first).unwrap();
        assert_eq!((measured.full, measured.incremental), (Some(Bytes(110_000_000)), Some(Bytes(2_100_000))));
    }

    #[test]
    fn of_few_fulls_the_slowest_counts_and_of_many_one_in_twenty_does_not() {
        for fulls in 1..20 {
            let all: Vec<_> = (1..=fulls).rev().map(|n| took(Full, 10 * n)).collect();
            assert_eq!(told(&all)[0].unwrap().0, rung(600 * fulls), "{fulls}");
        }
        let all: Vec<_> = [took(Full, 600)].into_iter().chain((0..19).map(|_| took(Full, 1))).collect();
        assert_eq!(told(&all)[0], minutes(1), "one of twenty");
        // The newest fifty of its kind, whatever came between.
        let all: Vec<_> = (0..3).map(|_| took(Full, 600)).chain((0..50).map(|_| took(Full, 1))).collect();
        assert_eq!(told(&all)[0], minutes(1));
    }

    #[test]
    fn one_copy_says_nothing_of_transports() {
        let measured = Measured::of(&[took(Full, 600)]).unwrap();
        assert_eq!((measured.collect, measured.transport, measured.samples), (minutes(720), None, Some(1)));
        assert_eq!(Measured::of(&[]), None);
    }

    #[test]
    fn rungs_are_told_upwards() {
        let rungs = [(0, 0), (1, 5), (5, 5), (46, 60), (59, 60), (61, 90), (64_801, 86_400), (86_401, 172_800)];
        for (seconds, rung) in rungs {
            assert_eq!(super::rung(seconds), rung, "{seconds}");
        }
        assert!(RUNGS.is_sorted());
        for (bytes, told) in [(0, 0), (9, 9), (99, 99), (101, 110), (995, 1000), (1_000_001, 1_100_000)] {
            assert_eq!(two_digits(bytes), Bytes(told), "{bytes}");
        }
    }

    #[test]
    fn what_hovers_around_a_rung_moves_once() {
        let seconds = |seconds: &u64| Took { collect_ms: seconds * 1000, ..took(Incremental, 0) };
        let day_by_day = |all: &[u64]| {
            let all: Vec<_> = all.iter().map(seconds).collect();
            let mut told: Vec<_> = (1..=all.len()).map(|end| Measured::of(&all[..end]).unwrap().collect).collect();
            told.dedup();
            told.into_iter().map(|span| span.unwrap().0).collect::<Vec<_>>()
        };
        // Every third is above a minute, in turns of a hundred that are below.
        let hovering: Vec<u64> = (0..1000).map(|n| if n / 100 % 2 == 1 && n % 3 == 0 { 61 } else { 59 }).collect();
        assert_eq!(day_by_day(&hovering), [60, 90]);
        // What has become faster for good is told in the end, what became slower at once.
        let changing: Vec<u64> = (0..200).map(|n| if n < 100 { 600 } else { 100 }).chain([601; 3]).collect();
        assert_eq!(day_by_day(&changing), [600, 120, 900]);
        assert_eq!(day_by_day(&[300, 300, 150]), [300]);
    }

    #[test]
    fn the_slowest_stream_speaks_for_its_job() {
        let data = Measured::of(&[took(Full, 7), took(Incremental, 2)]).unwrap();
        let logs = Measured::of(&[took(Full, 9)]).unwrap();
        let both = data.and(logs);
        assert_eq!(both, logs.and(data));
        assert_eq!((both.collect, both.transport, both.samples), (minutes(10), minutes(3), Some(1)));
        assert_eq!((both.full, both.incremental), (Some(Bytes(9_100_000)), Some(Bytes(2_100_000))));
    }

    #[test]
    fn ten_runs_are_usual() {
        let of = |count| Measured { samples: count, ..Measured::default() }.is_usual();
        assert_eq!([Some(9), Some(10), None].map(of), [false, true, true]);
    }
}
