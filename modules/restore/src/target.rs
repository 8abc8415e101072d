//! Another target than the live trees: an empty directory in which the same paths are made. Nothing is stopped, no hook
//! runs, and the folder says `.restore-incomplete` until everything was compared, as `restore.sh` does it.

use crate::dumps;
use crate::error::{RestoreError, Result};
use crate::fetch::fetch;
use crate::generation::Generation;
use crate::pipeline::Track;
use crate::staging::Staging;
use crate::unpack::unpack;
use backup_adapters::signals::Interrupt;
use backup_adapters::{fault, publish, there};
use backup_core::GenerationId;
use backup_interface::Progress;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Says that what lies beside it is not complete.
const MARKER: &str = ".restore-incomplete";

/// Another target.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    id: GenerationId,
}

impl Target {
    /// Whether an attempt of ours was interrupted there: even if all is equal, nobody has compared it.
    pub(crate) fn is_incomplete(path: &Path) -> Result<bool> {
        Ok(there::is_file(&path.join(MARKER))?)
    }

    /// Refuses a directory that holds anything but what an attempt of ours left.
    pub(crate) fn inspect(path: &Path, generation: &Generation) -> Result<Self> {
        let failed = || RestoreError::io("read", path);
        match path.read_dir() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            entries => {
                let mut names = entries.map_err(failed())?.map(|entry| entry.map(|entry| entry.file_name()));
                let empty = names.try_fold(true, |_, _| None::<bool>).is_some();
                if !empty && !Self::is_incomplete(path)? {
                    return Err(RestoreError::TargetNotEmpty(path.to_owned()).into());
                }
            }
        }
        Ok(Self { path: path.to_owned(), id: generation.own.stored.id })
    }

    /// Makes everything in it.
    pub(crate) fn fill(&self, work: &[Track<'_>], progress: &Progress, interrupt: &Interrupt) -> Result<()> {
        publish::create_dirs(&self.path, 0o755, None)?;
        let marker = self.path.join(MARKER);
        // The marker is made in an empty directory only: what is beside it is an earlier attempt's.
        if there::is_file(&marker)? {
            self.clear()?;
        }
        publish::write_atomic(&marker, format!("restoring {}\n", self.id).as_bytes(), 0o600, None)?;
        fault::point("restore.target.marked");
        for track in work {
            let mut staging = Staging::below(track.generation.roots(), &self.path)?;
            if track.generation.selection.is_all() {
                unpack(&track.generation, &mut staging, progress, interrupt)?;
            } else {
                fetch(&track.generation, &mut staging, &|_| true, progress, interrupt)?;
            }
            dumps::leave(&track.generation, &track.dumps, track.of)?;
        }
        publish::sync_fs(&self.path)?;
        fault::point("restore.target.filled");
        Ok(publish::remove_file(&marker)?)
    }

    fn clear(&self) -> Result<()> {
        let failed = || RestoreError::io("empty", &self.path);
        for entry in self.path.read_dir().map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if entry.file_name() == OsStr::new(MARKER) {
                continue;
            }
            if entry.file_type().map_err(failed())?.is_dir() {
                publish::remove_tree(&entry.path(), &[])?;
            } else {
                publish::remove_file(&entry.path())?;
            }
        }
        Ok(())
    }
}
