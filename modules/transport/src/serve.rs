//! The forced command: what a peer's key may ask of this host, for one job, one stream and one direction.
//!
//! sshd hands over the peer's command in `SSH_ORIGINAL_COMMAND`; nothing of it is run. A verb of this side is looked
//! up, its JSON is bounded before it is parsed, and it must be about the very stream that the key is for. `receive`
//! and `send` run rsync from our own template in one folder of ours. Requests are plain data; the ends act on them.

use crate::arrival::Arrival;
use crate::candidate::Candidate;
use crate::carry::{RECEIVE, SEND};
use crate::ends::Handle;
use crate::error::{Result, TransportError};
use crate::notify;
use crate::place::Place;
use crate::restored::RestoreFolder;
use crate::sink::alarm::{Alarmed, tell};
use crate::sink::{LocalSink, offered};
use crate::source::LocalSource;
use crate::wire::{
    Acknowledge, Answer, Ask, Commit, Complaint, List, MAX_MESSAGE, Offer, PROTOCOL, Recheck, Release, Request, Rotate,
    Status, Subject, TOOL, WORD, WantFull,
};
use backup_adapters::command::CommandError;
use backup_adapters::confine::Force;
use backup_adapters::lock::Lock;
use backup_adapters::store::StreamStore;
use backup_adapters::{fault, rsync};
use backup_core::{GenerationId, Kind};
use backup_interface::Failed;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};

/// In which direction a key may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Allow {
    /// The peer is the source and brings generations to this sink.
    Push,
    /// The peer is the sink and takes generations from this source.
    Pull,
    /// The peer restores: it may read generations from this sink's store.
    Fetch,
    /// The peer is the sink and places generations in this source's restore folder.
    Deliver,
}

/// The peer's command, as far as it is one.
#[derive(Debug, PartialEq, Eq)]
struct Command<'a> {
    verb: &'a str,
    /// For `receive` and `send`.
    id: Option<GenerationId>,
    /// rsync's words.
    rest: Vec<&'a str>,
}

/// Serves one request on our standard input and output.
pub fn serve(place: &Place, allow: Allow, original: Option<&str>) -> Result<()> {
    let command = match Command::parse(original.unwrap_or_default()) {
        Ok(command) => command,
        Err(error) => return complain(error.into()),
    };
    let end = (place, allow);
    let _watched = needs_active(allow, command.verb).then(|| place.gate().watch(&place.interrupt));
    let Some(id) = command.id else { return speak(end, command.verb, std::io::stdin().lock()) };
    if Force::here() == Force::None {
        notify::log(&format!("{} {id}: rsync is not confined, since this kernel has no Landlock", place.subject()));
    }
    let result = match (allow, command.verb) {
        _ if let Some(refusal) = refusal(place, allow, command.verb) => Err(refusal),
        (Allow::Push, RECEIVE) => receive(place, id, &command.rest),
        (Allow::Pull, SEND) => {
            let waiting = place.handover();
            let lock = place.lock_to_send(&waiting, &format!("sending {id}"));
            lock.and_then(|lock| send(place, &waiting, id, &command.rest, Some(&lock)))
        }
        (Allow::Deliver, RECEIVE) => restored(place)?.receive(id, &command.rest),
        (Allow::Fetch, SEND) => send(place, &place.store(), id, &command.rest, None),
        (_, verb) => Err(not_allowed(verb, allow).into()),
    };
    result.inspect_err(|failed| {
        let Complaint { kind, msg, hint } = Complaint::of(failed);
        // Our last words reach the peer through its ssh; if not, its rsync fails anyway.
        let refusal = rsync::Refusal { kind, msg, hint };
        let _ = writeln!(std::io::stderr(), "{}", refusal.line());
    })
}

/// Why a job that is not active here does not do this. What ends a transport that had begun (receipts), what is about
/// the past (restoring) and questions are answered in every state.
fn refusal(place: &Place, allow: Allow, verb: &str) -> Option<Failed> {
    if needs_active(allow, verb) { place.gate().ask().err().map(Failed::from) } else { None }
}

fn needs_active(allow: Allow, verb: &str) -> bool {
    match allow {
        Allow::Push => [Offer::VERB, Commit::VERB, RECEIVE].contains(&verb),
        Allow::Pull => [List::VERB, SEND].contains(&verb),
        Allow::Fetch | Allow::Deliver => false,
    }
}

fn speak((place, allow): (&Place, Allow), verb: &str, input: impl Read) -> Result<()> {
    if let Some(refusal) = refusal(place, allow, verb) {
        return complain(refusal);
    }
    let sink = || LocalSink { place: place.clone() };
    let source = || LocalSource { place: place.clone() };
    let subject = place.subject();
    match (allow, verb) {
        (Allow::Push, Offer::VERB) => reply::<Offer>(&Alarmed(sink()), &subject, input),
        (Allow::Push, Commit::VERB) => reply::<Commit>(&Alarmed(sink()), &subject, input),
        (Allow::Push, Rotate::VERB) => reply::<Rotate>(&sink(), &subject, input),
        (Allow::Push, Status::VERB) => reply::<Status>(&sink(), &subject, input),
        (Allow::Pull, List::VERB) => reply::<List>(&source(), &subject, input),
        (Allow::Pull, Acknowledge::VERB) => reply::<Acknowledge>(&source(), &subject, input),
        (Allow::Pull, Release::VERB) => reply::<Release>(&source(), &subject, input),
        (Allow::Pull, WantFull::VERB) => reply::<WantFull>(&source(), &subject, input),
        (Allow::Pull, Recheck::VERB) => reply::<Recheck>(&source(), &subject, input),
        (Allow::Pull, Rotate::VERB) => reply::<Rotate>(&source(), &subject, input),
        (Allow::Pull, Status::VERB) => reply::<Status>(&source(), &subject, input),
        (Allow::Fetch, List::VERB) => reply::<List>(&sink(), &subject, input),
        (Allow::Deliver, Offer::VERB) => reply::<Offer>(&restored(place)?, &subject, input),
        (Allow::Deliver, Commit::VERB) => reply::<Commit>(&restored(place)?, &subject, input),
        _ => complain(not_allowed(verb, allow).into()),
    }
}

/// The restore folder; only a source has one.
fn restored(place: &Place) -> Result<RestoreFolder> {
    if place.is_sink {
        return Err(TransportError::NotServed("this host is the sink: it delivers, and takes nothing".into()).into());
    }
    Ok(RestoreFolder { place: place.clone() })
}

fn not_allowed(verb: &str, allow: Allow) -> TransportError {
    let direction = match allow {
        Allow::Push => "push",
        Allow::Pull => "pull",
        Allow::Fetch => "fetch",
        Allow::Deliver => "deliver",
    };
    TransportError::NotServed(format!("{verb:?} is not a request that a key for {direction} may make"))
}

impl<'a> Command<'a> {
    /// Reads the words of the remote command; the protocol's number first.
    fn parse(text: &'a str) -> std::result::Result<Self, TransportError> {
        let mut words = text.split_ascii_whitespace();
        let refuse = |why: &str| TransportError::NotServed(why.to_owned());
        let number = words.next().and_then(|word| word.strip_prefix(WORD));
        let Some(number) = number else {
            return Err(refuse("this key is for Handover's transport only: no shell, no files"));
        };
        match number.parse() {
            Ok(PROTOCOL) => {}
            Ok(theirs) => {
                return Err(TransportError::Version { who: "the peer".into(), theirs, tool: "unknown".into() });
            }
            Err(_) => return Err(refuse("the protocol's number is none")),
        }
        let verb = words.next().ok_or_else(|| refuse("there is no verb"))?;
        if verb != RECEIVE && verb != SEND {
            return match words.next() {
                None => Ok(Self { verb, id: None, rest: Vec::new() }),
                Some(_) => Err(refuse("there are words after the verb")),
            };
        }
        let id = words.next().and_then(|word| word.parse().ok()).ok_or_else(|| refuse("there is no generation"))?;
        Ok(Self { verb, id: Some(id), rest: words.collect() })
    }
}

/// Reads the request, lets `end` act, prints the answer. A failure is an answer too, and our exit status.
fn reply<A: Ask>(end: &impl Handle<A>, subject: &Subject, input: impl Read) -> Result<()> {
    match read::<A>(subject, input).map_err(Into::into).and_then(|ask| end.handle(ask)) {
        Ok(answer) => print(&Answer { protocol: PROTOCOL, tool: TOOL.into(), ok: Some(answer), error: None }),
        Err(failed) => complain(failed),
    }
}

fn read<A: DeserializeOwned>(subject: &Subject, input: impl Read) -> std::result::Result<A, TransportError> {
    #[derive(Deserialize)]
    struct Head {
        protocol: u32,
        tool: String,
    }
    let refuse = |why: String| TransportError::NotServed(why);
    let mut bytes = Vec::new();
    input.take(MAX_MESSAGE + 1).read_to_end(&mut bytes).map_err(|error| refuse(error.to_string()))?;
    if bytes.len() as u64 > MAX_MESSAGE {
        return Err(refuse(format!("the request is longer than {MAX_MESSAGE} bytes")));
    }
    let head: Head = serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
    if head.protocol != PROTOCOL {
        return Err(TransportError::Version { who: "the peer".into(), theirs: head.protocol, tool: head.tool });
    }
    let request: Request<A> = serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
    if request.subject != *subject {
        return Err(refuse(format!("it is about {}, the key is for {subject}", request.subject)));
    }
    Ok(request.body)
}

/// Answers that it was not done, and why.
pub(crate) fn complain(failed: Failed) -> Result<()> {
    let error = Complaint::of(&failed);
    print(&Answer::<()> { protocol: PROTOCOL, tool: TOOL.into(), ok: None, error: Some(error) })?;
    Err(failed)
}

fn print<T: serde::Serialize>(answer: &Answer<T>) -> Result<()> {
    let mut line = serde_json::to_vec(answer).expect("answers have only string keys");
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)
        .and_then(|()| out.flush())
        .map_err(|source| TransportError::Io { action: "write", path: "standard output".into(), source }.into())
}

/// Lets rsync fill the folder of an announced generation.
fn receive(place: &Place, id: GenerationId, words: &[&str]) -> Result<()> {
    let request = rsync::Request::parse(words)?;
    if request.we_send {
        return Err(TransportError::NotServed("this key brings generations, it takes none".into()).into());
    }
    let incoming = place.incoming();
    let arrival = Arrival::new(place, &incoming, id);
    let candidate = arrival.announced(&place.subject())?;
    let previous = LocalSink { place: place.clone() }.previous(&candidate)?;
    let alarmed = |failed: Failed| {
        tell(place, &[(id.to_string(), &failed)]);
        failed
    };
    let lock = arrival.prepare(&candidate, previous.as_deref()).map_err(|failed| match failed.failure().kind() {
        Kind::NoSpace => alarmed(failed),
        _ => failed,
    })?;
    let limits = rsync::Limits { ceiling: Some(candidate.ceiling()), ..rsync::Limits::default() };
    match request.serve(&arrival.folder(), limits, Some(&lock), &place.interrupt) {
        Err(CommandError::OutOfBounds { .. }) => Err(alarmed(arrival.overfilled()?.into())),
        result => Ok(result.map(drop)?),
    }
}

/// Lets rsync read files of one sealed generation. It holds the lock, if there is one, as long as it lives.
fn send(place: &Place, store: &StreamStore, id: GenerationId, words: &[&str], lock: Option<&Lock>) -> Result<()> {
    let request = rsync::Request::parse(words)?;
    if !request.we_send {
        return Err(TransportError::NotServed("this key takes generations, it brings none".into()).into());
    }
    store.get(id)?;
    let candidate = Candidate::parse(offered(store, id)?, &place.subject())?;
    if let Some(name) = request.names.iter().find(|name| !candidate.files.contains_key(*name)) {
        return Err(TransportError::NotServed(format!("generation {id} has no file {name:?}")).into());
    }
    let bandwidth = place.of().stream.transport.bandwidth.map(|limit| limit.0);
    fault::point("transport.send.begin");
    request.serve(
        &store.dir().generation(id),
        rsync::Limits { bandwidth, ..rsync::Limits::default() },
        lock,
        &place.interrupt,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use backup_core::Failure;

    #[test]
    fn only_our_own_commands_are_understood() {
        let id: GenerationId = "20261120T020000Z".parse().unwrap();
        let command = Command::parse("handover/1 offer").unwrap();
        assert_eq!(command, Command { verb: "offer", id: None, rest: vec![] });
        let command = Command::parse("handover/1 receive 20261120T020000Z --server -Re.Ls . .").unwrap();
        assert_eq!(command, Command { verb: "receive", id: Some(id), rest: vec!["--server", "-Re.Ls", ".", "."] });
        for (text, kind) in [
            ("", Kind::Refused),
            ("sh", Kind::Refused),
            ("rsync --server -e.Ls . /etc", Kind::Refused),
            ("/usr/lib/openssh/sftp-server", Kind::Refused),
            ("scp -t /tmp", Kind::Refused),
            ("handover/1", Kind::Refused),
            ("handover/x offer", Kind::Refused),
            ("handover/1 offer /etc", Kind::Refused),
            ("handover/1 receive", Kind::Refused),
            ("handover/1 receive ../../etc", Kind::Refused),
            ("handover/2 offer", Kind::VersionMismatch),
        ] {
            assert_eq!(Command::parse(text).unwrap_err().kind(), kind, "{text:?}");
        }
    }

    fn request(change: impl FnOnce(&mut serde_json::Value)) -> std::result::Result<Rotate, TransportError> {
        let request = Request { protocol: PROTOCOL, tool: TOOL.into(), subject: sample::subject(), body: Rotate {} };
        let mut json = serde_json::to_value(&request).unwrap();
        change(&mut json);
        read(&sample::subject(), json.to_string().as_bytes())
    }

    #[test]
    fn requests_are_strict() {
        assert!(request(|_| {}).is_ok());
        let kind = |change: fn(&mut serde_json::Value)| request(change).unwrap_err().kind();
        assert_eq!(kind(|json| json["protocol"] = 2.into()), Kind::VersionMismatch);
        assert_eq!(kind(|json| json["subject"]["job"] = "mail".into()), Kind::Refused);
        assert_eq!(kind(|json| json["subject"]["source"] = "../web2".into()), Kind::Refused);
        assert_eq!(kind(|json| json["body"]["path"] = "/etc".into()), Kind::Refused);
        assert_eq!(kind(|json| json["extra"] = 1.into()), Kind::Refused);
        assert!(read::<Rotate>(&sample::subject(), b"".as_slice()).is_err());
    }

    #[test]
    fn what_is_too_long_is_not_parsed() {
        let error = read::<Rotate>(&sample::subject(), std::io::repeat(b' ')).unwrap_err();
        assert!(error.to_string().contains("longer than"), "{error}");
    }
}
