//! Objectives in, schedule out: cron times, generation counts and a proof from what a user declares.
//!
//! Everything here is integer arithmetic on seconds since the epoch, UTC. Clock, zone and measured durations are arguments.
//! `cron` is an entry's five time fields, `clock` a zone's local time over some years, `firings` when cron runs the entry,
//! `missed` what it could not run. `facts` are what is known besides the declarations, `measured` what past runs tell.
//! `derive` makes a `draft` per job out of objectives, `timeline` the events that follow from it, which the proof is about.
//! `history` tells what a store holds of what is delivered, `fleet` what many sources do to the sinks that they share.

mod attained;
mod cadence;
mod calendar;
mod carrier;
mod clock;
mod cron;
mod delivery;
mod derive;
mod difference;
mod draft;
mod entries;
mod error;
mod facts;
mod firings;
mod fleet;
mod head;
pub mod history;
mod measured;
mod missed;
mod outage;
mod pattern;
mod plan;
mod proof;
mod result;
mod rpo;
mod stored;
mod story;
mod suggest;
mod text;
mod timeline;
mod upkeep;
mod week;

pub use calendar::{Calendar, CalendarDay, Event};
pub use clock::{Clock, ClockChange};
pub use cron::{CronTime, Days, TimeError};
pub use delivery::Delivery;
use derive::derive;
use draft::{Carry, Draft, Planned, Run};
pub use error::{CarrierFault, PlanError};
use facts::Steps;
pub use facts::{Facts, HostFacts, Measured, SinkFacts, ZoneName, zone};
pub use firings::{Firing, firings, last_firing, next_firing};
pub use fleet::{FleetPlan, plan_fleet};
use missed::CATCH_UP;
pub use missed::{GRACE, Runs, catching_up};
pub(crate) use pattern::LAST_COMMON_DAY;
use pattern::Pattern;
pub use plan::{advise, plan, ten_years};
pub use result::{Attained, Check, Entry, Held, Outcome, Plan, Purpose, Remedy, SinkPlan};
use rpo::Worst;
use timeline::{Clocks, Line, Timeline};
pub use week::Week;
