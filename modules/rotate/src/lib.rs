//! Rotate: keep what the policy says, delete the rest, never the last verified copy.
//!
//! `backup_core::retention` decides, with reasons; [`Rotation`] carries it out for one store; the rest of this crate is
//! the executable. Transport rotates with [`rotate_store`] after each arrival.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod error;
mod report;
mod request;
mod rotation;

pub use error::RotateError;
pub use rotation::{Rotated, Rotation};

use backup_adapters::host::{self, Niceness};
use backup_adapters::signals::Interrupt;
use backup_adapters::users;
use backup_common::{StreamArgs, gate, notify};
use backup_core::Job;
use backup_core::lifecycle::State;
use backup_interface::{Call, Described, Failed, Module, Outcome, Returned};
use report::{RunReport, StatusReport};

#[derive(clap::Subcommand)]
enum Command {
    /// Delete what the policy does not keep. Of a stopped job nothing: on a sink its copies are re-read.
    Run(RunArgs),
    /// Show what run would do, with the reasons for every generation.
    Plan(StreamArgs),
    /// List what is kept.
    Status(StreamArgs),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    of: StreamArgs,
    /// Do nothing unless the job is stopped: for cron, which then has the copies re-read that no transport looks at any more.
    #[arg(long)]
    stopped: bool,
}

const MODULE: Module = Module {
    name: "backup_rotate",
    summary: "Delete generations that the retention policy does not keep",
    description: &[
        "Applies the job's retention to the source's own store or, on a sink, to what is kept for a source.",
        "Only verified copies count. The last verified copy, with its base, is never deleted; at a sink neither is anything younger than C(protect).",
        "A sink's deletion relies on other copies. Those are re-read first if that was not done lately, within C(verify_box); otherwise the deletion is postponed.",
        "Of a stopped job nothing is deleted. On a sink its copies are re-read instead, each once in C(verify_max_age), for C(verify_box) at most; damage is mailed.",
        "In check mode it says what would be done with every generation, and why.",
    ],
    examples: concat!(
        "- name: Rotate what this sink keeps for web1\n  backup_rotate:\n    job: web1/shop\n\n",
        "- name: See what rotation would do on the source, and why\n  backup_rotate:\n    job: shop\n    stream: data\n  check_mode: true\n  diff: true\n",
    ),
    files: &[
        ("/etc/handover/jobs", "The job documents. The other paths here are what they and the roles say by default."),
        (
            "/home/dataBackupSource/store, /home/logBackupSource/store, /home/dataBackupSink/store",
            "The source stores and the sink store, each with a RESTORE.txt that tells how to restore without these executables.",
        ),
        ("/var/log/handover.log", "What the executables log, by way of syslog."),
    ],
    returns: || {
        vec![
            Returned::new("actions run and plan", &RunReport::sample()),
            Returned::new("action status", &StatusReport::sample()),
        ]
    },
};

/// Entry point.
pub fn main() -> std::process::ExitCode {
    backup_interface::main(&MODULE, |command, call| match command {
        Command::Run(args) => run(&args.of, args.stopped, call),
        Command::Plan(args) => run(&args, false, call),
        Command::Status(args) => status(&args),
    })
}

/// What it can be told on a command line, for man pages and completions.
pub fn described() -> Described {
    Described::of::<Command>(MODULE)
}

/// Rotates one store now. For callers that have done something else first and must not fail for this.
pub fn rotate_store(rotation: &Rotation, interrupt: Option<&Interrupt>) -> Result<Rotated, RotateError> {
    let mut done = Rotated::default();
    rotation.run(interrupt, &mut done)?;
    Ok(done)
}

fn run(args: &StreamArgs, only_if_stopped: bool, call: &Call) -> Result<Outcome, Failed> {
    let (named, rotations) = request::rotations(args)?;
    let mut suspended = gate::suspended(&named.job, named.is_sink)?;
    let is_stopped = match &suspended {
        None if only_if_stopped => {
            let msg = format!("job {} is active: nothing to do", args.job.job);
            return Ok(Outcome::unchanged(msg).with_report(&RunReport::default()));
        }
        None => false,
        Some(suspended) if suspended.state == State::Stopped => true,
        Some(suspended) => return Ok(gate::declined(call, suspended, "expires").with_report(&RunReport::default())),
    };
    let mut report = RunReport::default();
    let mut changed = false;
    let mut failure = None;
    if !call.check {
        // Being polite is a wish; where it is refused, rotation is merely less polite.
        let _ = Niceness::from(named.job.priority).apply();
    }
    let interrupt = Interrupt::install().ok();
    for rotation in &rotations {
        let mut done = Rotated::default();
        let result = as_owner(rotation, || {
            match (call.check, is_stopped) {
                (true, true) => done = rotation.preview_stopped()?,
                (true, false) => done = rotation.preview(host::now().timestamp())?,
                (false, true) => rotation.reread_stopped(interrupt.as_ref(), &mut done)?,
                (false, false) => rotation.run(interrupt.as_ref(), &mut done)?,
            }
            Ok(())
        });
        report.add(rotation, &done);
        changed |= done.is_change();
        suspended = suspended.or(done.suspended);
        // The other stream's store is not worse for it.
        failure = failure.or(result.err());
    }
    if let Some(failure) = failure {
        let failed = report.warnings().into_iter().fold(Failed::from(failure), Failed::with_warning);
        let failed = if changed { failed.with_changes() } else { failed };
        let failed = if call.check { failed } else { tell(&named.job, &args.job.job, failed) };
        return Err(failed.with_report(&report));
    }
    let mut warnings = report.warnings();
    match suspended {
        Some(suspended) if !changed => {
            return Ok(gate::declined(call, &suspended, &report.declined(call.check)).with_report(&report));
        }
        Some(suspended) if !call.is_quiet() => warnings.push(format!("{suspended}: nothing more expires")),
        _ => {}
    }
    let msg = report.sentence(&args.job.job);
    let mut outcome = if changed { Outcome::changed(msg) } else { Outcome::unchanged(msg) };
    if call.check {
        outcome = outcome.with_answer(report.table());
    }
    if call.diff && changed {
        outcome = report.stores.iter().map(report::StoreReport::diff).fold(outcome, Outcome::with_diff);
    }
    outcome = warnings.into_iter().fold(outcome, Outcome::with_warning);
    Ok(outcome.with_report(&report))
}

/// Tells the job's recipients.
fn tell(job: &Job, name: &str, failed: Failed) -> Failed {
    let subject = format!("handover {name}: rotation failed on {}", host::hostname());
    notify::failed(MODULE.name, &job.mail, &subject, failed)
}

fn status(args: &StreamArgs) -> Result<Outcome, Failed> {
    let (_, rotations) = request::rotations(args)?;
    let mut report = StatusReport::default();
    for rotation in &rotations {
        let listing = as_owner(rotation, || Ok(rotation.store.list()?))?;
        report.add(rotation, &listing);
    }
    Ok(Outcome::unchanged(format!("what is kept of {}", args.job.job)).with_answer(report.table()).with_report(&report))
}

/// Works as the store's owner, so that everything in it stays the owner's. Root may; others must be the owner.
fn as_owner<T>(rotation: &Rotation, work: impl FnOnce() -> Result<T, RotateError>) -> Result<T, RotateError> {
    let current = users::current()?;
    if current.name == rotation.user {
        return work();
    }
    if !users::is_root() {
        return Err(RotateError::WrongUser {
            job: rotation.job.clone(),
            stream: rotation.stream,
            actual: current.name,
            wanted: rotation.user.clone(),
        });
    }
    users::acting_as(&users::by_name(&rotation.user)?, work)?
}
