//! Large files, run by run: several threads read and compress, one digest goes over the whole.

use super::error::TreeError;
use super::member::{Context, Outcome, Worker, entry, hash_zeros};
use super::pass::Blocks;
use super::source::{self, Found, Opened};
use super::stat::{Stat, digest_of};
use super::stored::{Large, Place, Run, RunPlace, Stored};
use super::work::{BLOCK_LENGTH, Work, short};
use backup_archive::group::{PATCH_BLOCK, RUN};
use backup_archive::header;
use backup_archive::sparse::SparseMap;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// Bytes of a digest in `blocks`.
pub(super) const BLOCK_DIGEST: usize = 16;
/// Runs that are read again because the file shrank meanwhile.
const ROUNDS: u32 = 2;

/// A large file being read.
pub(super) struct Open {
    pub(super) index: u32,
    file: File,
    stat: Stat,
    /// What is known before the contents are.
    head: Stored,
    sparse: Option<SparseMap>,
    /// Digests of the base's blocks, if only what differs from them is stored.
    patch: Option<Vec<u8>>,
    header: Vec<u8>,
}

/// One run after reading.
pub(super) struct RunRead {
    open: Arc<Open>,
    number: u64,
    /// The file's own bytes, holes as zeros; empty if the run is nothing but a hole.
    logical: Vec<u8>,
    /// Bytes of a run that is nothing but a hole.
    hole: u64,
    blocks: Vec<u8>,
    cut_short: bool,
    mask: u64,
    length: u32,
    output: Output,
}

enum Output {
    /// Stored by an earlier pass, at this place.
    Kept(RunPlace),
    Nothing,
    /// For the spool; `None`: `RunRead::logical` as it is.
    Raw(Option<Vec<u8>>),
    Frame {
        stored: Vec<u8>,
        plain: u32,
        skip: u32,
        padding: u32,
    },
    /// The system refused.
    Failed(io::Error),
}

impl RunRead {
    /// Bytes of contents.
    pub(super) const fn bytes(&self) -> u64 {
        self.logical.len() as u64 + self.hole
    }

    /// What could not be read. The policy decides about the whole file when its last run is there.
    pub(super) fn failed(open: Arc<Open>, number: u64, error: io::Error) -> Self {
        Self { output: Output::Failed(error), ..Self::hole(open, number, 0) }
    }

    /// Nothing to read, nothing to store, and digests that are always the same.
    fn hole(open: Arc<Open>, number: u64, length: u64) -> Self {
        static BLOCK: LazyLock<[u8; 32]> = LazyLock::new(|| Sha256::digest([0; BLOCK_LENGTH]).into());
        let mut blocks = Vec::with_capacity(64 * BLOCK_DIGEST);
        for _ in 0..length / PATCH_BLOCK {
            blocks.extend_from_slice(&BLOCK[..BLOCK_DIGEST]);
        }
        if !length.is_multiple_of(PATCH_BLOCK) {
            let mut rest = Sha256::new();
            hash_zeros(&mut rest, length % PATCH_BLOCK);
            blocks.extend_from_slice(&rest.finalize()[..BLOCK_DIGEST]);
        }
        let logical = Vec::new();
        Self {
            open,
            number,
            logical,
            hole: length,
            blocks,
            cut_short: false,
            mask: 0,
            length: 0,
            output: Output::Nothing,
        }
    }
}

impl Open {
    /// Number of runs.
    pub(super) fn runs(&self) -> u64 {
        self.stat.tuple.size.div_ceil(RUN)
    }

    fn range(&self, number: u64) -> Range<u64> {
        number * RUN..((number + 1) * RUN).min(self.stat.tuple.size)
    }
}

/// What of `run` is data.
pub(super) fn data_within(sparse: Option<&SparseMap>, run: &Range<u64>) -> Vec<Range<u64>> {
    let Some(map) = sparse else { return vec![run.clone()] };
    let first = map.data().partition_point(|data| data.end <= run.start);
    let overlapping = map.data()[first..].iter().take_while(|data| data.start < run.end);
    overlapping.map(|data| data.start.max(run.start)..data.end.min(run.end)).collect()
}

/// The run that the member's padding follows.
pub(super) fn last_with_data(sparse: Option<&SparseMap>, size: u64) -> u64 {
    sparse.map_or(size, |map| map.data().last().map_or(1, |data| data.end)).saturating_sub(1) / RUN
}

/// Zeros after the member's contents.
pub(super) fn padding_of(sparse: Option<&SparseMap>, size: u64) -> u32 {
    short(header::padding(sparse.map_or(size, SparseMap::data_bytes)))
}

impl Context<'_> {
    /// Opens a large file for [`Self::run`].
    pub(super) fn open_large(&self, index: u32) -> io::Result<Result<Open, Outcome>> {
        let opened = source::open(&self.nodes.absolute(index), &self.nodes.stat(index))?;
        let Opened { file, stat, allocated } = match opened {
            Found::It(opened) => opened,
            Found::Other(stat) => return Ok(Err(Outcome::Again(stat))),
            Found::Gone => return Ok(Err(Outcome::Gone)),
        };
        // Shrunk since the scan: it belongs into a group now.
        if stat.tuple.size <= backup_archive::group::LARGE {
            return Ok(Err(Outcome::Again(stat)));
        }
        let attributes = source::attributes_of(&file)?;
        let head = Stored { attributes, ..self.nothing() };
        let patch = self.base.blocks(index).filter(|blocks| self.patches(index, &stat, &head, blocks));
        let patch = patch.map(|blocks| blocks.digests.clone());
        let sparse = source::holes(&file, stat.tuple.size, allocated)?;
        let header = header::blocks(&entry(self.nodes, index, &stat, &head, self.owners), sparse.as_ref());
        Ok(Ok(Open { index, file, stat, head, sparse, patch, header }))
    }

    /// Whether only the blocks that differ from the base are to be stored.
    fn patches(&self, index: u32, stat: &Stat, head: &Stored, base: &Blocks) -> bool {
        stat.tuple.size >= self.large_file
            && !self.nodes.in_set(index)
            && (stat.mode, stat.uid, stat.gid) == (base.mode, base.uid, base.gid)
            && digest_of(&head.attributes) == base.attributes
    }

    /// Reads one run.
    pub(super) fn run(&self, worker: &mut Worker, open: &Arc<Open>, number: u64) -> io::Result<RunRead> {
        let range = open.range(number);
        let data = data_within(open.sparse.as_ref(), &range);
        let within = |part: &Range<u64>| {
            let at = |offset: u64| usize::try_from(offset - range.start).expect("within a run");
            at(part.start)..at(part.end)
        };
        if data.is_empty() && open.patch.is_none() && number > 0 {
            return Ok(RunRead::hole(open.clone(), number, range.end - range.start));
        }
        let mut logical = self.pool.take();
        logical.resize(within(&range).end, 0);
        let (mut cut_short, mut end) = (false, 0);
        for part in &data {
            let part_within = within(part);
            // A hole before it, and what is missing at its end: zeros, whatever the buffer held.
            logical[end..part_within.start].fill(0);
            end = part_within.end;
            let out = &mut logical[part_within];
            let count = source::read_at(&open.file, part.start, out)?;
            cut_short |= count < out.len();
            out[count..].fill(0);
        }
        logical[end..].fill(0);
        let mut blocks = Vec::with_capacity(64 * BLOCK_DIGEST);
        for block in logical.chunks(BLOCK_LENGTH) {
            blocks.extend_from_slice(&Sha256::digest(block)[..BLOCK_DIGEST]);
        }
        let (mut mask, mut payload) = (0, None);
        if let Some(base) = &open.patch {
            let mut changed = Vec::new();
            for (n, block) in logical.chunks(BLOCK_LENGTH).enumerate() {
                let at = (usize::try_from(range.start / PATCH_BLOCK).unwrap_or(usize::MAX) + n) * BLOCK_DIGEST;
                let now = &blocks[n * BLOCK_DIGEST..][..BLOCK_DIGEST];
                if base.get(at..at + BLOCK_DIGEST) != Some(now) {
                    mask |= 1 << n;
                    changed.extend_from_slice(block);
                }
            }
            payload = Some(changed);
        } else if open.sparse.is_some() {
            payload = Some(data.iter().flat_map(|part| &logical[within(part)]).copied().collect());
        }
        let length = short(payload.as_ref().map_or(logical.len(), Vec::len));
        let output = if let Some(place) = self.kept(open, number, &blocks, &data) {
            Output::Kept(place)
        } else if length == 0 && (open.patch.is_some() || number > 0) {
            Output::Nothing
        } else if self.raw {
            Output::Raw(payload)
        } else {
            let contents = payload.as_ref().unwrap_or(&logical);
            self.compress(worker, open, number, contents)?
        };
        Ok(RunRead { open: open.clone(), number, logical, hole: 0, blocks, cut_short, mask, length, output })
    }

    /// Where an earlier pass stored exactly this run.
    fn kept(&self, open: &Open, number: u64, blocks: &[u8], data: &[Range<u64>]) -> Option<RunPlace> {
        let (before, known) = self.known.get(&open.index)?;
        let large = self.nodes.shelf.large(*known)?;
        let at = usize::try_from(number * (RUN / PATCH_BLOCK)).ok()? * BLOCK_DIGEST;
        let range = open.range(number);
        let then = range.start..(range.start + RUN).min(before.tuple.size);
        let same = large.patch == open.patch.is_some()
            && large.blocks.get(at..at + blocks.len()) == Some(blocks)
            && then == range
            && (large.patch || data_within(large.sparse.as_ref(), &then) == data);
        same.then(|| large.runs[usize::try_from(number).unwrap_or(usize::MAX)].place)
    }

    fn compress(&self, worker: &mut Worker, open: &Open, number: u64, contents: &[u8]) -> io::Result<Output> {
        let (mut skip, mut padding) = (0, 0);
        let plain = &mut worker.plain;
        plain.clear();
        if open.patch.is_none() {
            if number == 0 {
                plain.extend_from_slice(&open.header);
                skip = short(open.header.len());
            }
            if number == last_with_data(open.sparse.as_ref(), open.stat.tuple.size) {
                padding = padding_of(open.sparse.as_ref(), open.stat.tuple.size);
            }
        }
        plain.extend_from_slice(contents);
        plain.resize(plain.len() + padding as usize, 0);
        let mut stored = self.pool.take();
        worker.compressor.compress(plain, &mut stored)?;
        Ok(Output::Frame { stored, plain: short(plain.len()), skip, padding })
    }
}

/// Puts the runs of one file together, in order.
pub(super) struct Assembly {
    digest: Sha256,
    large: Large,
    cut_short: bool,
    failed: Option<io::Error>,
    frames: bool,
    kept: bool,
}

impl Assembly {
    /// Takes the next run; after the last one says what became of the file.
    pub(super) fn take(
        slot: &mut Option<Self>,
        context: &Context,
        work: &mut Work,
        run: RunRead,
    ) -> Result<Option<(u32, Outcome)>, TreeError> {
        let open = &run.open;
        let assembly = slot.get_or_insert_with(|| Self {
            digest: Sha256::new(),
            large: Large {
                sparse: open.sparse.clone(),
                patch: open.patch.is_some(),
                whole: false,
                runs: Vec::new(),
                blocks: Vec::new(),
            },
            cut_short: false,
            failed: None,
            frames: true,
            kept: true,
        });
        assembly.digest.update(&run.logical);
        hash_zeros(&mut assembly.digest, run.hole);
        assembly.large.blocks.extend_from_slice(&run.blocks);
        assembly.cut_short |= run.cut_short;
        assembly.kept &= matches!(run.output, Output::Kept(_)) || run.hole > 0;
        assembly.frames &= matches!(run.output, Output::Frame { .. } | Output::Nothing);
        let place = match run.output {
            Output::Kept(place) => place,
            Output::Nothing => RunPlace::Nothing,
            Output::Failed(error) => {
                assembly.failed = Some(error);
                RunPlace::Nothing
            }
            Output::Raw(payload) => {
                RunPlace::Spool { at: work.spool.append(payload.as_ref().unwrap_or(&run.logical))? }
            }
            Output::Frame { stored, plain, skip, padding } => {
                let frame = work.push(&stored, plain, 0)?;
                context.pool.give(stored);
                RunPlace::Frame { frame, skip, padding }
            }
        };
        context.pool.give(run.logical);
        assembly.large.runs.push(Run { place, length: run.length, mask: run.mask });
        if run.number + 1 < open.runs() {
            return Ok(None);
        }
        let assembly = slot.take().expect("it was just there");
        Ok(Some((open.index, assembly.outcome(context, open))))
    }

    fn outcome(mut self, context: &Context, open: &Open) -> Outcome {
        let after = match (self.failed, source::stat(&open.file)) {
            (None, Ok(after)) => after,
            (Some(error), _) | (None, Err(error)) => return Outcome::Unreadable(error),
        };
        if let Some(after) = after.filter(|_| self.cut_short && context.round < ROUNDS) {
            return Outcome::Again(after);
        }
        let settled = !self.cut_short && after.is_some_and(|after| after.tuple == open.stat.tuple);
        let mut stored = Stored { settled, content: self.digest.finalize().into(), ..open.head.clone() };
        if let Some(outcome) = context.settle(open.index, &open.stat, &mut stored) {
            return outcome;
        }
        let shelf = &context.nodes.shelf;
        let known = context.known.get(&open.index).filter(|(before, known)| {
            let attributes = shelf.attributes_digest(*known) == digest_of(&stored.attributes);
            self.kept && before.same_member(&open.stat) && attributes
        });
        self.large.whole = match known.and_then(|(_, known)| shelf.large(*known)) {
            Some(large) => large.whole && large.sparse == self.large.sparse,
            None => self.frames && !self.large.patch,
        };
        if self.large.patch && everything_changed(&self.large.runs, open) {
            // As large as the file: it is stored as a member like any other.
            (self.large.patch, self.large.whole, self.large.sparse) = (false, false, None);
        }
        stored.place = Place::Large(Arc::new(self.large));
        Outcome::Stored(Box::new(stored), open.stat)
    }
}

fn everything_changed(runs: &[Run], open: &Open) -> bool {
    runs.iter().map(|run| u64::from(run.length)).sum::<u64>() >= open.stat.tuple.size
}
