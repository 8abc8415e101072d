//! The job document: what a user declares about one thing to back up. One YAML document per job, the same on both sides.
//!
//! `parse` reads it strictly; `check` refuses what is contradictory. Every path default is spelt out here and nowhere else.

mod check;
mod document;
pub mod objectives;
mod parse;

pub use objectives::Objectives;
pub use parse::{JobError, Problem};

use crate::retention::Policy;
use crate::units::{Bytes, Percent, Span};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, path::PathBuf};

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

/// One job document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Version of the document's schema: 1.
    pub version: u32,
    /// Name of the job: it names folders, cron files and locks.
    pub job: String,
    /// Jobs of a group are managed together.
    #[serde(default = "default_group")]
    pub group: String,
    /// Name of the source host: the folder on the sink.
    pub source: String,
    /// State on this host: locks, indexes of bases, the intent of a running collect.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Who is told of failures.
    #[serde(default)]
    pub mail: Mail,
    /// Scheduling priority of collect, transport, rotate and their children.
    #[serde(default)]
    pub priority: Priority,
    /// Stopped in this order before collecting and started in reverse.
    #[serde(default)]
    pub services: Vec<Service>,
    /// How long the services may stand still: beyond it the rescue starts them and the generation fails.
    #[serde(default = "default_max_downtime")]
    pub max_downtime: Span,
    /// Commands around collect.
    #[serde(default)]
    pub hooks: Hooks,
    /// What restore does besides putting files back.
    #[serde(default)]
    pub restore: Restore,
    /// Times of the cron entries, as cron writes them.
    #[serde(default)]
    pub schedule: Schedule,
    /// Promises from which times are derived where `schedule` gives none.
    #[serde(default)]
    pub objectives: Option<Objectives>,
    /// What is collected.
    pub streams: BTreeMap<StreamName, Stream>,
}

/// Explicit cron times, five fields each. The roles install them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// On the source.
    pub collect: Option<String>,
    /// On the side that transports.
    pub transport: Option<String>,
    /// On the sink: rotation apart from the one after each transport.
    pub rotate: Option<String>,
}

/// Mail through the host's sendmail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// Recipients; empty: no mail.
    pub to: Vec<String>,
    /// Sender; absent: sendmail's default.
    pub from: Option<String>,
    /// The sendmail program.
    pub sendmail: PathBuf,
}

impl Default for Mail {
    fn default() -> Self {
        Self { to: vec!["root".into()], from: None, sendmail: "/usr/sbin/sendmail".into() }
    }
}

/// CPU and I/O priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Priority {
    /// −20 to 19.
    pub nice: i8,
    /// I/O class and level.
    pub ionice: IoNice,
}

impl Default for Priority {
    fn default() -> Self {
        Self { nice: 10, ionice: IoNice::default() }
    }
}

/// I/O priority as `ionice` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IoNice {
    /// Scheduling class.
    pub class: IoClass,
    /// 0 (first) to 7 (last); only for realtime and best-effort.
    pub level: u8,
}

impl Default for IoNice {
    fn default() -> Self {
        Self { class: IoClass::BestEffort, level: 7 }
    }
}

/// I/O scheduling class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoClass {
    /// Leave it as it is.
    None,
    /// Before everybody else.
    Realtime,
    /// The usual class.
    BestEffort,
    /// Only when nobody else wants the disk.
    Idle,
}

/// Something that must stand still while collect reads. Exactly one of `systemd`, `sysv`, `name` says which kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// A systemd unit with its suffix, such as `shop.service`.
    pub systemd: Option<String>,
    /// A script of /etc/init.d.
    pub sysv: Option<String>,
    /// Name of something that declared commands control, such as a container.
    pub name: Option<String>,
    /// Declared: exit status 0 means running, 1 to 3 not running (as LSB has it; 4 is "unknown" there).
    #[serde(default)]
    pub status: Vec<String>,
    /// Declared: stops it.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Declared: starts it.
    #[serde(default)]
    pub start: Vec<String>,
    /// How long a stop or a start may take.
    #[serde(default = "default_service_timeout")]
    pub timeout: Span,
}

/// Commands run around the work, in order. Each has a time limit, after which its whole process group is killed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Before anything is stopped; a failure ends the run.
    pub before: Vec<Command>,
    /// After success; a failure fails the run.
    pub after: Vec<Command>,
    /// After a failure.
    pub failed: Vec<Command>,
    /// Always, last.
    pub r#finally: Vec<Command>,
}

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Program and arguments; no shell is involved.
    pub run: Vec<String>,
    /// Time limit.
    #[serde(default = "default_hook_timeout")]
    pub timeout: Span,
    /// Run as this user instead of root.
    pub user: Option<String>,
    /// Files with secrets that the command reads: refused unless owned by its user or root and closed to everybody else.
    #[serde(default)]
    pub secret_files: Vec<PathBuf>,
}

/// What restore does besides putting files back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Restore {
    /// Commands around restore: the application's own procedure.
    pub hooks: Hooks,
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
    /// The most by which the stream may be smaller than the last good generation's.
    pub max_shrink: Option<Percent>,
    /// An include path that does not exist.
    pub missing: Tolerance,
    /// An include directory without entries.
    pub empty: Tolerance,
    /// A file that cannot be read.
    pub unreadable: Tolerance,
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

/// How copies travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transport {
    /// Which side begins.
    pub mode: Mode,
    /// The host that the beginning side logs in to.
    pub peer: Peer,
    /// Whether the sink re-reads and compares every digest before it says that it has a copy.
    #[serde(default)]
    pub verify: Verify,
    /// Bytes per second at most.
    pub bandwidth: Option<Bytes>,
    /// How long failed attempts are repeated.
    #[serde(default = "default_window")]
    pub window: Span,
    /// Public keys of sinks whose receipts count, in ssh's `allowed_signers` form, on the source.
    #[serde(default = "default_signers")]
    pub signers: PathBuf,
}

/// Which side begins the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The source logs in to the sink.
    Push,
    /// The sink logs in to the source.
    Pull,
}

/// Whether arrival is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Every digest is compared on the sink.
    #[default]
    Hash,
    /// An arrival receipt only: the copy is shown as unverified everywhere and never displaces a verified one.
    None,
}

/// A host to log in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Name or address.
    pub address: String,
    /// ssh port.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Login; default: the stream's user (pull) or the sink's (push).
    pub user: Option<String>,
    /// Private key; default: see [`StreamOf::identity`].
    pub identity: Option<PathBuf>,
    /// Pinned host keys.
    #[serde(default = "default_known_hosts")]
    pub known_hosts: PathBuf,
}

/// The sink's side of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// Name of the sink: the identity its receipts are signed with.
    pub name: String,
    /// Owner of everything on the sink.
    #[serde(default = "default_sink_user")]
    pub user: String,
    /// Holds `incoming`, `verifying` and `store`; default `/home/<user>`.
    pub home: Option<PathBuf>,
    /// What is kept.
    pub retention: Policy,
    /// Nothing younger than this by receipt time is deleted.
    #[serde(default = "default_protect")]
    pub protect: Span,
    /// A deletion needs the generations that justify it to have been re-read within this time.
    #[serde(default = "default_verify_max_age")]
    pub verify_max_age: Span,
    /// How long one rotation may re-read for that.
    #[serde(default = "default_verify_box")]
    pub verify_box: Span,
    /// The private key that signs receipts.
    #[serde(default = "default_receipt_key")]
    pub receipt_key: PathBuf,
}

fn yes() -> bool {
    true
}
fn default_group() -> String {
    "default".into()
}
/// Where a job keeps its state unless it says otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/handover";

fn default_state() -> PathBuf {
    DEFAULT_STATE.into()
}
fn default_max_downtime() -> Span {
    Span(600)
}
fn default_service_timeout() -> Span {
    Span(90)
}
fn default_hook_timeout() -> Span {
    Span(300)
}
fn default_large_file() -> Bytes {
    Bytes(64 << 20)
}
fn default_level() -> u8 {
    3
}
fn default_extension() -> String {
    "dump".into()
}
fn default_window() -> Span {
    Span(3600)
}
fn default_signers() -> PathBuf {
    "/etc/handover/signers".into()
}
fn default_port() -> u16 {
    22
}
fn default_known_hosts() -> PathBuf {
    "/etc/handover/known_hosts".into()
}
fn default_sink_user() -> String {
    "dataBackupSink".into()
}
fn default_protect() -> Span {
    Span(30 * 86_400)
}
fn default_verify_max_age() -> Span {
    Span(8 * 86_400)
}
fn default_verify_box() -> Span {
    Span(600)
}
fn default_receipt_key() -> PathBuf {
    "/etc/handover/receipt_ed25519".into()
}

fn home(user: &str) -> PathBuf {
    PathBuf::from("/home").join(user)
}

/// A stream together with its name: what has defaults that depend on the name or on other settings is asked here.
#[derive(Debug, Clone, Copy)]
pub struct StreamOf<'a> {
    /// The job.
    pub job: &'a Job,
    /// Which stream.
    pub name: StreamName,
    /// As declared.
    pub stream: &'a Stream,
}

impl Job {
    /// A declared stream by name.
    pub fn stream(&self, name: StreamName) -> Option<StreamOf<'_>> {
        self.streams.get(&name).map(|stream| StreamOf { job: self, name, stream })
    }

    /// All declared streams, data first.
    pub fn streams(&self) -> impl Iterator<Item = StreamOf<'_>> {
        self.streams.iter().map(|(&name, stream)| StreamOf { job: self, name, stream })
    }

    /// This job's state directory on the source: `<state>/<job>`.
    pub fn state_dir(&self) -> PathBuf {
        self.state.join(&self.job)
    }
}

impl StreamOf<'_> {
    /// Owner of the stream's folders on the source.
    pub fn user(&self) -> &str {
        self.stream.user.as_deref().unwrap_or(match self.name {
            StreamName::Data => "dataBackupSource",
            StreamName::Logs => "logBackupSource",
        })
    }

    /// Root of the handover point.
    pub fn handover_root(&self) -> PathBuf {
        self.stream.handover.path.clone().unwrap_or_else(|| home(self.user()).join("handover"))
    }

    /// Root of the source's store.
    pub fn store_root(&self) -> PathBuf {
        self.stream.store.path.clone().unwrap_or_else(|| home(self.user()).join("store"))
    }

    /// Root of the restore folder.
    pub fn restore_root(&self) -> PathBuf {
        self.stream.restore_folder.clone().unwrap_or_else(|| home(self.user()).join("restore"))
    }

    /// What the source's store keeps.
    pub fn store_retention(&self) -> Policy {
        self.stream.store.retention.clone().unwrap_or_else(|| Policy {
            generations: Some(match self.name {
                StreamName::Data => 1,
                StreamName::Logs => 0,
            }),
            ..Policy::default()
        })
    }

    /// Home of the sink's folders.
    pub fn sink_home(&self) -> PathBuf {
        self.stream.sink.home.clone().unwrap_or_else(|| home(&self.stream.sink.user))
    }

    /// Root of the sink's store of this source: `<home>/store/<source>`.
    pub fn sink_store_root(&self) -> PathBuf {
        self.sink_home().join("store").join(&self.job.source)
    }

    /// Where arriving files are written: `<home>/incoming/<source>`.
    pub fn incoming_root(&self) -> PathBuf {
        self.sink_home().join("incoming").join(&self.job.source)
    }

    /// Where arrived files are hashed: `<home>/verifying/<source>`.
    pub fn verifying_root(&self) -> PathBuf {
        self.sink_home().join("verifying").join(&self.job.source)
    }

    /// The user that begins the transport on its own host.
    pub fn own_user(&self) -> &str {
        match self.stream.transport.mode {
            Mode::Push => self.user(),
            Mode::Pull => &self.stream.sink.user,
        }
    }

    /// The login on the peer.
    pub fn peer_user(&self) -> &str {
        self.stream.transport.peer.user.as_deref().unwrap_or(match self.stream.transport.mode {
            Mode::Push => &self.stream.sink.user,
            Mode::Pull => self.user(),
        })
    }

    /// The private key to log in with: one per job, because a key in `authorized_keys` is bound to one job.
    /// Default `/home/<own user>/.ssh/handover-<job>_ed25519` (push), `…/handover-<source>--<job>_ed25519` (pull).
    pub fn identity(&self) -> PathBuf {
        let name = match self.stream.transport.mode {
            Mode::Push => self.job.job.clone(),
            Mode::Pull => format!("{}--{}", self.job.source, self.job.job),
        };
        let default = || home(self.own_user()).join(format!(".ssh/handover-{name}_ed25519"));
        self.stream.transport.peer.identity.clone().unwrap_or_else(default)
    }
}
