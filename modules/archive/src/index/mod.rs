//! The source's compact index of a full: what an incremental compares the tree with, without reading JSON.
//!
//! A file of one version, bound to the generation it describes and closed by a checksum:
//!
//! ```text
//! magic  record…  trailer  length of the trailer (4 bytes)  SHA-256 of all before
//! ```
//!
//! Records are in path order, each with only what its path does not share with the one before, and are read one by
//! one: comparing a million paths needs the memory of one. A missing, damaged or foreign index is an error that costs
//! the caller no more than a full.

mod read;
mod write;

pub use read::{Index, Records};
pub use write::{Draft, IndexWriter};

use crate::Mtime;
use backup_core::{Failure, GenerationRef, Kind};
use serde::{Deserialize, Serialize};
use std::io;

const MAGIC: &[u8; 8] = b"HOVRIDX3";

/// The type of a path as the index compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// A regular file, or the first name of a set of hard links.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A further name of an earlier member.
    Hardlink,
    /// A named pipe.
    Fifo,
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// What `lstat` says that tells whether a file may have been touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuple {
    /// Bytes; not meaningful for directories.
    pub size: u64,
    /// Last change of the contents.
    pub mtime: Mtime,
    /// Last change of the inode.
    pub ctime: Mtime,
    /// Inode.
    pub ino: u64,
    /// Device.
    pub dev: u64,
}

/// One path of the full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Member's name.
    pub path: Vec<u8>,
    /// Its type.
    pub kind: Type,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// When nothing of this differs, the path need not be read.
    pub tuple: Tuple,
    /// Files: SHA-256 of the contents. Symbolic and hard links: of the target. Devices: of the device number. Else zeros.
    pub content: [u8; 32],
    /// First 16 bytes of the SHA-256 over the extended attributes; zeros if there are none.
    pub attributes: [u8; 16],
    /// Directories: their names; else empty.
    pub attribute_names: Vec<String>,
    /// Large files: first 16 bytes of the SHA-256 of each 64 KiB block, concatenated; else empty.
    pub blocks: Vec<u8>,
    /// False if the contents changed while they were read: `tuple` then proves nothing.
    pub settled: bool,
}

impl Default for Record {
    fn default() -> Self {
        let tuple = Tuple { size: 0, mtime: Mtime::default(), ctime: Mtime::default(), ino: 0, dev: 0 };
        Self {
            path: Vec::new(),
            kind: Type::File,
            mode: 0,
            uid: 0,
            gid: 0,
            tuple,
            content: [0; 32],
            attributes: [0; 16],
            attribute_names: Vec::new(),
            blocks: Vec::new(),
            settled: false,
        }
    }
}

/// A record as it is stored. Digests that are all zeros are left out.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    /// Bytes at the beginning of the path that are those of the path before.
    shared: u32,
    rest: &'a [u8],
    kind: Type,
    mode: u32,
    uid: u32,
    gid: u32,
    tuple: Tuple,
    content: &'a [u8],
    attributes: &'a [u8],
    #[serde(borrow)]
    attribute_names: Vec<&'a str>,
    blocks: &'a [u8],
    settled: bool,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    generation: GenerationRef,
    /// T0 of the pass that counts.
    t0: Mtime,
    count: u64,
}

/// Why an index cannot be used. The remedy is always the same: the next generation is a full.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Not an index of this version.
    #[error("the index is not of this version")]
    Version,
    /// It describes another generation.
    #[error("the index describes {0}, not the base")]
    OtherGeneration(String),
    /// Its bytes are not what was written.
    #[error("the index is damaged: {0}")]
    Damaged(&'static str),
    /// The system refused.
    #[error("the index cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Failure for IndexError {
    fn kind(&self) -> Kind {
        match self {
            Self::Version | Self::OtherGeneration(_) | Self::Damaged(_) => Kind::Damaged,
            Self::Io(_) => Kind::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Seek as _, Write as _};

    fn record(path: &str) -> Record {
        let mtime = Mtime { seconds: 5, nanoseconds: 6 };
        Record {
            path: path.into(),
            kind: Type::File,
            mode: 0o644,
            uid: 1,
            gid: 2,
            tuple: Tuple { size: 3, mtime, ctime: mtime, ino: u64::MAX, dev: 7 },
            content: [9; 32],
            attributes: [0; 16],
            attribute_names: vec!["user.a".into()],
            blocks: vec![1; 32],
            settled: true,
        }
    }

    fn generation(id: &str) -> GenerationRef {
        GenerationRef { id: id.parse().unwrap(), digest: backup_core::Digest::of(id.as_bytes()) }
    }

    const T0: Mtime = Mtime { seconds: 100, nanoseconds: 1 };

    fn stored(records: impl IntoIterator<Item = Record>, generation: &GenerationRef) -> Vec<u8> {
        let mut writer = IndexWriter::new(tempfile::tempfile().unwrap(), T0);
        for record in records {
            writer.push(&record).unwrap();
        }
        let mut bytes = Vec::new();
        writer.finish().unwrap().store(generation, &mut bytes).unwrap();
        bytes
    }

    fn open(bytes: &[u8], generation: &GenerationRef) -> Result<Index, IndexError> {
        let mut file: File = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        Index::open(file, generation)
    }

    fn all(index: &Index) -> Vec<Record> {
        let mut records = index.records();
        let mut all = Vec::new();
        while let Some(record) = records.next().unwrap() {
            all.push(record.clone());
        }
        all
    }

    #[test]
    fn an_index_reads_back_for_its_own_generation_only() {
        let (own, other) = (generation("20261120T220000Z"), generation("20261121T220000Z"));
        let directory = Record { content: [0; 32], attributes: [4; 16], kind: Type::Directory, ..record("a/b/c") };
        let records = [record("a"), record("a/b"), directory, record("a.b")];
        let bytes = stored(records.clone(), &own);
        let read = open(&bytes, &own).unwrap();
        assert_eq!((read.t0(), read.len()), (T0, 4));
        assert_eq!(all(&read), records);
        assert_eq!(all(&read), records, "a second time");
        assert!(matches!(open(&bytes, &other), Err(IndexError::OtherGeneration(_))));
        let nothing = open(&stored([], &own), &own).unwrap();
        assert!(nothing.is_empty() && all(&nothing).is_empty());
    }

    #[test]
    fn records_longer_than_what_is_read_at_once_are_read_whole() {
        let own = generation("20261120T220000Z");
        let large = |path: &str, fill: u8| Record { blocks: vec![fill; 700_000], ..record(path) };
        let records: Vec<Record> =
            (0..9).map(|n| if n % 3 == 1 { large(&format!("f{n}"), n) } else { record(&format!("f{n}")) }).collect();
        assert_eq!(all(&open(&stored(records.clone(), &own), &own).unwrap()), records);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let own = generation("20261120T220000Z");
        let bytes = stored(["a", "b"].map(record), &own);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(open(&damaged, &own).is_err(), "byte {at}");
            assert!(open(&bytes[..at], &own).is_err(), "cut at {at}");
        }
        assert!(open(&stored(["b", "a"].map(record), &own), &own).is_err());
        assert!(open(&stored(["a", "a"].map(record), &own), &own).is_err());
    }
}
