//! Telling somebody who is not here: the system log of what happened, one mail for one run that failed.

use backup_adapters::logger::{Logger, Severity};
use backup_adapters::mail::{self, Mail};
use backup_core::{Failure as _, Job};
use backup_interface::Failed;
use std::fmt::Write as _;

/// Logs what was done.
pub(crate) fn done(text: &str) {
    Logger::new("backup_transport").log(Severity::Info, text);
}

/// Logs the failures and tells the job's recipients; says whether it did. A mail that cannot be sent becomes a warning; the
/// failure itself is reported anyway.
pub(crate) fn failed(job: &Job, problems: &[Failed], warnings: &mut Vec<String>) -> bool {
    let logger = Logger::new("backup_transport");
    for problem in problems {
        logger.log(Severity::Error, &format!("{}/{}: {}", job.source, job.job, problem.message()));
    }
    if job.mail.to.is_empty() || problems.is_empty() {
        return false;
    }
    let mut body = String::new();
    for problem in problems {
        let failure = problem.failure();
        let _ = writeln!(body, "{} ({})", problem.message(), failure.kind().name());
        if let Some(hint) = failure.hint() {
            let _ = writeln!(body, "    {hint}");
        }
    }
    if !warnings.is_empty() {
        body += "\nBefore that:\n";
        for warning in warnings.iter() {
            let _ = writeln!(body, "    {warning}");
        }
    }
    let message = Mail {
        to: job.mail.to.clone(),
        from: job.mail.from.clone(),
        subject: format!("handover {}/{}: transport failed", job.source, job.job),
        body,
    };
    let sent = mail::send(&job.mail.sendmail, &message);
    if let Err(error) = &sent {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        warnings.push(format!("nobody was told of the failure: {error}{hint}"));
    }
    sent.is_ok()
}
