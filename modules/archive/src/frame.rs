//! One zstd frame: content size declared, checksum set, window at most 8 MiB.

use std::io;
use zstd::bulk;
use zstd::zstd_safe::{self, CParameter, DParameter};

/// Readers refuse a frame with more plain bytes.
pub const MAX_PLAIN: usize = 16 << 20;
/// 8 MiB, the most that a window may be.
const WINDOW_LOG: u32 = 23;

/// Compresses plain bytes into frames; keeps its working memory.
pub struct Compressor(bulk::Compressor<'static>);

impl Compressor {
    /// With this zstd level, 1 to 19.
    pub fn new(level: i32) -> io::Result<Self> {
        let mut inner = bulk::Compressor::new(level)?;
        inner.set_parameter(CParameter::ChecksumFlag(true))?;
        inner.set_parameter(CParameter::ContentSizeFlag(true))?;
        Ok(Self(inner))
    }

    /// Replaces `out` with one frame that holds `plain`.
    pub fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        assert!(plain.len() <= MAX_PLAIN, "a frame of {} plain bytes", plain.len());
        out.clear();
        out.reserve(zstd_safe::compress_bound(plain.len()));
        self.0.compress_to_buffer(plain, out)?;
        Ok(())
    }
}

/// Decompresses frames, and thereby checks their checksums; keeps its working memory.
pub struct Decompressor(bulk::Decompressor<'static>);

impl Decompressor {
    /// A reader of frames.
    pub fn new() -> io::Result<Self> {
        let mut inner = bulk::Decompressor::new()?;
        inner.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self(inner))
    }

    /// Replaces `out` with the plain bytes of `frame`, of which there must be exactly `plain`.
    pub fn decompress(&mut self, frame: &[u8], plain: usize, out: &mut Vec<u8>) -> io::Result<()> {
        if plain > MAX_PLAIN {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame has too many plain bytes"));
        }
        out.clear();
        out.reserve(plain);
        let told = self.0.decompress_to_buffer(frame, out)?;
        if told == plain {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "a frame has another length"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[test]
    fn zstd_reads_frames_and_sees_size_and_checksum() {
        let plain: Vec<u8> = (0..300_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for level in [1, 3, 19] {
            let mut frame = Vec::new();
            Compressor::new(level).unwrap().compress(&plain, &mut frame).unwrap();
            let mut child =
                Command::new("zstd").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            let sent = frame.clone();
            let writer = std::thread::spawn(move || input.write_all(&sent).unwrap());
            assert_eq!(child.wait_with_output().unwrap().stdout, plain);
            writer.join().unwrap();
            let file = tempfile::Builder::new().suffix(".zst").tempfile().unwrap();
            file.as_file().write_all(&frame).unwrap();
            let told = Command::new("zstd").arg("-lv").arg(file.path()).output().unwrap();
            let told = String::from_utf8(told.stdout).unwrap();
            assert!(told.contains("XXH64") && told.contains("1200000 B"), "{told}");
        }
    }

    #[test]
    fn damage_and_wrong_lengths_are_noticed() {
        let plain = vec![7; 100_000];
        let (mut frame, mut back) = (Vec::new(), Vec::new());
        Compressor::new(3).unwrap().compress(&plain, &mut frame).unwrap();
        let mut reader = Decompressor::new().unwrap();
        reader.decompress(&frame, plain.len(), &mut back).unwrap();
        assert_eq!(back, plain);
        assert!(reader.decompress(&frame, plain.len() - 1, &mut back).is_err());
        assert!(reader.decompress(&frame, plain.len() + 1, &mut back).is_err());
        let last = frame.len() - 1;
        frame[last] ^= 1;
        assert!(reader.decompress(&frame, plain.len(), &mut back).is_err());
    }
}
