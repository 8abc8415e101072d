//! Retention: the rules by example, against golden tables, against a naive second implementation, and as properties.
#![allow(clippy::unwrap_used)]

mod examples;
mod golden;
mod make;
mod properties;
mod simulation;
mod stopped;
