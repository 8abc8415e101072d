//! A store through time, for planning: copies arrive, rotations run, everything goes well.
//!
//! It deletes exactly what [`super::plan`] would have deleted at each rotation if every copy is verified on arrival, none
//! is damaged or held, and re-reading keeps up; a test compares the two. A rotation costs what it changes, not what lies
//! there: a copy is looked at again only when something that spoke for it has ended, that is, when
//! * a newer copy took its place under a rule, as the newest of all, or among the two newest fulls;
//! * it grew older than `max_age` or than `protect`, both of which reach copies in the order of their times;
//! * the last copy that needed it as a base was deleted.

use super::{Policy, RetentionError, Rules, Side, merits::Merits, rules::Copied};
use jiff::{Timestamp, tz::TimeZone};

/// A store through time. Copies are numbered as they arrive, from 0.
#[derive(Debug)]
pub struct Simulation {
    merits: Merits,
    side: Side,
    bases: Vec<Option<usize>>,
    /// How many copies that are there need this one.
    needed: Vec<u32>,
    /// To be looked at by the next rotation.
    suspects: Vec<usize>,
    /// All before this one are over age.
    young: usize,
    /// All before this one are no longer protected.
    protected: usize,
}

impl Simulation {
    /// An empty store.
    ///
    /// # Errors
    /// [`RetentionError`] as [`super::plan`].
    pub fn new(policy: &Policy, side: Side, zone: TimeZone) -> Result<Self, RetentionError> {
        RetentionError::check(policy, side)?;
        let rules = Rules { now: Timestamp::MIN, zone, side };
        Ok(Self {
            merits: Merits::new(policy, &rules),
            side,
            bases: Vec::new(),
            needed: Vec::new(),
            suspects: Vec::new(),
            young: 0,
            protected: 0,
        })
    }

    /// A verified copy arrives, no earlier than the one before it: an incremental of copy `base`, which is there, or a full.
    /// `time` is what rules go by: at a sink the time of receipt, on a source that of the id.
    pub fn arrive(&mut self, time: Timestamp, base: Option<usize>) -> usize {
        let n = self.bases.len();
        self.bases.push(base);
        self.needed.push(0);
        if let Some(base) = base {
            self.needed[base] += 1;
        }
        self.merits.push(Copied { time, full: base.is_none(), proven: true, gone: false }, &mut self.suspects);
        n
    }

    /// A rotation runs. Tells what it deletes, incrementals before their bases.
    pub fn rotate(&mut self, now: Timestamp, mut tell: impl FnMut(usize)) {
        let count = self.bases.len();
        while self.young < count && self.merits.is_over_age(self.time(self.young), now) {
            self.suspects.push(self.young);
            self.young += 1;
        }
        while self.protected < count && !self.is_protected(self.protected, now) {
            self.suspects.push(self.protected);
            self.protected += 1;
        }
        // First decide, then tell the rules: a deletion may change what stands for a period, for the next rotation to see.
        let mut deleted = Vec::new();
        while let Some(n) = self.suspects.pop() {
            let stays = self.needed[n] > 0 || self.is_protected(n, now) || self.merits.of(n, now).next().is_some();
            if stays || !self.holds(n) {
                continue;
            }
            self.merits.mark_gone(n);
            deleted.push(n);
            if let Some(base) = self.bases[n] {
                self.needed[base] -= 1;
                self.suspects.push(base);
            }
        }
        for n in deleted {
            self.merits.forget(n);
            tell(n);
        }
    }

    /// Whether copy `n` is there.
    pub fn holds(&self, n: usize) -> bool {
        self.merits.copies().get(n).is_some_and(|copy| !copy.gone)
    }

    fn time(&self, n: usize) -> Timestamp {
        self.merits.copies()[n].time
    }

    fn is_protected(&self, n: usize, now: Timestamp) -> bool {
        self.side.protects_until(self.time(n)).is_some_and(|until| now < until)
    }
}
