//! The initial sync of a job, written down while it happens: `backup_job status` shows it (docs/glossary.md, phases).
//!
//! Only what collect itself does is written. That it cannot be written ends no collection: it is told as a warning.

use crate::error::Result;
use crate::survey::{self, Found};
use backup_adapters::lifecycle;
use backup_core::job::{StreamOf, Verify};
use backup_core::lifecycle::{Lifecycle, Phase, Sync};
use backup_core::{GenerationId, Job, StreamName};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often progress is written while files are read.
const OFTEN: Duration = Duration::from_secs(1);

/// The state of the job, as this run writes it.
#[derive(Debug, Clone)]
pub(crate) struct SyncJournal(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    job: Job,
    lifecycle: Lifecycle,
    written: Instant,
    problem: Option<String>,
}

impl SyncJournal {
    /// Of a job that is in this state. Nothing is written yet.
    pub(crate) fn new(job: &Job, lifecycle: Lifecycle) -> Self {
        let inner = Inner { job: job.clone(), lifecycle, written: Instant::now(), problem: None };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Notes that the sink has signed for what the initial sync made.
    pub(crate) fn catch_up(&self, of: StreamOf<'_>) -> Result<()> {
        let mut inner = self.inner();
        let Some(sync) = inner.lifecycle.sync.get_mut(&of.name).filter(|sync| sync.phase != Phase::Complete) else {
            return Ok(());
        };
        let Some(id) = sync.generation else { return Ok(()) };
        if survey::source_store(of).is_signed_since(Some(id), of.stream.transport.verify == Verify::Hash)? {
            sync.phase = Phase::Complete;
            sync.progress.slices = sync.progress.slices_total;
            inner.write();
        }
        Ok(())
    }

    /// Begins the initial sync of a stream that gets a full, if one is due.
    pub(crate) fn begin(&self, of: StreamOf<'_>, found: &Found, now: Timestamp) -> Result<()> {
        let wanted = survey::handover(of).wanted_full()?;
        let is_first = found.newest.is_none() && found.history.last_full.is_none();
        let mut inner = self.inner();
        let due = Sync::due(inner.lifecycle.sync.get(&of.name), is_first, wanted.as_deref(), now);
        if let Some(sync) = due {
            inner.lifecycle.sync.insert(of.name, sync);
            inner.write();
        }
        Ok(())
    }

    /// Whether this run makes the full of a stream's initial sync.
    pub(crate) fn is_open(&self, stream: StreamName) -> bool {
        self.inner().open(stream).is_some()
    }

    /// From here on the stream is read: so many bytes in all.
    pub(crate) fn transfer(&self, stream: StreamName, bytes: u64) {
        let mut inner = self.inner();
        let Some(sync) = inner.open(stream) else { return };
        sync.phase = Phase::Transferring;
        sync.progress.bytes_total = bytes;
        inner.write();
    }

    /// So many bytes of a stream were read in this pass. Later passes read less; the first one counts.
    pub(crate) fn read(&self, stream: StreamName, bytes: u64) {
        let mut inner = self.inner();
        let Some(sync) = inner.open(stream).filter(|sync| sync.progress.bytes < bytes) else { return };
        sync.progress.bytes = bytes;
        if inner.written.elapsed() >= OFTEN {
            inner.write();
        }
    }

    /// The full is sealed: the rest is transport's.
    pub(crate) fn sealed(&self, stream: StreamName, id: GenerationId, bytes: u64) {
        let mut inner = self.inner();
        let Some(sync) = inner.open(stream) else { return };
        sync.generation = Some(id);
        (sync.progress.bytes, sync.progress.bytes_total) = (bytes, bytes);
        inner.write();
    }

    /// Why not all of it could be written.
    pub(crate) fn problem(&self) -> Option<String> {
        self.inner().problem.take()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn open(&mut self, stream: StreamName) -> Option<&mut Sync> {
        self.lifecycle.sync.get_mut(&stream).filter(|sync| sync.phase != Phase::Complete && sync.generation.is_none())
    }

    fn write(&mut self) {
        self.written = Instant::now();
        if let Err(error) = lifecycle::write(&self.job, false, &self.lifecycle) {
            self.problem = Some(format!("how far the initial sync is cannot be remembered: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "version: 1\njob: shop\nsource: web1\nstate: STATE\nstreams:\n  data:\n    include: [/srv/shop]\n    transport: {mode: push, peer: {address: vault}}\n    sink: {name: vault, retention: {generations: 7}}\n";

    #[test]
    fn bytes_move_while_they_are_read_and_are_seldom_written() {
        let room = tempfile::tempdir().unwrap();
        let job = Job::parse(&JOB.replace("STATE", room.path().to_str().unwrap()), "shop.yml").unwrap();
        let asked = Sync::begin("2026-11-20T22:00:00Z".parse().unwrap(), None);
        let journal =
            SyncJournal::new(&job, Lifecycle { sync: [(StreamName::Data, asked)].into(), ..Lifecycle::default() });
        let written = || {
            let sync = lifecycle::read(&job, false).unwrap().sync.remove(&StreamName::Data).unwrap();
            (sync.phase, sync.progress.bytes, sync.progress.bytes_total)
        };
        journal.transfer(StreamName::Data, 1000);
        assert_eq!(written(), (Phase::Transferring, 0, 1000));
        journal.read(StreamName::Data, 300);
        assert_eq!(written().1, 0, "a moment later");
        journal.inner().written = Instant::now().checked_sub(OFTEN).unwrap();
        journal.read(StreamName::Data, 400);
        assert_eq!(written(), (Phase::Transferring, 400, 1000));
        let id = "20261120T220000Z".parse().unwrap();
        journal.sealed(StreamName::Data, id, 990);
        assert_eq!(written(), (Phase::Transferring, 990, 990));
        assert_eq!(journal.problem(), None);
    }
}
