//! Why a document is refused: the key, the position, what is wrong, the remedy.

use super::{Node, Position, Value};
use serde::de;
use std::fmt;

/// One refusal. Boxed: every generated function returns it, and each copy of its fields would be code.
#[derive(Debug)]
pub(super) struct Refusal(Box<Parts>);

#[derive(Debug)]
pub(super) struct Parts {
    /// Where; `None` while it passes up from code that does not know.
    pub(super) at: Option<Position>,
    /// Dotted path of the key; empty at the root.
    pub(super) key: String,
    /// What is wrong, with the value.
    pub(super) message: String,
    /// The remedy, one sentence.
    pub(super) remedy: String,
}

const REMEDY: &str = "Correct the document; docs/configuration.md lists every key with its type.";

impl Refusal {
    #[cold]
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Parts { at: None, key: String::new(), message: message.into(), remedy: REMEDY.into() }))
    }

    #[cold]
    pub(super) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = remedy.into();
        self
    }

    /// Says where, unless a node further inside did.
    #[cold]
    #[inline(never)]
    pub(super) fn at(mut self, position: Position) -> Self {
        self.0.at.get_or_insert(position);
        self
    }

    /// Puts a step before the path of the key: a name or `[index]`.
    #[cold]
    #[inline(never)]
    pub(super) fn under(mut self, step: &str) -> Self {
        let joint = if self.0.key.is_empty() || self.0.key.starts_with('[') { "" } else { "." };
        self.0.key = format!("{step}{joint}{}", self.0.key);
        self
    }

    /// `node` is not what its key needs.
    #[cold]
    pub(super) fn unlike(node: &Node, needed: &str) -> Self {
        let given = match &node.value {
            Value::Scalar { .. } if node.is_null() => {
                let refusal = Self::new(format!("nothing is given, but {needed} is needed")).at(node.at);
                return refusal.with_remedy("Give it, or remove the key.");
            }
            Value::Scalar { text, .. } => format!("{text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "keys with values".to_owned(),
        };
        Self::new(format!("{given} is given, but {needed} is needed")).at(node.at)
    }

    pub(super) fn into_parts(self) -> Parts {
        *self.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Refusal {}

/// What serde's generated code and the types of our values say, in the words of this project.
impl de::Error for Refusal {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    #[cold]
    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("this is not {expected}"))
    }

    #[cold]
    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::new("unknown key").with_remedy(format!("Remove it, or use one of: {}.", known.join(", ")))
    }

    #[cold]
    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("{word:?} is not known here")).with_remedy(format!("Use one of: {}.", known.join(", ")))
    }

    #[cold]
    fn missing_field(key: &'static str) -> Self {
        Self::new(format!("`{key}` is missing"))
    }

    #[cold]
    fn duplicate_field(key: &'static str) -> Self {
        Self::new(format!("`{key}` is given twice, by two of its names"))
    }
}
