//! Plans as a whole, from job documents to entries and proof.
#![allow(clippy::unwrap_used)]

mod calendar;
mod carriers;
mod catch_up;
mod entries;
mod fleet;
mod head;
mod itself;
mod keeps;
mod late;
mod make;
mod month_end;
mod properties;
mod rarest;
mod refusals;
mod remedies;
mod side_by_side;
mod simulator;
mod sla;
mod stories;
mod streams;
mod upkeep;
mod worlds;
