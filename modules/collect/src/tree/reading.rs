//! What a pass reads: everything that is unread, in groups and runs, on all workers, until nothing is.

use super::error::TreeError;
use super::large::{Assembly, Open, RunRead};
use super::member::{Context, GroupRead, Outcome, Worker};
use super::nodes::{Nodes, State};
use super::pass::{Base, Known, Temperature, draw_in_company, has_lost, renew};
use super::paths::Paths;
use super::scan::{ROUNDS, Scan, replaced};
use super::spec::Progress;
use super::stored::{Place, Stored};
use super::tell::Teller;
use super::work::Work;
use super::{TreeCollector, source};
use backup_archive::Mtime;
use backup_archive::group::{Cutter, LARGE};
use backup_archive::index::Type;
use backup_common::pipeline;
use backup_core::job::Tolerance;
use std::collections::HashSet;
use std::sync::Arc;

/// So many groups, of about 144 KiB each, are read before what came of it is noted.
const AT_ONCE: usize = 1024;

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

/// Makes jobs of the paths to be read, in path order; opens a large file when its turn comes.
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
        if self.context.nodes.size(group[0]) <= LARGE {
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

/// Groups of the paths that are to be read.
fn groups(nodes: &Nodes) -> Vec<Vec<u32>> {
    let mut cutter = Cutter::default();
    let mut paths = Paths::default();
    let mut groups: Vec<Vec<u32>> = Vec::new();
    for at in nodes.all().filter(|&at| nodes.state(at) == State::Unread) {
        if cutter.begins(paths.of(nodes, at), nodes.size(at)) {
            groups.push(Vec::new());
        }
        groups.last_mut().expect("the first member begins a group").push(at);
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
        base: &mut Base,
        gone: &mut HashSet<u32>,
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
            let time = scan.nodes.shelf.time(t0);
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
                    pool: &self.pool,
                };
                let outcomes = read_groups(&context, &mut self.workers, &mut self.work, part, &teller)?;
                for (index, outcome) in outcomes {
                    let again = round < ROUNDS && self.may_try_again(&scan.nodes, index, &outcome);
                    if again {
                        known.remove(&index);
                    }
                    moved |= self.conclude(scan, time, index, outcome, again, gone)?;
                }
            }
            if moved {
                reassign(&mut scan.nodes);
            }
        }
        Ok(teller.done())
    }

    /// Whether a path that is not what the walk saw can be read as what it is now.
    fn may_try_again(&self, nodes: &Nodes, index: u32, outcome: &Outcome) -> bool {
        let Outcome::Again(stat) = outcome else { return false };
        stat.kind != Type::Directory && self.spec.stores(stat.kind) && same_directory(nodes, index)
    }

    /// Notes what came of reading a path in the pass that began at `time`. Returns whether hard link sets may have
    /// changed by it.
    fn conclude(
        &self,
        scan: &mut Scan,
        time: u16,
        at: u32,
        outcome: Outcome,
        again: bool,
        gone: &mut HashSet<u32>,
    ) -> Result<bool, TreeError> {
        let nodes = &mut scan.nodes;
        match outcome {
            Outcome::Same(stat) => {
                nodes.set_stat(at, &stat);
                nodes.set_state(at, State::Same(time));
                return Ok(false);
            }
            Outcome::Stored(stored, stat) | Outcome::Kept(stored, stat) => {
                nodes.set_stat(at, &stat);
                nodes.store(at, *stored);
                return Ok(false);
            }
            Outcome::Again(stat) if again => {
                let moved = nodes.in_set(at) || stat.inode() != nodes.inode(at);
                nodes.set_stat(at, &stat);
                nodes.set_state(at, State::Unread);
                return Ok(moved);
            }
            Outcome::Again(stat) if self.spec.stores(stat.kind) => {
                let path = nodes.absolute(at);
                scan.warnings.push(format!("cannot read {}: {}", path.display(), replaced()));
                scan.unreadable.push(nodes.path(at).into());
                let lost = TreeError::Unreadable { action: "read", path, source: replaced() };
                scan.lost.get_or_insert(lost);
            }
            Outcome::Again(_) | Outcome::Gone => gone.extend(nodes.parent(at)),
            Outcome::Unreadable(source) if self.spec.unreadable == Tolerance::Allow => {
                scan.warnings.push(format!("cannot read {}: {source}", nodes.absolute(at).display()));
                scan.unreadable.push(nodes.path(at).into());
            }
            Outcome::Unreadable(source) => {
                return Err(TreeError::Unreadable { action: "read", path: nodes.absolute(at), source });
            }
        }
        nodes.set_state(at, State::Skipped);
        Ok(nodes.in_set(at))
    }
}

/// Whether a path is still looked up in the directory that the walk saw: otherwise somebody might have put a link in
/// its way, and what would be read is not part of the tree.
fn same_directory(nodes: &Nodes, at: u32) -> bool {
    nodes.parent(at).is_none_or(|parent| {
        let now = source::look(&nodes.absolute(parent));
        now.is_ok_and(|now| now.is_some_and(|now| now.inode() == nodes.inode(parent)))
    })
}

/// Finds the hard link sets anew after a member of one vanished or was replaced; whose role changed is read again.
fn reassign(nodes: &mut Nodes) {
    let roles: Vec<Option<u32>> = nodes.all().map(|at| nodes.link(at)).collect();
    nodes.assign_links();
    for (at, before) in nodes.all().zip(roles) {
        if nodes.link(at) != before && nodes.state(at) != State::Skipped {
            nodes.set_state(at, State::Unread);
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
        move |source| TreeError::Unreadable { action: "read", path: context.nodes.absolute(index), source }
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
                keep_group(context, work, group, &mut outcomes)
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
fn keep_group(context: &Context, work: &mut Work, group: GroupRead, outcomes: &mut Outcomes) -> Result<(), TreeError> {
    let raw = context.raw;
    let mut frames = Vec::with_capacity(group.chunks.len());
    let mut spooled = Vec::new();
    for chunk in group.chunks {
        if raw {
            spooled.push(work.spool.append(&chunk.bytes)?);
        } else {
            frames.push(work.push(&chunk.bytes, chunk.plain, chunk.members)?);
        }
        context.pool.give(chunk.bytes);
    }
    for (index, mut outcome) in group.outcomes {
        if let Outcome::Stored(stored, _) = &mut outcome
            && let Stored { place: Place::Frame { frame, skip, length }, .. } = **stored
        {
            stored.place = if raw {
                Place::Spool { at: spooled[frame as usize] + u64::from(skip), length }
            } else {
                Place::Frame { frame: frames[frame as usize], skip, length }
            };
        }
        outcomes.push((index, outcome));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::scan::Scanner;
    use super::super::spec::TreeSpec;
    use super::super::stat::Stat;
    use super::*;

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
            let now = Stat { linked: false, ..scan.nodes.stat(0) };
            let mut gone = HashSet::new();
            collector.conclude(&mut scan, 0, 0, Outcome::Again(now), false, &mut gone).unwrap();
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
