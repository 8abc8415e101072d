//! The arguments of a task, with every sort of option that the modules have.
#![no_main]
#![allow(dead_code, reason = "only what is declared is read")]

use backup_interface::{Module, understand};
use std::path::PathBuf;

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Runs.
    Run(Options),
    /// Tells.
    Status {
        /// Which.
        job: String,
        /// And of it.
        part: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Which.
    job: String,
    /// Where.
    #[arg(long)]
    config: Option<PathBuf>,
    /// What.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// How many.
    #[arg(long, default_value_t = 7)]
    count: u32,
    /// Which of them.
    #[arg(long)]
    path: Vec<PathBuf>,
    /// Whether.
    #[arg(long)]
    keep: bool,
    /// Or whether not.
    #[arg(long, conflicts_with = "keep")]
    delete: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Full,
    Incremental,
}

const MODULE: Module = Module {
    name: "backup_none",
    summary: "Nothing",
    description: &["Does nothing."],
    examples: "- backup_none:\n",
    files: &[],
    returns: Vec::new,
};

libfuzzer_sys::fuzz_target!(|task: &[u8]| {
    match understand::<Action>(&MODULE, task) {
        Ok((_, call)) => assert!(call.is_module()),
        Err(failed) => assert!(!failed.message().is_empty()),
    }
});
