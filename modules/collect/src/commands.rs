//! What can be asked of the executable, and its documentation.

use crate::PROGRAM;
use crate::recover::Guard;
use crate::request::{Request, RunArgs};
use crate::{error, pipeline, samples, status};
use backup_adapters::host::{self, Niceness};
use backup_adapters::signals::Interrupt;
use backup_common::JobArgs;
use backup_common::recover::{RecoverArgs, recover};
use backup_interface::{Call, Described, Module, Outcome, Returned};
use std::path::PathBuf;
use std::time::Duration;

#[derive(clap::Subcommand)]
enum Command {
    /// Collect now.
    Run(RunArgs),
    /// Say what run would do: what is stopped, what is read, which kind and why, where it goes.
    Plan(RunArgs),
    /// Tell how a job stands: its newest generations, what waits, what failed, what comes next.
    Status(JobArgs),
    /// Start again what an interrupted run left stopped; silent if there is nothing to do.
    Recover(RecoverArgs),
    /// Check a job document.
    Validate(ValidateArgs),
}

#[derive(clap::Args)]
struct ValidateArgs {
    /// The document.
    file: PathBuf,
}

const MODULE: Module = Module {
    name: PROGRAM,
    summary: "Collect a generation of a job's data and logs",
    description: &[
        "Stops the job's services, reads what changed since the warm passes, starts them again, and seals a generation \
         per stream into the handover point, where transport takes it.",
        "Whatever was stopped is started again, and only that: also after an error, a full disk, a signal or a reboot.",
        "Nothing incomplete is ever sealed. Runs on the source, as root.",
    ],
    examples: r"
- name: Collect now
  backup_collect:
    job: shop

- name: Keep a copy before an upgrade
  backup_collect:
    job: shop
    stream: data
    kind: full
    label: before-upgrade

- name: Collect unless there is a copy of the last twelve hours
  backup_collect:
    job: shop
    max_age: 12h

- name: Collect if the scheduled run was missed while the host was off
  backup_collect:
    job: shop
    missed: true
",
    files: &[
        ("/etc/handover/jobs", "The job documents. The other paths here are what they and the roles say by default."),
        (
            "/home/dataBackupSource/handover, /home/logBackupSource/handover",
            "The handover points: generations that wait for transport.",
        ),
        (
            "/var/lib/handover",
            "What this host remembers of its jobs: their state, the index of the present base, which services were on.",
        ),
        ("/var/log/handover.log", "What the executables log, by way of syslog."),
    ],
    returns: || {
        vec![
            Returned::new("actions run and plan", &samples::run()),
            Returned::new("action status", &samples::status()),
            Returned::new("action recover", &samples::recover()),
        ]
    },
};

/// The whole executable.
pub fn main() -> std::process::ExitCode {
    backup_adapters::allocator::give_back_soon();
    backup_interface::main(&MODULE, |command, call| match command {
        Command::Run(args) | Command::Plan(args) => run(&args, call),
        Command::Status(args) => status::status(&args, host::now().timestamp()),
        Command::Recover(args) => recover(&Guard(args.after.map(Duration::from_secs)), &args, call),
        Command::Validate(args) => status::validate(&args.file),
    })
}

/// What it can be told on a command line, for man pages and completions.
pub fn described() -> Described {
    Described::of::<Command>(MODULE)
}

fn run(args: &RunArgs, call: &Call) -> error::Result<Outcome> {
    let failed = |action| move |source| error::CollectError::Io { action, path: "/proc/self".into(), source };
    let interrupt = Interrupt::install().map_err(failed("watch signals of"))?;
    let request = Request::new(args, call)?;
    Niceness::from(request.job.priority).apply().map_err(failed("set the priority of"))?;
    pipeline::run(&request, call, &interrupt)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_documentation_is_what_the_executable_says() {
        let library = concat!(env!("CARGO_MANIFEST_DIR"), "/../../library");
        backup_interface::docs::check::<super::Command>(&super::MODULE, library).unwrap();
    }
}
