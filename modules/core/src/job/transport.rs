//! How copies travel, and the sink's side of a stream.

use crate::retention::Policy;
use crate::units::{Bytes, Span};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How copies travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transport {
    /// Which side begins.
    pub mode: Mode,
    /// The host that the beginning side logs in to.
    pub peer: Peer,
    /// What the peer lets in.
    #[serde(default)]
    pub auth: Auth,
    /// Whether the sink re-reads and compares every digest before it says that it has a copy.
    #[serde(default)]
    pub verify: Verify,
    /// Bytes per second at most.
    pub bandwidth: Option<Bytes>,
    /// How long failed attempts are repeated.
    #[serde(default = "default_window")]
    pub window: Span,
    /// Public keys of sinks whose receipts count, in ssh's `allowed_signers` form, on the source.
    #[serde(default = "default_signers")]
    pub signers: PathBuf,
}

fn default_window() -> Span {
    Span(3600)
}

fn default_signers() -> PathBuf {
    "/etc/handover/signers".into()
}

/// Which side begins the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The source logs in to the sink.
    Push,
    /// The sink logs in to the source.
    Pull,
}

/// What the peer lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// The key itself, until somebody takes it away.
    #[default]
    Key,
    /// A certificate for the key, which lapses unless it is renewed; its file is the key's with `-cert.pub` behind.
    Certificate,
}

/// Whether arrival is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Every digest is compared on the sink.
    #[default]
    Hash,
    /// An arrival receipt only: the copy is shown as unverified everywhere and never displaces a verified one.
    None,
}

/// A host to log in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Name or address.
    pub address: String,
    /// ssh port.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Login; default: the stream's user (pull) or the sink's (push).
    pub user: Option<String>,
    /// Private key; default: see [`StreamOf::identity`](super::StreamOf::identity).
    pub identity: Option<PathBuf>,
    /// Pinned host keys.
    #[serde(default = "default_known_hosts")]
    pub known_hosts: PathBuf,
}

fn default_port() -> u16 {
    22
}

fn default_known_hosts() -> PathBuf {
    "/etc/handover/known_hosts".into()
}

/// The sink's side of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// Name of the sink: the identity its receipts are signed with.
    pub name: String,
    /// Owner of everything on the sink.
    #[serde(default = "default_sink_user")]
    pub user: String,
    /// Who logs in to the sink. Owns nothing there: [`Sink::user`] serves.
    #[serde(default = "default_login")]
    pub login: String,
    /// Holds `incoming`, `verifying` and `store`; default `/home/<user>`.
    pub home: Option<PathBuf>,
    /// What is kept.
    #[serde(default)]
    pub retention: Policy,
    /// What the stream's source may fill here, in bytes; absent: whatever is free.
    pub quota: Option<Bytes>,
    /// Nothing younger than this by receipt time is deleted.
    #[serde(default = "default_protect")]
    pub protect: Span,
    /// A deletion needs the generations that justify it to have been re-read within this time.
    #[serde(default = "default_verify_max_age")]
    pub verify_max_age: Span,
    /// How long one rotation may re-read for that.
    #[serde(default = "default_verify_box")]
    pub verify_box: Span,
    /// The private key that signs receipts.
    #[serde(default = "default_receipt_key")]
    pub receipt_key: PathBuf,
}

fn default_sink_user() -> String {
    "dataBackupSink".into()
}

fn default_login() -> String {
    "dataBackupLogin".into()
}

fn default_protect() -> Span {
    Span(30 * 86_400)
}

fn default_verify_max_age() -> Span {
    Span(8 * 86_400)
}

fn default_verify_box() -> Span {
    Span(600)
}

fn default_receipt_key() -> PathBuf {
    "/etc/handover/receipt_ed25519".into()
}
