//! Owner, mode, attributes and time of one path, in the order that keeps all of them.

use super::Spot;
use crate::error::RestoreError;
use backup_archive::Entry;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmod, fchmodat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat};
use std::fs::File;
use std::io;
use xattr::FileExt;

type Result<T> = std::result::Result<T, RestoreError>;

/// What a catalog's entry says about a path besides its contents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(&'a Entry);

/// ACLs that a new file took over from the directory that it was made in.
const INHERITED: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];

impl<'a> Attributes<'a> {
    /// Those of this entry.
    pub(crate) const fn of(entry: &'a Entry) -> Self {
        Self(entry)
    }

    fn owner(self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw(self.0.uid)), Some(Gid::from_raw(self.0.gid)))
    }

    fn mode(self) -> Mode {
        // The libc type of a mode differs between targets; all hold 12 bits.
        Mode::from_bits_truncate(self.0.mode as nix::libc::mode_t)
    }

    fn times(self) -> (TimeSpec, TimeSpec) {
        (TimeSpec::UTIME_OMIT, TimeSpec::new(self.0.mtime.seconds, self.0.mtime.nanoseconds.into()))
    }

    /// Sets them on an open file or directory. The owner comes first, because changing it drops set-id bits and
    /// capabilities; the time comes last.
    pub(crate) fn set_on(self, file: &File, spot: &Spot) -> Result<()> {
        let (uid, gid) = self.owner();
        fchown(file, uid, gid).map_err(io::Error::from).map_err(spot.failed("set the owner of"))?;
        fchmod(file, self.mode()).map_err(io::Error::from).map_err(spot.failed("set the mode of"))?;
        for (name, value) in &self.0.xattrs {
            file.set_xattr(name, value).map_err(spot.failed("set the attributes of"))?;
        }
        let (accessed, modified) = self.times();
        futimens(file, &accessed, &modified).map_err(io::Error::from).map_err(spot.failed("set the time of"))
    }

    /// Sets them on a symbolic link, FIFO or device that was just made there.
    pub(crate) fn set_at(self, spot: &Spot, is_symlink: bool) -> Result<()> {
        let (uid, gid) = self.owner();
        let (directory, name) = (spot.directory(), spot.os_name());
        fchownat(directory, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(io::Error::from)
            .map_err(spot.failed("set the owner of"))?;
        if !is_symlink {
            fchmodat(directory, name, self.mode(), FchmodatFlags::FollowSymlink)
                .map_err(io::Error::from)
                .map_err(spot.failed("set the mode of"))?;
        }
        for (attribute, value) in &self.0.xattrs {
            xattr::set(spot.through(), attribute, value).map_err(spot.failed("set the attributes of"))?;
        }
        let (accessed, modified) = self.times();
        utimensat(directory, name, &accessed, &modified, UtimensatFlags::NoFollowSymlink)
            .map_err(io::Error::from)
            .map_err(spot.failed("set the time of"))
    }
}

/// Removes the ACLs that a new directory took over from its parent, so that nothing made in it takes them over.
pub(crate) fn drop_inherited(directory: &File) -> io::Result<()> {
    for name in INHERITED {
        // Where ACLs are unknown there are none.
        if directory.get_xattr(name).ok().flatten().is_some() {
            directory.remove_xattr(name)?;
        }
    }
    Ok(())
}
