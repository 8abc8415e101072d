//! How small is too small, how long too long, how much too much: pure functions, like those of `decide`.

use backup_core::job::Checks;
use backup_core::manifest::Tree;
use backup_core::state::Good;
use backup_core::units::{Bytes, Percent};
use backup_core::{GenerationId, StreamName};
use std::fmt;
use std::time::Duration;

/// Why a collection is too small to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Implausible {
    /// Below `min_size`.
    Small {
        /// What was found.
        bytes: u64,
        /// `checks.min_size`.
        least: Bytes,
    },
    /// Smaller than the last good generation by more than `max_shrink`.
    Shrunk {
        /// What was found.
        bytes: u64,
        /// What the last good generation held.
        before: u64,
        /// That generation.
        last: GenerationId,
        /// `checks.max_shrink`, or what holds without it.
        most: Percent,
    },
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small { bytes, least } => write!(f, "{bytes} bytes are less than min_size {least}"),
            Self::Shrunk { bytes, before, last, most } => {
                write!(f, "{bytes} bytes are less than {last}'s {before} by more than max_shrink {most}")
            }
        }
    }
}

/// Compares what a stream held with what it should hold and with the last good generation.
///
/// Both say what the source held, so a full and an incremental compare like two fulls.
pub(crate) fn plausible(
    stream: StreamName,
    checks: &Checks,
    tree: Tree,
    last: Option<&Good>,
) -> Result<(), Implausible> {
    if let Some(least) = checks.min_size.filter(|least| tree.bytes < least.0) {
        return Err(Implausible::Small { bytes: tree.bytes, least });
    }
    let Some(last) = last else { return Ok(()) };
    let before = last.tree.bytes;
    let (most, from) = checks.shrinking(stream);
    // Rounded in favour of the alarm: what may be missing is rounded down.
    let may_miss = most.of(before).max(from.0);
    if before.saturating_sub(tree.bytes) > may_miss {
        return Err(Implausible::Shrunk { bytes: tree.bytes, before, last: last.generation.id, most });
    }
    Ok(())
}

/// A warm pass, as far as it tells how long a cold one would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PassTime {
    /// How long it took.
    pub took: Duration,
    /// Bytes of contents that it read.
    pub read_bytes: u64,
    /// Bytes that a cold pass would have to read right after it.
    pub delta: u64,
}

/// More warm passes than this change little.
pub(crate) const MAX_PASSES: usize = 3;

/// Whether another warm pass is worth while: the cold pass would take too long or does not fit into `room`, or the last
/// pass took so long that much may have changed since it began. Not if the last one made the rest no smaller: where
/// nothing can be proven unchanged, the cold pass reads everything in any case.
pub(crate) fn another_pass(passes: &[PassTime], room: u64, max_downtime: Duration) -> bool {
    let (last, before) = match passes {
        [] => return true,
        [last] => (last, None),
        [.., before, last] => (last, Some(before)),
    };
    let is_large = last.delta > room || predicted_standstill(passes) > max_downtime / 2;
    let helped = before.is_none_or(|before| last.delta < before.delta);
    passes.len() < MAX_PASSES && if is_large { helped } else { last.took > max_downtime / 10 }
}

/// How long a cold pass would take: as fast as the fastest pass read, and the walk in addition.
pub(crate) fn predicted_standstill(passes: &[PassTime]) -> Duration {
    // Bytes per millisecond.
    let rate = |pass: &PassTime| u128::from(pass.read_bytes) / pass.took.as_millis().max(1);
    let rate = passes.iter().map(rate).max().unwrap_or_default().max(1);
    let reading = |bytes: u64| Duration::from_millis(u64::try_from(u128::from(bytes) / rate).unwrap_or(u64::MAX));
    let Some(last) = passes.last() else { return Duration::ZERO };
    reading(last.delta) + last.took.saturating_sub(reading(last.read_bytes))
}

/// Room that a run needs, in bytes, on a file system that holds handover point and spool: what will be stored and a
/// tenth more, at least a MiB, since estimates are made before the writers stop.
pub(crate) fn room_needed(estimate: u64) -> u64 {
    const LEAST: u64 = 1 << 20;
    estimate.saturating_add((estimate / 10).max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::{Digest, GenerationKind, GenerationRef};

    #[test]
    fn warm_passes_end_when_the_rest_is_small() {
        let pass = |seconds, read: u64, delta: u64| PassTime {
            took: Duration::from_secs(seconds),
            read_bytes: read << 20,
            delta: delta << 20,
        };
        let limit = Duration::from_mins(10);
        let room = 1 << 40;
        // (passes, another)
        let table: &[(&[PassTime], bool)] = &[
            (&[], true),
            (&[pass(10, 1000, 10)], false),
            (&[pass(61, 1000, 10)], true),
            (&[pass(3600, 360_000, 900), pass(20, 500, 100)], false),
            (&[pass(3600, 360_000, 90_000), pass(900, 90_000, 40_000)], true),
            // Nothing can be proven unchanged: a third pass would not help either.
            (&[pass(3600, 360_000, 360_000), pass(20, 500, 360_000)], false),
            (&[pass(3600, 9, 3), pass(3600, 9, 2), pass(3600, 9, 1)], false),
        ];
        for (passes, another) in table {
            assert_eq!(another_pass(passes, room, limit), *another, "{passes:?}");
        }
        assert!(another_pass(&[pass(1, 1000, 2000)], 1000, limit), "does not fit the spool");
        assert_eq!(predicted_standstill(&[pass(10, 1000, 500), pass(3, 0, 100)]).as_secs(), 4);
    }

    #[test]
    fn plausibility() {
        let id = "20261118T220000Z".parse().unwrap();
        let last = |bytes: u64| Good {
            generation: GenerationRef { id, digest: Digest::of(b"") },
            kind: GenerationKind::Full,
            base: None,
            tree: Tree { paths: 10, bytes },
            stored_bytes: 1,
            duration_ms: 0,
            downtime_ms: 0,
        };
        let checks = |min: Option<u64>, shrink: Option<u8>| Checks {
            min_size: min.map(Bytes),
            max_shrink: shrink.map(Percent),
            ..Checks::default()
        };
        let is_plausible = |stream, checks: &Checks, last: Option<&Good>, bytes| {
            plausible(stream, checks, Tree { paths: 1, bytes }, last).is_ok()
        };
        // (min_size, max_shrink, bytes, plausible); the last good one held 1000.
        for (min, shrink, bytes, expected) in [
            (None, None, 0, true),
            (Some(10), None, 9, false),
            (Some(10), None, 10, true),
            (None, Some(50), 500, true),
            (None, Some(50), 499, false),
            (None, Some(0), 999, false),
            (None, Some(0), 1000, true),
            (None, Some(100), 0, true),
        ] {
            for stream in StreamName::ALL {
                let found = is_plausible(stream, &checks(min, shrink), Some(&last(1000)), bytes);
                assert_eq!(found, expected, "{stream} {min:?} {shrink:?} {bytes}");
            }
        }
        // Nothing said: (stream, MiB before, MiB now, plausible).
        for (stream, before, now, expected) in [
            (StreamName::Data, 10, 0, true),
            (StreamName::Data, 11, 0, false),
            (StreamName::Data, 15, 5, true),
            (StreamName::Data, 1000, 500, true),
            (StreamName::Data, 1000, 499, false),
            (StreamName::Data, 1000, 5000, true),
            (StreamName::Logs, 1000, 0, true),
        ] {
            let found = is_plausible(stream, &checks(None, None), Some(&last(before << 20)), now << 20);
            assert_eq!(found, expected, "{stream} {before} {now}");
        }
        assert!(is_plausible(StreamName::Data, &checks(None, Some(1)), None, 0), "nothing to compare with");
    }
}
