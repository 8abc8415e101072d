//! From YAML text to the tree.

use super::{Node, Position, Refusal, Value};
use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, Tag};
use std::{borrow::Cow, collections::BTreeMap};

/// A document of any length may have so many nodes, those that aliases repeat included; a longer text has at most one per
/// byte where it repeats nothing. A few lines of aliases of aliases would otherwise fill the memory.
const NODES: usize = 100_000;

/// Reads the one document of `text`.
pub(super) fn read(text: &str) -> Result<Node, Refusal> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { parser, anchors: BTreeMap::new(), nodes: 0, limit: text.len().max(NODES) };
    loop {
        let (event, at) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::StreamEnd => return Err(Refusal::new("the document is empty").at(at)),
            event => {
                let root = reader.node(event, at)?;
                reader.end()?;
                return Ok(root);
            }
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Nodes that aliases may repeat, by the parser's number. It is there when the node is complete: none holds itself.
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    limit: usize,
}

type Label<'t> = Option<Cow<'t, Tag>>;

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Position), Refusal> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, start(&span))),
            Some(Err(error)) => {
                let at = position(error.marker().line(), error.marker().col());
                Err(Refusal::new(error.info()).at(at))
            }
            None => Err(Refusal::new("the document ends too early")),
        }
    }

    /// Nothing may follow the document: it would be ignored.
    fn end(&mut self) -> Result<(), Refusal> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(..), at) => {
                    return Err(Refusal::new("a second document begins")
                        .at(at)
                        .with_remedy("Write one document per file."));
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, event: Event<'t>, at: Position) -> Result<Node, Refusal> {
        self.count(1, at)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !is_text(tag, at)?;
                (Value::Scalar { text: text.into_owned(), plain }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                is_text(tag, at)?;
                (self.list()?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                is_text(tag, at)?;
                (self.map()?, anchor)
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| Refusal::new("an alias repeats a node inside itself").at(at))?;
                self.count(size(&node), at)?;
                return Ok(Node { at, ..node });
            }
            _ => return Err(Refusal::new("the document ends too early").at(at)),
        };
        let node = Node { value, at };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Value, Refusal> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, at) => {
                    let item = self.node(event, at).map_err(|refusal| refusal.under(&format!("[{}]", items.len())))?;
                    items.push(item);
                }
            }
        }
    }

    fn map(&mut self) -> Result<Value, Refusal> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let Value::Scalar { text, .. } = self.node(event, at)?.value else {
                return Err(Refusal::new("a key is not a word").at(at));
            };
            // A key is a word whatever it looks like: `on` is no truth value there.
            let key = Node { value: Value::Scalar { text, plain: false }, at };
            if let Some((first, _)) = entries.iter().find(|(other, _)| other.text() == key.text()) {
                let message = format!("it is given twice, first in line {}", first.at.0);
                return Err(Refusal::new(message).with_remedy("Keep one of both.").at(at).under(key.text()));
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at).map_err(|refusal| refusal.under(key.text()))?;
            entries.push((key, value));
        }
    }

    fn count(&mut self, nodes: usize, at: Position) -> Result<(), Refusal> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limit {
            return Err(Refusal::new(format!("the document has more than {} values", self.limit)).at(at));
        }
        Ok(())
    }
}

/// Whether the tag says that a scalar is text. No other tag means anything in a document.
fn is_text(tag: Label<'_>, at: Position) -> Result<bool, Refusal> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.core_suffix() == Some("str") => Ok(true),
        Some(tag) => Err(Refusal::new(format!("the tag {} has no meaning here", tag.original()))
            .at(at)
            .with_remedy("Remove it.")),
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar { .. } => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(_, value)| 1 + size(value)).sum(),
    }
}

fn start(span: &Span) -> Position {
    position(span.start.line(), span.start.col())
}

/// The parser counts columns from 0.
fn position(line: usize, column: usize) -> Position {
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    (number(line), number(column).saturating_add(1))
}
