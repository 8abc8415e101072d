//! `backup_restore`: bring a generation back, exactly, or leave everything as it was.
//!
//! `pipeline` is the run in the order in which things happen. `choose` decides which generation may be trusted,
//! `select` and `compare` what is wanted of it and what differs, `unpack` makes the tree beside the live one, `swap` and `live` exchange them with the services
//! stopped, and know the way back; `merge` writes only what differs.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod choose;
mod commands;
mod compare;
mod dumps;
mod error;
mod fetch;
mod generation;
mod live;
mod merge;
mod owners;
mod pipeline;
mod policy;
mod recover;
mod report;
mod request;
mod select;
mod staging;
mod status;
mod swap;
mod target;
mod tree;
mod unpack;
mod write_out;

pub use commands::{described, main};

/// The executable, as log, mail and documentation name it.
const PROGRAM: &str = "backup_restore";
