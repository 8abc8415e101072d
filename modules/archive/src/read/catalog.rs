//! The catalog as a stream of entries in the order of the format.

use super::{Plain, ReadError, Result};
use crate::entry::MAX_LINE;
use crate::{Entry, EntryError, order};
use std::cmp::Ordering;
use std::io::{BufRead, BufReader, Read};

/// Makes an entry what it is on this host.
type Adapt = Box<dyn Fn(&mut Entry) + Send>;

/// Reads a catalog entry by entry. At its end the digest has been compared.
pub struct Catalog {
    /// `None` after the end.
    source: Option<BufReader<Plain>>,
    line: Vec<u8>,
    last: Vec<u8>,
    adapt: Option<Adapt>,
}

impl Catalog {
    /// Begins to read.
    pub fn new(source: Plain) -> Self {
        let source = Some(BufReader::with_capacity(256 << 10, source));
        Self { source, line: Vec::new(), last: Vec::new(), adapt: None }
    }

    /// Gives every entry to `adapt` before it is handed out: owners and attributes may become those of this host.
    #[must_use]
    pub fn adapted(mut self, adapt: impl Fn(&mut Entry) + Send + 'static) -> Self {
        self.adapt = Some(Box::new(adapt));
        self
    }

    /// The next entry, or `None` at the end, when the catalog is known to be whole.
    ///
    /// # Errors
    /// [`ReadError`]: a line that is not acceptable, names out of order, or a digest that does not match.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let Some(source) = &mut self.source else { return Ok(None) };
        self.line.clear();
        let what = source.get_ref().name().to_owned();
        let count = source
            .take(MAX_LINE as u64 + 1)
            .read_until(b'\n', &mut self.line)
            .map_err(|error| ReadError::from_io(&what, error))?;
        if count == 0 {
            if let Some(source) = self.source.take() {
                source.into_inner().finish()?;
            }
            return Ok(None);
        }
        if count > MAX_LINE {
            return Err(EntryError::TooLong.into());
        }
        let mut entry = Entry::parse(&self.line)?;
        if !self.last.is_empty() && order::compare(&self.last, &entry.path) != Ordering::Less {
            let why = format!("{} is out of order", String::from_utf8_lossy(&entry.path));
            return Err(ReadError::damaged(&what, why));
        }
        self.last.clone_from(&entry.path);
        if let Some(adapt) = &self.adapt {
            adapt(&mut entry);
        }
        Ok(Some(entry))
    }
}
