//! What is told of a refused document.

use super::Parts;
use crate::{Failure, Kind};

/// One thing wrong with a document that is well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path of the key: `streams.data.include[1]`.
    pub key: String,
    /// What is wrong, with the value.
    pub message: String,
    /// The remedy, one sentence.
    pub remedy: String,
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", self.place())]
pub struct DocumentError {
    /// The document's path, as the caller names it.
    pub file: String,
    /// Line, from 1; 0 where there is none, as for what a call overrides.
    pub line: u64,
    /// Column, from 1; 0 where there is none.
    pub column: u64,
    /// Key and reason.
    pub message: String,
    /// The remedy.
    pub remedy: String,
}

impl Failure for DocumentError {
    fn kind(&self) -> Kind {
        Kind::InvalidJob
    }
    fn hint(&self) -> Option<String> {
        Some(self.remedy.clone())
    }
}

impl DocumentError {
    fn place(&self) -> String {
        let Self { file, line, column, .. } = self;
        if *line == 0 { format!("option overrides: {file}") } else { format!("{file}:{line}:{column}") }
    }

    pub(super) fn new(file: &str, Parts { at, key, message, remedy }: Parts) -> Self {
        let (line, column) = at.unwrap_or_default();
        let message = if key.is_empty() { message } else { format!("{key}: {message}") };
        Self { file: file.to_owned(), line, column, message, remedy }
    }
}
