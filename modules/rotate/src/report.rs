//! What rotation tells: as fields of the result, as lines for people, as a difference.

use crate::rotation::{Rotated, Rotation};
use backup_adapters::store::{Listing, Stored};
use backup_core::retention::{Decision, Verdict};
use backup_core::units::Bytes;
use backup_interface::{Diff, report};
use serde::Serialize;
use std::path::PathBuf;

report! {
    /// What run did, or would do.
    #[derive(Debug, Default, Serialize)]
    pub(crate) struct RunReport {
        /// How many generations stay because something keeps them.
        pub(crate) kept: usize,
        /// How many were deleted.
        pub(crate) expired: usize,
        /// How many are superfluous and stay until what their deletion relies on was re-read.
        pub(crate) postponed: usize,
        /// Bytes that were freed.
        pub(crate) bytes_freed: u64,
        /// One entry per stream: `stream`, `path`, whether it is `missing`, `generations` (with `id`, `kind`, `bytes`, `verdict`, `reasons` and
        /// `relies_on` each, oldest first), `deleted` (ids in the order of deletion), `reread` (what was re-read because a
        /// deletion relies on it, or because the job is stopped), `waiting` (what must still be re-read, before more can be deleted), `damaged` (what that found), `rests` (partials that were removed) and `oddities` (what is
        /// neither a generation nor known).
        pub(crate) stores: Vec<StoreReport>,
    }
}

report! {
    /// One store of a stream.
    #[derive(Debug, Serialize)]
    pub(crate) struct StoreReport {
        /// `data` or `logs`.
        stream: String,
        /// Where the store lies.
        #[serde(serialize_with = "backup_interface::lossy")]
        path: PathBuf,
        /// Whether there is none.
        missing: bool,
        /// Each generation, oldest first.
        generations: Vec<Item>,
        /// Ids, in the order of deletion.
        deleted: Vec<String>,
        /// What was re-read because a deletion relies on it, or because the job is stopped.
        reread: Vec<String>,
        /// What must still be re-read before more can be deleted.
        waiting: Vec<String>,
        /// What re-reading found damaged.
        damaged: Vec<String>,
        /// Partials that were removed.
        rests: Vec<String>,
        /// What is neither a generation nor known.
        oddities: Vec<String>,
    }
}

report! {
    /// What retention says of a generation.
    #[derive(Debug, Serialize)]
    struct Item {
        /// The generation.
        id: String,
        /// Full or incremental.
        kind: String,
        /// Its stored bytes.
        bytes: u64,
        /// `keep`, `expire` or `postpone`.
        verdict: &'static str,
        /// Why.
        reasons: Vec<String>,
        /// The copies on which its deletion relies.
        relies_on: Vec<String>,
    }
}

fn strings<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

impl From<&Decision> for Item {
    fn from(decision: &Decision) -> Self {
        Self {
            id: decision.id.to_string(),
            kind: decision.kind.to_string(),
            bytes: decision.bytes,
            verdict: decision.verdict.as_str(),
            reasons: strings(&decision.reasons),
            relies_on: strings(&decision.justified_by),
        }
    }
}

impl RunReport {
    /// For the documentation.
    pub(crate) fn sample() -> Self {
        let item = |id: &str, verdict, reason: &str, relies_on: &[&str]| Item {
            id: id.into(),
            kind: "full".into(),
            bytes: 5_242_880,
            verdict,
            reasons: vec![reason.into()],
            relies_on: strings(relies_on),
        };
        Self {
            kept: 1,
            expired: 1,
            postponed: 0,
            bytes_freed: 5_242_880,
            stores: vec![StoreReport {
                stream: "data".into(),
                path: "/home/dataBackupSink/store/web1/shop/data".into(),
                missing: false,
                generations: vec![
                    item("20261017T220000Z", "expire", "no rule keeps it", &["20261120T220000Z"]),
                    item("20261120T220000Z", "keep", "generations: number 1 of the newest 7", &[]),
                ],
                deleted: vec!["20261017T220000Z".into()],
                reread: vec!["20261120T220000Z".into()],
                waiting: Vec::new(),
                damaged: Vec::new(),
                rests: Vec::new(),
                oddities: Vec::new(),
            }],
        }
    }

    /// Adds what happened in one store.
    pub(crate) fn add(&mut self, rotation: &Rotation, done: &Rotated) {
        self.kept += done.plan.with(Verdict::Keep).count();
        self.postponed += done.plan.with(Verdict::Postpone).count();
        self.expired += done.deleted.len();
        self.bytes_freed += done.freed;
        self.stores.push(StoreReport {
            stream: rotation.stream.to_string(),
            path: rotation.store.dir().path().to_owned(),
            missing: done.missing,
            generations: done.plan.decisions.iter().map(Item::from).collect(),
            deleted: strings(&done.deleted),
            reread: strings(&done.reread),
            waiting: strings(&done.plan.needs_reread),
            damaged: done.damaged.iter().map(|(id, why)| format!("{id}: {why}")).collect(),
            rests: strings(&done.rests),
            oddities: done.oddities.iter().map(|oddity| format!("{}: {}", oddity.name, oddity.why)).collect(),
        });
    }

    /// One line.
    pub(crate) fn sentence(&self, job: &str) -> String {
        let rests: usize = self.stores.iter().map(|store| store.rests.len()).sum();
        let mut parts = vec![match self.expired {
            0 => format!("nothing to expire in {job}: {} kept", self.kept),
            n => format!("expired {n} of {job}, freed {}: {} kept", Bytes(self.bytes_freed), self.kept),
        }];
        if self.postponed > 0 {
            parts.push(format!("{} postponed", self.postponed));
        }
        if rests > 0 {
            parts.push(format!("{rests} rests removed"));
        }
        parts.join(", ")
    }

    /// What completes "job shop is stopped: nothing".
    pub(crate) fn declined(&self, is_preview: bool) -> String {
        let count = |of: fn(&StoreReport) -> usize| self.stores.iter().map(of).sum::<usize>();
        let text = match count(|store| store.reread.len()) {
            0 => "expires".into(),
            n if is_preview => format!("expires, {n} to be re-read"),
            n => format!("expires, {n} re-read"),
        };
        match count(|store| store.waiting.len()) {
            0 => text,
            n => format!("{text}, {n} wait to be re-read"),
        }
    }

    /// A line per generation: the plan for people.
    pub(crate) fn table(&self) -> String {
        let mut lines = Vec::new();
        for store in &self.stores {
            lines.push(format!("{}:", store.path.display()));
            lines.extend(store.generations.iter().map(|item| {
                format!(
                    "  {:8} {} {:11} {:>12}  {}",
                    item.verdict,
                    item.id,
                    item.kind,
                    item.bytes,
                    item.reasons.join("; ")
                )
            }));
            lines.extend(store.reread.iter().map(|id| format!("  re-read  {id}")));
            lines.extend(store.rests.iter().map(|id| format!("  rest     {id}")));
        }
        lines.join("\n")
    }

    /// What an operator should look at although it is no failure.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for store in &self.stores {
            if store.missing {
                warnings.push(format!(
                    "{} does not exist: nothing has arrived yet, or its file system is not mounted",
                    store.path.display()
                ));
            }
            if let Some(first) = store.waiting.first() {
                warnings.push(format!(
                    "{}: {} generations wait to be re-read, {first} first, and deletions for them; give `sink.verify_box` more time if this goes on",
                    store.stream,
                    store.waiting.len(),
                ));
            }
            warnings.extend(store.oddities.iter().map(|odd| format!("{}: {odd}", store.path.display())));
        }
        warnings
    }
}

impl StoreReport {
    /// The listing before and after.
    pub(crate) fn diff(&self) -> Diff {
        let line = |item: &Item| format!("{} {} {}\n", item.id, item.kind, item.bytes);
        let before: String = self.generations.iter().map(line).collect();
        let after: String = self.generations.iter().filter(|item| !self.deleted.contains(&item.id)).map(line).collect();
        Diff::texts(self.path.display().to_string(), &before, &after)
    }
}

report! {
    /// What is kept.
    #[derive(Debug, Default, Serialize)]
    pub(crate) struct StatusReport {
        /// One entry per stream: `stream`, `path`, `generations` (oldest first: `id`, `kind`, `base`, `label`, `bytes`,
        /// `received_at`, `verified_at`, `checked_at`, `intact`, `hold` and `receipt_ignored`), `partials` and `oddities`.
        pub(crate) listings: Vec<StoreStatus>,
    }
}

report! {
    /// What one store keeps.
    #[derive(Debug, Serialize)]
    pub(crate) struct StoreStatus {
        /// `data` or `logs`.
        stream: String,
        /// Where the store lies.
        #[serde(serialize_with = "backup_interface::lossy")]
        path: PathBuf,
        /// Each generation, oldest first.
        generations: Vec<GenerationStatus>,
        /// What is not sealed.
        partials: Vec<String>,
        /// What is neither a generation nor known.
        oddities: Vec<String>,
    }
}

report! {
    /// What is known of a generation. What is not known is null.
    #[derive(Debug, Serialize)]
    struct GenerationStatus {
        /// The generation.
        id: String,
        /// Full or incremental.
        kind: String,
        /// What an incremental differs from.
        base: Option<String>,
        /// Its name, if it was made besides the schedule.
        label: Option<String>,
        /// Its stored bytes.
        bytes: u64,
        /// When it arrived at the sink.
        received_at: Option<String>,
        /// When its digests were re-read there.
        verified_at: Option<String>,
        /// When they were last re-read here.
        checked_at: Option<String>,
        /// What that found.
        intact: Option<bool>,
        /// Why it must not expire.
        hold: Option<String>,
        /// Why its receipt does not count.
        receipt_ignored: Option<String>,
    }
}

impl From<&Stored> for GenerationStatus {
    fn from(stored: &Stored) -> Self {
        let receipt = stored.receipt.as_ref();
        Self {
            id: stored.id.to_string(),
            kind: stored.manifest.kind.to_string(),
            base: stored.manifest.base.as_ref().map(|base| base.id.to_string()),
            label: stored.manifest.label.clone(),
            bytes: stored.bytes,
            received_at: receipt.map(|receipt| receipt.received_at.to_string()),
            verified_at: receipt.and_then(|receipt| receipt.verified_at).map(|at| at.to_string()),
            checked_at: stored.checked.as_ref().map(|checked| checked.checked_at.to_string()),
            intact: stored.checked.as_ref().map(|checked| checked.ok),
            hold: stored.hold.clone(),
            receipt_ignored: stored.receipt_ignored.clone(),
        }
    }
}

impl GenerationStatus {
    fn line(&self) -> String {
        let word = match (self.intact, &self.verified_at, &self.received_at) {
            (Some(false), _, _) => "DAMAGED".into(),
            (_, Some(at), _) => format!("verified {at}"),
            (Some(true), None, _) => format!("verified {}", self.checked_at.as_deref().unwrap_or_default()),
            (None, None, Some(at)) => format!("unverified, received {at}"),
            (None, None, None) => "no receipt".into(),
        };
        let base = self.base.as_ref().map(|base| format!(" over {base}")).unwrap_or_default();
        let label = self.label.as_ref().map(|label| format!(" {label:?}")).unwrap_or_default();
        let hold = self.hold.as_ref().map(|_| " held").unwrap_or_default();
        format!("  {} {:11} {:>12}  {word}{base}{label}{hold}", self.id, self.kind, self.bytes)
    }
}

impl StatusReport {
    /// For the documentation.
    pub(crate) fn sample() -> Self {
        let generation = |id: &str, base: Option<&str>| GenerationStatus {
            id: id.into(),
            kind: base.map_or("full", |_| "incremental").into(),
            base: base.map(Into::into),
            label: None,
            bytes: 5_242_880,
            received_at: Some("2026-11-20T23:00:04Z".into()),
            verified_at: Some("2026-11-20T23:00:09Z".into()),
            checked_at: Some("2026-11-21T04:00:00Z".into()),
            intact: Some(true),
            hold: None,
            receipt_ignored: None,
        };
        let kept = GenerationStatus {
            label: Some("before-upgrade".into()),
            hold: Some("audit".into()),
            receipt_ignored: Some("it is of another generation".into()),
            received_at: None,
            verified_at: None,
            ..generation("20261119T220000Z", None)
        };
        Self {
            listings: vec![StoreStatus {
                stream: "data".into(),
                path: "/home/dataBackupSink/store/web1/shop/data".into(),
                generations: vec![kept, generation("20261120T220000Z", Some("20261119T220000Z"))],
                partials: Vec::new(),
                oddities: Vec::new(),
            }],
        }
    }

    /// Adds one store.
    pub(crate) fn add(&mut self, rotation: &Rotation, listing: &Listing) {
        self.listings.push(StoreStatus {
            stream: rotation.stream.to_string(),
            path: rotation.store.dir().path().to_owned(),
            generations: listing.generations.iter().map(GenerationStatus::from).collect(),
            partials: strings(&listing.partials),
            oddities: listing.oddities.iter().map(|oddity| format!("{}: {}", oddity.name, oddity.why)).collect(),
        });
    }

    /// A line per generation.
    pub(crate) fn table(&self) -> String {
        let mut lines = Vec::new();
        for store in &self.listings {
            lines.push(format!("{}:", store.path.display()));
            lines.extend(store.generations.iter().map(GenerationStatus::line));
            lines.extend(store.partials.iter().map(|id| format!("  {id} partial")));
            lines.extend(store.oddities.iter().map(|odd| format!("  ? {odd}")));
        }
        lines.join("\n")
    }
}
