//! Rotating one side's own store after an arrival, by the side's own policy.

use crate::ends::Handle;
use crate::error::Result;
use crate::place::Place;
use crate::sink::{LocalSink, alarm};
use crate::source::LocalSource;
use crate::wire::{Rotate, Rotation};
use backup_core::Kind;
use backup_core::retention::Verdict;

impl Handle<Rotate> for LocalSink {
    fn handle(&self, _: Rotate) -> Result<Rotation> {
        rotate(&backup_rotate::Rotation::sink(&self.place.of()), &self.place).inspect_err(|failed| {
            // To the side that asked it is a warning: it is this sink's disk.
            if failed.failure().kind() != Kind::Locked {
                alarm::tell(&self.place, &[("rotation".into(), failed)]);
            }
        })
    }
}

impl Handle<Rotate> for LocalSource {
    fn handle(&self, _: Rotate) -> Result<Rotation> {
        rotate(&backup_rotate::Rotation::source(&self.place.of()), &self.place)
    }
}

fn rotate(rotation: &backup_rotate::Rotation, place: &Place) -> Result<Rotation> {
    let done = backup_rotate::rotate_store(rotation, Some(&place.interrupt))?;
    let with = |verdict| done.plan.with(verdict).map(|decision| decision.id).collect();
    Ok(Rotation { kept: with(Verdict::Keep), expired: done.deleted.clone(), postponed: with(Verdict::Postpone) })
}
