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

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::{Failure, Kind};
    use std::io::{Cursor, Write};
    use std::process::{Command, Stdio};

    fn artifact(stored: &[u8], plain: &[u8]) -> Artifact {
        Artifact { bytes: stored.len() as u64, plain_bytes: plain.len() as u64, plain_sha256: Digest::of(plain) }
    }

    /// One frame, by the foreign tool.
    fn frame(options: &[&str], plain: &[u8]) -> Vec<u8> {
        let mut child =
            Command::new("zstd").arg("-qc").args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let plain = plain.to_vec();
        let feed = std::thread::spawn(move || stdin.write_all(&plain).unwrap());
        let stored = child.wait_with_output().unwrap().stdout;
        feed.join().unwrap();
        stored
    }

    fn read(name: &str, stored: Vec<u8>, expected: &Artifact) -> Result<Vec<u8>> {
        let mut plain = Vec::new();
        let mut source = Plain::open(name, Cursor::new(stored), expected)?;
        source.read_to_end(&mut plain).map_err(|error| ReadError::from_io(name, error))?;
        Ok(plain)
    }

    #[test]
    fn frames_are_read_one_after_the_other_and_a_missing_one_is_noticed() {
        let pieces: Vec<Vec<u8>> = (0..5u8).map(|n| vec![n; 100_000 * usize::from(n)]).collect();
        let frames: Vec<_> = pieces.iter().map(|piece| frame(&[], piece)).collect();
        let (plain, stored) = (pieces.concat(), frames.concat());
        let expected = artifact(&stored, &plain);
        assert_eq!(read(DATA, stored.clone(), &expected).unwrap(), plain);
        assert_eq!(read(DATA, Vec::new(), &artifact(b"", b"")).unwrap(), b"");
        for cut in 1..5 {
            let rest = [&frames[..cut], &frames[cut + 1..]].concat().concat();
            assert_eq!(read(DATA, rest, &expected).unwrap_err().kind(), Kind::Damaged, "without frame {cut}");
        }
        let half = stored[..stored.len() - 5].to_vec();
        assert_eq!(read(DATA, half, &expected).unwrap_err().kind(), Kind::Damaged);
        let rubbish = [&stored[..], b"rubbish"].concat();
        assert_eq!(read(DATA, rubbish, &expected).unwrap_err().kind(), Kind::Damaged);
    }

    #[test]
    fn other_compressions_are_told_by_the_name() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"plain").unwrap();
        let stored = gzip.finish().unwrap();
        assert_eq!(read("dump-a.sql.gz", stored.clone(), &artifact(&stored, b"plain")).unwrap(), b"plain");
        assert_eq!(read("deleted.list", b"a\0".to_vec(), &artifact(b"a\0", b"a\0")).unwrap(), b"a\0");
        let other = artifact(b"a\0", b"b\0");
        assert_eq!(read("deleted.list", b"a\0".to_vec(), &other).unwrap_err().kind(), Kind::Damaged);
    }

    #[test]
    fn memory_is_bounded() {
        let plain = vec![7; 17 << 20];
        let stored = frame(&[], &plain);
        let expected = artifact(&stored, &plain);
        assert!(read(DATA, stored.clone(), &expected).unwrap_err().to_string().contains("a frame holds more"));
        // A dump may be one long frame.
        assert_eq!(read("dump-a.sql.zst", stored, &expected).unwrap().len(), plain.len());
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(20 << 20)
        .collect();
        let wide = frame(&["--long=27", "--no-content-size"], &noise);
        assert_eq!(read("dump-a.sql.zst", wide.clone(), &artifact(&wide, &noise)).unwrap_err().kind(), Kind::Damaged);
    }
}
