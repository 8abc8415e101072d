//! What a job remembers between runs, in `<state>/<job>/`: how each stream went last, indexes of bases, and, one level
//! up, the random id of this source installation.

use crate::error::{CollectError, Result};
use backup_adapters::lock::Lock;
use backup_adapters::{host, publish, there};
use backup_archive::Index;
use backup_archive::index::Draft;
use backup_core::state::{CollectState, INSTANCE, RESTORE_JOURNAL};
use backup_core::{GenerationId, GenerationRef, InstanceId, Job, StreamName};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Number of the state file's format.
const FORMAT: u32 = 1;
/// How long another job of this host may take to make the instance id.
const MOMENT: Duration = Duration::from_secs(10);

/// The state directory of one job.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    directory: PathBuf,
    instance: PathBuf,
}

impl Memory {
    /// Of this job. Nothing is touched.
    pub(crate) fn of(job: &Job) -> Self {
        Self::at(job.state_dir())
    }

    /// In this directory, whatever job it belongs to.
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self { instance: directory.with_file_name(INSTANCE), directory }
    }

    /// The directory itself.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a restore was cut short: trees may be half exchanged, and services belong to its own recovery.
    pub(crate) fn is_restoring(&self) -> Result<bool> {
        Ok(there::is_there(&self.directory.join(RESTORE_JOURNAL))?)
    }

    fn state_file(&self, stream: StreamName) -> PathBuf {
        self.directory.join(format!("{stream}.json"))
    }

    /// How a stream went last. A stream that was never collected has an empty state.
    pub(crate) fn state(&self, stream: StreamName) -> Result<CollectState> {
        let path = self.state_file(stream);
        let failed = |source| CollectError::Io { action: "read", path: path.clone(), source };
        match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(CollectState::default()),
            Err(error) => Err(failed(error).into()),
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?),
        }
    }

    /// Remembers how a stream went.
    pub(crate) fn remember(&self, stream: StreamName, state: &CollectState) -> Result<()> {
        let state = CollectState { format: FORMAT, ..state.clone() };
        let path = self.state_file(stream);
        let mut bytes = serde_json::to_vec_pretty(&state).map_err(|error| CollectError::Io {
            action: "write",
            path: path.clone(),
            source: error.into(),
        })?;
        bytes.push(b'\n');
        // Open to monitoring, which runs as somebody else; the directory decides who gets that far.
        Ok(publish::write_atomic(&path, &bytes, 0o644, None)?)
    }

    /// The random id of this source installation, made once and for good.
    pub(crate) fn instance(&self) -> Result<InstanceId> {
        let failed = |source| CollectError::Io { action: "read", path: self.instance.clone(), source };
        let lock = self.instance.with_file_name(".instance.lock");
        let _lock = Lock::take_until(&lock, "making the instance id", Instant::now() + MOMENT)?;
        match std::fs::read_to_string(&self.instance) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            text => return Ok(text.map_err(failed)?.trim().parse()?),
        }
        let text = host::random_hex(16).map_err(failed)?;
        publish::write_atomic(&self.instance, format!("{text}\n").as_bytes(), 0o644, None)?;
        Ok(text.parse()?)
    }

    /// The index of a full.
    pub(crate) fn index(&self, stream: StreamName, id: GenerationId) -> PathBuf {
        self.directory.join(format!("{stream}-{id}.index"))
    }

    /// Reads the index of exactly this full; `Err` says why there is no usable one.
    pub(crate) fn load_index(&self, stream: StreamName, full: &GenerationRef) -> std::result::Result<Index, String> {
        let file = File::open(self.index(stream, full.id)).map_err(|error| error.to_string())?;
        Index::open(file, full).map_err(|error| error.to_string())
    }

    /// Keeps the index of a new full, and removes those of fulls that cannot be a base any more: all older ones than
    /// `oldest_base`.
    pub(crate) fn keep_index(
        &self,
        stream: StreamName,
        full: &GenerationRef,
        index: &Draft,
        oldest_base: Option<GenerationId>,
    ) -> Result<()> {
        publish::write_atomic_by(&self.index(stream, full.id), 0o600, None, |file| index.store(full, file))?;
        for id in self.indexed(stream)? {
            if id < full.id && oldest_base.is_none_or(|base| id < base) {
                publish::remove_file(&self.index(stream, id))?;
            }
        }
        Ok(())
    }

    /// The fulls of a stream that have an index here, oldest first.
    pub(crate) fn indexed(&self, stream: StreamName) -> Result<Vec<GenerationId>> {
        let failed = |source| CollectError::Io { action: "read", path: self.directory.clone(), source };
        let entries = match std::fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let id: Option<GenerationId> = name.to_str().and_then(|name| {
                name.strip_prefix(stream.as_str())?.strip_prefix('-')?.strip_suffix(".index")?.parse().ok()
            });
            ids.extend(id);
        }
        ids.sort_unstable();
        Ok(ids)
    }
}
