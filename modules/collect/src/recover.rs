//! `recover`: starts what an interrupted run left stopped.

use crate::error::Result;
use crate::memory::Memory;
use crate::request;
use backup_adapters::intent::{self, Recovery};
use backup_common::JobArgs;
use backup_common::recover::{Left, Recover};
use backup_core::Job;
use std::time::{Duration, Instant};

/// How often a guard looks. Nobody waits for it except when everything else has died.
const LOOK: Duration = Duration::from_millis(500);

/// Stands guard over a run for this long: ends with it, recovers as soon as it died, and at the latest then.
pub(crate) struct Guard(pub(crate) Option<Duration>);

impl Recover for Guard {
    const PROGRAM: &'static str = crate::PROGRAM;

    fn load(args: &JobArgs) -> Result<Job> {
        Ok(request::load(args)?.job)
    }

    fn one(&self, left: &Left<'_>) -> Result<Vec<String>> {
        let memory = Memory::at(left.state.clone());
        // Services must not start on half exchanged trees: `backup_restore recover` does both, in the right order.
        if memory.is_restoring()? {
            return Ok(Vec::new());
        }
        if left.check {
            let pending = intent::pending(memory.directory())?;
            let entries = pending.into_iter().flat_map(|intent| intent.services).filter(|entry| entry.was_on);
            return Ok(entries.map(|entry| entry.service.name().to_owned()).collect());
        }
        let end = self.0.map(|time| Instant::now() + time);
        loop {
            let may_wait = end.is_some_and(|end| Instant::now() < end);
            match intent::recover(memory.directory(), false) {
                Ok(Recovery::Restored(services)) => return Ok(services),
                Ok(Recovery::Running(_)) | Err(_) if may_wait => std::thread::sleep(LOOK),
                Ok(Recovery::Nothing | Recovery::Running(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn summary(services: &[String]) -> String {
        format!("started {}", services.join(", "))
    }

    fn what(_done: &[String]) -> &'static str {
        "run"
    }

    fn advice(_done: &[String]) -> &'static str {
        "If it was killed, it has sealed nothing; if it could not start them, it has told so itself."
    }
}
