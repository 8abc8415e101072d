//! A stream: what is collected, how, and what the source keeps of it.

use super::hooks::Command;
use super::transport::{Sink, Transport};
use crate::retention::Policy;
use crate::units::{Bytes, Percent, Span};
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf};

/// Data and logs are separate streams, each with its own handover point, user, transport and retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamName {
    /// Application data.
    Data,
    /// Log data.
    Logs,
}

impl StreamName {
    /// Both, in the order in which they are collected.
    pub const ALL: [Self; 2] = [Self::Data, Self::Logs];

    /// As in paths and options.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Logs => "logs",
        }
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for StreamName {
    type Err = crate::generation::ParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|stream| stream.as_str() == text)
            .ok_or_else(|| crate::generation::ParseError { text: text.to_owned(), expected: "a stream: data or logs" })
    }
}

/// One stream of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Absolute paths of files or directories.
    #[serde(default)]
    pub include: Vec<PathBuf>,
    /// gitignore patterns; one that begins with `/` is anchored at the root of the file system.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Stay on the file system of each include path.
    #[serde(default = "yes")]
    pub one_file_system: bool,
    /// Store FIFOs and device nodes.
    #[serde(default)]
    pub special_files: bool,
    /// Byte streams from commands.
    #[serde(default)]
    pub dumps: Vec<Dump>,
    /// What makes a collection implausible.
    #[serde(default)]
    pub checks: Checks,
    /// When a full is due.
    #[serde(default)]
    pub full: FullRule,
    /// Files from this size on are stored as changed blocks in incrementals.
    #[serde(default = "default_large_file")]
    pub large_file: Bytes,
    /// zstd level, 1 to 19.
    #[serde(default = "default_level")]
    pub compression_level: u8,
    /// Owner of handover point, store and restore folder; logs in over ssh.
    pub user: Option<String>,
    /// Where collect puts generations for transport.
    #[serde(default)]
    pub handover: Handover,
    /// What the source keeps after transport.
    #[serde(default)]
    pub store: Store,
    /// Where copies to be restored are placed.
    pub restore_folder: Option<PathBuf>,
    /// How copies travel.
    pub transport: Transport,
    /// What the sink keeps, and where.
    pub sink: Sink,
}

fn yes() -> bool {
    true
}

fn default_large_file() -> Bytes {
    Bytes(64 << 20)
}

fn default_level() -> u8 {
    3
}

/// A byte stream that a command writes to its standard output; its exit status decides whether it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dump {
    /// Names the artifact `dump-<name>.<extension>.zst`.
    pub name: String,
    /// Ending of the plain stream.
    #[serde(default = "default_extension")]
    pub extension: String,
    /// Writes the dump to its standard output.
    pub command: Command,
    /// Reads the dump from its standard input at restore; absent: the plain file is put into the restore folder.
    pub restore: Option<Command>,
    /// How the artifact is compressed.
    #[serde(default)]
    pub compression: Codec,
    /// Before the services stop, while they stand still, or after they run again.
    #[serde(default)]
    pub when: DumpTime,
}

fn default_extension() -> String {
    "dump".into()
}

/// Compression of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// zstd.
    #[default]
    Zstd,
    /// gzip, for consumers that want it.
    Gzip,
}

/// When a dump runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DumpTime {
    /// While the services run: for databases with a consistent dump of their own.
    #[default]
    Running,
    /// While the services stand still.
    Stopped,
}

/// What makes a collection implausible: the generation fails instead of counting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// Paths that must be mount points.
    pub mounted: Vec<PathBuf>,
    /// The least plain size of the whole stream.
    pub min_size: Option<Bytes>,
    /// The most by which the stream may be smaller than at the last good generation; see [`Checks::shrinking`].
    pub max_shrink: Option<Percent>,
    /// An include path that does not exist.
    pub missing: Tolerance,
    /// An include directory without entries.
    pub empty: Tolerance,
    /// A file that cannot be read.
    pub unreadable: Tolerance,
}

impl Checks {
    /// By which share the stream may be smaller than at the last good generation, and from how many lost bytes on that
    /// matters. What the job says holds to the byte. Unless it says anything, data fail that lost more than half and
    /// more than 10 MiB, because small trees come and go; logs do not fail, because rotation empties them.
    pub const fn shrinking(&self, stream: StreamName) -> (Percent, Bytes) {
        match (self.max_shrink, stream) {
            (Some(most), _) => (most, Bytes(0)),
            (None, StreamName::Data) => (Percent(50), Bytes(10 << 20)),
            (None, StreamName::Logs) => (Percent(100), Bytes(0)),
        }
    }
}

/// Whether an anomaly fails the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tolerance {
    /// The generation fails.
    #[default]
    Fail,
    /// It is recorded as a warning.
    Allow,
}

/// When the next generation is a full although a base is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FullRule {
    /// The base is at least this old. 0: every generation is a full.
    pub every: Span,
    /// The last incremental was above this share of its full's stored size.
    pub above: Percent,
}

impl Default for FullRule {
    fn default() -> Self {
        Self { every: Span(7 * 86_400), above: Percent(30) }
    }
}

/// The handover point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Handover {
    /// Its folder; default `/home/<user>/handover`.
    pub path: Option<PathBuf>,
    /// So many generations may wait; then collect refuses.
    pub keep: u32,
}

impl Default for Handover {
    fn default() -> Self {
        Self { path: None, keep: 3 }
    }
}

/// The source's own store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Its folder; default `/home/<user>/store`. On the same file system as the handover point.
    pub path: Option<PathBuf>,
    /// What is kept; default `generations: 1` for data, `generations: 0` for logs.
    pub retention: Option<Policy>,
}
