//! What the executables share and neither interface nor adapters can hold, since they never see each other.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod args;
pub mod gate;
pub mod notify;
pub mod pipeline;
pub mod recover;
pub mod timetable;
mod told;

pub use args::{JobArgs, NoStream, StreamArgs, StreamWish};
pub use timetable::Timetable;
