//! The end that starts the transfer.

use super::server::bandwidth;
use super::{Ceiling, PARTIAL, RsyncError, SILENCE, basis, error, is_transferable};
use crate::command::Command;
use crate::host::Niceness;
use crate::lock::Lock;
use crate::signals::Interrupt;
use crate::ssh::Peer;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

/// rsync refuses more arguments than a thousand on a server's command line.
const NAMES_AT_ONCE: usize = 500;

/// One transfer between `directory` here and whatever directory the peer's forced command chooses for `verb`.
#[derive(Clone, Copy)]
pub struct Transfer<'a> {
    /// The other host.
    pub peer: &'a Peer,
    /// The words that stand before rsync's own in the remote command: a verb and its arguments.
    pub verb: &'a [&'a str],
    /// The directory that is read or written here.
    pub directory: &'a Path,
    /// Exactly these files, relative to the directory.
    pub names: &'a [String],
    /// Bytes per second that we send at most. When we receive, the sender's own limit counts.
    pub bandwidth: Option<u64>,
    /// When the transfer is given up, however well it goes.
    pub timeout: Option<Duration>,
    /// Priorities of rsync and ssh.
    pub niceness: Option<Niceness>,
    /// Ends it in order.
    pub interrupt: Option<&'a Interrupt>,
    /// Held by rsync as long as it lives, also beyond us.
    pub lock: Option<&'a Lock>,
    /// What may arrive here, if we receive.
    pub ceiling: Option<Ceiling>,
}

/// What a transfer moved, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Size of the files.
    pub total: u64,
    /// Of that, sent as such.
    pub literal: u64,
    /// Of that, found in the receiver's basis.
    pub matched: u64,
    /// Everything that we wrote to the connection.
    pub sent: u64,
    /// Everything that we read from it.
    pub received: u64,
}

impl Transfer<'_> {
    /// Sends the files. `progress` gets the bytes done so far, several times a second.
    pub fn push(&self, progress: &mut dyn FnMut(u64)) -> Result<Stats, RsyncError> {
        let mut args: Vec<OsString> = self.bandwidth.map(bandwidth).into_iter().map(Into::into).collect();
        args.push("--".into());
        args.extend(self.names.iter().map(OsString::from));
        args.push(format!("{}:.", self.host()).into());
        self.run(args, self.names, progress)
    }

    /// Receives the files. Call [`super::basis::prepare`] first.
    pub fn pull(&self, progress: &mut dyn FnMut(u64)) -> Result<Stats, RsyncError> {
        let mut stats = Stats::default();
        for names in self.names.chunks(NAMES_AT_ONCE) {
            let partial = format!("--partial-dir={PARTIAL}");
            let (basis, block) = (basis::option(self.directory), basis::block(self.directory));
            let mut args: Vec<OsString> = [partial, basis, block, "--".into()].map(Into::into).into();
            let mut host = self.host();
            for name in names {
                args.push(format!("{host}:{name}").into());
                host = String::new();
            }
            args.push(".".into());
            let before = stats.total;
            stats.add(self.run(args, names, &mut |done| progress(before + done))?);
        }
        Ok(stats)
    }

    fn run(&self, args: Vec<OsString>, names: &[String], progress: &mut dyn FnMut(u64)) -> Result<Stats, RsyncError> {
        if let Some(name) = names.iter().find(|name| !is_transferable(name)) {
            return Err(RsyncError::Name(name.clone()));
        }
        if names.is_empty() {
            return Ok(Stats::default());
        }
        let mut command = Command::new("rsync")
            .args(["-R", "-I", "--no-whole-file", "--no-human-readable", "--stats", "--info=progress2"])
            .arg(format!("--timeout={}", SILENCE.as_secs()))
            .arg(concat("--rsh=", &remote_shell(self.peer)))
            .arg(format!("--rsync-path={}", self.verb.join(" ")))
            .args(args)
            .directory(self.directory);
        if let Some(timeout) = self.timeout {
            command = command.timeout(timeout);
        }
        if let Some(niceness) = self.niceness {
            command = command.niceness(niceness);
        }
        if let Some(interrupt) = self.interrupt {
            command = command.interrupted_by(interrupt);
        }
        if let Some(ceiling) = self.ceiling {
            command = ceiling.over(command, self.directory);
        }
        if let Some(descriptor) = self.lock.and_then(|lock| lock.descriptor().ok()) {
            command = command.keep_open(descriptor);
        }
        let failed = |error| error::classify(self.peer, error);
        let mut running = command.stream().map_err(failed)?;
        let report = follow(&mut running, progress);
        running.finish().map_err(failed)?;
        Ok(Stats::parse(&report))
    }

    fn host(&self) -> String {
        let host = &self.peer.host;
        if host.contains(':') { format!("[{host}]") } else { host.clone() }
    }
}

/// ssh's words without the host, which rsync appends itself; quoted the way in which rsync splits them.
fn remote_shell(peer: &Peer) -> OsString {
    let mut words = peer.words();
    words.pop();
    let quoted: Vec<Vec<u8>> = words
        .iter()
        .map(|word| {
            let doubled =
                word.as_bytes().iter().flat_map(|&byte| if byte == b'\'' { vec![byte; 2] } else { vec![byte] });
            [b"'".to_vec(), doubled.collect(), b"'".to_vec()].concat()
        })
        .collect();
    OsString::from_vec(quoted.join(&b' '))
}

fn concat(option: &str, value: &OsStr) -> OsString {
    let mut text = OsString::from(option);
    text.push(value);
    text
}

/// Reads rsync's stdout: progress lines end with a carriage return, the statistics with a newline.
fn follow(output: &mut dyn Read, progress: &mut dyn FnMut(u64)) -> String {
    let mut report = String::new();
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    // A read error is the child's end, which its exit status explains better.
    while let Ok(count @ 1..) = output.read(&mut buffer) {
        for &byte in &buffer[..count] {
            if byte != b'\r' && byte != b'\n' {
                line.push(byte);
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            let mut words = text.split_whitespace();
            match (words.next().and_then(|first| first.parse().ok()), words.next()) {
                (Some(done), Some(percent)) if percent.ends_with('%') => progress(done),
                _ => report.push_str(&(text + "\n")),
            }
        }
    }
    report
}

impl Stats {
    fn parse(report: &str) -> Self {
        let number = |label: &str| {
            let value = report.lines().find_map(|line| line.strip_prefix(label)?.split_whitespace().next());
            value.and_then(|value| value.parse().ok()).unwrap_or_default()
        };
        Self {
            total: number("Total transferred file size:"),
            literal: number("Literal data:"),
            matched: number("Matched data:"),
            sent: number("Total bytes sent:"),
            received: number("Total bytes received:"),
        }
    }

    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.literal += other.literal;
        self.matched += other.matched;
        self.sent += other.sent;
        self.received += other.received;
    }

    /// Everything on the wire, both ways.
    pub const fn wire(&self) -> u64 {
        self.sent + self.received
    }
}
