//! Moving a generation's files with rsync over ssh, from the side that begins.

use crate::arrival::Arrival;
use crate::candidate::Candidate;
use crate::ends::command;
use crate::error::Result;
use crate::place::Place;
use crate::sink::LocalSink;
use crate::source::LocalSource;
use backup_adapters::certificate;
use backup_adapters::command::CommandError;
use backup_adapters::lock::Lock;
use backup_adapters::rsync::{RsyncError, Transfer};
use backup_adapters::ssh::Peer;
use backup_adapters::store::StreamStore;
use backup_adapters::there;
use backup_core::job::Auth;
use backup_interface::{Call, Progress};
use std::path::Path;
use std::time::Duration;

/// Verbs whose remote command goes on with rsync's own words; both are followed by an id.
pub const RECEIVE: &str = "receive";
/// The opposite direction.
pub const SEND: &str = "send";

/// Bytes on the wire.
type Carried = std::result::Result<u64, RsyncError>;

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(20);

/// Another host, as a stream of the job declares it.
pub fn peer(place: &Place) -> Peer {
    let of = place.of();
    let declared = &of.stream.transport.peer;
    let identity = of.identity();
    // A granted key has one, too, whatever the job's transport logs in with.
    let certificate = certificate::beside(&identity);
    // Where nobody can tell, ssh is to say what is wrong with it.
    let is_certified = of.stream.transport.auth == Auth::Certificate || there::is_file(&certificate).unwrap_or(true);
    Peer {
        host: declared.address.clone(),
        port: declared.port,
        user: of.peer_user().to_owned(),
        identity,
        certificate: is_certified.then_some(certificate),
        known_hosts: declared.known_hosts.clone(),
        connect_timeout: CONNECT,
        program: vec!["ssh".into()],
    }
}

/// A connection that carries files, and who watches.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// The stream's side here.
    pub place: &'a Place,
    /// The other host.
    pub peer: Peer,
    /// Who watches.
    pub call: &'a Call,
}

impl Line<'_> {
    /// Source → sink, begun by the source.
    pub fn push(&self, candidate: &Candidate) -> Result<u64> {
        LocalSource { place: self.place.clone() }.waiting(&candidate.reference())?;
        let folder = self.place.handover().dir().generation(candidate.id());
        Ok(self.transfer(RECEIVE, candidate, &folder, None)?)
    }

    /// Sink → restore folder, begun by the sink.
    pub fn deliver(&self, candidate: &Candidate) -> Result<u64> {
        let folder = self.place.store().dir().generation(candidate.id());
        Ok(self.transfer(RECEIVE, candidate, &folder, None)?)
    }

    /// Source → sink, begun by the sink.
    pub fn pull(&self, candidate: &Candidate) -> Result<u64> {
        let previous = LocalSink { place: self.place.clone() }.previous(candidate)?;
        self.receive_into(&self.place.incoming(), candidate, previous.as_deref())
    }

    /// Sink → restore folder, begun by the host that restores.
    pub fn receive_into(&self, incoming: &StreamStore, candidate: &Candidate, previous: Option<&Path>) -> Result<u64> {
        let arrival = Arrival::new(self.place, incoming, candidate.id());
        let lock = arrival.prepare(candidate, previous)?;
        match self.transfer(SEND, candidate, &arrival.folder(), Some(&lock)) {
            Err(RsyncError::Command(CommandError::OutOfBounds { .. })) => Err(arrival.overfilled()?.into()),
            result => Ok(result?),
        }
    }

    /// The peer's verb says the direction: where it receives, we send.
    fn transfer(&self, verb: &str, candidate: &Candidate, folder: &Path, lock: Option<&Lock>) -> Carried {
        let (words, names) = ([command(verb), candidate.id().to_string()], candidate.names());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let transfer = Transfer {
            peer: &self.peer,
            verb: &words,
            directory: folder,
            names: &names,
            bandwidth: self.place.of().stream.transport.bandwidth.map(|limit| limit.0),
            timeout: None,
            niceness: None,
            interrupt: Some(&self.place.interrupt),
            lock,
            ceiling: (verb == SEND).then(|| candidate.ceiling()),
        };
        let (bar, mut before) = (Progress::bytes(self.call, "carrying", candidate.bytes()), 0);
        bar.say(&candidate.id().to_string());
        let mut advance = |done: u64| {
            bar.add(done.saturating_sub(before));
            before = done;
        };
        let stats = if verb == RECEIVE { transfer.push(&mut advance) } else { transfer.pull(&mut advance) }?;
        Ok(stats.wire())
    }
}
