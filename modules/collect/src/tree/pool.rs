//! Buffers that go from workers to the writer and back: none is made anew for each group of files.

use std::sync::{Mutex, PoisonError};

/// More are never on their way: each worker fills one, and a few wait for the writer.
const KEPT: usize = 24;

/// Buffers that nobody uses.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    /// One of them, with whatever is in it.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// This one is not used any more.
    pub(super) fn give(&self, buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && buffer.capacity() > 0 {
            kept.push(buffer);
        }
    }
}
