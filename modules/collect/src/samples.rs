//! Results as the documentation shows them.

use crate::report::{FailureReport, Fate, RunReport, ServiceReport, StatusReport, StreamReport, StreamStatus};
use backup_common::recover::RecoverReport;
use backup_core::{Digest, GenerationKind, GenerationRef, Kind, StreamName};

fn generation(id: &str) -> GenerationRef {
    GenerationRef { id: id.parse().expect("a sample id"), digest: Digest::of(id.as_bytes()) }
}

pub(crate) fn run() -> RunReport {
    let (base, made) = (generation("20261115T220000Z"), generation("20261120T220000Z"));
    let data = StreamReport {
        stream: StreamName::Data,
        fate: Fate::Sealed,
        id: Some(made.id),
        kind: Some(GenerationKind::Incremental),
        reason: Some("the full 20261115T220000Z is a usable base".into()),
        base: Some(base.clone()),
        digest: Some(made.digest),
        path: "/home/dataBackupSource/handover/shop/data/20261120T220000Z".into(),
        paths: Some(187_000),
        bytes: Some(3_700_000_000),
        files: Some(1200),
        stored_bytes: Some(41_000_000),
        deleted: Some(3),
        patched: Some(1),
        dumps: vec!["dump-orders.sql.zst".into()],
        previous_transport_failed: Vec::new(),
        failure: None,
        warnings: Vec::new(),
    };
    let logs = StreamReport {
        stream: StreamName::Logs,
        fate: Fate::Failed,
        id: None,
        kind: None,
        reason: None,
        base: None,
        digest: None,
        path: "/home/logBackupSource/handover/shop/logs".into(),
        paths: None,
        bytes: None,
        files: None,
        stored_bytes: None,
        deleted: None,
        patched: None,
        dumps: Vec::new(),
        previous_transport_failed: vec![base.id],
        failure: Some(FailureReport { kind: Kind::HandoverFull, msg: "the handover point is full".into() }),
        warnings: Vec::new(),
    };
    RunReport {
        job: "shop".into(),
        streams: vec![data, logs],
        services: vec![ServiceReport { name: "shop.service".into(), was_on: true }],
        previous_transport_failed: false,
        recovered: Vec::new(),
        downtime_ms: 800,
        downtime_with_services_ms: 3100,
        duration_ms: 18_000,
    }
}

pub(crate) fn status() -> StatusReport {
    let last = generation("20261120T220000Z").id;
    StatusReport {
        job: "shop".into(),
        streams: vec![StreamStatus {
            stream: StreamName::Data,
            last_good: Some(last),
            age_seconds: Some(3600),
            last_failure: Some(FailureReport { kind: Kind::HandoverFull, msg: "the handover point is full".into() }),
            waiting: vec![last],
            keep: 3,
            next_kind: GenerationKind::Full,
            reason: "there is no full with an index on this host".into(),
        }],
        stopped: Vec::new(),
    }
}

pub(crate) fn recover() -> RecoverReport {
    RecoverReport { recovered: vec!["shop.service".into()] }
}
