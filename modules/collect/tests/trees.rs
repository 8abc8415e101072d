//! Trees: what is sealed restores with plain tools to exactly what was there. Oracles: tar, sha256sum, diff, getfattr,
//! stat, and restore.sh for incrementals.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use support::{Answer, Bench, Stream, tool, wait_for};

fn sealed(answer: &Answer) -> &Stream {
    assert!(!answer.failed, "{answer:?}");
    assert_eq!(answer.streams[0].fate, "sealed", "{answer:?}");
    &answer.streams[0]
}

/// Restores a full with the command that the documentation prints.
fn untar(generation: &Path, target: &Path) {
    fs::create_dir_all(target).unwrap();
    tool("sha256sum", &["-c", "--strict", "--quiet", "SHA256SUMS"], generation);
    let target = target.to_str().unwrap();
    let flags =
        ["--zstd", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-xpf", "data.tar.zst", "-C", target];
    tool("tar", &flags, generation);
}

/// Restores any generation with the script that lies in every store.
fn restore(generation: &Path, target: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../archive/assets/restore.sh");
    tool("sh", &[script.to_str().unwrap(), generation.to_str().unwrap(), target.to_str().unwrap()], Path::new("/"));
}

/// Contents, types, link targets, then owners, modes, times and attributes of everything.
fn assert_same(source: &Path, restored: &Path) {
    tool("diff", &["-r", "--no-dereference", source.to_str().unwrap(), restored.to_str().unwrap()], Path::new("/"));
    let facts = |root: &Path| {
        tool("sh", &["-c", "find . -print0 | LC_ALL=C sort -z | xargs -0 stat -c '%n %F %a %u %g %h %Y.%y %s'"], root)
            .lines()
            // A directory's own size and link count are the file system's business.
            .map(
                |line| {
                    if line.contains(" directory ") { line.rsplit_once(' ').unwrap().0.into() } else { line.to_owned() }
                },
            )
            .collect::<Vec<_>>()
    };
    assert_eq!(facts(source), facts(restored));
    let attributes = "find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - --";
    assert_eq!(tool("sh", &["-c", attributes], source), tool("sh", &["-c", attributes], restored));
}

fn below(target: &Path, source: &Path) -> PathBuf {
    target.join(source.strip_prefix("/").unwrap())
}

/// A bit of everything that a file system can hold.
fn furnish(srv: &Path) {
    fs::create_dir_all(srv.join("deep/er")).unwrap();
    for n in 0..300 {
        fs::write(srv.join(format!("deep/file-{n}")), format!("contents {n}\n").repeat(n)).unwrap();
    }
    fs::write(srv.join("empty"), "").unwrap();
    fs::write(srv.join("new\nline"), "x").unwrap();
    fs::hard_link(srv.join("orders"), srv.join("deep/orders-too")).unwrap();
    symlink("../orders", srv.join("deep/link")).unwrap();
    fs::set_permissions(srv.join("deep/file-7"), fs::Permissions::from_mode(0o4711)).unwrap();
    tool("chown", &["1234:4321", "deep/file-8"], srv);
    tool("setfattr", &["-n", "user.note", "-v", "remember", "deep/file-9"], srv);
    tool("sh", &["-c", "head -c 6000000 /dev/urandom > large; truncate -s 40M sparse; echo end >> sparse"], srv);
    tool("touch", &["-d", "2001-02-03T04:05:06.123456789Z", "deep/file-10", "deep/er"], srv);
    for folder in ["relabelled", "unlabelled"] {
        fs::create_dir(srv.join(folder)).unwrap();
        fs::write(srv.join(folder).join("f"), "kept").unwrap();
        tool("setfattr", &["-n", "security.label", "-v", "old", folder], srv);
        tool("setfacl", &["-m", "u:3:rx", "-d", "-m", "u:3:rx", folder], srv);
    }
}

#[test]
fn a_full_restores_with_tar_alone() {
    let bench = Bench::new();
    let srv = bench.at("srv");
    furnish(&srv);
    let answer = bench.run();
    let stream = sealed(&answer);
    let target = bench.at("target");
    untar(&stream.path, &target);
    assert_same(&srv, &below(&target, &srv));
    assert_eq!(stream.paths, Some(tool("find", &["."], &srv).replace("new\nline", "").lines().count() as u64));
    let modes = tool("sh", &["-c", "find . -printf '%m %u\\n' | sort -u"], &stream.path);
    assert_eq!(modes, "640 root\n750 root\n");
    assert_eq!(bench.handed_over("data").len(), 1, "no work files: {:?}", bench.handed_over("data"));
}

#[test]
fn an_incremental_needs_a_receipt_and_restores_with_the_script() {
    let bench = Bench::new();
    let srv = bench.at("srv");
    furnish(&srv);
    let full = bench.run();
    let full = sealed(&full);
    let id = full.id.clone().unwrap();

    // Without the sink's receipt there is no base, whatever cron asks for.
    let second = bench.module(&json!({"kind": "incremental"}));
    assert_eq!(sealed(&second).kind.as_deref(), Some("full"));
    assert!(sealed(&second).reason.as_ref().unwrap().contains("receipt"), "{second:?}");
    fs::remove_dir_all(&second.streams[0].path).unwrap();
    bench.transport("data", &id, true);

    fs::write(srv.join("orders"), "first order\nsecond order\n").unwrap();
    fs::remove_file(srv.join("deep/file-20")).unwrap();
    fs::remove_dir_all(srv.join("deep/er")).unwrap();
    fs::write(srv.join("deep/er"), "a file now").unwrap();
    fs::write(srv.join("added"), "new").unwrap();
    tool("setfattr", &["-n", "security.label", "-v", "new", "relabelled"], &srv);
    tool("setfacl", &["-m", "u:3:rwx,u:4:x", "-d", "-m", "u:4:rwx", "relabelled"], &srv);
    tool("setfattr", &["-x", "security.label", "unlabelled"], &srv);
    tool("setfacl", &["-b", "unlabelled"], &srv);
    fs::set_permissions(srv.join("deep/file-21"), fs::Permissions::from_mode(0o600)).unwrap();

    let planned = bench.module(&json!({"_ansible_check_mode": true, "_ansible_diff": true}));
    let third = bench.module(&json!({"_ansible_diff": true}));
    let stream = sealed(&third);
    assert_eq!(stream.kind.as_deref(), Some("incremental"), "{stream:?}");
    assert_eq!(planned.diff, third.diff);
    let plan = &planned.streams[0];
    assert_eq!((plan.paths, plan.bytes, plan.deleted), (stream.paths, stream.bytes, stream.deleted));
    assert!(plan.files >= stream.files, "what was young when the base was made is read to be compared");
    assert_eq!(stream.base.as_ref().map(|base| base.id.clone()), Some(id.clone()));
    assert_eq!(stream.deleted, Some(3), "file-20, er, unlabelled: {stream:?}");
    assert!(stream.stored_bytes < full.stored_bytes, "{stream:?}");

    // Both lie side by side in a store.
    let generation = bench.store("data").join(stream.id.as_ref().unwrap());
    fs::rename(&stream.path, &generation).unwrap();
    let target = bench.at("target");
    restore(&generation, &target);
    assert_same(&srv, &below(&target, &srv));
}

#[test]
fn a_sink_that_lacks_the_base_gets_a_full() {
    let bench = Bench::new();
    let id = sealed(&bench.run()).id.clone().unwrap();
    bench.transport("data", &id, true);
    assert_eq!(sealed(&bench.run()).kind.as_deref(), Some("incremental"));
    let wish = bench.handover("data").join("want-full.json");
    fs::write(&wish, "{}").unwrap();
    let answer = bench.run();
    assert_eq!(sealed(&answer).kind.as_deref(), Some("full"));
    assert!(sealed(&answer).reason.as_ref().unwrap().contains("sink"), "{answer:?}");
    assert!(!wish.exists());
    assert_eq!(sealed_indexes(&bench), [sealed(&answer).id.clone().unwrap()]);
}

fn sealed_indexes(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.at("state/shop")).unwrap().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut ids: Vec<_> =
        names.filter_map(|name| Some(name.strip_prefix("data-")?.strip_suffix(".index")?.to_owned())).collect();
    ids.sort();
    ids
}

#[test]
fn a_damaged_index_costs_a_full_and_no_more() {
    let bench = Bench::new();
    let id = sealed(&bench.run()).id.clone().unwrap();
    bench.transport("data", &id, true);
    let index = bench.at(&format!("state/shop/data-{id}.index"));
    let mut bytes = fs::read(&index).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&index, bytes).unwrap();
    let answer = bench.run();
    assert_eq!(sealed(&answer).kind.as_deref(), Some("full"));
    assert!(answer.warnings.iter().any(|warning| warning.contains("index")), "{answer:?}");
}

#[test]
fn an_arrival_receipt_makes_a_base_only_without_verification() {
    for (verify, kind) in [("hash", "full"), ("none", "incremental")] {
        let bench = Bench::new().with(&json!({"streams": {"data": {"transport": {"verify": verify}}}}));
        let id = sealed(&bench.run()).id.clone().unwrap();
        bench.transport("data", &id, false);
        assert_eq!(sealed(&bench.run()).kind.as_deref(), Some(kind), "{verify}");
    }
}

const WRITER: &str = "
import mmap, os, sqlite3, sys
os.chdir(sys.argv[1])
database = sqlite3.connect('shop.db', isolation_level=None)
database.execute('PRAGMA journal_mode=WAL')
database.execute('PRAGMA wal_autocheckpoint=5')
mapped = mmap.mmap(os.open('mapped', os.O_RDWR), 0)
log = open('app.log', 'a', buffering=1)
n = 0
while True:
    n += 1
    database.execute('INSERT INTO orders VALUES(?)', (n,))
    log.write(f'line {n}\\n')
    at = n * 4096 % len(mapped)
    mapped[at:at + 8] = n.to_bytes(8, 'big')
";

#[test]
fn what_stands_still_is_what_is_restored() {
    let bench = Bench::new().with_services(&["app"]).with(&json!({"max_downtime": "60s"}));
    let srv = bench.at("srv");
    furnish(&srv);
    let database = srv.join("shop.db");
    tool("sqlite3", &[database.to_str().unwrap(), "PRAGMA journal_mode=WAL; CREATE TABLE orders(n INTEGER);"], &srv);
    // An application that writes all the time: rows through a WAL, lines into a log, pages through a mapping, whose
    // later changes move no time stamp.
    fs::write(srv.join("mapped"), vec![0; 1 << 20]).unwrap();
    let program = bench.at("bin/writer.py");
    fs::write(&program, WRITER).unwrap();
    bench.script("app-writer", &format!("exec python3 {} {}", program.display(), srv.display()));
    bench.control("app", "start");
    wait_for("the first rows", || fs::metadata(srv.join("app.log")).is_ok_and(|log| log.len() > 100));
    // The hook sees what there is while nothing moves: between the stop and the start.
    let frozen = bench.at("frozen");
    let dump = json!([{"name": "frozen", "when": "stopped",
        "command": {"run": ["sh", "-c", format!("cp -a {} {} && echo done", srv.display(), frozen.display())]}}]);
    let bench = bench.with(&json!({"streams": {"data": {"dumps": dump}}}));
    for round in 0..3 {
        let _ = fs::remove_dir_all(&frozen);
        let answer = bench.module(&json!({"kind": "full"}));
        let stream = sealed(&answer);
        assert!(bench.is_on("app"));
        let target = bench.at(&format!("target-{round}"));
        untar(&stream.path, &target);
        assert_same(&frozen, &below(&target, &srv));
        let count = "SELECT count(*) FROM orders";
        let restored = below(&target, &database);
        assert_eq!(
            tool("sqlite3", &[restored.to_str().unwrap(), count], &srv),
            tool("sqlite3", &[frozen.join("shop.db").to_str().unwrap(), count], &srv)
        );
        assert!(answer.downtime_ms <= answer.downtime_with_services_ms, "{answer:?}");
        fs::remove_dir_all(&stream.path).unwrap();
    }
    bench.control("app", "stop");
}

#[test]
fn data_and_logs_share_one_standstill_and_one_id() {
    let bench = Bench::new().with_services(&["app"]);
    let log = bench.at("log");
    fs::create_dir(&log).unwrap();
    fs::write(log.join("access.log"), "GET /\n").unwrap();
    let bench = bench.with_stream("logs", &json!({"include": [log]}));
    bench.control("app", "start");
    bench.calls();
    let answer = bench.run();
    assert!(!answer.failed, "{answer:?}");
    assert_eq!(answer.streams.len(), 2);
    assert_eq!(answer.streams[0].id, answer.streams[1].id);
    assert_eq!(bench.calls(), ["stop app", "start app"]);
    let only = bench.module(&json!({"stream": "logs"}));
    assert_eq!(only.streams.len(), 1);
    assert!(only.streams[0].id > answer.streams[0].id, "ids are those of the job");
}

#[test]
fn what_the_policy_tolerates_is_a_warning_and_in_the_manifest() {
    let bench = Bench::new();
    let (gone, hollow) = (bench.at("gone"), bench.at("hollow"));
    fs::create_dir(&hollow).unwrap();
    let srv = bench.at("srv");
    let bench = bench.with(&json!({"streams": {"data": {
        "include": [srv, gone, hollow], "checks": {"missing": "allow", "empty": "allow"},
    }}}));
    let answer = bench.run();
    let stream = sealed(&answer);
    assert_eq!(stream.warnings.len(), 2, "{stream:?}");
    let manifest: Value = serde_json::from_slice(&fs::read(stream.path.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["warnings"], json!(stream.warnings));
    assert_eq!(manifest["roots"].as_array().unwrap().len(), 3);
}

#[test]
fn a_tree_that_shrank_is_not_sealed() {
    let bench = Bench::new().with(&json!({"streams": {"data": {"checks": {"max_shrink": "20%"}}}}));
    let srv = bench.at("srv");
    furnish(&srv);
    sealed(&bench.run());
    let before = support::digests(&bench.handover("data"));
    fs::remove_file(srv.join("sparse")).unwrap();
    let answer = bench.run();
    assert_eq!(answer.kind, "source_invalid", "{answer:?}");
    assert_eq!(support::digests(&bench.handover("data")), before);
}

#[test]
fn a_sudden_drop_fails_data_unless_the_operator_says_otherwise() {
    let bench = Bench::new();
    let (srv, log) = (bench.at("srv"), bench.at("app.log"));
    for part in 0..20 {
        fs::write(srv.join(format!("part{part}")), vec![b'x'; 1 << 20]).unwrap();
    }
    fs::write(&log, vec![b'l'; 20 << 20]).unwrap();
    let bench = bench.with_stream("logs", &json!({"include": [log]}));
    let first = bench.run();
    assert!(!first.failed, "nothing to compare with: {first:?}");
    let before = support::digests(&bench.handover("data"));

    // 99 % are gone, and the log was rotated: of both, more than half and more than 10 MiB.
    for part in 0..20 {
        fs::remove_file(srv.join(format!("part{part}"))).unwrap();
    }
    fs::write(bench.at("app.log"), "a new day\n").unwrap();
    bench.mail();
    let answer = bench.run();
    assert_eq!((answer.kind.as_str(), answer.rc), ("source_invalid", 20), "{answer:?}");
    let fates: Vec<_> = answer.streams.iter().map(|stream| (stream.stream.as_str(), stream.fate.as_str())).collect();
    assert_eq!(fates, [("data", "failed"), ("logs", "sealed")], "{answer:?}");
    assert_eq!(support::digests(&bench.handover("data")), before);
    assert_eq!(bench.state("data")["last_good"]["generation"]["id"], first.streams[0].id.clone().unwrap());
    let mail = bench.mail();
    for said in ["by more than max_shrink 50%", "run once with max_shrink=100%", "streams.data.checks.max_shrink"] {
        assert!(mail.contains(said), "{said}: {mail}");
    }
    let again = bench.module(&json!({"stream": "data"}));
    assert_eq!(again.kind, "source_invalid", "it fails until somebody looks: {again:?}");

    // It was on purpose: one run is let pass, and from then on compared with.
    let accepted = bench.module(&json!({"stream": "data", "max_shrink": "100%"}));
    assert!(!accepted.failed, "{accepted:?}");
    let later = bench.module(&json!({"stream": "data"}));
    assert!(!later.failed, "{later:?}");
}

#[test]
fn a_call_overrides_the_document_for_itself() {
    let bench = Bench::new();
    furnish(&bench.at("srv"));
    let with = |overrides: Value| bench.module(&json!({"stream": "data", "overrides": overrides}));
    let too_small = with(json!({"streams": {"data": {"checks": {"min_size": "1TiB"}}}}));
    assert_eq!(too_small.kind, "source_invalid", "{too_small:?}");
    let kept = with(json!({"streams": {"data": {"include": ["/etc"]}}}));
    assert_eq!(kept.kind, "invalid_job", "{kept:?}");
    assert!(kept.msg.contains("streams.data.include: it cannot be overridden"), "{kept:?}");
    assert!(bench.handed_over("data").is_empty());
    assert!(!bench.module(&json!({"stream": "data"})).failed, "the document is as it was");
}

#[test]
fn a_file_that_cannot_be_read_fails_the_generation_unless_allowed() {
    // Reading this file fails with EIO for everybody, root included.
    let unreadable = Path::new("/proc/self/mem");
    assert!(fs::metadata(unreadable).unwrap().mode() & 0o400 != 0);
    let bench = Bench::new();
    let srv = bench.at("srv");
    let mounted = srv.join("bad-sector");
    fs::write(&mounted, "").unwrap();
    let _bind = Bind::new(unreadable, &mounted);
    let with = |bench: Bench, policy: &str| {
        bench.with(&json!({"streams": {"data": {"one_file_system": false, "checks": {"unreadable": policy}}}}))
    };
    let bench = with(bench, "fail");
    let answer = bench.run();
    assert_eq!(answer.kind, "source_invalid", "{answer:?}");
    assert!(answer.msg.contains("bad-sector"), "{answer:?}");
    assert_eq!(bench.handed_over("data"), Vec::<String>::new());
    let bench = with(bench, "allow");
    let answer = bench.run();
    assert!(sealed(&answer).warnings.iter().any(|warning| warning.contains("bad-sector")), "{answer:?}");
}

/// A file mounted over another, until it is dropped.
struct Bind(PathBuf);

impl Bind {
    fn new(from: &Path, to: &Path) -> Self {
        tool("mount", &["--bind", from.to_str().unwrap(), to.to_str().unwrap()], Path::new("/"));
        Self(to.to_owned())
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
