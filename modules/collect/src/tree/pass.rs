//! One pass: walk, keep what is known to be unchanged, read the rest.

use super::error::TreeError;
use super::large::{Assembly, Open, RunRead};
use super::member::{Context, GroupRead, Outcome, Worker};
use super::node::{Node, Place, Stat, State, Stored, absolute, find};
use super::scan::{Scan, assign_links};
use super::source;
use super::spec::Progress;
use super::tell::Teller;
use super::work::Work;
use super::{TreeCollector, pipeline};
use backup_archive::group::{Cutter, LARGE};
use backup_archive::index::{Record, Type};
use backup_archive::{Index, Mtime, order};
use backup_core::job::Tolerance;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Paths that turn out to be something else than a moment ago are looked at again so often.
const ROUNDS: u32 = 4;

/// Which rules a pass follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temperature {
    /// The application runs: another pass may follow, what is read is framed.
    Warm,
    /// It stands still: what cannot be proven unchanged is read, into the spool.
    Cold,
}

/// What previous passes stored of the nodes that are read now.
type Known = HashMap<u32, (Stat, Box<Stored>)>;

/// Takes over from `old` what still holds. Returns what is stored of the nodes that must be read again.
pub(super) fn carry_over(old: Vec<Node>, new: &mut [Node], temperature: Temperature, clock_stepped: bool) -> Known {
    let names: Vec<Box<[u8]>> = old.iter().map(|node| node.path.clone()).collect();
    let mut known = Known::new();
    let mut at = 0;
    for (index, then) in old.into_iter().enumerate() {
        while at < new.len() && order::compare(&new[at].path, &names[index]).is_lt() {
            at += 1;
        }
        if at == new.len() {
            break;
        }
        let leader = new[at].link.map(|first| new[first as usize].path.clone());
        let now = &mut new[at];
        let same_role =
            then.stat.kind == now.stat.kind && then.link.map(|first| &names[first as usize]) == leader.as_ref();
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

/// A unit of reading.
enum Job {
    Group(Vec<u32>),
    Run(Arc<Open>, u64),
    Failed(u32, Outcome),
}

enum Read {
    Group(GroupRead),
    Run(RunRead),
    Failed(u32, Outcome),
}

/// Makes jobs of the nodes to be read, in path order; opens a large file when its turn comes.
struct Jobs<'a> {
    context: &'a Context<'a>,
    todo: std::vec::IntoIter<Vec<u32>>,
    large: Option<(Arc<Open>, u64)>,
}

impl Iterator for Jobs<'_> {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        if let Some((open, number)) = self.large.take() {
            if number + 1 < open.runs() {
                self.large = Some((open.clone(), number + 1));
            }
            return Some(Job::Run(open, number));
        }
        let group = self.todo.next()?;
        if self.context.nodes[group[0] as usize].size() <= LARGE {
            return Some(Job::Group(group));
        }
        match self.context.open_large(group[0]) {
            Ok(Ok(open)) => {
                self.large = Some((Arc::new(open), 0));
                self.next()
            }
            Ok(Err(outcome)) => Some(Job::Failed(group[0], outcome)),
            Err(error) if super::member::is_gone(&error) => Some(Job::Failed(group[0], Outcome::Gone)),
            Err(error) => Some(Job::Failed(group[0], Outcome::Unreadable(error))),
        }
    }
}

/// Groups of the nodes that are to be read.
fn groups(nodes: &[Node]) -> Vec<Vec<u32>> {
    let mut cutter = Cutter::default();
    let mut groups: Vec<Vec<u32>> = Vec::new();
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| matches!(node.state, State::Unread)) {
        if cutter.begins(&node.path, node.size()) {
            groups.push(Vec::new());
        }
        let index = u32::try_from(index).expect("fewer than 2^32 paths fit in memory");
        groups.last_mut().expect("the first member begins a group").push(index);
    }
    groups
}

impl TreeCollector {
    /// Reads whatever is unread, until nothing is.
    pub(super) fn read(
        &mut self,
        scan: &mut Scan,
        temperature: Temperature,
        t0: Mtime,
        known: &mut Known,
        base: &HashMap<u32, Record>,
        gone: &mut Vec<Box<[u8]>>,
    ) -> Result<Progress, TreeError> {
        let teller = Teller::new(self.watch.as_ref());
        for round in 0.. {
            if self.base.is_some() {
                while draw_in_company(&mut scan.nodes, gone) {}
            }
            let todo = groups(&scan.nodes);
            if todo.is_empty() {
                break;
            }
            self.owners.learn(&scan.nodes);
            let context = Context {
                nodes: &scan.nodes,
                owners: &self.owners,
                base,
                known,
                t0,
                raw: temperature == Temperature::Cold,
                round,
                large_file: self.spec.large_file,
            };
            let outcomes = read_groups(&context, &mut self.workers, &mut self.work, todo, &teller)?;
            let mut moved = false;
            for (index, outcome) in outcomes {
                let again = match outcome {
                    Outcome::Again(stat) => stat.kind != Type::Directory && self.spec.stores(stat.kind),
                    _ => false,
                };
                let again = again && round < ROUNDS && same_directory(&scan.nodes, index);
                let node = &mut scan.nodes[index as usize];
                match outcome {
                    Outcome::Read(state, stat) => (node.state, node.stat) = (state, stat),
                    Outcome::Again(stat) if again => {
                        moved |= node.in_set || !stat.is_same_inode(&node.stat);
                        (node.stat, node.state) = (stat, State::Unread);
                        known.remove(&index);
                    }
                    Outcome::Again(_) | Outcome::Gone => {
                        moved |= node.in_set;
                        node.state = State::Skipped;
                        gone.push(node.path.clone());
                    }
                    Outcome::Unreadable(source) if self.spec.unreadable == Tolerance::Allow => {
                        moved |= node.in_set;
                        node.state = State::Skipped;
                        scan.warnings.push(format!("cannot read {}: {source}", node.absolute().display()));
                        scan.unreadable.push(node.path.clone());
                    }
                    Outcome::Unreadable(source) => {
                        return Err(TreeError::Unreadable { action: "read", path: absolute(&node.path), source });
                    }
                }
            }
            if moved {
                reassign(&mut scan.nodes);
            }
        }
        gone.sort_by(|a, b| order::compare(a, b));
        Ok(teller.done())
    }
}

/// Whether a path is still looked up in the directory that the walk saw: otherwise somebody might have put a link in
/// its way, and what would be read is not part of the tree.
fn same_directory(nodes: &[Node], index: u32) -> bool {
    let parent = order::parent(&nodes[index as usize].path).and_then(|path| find(nodes, path));
    parent.is_none_or(|at| {
        let now = source::look(&nodes[at].absolute());
        now.is_ok_and(|now| now.is_some_and(|now| now.is_same_inode(&nodes[at].stat)))
    })
}

/// Finds the hard link sets anew after a member of one vanished or was replaced; whose role changed is read again.
fn reassign(nodes: &mut [Node]) {
    let roles: Vec<Option<u32>> = nodes.iter().map(|node| node.link).collect();
    assign_links(nodes);
    for (node, before) in nodes.iter_mut().zip(roles) {
        if node.link != before && !matches!(node.state, State::Skipped) {
            node.state = State::Unread;
        }
    }
}

type Outcomes = Vec<(u32, Outcome)>;

/// Reads groups on all workers and stores what comes of it, in order.
fn read_groups(
    context: &Context,
    workers: &mut [Worker],
    work: &mut Work,
    todo: Vec<Vec<u32>>,
    teller: &Teller,
) -> Result<Outcomes, TreeError> {
    let mut outcomes = Vec::new();
    let mut assembly = None;
    let failed = |index: u32| {
        move |source| TreeError::Unreadable { action: "read", path: context.nodes[index as usize].absolute(), source }
    };
    pipeline::run(
        workers,
        Jobs { context, todo: todo.into_iter(), large: None },
        |worker, job| match job {
            Job::Group(members) => context.group(worker, &members).map(Read::Group).map_err(failed(members[0])),
            Job::Run(open, number) => {
                let read = context.run(worker, &open, number);
                Ok(Read::Run(read.unwrap_or_else(|error| RunRead::failed(open, number, error))))
            }
            Job::Failed(index, outcome) => Ok(Read::Failed(index, outcome)),
        },
        |read| match read {
            Read::Group(group) => {
                teller.more(group.outcomes.len() as u64, group.bytes)?;
                keep_group(context.raw, work, group, &mut outcomes)
            }
            Read::Run(run) => {
                let bytes = run.bytes();
                let outcome = Assembly::take(&mut assembly, context, work, run)?;
                teller.more(u64::from(outcome.is_some()), bytes)?;
                outcomes.extend(outcome);
                Ok(())
            }
            Read::Failed(index, outcome) => {
                outcomes.push((index, outcome));
                Ok(())
            }
        },
    )?;
    Ok(outcomes)
}

/// Stores a group's chunks and makes the members' places point there.
fn keep_group(raw: bool, work: &mut Work, group: GroupRead, outcomes: &mut Outcomes) -> Result<(), TreeError> {
    let mut frames = Vec::with_capacity(group.chunks.len());
    let mut spooled = Vec::new();
    for chunk in &group.chunks {
        if raw {
            spooled.push(work.spool.append(&chunk.bytes)?);
        } else {
            frames.push(work.push(&chunk.bytes, chunk.plain, chunk.members)?);
        }
    }
    for (index, mut outcome) in group.outcomes {
        // A place that was kept from an earlier pass names its frame already.
        if let Outcome::Read(State::Stored(stored), _) = &mut outcome
            && stored.fresh
        {
            stored.fresh = false;
            if let Place::Frame { frame, skip, length } = stored.place {
                stored.place = if raw {
                    Place::Spool { at: spooled[frame as usize] + u64::from(skip), length }
                } else {
                    Place::Frame { frame: frames[frame as usize], skip, length }
                };
            }
        }
        outcomes.push((index, outcome));
    }
    Ok(())
}
