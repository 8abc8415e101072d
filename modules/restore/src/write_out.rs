//! Has the disk write while more is made: it works from the beginning, and little is left for the sync at the end.

use crate::error::Result;
use backup_adapters::publish::{self, PublishError};
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// So much is made between two syncs. The kernel by itself would begin when a tenth of the memory is dirty.
const STEP: u64 = 256 << 20;
/// What a path weighs besides its contents.
const PATH: u64 = 4 << 10;

type Written = std::result::Result<(), PublishError>;

/// Syncs file systems now and then, in a thread of its own.
#[derive(Debug)]
pub(crate) struct WriteOut {
    wishes: Option<SyncSender<()>>,
    thread: Option<JoinHandle<Written>>,
    made: u64,
}

impl WriteOut {
    /// On the file systems of these paths. Where the system gives no thread, all is left for the end.
    pub(crate) fn of(paths: Vec<PathBuf>) -> Self {
        // A wish more would be for what is being written anyway.
        let (wishes, wished) = sync_channel(1);
        let work = move || wished.iter().try_for_each(|()| paths.iter().try_for_each(|path| publish::sync_fs(path)));
        let thread = std::thread::Builder::new().name("write-out".into()).spawn(work).ok();
        Self { wishes: Some(wishes), thread, made: 0 }
    }

    /// A path with so many bytes was made.
    pub(crate) fn made(&mut self, bytes: u64) {
        self.made += bytes + PATH;
        if self.made >= STEP
            && let Some(wishes) = &self.wishes
        {
            self.made = 0;
            let _ = wishes.try_send(());
        }
    }

    /// Waits for what is being written.
    ///
    /// # Errors
    /// What could not be written: the kernel may tell it once only, and told it here.
    pub(crate) fn end(mut self) -> Result<()> {
        Ok(self.join()?)
    }

    fn join(&mut self) -> Written {
        self.wishes = None;
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }
}

impl Drop for WriteOut {
    fn drop(&mut self) {
        // An error is on its way already, or was told.
        let _ = self.join();
    }
}
