//! `manifest.json` and `SHA256SUMS`: what a generation is, and the seal over it (docs/format.md).

use crate::{Digest, Failure, GenerationId, GenerationKind, GenerationRef, InstanceId, Kind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write as _};

/// The format number this version writes, and the highest it reads.
pub const FORMAT: u32 = 1;
/// A manifest above this many bytes is refused before it is parsed.
pub const MAX_MANIFEST_BYTES: u64 = 16 << 20;
/// A seal above this many bytes is refused before it is parsed: twice a line for each of [`MAX_ARTIFACTS`] names.
pub const MAX_SEAL_BYTES: u64 = 16 << 20;
/// More artifacts than this are refused.
pub const MAX_ARTIFACTS: usize = 100_000;

/// Name of the seal.
pub const SEAL: &str = "SHA256SUMS";
/// Name of the manifest.
pub const MANIFEST: &str = "manifest.json";
/// Name of the catalog.
pub const CATALOG: &str = "catalog.jsonl.zst";
/// Name of the tar stream.
pub const DATA: &str = "data.tar.zst";
/// Name of the list of paths that are gone.
pub const DELETED: &str = "deleted.list";
/// Folder of large-file patches.
pub const PATCHES: &str = "patches";

/// Why a manifest or a seal is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON of the documented shape.
    #[error("the manifest cannot be read: {0}")]
    Syntax(String),
    /// Written by a later version.
    #[error("the generation has format {0}, this version reads up to {FORMAT}")]
    Newer(u32),
    /// Contradicts itself, its directory or its seal.
    #[error("the manifest is not valid: {0}")]
    Invalid(String),
    /// The seal is malformed.
    #[error("{SEAL} is not valid: {0}")]
    Seal(String),
}

impl Failure for ManifestError {
    fn kind(&self) -> Kind {
        match self {
            Self::Newer(_) => Kind::VersionMismatch,
            _ => Kind::Damaged,
        }
    }
    fn hint(&self) -> Option<String> {
        matches!(self, Self::Newer(_))
            .then(|| "Install the newer version of Handover on this host, or restore with restore.sh.".into())
    }
}

/// One artifact's sizes and the digest of its plain (uncompressed) bytes. The digest of the stored bytes is in the seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Stored bytes.
    pub bytes: u64,
    /// Bytes after decompression.
    pub plain_bytes: u64,
    /// SHA-256 of the bytes after decompression.
    pub plain_sha256: Digest,
}

/// How much the source held when the generation was made, whatever of it is stored here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tree {
    /// Paths of all types.
    pub paths: u64,
    /// Sum of the sizes of regular files, hard links counted once, plus the plain size of dumps.
    pub bytes: u64,
}

/// What this generation stores, by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Regular files, patched ones included.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Further names of files counted already.
    pub hardlinks: u64,
    /// FIFOs and devices.
    pub specials: u64,
    /// Entries of `deleted.list`.
    pub deleted: u64,
    /// Large files stored as changed blocks.
    pub patched: u64,
    /// Sockets, which are never stored.
    pub sockets_skipped: u64,
    /// Files that the policy allowed to skip because they could not be read.
    pub unreadable_skipped: u64,
}

/// When the writers stood still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// After the last service had stopped.
    pub from: Timestamp,
    /// Before the first was started again.
    pub to: Timestamp,
}

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format number.
    pub format: u32,
    /// Version of Handover that wrote it.
    pub tool: String,
    /// Source host.
    pub source: String,
    /// Job.
    pub job: String,
    /// Stream: `data` or `logs`.
    pub stream: crate::job::StreamName,
    /// Id of the generation.
    pub id: GenerationId,
    /// Random id of the source installation.
    pub instance: InstanceId,
    /// Full or incremental.
    pub kind: GenerationKind,
    /// The full an incremental differs from.
    pub base: Option<GenerationRef>,
    /// Label of an ad-hoc copy.
    pub label: Option<String>,
    /// T0 of the pass that counts.
    pub started_at: Timestamp,
    /// Just before the seal.
    pub finished_at: Timestamp,
    /// When the writers stood still; `None`: they did not.
    pub quiet: Option<Quiet>,
    /// The absolute include paths.
    pub roots: Vec<String>,
    /// What the source held.
    pub tree: Tree,
    /// What is stored here.
    pub counts: Counts,
    /// Every file but the manifest and the seal, by name.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Files from this size on are stored as patches.
    pub large_file: u64,
    /// Patch block size in bytes.
    pub block: u64,
    /// What the policy tolerated.
    pub warnings: Vec<String>,
}

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] if it is not JSON, from a later version, or contradicts itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let syntax = |e: serde_json::Error| ManifestError::Syntax(e.to_string());
        let head: Head = serde_json::from_slice(bytes).map_err(syntax)?;
        if head.format > FORMAT {
            return Err(ManifestError::Newer(head.format));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(syntax)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let invalid = |why: String| Err(ManifestError::Invalid(why));
        if (self.kind == GenerationKind::Incremental) != self.base.is_some() {
            return invalid(format!(
                "a {} generation with{} a base",
                self.kind,
                if self.base.is_some() { "" } else { "out" }
            ));
        }
        if self.base.as_ref().is_some_and(|base| base.id >= self.id) {
            return invalid("the base is not older".into());
        }
        if self.artifacts.len() > MAX_ARTIFACTS {
            return invalid(format!("{} artifacts", self.artifacts.len()));
        }
        if let Some(name) = self.artifacts.keys().find(|name| !is_artifact_name(name)) {
            return invalid(format!("artifact name {name:?}"));
        }
        if !self.artifacts.contains_key(CATALOG) {
            return invalid(format!("no {CATALOG}"));
        }
        if self.kind == GenerationKind::Full
            && self.artifacts.keys().any(|name| name == DELETED || name.starts_with("patches/"))
        {
            return invalid("a full with deletions or patches".into());
        }
        Ok(())
    }

    /// The bytes to store: indented JSON with a final newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest has only string keys");
        bytes.push(b'\n');
        bytes
    }

    /// Stored bytes of all artifacts.
    pub fn stored_bytes(&self) -> u64 {
        self.artifacts.values().map(|artifact| artifact.bytes).sum()
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && !text.starts_with('-')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
}

/// Whether `name` may be an artifact's name (docs/format.md); the manifest and the seal are not artifacts.
pub fn is_artifact_name(name: &str) -> bool {
    if matches!(name, CATALOG | DATA | DELETED) {
        return true;
    }
    if let Some(patch) = name.strip_prefix("patches/") {
        let number = patch.strip_suffix(".zst").or_else(|| patch.strip_suffix(".parts"));
        return number.is_some_and(|n| {
            !n.is_empty() && n.len() <= 9 && !n.starts_with('0') && n.bytes().all(|c| c.is_ascii_digit())
        });
    }
    name.strip_prefix("dump-")
        .and_then(|rest| rest.strip_suffix(".zst").or_else(|| rest.strip_suffix(".gz")))
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(name, extension)| is_word(name) && extension.split('.').all(is_word))
}

/// The seal: the digest of every file, as `sha256sum` writes and checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    files: BTreeMap<String, Digest>,
}

impl Seal {
    /// A seal over these files (name → SHA-256 of the stored bytes).
    ///
    /// # Errors
    /// [`ManifestError::Seal`] if the manifest is missing or a name is not allowed.
    pub fn new(files: BTreeMap<String, Digest>) -> Result<Self, ManifestError> {
        if !files.contains_key(MANIFEST) {
            return Err(ManifestError::Seal(format!("no {MANIFEST}")));
        }
        if let Some(name) = files.keys().find(|name| *name != MANIFEST && !is_artifact_name(name)) {
            return Err(ManifestError::Seal(format!("file name {name:?}")));
        }
        Ok(Self { files })
    }

    /// Reads `SHA256SUMS`.
    ///
    /// # Errors
    /// [`ManifestError::Seal`] if a line is not `<64 hex digits>  <allowed name>`, a name repeats or the order is not by name.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let bad = |why: &str| ManifestError::Seal(why.to_owned());
        let text = std::str::from_utf8(text).map_err(|_| bad("not UTF-8"))?;
        let mut files = BTreeMap::new();
        for line in text.strip_suffix('\n').ok_or_else(|| bad("no final newline"))?.split('\n') {
            let (digest, name) = line.split_once("  ").ok_or_else(|| bad("a line without two spaces"))?;
            let digest: Digest = digest.parse().map_err(|_| bad("a line without a digest"))?;
            if files.last_key_value().is_some_and(|(last, _): (&String, _)| last.as_str() >= name) {
                return Err(bad("names are not in order"));
            }
            files.insert(name.to_owned(), digest);
            if files.len() > MAX_ARTIFACTS + 1 {
                return Err(bad("too many files"));
            }
        }
        Self::new(files)
    }

    /// The text of `SHA256SUMS`.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.files.len() * 90);
        for (name, digest) in &self.files {
            let _ = writeln!(text, "{digest}  {name}");
        }
        text
    }

    /// The digest of the generation: SHA-256 of the seal's text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }

    /// Every sealed file and its digest, by name; the manifest included, the seal itself not.
    pub const fn files(&self) -> &BTreeMap<String, Digest> {
        &self.files
    }

    /// Checks that the seal covers exactly what the manifest lists.
    ///
    /// # Errors
    /// [`ManifestError::Invalid`] naming the first file that only one of both knows.
    pub fn covers(&self, manifest: &Manifest) -> Result<(), ManifestError> {
        let sealed = self.files.keys().filter(|name| *name != MANIFEST);
        if let Some(name) = sealed.clone().find(|name| !manifest.artifacts.contains_key(*name)) {
            return Err(ManifestError::Invalid(format!("{name} is sealed but not in the manifest")));
        }
        if let Some(name) = manifest.artifacts.keys().find(|name| !self.files.contains_key(*name)) {
            return Err(ManifestError::Invalid(format!("{name} is in the manifest but not sealed")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_names() {
        for good in [
            "data.tar.zst",
            "deleted.list",
            "patches/1.zst",
            "patches/12.parts",
            "dump-orders.sql.zst",
            "dump-a_b.tar.gz",
        ] {
            assert!(is_artifact_name(good), "{good}");
        }
        for bad in [
            "",
            "SHA256SUMS",
            "manifest.json",
            "patches/0.zst",
            "patches/../x.zst",
            "dump-.sql.zst",
            "dump-a/b.sql.zst",
            "dump-a.sql",
            "x",
            "dump-a..zst",
        ] {
            assert!(!is_artifact_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_seal_reads_back_and_its_digest_is_that_of_its_text() {
        let files = [(MANIFEST, b"m"), (CATALOG, b"c")].map(|(n, b)| (n.to_owned(), Digest::of(b))).into();
        let seal = Seal::new(files).unwrap();
        let text = seal.to_text();
        assert_eq!(Seal::parse(text.as_bytes()).unwrap(), seal);
        assert_eq!(seal.digest(), Digest::of(text.as_bytes()));
    }

    #[test]
    fn malformed_seals_are_refused() {
        let d = Digest::of(b"");
        for text in [
            String::new(),
            format!("{d}  manifest.json"),
            format!("{d} manifest.json\n"),
            format!("{d}  catalog.jsonl.zst\n"),
            format!("{d}  manifest.json\n{d}  catalog.jsonl.zst\n"),
            format!("{d}  ../x\n{d}  manifest.json\n"),
            format!("{d}  manifest.json\n{d}  manifest.json\n"),
        ] {
            assert!(Seal::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
