//! From a promised history to the policy that keeps it.

use super::{Keeping, Loss, Replay, first_lost, replay};
use crate::{
    job::objectives::Sizes,
    retention::{Policy, RetentionError},
    schedule::Delivery,
    units::Span,
};

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

/// `within: history`: the least that keeps every delivery for so long. A number of generations would do on schedule, but each copy
/// besides it, made by hand or caught up, would push out one that the history needs. The store's own policy is not looked at
/// but for `max_age`, which stands beside it.
///
/// # Errors
/// As [`replay`]; what is derived keeps something, so there is none.
pub fn derive_policy(
    deliveries: &[Delivery],
    keeping: &Keeping,
    history: Span,
    sizes: Option<Sizes>,
) -> Result<Derived, RetentionError> {
    let policy = Policy { within: Some(history), max_age: keeping.policy.max_age, ..Policy::default() };
    let replay = replay(deliveries, &Keeping { policy: &policy, ..*keeping }, sizes)?;
    let lost = first_lost(deliveries, &[&replay.until], history);
    Ok(Derived { policy, replay, lost })
}
