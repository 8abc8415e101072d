//! Reading one member that fits into a group: contents, attributes, digest, then the header before them.

use super::nodes::Nodes;
use super::pass::{Base, Known};
use super::pool::Pool;
use super::source::{self, Found, Opened};
use super::stat::{Attributes, Likeness, Stat};
use super::stored::{Place, Stored};
use super::work::{FRAME_FULL, short};
use backup_archive::frame::{Compressor, Decompressor};
use backup_archive::group::LARGE;
use backup_archive::index::Type;
use backup_archive::{Entry, EntryKind, Mtime, header};
use nix::errno::Errno;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::unix::ffi::OsStringExt;

/// How often a file that changes while it is read is read again at once.
const ATTEMPTS: usize = 3;

/// What all readers of a pass look at.
pub(super) struct Context<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) owners: &'a Owners,
    /// What the base knows of the paths that are read.
    pub(super) base: &'a Base,
    /// What the previous pass stored of the paths that are read again.
    pub(super) known: &'a Known,
    pub(super) t0: Mtime,
    /// To the spool, uncompressed.
    pub(super) raw: bool,
    /// 0 for the first time that paths are read in this pass.
    pub(super) round: u32,
    pub(super) large_file: u64,
    pub(super) pool: &'a Pool,
}

/// Names of owners.
#[derive(Default)]
pub(super) struct Owners {
    users: HashMap<u32, Option<String>>,
    groups: HashMap<u32, Option<String>>,
}

impl Owners {
    /// Looks up everybody who owns one of these paths.
    pub(super) fn learn(&mut self, nodes: &Nodes) {
        use nix::unistd::{Gid, Group, Uid, User};
        for (uid, gid) in nodes.owners() {
            let user = |id| User::from_uid(Uid::from_raw(id)).ok().flatten().map(|user| user.name);
            let group = |id| Group::from_gid(Gid::from_raw(id)).ok().flatten().map(|group| group.name);
            self.users.entry(uid).or_insert_with_key(|&id| user(id));
            self.groups.entry(gid).or_insert_with_key(|&id| group(id));
        }
    }
}

/// What came of reading a path.
pub(super) enum Outcome {
    /// It is equal to the base.
    Same(Stat),
    /// It is stored.
    Stored(Box<Stored>, Stat),
    /// It is stored where it was stored before.
    Kept(Box<Stored>, Stat),
    /// It is not what the scan saw: to be read again as what it is now.
    Again(Stat),
    /// It vanished.
    Gone,
    /// The system refused.
    Unreadable(io::Error),
}

/// Memory that is filled again and again: what it held is not overwritten with zeros before that.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    fn clear(&mut self) {
        self.length = 0;
    }

    /// Room for more bytes, whatever is in it.
    fn more(&mut self, count: usize) -> &mut [u8] {
        let begin = self.length;
        self.length += count;
        if self.bytes.len() < self.length {
            self.bytes.resize(self.length, 0);
        }
        &mut self.bytes[begin..self.length]
    }

    fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// A thread's working memory.
pub(super) struct Worker {
    pub(super) compressor: Compressor,
    pub(super) decompressor: Decompressor,
    pub(super) stored: Vec<u8>,
    pub(super) plain: Vec<u8>,
    contents: Buffer,
    /// Frames opened last, by number: members of one group mostly come from few.
    pub(super) opened: VecDeque<(u32, Vec<u8>)>,
}

impl Worker {
    pub(super) fn new(level: i32) -> io::Result<Self> {
        Ok(Self {
            compressor: Compressor::new(level)?,
            decompressor: Decompressor::new()?,
            stored: Vec::new(),
            plain: Vec::new(),
            contents: Buffer::default(),
            opened: VecDeque::new(),
        })
    }
}

/// Plain bytes of whole members, compressed or not.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) plain: u32,
    pub(super) members: u32,
}

/// A group after reading. The places of stored members name a chunk instead of a frame.
pub(super) struct GroupRead {
    pub(super) outcomes: Vec<(u32, Outcome)>,
    pub(super) chunks: Vec<Chunk>,
    pub(super) bytes: u64,
}

impl Context<'_> {
    /// Reads the members of one group.
    pub(super) fn group(&self, worker: &mut Worker, members: &[u32]) -> io::Result<GroupRead> {
        let mut read = GroupRead { outcomes: Vec::with_capacity(members.len()), chunks: Vec::new(), bytes: 0 };
        let mut plain = std::mem::take(&mut worker.plain);
        plain.clear();
        let mut count = 0;
        for &index in members {
            if plain.len() > FRAME_FULL {
                read.chunks.push(self.chunk(worker, &mut plain, &mut count)?);
            }
            let before = plain.len();
            let outcome = self.member(worker, index, read.chunks.len(), &mut plain, &mut read.bytes);
            count += u32::from(plain.len() > before);
            read.outcomes.push((index, outcome.unwrap_or_else(Outcome::Unreadable)));
        }
        if !plain.is_empty() {
            read.chunks.push(self.chunk(worker, &mut plain, &mut count)?);
        }
        worker.plain = plain;
        Ok(read)
    }

    fn chunk(&self, worker: &mut Worker, plain: &mut Vec<u8>, count: &mut u32) -> io::Result<Chunk> {
        let length = short(plain.len());
        let mut bytes = self.pool.take();
        if self.raw {
            plain.clone_into(&mut bytes);
        } else {
            worker.compressor.compress(plain, &mut bytes)?;
        }
        plain.clear();
        Ok(Chunk { bytes, plain: length, members: std::mem::take(count) })
    }

    /// Reads one member and appends its bytes to `plain`, unless they are stored already or equal to the base.
    fn member(
        &self,
        worker: &mut Worker,
        at: u32,
        chunk: usize,
        plain: &mut Vec<u8>,
        bytes: &mut u64,
    ) -> io::Result<Outcome> {
        let mut sparse = None;
        worker.contents.clear();
        let seen = self.nodes.stat(at);
        let (stat, mut stored) = match self.nodes.role(at) {
            Type::File => match self.file(worker, at, &mut sparse)? {
                Found::It(read) => read,
                Found::Other(stat) => return Ok(Outcome::Again(stat)),
                Found::Gone => return Ok(Outcome::Gone),
            },
            _ => match self.rest(at) {
                Err(error) if is_gone(&error) => return Ok(Outcome::Gone),
                // What was a symbolic link is none any more.
                Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) && seen.kind == Type::Symlink => {
                    return Ok(source::look(&self.nodes.absolute(at))?.map_or(Outcome::Gone, Outcome::Again));
                }
                stored => (seen, stored?),
            },
        };
        let contents = worker.contents.filled();
        *bytes += contents.len() as u64;
        if let Some(outcome) = self.settle(at, &stat, &mut stored) {
            return Ok(outcome);
        }
        let entry = entry(self.nodes, at, &stat, &stored, self.owners);
        let begin = plain.len();
        plain.extend_from_slice(&header::blocks(&entry, sparse.as_ref()));
        plain.extend_from_slice(contents);
        plain.resize(plain.len() + header::padding(contents.len() as u64), 0);
        stored.place = Place::Frame { frame: short(chunk), skip: short(begin), length: short(plain.len() - begin) };
        Ok(Outcome::Stored(Box::new(stored), stat))
    }

    /// Compares what was read with the base and with what is stored already; `None` if its bytes must be stored.
    pub(super) fn settle(&self, at: u32, stat: &Stat, stored: &mut Stored) -> Option<Outcome> {
        let role = self.nodes.role(at);
        let now = || Likeness::of(role, stat, &stored.content, &stored.attributes);
        stored.like_base = self.base.likeness(at).is_some_and(|then| then == now());
        // Directories and members of sets may have to be stored for the sake of others.
        if stored.like_base && !self.nodes.in_set(at) && role != Type::Directory {
            return Some(Outcome::Same(*stat));
        }
        let (before, number) = self.known.get(&at)?;
        let known = self.nodes.shelf.get(*number);
        let same = known.content == stored.content
            && known.attributes == stored.attributes
            && known.target == stored.target
            && before.same_member(stat)
            && !matches!(known.place, Place::Large(_));
        same.then(|| Outcome::Kept(Box::new(Stored { place: known.place, ..stored.clone() }), *stat))
    }

    /// Reads a regular file into the worker's memory.
    fn file(
        &self,
        worker: &mut Worker,
        at: u32,
        sparse: &mut Option<backup_archive::sparse::SparseMap>,
    ) -> io::Result<Found<(Stat, Stored)>> {
        let (path, seen) = (self.nodes.absolute(at), self.nodes.stat(at));
        let mut attempt = 1;
        loop {
            let Opened { file, mut stat, allocated } = match source::open(&path, &seen)? {
                Found::It(opened) => opened,
                Found::Other(stat) => return Ok(Found::Other(stat)),
                Found::Gone => return Ok(Found::Gone),
            };
            if stat.tuple.size > LARGE {
                return Ok(Found::Other(stat));
            }
            let before = stat.tuple;
            *sparse = source::holes(&file, stat.tuple.size, allocated)?;
            let contents = &mut worker.contents;
            let content = if let Some(map) = sparse {
                contents.clear();
                let mut hasher = Sha256::new();
                let mut at = 0;
                for range in map.data() {
                    let piece = contents.more(small(range.end - range.start));
                    let count = source::read_at(&file, range.start, piece)?;
                    // It was cut short meanwhile; the digest will tell.
                    piece[count..].fill(0);
                    hash_zeros(&mut hasher, range.start - at);
                    hasher.update(&*piece);
                    at = range.end;
                }
                hash_zeros(&mut hasher, map.size() - at);
                hasher.finalize()
            } else {
                contents.clear();
                let count = source::read_at(&file, 0, contents.more(small(before.size)))?;
                contents.truncate(count);
                stat.tuple.size = count as u64;
                Sha256::digest(contents.filled())
            };
            let attributes = source::attributes_of(&file)?;
            let settled = source::stat(&file)?.is_some_and(|after| after.tuple == before) && stat.tuple == before;
            if settled || attempt == ATTEMPTS {
                let stored = Stored { settled, attributes, content: content.into(), ..self.nothing() };
                return Ok(Found::It((stat, stored)));
            }
            attempt += 1;
        }
    }

    /// Reads what is not a regular member.
    fn rest(&self, at: u32) -> io::Result<Stored> {
        let mut stored = self.nothing();
        if let Some(first) = self.nodes.link(at) {
            // The attributes are the first member's.
            stored.content = Sha256::digest(self.nodes.path(first)).into();
            return Ok(stored);
        }
        let (path, stat) = (self.nodes.absolute(at), self.nodes.stat(at));
        match stat.kind {
            Type::Symlink => {
                stored.target = std::fs::read_link(&path)?.into_os_string().into_vec().into();
                stored.content = Sha256::digest(&stored.target).into();
            }
            Type::Character | Type::Block => stored.content = Sha256::digest(stat.rdev.to_le_bytes()).into(),
            _ => {}
        }
        stored.attributes = source::attributes_at(&path)?;
        Ok(stored)
    }

    pub(super) fn nothing(&self) -> Stored {
        Stored {
            t0: self.t0,
            settled: true,
            content: [0; 32],
            attributes: Attributes::new(),
            target: Box::default(),
            like_base: false,
            place: Place::Spool { at: 0, length: 0 },
        }
    }
}

pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::ENOENT | nix::libc::ENOTDIR | nix::libc::ESTALE))
}

/// Sizes up to [`LARGE`].
fn small(size: u64) -> usize {
    usize::try_from(size).expect("a size within a run")
}

/// Continues a digest over a hole.
pub(super) fn hash_zeros(hasher: &mut Sha256, mut length: u64) {
    static ZEROS: [u8; 65536] = [0; 65536];
    while length > 0 {
        let step = length.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..small(step)]);
        length -= step;
    }
}

/// The catalog's view of a member; its place is filled in when the layout is known.
pub(super) fn entry(nodes: &Nodes, at: u32, stat: &Stat, stored: &Stored, owners: &Owners) -> Entry {
    let device = || {
        use nix::sys::stat::{major, minor};
        let number = |part: u64| u32::try_from(part).expect("device numbers have 32 bits");
        (number(major(stat.rdev)), number(minor(stat.rdev)))
    };
    let kind = match nodes.role(at) {
        Type::File => EntryKind::File { size: stat.tuple.size, sha256: stored.content, blocks: None },
        Type::Directory => EntryKind::Directory,
        Type::Symlink => EntryKind::Symlink { target: stored.target.to_vec() },
        Type::Hardlink => {
            let first = nodes.link(at).expect("the role of a further name");
            EntryKind::Hardlink { target: nodes.path(first) }
        }
        Type::Fifo => EntryKind::Fifo,
        Type::Character => {
            let (major, minor) = device();
            EntryKind::Character { major, minor }
        }
        Type::Block => {
            let (major, minor) = device();
            EntryKind::Block { major, minor }
        }
    };
    Entry {
        path: nodes.path(at),
        kind,
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        user: owners.users.get(&stat.uid).cloned().flatten(),
        group: owners.groups.get(&stat.gid).cloned().flatten(),
        mtime: stat.tuple.mtime,
        xattrs: stored.attributes.clone(),
        place: backup_archive::Place::At { frame: 0, skip: 0 },
    }
}
