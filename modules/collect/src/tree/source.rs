//! Opening and asking single files of the live tree, so that nothing blocks and nothing else than what the scan saw
//! is read.

use super::stat::{Attributes, Stat};
use backup_archive::sparse::SparseMap;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat, lstat};
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use xattr::FileExt as _;

/// More bytes of attributes on one path are not stored: a frame holds whole headers.
const MAX_ATTRIBUTES: usize = 4 << 20;

/// What a path turned out to be when it was to be read.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// What the scan saw.
    It(T),
    /// Something else, by now.
    Other(Stat),
    /// Nothing that could be stored.
    Gone,
}

/// A regular file.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    /// How it is now.
    pub(super) stat: Stat,
    /// Bytes that the file system has set aside for it.
    pub(super) allocated: u64,
}

/// Opens a regular file if it is still the inode that was seen.
// The C library's own integer types differ between targets.
#[allow(clippy::cast_sign_loss)]
pub(super) fn open(path: &Path, seen: &Stat) -> io::Result<Found<Opened>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let fd = match nix::fcntl::open(path, flags | OFlag::O_NOATIME, Mode::empty()) {
        // Only the owner and root may leave the access time alone.
        Err(Errno::EPERM) => nix::fcntl::open(path, flags, Mode::empty()),
        result => result,
    };
    let fd = match fd {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE) => return Ok(Found::Gone),
        // A link, a socket or a device without driver took the place of the file.
        Err(Errno::ELOOP | Errno::ENXIO | Errno::ENODEV) => return look_again(path),
        result => result?,
    };
    let raw = fstat(&fd)?;
    match Stat::new(&raw) {
        Some(stat) if stat.is_same_inode(seen) && stat.kind == seen.kind => {
            Ok(Found::It(Opened { file: File::from(fd), stat, allocated: raw.st_blocks as u64 * 512 }))
        }
        _ => look_again(path),
    }
}

fn look_again<T>(path: &Path) -> io::Result<Found<T>> {
    Ok(look(path)?.map_or(Found::Gone, Found::Other))
}

/// What the path is now; `None` if it is nothing that could be stored.
pub(super) fn look(path: &Path) -> io::Result<Option<Stat>> {
    match lstat(path) {
        Ok(raw) => Ok(Stat::new(&raw)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How an open file is now.
pub(super) fn stat(file: &File) -> io::Result<Option<Stat>> {
    Ok(Stat::new(&fstat(file)?))
}

/// The extended attributes of an open file.
pub(super) fn attributes_of(file: &File) -> io::Result<Attributes> {
    match file.list_xattr() {
        Ok(names) => collect(names, |name| file.get_xattr(name)),
        Err(error) => none_if_unsupported(error),
    }
}

/// The extended attributes of a path, not following a link.
pub(super) fn attributes_at(path: &Path) -> io::Result<Attributes> {
    match xattr::list(path) {
        Ok(names) => collect(names, |name| xattr::get(path, name)),
        Err(error) => none_if_unsupported(error),
    }
}

fn none_if_unsupported(error: io::Error) -> io::Result<Attributes> {
    match error.raw_os_error() {
        Some(nix::libc::EOPNOTSUPP | nix::libc::ENOSYS) => Ok(Attributes::new()),
        _ => Err(error),
    }
}

fn collect(
    names: impl Iterator<Item = std::ffi::OsString>,
    get: impl Fn(&std::ffi::OsStr) -> io::Result<Option<Vec<u8>>>,
) -> io::Result<Attributes> {
    let mut attributes = Attributes::new();
    let mut bytes = 0;
    for name in names {
        // `None`: removed since it was listed.
        let Some(value) = get(&name)? else { continue };
        let Some(text) = name.to_str() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the attribute {} is not UTF-8", name.display()),
            ));
        };
        bytes += text.len() + value.len();
        attributes.insert(text.to_owned(), value);
    }
    if bytes > MAX_ATTRIBUTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{bytes} bytes of extended attributes")));
    }
    Ok(attributes)
}

/// Where a file has data, if it has holes.
pub(super) fn holes(file: &File, size: u64, allocated: u64) -> io::Result<Option<SparseMap>> {
    if allocated >= size {
        return Ok(None);
    }
    let mut data: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < size {
        let begin = match lseek(file, at.cast_signed(), Whence::SeekData) {
            Ok(begin) => begin.cast_unsigned(),
            Err(Errno::ENXIO) => break,
            // A file system that does not tell: all of it is data.
            Err(Errno::EINVAL | Errno::EOPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let end = match lseek(file, begin.cast_signed(), Whence::SeekHole) {
            Ok(end) => end.cast_unsigned(),
            Err(Errno::ENXIO) => break,
            Err(error) => return Err(error.into()),
        };
        data.push(begin..end);
        at = end;
    }
    Ok(SparseMap::new(size, data))
}

/// Fills `out` from `at`; returns fewer bytes than it has room for only at the end of the file.
pub(super) fn read_at(file: &File, mut at: u64, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match file.read_at(&mut out[filled..], at) {
            Ok(0) => break,
            Ok(count) => {
                filled += count;
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
