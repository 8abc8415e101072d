//! A tar stream member by member, as this format writes it: pax records, GNU sparse 1.0, nothing older.
//!
//! Only what decides *which bytes go where* is taken from the headers: name, type, size, link target, sparse map.
//! Owner, mode, times and attributes come from the catalog's entry of the same member, which is exact and typed;
//! [`Member::agrees`] makes sure that both speak of the same thing.

use super::frames::{Frames, MAX_FRAME};
use super::{Plain, ReadError, Result};
use crate::entry::check_path;
use crate::{Entry, EntryKind};
use backup_core::manifest::DATA;
use std::io::{self, Read};
use tar::{EntryType, Header};

const BLOCK: u64 = 512;
/// A longer set of pax records is refused: attributes of one file have 64 KiB each at most.
const MAX_RECORDS: u64 = 16 << 20;
/// A file in more pieces than this is refused.
const MAX_PIECES: u64 = 4 << 20;

/// No file is larger: offsets are signed.
const MAX_SIZE: u64 = i64::MAX.cast_unsigned();

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A further name of an earlier member.
    Hardlink,
    /// A named pipe.
    Fifo,
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// One member of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, checked to be a safe relative path.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Bytes of the file that it describes, holes included.
    pub size: u64,
    /// Where a link points.
    pub target: Vec<u8>,
    /// Offset and length of each piece that has data; one piece for a file that is not sparse.
    pub pieces: Vec<(u64, u64)>,
}

impl Member {
    /// Whether the catalog's entry is about this member.
    pub fn agrees(&self, entry: &Entry) -> bool {
        let same = match (&entry.kind, self.kind) {
            (EntryKind::File { size, .. }, MemberKind::File) => *size == self.size,
            (EntryKind::Symlink { target }, MemberKind::Symlink)
            | (EntryKind::Hardlink { target }, MemberKind::Hardlink) => *target == self.target,
            (EntryKind::Directory, MemberKind::Directory)
            | (EntryKind::Fifo, MemberKind::Fifo)
            | (EntryKind::Character { .. }, MemberKind::Character)
            | (EntryKind::Block { .. }, MemberKind::Block) => true,
            _ => false,
        };
        same && self.path == entry.path
    }
}

/// The pax records of one member that matter here.
#[derive(Default)]
struct Records {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
    real_size: Option<u64>,
}

/// Reads members in order, from the beginning of a stream or from within it.
pub struct Members<S = Plain> {
    source: S,
    /// The artifact, for messages.
    what: String,
    /// Bytes of the current member's contents that were not handed out yet.
    contents: u64,
    /// Padding after them.
    padding: u64,
    ended: bool,
    /// What is handed out next. There are many small files: nothing is made anew for each.
    buffer: Vec<u8>,
}

/// Bytes handed out at once.
const HANDED: usize = 128 << 10;

impl Members {
    /// Begins to read.
    pub fn new(source: Plain) -> Self {
        let what = source.name().to_owned();
        Self { source, what, contents: 0, padding: 0, ended: false, buffer: Vec::new() }
    }

    /// Reads to the end and compares length and digest of the whole stream.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if they are not the manifest's.
    pub fn finish(self) -> Result<()> {
        self.source.finish()
    }
}

impl<R: Read> Members<Frames<R>> {
    /// Begins to read at a member: `stored` stands at the frame that holds its header, `skip` plain bytes before it. Nothing
    /// vouches for the stream then: what is read of it has to be compared with the catalog's digests.
    ///
    /// # Errors
    /// [`ReadError`]: the frame is damaged or ends before the member.
    pub fn at(stored: R, skip: u64) -> Result<Self> {
        let failed = |error| ReadError::from_io(DATA, error);
        let source = Frames::new(stored, DATA, MAX_FRAME).map_err(failed)?;
        let what = DATA.to_owned();
        let mut members = Self { source, what, contents: skip, padding: 0, ended: false, buffer: Vec::new() };
        members.skip()?;
        Ok(members)
    }
}

impl<S: Read> Members<S> {
    /// The next member, or `None` at the end of the archive. What was not read of the last one is skipped.
    ///
    /// # Errors
    /// [`ReadError`]: damage, an unsafe name, or something that this format does not have.
    pub fn next_member(&mut self) -> Result<Option<Member>> {
        self.skip()?;
        let mut records = None;
        while !self.ended {
            let Some(header) = self.header()? else {
                self.ended = true;
                break;
            };
            let kind = match header.entry_type() {
                EntryType::XHeader if records.is_none() => {
                    records = Some(self.records(&header)?);
                    continue;
                }
                EntryType::Regular => MemberKind::File,
                EntryType::Directory => MemberKind::Directory,
                EntryType::Symlink => MemberKind::Symlink,
                EntryType::Link => MemberKind::Hardlink,
                EntryType::Fifo => MemberKind::Fifo,
                EntryType::Char => MemberKind::Character,
                EntryType::Block => MemberKind::Block,
                other => return Err(self.damaged(format!("a header of type {:?}", char::from(other.as_byte())))),
            };
            return self.member(&header, kind, records.unwrap_or_default()).map(Some);
        }
        Ok(None)
    }

    /// The contents of the member that [`Self::next_member`] gave last, piece by piece: `sink` gets offset and bytes.
    ///
    /// # Errors
    /// [`ReadError`] of the stream, or, in the inner result, the sink's own error.
    pub fn contents<E>(
        &mut self,
        member: &Member,
        mut sink: impl FnMut(u64, &[u8]) -> std::result::Result<(), E>,
    ) -> Result<std::result::Result<(), E>> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(HANDED, 0);
        let handed = self.hand_out(member, &mut buffer, &mut sink);
        self.buffer = buffer;
        handed
    }

    fn hand_out<E>(
        &mut self,
        member: &Member,
        buffer: &mut [u8],
        sink: &mut impl FnMut(u64, &[u8]) -> std::result::Result<(), E>,
    ) -> Result<std::result::Result<(), E>> {
        for &(mut offset, mut left) in &member.pieces {
            while left > 0 {
                let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                self.read(&mut buffer[..wanted])?;
                if let Err(error) = sink(offset, &buffer[..wanted]) {
                    return Ok(Err(error));
                }
                self.contents -= wanted as u64;
                offset += wanted as u64;
                left -= wanted as u64;
            }
        }
        Ok(Ok(()))
    }

    fn damaged(&self, why: impl Into<String>) -> ReadError {
        ReadError::damaged(&self.what, why)
    }

    fn read(&mut self, out: &mut [u8]) -> Result<()> {
        self.source.read_exact(out).map_err(|error| ReadError::from_io(&self.what, error))
    }

    fn skip(&mut self) -> Result<()> {
        let left = self.contents + self.padding;
        (self.contents, self.padding) = (0, 0);
        let skipped = io::copy(&mut self.source.by_ref().take(left), &mut io::sink())
            .map_err(|error| ReadError::from_io(&self.what, error))?;
        if skipped == left { Ok(()) } else { Err(self.damaged("it ends within a member")) }
    }

    /// The next header block; `None` for the zeros that end the archive.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        self.read(header.as_mut_bytes())?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        // The checksum counts itself as blanks.
        let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|&byte| u32::from(byte)).sum::<u32>() + 8 * 32;
        if header.cksum().ok() != Some(sum) {
            return Err(self.damaged("a header has a wrong checksum"));
        }
        Ok(Some(header))
    }

    fn size(&self, header: &Header) -> Result<u64> {
        header.entry_size().map_err(|error| self.damaged(format!("a header without a size: {error}")))
    }

    fn records(&mut self, header: &Header) -> Result<Records> {
        let size = self.size(header)?;
        if size > MAX_RECORDS {
            return Err(self.damaged(format!("pax records of {size} bytes")));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        self.read(&mut bytes)?;
        self.padding = padding(size);
        self.skip()?;
        parse_records(&bytes).ok_or_else(|| self.damaged("pax records that are not well-formed"))
    }

    fn member(&mut self, header: &Header, kind: MemberKind, records: Records) -> Result<Member> {
        let stored = records.size.map_or_else(|| self.size(header), Ok)?;
        if kind != MemberKind::File && stored != 0 {
            return Err(self.damaged("a member with contents that can have none"));
        }
        if stored > MAX_SIZE {
            return Err(self.damaged(format!("a member of {stored} bytes")));
        }
        let mut path = records.path.unwrap_or_else(|| header.path_bytes().into_owned());
        if kind == MemberKind::Directory && path.last() == Some(&b'/') {
            path.pop();
        }
        check_path(&path)?;
        let target = records.target.or_else(|| header.link_name_bytes().map(Into::into)).unwrap_or_default();
        if kind == MemberKind::Hardlink {
            check_path(&target)?;
        }
        (self.contents, self.padding) = (stored, padding(stored));
        let mut member = Member { path, kind, size: stored, target, pieces: vec![(0, stored)] };
        if records.sparse {
            member.size = records.real_size.ok_or_else(|| self.damaged("a sparse file without its size"))?;
            member.pieces = self.sparse_map(member.size)?;
        }
        Ok(member)
    }

    /// The map at the head of a sparse member's contents: numbers in decimal, one per line, padded to a block.
    fn sparse_map(&mut self, size: u64) -> Result<Vec<(u64, u64)>> {
        let mut block = [0; 512];
        let mut at = block.len();
        let mut number = |members: &mut Self| {
            let mut value: u64 = 0;
            loop {
                if at == block.len() {
                    if members.contents < BLOCK {
                        return Err(members.damaged("a sparse map that does not end"));
                    }
                    members.read(&mut block)?;
                    members.contents -= BLOCK;
                    at = 0;
                }
                let byte = block[at];
                at += 1;
                let digit = match byte {
                    b'\n' => return Ok(value),
                    b'0'..=b'9' => u64::from(byte - b'0'),
                    _ => return Err(members.damaged("a sparse map that is not decimal")),
                };
                let next = value.checked_mul(10).and_then(|tens| tens.checked_add(digit));
                value = next.ok_or_else(|| members.damaged("a sparse map with a number too large"))?;
            }
        };
        let count = number(self)?;
        if count > MAX_PIECES {
            return Err(self.damaged(format!("a sparse file of {count} pieces")));
        }
        let (mut pieces, mut end, mut stored) = (Vec::new(), 0, 0u64);
        for _ in 0..count {
            let (offset, length) = (number(self)?, number(self)?);
            let next = offset.checked_add(length).filter(|next| offset >= end && *next <= size);
            end = next.ok_or_else(|| self.damaged("a sparse map with pieces out of order"))?;
            stored += length;
            pieces.push((offset, length));
        }
        if stored == self.contents { Ok(pieces) } else { Err(self.damaged("a sparse map that is not of its member")) }
    }
}

/// Bytes up to the next block.
const fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK
}

/// `<length> <key>=<value>\n`, repeated; the length counts the whole record. `None` if it is not that.
fn parse_records(mut bytes: &[u8]) -> Option<Records> {
    let mut records = Records::default();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|&byte| byte == b' ')?;
        let length = std::str::from_utf8(&bytes[..space]).ok()?.parse::<usize>().ok()?;
        let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
        bytes = &bytes[length..];
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let number = || std::str::from_utf8(value).ok()?.parse().ok();
        match key {
            // A sparse member's own name comes before or after the invented one that its `path` may be.
            b"path" if records.path.is_none() => records.path = Some(value.to_owned()),
            b"GNU.sparse.name" => records.path = Some(value.to_owned()),
            b"linkpath" => records.target = Some(value.to_owned()),
            b"size" => records.size = Some(number()?),
            b"GNU.sparse.major" if value == b"1" => records.sparse = true,
            b"GNU.sparse.realsize" => records.real_size = Some(number()?),
            b"GNU.sparse.major" | b"GNU.sparse.map" => return None,
            _ => {}
        }
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::Digest;
    use backup_core::manifest::Artifact;
    use proptest::prelude::*;

    #[test]
    fn records_are_read_by_their_length() {
        let records = parse_records(b"12 path=a\nb\n30 GNU.sparse.realsize=000123\n").unwrap();
        assert_eq!(records.path.unwrap(), b"a\nb");
        assert_eq!(records.real_size, Some(123));
        for bad in [&b"x"[..], b"5 a=b", b"99 a=b\n", b"1 a=b\n", b"6 ab\n", b"21 GNU.sparse.major=0\n"] {
            assert!(parse_records(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_size_that_no_file_has_is_refused() {
        for (size, is_fine) in [(MAX_SIZE, true), (MAX_SIZE + 1, false), (u64::MAX, false)] {
            let entry = Entry {
                path: b"f".to_vec(),
                kind: EntryKind::File { size, sha256: [0; 32], blocks: None },
                mode: 0o644,
                uid: 0,
                gid: 0,
                user: None,
                group: None,
                mtime: crate::Mtime::default(),
                xattrs: std::collections::BTreeMap::new(),
                place: crate::Place::Patch(1),
            };
            let plain = crate::header::blocks(&entry, None);
            let artifact = Artifact { bytes: 0, plain_bytes: 0, plain_sha256: Digest::of(b"") };
            let mut members = Members::new(Plain::open("plain", io::Cursor::new(plain), &artifact).unwrap());
            let told = members.next_member().map(|member| member.unwrap().size);
            assert_eq!(told.ok(), is_fine.then_some(size));
            if is_fine {
                assert!(members.next_member().is_err(), "there are no contents");
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_records_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse_records(&bytes);
        }

        #[test]
        fn padding_completes_a_block(size in 0..u64::MAX / 2) {
            prop_assert_eq!((size + padding(size)) % BLOCK, 0);
        }
    }
}
