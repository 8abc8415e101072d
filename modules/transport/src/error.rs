//! What can go wrong between two hosts, beyond what the adapters report.

use backup_core::{Failure, GenerationId, Kind};
use std::path::PathBuf;

/// What every step returns: any failure converts into it, with its kind and hint.
pub type Result<T> = std::result::Result<T, backup_interface::Failed>;

/// A transport that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// An action was asked for on the wrong host.
    #[error("cannot {action} for job {job} here: {why}")]
    WrongSide {
        /// `adopt`, `fetch`.
        action: &'static str,
        /// The job as it was named.
        job: String,
        /// What this host is.
        why: &'static str,
    },
    /// Root was asked for streams of several users at once.
    #[error("streams {0} belong to different users")]
    SeveralUsers(String),
    /// We are neither root nor the user that has to do this.
    #[error("cannot transport as user {actual}: the stream belongs to {wanted}")]
    WrongUser {
        /// Who we are.
        actual: String,
        /// Who has to do it.
        wanted: String,
    },
    /// The request is not one that this key allows.
    #[error("cannot serve the request: {0}")]
    NotServed(String),
    /// The peer answers something else than an answer.
    #[error("{host} does not answer as Handover does: {said}")]
    NotHandover {
        /// The peer.
        host: String,
        /// The beginning of what it said.
        said: String,
    },
    /// The peer speaks another protocol.
    #[error("{who} speaks protocol {theirs} (version {tool}), this side {ours}", ours = crate::wire::PROTOCOL)]
    Version {
        /// The peer.
        who: String,
        /// Its number.
        theirs: u32,
        /// Its version.
        tool: String,
    },
    /// The peer answered and refused, or failed.
    #[error("{host}: {msg}")]
    Peer {
        /// The peer.
        host: String,
        /// The class it gave.
        kind: Kind,
        /// Its message.
        msg: String,
        /// Its hint.
        hint: Option<String>,
    },
    /// What arrived is not what was sealed.
    #[error("generation {id} did not arrive intact: {why}")]
    Damaged {
        /// Which.
        id: GenerationId,
        /// The first thing that does not match.
        why: String,
    },
    /// The source has filled what it may.
    #[error("generation {id} needs {needed} bytes, and {used} of the source's quota of {limit} are taken")]
    QuotaFull {
        /// Which.
        id: GenerationId,
        /// What it takes up at the most, in bytes.
        needed: u64,
        /// What is taken by everything else.
        used: u64,
        /// The quota.
        limit: u64,
    },
    /// The sender did not keep to what it had announced.
    #[error("more arrived as generation {id} than was announced; it was thrown away")]
    Overfilled {
        /// Which.
        id: GenerationId,
    },
    /// Somebody can still change what arrived.
    #[error("cannot take generation {id} in: somebody has its {name} open for writing")]
    InUse {
        /// Which.
        id: GenerationId,
        /// The first such file.
        name: String,
    },
    /// The source's own copy is damaged.
    #[error("generation {id} is damaged in the handover point and was set aside in quarantine: {why}")]
    SetAside {
        /// Which.
        id: GenerationId,
        /// The first thing that does not match.
        why: String,
    },
    /// Something in the handover point is not a whole generation.
    #[error("cannot offer generation {id}: {why}")]
    Unusable {
        /// Which.
        id: GenerationId,
        /// What is wrong.
        why: String,
    },
    /// The sink will not take it as things are.
    #[error("the sink wants a full instead of generation {id}: {why}")]
    WantFull {
        /// Which.
        id: GenerationId,
        /// Why.
        why: String,
    },
    /// A receipt is about something else.
    #[error("the receipt for generation {id} is about another one: its {field} is {found}")]
    OtherReceipt {
        /// What was sent.
        id: GenerationId,
        /// The first field that differs.
        field: &'static str,
        /// What it says.
        found: String,
    },
    /// No such generation waits here.
    #[error("generation {id} is neither in the handover point nor in the store")]
    NotWaiting {
        /// Which.
        id: GenerationId,
    },
    /// The store holds as many copies that no sink has as it may.
    #[error("cannot let go of generation {id}: {kept} copies that no sink has lie in the store already")]
    TooManyAlone {
        /// Which.
        id: GenerationId,
        /// How many there are.
        kept: usize,
    },
    /// The sink's store has nothing to deliver.
    #[error("this sink holds no such generation of {subject}")]
    NothingHere {
        /// Source, job and stream.
        subject: String,
    },
    /// Nobody vouches for what is to be restored.
    #[error("cannot take generation {id} into the restore folder: no receipt comes with it")]
    WithoutReceipt {
        /// Which.
        id: GenerationId,
    },
    /// An incremental alone is of no use.
    #[error("cannot take generation {id} into the restore folder: its base {base} is not there")]
    WithoutBase {
        /// The incremental.
        id: GenerationId,
        /// Its base.
        base: GenerationId,
    },
    /// It would be the newest for long.
    #[error(
        "cannot take generation {id} into the restore folder: it is more than five minutes ahead of this host's clock"
    )]
    FromTheFuture {
        /// Which.
        id: GenerationId,
    },
    /// The restore folder's disk is full.
    #[error("generation {id} needs {needed} bytes, and the restore folder has {free} free")]
    NoRoom {
        /// Which.
        id: GenerationId,
        /// What it takes up at the most, what is set aside included.
        needed: u64,
        /// What is free.
        free: u64,
    },
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Failure for TransportError {
    fn kind(&self) -> Kind {
        match self {
            Self::WrongSide { .. } | Self::SeveralUsers(_) => Kind::InvalidOption,
            Self::WrongUser { .. } => Kind::Permission,
            Self::NotServed(_) | Self::InUse { .. } | Self::Overfilled { .. } => Kind::Refused,
            Self::QuotaFull { .. } | Self::NoRoom { .. } => Kind::NoSpace,
            Self::FromTheFuture { .. } => Kind::Quarantined,
            Self::NotHandover { .. } | Self::Version { .. } => Kind::VersionMismatch,
            Self::Peer { kind, .. } => *kind,
            Self::Damaged { .. } | Self::SetAside { .. } | Self::Unusable { .. } => Kind::Damaged,
            Self::WantFull { .. } => Kind::WantFull,
            Self::OtherReceipt { .. } | Self::WithoutReceipt { .. } => Kind::Unsigned,
            Self::NotWaiting { .. } | Self::NothingHere { .. } | Self::WithoutBase { .. } => Kind::NotFound,
            Self::TooManyAlone { .. } => Kind::HandoverFull,
            Self::Io { source, .. } => backup_adapters::publish::kind_of(source),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::WrongSide { .. } => {
                "Do it on the other host; there the job is <job> if it is the source, <source>/<job> if it is the sink.".into()
            }
            Self::SeveralUsers(_) => "Run once for each, with the option stream.".into(),
            Self::WrongUser { wanted, .. } => format!("Run it as root or as {wanted}."),
            Self::QuotaFull { .. } => {
                "Raise `sink.quota` or keep less (`sink.retention`); nothing is deleted beyond its retention to take a new copy in.".into()
            }
            Self::Overfilled { .. } => "No honest source does that: find out who has its key.".into(),
            Self::InUse { .. } => {
                "Find out on the sink who it is (`lsof +D` on the sink's `verifying`) and end it; the next run goes on from there.".into()
            }
            Self::NotServed(_) => "Use a key that is authorised for this job, stream and direction.".into(),
            Self::NotHandover { .. } => {
                "Let the peer's authorized_keys run `backup_transport serve` for this key, and install the same version on both hosts.".into()
            }
            Self::Version { .. } => "Install the same version of Handover on both hosts.".into(),
            Self::Peer { hint, .. } => return hint.clone(),
            Self::Damaged { .. } => "The next run carries again what differs; if it happens again, test the disks and the memory of both hosts.".into(),
            Self::SetAside { .. } | Self::Unusable { .. } => {
                "Collect again, and test the disk of the source.".into()
            }
            Self::WantFull { .. } => "The next collection makes a full by itself.".into(),
            Self::OtherReceipt { .. } => "Find out who answers in the sink's name.".into(),
            Self::TooManyAlone { .. } => {
                "Remove those that you do not need from the source's store: `backup_transport status` names them.".into()
            }
            Self::NothingHere { .. } => "`backup_rotate status` lists what there is.".into(),
            Self::WithoutReceipt { .. } => "A sink signs what it accepts: let its rotation re-read the copy, or choose another one.".into(),
            Self::WithoutBase { base, .. } => format!("Deliver {base} as well, from the same store."),
            Self::FromTheFuture { .. } => "Set the clock of this host, or choose another generation.".into(),
            Self::NoRoom { .. } => {
                "Make room there: remove older copies from the restore folder; nothing is deleted to take a new one in.".into()
            }
            Self::NotWaiting { .. } | Self::Io { .. } => return None,
        })
    }
}
