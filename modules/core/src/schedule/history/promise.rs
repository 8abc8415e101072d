//! The history that can be restored.

use super::{FOREVER, Replay};
use crate::{job::objectives::Provider, schedule::Delivery, units::Span};

/// A collection that can no longer be restored from some instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The collection's instant.
    pub data: i64,
    /// When its copy was first not there any more. It was not there at all if this is its arrival.
    pub gone: i64,
}

impl Loss {
    /// How far back a restore reached for it, to the last second.
    pub const fn age(self) -> i64 {
        self.gone - self.data
    }
}

/// A day may have an hour less: what lies in a store from one day's copy to the next is seen by who looks once a day.
const CLOCK_CHANGE: i64 = 3600;

/// Until when each delivery can be restored from a provider that keeps the whole file system of the source, and with it what
/// lay in the source's store. When the provider looks is not known: what lies there for a whole interval is seen, for the last
/// time up to an interval before it goes. What lies there for less may never have been seen, and does not count.
pub fn kept_by_provider(deliveries: &[Delivery], source: &Replay, provider: Provider) -> Vec<i64> {
    let every = i64::try_from(provider.every.0).unwrap_or(i64::MAX);
    let kept = i64::from(provider.days) * 86_400;
    let until = |(delivery, &gone): (&Delivery, &i64)| match gone {
        FOREVER => FOREVER,
        _ if gone - delivery.arrives < every - CLOCK_CHANGE => delivery.arrives,
        _ => delivery.arrives.max(gone - every).saturating_add(kept),
    };
    deliveries.iter().zip(&source.until).map(until).collect()
}

/// The copy that goes youngest. Every history shorter than its [age](Loss::age) holds: at each instant, each collection that
/// was delivered and lies no further back can be restored. `None`: nothing ever goes.
///
/// `until` says, place by place, until when each delivery can be restored there; the best place counts.
pub fn window(deliveries: &[Delivery], until: &[&[i64]]) -> Option<Loss> {
    losses(deliveries, until).min_by_key(|loss| (loss.age(), loss.gone))
}

/// The first instant at which a collection no older than `history` cannot be restored although it was delivered.
pub fn first_lost(deliveries: &[Delivery], until: &[&[i64]], history: Span) -> Option<Loss> {
    let history = i64::try_from(history.0).unwrap_or(i64::MAX);
    losses(deliveries, until).filter(|loss| loss.age() <= history).min_by_key(|loss| (loss.gone, loss.data))
}

fn losses(deliveries: &[Delivery], until: &[&[i64]]) -> impl Iterator<Item = Loss> {
    let best = |n: usize| until.iter().map(|place| place[n]).max().unwrap_or(FOREVER);
    let all = deliveries.iter().enumerate().map(move |(n, delivery)| Loss { data: delivery.data, gone: best(n) });
    all.filter(|loss| loss.gone < FOREVER)
}
