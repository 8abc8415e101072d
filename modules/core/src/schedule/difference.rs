//! How far the clock of a sink is from that of its source. Both may be changed, and not on the same days.

use super::{Clocks, story::span};
use crate::job::Mode;

/// Minutes to add to the source's local time, over the horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Difference {
    /// At the least.
    pub least: i64,
    /// At the most.
    pub most: i64,
}

impl Difference {
    /// Between the source and the host that begins a transport of this mode.
    pub(super) fn of(clocks: &Clocks, mode: Mode, sink: &str) -> Self {
        let (here, there) = (&clocks.source, clocks.of(mode, sink));
        let changes = here.changes().chain(there.changes()).map(|change| change.at);
        let all = [here.from()].into_iter().chain(changes).map(|at| (there.local(at) - here.local(at)) / 60);
        let (least, most) = all.fold((i64::MAX, i64::MIN), |(least, most), now| (least.min(now), most.max(now)));
        Self { least, most }
    }

    /// What it means for an entry that is never to begin too early: `the clock there is 5 h to 6 h behind`. `None`: both show the same.
    pub(super) fn told(self, sink: &str, source: &str) -> Option<String> {
        let side = |minutes: i64| {
            let word = if minutes.is_negative() { "behind" } else { "ahead of" };
            (span(minutes.abs() * 60), word)
        };
        let ((least, a), (most, b)) = (side(self.least), side(self.most));
        let apart = match (self.least, self.most) {
            (0, 0) => return None,
            (from, to) if from == to => return Some(format!("the clock of {sink} is {least} {a} that of {source}")),
            (_, to) if to <= 0 => format!("{most} to {least} {a}"),
            (from, _) if from >= 0 => format!("{least} to {most} {b}"),
            _ => format!("from {least} {a} to {most} {b}"),
        };
        let late = span((self.most - self.least) * 60);
        Some(format!("the clock of {sink} is {apart} that of {source}: up to {late} late, and never too early"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told() {
        let told = |hours: (i64, i64)| Difference { least: hours.0 * 60, most: hours.1 * 60 }.told("sink1", "web1");
        assert_eq!(told((0, 0)), None);
        for (hours, apart) in [
            ((-6, -5), "5 h to 6 h behind"),
            ((7, 8), "7 h to 8 h ahead of"),
            ((-1, 1), "from 1 h behind to 1 h ahead of"),
            ((-1, 0), "0 min to 1 h behind"),
            ((0, 1), "0 min to 1 h ahead of"),
        ] {
            let late = hours.1 - hours.0;
            let text = format!("the clock of sink1 is {apart} that of web1: up to {late} h late, and never too early");
            assert_eq!(told(hours), Some(text));
        }
        assert_eq!(told((8, 8)).unwrap(), "the clock of sink1 is 8 h ahead of that of web1");
    }
}
