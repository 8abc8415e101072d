//! Lock files: `flock` on a small file that says who holds it.
//!
//! The kernel frees the lock when the last descriptor closes, however its holders died: a lock is never stale, and the
//! file is never removed. A child that got the descriptor ([`Lock::descriptor`]) holds the lock as long as it lives.

use crate::users;
use backup_core::{Failure, Kind};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a wanted lock is tried again: the kernel offers no wait with a deadline.
const RETRY: Duration = Duration::from_millis(100);

/// A lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("cannot lock {}: held by {by}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote into it.
        by: String,
    },
    /// The lock file cannot be used.
    #[error("cannot {action} the lock file {}: {source}", path.display())]
    Io {
        /// `open`, `set the owner of`, `lock`, `share`.
        action: &'static str,
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Failure for LockError {
    fn kind(&self) -> Kind {
        match self {
            Self::Locked { .. } => Kind::Locked,
            Self::Io { source, .. } => crate::publish::kind_of(source),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Locked { .. } => Some("Wait until it has ended; the lock frees itself.".into()),
            Self::Io { .. } => None,
        }
    }
}

/// A held lock. Dropping it closes our descriptor; the lock is free once no child keeps a copy.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock at `path` now, or says who holds it. `what` is this run in a few words, for that message.
    pub fn take(path: &Path, what: &str) -> Result<Self, LockError> {
        let failed = |action| move |source| LockError::Io { action, path: path.to_owned(), source };
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Locked { path: path.to_owned(), by: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        // The lock is ours; who holds it is only for the message, and a full disk must not keep services off.
        let text = format!("{what} (pid {})\n", std::process::id());
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        Ok(Self { file, path: path.to_owned() })
    }

    /// Takes the lock at `path`, waiting for it until `deadline`.
    pub fn take_until(path: &Path, what: &str, deadline: Instant) -> Result<Self, LockError> {
        loop {
            match Self::take(path, what) {
                Err(LockError::Locked { .. }) if Instant::now() < deadline => std::thread::sleep(RETRY),
                result => return result,
            }
        }
    }

    /// Whether nobody holds the lock at `path`. Many may ask at once and are told the same: to take the lock and give it
    /// back would tell everybody who asks at that moment that it is held.
    pub fn is_free(path: &Path) -> Result<bool, LockError> {
        let failed = |action| move |source| LockError::Io { action, path: path.to_owned(), source };
        let file = match OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
            opened => opened.map_err(failed("open"))?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => Err(failed("lock")(source)),
        }
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A second descriptor of the same lock, for [`crate::command::Command::keep_open`].
    pub fn descriptor(&self) -> Result<OwnedFd, LockError> {
        let failed = |source| LockError::Io { action: "share", path: self.path.clone(), source };
        Ok(self.file.try_clone().map_err(failed)?.into())
    }
}

/// Opens the lock file, or makes it. Whoever owns the directory must be able to lock in it later, also if root was first.
fn open(path: &Path) -> Result<File, LockError> {
    let failed = |action| move |source| LockError::Io { action, path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
    loop {
        match options.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened.map_err(failed("open")),
        }
        // Only what was made here is given away, never what somebody put there.
        match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => {
                let file = made.map_err(failed("open"))?;
                give_to_owner_of_directory(&file, path).map_err(failed("set the owner of"))?;
                return Ok(file);
            }
        }
    }
}

fn give_to_owner_of_directory(file: &File, path: &Path) -> io::Result<()> {
    if !users::is_root() {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = directory.symlink_metadata()?;
    if owner.uid() == 0 { Ok(()) } else { fchown(file, Some(owner.uid()), Some(owner.gid())) }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // A holder that has just taken it may not have written yet.
    let _ = file.take(200).read_to_string(&mut text);
    let text = text.lines().next().unwrap_or_default().trim();
    if text.is_empty() { "another process".into() } else { text.into() }
}
