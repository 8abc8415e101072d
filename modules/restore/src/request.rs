//! From the caller's options to a checked request: which job, from where, to where.

use crate::PROGRAM;
use crate::error::{RestoreError, Result};
use crate::select::Selection;
use backup_adapters::jobs::Named;
use backup_common::{JobArgs, StreamArgs, StreamWish, recover};
use backup_core::job::StreamOf;
use backup_core::{GenerationId, Job, StreamName};
use backup_interface::{Call, OptionError};
use std::ffi::OsString;
use std::path::PathBuf;

/// Options of `run` and `plan`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) what: StreamArgs,
    /// Where the generation lies: `restore_folder`, `source_store`, `sink_store`, or the root of a store as
    /// `path:/mnt/returned/store`.
    #[arg(long, default_value = "restore_folder")]
    pub(crate) from: String,
    /// `newest`, by id and never by the times of files, or the id of a generation.
    #[arg(long, default_value = "newest")]
    pub(crate) generation: String,
    /// Restore only these, with what they hold; absolute, as they are named on the source. Dumps are left out then. Only what
    /// holds them is read of the generation.
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Vec<PathBuf>,
    /// `live`: everything goes back to its place, with the services stopped for a moment. Or an empty directory, in which
    /// the same paths are made; nothing is stopped then and no hook runs.
    #[arg(long, default_value = "live")]
    pub(crate) target: String,
    /// Restore also what no pinned key signed.
    #[arg(long)]
    pub(crate) allow_unsigned: bool,
    /// Keep the tree that was replaced, as `.<name>.before-<id>` beside the new one.
    #[arg(long)]
    pub(crate) keep_old: bool,
}

/// What a run shall do.
#[derive(Debug)]
pub(crate) struct Request {
    /// The job.
    pub job: Job,
    /// The streams that are wanted, data first.
    pub streams: Vec<StreamName>,
    /// Whether a stream without generations is left out.
    pub streams_optional: bool,
    /// Where generations lie.
    pub from: From,
    /// A generation; `None`: the newest.
    pub generation: Option<GenerationId>,
    /// What of it is wanted.
    pub selection: Selection,
    /// Another place than the live one.
    pub target: Option<PathBuf>,
    /// Whether a signature is not needed.
    pub allow_unsigned: bool,
    /// Whether the old tree stays.
    pub keep_old: bool,
    /// What the rescue runs.
    pub recover: Vec<OsString>,
}

/// Where generations lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// Where copies to be restored are placed.
    RestoreFolder,
    /// The source's own store.
    SourceStore,
    /// The sink's store, if it can be reached from here.
    SinkStore,
    /// The root of any store.
    Path(PathBuf),
}

impl From {
    fn parse(text: &str) -> Result<Self> {
        Ok(match (text, text.strip_prefix("path:").map(PathBuf::from)) {
            ("restore_folder", _) => Self::RestoreFolder,
            ("source_store", _) => Self::SourceStore,
            ("sink_store", _) => Self::SinkStore,
            (_, Some(path)) if path.is_absolute() => Self::Path(path),
            _ => {
                return Err(OptionError::new("from", format!("{text:?} is not a place"))
                    .with_hint("Say restore_folder, source_store, sink_store, or path: and the root of a store.")
                    .into());
            }
        })
    }

    /// The root of the store for a stream.
    pub(crate) fn root(&self, of: StreamOf<'_>) -> PathBuf {
        match self {
            Self::RestoreFolder => of.restore_root(),
            Self::SourceStore => of.store_root(),
            Self::SinkStore => of.sink_store_root(),
            Self::Path(path) => path.clone(),
        }
    }
}

impl Request {
    /// Reads the job and checks the options against it.
    pub(crate) fn new(args: &RunArgs, call: &Call) -> Result<Self> {
        let Named { job, is_sink, .. } = args.what.load()?;
        let streams = args.what.stream.of(&job)?;
        let generation = match args.generation.as_str() {
            "newest" => None,
            id => Some(id.parse().map_err(|error| {
                OptionError::new("generation", error).with_hint("Say newest, or an id that `status` lists.")
            })?),
        };
        let target = match args.target.as_str() {
            "live" if is_sink => {
                let text =
                    format!("this host is the sink of {}: its own trees are none of the job's", args.what.job.job);
                return Err(OptionError::new("target", text)
                    .with_hint("Name an empty directory with `target`, or restore live on the source.")
                    .into());
            }
            "live" => None,
            path if path.starts_with('/') => Some(PathBuf::from(path)),
            other => {
                return Err(OptionError::new("target", format!("{other:?} is not an absolute path"))
                    .with_hint("Say live, or name an empty directory by its absolute path.")
                    .into());
            }
        };
        let selection = Selection::parse(&args.path)?;
        if target.is_none() && !selection.is_all() {
            return Err(OptionError::new("path", "some paths go to another place than the live one")
                .with_hint("Name an empty directory with `target`.")
                .into());
        }
        let recover = recover::command(PROGRAM, call, &args.what.job.config, &job)
            .map_err(RestoreError::io("find", "/proc/self/exe"))?;
        Ok(Self {
            job,
            streams,
            streams_optional: args.what.stream == StreamWish::All,
            from: From::parse(&args.from)?,
            generation,
            selection,
            target,
            allow_unsigned: args.allow_unsigned,
            keep_old: args.keep_old,
            recover,
        })
    }
}

/// Reads and checks a job document. Also a sink's: a drill restores where the sink store is.
pub(crate) fn load(args: &JobArgs) -> Result<Job> {
    Ok(args.load()?.job)
}
