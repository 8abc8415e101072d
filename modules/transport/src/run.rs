//! Carrying what waits, in the order of the process: carry, verify and store (the sink's commit), rotate the sink,
//! move to the source's store, rotate the source. The same for push and pull: the ends do not tell where they are.
//!
//! One generation after the other, oldest first, because a sink accepts only newer ones. What fails for good lets the
//! next one pass; what may succeed later ends the attempt.

use crate::candidate::Candidate;
use crate::ends::{Handle, SinkEnd, SourceEnd};
use crate::error::{Result, TransportError};
use crate::report::{Action, Moved};
use crate::wire::{
    Acknowledge, Commit, List, MAX_MESSAGE, Offer, Recheck, Release, Rotate, Rotation, Select, SignedReceipt, Subject,
    Verdict, Verdicts, WantFull,
};
use backup_adapters::fault;
use backup_adapters::lifecycle::Gate;
use backup_adapters::signals::Interrupt;
use backup_core::receipt::Receipt;
use backup_core::{GenerationId, Kind};
use backup_interface::Failed;
use std::time::Instant;

/// Brings the files of a generation to where the sink can commit them; returns the bytes on the wire.
pub type Carry<'a> = dyn Fn(&Candidate) -> Result<u64> + 'a;

/// One stream's transport between two ends.
pub struct Session<'a, S, K> {
    /// Where generations come from.
    pub source: S,
    /// Where they go.
    pub sink: K,
    /// How they get there.
    pub carry: &'a Carry<'a>,
    /// Which stream.
    pub subject: Subject,
    /// Only say what would be done.
    pub check: bool,
    /// Says whether anything may be carried. It is asked with this side's run lock held.
    pub gate: Gate,
    /// A request to end.
    pub interrupt: Interrupt,
}

/// What came of the attempts so far.
#[derive(Default)]
pub struct Log {
    /// Everything that was met; the latest entry of a generation counts.
    pub moved: Vec<Moved>,
    /// What still waits.
    pub outstanding: Vec<GenerationId>,
    /// What did not fail the run.
    pub warnings: Vec<String>,
    /// What failed it, in this attempt.
    pub problems: Vec<Failed>,
}

impl Log {
    /// Whether there was anything to carry, or to complain about.
    pub fn met_something(&self) -> bool {
        !(self.moved.is_empty() && self.outstanding.is_empty() && self.problems.is_empty())
    }

    fn note(&mut self, moved: Moved) {
        self.moved.retain(|old| old.id != moved.id);
        if moved.moved_to_store {
            self.outstanding.retain(|id| *id != moved.id);
        }
        self.moved.push(moved);
    }

    fn fail(&mut self, mut moved: Moved, action: Action, problem: impl Into<Failed>) {
        moved.action = action;
        self.note(moved);
        self.problems.push(problem.into());
    }
}

/// What becomes of a copy that leaves the handover point without a receipt.
const STAYS: &str = "without a receipt it stays in the source's store until somebody removes it";

/// Whether the generations after this one may still be tried.
enum Next {
    Go,
    Stop,
}

impl<S: SourceEnd, K: SinkEnd> Session<'_, S, K> {
    /// Tries once to carry all that waits. An error is worth another attempt if it is retryable.
    pub fn attempt(&self, log: &mut Log) -> Result<()> {
        log.problems.clear();
        self.gate.ask()?;
        let listing = self.source.handle(List { select: Select::All })?;
        log.outstanding = listing.unusable.iter().map(|unusable| unusable.id).collect();
        for unusable in listing.unusable {
            log.problems.push(unusable.complaint.into_error("the handover point").into());
        }
        let mut candidates = Vec::new();
        for offered in listing.generations {
            candidates.push(Candidate::parse(offered, &self.subject)?);
        }
        log.outstanding.extend(candidates.iter().map(Candidate::id));
        log.outstanding.sort_unstable();
        let mut lacking = Vec::new();
        for batch in batches(&candidates) {
            let offer = Offer { generations: batch.iter().map(|c| c.offered.clone()).collect(), check: self.check };
            let Verdicts { verdicts } = self.sink.handle(offer)?;
            fault::point("transport.offered");
            if verdicts.len() != batch.len() {
                let why = format!("{} verdicts for {} generations", verdicts.len(), batch.len());
                return Err(TransportError::NotServed(why).into());
            }
            for (candidate, verdict) in batch.iter().zip(verdicts) {
                self.interrupt.check()?;
                self.gate.ask()?;
                if let Next::Stop = self.one(candidate, verdict, &mut lacking, log)? {
                    return Ok(());
                }
            }
        }
        self.ask_for_full(&lacking, log)
    }

    /// Does with one generation what the sink wants.
    fn one<'c>(
        &self,
        candidate: &'c Candidate,
        verdict: Verdict,
        lacking: &mut Vec<(&'c Candidate, String)>,
        log: &mut Log,
    ) -> Result<Next> {
        let mut moved = Moved::new(candidate, Action::Send);
        let id = candidate.id();
        match verdict {
            Verdict::Send { resumed } => moved.resumed = resumed,
            Verdict::Have => moved.action = Action::Have,
            Verdict::Gone => {
                log.warnings
                    .push(format!("generation {id} was accepted before and has expired at the sink since: {STAYS}"));
                self.release(candidate, log)?;
                return Ok(Next::Go);
            }
            Verdict::WantFull { why } => {
                moved.action = Action::WantFull;
                log.note(moved);
                lacking.push((candidate, why));
                return Ok(Next::Go);
            }
            Verdict::Refused(complaint) => {
                // Without room for this one there is none for the next.
                let next = if complaint.kind == Kind::NoSpace { Next::Stop } else { Next::Go };
                log.fail(moved, Action::Refuse, complaint.into_error("the sink"));
                return Ok(next);
            }
        }
        let done = if self.check { Ok(()) } else { self.deliver(candidate, &mut moved, &mut log.warnings) };
        match done {
            Ok(()) => {
                log.note(moved);
                // Ids only grow at the sink: what it refused for want of a base can never follow now.
                for (older, why) in lacking.drain(..) {
                    log.warnings.push(format!("generation {} is at the source only ({why}): {STAYS}", older.id()));
                    self.release(older, log)?;
                }
                Ok(Next::Go)
            }
            Err(failed) if failed.failure().retryable() || failed.failure().kind() == Kind::Interrupted => {
                moved.action = Action::Fail;
                log.note(moved);
                Err(failed)
            }
            Err(failed) => {
                let kind = failed.failure().kind();
                let damaged = kind == Kind::Damaged;
                let set_aside = if damaged { self.source_is_damaged(candidate)? } else { None };
                let (next, problem) = match set_aside {
                    Some(why) => (Next::Go, TransportError::SetAside { id, why }.into()),
                    None => (Next::Stop, failed),
                };
                log.fail(moved, if kind == Kind::WrongState { Action::Stop } else { Action::Fail }, problem);
                Ok(next)
            }
        }
    }

    /// Carries, commits, rotates, acknowledges.
    fn deliver(&self, candidate: &Candidate, moved: &mut Moved, warnings: &mut Vec<String>) -> Result<()> {
        let begin = Instant::now();
        let result = self.steps(candidate, moved, warnings);
        moved.duration_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        result
    }

    fn steps(&self, candidate: &Candidate, moved: &mut Moved, warnings: &mut Vec<String>) -> Result<()> {
        if moved.action == Action::Send {
            moved.wire_bytes = (self.carry)(candidate)?;
            fault::point("transport.carried");
        }
        let signed: SignedReceipt = self.sink.handle(Commit { generation: candidate.reference() })?;
        fault::point("transport.committed");
        moved.rotated.sink = rotation(&self.sink, "sink", warnings);
        fault::point("transport.sink.rotated");
        let receipt = Receipt::parse(signed.receipt.as_bytes())?;
        moved.verified = receipt.is_verified();
        moved.received_at = Some(receipt.received_at);
        self.source.handle(Acknowledge { signed })?;
        moved.moved_to_store = true;
        fault::point("transport.acknowledged");
        moved.rotated.source = rotation(&self.source, "source", warnings);
        fault::point("transport.source.rotated");
        Ok(())
    }

    /// What is wrong with the source's own copy of a generation that arrived damaged.
    fn source_is_damaged(&self, candidate: &Candidate) -> Result<Option<String>> {
        Ok(self.source.handle(Recheck { generation: candidate.reference() })?.damage)
    }

    fn release(&self, candidate: &Candidate, log: &mut Log) -> Result<()> {
        let mut moved = Moved::new(candidate, Action::Release);
        if !self.check {
            match self.source.handle(Release { generation: candidate.reference() }) {
                Ok(_) => moved.moved_to_store = true,
                // It waits on; the others need not.
                Err(failed) if failed.failure().kind() == Kind::HandoverFull => {
                    log.fail(moved, Action::Fail, failed);
                    return Ok(());
                }
                Err(failed) => return Err(failed),
            }
        }
        log.note(moved);
        Ok(())
    }

    /// Tells the source once that only a full helps.
    fn ask_for_full(&self, lacking: &[(&Candidate, String)], log: &mut Log) -> Result<()> {
        for (n, (candidate, why)) in lacking.iter().enumerate() {
            if let (0, Some(base), false) = (n, &candidate.manifest.base, self.check) {
                self.source.handle(WantFull { base: base.clone(), why: why.clone() })?;
            }
            log.problems.push(TransportError::WantFull { id: candidate.id(), why: why.clone() }.into());
        }
        Ok(())
    }
}

/// Rotates one side; that it fails is told and changes nothing else.
fn rotation(end: &impl Handle<Rotate>, side: &str, warnings: &mut Vec<String>) -> Option<Rotation> {
    match end.handle(Rotate {}) {
        Ok(rotation) => Some(rotation),
        Err(failed) => {
            warnings.push(format!("the rotation of the {side}'s store failed: {}", failed.message()));
            None
        }
    }
}

/// Cuts the offers so that each request stays well below the limit.
fn batches(candidates: &[Candidate]) -> Vec<&[Candidate]> {
    let size = |c: &Candidate| (c.offered.manifest.len() + c.offered.seal.len()) as u64;
    let (mut batches, mut begin, mut sum) = (Vec::new(), 0, 0);
    for (i, candidate) in candidates.iter().enumerate() {
        // Half: quotes and newlines grow when they are escaped.
        if i > begin && sum + size(candidate) > MAX_MESSAGE / 2 {
            batches.push(&candidates[begin..i]);
            (begin, sum) = (i, 0);
        }
        sum += size(candidate);
    }
    if begin < candidates.len() {
        batches.push(&candidates[begin..]);
    }
    batches
}
