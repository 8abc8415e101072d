//! `status`: which generations are within reach.

use crate::error::Result;
use crate::report::{Available, StatusReport};
use crate::request::{self, From};
use crate::swap;
use backup_adapters::store::StreamStore;
use backup_common::JobArgs;
use backup_core::layout::StreamDir;
use backup_interface::Outcome;
use std::fmt::Write as _;

/// Lists every generation that can be restored from here.
pub(crate) fn status(args: &JobArgs) -> Result<Outcome> {
    let job = request::load(args)?;
    let mut generations = Vec::new();
    let mut text = String::new();
    let places =
        [("restore_folder", From::RestoreFolder), ("source_store", From::SourceStore), ("sink_store", From::SinkStore)];
    for (from, place) in places {
        for of in job.streams() {
            let listing = StreamStore::open(StreamDir::new(&place.root(of), &job.job, of.name)).list()?;
            for stored in &listing.generations {
                let base = stored.manifest.base.as_ref();
                let complete =
                    base.is_none_or(|base| listing.get(base.id).is_some_and(|found| found.digest == base.digest));
                let available = Available {
                    from,
                    stream: of.name,
                    id: stored.id,
                    kind: stored.manifest.kind,
                    base: base.map(|base| base.id),
                    complete,
                    receipt_of: stored.receipt.as_ref().map(|receipt| receipt.sink.clone()),
                    bytes: stored.bytes,
                };
                let _ = writeln!(
                    text,
                    "{} {} {} {}{}{}",
                    available.stream,
                    available.id,
                    available.kind,
                    from,
                    if complete { "" } else { ", its base is missing" },
                    available
                        .receipt_of
                        .as_ref()
                        .map_or_else(|| ", no receipt".to_owned(), |sink| format!(", receipt of {sink}")),
                );
                generations.push(available);
            }
        }
    }
    let report = StatusReport { job: job.job.clone(), interrupted: swap::is_pending(&job.state_dir())?, generations };
    let msg = format!("{} generations within reach", report.generations.len());
    Ok(Outcome::unchanged(msg).with_report(&report).with_answer(text))
}
