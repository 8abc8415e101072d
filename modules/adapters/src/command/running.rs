//! A child that runs: waiting with a deadline, reading without blocking for ever, ending the whole group.

use super::CommandError;
use crate::signals::Interrupt;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{self, PipeReader, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How much of stderr is kept, in bytes.
const TAIL: usize = 4096;
/// How long stderr may stay open after the child's end before we stop waiting for more of it.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// What the builder decided.
pub(super) struct Rules {
    pub(super) program: String,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Duration,
    pub(super) accepted: Vec<i32>,
    pub(super) interrupt: Option<Interrupt>,
    pub(super) bound: Option<Bound>,
}

/// What must hold while the child runs.
pub(super) struct Bound {
    holds: Box<dyn FnMut() -> bool + Send>,
    or: &'static str,
    due: Instant,
}

impl Bound {
    /// How often it is asked; less often where asking takes long.
    const EVERY: Duration = Duration::from_millis(100);

    pub(super) fn new(holds: Box<dyn FnMut() -> bool + Send>, or: &'static str) -> Self {
        Self { holds, or, due: Instant::now() }
    }

    /// Asks, if it is time to.
    fn broken(&mut self) -> bool {
        let begin = Instant::now();
        if begin < self.due {
            return false;
        }
        let broken = !(self.holds)();
        self.due = Instant::now() + Self::EVERY.max(begin.elapsed() * 4);
        broken
    }
}

/// A child that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The exit status.
    pub code: i32,
    /// The end of what it wrote to stderr.
    pub stderr: String,
}

/// A running child whose stdout can be read. Dropping it ends it and its whole group.
pub struct Running {
    child: Child,
    rules: Rules,
    deadline: Option<Instant>,
    stdout: Option<ChildStdout>,
    stderr: Stderr,
    feeder: Option<thread::JoinHandle<io::Result<()>>>,
    /// End of file once the child has ended; it is still a zombie then, so its id cannot be anybody else's.
    ended: PipeReader,
    reaped: bool,
    /// Why the child was killed, if it was.
    killed: Option<Why>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Timeout,
    Interrupt,
    Bound,
    Abandoned,
}

enum Stderr {
    Ours,
    File(File),
    Pipe { tail: Arc<Mutex<Vec<u8>>>, closed: mpsc::Receiver<()> },
}

/// What a wait ended with.
enum Event {
    Output,
    Ended,
}

impl Running {
    pub(super) fn new(
        mut child: Child,
        rules: Rules,
        feed: Option<Box<dyn Read + Send>>,
        log: Option<File>,
    ) -> Result<Self, CommandError> {
        let deadline = rules.timeout.map(|time| Instant::now() + time);
        let pid = pid_of(&child);
        let stderr = match (child.stderr.take(), log) {
            (Some(pipe), _) => keep_tail(pipe),
            (None, Some(log)) => Stderr::File(log),
            (None, None) => Stderr::Ours,
        };
        let feeder = feed.zip(child.stdin.take()).map(|(mut source, mut sink)| {
            thread::spawn(move || match pump(&mut source, &mut sink) {
                // Not reading all of its input is the child's right; its status tells whether it was wrong.
                Err(Pump::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                Err(Pump::Write(error)) => Err(error),
                Err(Pump::Read(error)) => {
                    // Before stdin closes: a cut-off input must not look like a complete one.
                    let _ = killpg(pid, Signal::SIGKILL);
                    Err(error)
                }
                Ok(()) => Ok(()),
            })
        });
        let stdout = child.stdout.take();
        let (ended, at_end) = match io::pipe() {
            Ok(pipe) => pipe,
            Err(source) => {
                let _ = killpg(pid, Signal::SIGKILL);
                let _ = child.wait();
                return Err(CommandError::Io { program: rules.program, action: "watch", source });
            }
        };
        thread::spawn(move || {
            let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while waitid(Id::Pid(pid), look) == Err(nix::Error::EINTR) {}
            drop(at_end);
        });
        Ok(Self { child, rules, deadline, stdout, stderr, feeder, ended, reaped: false, killed: None })
    }

    /// First word of the command, for messages.
    pub fn program(&self) -> &str {
        &self.rules.program
    }

    /// Waits for the end; the exit status decides. stdout that was not read is closed first.
    pub fn finish(mut self) -> Result<Finished, CommandError> {
        self.stdout = None;
        while !matches!(self.wait(), Event::Ended) {}
        self.conclude()
    }

    /// Why a child whose output could not be read came to its end, if that was its own doing or ours.
    pub(super) fn failure(mut self) -> Option<CommandError> {
        self.stdout = None;
        if self.killed.is_none() {
            self.kill(Why::Abandoned);
        }
        let killed = self.killed;
        self.conclude().err().filter(|_| killed != Some(Why::Abandoned))
    }

    /// Reads stdout to its end or to the child's end, whichever comes first.
    pub(super) fn capture(&mut self, limit: usize) -> Result<Vec<u8>, CommandError> {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while let Event::Output = self.wait() {
            let Some(stdout) = &mut self.stdout else { break };
            let count = match stdout.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(self.io("read the output of", source)),
            };
            if bytes.len() + count > limit {
                return Err(CommandError::TooMuchOutput { program: self.rules.program.clone(), limit });
            }
            bytes.extend_from_slice(&buffer[..count]);
        }
        Ok(bytes)
    }

    /// Waits for output or for the end. Ends the child at its deadline or on an interrupt.
    fn wait(&mut self) -> Event {
        loop {
            if self.killed.is_none() {
                if self.rules.interrupt.as_ref().is_some_and(Interrupt::is_set) {
                    self.kill(Why::Interrupt);
                } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    self.kill(Why::Timeout);
                } else if self.rules.bound.as_mut().is_some_and(Bound::broken) {
                    self.kill(Why::Bound);
                }
            }
            if self.killed.is_some() {
                return Event::Ended;
            }
            let until = self.deadline.into_iter().chain(self.rules.bound.as_ref().map(|bound| bound.due)).min();
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let mut watched = vec![self.ended.as_fd()];
            watched.extend(self.stdout.as_ref().map(AsFd::as_fd));
            watched.extend(self.rules.interrupt.as_ref().map(AsFd::as_fd));
            let ready = ready(&watched, left);
            // Output first: what was written before the end must be read.
            if self.stdout.is_some() && ready[1] {
                return Event::Output;
            }
            if ready[0] {
                return Event::Ended;
            }
        }
    }

    /// SIGTERM to the group, SIGKILL after the grace period. The child is a zombie afterwards.
    fn kill(&mut self, why: Why) {
        self.killed = Some(why);
        let pid = pid_of(&self.child);
        if why != Why::Bound {
            let _ = killpg(pid, Signal::SIGTERM);
        }
        let patience = Instant::now() + if why == Why::Bound { Duration::ZERO } else { self.rules.grace };
        while !ready(&[self.ended.as_fd()], Some(patience.saturating_duration_since(Instant::now())))[0]
            && Instant::now() < patience
        {}
        // Also when the child itself has gone: others of its group may not have listened.
        let _ = killpg(pid, Signal::SIGKILL);
        while !ready(&[self.ended.as_fd()], None)[0] {}
    }

    fn conclude(&mut self) -> Result<Finished, CommandError> {
        // The feeder may signal the group, so it has to end before the child's id becomes free.
        let fed = self.feeder.take().filter(|_| self.killed.is_none()).and_then(|feeder| feeder.join().ok());
        let status = self.child.wait().map_err(|source| self.io("wait for", source))?;
        self.reaped = true;
        let stderr = self.stderr.text();
        let program = || self.rules.program.clone();
        let by = self.rules.interrupt.as_ref().and_then(|interrupt| interrupt.check().err());
        match self.killed {
            Some(Why::Timeout) => {
                let after = self.rules.timeout.unwrap_or_default();
                return Err(CommandError::TimedOut { program: program(), after, stderr });
            }
            Some(Why::Interrupt) if let Some(by) = by => {
                return Err(CommandError::Interrupted { program: program(), by: by.into() });
            }
            Some(Why::Bound) => {
                let why = self.rules.bound.as_ref().map_or("", |bound| bound.or);
                return Err(CommandError::OutOfBounds { program: program(), why });
            }
            // Nobody takes back an interrupt.
            Some(Why::Interrupt | Why::Abandoned) | None => {}
        }
        // It may have ended before it was asked again.
        if self.killed.is_none()
            && let Some(bound) = &mut self.rules.bound
            && !(bound.holds)()
        {
            return Err(CommandError::OutOfBounds { program: program(), why: bound.or });
        }
        if let Some(Err(source)) = fed {
            return Err(self.io("feed", source));
        }
        match status.code() {
            Some(code) if self.rules.accepted.contains(&code) => Ok(Finished { code, stderr }),
            code => Err(CommandError::Failed { program: program(), status: describe(status), code, stderr }),
        }
    }

    fn io(&self, action: &'static str, source: io::Error) -> CommandError {
        CommandError::Io { program: self.rules.program.clone(), action, source }
    }
}

impl Read for Running {
    /// Reads stdout. End of file says only that the child closed it; [`Running::finish`] says whether it succeeded.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stdout.is_none() {
                return Ok(0);
            }
            if let Event::Ended = self.wait() {
                if self.killed.is_some() {
                    return Err(io::Error::other(format!("{} was ended", self.rules.program)));
                }
                // The child has gone, a descendant still holds the pipe: what it writes belongs to the output.
                self.await_output()?;
            }
            let Some(stdout) = &mut self.stdout else { return Ok(0) };
            match stdout.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Running {
    fn await_output(&mut self) -> io::Result<()> {
        loop {
            let Some(stdout) = &self.stdout else { return Ok(()) };
            let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let mut watched = vec![stdout.as_fd()];
            watched.extend(self.rules.interrupt.as_ref().map(AsFd::as_fd));
            if ready(&watched, left)[0] {
                return Ok(());
            }
            let interrupted = self.rules.interrupt.as_ref().is_some_and(Interrupt::is_set);
            if interrupted || left.is_some_and(|left| left.is_zero()) {
                self.kill(if interrupted { Why::Interrupt } else { Why::Timeout });
                return Err(io::Error::other(format!("{} was ended", self.rules.program)));
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            if self.killed.is_none() {
                self.kill(Why::Abandoned);
            }
            let _ = self.child.wait();
        }
    }
}

impl Stderr {
    fn text(&mut self) -> String {
        let bytes = match self {
            Self::Ours => Vec::new(),
            Self::File(file) => read_tail(file).unwrap_or_default(),
            Self::Pipe { tail, closed } => {
                let _ = closed.recv_timeout(LAST_WORDS);
                tail.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
        };
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    }
}

fn read_tail(file: &mut File) -> io::Result<Vec<u8>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL as u64)))?;
    let mut bytes = Vec::new();
    file.take(TAIL as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads stderr until it closes, however late that is, and keeps its end.
fn keep_tail(mut pipe: ChildStderr) -> Stderr {
    let tail = Arc::new(Mutex::new(Vec::new()));
    let (done, closed) = mpsc::channel();
    let kept = Arc::clone(&tail);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.extend_from_slice(&buffer[..count]);
                    let excess = kept.len().saturating_sub(TAIL);
                    kept.drain(..excess);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = done.send(());
    });
    Stderr::Pipe { tail, closed }
}

enum Pump {
    Read(io::Error),
    Write(io::Error),
}

fn pump(source: &mut dyn Read, sink: &mut dyn Write) -> Result<(), Pump> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => sink.write_all(&buffer[..count]).map_err(Pump::Write)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Pump::Read(error)),
        }
    }
}

/// Which descriptors are readable or closed; waits up to `left`, for ever without it. May return early with none.
fn ready(watched: &[BorrowedFd<'_>], left: Option<Duration>) -> Vec<bool> {
    let mut polled: Vec<_> = watched.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    // Rounded up, lest the last millisecond be spent spinning.
    let left = left.map(|left| left + Duration::from_micros(999));
    let timeout = left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
    let _ = poll(&mut polled, timeout);
    polled.iter().map(|fd| fd.revents().is_some_and(|events| !events.is_empty())).collect()
}

fn pid_of(child: &Child) -> Pid {
    // Process ids fit: the kernel's own type is a signed 32-bit integer.
    Pid::from_raw(child.id().cast_signed())
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("signal {signal}"),
            Err(_) => format!("signal {number}"),
        },
        (None, None) => "an unknown status".into(),
    }
}
