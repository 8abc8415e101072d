//! From YAML text to a [`Job`], with file, line, column, key and remedy for everything that is refused.

use super::Job;
use crate::{Failure, Kind};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// One thing wrong with a job document that is well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path of the key: `streams.data.include[1]`.
    pub key: String,
    /// What is wrong, with the value.
    pub message: String,
    /// The remedy, one sentence.
    pub remedy: String,
}

/// Why a job document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct JobError {
    /// The document's path, as the caller names it.
    pub file: String,
    /// Line, from 1; 0 where there is none.
    pub line: u64,
    /// Column, from 1; 0 where there is none.
    pub column: u64,
    /// Key and reason.
    pub message: String,
    /// The remedy.
    pub remedy: String,
}

impl Failure for JobError {
    fn kind(&self) -> Kind {
        Kind::InvalidJob
    }
    fn hint(&self) -> Option<String> {
        Some(self.remedy.clone())
    }
}

impl Job {
    /// Reads a job document. `file` is only named in errors.
    ///
    /// # Errors
    /// The first problem found: syntax, unknown keys and wrong types first, then contradictions.
    pub fn parse(text: &str, file: &str) -> Result<Self, JobError> {
        let options = || serde_saphyr::options! { with_snippet: false };
        let refuse = |error: &serde_saphyr::Error| {
            let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
            JobError {
                file: file.to_owned(),
                line,
                column,
                message: plain_message(error),
                remedy: "Correct the document; docs/configuration.md lists every key with its type.".to_owned(),
            }
        };
        let job: Self = serde_saphyr::from_str_with_options(text, options()).map_err(|e| refuse(&e))?;
        let Some(problem) = super::check::problems(&job).into_iter().next() else { return Ok(job) };
        let tree: Spanned<Tree> = serde_saphyr::from_str_with_options(text, options()).map_err(|e| refuse(&e))?;
        let (line, column) = locate(&tree, &problem.key);
        Err(JobError {
            file: file.to_owned(),
            line,
            column,
            message: format!("{}: {}", problem.key, problem.message),
            remedy: problem.remedy,
        })
    }
}

/// The parser's message without its own position, which [`JobError`] says once.
fn plain_message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default();
    let end = first.rfind(" at line ").unwrap_or(first.len());
    first[..end].to_owned()
}

/// The shape of a document with the position of every node.
enum Tree {
    Map(Vec<(String, Spanned<Tree>)>),
    Seq(Vec<Spanned<Tree>>),
    Scalar,
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        macro_rules! scalars {
            ($($visit:ident: $type:ty),+) => {
                $(fn $visit<E: de::Error>(self, _: $type) -> Result<Tree, E> {
                    Ok(Tree::Scalar)
                })+
            };
        }
        impl<'de> Visitor<'de> for Shape {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("any YAML node")
            }
            scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
            fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }
            fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }
            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
                IgnoredAny::deserialize(inner).map(|_| Tree::Scalar)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Tree::Map(entries))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Tree::Seq(items))
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

/// Position of the node that `key` names, or of its nearest ancestor that is written down (a default has no position).
fn locate(root: &Spanned<Tree>, key: &str) -> (u64, u64) {
    let mut node = root;
    for step in key.split(['.', '[']) {
        let next = match (&node.value, step.strip_suffix(']')) {
            (Tree::Seq(items), Some(index)) => index.parse::<usize>().ok().and_then(|i| items.get(i)),
            (Tree::Map(entries), None) => entries.iter().find(|(name, _)| name == step).map(|(_, child)| child),
            _ => None,
        };
        match next {
            Some(child) => node = child,
            None => break,
        }
    }
    (node.referenced.line(), node.referenced.column())
}
