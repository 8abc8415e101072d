//! From written artifacts to a sealed generation in the handover point (docs/format.md, "Order of writing").

use crate::dump::Written;
use crate::error::{CollectError, Result};
use crate::tree::named;
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
/// It lies in a folder of the stream's user, who can put something else in its place at any time. So everything is done
/// through the descriptor with which it was made, never by name: only the last step gives it one.
#[derive(Debug)]
pub(crate) struct Staging {
    directory: File,
    /// The directory itself, wherever it may have been moved.
    path: PathBuf,
    /// Its name, until it is published.
    partial: PathBuf,
    target: PathBuf,
    owner: Owner,
    published: bool,
}

impl Staging {
    /// Makes the handover point if it is missing, and in it the directory of the generation `id`.
    pub(crate) fn create(of: StreamOf<'_>, handover: &StreamStore, id: GenerationId) -> Result<Self> {
        let owner = Owner::from(&users::by_name(of.user())?);
        let dir = handover.dir();
        publish::create_dirs(dir.path(), DIRECTORY, Some(owner))?;
        let (partial, target) = (dir.partial(id), dir.generation(id));
        DirBuilder::new().mode(0o700).create(&partial).map_err(failed("create", &partial))?;
        let directory = open_own(&partial).map_err(failed("open", &partial))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        let staging = Self { directory, path, partial, target, owner, published: false };
        fault::point("collect.staging.created");
        Ok(staging)
    }

    /// Where artifacts are written, as long as this value lives.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the files that are in it now.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.path).map_err(failed("read", &self.partial))? {
            let entry = entry.and_then(|entry| entry.metadata()).map_err(failed("read", &self.partial))?;
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
        hand_over(&self.path, self.owner)?;
        fchown(&self.directory, Some(self.owner.uid), Some(self.owner.gid))
            .and_then(|()| self.directory.set_permissions(Permissions::from_mode(DIRECTORY)))
            .map_err(failed("hand over", &self.partial))?;
        publish::publish_dir(&self.partial, &self.target)?;
        self.is_ours(&self.target).map_err(failed("publish", &self.target))?;
        self.published = true;
        fault::point("collect.published");
        Ok(())
    }

    /// Refuses what somebody else has put in our directory's place. That transport has taken it already is fine.
    fn is_ours(&self, path: &Path) -> io::Result<()> {
        let there = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            there => there?,
        };
        let ours = self.directory.metadata()?;
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) { Ok(()) } else { Err(strange()) }
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
            let _ = publish::remove_tree(&self.partial, &[]);
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
        Err(strange())
    }
}

fn strange() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "somebody else has put a directory there")
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
    move |source| CollectError::Io { action, path: named(path), source }
}
