//! From written artifacts to a sealed generation in the handover point (docs/format.md, "Order of writing").

use crate::dump::Written;
use crate::error::{CollectError, Result};
use backup_adapters::publish::{self, Owner};
use backup_adapters::store::StreamStore;
use backup_adapters::{fault, users};
use backup_core::job::StreamOf;
use backup_core::manifest::{MANIFEST, Manifest, SEAL, Seal};
use backup_core::{Digest, GenerationId};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::{Path, PathBuf};

const DIRECTORY: u32 = 0o750;
const FILE: u32 = 0o640;

/// The directory in which a generation is made. It belongs to us alone until it is published; dropped before, it goes.
///
/// It lies in a folder of the stream's user, who can put something else in its place at any time. So its ownership is
/// changed through the descriptor with which it was made, never by name.
#[derive(Debug)]
pub(crate) struct Staging {
    directory: File,
    path: PathBuf,
    target: PathBuf,
    owner: Owner,
    published: bool,
}

impl Staging {
    /// Makes the handover point if it is missing, with the instructions that every store carries, and in it the directory of the generation `id`.
    pub(crate) fn create(of: StreamOf<'_>, handover: &StreamStore, id: GenerationId) -> Result<Self> {
        let owner = Owner::from(&users::by_name(of.user())?);
        let dir = handover.dir();
        publish::create_dirs(dir.path(), DIRECTORY, Some(owner))?;
        let (path, target) = (dir.partial(id), dir.generation(id));
        DirBuilder::new().mode(0o700).create(&path).map_err(failed("create", &path))?;
        let directory = open_own(&path).map_err(failed("open", &path))?;
        let staging = Self { directory, path, target, owner, published: false };
        fault::point("collect.staging.created");
        Ok(staging)
    }

    /// Where artifacts are written.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the files that are in it now.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.path).map_err(failed("read", &self.path))? {
            let entry = entry.and_then(|entry| entry.metadata()).map_err(failed("read", &self.path))?;
            bytes += if entry.is_file() { entry.len() } else { 0 };
        }
        Ok(bytes)
    }

    /// Writes manifest and seal over `written`. Returns the digest of the generation, which is not published yet.
    pub(crate) fn seal(&self, manifest: &Manifest, written: &[Written]) -> Result<Digest> {
        let bytes = manifest.to_bytes();
        let mut files: BTreeMap<_, _> = written.iter().map(|file| (file.name.clone(), file.stored.clone())).collect();
        files.insert(MANIFEST.to_owned(), Digest::of(&bytes));
        let seal = Seal::new(files)?;
        seal.covers(manifest)?;
        self.write(MANIFEST, &bytes)?;
        fault::point("collect.manifest.written");
        self.write(SEAL, seal.to_text().as_bytes())?;
        fault::point("collect.seal.written");
        Ok(seal.digest())
    }

    /// Hands everything to the stream's user and publishes it: from here on it is a generation.
    pub(crate) fn publish(mut self) -> Result<()> {
        let through = PathBuf::from(format!("/proc/self/fd/{}", self.directory.as_raw_fd()));
        hand_over(&through, self.owner)?;
        fchown(&self.directory, Some(self.owner.uid), Some(self.owner.gid))
            .and_then(|()| self.directory.set_permissions(Permissions::from_mode(DIRECTORY)))
            .map_err(failed("hand over", &self.path))?;
        publish::publish_dir(&self.path, &self.target)?;
        self.published = true;
        fault::point("collect.published");
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        Ok(file.and_then(|mut file| file.write_all(bytes)).map_err(failed("write", &path))?)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // What is left is a partial, which the next run removes.
            let _ = publish::remove_tree(&self.path, &[]);
        }
    }
}

/// Opens the directory that we have just made; what somebody else put there in between is refused.
fn open_own(path: &Path) -> io::Result<File> {
    let flags = nix::libc::O_DIRECTORY | nix::libc::O_NOFOLLOW;
    let directory = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = directory.metadata()?;
    if meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o7777 == 0o700 {
        Ok(directory)
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody else has put a directory there"))
    }
}

/// Gives what is in a directory to its owner, with the modes that the format says.
fn hand_over(directory: &Path, owner: Owner) -> Result<()> {
    let set = |path: &Path, mode| {
        lchown(path, Some(owner.uid), Some(owner.gid))
            .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
            .map_err(failed("hand over", path))
    };
    for entry in fs::read_dir(directory).map_err(failed("read", directory))? {
        let entry = entry.map_err(failed("read", directory))?;
        let path = entry.path();
        if entry.file_type().map_err(failed("inspect", &path))?.is_dir() {
            hand_over(&path, owner)?;
            set(&path, DIRECTORY)?;
        } else {
            set(&path, FILE)?;
        }
    }
    Ok(())
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> CollectError + 'a {
    move |source| CollectError::Io { action, path: path.to_owned(), source }
}
