//! Transport: carry sealed generations to the sink, prove their arrival, free the handover point.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod candidate;
pub mod judge;
#[cfg(test)]
mod sample;
pub mod wire;

/// Entry point.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
