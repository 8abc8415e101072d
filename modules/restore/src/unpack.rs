//! Makes the tree of a generation in a staging place: the base's members that stay, the generation's own, changed blocks,
//! and at last the directories' own attributes.
//!
//! One pass over each tar stream, in step with its catalog: every member must be the one that the catalog announces,
//! and both streams must end together. Length and digest of every stream are compared before this returns.

use crate::error::{RestoreError, Result};
use crate::generation::{Generation, Part};
use crate::staging::Staging;
use crate::tree::{Attributes, Special, Spot};
use crate::write_out::WriteOut;
use backup_adapters::fault;
use backup_adapters::signals::Interrupt;
use backup_archive::read::{Fate, Member, Members, Plain, ReadError, parts};
use backup_archive::{Entry, EntryKind, Place};
use backup_core::manifest::{DATA, PATCHES};
use backup_interface::{Failed, Progress};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// Paths of all types.
    pub paths: u64,
    /// Bytes of files, holes included.
    pub bytes: u64,
}

/// Makes everything. On an error the staging place holds rubbish.
pub(crate) fn unpack(
    generation: &Generation,
    staging: &mut Staging,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Unpacked> {
    let mut write_out = WriteOut::of(staging.file_systems()?);
    let mut work = Unpack { write_out: Some(&mut write_out), ..Unpack::new(staging, progress, interrupt) };
    if let Some(base) = &generation.base {
        work.base(generation, base)?;
        fault::point("restore.unpack.base");
    }
    let patched = work.own(&generation.own)?;
    work.patches(&generation.own, &patched)?;
    work.directories(generation)?;
    let done = work.done;
    write_out.end()?;
    Ok(done)
}

/// Making paths in a staging place.
pub(crate) struct Unpack<'a> {
    staging: &'a mut Staging,
    progress: &'a Progress,
    interrupt: &'a Interrupt,
    /// Where little is made, the sync at the end is enough.
    write_out: Option<&'a mut WriteOut>,
    done: Unpacked,
}

impl<'a> Unpack<'a> {
    /// Begins.
    pub(crate) fn new(staging: &'a mut Staging, progress: &'a Progress, interrupt: &'a Interrupt) -> Self {
        Self { staging, progress, interrupt, write_out: None, done: Unpacked::default() }
    }

    /// Where a path is made.
    pub(crate) fn spot(&mut self, path: &[u8]) -> Result<Spot> {
        Ok(self.staging.spot(path)?)
    }

    /// The base's members, without those that the incremental replaces or that are gone.
    fn base(&mut self, generation: &Generation, base: &Part) -> Result<()> {
        let mut merge = generation.merge()?;
        let mut members = base.members()?;
        while let Some(step) = merge.next_step()? {
            if step.of_base {
                let member = announced(base, members.as_mut(), &step.entry)?;
                if matches!(step.fate, Fate::Final | Fate::Patched) {
                    self.make(&step.entry, members.as_mut().map(|members| (&member, members)))?;
                }
            }
        }
        ended(base, members)
    }

    /// The generation's own members. Returns the entries that are stored as changed blocks, by number.
    fn own(&mut self, own: &Part) -> Result<BTreeMap<u32, Entry>> {
        let mut catalog = own.catalog()?;
        let mut members = own.members()?;
        let mut patched = BTreeMap::new();
        while let Some(entry) = catalog.next_entry()? {
            match entry.place {
                Place::Patch(number) => {
                    patched.insert(number, entry);
                }
                Place::At { .. } => {
                    let member = announced(own, members.as_mut(), &entry)?;
                    self.make(&entry, members.as_mut().map(|members| (&member, members)))?;
                }
            }
        }
        ended(own, members)?;
        Ok(patched)
    }

    /// Makes one path; a file's contents come from its member.
    pub(crate) fn make<S: Read>(&mut self, entry: &Entry, member: Option<(&Member, &mut Members<S>)>) -> Result<()> {
        self.interrupt.check()?;
        let spot = self.staging.spot(&entry.path)?;
        let attributes = Attributes::of(entry);
        match &entry.kind {
            EntryKind::File { size, .. } => {
                let file = spot.create()?;
                let progress = self.progress;
                let mut end = 0;
                if let Some((member, members)) = member {
                    let written = members.contents(member, |offset, bytes| {
                        progress.add(bytes.len() as u64);
                        end = offset + bytes.len() as u64;
                        file.write_all_at(bytes, offset)
                    })?;
                    written.map_err(RestoreError::io("write", spot.shown()))?;
                }
                // A hole at its end.
                if end < *size {
                    file.set_len(*size).map_err(RestoreError::io("write", spot.shown()))?;
                }
                attributes.set_on(&file, &spot)?;
                self.done.bytes += size;
            }
            // Attributes follow at the end: what is made in it would change its time again.
            EntryKind::Directory => spot.directory_here()?,
            EntryKind::Symlink { target } => {
                spot.symlink(target)?;
                attributes.set_at(&spot, true)?;
            }
            EntryKind::Hardlink { target } => spot.link_to(&self.staging.spot(target)?)?,
            EntryKind::Fifo => {
                spot.special(Special::Fifo)?;
                attributes.set_at(&spot, false)?;
            }
            EntryKind::Character { major, minor } => {
                spot.special(Special::Character(*major, *minor))?;
                attributes.set_at(&spot, false)?;
            }
            EntryKind::Block { major, minor } => {
                spot.special(Special::Block(*major, *minor))?;
                attributes.set_at(&spot, false)?;
            }
        }
        self.done.paths += 1;
        if let Some(write_out) = &mut self.write_out {
            let size = if let EntryKind::File { size, .. } = entry.kind { size } else { 0 };
            write_out.made(size);
        }
        Ok(())
    }

    /// The changed blocks of large files, written into the base's contents.
    pub(crate) fn patches(&mut self, own: &Part, patched: &BTreeMap<u32, Entry>) -> Result<()> {
        for (number, entry) in patched {
            self.interrupt.check()?;
            let list = format!("{PATCHES}/{number}.parts");
            let blocks = format!("{PATCHES}/{number}.zst");
            let (Some(mut text), Some(mut blocks)) = (own.open(&list)?, own.open(&blocks)?) else {
                return Err(damaged(own, format!("{list} is missing")));
            };
            let mut bytes = Vec::new();
            text.read_to_end(&mut bytes).map_err(|error| ReadError::from_io(&list, error))?;
            let parts = parts::parse(&list, &bytes)?;
            let spot = self.staging.spot(&parts.path)?;
            let file = spot.open_existing()?;
            for range in &parts.ranges {
                self.copy(&mut blocks, &file, range, spot.shown())?;
            }
            blocks.finish()?;
            file.set_len(parts.size).map_err(RestoreError::io("write", spot.shown()))?;
            let digest = digest(&file).map_err(RestoreError::io("read back", spot.shown()))?;
            let announced = matches!(entry.kind, EntryKind::File { sha256, .. } if sha256 == digest);
            if digest != parts.sha256 || !announced || parts.path != entry.path {
                return Err(damaged(own, format!("{list} does not give the file that the catalog lists")));
            }
            Attributes::of(entry).set_on(&file, &spot)?;
            fault::point("restore.unpack.patch");
        }
        Ok(())
    }

    fn copy(&self, blocks: &mut Plain, file: &File, range: &Range<u64>, shown: &Path) -> Result<()> {
        let mut buffer = vec![0; 256 << 10];
        let mut offset = range.start;
        while offset < range.end {
            let wanted = usize::try_from(range.end - offset).unwrap_or(usize::MAX).min(buffer.len());
            let bytes = &mut buffer[..wanted];
            blocks.read_exact(bytes).map_err(|error| ReadError::from_io(blocks.name(), error))?;
            file.write_all_at(bytes, offset).map_err(RestoreError::io("write", shown))?;
            offset += wanted as u64;
            self.progress.add(wanted as u64);
        }
        Ok(())
    }

    fn directories(&mut self, generation: &Generation) -> Result<()> {
        let mut merge = generation.merge()?;
        while let Some(entry) = merge.next_final()? {
            if entry.kind == EntryKind::Directory {
                let spot = self.staging.spot(&entry.path)?;
                Attributes::of(&entry).set_on(&spot.open_directory()?, &spot)?;
            }
        }
        Ok(())
    }
}

/// The next member, which must be the one that the catalog announces.
fn announced(part: &Part, members: Option<&mut Members>, entry: &Entry) -> Result<Member> {
    let next = members.map(Members::next_member).transpose()?.flatten();
    match next {
        Some(member) if member.agrees(entry) => Ok(member),
        Some(member) => {
            let (found, wanted) = (String::from_utf8_lossy(&member.path), String::from_utf8_lossy(&entry.path));
            Err(damaged(part, format!("{DATA} has {found:?} where the catalog has {wanted:?}")))
        }
        None => Err(damaged(part, format!("{DATA} ends before {:?}", String::from_utf8_lossy(&entry.path)))),
    }
}

/// Nothing may follow, and the whole stream must be what was collected.
fn ended(part: &Part, members: Option<Members>) -> Result<()> {
    let Some(mut members) = members else { return Ok(()) };
    if let Some(more) = members.next_member()? {
        let path = String::from_utf8_lossy(&more.path).into_owned();
        return Err(damaged(part, format!("{DATA} has {path:?}, which the catalog does not list")));
    }
    Ok(members.finish()?)
}

fn damaged(part: &Part, why: String) -> Failed {
    RestoreError::Damaged { id: part.stored.id, why }.into()
}

/// The SHA-256 of a whole file.
pub(crate) fn digest(mut file: &File) -> io::Result<[u8; 32]> {
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
