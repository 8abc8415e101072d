//! Telling somebody who is not here: the system log of what happened, one mail for one run that failed.

use backup_adapters::logger::{Logger, Severity};
use backup_adapters::notify;
use backup_common::notify::{text, unheard};
use backup_core::Job;
use backup_interface::Failed;
use std::fmt::Write as _;

const PROGRAM: &str = "backup_transport";

/// Logs what was done.
pub(crate) fn done(text: &str) {
    Logger::new(PROGRAM).log(Severity::Info, text);
}

/// Logs what failed and is not mailed.
pub(crate) fn log(text: &str) {
    Logger::new(PROGRAM).log(Severity::Error, text);
}

/// Logs the failures and mails them to the job's recipients; says whether there were any. A mail that cannot be sent
/// becomes a warning; the failure itself is reported anyway.
pub(crate) fn failed(job: &Job, problems: &[&Failed], warnings: &mut Vec<String>) -> bool {
    if problems.is_empty() {
        return false;
    }
    let mut text: String = problems.iter().map(|problem| text(problem)).collect();
    if !warnings.is_empty() {
        text += "\nBefore that:\n";
        for warning in warnings.iter() {
            let _ = writeln!(text, "    {warning}");
        }
    }
    let subject = format!("handover {}/{}: transport failed", job.source, job.job);
    notify::send(PROGRAM, &job.mail, Severity::Error, &subject, &text).unwrap_or_else(|error| {
        warnings.push(unheard(&error));
        false
    })
}
