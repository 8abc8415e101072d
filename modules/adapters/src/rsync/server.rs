//! The end that the forced command runs.

use super::{Ceiling, PARTIAL, RsyncError, SILENCE, basis, is_transferable};
use crate::command::{Command, CommandError, Finished};
use crate::confine::Confinement;
use crate::host::Niceness;
use crate::lock::Lock;
use crate::signals::Interrupt;
use std::path::Path;

/// What a client's rsync asked for: all that is taken from its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whether we shall send.
    pub we_send: bool,
    /// The names that it wants, each checked by [`is_transferable`]; empty when we receive.
    pub names: Vec<String>,
    /// Its capability letters, `LsfxCIvu`.
    capabilities: String,
}

/// What this side insists on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Bytes per second that we send.
    pub bandwidth: Option<u64>,
    /// Priorities of the server process.
    pub niceness: Option<Niceness>,
    /// What may arrive here.
    pub ceiling: Option<Ceiling>,
}

impl Request {
    /// Reads the words that a client's rsync appends to our verb: `--server [--sender] -…e.LsfxCIvu … . names`.
    pub fn parse(words: &[&str]) -> Result<Self, RsyncError> {
        if words.first() != Some(&"--server") {
            return Err(RsyncError::Request("it does not begin with --server"));
        }
        let (options, names) = match words.iter().position(|word| *word == ".") {
            Some(dot) => (&words[1..dot], &words[dot + 1..]),
            None => return Err(RsyncError::Request("it has no source or target")),
        };
        let mut letters =
            options.iter().filter(|word| !word.starts_with("--")).filter_map(|word| word.split_once("e."));
        let (Some((_, capabilities)), None) = (letters.next(), letters.next()) else {
            return Err(RsyncError::Request("it does not name its capabilities once"));
        };
        if capabilities.is_empty()
            || capabilities.len() > 32
            || !capabilities.bytes().all(|letter| letter.is_ascii_alphabetic())
        {
            return Err(RsyncError::Request("its capabilities are not plain letters"));
        }
        let we_send = options.contains(&"--sender");
        let names = if we_send { names.iter().map(|&name| name.to_owned()).collect() } else { Vec::new() };
        match names.iter().find(|name| !is_transferable(name)) {
            Some(name) => Err(RsyncError::Name(name.clone())),
            None => Ok(Self { we_send, names, capabilities: capabilities.into() }),
        }
    }

    /// Serves it on our stdin and stdout, inside `directory` and nowhere else. The caller has checked that every name
    /// is one that it offers. rsync holds `lock` as long as it lives, also beyond us. An interrupt ends it in order: what
    /// has arrived stays.
    pub fn serve(
        &self,
        directory: &Path,
        limits: Limits,
        lock: Option<&Lock>,
        interrupt: &Interrupt,
    ) -> Result<Finished, CommandError> {
        let mut command = Command::new("rsync")
            .args(self.words(directory, limits))
            .directory(directory)
            .interrupted_by(interrupt)
            .confined(self.confinement(directory));
        if let Some(niceness) = limits.niceness {
            command = command.niceness(niceness);
        }
        if let Some(ceiling) = limits.ceiling {
            command = ceiling.over(command, directory);
        }
        if let Some(descriptor) = lock.and_then(|lock| lock.descriptor().ok()) {
            command = command.keep_open(descriptor);
        }
        command.run_attached()
    }

    /// What it may open: the directory, and what it compares with.
    fn confinement(&self, directory: &Path) -> Confinement {
        if self.we_send {
            return Confinement { read: vec![directory.into()], write: Vec::new() };
        }
        Confinement { read: vec![basis::basis_of(directory)], write: vec![directory.into()] }
    }

    /// The server's arguments.
    pub fn words(&self, directory: &Path, limits: Limits) -> Vec<String> {
        let mut words = vec!["--server".to_owned()];
        if self.we_send {
            words.push("--sender".into());
        }
        words.push(format!("-IRe.{}", self.capabilities));
        words.push(format!("--timeout={}", SILENCE.as_secs()));
        if self.we_send {
            words.extend(limits.bandwidth.map(bandwidth));
            words.push(".".into());
            words.extend(self.names.iter().cloned());
        } else {
            words.extend([format!("--partial-dir={PARTIAL}"), basis::option(directory), basis::block(directory)]);
            words.extend([".".into(), ".".into()]);
        }
        words
    }
}

/// rsync counts in KiB; 0 would mean no limit.
pub(super) fn bandwidth(bytes_per_second: u64) -> String {
    format!("--bwlimit={}", (bytes_per_second / 1024).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_client_survives_but_letters_and_names() {
        let words = ["--server", "-IRe.LsfxCIvu", "--timeout=1", "--stats", "--rsh=evil", "--delete", ".", "/etc"];
        let request = Request::parse(&words).unwrap();
        assert!(!request.we_send);
        assert_eq!(
            request.words(Path::new("/in/x"), Limits::default()),
            [
                "--server",
                "-IRe.LsfxCIvu",
                "--timeout=300",
                "--partial-dir=.partial",
                "--compare-dest=../.basis-x",
                "--block-size=2048",
                ".",
                "."
            ]
        );
        let words = ["--server", "--sender", "-IRe.Lsf", "--copy-devices", ".", "SHA256SUMS", "patches/1.zst"];
        let request = Request::parse(&words).unwrap();
        assert_eq!(
            request.words(Path::new("/in/x"), Limits { bandwidth: Some(1 << 20), ..Limits::default() }),
            ["--server", "--sender", "-IRe.Lsf", "--timeout=300", "--bwlimit=1024", ".", "SHA256SUMS", "patches/1.zst"]
        );
    }

    #[test]
    fn crooked_commands_are_refused() {
        for words in [
            &[][..],
            &["--daemon"],
            &["--server", "-IRe.Lsf"],
            &["--server", "-IR", ".", "."],
            &["--server", "-IRe.", ".", "."],
            &["--server", "-e.L", "-e.L", ".", "."],
            &["--server", "-e.L;x", ".", "."],
            &["--server", "-e.L1", ".", "."],
            &["--server", "--sender", "-e.L", ".", "../secret"],
            &["--server", "--sender", "-e.L", ".", "--rsh=x"],
            &["--server", "--sender", "-e.L", ".", "/etc/shadow"],
        ] {
            assert!(Request::parse(words).is_err(), "{words:?}");
        }
    }
}
