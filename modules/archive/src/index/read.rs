//! Reading an index: checked once as a whole, then record by record, as often as it is wanted.

use super::{IndexError, Line, MAGIC, Record, Trailer};
use crate::{Mtime, order};
use backup_core::GenerationRef;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes read at once.
const STEP: usize = 256 << 10;
/// Length of the trailer, and the checksum.
const LAST: usize = 4 + 32;

/// A stored index of which every byte was checked.
#[derive(Debug, Clone)]
pub struct Index {
    file: Arc<File>,
    t0: Mtime,
    count: u64,
    /// Where the records end.
    end: u64,
}

impl Index {
    /// Opens a stored index of exactly this generation.
    ///
    /// # Errors
    /// [`IndexError`] if it cannot be read, is of another version or generation, or damaged. Nothing of it is used then.
    pub fn open(file: File, generation: &GenerationRef) -> Result<Self, IndexError> {
        let length = file.metadata()?.len();
        let mut magic = [0; MAGIC.len()];
        if length < magic.len() as u64 {
            return Err(IndexError::Version);
        }
        file.read_exact_at(&mut magic, 0)?;
        if magic != *MAGIC {
            return Err(IndexError::Version);
        }
        let cut = || IndexError::Damaged("it is cut short");
        let body = length.checked_sub(LAST as u64).ok_or_else(cut)?;
        let mut last = [0; LAST];
        file.read_exact_at(&mut last, body)?;
        let (size, checksum) = last.split_at(4);
        let size = u64::from(u32::from_le_bytes(size.try_into().map_err(|_| cut())?));
        let end = body.checked_sub(size).filter(|&end| end >= MAGIC.len() as u64).ok_or_else(cut)?;
        // Bounded by the file's own length.
        let mut trailer = vec![0; usize::try_from(size).map_err(|_| cut())?];
        file.read_exact_at(&mut trailer, end)?;
        let damaged = |_| IndexError::Damaged("its trailer cannot be read");
        let Trailer { generation: described, t0, count } = postcard::from_bytes(&trailer).map_err(damaged)?;
        let index = Self { file: Arc::new(file), t0, count, end };
        let mut hasher = index.check()?;
        hasher.update(&trailer);
        hasher.update(&last[..4]);
        if *checksum != *hasher.finalize() {
            return Err(IndexError::Damaged("its checksum does not match"));
        }
        if described != *generation {
            return Err(IndexError::OtherGeneration(described.id.to_string()));
        }
        Ok(index)
    }

    /// One walk over all records: readers may then rely on their shape and order. Returns the digest so far.
    fn check(&self) -> Result<Sha256, IndexError> {
        let mut hasher = Sha256::new();
        hasher.update(MAGIC);
        let mut records = Records { hasher: Some(hasher), ..self.records() };
        let mut last = Vec::new();
        let mut first = true;
        while let Some(record) = records.next()? {
            if !first && order::compare(&last, &record.path).is_ge() {
                return Err(IndexError::Damaged("its paths are not in order"));
            }
            first = false;
            last.clone_from(&record.path);
        }
        if records.at != self.end || !records.window().is_empty() {
            return Err(IndexError::Damaged("it has bytes after the last record"));
        }
        Ok(records.hasher.take().unwrap_or_default())
    }

    /// T0 of the pass that counts, by the wall clock.
    pub const fn t0(&self) -> Mtime {
        self.t0
    }

    /// Number of records.
    pub const fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no record.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All records in path order, from the file.
    pub fn records(&self) -> Records<'_> {
        Records {
            index: self,
            left: self.count,
            at: MAGIC.len() as u64,
            bytes: Vec::new(),
            begin: 0,
            record: Record::default(),
            hasher: None,
        }
    }
}

/// Reads the records of an index.
#[derive(Debug)]
pub struct Records<'a> {
    index: &'a Index,
    /// Records still to come.
    left: u64,
    /// Where to read on in the file.
    at: u64,
    /// What was read; from `begin` on it is not used yet.
    bytes: Vec<u8>,
    begin: usize,
    /// Its path is what the next one's continues.
    record: Record,
    /// Over what is read, for the check.
    hasher: Option<Sha256>,
}

impl Records<'_> {
    /// The next record, if there is one.
    ///
    /// # Errors
    /// [`IndexError`]: the file cannot be read any more, or is not what was checked.
    // An iterator cannot lend what it holds: a million paths would be a million allocations.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<&Record>, IndexError> {
        if self.left == 0 {
            return Ok(None);
        }
        while !self.decode()? {
            self.fill()?;
        }
        self.left -= 1;
        Ok(Some(&self.record))
    }

    fn window(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }

    /// Makes a record of what was read; false if more must be read for that.
    fn decode(&mut self) -> Result<bool, IndexError> {
        let damaged = || IndexError::Damaged("a record cannot be read");
        let window = &self.bytes[self.begin..];
        let (line, rest): (Line, _) = match postcard::take_from_bytes(window) {
            Err(postcard::Error::DeserializeUnexpectedEnd) if self.at < self.index.end => return Ok(false),
            line => line.map_err(|_| damaged())?,
        };
        let record = &mut self.record;
        let shared = usize::try_from(line.shared).ok().filter(|&shared| shared <= record.path.len());
        record.path.truncate(shared.ok_or_else(damaged)?);
        record.path.extend_from_slice(line.rest);
        record.content = digest(line.content).ok_or_else(damaged)?;
        record.attributes = digest(line.attributes).ok_or_else(damaged)?;
        (record.kind, record.mode, record.uid, record.gid) = (line.kind, line.mode, line.uid, line.gid);
        (record.tuple, record.settled) = (line.tuple, line.settled);
        record.attribute_names.clear();
        record.attribute_names.extend(line.attribute_names.into_iter().map(ToOwned::to_owned));
        record.blocks.clear();
        record.blocks.extend_from_slice(line.blocks);
        self.begin = self.bytes.len() - rest.len();
        Ok(true)
    }

    /// Reads on: at least as much as is there already, so that long records are soon whole.
    fn fill(&mut self) -> Result<(), IndexError> {
        self.bytes.drain(..self.begin);
        self.begin = 0;
        let have = self.bytes.len();
        let left = usize::try_from(self.index.end - self.at).unwrap_or(usize::MAX);
        self.bytes.resize(have + STEP.max(have).min(left), 0);
        let fresh = &mut self.bytes[have..];
        self.index.file.read_exact_at(fresh, self.at)?;
        self.at += fresh.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(fresh);
        }
        Ok(())
    }
}

/// A digest as it is stored: nothing stands for zeros.
fn digest<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    if bytes.is_empty() { Some([0; N]) } else { bytes.try_into().ok() }
}
