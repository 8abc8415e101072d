//! What becomes of a stream while transports fail: its copies wait, and travel one after the other when the sink is back.

use super::Line;
use std::cmp::Reverse;

/// Where transports never catch up, so many late copies are enough to know: the handover point is too full anyway.
const MOST: usize = 300;

/// What differs from the usual course, from the last copy that arrived before to the first transport that finds everything as usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outage {
    /// The first delivery that is late.
    pub first: usize,
    /// When it arrives, and those after it.
    pub arrivals: Vec<i64>,
}

/// The course after each transport, if the sink is away until the transport that usually comes `missed` later than the next: further
/// tries in between fail, too.
pub(super) fn all(line: &Line, missed: u32) -> impl Iterator<Item = Outage> {
    let later = missed as usize + 1;
    // Without a miss all is as usual.
    let count = if missed == 0 { 0 } else { line.transports.len().saturating_sub(later) };
    let mut first = 0;
    (0..count).filter_map(move |n| {
        first += line.transports[n].1;
        after(line, first, n + later)
    })
}

/// The course if nothing is carried before the transport of this number, from the delivery `first` on.
fn after(line: &Line, first: usize, mut usual: usize) -> Option<Outage> {
    let all = &line.deliveries;
    let mut arrivals = Vec::new();
    let back = line.transports[usual].0;
    let (mut next, mut free) = (first, back);
    let begin = line.starts.partition_point(|&start| start < back);
    for &start in &line.starts[begin..] {
        if start < free {
            continue;
        }
        let sealed = all[next..].iter().take_while(|delivery| delivery.sealed <= start);
        let copies = sealed.take(MOST).count();
        if copies == 0 {
            continue;
        }
        // As usual again: this transport always begins now, with this copy.
        while line.transports.get(usual).is_some_and(|transport| transport.0 < start) {
            usual += 1;
        }
        let is_usual = line.transports.get(usual).is_some_and(|transport| transport.0 == start);
        if (is_usual && all[next].arrives == start + line.carry) || arrivals.len() >= MOST {
            break;
        }
        for _ in 0..copies {
            free = free.max(start) + line.carry;
            arrivals.push(free);
        }
        next += copies;
    }
    (!arrivals.is_empty()).then_some(Outage { first, arrivals })
}

/// The most generations that are in the handover point at once through any such outage, and when it first comes to that.
pub(super) fn most_waiting(line: &Line, missed: u32) -> (usize, i64) {
    let mut most = (line.most_waiting.0, Reverse(line.most_waiting.1));
    for Outage { first, arrivals } in all(line, missed) {
        for (n, delivery) in line.deliveries.iter().enumerate().skip(first) {
            let late = arrivals.partition_point(|&arrives| arrives <= delivery.data);
            // All that were late are gone: as usual again.
            if late == arrivals.len() {
                break;
            }
            let before = line.deliveries[..first].partition_point(|usual| usual.arrives <= delivery.data);
            most = most.max((n + 1 - before - late, Reverse(delivery.data)));
        }
    }
    (most.0, most.1.0)
}
