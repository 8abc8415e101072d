//! Plain bytes of concatenated zstd frames, in bounded memory.

use super::ReadError;
use std::io::{self, Read};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// The largest window a frame may ask for: 8 MiB.
const WINDOW_LOG: u32 = 23;
/// The most plain bytes that one frame of a tar stream may hold.
pub(super) const MAX_FRAME: u64 = 16 << 20;

/// Reads what a sequence of frames holds.
pub struct Frames<R> {
    source: R,
    what: String,
    decoder: Decoder<'static>,
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Plain bytes of the current frame so far; `None` between frames.
    frame: Option<u64>,
    limit: u64,
}

impl<R: Read> Frames<R> {
    /// `what` names the artifact in errors; a frame with more plain bytes than `limit` is refused.
    pub(super) fn new(source: R, what: &str, limit: u64) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self {
            source,
            what: what.to_owned(),
            decoder,
            input: vec![0; 128 << 10],
            start: 0,
            end: 0,
            frame: None,
            limit,
        })
    }

    fn damaged(&self, why: impl Into<String>) -> io::Error {
        ReadError::damaged(&self.what, why).into()
    }

    /// Makes sure that there is input; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        while self.start == self.end {
            match self.source.read(&mut self.input) {
                Ok(0) => return Ok(false),
                Ok(count) => (self.start, self.end) = (0, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let more = self.fill()?;
            if !more && self.frame.is_none() {
                return Ok(0);
            }
            let mut input = InBuffer::around(&self.input[self.start..self.end]);
            let mut output = OutBuffer::around(&mut *out);
            let left = self.decoder.run(&mut input, &mut output);
            let (consumed, produced) = (input.pos(), output.pos());
            let left = left.map_err(|error| self.damaged(error.to_string()))?;
            self.start += consumed;
            let plain = self.frame.unwrap_or(0) + produced as u64;
            if plain > self.limit {
                return Err(self.damaged(format!("a frame holds more than {} bytes", self.limit)));
            }
            self.frame = (left != 0).then_some(plain);
            if left == 0 {
                self.decoder.reinit()?;
            }
            if produced > 0 {
                return Ok(produced);
            }
            if !more && left != 0 {
                return Err(self.damaged("it ends in the middle of a frame"));
            }
        }
    }
}
