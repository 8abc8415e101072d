//! Files of the generation: written, synced, dropped from the cache, and read back before they count.

use super::error::TreeError;
use super::member::Worker;
use super::spec::StoredArtifact;
use super::tell::Teller;
use super::trail::ReadBack;
use super::work::{Appended, Frame, RUN_LENGTH, Work, short};
use backup_adapters::publish;
use backup_archive::frame::Compressor;
use backup_common::pipeline;
use backup_core::Digest;
use backup_core::manifest::Artifact;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use sha2::Digest as _;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A zstd artifact being written frame by frame.
pub(super) struct FrameFile {
    file: Appended,
    frames: Vec<Frame>,
    compressor: Compressor,
    buffer: Vec<u8>,
    stored: Vec<u8>,
    /// The first frames, if they were read back already.
    back: ReadBack,
}

impl FrameFile {
    pub(super) fn create(path: PathBuf, level: i32) -> Result<Self, TreeError> {
        let compressor = Compressor::new(level).map_err(TreeError::io("compress into", &path))?;
        Ok(Self {
            file: Appended::create(path)?,
            frames: Vec::new(),
            compressor,
            buffer: Vec::new(),
            stored: Vec::new(),
            back: ReadBack::default(),
        })
    }

    /// The work file itself, if these frames are all that it holds and in this order; else a copy of them. The work
    /// file is gone afterwards.
    pub(super) fn from_work(work: &mut Work, order: &[u32], path: PathBuf, level: i32) -> Result<Self, TreeError> {
        if !order.iter().copied().eq(0..short(work.frames.len())) {
            let whole = Self::of_frames(work, order, path, level)?;
            std::fs::remove_file(&work.file.path).map_err(TreeError::io("remove", &work.file.path))?;
            return Ok(whole);
        }
        let back = work.read_back()?;
        std::fs::rename(&work.file.path, &path).map_err(TreeError::io("rename", &work.file.path))?;
        let compressor = Compressor::new(level).map_err(TreeError::io("compress into", &path))?;
        let file = work.file.file.try_clone().map_err(TreeError::io("open", &path))?;
        let file = Appended { path, file, length: work.file.length };
        let (buffer, stored) = (Vec::new(), Vec::new());
        Ok(Self { file, frames: work.frames.clone(), compressor, buffer, stored, back })
    }

    /// A copy of these frames, in this order.
    pub(super) fn of_frames(work: &Work, order: &[u32], path: PathBuf, level: i32) -> Result<Self, TreeError> {
        let frames: Vec<Frame> = order.iter().map(|&frame| work.frames[frame as usize]).collect();
        let mut whole = Self::create(path, level)?;
        let mut rest = frames.as_slice();
        while let Some(first) = rest.first() {
            // Frames that lie one after the other are copied at once.
            let mut length = 0;
            let neighbours = rest.iter().take_while(|frame| {
                let adjacent = frame.at == first.at + length;
                length += if adjacent { u64::from(frame.stored) } else { 0 };
                adjacent
            });
            let count = neighbours.count();
            whole.copy(work, first.at, length)?;
            rest = &rest[count..];
        }
        let mut at = 0;
        whole.frames = frames;
        for frame in &mut whole.frames {
            frame.at = at;
            at += u64::from(frame.stored);
        }
        Ok(whole)
    }

    fn copy(&mut self, work: &Work, at: u64, length: u64) -> Result<(), TreeError> {
        let failed = TreeError::io("write", &self.file.path);
        let copied =
            publish::copy_range(&work.file.file, at, &self.file.file, self.file.length, length).map_err(failed)?;
        if copied < length {
            return Err(TreeError::damaged(&work.file.path, "it is shorter than what was written"));
        }
        self.file.length += length;
        Ok(())
    }

    /// Offset of each frame in the artifact.
    pub(super) fn offsets(&self) -> Vec<u64> {
        self.frames.iter().map(|frame| frame.at).collect()
    }

    /// Adds plain bytes; a frame is made of each 4 MiB.
    pub(super) fn write(&mut self, mut plain: &[u8]) -> Result<(), TreeError> {
        while !plain.is_empty() {
            let room = RUN_LENGTH - self.buffer.len();
            let (now, later) = plain.split_at(room.min(plain.len()));
            self.buffer.extend_from_slice(now);
            plain = later;
            if self.buffer.len() == RUN_LENGTH {
                self.end_frame()?;
            }
        }
        Ok(())
    }

    /// Makes a frame of what was added since the last one.
    pub(super) fn end_frame(&mut self) -> Result<(), TreeError> {
        self.compressor
            .compress(&self.buffer, &mut self.stored)
            .map_err(TreeError::io("compress into", &self.file.path))?;
        let at = self.file.append(&self.stored)?;
        self.frames.push(Frame { at, stored: short(self.stored.len()), plain: short(self.buffer.len()), members: 0 });
        self.buffer.clear();
        Ok(())
    }

    /// Ends the artifact, syncs it, and reads it back from the medium, as far as that was not done yet: every frame is
    /// decompressed and its checksum compared.
    pub(super) fn finish(mut self, workers: &mut [Worker], teller: &Teller) -> Result<StoredArtifact, TreeError> {
        if !self.buffer.is_empty() || self.frames.is_empty() {
            self.end_frame()?;
        }
        let path = &self.file.path;
        let medium = reread(&self.file.file, path)?;
        let ReadBack { frames, mut stored, mut plain, mut plain_bytes } = self.back;
        pipeline::run(
            workers,
            self.frames[frames..].iter(),
            |worker, frame| {
                let (mut bytes, mut contents) = (Vec::new(), Vec::new());
                frame.read((&medium, path), &mut worker.decompressor, &mut bytes, &mut contents)?;
                Ok((bytes, contents))
            },
            |(bytes, contents)| {
                stored.update(&bytes);
                plain.update(&contents);
                plain_bytes += contents.len() as u64;
                teller.more(0, contents.len() as u64)
            },
        )?;
        let plain_sha256 = Digest::from_bytes(&plain.finalize().into());
        let artifact = Artifact { bytes: self.file.length, plain_bytes, plain_sha256 };
        Ok(StoredArtifact { artifact, sha256: Digest::from_bytes(&stored.finalize().into()) })
    }
}

/// Writes a small uncompressed artifact and compares what the medium has.
pub(super) fn plain(path: PathBuf, bytes: &[u8]) -> Result<StoredArtifact, TreeError> {
    let mut file = Appended::create(path)?;
    file.append(bytes)?;
    let medium = reread(&file.file, &file.path)?;
    let mut back = vec![0; bytes.len()];
    medium.read_exact_at(&mut back, 0).map_err(TreeError::io("read", &file.path))?;
    if back != bytes {
        return Err(TreeError::damaged(&file.path, "it differs from what was written"));
    }
    let sha256 = Digest::of(bytes);
    let artifact = Artifact { bytes: file.length, plain_bytes: file.length, plain_sha256: sha256.clone() };
    Ok(StoredArtifact { artifact, sha256 })
}

/// Syncs a file, drops it from the page cache, and opens it anew: what is read then comes from the medium.
pub(crate) fn reread(file: &File, path: &Path) -> Result<File, TreeError> {
    file.sync_all().map_err(TreeError::io("sync", path))?;
    // Advice: where the file system ignores it, the cache is compared instead.
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    File::open(path).map_err(TreeError::io("open", path))
}
