//! What a pass keeps: what the previous pass or the base knows and what cannot have changed since.

use super::nodes::{Nodes, State};
use super::paths::{Finder, Paths};
use super::stat::{Attributes, Likeness, Stat};
use backup_archive::index::{IndexError, Record, Type};
use backup_archive::{Index, order};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};

/// Which rules a pass follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temperature {
    /// The application runs: another pass may follow, what is read is framed.
    Warm,
    /// It stands still: what cannot be proven unchanged is read, into the spool.
    Cold,
}

/// What the base tells of the paths that may be read.
#[derive(Debug, Default)]
pub(super) struct Base {
    /// In the order of the paths.
    members: Vec<(u32, Likeness)>,
    /// Directories that have attributes: their names.
    attributes: HashMap<u32, Vec<String>>,
    /// Files that have digests of their blocks.
    blocks: HashMap<u32, Blocks>,
}

/// A large file of the base: what a patch of it rests on.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// As [`Record::attributes`].
    pub(super) attributes: [u8; 16],
    /// As [`Record::blocks`].
    pub(super) digests: Vec<u8>,
}

impl Base {
    fn push(&mut self, at: u32, record: &Record) {
        self.members.push((at, Likeness::of_record(record)));
        if !record.attribute_names.is_empty() {
            self.attributes.insert(at, record.attribute_names.clone());
        }
        if record.kind == Type::File && !record.blocks.is_empty() {
            let Record { mode, uid, gid, attributes, .. } = *record;
            self.blocks.insert(at, Blocks { mode, uid, gid, attributes, digests: record.blocks.clone() });
        }
    }

    pub(super) fn likeness(&self, at: u32) -> Option<Likeness> {
        let found = self.members.binary_search_by_key(&at, |(member, _)| *member).ok()?;
        Some(self.members[found].1)
    }

    pub(super) fn blocks(&self, at: u32) -> Option<&Blocks> {
        self.blocks.get(&at)
    }

    /// These paths, in order, are compared with nothing.
    fn forget(&mut self, paths: &[u32]) {
        self.members.retain(|(at, _)| paths.binary_search(at).is_err());
        for at in paths {
            self.attributes.remove(at);
            self.blocks.remove(at);
        }
    }
}

/// What previous passes stored of the paths that are read now: how they were then, and their numbers on the shelf.
pub(super) type Known = HashMap<u32, (Stat, u32)>;

/// Takes over from `old` what still holds. Returns what is stored of the paths that must be read again.
pub(super) fn carry_over(mut old: Nodes, new: &mut Nodes, temperature: Temperature, clock_stepped: bool) -> Known {
    new.shelf = std::mem::take(&mut old.shelf);
    let (mut paths, mut finder) = (Paths::default(), Finder::default());
    let mut known = Known::new();
    for then in old.all() {
        let Some(at) = finder.find(new, paths.of(&old, then)) else { continue };
        let same_link = match (old.link(then), new.link(at)) {
            (None, None) => true,
            (Some(then), Some(now)) => old.path(then) == new.path(now),
            _ => false,
        };
        if old.kind(then) != new.kind(at) || !same_link {
            continue;
        }
        let (before, now) = (old.stat(then), new.stat(at));
        let provable = (new.is_trusted(at) || temperature == Temperature::Warm) && !clock_stepped;
        match old.state(then) {
            State::Same(t0) if provable && now.unmoved_since(new.shelf.time_of(t0), &before.tuple) => {
                new.set_state(at, State::Same(t0));
            }
            State::Stored(number) => {
                let settled = new.shelf.is_settled(number);
                if provable && settled && now.unmoved_since(new.shelf.t0(number), &before.tuple) {
                    new.set_state(at, State::Stored(number));
                } else {
                    known.insert(at, (before, number));
                }
            }
            _ => {}
        }
    }
    known
}

/// Compares what is to be read with the base: equal tuples need no reading. Returns what the base knows of the rest,
/// and the directories from which something is gone.
pub(super) fn compare_with_base(base: &Index, nodes: &mut Nodes) -> Result<(Base, HashSet<u32>), IndexError> {
    let (mut known, mut gone) = (Base::default(), HashSet::new());
    let mut finder = Finder::default();
    let mut around = Vec::new();
    let t0 = nodes.shelf.time(base.t0());
    let mut records = base.records();
    while let Some(record) = records.next()? {
        let Some(at) = finder.find(nodes, &record.path) else {
            // Many are gone from one directory.
            if let Some(parent) = order::parent(&record.path).filter(|parent| **parent != *around) {
                gone.extend(nodes.find(parent));
                parent.clone_into(&mut around);
            }
            continue;
        };
        let same_link = match nodes.link(at) {
            Some(first) => record.content == <[u8; 32]>::from(Sha256::digest(nodes.path(first))),
            None => true,
        };
        let unread = nodes.state(at) == State::Unread;
        let same_role = same_link && nodes.role(at) == record.kind;
        let unmoved = || nodes.stat(at).unmoved_since(base.t0(), &record.tuple);
        if unread && same_role && nodes.is_trusted(at) && record.settled && unmoved() {
            nodes.set_state(at, State::Same(t0));
        }
        // Also of those that are the same: they may be read for the sake of others.
        if nodes.state(at) == State::Unread || nodes.in_set(at) || nodes.kind(at) == Type::Directory {
            known.push(at, record);
        }
    }
    Ok((known, gone))
}

/// Marks as to be read what is equal to the base but needed beside what is not: the other paths of a hard link set,
/// and every directory in which something may have changed. Returns whether there was anything.
pub(super) fn draw_in_company(nodes: &mut Nodes, gone: &HashSet<u32>) -> bool {
    let mut sets = HashSet::new();
    let mut around = Around::of(nodes);
    for &directory in gone {
        around.mark(directory);
    }
    for at in nodes.all() {
        let state = nodes.state(at);
        if matches!(state, State::Unread | State::Stored(_)) && nodes.in_set(at) {
            sets.insert(nodes.inode(at));
        }
        if !matches!(state, State::Same(_)) {
            around.mark_parent(nodes, at);
        }
    }
    let mut drawn = false;
    for at in nodes.all() {
        let same = matches!(nodes.state(at), State::Same(_));
        let directory = nodes.kind(at) == Type::Directory && around.is_marked(at);
        if same && (directory || (nodes.in_set(at) && sets.contains(&nodes.inode(at)))) {
            nodes.set_state(at, State::Unread);
            drawn = true;
        }
    }
    drawn
}

/// Directories in which something happened.
pub(super) struct Around(Vec<bool>);

impl Around {
    pub(super) fn of(nodes: &Nodes) -> Self {
        Self(nodes.all().map(|_| false).collect())
    }

    pub(super) fn mark(&mut self, at: u32) {
        self.0[at as usize] = true;
    }

    pub(super) fn mark_parent(&mut self, nodes: &Nodes, at: u32) {
        if let Some(parent) = nodes.parent(at) {
            self.mark(parent);
        }
    }

    pub(super) fn is_marked(&self, at: u32) -> bool {
        self.0[at as usize]
    }
}

/// Whether the base's directory has an attribute that this one, with the attributes `now`, has lost. Extracting it over
/// the base's would leave it there, since tar adds and replaces attributes and never removes one: it is removed first.
pub(super) fn loses(before: &[String], now: &Attributes) -> bool {
    before.iter().any(|name| !now.contains_key(name))
}

/// As [`loses`], of a path that has been read.
pub(super) fn has_lost(nodes: &Nodes, at: u32, before: &[String]) -> bool {
    let none = Attributes::new();
    let now = |number| nodes.shelf.attributes_of(number).unwrap_or(&none);
    nodes.kind(at) == Type::Directory && nodes.shelved(at).is_some_and(|number| loses(before, now(number)))
}

/// Makes everything below directories that are removed first independent of the base: to be read, unless it is stored
/// whole already, and compared with nothing.
pub(super) fn renew(
    nodes: &mut Nodes,
    base: &mut Base,
    known: &mut Known,
    has_lost: impl Fn(&Nodes, u32, &[String]) -> bool,
) {
    let lost = |(&at, names): (&u32, &Vec<String>)| has_lost(nodes, at, names).then_some(at);
    let lost: HashSet<u32> = base.attributes.iter().filter_map(lost).collect();
    if lost.is_empty() {
        return;
    }
    let mut paths = Paths::default();
    let mut top: Option<Vec<u8>> = None;
    let mut below = Vec::new();
    for at in nodes.all() {
        let path = paths.of(nodes, at);
        if !top.as_ref().is_some_and(|top| order::is_within(path, top)) {
            top = lost.contains(&at).then(|| path.to_owned());
            continue;
        }
        below.push(at);
        let rests_on_base = match nodes.state(at) {
            State::Same(_) => true,
            State::Stored(number) => nodes.shelf.is_like_base(number) || nodes.patch(at).is_some(),
            State::Unread | State::Skipped => false,
        };
        if rests_on_base {
            nodes.set_state(at, State::Unread);
            known.remove(&at);
        }
    }
    base.forget(&below);
}
