//! From the caller's options to a checked request: which job, which streams, what is asked.

use crate::decide::Wish;
use crate::error::{CollectError, Result};
use backup_common::{JobArgs, StreamArgs};
use backup_core::units::{Percent, Span};
use backup_core::{Job, StreamName};
use backup_interface::Call;
use std::ffi::OsString;
use std::path::PathBuf;

/// Options of `run` and `plan`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) what: StreamArgs,
    /// Full, incremental, or what the job's rule says.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) kind: Wish,
    /// Names a copy that is made besides the schedule.
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Do nothing for a stream whose newest good generation is younger, such as `12h`.
    #[arg(long)]
    pub(crate) max_age: Option<Span>,
    /// Instead of the job's `checks.max_shrink`: `100%` accepts that most was removed on purpose.
    #[arg(long)]
    pub(crate) max_shrink: Option<Percent>,
}

/// What a run shall do.
#[derive(Debug)]
pub(crate) struct Request {
    /// The job, with the caller's settings in place of its own.
    pub job: Job,
    /// The streams that are wanted, data first.
    pub streams: Vec<StreamName>,
    /// Which kind is asked for.
    pub kind: Wish,
    /// The label of an ad-hoc copy.
    pub label: Option<String>,
    /// How young the newest generation must be for nothing to be done.
    pub max_age: Option<Span>,
    /// Holds the job documents; the rescue is told.
    pub config: PathBuf,
    /// Where Ansible put this executable, if it did: it is gone after the task.
    pub tmpdir: Option<PathBuf>,
}

/// Where the roles install this executable.
const INSTALLED: &str = "/usr/local/bin/backup_collect";

impl Request {
    /// Reads the job and checks the options against it.
    pub(crate) fn new(args: &RunArgs, call: &Call) -> Result<Self> {
        let mut job = load(&args.what.job)?;
        let streams = args.what.stream.of(&job)?;
        if let Some(max_shrink) = args.max_shrink {
            job.streams.values_mut().for_each(|stream| stream.checks.max_shrink = Some(max_shrink));
        }
        if let Some(label) = args.label.as_ref().filter(|label| !is_label(label)) {
            let problem = format!("{label:?} is not a label");
            return Err(backup_interface::OptionError::new("label", problem)
                .with_hint("Use one line of 100 characters at most.")
                .into());
        }
        Ok(Self {
            job,
            streams,
            kind: args.kind,
            label: args.label.clone(),
            max_age: args.max_age,
            config: args.what.job.config.clone(),
            tmpdir: call.tmpdir.clone(),
        })
    }

    /// The command that a rescue runs.
    pub(crate) fn recover_command(&self) -> Result<Vec<OsString>> {
        let failed = |source| CollectError::Io { action: "find", path: "/proc/self/exe".into(), source };
        let own = std::env::current_exe().map_err(failed)?;
        let is_fleeting = self.tmpdir.as_ref().is_some_and(|tmpdir| own.starts_with(tmpdir));
        let installed = PathBuf::from(INSTALLED);
        let executable = if is_fleeting && installed.exists() { installed } else { own };
        let mut words = vec![executable.into_os_string(), "recover".into(), (&self.job.job).into()];
        words.extend(["--config".into(), (&self.config).into()]);
        words.extend(["--state".into(), self.job.state_dir().into_os_string()]);
        Ok(words)
    }
}

fn is_label(text: &str) -> bool {
    (1..=100).contains(&text.chars().count()) && !text.contains(char::is_control)
}

/// Reads and checks the document of a job that is collected here.
pub(crate) fn load(args: &JobArgs) -> Result<Job> {
    let named = args.load()?;
    if named.is_sink {
        return Err(CollectError::NotHere { job: args.job.clone(), host: named.job.source }.into());
    }
    Ok(named.job)
}
