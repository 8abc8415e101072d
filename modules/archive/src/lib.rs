//! The generation format as bytes: tar members, frames, catalog lines, patches and the source's index (docs/format.md).
//!
//! Invariant: nothing here opens a file or knows a job. What is written comes from a caller who read it, and what is
//! read is checked against a limit before memory is spent on it.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod acl;
pub mod entry;
pub mod escape;
pub mod frame;
pub mod group;
pub mod header;
pub mod index;
pub mod order;
pub mod parts;
pub mod read;
pub mod sparse;

pub use entry::{Entry, EntryError, EntryKind, Mtime, Place};
pub use index::Index;
