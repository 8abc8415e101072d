//! The finish: compresses what is left, writes every artifact, and says what the manifest needs to know.

use super::TreeCollector;
use super::artifact::{self, FrameFile};
use super::assemble::{Sequence, Source, patch_pieces};
use super::error::TreeError;
use super::large::BLOCK_DIGEST;
use super::layout::{Selection, patch, pieces, select, stored};
use super::member::entry;
use super::node::{Node, Place, State, digest_of};
use super::spec::TreeResult;
use super::tell::Teller;
use backup_archive::group::PATCH_BLOCK;
use backup_archive::index::{Record, Type};
use backup_archive::parts::Parts;
use backup_archive::{Entry, EntryKind, Index, Place as At, header};
use backup_core::manifest::{CATALOG, Counts, DATA, DELETED, PATCHES, Tree};
use std::collections::{BTreeMap, HashMap};

/// Digests of more blocks are not listed: a catalog line has a limit of 64 MiB.
const MAX_BLOCKS: usize = 2 << 20;
/// Warnings of one sort beyond this are only counted.
const MAX_WARNINGS: usize = 50;

type Artifacts = BTreeMap<String, super::StoredArtifact>;

/// Where members lie in the tar stream.
struct Places {
    /// Offset of each frame.
    frames: Vec<u64>,
    /// As [`Sequence::members`].
    members: Vec<(u32, u32, u32)>,
}

impl Places {
    fn of(&self, member: u32) -> Option<At> {
        let at = self.members.binary_search_by_key(&member, |(member, ..)| *member).ok()?;
        let (_, frame, skip) = self.members[at];
        Some(At::At { frame: self.frames[frame as usize], skip: skip.into() })
    }
}

impl TreeCollector {
    pub(super) fn write(mut self) -> Result<TreeResult, TreeError> {
        let watch = self.watch.take();
        let teller = &Teller::new(watch.as_ref());
        let nodes = std::mem::take(&mut self.scan.nodes);
        let selection = select(&nodes, self.base.as_ref(), &self.scan.unreadable);
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
            // What was told of a path goes as it is told again: a million are not kept twice.
            index: self.base.is_none().then(|| self.index(nodes)),
        })
    }

    /// Writes `patches/<n>.zst` and `.parts`; returns the number of each node's patch.
    fn write_patches(
        &mut self,
        nodes: &[Node],
        selection: &Selection,
        artifacts: &mut Artifacts,
        teller: &Teller,
    ) -> Result<HashMap<u32, u32>, TreeError> {
        let mut numbers = HashMap::new();
        let folder = self.staging.join(PATCHES);
        for &member in &selection.members {
            let node = &nodes[member as usize];
            let (Some(large), Some(known)) = (patch(node), stored(node)) else { continue };
            if numbers.is_empty() {
                std::fs::create_dir_all(&folder).map_err(TreeError::io("create", &folder))?;
            }
            let number = u32::try_from(numbers.len() + 1).expect("fewer than 2^32 patches");
            let source = Source { nodes, owners: &self.owners };
            let sequence = source.assemble(patch_pieces(node, member), &mut self.workers, &mut self.work, teller)?;
            let path = folder.join(format!("{number}.zst"));
            let file = FrameFile::of_frames(&self.work, &sequence.frames, path, self.spec.level)?;
            artifacts.insert(format!("{PATCHES}/{number}.zst"), file.finish(&mut self.workers, teller)?);
            let mut parts = Parts {
                path: node.path.to_vec(),
                size: node.stat.tuple.size,
                mtime: node.stat.tuple.mtime,
                sha256: known.content,
                ranges: Vec::new(),
            };
            for (run, number) in large.runs.iter().zip(0..) {
                for block in (0..64).filter(|block| run.mask & 1 << block != 0) {
                    let begin = number * backup_archive::group::RUN + block * PATCH_BLOCK;
                    parts.push(begin..(begin + PATCH_BLOCK).min(node.stat.tuple.size));
                }
            }
            let path = folder.join(format!("{number}.parts"));
            artifacts.insert(format!("{PATCHES}/{number}.parts"), artifact::plain(path, parts.to_text().as_bytes())?);
            numbers.insert(member, number);
        }
        Ok(numbers)
    }

    /// Writes the tar stream; returns where each member lies in it.
    fn write_data(
        &mut self,
        nodes: &[Node],
        selection: &Selection,
        artifacts: &mut Artifacts,
        teller: &Teller,
    ) -> Result<Places, TreeError> {
        let pieces = pieces(nodes, &selection.members, &self.work.frames);
        let source = Source { nodes, owners: &self.owners };
        let Sequence { frames, members } = source.assemble(pieces, &mut self.workers, &mut self.work, teller)?;
        let mut file = FrameFile::from_work(&mut self.work, &frames, self.staging.join(DATA), self.spec.level)?;
        let places = Places { frames: file.offsets(), members };
        file.write(&header::END)?;
        file.end_frame()?;
        artifacts.insert(DATA.into(), file.finish(&mut self.workers, teller)?);
        Ok(places)
    }

    fn write_catalog(
        &mut self,
        nodes: &[Node],
        selection: &Selection,
        places: &Places,
        patches: &HashMap<u32, u32>,
        artifacts: &mut Artifacts,
        teller: &Teller,
    ) -> Result<(), TreeError> {
        let mut file = FrameFile::create(self.staging.join(CATALOG), self.spec.level)?;
        let mut line = Vec::new();
        for &member in &selection.members {
            let node = &nodes[member as usize];
            let known = stored(node).expect("only what is stored is selected");
            let place = patches.get(&member).map(|&number| At::Patch(number)).or_else(|| places.of(member));
            let place = place.expect("every member is in the stream or a patch");
            let mut entry = Entry { place, ..entry(nodes, node, &node.stat, known, &self.owners) };
            if let EntryKind::File { blocks, .. } = &mut entry.kind {
                *blocks = self.listed_blocks(node).map(<[u8]>::to_vec);
            }
            line.clear();
            entry.write_line(&mut line);
            file.write(&line)?;
        }
        artifacts.insert(CATALOG.into(), file.finish(&mut self.workers, teller)?);
        Ok(())
    }

    /// The block digests that a full tells of a large file.
    fn listed_blocks<'n>(&self, node: &'n Node) -> Option<&'n [u8]> {
        let large_enough = self.base.is_none() && node.role() == Type::File && node.size() >= self.spec.large_file;
        match stored(node).map(|stored| &stored.place) {
            Some(Place::Large(large)) if large_enough && large.blocks.len() <= MAX_BLOCKS * BLOCK_DIGEST => {
                Some(&large.blocks)
            }
            _ => None,
        }
    }

    fn counts(&self, nodes: &[Node], selection: &Selection, patched: usize) -> Counts {
        let mut counts = Counts {
            deleted: selection.deleted.len() as u64,
            patched: patched as u64,
            sockets_skipped: self.scan.sockets,
            unreadable_skipped: self.scan.unreadable.len() as u64,
            ..Counts::default()
        };
        for &member in &selection.members {
            *match nodes[member as usize].role() {
                Type::File => &mut counts.files,
                Type::Directory => &mut counts.directories,
                Type::Symlink => &mut counts.symlinks,
                Type::Hardlink => &mut counts.hardlinks,
                Type::Fifo | Type::Character | Type::Block => &mut counts.specials,
            } += 1;
        }
        counts
    }

    fn index(&self, nodes: Vec<Node>) -> Index {
        let mut index = Index::new(self.t0, nodes.len());
        for node in nodes {
            let Some(known) = stored(&node) else { continue };
            let named = Some(&known.attributes).filter(|_| node.stat.kind == Type::Directory);
            index.push(&Record {
                path: node.path.to_vec(),
                kind: node.role(),
                mode: node.stat.mode,
                uid: node.stat.uid,
                gid: node.stat.gid,
                tuple: node.stat.tuple,
                content: known.content,
                attributes: digest_of(&known.attributes),
                attribute_names: named.into_iter().flat_map(|attributes| attributes.keys().cloned()).collect(),
                blocks: self.listed_blocks(&node).unwrap_or_default().to_vec(),
                settled: known.settled,
            });
        }
        index
    }
}

pub(super) fn tree(nodes: &[Node]) -> Tree {
    let held = nodes.iter().filter(|node| !matches!(node.state, State::Skipped));
    held.fold(Tree::default(), |tree, node| Tree { paths: tree.paths + 1, bytes: tree.bytes + node.size() })
}

/// What was tolerated, and what moved while it was read.
fn warnings(mut warnings: Vec<String>, nodes: &[Node]) -> Vec<String> {
    let more = warnings.len().saturating_sub(MAX_WARNINGS);
    warnings.truncate(MAX_WARNINGS);
    if more > 0 {
        warnings.push(format!("and {more} more paths were left out"));
    }
    let unsettled = || nodes.iter().filter(|node| stored(node).is_some_and(|stored| !stored.settled));
    let changed = |node: &Node| format!("{} changed while it was read", node.absolute().display());
    warnings.extend(unsettled().take(MAX_WARNINGS).map(changed));
    let more = unsettled().count().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        warnings.push(format!("and {more} more files changed while they were read"));
    }
    warnings
}
