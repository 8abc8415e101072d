//! Receipts: the sink's signed statement that a generation arrived, and whether its digests were re-read there.

use crate::{Digest, GenerationId, InstanceId, job::StreamName, manifest::ManifestError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The `-n` of `ssh-keygen -Y sign`: a signature made for another purpose is not a receipt.
pub const SIGNATURE_NAMESPACE: &str = "handover-receipt";

/// `receipts/<id>.json`. The signature is over the exact bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Format number, 1.
    pub format: u32,
    /// Source host.
    pub source: String,
    /// Job.
    pub job: String,
    /// Stream.
    pub stream: StreamName,
    /// Generation.
    pub id: GenerationId,
    /// SHA-256 of the generation's seal.
    pub digest: Digest,
    /// The source installation it came from.
    pub instance: InstanceId,
    /// Name of the sink, which is the signer's identity.
    pub sink: String,
    /// When it arrived, by the sink's clock.
    pub received_at: Timestamp,
    /// When every digest was re-read from the sink's medium and matched; `None` with `verify: none`.
    pub verified_at: Option<Timestamp>,
    /// Version of Handover that wrote it.
    pub tool: String,
}

impl Receipt {
    /// Reads a receipt.
    ///
    /// # Errors
    /// [`ManifestError::Syntax`] or [`ManifestError::Newer`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let receipt: Self = serde_json::from_slice(bytes).map_err(|e| ManifestError::Syntax(e.to_string()))?;
        if receipt.format > crate::manifest::FORMAT {
            return Err(ManifestError::Newer(receipt.format));
        }
        Ok(receipt)
    }

    /// The bytes to store and to sign.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a receipt has only string keys");
        bytes.push(b'\n');
        bytes
    }

    /// Whether the sink re-read what it says it has.
    pub const fn is_verified(&self) -> bool {
        self.verified_at.is_some()
    }
}

/// `receipts/<id>.checked.json`: the last re-reading of a generation where it lies. Local to one store, not signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// SHA-256 of the seal that was checked.
    pub digest: Digest,
    /// When the re-reading ended.
    pub checked_at: Timestamp,
    /// Whether everything matched.
    pub ok: bool,
}
