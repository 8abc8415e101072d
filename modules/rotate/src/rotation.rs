//! One store: list, plan, re-read what deletions rely on, delete. The plan decides everything; this only carries it out.

use crate::error::RotateError;
use backup_adapters::lifecycle::{Gate, StateError};
use backup_adapters::signals::{Interrupt, Interrupted};
use backup_adapters::store::{Limits, Listing, Oddity, Reread, SignedReceipt, StoreError, Stored, StreamStore};
use backup_adapters::{fault, host, publish, there};
use backup_core::job::StreamOf;
use backup_core::layout::StreamDir;
use backup_core::lifecycle::{State, Suspended};
use backup_core::retention::{Candidate, Policy, RetentionPlan, Rules, Side, ZONE, assume_reread, plan, stale};
use backup_core::{GenerationId, GenerationKind, StreamName};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Nobody holds a store's lock for longer than a few renames and removals.
const LOCK_WAIT: Duration = Duration::from_mins(1);

/// A store that is to be rotated, and by which rules.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The job as it is called on this host: `shop` on a source, `web1/shop` on a sink.
    pub job: String,
    /// Which stream of it.
    pub stream: StreamName,
    /// Owner of the store.
    pub user: String,
    /// Where the generations lie.
    pub store: StreamStore,
    /// Says whether anything may expire.
    pub gate: Gate,
    /// What is kept.
    pub policy: Policy,
    /// Whose store it is.
    pub side: Side,
    /// How long one rotation may re-read.
    pub reread_box: Duration,
}

/// What a rotation did, or would do; filled step by step, so that a failure leaves what was done before it.
#[derive(Debug, Clone, Default)]
pub struct Rotated {
    /// The verdicts.
    pub plan: RetentionPlan,
    /// Re-read, or to be re-read, because a deletion relies on them.
    pub reread: Vec<GenerationId>,
    /// Found damaged by that, and what is wrong.
    pub damaged: Vec<(GenerationId, String)>,
    /// Rests of deletions that were cut short, and partials.
    pub rests: Vec<GenerationId>,
    /// What is neither a generation nor known.
    pub oddities: Vec<Oddity>,
    /// Whether there is no store at all: nothing ever arrived, or its file system is not mounted.
    pub missing: bool,
    /// Deleted, in this order; in a preview: to be deleted.
    pub deleted: Vec<GenerationId>,
    /// Bytes of the deleted generations and of rests.
    pub freed: u64,
    /// The job is not active any more: nothing else was done.
    pub suspended: Option<Suspended>,
}

impl Rotated {
    /// Whether anything is different now, or would be.
    pub const fn is_change(&self) -> bool {
        !self.deleted.is_empty() || !self.rests.is_empty()
    }
}

impl Rotation {
    /// The source's own store of a stream.
    pub fn source(of: &StreamOf<'_>) -> Self {
        Self {
            job: of.job.job.clone(),
            stream: of.name,
            user: of.user().to_owned(),
            store: StreamStore::open(StreamDir::new(&of.store_root(), &of.job.job, of.name)),
            gate: Gate::of(of.job, false),
            policy: of.store_retention(),
            side: Side::Source,
            reread_box: Duration::ZERO,
        }
    }

    /// The sink's store of a stream.
    pub fn sink(of: &StreamOf<'_>) -> Self {
        let sink = &of.stream.sink;
        Self {
            job: of.job.name_at_sink(),
            stream: of.name,
            user: sink.user.clone(),
            store: StreamStore::open(StreamDir::new(&of.sink_store_root(), &of.job.job, of.name)),
            gate: Gate::of(of.job, true),
            policy: sink.retention.clone(),
            side: Side::Sink { protect: sink.protect, verify_max_age: sink.verify_max_age },
            reread_box: sink.verify_box.duration(),
        }
    }

    /// What [`Self::run`] would do, provided that what it re-reads is intact. Changes nothing.
    pub fn preview(&self, now: Timestamp) -> Result<Rotated, RotateError> {
        let listing = self.listing()?;
        let rests: BTreeSet<_> = listing.deleting.iter().chain(&listing.partials).copied().collect();
        let mut candidates = candidates(&listing);
        candidates.retain(|candidate| !listing.deleting.contains(&candidate.id));
        let rules = self.rules(now);
        let mut decided = plan(&candidates, &self.policy, &rules)?;
        let mut reread = Vec::new();
        while !decided.needs_reread.is_empty() {
            assume_reread(&mut candidates, &decided.needs_reread, now);
            reread.append(&mut decided.needs_reread);
            decided = plan(&candidates, &self.policy, &rules)?;
        }
        let deletions = decided.deletions();
        let (deleted, freed) = (deletions.iter().map(|d| d.id).collect(), deletions.iter().map(|d| d.bytes).sum());
        let rests = rests.into_iter().collect();
        let missing = self.is_missing()?;
        let damaged = Vec::new();
        let (oddities, suspended) = (listing.oddities, None);
        Ok(Rotated { plan: decided, reread, damaged, rests, oddities, missing, deleted, freed, suspended })
    }

    /// Rotates. `done` says what was done, also if it fails in the middle. That the job is not active any more ends it
    /// wherever it is, and is no failure.
    pub fn run(&self, interrupt: Option<&Interrupt>, done: &mut Rotated) -> Result<(), RotateError> {
        match self.rotate(interrupt, done) {
            Err(
                RotateError::State(StateError::Suspended(suspended))
                | RotateError::Store(StoreError::Interrupted(Interrupted::Stopped(suspended))),
            ) => {
                done.suspended = Some(suspended);
                Ok(())
            }
            result => result,
        }
    }

    /// What a stopped job's rotation still does: on a sink it re-reads what was not read within `verify_max_age`, longest ago
    /// first, as long as there is time, and notes what it finds. Deletes nothing, neither generations nor rests. A job that
    /// is not stopped any more ends it.
    pub fn reread_stopped(&self, interrupt: Option<&Interrupt>, done: &mut Rotated) -> Result<(), RotateError> {
        let limits = self.limits(interrupt);
        let mut due = self.stale()?;
        while let Some(id) = due.first().copied() {
            let is_stopped = |suspended: &Suspended| suspended.state == State::Stopped;
            if !matches!(self.gate.ask(), Err(StateError::Suspended(suspended)) if is_stopped(&suspended)) {
                break;
            }
            if !self.reread(&[id], &limits, done)? {
                break;
            }
            due.remove(0);
        }
        done.plan.needs_reread = due;
        self.judge(done)
    }

    /// What [`Self::reread_stopped`] would read, given the time. Changes nothing.
    pub fn preview_stopped(&self) -> Result<Rotated, RotateError> {
        Ok(Rotated { reread: self.stale()?, ..Rotated::default() })
    }

    fn stale(&self) -> Result<Vec<GenerationId>, RotateError> {
        match self.side {
            // Nobody compares what lies on a source: the sink has it.
            Side::Source => Ok(Vec::new()),
            Side::Sink { verify_max_age, .. } => {
                Ok(stale(&candidates(&self.store.list()?), verify_max_age, host::now().timestamp()))
            }
        }
    }

    fn limits(&self, interrupt: Option<&Interrupt>) -> Limits {
        Limits { deadline: Some(Instant::now() + self.reread_box), interrupt: interrupt.cloned(), ..Limits::default() }
    }

    /// What is there, if all of it can be read.
    fn listing(&self) -> Result<Listing, RotateError> {
        let listing = self.store.list()?;
        if listing.unreadable.is_empty() {
            return Ok(listing);
        }
        Err(RotateError::Unreadable { store: self.place(), found: listing.unreadable })
    }

    /// Damage that was found is a failure.
    fn judge(&self, done: &Rotated) -> Result<(), RotateError> {
        if done.damaged.is_empty() {
            return Ok(());
        }
        Err(RotateError::Damaged { store: self.place(), found: done.damaged.clone() })
    }

    fn rotate(&self, interrupt: Option<&Interrupt>, done: &mut Rotated) -> Result<(), RotateError> {
        if self.is_missing()? {
            // There is not even a place for the lock.
            *done = self.preview(host::now().timestamp())?;
            return Ok(());
        }
        let limits = self.limits(interrupt);
        let mut tried = BTreeSet::new();
        let mut in_time = true;
        loop {
            fault::point("rotate.begin");
            // Held to plan and to delete, but not while a generation is re-read: arrivals must not wait for that.
            let lock = self.gate.lock(&self.store.dir().lock(), &self.what(), Instant::now() + LOCK_WAIT)?;
            let cleaned = self.store.clean_partials(None)?;
            done.rests.extend(cleaned.ids);
            done.freed += cleaned.bytes;
            let listing = self.listing()?;
            done.plan = plan(&candidates(&listing), &self.policy, &self.rules(host::now().timestamp()))?;
            done.oddities.clone_from(&listing.oddities);
            let due: Vec<_> = done.plan.needs_reread.iter().copied().filter(|id| tried.insert(*id)).collect();
            if due.is_empty() || !in_time {
                let base = self.base(&listing.generations)?;
                self.delete(interrupt, done)?;
                self.remember(base)?;
                break;
            }
            drop(lock);
            in_time = self.reread(&due, &limits, done)?;
        }
        self.judge(done)
    }

    /// Re-reads and notes what it finds; returns whether the time was enough.
    fn reread(&self, due: &[GenerationId], limits: &Limits, done: &mut Rotated) -> Result<bool, RotateError> {
        for id in due {
            match self.store.verify(*id, limits, &self.what()) {
                Ok(Reread::OutOfTime) => return Ok(false),
                // Another rotation deleted it meanwhile.
                Err(StoreError::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
                Ok(Reread::Intact) => {}
                Ok(Reread::Damaged(why)) => done.damaged.push((*id, why)),
            }
            done.reread.push(*id);
            fault::point("rotate.reread");
        }
        Ok(true)
    }

    /// Carries the plan out, in its order.
    fn delete(&self, interrupt: Option<&Interrupt>, done: &mut Rotated) -> Result<(), RotateError> {
        let expired: Vec<_> = done.plan.deletions().iter().map(|decision| (decision.id, decision.bytes)).collect();
        for (id, bytes) in expired {
            interrupt.map_or(Ok(()), Interrupt::check).map_err(StoreError::from)?;
            // A stop waits for this lock, and not for many deletions.
            self.gate.ask()?;
            fault::point("rotate.delete");
            self.store.delete(id)?;
            done.deleted.push(id);
            done.freed += bytes;
        }
        Ok(())
    }

    /// On a source: the newest full that the sink acknowledged, with the bytes of receipt and signature.
    fn base(&self, generations: &[Stored]) -> Result<Option<SignedReceipt>, RotateError> {
        let is_base = |stored: &&Stored| stored.manifest.kind == GenerationKind::Full && stored.receipt.is_some();
        let Some(stored) = generations.iter().rfind(is_base).filter(|_| self.side == Side::Source) else {
            return Ok(None);
        };
        Ok(self.store.signed_receipt(stored.id)?)
    }

    /// Keeps the receipt of a base that is deleted here: incrementals may still differ from what the sink has. Those of
    /// older bases go. A crash before this costs a full instead of an incremental, and nothing else.
    fn remember(&self, base: Option<SignedReceipt>) -> Result<(), RotateError> {
        let Some(SignedReceipt { id, receipt, signature }) = base else { return Ok(()) };
        let dir = self.store.dir();
        if !there::is_there(&dir.receipt(id)).map_err(StoreError::from)? {
            self.store.write_receipt(id, &receipt, signature.as_deref(), None)?;
        }
        for old in self.store.receipts()?.into_iter().filter(|old| *old < id) {
            // Whatever lies there under its name, whole or not, may be what the receipt is about.
            if there::is_there(&dir.generation(old)).map_err(StoreError::from)? {
                continue;
            }
            publish::remove_file(&dir.receipt(old)).map_err(StoreError::from)?;
            publish::remove_file(&dir.signature(old)).map_err(StoreError::from)?;
        }
        Ok(())
    }

    /// Job and stream, in messages.
    fn place(&self) -> String {
        format!("{} {}", self.job, self.stream)
    }

    fn is_missing(&self) -> Result<bool, RotateError> {
        Ok(!there::is_there(self.store.dir().path()).map_err(StoreError::from)?)
    }

    /// This run in a few words, for those who wait for its lock.
    fn what(&self) -> String {
        format!("rotation of {} {}", self.job, self.stream)
    }

    fn rules(&self, now: Timestamp) -> Rules {
        Rules { now, zone: ZONE, side: self.side }
    }
}

fn candidates(listing: &Listing) -> Vec<Candidate> {
    listing.generations.iter().map(Stored::candidate).collect()
}
