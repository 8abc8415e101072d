//! Room on file systems, and what kind they are.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What is free on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// Bytes that the account we run as may still use (root may use the reserve as well).
    pub bytes: u64,
    /// Files that can still be made; `None` where the file system does not count them.
    pub inodes: Option<u64>,
    /// Size of the file system in bytes.
    pub total: u64,
}

/// What is free on the file system of `path`.
pub fn free(path: &Path) -> io::Result<Free> {
    let stat = nix::sys::statvfs::statvfs(path)?;
    let root = crate::users::is_root();
    let blocks = if root { stat.blocks_free() } else { stat.blocks_available() };
    let inodes = if root { stat.files_free() } else { stat.files_available() };
    let unit = wide(stat.fragment_size());
    Ok(Free {
        bytes: wide(blocks).saturating_mul(unit),
        inodes: (stat.files() > 0).then_some(wide(inodes)),
        total: wide(stat.blocks()).saturating_mul(unit),
    })
}

/// What a file or folder of `bytes` counts as: whole blocks, and at least one, since names take room as well.
pub const fn counted(bytes: u64) -> u64 {
    const BLOCK: u64 = 4096;
    let blocks = bytes.div_ceil(BLOCK);
    if blocks == 0 { BLOCK } else { blocks.saturating_mul(BLOCK) }
}

/// Counts what trees take up, a file with several names once. Lengths are counted, not blocks in use: the sum is the same
/// on every file system, however it compresses, shares or delays.
#[derive(Debug, Default)]
pub struct Tally {
    bytes: u64,
    linked: HashSet<(u64, u64)>,
}

impl Tally {
    /// Adds everything at and below `path`; returns what this added, in bytes. What is not there, or goes away meanwhile,
    /// counts nothing.
    pub fn add(&mut self, path: &Path) -> io::Result<u64> {
        let before = self.bytes;
        let mut folders = Vec::new();
        self.one(path.to_owned(), &mut folders)?;
        while let Some(folder) = folders.pop() {
            for entry in present(fs::read_dir(&folder))?.into_iter().flatten() {
                self.one(entry?.path(), &mut folders)?;
            }
        }
        Ok(self.bytes - before)
    }

    /// All that was added so far, in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn one(&mut self, path: PathBuf, folders: &mut Vec<PathBuf>) -> io::Result<()> {
        let Some(meta) = present(path.symlink_metadata())? else { return Ok(()) };
        if meta.is_dir() {
            folders.push(path);
            self.bytes = self.bytes.saturating_add(counted(0));
        } else if meta.nlink() < 2 || self.linked.insert((meta.dev(), meta.ino())) {
            self.bytes = self.bytes.saturating_add(counted(meta.len()));
        }
        Ok(())
    }
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// The C library's own integer types differ between targets; all of them fit.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

/// A file system by its magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// ext2, ext3 or ext4: one magic number.
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
    /// tmpfs.
    Tmpfs,
    /// overlayfs, as in containers.
    Overlay,
    /// Any FUSE file system.
    Fuse,
    /// NFS.
    Nfs,
    /// Anything else, by its number.
    Other(u64),
}

impl FileSystem {
    /// The file system that holds `path`.
    pub fn of(path: &Path) -> io::Result<Self> {
        let magic = nix::sys::statfs::statfs(path)?.filesystem_type().0;
        // A 32-bit number in a type whose width and sign depend on the target.
        #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, reason = "masked to the 32 bits that are defined")]
        let magic = magic as u64 & 0xffff_ffff;
        Ok(match magic {
            0xef53 => Self::Ext4,
            0x5846_5342 => Self::Xfs,
            0x9123_683e => Self::Btrfs,
            0x0102_1994 => Self::Tmpfs,
            0x794c_7630 => Self::Overlay,
            0x6573_5546 => Self::Fuse,
            0x6969 => Self::Nfs,
            other => Self::Other(other),
        })
    }

    /// Whether an unchanged mtime, after `syncfs`, proves that a file was not written through a mapping either.
    /// Only where that was measured; everywhere else the cold pass reads everything.
    pub const fn trustworthy_mtime(self) -> bool {
        matches!(self, Self::Ext4 | Self::Xfs | Self::Btrfs)
    }
}

/// Whether something is mounted exactly at `path` (bind mounts included).
pub fn is_mount_point(path: &Path) -> io::Result<bool> {
    let path = path.canonicalize()?;
    let table = std::fs::read("/proc/self/mountinfo")?;
    Ok(table.split(|&byte| byte == b'\n').filter_map(mounted_at).any(|mounted| mounted == path.as_os_str().as_bytes()))
}

/// Everything that is mounted at or below `path`, which need not exist; shorter paths first.
pub fn mounts_within(path: &Path) -> io::Result<Vec<PathBuf>> {
    let path = match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        path => path?,
    };
    let table = std::fs::read("/proc/self/mountinfo")?;
    let mounted = table.split(|&byte| byte == b'\n').filter_map(mounted_at);
    let mut within: Vec<_> =
        mounted.map(|at| PathBuf::from(OsString::from_vec(at))).filter(|at| at.starts_with(&path)).collect();
    within.sort();
    within.dedup();
    Ok(within)
}

/// The fifth field of a mountinfo line, with its `\040` escapes undone.
fn mounted_at(line: &[u8]) -> Option<Vec<u8>> {
    let field = line.split(|&byte| byte == b' ').nth(4)?;
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = (byte == b'\\').then(|| tail.get(..3)).flatten();
        let escaped = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &tail[3..] } else { tail };
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn free_space_agrees_with_df() {
        let told = Command::new("df").args(["--output=size,avail", "-B1", "/proc/.."]).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        let mut numbers = told.lines().nth(1).unwrap().split_whitespace().map(|word| word.parse::<u64>().unwrap());
        let free = free(Path::new("/")).unwrap();
        assert_eq!(free.total, numbers.next().unwrap());
        // Others write meanwhile, and root sees the reserve in addition.
        assert!(free.bytes + (1 << 30) > numbers.next().unwrap());
        assert!(free.inodes.unwrap() > 0);
    }

    #[test]
    fn trees_are_counted_in_blocks_and_files_once() {
        let room = tempfile::tempdir().unwrap();
        let script = "mkdir -p a/b; : > a/empty; printf x > a/one; head -c 4096 /dev/zero > a/b/block; head -c 4097 /dev/zero > c
            ln a/one a/b/again; ln -s /etc link";
        assert!(Command::new("sh").args(["-euc", script]).current_dir(room.path()).status().unwrap().success());
        // The length of everything in whole blocks, each inode once, as find tells them.
        let count = "find . -printf '%i %y %s\\n' | sort -u | while read -r _ type size; do
            [ \"$type\" = d ] && size=0; echo $(( size == 0 ? 4096 : (size + 4095) / 4096 * 4096 )); done | paste -sd+ | bc";
        let told = Command::new("sh").args(["-euc", count]).current_dir(room.path()).output().unwrap();
        let told: u64 = String::from_utf8(told.stdout).unwrap().trim().parse().unwrap();
        let mut tally = Tally::default();
        assert_eq!(tally.add(room.path()).unwrap(), told);
        assert_eq!(tally.add(&room.path().join("nowhere")).unwrap(), 0);
        // What is known by another name already adds nothing.
        assert_eq!(tally.add(&room.path().join("a/one")).unwrap(), 0);
        assert_eq!(tally.bytes(), told);
    }

    #[test]
    fn kinds_agree_with_stat() {
        for path in ["/", "/proc", "/dev/shm", "/sys"] {
            let told = Command::new("stat").args(["-f", "-c", "%t", path]).output().unwrap();
            let told = u64::from_str_radix(String::from_utf8(told.stdout).unwrap().trim(), 16).unwrap();
            let kind = FileSystem::of(Path::new(path)).unwrap();
            match told {
                0xef53 => assert_eq!(kind, FileSystem::Ext4),
                0x0102_1994 => assert_eq!(kind, FileSystem::Tmpfs),
                0x794c_7630 => assert_eq!(kind, FileSystem::Overlay),
                other => assert_eq!(kind, FileSystem::Other(other)),
            }
        }
        assert!(!FileSystem::of(Path::new("/dev/shm")).unwrap().trustworthy_mtime());
        assert!(FileSystem::Ext4.trustworthy_mtime());
    }

    #[test]
    fn mount_points_are_told_from_directories() {
        assert!(is_mount_point(Path::new("/proc")).unwrap());
        assert!(is_mount_point(Path::new("/")).unwrap());
        assert!(!is_mount_point(Path::new("/proc/self")).unwrap());
        assert!(!is_mount_point(Path::new("/etc")).unwrap());
        assert!(is_mount_point(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn mounts_below_a_directory_are_found() {
        assert_eq!(mounts_within(Path::new("/proc")).unwrap()[0], Path::new("/proc"));
        assert!(mounts_within(Path::new("/")).unwrap().contains(&PathBuf::from("/proc")));
        assert!(mounts_within(Path::new("/etc/ssl")).unwrap().is_empty());
        assert!(mounts_within(Path::new("/nowhere")).unwrap().is_empty());
    }

    #[test]
    fn escapes_in_mountinfo_are_undone() {
        let line = b"36 35 98:0 / /mnt/a\\040b\\134c rw - ext4 /dev/x rw";
        assert_eq!(mounted_at(line).unwrap(), b"/mnt/a b\\c");
        assert_eq!(mounted_at(b"short"), None);
    }
}
