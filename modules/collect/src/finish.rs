//! The last steps of a stream: compress the rest, judge what came of it, seal, publish.

use crate::dump::{self, Written};
use crate::error::{CollectError, Result};
use crate::limits;
use crate::memory::Memory;
use crate::report::{Fate, StreamReport};
use crate::seal::Staging;
use crate::stream::Work;
use crate::survey;
use backup_adapters::signals::Interrupt;
use backup_adapters::{host, publish};
use backup_archive::index::Draft;
use backup_core::manifest::{CATALOG, Counts, FORMAT, Manifest, Quiet, Tree};
use backup_core::state::Good;
use backup_core::{Digest, GenerationId, GenerationKind, GenerationRef, InstanceId};
use jiff::Timestamp;

/// Patch block size in bytes (docs/format.md).
const BLOCK: u64 = 64 << 10;

/// What is the same for all streams that are sealed.
pub(crate) struct SealArgs<'a> {
    /// The id that all streams of the run share.
    pub id: GenerationId,
    /// The source installation.
    pub instance: &'a InstanceId,
    /// The label of an ad-hoc copy.
    pub label: Option<&'a str>,
    /// When the writers stood still.
    pub quiet: Option<&'a Quiet>,
    /// Where indexes are kept.
    pub memory: &'a Memory,
    /// A run that was asked to end seals nothing.
    pub interrupt: &'a Interrupt,
}

/// What a generation holds.
struct Content {
    written: Vec<Written>,
    counts: Counts,
    /// What the source held, dumps included.
    tree: Tree,
    started_at: Timestamp,
    warnings: Vec<String>,
    index: Option<Draft>,
}

impl Work<'_> {
    /// Makes a generation of what was read, unless it is implausible. `report` is filled on the way.
    pub(crate) fn finish(mut self, seal: &SealArgs<'_>, report: &mut StreamReport) -> Result<Good> {
        let staging = self.staging.take().ok_or(CollectError::NotStaged)?;
        let content = self.content(&staging, seal.interrupt)?;
        let last = self.found.state.last_good.as_ref();
        limits::plausible(self.of.name, &self.of.stream.checks, content.tree, last)
            .map_err(|why| CollectError::Implausible { stream: self.of.name, why })?;
        self.announce(report);
        // A plan's word until it is published.
        report.fate = Fate::Failed;
        report.warnings.extend_from_slice(&content.warnings);

        let manifest = self.manifest(seal, &content, report.warnings.clone());
        seal.interrupt.check()?;
        let digest = staging.seal(&manifest, &content.written)?;
        let generation = GenerationRef { id: seal.id, digest };
        // The index first: one without a generation is never used, a full without one is never a base.
        if let Some(index) = &content.index {
            seal.memory.keep_index(self.of.name, &generation, index, self.oldest_useful())?;
        }
        staging.publish()?;
        self.tell(report, &manifest, &generation.digest);
        if manifest.kind == GenerationKind::Full {
            // The sink has what it asked for; the bases that it lacks are gone from here as well.
            publish::remove_file(&survey::handover(self.of).dir().want_full())?;
        }
        Ok(Good {
            generation,
            kind: manifest.kind,
            tree: manifest.tree,
            stored_bytes: manifest.stored_bytes(),
            base: manifest.base,
            duration_ms: 0,
            downtime_ms: 0,
        })
    }

    /// What the tree gave, or what a stream without one has instead (an empty catalog), and the dumps.
    fn content(&mut self, staging: &Staging, interrupt: &Interrupt) -> Result<Content> {
        let mut content = match self.tree.take() {
            None => Content {
                written: vec![self.empty_catalog(staging)?],
                counts: Counts::default(),
                tree: Tree::default(),
                started_at: self.dumps_began.unwrap_or_else(|| host::now().timestamp()),
                warnings: Vec::new(),
                index: None,
            },
            Some(tree) => {
                let result = tree.finish()?;
                let written = result.artifacts.into_iter().map(|(name, stored)| Written {
                    name,
                    artifact: stored.artifact,
                    stored: stored.sha256,
                });
                Content {
                    written: written.collect(),
                    counts: result.counts,
                    tree: result.tree,
                    started_at: result.started_at,
                    warnings: result.warnings,
                    index: result.index,
                }
            }
        };
        // The tree's own files were read back when they were written.
        for dump in &self.written {
            interrupt.check()?;
            dump::verify(staging.path(), dump)?;
        }
        content.started_at = self.dumps_began.map_or(content.started_at, |began| began.min(content.started_at));
        content.tree.bytes += self.written.iter().map(|dump| dump.artifact.plain_bytes).sum::<u64>();
        content.written.append(&mut self.written);
        Ok(content)
    }

    fn empty_catalog(&self, staging: &Staging) -> Result<Written> {
        let catalog = dump::store(CATALOG, staging.path(), &[], self.of.stream.compression_level)?;
        dump::verify(staging.path(), &catalog)?;
        Ok(catalog)
    }

    fn manifest(&self, seal: &SealArgs<'_>, content: &Content, warnings: Vec<String>) -> Manifest {
        let stream = self.of.stream;
        let artifacts = content.written.iter().map(|file| (file.name.clone(), file.artifact.clone()));
        Manifest {
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            source: self.of.job.source.clone(),
            job: self.of.job.job.clone(),
            stream: self.of.name,
            id: seal.id,
            instance: seal.instance.clone(),
            kind: self.choice.kind(),
            base: self.choice.base.clone(),
            label: seal.label.map(ToOwned::to_owned),
            started_at: content.started_at,
            finished_at: host::now().timestamp(),
            quiet: seal.quiet.cloned(),
            roots: stream.include.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            tree: content.tree,
            counts: content.counts,
            artifacts: artifacts.collect(),
            large_file: stream.large_file.0,
            block: BLOCK,
            warnings,
        }
    }

    fn tell(&self, report: &mut StreamReport, manifest: &Manifest, digest: &Digest) {
        let Counts { files, directories, symlinks, hardlinks, specials, deleted, patched, .. } = manifest.counts;
        report.fate = Fate::Sealed;
        report.id = Some(manifest.id);
        report.digest = Some(digest.clone());
        report.path = survey::handover(self.of).dir().generation(manifest.id);
        report.paths = Some(manifest.tree.paths);
        report.bytes = Some(manifest.tree.bytes);
        report.files = Some(files + directories + symlinks + hardlinks + specials);
        report.stored_bytes = Some(manifest.stored_bytes());
        report.deleted = Some(deleted);
        report.patched = Some(patched);
    }

    /// Indexes from this full on may still become, or be, a base.
    fn oldest_useful(&self) -> Option<GenerationId> {
        let history = &self.found.history;
        if history.sink_wants_full {
            return None;
        }
        let acknowledged = history.candidates.iter().filter(|c| c.receipt.is_some()).map(|c| c.id).max();
        acknowledged.into_iter().chain(history.waiting_full).min()
    }
}
