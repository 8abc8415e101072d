//! The finish, second half: building what no frame holds yet, and putting the frames in order.

use super::error::TreeError;
use super::large::{last_with_data, padding_of};
use super::layout::Piece;
use super::member::{Chunk, Owners, Worker, entry};
use super::nodes::Nodes;
use super::stored::{Large, Place, RunPlace};
use super::tell::Teller;
use super::work::{FRAME_FULL, Work, short};
use backup_archive::header;
use backup_common::pipeline;
use std::io;
use std::ops::Range;

/// Frames that a worker keeps open.
const OPENED: usize = 4;

/// The frames of an artifact in order, and where its members begin, in their order: (position in `frames`, offset in the
/// frame).
#[derive(Debug, Default)]
pub(super) struct Sequence {
    pub(super) frames: Vec<u32>,
    pub(super) begins: Vec<(u32, u32)>,
}

/// A piece that was built: chunks, each with where members begin in it.
type Built = Vec<(Chunk, Vec<u32>)>;

enum Ready {
    /// With the members that begin in it.
    Frame(u32, Range<usize>),
    Built(Built),
}

/// What building looks at. The live tree is not part of it.
pub(super) struct Source<'a> {
    pub(super) nodes: &'a Nodes,
    /// What pieces tell positions of.
    pub(super) members: &'a [u32],
    pub(super) owners: &'a Owners,
}

impl Source<'_> {
    /// Builds the pieces that are not frames yet, appends them to the work file, and returns all in order.
    pub(super) fn assemble(
        &self,
        pieces: Vec<Piece>,
        workers: &mut [Worker],
        work: &mut Work,
        teller: &Teller,
    ) -> Result<Sequence, TreeError> {
        let mut sequence = Sequence::default();
        // Workers read frames that were there before; what is appended meanwhile nobody asks for.
        let mut fresh = work.appender()?;
        let before = &*work;
        let mut built = Vec::new();
        pipeline::run(
            workers,
            pieces.into_iter(),
            |worker, piece| match piece {
                Piece::Frame(frame, members) => Ok(Ready::Frame(frame, members)),
                Piece::Members(members) => self.group(worker, before, &self.members[members]).map(Ready::Built),
                Piece::Run(member, number) => self.run(worker, before, self.members[member], number).map(Ready::Built),
            },
            |ready| {
                teller.more(0, 0)?;
                let at = |sequence: &Sequence| short(sequence.frames.len());
                match ready {
                    Ready::Frame(frame, members) => {
                        let at = at(&sequence);
                        sequence.begins.extend(self.members[members].iter().map(|&member| (at, self.skip(member))));
                        sequence.frames.push(frame);
                    }
                    Ready::Built(chunks) => {
                        for (chunk, begins) in chunks {
                            built.push(fresh.frame(&chunk)?);
                            let at = at(&sequence);
                            sequence.begins.extend(begins.into_iter().map(|skip| (at, skip)));
                            sequence.frames.push(short(before.frames.len() + built.len() - 1));
                        }
                    }
                }
                Ok(())
            },
        )?;
        work.adopt(&fresh, built);
        Ok(sequence)
    }

    /// Where a member begins in its frame.
    fn skip(&self, member: u32) -> u32 {
        match self.nodes.place(member) {
            Some(Place::Frame { skip, .. }) => skip,
            _ => 0,
        }
    }

    fn group(&self, worker: &mut Worker, work: &Work, members: &[u32]) -> Result<Built, TreeError> {
        let mut built = Built::new();
        let mut plain = std::mem::take(&mut worker.plain);
        plain.clear();
        let mut begins = Vec::new();
        for &member in members {
            if plain.len() > FRAME_FULL {
                built.push((chunk(worker, work, &mut plain, &begins)?, std::mem::take(&mut begins)));
            }
            begins.push(short(plain.len()));
            match self.nodes.place(member) {
                Some(Place::Frame { frame, skip, length }) => {
                    plain.extend_from_slice(&opened(worker, work, frame)?[skip as usize..][..length as usize]);
                }
                Some(Place::Spool { at, length }) => {
                    work.spool.read(at, length as usize, &mut worker.stored)?;
                    plain.extend_from_slice(&worker.stored);
                }
                _ => unreachable!("large files and unread ones are not members of groups"),
            }
        }
        if !plain.is_empty() {
            built.push((chunk(worker, work, &mut plain, &begins)?, begins));
        }
        worker.plain = plain;
        Ok(built)
    }

    fn run(&self, worker: &mut Worker, work: &Work, member: u32, number: usize) -> Result<Built, TreeError> {
        let stored = self.nodes.stored(member).expect("a run of a member that is stored");
        let Place::Large(large) = &stored.place else { unreachable!("only large files have runs") };
        let stat = self.nodes.stat(member);
        let mut plain = std::mem::take(&mut worker.plain);
        plain.clear();
        let (mut begins, mut padding) = (Vec::new(), 0);
        if !large.patch {
            if number == 0 {
                let entry = entry(self.nodes, member, &stat, &stored, self.owners);
                plain.extend_from_slice(&header::blocks(&entry, large.sparse.as_ref()));
                begins.push(0);
            }
            if number as u64 == last_with_data(large.sparse.as_ref(), stat.tuple.size) {
                padding = padding_of(large.sparse.as_ref(), stat.tuple.size);
            }
        }
        let run = large.runs[number];
        match run.place {
            RunPlace::Nothing => {}
            RunPlace::Frame { frame, skip, .. } => {
                plain.extend_from_slice(&opened(worker, work, frame)?[skip as usize..][..run.length as usize]);
            }
            RunPlace::Spool { at } => {
                work.spool.read(at, run.length as usize, &mut worker.stored)?;
                plain.extend_from_slice(&worker.stored);
            }
        }
        plain.resize(plain.len() + padding as usize, 0);
        let chunk = chunk(worker, work, &mut plain, &begins)?;
        worker.plain = plain;
        Ok(vec![(chunk, begins)])
    }
}

fn chunk(worker: &mut Worker, work: &Work, plain: &mut Vec<u8>, begins: &[u32]) -> Result<Chunk, TreeError> {
    let length = short(plain.len());
    worker.compressor.compress(plain, &mut worker.stored).map_err(failed(work))?;
    plain.clear();
    Ok(Chunk { bytes: worker.stored.clone(), plain: length, members: short(begins.len()) })
}

fn failed(work: &Work) -> impl FnOnce(io::Error) -> TreeError + '_ {
    TreeError::io("compress into", &work.file.path)
}

/// The plain bytes of a frame.
fn opened<'w>(worker: &'w mut Worker, work: &Work, frame: u32) -> Result<&'w [u8], TreeError> {
    let found = worker.opened.iter().position(|(number, _)| *number == frame);
    let at = if let Some(at) = found {
        at
    } else {
        let mut plain =
            if worker.opened.len() == OPENED { worker.opened.pop_front().unwrap_or_default().1 } else { Vec::new() };
        work.open(frame, &mut worker.decompressor, &mut worker.stored, &mut plain)?;
        worker.opened.push_back((frame, plain));
        worker.opened.len() - 1
    };
    Ok(&worker.opened[at].1)
}

/// The pieces of a patch of the member at this position: one frame per run with changed blocks.
pub(super) fn patch_pieces(large: &Large, position: usize) -> Vec<Piece> {
    let pieces = large.runs.iter().enumerate().filter_map(|(number, run)| match run.place {
        RunPlace::Nothing => None,
        RunPlace::Frame { frame, .. } => Some(Piece::Frame(frame, position..position)),
        RunPlace::Spool { .. } => Some(Piece::Run(position, number)),
    });
    pieces.collect()
}
