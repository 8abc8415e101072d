//! Exclude patterns, judged by git: what `git check-ignore` says of a tree is what a stream leaves out.
#![allow(clippy::unwrap_used, missing_docs)]

use backup_core::exclude::Exclude;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Names that patterns of the same letters hit and miss, among them one that is not UTF-8.
const NAMES: [&[u8]; 9] = [b"a", b"b", b"ab", b"a.b", b"-", b"[a]", b"A 1", b"*", b"b\xff"];

/// A tree three names deep: directories of every name, in them directories and files of every name.
struct Tree {
    root: TempDir,
    paths: BTreeSet<(Vec<u8>, bool)>,
}

impl Tree {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut paths = BTreeSet::new();
        for outer in NAMES {
            for (number, inner) in NAMES.into_iter().enumerate() {
                let folder = [outer, inner].join(&b'/');
                fs::create_dir_all(root.path().join(OsStr::from_bytes(&folder))).unwrap();
                let file = [&folder, NAMES[(number + 1) % NAMES.len()]].join(&b'/');
                fs::write(root.path().join(OsStr::from_bytes(&file)), "").unwrap();
                paths.extend([(outer.to_vec(), true), (folder, true), (file, false)]);
            }
        }
        git(root.path(), &["init", "--quiet"], b"");
        Self { root, paths }
    }

    /// What git ignores of it.
    fn by_git(&self, patterns: &[String]) -> BTreeSet<Vec<u8>> {
        fs::write(self.root.path().join(".git/info/exclude"), patterns.join("\n") + "\n").unwrap();
        let paths: Vec<&[u8]> = self.paths.iter().map(|(path, _)| path.as_slice()).collect();
        let out = git(self.root.path(), &["check-ignore", "--no-index", "-z", "--stdin"], &paths.join(&0));
        out.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
    }

    /// What we leave out of it: also what lies below a directory that is left out.
    fn by_us(&self, exclude: &Exclude) -> BTreeSet<Vec<u8>> {
        let mut found = BTreeSet::new();
        for (path, is_directory) in &self.paths {
            let ends = (0..path.len()).filter(|at| path[*at] == b'/');
            let mut around = ends.map(|end| exclude.covers(&path[..end], true));
            if around.any(|is_out| is_out) || exclude.covers(path, *is_directory) {
                found.insert(path.clone());
            }
        }
        found
    }
}

fn git(at: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.current_dir(at).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git runs");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "git {args:?}: {}", output.status); // 1: nothing is ignored
    output.stdout
}

/// A pattern of up to four names. Git matches `a**` in front of a slash over several names, unlike its documentation;
/// therefore `**` comes as a whole name only.
fn pattern() -> impl Strategy<Value = String> {
    let letter = select(vec![
        "a",
        "b",
        "a",
        "b",
        "A",
        "1",
        ".",
        "-",
        "?",
        "*",
        "[ab]",
        "[!a]",
        "[^b-]",
        "[]a]",
        "[!]a]",
        "[*-b]",
        "[\\]-a]",
        "[[:alpha:]]",
        "[[:upper:]-]",
        "[[:punct:][:digit:]]",
        "[[:x]",
        "\\a",
        "\\*",
        "\\[",
        "]",
        "!",
        "#",
        " ",
        "\\ ",
    ]);
    let letters = vec(letter, 1..4).prop_map(|letters| letters.concat());
    let name = prop_oneof![
        8 => letters.prop_filter("two stars in a row", |name| !name.contains("**")),
        2 => Just("**".to_owned()),
    ];
    let affix = |text: &'static str, weight| prop_oneof![8 - weight => Just(""), weight => Just(text)];
    (affix("!", 2), affix("/", 2), vec(name, 1..4), affix("/", 2), affix(" ", 1)).prop_map(
        |(takes_back, root, names, directory, space)| {
            format!("{takes_back}{root}{}{directory}{space}", names.join("/"))
        },
    )
}

#[test]
fn patterns_mean_what_they_mean_to_git() {
    const CASES: u32 = 400;
    let tree = Tree::new();
    let telling = Cell::new(0);
    let lists = vec(pattern(), 1..5).prop_filter_map("refused", |list| Some((Exclude::new(&list).ok()?, list)));
    let judged = TestRunner::new(ProptestConfig::with_cases(CASES)).run(&lists, |(exclude, patterns)| {
        let out = tree.by_us(&exclude);
        telling.set(telling.get() + u32::from(!out.is_empty() && out.len() < tree.paths.len()));
        prop_assert_eq!(out, tree.by_git(&patterns), "{:?}", patterns);
        Ok(())
    });
    judged.unwrap();
    // Far below what is usual (a third): the lists are random.
    assert!(telling.get() > CASES / 10, "only {} lists left out some of the tree and not all", telling.get());
}

#[test]
fn stars_that_are_no_whole_name_stay_within_a_name() {
    let exclude = Exclude::new(&["a**/b"]).unwrap();
    assert!(exclude.covers(b"/a/b", false) && exclude.covers(b"/ax/b", false));
    assert!(!exclude.covers(b"/ax/y/b", false));
}

#[test]
fn spaces_at_the_end_count_only_behind_a_backslash() {
    assert!(Exclude::new(&["a  "]).unwrap().covers(b"a", false));
    assert!(Exclude::new(&["a\\  "]).unwrap().covers(b"a ", false));
    assert!(Exclude::new(&["a\\\\  "]).unwrap().covers(b"a\\", false));
}

#[test]
fn what_can_match_nothing_is_refused() {
    for (pattern, why) in [
        ("", "empty name"),
        ("   ", "empty name"),
        ("/", "empty name"),
        ("!", "empty name"),
        ("a//b", "empty name"),
        ("./a", "no path has that name"),
        ("a/..", "no path has that name"),
        ("# all of it", "comment"),
        ("a\nb", "more than one line"),
        ("a\0", "more than one line"),
        ("a\\", "backslash ends"),
        ("a\\/b", "backslash ends"),
        ("[ab", "does not end"),
        ("[]", "does not end"),
        ("[a/b]", "does not end"),
        ("[[:alpha]", "does not end"),
        ("[[:letter:]]", "not known"),
        ("[b-a]", "backwards"),
        ("[\u{e4}]", "several bytes"),
    ] {
        let bad = Exclude::new(&["fine", pattern]).unwrap_err();
        assert_eq!(bad.pattern, pattern);
        assert!(bad.why.contains(why), "{bad}");
    }
}
