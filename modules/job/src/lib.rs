//! `backup_job`: the states of jobs.
//!
//! Core's `lifecycle` says which action is legal and what follows; `change` carries it out for each job that is named.
//! `inventory` lists what a job keeps on this host, `terminate` deletes that list, `standing` sees how far an initial sync
//! is. Every host does its own side: a job is stopped when its source and its sink are.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod change;
mod error;
mod inventory;
mod locks;
mod report;
mod select;
mod standing;
mod terminate;

use backup_adapters::lifecycle;
use backup_core::lifecycle::{Action, State};
use backup_core::units::Span;
use backup_interface::{Described, Module, Outcome, Returned};
use change::{Wish, change};
use report::{JobReport, Report};
use select::{Target, Which};

#[derive(clap::Subcommand)]
enum Command {
    /// Bring a job into a state, if it is in another one.
    Run(RunArgs),
    /// Tell the state of a job, since when, by whom, and how far its initial sync is; of all jobs of this host, if none is named.
    Status(Which),
    /// Begin an inactive job, with an initial sync.
    Start(ActionArgs),
    /// Stop a job: no collection, no transport, no expiry; what it keeps stays, can be verified and restored.
    Stop(ActionArgs),
    /// Go on with a stopped job, beginning with a full.
    Restart(ActionArgs),
    /// Delete everything that a stopped job keeps on this host.
    Terminate(TerminateArgs),
}

/// A state that can be wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum WantedState {
    /// Copies are made, carried, kept and expire.
    Active,
    /// Copies are kept; none is made, carried or deleted.
    Stopped,
    /// Nothing is kept: everything on this host is deleted, which needs confirm.
    Inactive,
}

impl From<WantedState> for State {
    fn from(wanted: WantedState) -> Self {
        match wanted {
            WantedState::Active => Self::Active,
            WantedState::Stopped => Self::Stopped,
            WantedState::Inactive => Self::Inactive,
        }
    }
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    which: Which,
    /// The state.
    #[arg(long, value_enum)]
    state: WantedState,
    /// Repeats the name of the job, or of the group, whose copies are deleted.
    #[arg(long)]
    confirm: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, clap::Args)]
struct ActionArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Debug, clap::Args)]
struct Patience {
    /// How long to wait for what is under way.
    #[arg(long, default_value = "1m")]
    wait: Span,
}

#[derive(Debug, clap::Args)]
struct TerminateArgs {
    #[command(flatten)]
    which: Which,
    /// Repeats the name of the job, or of the group, whose copies are deleted.
    #[arg(long)]
    confirm: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

const MODULE: Module = Module {
    name: "backup_job",
    summary: "Start, stop, restart and terminate backup jobs",
    description: &[
        "A job is C(active), C(stopped) or C(inactive). A job of which nothing was ever said is active.",
        "Legal are stop of an active job, restart and terminate of a stopped one, start of an inactive one; start and restart begin an initial sync, that is, a new full. \
         Everything else is refused with the actions that are legal.",
        "Each host does its own side. Run it on the source (C(shop)) and on the sink (C(web1/shop)); where a host was down, run it there later.",
        "In check mode it shows the transition and, for terminate, everything that would be deleted on this host. Runs as root.",
    ],
    examples: concat!(
        "- name: Stop a job on its source\n  backup_job:\n    job: shop\n    state: stopped\n\n",
        "- name: Restart every job of a group\n  backup_job:\n    group: shops\n    action: restart\n\n",
        "- name: See what would be deleted at the sink\n  backup_job:\n    job: web1/shop\n    state: inactive\n  check_mode: true\n  diff: true\n\n",
        "- name: Delete everything that this sink keeps of a stopped job\n  backup_job:\n    job: web1/shop\n    state: inactive\n    confirm: shop\n",
    ),
    files: &[
        ("/etc/handover/jobs", "The job documents. The other paths here are what they and the roles say by default."),
        ("/var/lib/handover", "What this host remembers of its jobs: above all their state."),
        (
            "/home/dataBackupSource/handover, /home/logBackupSource/handover",
            "The handover points: generations that wait for transport.",
        ),
        (
            "/home/dataBackupSource/store, /home/logBackupSource/store, /home/dataBackupSink/store",
            "The source stores and the sink store, each with a RESTORE.txt that tells how to restore without these executables.",
        ),
        ("/var/log/handover.log", "What the executables log, by way of syslog."),
    ],
    returns: || vec![Returned::new("success", &Report::sample())],
};

/// Entry point.
pub fn main() -> std::process::ExitCode {
    backup_interface::main(&MODULE, |command, call| match command {
        Command::Run(args) => {
            change(&args.which, Wish::Be(args.state.into()), args.confirm.as_deref(), args.patience.wait, call)
        }
        Command::Status(which) => status(&which),
        Command::Start(args) => change(&args.which, Wish::Do(Action::Start), None, args.patience.wait, call),
        Command::Stop(args) => change(&args.which, Wish::Do(Action::Stop), None, args.patience.wait, call),
        Command::Restart(args) => change(&args.which, Wish::Do(Action::Restart), None, args.patience.wait, call),
        Command::Terminate(args) => {
            change(&args.which, Wish::Do(Action::Terminate), args.confirm.as_deref(), args.patience.wait, call)
        }
    })
}

/// What it can be told on a command line, for man pages and completions.
pub fn described() -> Described {
    Described::of::<Command>(MODULE)
}

fn status(which: &Which) -> error::Result<Outcome> {
    let look = |target: &Target| -> error::Result<JobReport> {
        let known = lifecycle::read(&target.job, target.is_sink)?;
        let streams = standing::look(target, &known)?;
        Ok(JobReport::new(target, known.state, &known, streams))
    };
    let mut report = Report::default();
    if which.is_named() {
        report.jobs = which.targets()?.iter().map(look).collect::<error::Result<_>>()?;
    } else {
        // Of all jobs one that cannot be looked at must not hide the others.
        for (name, target) in which.all()? {
            match target.and_then(|target| look(&target)) {
                Ok(job) => report.jobs.push(job),
                Err(failed) => drop(report.refused.insert(name, failed.message())),
            }
        }
    }
    let msg = format!("how {} stands", which.name().unwrap_or("every job"));
    let warnings: Vec<_> =
        report.refused.iter().map(|(job, why)| format!("job {job} cannot be told of: {why}")).collect();
    let outcome = Outcome::unchanged(msg).with_answer(report.text()).with_report(&report);
    Ok(warnings.into_iter().fold(outcome, Outcome::with_warning))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_documentation_is_what_the_executable_says() {
        let library = concat!(env!("CARGO_MANIFEST_DIR"), "/../../library");
        backup_interface::docs::check::<super::Command>(&super::MODULE, library).unwrap();
    }
}
