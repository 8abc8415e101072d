//! What the executables share and neither interface nor adapters can hold, since they never see each other.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod args;
pub mod catch_up;
pub mod gate;
pub mod notify;
pub mod recover;
mod told;

pub use args::{JobArgs, NoStream, StreamArgs, StreamWish};
pub use catch_up::CatchUp;
