//! The read side: generations as streams of checked entries, members and bytes.
//!
//! [`plain`] turns an artifact into plain bytes whose length and digest are compared at the end; [`catalog`] and
//! [`members`] read a catalog and a tar stream entry by entry; [`merge`] says what becomes of a base's paths under an
//! incremental; [`parts`] reads where changed blocks go. Readers are handed in: what is a file, and how it is opened,
//! is the caller's business. Nothing here writes, and nothing is allocated before its size was checked.

mod ahead;
pub mod catalog;
mod error;
mod frames;
pub mod members;
pub mod merge;
pub mod parts;
pub mod plain;

pub use catalog::Catalog;
pub use error::ReadError;
pub use frames::Frames;
pub use members::{Member, MemberKind, Members};
pub use merge::{Deleted, Fate, Merge, Step};
pub use plain::Plain;

/// `RESTORE.txt`: how to restore with plain tools. It lies in the root of every store.
pub const RESTORE_TXT: &str = include_str!("../../assets/RESTORE.txt");
/// `restore.sh`: the script that does it. It lies beside `RESTORE.txt`.
pub const RESTORE_SH: &str = include_str!("../../assets/restore.sh");

type Result<T> = std::result::Result<T, ReadError>;
