//! `recover`: puts right what interrupted calls left. Called by the rescue, at boot, and every minute by cron; does
//! nothing, silently, where there is nothing to do, and tells the same failure once a day.

use crate::JobArgs;
use crate::told::{self, Finding};
use backup_adapters::logger::{Logger, Severity};
use backup_adapters::{host, jobs, notify, there};
use backup_core::Job;
use backup_core::job::DEFAULT_STATE;
use backup_interface::{Call, Failed, Outcome, report};
use jiff::Timestamp;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Options of `recover`.
#[derive(Debug, clap::Args)]
pub struct RecoverArgs {
    /// The job; all jobs of this host if it is left away.
    pub job: Option<String>,
    /// Holds the job documents in `jobs/`.
    #[arg(long, default_value = "/etc/handover")]
    pub config: PathBuf,
    /// A rescue without systemd: so many seconds after which the call it guards is overdue.
    #[arg(long, hide = true, value_name = "SECONDS")]
    pub after: Option<u64>,
    /// The job's state directory: what a rescue needs to know even if the document has become unreadable.
    #[arg(long, hide = true, requires = "job")]
    pub state: Option<PathBuf>,
}

/// The command that a rescue runs for `job`: that of the executable `program`, which calls this.
///
/// # Errors
/// Our own executable cannot be found.
pub fn command(program: &str, call: &Call, config: &Path, job: &Job) -> std::io::Result<Vec<OsString>> {
    let own = std::env::current_exe()?;
    // Where Ansible put this executable, if it did, it is gone after the task.
    let is_fleeting = call.tmpdir.as_ref().is_some_and(|tmpdir| own.starts_with(tmpdir));
    let installed = Path::new("/usr/local/bin").join(program);
    let executable = if is_fleeting && there::is_there(&installed).unwrap_or(true) { installed } else { own };
    let mut words = vec![executable.into_os_string(), "recover".into(), (&job.job).into()];
    words.extend(["--config".into(), config.into()]);
    words.extend(["--state".into(), job.state_dir().into_os_string()]);
    Ok(words)
}

/// One executable's part of it.
pub trait Recover {
    /// The executable.
    const PROGRAM: &'static str;

    /// Reads the document of a job that this executable may recover.
    ///
    /// # Errors
    /// There is none, or it is refused.
    fn load(args: &JobArgs) -> Result<Job, Failed>;

    /// Puts one job right; returns what was done, or what there is to do where it shall only be said.
    ///
    /// # Errors
    /// Something is still not right.
    fn one(&self, left: &Left<'_>) -> Result<Vec<String>, Failed>;

    /// What was done, in half a sentence.
    fn summary(done: &[String]) -> String;

    /// What was interrupted, by what had to be done.
    fn what(done: &[String]) -> &'static str;

    /// What the mail says besides.
    fn advice(done: &[String]) -> &'static str;
}

/// What may have been left of a job.
#[derive(Debug)]
pub struct Left<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its state directory.
    pub state: PathBuf,
    /// Its document, if that can be read. One that somebody broke meanwhile must not keep the application down.
    pub job: Option<&'a Job>,
    /// Change nothing.
    pub check: bool,
}

report! {
    /// What recover did.
    #[derive(Debug, Serialize)]
    pub struct RecoverReport {
        /// Services that were started, or found on; trees that were put back or finished; rests that were removed.
        pub recovered: Vec<String>,
    }
}

/// Recovers one job or all. One that fails does not keep the others waiting.
///
/// # Errors
/// The first failure; the others are its warnings.
pub fn recover<R: Recover>(with: &R, args: &RecoverArgs, call: &Call) -> Result<Outcome, Failed> {
    let names = match &args.job {
        Some(job) => vec![job.clone()],
        None => jobs::known(&args.config.join("jobs"))?.into_iter().filter(|name| !name.contains('/')).collect(),
    };
    let mut round = Round { check: call.check, now: host::now().timestamp(), ..Round::default() };
    let mut refused = Vec::new();
    for name in names {
        let loaded = R::load(&JobArgs { job: name.clone(), config: args.config.clone() });
        let state = match (&args.state, &loaded) {
            (Some(state), _) => state.clone(),
            (None, Ok(job)) => job.state_dir(),
            (None, Err(_)) => Path::new(DEFAULT_STATE).join(&name),
        };
        let left = Left { name: &name, state, job: loaded.as_ref().ok(), check: call.check };
        round.one(with, &left);
        refused.extend(loaded.err().filter(|_| args.state.is_none()).map(|failed| (name, failed)));
    }
    if args.job.is_none() {
        round.documents::<R>(&refused);
    } else {
        // Whoever names a job waits for the answer.
        round.is_for_caller |= !refused.is_empty();
    }
    round.failures.extend(refused.into_iter().map(|(_, failed)| failed));
    round.conclude::<R>()
}

/// What has come of the jobs so far.
#[derive(Debug, Default)]
struct Round {
    check: bool,
    now: Timestamp,
    recovered: Vec<String>,
    failures: Vec<Failed>,
    warnings: Vec<String>,
    /// Whether there is something of which nobody was told yet but the caller.
    is_for_caller: bool,
}

impl Round {
    fn one<R: Recover>(&mut self, with: &R, left: &Left<'_>) {
        let failure = match with.one(left) {
            Ok(done) => {
                if !done.is_empty() && !self.check {
                    self.done::<R>(left, &done);
                }
                self.recovered.extend(done);
                None
            }
            Err(failure) => Some(failure),
        };
        let finding = failure.as_ref().map(|failed| Finding {
            // Two programs may fail in one way for different reasons: that each tells it is better than that one is not told.
            name: format!("{} {}", R::PROGRAM, failed.failure().kind().name()),
            failed,
            mail: left.job.map(|job| &job.mail),
            subject: failure_of(left.name),
        });
        self.tell::<R>(&left.state, finding.as_slice());
        self.failures.extend(failure);
    }

    /// A rescue has no terminal and no caller: somebody must hear of it nevertheless.
    fn done<R: Recover>(&mut self, left: &Left<'_>, done: &[String]) {
        let (name, what) = (left.name, R::what(done));
        let subject = format!("interrupted {what} of {name} on {}", host::hostname());
        let text = format!("A {what} of job {name} was interrupted. {}.\n{}\n", R::summary(done), R::advice(done));
        let Some(job) = left.job else {
            Logger::new(R::PROGRAM).log(Severity::Error, &format!("{subject}: {text}"));
            self.is_for_caller = true;
            return;
        };
        let sent = notify::send(R::PROGRAM, &job.mail, Severity::Error, &subject, &text);
        self.is_for_caller |= !matches!(sent, Ok(true));
        self.warnings.extend(sent.err().map(|error| format!("nobody was told of it: {error}")));
    }

    /// Documents that are refused: without them it is not known where the jobs keep their state, nor whom to mail.
    fn documents<R: Recover>(&mut self, refused: &[(String, Failed)]) {
        fn finding((job, failed): &(String, Failed)) -> Finding<'_> {
            let kind = failed.failure().kind().name();
            Finding { name: format!("{job} {kind}"), failed, mail: None, subject: failure_of(job) }
        }
        let findings: Vec<_> = refused.iter().map(finding).collect();
        self.tell::<R>(Path::new(DEFAULT_STATE), &findings);
    }

    fn tell<R: Recover>(&mut self, directory: &Path, findings: &[Finding<'_>]) {
        if !self.check {
            let told = told::tell(directory, R::PROGRAM, findings, self.now);
            self.is_for_caller |= told.is_for_caller;
            self.warnings.extend(told.warnings);
        }
    }

    fn conclude<R: Recover>(self) -> Result<Outcome, Failed> {
        let is_told = !self.check && !self.is_for_caller;
        let report = RecoverReport { recovered: self.recovered };
        let changed = !report.recovered.is_empty();
        let mut failures = self.failures.into_iter();
        if let Some(first) = failures.next() {
            let first = if changed { first.with_changes() } else { first };
            let others = failures.map(|other| other.message()).chain(self.warnings);
            return Err(others.fold(first, Failed::with_warning).with_report(&report).mailed(is_told));
        }
        if !changed {
            return Ok(Outcome::unchanged("nothing to recover").with_report(&report));
        }
        let summary = R::summary(&report.recovered);
        let outcome = Outcome::changed(summary.clone())
            .with_report(&report)
            .with_warning(format!("a {} was interrupted: {summary}", R::what(&report.recovered)));
        Ok(self.warnings.into_iter().fold(outcome, Outcome::with_warning).mailed(is_told))
    }
}

fn failure_of(job: &str) -> String {
    format!("handover {job}: recover failed on {}", host::hostname())
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_adapters::users::UserError;

    struct Fails<const ONE: bool>;

    impl<const ONE: bool> Recover for Fails<ONE> {
        const PROGRAM: &'static str = if ONE { "backup_restore" } else { "backup_collect" };

        fn load(_: &JobArgs) -> Result<Job, Failed> {
            Err(UserError::NoUser("nobody".into()).into())
        }

        fn one(&self, _: &Left<'_>) -> Result<Vec<String>, Failed> {
            Err(UserError::NoUser(Self::PROGRAM.into()).into())
        }

        fn summary(_: &[String]) -> String {
            String::new()
        }

        fn what(_: &[String]) -> &'static str {
            "run"
        }

        fn advice(_: &[String]) -> &'static str {
            ""
        }
    }

    /// Whether a failure for one job is told, to the caller since no recipient is known.
    fn is_told<const ONE: bool>(state: &Path) -> bool {
        let left = Left { name: "shop", state: state.to_owned(), job: None, check: false };
        let mut round = Round { now: "2026-11-20T22:00:00Z".parse().unwrap(), ..Round::default() };
        round.one(&Fails::<ONE>, &left);
        round.is_for_caller
    }

    #[test]
    fn failures_of_one_kind_in_two_programs_are_both_told_once() {
        let room = tempfile::tempdir().unwrap();
        assert_eq!([is_told::<true>(room.path()), is_told::<false>(room.path())], [true, true]);
        assert_eq!([is_told::<true>(room.path()), is_told::<false>(room.path())], [false, false]);
    }
}
