//! Telling a job's recipients of a call that failed.

use backup_adapters::logger::Severity;
use backup_adapters::mail::MailError;
use backup_adapters::notify;
use backup_core::{Failure as _, job};
use backup_interface::Failed;

/// A failure in the words of mail and log: message, kind, what to do, and what else was noticed.
pub fn text(failed: &Failed) -> String {
    let text = notify::failure(&failed.message(), failed.failure());
    failed.warnings().iter().fold(text, |text, warning| text + "warning: " + warning + "\n")
}

/// The warning for the caller where the mail about a failure could not be sent.
pub fn unheard(error: &MailError) -> String {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("nobody was told of the failure: {error}{hint}")
}

/// Logs a failure with its warnings under the name of `program`, and mails it. Where that fails too, the result says so.
#[must_use]
pub fn failed(program: &str, mail: &job::Mail, subject: &str, failed: Failed) -> Failed {
    match notify::send(program, mail, Severity::Error, subject, &text(&failed)) {
        Ok(mailed) => failed.mailed(mailed),
        Err(error) => failed.with_warning(unheard(&error)),
    }
}
