//! The finish: compresses what is left, writes every artifact, and says what the manifest needs to know.

use super::TreeCollector;
use super::artifact::{self, FrameFile};
use super::assemble::{Sequence, Source, patch_pieces};
use super::error::TreeError;
use super::large::BLOCK_DIGEST;
use super::layout::{Selection, pieces, select};
use super::member::entry;
use super::nodes::{Nodes, State};
use super::paths::Paths;
use super::spec::TreeResult;
use super::tell::Teller;
use super::work::Appended;
use backup_archive::group::PATCH_BLOCK;
use backup_archive::index::{Draft, IndexWriter, Record, Type};
use backup_archive::parts::Parts;
use backup_archive::{Entry, EntryKind, Place as At, header};
use backup_core::manifest::{CATALOG, Counts, DATA, DELETED, PATCHES, Tree};
use std::collections::{BTreeMap, HashMap};

/// Digests of more blocks are not listed: a catalog line has a limit of 64 MiB.
const MAX_BLOCKS: usize = 2 << 20;
/// Warnings of one sort beyond this are only counted.
const MAX_WARNINGS: usize = 50;

type Artifacts = BTreeMap<String, super::StoredArtifact>;

impl TreeCollector {
    pub(super) fn write(mut self) -> Result<TreeResult, TreeError> {
        let watch = self.watch.take();
        // Nothing is read any more.
        drop(std::mem::take(&mut self.pool));
        let teller = &Teller::new(watch.as_ref());
        let nodes = std::mem::take(&mut self.scan.nodes);
        let selection = select(&nodes, self.base.as_ref(), &self.scan.unreadable)?;
        let mut artifacts = Artifacts::new();
        let patches = self.write_patches(&nodes, &selection, &mut artifacts, teller)?;
        if self.base.is_some() {
            let list: Vec<u8> = selection.deleted.iter().flat_map(|path| [path, &b"\0"[..]].concat()).collect();
            artifacts.insert(DELETED.into(), artifact::plain(self.staging.join(DELETED), &list)?);
        }
        let places = self.write_data(&nodes, &selection, &mut artifacts, teller)?;
        self.write_catalog(&nodes, &selection, &places, &patches, &mut artifacts, teller)?;
        Ok(TreeResult {
            artifacts,
            counts: self.counts(&nodes, &selection, patches.len()),
            tree: tree(&nodes),
            started_at: self.stats.map_or(jiff::Timestamp::UNIX_EPOCH, |stats| stats.t0),
            warnings: warnings(std::mem::take(&mut self.scan.warnings), &nodes),
            index: if self.base.is_none() { Some(self.index(&nodes)?) } else { None },
        })
    }

    /// Writes `patches/<n>.zst` and `.parts`; returns the number of each node's patch.
    fn write_patches(
        &mut self,
        nodes: &Nodes,
        selection: &Selection,
        artifacts: &mut Artifacts,
        teller: &Teller,
    ) -> Result<HashMap<u32, u32>, TreeError> {
        let mut numbers = HashMap::new();
        let folder = self.staging.join(PATCHES);
        for (position, &member) in selection.members.iter().enumerate() {
            let Some(large) = nodes.patch(member) else { continue };
            if numbers.is_empty() {
                std::fs::create_dir_all(&folder).map_err(TreeError::io("create", &folder))?;
            }
            let number = u32::try_from(numbers.len() + 1).expect("fewer than 2^32 patches");
            let source = Source { nodes, members: &selection.members, owners: &self.owners };
            let pieces = patch_pieces(large, position);
            let sequence = source.assemble(pieces, &mut self.workers, &mut self.work, teller)?;
            let path = folder.join(format!("{number}.zst"));
            let file = FrameFile::of_frames(&self.work, &sequence.frames, path, self.spec.level)?;
            artifacts.insert(format!("{PATCHES}/{number}.zst"), file.finish(&mut self.workers, teller)?);
            let tuple = nodes.stat(member).tuple;
            let mut parts = Parts {
                path: nodes.path(member),
                size: tuple.size,
                mtime: tuple.mtime,
                sha256: nodes.stored(member).expect("what is selected is stored").content,
                ranges: Vec::new(),
            };
            for (run, number) in large.runs.iter().zip(0..) {
                for block in (0..64).filter(|block| run.mask & 1 << block != 0) {
                    let begin = number * backup_archive::group::RUN + block * PATCH_BLOCK;
                    parts.push(begin..(begin + PATCH_BLOCK).min(tuple.size));
                }
            }
            let path = folder.join(format!("{number}.parts"));
            artifacts.insert(format!("{PATCHES}/{number}.parts"), artifact::plain(path, parts.to_text().as_bytes())?);
            numbers.insert(member, number);
        }
        Ok(numbers)
    }

    /// Writes the tar stream; returns where its members lie in it, in their order.
    fn write_data(
        &mut self,
        nodes: &Nodes,
        selection: &Selection,
        artifacts: &mut Artifacts,
        teller: &Teller,
    ) -> Result<Places, TreeError> {
        let pieces = pieces(nodes, &selection.members, &self.work.frames);
        let source = Source { nodes, members: &selection.members, owners: &self.owners };
        let Sequence { frames, begins } = source.assemble(pieces, &mut self.workers, &mut self.work, teller)?;
        let mut file = FrameFile::from_work(&mut self.work, &frames, self.staging.join(DATA), self.spec.level)?;
        let places = Places { frames: file.offsets(), begins };
        file.write(&header::END)?;
        file.end_frame()?;
        artifacts.insert(DATA.into(), file.finish(&mut self.workers, teller)?);
        Ok(places)
    }

    fn write_catalog(
        &mut self,
        nodes: &Nodes,
        selection: &Selection,
        places: &Places,
        patches: &HashMap<u32, u32>,
        artifacts: &mut Artifacts,
        teller: &Teller,
    ) -> Result<(), TreeError> {
        let mut file = FrameFile::create(self.staging.join(CATALOG), self.spec.level)?;
        let mut line = Vec::new();
        let mut begins = places.begins.iter();
        for &member in &selection.members {
            let known = nodes.stored(member).expect("only what is stored is selected");
            let place = if let Some(&number) = patches.get(&member) {
                At::Patch(number)
            } else {
                let &(frame, skip) = begins.next().expect("every member is in the stream or a patch");
                At::At { frame: places.frames[frame as usize], skip: skip.into() }
            };
            let mut entry = Entry { place, ..entry(nodes, member, &nodes.stat(member), &known, &self.owners) };
            if let EntryKind::File { blocks, .. } = &mut entry.kind {
                *blocks = self.listed_blocks(nodes, member).map(<[u8]>::to_vec);
            }
            line.clear();
            entry.write_line(&mut line);
            file.write(&line)?;
        }
        artifacts.insert(CATALOG.into(), file.finish(&mut self.workers, teller)?);
        Ok(())
    }

    /// The block digests that a full tells of a large file.
    fn listed_blocks<'n>(&self, nodes: &'n Nodes, member: u32) -> Option<&'n [u8]> {
        let large_enough =
            self.base.is_none() && nodes.role(member) == Type::File && nodes.size(member) >= self.spec.large_file;
        let large = nodes.shelved(member).filter(|_| large_enough).and_then(|number| nodes.shelf.large(number))?;
        Some(large.blocks.as_slice()).filter(|blocks| blocks.len() <= MAX_BLOCKS * BLOCK_DIGEST)
    }

    fn counts(&self, nodes: &Nodes, selection: &Selection, patched: usize) -> Counts {
        let mut counts = Counts {
            deleted: selection.deleted.len() as u64,
            patched: patched as u64,
            sockets_skipped: self.scan.sockets,
            unreadable_skipped: self.scan.unreadable.len() as u64,
            ..Counts::default()
        };
        for &member in &selection.members {
            *match nodes.role(member) {
                Type::File => &mut counts.files,
                Type::Directory => &mut counts.directories,
                Type::Symlink => &mut counts.symlinks,
                Type::Hardlink => &mut counts.hardlinks,
                Type::Fifo | Type::Character | Type::Block => &mut counts.specials,
            } += 1;
        }
        counts
    }

    /// Writes the records of the index: its file is gone whatever happens to us.
    fn index(&self, nodes: &Nodes) -> Result<Draft, TreeError> {
        let Appended { file, path, .. } = Appended::unnamed(self.staging.join(".index"))?;
        let failed = || TreeError::io("write", &path);
        let mut index = IndexWriter::new(file, self.t0);
        let mut paths = Paths::default();
        let mut record = Record::default();
        for at in nodes.all() {
            let Some(number) = nodes.shelved(at) else { continue };
            let stat = nodes.stat(at);
            record.path.clear();
            record.path.extend_from_slice(paths.of(nodes, at));
            record.kind = nodes.role(at);
            (record.mode, record.uid, record.gid, record.tuple) = (stat.mode, stat.uid, stat.gid, stat.tuple);
            record.content = *nodes.shelf.content(number);
            record.attributes = nodes.shelf.attributes_digest(number);
            record.attribute_names.clear();
            let named = nodes.shelf.attributes_of(number).filter(|_| stat.kind == Type::Directory);
            record.attribute_names.extend(named.into_iter().flat_map(|attributes| attributes.keys().cloned()));
            record.blocks.clear();
            record.blocks.extend_from_slice(self.listed_blocks(nodes, at).unwrap_or_default());
            record.settled = nodes.shelf.is_settled(number);
            index.push(&record).map_err(failed())?;
        }
        index.finish().map_err(failed())
    }
}

/// Where the members of the tar stream lie in it.
struct Places {
    /// Offset of each frame.
    frames: Vec<u64>,
    /// As [`Sequence::begins`].
    begins: Vec<(u32, u32)>,
}

pub(super) fn tree(nodes: &Nodes) -> Tree {
    let held = nodes.all().filter(|&at| nodes.state(at) != State::Skipped);
    held.fold(Tree::default(), |tree, at| Tree { paths: tree.paths + 1, bytes: tree.bytes + nodes.size(at) })
}

/// What was tolerated, and what moved while it was read.
fn warnings(mut warnings: Vec<String>, nodes: &Nodes) -> Vec<String> {
    let more = warnings.len().saturating_sub(MAX_WARNINGS);
    warnings.truncate(MAX_WARNINGS);
    if more > 0 {
        warnings.push(format!("and {more} more paths were left out"));
    }
    let unsettled =
        || nodes.all().filter(|&at| nodes.shelved(at).is_some_and(|number| !nodes.shelf.is_settled(number)));
    let changed = |at| format!("{} changed while it was read", nodes.absolute(at).display());
    warnings.extend(unsettled().take(MAX_WARNINGS).map(changed));
    let more = unsettled().count().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        warnings.push(format!("and {more} more files changed while they were read"));
    }
    warnings
}
