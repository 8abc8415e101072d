//! A YAML document as a tree in which every node knows where it is written, so that every refusal can say so.
//!
//! `read` makes the tree, `fill` gives it to serde, `refusal` is what both answer when something is wrong and `error` what
//! the caller gets of it; `overrides` is what a call says instead. Deserializing from this small tree instead of from a
//! parser keeps the executables small: serde's generated code is repeated for each source that it reads from.

mod error;
mod fill;
mod overrides;
mod read;
mod refusal;

pub use error::{DocumentError, Problem};
use refusal::{Parts, Refusal};
use serde::de::DeserializeOwned;

/// What a call says instead of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overrides<'o> {
    /// Keys with values, as the document nests them.
    pub(crate) text: &'o str,
    /// At or below which keys, `*` for any one key.
    pub(crate) may: &'o [&'o str],
}

/// Reads a document, and refuses it for the first `problem` of what it says. `file` is only named in errors.
pub(crate) fn parse<T: DeserializeOwned>(
    text: &str,
    file: &str,
    problem: impl FnOnce(&T) -> Option<Problem>,
) -> Result<T, DocumentError> {
    parse_with(text, file, None, problem)
}

/// As [`parse`], with what a call overrides.
pub(crate) fn parse_with<T: DeserializeOwned>(
    text: &str,
    file: &str,
    overrides: Option<Overrides<'_>>,
    problem: impl FnOnce(&T) -> Option<Problem>,
) -> Result<T, DocumentError> {
    let refused = |refusal: Refusal| DocumentError::new(file, refusal.into_parts());
    let mut document = read::read(text).map_err(refused)?;
    if let Some(Overrides { text, may }) = overrides {
        overrides::apply(&mut document, text, may).map_err(refused)?;
    }
    let value = T::deserialize(&document).map_err(refused)?;
    let Some(Problem { key, message, remedy }) = problem(&value) else { return Ok(value) };
    let at = Some(document.position_of(&key));
    Err(DocumentError::new(file, Parts { at, key, message, remedy }))
}

/// Line and column, from 1.
type Position = (u64, u64);

/// One node: a value and where it is written.
#[derive(Debug, Clone)]
struct Node {
    value: Value,
    at: Position,
}

#[derive(Debug, Clone)]
enum Value {
    /// As written, escapes resolved. What it means is decided by the key that it is for.
    Scalar {
        text: String,
        /// Without quotes: such a text may also mean a number, a truth value or nothing.
        plain: bool,
    },
    List(Vec<Node>),
    /// In the document's order; the keys are scalars, none twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Position of the node that `key` (`streams.data.include[1]`) names, or of its nearest ancestor that is written
    /// down: a default has no position.
    fn position_of(&self, key: &str) -> Position {
        let mut node = self;
        for step in key.split(['.', '[']) {
            let next = match (&node.value, step.strip_suffix(']')) {
                (Value::List(items), Some(index)) => index.parse::<usize>().ok().and_then(|i| items.get(i)),
                (Value::Map(entries), None) => {
                    entries.iter().find(|(name, _)| name.text() == step).map(|(_, child)| child)
                }
                _ => None,
            };
            match next {
                Some(child) => node = child,
                None => break,
            }
        }
        node.at
    }

    /// The scalar's text; empty for anything else.
    fn text(&self) -> &str {
        match &self.value {
            Value::Scalar { text, .. } => text,
            _ => "",
        }
    }

    /// The scalar's text if it has no quotes.
    fn plain(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, plain: true } => Some(text),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.plain().is_some_and(|text| matches!(text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// With or without quotes: what a template computes has them. The words of YAML 1.1 count, too: other readers of the
    /// same document, Ansible among them, take them so.
    fn boolean(&self) -> Option<bool> {
        match self.text().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// With or without quotes. A leading zero is refused: some readers take such a number as octal.
    fn integer(&self) -> Option<i128> {
        let text = self.text();
        let digits = text.trim_start_matches(['-', '+']);
        if digits.len() > 1 && digits.starts_with('0') { None } else { text.parse().ok() }
    }

    /// What a reader of YAML takes this for, if not for text.
    fn other_than_text(&self) -> Option<&'static str> {
        let text = self.plain()?;
        let based =
            |prefix, radix| text.strip_prefix(prefix).is_some_and(|digits| u128::from_str_radix(digits, radix).is_ok());
        let decimal = text.contains(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok();
        match text {
            _ if self.boolean().is_some() => Some("a truth value"),
            _ if decimal || based("0x", 16) || based("0o", 8) => Some("a number"),
            _ => None,
        }
    }
}
