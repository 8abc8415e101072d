//! What travels with a carrier: it begins when the carrier's transport begins, whichever host begins it. The host that
//! begins the one has to name the very minutes at which cron of the other host begins the other, on the whole horizon.

use super::{CarrierFault, Carry, Clocks, CronTime, Draft, Pattern, PlanError, derive::merged, timeline::all_firings};
use crate::job::{Mode, StreamOf};

/// The carrier of a job, if it has one.
///
/// # Errors
/// If that is no job that could carry another.
pub(super) fn of<'d, 'a>(draft: &Draft<'_>, drafts: &'d [Draft<'a>]) -> Result<Option<&'d Draft<'a>>, PlanError> {
    let Some(with) = &draft.objectives.with else { return Ok(None) };
    match drafts.iter().find(|other| other.job.job == *with) {
        None => Err(refused(draft, CarrierFault::NoJob)),
        Some(found) if found.objectives.with.is_some() => Err(refused(draft, CarrierFault::Carried)),
        found => Ok(found),
    }
}

fn refused(draft: &Draft<'_>, fault: CarrierFault) -> PlanError {
    let with = draft.objectives.with.clone().unwrap_or_default();
    PlanError::Carrier { job: draft.job.name_at_sink(), with, fault }
}

/// The entries of a stream that begin with the carrier's: with its stream of that name, else with its first; and those
/// that begin with its second tries.
///
/// # Errors
/// If the carrier goes to another sink, or the clock of the host that begins this stream cannot name those minutes.
pub(super) fn along(
    draft: &Draft<'_>,
    of: &StreamOf<'_>,
    carrier: &Draft<'_>,
    clocks: &Clocks,
) -> Result<(Vec<CronTime>, Vec<CronTime>), PlanError> {
    let same = carrier.carries.iter().find(|carry| carry.stream == of.name);
    let Some(carry) = same.or(carrier.carries.first()) else { return Ok((Vec::new(), Vec::new())) };
    if carry.sink != of.stream.sink.name {
        return Err(refused(draft, CarrierFault::OtherSink { stream: of.name }));
    }
    let mode = of.stream.transport.mode;
    let both = [&carry.times, &carry.again].map(|times| elsewhere(times, carry, clocks, mode));
    let [Some(times), Some(again)] = both else {
        return Err(refused(draft, CarrierFault::OtherClock { stream: of.name, begun: carry.mode }));
    };
    Ok((times, again))
}

/// The entries on the host of this mode that run exactly when the carrier's do.
fn elsewhere(times: &[CronTime], carry: &Carry, clocks: &Clocks, mode: Mode) -> Option<Vec<CronTime>> {
    let (there, here) = (clocks.of(carry.mode, &carry.sink), clocks.of(mode, &carry.sink));
    if there == here {
        return Some(times.to_vec());
    }
    let shift = (here.local(here.from()) - there.local(here.from())) / 60;
    let moved = times.iter().flat_map(|time| Pattern::of(time).later(shift));
    let moved = merged(&moved.flat_map(|pattern| pattern.cron_times()).collect::<Vec<_>>());
    (all_firings(&moved, here) == all_firings(times, there)).then_some(moved)
}
