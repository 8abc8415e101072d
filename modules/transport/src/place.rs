//! One stream of one job on this host: where its generations wait, arrive, and stay.

use crate::error::{Result, TransportError};
use crate::wire::Subject;
use backup_adapters::lifecycle::Gate;
use backup_adapters::lock::Lock;
use backup_adapters::signals::Interrupt;
use backup_adapters::store::{Instructions, StreamStore};
use backup_adapters::users;
use backup_archive::read::{RESTORE_SH, RESTORE_TXT};
use backup_common::StreamWish;
use backup_core::job::{Mode, StreamOf};
use backup_core::layout::StreamDir;
use backup_core::{Job, StreamName};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to wait for a lock that is held only while something is moved or hashed.
const SHORT: Duration = Duration::from_mins(1);

/// A stream's folders on this host, on whichever side it is.
#[derive(Debug, Clone)]
pub struct Place {
    /// The job.
    pub job: Job,
    /// Which stream; declared in the job.
    pub name: StreamName,
    /// Whether this host is the sink.
    pub is_sink: bool,
    /// A request to end.
    pub interrupt: Interrupt,
}

impl Place {
    /// The stream as declared.
    pub fn of(&self) -> StreamOf<'_> {
        self.job.stream(self.name).expect("the constructor's callers looked the stream up")
    }

    /// What requests about this stream name.
    pub fn subject(&self) -> Subject {
        Subject { source: self.job.source.clone(), job: self.job.job.clone(), stream: self.name }
    }

    /// The stream's handover point.
    pub fn handover(&self) -> StreamStore {
        self.below(&self.of().handover_root())
    }

    /// The stream's store on the side this host is on.
    pub fn store(&self) -> StreamStore {
        let of = self.of();
        self.below(&if self.is_sink { of.sink_store_root() } else { of.store_root() })
    }

    /// Where generations wait for this side: at the source the handover point, at the sink where they arrive.
    pub fn waiting(&self) -> StreamStore {
        if self.is_sink { self.incoming() } else { self.handover() }
    }

    /// Where generations arrive.
    pub fn incoming(&self) -> StreamStore {
        self.below(&self.of().incoming_root())
    }

    /// Where arrived generations are hashed.
    pub fn verifying(&self) -> StreamStore {
        self.below(&self.of().verifying_root())
    }

    /// The restore folder.
    pub fn restore_folder(&self) -> StreamStore {
        self.below(&self.of().restore_root())
    }

    /// Says whether anything may be carried.
    pub fn gate(&self) -> Gate {
        Gate::of(&self.job, self.is_sink)
    }

    /// Takes the lock of a folder for what only an active job does.
    pub fn lock_active(&self, store: &StreamStore, what: &str) -> Result<Lock> {
        Ok(self.gate().lock(&store.dir().lock(), what, Instant::now() + SHORT)?)
    }

    /// Lets nobody take generations away from here, or stop the job, while they are read.
    pub fn lock_to_send(&self, store: &StreamStore, what: &str) -> Result<Lock> {
        Ok(self.gate().lock(&store.dir().transport_lock(), what, Instant::now() + SHORT)?)
    }

    /// Takes the lock of a folder in every state of the job: to restore, to file what the other side says of the past.
    pub fn lock(&self, store: &StreamStore, what: &str) -> Result<Lock> {
        Ok(store.lock(what, Instant::now() + SHORT)?)
    }

    /// Makes a store's folders and puts its instructions for plain tools up to date.
    pub fn ensure(&self, store: &StreamStore) -> Result<()> {
        let (text, script) = (RESTORE_TXT.as_bytes(), RESTORE_SH.as_bytes());
        Ok(store.ensure(None, Some(Instructions { text, script }))?)
    }

    fn below(&self, root: &Path) -> StreamStore {
        StreamStore::open(StreamDir::new(root, &self.job.job, self.name))
    }
}

/// The streams of `job` that this host begins to carry: those asked for, or all of its side.
pub fn own_streams(job: &Job, is_sink: bool, wish: StreamWish) -> Result<Vec<StreamName>> {
    let wanted = wish.of(job)?;
    let begins = |of: &StreamOf<'_>| (of.stream.transport.mode == Mode::Pull) == is_sink;
    let streams: Vec<_> = job.streams().filter(begins).map(|of| of.name).filter(|name| wanted.contains(name)).collect();
    if let ([stream], true) = (&wanted[..], wish != StreamWish::All && streams.is_empty()) {
        let why = if is_sink { "the source pushes it" } else { "the sink pulls it" };
        return Err(TransportError::WrongSide { action: "run", job: format!("{} {stream}", job.job), why }.into());
    }
    Ok(streams)
}

/// Makes sure that we are the one user that these streams belong to: root becomes it.
pub fn assume_user(users: impl IntoIterator<Item = (StreamName, String)>) -> Result<()> {
    let users: Vec<_> = users.into_iter().collect();
    let Some((_, wanted)) = users.first() else { return Ok(()) };
    if users.iter().any(|(_, user)| user != wanted) {
        let names: Vec<_> = users.iter().map(|(stream, user)| format!("{stream} ({user})")).collect();
        return Err(TransportError::SeveralUsers(names.join(", ")).into());
    }
    let current = users::current()?;
    if current.name == *wanted {
        return Ok(());
    }
    if !users::is_root() {
        return Err(TransportError::WrongUser { actual: current.name, wanted: wanted.clone() }.into());
    }
    Ok(users::become_account(&users::by_name(wanted)?)?)
}
