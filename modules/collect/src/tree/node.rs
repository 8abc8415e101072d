//! One path of the tree: what the scan saw, and what is known of it since.

use backup_archive::index::{Record, Tuple, Type};
use backup_archive::sparse::SparseMap;
use backup_archive::{Mtime, order};
use nix::sys::stat::FileStat;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Times younger than T0 less this prove nothing: file systems keep time in ticks of up to two seconds, and a page
/// may have been dirtied shortly before `syncfs`.
const MARGIN_SECONDS: i64 = 2;

/// Extended attributes by name.
pub(super) type Attributes = BTreeMap<String, Vec<u8>>;

/// What `lstat` says, in our own types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) kind: Type,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) tuple: Tuple,
    pub(super) rdev: u64,
    pub(super) links: u64,
    /// Bytes that the file system has set aside.
    pub(super) allocated: u64,
}

impl Stat {
    /// `None` for sockets and what else is never stored.
    // The C library's own integer types differ between targets.
    #[allow(clippy::useless_conversion, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
    pub(super) fn new(raw: &FileStat) -> Option<Self> {
        use nix::libc::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG};
        let kind = match raw.st_mode & S_IFMT {
            S_IFREG => Type::File,
            S_IFDIR => Type::Directory,
            S_IFLNK => Type::Symlink,
            S_IFIFO => Type::Fifo,
            S_IFCHR => Type::Character,
            S_IFBLK => Type::Block,
            _ => return None,
        };
        let time = |seconds, nanoseconds: i64| Mtime { seconds, nanoseconds: nanoseconds as u32 };
        Some(Self {
            kind,
            mode: raw.st_mode & 0o7777,
            uid: raw.st_uid,
            gid: raw.st_gid,
            tuple: Tuple {
                size: raw.st_size as u64,
                mtime: time(raw.st_mtime, raw.st_mtime_nsec),
                ctime: time(raw.st_ctime, raw.st_ctime_nsec),
                ino: raw.st_ino,
                dev: raw.st_dev,
            },
            rdev: raw.st_rdev,
            links: raw.st_nlink.into(),
            allocated: raw.st_blocks as u64 * 512,
        })
    }

    pub(super) fn is_same_inode(&self, other: &Self) -> bool {
        (self.tuple.dev, self.tuple.ino) == (other.tuple.dev, other.tuple.ino)
    }

    /// Whether both times are safely older than `t0`.
    fn is_older_than(&self, t0: Mtime) -> bool {
        let limit = Mtime { seconds: t0.seconds - MARGIN_SECONDS, ..t0 };
        self.tuple.mtime < limit && self.tuple.ctime < limit
    }

    /// Whether the member in the tar stream would be the same, as far as `lstat` tells.
    pub(super) fn same_member(&self, other: &Self) -> bool {
        self.kind == other.kind
            && (self.mode, self.uid, self.gid, self.tuple.mtime, self.rdev)
                == (other.mode, other.uid, other.gid, other.tuple.mtime, other.rdev)
            && (self.kind != Type::File || self.tuple.size == other.tuple.size)
    }

    /// Whether the base has it like this, given its type in the archive, contents and attributes.
    pub(super) fn equals(&self, role: Type, content: &[u8; 32], attributes: &Attributes, record: &Record) -> bool {
        role == record.kind
            && (self.mode, self.uid, self.gid, self.tuple.mtime)
                == (record.mode, record.uid, record.gid, record.tuple.mtime)
            && (role != Type::File || self.tuple.size == record.tuple.size)
            && *content == record.content
            && digest_of(attributes) == record.attributes
    }
}

/// A path of one scan.
#[derive(Debug)]
pub(super) struct Node {
    /// The member's name: absolute, without the leading slash.
    pub(super) path: Box<[u8]>,
    pub(super) stat: Stat,
    /// A further name of the hard link set whose first member this is.
    pub(super) link: Option<u32>,
    /// More than one path of the tree has this inode.
    pub(super) in_set: bool,
    /// Its file system moves mtime whenever contents change.
    pub(super) trusted: bool,
    pub(super) state: State,
}

/// What is known of a node.
#[derive(Debug)]
pub(super) enum State {
    /// To be read in this pass.
    Unread,
    /// Equal to the base, as known at this T0.
    Same(Mtime),
    /// Read.
    Stored(Box<Stored>),
    /// Vanished, or unreadable and tolerated: not part of the generation.
    Skipped,
}

/// A member that was read.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// T0 of the pass that read it.
    pub(super) t0: Mtime,
    /// Nothing moved while it was read.
    pub(super) settled: bool,
    /// As [`Record::content`].
    pub(super) content: [u8; 32],
    pub(super) attributes: Attributes,
    /// Where a symbolic link points.
    pub(super) target: Box<[u8]>,
    /// Equal to the base in everything; decided where it may have to be stored nevertheless.
    pub(super) like_base: bool,
    /// Its place still names a chunk of the group that is being read.
    pub(super) fresh: bool,
    pub(super) place: Place,
}

/// Where the bytes of a member wait for the finish.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The member's bytes (headers, contents, padding) within a frame of the work file.
    Frame { frame: u32, skip: u32, length: u32 },
    /// The member's bytes in the spool.
    Spool { at: u64, length: u32 },
    /// A large file.
    Large(Box<Large>),
}

/// A large file in runs of [`backup_archive::group::RUN`] bytes of its own offsets.
#[derive(Debug, Clone)]
pub(super) struct Large {
    pub(super) sparse: Option<SparseMap>,
    /// Only blocks that differ from the base are stored.
    pub(super) patch: bool,
    /// The frames of all runs, one after the other, are exactly the member.
    pub(super) whole: bool,
    pub(super) runs: Vec<Run>,
    /// The first 16 bytes of the SHA-256 of each 64 KiB block.
    pub(super) blocks: Vec<u8>,
}

/// The stored bytes of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) place: RunPlace,
    /// Stored bytes of contents.
    pub(super) length: u32,
    /// Patches: bit n is set if the run's n-th block is stored.
    pub(super) mask: u64,
}

/// Where the stored bytes of a run are.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunPlace {
    /// There are none: a hole, or nothing changed.
    Nothing,
    /// In a frame of the work file, after `skip` bytes of headers, followed by `padding`.
    Frame { frame: u32, skip: u32, padding: u32 },
    /// In the spool.
    Spool { at: u64 },
}

impl Node {
    /// The file itself.
    pub(super) fn absolute(&self) -> PathBuf {
        absolute(&self.path)
    }

    /// The type that it has in the archive.
    pub(super) fn role(&self) -> Type {
        if self.link.is_some() { Type::Hardlink } else { self.stat.kind }
    }

    /// Bytes of contents in the stream's terms: of regular members only.
    pub(super) fn size(&self) -> u64 {
        if self.role() == Type::File { self.stat.tuple.size } else { 0 }
    }

    /// Whether what was known at `t0` still holds, by the rule of the cold pass.
    pub(super) fn unmoved_since(&self, t0: Mtime, then: &Tuple) -> bool {
        self.stat.tuple == *then && self.stat.is_older_than(t0)
    }
}

/// The file that a member's name stands for.
pub(super) fn absolute(path: &[u8]) -> PathBuf {
    let mut absolute = Vec::with_capacity(path.len() + 1);
    absolute.push(b'/');
    absolute.extend_from_slice(path);
    PathBuf::from(OsStr::from_bytes(&absolute))
}

/// As [`Record::attributes`].
pub(super) fn digest_of(attributes: &Attributes) -> [u8; 16] {
    let mut digest = [0; 16];
    if !attributes.is_empty() {
        let mut hasher = Sha256::new();
        for (name, value) in attributes {
            for part in [name.as_bytes(), value] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        digest.copy_from_slice(&hasher.finalize()[..16]);
    }
    digest
}

/// The node of this path, by binary search.
pub(super) fn find(nodes: &[Node], path: &[u8]) -> Option<usize> {
    nodes.binary_search_by(|node| order::compare(&node.path, path)).ok()
}
