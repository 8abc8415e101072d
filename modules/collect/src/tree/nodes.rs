//! The paths of one scan, in path order: 56 bytes and a name for each, and 52 for what was read of it.
//!
//! A path is known by its number. Its name is kept once, without the directories around it; owners, modes and devices
//! are kept once for all paths that have the same.

use super::shelf::Shelf;
use super::stat::Stat;
use super::stored::{Large, Place, Stored};
use backup_archive::index::{Tuple, Type};
use backup_archive::{Mtime, order};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// To be read in this pass.
    Unread,
    /// Equal to the base, as known at a T0: its number on the shelf.
    Same(u16),
    /// Read; its number on the shelf.
    Stored(u32),
    /// Vanished, or unreadable and tolerated: not part of the generation.
    Skipped,
}

/// One path.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    size: u64,
    ino: u64,
    mtime: i64,
    ctime: i64,
    mtime_nanoseconds: u32,
    ctime_nanoseconds: u32,
    /// The path around it; [`NONE`] if that is not part of the tree.
    parent: u32,
    /// Where its name lies, in units of [`UNIT`].
    name: u32,
    /// Number of its class; the top bit: more than one path of the tree has this inode.
    class: u32,
    /// [`State`] in one number: see [`Nodes::state`].
    state: u32,
}

const _: () = assert!(size_of::<Row>() == 56);

const NONE: u32 = u32::MAX;
/// Names begin at multiples of this: a number of 32 bits reaches 16 GiB of names.
const UNIT: usize = 4;
const IN_SET: u32 = 1 << 31;

const UNREAD: u32 = 0;
const SKIPPED: u32 = 1;
const SAME: u32 = 2;
const STORED: u32 = SAME + (1 << 16);

/// What many paths have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Class {
    kind: Type,
    mode: u32,
    uid: u32,
    gid: u32,
    dev: u64,
    rdev: u64,
    linked: bool,
    /// Its file system moves mtime whenever contents change.
    trusted: bool,
}

/// How far a walk is, for [`Nodes::forget`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    rows: usize,
    names: usize,
}

/// All paths of one scan.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    rows: Vec<Row>,
    names: Vec<u8>,
    classes: Vec<Class>,
    numbers: HashMap<Class, u32>,
    /// Further names of a hard link set, and the first member of each.
    links: HashMap<u32, u32>,
    pub(super) shelf: Shelf,
}

impl Nodes {
    /// Number of paths.
    pub(super) fn len(&self) -> u32 {
        number(self.rows.len())
    }

    /// All paths, in path order.
    pub(super) fn all(&self) -> Range<u32> {
        0..self.len()
    }

    /// Adds a path: its name in `parent`, or all of it (absolute, without the leading slash).
    pub(super) fn push(&mut self, parent: Option<u32>, name: &[u8], stat: &Stat, trusted: bool) -> u32 {
        let (at, name, class) = (self.len(), self.add_name(name), self.class(stat, trusted));
        let mut row = Row { parent: parent.unwrap_or(NONE), name, class, state: UNREAD, ..Row::default() };
        row.take(&stat.tuple);
        self.rows.push(row);
        at
    }

    fn add_name(&mut self, name: &[u8]) -> u32 {
        let at = self.names.len();
        let length = u16::try_from(name.len()).expect("no path is longer than 4096 bytes");
        self.names.extend_from_slice(&length.to_le_bytes());
        self.names.extend_from_slice(name);
        self.names.resize(self.names.len().next_multiple_of(UNIT), 0);
        u32::try_from(at / UNIT).expect("fewer than 16 GiB of names")
    }

    fn class(&mut self, stat: &Stat, trusted: bool) -> u32 {
        let Stat { kind, mode, uid, gid, rdev, linked, tuple } = *stat;
        let class = Class { kind, mode, uid, gid, dev: tuple.dev, rdev, linked, trusted };
        // Neighbours are mostly alike.
        if let Some(last) = self.rows.last()
            && self.classes[(last.class & !IN_SET) as usize] == class
        {
            return last.class & !IN_SET;
        }
        let next = number(self.classes.len());
        let number = *self.numbers.entry(class).or_insert(next);
        if number == next {
            self.classes.push(class);
        }
        number
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { rows: self.rows.len(), names: self.names.len() }
    }

    /// Forgets the paths that were added since.
    pub(super) fn forget(&mut self, mark: Mark) {
        self.rows.truncate(mark.rows);
        self.names.truncate(mark.names);
    }

    /// Moves what was added since `mark`, a path and all that is below it, to where it belongs in path order.
    pub(super) fn settle(&mut self, mark: Mark) {
        let (begin, end) = (number(mark.rows), self.len());
        if begin == end {
            return;
        }
        let top = self.path(begin);
        let at = self.partition(begin, |path| order::compare(path, &top).is_lt());
        let (moved, skipped) = (end - begin, begin - at);
        if skipped > 0 {
            self.rows[at as usize..].rotate_right(moved as usize);
            for row in &mut self.rows {
                if row.parent != NONE && row.parent >= begin {
                    row.parent -= skipped;
                } else if row.parent != NONE && row.parent >= at {
                    row.parent += moved;
                }
            }
        }
        // A path that is named by itself may lie in another one's tree.
        if let Some(around) = order::parent(&top)
            && let Some(parent) = self.find(around)
        {
            let name = self.add_name(&top[around.len() + 1..]);
            let row = self.row_mut(at);
            (row.parent, row.name) = (parent, name);
        }
    }

    /// The path around this one, if that is part of the tree.
    pub(super) fn parent(&self, at: u32) -> Option<u32> {
        Some(self.row(at).parent).filter(|&parent| parent != NONE)
    }

    pub(super) fn name(&self, at: u32) -> &[u8] {
        let begin = self.row(at).name as usize * UNIT;
        let length = u16::from_le_bytes([self.names[begin], self.names[begin + 1]]);
        &self.names[begin + 2..][..usize::from(length)]
    }

    /// The member's name: absolute, without the leading slash.
    pub(super) fn path(&self, at: u32) -> Vec<u8> {
        let mut path = Vec::new();
        self.path_after(&[], at, &mut path);
        path
    }

    /// The file itself.
    pub(super) fn absolute(&self, at: u32) -> PathBuf {
        let mut path = Vec::new();
        self.path_after(b"/", at, &mut path);
        PathBuf::from(OsStr::from_bytes(&path).to_owned())
    }

    /// Replaces `path` with `before` and the member's name.
    pub(super) fn path_after(&self, before: &[u8], at: u32, path: &mut Vec<u8>) {
        let above = || std::iter::successors(Some(at), |&at| self.parent(at));
        let length = above().map(|at| self.name(at).len() + 1).sum::<usize>() - 1;
        path.clear();
        path.extend_from_slice(before);
        path.resize(before.len() + length, b'/');
        let mut end = path.len();
        for at in above() {
            let name = self.name(at);
            path[end - name.len()..end].copy_from_slice(name);
            end = (end - name.len()).saturating_sub(1);
        }
    }

    /// The path of this name, by binary search.
    pub(super) fn find(&self, path: &[u8]) -> Option<u32> {
        let at = self.partition(self.len(), |this| order::compare(this, path).is_lt());
        (at < self.len() && self.path(at) == path).then_some(at)
    }

    /// How many of the first `count` paths, beginning with the first, are as asked.
    fn partition(&self, count: u32, is_before: impl Fn(&[u8]) -> bool) -> u32 {
        let mut path = Vec::new();
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            self.path_after(&[], middle, &mut path);
            if is_before(&path) { low = middle + 1 } else { high = middle }
        }
        low
    }

    pub(super) fn stat(&self, at: u32) -> Stat {
        let (row, class) = (self.row(at), self.class_of(at));
        let tuple = Tuple {
            size: row.size,
            mtime: Mtime { seconds: row.mtime, nanoseconds: row.mtime_nanoseconds },
            ctime: Mtime { seconds: row.ctime, nanoseconds: row.ctime_nanoseconds },
            ino: row.ino,
            dev: class.dev,
        };
        let Class { kind, mode, uid, gid, rdev, linked, .. } = *class;
        Stat { kind, mode, uid, gid, tuple, rdev, linked }
    }

    /// It is something else than the walk saw.
    pub(super) fn set_stat(&mut self, at: u32, stat: &Stat) {
        let class = self.class(stat, self.is_trusted(at));
        let row = self.row_mut(at);
        row.class = class | row.class & IN_SET;
        row.take(&stat.tuple);
    }

    pub(super) fn kind(&self, at: u32) -> Type {
        self.class_of(at).kind
    }

    /// Its file system moves mtime whenever contents change.
    pub(super) fn is_trusted(&self, at: u32) -> bool {
        self.class_of(at).trusted
    }

    /// Device and inode number.
    pub(super) fn inode(&self, at: u32) -> (u64, u64) {
        (self.class_of(at).dev, self.row(at).ino)
    }

    /// The type that it has in the archive.
    pub(super) fn role(&self, at: u32) -> Type {
        if self.link(at).is_some() { Type::Hardlink } else { self.kind(at) }
    }

    /// Bytes of contents in the stream's terms: of regular members only.
    pub(super) fn size(&self, at: u32) -> u64 {
        if self.role(at) == Type::File { self.row(at).size } else { 0 }
    }

    /// Numbers of all users and groups who own something; some more than once.
    pub(super) fn owners(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.classes.iter().map(|class| (class.uid, class.gid))
    }

    /// More than one path of the tree has this inode.
    pub(super) fn in_set(&self, at: u32) -> bool {
        self.row(at).class & IN_SET != 0
    }

    /// The first member of the hard link set of which this is a further name.
    pub(super) fn link(&self, at: u32) -> Option<u32> {
        if self.in_set(at) { self.links.get(&at).copied() } else { None }
    }

    /// Finds the sets of hard links: the first path of each is the member, the others point at it.
    pub(super) fn assign_links(&mut self) {
        let mut first: HashMap<(u64, u64), u32> = HashMap::new();
        self.links.clear();
        for at in self.all() {
            self.row_mut(at).class &= !IN_SET;
            if !self.class_of(at).linked || self.state(at) == State::Skipped {
                continue;
            }
            let leader = *first.entry(self.inode(at)).or_insert(at);
            if leader != at {
                self.links.insert(at, leader);
                self.row_mut(at).class |= IN_SET;
                self.row_mut(leader).class |= IN_SET;
            }
        }
    }

    pub(super) fn state(&self, at: u32) -> State {
        match self.row(at).state {
            UNREAD => State::Unread,
            SKIPPED => State::Skipped,
            number @ SAME..STORED => State::Same(u16::try_from(number - SAME).expect("16 bits")),
            number => State::Stored(number - STORED),
        }
    }

    pub(super) fn set_state(&mut self, at: u32, state: State) {
        self.row_mut(at).state = match state {
            State::Unread => UNREAD,
            State::Skipped => SKIPPED,
            State::Same(t0) => SAME + u32::from(t0),
            State::Stored(number) => STORED.checked_add(number).expect("fewer than 2^32 members"),
        };
    }

    /// It was read.
    pub(super) fn store(&mut self, at: u32, stored: Stored) {
        let number = self.shelf.push(stored);
        self.set_state(at, State::Stored(number));
    }

    /// Its number on the shelf, if it was read.
    pub(super) fn shelved(&self, at: u32) -> Option<u32> {
        match self.state(at) {
            State::Stored(number) => Some(number),
            _ => None,
        }
    }

    /// What was read of it.
    pub(super) fn stored(&self, at: u32) -> Option<Stored> {
        self.shelved(at).map(|number| self.shelf.get(number))
    }

    /// Where what was read of it waits.
    pub(super) fn place(&self, at: u32) -> Option<Place> {
        self.shelved(at).map(|number| self.shelf.place(number))
    }

    /// A large file of which only changed blocks are stored.
    pub(super) fn patch(&self, at: u32) -> Option<&Large> {
        self.shelved(at).and_then(|number| self.shelf.large(number)).filter(|large| large.patch)
    }

    fn row(&self, at: u32) -> &Row {
        &self.rows[at as usize]
    }

    fn row_mut(&mut self, at: u32) -> &mut Row {
        &mut self.rows[at as usize]
    }

    fn class_of(&self, at: u32) -> &Class {
        &self.classes[(self.row(at).class & !IN_SET) as usize]
    }
}

impl Row {
    fn take(&mut self, tuple: &Tuple) {
        (self.size, self.ino) = (tuple.size, tuple.ino);
        (self.mtime, self.mtime_nanoseconds) = (tuple.mtime.seconds, tuple.mtime.nanoseconds);
        (self.ctime, self.ctime_nanoseconds) = (tuple.ctime.seconds, tuple.ctime.nanoseconds);
    }
}

fn number(index: usize) -> u32 {
    // The top bits of some numbers mean something else.
    u32::try_from(index).ok().filter(|&number| number < IN_SET).expect("fewer than 2^31 paths fit in memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_archive::index::Tuple;

    fn stat(kind: Type, ino: u32) -> Stat {
        let mtime = Mtime { seconds: -5, nanoseconds: 6 };
        let tuple = Tuple {
            size: u64::from(ino) + 3,
            mtime,
            ctime: Mtime { seconds: 7, ..mtime },
            ino: ino.into(),
            dev: u64::from(ino % 2),
        };
        Stat { kind, mode: 0o640 + ino % 3, uid: 1, gid: ino, tuple, rdev: 0, linked: ino % 4 == 1 }
    }

    #[test]
    fn what_is_told_of_a_path_comes_back() {
        let mut nodes = Nodes::default();
        let stats: Vec<Stat> = (0..40).map(|ino| stat(Type::File, ino)).collect();
        for (n, stat) in stats.iter().enumerate() {
            let at = nodes.push(None, format!("{n:03}").as_bytes(), stat, n % 2 == 0);
            assert_eq!((nodes.stat(at), nodes.is_trusted(at)), (*stat, n % 2 == 0));
        }
        let other = stat(Type::Symlink, 77);
        nodes.set_stat(3, &other);
        assert_eq!((nodes.stat(3), nodes.is_trusted(3), nodes.stat(2)), (other, false, stats[2]));
        assert_eq!(nodes.absolute(3), PathBuf::from("/003"));
        for state in
            [State::Same(0), State::Same(u16::MAX), State::Skipped, State::Stored(0), State::Stored(12), State::Unread]
        {
            nodes.set_state(5, state);
            assert_eq!(nodes.state(5), state);
        }
    }

    #[test]
    fn the_first_name_of_an_inode_is_the_member() {
        let mut nodes = Nodes::default();
        for (name, ino) in [("a", 5), ("b", 6), ("c", 5), ("d", 5)] {
            nodes.push(None, name.as_bytes(), &Stat { linked: ino == 5, ..stat(Type::File, ino) }, true);
        }
        nodes.assign_links();
        let links = |nodes: &Nodes| nodes.all().map(|at| (nodes.link(at), nodes.in_set(at))).collect::<Vec<_>>();
        assert_eq!(links(&nodes), [(None, true), (None, false), (Some(0), true), (Some(0), true)]);
        assert_eq!((nodes.role(2), nodes.size(2), nodes.size(0)), (Type::Hardlink, 0, 8));
        nodes.set_state(0, State::Skipped);
        nodes.assign_links();
        assert_eq!(links(&nodes), [(None, false), (None, false), (None, true), (Some(2), true)]);
    }
}
