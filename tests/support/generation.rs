//! Sealed generations made by hand: for tests that need a store full of them, and no collect.

use backup_core::{
    GenerationId, GenerationKind, GenerationRef, InstanceId, StreamName,
    generation::Digest,
    layout::StreamDir,
    manifest::{Artifact, CATALOG, Counts, FORMAT, MANIFEST, Manifest, SEAL, Seal, Tree},
    receipt::Receipt,
};
use jiff::Timestamp;
use std::{collections::BTreeMap, fs};

/// The source, the job and the stream of every generation made here.
pub const SOURCE: &str = "web1";
/// The job.
pub const JOB: &str = "shop";
/// The artifact that holds [`Plan::contents`].
pub const DUMP: &str = "dump-main.sql.zst";

/// A generation to be made.
#[derive(Debug, Clone)]
pub struct Plan {
    id: GenerationId,
    base: Option<GenerationRef>,
    label: Option<String>,
    contents: Vec<u8>,
}

/// A full of this id.
pub fn full(id: &str) -> Plan {
    Plan { id: id.parse().unwrap(), base: None, label: None, contents: format!("contents of {id}").into_bytes() }
}

/// An incremental of this id.
pub fn incremental(id: &str, base: &GenerationRef) -> Plan {
    Plan { base: Some(base.clone()), ..full(id) }
}

impl Plan {
    /// Labels it.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.into());
        self
    }

    /// What its one dump holds.
    #[must_use]
    pub fn contents(mut self, contents: &[u8]) -> Self {
        self.contents = contents.to_vec();
        self
    }

    /// Writes it, sealed.
    pub fn write(&self, dir: &StreamDir) -> GenerationRef {
        let directory = dir.generation(self.id);
        fs::create_dir_all(&directory).unwrap();
        let artifacts = [(DUMP, self.contents.as_slice()), (CATALOG, b"no catalog: nothing here reads it".as_slice())];
        let mut digests = BTreeMap::new();
        let mut described = BTreeMap::new();
        for (name, bytes) in artifacts {
            fs::write(directory.join(name), bytes).unwrap();
            let digest = Digest::of(bytes);
            let length = bytes.len() as u64;
            described
                .insert(name.to_owned(), Artifact { bytes: length, plain_bytes: length, plain_sha256: digest.clone() });
            digests.insert(name.to_owned(), digest);
        }
        let manifest = Manifest {
            format: FORMAT,
            tool: "test".into(),
            source: SOURCE.into(),
            job: JOB.into(),
            stream: StreamName::Data,
            id: self.id,
            instance: instance(),
            kind: if self.base.is_some() { GenerationKind::Incremental } else { GenerationKind::Full },
            base: self.base.clone(),
            label: self.label.clone(),
            started_at: self.id.time(),
            finished_at: self.id.time(),
            quiet: None,
            roots: vec!["/srv/shop".into()],
            tree: Tree { paths: 1, bytes: self.contents.len() as u64 },
            counts: Counts::default(),
            artifacts: described,
            large_file: 64 << 20,
            block: 64 << 10,
            warnings: Vec::new(),
        };
        let bytes = manifest.to_bytes();
        digests.insert(MANIFEST.into(), Digest::of(&bytes));
        fs::write(directory.join(MANIFEST), bytes).unwrap();
        let seal = Seal::new(digests).unwrap();
        fs::write(directory.join(SEAL), seal.to_text()).unwrap();
        GenerationRef { id: self.id, digest: seal.digest() }
    }
}

/// Writes the receipt of a generation, as the sink `vault` would. No signature.
pub fn receipt(dir: &StreamDir, of: &GenerationRef, received_at: Timestamp, verified_at: Option<Timestamp>) {
    let receipt = Receipt {
        format: FORMAT,
        source: SOURCE.into(),
        job: JOB.into(),
        stream: StreamName::Data,
        id: of.id,
        digest: of.digest.clone(),
        instance: instance(),
        sink: "vault".into(),
        received_at,
        verified_at,
        tool: "test".into(),
    };
    fs::create_dir_all(dir.receipts()).unwrap();
    fs::write(dir.receipt(of.id), receipt.to_bytes()).unwrap();
}

fn instance() -> InstanceId {
    InstanceId::from_bytes(&[7; 16])
}
