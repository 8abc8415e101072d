//! What a restore would change: the catalog's tree against the one that is there, path by path.
//!
//! Metadata first; contents are read and hashed only where everything else is equal. So a tree that is as it should be
//! costs one reading of it, and a different one little.

use crate::error::{RestoreError, Result};
use crate::generation::Generation;
use crate::merge::is_container;
use crate::policy::is_hosts;
use crate::select::View;
use crate::tree::Walk;
use backup_archive::{Entry, EntryKind, order};
use backup_core::Kind;
use backup_core::exclude::Exclude;
use backup_core::job::Stream;
use sha2::{Digest as _, Sha256};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What would become of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is not there.
    Created,
    /// It is there and differs in this.
    Changed(Vec<&'static str>),
    /// It is there and not in the generation, with all that it holds.
    Removed,
}

/// One path that would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// As in the catalog.
    pub path: Vec<u8>,
    /// What would become of it.
    pub change: Change,
}

/// What the restored tree will need, per root in the order of [`Generation::roots`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Paths.
    pub paths: u64,
    /// Bytes of regular files, each rounded up to 4 KiB.
    pub bytes: u64,
}

/// The result of a comparison.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// In catalog order.
    pub items: Vec<Item>,
    /// Per root.
    pub sizes: Vec<Size>,
    /// What is there and was never to be collected, as the job says now: it stays, with all that it holds.
    pub stays: Vec<Vec<u8>>,
}

/// Compares what is wanted of the generation with what lies below `top` (`/` for the live trees).
///
/// For a merge `each` file has to be known by itself: whether its contents differ where its metadata do, and whether it
/// has to become a further name of what is replaced. And a merge's own containers are not there.
pub(crate) fn compare(generation: &Generation, stream: &Stream, top: &Path, each: bool) -> Result<Comparison> {
    let roots = generation.roots();
    let left_out = LeftOut::of(stream)?;
    let mut comparison = Comparison { sizes: vec![Size::default(); roots.len()], ..Comparison::default() };
    let mut walk = Walk::new(top, &generation.selection.tops(roots.clone()));
    let mut links = Links { each, ..Links::default() };
    let mut view = View::new(generation)?;
    let mut next = || -> Result<_> {
        loop {
            match view.next_pick()? {
                Some(pick) if pick.is_way => {}
                pick => return Ok(pick.map(|pick| pick.entry)),
            }
        }
    };
    let failed = || RestoreError::io("read", top);
    let mut wanted = next()?;
    let mut found = walk.next_path().map_err(failed())?;
    loop {
        let which = match (&wanted, &found) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(entry), Some((path, _))) => order::compare(&entry.path, path),
        };
        if let Some(entry) = wanted.as_ref().filter(|_| which != Ordering::Greater) {
            count(&mut comparison.sizes, &roots, entry)?;
            let change = match &found {
                Some((_, metadata)) if which == Ordering::Equal => {
                    let why = match links.differences(entry, metadata, &walk.locate(&entry.path)) {
                        // A running application removes files as it likes.
                        Err(error) if error.failure().kind() == Kind::NotFound => vec!["contents"],
                        why => why?,
                    };
                    let why = links.follow(entry, why);
                    if why == ["type"] {
                        walk.skip_contents();
                    }
                    (!why.is_empty()).then_some(Change::Changed(why))
                }
                _ => {
                    links.replaced(entry);
                    Some(Change::Created)
                }
            };
            comparison.items.extend(change.map(|change| Item { path: entry.path.clone(), change }));
            wanted = next()?;
        } else if let Some((path, metadata)) = &found {
            if each && is_container(path) {
                // Ours, and gone at the end.
            } else if left_out.covers(path, metadata) {
                comparison.stays.push(path.clone());
            } else {
                comparison.items.push(Item { path: path.clone(), change: Change::Removed });
            }
            walk.skip_contents();
        }
        if which != Ordering::Less {
            found = walk.next_path().map_err(failed())?;
        }
    }
    let present = comparison.present(generation);
    comparison.items.retain(|item| present.iter().any(|root| order::is_within(&item.path, root)));
    Ok(comparison)
}

impl Comparison {
    /// The roots that the generation has something of. The policy may have tolerated a missing one: then nothing is known
    /// of it, and it is left alone.
    pub(crate) fn present(&self, generation: &Generation) -> Vec<Vec<u8>> {
        let roots = generation.roots().into_iter().zip(&self.sizes);
        roots.filter(|(_, size)| size.paths > 0).map(|(root, _)| root).collect()
    }
}

/// What the job does not collect: a restore does not touch it.
pub(crate) struct LeftOut {
    exclude: Exclude,
    special_files: bool,
}

impl LeftOut {
    /// Of this stream.
    pub(crate) fn of(stream: &Stream) -> Result<Self> {
        let exclude = Exclude::new(&stream.exclude).map_err(RestoreError::from)?;
        Ok(Self { exclude, special_files: stream.special_files })
    }

    /// Whether a path is left out.
    pub(crate) fn covers(&self, path: &[u8], metadata: &Metadata) -> bool {
        let kind = metadata.file_type();
        let special = kind.is_fifo() || kind.is_char_device() || kind.is_block_device();
        (special && !self.special_files) || self.exclude.covers(path, kind.is_dir())
    }
}

fn count(sizes: &mut [Size], roots: &[Vec<u8>], entry: &Entry) -> Result<()> {
    let Some(root) = roots.iter().position(|root| order::is_within(&entry.path, root)) else {
        return Err(outside(&entry.path).into());
    };
    sizes[root].paths += 1;
    if let EntryKind::File { size, .. } = entry.kind {
        sizes[root].bytes += size.div_ceil(4096).saturating_mul(4096);
    }
    Ok(())
}

/// A path that belongs to no root of its generation.
pub(crate) fn outside(path: &[u8]) -> RestoreError {
    let path = String::from_utf8_lossy(path).into_owned();
    RestoreError::Unsafe { path, why: "it lies outside of what the manifest says was collected" }
}

/// Which files are names of one file, on both sides.
#[derive(Default)]
struct Links {
    /// Of the catalog's files that have further names here: device and inode.
    first: HashMap<Vec<u8>, (u64, u64)>,
    /// Whose first name was seen.
    seen: HashMap<(u64, u64), Vec<u8>>,
    /// See [`compare`].
    each: bool,
    /// Names that get a new file.
    new: HashSet<Vec<u8>>,
}

impl Links {
    /// The name gets a new file.
    fn replaced(&mut self, entry: &Entry) {
        if self.each {
            self.new.insert(entry.path.clone());
        }
    }

    /// A further name of what gets a new file has to become one of that.
    fn follow(&mut self, entry: &Entry, mut why: Vec<&'static str>) -> Vec<&'static str> {
        if let EntryKind::Hardlink { target } = &entry.kind
            && self.new.contains(target)
            && !why.contains(&"links")
        {
            why.push("links");
        }
        if why.iter().any(|why| ["type", "links", "contents"].contains(why)) {
            self.replaced(entry);
        }
        why
    }

    fn differences(&mut self, entry: &Entry, metadata: &Metadata, path: &Path) -> Result<Vec<&'static str>> {
        let mut why = Vec::new();
        if !same_type(entry, metadata) {
            return Ok(vec!["type"]);
        }
        let inode = (metadata.dev(), metadata.ino());
        let is_symlink = metadata.is_symlink();
        let mut differ = |different: bool, name| {
            if different {
                why.push(name);
            }
        };
        let linked = match &entry.kind {
            EntryKind::Hardlink { target } => self.first.get(target) != Some(&inode),
            EntryKind::Directory => false,
            _ if metadata.nlink() > 1 => {
                self.first.insert(entry.path.clone(), inode);
                self.seen.insert(inode, entry.path.clone()).is_some()
            }
            _ => false,
        };
        differ(linked, "links");
        differ((entry.uid, entry.gid) != (metadata.uid(), metadata.gid()), "owner");
        differ(!is_symlink && entry.mode != metadata.mode() & 0o7777, "mode");
        let mtime = (metadata.mtime(), metadata.mtime_nsec());
        differ((entry.mtime.seconds, i64::from(entry.mtime.nanoseconds)) != mtime, "mtime");
        let contents = match &entry.kind {
            EntryKind::File { size, sha256, .. } => {
                *size != metadata.len() || ((self.each || why.is_empty()) && digest(path)? != *sha256)
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
}

fn same_type(entry: &Entry, metadata: &Metadata) -> bool {
    let kind = metadata.file_type();
    match entry.kind {
        EntryKind::File { .. } => kind.is_file(),
        EntryKind::Directory => kind.is_dir(),
        EntryKind::Symlink { .. } => kind.is_symlink(),
        EntryKind::Hardlink { .. } => !kind.is_dir(),
        EntryKind::Fifo => kind.is_fifo(),
        EntryKind::Character { .. } => kind.is_char_device(),
        EntryKind::Block { .. } => kind.is_block_device(),
    }
}

fn same_attributes(entry: &Entry, found: &BTreeMap<String, Vec<u8>>) -> bool {
    let extra = found.keys().filter(|name| !entry.xattrs.contains_key(*name));
    entry.xattrs.iter().all(|(name, value)| found.get(name) == Some(value))
        && extra.into_iter().all(|name| is_hosts(name))
}

fn digest(path: &Path) -> Result<[u8; 32]> {
    let failed = || RestoreError::io("read", path);
    let mut file = File::open(path).map_err(failed())?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed()(error).into()),
        }
    }
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
