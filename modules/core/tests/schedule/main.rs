//! When things run, against examples and an independent imitation of Debian's cron.
#![allow(clippy::unwrap_used, missing_docs)]

mod examples;
mod imitation;
mod properties;
