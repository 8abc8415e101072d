//! The outside world, one file per product.
//!
//! Every module wraps one thing that is not ours (a program, a system call, a daemon) behind plain data and a typed
//! error that knows its [`backup_core::Kind`]. No module knows what a job is, or why it is called.
//!
//! Invariants: children are started only by [`command`]; clocks are read only by [`host`]; files that must survive a
//! crash are changed only by [`publish`]; whether something is there is decided only by [`there`]; `unsafe` is only in `sys`.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod allocator;
pub mod certificate;
pub mod command;
pub mod confine;
pub mod declared;
pub mod fault;
pub mod host;
pub mod intent;
pub mod jobs;
pub mod keys;
pub mod lifecycle;
pub mod lock;
pub mod logger;
pub mod mail;
pub mod notify;
pub mod publish;
pub mod rescue;
pub mod rsync;
pub mod secrets;
pub mod selinux;
pub mod services;
pub mod signals;
pub mod space;
pub mod ssh;
pub mod store;
mod sys;
pub mod there;
pub mod users;
