//! An artifact's plain bytes, whose length and digest are compared with the manifest at the end.

use super::ahead::Ahead;
use super::frames::{Frames, MAX_FRAME};
use super::{ReadError, Result};
use backup_core::Digest;
use backup_core::manifest::{Artifact, DATA};
use std::io::{self, Read};

/// The plain bytes of an artifact. What was read counts once its end was reached, or [`Plain::finish`] said so.
pub struct Plain {
    what: String,
    source: Ahead,
    expected: Artifact,
}

impl Plain {
    /// Reads the stored bytes of the artifact `name`; its ending says how they are compressed.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the system refuses a thread or memory for the decoder.
    pub fn open(name: &str, stored: impl Read + Send + 'static, expected: &Artifact) -> Result<Self> {
        let failed = |error| ReadError::from_io(name, error);
        let source = if name.strip_suffix(".zst").is_some() {
            // Only frames of the tar stream are meant to be held in memory as a whole.
            let limit = if name == DATA { MAX_FRAME } else { u64::MAX };
            Ahead::new(Frames::new(stored, name, limit).map_err(failed)?)
        } else if name.strip_suffix(".gz").is_some() {
            Ahead::new(flate2::read::MultiGzDecoder::new(stored))
        } else {
            Ahead::new(stored)
        };
        Ok(Self { what: name.to_owned(), source: source.map_err(failed)?, expected: expected.clone() })
    }

    /// The artifact's name.
    pub fn name(&self) -> &str {
        &self.what
    }

    /// Reads what is left and compares length and digest.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if they are not the manifest's: a frame is missing, or a byte is wrong.
    pub fn finish(mut self) -> Result<()> {
        io::copy(&mut self, &mut io::sink()).map_err(|error| ReadError::from_io(&self.what, error))?;
        Ok(())
    }

    fn compare(&self) -> Result<()> {
        let damaged = |why: String| Err(ReadError::damaged(&self.what, why));
        match self.source.end() {
            None => damaged("it has no end".into()),
            Some((length, _)) if length != self.expected.plain_bytes => {
                damaged(format!("it holds {length} bytes instead of {}", self.expected.plain_bytes))
            }
            Some((_, digest)) if Digest::from_bytes(&digest) != self.expected.plain_sha256 => {
                damaged("its contents are not what was collected".into())
            }
            Some(_) => Ok(()),
        }
    }
}

/// The end is only reported to a reader if everything before it was right: else there is an error in its place.
impl Read for Plain {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(out)?;
        if count == 0 && !out.is_empty() {
            self.compare()?;
        }
        Ok(count)
    }
}
