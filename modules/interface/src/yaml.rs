//! Writes the few shapes of YAML that a documentation file needs.

/// Text wraps before this column, indentation included.
const WIDTH: usize = 110;

#[derive(Debug, Default)]
pub(crate) struct Yaml {
    text: String,
    depth: usize,
}

impl Yaml {
    /// What `inner` writes.
    pub(crate) fn of(inner: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<String, String> {
        let mut yaml = Self::default();
        inner(&mut yaml)?;
        Ok(yaml.text)
    }

    /// `key:` and, one level deeper, what `inner` writes.
    pub(crate) fn block(
        &mut self,
        key: &str,
        inner: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.line(&format!("{key}:"));
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    pub(crate) fn scalar(&mut self, key: &str, text: &str) {
        self.plain(key, &quoted(text));
    }

    pub(crate) fn flag(&mut self, key: &str, on: bool) {
        self.plain(key, if on { "true" } else { "false" });
    }

    /// `yaml` is already YAML that fits on a line.
    pub(crate) fn plain(&mut self, key: &str, yaml: &str) {
        self.line(&format!("{key}: {yaml}"));
    }

    pub(crate) fn list<'a>(&mut self, key: &str, items: impl IntoIterator<Item = &'a str>) {
        self.line(&format!("{key}:"));
        for item in items {
            self.line(&format!("  - {}", quoted(item)));
        }
    }

    /// A list of paragraphs, folded so that people can read the file too.
    pub(crate) fn texts<'a>(&mut self, key: &str, texts: impl IntoIterator<Item = &'a str>) {
        self.line(&format!("{key}:"));
        for text in texts {
            self.line("  - >-");
            let words: Vec<&str> = text.split_whitespace().collect();
            for row in rows(&words.join(" "), WIDTH - self.depth * 2 - 4) {
                self.line(&format!("    {row}"));
            }
        }
    }

    /// JSON is YAML; what is too long for a line is laid out over several. In YAML's quotes, too, the end of a line is a space.
    pub(crate) fn json(&mut self, key: &str, value: &serde_json::Value) {
        let short = value.to_string();
        if self.depth * 2 + key.len() + 2 + short.len() <= WIDTH {
            return self.plain(key, &short);
        }
        self.line(&format!("{key}:"));
        for line in format!("{value:#}").lines() {
            let text = line.trim_start();
            let indent = " ".repeat(2 + line.len() - text.len());
            for row in rows(text, WIDTH) {
                self.line(&format!("{indent}{row}"));
            }
        }
    }

    fn line(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.extend(std::iter::repeat_n("  ", self.depth));
            self.text.push_str(text);
        }
        self.text.push('\n');
    }
}

/// The text in rows of this length at most, where spaces allow; one that stands beside another is no place to break.
fn rows(text: &str, width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    let mut before = "";
    for word in text.split(' ') {
        match rows.last_mut() {
            Some(row) if before.is_empty() || word.is_empty() || row.len() + 1 + word.len() <= width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_owned()),
        }
        before = word;
    }
    rows
}

/// A JSON string is a double-quoted YAML string; a plain word needs no quotes.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '/' | '-'))
        && !text.ends_with(' ')
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        );
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Read {
        scalar: String,
        list: Vec<String>,
        texts: Vec<String>,
    }

    proptest! {
        #[test]
        fn printable_text_is_read_back_as_it_was_written(text in "\\P{C}*", paragraph in "[^\\p{C}\\p{Z}]+( [^\\p{C}\\p{Z}]+){0,40}") {
            let text_of = Yaml::of(|yaml| {
                yaml.scalar("scalar", &text);
                yaml.list("list", [text.as_str(), "null", "yes", "a: b", "0640"]);
                yaml.texts("texts", [paragraph.as_str()]);
                Ok(())
            });
            let read: Read = serde_saphyr::from_str(&text_of.unwrap()).unwrap();
            prop_assert_eq!(&read.scalar, &text);
            prop_assert_eq!(&read.list[0], &text);
            prop_assert_eq!(&read.list[1..], ["null", "yes", "a: b", "0640"]);
            prop_assert_eq!(&read.texts, &[paragraph]);
        }
    }

    #[test]
    fn blocks_and_long_values_keep_their_shape() {
        let long = serde_json::json!([{"name": "x".repeat(WIDTH), "is": null, "text": " two  words".repeat(WIDTH)}]);
        let yaml = Yaml::of(|yaml| {
            yaml.block("outer", |yaml| {
                yaml.flag("flag", true);
                yaml.plain("number", "1");
                yaml.json("short", &serde_json::json!(["a"]));
                yaml.json("long", &long);
                Ok(())
            })
        });
        let read: BTreeMap<String, serde_json::Value> = serde_saphyr::from_str(&yaml.unwrap()).unwrap();
        assert_eq!(read["outer"], serde_json::json!({"flag": true, "number": 1, "short": ["a"], "long": long}));
    }
}
