//! What a store holds of one stream at every instant, given when copies come and when rotations run.
//!
//! [`replay`] plays the deliveries of years through the retention that rotation executes ([`Simulation`]) and notes when each
//! copy goes. From that alone follow the history that can be restored ([`window`], [`first_lost`]), what `max_age` leaves
//! ([`ages`]), and the smallest policy for a promised history ([`derive_policy`]). All times are seconds since the epoch, UTC.

mod age;
mod derive;
mod promise;

pub use age::{Ages, Extreme, Spell, ages};
pub use derive::{Derived, derive_policy};
pub use promise::{Loss, first_lost, kept_by_provider, window};

use super::{Delivery, firings::instant};
use crate::{
    GenerationKind,
    job::objectives::Sizes,
    retention::{Policy, RetentionError, Side, Simulation, ZONE},
};

/// A copy that never goes, as far as the plan looks.
pub const FOREVER: i64 = i64::MAX;

/// How one store keeps copies.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    /// Whose store it is.
    pub side: Side,
    /// What it keeps.
    pub policy: &'a Policy,
    /// Rotations apart from the one after each arrival, sorted.
    pub rotations: &'a [i64],
}

/// What a store holds at its fullest: after an arrival, before the rotation that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peak {
    /// When, for the first time.
    pub at: i64,
    /// Fulls, bases included.
    pub fulls: u32,
    /// Incrementals.
    pub incrementals: u32,
}

impl Peak {
    /// All generations.
    pub const fn generations(self) -> u32 {
        self.fulls + self.incrementals
    }

    /// Stored bytes, all generations of a kind being of one size.
    pub fn bytes(self, sizes: Sizes) -> u64 {
        let incremental = sizes.incremental.unwrap_or(sizes.full).0;
        let fulls = u64::from(self.fulls).saturating_mul(sizes.full.0);
        fulls.saturating_add(u64::from(self.incrementals).saturating_mul(incremental))
    }
}

/// The course of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// When each delivery leaves the store, or [`FOREVER`]. It is there, base included, from its arrival until then.
    pub until: Vec<i64>,
    /// The delivery that each incremental needs.
    pub bases: Vec<Option<usize>>,
    /// The first incremental whose base had gone when it arrived. A sink refuses such a copy and asks for a full.
    pub orphan: Option<usize>,
    /// The most generations.
    pub most: Peak,
    /// The most bytes, by the sizes given to [`replay`]; without sizes as `most`.
    pub largest: Peak,
}

/// Plays `deliveries`, which are in order, through a store.
///
/// # Errors
/// [`RetentionError`] if the policy keeps nothing where something must be kept.
pub fn replay(deliveries: &[Delivery], keeping: &Keeping, sizes: Option<Sizes>) -> Result<Replay, RetentionError> {
    let mut course = Course {
        deliveries,
        simulation: Simulation::new(keeping.policy, keeping.side, ZONE)?,
        numbers: vec![None; deliveries.len()],
        arrived: Vec::with_capacity(deliveries.len()),
        now: Peak::default(),
        replay: Replay {
            until: vec![FOREVER; deliveries.len()],
            bases: bases(deliveries),
            orphan: None,
            most: Peak::default(),
            largest: Peak::default(),
        },
    };
    let mut rotations = keeping.rotations.iter().copied().peekable();
    for (n, delivery) in deliveries.iter().enumerate() {
        while let Some(at) = rotations.next_if(|at| *at < delivery.arrives) {
            course.rotate(at);
        }
        course.arrive(n, arrival(delivery, keeping.side), sizes);
        course.rotate(delivery.arrives);
    }
    rotations.for_each(|at| course.rotate(at));
    Ok(course.replay)
}

/// The time that rules go by.
const fn arrival(delivery: &Delivery, side: Side) -> i64 {
    match side {
        Side::Source => delivery.data,
        Side::Sink { .. } => delivery.arrives,
    }
}

/// The base of each delivery: the newest full that had arrived when it was collected. Where there is none, it is a full.
fn bases(deliveries: &[Delivery]) -> Vec<Option<usize>> {
    let mut fulls: Vec<usize> = Vec::new();
    let mut known = 0;
    let mut bases = Vec::with_capacity(deliveries.len());
    for (n, delivery) in deliveries.iter().enumerate() {
        while known < fulls.len() && deliveries[fulls[known]].arrives <= delivery.data {
            known += 1;
        }
        let newest = known.checked_sub(1).map(|last| fulls[last]);
        let base = newest.filter(|_| delivery.kind == GenerationKind::Incremental);
        if base.is_none() {
            fulls.push(n);
        }
        bases.push(base);
    }
    bases
}

/// A replay under way.
struct Course<'a> {
    deliveries: &'a [Delivery],
    simulation: Simulation,
    /// The simulation's number of each delivery that arrived.
    numbers: Vec<Option<usize>>,
    /// And the delivery of each number.
    arrived: Vec<usize>,
    now: Peak,
    replay: Replay,
}

impl Course<'_> {
    fn arrive(&mut self, n: usize, at: i64, sizes: Option<Sizes>) {
        let base = self.replay.bases[n].map(|base| self.numbers[base].filter(|base| self.simulation.holds(*base)));
        if base == Some(None) {
            self.replay.until[n] = self.deliveries[n].arrives;
            self.replay.orphan.get_or_insert(n);
            return;
        }
        self.numbers[n] = Some(self.simulation.arrive(instant(at), base.flatten()));
        self.arrived.push(n);
        *self.now.count(self.replay.bases[n]) += 1;
        self.now.at = self.deliveries[n].arrives;
        if self.now.generations() > self.replay.most.generations() {
            self.replay.most = self.now;
        }
        let bytes = |peak: Peak| sizes.map_or(u64::from(peak.generations()), |sizes| peak.bytes(sizes));
        if bytes(self.now) > bytes(self.replay.largest) {
            self.replay.largest = self.now;
        }
    }

    fn rotate(&mut self, at: i64) {
        self.simulation.rotate(instant(at), |number| {
            let n = self.arrived[number];
            self.replay.until[n] = at;
            *self.now.count(self.replay.bases[n]) -= 1;
        });
    }
}

impl Peak {
    const fn count(&mut self, base: Option<usize>) -> &mut u32 {
        if base.is_some() { &mut self.incrementals } else { &mut self.fulls }
    }
}
