//! What is taken of a database's head, which lies on the sink: snapshots of what has arrived there, and checkpoints between
//! them. It is the sink's clock that begins them.

use super::{CronTime, Draft, Line, Purpose, Timeline, Week, cadence::Cadence, derive::preferred};
use crate::units::Span;

/// Something that is taken of the head again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    /// A snapshot or a checkpoint.
    pub purpose: Purpose,
    /// The longest interval, as declared.
    pub every: Span,
    /// The entries, in the sink's local time.
    pub times: Vec<CronTime>,
    /// Why then.
    pub why: String,
}

impl Taken {
    fn new(purpose: Purpose, every: Span, cadence: &Cadence, phase: u32) -> Self {
        let times = cadence.pattern(phase % cadence.phases()).cron_times();
        Self { purpose, every, times, why: format!("{} holds `every: {every}`", cadence.name) }
    }

    /// As in checks and commands.
    pub(super) const fn name(&self) -> &'static str {
        if matches!(self.purpose, Purpose::Snapshot) { "snapshot" } else { "checkpoint" }
    }
}

/// The line that feeds the head: that of the data, where there is one.
pub(super) fn line(timeline: &Timeline) -> Option<&Line> {
    timeline.lines.first()
}

/// Snapshots, at the job's own place in their interval: by its name and that of its source, so that nobody else moves it.
pub(super) fn snapshots(draft: &Draft<'_>) -> Option<Taken> {
    let every = draft.objectives.snapshots?.every;
    let cadence = Cadence::holding(every);
    Some(Taken::new(Purpose::Snapshot, every, cadence, preferred(draft, cadence.phases())))
}

/// Checkpoints, never in the minute of a snapshot if their interval is longer than a minute: half as far from one as the
/// minutes lie apart at which both could be.
pub(super) fn checkpoints(draft: &Draft<'_>) -> Option<Taken> {
    let every = draft.objectives.checkpoints?.every;
    let [snapshot, own] = [draft.objectives.snapshots?.every, every].map(Cadence::holding);
    let [rare, dense] = [snapshot, own].map(|cadence| cadence.longest.min(Week::DAY));
    let phase = preferred(draft, snapshot.phases()) + common_divisor(rare, dense) / 2;
    Some(Taken::new(Purpose::Checkpoint, every, own, phase))
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
