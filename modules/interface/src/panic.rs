//! A defect becomes a result like any other failure, never a half-printed one.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, PoisonError};

use backup_core::{Failure, Kind};

use crate::outcome::{Failed, Outcome};

/// The first panic of the process, in whichever thread; later ones are mostly its consequences.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Some code of ours panicked.
#[derive(Debug, thiserror::Error)]
#[error("internal error: {0}")]
struct Panicked(String);

impl Failure for Panicked {
    fn kind(&self) -> Kind {
        Kind::Internal
    }

    fn hint(&self) -> Option<String> {
        Some("This is a defect of the program: please report it with this message.".into())
    }
}

/// Runs `work`. A panic in any thread makes the result a failure, even if the thread's end was not noticed.
pub(crate) fn guard(work: impl FnOnce() -> Result<Outcome, Failed>) -> Result<Outcome, Failed> {
    std::panic::set_hook(Box::new(remember));
    let result = catch_unwind(AssertUnwindSafe(work));
    match FIRST.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(message) => Err(Panicked(message).into()),
        None => result.unwrap_or_else(|_| Err(Panicked("unknown panic".into()).into())),
    }
}

/// Prints nothing: in a module everything printed is part of the result.
fn remember(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("unknown panic");
    let place = panic.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(format!("{message}{place}"));
}
