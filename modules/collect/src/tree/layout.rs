//! The finish, first half: which members are stored, where the groups are cut, and which frames can stay as they are.

use super::large::{last_with_data, padding_of};
use super::nodes::{Nodes, State};
use super::pass::{Around, has_lost};
use super::paths::{Finder, Paths};
use super::stored::{Large, Place, RunPlace};
use super::work::Frame;
use backup_archive::group::Cutter;
use backup_archive::index::{IndexError, Type};
use backup_archive::{Index, order};
use std::collections::HashSet;
use std::ops::Range;

/// The next part of the tar stream. Members are told by their positions in [`Selection::members`].
#[derive(Debug)]
pub(super) enum Piece {
    /// A frame as it is, with the members that begin in it.
    Frame(u32, Range<usize>),
    /// Members whose bytes come from several places.
    Members(Range<usize>),
    /// One run of a large file.
    Run(usize, usize),
}

/// What an incremental or a full stores, decided.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// In path order, patches included.
    pub(super) members: Vec<u32>,
    /// Paths that the base has and that are gone, have another type, or are directories whose lost attributes would stay;
    /// tops of subtrees only.
    pub(super) deleted: Vec<Vec<u8>>,
}

/// Everything that was stored; of an incremental, what differs from the base and what belongs to it.
pub(super) fn select(nodes: &Nodes, base: Option<&Index>, unreadable: &[Box<[u8]>]) -> Result<Selection, IndexError> {
    let is_stored = |at: &u32| nodes.shelved(*at).is_some();
    let Some(base) = base else {
        return Ok(Selection { members: nodes.all().filter(is_stored).collect(), deleted: Vec::new() });
    };
    let deleted = deleted(nodes, base, unreadable, has_lost)?;
    let differs = |at: &u32| nodes.shelved(*at).is_some_and(|number| !nodes.shelf.is_like_base(number));
    let changed_sets = nodes.all().filter(|at| nodes.in_set(*at) && differs(at));
    let sets: HashSet<(u64, u64)> = changed_sets.map(|at| nodes.inode(at)).collect();
    let is_chosen = |at: &u32| differs(at) || (nodes.in_set(*at) && is_stored(at) && sets.contains(&nodes.inode(*at)));
    // Extracting or removing moves the time of the directory around; its own entry puts that right.
    let mut touched = Around::of(nodes);
    nodes.all().filter(is_chosen).for_each(|at| touched.mark_parent(nodes, at));
    deleted.iter().filter_map(|path| nodes.find(order::parent(path)?)).for_each(|parent| touched.mark(parent));
    let is_chosen = |at: &u32| is_chosen(at) || (is_stored(at) && touched.is_marked(*at));
    Ok(Selection { members: nodes.all().filter(is_chosen).collect(), deleted })
}

pub(super) fn deleted(
    nodes: &Nodes,
    base: &Index,
    unreadable: &[Box<[u8]>],
    has_lost: impl Fn(&Nodes, u32, &[String]) -> bool,
) -> Result<Vec<Vec<u8>>, IndexError> {
    let mut deleted: Vec<Vec<u8>> = Vec::new();
    let mut finder = Finder::default();
    let mut records = base.records();
    while let Some(record) = records.next()? {
        let node = finder.find(nodes, &record.path).filter(|&at| nodes.state(at) != State::Skipped);
        // A further name of a file is a file too.
        let class = |kind| if kind == Type::Hardlink { Type::File } else { kind };
        let kept = node.is_some_and(|at| class(nodes.role(at)) == class(record.kind));
        // What could not be read in it exists in the base only.
        let is_known = || !unreadable.iter().any(|path| order::is_within(path, &record.path));
        let lost = |at| !record.attribute_names.is_empty() && has_lost(nodes, at, &record.attribute_names);
        let kept = kept && !(node.is_some_and(lost) && is_known());
        let below = deleted.last().is_some_and(|top| order::is_within(&record.path, top));
        let unknown = || unreadable.iter().any(|top| order::is_within(&record.path, top));
        if !kept && !below && !unknown() {
            deleted.push(record.path.clone());
        }
    }
    Ok(deleted)
}

/// Cuts the members of the tar stream into groups and finds out which of them are in frames already.
pub(super) fn pieces(nodes: &Nodes, members: &[u32], frames: &[Frame]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut cutter = Cutter::default();
    let mut paths = Paths::default();
    let mut begin = 0;
    for (position, &member) in members.iter().enumerate() {
        if cutter.begins(paths.of(nodes, member), nodes.size(member)) {
            flush(nodes, members, frames, begin..position, &mut pieces);
            begin = position;
        }
        if let Some(Place::Large(large)) = nodes.place(member) {
            // A large file is a group of its own; a patch is no part of the stream.
            if !large.patch {
                runs(nodes.stat(member).tuple.size, position, &large, &mut pieces);
            }
            begin = position + 1;
        }
    }
    flush(nodes, members, frames, begin..members.len(), &mut pieces);
    pieces
}

/// A group that is exactly the members of some frames, in order, is those frames.
fn flush(nodes: &Nodes, members: &[u32], frames: &[Frame], group: Range<usize>, pieces: &mut Vec<Piece>) {
    if !group.is_empty() {
        match frames_of(nodes, members, frames, group.clone()) {
            Some(parts) => pieces.extend(parts),
            None => pieces.push(Piece::Members(group)),
        }
    }
}

fn frames_of(nodes: &Nodes, members: &[u32], frames: &[Frame], mut rest: Range<usize>) -> Option<Vec<Piece>> {
    let frame_of = |position: usize| match nodes.place(members[position]) {
        Some(Place::Frame { frame, .. }) => Some(frame),
        _ => None,
    };
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let frame = frame_of(rest.start)?;
        let inside = rest.start..rest.start + frames[frame as usize].members as usize;
        if inside.end > rest.end || inside.clone().any(|position| frame_of(position) != Some(frame)) {
            return None;
        }
        rest.start = inside.end;
        parts.push(Piece::Frame(frame, inside));
    }
    Some(parts)
}

fn runs(size: u64, position: usize, large: &Large, pieces: &mut Vec<Piece>) {
    let last = last_with_data(large.sparse.as_ref(), size);
    let wanted = padding_of(large.sparse.as_ref(), size);
    for (number, run) in large.runs.iter().enumerate() {
        let padded = if number as u64 == last { wanted } else { 0 };
        match run.place {
            RunPlace::Frame { frame, .. } if large.whole => {
                let begins = position..position + usize::from(number == 0);
                pieces.push(Piece::Frame(frame, begins));
            }
            RunPlace::Frame { frame, skip: 0, padding } if number > 0 && padding == padded => {
                pieces.push(Piece::Frame(frame, position..position));
            }
            RunPlace::Nothing if number > 0 => {}
            _ => pieces.push(Piece::Run(position, number)),
        }
    }
}
