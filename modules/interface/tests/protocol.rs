//! The table of kinds in docs/protocol.md is the one that the executables follow.
#![allow(clippy::unwrap_used)]

use backup_core::Kind;

#[test]
fn the_documented_kinds_are_the_kinds() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (_, table) = page.split_once("<!-- kinds:").expect("the table is marked");
    let documented: Vec<&str> = table.lines().skip(3).take_while(|line| line.starts_with('|')).collect();
    let wanted: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| {
            let passes = if kind.retryable() { "yes" } else { "" };
            format!("| `{}` | {} | {passes} | {} |", kind.name(), kind.exit_code(), kind.meaning().trim())
        })
        .collect();
    assert_eq!(documented, wanted, "the table should read:\n{}\n", wanted.join("\n"));
}
