//! When a stream was last tried: what catching up compares the schedule with.

use crate::error::{Result, TransportError};
use crate::place::Place;
use backup_adapters::publish;
use jiff::Timestamp;
use std::io::ErrorKind;
use std::path::PathBuf;

/// One line: a time.
fn file(place: &Place) -> PathBuf {
    place.waiting().dir().transport_attempt()
}

/// When this side last tried to carry the stream, whatever came of it.
pub fn last(place: &Place) -> Result<Option<Timestamp>> {
    let path = file(place);
    match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        // What is no time says nothing; the next attempt replaces it.
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(source) => Err(TransportError::Io { action: "read", path, source }.into()),
    }
}

/// Remembers an attempt.
pub fn remember(place: &Place, at: Timestamp) -> Result<()> {
    Ok(publish::write_atomic(&file(place), format!("{at}\n").as_bytes(), 0o644, None)?)
}
