//! The streams of one job beside each other, and beside the job's own folders.

use super::Found;
use crate::job::{Job, Stream};
use std::path::Path;

pub(super) fn overlap(a: &Path, b: &Path) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// Whether `stream` excludes exactly this path, so that another stream may have it.
fn excludes(stream: &Stream, path: &Path) -> bool {
    stream.exclude.iter().any(|pattern| Path::new(pattern.trim_end_matches('/')) == path)
}

impl Found {
    /// Streams must not share paths, and a job must not collect its own copies.
    pub(super) fn separation(&mut self, job: &Job) {
        let all: Vec<_> = job.streams().collect();
        for (n, of) in all.iter().enumerate() {
            for (i, path) in of.stream.include.iter().enumerate() {
                let key = format!("streams.{}.include[{i}]", of.name);
                for other in &all[..n] {
                    let clash = other.stream.include.iter().find(|p| {
                        overlap(p, path)
                            && !(path.starts_with(p) && excludes(other.stream, path))
                            && !(p.starts_with(path) && excludes(of.stream, p))
                    });
                    if let Some(clash) = clash {
                        self.add(
                            &key,
                            format!("{} overlaps {} of stream {}", path.display(), clash.display(), other.name),
                            "Exclude the inner path from the outer stream by its absolute path, or move it.",
                        );
                    }
                }
                let own = all
                    .iter()
                    .flat_map(|s| [s.handover_root(), s.store_root(), s.restore_root()])
                    .chain([job.state_dir()]);
                if let Some(own) = own.into_iter().find(|own| overlap(own, path) && !excludes(of.stream, own)) {
                    self.add(
                        &key,
                        format!("{} and the job's own {} overlap: copies would hold copies", path.display(), own.display()),
                        "Include narrower paths, move the handover point, store or restore folder elsewhere, or exclude it by its absolute path.",
                    );
                }
            }
        }
    }
}
