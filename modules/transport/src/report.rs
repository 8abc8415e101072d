//! What a run tells: one entry for each generation it met.

use crate::candidate::Candidate;
use crate::wire::{Rotation, Standing};
use backup_adapters::confine::Force;
use backup_core::{GenerationId, GenerationKind, StreamName};
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::Write as _;

backup_interface::report! {
    /// What was carried, or would be.
    #[derive(Debug, Default, Serialize)]
    pub struct RunReport {
        /// Each generation that waited, oldest first: its `stream`, `id`, `kind` and `bytes`; what was done (`action`: `send` carried and stored, `have` the sink had it already, `release` moved without a receipt because the sink will never take it, `want_full`, `refuse`, `fail`, `stop` the job was stopped meanwhile, and what has arrived stays for the next run); `wire_bytes` both ways; whether an earlier attempt was `resumed`; whether the sink `verified` it, and when it `received_at`; whether it was `moved_to_store`; what was `rotated` on each side; `duration_ms`.
        pub generations: Vec<Moved>,
        /// Generations that still wait in a handover point.
        pub outstanding: Vec<Waiting>,
    }
}

backup_interface::report! {
    /// A generation that waits.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub struct Waiting {
        /// Its stream.
        pub stream: StreamName,
        /// Its id.
        pub id: GenerationId,
    }
}

/// What happened to a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Carried to the sink and stored there.
    Send,
    /// The sink had it already.
    Have,
    /// Moved to the source's store without a receipt.
    Release,
    /// The sink lacks its base.
    WantFull,
    /// The sink does not accept it.
    Refuse,
    /// It did not arrive.
    Fail,
    /// The job was stopped, here or at the peer, before it had arrived. The next run goes on with what is there.
    Stop,
}

backup_interface::report! {
    /// A generation and what was done with it.
    #[derive(Debug, Clone, Serialize)]
    pub struct Moved {
        /// Its stream.
        pub stream: StreamName,
        /// Its id.
        pub id: GenerationId,
        /// Full or incremental.
        pub kind: GenerationKind,
        /// Bytes of its files.
        pub bytes: u64,
        /// What was done, or would be.
        pub action: Action,
        /// Bytes on the connection, both ways.
        pub wire_bytes: u64,
        /// An earlier attempt had carried a part.
        pub resumed: bool,
        /// The sink re-read every digest.
        pub verified: bool,
        /// When it arrived, by the sink's clock.
        pub received_at: Option<Timestamp>,
        /// It left the handover point.
        pub moved_to_store: bool,
        /// What rotation did afterwards.
        pub rotated: Rotated,
        /// How long it took, milliseconds.
        pub duration_ms: u64,
    }
}

backup_interface::report! {
    /// What rotation did on each side; absent: it did not run, or failed (then there is a warning).
    #[derive(Debug, Clone, Default, Serialize)]
    pub struct Rotated {
        /// In the sink's store.
        pub sink: Option<Rotation>,
        /// In the source's store.
        pub source: Option<Rotation>,
    }
}

impl Moved {
    /// An entry to which nothing happened yet.
    pub fn new(candidate: &Candidate, action: Action) -> Self {
        Self {
            stream: candidate.manifest.stream,
            id: candidate.id(),
            kind: candidate.manifest.kind,
            bytes: candidate.bytes(),
            action,
            wire_bytes: 0,
            resumed: false,
            verified: false,
            received_at: None,
            moved_to_store: false,
            rotated: Rotated::default(),
            duration_ms: 0,
        }
    }

    /// What was done, for people.
    pub const fn action_word(&self) -> &'static str {
        match self.action {
            Action::Send if self.resumed => "resume",
            Action::Send => "send",
            Action::Have => "acknowledge",
            Action::Release => "release",
            Action::WantFull => "want a full instead of",
            Action::Refuse => "refused:",
            Action::Fail => "failed:",
            Action::Stop => "stopped:",
        }
    }
}

backup_interface::report! {
    /// What was brought back.
    #[derive(Debug, Serialize)]
    pub struct FetchReport {
        /// The generation that was asked for.
        pub generation: GenerationId,
        /// What lies in the restore folder now, base first.
        pub generations: Vec<GenerationId>,
        /// The folder that holds them.
        pub folder: String,
        /// Bytes on the connection, both ways.
        pub wire_bytes: u64,
    }
}

backup_interface::report! {
    /// What was placed in the restore folder of the source.
    #[derive(Debug, Serialize)]
    pub struct DeliverReport {
        /// The generation that was asked for.
        pub generation: GenerationId,
        /// What lies in the restore folder now, base first.
        pub generations: Vec<GenerationId>,
        /// Of these, what this run brought.
        pub delivered: Vec<GenerationId>,
        /// The source's host.
        pub host: String,
        /// Bytes on the connection, both ways.
        pub wire_bytes: u64,
    }
}

backup_interface::report! {
    /// How each stream stands on this host.
    #[derive(Debug, Serialize)]
    pub struct StatusReport {
        /// For each stream: what is `outstanding`, what is `stored`, the `newest_verified` generation, `free_bytes`, on a sink with a `quota` its `limit` and what is `used`; the same of the `peer`, if it was asked; `certificate_until`, where this side logs in with one.
        pub streams: Vec<StreamStatus>,
        /// Whether Landlock confines the rsync that serves a peer here: `full`, `partial` (an older kernel) or `none`.
        pub confinement: Force,
    }
}

backup_interface::report! {
    /// How one stream stands.
    #[derive(Debug, Clone, Serialize)]
    pub struct StreamStatus {
        /// The stream.
        pub stream: StreamName,
        /// This side.
        pub here: Standing,
        /// The other side.
        pub peer: Option<Standing>,
        /// The end of the certificate with which this side logs in, if it needs one.
        pub certificate_until: Option<Timestamp>,
    }
}

backup_interface::report! {
    /// Which source installation the sink accepts.
    #[derive(Debug, Serialize)]
    pub struct AdoptReport {
        /// The streams for which this holds.
        pub streams: Vec<StreamName>,
        /// The source installation that is accepted from here on.
        pub instance: String,
    }
}

impl RunReport {
    /// One line for each generation.
    pub fn table(&self) -> String {
        let line = |moved: &Moved| {
            let action = moved.action_word();
            format!("{action} {} {} {} ({} bytes)\n", moved.kind, moved.stream, moved.id, moved.bytes)
        };
        self.generations.iter().map(line).collect()
    }

    /// The same as a difference: what leaves the handover point.
    pub fn diff(&self) -> backup_interface::Diff {
        backup_interface::Diff::prepared(&self.table())
    }
}

impl StatusReport {
    /// Lines for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for of in &self.streams {
            for (side, standing) in [("here", Some(&of.here)), ("peer", of.peer.as_ref())] {
                let Some(standing) = standing else { continue };
                let newest = standing.newest_verified.as_ref().map_or("none".into(), |newest| newest.id.to_string());
                let _ = writeln!(
                    text,
                    "{} {side}: {} outstanding, {} stored, newest verified {newest}, {} bytes free{}",
                    of.stream,
                    standing.outstanding.len(),
                    standing.stored.len(),
                    standing.free_bytes,
                    standing.quota.map(|it| format!(", {} of a quota of {}", it.used, it.limit)).unwrap_or_default()
                );
            }
            if let Some(until) = of.certificate_until {
                let _ = writeln!(text, "{} certificate: valid until {until}", of.stream);
            }
        }
        let _ = writeln!(text, "confinement of a peer's rsync: {}", self.confinement.told());
        text
    }
}

/// Example values for the documentation.
mod samples {
    use super::{
        Action, AdoptReport, DeliverReport, FetchReport, GenerationId, GenerationKind, Moved, Rotated, Rotation,
        RunReport, Standing, StatusReport, StreamName, StreamStatus, Timestamp, Waiting,
    };
    use crate::wire::Quota;
    use backup_adapters::confine::Force;
    use backup_core::{Digest, GenerationRef};

    fn id(seconds: i64) -> GenerationId {
        GenerationId::at(Timestamp::from_second(seconds).unwrap_or_default())
    }

    const NEWEST: i64 = 1_795_212_000;
    const OLDER: i64 = NEWEST - 86_400;

    impl RunReport {
        pub(crate) fn sample() -> Self {
            let rotation = Rotation { kept: vec![id(NEWEST), id(OLDER)], expired: Vec::new(), postponed: Vec::new() };
            Self {
                generations: vec![Moved {
                    stream: StreamName::Data,
                    id: id(NEWEST),
                    kind: GenerationKind::Full,
                    bytes: 53_687_091,
                    action: Action::Send,
                    wire_bytes: 4_831_838,
                    resumed: false,
                    verified: true,
                    received_at: Timestamp::from_second(NEWEST + 600).ok(),
                    moved_to_store: true,
                    rotated: Rotated { sink: Some(rotation.clone()), source: Some(rotation) },
                    duration_ms: 2140,
                }],
                outstanding: vec![Waiting { stream: StreamName::Logs, id: id(NEWEST) }],
            }
        }
    }

    impl StatusReport {
        pub(crate) fn sample() -> Self {
            let newest = GenerationRef { id: id(OLDER), digest: Digest::of(b"") };
            let here = Standing {
                outstanding: vec![id(NEWEST)],
                stored: vec![id(OLDER)],
                newest_verified: Some(newest),
                free_bytes: 53_687_091_200,
                quota: Some(Quota { limit: 214_748_364_800, used: 42_949_672_960 }),
            };
            let certificate_until = Timestamp::from_second(NEWEST + 20 * 86_400).ok();
            let peer = Some(here.clone());
            let streams = vec![StreamStatus { stream: StreamName::Data, here, peer, certificate_until }];
            Self { streams, confinement: Force::Full }
        }
    }

    impl DeliverReport {
        pub(crate) fn sample() -> Self {
            Self {
                generation: id(NEWEST),
                generations: vec![id(OLDER), id(NEWEST)],
                delivered: vec![id(NEWEST)],
                host: "web1".into(),
                wire_bytes: 54_012_345,
            }
        }
    }

    impl FetchReport {
        pub(crate) fn sample() -> Self {
            Self {
                generation: id(NEWEST),
                generations: vec![id(OLDER), id(NEWEST)],
                folder: "/home/dataBackupSource/restore/shop/data".into(),
                wire_bytes: 54_012_345,
            }
        }
    }

    impl AdoptReport {
        pub(crate) fn sample() -> Self {
            Self { streams: vec![StreamName::Data], instance: "0123456789abcdef0123456789abcdef".into() }
        }
    }
}
