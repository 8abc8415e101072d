//! What a pass reads: everything that is unread, in groups and runs, on all workers, until nothing is.

use super::error::TreeError;
use super::large::{Assembly, Open, RunRead};
use super::member::{Context, GroupRead, Outcome, Worker};
use super::node::{Node, Place, State, absolute, find};
use super::pass::{Known, Temperature, draw_in_company, has_lost, renew};
use super::scan::{ROUNDS, Scan, assign_links, replaced};
use super::spec::Progress;
use super::tell::Teller;
use super::work::Work;
use super::{TreeCollector, source};
use backup_archive::group::{Cutter, LARGE};
use backup_archive::index::{Record, Type};
use backup_archive::{Mtime, order};
use backup_common::pipeline;
use backup_core::job::Tolerance;
use std::collections::HashMap;
use std::sync::Arc;

/// So many groups, of about 1 MiB each, are read before what came of it is noted.
const AT_ONCE: usize = 512;

/// A unit of reading.
enum Job<'a> {
    Group(&'a [u32]),
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
    todo: std::slice::Iter<'a, Vec<u32>>,
    large: Option<(Arc<Open>, u64)>,
}

impl<'a> Iterator for Jobs<'a> {
    type Item = Job<'a>;

    fn next(&mut self) -> Option<Job<'a>> {
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
        base: &mut HashMap<u32, Record>,
        gone: &mut Vec<Box<[u8]>>,
    ) -> Result<Progress, TreeError> {
        let teller = Teller::new(self.watch.as_ref());
        for round in 0.. {
            if self.base.is_some() {
                renew(&mut scan.nodes, base, known, has_lost);
                while draw_in_company(&mut scan.nodes, gone) {}
            }
            let todo = groups(&scan.nodes);
            if todo.is_empty() {
                break;
            }
            self.owners.learn(&scan.nodes);
            let mut moved = false;
            for part in todo.chunks(AT_ONCE) {
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
                let outcomes = read_groups(&context, &mut self.workers, &mut self.work, part, &teller)?;
                for (index, outcome) in outcomes {
                    let again = round < ROUNDS && self.may_try_again(&scan.nodes, index, &outcome);
                    if again {
                        known.remove(&index);
                    }
                    moved |= self.conclude(scan, index, outcome, again, gone)?;
                }
            }
            if moved {
                reassign(&mut scan.nodes);
            }
        }
        gone.sort_by(|a, b| order::compare(a, b));
        Ok(teller.done())
    }

    /// Whether a path that is not what the walk saw can be read as what it is now.
    fn may_try_again(&self, nodes: &[Node], index: u32, outcome: &Outcome) -> bool {
        let Outcome::Again(stat) = outcome else { return false };
        stat.kind != Type::Directory && self.spec.stores(stat.kind) && same_directory(nodes, index)
    }

    /// Notes what came of reading a node. Returns whether hard link sets may have changed by it.
    fn conclude(
        &self,
        scan: &mut Scan,
        index: u32,
        outcome: Outcome,
        again: bool,
        gone: &mut Vec<Box<[u8]>>,
    ) -> Result<bool, TreeError> {
        let node = &mut scan.nodes[index as usize];
        match outcome {
            Outcome::Read(state, stat) => {
                (node.state, node.stat) = (state, stat);
                return Ok(false);
            }
            Outcome::Again(stat) if again => {
                let moved = node.in_set || !stat.is_same_inode(&node.stat);
                (node.state, node.stat) = (State::Unread, stat);
                return Ok(moved);
            }
            Outcome::Again(stat) if self.spec.stores(stat.kind) => {
                let path = node.absolute();
                scan.warnings.push(format!("cannot read {}: {}", path.display(), replaced()));
                scan.unreadable.push(node.path.clone());
                let lost = TreeError::Unreadable { action: "read", path, source: replaced() };
                scan.lost.get_or_insert(lost);
            }
            Outcome::Again(_) | Outcome::Gone => gone.push(node.path.clone()),
            Outcome::Unreadable(source) if self.spec.unreadable == Tolerance::Allow => {
                scan.warnings.push(format!("cannot read {}: {source}", node.absolute().display()));
                scan.unreadable.push(node.path.clone());
            }
            Outcome::Unreadable(source) => {
                return Err(TreeError::Unreadable { action: "read", path: absolute(&node.path), source });
            }
        }
        node.state = State::Skipped;
        Ok(node.in_set)
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
    todo: &[Vec<u32>],
    teller: &Teller,
) -> Result<Outcomes, TreeError> {
    let mut outcomes = Vec::new();
    let mut assembly = None;
    let failed = |index: u32| {
        move |source| TreeError::Unreadable { action: "read", path: context.nodes[index as usize].absolute(), source }
    };
    pipeline::run(
        workers,
        Jobs { context, todo: todo.iter(), large: None },
        |worker, job| match job {
            Job::Group(members) => context.group(worker, members).map(Read::Group).map_err(failed(members[0])),
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

#[cfg(test)]
mod tests {
    use super::super::node::Stat;
    use super::super::scan::Scanner;
    use super::super::spec::TreeSpec;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn what_exists_and_cannot_be_caught_is_not_taken_for_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "x").unwrap();
        let staging = tempfile::tempdir().unwrap();
        for (unreadable, is_sealed) in [(Tolerance::Allow, true), (Tolerance::Fail, false)] {
            let spec = TreeSpec { include: vec![file.clone()], unreadable, ..TreeSpec::tolerant() };
            let staging = tempfile::tempdir_in(staging.path()).unwrap();
            let mut collector = TreeCollector::new(spec.clone(), None, staging.path()).unwrap();
            let mut scan = Scanner::new(&spec).unwrap().scan(&HashSet::new()).unwrap();
            let now = Stat { links: 1, ..scan.nodes[0].stat };
            let mut gone = Vec::new();
            collector.conclude(&mut scan, 0, Outcome::Again(now), false, &mut gone).unwrap();
            assert!(gone.is_empty() && scan.unreadable.len() == 1 && scan.warnings.len() == 1, "{scan:?}");
            collector.scan = scan;
            assert!(collector.has_lost_something());
            let result = collector.finish();
            assert_eq!(result.is_ok(), is_sealed);
            if let Ok(result) = result {
                assert_eq!(result.counts.unreadable_skipped, 1);
            }
        }
    }
}
