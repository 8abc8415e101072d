//! Reading small files of a store: never more than a limit, never through a symbolic link.

use super::StoreError;
use backup_core::{
    Digest, GenerationId,
    manifest::{MANIFEST, MAX_MANIFEST_BYTES, MAX_SEAL_BYTES, Manifest, SEAL, Seal},
};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, openat},
    sys::stat::Mode,
};
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

/// Opens a regular file for reading.
pub(super) fn open(path: &Path) -> io::Result<File> {
    Ok(open_sized(path)?.0)
}

/// The same, and how long it is. A store of ten thousand generations is thirty thousand small files: each system call counts.
fn open_sized(path: &Path) -> io::Result<(File, u64)> {
    // O_NONBLOCK: a FIFO in the place of a file must not make us wait for a writer. By way of `openat`, since musl's `open` sets
    // O_CLOEXEC by a call of its own.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = loop {
        match openat(AT_FDCWD, path, flags, Mode::empty()) {
            Err(Errno::EINTR) => {}
            opened => break File::from(opened?),
        }
    };
    let found = file.metadata()?;
    if found.is_file() { Ok((file, found.len())) } else { Err(io::Error::other("not a regular file")) }
}

/// The whole file; `None` if there is none.
pub(super) fn small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let read = || {
        let (file, length) = open_sized(path)?;
        // Room for one byte more, so that the read after the last one need not make any.
        let mut bytes = Vec::with_capacity(usize::try_from(length.min(limit)).unwrap_or(0) + 1);
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("longer than {limit} bytes")));
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Read { path: path.to_owned(), source }),
    }
}

/// The whole file, empty if there is none; or why it is not one that we wrote.
///
/// # Errors
/// The system could not read it.
pub(super) fn note(path: &Path, limit: u64) -> Result<Result<Vec<u8>, String>, StoreError> {
    match small(path, limit) {
        Err(error) if !is_systems(&error) => Ok(Err(error.to_string())),
        bytes => Ok(Ok(bytes?.unwrap_or_default())),
    }
}

/// Whether the system could not read something, for whatever reason: what cannot be read now may be whole. A link, a folder or too
/// much in the place of a file is none of ours.
pub(super) fn is_systems(error: &StoreError) -> bool {
    let StoreError::Read { source, .. } = error else { return false };
    source.raw_os_error().is_some_and(|number| number != nix::libc::ELOOP)
}

/// What makes a directory a generation, read and compared: everything but the artifacts.
pub(super) struct Head {
    pub(super) digest: Digest,
    pub(super) seal: Seal,
    pub(super) manifest: Manifest,
    /// Stored bytes: artifacts as the manifest says, manifest, seal.
    pub(super) bytes: u64,
}

/// The seal and the manifest of `directory`; `Ok(Err(why))` if they contradict each other, `None` if there is no seal.
pub(super) fn head(directory: &Path, id: GenerationId) -> Result<Option<Result<Head, String>>, StoreError> {
    let Some(seal) = small(&directory.join(SEAL), MAX_SEAL_BYTES)? else { return Ok(None) };
    let Some(manifest) = small(&directory.join(MANIFEST), MAX_MANIFEST_BYTES)? else {
        return Ok(Some(Err(format!("no {MANIFEST}"))));
    };
    Ok(Some(compare(&seal, &manifest, directory, id)))
}

fn compare(seal_text: &[u8], manifest_text: &[u8], directory: &Path, id: GenerationId) -> Result<Head, String> {
    let seal = Seal::parse(seal_text).map_err(|error| error.to_string())?;
    if seal.files().get(MANIFEST) != Some(&Digest::of(manifest_text)) {
        return Err(format!("{MANIFEST} does not match {SEAL}"));
    }
    let manifest = Manifest::parse(manifest_text).map_err(|error| error.to_string())?;
    seal.covers(&manifest).map_err(|error| error.to_string())?;
    if manifest.id != id {
        return Err(format!("the manifest is of generation {}", manifest.id));
    }
    let stream = directory.parent();
    let job = stream.and_then(Path::parent);
    let named = |path: Option<&Path>, name: &str| path.and_then(Path::file_name).is_none_or(|last| last == name);
    if !named(stream, manifest.stream.as_str()) || !named(job, &manifest.job) {
        return Err(format!("the manifest is of {}/{}", manifest.job, manifest.stream));
    }
    let bytes = manifest.stored_bytes() + seal_text.len() as u64 + manifest_text.len() as u64;
    Ok(Head { digest: Digest::of(seal_text), seal, manifest, bytes })
}
