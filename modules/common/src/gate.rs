//! What only an active job does: whoever is about to do it asks here first.

use backup_adapters::lifecycle::{Gate, StateError};
use backup_core::lifecycle::Suspended;
use backup_core::{Failure as _, Job};
use backup_interface::{Call, Outcome};

/// Why there is nothing to do for a job that is stopped or inactive on this host; `None`: it is active.
///
/// # Errors
/// The state is not known: nothing may be done then.
pub fn suspended(job: &Job, is_sink: bool) -> Result<Option<Suspended>, StateError> {
    match Gate::of(job, is_sink).ask() {
        Ok(()) => Ok(None),
        Err(StateError::Suspended(suspended)) => Ok(Some(suspended)),
        Err(error) => Err(error),
    }
}

/// The answer of a run that did nothing because the job is not active: no failure, or cron would report every night what
/// an operator decided. Whoever asks by hand is told in a warning; `--quiet` is told nothing.
///
/// `what` completes "nothing": `is collected`.
pub fn declined(call: &Call, suspended: &Suspended, what: &str) -> Outcome {
    let msg = format!("{suspended}: nothing {what}");
    let outcome = Outcome::unchanged(&msg);
    if call.is_quiet() {
        return outcome;
    }
    outcome.with_warning(format!("{msg}. {}", suspended.hint().unwrap_or_default()))
}
