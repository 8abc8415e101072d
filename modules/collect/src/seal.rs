//! From written artifacts to a sealed generation in the handover point (docs/format.md, "Order of writing").

use crate::dump::Written;
use crate::error::{CollectError, Result};
use backup_adapters::publish::{self, Owner};
use backup_adapters::store::{Instructions, StreamStore};
use backup_adapters::{fault, users};
use backup_archive::read::{RESTORE_SH, RESTORE_TXT};
use backup_core::job::StreamOf;
use backup_core::manifest::{MANIFEST, Manifest, SEAL, Seal};
use backup_core::{Digest, GenerationId};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

const DIRECTORY: u32 = 0o750;
const FILE: u32 = 0o640;

/// The directory in which a generation is made. It belongs to us alone until it is published; dropped before, it goes.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
    target: PathBuf,
    owner: Owner,
    published: bool,
}

impl Staging {
    /// Makes the handover point if it is missing, with the instructions that every store carries, and in it the directory of the generation `id`.
    pub(crate) fn create(of: StreamOf<'_>, handover: &StreamStore, id: GenerationId) -> Result<Self> {
        let owner = Owner::from(&users::by_name(of.user())?);
        let instructions = Instructions { text: RESTORE_TXT.as_bytes(), script: RESTORE_SH.as_bytes() };
        handover.ensure(Some(owner), Some(instructions))?;
        let dir = handover.dir();
        let staging = Self { path: dir.partial(id), target: dir.generation(id), owner, published: false };
        DirBuilder::new().mode(0o700).create(&staging.path).map_err(failed("create", &staging.path))?;
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
        hand_over(&self.path, self.owner)?;
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
            let _ = publish::remove_tree(&self.path, &[SEAL]);
        }
    }
}

/// Gives a tree of plain files to its owner, with the modes that the format says; the directory itself comes last.
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
        } else {
            set(&path, FILE)?;
        }
    }
    Ok(set(directory, DIRECTORY)?)
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> CollectError + 'a {
    move |source| CollectError::Io { action, path: path.to_owned(), source }
}
