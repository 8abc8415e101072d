//! Re-reading a generation from the medium and comparing every byte with the seal.

use super::{Result, StoreError, StreamStore, read};
use crate::{host, publish, signals::Interrupt};
use backup_core::{
    Digest, GenerationId,
    manifest::{MANIFEST, PATCHES, SEAL},
    receipt::Checked,
};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::Path,
    time::Instant,
};

/// So much is read between two looks at the limits.
const CHUNK: usize = 1 << 20;

/// When to give up re-reading.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// At this time the reading ends without a result.
    pub deadline: Option<Instant>,
    /// A request to end the run.
    pub interrupt: Option<Interrupt>,
}

/// What came of re-reading a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reread {
    /// Every file has its digest, and there are no others.
    Intact,
    /// Something does not match, or the medium gives an error.
    Damaged(String),
    /// The time was over before the end: nothing is known.
    OutOfTime,
}

impl StreamStore {
    /// [`Self::reread`], and notes the result in `receipts/<id>.checked.json`. The note of a damaged generation stays
    /// until a later re-reading succeeds.
    pub fn verify(&self, id: GenerationId, limits: &Limits) -> Result<Reread> {
        let (digest, found) = self.reread_with_digest(id, limits)?;
        if let (Some(digest), Reread::Intact | Reread::Damaged(_)) = (digest, &found) {
            let checked = Checked { digest, checked_at: host::now().timestamp(), ok: found == Reread::Intact };
            let bytes = serde_json::to_vec(&checked).expect("three plain fields");
            publish::create_dirs(&self.dir().receipts(), 0o750, None)?;
            publish::write_atomic(&self.dir().checked(id), &bytes, 0o640, None)?;
        }
        Ok(found)
    }

    /// Reads every file of a generation from the medium, not from the page cache, and compares it with the seal; the
    /// seal with the manifest and the directory. Anything unsealed in there counts as damage.
    pub fn reread(&self, id: GenerationId, limits: &Limits) -> Result<Reread> {
        Ok(self.reread_with_digest(id, limits)?.1)
    }

    fn reread_with_digest(&self, id: GenerationId, limits: &Limits) -> Result<(Option<Digest>, Reread)> {
        let directory = self.dir().generation(id);
        for name in [SEAL, MANIFEST] {
            // Otherwise the comparison below would be with what is in memory.
            if let Ok(file) = read::open(&directory.join(name)) {
                forget(&file);
            }
        }
        let head = match read::head(&directory, id) {
            Ok(None) => return Err(self.not_found(id)),
            Ok(Some(Ok(head))) => head,
            // Without a readable seal there is no digest that a note could be bound to.
            Ok(Some(Err(why))) => return Ok((None, Reread::Damaged(why))),
            Err(StoreError::Read { path, source }) if is_medium(&source) => {
                return Ok((None, Reread::Damaged(format!("{}: {source}", path.display()))));
            }
            Err(error) => return Err(error),
        };
        let digest = Some(head.digest);
        if let Some(why) = foreign(&directory, head.seal.files().keys().map(String::as_str).collect())? {
            return Ok((digest, Reread::Damaged(why)));
        }
        for (name, wanted) in head.seal.files() {
            let size = head.manifest.artifacts.get(name).map(|artifact| artifact.bytes);
            match self.compare(&directory.join(name), size, wanted, limits)? {
                Reread::Intact => {}
                Reread::Damaged(why) => return Ok((digest, Reread::Damaged(format!("{name}: {why}")))),
                Reread::OutOfTime => return Ok((digest, Reread::OutOfTime)),
            }
        }
        Ok((digest, Reread::Intact))
    }

    fn compare(&self, path: &Path, size: Option<u64>, wanted: &Digest, limits: &Limits) -> Result<Reread> {
        let hashed = (|| {
            let mut file = read::open(path)?;
            let length = file.metadata()?.len();
            if size.is_some_and(|size| size != length) {
                return Ok(Ok(Reread::Damaged(format!("{length} bytes instead of {}", size.unwrap_or_default()))));
            }
            forget(&file);
            let hashed = hash(&mut file, limits);
            forget(&file);
            hashed
        })();
        match hashed {
            Ok(Ok(Reread::Intact)) => unreachable!("hash returns a digest or a reason"),
            _ => {}
        }
        let _ = wanted;
        match hashed {
            Ok(found) => found,
            Err(source) if is_medium(&source) => Ok(Reread::Damaged(source.to_string())),
            Err(source) => Err(StoreError::Read { path: path.to_owned(), source }),
        }
    }
}
