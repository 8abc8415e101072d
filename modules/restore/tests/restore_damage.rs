//! Whatever is wrong with a generation is noticed before anything is touched, by us and by `restore.sh`.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use support::{FULL, INCREMENTAL, Lab, make_executable, run, two_days};

/// A lab with both generations, and a copy of the restore folder to start each case from.
struct Cases {
    lab: Lab,
}

impl Cases {
    fn new() -> Self {
        let lab = Lab::new();
        fs::write(lab.path("dump"), "select 1;\n").unwrap();
        two_days(&lab);
        let dump = format!("orders.sql={}", lab.path("dump").display());
        let _ = fs::remove_dir_all(lab.generation(INCREMENTAL));
        lab.collect(INCREMENTAL, &["--base", FULL, "--large-file", "2097152", "--dump", &dump]);
        // Something to restore, so that "changed nothing" can be seen.
        lab.shell("echo changed >a/b/f2");
        support::copy(&lab.path("restore"), &lab.path("pristine"));
        Self { lab }
    }

    /// After `damage`, both refuse `id`, ours with this kind, and nothing was changed.
    fn refused(&self, what: &str, id: &str, kind: &str, damage: impl FnOnce(&Lab)) {
        damage(&self.lab);
        let before = support::marks(&self.lab.live());
        let answer = self.lab.call(&["run", "--generation", id]);
        assert_eq!(answer.kind, kind, "{what}: {answer:?}");
        assert!(!answer.changed && !answer.hint.is_empty(), "{what}: {answer:?}");
        assert_eq!(support::marks(&self.lab.live()), before, "{what}");
        self.lab.assert_clean(what);

        let target = self.lab.path("target");
        let output = self.lab.script("dash", "tar", id, &target);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{what}: restore.sh took it: {said}");
        assert!(said.lines().count() >= 2, "{what}: {said}");
        // Either nothing was begun, or the marker is there.
        assert!(!target.exists() || target.join(".restore-incomplete").exists(), "{what}: {said}");
        self.reset();
    }

    fn reset(&self) {
        let _ = fs::remove_dir_all(self.lab.path("target"));
        fs::remove_dir_all(self.lab.path("restore")).unwrap();
        support::copy(&self.lab.path("pristine"), &self.lab.path("restore"));
    }
}

fn flip(path: &Path) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let at = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Cuts the second zstd frame out of an artifact.
fn cut_frame(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let starts: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(&magic)).collect();
    assert!(starts.len() > 3, "{} frames", starts.len());
    fs::write(path, [&bytes[..starts[1]], &bytes[starts[2]..]].concat()).unwrap();
}

fn edit_manifest(lab: &Lab, id: &str, from: &str, to: &str) {
    let path = lab.generation(id).join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn every_artifact_of_both_generations() {
    let cases = Cases::new();
    for id in [FULL, INCREMENTAL] {
        let list = run(Command::new("find").arg(cases.lab.generation(id)).args(["-type", "f", "-printf", "%P\n"]));
        assert!(list.lines().count() >= 4);
        for name in list.lines() {
            let path = cases.lab.generation(id).join(name);
            // The newest is asked for, so that the base's damage counts, too. A seal that changed is not the one that was
            // signed, and a base whose seal changed not the one that is meant.
            let kind = match (id, name) {
                (INCREMENTAL, "SHA256SUMS") => None,
                _ => Some("damaged"),
            };
            let empty = fs::metadata(&path).unwrap().len() == 0;
            if !empty && let Some(kind) = kind {
                cases.refused(&format!("{id}/{name}: a bit"), INCREMENTAL, kind, |_| flip(&path));
            }
            if !empty && name != "SHA256SUMS" {
                cases.refused(&format!("{id}/{name}: truncated"), INCREMENTAL, "damaged", |_| {
                    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
                });
            }
            let gone = if name == "SHA256SUMS" { "not_found" } else { "damaged" };
            cases.refused(&format!("{id}/{name}: missing"), INCREMENTAL, gone, |_| fs::remove_file(&path).unwrap());
        }
    }
}

#[test]
fn what_only_the_plain_stream_shows() {
    let cases = Cases::new();
    // Sealed and signed again, as a defect of ours would be: only the manifest's digest of the plain stream differs.
    cases.refused("a middle frame cut out", FULL, "damaged", |lab| {
        cut_frame(&lab.generation(FULL).join("data.tar.zst"));
        let size = fs::metadata(lab.generation(FULL).join("data.tar.zst")).unwrap().len();
        let manifest = fs::read_to_string(lab.generation(FULL).join("manifest.json")).unwrap();
        let mut manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        manifest["artifacts"]["data.tar.zst"]["bytes"] = size.into();
        fs::write(lab.generation(FULL).join("manifest.json"), serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
        lab.reseal(FULL);
    });
    cases.refused("another plain digest", FULL, "damaged", |lab| {
        let text = fs::read_to_string(lab.generation(FULL).join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        let digest = manifest["artifacts"]["data.tar.zst"]["plain_sha256"].as_str().unwrap();
        edit_manifest(lab, FULL, digest, &"0".repeat(64));
        lab.reseal(FULL);
    });
}

#[test]
fn bases_formats_and_foreign_files() {
    let cases = Cases::new();
    cases.refused("no base", INCREMENTAL, "not_found", |lab| fs::remove_dir_all(lab.generation(FULL)).unwrap());
    cases.refused("another base", INCREMENTAL, "damaged", |lab| {
        edit_manifest(lab, FULL, "\"label\": null", "\"label\": \"x\"");
        lab.reseal(FULL);
    });
    cases.refused("a newer format", FULL, "version_mismatch", |lab| {
        edit_manifest(lab, FULL, "\"format\": 1", "\"format\": 2");
        lab.reseal(FULL);
    });
    cases.refused("a file that is not sealed", FULL, "damaged", |lab| {
        fs::create_dir(lab.generation(FULL).join("sub")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", lab.generation(FULL).join("deleted.list")).unwrap();
    });
    cases.refused("a FIFO in place of an artifact", FULL, "damaged", |lab| {
        let path = lab.generation(FULL).join("data.tar.zst");
        fs::remove_file(&path).unwrap();
        run(Command::new("mkfifo").arg(&path));
    });
    cases.refused("sealed, but not listed", FULL, "damaged", |lab| {
        fs::write(lab.generation(FULL).join("deleted.list"), "srv\0").unwrap();
        lab.reseal(FULL);
    });
}

#[test]
fn only_what_a_pinned_key_signed() {
    let cases = Cases::new();
    let lab = &cases.lab;
    let receipt = lab.stream().join("receipts").join(format!("{INCREMENTAL}.json"));
    let unsigned = |what: &str, spoil: &dyn Fn()| {
        spoil();
        let before = support::marks(&lab.live());
        let answer = lab.call(&["run"]);
        assert_eq!(answer.kind, "unsigned", "{what}: {answer:?}");
        assert_eq!(support::marks(&lab.live()), before, "{what}");
        assert!(lab.call(&["plan", "--allow-unsigned"]).changed, "{what}");
        cases.reset();
    };
    unsigned("no receipt", &|| fs::remove_file(&receipt).unwrap());
    unsigned("no signature", &|| fs::remove_file(receipt.with_extension("json.sig")).unwrap());
    unsigned("a changed receipt", &|| {
        let text = fs::read_to_string(&receipt).unwrap().replace("23:01", "23:02");
        fs::write(&receipt, text).unwrap();
    });
    unsigned("another key", &|| {
        let key = lab.path("other_key");
        if !key.exists() {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
        }
        lab.sign(INCREMENTAL, "other_key");
    });
    unsigned("a receipt of another generation", &|| {
        for ending in ["json", "json.sig"] {
            let other = lab.stream().join("receipts").join(format!("{FULL}.{ending}"));
            fs::copy(other, receipt.with_extension(ending)).unwrap();
        }
    });
    unsigned("no pinned keys", &|| fs::write(lab.path("signers"), "").unwrap());
    let answer = lab.restore(&["--allow-unsigned"]);
    assert!(answer.changed && answer.streams[0].signed_by.is_none());
    assert!(answer.warnings.iter().any(|warning| warning.contains("not signed")), "{answer:?}");
}

#[test]
fn the_newest_by_id_whatever_times_and_neighbours_say() {
    let lab = Lab::new();
    lab.shell("echo 1 >f");
    lab.collect(FULL, &[]);
    lab.shell("echo 2 >f");
    lab.collect("20261122T220000Z", &[]);
    lab.shell("echo 3 >f");
    lab.collect("20261121T000000Z", &[]);
    run(Command::new("find").arg(lab.stream()).args(["-exec", "touch", "-d", "2001-01-01", "{}", "+"]));
    run(Command::new("touch").arg(lab.generation(FULL)));
    // Half-written neighbours of a provider's backup.
    for rest in [".partial-20261125T220000Z", "20261126T220000Z", "20261127T220000Z~"] {
        fs::create_dir(lab.stream().join(rest)).unwrap();
        fs::write(lab.stream().join(rest).join("data.tar.zst"), "half").unwrap();
    }
    assert_eq!(lab.restore(&[]).streams[0].id, "20261122T220000Z");
    assert_eq!(fs::read_to_string(lab.live().join("f")).unwrap(), "2\n");
    let status =
        Command::new(support::EXECUTABLE).args(["status", "shop", "--config"]).arg(lab.path("config")).output();
    let text = String::from_utf8(status.unwrap().stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("data ")).count(), 3, "{text}");
    // A newer sealed one that is damaged is not passed over in silence.
    fs::write(lab.generation("20261122T220000Z").join("manifest.json"), "{}").unwrap();
    assert_eq!(lab.call(&["run"]).kind, "damaged");
}

#[test]
fn the_script_says_what_is_missing() {
    let lab = Lab::new();
    lab.shell("echo 1 >f");
    lab.collect(FULL, &[]);
    let said = |output: std::process::Output| {
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    // As busybox answers.
    let busybox = lab.path("busybox-tar");
    make_executable(&busybox, "#!/bin/sh\necho 'tar (busybox) 1.35.0'\n");
    let path = lab.path("bin");
    fs::create_dir(&path).unwrap();
    for tool in [
        "sh",
        "zstd",
        "sha256sum",
        "dd",
        "xargs",
        "sed",
        "grep",
        "sort",
        "uniq",
        "find",
        "tee",
        "wc",
        "mkfifo",
        "cp",
        "touch",
        "id",
        "dirname",
        "basename",
    ] {
        std::os::unix::fs::symlink(run(Command::new("which").arg(tool)).trim(), path.join(tool)).unwrap();
    }
    std::os::unix::fs::symlink(&busybox, path.join("tar")).unwrap();
    let mut only_busybox = Command::new("/bin/dash");
    only_busybox.arg(support::SCRIPT).arg(lab.generation(FULL)).arg(lab.path("t")).env("PATH", &path);
    assert!(said(only_busybox.output().unwrap()).contains("busybox"));
    fs::remove_file(path.join("zstd")).unwrap();
    assert!(said(only_busybox.output().unwrap()).contains("zstd is missing"));

    let target = lab.path("t2");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("mine"), "").unwrap();
    assert!(said(lab.script("dash", "tar", FULL, &target)).contains("not empty"));
    let forced = Command::new("dash")
        .arg(support::SCRIPT)
        .arg("--force")
        .arg(lab.generation(FULL))
        .arg(&target)
        .output()
        .unwrap();
    assert!(forced.status.success() && target.join("mine").exists());
    assert!(said(lab.script("dash", "tar", "20991231T000000Z", &lab.path("t3"))).contains("not a directory"));
    let unsealed = lab.generation("20261130T000000Z");
    fs::create_dir(&unsealed).unwrap();
    assert!(said(lab.script("dash", "tar", "20261130T000000Z", &lab.path("t4"))).contains("never completed"));
}

#[test]
fn by_a_day_or_a_time_the_newest_that_is_not_after_it() {
    let lab = Lab::new();
    for (id, options) in [
        ("20261110T020000Z", &[][..]),
        ("20261111T020000Z", &["--base", "20261110T020000Z"]),
        ("20261112T020000Z", &[]),
    ] {
        lab.shell(&format!("echo {id} >f"));
        lab.collect(id, options);
    }
    let told = |generation: &str| {
        let answer = lab.call(&["plan", "--generation", generation]);
        (answer.streams.first().map(|stream| stream.id.clone()).unwrap_or(answer.kind), answer.warnings)
    };
    lab.shell("echo other >f");
    for (generation, id) in [
        ("2026-11-12", "20261112T020000Z"),
        ("2026-11-12T02:59:59+01:00", "20261111T020000Z"),
        ("2026-11-11", "20261111T020000Z"),
        ("2026-11-10T02:00Z", "20261110T020000Z"),
        ("2026-11-09", "not_found"),
        ("2026-11-10T02:00", "invalid_option"),
    ] {
        assert_eq!(told(generation), (id.to_owned(), Vec::new()), "{generation}");
    }
    // What cannot be restored is passed over, and named.
    fs::rename(lab.generation("20261110T020000Z"), lab.path("away")).unwrap();
    lab.collect("20261109T020000Z", &[]);
    let (id, warnings) = told("2026-11-11");
    assert_eq!(id, "20261109T020000Z");
    assert!(
        warnings.len() == 1 && warnings[0].contains("20261111T020000Z") && warnings[0].contains("base"),
        "{warnings:?}"
    );
    lab.restore(&["--generation", "2026-11-12T12:00Z"]);
    assert_eq!(fs::read_to_string(lab.live().join("f")).unwrap(), "20261112T020000Z\n");
}

#[test]
fn of_what_a_provider_gave_back_the_newest_good_one() {
    let lab = Lab::new();
    for (id, options) in [
        ("20261110T020000Z", &[][..]),
        ("20261111T020000Z", &[]),
        ("20261112T020000Z", &["--base", "20261111T020000Z"]),
        ("20261113T020000Z", &["--base", "20261110T020000Z"]),
        ("20261114T020000Z", &[]),
        ("20261115T020000Z", &[]),
    ] {
        lab.shell(&format!("echo {id} >f; head -c 100K /dev/urandom >noise"));
        lab.collect(id, options);
    }
    lab.shell("mkdir -p $ROOM/mnt; mv $ROOM/restore $ROOM/mnt/store");
    let stream = lab.path("mnt/store/shop/data");
    // The snapshot was taken while the newest was being written, and the disk has lost a block; a base expired in between.
    fs::remove_file(stream.join("20261115T020000Z/SHA256SUMS")).unwrap();
    let data = stream.join("20261114T020000Z/data.tar.zst");
    flip(&data);
    fs::remove_dir_all(stream.join("20261110T020000Z")).unwrap();
    // Everything belongs to whoever wrote it back, as of the day it was written, in no order.
    run(Command::new("chown").arg("-R").arg("1234:1234").arg(lab.path("mnt")));
    run(Command::new("find").arg(lab.path("mnt")).args(["-exec", "touch", "-d", "2027-01-01", "{}", "+"]));
    run(Command::new("touch").arg(stream.join("20261111T020000Z")));
    let from = format!("path:{}", lab.path("mnt/store").display());
    let look = |arguments: &[&str]| {
        let answer = lab.call(&[&["plan", "--from", &from], arguments].concat());
        (answer.streams.first().map(|stream| stream.id.clone()).unwrap_or(answer.kind), answer.warnings)
    };
    lab.shell("echo other >f");
    let (id, warnings) = look(&[]);
    assert_eq!(id, "20261112T020000Z", "{warnings:?}");
    for (id, why) in [
        ("20261115T020000Z", "never completed"),
        ("20261114T020000Z", "damaged"),
        ("20261113T020000Z", "20261110T020000Z"),
    ] {
        assert!(warnings.iter().any(|warning| warning.contains(id) && warning.contains(why)), "{id}: {warnings:?}");
    }
    assert_eq!(warnings.iter().filter(|warning| warning.contains("passed over")).count(), 3, "{warnings:?}");
    // Without its receipt it is passed over, too, unless somebody vouches for it; by its id nothing is.
    fs::remove_file(stream.join("receipts/20261112T020000Z.json")).unwrap();
    assert_eq!(look(&[]).0, "20261111T020000Z");
    assert_eq!(look(&["--allow-unsigned"]).0, "20261112T020000Z");
    assert_eq!(look(&["--generation", "20261112T020000Z"]).0, "unsigned");
    assert_eq!(look(&["--generation", "20261114T020000Z"]).0, "damaged");
    fs::remove_dir_all(stream.join("receipts")).unwrap();
    let (kind, warnings) = look(&[]);
    assert!(kind == "unsigned" && warnings.len() >= 4, "{kind}: {warnings:?}");
    lab.restore(&["--from", &from, "--allow-unsigned"]);
    assert_eq!(fs::read_to_string(lab.live().join("f")).unwrap(), "20261112T020000Z\n");
}
