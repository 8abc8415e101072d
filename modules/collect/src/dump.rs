//! Dumps: what a declared command writes becomes one compressed artifact, hashed on the way, with no temporary file.

use crate::error::{CollectError, Result};
use crate::tree::{self, TreeError, named};
use backup_adapters::command::CommandError;
use backup_adapters::declared;
use backup_adapters::signals::Interrupt;
use backup_archive::read::Plain;
use backup_core::Digest;
use backup_core::job::{self, Codec, Tolerance};
use backup_core::manifest::Artifact;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Plain bytes of a frame: a reader never needs more memory than this, and may decompress frames in parallel.
const FRAME: usize = 4 << 20;

/// A file of the generation that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Name in the generation.
    pub name: String,
    /// What the manifest says of it.
    pub artifact: Artifact,
    /// SHA-256 of the stored bytes.
    pub stored: Digest,
}

/// The artifact's name.
pub(crate) fn artifact_name(dump: &job::Dump) -> String {
    let suffix = match dump.compression {
        Codec::Zstd => "zst",
        Codec::Gzip => "gz",
    };
    format!("dump-{}.{}.{suffix}", dump.name, dump.extension)
}

/// Runs a dump's command and stores what it writes in `directory`. Its exit status decides whether that counts.
pub(crate) fn take(
    dump: &job::Dump,
    directory: &Path,
    level: u8,
    empty: Tolerance,
    interrupt: &Interrupt,
) -> Result<(Written, Option<String>)> {
    let name = artifact_name(dump);
    let command = declared::command(&dump.command)?.interrupted_by(interrupt);
    let (mut sink, path) = open(&name, directory, dump.compression, level)?;
    command.run_to(&mut sink).map_err(|source| refused(dump, &path, source))?;
    let failed = |source| CollectError::Io { action: "write", path: named(&path), source };
    let written = close(sink, &name).map_err(failed)?;
    let warning = match (written.artifact.plain_bytes, empty) {
        (0, Tolerance::Fail) => return Err(CollectError::EmptyDump(dump.name.clone()).into()),
        (0, Tolerance::Allow) => Some(CollectError::EmptyDump(dump.name.clone()).to_string()),
        _ => None,
    };
    Ok((written, warning))
}

/// Sums up what goes in, compresses it, sums up what comes out.
type Sink = Hashed<Encoder<Hashed<File>>>;

fn open(name: &str, directory: &Path, codec: Codec, level: u8) -> Result<(Sink, PathBuf)> {
    let path = directory.join(name);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let sink = file.and_then(|file| Ok(Hashed::new(Encoder::new(codec, level, Hashed::new(file))?)));
    match sink {
        Ok(sink) => Ok((sink, path)),
        Err(source) => Err(CollectError::Io { action: "create", path: named(&path), source }.into()),
    }
}

fn close(sink: Sink, name: &str) -> io::Result<Written> {
    let (plain, encoder) = sink.finish();
    let (stored, _) = encoder.finish()?.finish();
    let artifact = Artifact { bytes: stored.bytes, plain_bytes: plain.bytes, plain_sha256: plain.digest };
    Ok(Written { name: name.to_owned(), artifact, stored: stored.digest })
}

/// Stores these bytes as the zstd artifact `name`.
pub(crate) fn store(name: &str, directory: &Path, bytes: &[u8], level: u8) -> Result<Written> {
    let (mut sink, path) = open(name, directory, Codec::Zstd, level)?;
    let failed = |source| CollectError::Io { action: "write", path: named(&path), source };
    sink.write_all(bytes).and_then(|()| close(sink, name)).map_err(|source| failed(source).into())
}

/// Reads a file back from the medium, decompresses it, and compares both with what was written. Not done where the dump
/// is taken: the services may stand still for that.
pub(crate) fn verify(directory: &Path, written: &Written) -> Result<()> {
    let path = directory.join(&written.name);
    let file = File::open(&path).map_err(TreeError::io("open", &path))?;
    let mut medium = tree::reread(&file, &path)?;
    let mut stored = Hashed::new(io::sink());
    io::copy(&mut medium, &mut stored).map_err(TreeError::io("read", &path))?;
    let (stored, _) = stored.finish();
    if (stored.bytes, &stored.digest) != (written.artifact.bytes, &written.stored) {
        return Err(TreeError::damaged(&path, "it differs from what was written").into());
    }
    medium.rewind().map_err(TreeError::io("read", &path))?;
    let plain = Plain::open(&written.name, medium, &written.artifact).and_then(Plain::finish);
    Ok(plain.map_err(|error| TreeError::damaged(&path, error))?)
}

/// A full disk is not the command's fault.
fn refused(dump: &job::Dump, path: &Path, source: CommandError) -> CollectError {
    match source {
        CommandError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
            CollectError::Io { action: "write", path: named(path), source }
        }
        source => CollectError::Dump { name: dump.name.clone(), source },
    }
}

/// Length and digest of what went through a [`Hashed`].
struct Sum {
    bytes: u64,
    digest: Digest,
}

/// Passes bytes on and sums them up.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Hashed<W> {
    fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    fn finish(self) -> (Sum, W) {
        let sum = Sum { bytes: self.bytes, digest: Digest::from_bytes(&self.hash.finalize().into()) };
        (sum, self.inner)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Compresses a stream of unknown length.
enum Encoder<W: Write> {
    /// A sequence of frames, each with its content size.
    Zstd {
        compressor: zstd::bulk::Compressor<'static>,
        plain: Vec<u8>,
        inner: W,
    },
    Gzip(flate2::write::GzEncoder<W>),
}

impl<W: Write> Encoder<W> {
    fn new(codec: Codec, level: u8, inner: W) -> io::Result<Self> {
        Ok(match codec {
            Codec::Zstd => {
                let mut compressor = zstd::bulk::Compressor::new(level.into())?;
                compressor.include_checksum(true)?;
                Self::Zstd { compressor, plain: Vec::with_capacity(FRAME), inner }
            }
            // gzip has levels to 9 only.
            Codec::Gzip => {
                let level = flate2::Compression::new(level.clamp(1, 9).into());
                Self::Gzip(flate2::write::GzEncoder::new(inner, level))
            }
        })
    }

    fn finish(mut self) -> io::Result<W> {
        // Also an empty stream has a frame: `zstd -d` refuses a file without any.
        self.frame()?;
        match self {
            Self::Zstd { inner, .. } => Ok(inner),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }

    fn frame(&mut self) -> io::Result<()> {
        if let Self::Zstd { compressor, plain, inner } = self {
            inner.write_all(&compressor.compress(plain)?)?;
            plain.clear();
        }
        Ok(())
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match self {
            Self::Gzip(encoder) => return encoder.write(bytes),
            Self::Zstd { plain, .. } => {
                let count = bytes.len().min(FRAME - plain.len());
                plain.extend_from_slice(&bytes[..count]);
                if plain.len() < FRAME {
                    return Ok(count);
                }
                count
            }
        };
        self.frame()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::Kind;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_does_not_read_back_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, codec) in [("a.zst", Codec::Zstd), ("a.gz", Codec::Gzip)] {
            let (mut sink, path) = open(name, folder.path(), codec, 3).unwrap();
            sink.write_all(&b"contents ".repeat(1000)).unwrap();
            let written = close(sink, name).unwrap();
            verify(folder.path(), &written).unwrap();
            // What was compressed is not what came in.
            let plain_sha256 = Digest::of(b"something else");
            let artifact = Artifact { plain_sha256, ..written.artifact.clone() };
            let wrong = Written { artifact, ..written.clone() };
            assert_eq!(verify(folder.path(), &wrong).unwrap_err().failure().kind(), Kind::Damaged);
            // What lies there is not what was compressed.
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(b"X", written.artifact.bytes / 2).unwrap();
            let refused = verify(folder.path(), &written).unwrap_err();
            assert_eq!(refused.failure().kind(), Kind::Damaged);
            assert!(refused.message().contains("differs from what was written"), "{}", refused.message());
        }
    }
}
