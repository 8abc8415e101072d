//! The read side: what restore and verification need.
