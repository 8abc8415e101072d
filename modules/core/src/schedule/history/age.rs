//! What `max_age` leaves: too old, too little, or nothing but the last good copy.

use super::{FOREVER, Keeping, Replay, arrival};
use crate::{schedule::Delivery, units::Span};

/// A copy, and a time during which something holds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell {
    /// The copy's collection instant.
    pub data: i64,
    /// From this second on.
    pub from: i64,
    /// Until this one, exclusive.
    pub until: i64,
}

impl Spell {
    const fn length(self) -> i64 {
        self.until - self.from
    }
}

/// The least or greatest number, and the first instant at which it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extreme {
    /// How many.
    pub count: usize,
    /// When.
    pub at: i64,
}

/// Ages of what a store holds, counted from the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// The first time without any copy that is no older than `max_age`, if the tolerated runs in a row are missed at the
    /// worst time: the newest copy is older, and stays only because it is the last.
    pub stale: Option<Spell>,
    /// The longest such time.
    pub stalest: Option<Spell>,
    /// The fewest copies no older than `max_age`, from `max_age` after the first arrival until the last, if no run is missed.
    /// `None`: it is not that long.
    pub fewest: Option<Extreme>,
    /// The most.
    pub most: Extreme,
    /// The first copy that stays beyond a rotation that finds it over age, without being the last good copy or needed by one
    /// that stays: `protect` is longer than `max_age`.
    pub overstays: Option<Spell>,
    /// The copy that is there longest after it came to be of age; what waits for the next rotation is among it.
    pub oldest: Option<Spell>,
}

/// What `max_age` leaves in a store. `None`: nothing is ever delivered.
pub fn ages(deliveries: &[Delivery], keeping: &Keeping, replay: &Replay, max_age: Span, tolerate: u32) -> Option<Ages> {
    let max_age = i64::try_from(max_age.0).unwrap_or(i64::MAX);
    let accepted: Vec<usize> = (0..deliveries.len()).filter(|n| replay.until[*n] > deliveries[*n].arrives).collect();
    let end = deliveries.last()?.arrives;
    let (fewest, most) = young(deliveries, replay, &accepted, max_age)?;
    let oldest = accepted.iter().map(|n| Spell {
        data: deliveries[*n].data,
        from: deliveries[*n].data.saturating_add(max_age).saturating_add(1),
        until: replay.until[*n].min(end),
    });
    Some(Ages {
        stale: stale(deliveries, &accepted, max_age, tolerate).next(),
        stalest: stale(deliveries, &accepted, max_age, tolerate).max_by_key(|spell| (spell.length(), -spell.from)),
        fewest,
        most,
        overstays: overstays(deliveries, keeping, replay, &accepted, max_age),
        oldest: oldest.filter(|spell| spell.length() > 0).max_by_key(|spell| (spell.length(), -spell.from)),
    })
}

/// The times from a copy's end of age until the arrival that ends them, `tolerate` arrivals being missed.
fn stale<'a>(
    deliveries: &'a [Delivery],
    accepted: &'a [usize],
    max_age: i64,
    tolerate: u32,
) -> impl Iterator<Item = Spell> + 'a {
    let next = usize::try_from(tolerate).unwrap_or(usize::MAX).saturating_add(1);
    let pairs = accepted.iter().zip(accepted.iter().skip(next));
    let spells = pairs.map(move |(this, next)| Spell {
        data: deliveries[*this].data,
        from: deliveries[*this].data.saturating_add(max_age).saturating_add(1).max(deliveries[*this].arrives),
        until: deliveries[*next].arrives,
    });
    spells.filter(|spell| spell.from < spell.until)
}

/// The fewest and the most copies of age. A copy counts from its arrival until it goes or grows too old.
fn young(
    deliveries: &[Delivery],
    replay: &Replay,
    accepted: &[usize],
    max_age: i64,
) -> Option<(Option<Extreme>, Extreme)> {
    let too_old = |n: usize| deliveries[n].data.saturating_add(max_age).saturating_add(1);
    let mut ends: Vec<i64> =
        accepted.iter().map(|n| replay.until[*n].min(too_old(*n)).max(deliveries[*n].arrives)).collect();
    ends.sort_unstable();
    let mut ends = ends.into_iter().peekable();
    let first = deliveries[*accepted.first()?].arrives;
    let (mut fewest, mut most) = (None::<Extreme>, Extreme { count: 0, at: first });
    let (settled, end) = (first.saturating_add(max_age), deliveries.last()?.arrives.saturating_add(1));
    let mut count = 0;
    let mut arrivals = accepted.iter().map(|n| deliveries[*n].arrives).peekable();
    while let Some(at) = arrivals.next() {
        count += 1;
        if count > most.count {
            most = Extreme { count, at };
        }
        // Until the next arrival there are only ever fewer.
        let next = arrivals.peek().copied().unwrap_or(end);
        let mut lowest = at.max(settled);
        while let Some(gone) = ends.next_if(|gone| *gone < next) {
            count -= 1;
            lowest = lowest.max(gone);
        }
        if lowest < next && fewest.is_none_or(|fewest| count < fewest.count) {
            fewest = Some(Extreme { count, at: lowest });
        }
    }
    Some((fewest, most))
}

/// The first copy that outlives its age for no good reason.
fn overstays(
    deliveries: &[Delivery],
    keeping: &Keeping,
    replay: &Replay,
    accepted: &[usize],
    max_age: i64,
) -> Option<Spell> {
    let mut rotations: Vec<i64> = deliveries.iter().map(|delivery| delivery.arrives).collect();
    rotations.extend(keeping.rotations);
    rotations.sort_unstable();
    let rotation_from = |at: i64| rotations.get(rotations.partition_point(|rotation| *rotation < at)).copied();
    let mut excused = vec![0; deliveries.len()];
    for (n, next) in accepted.iter().zip(accepted.iter().skip(1).map(Some).chain([None])) {
        excused[*n] = excused[*n].max(next.map_or(FOREVER, |next| deliveries[*next].arrives));
        if let Some(base) = replay.bases[*n] {
            excused[base] = excused[base].max(replay.until[*n]);
        }
    }
    accepted.iter().find_map(|n| {
        let over_age = arrival(&deliveries[*n], keeping.side).saturating_add(max_age).saturating_add(1);
        let from = rotation_from(over_age.max(excused[*n]))?;
        (replay.until[*n] > from).then_some(Spell { data: deliveries[*n].data, from, until: replay.until[*n] })
    })
}
