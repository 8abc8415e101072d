//! The two work files of a collection: frames as they were made, and the spool of bytes not compressed yet.

use super::error::TreeError;
use super::member::Chunk;
use super::trail::{ReadBack, Trail};
use backup_archive::frame::Decompressor;
use backup_archive::group;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// [`group::RUN`] as a length in memory.
pub(super) const RUN_LENGTH: usize = 4 << 20;
/// [`group::PATCH_BLOCK`] as a length in memory.
pub(super) const BLOCK_LENGTH: usize = 64 << 10;
const _: () = assert!(RUN_LENGTH as u64 == group::RUN && BLOCK_LENGTH as u64 == group::PATCH_BLOCK);
/// A frame with more plain bytes than this takes no further member of a group, the largest of which has 4 MiB.
pub(super) const FRAME_FULL: usize = group::MAX_FRAME - RUN_LENGTH;

/// Mode of everything that will be part of a generation.
pub(super) const MODE: u32 = 0o640;

/// A file that only grows.
pub(super) struct Appended {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) length: u64,
}

impl Appended {
    pub(super) fn create(path: PathBuf) -> Result<Self, TreeError> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(&path);
        let file = file.map_err(TreeError::io("create", &path))?;
        Ok(Self { path, file, length: 0 })
    }

    /// One that nobody else needs the name of: it is gone whatever happens to us.
    pub(super) fn unnamed(path: PathBuf) -> Result<Self, TreeError> {
        let file = Self::create(path)?;
        std::fs::remove_file(&file.path).map_err(TreeError::io("remove", &file.path))?;
        Ok(file)
    }

    /// Adds bytes and says where they begin.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<u64, TreeError> {
        let at = self.length;
        self.file.write_all_at(bytes, at).map_err(TreeError::io("write", &self.path))?;
        self.length += bytes.len() as u64;
        Ok(at)
    }

    /// Replaces `out` with `length` bytes from `at`.
    pub(super) fn read(&self, at: u64, length: usize, out: &mut Vec<u8>) -> Result<(), TreeError> {
        out.resize(length, 0);
        self.file.read_exact_at(out, at).map_err(TreeError::io("read", &self.path))
    }
}

/// One frame of the work file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) at: u64,
    pub(super) stored: u32,
    pub(super) plain: u32,
    /// Whole members in it; 0 for runs of large files.
    pub(super) members: u32,
}

impl Frame {
    /// Reads the frame as it lies in the file at `path`, into the beginning of `buffer`, and replaces `plain` with its plain
    /// bytes. Returns the stored ones.
    pub(super) fn read<'b>(
        &self,
        (file, path): (&File, &Path),
        reader: &mut Decompressor,
        buffer: &'b mut Vec<u8>,
        plain: &mut Vec<u8>,
    ) -> Result<&'b [u8], TreeError> {
        let length = self.stored as usize;
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let stored = &mut buffer[..length];
        file.read_exact_at(stored, self.at).map_err(TreeError::io("read", path))?;
        let damaged = |error: std::io::Error| TreeError::damaged(path, error);
        reader.decompress(stored, self.plain as usize, plain).map_err(damaged)?;
        Ok(stored)
    }
}

/// Both work files.
pub(super) struct Work {
    pub(super) file: Appended,
    pub(super) frames: Vec<Frame>,
    pub(super) spool: Appended,
    trail: Option<Trail>,
    /// What the trail has read back.
    back: ReadBack,
}

impl Work {
    pub(super) fn create(staging: &Path) -> Result<Self, TreeError> {
        let file = Appended::create(staging.join(".frames"))?;
        let spool = Appended::unnamed(staging.join(".spool"))?;
        let trail = Some(Trail::begin(&file.path, &file.file)?);
        Ok(Self { file, frames: Vec::new(), spool, trail, back: ReadBack::default() })
    }

    /// Reads back no more of what was written until the end: what comes now must not wait for a disk.
    pub(super) fn rest(&mut self) -> Result<(), TreeError> {
        if let Some(trail) = self.trail.take() {
            self.back = trail.end()?;
        }
        Ok(())
    }

    /// The frames, from the first on, that were read back from the medium already.
    pub(super) fn read_back(&mut self) -> Result<ReadBack, TreeError> {
        self.rest()?;
        Ok(self.back.clone())
    }

    /// Appends a frame and says which it is.
    pub(super) fn push(&mut self, stored: &[u8], plain: u32, members: u32) -> Result<u32, TreeError> {
        let at = self.file.append(stored)?;
        let number = u32::try_from(self.frames.len()).expect("fewer than 2^32 frames");
        let frame = Frame { at, stored: short(stored.len()), plain, members };
        self.frames.push(frame);
        if let Some(trail) = &self.trail {
            trail.more(frame);
        }
        Ok(number)
    }

    /// Appends to the work file while others read what it holds already.
    pub(super) fn appender(&self) -> Result<Appender, TreeError> {
        let file = self.file.file.try_clone().map_err(TreeError::io("open", &self.file.path))?;
        Ok(Appender(Appended { path: self.file.path.clone(), file, length: self.file.length }))
    }

    /// Takes over what an appender added.
    pub(super) fn adopt(&mut self, appender: &Appender, frames: Vec<Frame>) {
        self.file.length = appender.0.length;
        self.frames.extend(frames);
    }

    /// Replaces `plain` with the plain bytes of a frame.
    pub(super) fn open(
        &self,
        frame: u32,
        reader: &mut Decompressor,
        stored: &mut Vec<u8>,
        plain: &mut Vec<u8>,
    ) -> Result<(), TreeError> {
        self.frames[frame as usize].read((&self.file.file, &self.file.path), reader, stored, plain).map(|_| ())
    }
}

/// The growing end of the work file.
pub(super) struct Appender(Appended);

impl Appender {
    pub(super) fn frame(&mut self, chunk: &Chunk) -> Result<Frame, TreeError> {
        let at = self.0.append(&chunk.bytes)?;
        Ok(Frame { at, stored: short(chunk.bytes.len()), plain: chunk.plain, members: chunk.members })
    }
}

/// Lengths within a frame are bounded by the frame's limit of 16 MiB.
pub(super) fn short(length: usize) -> u32 {
    u32::try_from(length).expect("a length within a frame")
}
