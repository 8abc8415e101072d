//! Words that end up in paths, file names of cron, unit names and command lines.

use super::Found;
use std::path::{Component, Path, PathBuf};

/// Names end up in paths, cron file names and unit names: letters that mean nothing anywhere.
fn is_name(text: &str, max: usize) -> bool {
    text.len() <= max
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_')
        && !text.contains("--")
}

fn is_login(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
}

/// Absolute, and spelt the only way: no `.`, `..`, doubled or trailing slash.
pub(super) fn is_clean(path: &Path) -> bool {
    let rebuilt: PathBuf = path.components().collect();
    path.is_absolute()
        && rebuilt.as_os_str() == path.as_os_str()
        && path.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)))
}

impl Found {
    pub(super) fn name(&mut self, key: &str, value: &str, max: usize) {
        if !is_name(value, max) {
            self.add(
                key,
                format!("{value:?} is not a usable name"),
                format!(
                    "Use 1 to {max} lower-case letters, digits, `_` and single `-`, beginning with a letter or digit."
                ),
            );
        }
    }

    pub(super) fn path(&mut self, key: &str, path: &Path) {
        if !is_clean(path) {
            self.add(
                key,
                format!("{:?} is not a plain absolute path", path.display().to_string()),
                "Write the path from `/`, without `.`, `..`, doubled or trailing slashes.",
            );
        }
    }

    pub(super) fn login(&mut self, key: &str, value: &str) {
        if !is_login(value) {
            self.add(key, format!("{value:?} is not a user name"), "Use letters, digits, `_` and `-`, 32 at most.");
        }
    }

    pub(super) fn address(&mut self, key: &str, value: &str) {
        if value.is_empty()
            || value.starts_with('-')
            || value.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',')
        {
            self.add(
                key,
                format!("{value:?} is not one mail address"),
                "Write one address or local user per list entry.",
            );
        }
    }
}
