//! File trees: the one that is being made, and the one that is there.
//!
//! Invariant: what is written is reached only from a directory descriptor, one component after the other, and never
//! through a symbolic link, so that no name in an archive can lead anywhere else.

mod attributes;
mod room;
mod walk;

pub(crate) use attributes::{Attributes, drop_inherited};
pub(crate) use room::{Room, Special, Spot, lost};
pub(crate) use walk::Walk;
