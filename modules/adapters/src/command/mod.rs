//! Starting programs: the one way in which Handover runs a child.
//!
//! - The command is a list of words, never a shell string.
//! - The environment is ours: a fixed `PATH`, `LANG=C.UTF-8` and what the caller names. Nothing leaks in or out.
//! - The child leads its own session and process group; a timeout, an interrupt or a dropped [`Running`] ends the whole
//!   group: SIGTERM, a grace period, SIGKILL.
//! - stderr is read all the time, so that a noisy child cannot block; its end is kept for the message.
//! - The exit status decides. Output of a child that failed is worth nothing.

mod error;
mod running;

pub use error::CommandError;
pub use running::{Finished, Running};

use crate::confine::Confinement;
use crate::host::Niceness;
use crate::signals::Interrupt;
use crate::sys::{self, ChildSetup};
use crate::users::Account;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// Where programs are looked up, here and by the children.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Captured stdout is bounded by this unless the caller says otherwise.
const DEFAULT_LIMIT: usize = 4 << 20;

/// Between SIGTERM and SIGKILL unless the caller says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// What the child reads.
pub enum Input {
    /// Nothing: `/dev/null`.
    Null,
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file from its current position.
    File(File),
    /// Whatever this reader yields. If it fails, the child is killed before it can take the end for real.
    Reader(Box<dyn Read + Send>),
}

/// A program to be started. Build it, then end with one of the `run…` methods or [`Command::stream`].
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    account: Option<Account>,
    niceness: Option<Niceness>,
    input: Input,
    timeout: Option<Duration>,
    grace: Duration,
    limit: usize,
    accepted: Vec<i32>,
    kept: Vec<OwnedFd>,
    interrupt: Option<Interrupt>,
    file_size: Option<u64>,
    bound: Option<running::Bound>,
    confinement: Option<Confinement>,
}

/// The captured result of a child that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status: 0, or one that [`Command::accept`] named.
    pub code: i32,
    /// Everything it wrote to stdout.
    pub stdout: Vec<u8>,
    /// The end of what it wrote to stderr.
    pub stderr: String,
}

impl Output {
    /// stdout as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// stdout and stderr are pipes to us.
    Piped,
    /// stdout is `/dev/null`, stderr an unlinked file.
    Quiet,
    /// All three descriptors are ours; same session.
    Attached,
    /// All three are `/dev/null`.
    Detached,
}

impl Command {
    /// A command for `program`: an absolute path, or a name that is looked up in [`PATH`].
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            directory: None,
            account: None,
            niceness: None,
            input: Input::Null,
            timeout: None,
            grace: DEFAULT_GRACE,
            limit: DEFAULT_LIMIT,
            accepted: vec![0],
            kept: Vec::new(),
            interrupt: None,
            file_size: None,
            bound: None,
            confinement: None,
        }
    }

    /// A command from its words; the first is the program. `None` for an empty list.
    pub fn from_words<S: AsRef<OsStr>>(words: &[S]) -> Option<Self> {
        let (program, args) = words.split_first()?;
        Some(Self::new(program.as_ref()).args(args))
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets one environment variable. Never put a secret here: use a file or [`Input`].
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts in this directory instead of ours.
    #[must_use]
    pub fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.directory = Some(path.as_ref().to_owned());
        self
    }

    /// Runs as this account, with its groups, `HOME`, `USER` and `LOGNAME`. Needs root unless it is us.
    #[must_use]
    pub fn as_user(mut self, account: &Account) -> Self {
        self.account = Some(account.clone());
        self
    }

    /// Sets its priorities; the default is to inherit ours.
    #[must_use]
    pub const fn niceness(mut self, niceness: Niceness) -> Self {
        self.niceness = Some(niceness);
        self
    }

    /// Sets what it reads; the default is nothing.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Ends it after this time; the default is never.
    #[must_use]
    pub const fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// How long SIGTERM may take before SIGKILL follows.
    #[must_use]
    pub const fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// Bounds captured stdout, in bytes.
    #[must_use]
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Counts these exit statuses as success, besides 0.
    #[must_use]
    pub fn accept(mut self, codes: &[i32]) -> Self {
        self.accepted.extend_from_slice(codes);
        self
    }

    /// Leaves a descriptor open in the child under its number here: a lock that it shall hold as long as it lives.
    #[must_use]
    pub fn keep_open(mut self, descriptor: OwnedFd) -> Self {
        self.kept.push(descriptor);
        self
    }

    /// Ends it as soon as this run is interrupted. Leave it away for what must be finished, such as starting a service.
    #[must_use]
    pub fn interrupted_by(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = Some(interrupt.clone());
        self
    }

    /// Lets it write no file that is longer, in bytes.
    #[must_use]
    pub const fn file_size(mut self, bytes: u64) -> Self {
        self.file_size = Some(bytes);
        self
    }

    /// Confines it, as far as the kernel can ([`Force::here`](crate::confine::Force::here)).
    #[must_use]
    pub fn confined(mut self, confinement: Confinement) -> Self {
        self.confinement = Some(confinement);
        self
    }

    /// Kills it and its whole group, without a grace period, once `holds` says no. It is asked several times a second.
    #[must_use]
    pub fn as_long_as(mut self, holds: impl FnMut() -> bool + Send + 'static, or: &'static str) -> Self {
        self.bound = Some(running::Bound::new(Box::new(holds), or));
        self
    }

    /// Runs it and captures stdout. Does not wait for background processes that it leaves behind.
    pub fn run(self) -> Result<Output, CommandError> {
        let limit = self.limit;
        let mut running = self.start(Mode::Piped)?;
        let stdout = running.capture(limit)?;
        let finished = running.finish()?;
        Ok(Output { code: finished.code, stdout, stderr: finished.stderr })
    }

    /// Runs a command that may leave a daemon behind. Neither stdout nor stderr is a pipe, so that a daemon which
    /// kept them is not killed by SIGPIPE when it writes after our end.
    pub fn run_quiet(self) -> Result<Finished, CommandError> {
        self.start(Mode::Quiet)?.finish()
    }

    /// Runs it on our own stdin, stdout and stderr, in our own session and a group of its own.
    pub fn run_attached(self) -> Result<Finished, CommandError> {
        self.start(Mode::Attached)?.finish()
    }

    /// Starts it in a session of its own, on `/dev/null`, and lets it go: nothing ends it with us.
    pub fn detach(self) -> Result<std::process::Child, CommandError> {
        let (child, _, _, _) = self.spawn(Mode::Detached)?;
        Ok(child)
    }

    /// Starts it and hands its stdout over as a [`Read`]. Only [`Running::finish`] says whether what was read counts.
    pub fn stream(self) -> Result<Running, CommandError> {
        self.start(Mode::Piped)
    }

    /// Runs it with stdout going to `out`; returns the number of bytes. On an error `out` holds rubbish.
    pub fn run_to(self, out: &mut dyn Write) -> Result<u64, CommandError> {
        let mut running = self.stream()?;
        let copied = io::copy(&mut running, out);
        // The child's own reason is better than the broken pipe that it caused.
        let failed =
            |source| CommandError::Io { program: running.program().into(), action: "copy the output of", source };
        match copied.map_err(failed) {
            Ok(bytes) => running.finish().map(|_| bytes),
            Err(error) => Err(running.failure().unwrap_or(error)),
        }
    }

    fn start(self, mode: Mode) -> Result<Running, CommandError> {
        let (child, rules, feed, log) = self.spawn(mode)?;
        Running::new(child, rules, feed, log)
    }

    fn spawn(self, mode: Mode) -> Result<(std::process::Child, running::Rules, Feed, Option<File>), CommandError> {
        let program = self.program.to_string_lossy().into_owned();
        let path = find(&self.program).ok_or_else(|| CommandError::Missing { program: program.clone() })?;
        let failed = |source| CommandError::Spawn { program: program.clone(), source };

        let mut command = std::process::Command::new(&path);
        command.args(&self.args).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8");
        if let Some(account) = &self.account {
            command.env("HOME", &account.home).env("USER", &account.name).env("LOGNAME", &account.name);
        }
        command.envs(self.env);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let (stdin, feed) = stdin(self.input, mode);
        // Without room for it the words are lost, not the service that is to be started.
        let log = if mode == Mode::Quiet { tempfile::tempfile().ok() } else { None };
        let (stdout, stderr) = match (mode, &log) {
            (Mode::Piped, _) => (Stdio::piped(), Stdio::piped()),
            (Mode::Quiet, Some(log)) => (Stdio::null(), Stdio::from(log.try_clone().map_err(failed)?)),
            (Mode::Quiet | Mode::Detached, _) => (Stdio::null(), Stdio::null()),
            (Mode::Attached, _) => (Stdio::inherit(), Stdio::inherit()),
        };
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        if mode == Mode::Attached {
            command.process_group(0);
        }
        sys::prepare(
            &mut command,
            ChildSetup {
                session: mode != Mode::Attached,
                nice: self.niceness.map(|niceness| niceness.nice),
                io_priority: self.niceness.map(Niceness::io_priority),
                ids: self.account.and_then(identity),
                file_size: self.file_size,
                keep: self.kept.iter().map(AsRawFd::as_raw_fd).collect(),
            },
        );
        let child = match &self.confinement {
            None => command.spawn(),
            // A child inherits the confinement of the thread that starts it, and a thread cannot shed it.
            Some(confinement) => thread::scope(|scope| {
                let starts = || confinement.apply(&path).map_err(io::Error::other).and_then(|_| command.spawn());
                scope
                    .spawn(starts)
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("the thread that starts it has ended")))
            }),
        }
        .map_err(failed)?;
        let rules = running::Rules {
            program,
            timeout: self.timeout,
            grace: self.grace,
            accepted: self.accepted,
            interrupt: self.interrupt,
            bound: self.bound,
        };
        Ok((child, rules, feed, log))
    }
}

/// What a thread has to write to the child's stdin.
type Feed = Option<Box<dyn Read + Send>>;

/// Whom the child must become; `None` where it already is.
fn identity(account: Account) -> Option<(Vec<u32>, u32, u32)> {
    (nix::unistd::geteuid().as_raw() != account.uid).then_some((account.groups, account.gid, account.uid))
}

/// The child's stdin, and what a thread has to feed into it.
fn stdin(input: Input, mode: Mode) -> (Stdio, Feed) {
    match input {
        Input::Null if mode == Mode::Attached => (Stdio::inherit(), None),
        Input::Null => (Stdio::null(), None),
        Input::File(file) => (Stdio::from(file), None),
        Input::Bytes(bytes) => (Stdio::piped(), Some(Box::new(io::Cursor::new(bytes)))),
        Input::Reader(reader) => (Stdio::piped(), Some(reader)),
    }
}

/// The file that `program` names: itself if it contains a slash, else the first executable in [`PATH`].
pub fn find(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    let program = Path::new(program.as_ref());
    let is_file = |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file());
    let runs = |path: &PathBuf| is_file(path) && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok();
    if program.components().count() > 1 || program.is_absolute() {
        return Some(program.to_owned()).filter(|path| path.metadata().is_ok());
    }
    PATH.split(':').map(|directory| Path::new(directory).join(program)).find(runs)
}
