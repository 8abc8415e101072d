//! rsync over ssh: both ends of one transfer, with options on which they agree in advance.
//!
//! One transfer carries an exact list of files of one directory, one folder deep at most, and nothing about them but
//! their bytes: no owner, mode, time, link. `-R` keeps the names; `-I` because a new file may have the size and time of
//! an old one; nothing is ever resumed in place. What the receiving side knows already it offers by itself as one
//! *basis* per file ([`basis`]); the sender never learns more than its checksums.
//!
//! The client builds its own command ([`Transfer`]). The forced command on the other host takes nothing from it but
//! the direction, the capability letters and names ([`Request`]), and builds the server's command from a template.
//! The server is
//! confined to the one directory ([`crate::confine`]).
//! Measured with rsync 3.2.7 and 3.5.0, each against the other.

pub mod basis;
mod ceiling;
mod client;
mod error;
mod server;

pub use ceiling::Ceiling;
pub use client::{Stats, Transfer};
pub use error::{Refusal, RsyncError};
pub use server::{Limits, Request};

use std::time::Duration;

/// Where rsync puts what an interrupted transfer had received, in the directory of the file.
const PARTIAL: &str = ".partial";
/// The longest beginning of each file that ever arrived, kept over any number of interruptions.
const PIECES: &str = ".pieces";

/// Without a byte for this long a transfer counts as cut. Long, since a receiver reads a whole basis first.
pub const SILENCE: Duration = Duration::from_mins(5);

/// Whether `name` may be transferred: a file name, or `folder/file`, of harmless letters.
pub fn is_transferable(name: &str) -> bool {
    let component = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    name.len() <= 255 && name.split('/').count() <= 2 && name.split('/').all(component)
}

#[cfg(test)]
mod tests {
    use super::is_transferable;

    #[test]
    fn names_that_mean_something_to_anybody_are_refused() {
        for name in ["data.tar.zst", "SHA256SUMS", "patches/17.parts", "dump-shop_db.sql.zst"] {
            assert!(is_transferable(name), "{name}");
        }
        for name in [
            "",
            "..",
            "../x",
            "/etc/passwd",
            "-e",
            "a/-e",
            ".hidden",
            "a/.b",
            "a/b/c",
            "a//b",
            "a b",
            "a\nb",
            "a*",
            "h:x",
            "ä",
        ] {
            assert!(!is_transferable(name), "{name:?}");
        }
    }
}
