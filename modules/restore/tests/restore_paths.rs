//! Some paths of a generation: exactly those, read where they lie, proven by the sealed catalog.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;
use support::{FULL, INCREMENTAL, Lab, assert_same, names, run, two_days};

/// Restores `paths` of the live tree to an empty directory, and returns where the tree lies in it.
fn pick(lab: &Lab, id: &str, paths: &[&str], target: &str) -> std::path::PathBuf {
    let target = lab.path(target);
    let paths: Vec<_> = paths.iter().map(|path| lab.live().join(path)).collect();
    let mut arguments = vec!["--generation", id, "--target", target.to_str().unwrap()];
    for path in &paths {
        arguments.extend(["--path", path.to_str().unwrap()]);
    }
    let answer = lab.restore(&arguments);
    assert!(answer.changed, "{answer:?}");
    assert!(!lab.restore(&arguments).changed, "the second time there is nothing to do");
    assert!(!target.join(".restore-incomplete").exists());
    lab.within(&target)
}

#[test]
fn subtrees_and_files_of_a_full_and_of_an_incremental() {
    let lab = Lab::new();
    let (first, second) = two_days(&lab);
    for (id, tree) in [(FULL, &first), (INCREMENTAL, &second)] {
        let found = pick(
            &lab,
            id,
            &["a/b", "c", "emptyd", "closed", "big", "bigsp", "ff", "null", "sl"],
            &format!("{id}-some"),
        );
        for path in ["a/b", "c", "emptyd", "closed"] {
            assert_same(&tree.join(path), &found.join(path), &format!("{id} {path}"));
        }
        for path in ["big", "bigsp"] {
            run(Command::new("cmp").arg(tree.join(path)).arg(found.join(path)));
        }
        // Capabilities, times, owners and links of what is not a directory, as getfattr and find see them.
        let look = |tree: &Path| {
            let script = "getfattr -hd -m - -e hex bigsp ff null sl; find big bigsp ff null sl -printf '%p %y %m %U %G %T@ %s %l\n'";
            run(Command::new("bash").args(["-c", script]).current_dir(tree))
        };
        assert_eq!(look(tree), look(&found), "{id}");
        let mut there = names(&found);
        there.sort();
        assert_eq!(there, ["a", "big", "bigsp", "c", "closed", "emptyd", "ff", "null", "sl"], "{id}");
        assert_eq!(names(&found.join("a")), ["b"], "{id}");
        // The way there is as it was, times included.
        let (way, was) = (found.join("a").metadata().unwrap(), tree.join("a").metadata().unwrap());
        assert_eq!((way.mode(), way.uid(), way.mtime_nsec()), (was.mode(), was.uid(), was.mtime_nsec()), "{id}");
    }
}

#[test]
fn a_further_name_brings_the_contents_of_the_first() {
    let lab = Lab::new();
    lab.shell("mkdir a b; echo one >a/first; ln a/first b/second; ln a/first b/third; setfattr -n user.x -v y a/first; chown 7:8 a/first");
    lab.collect(FULL, &[]);
    lab.shell("echo more >a/new");
    lab.collect(INCREMENTAL, &["--base", FULL]);
    for id in [FULL, INCREMENTAL] {
        let found = pick(&lab, id, &["b"], &format!("{id}-links"));
        assert_eq!(names(&found), ["b"]);
        let (second, third) = (found.join("b/second").metadata().unwrap(), found.join("b/third").metadata().unwrap());
        assert_eq!((second.ino(), second.nlink(), second.uid(), second.gid()), (third.ino(), 2, 7, 8));
        assert_eq!(fs::read_to_string(found.join("b/third")).unwrap(), "one\n");
        assert!(run(Command::new("getfattr").args(["-d"]).arg(found.join("b/third"))).contains("user.x=\"y\""));
    }
}

/// The offset of the frame that holds a path, as the catalog says.
fn frame(lab: &Lab, id: &str, path: &str) -> u64 {
    let catalog = run(Command::new("zstd").arg("-dqc").arg(lab.generation(id).join("catalog.jsonl.zst")));
    let line = catalog.lines().find(|line| line.contains(&format!("/{path}\""))).unwrap();
    let entry: serde_json::Value = serde_json::from_str(line).unwrap();
    entry["at"][0].as_u64().unwrap()
}

fn damage(path: &Path, at: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut bytes = [0; 64];
    file.read_exact_at(&mut bytes, at).unwrap();
    file.write_all_at(&bytes.map(|byte| !byte), at).unwrap();
}

#[test]
fn only_what_holds_it_is_read_and_what_is_damaged_elsewhere_does_not_matter() {
    let lab = Lab::new();
    lab.shell("for n in a b c d; do mkdir $n; head -c 12M /dev/urandom >$n/noise; echo $n >$n/small; done; head -c 1M /dev/urandom >c/wanted");
    lab.collect(FULL, &[]);
    let data = lab.generation(FULL).join("data.tar.zst");
    assert!(data.metadata().unwrap().len() > 48 << 20);
    // In the middle of what is not wanted: a restore of everything refuses, before and after.
    damage(&data, frame(&lab, FULL, "a/noise") + (5 << 20));
    damage(&data, frame(&lab, FULL, "d/noise") + (5 << 20));
    assert_eq!(lab.call(&["run", "--target", lab.path("all").to_str().unwrap()]).kind, "damaged");

    let target = lab.path("one");
    let wanted = lab.live().join("c/wanted");
    let mut command = lab.command(&["run", "--target", target.to_str().unwrap(), "--path", wanted.to_str().unwrap()]);
    let mut counted = Command::new("bash");
    // What a child has read is its parent's once it is waited for.
    counted.args(["-c", "read() { sed -n 's/^rchar: //p' /proc/$$/io; }; before=$(read); \"$@\" >&2; after=$(read); echo $((after - before))", "-"]);
    counted.arg(command.get_program()).args(command.get_args()).env("TMPDIR", lab.path("tmp"));
    let output = counted.output().unwrap();
    let read: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    run(Command::new("cmp").arg(&wanted).arg(lab.within(&target).join("c/wanted")));
    // One frame of 1 MiB and some more bytes, what was written read back, and the executable's own reading of the system.
    assert!(read < 8 << 20, "{read} bytes were read");
    println!("{read} bytes read of {}", data.metadata().unwrap().len());

    // What holds it must be right, whatever the rest is.
    damage(&data, frame(&lab, FULL, "c/wanted") + (512 << 10));
    fs::remove_dir_all(&target).unwrap();
    let answer = support::answer(&command.output().unwrap());
    assert_eq!(answer.kind, "damaged", "{answer:?}");
    assert!(target.join(".restore-incomplete").exists());
}

#[test]
fn contents_that_the_sealed_catalog_does_not_vouch_for_are_refused() {
    let lab = Lab::new();
    lab.shell("echo true >wanted");
    lab.collect(FULL, &[]);
    let forged = "mkdir -p $ROOM/forged; echo lies >wanted; touch -d @1 wanted";
    lab.shell(forged);
    // A stream that is a stream, of the right length and names, but not the one that was collected.
    support::copy(&lab.generation(FULL), &lab.path("kept"));
    fs::remove_dir_all(lab.generation(FULL)).unwrap();
    lab.collect(FULL, &[]);
    fs::copy(lab.generation(FULL).join("data.tar.zst"), lab.path("other")).unwrap();
    fs::remove_dir_all(lab.generation(FULL)).unwrap();
    support::copy(&lab.path("kept"), &lab.generation(FULL));
    lab.sign(FULL, "sink_key");
    fs::copy(lab.path("other"), lab.generation(FULL).join("data.tar.zst")).unwrap();
    let wanted = lab.live().join("wanted");
    let arguments =
        ["run", "--target", lab.path("out").to_str().unwrap(), "--path", wanted.to_str().unwrap()].map(str::to_owned);
    let answer = lab.call(&arguments.each_ref().map(String::as_str));
    assert_eq!(answer.kind, "damaged", "{answer:?}");
    // A catalog that is not the sealed one is noticed before anything is made.
    fs::remove_dir_all(lab.path("out")).unwrap();
    fs::remove_dir_all(lab.generation(FULL)).unwrap();
    support::copy(&lab.path("kept"), &lab.generation(FULL));
    let catalog = lab.generation(FULL).join("catalog.jsonl.zst");
    let plain = run(Command::new("zstd").arg("-dqc").arg(&catalog)).replace("\"uid\": 0", "\"uid\": 1");
    fs::write(lab.path("plain"), plain).unwrap();
    run(Command::new("zstd")
        .args(["-qf", "--stream-size", &lab.path("plain").metadata().unwrap().len().to_string()])
        .arg(lab.path("plain"))
        .arg("-o")
        .arg(&catalog));
    let answer = lab.call(&arguments.each_ref().map(String::as_str));
    assert_eq!(answer.kind, "damaged", "{answer:?}");
    assert!(!lab.path("out").exists());
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_remedy() {
    let lab = Lab::new();
    lab.shell("echo 1 >there");
    lab.collect(FULL, &[]);
    let out = lab.path("out");
    let call = |path: &str| lab.call(&["run", "--target", out.to_str().unwrap(), "--path", path]);
    let live = lab.live();
    for (path, kind, says) in [
        (live.join("nowhere").to_str().unwrap(), "not_found", "nowhere"),
        ("/etc/passwd", "invalid_option", "/etc/passwd"),
        ("relative/path", "invalid_option", "relative/path"),
        ("/srv/../etc", "invalid_option", ".."),
    ] {
        let answer = call(path);
        assert_eq!(answer.kind, kind, "{path}: {answer:?}");
        assert!(
            answer.msg.contains(says) && answer.msg.contains("path") && !answer.hint.is_empty(),
            "{path}: {answer:?}"
        );
        assert!(!out.exists(), "{path}");
    }
    // A directory above the roots means all that was collected below it.
    assert!(!call(lab.room.path().to_str().unwrap()).failed);
    assert!(lab.within(&out).join("there").exists());
}
