//! What a restore would change: the catalog's tree against the one that is there, path by path.
//!
//! Metadata first; contents are read and hashed only where everything else is equal. So a tree that is as it should be
//! costs one reading of it, on all processors, and a different one little. [`pairs`] walks along both trees, [`look`] finds
//! out what takes system calls, several threads at once; here it comes together again, in order: for [`links`], too.

mod links;
mod look;
mod pairs;

use crate::error::{RestoreError, Result};
use crate::generation::Generation;
use backup_archive::{Entry, EntryKind, order};
use backup_common::pipeline;
use backup_core::exclude::Exclude;
use backup_core::job::Stream;
use links::Links;
use look::{Seen, look};
use pairs::Pairs;
use std::collections::HashSet;
use std::fs::FileType;
use std::os::unix::fs::FileTypeExt;
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

/// How it is found out whether a file holds what the generation has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Compare {
    /// Every file is read.
    #[default]
    Contents,
    /// A file is read only if its time, owner or mode is another one.
    Times,
}

/// How two trees are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// What counts as the same contents.
    pub by: Compare,
    /// For a merge each file has to be known by itself: whether its contents differ where its metadata do, and whether it
    /// has to become a further name of what is replaced. And a merge's own containers are not there.
    pub each: bool,
}

/// Compares what is wanted of the generation with what lies below `top` (`/` for the live trees).
pub(crate) fn compare(generation: &Generation, stream: &Stream, top: &Path, how: How) -> Result<Comparison> {
    let left_out = LeftOut::of(stream)?;
    let mut pairs = Pairs::new(generation, left_out, top, how)?;
    let mut workers = vec![(); pipeline::threads()];
    let (mut items, mut stays) = (Vec::new(), Vec::new());
    let mut replaced = Replaced { each: how.each, ..Replaced::default() };
    let mut links = Links::default();
    pipeline::run(
        &mut workers,
        &mut pairs,
        |(), batch| batch?.into_iter().filter_map(|pair| look(pair, how).transpose()).collect::<Result<Vec<_>>>(),
        |seen| {
            for one in seen {
                match one {
                    Seen::Both(entry, file, mut why) => {
                        if file.is_some_and(|file| links.differ(&entry, file)) {
                            why.insert(0, "links");
                        }
                        let why = replaced.follow(&entry, why);
                        if !why.is_empty() {
                            items.push(Item { path: entry.path, change: Change::Changed(why) });
                        }
                    }
                    Seen::Missing(entry) => {
                        replaced.note(&entry);
                        items.push(Item { path: entry.path, change: Change::Created });
                    }
                    Seen::Extra(path) => items.push(Item { path, change: Change::Removed }),
                    Seen::LeftOut(path) => stays.push(path),
                }
            }
            Ok(())
        },
    )?;
    let mut comparison = Comparison { items, sizes: pairs.into_sizes(), stays };
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
    pub(crate) fn covers(&self, path: &[u8], kind: FileType) -> bool {
        let special = kind.is_fifo() || kind.is_char_device() || kind.is_block_device();
        (special && !self.special_files) || self.exclude.covers(path, kind.is_dir())
    }
}

/// A path that belongs to no root of its generation.
pub(crate) fn outside(path: &[u8]) -> RestoreError {
    let path = String::from_utf8_lossy(path).into_owned();
    RestoreError::Unsafe { path, why: "it lies outside of what the manifest says was collected" }
}

/// Names that get a new file: further names of it have to become names of that.
#[derive(Default)]
struct Replaced {
    /// See [`How::each`].
    each: bool,
    names: HashSet<Vec<u8>>,
}

impl Replaced {
    /// The name gets a new file.
    fn note(&mut self, entry: &Entry) {
        if self.each {
            self.names.insert(entry.path.clone());
        }
    }

    /// A further name of what gets a new file has to become one of that.
    fn follow(&mut self, entry: &Entry, mut why: Vec<&'static str>) -> Vec<&'static str> {
        if let EntryKind::Hardlink { target } = &entry.kind
            && self.names.contains(target)
            && !why.contains(&"links")
        {
            why.push("links");
        }
        if why.iter().any(|why| ["type", "links", "contents"].contains(why)) {
            self.note(entry);
        }
        why
    }
}
