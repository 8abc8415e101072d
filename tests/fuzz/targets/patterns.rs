//! Exclude patterns against paths: the first line is a path, the others are patterns.
#![no_main]

use backup_core::exclude::Exclude;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let path = lines.next().unwrap_or_default();
    let patterns: Vec<&str> = lines.take(20).collect();
    if let Ok(exclude) = Exclude::new(&patterns) {
        let _ = exclude.covers(path.as_bytes(), false);
        let _ = exclude.covers(path.as_bytes(), true);
    }
});
