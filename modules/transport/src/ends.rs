//! The two ends of a transport. Each is either on this host or behind an ssh connection, and does not tell which.

use crate::error::{Result, TransportError};
use crate::wire::{
    Acknowledge, Answer, Ask, Commit, List, MAX_MESSAGE, Offer, PROTOCOL, Recheck, Release, Request, Rotate, Status,
    Subject, TOOL, WORD, WantFull,
};
use backup_adapters::signals::Interrupt;
use backup_adapters::ssh::{Peer, SshError};
use serde::Deserialize;
use std::time::Duration;

/// Hashing terabytes takes hours; that the peer is alive is ssh's business.
const PATIENCE: Duration = Duration::from_hours(24);

/// Something that answers one kind of question.
pub trait Handle<A: Ask> {
    /// Does what is asked.
    fn handle(&self, ask: A) -> Result<A::Answer>;
}

/// Where generations come from.
pub trait SourceEnd:
    Handle<List>
    + Handle<Acknowledge>
    + Handle<Release>
    + Handle<WantFull>
    + Handle<Recheck>
    + Handle<Rotate>
    + Handle<Status>
{
}
impl<T> SourceEnd for T where
    T: Handle<List>
        + Handle<Acknowledge>
        + Handle<Release>
        + Handle<WantFull>
        + Handle<Recheck>
        + Handle<Rotate>
        + Handle<Status>
{
}

/// Where generations go.
pub trait SinkEnd: Handle<Offer> + Handle<Commit> + Handle<Rotate> + Handle<Status> {}
impl<T> SinkEnd for T where T: Handle<Offer> + Handle<Commit> + Handle<Rotate> + Handle<Status> {}

/// An end on another host: every question becomes one remote command.
#[derive(Debug, Clone)]
pub struct Remote {
    /// How to get there.
    pub peer: Peer,
    /// What everything asked is about.
    pub subject: Subject,
    /// Ends a question that is under way.
    pub interrupt: Interrupt,
}

/// The first words of the remote command for `verb`.
pub fn command(verb: &str) -> String {
    format!("{WORD}{PROTOCOL} {verb}")
}

impl<A: Ask> Handle<A> for Remote {
    fn handle(&self, ask: A) -> Result<A::Answer> {
        let request = Request { protocol: PROTOCOL, tool: TOOL.into(), subject: self.subject.clone(), body: ask };
        let json = serde_json::to_vec(&request).expect("requests have only string keys");
        if json.len() as u64 > MAX_MESSAGE {
            return Err(TransportError::NotServed(format!("a request of {} bytes is too large", json.len())).into());
        }
        match self.peer.call(&[&command(A::VERB)], json, PATIENCE, Some(&self.interrupt)) {
            Ok(stdout) => self.read(&stdout, ""),
            // A remote command that failed says why on its stdout, if it was ours.
            Err(SshError::Remote { stdout, stderr, .. }) => self.read(&stdout, &stderr),
            Err(error) => Err(error.into()),
        }
    }
}

impl Remote {
    /// Reads an answer: the version first, because another version may shape the rest differently.
    fn read<T: serde::de::DeserializeOwned>(&self, stdout: &[u8], stderr: &str) -> Result<T> {
        #[derive(Deserialize)]
        struct Head {
            protocol: u32,
            tool: String,
        }
        let host = || self.peer.host.clone();
        let foreign = || {
            let said = if stdout.is_empty() { stderr.into() } else { String::from_utf8_lossy(stdout) };
            let said: String = said.trim().chars().take(200).collect();
            TransportError::NotHandover { host: host(), said: if said.is_empty() { "nothing".into() } else { said } }
        };
        let head: Head = serde_json::from_slice(stdout).map_err(|_| foreign())?;
        if head.protocol != PROTOCOL {
            return Err(TransportError::Version { who: host(), theirs: head.protocol, tool: head.tool }.into());
        }
        let answer: Answer<T> = serde_json::from_slice(stdout).map_err(|_| foreign())?;
        match (answer.ok, answer.error) {
            (Some(answer), None) => Ok(answer),
            (None, Some(error)) => Err(error.into_error(&host()).into()),
            _ => Err(foreign().into()),
        }
    }
}
