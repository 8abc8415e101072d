//! Helpers shared by the cross-executable tests.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

pub mod generation;
