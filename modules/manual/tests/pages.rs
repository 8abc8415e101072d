//! Man pages as the formatters read them.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod support;

use std::process::Command;
use support::{Made, said};

fn shown(made: &Made, page: &str) -> String {
    let path = made.at("usr/local/share/man/man1").join(page);
    said("man", &["--local-file", path.to_str().unwrap()], &[("MANWIDTH", "1000"), ("LC_ALL", "C.UTF-8")]).join("\n")
}

#[test]
fn the_formatters_find_nothing_wrong() {
    let made = Made::new();
    for page in made.pages() {
        let page = page.to_str().unwrap();
        let formatted = said("man", &["--warnings", "--local-file", page], &[("LC_ALL", "C.UTF-8")]);
        assert!(formatted.len() > 10, "{page}");
        let lint = Command::new("mandoc").args(["-Tlint", "-Wwarning", page]).output().unwrap();
        let lint = String::from_utf8(lint.stdout).unwrap();
        // A date would make two builds of the same texts differ.
        let wrong: Vec<_> = lint.lines().filter(|line| !line.ends_with("missing date, using \"\": TH")).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn an_executable_has_a_page_and_each_of_its_actions_has_one() {
    let made = Made::new();
    let pages: Vec<String> =
        made.pages().iter().map(|page| page.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let of = |name: &str| pages.iter().filter(|page| page.starts_with(name)).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        of("backup_transport"),
        [
            "backup_transport-adopt.1",
            "backup_transport-deliver.1",
            "backup_transport-fetch.1",
            "backup_transport-plan.1",
            "backup_transport-run.1",
            "backup_transport-status.1",
            "backup_transport.1"
        ]
    );
    for name in made.executables() {
        let page = shown(&made, &format!("{name}.1"));
        let sections: Vec<&str> =
            page.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase())).collect();
        assert_eq!(
            sections,
            [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "ACTIONS",
                "OPTIONS",
                "COMMON OPTIONS",
                "EXIT STATUS",
                "FILES",
                "SEE ALSO"
            ]
            .map(String::from)
            .into_iter()
            .chain(page.lines().last().filter(|line| line.starts_with("Handover")).map(String::from))
            .collect::<Vec<_>>(),
            "{name}"
        );
        for status in ["0 ", "40 ", "130 "] {
            assert!(page.lines().any(|line| line.trim_start().starts_with(status)), "{name} {status}");
        }
        let also = page.lines().rev().find(|line| line.contains("-run(1)")).unwrap();
        for action in of(&format!("{name}-")) {
            assert!(also.contains(&action.replace(".1", "(1)")), "{name}: {also}");
        }
    }
}

#[test]
fn a_page_says_what_help_says() {
    let made = Made::new();
    let page = shown(&made, "backup_restore-run.1");
    for text in [
        "backup_restore-run - ",
        "--generation <GENERATION> [default: newest]",
        "Restore also what no pinned key signed",
        "merge: Only what differs is written",
        "--check",
        "<JOB>",
        "backup_restore(1), backup_restore-plan(1)",
    ] {
        assert!(page.contains(text), "{text} is missing:\n{page}");
    }
    assert!(!page.contains(['`', '‘']), "{page}");
    assert!(!shown(&made, "backup_rotate.1").contains("C("));
}
