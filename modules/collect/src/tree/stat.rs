//! What `lstat` says of a path, in our own types, and what equal answers prove.

use backup_archive::Mtime;
use backup_archive::index::{Record, Tuple, Type};
use nix::sys::stat::FileStat;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Times younger than T0 less this prove nothing: file systems keep time in ticks of up to two seconds, and a page
/// may have been dirtied shortly before `syncfs`.
const MARGIN_SECONDS: i64 = 2;

/// Extended attributes by name.
pub(super) type Attributes = BTreeMap<String, Vec<u8>>;

/// What `lstat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) kind: Type,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) tuple: Tuple,
    pub(super) rdev: u64,
    /// It has more than one name.
    pub(super) linked: bool,
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
            linked: u64::from(raw.st_nlink) > 1 && kind != Type::Directory,
        })
    }

    /// Device and inode number.
    pub(super) const fn inode(&self) -> (u64, u64) {
        (self.tuple.dev, self.tuple.ino)
    }

    pub(super) fn is_same_inode(&self, other: &Self) -> bool {
        self.inode() == other.inode()
    }

    /// Whether both times are safely older than `t0`.
    fn is_older_than(&self, t0: Mtime) -> bool {
        let limit = Mtime { seconds: t0.seconds - MARGIN_SECONDS, ..t0 };
        self.tuple.mtime < limit && self.tuple.ctime < limit
    }

    /// Whether what was known at `t0` still holds, by the rule of the cold pass.
    pub(super) fn unmoved_since(&self, t0: Mtime, then: &Tuple) -> bool {
        self.tuple == *then && self.is_older_than(t0)
    }

    /// Whether the member in the tar stream would be the same, as far as `lstat` tells.
    pub(super) fn same_member(&self, other: &Self) -> bool {
        self.kind == other.kind
            && (self.mode, self.uid, self.gid, self.tuple.mtime, self.rdev)
                == (other.mode, other.uid, other.gid, other.tuple.mtime, other.rdev)
            && (self.kind != Type::File || self.tuple.size == other.tuple.size)
    }
}

/// A digest over everything in which a member may differ from the base: equal ones need not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Likeness([u8; 16]);

impl Likeness {
    /// Of the base's member.
    pub(super) fn of_record(record: &Record) -> Self {
        let Record { kind, mode, uid, gid, tuple, content, attributes, .. } = record;
        Self::new(*kind, (*mode, *uid, *gid), tuple, content, attributes)
    }

    /// Of a path that has this type in the archive, and was read.
    pub(super) fn of(role: Type, stat: &Stat, content: &[u8; 32], attributes: &Attributes) -> Self {
        Self::new(role, (stat.mode, stat.uid, stat.gid), &stat.tuple, content, &digest_of(attributes))
    }

    fn new(
        role: Type,
        (mode, uid, gid): (u32, u32, u32),
        tuple: &Tuple,
        content: &[u8; 32],
        attributes: &[u8; 16],
    ) -> Self {
        let size = if role == Type::File { tuple.size } else { 0 };
        let mut hasher = Sha256::new();
        hasher.update([role as u8]);
        for part in [mode, uid, gid, tuple.mtime.nanoseconds] {
            hasher.update(part.to_le_bytes());
        }
        hasher.update(tuple.mtime.seconds.to_le_bytes());
        hasher.update(size.to_le_bytes());
        hasher.update(content);
        hasher.update(attributes);
        Self(first_half(hasher))
    }
}

/// As [`Record::attributes`].
pub(super) fn digest_of(attributes: &Attributes) -> [u8; 16] {
    if attributes.is_empty() {
        return [0; 16];
    }
    let mut hasher = Sha256::new();
    for (name, value) in attributes {
        for part in [name.as_bytes(), value] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    first_half(hasher)
}

fn first_half(hasher: Sha256) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize()[..16]);
    half
}
