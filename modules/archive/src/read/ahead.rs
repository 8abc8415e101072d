//! Reads ahead in a thread of its own: decompression and digest overlap with what the caller does with the bytes.

use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

const CHUNK: usize = 256 << 10;
/// Chunks in flight: 4 MiB.
const DEPTH: usize = 16;

enum Piece {
    Bytes(Vec<u8>),
    /// The end: length and digest of all bytes.
    End(u64, [u8; 32]),
    Failed(io::Error),
}

/// The bytes of a reader, and their length and SHA-256 once they were all read.
pub(super) struct Ahead {
    pieces: Receiver<Piece>,
    chunk: Vec<u8>,
    at: usize,
    end: Option<(u64, [u8; 32])>,
}

impl Ahead {
    pub(super) fn new(source: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, pieces) = sync_channel(DEPTH);
        // The thread ends by itself: at the end, at an error, or when nobody listens any more.
        thread::Builder::new().name("read-ahead".into()).spawn(move || produce(source, &sender))?;
        Ok(Self { pieces, chunk: Vec::new(), at: 0, end: None })
    }

    /// Length and digest; `None` before the end was reached.
    pub(super) const fn end(&self) -> Option<(u64, [u8; 32])> {
        self.end
    }
}

fn produce(mut source: impl Read, sender: &SyncSender<Piece>) {
    let mut digest = Sha256::new();
    let mut length = 0;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let piece = match source.by_ref().take(CHUNK as u64).read_to_end(&mut chunk) {
            Err(error) => Piece::Failed(error),
            Ok(0) => Piece::End(length, digest.finalize_reset().into()),
            Ok(count) => {
                digest.update(&chunk);
                length += count as u64;
                Piece::Bytes(chunk)
            }
        };
        let last = !matches!(piece, Piece::Bytes(_));
        if sender.send(piece).is_err() || last {
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if self.end.is_some() {
                return Ok(0);
            }
            match self.pieces.recv() {
                Ok(Piece::Bytes(chunk)) => (self.chunk, self.at) = (chunk, 0),
                Ok(Piece::End(length, digest)) => self.end = Some((length, digest)),
                Ok(Piece::Failed(error)) => return Err(error),
                Err(_) => return Err(io::Error::other("reading stopped after an earlier error")),
            }
        }
        let count = out.len().min(self.chunk.len() - self.at);
        out[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
