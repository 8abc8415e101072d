//! From the caller's options to a checked request: which job, which streams, what is asked.

use crate::PROGRAM;
use crate::decide::Wish;
use crate::error::{CollectError, Result};
use backup_adapters::jobs::Named;
use backup_common::{JobArgs, StreamArgs, Timetable, recover};
use backup_core::job::Step;
use backup_core::units::{Percent, Span};
use backup_core::{Job, StreamName};
use backup_interface::Call;
use std::ffi::OsString;

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
    /// Do nothing unless the run that `schedule.collect` asked for last was missed, because the host was off.
    #[arg(long)]
    pub(crate) missed: bool,
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
    /// Whether only what was missed is to be caught up.
    pub missed: bool,
    /// Whether cron calls for what the schedule asks. What somebody wants besides it is nobody else's work.
    pub is_scheduled: bool,
    /// What the schedule says; there is one if something may be missed.
    pub timetable: Option<Timetable>,
    /// What the rescue runs.
    pub recover: Vec<OsString>,
}

impl Request {
    /// Reads the job and checks the options against it.
    pub(crate) fn new(args: &RunArgs, call: &Call) -> Result<Self> {
        let named = here(args.what.load()?)?;
        // To a run that does not depend on it, a schedule that cannot be used is none.
        let timetable = match Timetable::new(&named, Step::Collect) {
            Err(error) if args.missed => return Err(error.into()),
            timetable => timetable.ok(),
        };
        let mut job = named.job;
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
        let failed = |source| CollectError::Io { action: "find", path: "/proc/self/exe".into(), source };
        let recover = recover::command(PROGRAM, call, &args.what.job.config, &job).map_err(failed)?;
        let (label, max_age, missed) = (args.label.clone(), args.max_age, args.missed);
        let is_scheduled = call.is_quiet() && !missed && label.is_none();
        Ok(Self { job, streams, kind: args.kind, label, max_age, missed, is_scheduled, timetable, recover })
    }
}

fn is_label(text: &str) -> bool {
    (1..=100).contains(&text.chars().count()) && !text.contains(char::is_control)
}

/// Reads and checks the document of a job that is collected here.
pub(crate) fn load(args: &JobArgs) -> Result<Named> {
    here(args.load()?)
}

fn here(named: Named) -> Result<Named> {
    if named.is_sink {
        return Err(CollectError::NotHere { job: named.job.name_at_sink(), host: named.job.source }.into());
    }
    Ok(named)
}
