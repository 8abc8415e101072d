//! Telling somebody who is not here: mail and the system log.

use crate::error::Result;
use backup_adapters::logger::{Logger, Severity};
use backup_adapters::mail::{self, Mail};
use backup_core::Job;

/// Mails and logs a text that somebody has to read; says whether there was anybody to mail it to.
pub(crate) fn send(job: &Job, severity: Severity, subject: &str, text: &str) -> Result<bool> {
    log(severity, &format!("{subject}: {text}"));
    let to = job.mail.to.clone();
    if to.is_empty() {
        return Ok(false);
    }
    let mail = Mail { to, from: job.mail.from.clone(), subject: subject.to_owned(), body: text.to_owned() };
    mail::send(&job.mail.sendmail, &mail)?;
    Ok(true)
}

/// Writes to the system log only.
pub(crate) fn log(severity: Severity, text: &str) {
    Logger::new("backup_collect").log(severity, text);
}
