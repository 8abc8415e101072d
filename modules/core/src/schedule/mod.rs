//! Objectives in, schedule out: cron times, generation counts and a proof from what a user declares.
//!
//! Everything here is integer arithmetic on seconds since the epoch, UTC. Clock, zone and measured durations are arguments.
//! `cron` is an entry's five time fields, `clock` a zone's local time over some years, `firings` when cron runs the entry.

mod clock;
mod cron;
mod delivery;
mod firings;
mod week;

pub use clock::{Clock, ClockChange};
pub use cron::{CronTime, Days, TimeError};
pub use delivery::Delivery;
pub use firings::{Firing, firings, last_firing, next_firing};
pub use week::Week;
