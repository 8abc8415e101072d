//! How a restore can fail, beyond what the adapters and the archive say themselves.

use backup_adapters::command::CommandError;
use backup_adapters::publish;
use backup_core::exclude::BadPattern;
use backup_core::{Failure, GenerationId, Kind};
use std::io;
use std::path::PathBuf;

/// Everything in this crate fails with the interface's erased failure: any typed error turns into it with `?`.
pub(crate) type Result<T> = std::result::Result<T, backup_interface::Failed>;

/// Why nothing was restored, or why it was undone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Only root can set owners and swap trees.
    #[error("cannot restore: owners, devices and attributes can only be set by root")]
    NotRoot,
    /// Nothing to restore from.
    #[error("cannot find a generation of {job} in {}", place.display())]
    Nothing {
        /// The job.
        job: String,
        /// The store.
        place: PathBuf,
    },
    /// An incremental without its base.
    #[error("generation {id} needs its base {base}, which is not in {}", place.display())]
    NoBase {
        /// The incremental.
        id: GenerationId,
        /// Its base.
        base: GenerationId,
        /// The stream's directory.
        place: PathBuf,
    },
    /// The base is not the one that the incremental was made from.
    #[error("the base {base} in {} is not the one that {id} was made from: its digest differs", place.display())]
    WrongBase {
        /// The incremental.
        id: GenerationId,
        /// Its base.
        base: GenerationId,
        /// The stream's directory.
        place: PathBuf,
    },
    /// It was collected on another host.
    #[error("generation {id} was collected on {found}, and the job is that of {wanted}")]
    OtherSource {
        /// Which.
        id: GenerationId,
        /// What the manifest says.
        found: String,
        /// What the job says.
        wanted: String,
    },
    /// A stored byte is wrong.
    #[error("generation {id} is damaged: {why}")]
    Damaged {
        /// Which.
        id: GenerationId,
        /// What is wrong.
        why: String,
    },
    /// Nobody vouches for it.
    #[error("generation {id} has no receipt that a pinned key signed: {why}")]
    Unsigned {
        /// Which.
        id: GenerationId,
        /// What is missing.
        why: String,
    },
    /// It has nothing of this path.
    #[error("option path: generation {id} has no {}", path.display())]
    NoPath {
        /// Which.
        id: GenerationId,
        /// What was asked for.
        path: PathBuf,
    },
    /// A path that the job does not collect.
    #[error("option path: {} is not what was collected: {}", path.display(), roots.join(", "))]
    NotCollected {
        /// What was asked for.
        path: PathBuf,
        /// What was collected.
        roots: Vec<String>,
    },
    /// A path that would be written outside of what the generation is about.
    #[error("the archive names {path:?}: {why}")]
    Unsafe {
        /// The path as printable text.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A user's directory leads elsewhere.
    #[error("cannot write to {path}: a link, or something that is not a directory, lies on the way")]
    Detour {
        /// The directory as printable text.
        path: String,
    },
    /// A root that cannot be exchanged as a whole.
    #[error("cannot replace {}: {why}", root.display())]
    NotReplaceable {
        /// The root.
        root: PathBuf,
        /// What is in the way.
        why: String,
    },
    /// Something that a merge must neither remove nor write over.
    #[error("cannot merge into {}: {why}", path.display())]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// What is in the way.
        why: String,
    },
    /// A merge was cut short, and was told to wait for a decision.
    #[error("a merge into {} was cut short and waits for a decision", shown_all(places))]
    Undecided {
        /// Its roots.
        places: Vec<PathBuf>,
    },
    /// What was approved is not undone.
    #[error("option undo: the restore was complete and approved; only its rests are left")]
    Approved,
    /// An old tree is to be kept where one is kept already.
    #[error("option keep_old: {} is kept from an earlier restore", .0.display())]
    AlreadyKept(PathBuf),
    /// Another target must be empty.
    #[error("option target: {} is not empty", .0.display())]
    TargetNotEmpty(PathBuf),
    /// An exclude pattern is malformed.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
    /// SELinux runs here, and nothing could give labels.
    #[error("option labels: SELinux runs on this host, and restorecon is not installed")]
    NoRelabelling,
    /// Not enough room.
    #[error("{} has room for {free} {unit}, {needed} are needed", path.display())]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// So much is free.
        free: u64,
        /// So much is needed.
        needed: u64,
        /// `bytes` or `files`.
        unit: &'static str,
    },
    /// The command that loads a dump failed.
    #[error("loading dump {name}: {source}")]
    Dump {
        /// The dump.
        name: String,
        /// How its command failed.
        source: CommandError,
    },
    /// What an interrupted run left cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

fn shown_all(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl RestoreError {
    /// For `map_err`: the system refused to do `action` to `path`.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl Failure for RestoreError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } => publish::kind_of(source),
            Self::NotRoot | Self::Detour { .. } => Kind::Permission,
            Self::OtherSource { .. }
            | Self::NotReplaceable { .. }
            | Self::AlreadyKept(_)
            | Self::TargetNotEmpty(_)
            | Self::NotCollected { .. }
            | Self::InTheWay { .. }
            | Self::Approved => Kind::InvalidOption,
            Self::Nothing { .. } | Self::NoBase { .. } | Self::NoPath { .. } => Kind::NotFound,
            Self::WrongBase { .. } | Self::Damaged { .. } => Kind::Damaged,
            Self::Unsigned { .. } => Kind::Unsigned,
            Self::Unsafe { .. } => Kind::UnsafeArchive,
            Self::NoRoom { .. } => Kind::NoSpace,
            Self::NoRelabelling => Kind::MissingTool,
            Self::Undecided { .. } => Kind::Interrupted,
            Self::Dump { source, .. } if source.kind() == Kind::Interrupted => Kind::Interrupted,
            Self::Dump { .. } => Kind::CommandFailed,
            Self::Journal { .. } => Kind::Io,
            Self::Pattern(_) => Kind::InvalidJob,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotRoot => "Run as root.".into(),
            Self::Nothing { job, .. } => format!(
                "Bring a generation there (`playbooks/restore.yml` does), or name another place with `from`; `backup_restore status {job}` lists what there is."
            ),
            Self::NoBase { base, .. } => format!("Put {base} beside it, from the store that the incremental came from."),
            Self::WrongBase { .. } => "Put both there from the same store.".into(),
            Self::OtherSource { .. } => "Name the job that it belongs to.".into(),
            Self::Damaged { .. } => "Fetch it again from where it is intact, or choose another generation.".into(),
            Self::Unsigned { .. } => {
                "Fetch the copy with its receipt from the sink, or, if you trust where it comes from, say `allow_unsigned: true`.".into()
            }
            Self::Unsafe { .. } => "Do not trust this generation: Handover does not write such archives.".into(),
            Self::NoPath { .. } => {
                "Write it as it was named on the source; `zstdcat catalog.jsonl.zst` in the generation lists all paths. It may be in an older one: `generation` takes a date, too.".into()
            }
            Self::NotCollected { .. } => "Name something in there, or another `stream`.".into(),
            Self::Detour { .. } => {
                "Name the real directory: links are followed only where nobody but root can make them.".into()
            }
            Self::NotReplaceable { .. } => {
                "Say `mode: merge`, which leaves the tree where it is and writes only what differs; or restore elsewhere with `target: <directory>` and move what you need, with the application stopped.".into()
            }
            Self::InTheWay { .. } => {
                "Move it away or unmount it. `delete: true` removes what the generation does not have.".into()
            }
            Self::Undecided { .. } => {
                "Say `backup_restore recover <job> --finish` for everything as in the generation, or `--undo` for everything as before; the services start after it.".into()
            }
            Self::Approved => "Call `recover` without it, and restore an older generation if that is what you want.".into(),
            Self::AlreadyKept(_) => "Move it away, or remove it, or restore without `keep_old`.".into(),
            Self::Pattern(_) => BadPattern::REMEDY.into(),
            Self::NoRelabelling => {
                "Install it (the package is called policycoreutils), or restore the labels of the source with `labels: kept`.".into()
            }
            Self::TargetNotEmpty(_) => "Name an empty or new directory.".into(),
            Self::NoRoom { path, .. } => {
                format!("Free room on the file system of {}: old and new tree stand side by side until the end.", path.display())
            }
            Self::Journal { path, .. } => format!("Compare the trees that it names by hand, then remove {}.", path.display()),
            Self::Io { .. } | Self::Dump { .. } => return None,
        })
    }
}
