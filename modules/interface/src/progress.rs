//! How far the work is, for somebody who watches a terminal; for everybody else nothing, at no cost.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::invocation::Call;

/// A bar, or nothing. Clones advance the same bar; it vanishes with the last one.
#[derive(Debug, Clone)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// Counts bytes out of `total`; 0 where the total is not known yet.
    pub fn bytes(call: &Call, what: &'static str, total: u64) -> Self {
        Self::new(call, what, total, "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}")
    }

    /// Counts things out of `total`; 0 where the total is not known yet.
    pub fn steps(call: &Call, what: &'static str, total: u64) -> Self {
        Self::new(call, what, total, "{prefix} {bar:30} {pos}/{len} {eta} {msg}")
    }

    /// For work that has no caller to tell.
    pub const fn hidden() -> Self {
        Self(None)
    }

    /// `amount` more is done.
    pub fn add(&self, amount: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(amount);
        }
    }

    /// The total is known now, or is another one.
    pub fn set_total(&self, total: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(total);
        }
    }

    /// What is being done at the moment.
    pub fn say(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(what.to_owned());
        }
    }

    fn new(call: &Call, what: &'static str, total: u64, template: &str) -> Self {
        if call.speaks_json() || call.quiet || !std::io::stderr().is_terminal() {
            return Self::hidden();
        }
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total).with_style(style).with_prefix(what).with_finish(ProgressFinish::AndClear);
        Self(Some(bar))
    }
}
