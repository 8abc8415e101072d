//! Placing a generation of this sink's store in the restore folder of its source, with its base and receipts: the opposite
//! of [`fetch`](crate::fetch), begun by the sink, with an access that a person grants for the time of it.

use crate::candidate::Candidate;
use crate::carry::Line;
use crate::ends::{Handle, Remote};
use crate::error::{Result, TransportError};
use crate::place::Place;
use crate::report::DeliverReport;
use crate::sink::LocalSink;
use crate::wire::{Commit, List, Offer, Select, Verdict, Verdicts};
use backup_adapters::fault;
use backup_core::receipt::Receipt;

/// What is to be delivered, and what the other side says to it.
pub struct Plan {
    /// What was asked for, after its base.
    pub chain: Vec<Candidate>,
    /// Of these, in the same order, whether it has to come.
    pub wanted: Vec<bool>,
}

/// Looks what there is here, and asks the source what it lacks; nothing is changed on either side.
pub fn plan(place: &Place, remote: &Remote, select: Select) -> Result<Plan> {
    let subject = place.subject();
    let listing = LocalSink { place: place.clone() }.handle(List { select })?;
    let chain: Vec<_> = listing
        .generations
        .into_iter()
        .map(|one| Candidate::parse(one, &subject))
        .collect::<std::result::Result<_, _>>()?;
    let nothing = || TransportError::NothingHere { subject: subject.to_string() };
    chain.last().ok_or_else(nothing)?;
    let wanted = offer(remote, &chain, true)?;
    Ok(Plan { chain, wanted })
}

/// Offers all of it; the first refusal is the failure of everything.
fn offer(remote: &Remote, chain: &[Candidate], check: bool) -> Result<Vec<bool>> {
    let generations = chain.iter().map(|candidate| candidate.offered.clone()).collect();
    let Verdicts { verdicts } = remote.handle(Offer { generations, check })?;
    if verdicts.len() != chain.len() {
        let why = format!("{} verdicts for {} generations", verdicts.len(), chain.len());
        return Err(TransportError::NotServed(why).into());
    }
    let wanted = |verdict| match verdict {
        Verdict::Send { .. } => Ok(true),
        Verdict::Have | Verdict::Gone => Ok(false),
        Verdict::Refused(complaint) => Err(complaint.into_error(&remote.peer.host).into()),
        Verdict::WantFull { why } => Err(TransportError::NotServed(why).into()),
    };
    verdicts.into_iter().map(wanted).collect()
}

impl Plan {
    /// Whether anything is to be done.
    pub fn is_change(&self) -> bool {
        self.wanted.contains(&true)
    }

    /// Whether the receipt says that all of what was asked for was compared here.
    pub fn is_verified(&self) -> bool {
        let signed = self.chain.last().and_then(|candidate| candidate.offered.receipt.as_ref());
        signed.is_some_and(|signed| Receipt::parse(signed.receipt.as_bytes()).is_ok_and(|it| it.is_verified()))
    }

    /// What there is to tell, before anything is carried.
    pub fn report(&self, remote: &Remote) -> Option<DeliverReport> {
        Some(DeliverReport {
            generation: self.chain.last()?.id(),
            generations: self.chain.iter().map(Candidate::id).collect(),
            delivered: Vec::new(),
            host: remote.peer.host.clone(),
            wire_bytes: 0,
        })
    }

    /// Carries what is wanted; each is in its place, whole, before the next one is begun.
    pub fn run(&self, remote: &Remote, line: &Line<'_>, report: &mut DeliverReport) -> Result<()> {
        let wanted = offer(remote, &self.chain, false)?;
        fault::point("transport.deliver.offered");
        for (candidate, _) in self.chain.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            report.wire_bytes += line.deliver(candidate)?;
            fault::point("transport.deliver.carried");
            remote.handle(Commit { generation: candidate.reference() })?;
            report.delivered.push(candidate.id());
            fault::point("transport.deliver.done");
        }
        Ok(())
    }
}
