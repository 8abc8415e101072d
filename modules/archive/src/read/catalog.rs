//! The catalog as a stream of entries in the order of the format. Its lines are parsed in a thread of their own, ahead of what
//! the caller does with the entries: that asks the system about each of them, and waits.

use super::{Plain, ReadError, Result};
use crate::entry::MAX_LINE;
use crate::{Entry, EntryError, order};
use std::cmp::Ordering;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::{thread, vec};

/// Makes an entry what it is on this host.
type Adapt = Box<dyn Fn(&mut Entry) + Send>;

/// Whether the entry of a path is wanted.
type Wanted = Box<dyn Fn(&[u8]) -> bool + Send>;

/// So many bytes of lines are parsed together. A single line may be longer, and up to three batches are in memory.
const BATCH: usize = 128 << 10;

enum Source {
    /// What of a batch is left, and those that come; an empty one is the end.
    Parsed(vec::IntoIter<Entry>, Receiver<Result<Vec<Entry>>>),
    /// Entries that were read before, and how many of them were handed out.
    Kept(Arc<Vec<Entry>>, usize),
    Ended,
}

/// Reads a catalog entry by entry. At its end the digest has been compared.
pub struct Catalog {
    source: Source,
    adapt: Option<Adapt>,
}

impl Catalog {
    /// Begins to read.
    ///
    /// # Errors
    /// [`ReadError::Io`] if the system refuses a thread.
    pub fn new(source: Plain) -> Result<Self> {
        Self::only(source, |_| true)
    }

    /// Only the entries of wanted paths; most others are not even parsed, and cost a tenth.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn only(source: Plain, wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Result<Self> {
        let batches = Lines::new(source, Box::new(wanted)).begin()?;
        Ok(Self::of(Source::Parsed(Vec::new().into_iter(), batches)))
    }

    /// Entries that were read of a catalog before, to its end.
    pub fn kept(entries: Arc<Vec<Entry>>) -> Self {
        Self::of(Source::Kept(entries, 0))
    }

    const fn of(source: Source) -> Self {
        Self { source, adapt: None }
    }

    /// Gives every entry to `adapt` before it is handed out: owners and attributes may become those of this host.
    #[must_use]
    pub fn adapted(mut self, adapt: impl Fn(&mut Entry) + Send + 'static) -> Self {
        self.adapt = Some(Box::new(adapt));
        self
    }

    /// The next entry, or `None` at the end, when the catalog is known to be whole. An error may come before entries that precede it.
    ///
    /// # Errors
    /// [`ReadError`]: a line that is not acceptable, names out of order, or a digest that does not match.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut entry = self.next_as_it_is()?;
        if let (Some(entry), Some(adapt)) = (&mut entry, &self.adapt) {
            adapt(entry);
        }
        Ok(entry)
    }

    fn next_as_it_is(&mut self) -> Result<Option<Entry>> {
        loop {
            match &mut self.source {
                Source::Ended => return Ok(None),
                Source::Kept(entries, next) => {
                    let entry = entries.get(*next).cloned();
                    *next += 1;
                    return Ok(entry);
                }
                Source::Parsed(batch, batches) => {
                    if let Some(entry) = batch.next() {
                        return Ok(Some(entry));
                    }
                    // It stopped without an end only if it panicked, or gave an error that was handed out before.
                    let next =
                        batches.recv().unwrap_or_else(|_| Err(ReadError::damaged("the catalog", "reading stopped")));
                    if next.as_ref().is_ok_and(Vec::is_empty) {
                        self.source = Source::Ended;
                    } else {
                        *batch = next?.into_iter();
                    }
                }
            }
        }
    }
}

/// The lines of a catalog, on their way to be entries.
struct Lines {
    source: BufReader<Plain>,
    wanted: Wanted,
    line: Vec<u8>,
    last: Vec<u8>,
}

impl Lines {
    fn new(source: Plain, wanted: Wanted) -> Self {
        let source = BufReader::with_capacity(256 << 10, source);
        Self { source, wanted, line: Vec::new(), last: Vec::new() }
    }

    /// Has a thread parse them. It ends by itself: at the end, at an error, or when nobody listens any more.
    fn begin(self) -> Result<Receiver<Result<Vec<Entry>>>> {
        let what = self.source.get_ref().name().to_owned();
        let (sender, batches) = sync_channel(1);
        let thread = thread::Builder::new().name("catalog".into()).spawn(move || self.parse(&sender));
        thread.map_err(|error| ReadError::from_io(&what, error))?;
        Ok(batches)
    }

    fn parse(mut self, sender: &SyncSender<Result<Vec<Entry>>>) {
        loop {
            let batch = self.batch();
            let is_last = batch.as_ref().map_or(true, Vec::is_empty);
            if is_last {
                let end = batch.and_then(|none| self.source.into_inner().finish().map(|()| none));
                let _ = sender.send(end);
                return;
            }
            if sender.send(batch).is_err() {
                return;
            }
        }
    }

    /// Some entries; none at all: the end.
    fn batch(&mut self) -> Result<Vec<Entry>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH && read_line(&mut self.source, &mut self.line)? {
            let what = self.source.get_ref().name();
            if let Some(path) = Entry::plain_path(&self.line).filter(|path| !(self.wanted)(path)) {
                in_order(&mut self.last, path, what)?;
                continue;
            }
            let entry = Entry::parse(&self.line)?;
            in_order(&mut self.last, &entry.path, what)?;
            if (self.wanted)(&entry.path) {
                batch.push(entry);
                bytes += self.line.len();
            }
        }
        Ok(batch)
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
