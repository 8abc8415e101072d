//! Trees collected for real and restored with plain tools only: tar, zstd, rm, dd and a shell.
//!
//! Needs root (owners, devices, trusted attributes) and a file system that the cold pass trusts (ext4, xfs, btrfs).
#![allow(clippy::unwrap_used)]

mod full;
mod incremental;
mod passes;
mod policy;
mod random;
mod support;
