//! From the caller's options to a checked request: which job, from where, to where.

use crate::PROGRAM;
use crate::compare::Compare;
use crate::error::{RestoreError, Result};
use crate::merge::Interrupted;
use crate::owners::{By, Wish};
use crate::policy::{Capabilities, Labels, Policy};
use crate::select::Selection;
use backup_adapters::jobs::Named;
use backup_common::{JobArgs, StreamArgs, StreamWish, recover};
use backup_core::job::StreamOf;
use backup_core::{Job, StreamName, Wanted};
use backup_interface::scalar::Mapping;
use backup_interface::{Call, OptionError};
use std::ffi::OsString;
use std::path::PathBuf;

/// Options of `run` and `plan`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) what: StreamArgs,
    /// Where the generation lies: `restore_folder`, `source_store`, `sink_store`, or the root of a store as
    /// `path:/mnt/returned/store`: there, what is damaged, unsigned or without its base is passed over for an older one, and said.
    #[arg(long, default_value = "restore_folder")]
    pub(crate) from: String,
    /// `newest`, by id and never by the times of files, or the id of a generation. Or a day of UTC (`2026-11-20`) or a time with its
    /// zone (`2026-11-20T22:00Z`): the newest that is not after it and has its base.
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
    /// How live trees are restored. `replace`: each root is exchanged as a whole, by one that was made beside it. `merge`:
    /// only what differs is written, and what the generation does not have stays; for mount points, trees that others share,
    /// and `path`. Default: `merge` with `path`, else `replace`.
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,
    /// With `merge`: remove what the generation does not have, below the roots or what `path` names. What the job does not
    /// collect and what is mounted there stays nevertheless.
    #[arg(long)]
    pub(crate) delete: bool,
    /// With `merge`: what `recover` does if it is cut short, within a minute. `undo`: everything as before. `finish`: everything as
    /// in the generation. `wait`: nothing before somebody calls `recover` with `finish` or `undo`; the services stay off until then.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) interrupted: Interrupted,
    /// What tells that a file is as in the generation. `contents`: it is read, and has the digest. `times`: its size, time of change, owner,
    /// mode and attributes are the same; it is not read, as rsync does it. What rotted on the disk, or was changed by somebody who set the
    /// time back, stays then as it is.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) compare: Compare,
    /// Whose things are on this host. `name`: by the names of users and groups on the source, where this host knows them, and by number
    /// where it does not, as GNU tar does it. `number`: by number, whatever it means here. In ACLs, which have numbers only, a number
    /// means who has it as an owner.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) owners: By,
    /// Users of the source that are others here: names or numbers, as `{shop: www-data, "1005": 1006}`. It counts before `owners`, also in
    /// ACLs. Who is not on this host is refused before anything is changed.
    #[arg(long, value_name = "JSON")]
    pub(crate) map_users: Option<Mapping>,
    /// The same for groups.
    #[arg(long, value_name = "JSON")]
    pub(crate) map_groups: Option<Mapping>,
    /// Whose labels of SELinux restored files have. `host`: none is written from the generation; where SELinux runs, `restorecon` gives live
    /// trees those that the host's policy has for them, before services start. `kept`: those of the source, where it had any.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) labels: Labels,
    /// Whether restored programs have the capabilities that they had (`kept`) or `none`.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) capabilities: Capabilities,
    /// Restore also what no pinned key signed.
    #[arg(long)]
    pub(crate) allow_unsigned: bool,
    /// Keep the tree that was replaced, as `.<name>.before-<id>` beside the new one.
    #[arg(long)]
    pub(crate) keep_old: bool,
}

/// How live trees are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Each root is exchanged as a whole.
    Replace,
    /// Only what differs is written.
    Merge,
}

/// How a merge is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Merge {
    /// Remove what the generation does not have.
    pub delete: bool,
    /// What becomes of it if it is cut short.
    pub interrupted: Interrupted,
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
    /// Which generation.
    pub generation: Wanted,
    /// What of it is wanted.
    pub selection: Selection,
    /// Write only what differs, into the live trees; `None`: exchange them.
    pub merge: Option<Merge>,
    /// Another place than the live one.
    pub target: Option<PathBuf>,
    /// What tells that a file is as in the generation.
    pub compare: Compare,
    /// Whose things are here.
    pub owners: Wish,
    /// What of attributes counts.
    pub policy: Policy,
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

    /// Whether what lies there came back from somewhere: whole or not, and beside whatever.
    pub(crate) const fn is_returned(&self) -> bool {
        matches!(self, Self::Path(_))
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
        let generation = args.generation.parse().map_err(|error| {
            OptionError::new("generation", error).with_hint("`status` lists the ids of what there is.")
        })?;
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
        let owners = Wish::new(args.owners, args.map_users.as_ref(), args.map_groups.as_ref())?;
        let merge = merges(args, target.is_none(), !selection.is_all())?;
        let recover = recover::command(PROGRAM, call, &args.what.job.config, &job)
            .map_err(RestoreError::io("find", "/proc/self/exe"))?;
        Ok(Self {
            job,
            streams,
            streams_optional: args.what.stream == StreamWish::All,
            from: From::parse(&args.from)?,
            generation,
            selection,
            merge: merge.then_some(Merge { delete: args.delete, interrupted: args.interrupted }),
            target,
            compare: args.compare,
            owners,
            policy: Policy { labels: args.labels, capabilities: args.capabilities },
            allow_unsigned: args.allow_unsigned,
            keep_old: args.keep_old,
            recover,
        })
    }
}

/// Whether this is a merge; refuses what is meant for the other way.
fn merges(args: &RunArgs, is_live: bool, is_part: bool) -> std::result::Result<bool, OptionError> {
    let refuse = |option, problem: &str, hint: &str| Err(OptionError::new(option, problem).with_hint(hint));
    let merge = match args.mode {
        Some(Mode::Replace) if is_part && is_live => {
            return refuse(
                "mode",
                "with `path`, \"replace\" would exchange whole trees",
                "Say merge, with `delete: true` if nothing else shall stay there.",
            );
        }
        Some(Mode::Merge) if !is_live => {
            return refuse(
                "mode",
                "only live trees are merged into",
                "Leave `mode` away, or restore to `target: live`.",
            );
        }
        Some(mode) => mode == Mode::Merge,
        None => is_part && is_live,
    };
    if args.delete && !merge {
        return refuse(
            "delete",
            "belongs to a merge",
            "Say `mode: merge`, or leave it away: what is replaced holds nothing else.",
        );
    }
    if args.keep_old && merge {
        return refuse(
            "keep_old",
            "a merge keeps no old tree",
            "Restore with `mode: replace`, or to another `target`.",
        );
    }
    Ok(merge)
}

/// Reads and checks a job document. Also a sink's: a drill restores where the sink store is.
pub(crate) fn load(args: &JobArgs) -> Result<Job> {
    Ok(args.load()?.job)
}
