//! Our retention against restic's and borg's for equal policies, over thousands of random histories.
//!
//! Where we differ on purpose, docs/retention.md says so and `compare` has the difference as a rule; apart from these rules
//! the kept copies must be the same. The peers see few snapshots, each of which belongs to a random half of many histories.
#![allow(clippy::unwrap_used)]

mod borg;
mod compare;
mod lines;
mod restic;
