//! What the two hosts say to each other: the types of the protocol and nothing that acts (docs/protocol.md).
//!
//! A request is one verb with one JSON object, an answer one JSON object on one line. Every type that can be asked
//! names its verb and the type of its answer, so that both sides use the same definition.

use backup_core::manifest::MAX_MANIFEST_BYTES;
use backup_core::{GenerationId, GenerationRef, Kind, StreamName, Wanted};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The protocol's number. Both sides must have the same.
pub const PROTOCOL: u32 = 1;
/// The first word of every remote command, without the number.
pub const WORD: &str = "handover/";
/// A request or an answer above this many bytes is refused before it is parsed: room for a few manifests of the
/// largest size, or thousands of ordinary ones.
pub const MAX_MESSAGE: u64 = 4 * MAX_MANIFEST_BYTES;
/// Version of Handover that speaks.
pub const TOOL: &str = env!("CARGO_PKG_VERSION");

/// Something that one side can ask the other.
pub trait Ask: Serialize + DeserializeOwned {
    /// The word in the remote command.
    const VERB: &'static str;
    /// What comes back.
    type Answer: Serialize + DeserializeOwned;
}

macro_rules! ask {
    ($($type:ident, $verb:literal => $answer:ident;)+) => {
        $(impl Ask for $type {
            const VERB: &'static str = $verb;
            type Answer = $answer;
        })+
    };
}

ask! {
    List, "list" => Listing;
    Offer, "offer" => Verdicts;
    Commit, "commit" => SignedReceipt;
    Acknowledge, "acknowledge" => Moved;
    Release, "release" => Moved;
    WantFull, "want-full" => Done;
    Recheck, "recheck" => Rechecked;
    Rotate, "rotate" => Rotation;
    Status, "status" => Standing;
}

/// What a request is about; the other side refuses what its key is not for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Source host.
    pub source: String,
    /// Job.
    pub job: String,
    /// Stream.
    pub stream: StreamName,
}

/// The envelope of a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request<B> {
    /// [`PROTOCOL`] of the asking side.
    pub protocol: u32,
    /// Version of the asking side.
    pub tool: String,
    /// What it is about.
    pub subject: Subject,
    /// The verb's own part.
    pub body: B,
}

/// The envelope of an answer: `ok` or `error`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer<T> {
    /// [`PROTOCOL`] of the answering side.
    pub protocol: u32,
    /// Version of the answering side.
    pub tool: String,
    /// The verb's own part.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub ok: Option<T>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Complaint>,
}

fn none<T>() -> Option<T> {
    None
}

/// A failure as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complaint {
    /// Class.
    pub kind: Kind,
    /// What failed.
    pub msg: String,
    /// The remedy.
    pub hint: Option<String>,
}

/// A sealed generation before any of its data moves: enough to derive names, sizes, digest and everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offered {
    /// The exact text of `manifest.json`.
    pub manifest: String,
    /// The exact text of `SHA256SUMS`.
    pub seal: String,
    /// What the sink said when it accepted it; only in the listing of a sink's store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<SignedReceipt>,
}

/// Asks a source what waits in its handover point, or a sink for copies of its store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Which.
    pub select: Select,
}

/// Which generations to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// All that wait in the handover point.
    All,
    /// The newest verified one of a store, and its base.
    Newest,
    /// This one of a store, and its base.
    Id(GenerationId),
    /// Of a store, the newest verified one that is not after this time, and its base.
    #[serde(rename = "not_after")]
    NotAfter(GenerationId),
}

impl From<Wanted> for Select {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Newest => Self::Newest,
            Wanted::Id(id) => Self::Id(id),
            Wanted::NotAfter(id) => Self::NotAfter(id),
        }
    }
}

/// Answers [`List`]: oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// What there is.
    pub generations: Vec<Offered>,
    /// What looks like a generation and cannot be offered, with the reason.
    #[serde(default)]
    pub unusable: Vec<Unusable>,
}

/// A generation in the handover point that contradicts itself or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unusable {
    /// Which.
    pub id: GenerationId,
    /// What is wrong with it.
    pub complaint: Complaint,
}

/// Asks a sink which of these it wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Oldest first.
    pub generations: Vec<Offered>,
    /// Only asking: nothing is prepared for their arrival.
    pub check: bool,
}

/// Answers [`Offer`], in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdicts {
    /// One for each generation offered.
    pub verdicts: Vec<Verdict>,
}

/// What the sink wants to happen with a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// Carry it, then commit.
    Send {
        /// An earlier attempt left something here to go on with.
        resumed: bool,
    },
    /// All of it is here: commit at once.
    Have,
    /// It was accepted once and the sink's policy has expired it since: release it.
    Gone,
    /// Its base is missing or damaged here: make a full.
    WantFull {
        /// Why the base does not do.
        why: String,
    },
    /// It is not accepted.
    Refused(Complaint),
}

/// Asks a sink to verify what arrived, to store it and to sign for it. The answer to the same request is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Which.
    pub generation: GenerationRef,
}

/// A receipt with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedReceipt {
    /// The exact text that is signed.
    pub receipt: String,
    /// The signature, as `ssh-keygen -Y sign` writes it.
    pub signature: String,
}

/// Tells a source that its generation arrived: it moves to the source's store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// The proof.
    pub signed: SignedReceipt,
}

/// Tells a source that no sink will ever take this generation: it moves to the source's store without a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Which.
    pub generation: GenerationRef,
}

/// Answers [`Acknowledge`] and [`Release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// False: it was in the store already.
    pub moved: bool,
}

/// Tells a source that its next generation has to be a full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantFull {
    /// The base that the sink cannot use.
    pub base: GenerationRef,
    /// Why.
    pub why: String,
}

/// Nothing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {}

/// Asks a source to hash its own copy, because what arrived was damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recheck {
    /// Which.
    pub generation: GenerationRef,
}

/// Answers [`Recheck`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rechecked {
    /// What is wrong with the source's own copy, which it has set aside; `None`: it is intact.
    pub damage: Option<String>,
}

/// Asks a side to apply its own retention to its own store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {}

backup_interface::report! {
    /// Answers [`Rotate`].
    #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Rotation {
        /// Generations that stay.
        pub kept: Vec<GenerationId>,
        /// Generations that were deleted.
        pub expired: Vec<GenerationId>,
        /// Generations that are due, but whose deletion has to wait.
        pub postponed: Vec<GenerationId>,
    }
}

/// Asks a side how it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {}

backup_interface::report! {
    /// Answers [`Status`].
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Standing {
        /// Sealed generations in the handover point (source) or arriving (sink), oldest first.
        pub outstanding: Vec<GenerationId>,
        /// Sealed generations in the store, oldest first.
        pub stored: Vec<GenerationId>,
        /// The newest one in the store with a receipt that says verified.
        pub newest_verified: Option<GenerationRef>,
        /// Bytes free where generations arrive.
        pub free_bytes: u64,
        /// On a sink that limits the source: what it may fill.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub quota: Option<Quota>,
    }
}

backup_interface::report! {
    /// What a source may fill on a sink.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Quota {
        /// So many bytes.
        pub limit: u64,
        /// Of these, so many are taken up: by generations stored, arrived and arriving, and by notes about them.
        pub used: u64,
    }
}
