//! Whether two trees are the same, as foreign tools see it.

use crate::executables::sh;
use std::fmt::Write as _;
use std::path::Path;

/// Paths may be near the longest that the kernel takes: every tool works from inside, on relative names. One record for each path, its
/// name and what it has in one: they are sorted.
const LISTINGS: [(&str, &str); 6] = [
    (
        "kind, mode, owner, mtime, device",
        "find . -print0 | xargs -0 -r stat --printf '%n: %f %u %g %y %t:%T\\0' | sort -z",
    ),
    ("size and links", "find . ! -type d -print0 | xargs -0 -r stat --printf '%n: %s %h\\0' | sort -z"),
    ("targets of links", "find . -type l -printf '%p -> %l\\0' | sort -z"),
    // Hard links: each name with the first name of the same file.
    (
        "hard links",
        "find . -type f -links +1 -printf '%i %p\\0' | sort -z | \
         awk 'BEGIN { RS = \"\\0\"; ORS = \"\\0\" } { i = $1; sub(/^[0-9]+ /, \"\"); if (!(i in first)) first[i] = $0; print $0 \" = \" first[i] }' | sort -z",
    ),
    ("ACLs", "find . -print0 | sort -z | xargs -0 -r getfacl -n -s -P -- 2>&1"),
    ("attributes", "find . -print0 | sort -z | xargs -0 -r getfattr -d -h -m - -e hex -- 2>&1"),
];

/// Fails unless both trees have the same names, contents, kinds, owners, modes, times, links, ACLs and attributes, and
/// no file of the second takes notably more room than in the first.
#[track_caller]
pub fn same(wanted: &Path, found: &Path) {
    let differences = differences(wanted, found);
    assert!(differences.is_empty(), "{} is not {}:\n{differences}", found.display(), wanted.display());
}

/// What differs, for people.
pub fn differences(wanted: &Path, found: &Path) -> String {
    let names = tempfile::tempdir().unwrap();
    let (short_wanted, short_found) = (names.path().join("w"), names.path().join("f"));
    std::os::unix::fs::symlink(wanted, &short_wanted).unwrap();
    std::os::unix::fs::symlink(found, &short_found).unwrap();
    let room = names.path().display();
    // diff names special files of the same kind as if they differed; their kinds are compared below.
    let mut report = sh(&format!(
        "export LC_ALL=C; cd {room}; diff -r --no-dereference w/ f/ 2>&1 | \
         grep -avE 'is a (fifo|socket|(character|block) special file) while' | head -c 4000 || true"
    ));
    for (what, listing) in LISTINGS {
        let text = sh(&format!(
            "export LC_ALL=C; (cd {room}/w/ && {listing}) > {room}/1; (cd {room}/f/ && {listing}) > {room}/2\n\
             cmp -s {room}/1 {room}/2 || (tr '\\0' '\\n' < {room}/1 > {room}/3; tr '\\0' '\\n' < {room}/2 | diff {room}/3 - | head -c 4000)"
        ));
        if !text.is_empty() {
            let _ = write!(report, "{what}:\n{text}");
        }
    }
    // A restored file may have holes where the source had zeros, but no data where it had holes.
    let rooms = "find . -type f -printf '%b %p\\0' | sort -z -k2";
    report += &sh(&format!(
        "export LC_ALL=C; sync -f {room}/w/ {room}/f/; (cd {room}/w/ && {rooms}) > {room}/1; (cd {room}/f/ && {rooms}) > {room}/2\n\
         awk 'BEGIN {{ RS = \"\\0\" }} {{ n = $1; sub(/^[0-9]+ /, \"\") }} FILENAME == ARGV[1] {{ was[$0] = n; next }} \
         $0 in was && n > was[$0] * 1.01 + 256 {{ print \"blocks of \" $0 \": \" was[$0] \" became \" n }}' {room}/1 {room}/2 | head -c 2000"
    ));
    report
}

/// All that [`same`] looks at, as text that outlives the tree.
pub fn described(tree: &Path) -> String {
    let mut text = format!("contents\n{}", digests(tree));
    for (what, listing) in LISTINGS {
        let listed = sh(&format!("export LC_ALL=C; cd {} && {{ {listing}; }} | tr '\\0' '\\n'", tree.display()));
        let _ = write!(text, "\n{what}\n{listed}");
    }
    text
}

/// The digest of every file below, with its name: what must not change. Empty if the folder is not there.
pub fn digests(folder: &Path) -> String {
    sh(&format!(
        "[ -d {0} ] || exit 0; cd {0}; find . -type f ! -name .lock ! -name .transport.lock -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum",
        folder.display()
    ))
}

/// The sealed generations in a folder, oldest first.
pub fn generations(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap()).collect();
    names.retain(|entry| entry.path().join("SHA256SUMS").is_file());
    let mut names: Vec<_> = names.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

/// Every generation in the folder is whole (`sha256sum -c`) and, where `signers` are named, has a receipt that names its
/// digest and that they signed (`ssh-keygen -Y verify`). Returns the generations.
#[track_caller]
pub fn whole(folder: &Path, signers: Option<&Path>) -> Vec<String> {
    let ids = generations(folder);
    for id in &ids {
        whole_one(folder, id, signers);
    }
    ids
}

/// The same for one of them.
#[track_caller]
pub fn whole_one(folder: &Path, id: &str, signers: Option<&Path>) {
    sh(&format!("cd {}/{id}; sha256sum --strict --quiet -c SHA256SUMS", folder.display()));
    let Some(signers) = signers else { return };
    let signers = signers.display();
    sh(&format!(
        "cd {}/receipts; ssh-keygen -q -Y verify -f {signers} -I sink1 -n handover-receipt -s {id}.json.sig < {id}.json\n\
         grep -q \"$(sha256sum < ../{id}/SHA256SUMS | cut -d' ' -f1)\" {id}.json; grep -q '\"id\": *\"{id}\"' {id}.json",
        folder.display()
    ));
}
