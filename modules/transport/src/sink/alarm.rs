//! A sink tells its own operator what it refuses a source, and what damage it finds: the source may be in other hands.
//!
//! For the same reason it is bounded: a source decides how often it offers what. Nothing is told twice a day, and no
//! more than a few things a day; the log has all of them.

use super::LocalSink;
use crate::ends::Handle;
use crate::error::Result;
use crate::notify;
use crate::place::Place;
use crate::wire::{Commit, Offer, Offered, SignedReceipt, Verdict, Verdicts};
use backup_adapters::{host, publish};
use backup_core::{GenerationId, Kind};
use backup_interface::Failed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;

/// So many different things a day.
const PER_DAY: usize = 8;

/// A sink whose refusals its operator hears of.
pub struct Alarmed(pub LocalSink);

/// A failure, and what tells it from others of its kind.
pub type Problem<'a> = (String, &'a Failed);

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    day: String,
    what: BTreeSet<String>,
}

impl Told {
    /// Those of `problems` that were not told this `day`, as far as there is room; they are noted.
    fn fresh<'a>(&mut self, day: String, problems: &[Problem<'a>]) -> Vec<&'a Failed> {
        if self.day != day {
            *self = Self { day, what: BTreeSet::new() };
        }
        let mut is_fresh = |(what, failed): &&Problem<'_>| {
            self.what.len() < PER_DAY && self.what.insert(format!("{} {what}", failed.failure().kind().name()))
        };
        problems.iter().filter(|problem| is_fresh(problem)).map(|(_, failed)| *failed).collect()
    }
}

/// Tells the operator, unless it was told today. The answer is what matters to the peer: nothing here fails it.
pub fn tell(place: &Place, problems: &[Problem<'_>]) {
    let incoming = place.incoming();
    let note = incoming.dir().told();
    let mut told: Told = fs::read(&note).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    let fresh = told.fresh(host::now().timestamp().to_string()[..10].to_owned(), problems);
    for (what, failed) in problems.iter().filter(|(_, failed)| !fresh.iter().any(|told| std::ptr::eq(*told, *failed))) {
        notify::log(&format!("{} {what}: {}", place.subject(), failed.message()));
    }
    if notify::failed(&place.job, &fresh, &mut Vec::new()) {
        let json = serde_json::to_vec(&told).expect("a note has only string keys");
        let _ = publish::create_dirs(incoming.dir().path(), 0o750, None)
            .and_then(|()| publish::write_atomic(&note, &json, 0o640, None));
    }
}

impl Handle<Offer> for Alarmed {
    fn handle(&self, offer: Offer) -> Result<Verdicts> {
        let check = offer.check;
        let ids: Vec<_> = offer.generations.iter().map(name).collect();
        let answer = self.0.handle(offer)?;
        let place = &self.0.place;
        let refused: Vec<_> = ids
            .into_iter()
            .zip(&answer.verdicts)
            .filter_map(|(id, verdict)| match verdict {
                Verdict::Refused(complaint) if !check => {
                    Some((id, Failed::from(complaint.clone().into_error(&place.job.source))))
                }
                _ => None,
            })
            .collect();
        tell(place, &refused.iter().map(|(id, failed)| (id.clone(), failed)).collect::<Vec<_>>());
        Ok(answer)
    }
}

/// The id of what was offered, as far as it has one.
fn name(offered: &Offered) -> String {
    #[derive(Deserialize)]
    struct Named {
        id: GenerationId,
    }
    serde_json::from_str(&offered.manifest).map_or_else(|_| "unnamed".into(), |Named { id }| id.to_string())
}

impl Handle<Commit> for Alarmed {
    fn handle(&self, commit: Commit) -> Result<SignedReceipt> {
        let id = commit.generation.id;
        let answer = self.0.handle(commit);
        if answer.is_ok() {
            notify::done(&format!("{} {id}: stored and signed for", self.0.place.subject()));
        }
        answer.inspect_err(|failed| {
            // That it is stopped its operator knows.
            if ![Kind::Locked, Kind::WrongState].contains(&failed.failure().kind()) {
                tell(&self.0.place, &[(id.to_string(), failed)]);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TransportError;

    fn failed(id: u8) -> (String, Failed) {
        let id: GenerationId = format!("202611{id:02}T020000Z").parse().unwrap();
        (id.to_string(), TransportError::Damaged { id, why: "test".into() }.into())
    }

    #[test]
    fn nothing_is_told_twice_a_day_and_few_things_a_day() {
        let all: Vec<_> = (1..=20).map(failed).collect();
        let problems: Vec<Problem<'_>> = all.iter().map(|(id, failed)| (id.clone(), failed)).collect();
        let mut told = Told::default();
        let mut count = |day: &str, problems: &[Problem<'_>]| told.fresh(day.into(), problems).len();
        assert_eq!(count("2026-11-20", &problems[..1]), 1);
        assert_eq!(count("2026-11-20", &problems[..2]), 1, "one of them is known");
        assert_eq!(count("2026-11-20", &problems), PER_DAY - 2);
        assert_eq!(count("2026-11-20", &problems), 0);
        assert_eq!(count("2026-11-21", &problems[..1]), 1);
    }
}
