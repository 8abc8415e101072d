//! The catalog as a stream of entries in the order of the format.

use super::{Plain, ReadError, Result};
use crate::entry::MAX_LINE;
use crate::{Entry, EntryError, order};
use std::cmp::Ordering;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

/// Makes an entry what it is on this host.
type Adapt = Box<dyn Fn(&mut Entry) + Send>;

/// Whether the entry of a path is wanted.
type Wanted = Box<dyn Fn(&[u8]) -> bool + Send>;

enum Source {
    Lines(BufReader<Plain>),
    /// Entries that were read before, and how many of them were handed out.
    Kept(Arc<Vec<Entry>>, usize),
    Ended,
}

/// Reads a catalog entry by entry. At its end the digest has been compared.
pub struct Catalog {
    source: Source,
    line: Vec<u8>,
    last: Vec<u8>,
    wanted: Option<Wanted>,
    adapt: Option<Adapt>,
}

impl Catalog {
    /// Begins to read.
    pub fn new(source: Plain) -> Self {
        Self::of(Source::Lines(BufReader::with_capacity(256 << 10, source)))
    }

    /// Entries that were read of a catalog before, to its end.
    pub fn kept(entries: Arc<Vec<Entry>>) -> Self {
        Self::of(Source::Kept(entries, 0))
    }

    const fn of(source: Source) -> Self {
        Self { source, line: Vec::new(), last: Vec::new(), wanted: None, adapt: None }
    }

    /// Hands out entries of wanted paths only; most others are not even parsed, and cost a tenth.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Self {
        self.wanted = Some(Box::new(wanted));
        self
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
        let is_wanted = |path: &[u8]| self.wanted.as_ref().is_none_or(|wanted| wanted(path));
        let mut entry = loop {
            match &mut self.source {
                Source::Ended => return Ok(None),
                Source::Kept(entries, next) => {
                    let Some(entry) = entries.get(*next) else { return Ok(None) };
                    *next += 1;
                    if is_wanted(&entry.path) {
                        break entry.clone();
                    }
                }
                Source::Lines(source) => {
                    if !read_line(source, &mut self.line)? {
                        if let Source::Lines(source) = std::mem::replace(&mut self.source, Source::Ended) {
                            source.into_inner().finish()?;
                        }
                        return Ok(None);
                    }
                    let what = source.get_ref().name();
                    if let Some(path) = Entry::plain_path(&self.line).filter(|path| !is_wanted(path)) {
                        in_order(&mut self.last, path, what)?;
                        continue;
                    }
                    let entry = Entry::parse(&self.line)?;
                    in_order(&mut self.last, &entry.path, what)?;
                    if is_wanted(&entry.path) {
                        break entry;
                    }
                }
            }
        };
        if let Some(adapt) = &self.adapt {
            adapt(&mut entry);
        }
        Ok(Some(entry))
    }
}

/// Replaces `line` with the next one; false at the end.
fn read_line(source: &mut BufReader<Plain>, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    let count = source.take(MAX_LINE as u64 + 1).read_until(b'\n', line);
    let count = count.map_err(|error| ReadError::from_io(source.get_ref().name(), error))?;
    if count > MAX_LINE { Err(EntryError::TooLong.into()) } else { Ok(count > 0) }
}

fn in_order(last: &mut Vec<u8>, path: &[u8], what: &str) -> Result<()> {
    if !last.is_empty() && order::compare(last, path) != Ordering::Less {
        return Err(ReadError::damaged(what, format!("{} is out of order", String::from_utf8_lossy(path))));
    }
    path.clone_into(last);
    Ok(())
}
