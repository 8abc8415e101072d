//! Durable changes to the file system: the only place that renames, removes or replaces what must survive a crash.
//!
//! Order everywhere: write, fsync the file, fsync the directory, rename, fsync both parents. Removal goes the other
//! way round: first what makes a thing valid, then the rest. Every error names the action and the path. Every step
//! that a crash may separate from the next is a [`fault::point`].

mod dirs;

pub use dirs::{Pinned, create_dirs, create_own};

use crate::{
    fault, host, sys,
    there::{self, LookError},
};
use backup_core::{Failure, Kind};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Who shall own a new file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Numeric user.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

impl From<&crate::users::Account> for Owner {
    fn from(account: &crate::users::Account) -> Self {
        Self { uid: account.uid, gid: account.gid }
    }
}

/// A change to the file system that did not happen, or is not known to be durable.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Something is there already that must not be replaced.
    #[error("cannot publish {}: it exists already", path.display())]
    Exists {
        /// The name that is taken.
        path: PathBuf,
    },
    /// A link on the way to a directory that root works in or gives away, in a place where not only root could have put it.
    #[error("cannot go below {}: it is a symbolic link", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb: `create`, `write`, `sync`, …
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<LookError> for PublishError {
    fn from(LookError { path, source }: LookError) -> Self {
        Self::Io { action: "inspect", path, source }
    }
}

impl Failure for PublishError {
    fn kind(&self) -> Kind {
        match self {
            Self::Exists { .. } => Kind::Io,
            Self::Link { .. } => Kind::Permission,
            Self::Io { source, .. } => kind_of(source),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { path, .. } if self.kind() == Kind::NoSpace => {
                Some(format!("Free room (bytes, inodes or quota) on the file system of {}.", path.display()))
            }
            Self::Link { .. } => {
                Some("Put a directory or a bind mount there, or name the link's target in the job.".into())
            }
            _ => None,
        }
    }
}

/// The kind that an operating-system error means wherever it happens.
pub fn kind_of(error: &io::Error) -> Kind {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::NoSpace,
        ErrorKind::PermissionDenied => Kind::Permission,
        ErrorKind::NotFound => Kind::NotFound,
        _ => Kind::Io,
    }
}

type Result<T> = std::result::Result<T, PublishError>;

fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> PublishError + 'a {
    move |source| PublishError::Io { action, path: path.to_owned(), source }
}

/// Replaces or creates the file `path` in one step: readers see the old contents or the new, also after a crash.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32, owner: Option<Owner>) -> Result<()> {
    write_atomic_by(path, mode, owner, |file| file.write_all(bytes))
}

/// As [`write_atomic`], with contents that need not be in memory at once.
pub fn write_atomic_by(
    path: &Path,
    mode: u32,
    owner: Option<Owner>,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    let temporary = temporary_beside(path)?;
    let written = write_new(&temporary, mode, owner, write).and_then(|()| {
        fault::point("publish.write.synced");
        fs::rename(&temporary, path).map_err(at("replace", path))
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    fault::point("publish.write.renamed");
    sync_parent(path)
}

/// Appends one line to a journal, durably; makes the file if it is not there. What a crash left of an earlier line is
/// closed first, so that it cannot swallow this one. Only for who holds the lock of its writers.
pub fn append_line(path: &Path, line: &[u8], mode: u32, owner: Option<Owner>) -> Result<()> {
    let mut file = match OpenOptions::new().read(true).append(true).custom_flags(nix::libc::O_NOFOLLOW).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return write_atomic(path, &[line, b"\n"].concat(), mode, owner);
        }
        file => file.map_err(at("open", path))?,
    };
    let length = file.metadata().map_err(at("read", path))?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1).map_err(at("read", path))?;
    }
    let torn: &[u8] = if last == [b'\n'] { b"" } else { b"\n" };
    file.write_all(&[torn, line, b"\n"].concat()).map_err(at("write", path))?;
    file.sync_all().map_err(at("sync", path))
}

/// Writes and syncs the new file `path`; it must not exist. The directory entry is not synced yet.
fn write_new(
    path: &Path,
    mode: u32,
    owner: Option<Owner>,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at("create", path))?;
    write(&mut file).map_err(at("write", path))?;
    if let Some(Owner { uid, gid }) = owner {
        fchown(&file, Some(uid), Some(gid)).map_err(at("set the owner of", path))?;
    }
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(at("set the mode of", path))?;
    file.sync_all().map_err(at("sync", path))
}

const TEMPORARY: &[u8] = b".tmp";

fn temporary_beside(path: &Path) -> Result<PathBuf> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", host::random_hex(4).map_err(at("name a temporary file for", path))?));
    name.push(".tmp");
    Ok(path.with_file_name(name))
}

/// Removes what an interrupted [`write_atomic`] left in `directory`. Only for who holds the lock of its writers.
pub fn remove_temporaries(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(at("read", directory))? {
        let entry = entry.map_err(at("read", directory))?;
        let name = entry.file_name();
        if name.as_bytes().starts_with(b".") && name.as_bytes().ends_with(TEMPORARY) {
            remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Publishes the finished directory `staging` as `target`: everything in it is synced, then it takes its name in one
/// step. Refuses a target that exists. Both must be on one file system.
pub fn publish_dir(staging: &Path, target: &Path) -> Result<()> {
    sync_tree(staging)?;
    fault::point("publish.dir.synced");
    move_dir(staging, target)
}

/// Moves a directory (or file) that is durable already; refuses a target that exists. One file system.
pub fn move_dir(from: &Path, to: &Path) -> Result<()> {
    rename_new(from, to)?;
    fault::point("publish.dir.renamed");
    sync_parent(to)?;
    sync_parent(from)
}

fn rename_new(from: &Path, to: &Path) -> Result<()> {
    match sys::rename2(from, to, sys::RENAME_NOREPLACE) {
        Err(error) if unsupported(&error) => {
            // Not atomic, but only where the file system knows no better, and callers hold a lock.
            if there::is_there(to)? {
                return Err(PublishError::Exists { path: to.to_owned() });
            }
            fs::rename(from, to).map_err(at("move to its place", from))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(PublishError::Exists { path: to.to_owned() }),
        result => result.map_err(at("move to its place", from)),
    }
}

fn unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::EINVAL | nix::libc::ENOSYS))
}

/// The name that [`aside`] gives.
pub const ASIDE: &str = ".handover-aside";

/// Where [`exchange`] puts `other` for a moment, on a file system that cannot swap in one step: beside `one`. Whoever finds
/// something there after a crash moves it to the name, of both, that is missing (to `other` if both are).
pub fn aside(one: &Path) -> PathBuf {
    one.with_file_name(ASIDE)
}

/// Swaps two names on one file system, in one step where it can, else by way of [`aside`]. Afterwards both are durable.
pub fn exchange(one: &Path, other: &Path) -> Result<()> {
    exchange_lazily(one, other)?;
    sync_parent(one)?;
    sync_parent(other)
}

/// As [`exchange`], without making it durable: for many at once.
///
/// # Errors
/// [`PublishError::Io`], and nothing has changed.
pub fn exchange_lazily(one: &Path, other: &Path) -> Result<()> {
    let swapped = if fault::lacks("rename-exchange") {
        Err(io::Error::from_raw_os_error(nix::libc::EINVAL))
    } else {
        sys::rename2(one, other, sys::RENAME_EXCHANGE)
    };
    match swapped {
        Err(error) if unsupported(&error) => {
            let aside = aside(one);
            rename_new(other, &aside)?;
            fault::point("publish.exchange.aside");
            if let Err(error) = rename_new(one, other) {
                let _ = rename_new(&aside, other);
                return Err(error);
            }
            fault::point("publish.exchange.placed");
            rename_new(&aside, one)?;
        }
        result => result.map_err(at("exchange", other))?,
    }
    fault::point("publish.exchange.done");
    Ok(())
}

/// Moves anything to a name that is not taken, without making it durable: for many at once.
///
/// # Errors
/// [`PublishError::Exists`] if the name is taken, else [`PublishError::Io`].
pub fn move_lazily(from: &Path, to: &Path) -> Result<()> {
    rename_new(from, to)
}

/// Removes a file durably. That it is gone already is fine.
pub fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        result => result.map_err(at("remove", path))?,
    }
    fault::point("publish.removed");
    sync_parent(path)
}

/// Removes a directory with all that is in it. The `seals` (names in it) go first and durably, so that what a crash
/// leaves over can never be taken for whole. That it is gone already is fine. Symbolic links are removed, not followed.
pub fn remove_tree(path: &Path, seals: &[&str]) -> Result<()> {
    if !there::is_there(path)? {
        return Ok(());
    }
    for seal in seals {
        remove_file(&path.join(seal))?;
    }
    fault::point("publish.tree.unsealed");
    fs::remove_dir_all(path).map_err(at("remove", path))?;
    fault::point("publish.tree.removed");
    sync_parent(path)
}

/// Syncs every regular file and directory under `root`, then `root` itself. Follows no links.
pub fn sync_tree(root: &Path) -> Result<()> {
    for entry in fs::read_dir(root).map_err(at("read", root))? {
        let entry = entry.map_err(at("read", root))?;
        let kind = entry.file_type().map_err(at("read", root))?;
        let path = entry.path();
        if kind.is_dir() {
            sync_tree(&path)?;
        } else if kind.is_file() {
            sync(&path)?;
        }
    }
    sync(root)
}

/// For what somebody else may have exchanged: neither follow a link nor wait for the other end of a fifo.
const SYNC: nix::libc::c_int = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;

/// Syncs one file or directory.
pub fn sync(path: &Path) -> Result<()> {
    let file = OpenOptions::new().read(true).custom_flags(SYNC).open(path).map_err(at("open", path))?;
    file.sync_all().map_err(at("sync", path))
}

/// Syncs the directory that holds `path`.
pub fn sync_parent(path: &Path) -> Result<()> {
    match path.parent() {
        // The directory itself, also where a link of /proc leads to it ([`Pinned`]).
        Some(parent) => sync(&parent.join(".")),
        None => Ok(()),
    }
}

/// Writes out everything that is dirty on the file system of `path`, mapped pages included.
pub fn sync_fs(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(at("open", path))?;
    nix::unistd::syncfs(file.as_fd()).map_err(io::Error::from).map_err(at("sync the file system of", path))
}

/// Copies `length` bytes from `from` at `from_offset` to `to` at `to_offset`, inside the kernel where it can (which
/// shares blocks on file systems that can share). Returns fewer bytes only at the end of `from`.
pub fn copy_range(from: &File, mut from_offset: u64, to: &File, mut to_offset: u64, length: u64) -> io::Result<u64> {
    const STEP: u64 = 1 << 30;
    let mut copied = 0;
    while copied < length {
        let step = STEP.min(length - copied);
        let mut source = from_offset.cast_signed();
        let mut target = to_offset.cast_signed();
        let wanted = usize::try_from(step).unwrap_or(usize::MAX);
        let count = match nix::fcntl::copy_file_range(from, Some(&mut source), to, Some(&mut target), wanted) {
            Ok(count) => count as u64,
            // Not between these two: other file systems, an old kernel, a special file.
            Err(nix::Error::EXDEV | nix::Error::EINVAL | nix::Error::ENOSYS | nix::Error::EOPNOTSUPP) => {
                copy_step(from, from_offset, to, to_offset, step)?
            }
            Err(nix::Error::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if count == 0 {
            break;
        }
        copied += count;
        from_offset += count;
        to_offset += count;
    }
    Ok(copied)
}

fn copy_step(from: &File, from_offset: u64, to: &File, to_offset: u64, step: u64) -> io::Result<u64> {
    let mut buffer = vec![0; usize::try_from(step).unwrap_or(usize::MAX).min(1 << 20)];
    let count = from.read_at(&mut buffer, from_offset)?;
    to.write_all_at(&buffer[..count], to_offset)?;
    Ok(count as u64)
}
