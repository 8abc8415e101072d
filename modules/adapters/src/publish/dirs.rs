//! Directories made, or worked in, where somebody else may rearrange the path meanwhile.
//!
//! Root makes folders in the homes of ordinary users and gives them away. So the path is walked one descriptor at a
//! time, what is given away is the descriptor of what was made, and a link is followed only where root alone could have
//! put it: otherwise its owner could have any directory of the host given to them.

use super::{Owner, PublishError, Result, at};
use nix::Error;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstat, fstatat, mkdirat};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows in one path.
const MAX_LINKS: usize = 40;

/// Makes the directory `path` and its missing parents, each with exactly this mode and owner, durably. Existing
/// directories are left as they are. With an owner to give them to, no link is followed that may not be root's.
pub fn create_dirs(path: &Path, mode: u32, owner: Option<Owner>) -> Result<()> {
    walk(path, "create", owner.is_none(), |place, name, here| place.make(name, here, mode, owner)).map(drop)
}

/// A directory that stays the one that it is, whoever may rearrange the way to it: root works in it through a descriptor.
#[derive(Debug)]
pub struct Pinned {
    _directory: OwnedFd,
    path: PathBuf,
}

impl Pinned {
    /// Goes to the directory `path`, following no link that may not be root's.
    pub fn open(path: &Path) -> Result<Self> {
        let missing = |_: &Place, _: &OsStr, here: &Path| Err(at("open", here)(Error::ENOENT.into()));
        let directory = walk(path, "open", false, missing)?.directory;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        Ok(Self { _directory: directory, path })
    }

    /// Leads there as long as this lives.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Goes along `path`, in order to do `action` there; `missing` makes what is not there. Unless links are to be followed,
/// none is that may not be root's.
fn walk(
    path: &Path,
    action: &'static str,
    follow: bool,
    missing: impl Fn(&Place, &OsStr, &Path) -> Result<OwnedFd>,
) -> Result<Place> {
    let mut place = Place::start(path)?;
    let mut rest: VecDeque<OsString> = names(path).collect();
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        let here = place.path.join(&name);
        match open_dir(&place.directory, &name, follow) {
            Ok(next) => place.enter(next, here)?,
            Err(Error::ENOENT) => {
                let made = missing(&place, &name, &here)?;
                place.enter(made, here)?;
            }
            Err(error) => {
                let target = if follow { None } else { readlinkat(&place.directory, name.as_os_str()).ok() };
                let Some(target) = target else { return Err(at(action, &here)(error.into())) };
                links += 1;
                if links > MAX_LINKS {
                    return Err(at(action, &here)(Error::ELOOP.into()));
                }
                if !place.is_link_of_root(&name, &here)? {
                    return Err(PublishError::Link { path: here });
                }
                let target = PathBuf::from(target);
                if target.is_absolute() {
                    place = Place::start(&target)?;
                }
                for name in names(&target).rev() {
                    rest.push_front(name);
                }
            }
        }
    }
    Ok(place)
}

/// Makes the directory `path`, closed to everybody but us, and opens it: what is done through this descriptor is done to
/// what was made, whoever may put something else in its place. The directory entry is not synced.
pub fn create_own(path: &Path) -> Result<File> {
    mkdirat(AT_FDCWD, path, Mode::S_IRWXU).map_err(io::Error::from).map_err(at("create", path))?;
    open_made(AT_FDCWD, path.as_os_str()).map_err(at("open", path))
}

/// How far a walk has come.
struct Place {
    directory: OwnedFd,
    path: PathBuf,
    /// Whether root alone could have arranged the way here.
    is_roots: bool,
}

impl Place {
    fn start(path: &Path) -> Result<Self> {
        let start = Path::new(if path.is_absolute() { "/" } else { "." });
        let directory =
            open_dir(AT_FDCWD, start.as_os_str(), false).map_err(io::Error::from).map_err(at("open", start))?;
        let path = if path.is_absolute() { start.into() } else { PathBuf::new() };
        let mut place = Self { directory, path, is_roots: true };
        place.look()?;
        Ok(place)
    }

    fn enter(&mut self, directory: impl Into<OwnedFd>, path: PathBuf) -> Result<()> {
        self.directory = directory.into();
        self.path = path;
        self.look()
    }

    fn look(&mut self) -> Result<()> {
        let stat = fstat(&self.directory).map_err(io::Error::from).map_err(at("inspect", &self.path))?;
        self.is_roots &= stat.st_uid == 0;
        Ok(())
    }

    fn is_link_of_root(&self, name: &OsStr, path: &Path) -> Result<bool> {
        let link = fstatat(&self.directory, name, AtFlags::AT_SYMLINK_NOFOLLOW);
        let link = link.map_err(io::Error::from).map_err(at("inspect", path))?;
        Ok(self.is_roots && link.st_uid == 0)
    }

    fn make(&self, name: &OsStr, path: &Path, mode: u32, owner: Option<Owner>) -> Result<OwnedFd> {
        match mkdirat(&self.directory, name, Mode::S_IRWXU) {
            // Somebody was faster: theirs is as good, and stays as it is.
            Err(Error::EEXIST) => {
                return open_dir(&self.directory, name, false).map_err(io::Error::from).map_err(at("create", path));
            }
            result => result.map_err(io::Error::from).map_err(at("create", path))?,
        }
        let made = open_made(&self.directory, name).map_err(at("open", path))?;
        if let Some(Owner { uid, gid }) = owner {
            fchown(&made, Some(uid), Some(gid)).map_err(at("set the owner of", path))?;
        }
        made.set_permissions(fs::Permissions::from_mode(mode)).map_err(at("set the mode of", path))?;
        let parent = openat(&self.directory, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let synced = parent.map_err(io::Error::from).and_then(|parent| File::from(parent).sync_all());
        synced.map_err(at("sync the parent of", path))?;
        Ok(made.into())
    }
}

/// What is left of a path once it is known where it starts.
fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}

/// A directory to walk through: being allowed to search it is enough.
fn open_dir(directory: impl AsFd, name: &OsStr, follow: bool) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(directory, name, if follow { flags } else { flags | OFlag::O_NOFOLLOW }, Mode::empty())
}

/// Opens the directory that we have just made; what somebody else put there in between is refused.
fn open_made(directory: impl AsFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let made = File::from(openat(directory, name, flags, Mode::empty())?);
    let meta = made.metadata()?;
    if meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o777 == 0o700 {
        Ok(made)
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody else has put a directory there"))
    }
}
