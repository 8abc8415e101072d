//! One mail for one run that failed, on the side where it was noticed.

use backup_adapters::mail::{self, Mail};
use backup_core::{Failure as _, Job};
use backup_interface::Failed;

/// Tells the job's recipients. A mail that cannot be sent becomes a warning; the failure itself is reported anyway.
pub(crate) fn failed(job: &Job, problems: &[Failed], warnings: &mut Vec<String>) {
    if job.mail.to.is_empty() || problems.is_empty() {
        return;
    }
    let mut body = String::new();
    for problem in problems {
        let failure = problem.failure();
        body += &format!("{} ({})\n", problem.message(), failure.kind().name());
        if let Some(hint) = failure.hint() {
            body += &format!("    {hint}\n");
        }
    }
    if !warnings.is_empty() {
        body += "\nBefore that:\n";
        body.extend(warnings.iter().map(|warning| format!("    {warning}\n")));
    }
    let message = Mail {
        to: job.mail.to.clone(),
        from: job.mail.from.clone(),
        subject: format!("handover {}/{}: transport failed", job.source, job.job),
        body,
    };
    if let Err(error) = mail::send(&job.mail.sendmail, &message) {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        warnings.push(format!("nobody was told of the failure: {error}{hint}"));
    }
}
