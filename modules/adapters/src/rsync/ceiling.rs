//! What may arrive: the sender says how much it will be, and nothing makes it keep its word.
//!
//! The kernel refuses a file that becomes longer than the longest that was announced. That there are not too many of them is
//! looked at several times a second; between two looks a little more may arrive.

use crate::command::Command;
use crate::space::Tally;
use std::path::Path;

/// How much a receiving rsync may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceiling {
    /// By how much the folder may grow, in bytes as [`Tally`] counts them.
    pub growth: u64,
    /// The longest file, in bytes.
    pub file: u64,
}

impl Ceiling {
    /// Keeps `command`, which is about to run in `directory`, below it.
    pub(super) fn over(self, command: Command, directory: &Path) -> Command {
        let directory = directory.to_owned();
        let has = move || Tally::default().add(&directory);
        // What cannot be counted cannot be kept below anything.
        let most = has().unwrap_or(0).saturating_add(self.growth);
        command
            .file_size(self.file)
            .as_long_as(move || has().is_ok_and(|bytes| bytes <= most), "more arrives than was announced")
    }
}
