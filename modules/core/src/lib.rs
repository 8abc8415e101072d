//! The domain of Handover: what a job is, what a generation is, which generations are kept.
//!
//! Invariant: nothing here reads a clock, a file or the environment. Time, text and directory listings are
//! arguments; decisions are values that somebody else carries out.

pub mod accepted;
pub mod document;
pub mod error;
pub mod exclude;
pub mod fleet;
pub mod generation;
pub mod job;
pub mod layout;
pub mod lifecycle;
pub mod manifest;
pub mod receipt;
pub mod retention;
pub mod schedule;
pub mod state;
pub mod units;

pub use document::DocumentError;
pub use error::{Failure, Kind};
pub use generation::{Digest, GenerationId, GenerationKind, GenerationRef, InstanceId, Wanted};
pub use job::{Job, StreamName};
