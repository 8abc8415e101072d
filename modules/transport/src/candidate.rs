//! A generation known by its manifest and its seal, checked against each other and against what it should be about.

use crate::error::TransportError;
use crate::wire::{Offered, Subject};
use backup_adapters::rsync::Ceiling;
use backup_adapters::space::counted;
use backup_adapters::there::{self, LookError};
use backup_core::manifest::{
    MANIFEST, MAX_MANIFEST_BYTES, MAX_SEAL_BYTES, Manifest, ManifestError, PATCHES, SEAL, Seal,
};
use backup_core::{Digest, Failure, GenerationId, GenerationRef, Kind};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Notes about a generation and folders around it, in blocks, at the most.
const NOTES: u64 = 16;

/// A generation whose manifest and seal belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The manifest.
    pub manifest: Manifest,
    /// The seal.
    pub seal: Seal,
    /// SHA-256 of the seal.
    pub digest: Digest,
    /// Every file with its size in bytes, the manifest and the seal included.
    pub files: BTreeMap<String, u64>,
    /// The texts it was read from.
    pub offered: Offered,
}

/// Why an offer is not a generation of this stream.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// Manifest or seal are not acceptable in themselves.
    #[error("cannot accept the offered generation: {0}")]
    Manifest(#[from] ManifestError),
    /// Too large to be parsed.
    #[error("cannot accept the offered generation: its {file} has {bytes} bytes")]
    TooLarge {
        /// Which file.
        file: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// The seal is over another manifest.
    #[error("cannot accept the offered generation {0}: its seal is over another manifest")]
    OtherManifest(GenerationId),
    /// It belongs elsewhere.
    #[error("cannot accept the offered generation {id}: it is of {found}, not of {expected}")]
    OtherSubject {
        /// Which.
        id: GenerationId,
        /// Where it belongs.
        found: String,
        /// Where it was offered.
        expected: String,
    },
}

impl Failure for CandidateError {
    fn kind(&self) -> Kind {
        match self {
            Self::Manifest(error) => error.kind(),
            Self::TooLarge { .. } | Self::OtherSubject { .. } => Kind::Refused,
            Self::OtherManifest(_) => Kind::Damaged,
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            Self::Manifest(error) => error.hint(),
            _ => None,
        }
    }
}

impl Candidate {
    /// Reads an offer; limits are checked before anything is parsed.
    ///
    /// # Errors
    /// [`CandidateError`], naming what contradicts what.
    pub fn parse(offered: Offered, subject: &Subject) -> Result<Self, CandidateError> {
        for (file, bytes, limit) in
            [(MANIFEST, offered.manifest.len(), MAX_MANIFEST_BYTES), (SEAL, offered.seal.len(), MAX_SEAL_BYTES)]
        {
            if bytes as u64 > limit {
                return Err(CandidateError::TooLarge { file, bytes });
            }
        }
        let manifest = Manifest::parse(offered.manifest.as_bytes())?;
        let seal = Seal::parse(offered.seal.as_bytes())?;
        seal.covers(&manifest)?;
        if seal.files().get(MANIFEST) != Some(&Digest::of(offered.manifest.as_bytes())) {
            return Err(CandidateError::OtherManifest(manifest.id));
        }
        let found = Subject { source: manifest.source.clone(), job: manifest.job.clone(), stream: manifest.stream };
        if found != *subject {
            let (found, expected) = (found.to_string(), subject.to_string());
            return Err(CandidateError::OtherSubject { id: manifest.id, found, expected });
        }
        let mut files: BTreeMap<_, _> =
            manifest.artifacts.iter().map(|(name, artifact)| (name.clone(), artifact.bytes)).collect();
        files.insert(MANIFEST.into(), offered.manifest.len() as u64);
        files.insert(SEAL.into(), offered.seal.len() as u64);
        let digest = seal.digest();
        Ok(Self { manifest, seal, digest, files, offered })
    }

    /// Its id.
    pub const fn id(&self) -> GenerationId {
        self.manifest.id
    }

    /// Its id and digest.
    pub fn reference(&self) -> GenerationRef {
        GenerationRef { id: self.manifest.id, digest: self.digest.clone() }
    }

    /// The names of all files.
    pub fn names(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    /// The names and sizes of all files.
    pub fn sizes(&self) -> Vec<(String, u64)> {
        self.files.iter().map(|(name, size)| (name.clone(), *size)).collect()
    }

    /// The first file that `folder` lacks or has in another size; contents are not read.
    pub fn incomplete(&self, folder: &Path) -> Option<String> {
        self.files.iter().find_map(|(name, size)| match folder.join(name).symlink_metadata() {
            Ok(meta) if !meta.is_file() => Some(format!("{name} is not a regular file")),
            Ok(meta) if meta.len() != *size => Some(format!("{name} has {} bytes instead of {size}", meta.len())),
            Ok(_) => None,
            Err(error) => Some(format!("{name}: {error}")),
        })
    }

    /// Gives every file and folder its mode, whatever the sender's had.
    pub fn tidy(&self, folder: &Path) -> Result<(), TransportError> {
        let set = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|source| TransportError::Io {
                action: "set the mode of",
                path: path.to_owned(),
                source,
            })
        };
        let unknown = |LookError { path, source }| TransportError::Io { action: "inspect", path, source };
        // What is missing or of another type is found when the generation is verified.
        for path in [folder.to_owned(), folder.join(PATCHES)] {
            if there::is_dir(&path).map_err(unknown)? {
                set(&path, 0o750)?;
            }
        }
        for path in self.files.keys().map(|name| folder.join(name)) {
            if there::is_file(&path).map_err(unknown)? {
                set(&path, 0o640)?;
            }
        }
        Ok(())
    }

    /// What it takes up at the most where it arrives, as [`Tally`](backup_adapters::space::Tally) counts, with the memory
    /// of the offer, notes and folders.
    pub fn room(&self) -> u64 {
        // Quotes and newlines grow when they are escaped.
        let texts = 2 * (self.offered.manifest.len() + self.offered.seal.len()) as u64;
        let files = self.files.values().chain([&texts]).map(|bytes| counted(*bytes));
        files.fold(NOTES * counted(0), u64::saturating_add)
    }

    /// What may arrive of it: its files, and a few folders of rsync's.
    pub fn ceiling(&self) -> Ceiling {
        let files = self.files.values().map(|bytes| counted(*bytes));
        let growth = files.fold(NOTES / 2 * counted(0), u64::saturating_add);
        Ceiling { growth, file: self.files.values().copied().max().unwrap_or(0) }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} {}", self.source, self.job, self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const OURS: &str = "0123456789abcdef0123456789abcdef";

    fn offered() -> Offered {
        sample::offered("20261110T020000Z".parse().unwrap(), OURS, None, "data")
    }

    fn kind_of(offered: Offered, subject: &Subject) -> Kind {
        Candidate::parse(offered, subject).unwrap_err().kind()
    }

    #[test]
    fn everything_is_derived_from_manifest_and_seal() {
        let candidate = Candidate::parse(offered(), &sample::subject()).unwrap();
        assert_eq!(candidate.digest, Digest::of(offered().seal.as_bytes()));
        let names: Vec<_> = candidate.files.keys().map(String::as_str).collect();
        assert_eq!(names, [SEAL, "catalog.jsonl.zst", "data.tar.zst", MANIFEST]);
        assert_eq!(candidate.bytes(), 7 + 4 + (offered().manifest.len() + offered().seal.len()) as u64);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let here = sample::subject();
        let other_job = Subject { job: "mail".into(), ..here.clone() };
        assert_eq!(kind_of(offered(), &other_job), Kind::Refused);
        let altered = Offered { manifest: offered().manifest.replace("web1", "web2"), ..offered() };
        assert_eq!(kind_of(altered, &here), Kind::Damaged);
        let smuggled = Offered { seal: offered().seal.replace("data.tar.zst", "../data"), ..offered() };
        assert_eq!(kind_of(smuggled, &here), Kind::Damaged);
        let seal = offered().seal;
        let missing = Offered { seal: seal.split_inclusive('\n').skip(1).collect(), ..offered() };
        assert_eq!(kind_of(missing, &here), Kind::Damaged);
        let huge = Offered { manifest: " ".repeat(17 << 20), ..offered() };
        assert_eq!(kind_of(huge, &here), Kind::Refused);
        let newer = Offered { manifest: offered().manifest.replace("\"format\": 1", "\"format\": 2"), ..offered() };
        assert_eq!(kind_of(newer, &here), Kind::VersionMismatch);
    }
}
