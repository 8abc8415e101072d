//! Reading back what was written while more is being written: the disk works, and a processor that would wait does, too.
//!
//! A thread follows the work file. Whenever enough was appended it syncs that, drops it from the page cache, reads the
//! frames from the medium, decompresses them, and continues the digests of the stored and of the plain bytes. If the work file
//! becomes the artifact as it is, which a full without a cold pass does, only the rest is left to be read at the end.

use super::error::TreeError;
use super::work::Frame;
use backup_archive::frame::Decompressor;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// So much is synced and read back at a time, in bytes. Less would sync too often for a disk, more would be left for the end.
const SEGMENT: u64 = 32 << 20;

/// A page that is partly written stays in the cache: what is in it is read when the next segment was synced. The largest page
/// of any processor that we build for.
const PAGE: u64 = 64 << 10;

/// The first frames of a file, read back from the medium.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadBack {
    /// How many.
    pub(super) frames: usize,
    /// Over their stored bytes.
    pub(super) stored: Sha256,
    /// Over their plain bytes.
    pub(super) plain: Sha256,
    /// Number of plain bytes.
    pub(super) plain_bytes: u64,
}

/// Follows a file that grows by frames.
pub(super) struct Trail {
    frames: Option<Sender<Frame>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<ReadBack, TreeError>>>,
}

impl Trail {
    /// Begins to follow the file at `path`, which is empty.
    pub(super) fn begin(path: &Path, file: &File) -> Result<Self, TreeError> {
        let (sender, frames) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut follower = Follower {
            file: file.try_clone().map_err(TreeError::io("open", path))?,
            path: path.to_owned(),
            decompressor: Decompressor::new().map_err(TreeError::io("read", path))?,
            stop: Arc::clone(&stop),
            bytes: Vec::new(),
            contents: Vec::new(),
            back: ReadBack::default(),
        };
        let run = move || follower.follow(&frames).map(|()| follower.back);
        let thread = std::thread::Builder::new().name("read-back".into()).spawn(run);
        let thread = thread.map_err(TreeError::io("read", path))?;
        Ok(Self { frames: Some(sender), stop, thread: Some(thread) })
    }

    /// This frame was appended.
    pub(super) fn more(&self, frame: Frame) {
        if let Some(frames) = &self.frames {
            // Who is not there any more has an error to tell at the end.
            let _ = frames.send(frame);
        }
    }

    /// Stops following; what was read back so far.
    pub(super) fn end(mut self) -> Result<ReadBack, TreeError> {
        match self.leave() {
            Some(Ok(read)) => read,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(ReadBack::default()),
        }
    }

    fn leave(&mut self) -> Option<std::thread::Result<Result<ReadBack, TreeError>>> {
        self.stop.store(true, Ordering::Relaxed);
        self.frames = None;
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        let _ = self.leave();
    }
}

struct Follower {
    file: File,
    path: PathBuf,
    decompressor: Decompressor,
    stop: Arc<AtomicBool>,
    bytes: Vec<u8>,
    contents: Vec<u8>,
    back: ReadBack,
}

impl Follower {
    fn follow(&mut self, frames: &Receiver<Frame>) -> Result<(), TreeError> {
        let (mut waiting, mut begin): (Vec<Frame>, u64) = (Vec::new(), 0);
        for frame in frames {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            waiting.push(frame);
            let end = (frame.at + u64::from(frame.stored)) / PAGE * PAGE;
            if end < begin + SEGMENT {
                continue;
            }
            self.file.sync_data().map_err(TreeError::io("sync", &self.path))?;
            let offset = |at: u64| at.try_into().unwrap_or_default();
            // Advice: where the file system ignores it, the cache is compared instead.
            let _ =
                posix_fadvise(&self.file, offset(begin), offset(end - begin), PosixFadviseAdvice::POSIX_FADV_DONTNEED);
            let whole = waiting.iter().take_while(|frame| frame.at + u64::from(frame.stored) <= end).count();
            for frame in waiting.drain(..whole) {
                self.read(&frame)?;
            }
            begin = end;
        }
        Ok(())
    }

    fn read(&mut self, frame: &Frame) -> Result<(), TreeError> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let stored =
            frame.read((&self.file, &self.path), &mut self.decompressor, &mut self.bytes, &mut self.contents)?;
        self.back.stored.update(stored);
        self.back.plain.update(&self.contents);
        self.back.plain_bytes += self.contents.len() as u64;
        self.back.frames += 1;
        Ok(())
    }
}
