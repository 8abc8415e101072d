//! How the executables are called and how they answer. Knows nothing about backups.
//!
//! An executable declares its subcommands and options once, with clap. The same declarations read a command line, a
//! task of Ansible (args file, or `module -` with JSON on standard input) and make the documentation that
//! `ansible-doc` shows. What comes back is an [`Outcome`] or a [`Failed`]; this crate prints it the way the caller
//! understands and chooses the exit code. docs/protocol.md is the contract.
//!
//! ```no_run
//! use backup_core::{Failure, Kind};
//! use backup_interface::{Call, Diff, Failed, Module, Outcome, Progress, Returned, report};
//!
//! #[derive(clap::Subcommand)]
//! enum Command {
//!     /// Collect now.
//!     Run(RunArgs),
//!     /// Show what run would do.
//!     Plan(RunArgs),
//!     /// Not for operators: `hide` keeps it out of help, tasks and documentation.
//!     #[command(hide = true)]
//!     Serve,
//! }
//!
//! #[derive(clap::Args)]
//! struct RunArgs {
//!     /// The job. A positional is given by its name in a task.
//!     job: String,
//!     /// Do nothing if the newest generation is younger. `max_age` in a task, `--max-age` on the command line.
//!     #[arg(long)]
//!     max_age: Option<String>,
//!     /// Paths to leave out: a list or "a,b" in a task, repeated on the command line.
//!     #[arg(long)]
//!     exclude: Vec<String>,
//!     /// Make a full.
//!     #[arg(long)]
//!     full: bool,
//! }
//!
//! report! {
//!     /// What run did.
//!     #[derive(Debug, serde::Serialize)]
//!     struct RunReport {
//!         /// The generation that was made.
//!         generation: String,
//!     }
//! }
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("cannot read {path}")]
//! struct Unreadable { path: String }
//! impl Failure for Unreadable {
//!     fn kind(&self) -> Kind { Kind::SourceInvalid }
//! }
//!
//! const MODULE: Module = Module {
//!     name: "backup_collect",
//!     summary: "Collect a generation",
//!     description: &["Stops, reads, starts again, seals."],
//!     examples: "- name: Collect\n  backup_collect:\n    job: shop\n",
//!     files: &[("/etc/handover/jobs", "The job documents")],
//!     returns: || vec![Returned::new("action run", &RunReport { generation: "20261120T220000Z".into() })],
//! };
//!
//! fn run(args: &RunArgs, call: &Call) -> Result<Outcome, Failed> {
//!     let bar = Progress::bytes(call, "reading", 4096);
//!     bar.add(4096);
//!     if args.job.is_empty() {
//!         return Err(Unreadable { path: "/srv".into() }.into()); // or `?` on any type that is a Failure
//!     }
//!     let report = RunReport { generation: "20261120T220000Z".into() };
//!     let outcome = Outcome::changed("collected 20261120T220000Z").with_report(&report).with_warning("the source is slow");
//!     Ok(if call.diff { outcome.with_diff(Diff::prepared("+ 20261120T220000Z")) } else { outcome })
//! }
//!
//! pub fn main() -> std::process::ExitCode {
//!     backup_interface::main(&MODULE, |command, call| match command {
//!         Command::Run(args) | Command::Plan(args) => run(&args, call), // plan: call.check is true
//!         Command::Serve => Ok(Outcome::silent()),
//!     })
//! }
//! ```
//!
//! `backup_collect docs > library/backup_collect.py` writes the documentation; a test of the executable keeps it true:
//! `backup_interface::docs::check::<Command>(&MODULE, concat!(env!("CARGO_MANIFEST_DIR"), "/../../library")).unwrap()`.
//!
//! Names that an executable cannot give to options of its own: `action`, `check`, `diff`, `json`, `quiet`, `verbose`.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use backup_core::Kind;
use clap::error::ErrorKind;
use clap::{Command, Subcommand};
use serde_json::{Map, Value};

pub mod docs;
mod invocation;
mod options;
mod outcome;
mod panic;
mod progress;
mod release;
pub mod scalar;
mod yaml;

pub use docs::{Described, Module, Report, Returned};
pub use invocation::Call;
pub use options::OptionError;
pub use outcome::{Diff, Failed, Outcome, lossy, lossy_all, lossy_option};
pub use progress::Progress;
pub use release::RELEASE;

use invocation::Mode;
use outcome::{Fields, Human};

/// The whole `main` of an executable: reads the call, lets `work` do it, prints the result.
pub fn main<C: Subcommand>(module: &Module, work: impl FnOnce(C, &Call) -> Result<Outcome, Failed>) -> ExitCode {
    let mut grammar = options::grammar::<C>(module);
    grammar.build();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let given = arguments.get(1..).unwrap_or_default();
    let mode = Mode::of(given, &grammar);
    if mode == Mode::CommandLine && given.first().is_some_and(|first| first == options::DOCS) {
        return print_docs::<C>(module);
    }
    if let Mode::Stdin { release: Some(wanted) } = &mode
        && wanted != RELEASE
    {
        print(std::io::stdout(), &release::answer());
        return release::OTHER_RELEASE.into();
    }

    // Enough to tell the caller what is wrong with a call that is not understood.
    let mut call =
        Call { module: mode != Mode::CommandLine, json: given.iter().any(|word| word == "--json"), ..Call::default() };
    let result = panic::guard(|| match read::<C>(&mode, arguments, &mut grammar, &mut call)? {
        Some(command) => work(command, &call),
        None => Ok(Outcome::silent()),
    });
    finish(module, &call, result)
}

/// Understands the call; `None` if it asked for help and got it.
fn read<C: Subcommand>(
    mode: &Mode,
    arguments: Vec<OsString>,
    grammar: &mut Command,
    call: &mut Call,
) -> Result<Option<C>, Failed> {
    let line = if *mode == Mode::CommandLine {
        arguments
    } else {
        let (task, given) = Call::from_task(invocation::read(mode)?)?;
        *call = task;
        words(grammar, given)?
    };
    match options::parse::<C>(grammar, line) {
        Ok((command, action, common)) => {
            if *mode == Mode::CommandLine {
                *call = Call::from_command_line(&common, &action);
            }
            Ok(Some(command))
        }
        Err(error)
            if *mode == Mode::CommandLine
                && matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            print(std::io::stdout(), &error.to_string());
            Ok(None)
        }
        Err(error) => Err(options::explain(&error, grammar).into()),
    }
}

/// A task's options as a command line.
fn words(grammar: &Command, given: Map<String, Value>) -> Result<Vec<OsString>, OptionError> {
    Ok(options::command_line(grammar, given)?.into_iter().map(Into::into).collect())
}

/// What a task means whose arguments are this JSON, as [`main`] understands it, without doing it. For tests.
///
/// # Errors
/// They are not JSON, or not options of these subcommands.
pub fn understand<C: Subcommand>(module: &Module, task: &[u8]) -> Result<(C, Call), Failed> {
    let mut grammar = options::grammar::<C>(module);
    grammar.build();
    let (call, given) = Call::from_task(invocation::parse(task, "a test".into())?)?;
    let line = words(&grammar, given)?;
    match options::parse::<C>(&mut grammar, line) {
        Ok((command, ..)) => Ok((command, call)),
        Err(error) => Err(options::explain(&error, &grammar).into()),
    }
}

/// Tells the caller, in the caller's way, and gives the exit status.
fn finish(module: &Module, call: &Call, result: Result<Outcome, Failed>) -> ExitCode {
    let code = result.as_ref().map_or_else(Failed::exit_code, |_| 0);
    let (out, err) = match result {
        Ok(outcome) if outcome.is_silent() && !call.is_module() => (String::new(), String::new()),
        Ok(outcome) if call.speaks_json() => (line(&outcome.into_fields(call.diff)), String::new()),
        Ok(outcome) => outcome.to_text(module.name, Human::from(call)),
        Err(failed) if call.speaks_json() => (line(&failed.into_fields()), String::new()),
        Err(failed) => failed.to_text(module.name, Human::from(call)),
    };
    print(std::io::stderr(), &err);
    let told = print(std::io::stdout(), &out);
    match code {
        // A result that nobody could read is not a success.
        0 if !told => Kind::Io.exit_code().into(),
        0 => ExitCode::SUCCESS,
        // Ansible ignores the exit status; the kind's own would look like a crash in its logs.
        _ if call.is_module() => ExitCode::FAILURE,
        code => code.into(),
    }
}

/// One line of JSON.
fn line(fields: &Fields) -> String {
    serde_json::to_string(fields).unwrap_or_default() + "\n"
}

fn print_docs<C: Subcommand>(module: &Module) -> ExitCode {
    match docs::stub::<C>(module) {
        Ok(text) => {
            if print(std::io::stdout(), &text) {
                ExitCode::SUCCESS
            } else {
                Kind::Io.exit_code().into()
            }
        }
        Err(message) => {
            print(std::io::stderr(), &format!("{}: {message}\n", module.name));
            Kind::Internal.exit_code().into()
        }
    }
}

/// Whether the text was delivered; a reader that has seen enough (`| head`) counts as served.
fn print(mut stream: impl Write, text: &str) -> bool {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::BrokenPipe,
    }
}
