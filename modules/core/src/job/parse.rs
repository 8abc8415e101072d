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
        let tree = || serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options());
        let refuse =
            |(line, column), message, remedy| JobError { file: file.to_owned(), line, column, message, remedy };
        let job: Self = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
            let at = error.location().map_or((0, 0), |at| (at.line(), at.column()));
            let message = match tree().ok().and_then(|tree| find(&tree, at, "")) {
                Some((key, Some(value))) => format!("{key}: {} (got {value:?})", plain_message(&error)),
                Some((key, None)) if !key.is_empty() => format!("{key}: {}", plain_message(&error)),
                _ => plain_message(&error),
            };
            let remedy = "Correct the document; docs/configuration.md lists every key with its type.";
            refuse(at, message, remedy.to_owned())
        })?;
        let Some(problem) = super::check::problems(&job).into_iter().next() else { return Ok(job) };
        let at = tree().map_or((0, 0), |tree| locate(&tree, &problem.key));
        Err(refuse(at, format!("{}: {}", problem.key, problem.message), problem.remedy))
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
    Scalar(String),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        macro_rules! scalars {
            ($($visit:ident: $type:ty),+) => {
                $(fn $visit<E: de::Error>(self, value: $type) -> Result<Tree, E> {
                    Ok(Tree::Scalar(value.to_string()))
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
                Ok(Tree::Scalar(String::new()))
            }
            fn visit_none<E: de::Error>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(String::new()))
            }
            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
                IgnoredAny::deserialize(inner).map(|_| Tree::Scalar(String::new()))
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

/// The key of the node at a position, and its text if it is a scalar.
fn find(node: &Spanned<Tree>, at: (u64, u64), key: &str) -> Option<(String, Option<String>)> {
    let inside = match &node.value {
        Tree::Map(entries) => entries.iter().find_map(|(name, child)| {
            find(child, at, &if key.is_empty() { name.clone() } else { format!("{key}.{name}") })
        }),
        Tree::Seq(items) => items.iter().enumerate().find_map(|(i, child)| find(child, at, &format!("{key}[{i}]"))),
        Tree::Scalar(_) => None,
    };
    let text = match &node.value {
        Tree::Scalar(text) => Some(text.clone()),
        _ => None,
    };
    let here = (node.referenced.line(), node.referenced.column()) == at;
    inside.or_else(|| here.then(|| (key.to_owned(), text)))
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
/// A document that tests vary.
#[cfg(test)]
pub(super) const GOOD: &str = r#"version: 1
job: shop
source: web1
services:
  - systemd: shop.service
streams:
  data:
    include: [/srv/shop]
    exclude: ["*.tmp", /srv/shop/log]
    transport:
      mode: push
      peer: {address: sink1}
    sink:
      name: sink1
      retention: {generations: 7, weekly: 5}
  logs:
    include: [/srv/shop/log]
    transport:
      mode: pull
      peer: {address: web1}
    sink:
      name: sink1
      retention: {within: 30d}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> JobError {
        Job::parse(text, "shop.yml").expect_err("must be refused")
    }

    #[test]
    fn a_document_reads_with_its_defaults() {
        let job = Job::parse(GOOD, "shop.yml").unwrap();
        let data = job.stream(crate::StreamName::Data).unwrap();
        let logs = job.stream(crate::StreamName::Logs).unwrap();
        assert_eq!(data.handover_root().to_str(), Some("/home/dataBackupSource/handover"));
        assert_eq!(logs.store_root().to_str(), Some("/home/logBackupSource/store"));
        assert_eq!(data.identity().to_str(), Some("/home/dataBackupSource/.ssh/handover-shop_ed25519"));
        assert_eq!(logs.identity().to_str(), Some("/home/dataBackupSink/.ssh/handover-web1--shop_ed25519"));
        assert_eq!((data.peer_user(), logs.peer_user()), ("dataBackupSink", "logBackupSource"));
        assert_eq!((data.store_retention().generations, logs.store_retention().generations), (Some(1), Some(0)));
        assert_eq!(data.sink_store_root().to_str(), Some("/home/dataBackupSink/store/web1"));
    }

    #[test]
    fn what_it_says_survives_serialization() {
        let job = Job::parse(GOOD, "shop.yml").unwrap();
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(Job::parse(&json, "again").unwrap(), job);
    }

    #[test]
    fn refusals_name_line_key_and_remedy() {
        // (replace this, by that, expected line, expected part of the message)
        let cases = [
            ("version: 1", "version: 2", 1, "version: 2"),
            ("job: shop", "job: Shop/../x", 2, "job: "),
            ("job: shop", "jobb: shop", 2, "jobb"),
            ("source: web1", "source: web1.example", 3, "source: "),
            ("systemd: shop.service", "systemd: shop", 5, "services[0].systemd"),
            ("systemd: shop.service", "systemd: shop.service\n    sysv: shop", 5, "services[0]"),
            ("include: [/srv/shop]", "include: [srv/shop]", 8, "streams.data.include[0]"),
            ("include: [/srv/shop]", "include: [/srv/shop, /srv/shop/a]", 8, "streams.data.include[1]"),
            ("include: [/srv/shop]", "include: [/srv/shop, /home]", 8, "copies would hold copies"),
            ("include: [/srv/shop]", "include: [/srv/../etc]", 8, "streams.data.include[0]"),
            ("\"*.tmp\"", "\"[tmp\"", 9, "streams.data.exclude[0]: "),
            (", /srv/shop/log]", "]", 17, "overlaps"),
            ("mode: push", "mode: carry", 11, "carry"),
            ("address: sink1", "address: -oProxyCommand=x", 12, "address"),
            ("{generations: 7, weekly: 5}", "{}", 15, "empty policy"),
            ("{generations: 7, weekly: 5}", "{generations: 0}", 15, "keeps nothing"),
            ("{generations: 7, weekly: 5}", "{generations: many}", 15, "streams.data.sink.retention.generations: "),
            ("{within: 30d}", "{within: 30 parsecs}", 23, "30 parsecs"),
        ];
        for (this, that, line, part) in cases {
            let text = GOOD.replacen(this, that, 1);
            assert_ne!(text, GOOD, "{this}");
            let error = refused(&text);
            assert_eq!(error.line, line, "{that}: {error}");
            assert!(error.message.contains(part), "{that}: {error}");
            assert!(error.to_string().starts_with("shop.yml:"), "{error}");
            assert!(!error.remedy.is_empty());
        }
    }

    #[test]
    fn duplicate_keys_and_other_syntax_errors_are_refused() {
        for text in ["", "[]", "version: 1\nversion: 1\n", "{", "version: 1\njob: a\n  b: c\n"] {
            assert_eq!(refused(text).kind(), Kind::InvalidJob, "{text:?}");
        }
    }

    #[test]
    fn cron_times() {
        for (time, good) in [
            ("30 2 * * *", true),
            ("0 0 * * sun", true),
            ("30 2 * *", false),
            ("0 0 1 * sun", false),
            ("@daily", false),
            ("0 0 * * *\nroot rm", false),
        ] {
            let text = GOOD.replacen(
                "source: web1",
                &format!("source: web1\nschedule: {{collect: {}}}", serde_json::to_string(time).unwrap()),
                1,
            );
            assert_eq!(Job::parse(&text, "shop.yml").is_ok(), good, "{time:?}");
        }
    }
}
