//! `accepted.jsonl`: what a sink ever accepted, and which source installation it accepts. It outlives the generations.

use crate::error::{Result, TransportError};
use backup_adapters::publish;
use backup_core::accepted::Accepted;
use backup_core::layout::StreamDir;
use std::io::ErrorKind;

/// Every line, oldest first. A line that a crash tore is none: what it was about was not accepted yet.
pub fn read(dir: &StreamDir) -> Result<Vec<Accepted>> {
    let path = dir.accepted();
    match std::fs::read(&path) {
        Ok(text) => {
            Ok(text.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(TransportError::Io { action: "read", path, source }.into()),
    }
}

/// Adds a line unless the journal says the same already. The caller holds the store's lock.
pub fn add(dir: &StreamDir, line: &Accepted) -> Result<()> {
    let says = |old: &Accepted| (&old.id, &old.digest, &old.instance) == (&line.id, &line.digest, &line.instance);
    let lines = read(dir)?;
    let known = if line.id.is_some() { lines.iter().any(says) } else { lines.last().is_some_and(says) };
    if !known {
        let json = serde_json::to_vec(line).expect("a line has only string keys");
        publish::append_line(&dir.accepted(), &json, 0o640, None)?;
    }
    Ok(())
}
