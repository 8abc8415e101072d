//! `backup_collect`: stop, read, start again, seal.
//!
//! `pipeline` is the run in the order in which things happen; `decide` and `limits` hold every decision as a pure function; `tree`
//! reads files. The rest is one step each.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod aftermath;
mod catch_up;
mod commands;
mod decide;
mod dump;
mod error;
mod finish;
mod limits;
mod memory;
mod pipeline;
mod recover;
mod report;
mod request;
mod samples;
mod seal;
mod standstill;
mod status;
mod stream;
mod surroundings;
mod survey;
mod sync;
mod text;
pub mod tree;

pub use commands::{described, main};

/// The executable, as log, mail and documentation name it.
const PROGRAM: &str = "backup_collect";
