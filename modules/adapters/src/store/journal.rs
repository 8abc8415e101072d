//! `accepted.jsonl`: what a sink ever accepted, and which source installation it accepts. It outlives the generations.

use super::{Result, StoreError, StreamStore};
use crate::publish;
use backup_core::accepted::Accepted;
use std::io::ErrorKind;

impl StreamStore {
    /// Every line of the journal, oldest first. A line that a crash tore is none: what it was about was not accepted yet.
    pub fn accepted(&self) -> Result<Vec<Accepted>> {
        let path = self.dir.accepted();
        match std::fs::read(&path) {
            Ok(text) => {
                Ok(text.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }

    /// Adds a line to the journal unless it says the same already. The caller holds the lock.
    pub fn accept(&self, line: &Accepted) -> Result<()> {
        let says = |old: &Accepted| (&old.id, &old.digest, &old.instance) == (&line.id, &line.digest, &line.instance);
        let lines = self.accepted()?;
        let known = if line.id.is_some() { lines.iter().any(says) } else { lines.last().is_some_and(says) };
        if !known {
            let json = serde_json::to_vec(line).expect("a line has only string keys");
            publish::append_line(&self.dir.accepted(), &json, super::FILE_MODE, None)?;
        }
        Ok(())
    }
}
