//! Telling somebody who is not here: the system log always, mail where there are recipients.

use crate::logger::{Logger, Severity};
use crate::mail::{self, Mail, MailError};
use backup_core::{Failure, job};
use std::fmt::Write;

/// Logs `subject` and `text` under the name of `program` and mails them to those whom the job names; says whether there
/// was anybody to mail them to.
///
/// # Errors
/// [`MailError`]; the caller's own failure is the one to report, this is a warning beside it.
pub fn send(
    program: &str,
    settings: &job::Mail,
    severity: Severity,
    subject: &str,
    text: &str,
) -> Result<bool, MailError> {
    Logger::new(program).log(severity, &format!("{subject}: {text}"));
    if settings.to.is_empty() {
        return Ok(false);
    }
    let mail = Mail {
        to: settings.to.clone(),
        from: settings.from.clone(),
        subject: subject.to_owned(),
        body: text.to_owned(),
    };
    mail::send(&settings.sendmail, &mail)?;
    Ok(true)
}

/// A failure in the words that mail and log use: message, kind, and what to do. `message` includes the causes.
pub fn failure(message: &str, failure: &dyn Failure) -> String {
    let mut text = format!("{message} ({})\n", failure.kind().name());
    if let Some(hint) = failure.hint() {
        let _ = writeln!(text, "    {hint}");
    }
    text
}
