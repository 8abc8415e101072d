//! Re-reading a generation from the medium and comparing every byte with the seal.

use super::{DIR_MODE, FILE_MODE, LOCK_WAIT, Result, StoreError, StreamStore, read};
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
    fs::File,
    io::{self, Read},
    path::Path,
    time::Instant,
};

/// So much is read between two looks at the limits.
const CHUNK: usize = 1 << 20;

/// When to give up re-reading, and whether the medium itself is asked.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// At this time the reading ends without a result.
    pub deadline: Option<Instant>,
    /// A request to end the run.
    pub interrupt: Option<Interrupt>,
    /// What the page cache has counts as well, and stays there: for who uses right after exactly what was compared.
    pub cached: bool,
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
    /// [`Self::reread`], then notes the result in `receipts/<id>.checked.json`. The note of a damaged generation stays
    /// until a later re-reading succeeds. Reading may take long and needs no lock; the lock is taken for the note only,
    /// so the caller must not hold it. `what` is told to those who wait for it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also if the generation was deleted meanwhile: then nothing is said about it.
    pub fn verify(&self, id: GenerationId, limits: &Limits, what: &str) -> Result<Reread> {
        let found = self.reread(id, limits)?;
        if found == Reread::OutOfTime {
            return Ok(found);
        }
        let _lock = self.lock(what, Instant::now() + LOCK_WAIT)?;
        match read::head(&self.dir().generation(id), id)? {
            None => return Err(self.not_found(id)),
            // Without a readable seal there is no digest that a note could be bound to, and nothing takes it for whole.
            Some(Err(_)) => {}
            Some(Ok(head)) => {
                let ok = found == Reread::Intact;
                let checked = Checked { digest: head.digest, checked_at: host::now().timestamp(), ok };
                let bytes = serde_json::to_vec(&checked).expect("three plain fields");
                publish::create_dirs(&self.dir().receipts(), DIR_MODE, None)?;
                publish::write_atomic(&self.dir().checked(id), &bytes, FILE_MODE, None)?;
            }
        }
        Ok(found)
    }

    /// Reads every file of a generation, from the medium unless the limits allow less, and compares it with the seal; the
    /// seal with the manifest and the directory. Anything unsealed in there counts as damage.
    pub fn reread(&self, id: GenerationId, limits: &Limits) -> Result<Reread> {
        let directory = self.dir().generation(id);
        for name in [SEAL, MANIFEST] {
            // Otherwise the comparison below would be with what is in memory.
            if let (false, Ok(file)) = (limits.cached, read::open(&directory.join(name))) {
                forget(&file);
            }
        }
        let head = match read::head(&directory, id) {
            Ok(None) => return Err(self.not_found(id)),
            Ok(Some(Ok(head))) => head,
            Ok(Some(Err(why))) => return Ok(Reread::Damaged(why)),
            Err(StoreError::Read { path, source }) if is_medium(&source) => {
                return Ok(Reread::Damaged(format!("{}: {source}", path.display())));
            }
            Err(error) => return Err(error),
        };
        if let Some(why) = foreign(&directory, &head.seal.files().keys().map(String::as_str).collect())? {
            return Ok(Reread::Damaged(why));
        }
        for (name, wanted) in head.seal.files() {
            let size = head.manifest.artifacts.get(name).map(|artifact| artifact.bytes);
            match compare(&directory.join(name), size, wanted, limits)? {
                Reread::Intact => {}
                Reread::Damaged(why) => return Ok(Reread::Damaged(format!("{name}: {why}"))),
                Reread::OutOfTime => return Ok(Reread::OutOfTime),
            }
        }
        Ok(Reread::Intact)
    }
}

/// One file against its digest, and its size where the manifest says one.
fn compare(path: &Path, size: Option<u64>, wanted: &Digest, limits: &Limits) -> Result<Reread> {
    let failed = |source| StoreError::Read { path: path.to_owned(), source };
    let mut file = match read::open(path) {
        Ok(file) => file,
        Err(source) if is_medium(&source) => return Ok(Reread::Damaged(source.to_string())),
        Err(source) => return Err(failed(source)),
    };
    let length = file.metadata().map_err(failed)?.len();
    if let Some(size) = size.filter(|size| *size != length) {
        return Ok(Reread::Damaged(format!("{length} bytes instead of {size}")));
    }
    if !limits.cached {
        forget(&file);
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        if let Some(interrupt) = &limits.interrupt {
            interrupt.check()?;
        }
        if limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Reread::OutOfTime);
        }
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) if is_medium(&source) => return Ok(Reread::Damaged(source.to_string())),
            Err(source) => return Err(failed(source)),
        }
    }
    if !limits.cached {
        forget(&file);
    }
    let matches = Digest::from_bytes(&hash.finalize().into()) == *wanted;
    Ok(if matches { Reread::Intact } else { Reread::Damaged("its SHA-256 does not match".into()) })
}

/// Makes the next read come from the medium. Only clean pages can be dropped, so what is dirty is written first.
fn forget(file: &File) {
    // Where neither is possible (tmpfs), there is no medium to read from.
    let _ = file.sync_data();
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}

/// Whether an error means that the stored bytes cannot be had, as opposed to that we may not read them.
fn is_medium(error: &io::Error) -> bool {
    // `Other`: something else than a file lies there. ELOOP: a link.
    matches!(error.raw_os_error(), Some(nix::libc::EIO | nix::libc::ENOENT | nix::libc::ELOOP | nix::libc::EBADMSG))
        || error.kind() == io::ErrorKind::Other
}

/// The first thing in a generation's directory that its seal does not cover.
fn foreign(directory: &Path, sealed: &BTreeSet<&str>) -> Result<Option<String>> {
    for (folder, prefix) in [(directory.to_owned(), ""), (directory.join(PATCHES), "patches/")] {
        for (name, is_dir) in super::names(&folder)? {
            let name = format!("{prefix}{name}");
            let allowed = if is_dir { name == PATCHES } else { name == SEAL || sealed.contains(name.as_str()) };
            if !allowed {
                return Ok(Some(format!("{name:?} is not sealed")));
            }
        }
    }
    Ok(None)
}
