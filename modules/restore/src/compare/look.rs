//! What one path differs in: all that takes system calls, for several threads.

use super::links::File;
use super::pairs::{Pair, same_type};
use super::{Compare, How};
use crate::error::{RestoreError, Result};
use crate::policy::is_hosts;
use crate::unpack::digest;
use backup_adapters::there;
use backup_archive::{Entry, EntryKind};
use backup_core::Kind;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A path, looked at.
pub(super) enum Seen {
    /// On both sides: what it is a name of, unless it is of another type, and what it differs in but for that.
    Both(Entry, Option<File>, Vec<&'static str>),
    /// Wanted, and not there.
    Missing(Entry),
    /// There, and not in the generation.
    Extra(Vec<u8>),
    /// There, and never to be collected.
    LeftOut(Vec<u8>),
}

/// Looks at one path. `None`: a running application removed what nobody wanted.
pub(super) fn look(pair: Pair, how: How) -> Result<Option<Seen>> {
    Ok(Some(match pair {
        Pair::Both(entry, place) => {
            let Some(metadata) = there::look(&place)? else { return Ok(Some(Seen::Missing(entry))) };
            if !same_type(&entry, metadata.file_type()) {
                return Ok(Some(Seen::Both(entry, None, vec!["type"])));
            }
            let why = match differences(&entry, &metadata, &place, how) {
                // A running application removes files as it likes.
                Err(error) if error.failure().kind() == Kind::NotFound => vec!["contents"],
                why => why?,
            };
            Seen::Both(entry, Some(File::of(&metadata)), why)
        }
        Pair::Missing(entry) => Seen::Missing(entry),
        Pair::Extra(path, place) => return Ok(there::is_there(&place)?.then_some(Seen::Extra(path))),
        Pair::LeftOut(path) => Seen::LeftOut(path),
    }))
}

fn differences(entry: &Entry, metadata: &Metadata, path: &Path, how: How) -> Result<Vec<&'static str>> {
    let mut why = Vec::new();
    let mut differ = |different: bool, name| {
        if different {
            why.push(name);
        }
    };
    let mtime = (metadata.mtime(), metadata.mtime_nsec());
    differ((entry.uid, entry.gid) != (metadata.uid(), metadata.gid()), "owner");
    differ(!metadata.is_symlink() && entry.mode != metadata.mode() & 0o7777, "mode");
    differ((entry.mtime.seconds, i64::from(entry.mtime.nanoseconds)) != mtime, "mtime");
    let contents = match &entry.kind {
        EntryKind::File { size, sha256, .. } => {
            let is_read = if why.is_empty() { how.by == Compare::Contents } else { how.each };
            *size != metadata.len() || (is_read && contents(path)? != *sha256)
        }
        EntryKind::Symlink { target } => {
            let points = std::fs::read_link(path).map_err(RestoreError::io("read", path))?;
            points.as_os_str().as_bytes() != target
        }
        EntryKind::Character { major, minor } | EntryKind::Block { major, minor } => {
            let device = metadata.rdev();
            (nix::sys::stat::major(device), nix::sys::stat::minor(device)) != ((*major).into(), (*minor).into())
        }
        EntryKind::Directory | EntryKind::Hardlink { .. } | EntryKind::Fifo => false,
    };
    if contents {
        why.push("contents");
    }
    if !matches!(entry.kind, EntryKind::Hardlink { .. }) && !same_attributes(entry, &attributes(path)?) {
        why.push("attributes");
    }
    Ok(why)
}

fn same_attributes(entry: &Entry, found: &BTreeMap<String, Vec<u8>>) -> bool {
    let extra = found.keys().filter(|name| !entry.xattrs.contains_key(*name));
    entry.xattrs.iter().all(|(name, value)| found.get(name) == Some(value))
        && extra.into_iter().all(|name| is_hosts(name))
}

fn contents(path: &Path) -> Result<[u8; 32]> {
    let failed = || RestoreError::io("read", path);
    Ok(digest(&std::fs::File::open(path).map_err(failed())?).map_err(failed())?)
}

fn attributes(path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let failed = || RestoreError::io("read the attributes of", path);
    let names = match xattr::list(path) {
        // A file system without attributes has none.
        Err(error) if error.raw_os_error() == Some(nix::libc::EOPNOTSUPP) => return Ok(BTreeMap::new()),
        names => names.map_err(failed())?,
    };
    let mut found = BTreeMap::new();
    for name in names {
        if let Some(value) = xattr::get(path, &name).map_err(failed())? {
            found.insert(name.to_string_lossy().into_owned(), value);
        }
    }
    Ok(found)
}
