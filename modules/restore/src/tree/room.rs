//! A directory below which everything is made, and which nothing can leave.

use crate::error::RestoreError;
use backup_adapters::publish::{self, Owner};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, fstatat, futimens, makedev, mkdirat, mknodat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, fchown, fsync, linkat, symlinkat, unlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

type Result<T> = std::result::Result<T, RestoreError>;

/// Only root may look into what is not complete.
const PRIVATE: Mode = Mode::S_IRWXU;

/// A directory below which everything is made.
#[derive(Debug)]
pub(crate) struct Room {
    path: PathBuf,
    top: Rc<OwnedFd>,
    /// The directory that was used last: the next path is usually in it or in one that it holds.
    last: (Vec<u8>, Rc<OwnedFd>),
}

/// A device or FIFO to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Special {
    /// A named pipe.
    Fifo,
    /// A character device: major, minor.
    Character(u32, u32),
    /// A block device: major, minor.
    Block(u32, u32),
}

/// A name in an open directory.
#[derive(Debug)]
pub(crate) struct Spot {
    directory: Rc<OwnedFd>,
    name: Vec<u8>,
    /// For messages only.
    shown: PathBuf,
}

impl Room {
    /// Opens the directory `path`, which must not be a symbolic link.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let top = nix::fcntl::open(path, flags, Mode::empty());
        let top = Rc::new(top.map_err(io::Error::from).map_err(RestoreError::io("open", path))?);
        Ok(Self { path: path.to_owned(), last: (Vec::new(), Rc::clone(&top)), top })
    }

    /// Opens the directory `path` and makes what is missing of it, for `owner`. Whoever may write to one of the directories
    /// on the way cannot lead us elsewhere: there no link is followed.
    pub(crate) fn open_or_make(path: &Path, owner: Option<Owner>) -> Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let failed = |action| move |error: Errno| RestoreError::io(action, path)(error.into());
        let mut top = nix::fcntl::open("/", flags, Mode::empty()).map_err(failed("open"))?;
        for name in path.components().filter(|part| matches!(part, Component::Normal(_))) {
            let stat = fstat(&top).map_err(failed("inspect a directory above"))?;
            let only_root_writes = stat.st_uid == 0 && stat.st_mode & 0o022 == 0;
            let flags = if only_root_writes { flags } else { flags | OFlag::O_NOFOLLOW };
            top = match openat(&top, name.as_os_str(), flags, Mode::empty()) {
                Err(Errno::ENOENT) => {
                    mkdirat(&top, name.as_os_str(), PRIVATE).map_err(failed("create"))?;
                    let made = openat(&top, name.as_os_str(), flags | OFlag::O_NOFOLLOW, Mode::empty());
                    let made = made.map_err(failed("open"))?;
                    if let Some(Owner { uid, gid }) = owner {
                        fchown(&made, Some(uid.into()), Some(gid.into())).map_err(failed("set the owner of"))?;
                    }
                    fchmod(&made, Mode::from_bits_truncate(0o750)).map_err(failed("set the mode of"))?;
                    fsync(&top).map_err(failed("sync the directory of"))?;
                    made
                }
                Err(Errno::ENOTDIR | Errno::ELOOP) => {
                    let path = path.to_string_lossy().into_owned();
                    return Err(RestoreError::Detour { path });
                }
                opened => opened.map_err(failed("open"))?,
            };
        }
        let top = Rc::new(top);
        Ok(Self { path: path.to_owned(), last: (Vec::new(), Rc::clone(&top)), top })
    }

    /// The place that `path` (relative, checked) names. Missing directories above it are made.
    pub(crate) fn spot(&mut self, path: &[u8]) -> Result<Spot> {
        let shown = self.path.join(OsStr::from_bytes(path));
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        let directory = self.descend(parent, &shown, true)?.ok_or_else(|| lost(&shown))?;
        Ok(Spot { directory, name: name.to_owned(), shown })
    }

    /// As [`Self::spot`], without making anything: `None` if a directory above it is missing or is none.
    pub(crate) fn spot_if_there(&mut self, path: &[u8]) -> Result<Option<Spot>> {
        let shown = self.path.join(OsStr::from_bytes(path));
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        let directory = self.descend(parent, &shown, false)?;
        Ok(directory.map(|directory| Spot { directory, name: name.to_owned(), shown }))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn descend(&mut self, wanted: &[u8], shown: &Path, make: bool) -> Result<Option<Rc<OwnedFd>>> {
        let (known, mut directory) = (&self.last.0, Rc::clone(&self.last.1));
        let below = match wanted.strip_prefix(known.as_slice()) {
            Some(rest) if known.is_empty() || rest.is_empty() || rest[0] == b'/' => rest,
            _ => {
                directory = Rc::clone(&self.top);
                wanted
            }
        };
        for name in below.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            match enter(&directory, name, shown, make)? {
                Some(entered) => directory = Rc::new(entered),
                None => return Ok(None),
            }
        }
        self.last = (wanted.to_owned(), Rc::clone(&directory));
        Ok(Some(directory))
    }
}

/// The failure that a directory above it is missing.
pub(crate) fn lost(shown: &Path) -> RestoreError {
    RestoreError::io("find the directory of", shown)(io::Error::from(io::ErrorKind::NotFound))
}

fn enter(directory: &OwnedFd, name: &[u8], shown: &Path, make: bool) -> Result<Option<OwnedFd>> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let name = OsStr::from_bytes(name);
    loop {
        match openat(directory, name, flags, Mode::empty()) {
            Ok(opened) => return Ok(Some(opened)),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) if !make => return Ok(None),
            Err(Errno::ENOENT) => match mkdirat(directory, name, PRIVATE) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(RestoreError::io("make a directory above", shown)(error.into())),
            },
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                let path = shown.to_string_lossy().into_owned();
                return Err(RestoreError::Unsafe { path, why: "it leads through something that is not a directory" });
            }
            Err(error) => return Err(RestoreError::io("enter a directory above", shown)(error.into())),
        }
    }
}

impl Spot {
    fn name(&self) -> &OsStr {
        OsStr::from_bytes(&self.name)
    }

    pub(super) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    pub(super) fn os_name(&self) -> &OsStr {
        self.name()
    }

    /// A path through the open directory, for calls that take no descriptor.
    pub(super) fn through(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.directory.as_raw_fd().to_string()).join(self.name())
    }

    /// For messages.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    pub(crate) fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> RestoreError {
        let path = self.shown.clone();
        move |source| RestoreError::Io { action, path: path.clone(), source }
    }

    /// Makes a new regular file and opens it for writing.
    pub(crate) fn create(&self) -> Result<File> {
        self.open(OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, "create")
    }

    /// Opens an existing regular file for reading and writing.
    pub(crate) fn open_existing(&self) -> Result<File> {
        let file = self.open(OFlag::O_RDWR | OFlag::O_NONBLOCK, "open")?;
        let is_file = file.metadata().map_err(self.failed("inspect"))?.is_file();
        if is_file { Ok(file) } else { Err(self.failed("open")(io::Error::other("not a regular file"))) }
    }

    /// Opens an existing directory.
    pub(crate) fn open_directory(&self) -> Result<File> {
        self.open(OFlag::O_RDONLY | OFlag::O_DIRECTORY, "open")
    }

    fn open(&self, flags: OFlag, action: &'static str) -> Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let opened = openat(self.directory.as_fd(), self.name(), flags, Mode::S_IRUSR | Mode::S_IWUSR);
        Ok(File::from(opened.map_err(io::Error::from).map_err(self.failed(action))?))
    }

    /// Removes what lies here, if it is not a directory. That it is gone already is fine.
    pub(crate) fn remove(&self) -> Result<()> {
        match unlinkat(&*self.directory, self.name(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) => self.sync_directory(),
            Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(self.failed("remove")(error.into())),
        }
    }

    /// Makes durable that something came here, or went.
    pub(crate) fn sync_directory(&self) -> Result<()> {
        fsync(&*self.directory).map_err(io::Error::from).map_err(self.failed("sync the directory of"))
    }

    /// Makes a directory; that it is there already is fine.
    pub(crate) fn directory_here(&self) -> Result<()> {
        match mkdirat(&*self.directory, self.name(), PRIVATE) {
            Err(Errno::EEXIST) => self.open_directory().map(drop),
            made => made.map_err(io::Error::from).map_err(self.failed("create")),
        }
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(&self, target: &[u8]) -> Result<()> {
        let made = symlinkat(OsStr::from_bytes(target), &*self.directory, self.name());
        made.map_err(io::Error::from).map_err(self.failed("create"))
    }

    /// Makes a further name of what lies at `first`.
    pub(crate) fn link_to(&self, first: &Self) -> Result<()> {
        let made = linkat(&*first.directory, first.name(), &*self.directory, self.name(), AtFlags::empty());
        made.map_err(io::Error::from).map_err(self.failed("link"))
    }

    /// What lies there, opened for nothing but to inspect it and to set its attributes; `None` if nothing does.
    pub(crate) fn handle(&self) -> Result<Option<File>> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(self.directory.as_fd(), self.name(), flags, Mode::empty()) {
            Ok(opened) => Ok(Some(File::from(opened))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(self.failed("open")(error.into())),
        }
    }

    /// Device and inode of what lies there.
    pub(crate) fn inode(&self) -> Result<Option<(u64, u64)>> {
        match fstatat(&*self.directory, self.name(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some((found.st_dev, found.st_ino))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(self.failed("inspect")(error.into())),
        }
    }

    /// Exchanges what lies here with what lies at `to`, or moves it there. Not durable before the file system is synced.
    pub(crate) fn exchange_or_move(&self, to: &Self) -> crate::error::Result<()> {
        let (from, way) = (self.through(), to.through());
        if to.exists()? {
            publish::exchange_lazily(&from, &way)?;
        } else {
            publish::move_lazily(&from, &way)?;
        }
        Ok(())
    }

    /// Whether anything lies there.
    pub(crate) fn exists(&self) -> Result<bool> {
        Ok(self.inode()?.is_some())
    }

    /// Moves what lies here to `to`, where nothing lies, and leaves the times of both directories as they are.
    pub(crate) fn move_to(&self, to: &Self) -> Result<()> {
        let times = [self, to].map(|spot| fstat(&*spot.directory));
        renameat(&*self.directory, self.name(), &*to.directory, to.name())
            .map_err(io::Error::from)
            .map_err(self.failed("move"))?;
        for (spot, stat) in [self, to].into_iter().zip(times) {
            let stat = stat.map_err(io::Error::from).map_err(spot.failed("inspect the directory of"))?;
            let modified = TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec);
            futimens(&*spot.directory, &TimeSpec::UTIME_OMIT, &modified)
                .map_err(io::Error::from)
                .map_err(spot.failed("set the time of the directory of"))?;
        }
        Ok(())
    }

    /// Makes a FIFO or a device.
    pub(crate) fn special(&self, special: Special) -> Result<()> {
        let (kind, device) = match special {
            Special::Fifo => (SFlag::S_IFIFO, 0),
            Special::Character(major, minor) => (SFlag::S_IFCHR, makedev(major.into(), minor.into())),
            Special::Block(major, minor) => (SFlag::S_IFBLK, makedev(major.into(), minor.into())),
        };
        let made = mknodat(&*self.directory, self.name(), kind, Mode::S_IRUSR | Mode::S_IWUSR, device);
        made.map_err(io::Error::from).map_err(self.failed("create"))
    }
}
