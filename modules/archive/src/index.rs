//! The source's compact index of a full: what an incremental compares the tree with, without reading JSON.
//!
//! A file of one version, bound to the generation it describes and closed by a checksum. Records
//! are in path order and are decoded one by one, so that comparing a million paths needs the memory of one. A missing,
//! damaged or foreign index is an error that costs the caller no more than a full.

use crate::{Mtime, order};
use backup_core::{Failure, GenerationRef, Kind};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const MAGIC: &[u8; 8] = b"HOVRIDX2";

/// The type of a path as the index compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Why an index cannot be used. The remedy is always the same: the next generation is a full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
}

impl Failure for IndexError {
    fn kind(&self) -> Kind {
        Kind::Damaged
    }
}

/// An index in memory, in its stored form: a million paths are not kept twice.
#[derive(Debug, Clone)]
pub struct Index {
    /// T0 of the pass that counts.
    t0: Mtime,
    /// Records, each as postcard writes it, from `begin` on.
    bytes: Vec<u8>,
    begin: usize,
    count: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    generation: GenerationRef,
    t0: Mtime,
    count: u64,
}

/// A usual record's length.
const USUAL: usize = 176;

impl Index {
    /// Starts an index of a full whose counting pass began at `t0` (wall clock), for about so many paths.
    pub fn new(t0: Mtime, paths: usize) -> Self {
        Self { t0, bytes: Vec::with_capacity(paths * USUAL), begin: 0, count: 0 }
    }

    /// Appends a record; the caller goes in path order.
    pub fn push(&mut self, record: &Record) {
        self.bytes =
            postcard::to_extend(record, std::mem::take(&mut self.bytes)).expect("memory does not fail to write");
        self.count += 1;
    }

    /// T0 of the pass that counts, by the wall clock.
    pub const fn t0(&self) -> Mtime {
        self.t0
    }

    /// Number of records.
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no record.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The file to store, bound to the generation that it describes.
    pub fn into_bytes(self, generation: &GenerationRef) -> Vec<u8> {
        let head = Head { generation: generation.clone(), t0: self.t0, count: self.count };
        let head = postcard::to_extend(&head, MAGIC.to_vec()).expect("memory does not fail to write");
        let mut bytes = self.bytes;
        bytes.splice(..self.begin, head);
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// Reads a stored index of exactly this generation.
    ///
    /// # Errors
    /// [`IndexError`] if it is of another version or generation, or damaged. Nothing of it is used then.
    pub fn from_bytes(mut bytes: Vec<u8>, generation: &GenerationRef) -> Result<Self, IndexError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(IndexError::Version)?;
        let (body, checksum) = body.split_last_chunk::<32>().ok_or(IndexError::Damaged("it is cut short"))?;
        let end = bytes.len() - checksum.len();
        if *checksum != *Sha256::digest(&bytes[..end]) {
            return Err(IndexError::Damaged("its checksum does not match"));
        }
        let (head, rest): (Head, _) =
            postcard::take_from_bytes(body).map_err(|_| IndexError::Damaged("its head cannot be read"))?;
        if head.generation != *generation {
            return Err(IndexError::OtherGeneration(head.generation.id.to_string()));
        }
        let begin = end - rest.len();
        bytes.truncate(end);
        let index = Self { t0: head.t0, bytes, begin, count: head.count };
        index.check()?;
        Ok(index)
    }

    /// One walk over all records: readers may then rely on their shape and order.
    fn check(&self) -> Result<(), IndexError> {
        let mut rest = &self.bytes[self.begin..];
        let mut last: Option<Vec<u8>> = None;
        for _ in 0..self.count {
            let (record, after): (Record, _) =
                postcard::take_from_bytes(rest).map_err(|_| IndexError::Damaged("a record cannot be read"))?;
            if last.is_some_and(|last| order::compare(&last, &record.path).is_ge()) {
                return Err(IndexError::Damaged("its paths are not in order"));
            }
            last = Some(record.path);
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { Err(IndexError::Damaged("it has bytes after the last record")) }
    }

    /// All records in path order.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let mut rest = &self.bytes[self.begin..];
        std::iter::from_fn(move || {
            let (record, after) = postcard::take_from_bytes(rest).ok()?;
            rest = after;
            Some(record)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn index(paths: &[&str]) -> Index {
        let mut index = Index::new(Mtime { seconds: 100, nanoseconds: 1 }, paths.len());
        for path in paths {
            index.push(&record(path));
        }
        index
    }

    #[test]
    fn an_index_reads_back_for_its_own_generation_only() {
        let (own, other) = (generation("20261120T220000Z"), generation("20261121T220000Z"));
        let bytes = index(&["a", "a/b", "a.b"]).into_bytes(&own);
        let read = Index::from_bytes(bytes.clone(), &own).unwrap();
        assert_eq!((read.t0(), read.len()), (Mtime { seconds: 100, nanoseconds: 1 }, 3));
        assert_eq!(read.records().collect::<Vec<_>>(), ["a", "a/b", "a.b"].map(record));
        assert_eq!(read.into_bytes(&own), bytes);
        assert!(matches!(Index::from_bytes(bytes, &other), Err(IndexError::OtherGeneration(_))));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let own = generation("20261120T220000Z");
        let bytes = index(&["a", "b"]).into_bytes(&own);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Index::from_bytes(damaged, &own).is_err(), "byte {at}");
            assert!(Index::from_bytes(bytes[..at].to_vec(), &own).is_err(), "cut at {at}");
        }
        assert!(Index::from_bytes(index(&["b", "a"]).into_bytes(&own), &own).is_err());
    }
}
