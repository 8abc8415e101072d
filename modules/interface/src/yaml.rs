//! Writes the few shapes of YAML that a documentation file needs.

/// Text wraps before this column, indentation included.
const WIDTH: usize = 110;

#[derive(Debug, Default)]
pub(crate) struct Yaml {
    text: String,
    depth: usize,
}

impl Yaml {
    pub(crate) fn finish(self) -> String {
        self.text
    }

    pub(crate) fn comment(&mut self, text: &str) {
        self.line(&format!("# {text}"));
        self.line("---");
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
            let mut row = String::new();
            for word in text.split_whitespace() {
                if !row.is_empty() && self.depth * 2 + 4 + row.len() + 1 + word.len() > WIDTH {
                    self.line(&format!("    {row}"));
                    row.clear();
                }
                if !row.is_empty() {
                    row.push(' ');
                }
                row.push_str(word);
            }
            self.line(&format!("    {row}"));
        }
    }

    /// Text as it is.
    pub(crate) fn literal(&mut self, key: &str, text: &str) {
        self.line(&format!("{key}: |"));
        self.depth += 1;
        for line in text.trim().lines() {
            self.line(line);
        }
        self.depth -= 1;
    }

    fn line(&mut self, text: &str) {
        if !text.is_empty() {
            self.text.extend(std::iter::repeat_n("  ", self.depth));
            self.text.push_str(text);
        }
        self.text.push('\n');
    }
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
            let mut yaml = Yaml::default();
            yaml.comment("a comment");
            yaml.scalar("scalar", &text);
            yaml.list("list", [text.as_str(), "null", "yes", "a: b", "0640"]);
            yaml.texts("texts", [paragraph.as_str()]);
            let read: Read = serde_saphyr::from_str(&yaml.finish()).unwrap();
            prop_assert_eq!(&read.scalar, &text);
            prop_assert_eq!(&read.list[0], &text);
            prop_assert_eq!(&read.list[1..], ["null", "yes", "a: b", "0640"]);
            prop_assert_eq!(&read.texts, &[paragraph]);
        }
    }

    #[test]
    fn blocks_and_literal_text_keep_their_shape() {
        let mut yaml = Yaml::default();
        yaml.block("outer", |yaml| {
            yaml.flag("flag", true);
            yaml.plain("number", "1");
            Ok(())
        })
        .unwrap();
        yaml.literal("text", "- a:\n    b\n\n- c\n");
        let read: BTreeMap<String, serde_json::Value> = serde_saphyr::from_str(&yaml.finish()).unwrap();
        assert_eq!(read["outer"], serde_json::json!({"flag": true, "number": 1}));
        assert_eq!(read["text"], "- a:\n    b\n\n- c\n");
    }
}
