//! The finish, first half: which members are stored, where the groups are cut, and which frames can stay as they are.

use super::large::{last_with_data, padding_of};
use super::node::{Large, Node, Place, RunPlace, State, Stored, find};
use super::pass::has_lost;
use super::work::Frame;
use backup_archive::group::Cutter;
use backup_archive::index::{Record, Type};
use backup_archive::{Index, order};
use std::collections::HashSet;

/// The next part of the tar stream.
#[derive(Debug)]
pub(super) enum Piece {
    /// A frame as it is, with the members that begin in it and where.
    Frame(u32, Vec<(u32, u32)>),
    /// Members whose bytes come from several places.
    Members(Vec<u32>),
    /// One run of a large file.
    Run(u32, usize),
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

/// What was read of a node.
pub(super) fn stored(node: &Node) -> Option<&Stored> {
    match &node.state {
        State::Stored(stored) => Some(stored),
        _ => None,
    }
}

/// A large file of which only changed blocks are stored.
pub(super) fn patch(node: &Node) -> Option<&Large> {
    match stored(node).map(|stored| &stored.place) {
        Some(Place::Large(large)) if large.patch => Some(large),
        _ => None,
    }
}

/// Everything that was stored; of an incremental, what differs from the base and what belongs to it.
pub(super) fn select(nodes: &[Node], base: Option<&Index>, unreadable: &[Box<[u8]>]) -> Selection {
    let all = || (0..nodes.len()).filter(|&at| stored(&nodes[at]).is_some());
    let Some(base) = base else {
        return Selection { members: all().map(number).collect(), deleted: Vec::new() };
    };
    let deleted = deleted(nodes, base, unreadable, has_lost);
    let differs = |at: &usize| stored(&nodes[*at]).is_some_and(|stored| !stored.like_base);
    let inode = |at: &usize| (nodes[*at].stat.tuple.dev, nodes[*at].stat.tuple.ino);
    let sets: HashSet<_> = all().filter(differs).filter(|&at| nodes[at].in_set).map(|at| inode(&at)).collect();
    let mut chosen: HashSet<usize> =
        all().filter(|at| differs(at) || (nodes[*at].in_set && sets.contains(&inode(at)))).collect();
    // Extracting or removing moves the time of the directory around; its own entry puts that right.
    let inside = chosen.iter().map(|&at| &*nodes[at].path).chain(deleted.iter().map(Vec::as_slice));
    let parents: HashSet<&[u8]> = inside.filter_map(order::parent).collect();
    let touched = parents.into_iter().filter_map(|path| find(nodes, path)).filter(|&at| stored(&nodes[at]).is_some());
    chosen.extend(touched.collect::<Vec<_>>());
    let mut members: Vec<u32> = chosen.into_iter().map(number).collect();
    members.sort_unstable();
    Selection { members, deleted }
}

pub(super) fn deleted(
    nodes: &[Node],
    base: &Index,
    unreadable: &[Box<[u8]>],
    has_lost: impl Fn(&Node, &Record) -> bool,
) -> Vec<Vec<u8>> {
    let mut deleted: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    for record in base.records() {
        while at < nodes.len() && order::compare(&nodes[at].path, &record.path).is_lt() {
            at += 1;
        }
        let node = nodes.get(at).filter(|node| *node.path == *record.path);
        let node = node.filter(|node| !matches!(node.state, State::Skipped));
        // A further name of a file is a file too.
        let class = |kind| if kind == Type::Hardlink { Type::File } else { kind };
        let kept = node.is_some_and(|node| class(node.role()) == class(record.kind));
        // What could not be read in it exists in the base only.
        let is_known = || !unreadable.iter().any(|path| order::is_within(path, &record.path));
        let kept = kept && !(node.is_some_and(|node| has_lost(node, &record)) && is_known());
        let below = deleted.last().is_some_and(|top| order::is_within(&record.path, top));
        let unknown = || unreadable.iter().any(|top| order::is_within(&record.path, top));
        if !kept && !below && !unknown() {
            deleted.push(record.path);
        }
    }
    deleted
}

/// Cuts the members of the tar stream into groups and finds out which of them are in frames already.
pub(super) fn pieces(nodes: &[Node], members: &[u32], frames: &[Frame]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut cutter = Cutter::default();
    let mut group: Vec<u32> = Vec::new();
    for &member in members {
        let node = &nodes[member as usize];
        if cutter.begins(&node.path, node.size()) {
            flush(nodes, frames, &mut group, &mut pieces);
        }
        match stored(node).map(|stored| &stored.place) {
            Some(Place::Large(large)) if large.patch => {}
            Some(Place::Large(large)) => {
                flush(nodes, frames, &mut group, &mut pieces);
                runs(node, member, large, &mut pieces);
            }
            _ => group.push(member),
        }
    }
    flush(nodes, frames, &mut group, &mut pieces);
    pieces
}

/// A group that is exactly the members of some frames, in order, is those frames.
fn flush(nodes: &[Node], frames: &[Frame], group: &mut Vec<u32>, pieces: &mut Vec<Piece>) {
    let group = std::mem::take(group);
    let Some(parts) = frames_of(nodes, frames, &group) else {
        pieces.push(Piece::Members(group));
        return;
    };
    pieces.extend(parts);
}

fn frames_of(nodes: &[Node], frames: &[Frame], group: &[u32]) -> Option<Vec<Piece>> {
    let mut parts = Vec::new();
    let mut rest = group;
    while let Some(&first) = rest.first() {
        let place = |member: u32| match stored(&nodes[member as usize]).map(|stored| &stored.place) {
            Some(&Place::Frame { frame, skip, .. }) => Some((frame, skip)),
            _ => None,
        };
        let (frame, _) = place(first)?;
        let count = frames[frame as usize].members as usize;
        let inside = rest.get(..count)?;
        let inside: Option<Vec<_>> =
            inside.iter().map(|&member| place(member).filter(|at| at.0 == frame).map(|at| (member, at.1))).collect();
        parts.push(Piece::Frame(frame, inside?));
        rest = &rest[count..];
    }
    Some(parts)
}

fn runs(node: &Node, member: u32, large: &Large, pieces: &mut Vec<Piece>) {
    let size = node.stat.tuple.size;
    let last = last_with_data(large.sparse.as_ref(), size);
    let wanted = padding_of(large.sparse.as_ref(), size);
    for (number, run) in large.runs.iter().enumerate() {
        let padded = if number as u64 == last { wanted } else { 0 };
        match run.place {
            RunPlace::Frame { frame, .. } if large.whole => {
                let begins = if number == 0 { vec![(member, 0)] } else { Vec::new() };
                pieces.push(Piece::Frame(frame, begins));
            }
            RunPlace::Frame { frame, skip: 0, padding } if number > 0 && padding == padded => {
                pieces.push(Piece::Frame(frame, Vec::new()));
            }
            RunPlace::Nothing if number > 0 => {}
            _ => pieces.push(Piece::Run(member, number)),
        }
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 paths fit in memory")
}
