//! Owner, mode, time and attributes of what is there: read, remembered, and set on a path without writing its contents.

use crate::error::RestoreError;
use crate::policy::is_hosts;
use crate::tree::Spot;
use backup_archive::{Entry, EntryKind};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, utimensat};
use nix::sys::time::TimeSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;

type Result<T> = std::result::Result<T, RestoreError>;

/// What a path has besides its contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meta {
    uid: u32,
    gid: u32,
    /// Permission bits; `None` for a symbolic link, which has none of its own.
    mode: Option<u32>,
    /// Seconds since 1970 and nanoseconds.
    mtime: (i64, i64),
    /// By name, in hex.
    attributes: BTreeMap<String, String>,
}

impl Meta {
    /// As the catalog has it.
    pub(crate) fn of(entry: &Entry) -> Self {
        let is_link = matches!(entry.kind, EntryKind::Symlink { .. });
        Self {
            uid: entry.uid,
            gid: entry.gid,
            mode: (!is_link).then_some(entry.mode),
            mtime: (entry.mtime.seconds, entry.mtime.nanoseconds.into()),
            attributes: entry.xattrs.iter().map(|(name, value)| (name.clone(), hex::encode(value))).collect(),
        }
    }

    /// As it is there now; `None` if nothing is.
    pub(crate) fn read(spot: &Spot) -> Result<Option<Self>> {
        let Some(handle) = spot.handle()? else { return Ok(None) };
        let found = handle.metadata().map_err(spot.failed("inspect"))?;
        let through = through(&handle);
        let mut attributes = BTreeMap::new();
        for name in names(&through).map_err(spot.failed("read the attributes of"))? {
            if let Some(value) = xattr::get_deref(&through, &name).map_err(spot.failed("read the attributes of"))? {
                attributes.insert(name, hex::encode(value));
            }
        }
        Ok(Some(Self {
            uid: found.uid(),
            gid: found.gid(),
            mode: (!found.is_symlink()).then(|| found.mode() & 0o7777),
            mtime: (found.mtime(), found.mtime_nsec()),
            attributes,
        }))
    }

    /// Makes it so, but for what is the host's own affair.
    pub(crate) fn set(&self, spot: &Spot) -> Result<()> {
        self.put(spot, &is_hosts)
    }

    /// Makes it exactly so as it was read here.
    pub(crate) fn set_back(&self, spot: &Spot) -> Result<()> {
        self.put(spot, &|_| false)
    }

    /// The owner comes first, because changing it drops set-id bits and capabilities; the time comes last. What is not there any
    /// more is left alone.
    fn put(&self, spot: &Spot, stays: &dyn Fn(&str) -> bool) -> Result<()> {
        let Some(handle) = spot.handle()? else { return Ok(()) };
        let through = through(&handle);
        chown(&through, Some(self.uid), Some(self.gid)).map_err(spot.failed("set the owner of"))?;
        let is_link = handle.metadata().map_err(spot.failed("inspect"))?.is_symlink();
        if let Some(mode) = self.mode.filter(|_| !is_link) {
            let mode = Mode::from_bits_truncate(mode as nix::libc::mode_t);
            fchmodat(AT_FDCWD, &through, mode, FchmodatFlags::FollowSymlink)
                .map_err(io::Error::from)
                .map_err(spot.failed("set the mode of"))?;
        }
        let failed = || spot.failed("set the attributes of");
        for name in names(&through).map_err(failed())? {
            if !self.attributes.contains_key(&name) && !stays(&name) {
                xattr::remove_deref(&through, &name).map_err(failed())?;
            }
        }
        for (name, value) in &self.attributes {
            let value = hex::decode(value).map_err(io::Error::other).map_err(failed())?;
            if xattr::get_deref(&through, name).map_err(failed())?.as_ref() != Some(&value) {
                xattr::set_deref(&through, name, &value).map_err(failed())?;
            }
        }
        let time = TimeSpec::new(self.mtime.0, self.mtime.1);
        utimensat(AT_FDCWD, &through, &TimeSpec::UTIME_OMIT, &time, UtimensatFlags::FollowSymlink)
            .map_err(io::Error::from)
            .map_err(spot.failed("set the time of"))
    }
}

/// A name of what an open descriptor refers to, for calls that take a path. Nothing is looked up by its own name again, so
/// that nobody can put something else there meanwhile.
fn through(handle: &std::fs::File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

fn names(path: &std::path::Path) -> io::Result<Vec<String>> {
    match xattr::list_deref(path) {
        // A file system without attributes has none.
        Err(error) if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => Ok(Vec::new()),
        names => Ok(names?.map(|name| name.to_string_lossy().into_owned()).collect()),
    }
}
