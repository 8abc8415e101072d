//! docs/requirements.md names only tests and files that exist.

use std::path::Path;

#[test]
fn every_row_is_shown_by_something_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join("docs/requirements.md")).unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| ") && line.contains('.')).collect();
    assert!(rows.len() > 50, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let number = row.split(" | ").next().unwrap().trim_start_matches("| ");
        let shown = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        if shown == "later" {
            continue;
        }
        for name in shown.split(", ") {
            let name = name.trim_matches('`');
            let (file, test) = name.split_once("::").unwrap_or((name, ""));
            let found = std::fs::read_to_string(root.join(file));
            if !found.is_ok_and(|text| test.is_empty() || text.contains(&format!("fn {test}("))) {
                wrong.push(format!("{number}: {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "docs/requirements.md names what does not exist:\n{}", wrong.join("\n"));
}
