//! Generations for unit tests: manifest and seal as collect writes them, over contents of a few bytes.

use crate::candidate::Candidate;
use crate::wire::{Offered, Subject};
use backup_core::manifest::{Artifact, CATALOG, Counts, DATA, FORMAT, MANIFEST, Manifest, Seal, Tree};
use backup_core::{Digest, GenerationId, GenerationKind, GenerationRef, StreamName};

pub(crate) fn subject() -> Subject {
    Subject { source: "web1".into(), job: "shop".into(), stream: StreamName::Data }
}

pub(crate) fn offered(id: GenerationId, instance: &str, base: Option<GenerationRef>, data: &str) -> Offered {
    let artifact = |bytes: &[u8]| Artifact {
        bytes: bytes.len() as u64,
        plain_bytes: bytes.len() as u64,
        plain_sha256: Digest::of(bytes),
    };
    let contents = [(CATALOG, b"catalog".as_slice()), (DATA, data.as_bytes())];
    let subject = subject();
    let manifest = Manifest {
        format: FORMAT,
        tool: "test".into(),
        source: subject.source,
        job: subject.job,
        stream: subject.stream,
        id,
        instance: instance.parse().unwrap(),
        kind: if base.is_some() { GenerationKind::Incremental } else { GenerationKind::Full },
        base,
        label: None,
        started_at: id.time(),
        finished_at: id.time(),
        quiet: None,
        roots: vec!["/srv".into()],
        tree: Tree::default(),
        counts: Counts::default(),
        artifacts: contents.iter().map(|(name, bytes)| ((*name).to_owned(), artifact(bytes))).collect(),
        large_file: 64 << 20,
        block: 64 << 10,
        warnings: Vec::new(),
    };
    let manifest = manifest.to_bytes();
    let mut files: std::collections::BTreeMap<_, _> =
        contents.iter().map(|(name, bytes)| ((*name).to_owned(), Digest::of(bytes))).collect();
    files.insert(MANIFEST.into(), Digest::of(&manifest));
    let seal = Seal::new(files).unwrap().to_text();
    Offered { manifest: String::from_utf8(manifest).unwrap(), seal, receipt: None }
}

pub(crate) fn candidate(id: GenerationId, instance: &str, base: Option<GenerationRef>, data: &str) -> Candidate {
    Candidate::parse(offered(id, instance, base, data), &subject()).unwrap()
}
