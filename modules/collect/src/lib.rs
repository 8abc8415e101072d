//! `backup_collect`: stop, read, start again, seal.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod decide;

/// Entry point.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
