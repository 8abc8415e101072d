//! Writing an index: records to a file of nobody else's, bound to its generation when that is known.

use super::{Line, MAGIC, Record, Trailer};
use crate::Mtime;
use backup_core::GenerationRef;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

/// Bytes moved at once.
const STEP: usize = 256 << 10;

/// An index being written.
#[derive(Debug)]
pub struct IndexWriter {
    out: BufWriter<File>,
    t0: Mtime,
    count: u64,
    /// The path of the last record.
    last: Vec<u8>,
    line: Vec<u8>,
}

impl IndexWriter {
    /// Starts an index of a full whose counting pass began at `t0` (wall clock), in this empty file.
    pub fn new(file: File, t0: Mtime) -> Self {
        Self { out: BufWriter::with_capacity(STEP, file), t0, count: 0, last: Vec::new(), line: Vec::new() }
    }

    /// Appends a record; the caller goes in path order.
    ///
    /// # Errors
    /// The system refused.
    pub fn push(&mut self, record: &Record) -> io::Result<()> {
        fn unless_zero(digest: &[u8]) -> &[u8] {
            if digest.iter().any(|&byte| byte != 0) { digest } else { &[] }
        }
        let shared = self.last.iter().zip(&record.path).take_while(|(a, b)| a == b).count();
        let line = Line {
            shared: u32::try_from(shared).map_err(io::Error::other)?,
            rest: &record.path[shared..],
            kind: record.kind,
            mode: record.mode,
            uid: record.uid,
            gid: record.gid,
            tuple: record.tuple,
            content: unless_zero(&record.content),
            attributes: unless_zero(&record.attributes),
            attribute_names: record.attribute_names.iter().map(String::as_str).collect(),
            blocks: &record.blocks,
            settled: record.settled,
        };
        self.line.clear();
        self.line = postcard::to_extend(&line, std::mem::take(&mut self.line)).map_err(io::Error::other)?;
        self.last.truncate(shared);
        self.last.extend_from_slice(line.rest);
        self.count += 1;
        self.out.write_all(&self.line)
    }

    /// All records are there.
    ///
    /// # Errors
    /// The system refused.
    pub fn finish(self) -> io::Result<Draft> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Draft { file, t0: self.t0, count: self.count })
    }
}

/// The records of an index whose generation has no digest yet.
#[derive(Debug)]
pub struct Draft {
    file: File,
    t0: Mtime,
    count: u64,
}

impl Draft {
    /// Number of records.
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no record.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes the whole index, bound to the generation that it describes.
    ///
    /// # Errors
    /// The system refused.
    pub fn store(&self, generation: &GenerationRef, out: &mut impl Write) -> io::Result<()> {
        let mut hasher = Sha256::new();
        let mut write = |bytes: &[u8]| {
            hasher.update(bytes);
            out.write_all(bytes)
        };
        write(MAGIC)?;
        let (mut step, mut at) = (vec![0; STEP], 0);
        loop {
            match self.file.read_at(&mut step, at) {
                Ok(0) => break,
                Ok(count) => {
                    write(&step[..count])?;
                    at += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let trailer = Trailer { generation: generation.clone(), t0: self.t0, count: self.count };
        let trailer = postcard::to_stdvec(&trailer).map_err(io::Error::other)?;
        write(&trailer)?;
        write(&u32::try_from(trailer.len()).map_err(io::Error::other)?.to_le_bytes())?;
        out.write_all(&hasher.finalize())
    }
}
