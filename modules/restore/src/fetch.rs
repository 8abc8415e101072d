//! Makes chosen paths of a generation by seeking: of the tar stream only the frames that hold them are read.
//!
//! The digests of the whole streams cannot be compared then. Each file is read back and compared with its own digest in the
//! catalog instead, and everything else (types, owners, times, attributes, links) is taken from the catalog alone.

use crate::error::{RestoreError, Result};
use crate::generation::{Generation, Part};
use crate::select::{Pick, View};
use crate::staging::Staging;
use crate::tree::Attributes;
use crate::unpack::{Unpack, digest};
use backup_adapters::fault;
use backup_adapters::signals::Interrupt;
use backup_archive::read::{Frames, Member, Members};
use backup_archive::{Entry, EntryKind, Place};
use backup_core::manifest::DATA;
use backup_interface::Progress;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};

/// Makes every path of the generation's selection that `is_wanted`. On an error the staging place holds rubbish.
pub(crate) fn fetch(
    generation: &Generation,
    staging: &mut Staging,
    is_wanted: &dyn Fn(&Pick) -> bool,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut own = Seeker::new(&generation.own);
    let mut base = generation.base.as_ref().map(Seeker::new);
    let mut work = Unpack::new(staging, progress, interrupt);
    let mut view = View::new(generation)?;
    while let Some(pick) = view.next_pick()? {
        if !is_wanted(&pick) {
            continue;
        }
        if !matches!(pick.entry.kind, EntryKind::File { .. }) {
            work.make::<Frames<File>>(&pick.entry, None)?;
            continue;
        }
        let seeker = if pick.of_base { base.as_mut() } else { Some(&mut own) };
        let seeker = seeker.ok_or_else(|| generation.own.without(DATA))?;
        let (member, members) = seeker.find(pick.member())?;
        if let Some(number) = pick.patch {
            work.make(pick.member(), Some((&member, members)))?;
            work.patches(&generation.own, &BTreeMap::from([(number, pick.entry)]))?;
        } else {
            work.make(&pick.entry, Some((&member, members)))?;
            work.compare(&pick.entry, seeker.part)?;
        }
        fault::point("restore.fetched");
    }
    // Last, because what is made in a directory changes its time.
    let mut view = View::new(generation)?;
    while let Some(pick) = view.next_pick()? {
        if pick.entry.kind == EntryKind::Directory && is_wanted(&pick) {
            let spot = work.spot(&pick.entry.path)?;
            Attributes::of(&pick.entry).set_on(&spot.open_directory()?, &spot)?;
        }
    }
    Ok(())
}

impl Unpack<'_> {
    /// Reads a file back that was just made, and compares it with the catalog.
    fn compare(&mut self, entry: &Entry, part: &Part) -> Result<()> {
        let spot = self.spot(&entry.path)?;
        let found = digest(&spot.open_existing()?).map_err(RestoreError::io("read back", spot.shown()))?;
        if matches!(entry.kind, EntryKind::File { sha256, .. } if sha256 == found) {
            return Ok(());
        }
        let why = format!("{DATA} does not have the contents of {} that its catalog lists", spot.shown().display());
        Err(RestoreError::Damaged { id: part.stored.id, why }.into())
    }
}

/// Finds members of a tar stream by the offsets in its catalog.
struct Seeker<'a> {
    part: &'a Part,
    /// The frame that is open, how far into it the last member lay, and its reader.
    open: Option<(u64, u64, Members<Frames<File>>)>,
}

impl<'a> Seeker<'a> {
    const fn new(part: &'a Part) -> Self {
        Self { part, open: None }
    }

    /// The member that an entry describes, ready to be read.
    fn find(&mut self, entry: &Entry) -> Result<(Member, &mut Members<Frames<File>>)> {
        let Place::At { frame, skip } = entry.place else { return Err(self.lost(entry)) };
        let is_ahead = self.open.as_ref().is_some_and(|(at, last, _)| *at == frame && *last < skip);
        if !is_ahead {
            let mut file = self.part.stored(DATA)?.ok_or_else(|| self.part.without(DATA))?;
            let path = || self.part.directory.join(DATA);
            file.seek(SeekFrom::Start(frame)).map_err(|source| RestoreError::io("seek in", path())(source))?;
            self.open = Some((frame, skip, Members::at(file, skip)?));
        }
        let lost = self.lost(entry);
        let Some((_, last, members)) = &mut self.open else { return Err(lost) };
        *last = skip;
        while let Some(member) = members.next_member()? {
            if member.agrees(entry) {
                return Ok((member, members));
            }
            // Members of one frame follow each other; at the place itself there must be this one.
            if !is_ahead {
                break;
            }
        }
        Err(lost)
    }

    fn lost(&self, entry: &Entry) -> backup_interface::Failed {
        let why = format!("{DATA} does not have {:?} where the catalog says", String::from_utf8_lossy(&entry.path));
        RestoreError::Damaged { id: self.part.stored.id, why }.into()
    }
}
