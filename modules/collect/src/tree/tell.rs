//! Telling how far we are, and hearing whether to go on.

use super::Watch;
use super::error::TreeError;
use super::spec::Progress;
use std::cell::Cell;

/// Adds up what a step has done and tells the watcher, if there is one.
pub(super) struct Teller<'a> {
    watch: Option<&'a Watch>,
    done: Cell<Progress>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(watch: Option<&'a Watch>) -> Self {
        Self { watch, done: Cell::new(Progress::default()) }
    }

    /// Adds what was just done.
    ///
    /// # Errors
    /// [`TreeError::Interrupted`] if the watcher says so.
    pub(super) fn more(&self, paths: u64, bytes: u64) -> Result<(), TreeError> {
        let done = self.done.get();
        let done = Progress { paths: done.paths + paths, bytes: done.bytes + bytes };
        self.done.set(done);
        if self.watch.is_none_or(|watch| watch(&done)) { Ok(()) } else { Err(TreeError::Interrupted) }
    }

    pub(super) const fn done(&self) -> Progress {
        self.done.get()
    }
}
