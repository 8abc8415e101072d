//! Both trees side by side, in catalog order: what the generation wants, and what is there.

use super::{How, LeftOut, Size, outside};
use crate::error::{RestoreError, Result};
use crate::generation::Generation;
use crate::merge::is_container;
use crate::select::View;
use crate::tree::Walk;
use backup_archive::{Entry, EntryKind, order};
use std::cmp::Ordering;
use std::fs::FileType;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// So many paths, or files of so many bytes, are looked at together: taking work costs more than a small file.
const BATCH: (usize, u64) = (64, 4 << 20);

/// One path of either tree.
pub(super) enum Pair {
    /// On both sides: what is wanted, and where it lies.
    Both(Entry, PathBuf),
    /// Wanted, and not there.
    Missing(Entry),
    /// There, and not in the generation: its name, and where it lies.
    Extra(Vec<u8>, PathBuf),
    /// There, and never to be collected.
    LeftOut(Vec<u8>),
}

/// Walks along both trees, batch by batch.
pub(super) struct Pairs<'a> {
    view: View<'a>,
    walk: Walk,
    top: PathBuf,
    roots: Vec<Vec<u8>>,
    sizes: Vec<Size>,
    left_out: LeftOut,
    how: How,
    wanted: Option<Entry>,
    found: Option<(Vec<u8>, FileType)>,
    failed: bool,
}

impl<'a> Pairs<'a> {
    /// Begins to read both.
    pub(super) fn new(generation: &'a Generation, left_out: LeftOut, top: &Path, how: How) -> Result<Self> {
        let roots = generation.roots();
        let walk = Walk::new(top, &generation.selection.tops(roots.clone()));
        let mut pairs = Self {
            view: View::new(generation)?,
            walk,
            top: top.to_owned(),
            sizes: vec![Size::default(); roots.len()],
            roots,
            left_out,
            how,
            wanted: None,
            found: None,
            failed: false,
        };
        pairs.wanted = pairs.next_wanted()?;
        pairs.found = pairs.next_found()?;
        Ok(pairs)
    }

    /// What the restored tree will need, per root.
    pub(super) fn into_sizes(self) -> Vec<Size> {
        self.sizes
    }

    fn next_wanted(&mut self) -> Result<Option<Entry>> {
        loop {
            match self.view.next_pick()? {
                Some(pick) if pick.is_way => {}
                pick => return Ok(pick.map(|pick| pick.entry)),
            }
        }
    }

    fn next_found(&mut self) -> Result<Option<(Vec<u8>, FileType)>> {
        Ok(self.walk.next_path().map_err(RestoreError::io("read", &self.top))?)
    }

    fn next_pair(&mut self) -> Result<Option<Pair>> {
        loop {
            let which = match (&self.wanted, &self.found) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(entry), Some((path, _))) => order::compare(&entry.path, path),
            };
            let wanted = if which == Ordering::Greater {
                None
            } else {
                let next = self.next_wanted()?;
                std::mem::replace(&mut self.wanted, next)
            };
            if let Some(entry) = &wanted {
                count(&mut self.sizes, &self.roots, entry)?;
            }
            let found = if which == Ordering::Less { None } else { self.found.take() };
            let pair = match (wanted, found) {
                (Some(entry), Some((_, kind))) => {
                    if !same_type(&entry, kind) {
                        self.walk.skip_contents();
                    }
                    let place = self.walk.locate(&entry.path);
                    Some(Pair::Both(entry, place))
                }
                (Some(entry), None) => Some(Pair::Missing(entry)),
                (None, Some((path, kind))) => {
                    self.walk.skip_contents();
                    if self.how.each && is_container(&path) {
                        // Ours, and gone at the end.
                        None
                    } else if self.left_out.covers(&path, kind) {
                        Some(Pair::LeftOut(path))
                    } else {
                        let place = self.walk.locate(&path);
                        Some(Pair::Extra(path, place))
                    }
                }
                (None, None) => None,
            };
            if which != Ordering::Less {
                self.found = self.next_found()?;
            }
            if pair.is_some() {
                return Ok(pair);
            }
        }
    }

    fn batch(&mut self) -> Result<Vec<Pair>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH.0 && bytes < BATCH.1 {
            let Some(pair) = self.next_pair()? else { break };
            if let Pair::Both(Entry { kind: EntryKind::File { size, .. }, .. }, _) = &pair {
                bytes = bytes.saturating_add(*size);
            }
            batch.push(pair);
        }
        Ok(batch)
    }
}

impl Iterator for Pairs<'_> {
    type Item = Result<Vec<Pair>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let batch = self.batch();
        self.failed = batch.is_err();
        match batch {
            Ok(batch) if batch.is_empty() => None,
            batch => Some(batch),
        }
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

/// Whether what is there is of the kind that is wanted.
pub(super) fn same_type(entry: &Entry, kind: FileType) -> bool {
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
