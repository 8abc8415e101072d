//! From a promised history to the smallest policy that keeps it.

use super::{Keeping, Loss, Replay, first_lost, replay};
use crate::{
    job::objectives::Sizes,
    retention::{Policy, RetentionError, Side},
    schedule::Delivery,
    units::Span,
};

/// The most generations that a derived policy counts; beyond it says `within`, which tells a reader more.
const COUNTABLE: usize = 400;

/// A policy, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// The policy.
    pub policy: Policy,
    /// The proof.
    pub replay: Replay,
    /// What is lost all the same: `max_age` takes away what the history needs, or a base was gone before its incremental came.
    pub lost: Option<Loss>,
}

/// The smallest `generations: N` that keeps every delivery for `history`, or `within: history` where that are too many to
/// count. The store's own policy is not looked at but for `max_age`, which stands beside it. `protect` helps to keep the
/// promise, but is not relied on: it is there for other reasons.
///
/// # Errors
/// As [`replay`]; what is derived keeps something, so there is none.
pub fn derive_policy(
    deliveries: &[Delivery],
    keeping: &Keeping,
    history: Span,
    sizes: Option<Sizes>,
) -> Result<Derived, RetentionError> {
    let max_age = keeping.policy.max_age;
    let prove = |policy: Policy, side: Side| {
        let replay = replay(deliveries, &Keeping { side, policy: &policy, ..*keeping }, sizes)?;
        let lost = first_lost(deliveries, &[&replay.until], history);
        Ok::<_, RetentionError>(Derived { policy, replay, lost })
    };
    let count = enough(deliveries, history);
    if count > COUNTABLE {
        return prove(Policy { within: Some(history), max_age, ..Policy::default() }, keeping.side);
    }
    let newest = |n: usize| Policy { generations: u32::try_from(n).ok(), max_age, ..Policy::default() };
    let mut least = count;
    if prove(newest(count), unprotected(keeping.side))?.lost.is_none() {
        // Bases are kept for others: fewer may do.
        while least > 1 && prove(newest(least - 1), unprotected(keeping.side))?.lost.is_none() {
            least -= 1;
        }
    }
    prove(newest(least), keeping.side)
}

fn unprotected(side: Side) -> Side {
    match side {
        Side::Source => Side::Source,
        Side::Sink { verify_max_age, .. } => Side::Sink { protect: Span(0), verify_max_age },
    }
}

/// So many of the newest are enough: no more arrive from one collection until the history has passed since.
fn enough(deliveries: &[Delivery], history: Span) -> usize {
    let history = i64::try_from(history.0).unwrap_or(i64::MAX);
    let mut end = 0;
    let mut most = 1;
    for (n, delivery) in deliveries.iter().enumerate() {
        while end < deliveries.len() && deliveries[end].arrives <= delivery.data.saturating_add(history) {
            end += 1;
        }
        most = most.max(end.saturating_sub(n));
    }
    most
}
