//! Streams of dumps alone: the artifact, the gate of the exit status, secrets, sizes. Oracles: zstd, gzip, sha256sum.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::{Bench, failure, tool};

fn bench(dumps: &Value) -> Bench {
    Bench::new().with(&json!({"streams": {"data": {"include": [], "dumps": dumps}}}))
}

fn dump(script: &str) -> Value {
    json!({"name": "orders", "extension": "sql", "command": {"run": ["sh", "-c", script]}})
}

#[test]
fn a_dump_becomes_an_artifact_that_plain_tools_read() {
    let mut gzip = dump("seq 1 1000000");
    gzip["name"] = "numbers".into();
    gzip["compression"] = "gzip".into();
    let bench = bench(&json!([dump("seq 1 2000000"), gzip]));
    let answer = bench.run();
    assert!(answer.changed && !answer.failed, "{answer:?}");
    let [stream] = &answer.streams[..] else { panic!("{answer:?}") };
    assert_eq!((stream.fate.as_str(), stream.kind.as_deref()), ("sealed", Some("full")));
    assert_eq!(stream.dumps, ["dump-orders.sql.zst", "dump-numbers.sql.gz"]);

    let generation = bench.handover("data").join(stream.id.as_ref().unwrap());
    assert_eq!(stream.path, generation);
    tool("sha256sum", &["-c", "--strict", "SHA256SUMS"], &generation);
    assert_eq!(stream.digest.as_deref(), Some(support::sha256(&generation.join("SHA256SUMS")).as_str()));
    let plain = tool("zstd", &["-dc", "dump-orders.sql.zst"], &generation);
    assert_eq!(plain, tool("seq", &["1", "2000000"], Path::new("/")));
    assert_eq!(
        tool("gzip", &["-dc", "dump-numbers.sql.gz"], &generation),
        tool("seq", &["1", "1000000"], Path::new("/"))
    );
    assert_eq!(tool("zstd", &["-dc", "catalog.jsonl.zst"], &generation), "");

    let manifest: Value = serde_json::from_slice(&fs::read(generation.join("manifest.json")).unwrap()).unwrap();
    let artifact = &manifest["artifacts"]["dump-orders.sql.zst"];
    assert_eq!(artifact["plain_bytes"], plain.len());
    assert_eq!(artifact["plain_sha256"], tool("sh", &["-c", "seq 1 2000000 | sha256sum"], Path::new("/"))[..64]);
    assert_eq!(artifact["bytes"], fs::metadata(generation.join("dump-orders.sql.zst")).unwrap().len());
    let modes = tool("sh", &["-c", "stat -c '%a %U' . * | sort -u"], &generation);
    assert_eq!(modes, "640 root\n750 root\n");
}

#[test]
fn what_ails_a_dump_fails_the_generation() {
    // (the command, kind, exit status, part of the message)
    let table = [
        ("echo half; exit 3", "dump_failed", 25, "exit status 3"),
        ("echo half; kill -9 $$", "dump_failed", 25, "signal"),
        ("exit 0", "dump_failed", 25, "wrote nothing"),
        ("echo secret-word >&2; echo x; exit 1", "dump_failed", 25, "secret-word"),
    ];
    for (script, kind, code, part) in table {
        let bench = bench(&json!([dump(script)]));
        let (status, stderr) = failure(&bench.cli(&["run", "shop"]));
        assert_eq!(status, code, "{script}: {stderr}");
        assert!(stderr.contains(part), "{script}: {stderr}");
        let answer = bench.run();
        assert_eq!((answer.kind.as_str(), answer.rc), (kind, 25), "{script}");
        assert!(!answer.changed);
        assert_eq!(bench.handed_over("data"), Vec::<String>::new(), "{script}");
        assert_eq!(bench.state("data")["last_failure"]["kind"], kind);
        assert_eq!(bench.state("data")["last_good"], Value::Null);
    }
}

#[test]
fn an_empty_dump_can_be_allowed() {
    let bench = bench(&json!([dump("exit 0")])).with(&json!({"streams": {"data": {"checks": {"empty": "allow"}}}}));
    let answer = bench.run();
    assert!(!answer.failed, "{answer:?}");
    assert!(answer.warnings.iter().any(|warning| warning.contains("wrote nothing")), "{answer:?}");
    let generation = &answer.streams[0].path;
    assert_eq!(tool("zstd", &["-dc", "dump-orders.sql.zst"], generation), "");
}

#[test]
fn a_dump_past_its_timeout_is_killed_with_its_children() {
    let bench = bench(&json!([]));
    let pid = bench.at("grandchild");
    let mut hanging = dump(&format!("echo x; sleep 1000 & echo $! > {}; wait", pid.display()));
    hanging["command"]["timeout"] = json!("1s");
    let bench = bench.with(&json!({"streams": {"data": {"dumps": [hanging]}}}));
    let answer = bench.run();
    assert_eq!(answer.kind, "dump_failed", "{answer:?}");
    let pid = fs::read_to_string(pid).unwrap();
    let alive = || Path::new("/proc").join(pid.trim()).join("exe").exists();
    support::wait_for("the end of the grandchild", || !alive());
}

#[test]
fn a_secret_that_others_can_read_is_refused_before_the_command_runs() {
    let bench = bench(&json!([]));
    let (secret, ran) = (bench.at("password"), bench.at("ran"));
    fs::write(&secret, "s3cret").unwrap();
    let mut with_secret = dump(&format!("touch {}; echo x", ran.display()));
    with_secret["command"]["secret_files"] = json!([secret]);
    let bench = bench.with(&json!({"streams": {"data": {"dumps": [with_secret]}}}));
    for mode in [0o644, 0o640, 0o606] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let answer = bench.run();
        assert_eq!(answer.kind, "permission", "{mode:o} {answer:?}");
        assert!(!ran.exists(), "{mode:o}");
        assert!(!format!("{answer:?}").contains("s3cret"));
    }
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!bench.run().failed);
    assert!(ran.exists());
}

#[test]
fn one_stream_that_fails_does_not_cost_the_other_its_copy() {
    let bench = bench(&json!([dump("echo good")])).with_stream("logs", &json!({"dumps": [dump("exit 1")]}));
    let answer = bench.run();
    assert!(answer.failed && answer.changed, "{answer:?}");
    assert_eq!(answer.kind, "dump_failed");
    let fates: Vec<_> = answer.streams.iter().map(|stream| (stream.stream.as_str(), stream.fate.as_str())).collect();
    assert_eq!(fates, [("data", "sealed"), ("logs", "failed")]);
    assert_eq!(bench.handed_over("data").len(), 1);
    assert_eq!(bench.handed_over("logs").len(), 0);
    assert_eq!(bench.state("data")["last_failure"], Value::Null);
    assert_eq!(bench.state("logs")["last_failure"]["kind"], "dump_failed");
}

#[test]
fn too_little_or_suddenly_less_is_not_sealed() {
    let bench = bench(&json!([dump("seq 1 1000")]));
    let checks = |bench: Bench, checks: Value| bench.with(&json!({"streams": {"data": {"checks": checks}}}));
    let bench = checks(bench, json!({"min_size": "1MiB"}));
    let answer = bench.run();
    assert_eq!(answer.kind, "source_invalid", "{answer:?}");
    assert!(answer.msg.contains("min_size"), "{answer:?}");

    let bench = checks(bench, json!({"min_size": "1kB", "max_shrink": "50%"}));
    let first = bench.run();
    assert!(!first.failed, "{first:?}");
    let before = support::digests(&bench.handover("data"));
    let bench = bench.with(&json!({"streams": {"data": {"dumps": [dump("seq 1 400")]}}}));
    let answer = bench.run();
    assert_eq!(answer.kind, "source_invalid", "{answer:?}");
    assert!(answer.msg.contains("max_shrink"), "{answer:?}");
    assert_eq!(support::digests(&bench.handover("data")), before);
    assert_eq!(bench.state("data")["last_good"]["generation"]["id"], first.streams[0].id.clone().unwrap());

    let accepted = bench.module(&json!({"max_shrink": "100%"}));
    assert!(!accepted.failed, "{accepted:?}");
}

#[test]
fn collect_and_its_children_are_nice_and_services_are_not() {
    let bench = bench(&json!([dump("nice; ionice")]))
        .with(&json!({"priority": {"nice": 7, "ionice": {"class": "best-effort", "level": 5}}}))
        .with_services(&["app"]);
    bench.control("app", "start");
    let answer = bench.run();
    assert!(!answer.failed, "{answer:?}");
    let said = tool("zstd", &["-dc", "dump-orders.sql.zst"], &answer.streams[0].path);
    assert_eq!(said, "7\nbest-effort: prio 5\n");
    let pid = fs::read_to_string(bench.at("app.pid")).unwrap();
    assert_eq!(tool("ps", &["-o", "ni=", "-p", pid.trim()], Path::new("/")).trim(), "0");
}

#[test]
fn generations_belong_to_the_user_of_the_stream() {
    let bench = bench(&json!([dump("echo x")])).with(&json!({"streams": {"data": {"user": "nobody"}}}));
    let answer = bench.run();
    assert!(!answer.failed, "{answer:?}");
    let owners = tool("sh", &["-c", "find . -printf '%m %u\\n' | sort -u"], &bench.at("handover-data"));
    assert_eq!(owners, "640 nobody\n750 nobody\n");
}
