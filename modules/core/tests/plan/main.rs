//! Plans as a whole, from job documents to entries and proof.
#![allow(clippy::unwrap_used)]

mod properties;
mod refusals;
mod simulator;
mod sla;
mod speed;
mod streams;
