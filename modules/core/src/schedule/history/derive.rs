//! From a promised history to the policy that keeps it.

use super::{Keeping, Loss, Replay, arrival, first_lost, replay};
use crate::{
    job::objectives::Sizes,
    retention::{Policy, RetentionError, Side},
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

/// `within: history`, the least that keeps every delivery for so long, and `generations`, the most that the schedule makes in
/// that time. On schedule both keep the same. Each copy besides it, made by hand or caught up, would push one out of the
/// number that the history needs; and after a long absence the first new copy would put all others out of the time at once.
/// The store's own policy is not looked at but for `max_age`, which stands beside it.
///
/// # Errors
/// As [`replay`]; what is derived keeps something, so there is none.
pub fn derive_policy(
    deliveries: &[Delivery],
    keeping: &Keeping,
    history: Span,
    sizes: Option<Sizes>,
) -> Result<Derived, RetentionError> {
    let policy = Policy {
        generations: Some(most_within(deliveries, keeping.side, history)),
        within: Some(history),
        max_age: keeping.policy.max_age,
        ..Policy::default()
    };
    let replay = replay(deliveries, &Keeping { policy: &policy, ..*keeping }, sizes)?;
    let lost = first_lost(deliveries, &[&replay.until], history);
    Ok(Derived { policy, replay, lost })
}

/// The most deliveries that are less than `history` older than one of them, that one counted.
fn most_within(deliveries: &[Delivery], side: Side, history: Span) -> u32 {
    let history = i64::try_from(history.0).unwrap_or(i64::MAX);
    let times: Vec<i64> = deliveries.iter().map(|delivery| arrival(delivery, side)).collect();
    let mut first = 0;
    let within = times.iter().enumerate().map(|(n, time)| {
        first += times[first..n].iter().take_while(|older| time - **older >= history).count();
        n - first + 1
    });
    within.max().map_or(0, |most| u32::try_from(most).unwrap_or(u32::MAX))
}
