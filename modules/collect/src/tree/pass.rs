//! What a pass keeps: what the previous pass or the base knows and what cannot have changed since.

use super::node::{Attributes, Node, Place, Stat, State, Stored};
use super::scan::Scan;
use backup_archive::index::{Record, Type};
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

/// What previous passes stored of the nodes that are read now.
pub(super) type Known = HashMap<u32, (Stat, Box<Stored>)>;

/// Takes over from `old` what still holds. Returns what is stored of the nodes that must be read again.
pub(super) fn carry_over(old: Vec<Node>, new: &mut [Node], temperature: Temperature, clock_stepped: bool) -> Known {
    let firsts = old.iter().filter_map(|node| node.link);
    let leaders: HashMap<u32, Box<[u8]>> = firsts.map(|first| (first, old[first as usize].path.clone())).collect();
    let mut known = Known::new();
    let mut at = 0;
    for then in old {
        while at < new.len() && order::compare(&new[at].path, &then.path).is_lt() {
            at += 1;
        }
        if at == new.len() {
            break;
        }
        let leader = new[at].link.map(|first| new[first as usize].path.clone());
        let now = &mut new[at];
        let same_role = then.stat.kind == now.stat.kind && then.link.map(|first| &leaders[&first]) == leader.as_ref();
        if now.path != then.path || !same_role {
            continue;
        }
        let provable = (now.trusted || temperature == Temperature::Warm) && !clock_stepped;
        match then.state {
            State::Same(t0) if provable && now.unmoved_since(t0, &then.stat.tuple) => now.state = State::Same(t0),
            State::Stored(stored) if provable && stored.settled && now.unmoved_since(stored.t0, &then.stat.tuple) => {
                now.state = State::Stored(stored);
            }
            State::Stored(stored) => {
                known.insert(u32::try_from(at).expect("fewer than 2^32 paths"), (then.stat, stored));
            }
            _ => {}
        }
    }
    known
}

/// Compares what is to be read with the base: equal tuples need no reading. Returns the base's records of the rest,
/// and the paths that the base has and the tree has not.
pub(super) fn compare_with_base(base: &Index, scan: &mut Scan) -> (HashMap<u32, Record>, Vec<Box<[u8]>>) {
    let (mut records, mut gone) = (HashMap::new(), Vec::new());
    let nodes = &mut scan.nodes;
    let mut at = 0;
    for record in base.records() {
        while at < nodes.len() && order::compare(&nodes[at].path, &record.path).is_lt() {
            at += 1;
        }
        if at == nodes.len() || *nodes[at].path != *record.path {
            gone.push(record.path.into());
            continue;
        }
        let role = match nodes[at].link {
            Some(first) => record.content == <[u8; 32]>::from(Sha256::digest(&nodes[first as usize].path)),
            None => true,
        };
        let node = &mut nodes[at];
        let unread = matches!(node.state, State::Unread);
        let same_role = role && node.role() == record.kind;
        if unread && same_role && node.trusted && record.settled && node.unmoved_since(base.t0(), &record.tuple) {
            node.state = State::Same(base.t0());
        }
        // Also of those that are the same: they may be read for the sake of others.
        if matches!(node.state, State::Unread) || node.in_set || node.stat.kind == Type::Directory {
            records.insert(u32::try_from(at).expect("fewer than 2^32 paths"), record);
        }
    }
    (records, gone)
}

/// Marks as to be read what is equal to the base but needed beside what is not: the other paths of a hard link set,
/// and every directory in which something may have changed. Returns whether there was anything.
pub(super) fn draw_in_company(nodes: &mut [Node], gone: &[Box<[u8]>]) -> bool {
    let same = |node: &Node| matches!(node.state, State::Same(_));
    let mut sets = HashSet::new();
    let mut parents: HashSet<&[u8]> = gone.iter().filter_map(|path| order::parent(path)).collect();
    for node in nodes.iter() {
        match node.state {
            State::Unread | State::Stored(_) if node.in_set => {
                sets.insert((node.stat.tuple.dev, node.stat.tuple.ino));
            }
            _ => {}
        }
        if !same(node) {
            parents.extend(order::parent(&node.path));
        }
    }
    let wanted: Vec<usize> = (0..nodes.len())
        .filter(|&at| {
            let node = &nodes[at];
            let directory = node.stat.kind == Type::Directory && parents.contains(&*node.path);
            same(node) && (directory || (node.in_set && sets.contains(&(node.stat.tuple.dev, node.stat.tuple.ino))))
        })
        .collect();
    for &at in &wanted {
        nodes[at].state = State::Unread;
    }
    !wanted.is_empty()
}

/// Whether the base's directory has an attribute that this one, with the attributes `now`, has lost. Extracting it over
/// the base's would leave it there, since tar adds and replaces attributes and never removes one: it is removed first.
pub(super) fn loses(record: &Record, now: &Attributes) -> bool {
    record.attribute_names.iter().any(|name| !now.contains_key(name))
}

/// As [`loses`], of a node that has been read.
pub(super) fn has_lost(node: &Node, record: &Record) -> bool {
    matches!(&node.state, State::Stored(stored) if node.stat.kind == Type::Directory && loses(record, &stored.attributes))
}

/// Makes everything below directories that are removed first independent of the base: to be read, unless it is stored
/// whole already, and compared with nothing.
pub(super) fn renew(
    nodes: &mut [Node],
    base: &mut HashMap<u32, Record>,
    known: &mut Known,
    has_lost: impl Fn(&Node, &Record) -> bool,
) {
    let mut top = None;
    for at in 0..nodes.len() {
        let index = u32::try_from(at).expect("fewer than 2^32 paths");
        if !top.is_some_and(|top: usize| order::is_within(&nodes[at].path, &nodes[top].path)) {
            top = base.get(&index).is_some_and(|record| has_lost(&nodes[at], record)).then_some(at);
            continue;
        }
        base.remove(&index);
        let rests_on_base = match &nodes[at].state {
            State::Same(_) => true,
            State::Stored(stored) => stored.like_base || matches!(&stored.place, Place::Large(large) if large.patch),
            State::Unread | State::Skipped => false,
        };
        if rests_on_base {
            nodes[at].state = State::Unread;
            known.remove(&index);
        }
    }
}
