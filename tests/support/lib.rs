//! Helpers shared by the cross-executable tests.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

pub mod answer;
pub mod calls;
pub mod disks;
pub mod executables;
pub mod generation;
pub mod kill;
pub mod lab;
pub mod mail;
pub mod oracle;
pub mod pause;
pub mod plain;
pub mod proxy;
pub mod service;
pub mod sshd;
pub mod strace;
pub mod tree;

mod torture;
