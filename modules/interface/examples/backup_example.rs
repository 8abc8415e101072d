//! A whole executable that does next to nothing: it keeps a text in a file. The tests run it as every caller would.

use std::path::PathBuf;
use std::process::ExitCode;

use backup_core::{Failure, Kind};
use backup_interface::scalar::{FileMode, Mapping};
use backup_interface::{Call, Diff, Failed, Module, OptionError, Outcome, Progress, Returned, report};

#[derive(clap::Subcommand)]
enum Command {
    /// Keep the text.
    Run(RunArgs),
    /// Show what run would do.
    Plan(RunArgs),
    /// Tell what is kept.
    Status(StatusArgs),
    /// Ends in a way that no executable should.
    #[command(hide = true)]
    Crash(CrashArgs),
}

#[derive(clap::Args)]
struct RunArgs {
    /// The file that keeps the text.
    path: PathBuf,
    /// The text.
    #[arg(long)]
    text: Option<String>,
    /// How many times the text is repeated.
    ///
    /// Every repetition is a line of its own.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000), default_value_t = 1)]
    copies: u16,
    /// Permission bits of the file
    #[arg(long, value_name = "MODE", default_value = "0640")]
    mode: FileMode,
    /// What ends a line.
    #[arg(long, value_enum, default_value_t = LineEnd::Unix)]
    line_end: LineEnd,
    /// Words that the text must not contain.
    #[arg(long, value_name = "WORD")]
    exclude: Vec<String>,
    /// Shout.
    #[arg(long, conflicts_with = "whisper")]
    loud: bool,
    /// Whisper.
    #[arg(long)]
    whisper: bool,
    /// Fail if the file exists (true) or does not (false).
    #[arg(long)]
    fresh: Option<bool>,
    /// Words to replace in the text.
    #[arg(long, value_name = "JSON")]
    replace: Option<Mapping>,
}

#[derive(clap::Args)]
struct StatusArgs {
    /// The file that keeps the text.
    path: PathBuf,
}

#[derive(clap::Args)]
struct CrashArgs {
    /// Panic in a thread that nobody joins.
    #[arg(long)]
    aside: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LineEnd {
    /// A line feed.
    Unix,
    /// A carriage return and a line feed.
    Dos,
}

report! {
    /// What run did, or would do.
    #[derive(Debug, serde::Serialize)]
    struct RunReport {
        /// The file that keeps the text.
        #[serde(serialize_with = "backup_interface::lossy")]
        path: PathBuf,
        /// Permission bits of the file, in octal.
        mode: String,
        /// Lines in the file.
        lines: usize,
        /// Words that the text must not contain.
        excluded: Vec<String>,
    }
}

report! {
    /// What is kept.
    #[derive(Debug, serde::Serialize)]
    struct StatusReport {
        /// Bytes in the file.
        bytes: u64,
    }
}

#[derive(Debug, thiserror::Error)]
enum ExampleError {
    #[error("cannot {action} {path}")]
    Io { action: &'static str, path: String, source: std::io::Error },
    #[error("{0} exists already")]
    Exists(String),
    #[error("{0} does not exist")]
    Missing(String),
}

impl Failure for ExampleError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Kind::Permission,
            Self::Io { .. } => Kind::Io,
            Self::Exists(_) => Kind::Refused,
            Self::Missing(_) => Kind::NotFound,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Exists(_)).then(|| "Remove the file first.".into())
    }
}

const MODULE: Module = Module {
    name: "backup_example",
    summary: "Keep a text in a file",
    description: &["Writes the text if the file says something else: not twice, and not in check mode."],
    examples: "- name: Keep a word\n  backup_example:\n    path: /tmp/word\n    text: hello\n",
    files: &[],
    returns: || {
        let run = RunReport { path: "/tmp/word".into(), mode: "0640".into(), lines: 1, excluded: vec!["bye".into()] };
        vec![Returned::new("action run", &run), Returned::new("action status", &StatusReport { bytes: 6 })]
    },
};

fn run(args: &RunArgs, call: &Call) -> Result<Outcome, Failed> {
    let path = args.path.display().to_string();
    let io = |action| {
        let path = path.clone();
        move |source| ExampleError::Io { action, path, source }
    };
    let mut text = args.text.clone().unwrap_or_else(|| "nothing".into());
    if let Some(word) = args.exclude.iter().find(|word| text.contains(word.as_str())) {
        return Err(OptionError::new("text", format!("{text:?} contains {word:?}"))
            .with_hint("Choose another text.")
            .into());
    }
    for (word, by) in args.replace.iter().flat_map(|mapping| &mapping.0) {
        text = text.replace(word, by.as_str().unwrap_or_default());
    }
    text = if args.loud { text.to_uppercase() } else { text };
    text = if args.whisper { text.to_lowercase() } else { text };
    let end = if args.line_end == LineEnd::Dos { "\r\n" } else { "\n" };
    let bar = Progress::steps(call, "repeating", args.copies.into());
    let mut after = String::new();
    for _ in 0..args.copies {
        after += &(text.clone() + end);
        bar.add(1);
    }

    let before = match std::fs::read_to_string(&args.path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        other => Some(other.map_err(io("read"))?),
    };
    match (args.fresh, &before) {
        (Some(true), Some(_)) => return Err(ExampleError::Exists(path).into()),
        (Some(false), None) => return Err(ExampleError::Missing(path).into()),
        _ => {}
    }
    let report = RunReport {
        path: args.path.clone(),
        mode: format!("{:04o}", args.mode.0),
        lines: usize::from(args.copies),
        excluded: args.exclude.clone(),
    };
    if before.as_deref() == Some(&after) {
        return Ok(Outcome::unchanged("the text is kept").with_report(&report));
    }
    if !call.check {
        std::fs::write(&args.path, &after).map_err(|source| Failed::from(io("write")(source)).with_report(&report))?;
    }
    Ok(Outcome::changed("kept the text").with_report(&report).with_diff(Diff::texts(
        path,
        &before.unwrap_or_default(),
        &after,
    )))
}

fn status(args: &StatusArgs) -> Result<Outcome, Failed> {
    let path = args.path.display().to_string();
    let bytes =
        std::fs::metadata(&args.path).map_err(|source| ExampleError::Io { action: "read", path, source })?.len();
    let outcome = Outcome::unchanged("the text is kept")
        .with_report(&StatusReport { bytes })
        .with_answer(format!("{bytes} bytes"));
    Ok(if bytes > 100 { outcome.with_warning("the text is long") } else { outcome })
}

fn crash(args: &CrashArgs) -> Outcome {
    assert!(args.aside, "a broken invariant");
    let thread = std::thread::spawn(|| panic!("aside"));
    drop(thread.join());
    Outcome::unchanged("nobody noticed")
}

fn main() -> ExitCode {
    backup_interface::main(&MODULE, |command, call| match command {
        Command::Run(args) | Command::Plan(args) => run(&args, call),
        Command::Status(args) => status(&args),
        Command::Crash(args) => Ok(crash(&args)),
    })
}
