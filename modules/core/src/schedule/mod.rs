//! Objectives in, schedule out: cron times, generation counts and a proof from what a user declares.
//!
//! Everything here is integer arithmetic on seconds since the epoch, UTC. Clock, zone and measured durations are arguments.

mod delivery;

pub use delivery::Delivery;
