//! Everything that somebody with a stolen key may think of, one after the other, over a real sshd: what the other host holds
//! is the same afterwards, to the byte.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::attack::{Holder, request};
use support::{INSTANCE, Lab, Way, sh, write};

const FIRST: &str = "20261110T020000Z";
const SECOND: &str = "20261111T020000Z";
const THIRD: &str = "20261112T020000Z";
const HOST: &str = "root@127.0.0.1";

/// An attempt, what must come of it (`harmless`: nothing, however it ends), and how it is made.
type Attempt<'a> = (String, &'static str, Box<dyn Fn() -> String + 'a>);

/// What the other host makes of it: a kind, `ok`, `failed`, or the kind of a verdict.
fn said(output: &Output) -> String {
    let refusal = || {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = stderr.lines().find_map(|line| line.trim().strip_prefix("handover-refusal "))?.to_owned();
        serde_json::from_str::<Value>(&line).ok()?["kind"].as_str().map(str::to_owned)
    };
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match answer["error"]["kind"].as_str() {
        Some(kind) => kind.to_owned(),
        None if answer["ok"].is_object() => "ok".into(),
        None => refusal().unwrap_or_else(|| if output.status.success() { "succeeded" } else { "failed" }.into()),
    }
}

fn ask(lab: &Lab, verb: &str, body: &Value) -> String {
    said(&lab.ssh(&format!("handover/1 {verb}"), request("web1", "shop", body).to_string().as_bytes()))
}

/// ssh itself, with further words of its own.
fn ssh(lab: &Lab, words: &[&str], command: &[&str]) -> Output {
    let mut ssh = Command::new("ssh-agent");
    ssh.arg("ssh").args(lab.ssh_words()).args(words).args(["-p", &lab.port.to_string(), HOST]).args(command);
    ssh.env("DISPLAY", ":99").stdin(Stdio::null()).output().unwrap()
}

/// What the forced command had in its environment.
fn seen(lab: &Lab, words: &[&str]) -> String {
    ssh(lab, words, &["handover/1", "status"]);
    let seen = fs::read_to_string(lab.path().join("seen")).unwrap();
    let telling = ["SSH_AUTH_SOCK", "DISPLAY", "SSH_TTY", "EVIL", "LD_PRELOAD", "HANDOVER_", "RSYNC_", "BASH_ENV"];
    match seen.lines().find(|line| telling.iter().any(|name| line.starts_with(name))) {
        Some(line) => line.to_owned(),
        None => "nothing".into(),
    }
}

/// A third generation in the handover point, whatever an earlier attempt left there.
fn third(lab: &Lab) -> std::path::PathBuf {
    third_on(lab, None)
}

fn third_on(lab: &Lab, base: Option<&str>) -> std::path::PathBuf {
    let _ = fs::remove_dir_all(lab.handover().join(THIRD));
    lab.generation(THIRD, base, b"third")
}

/// A third generation, changed in its manifest and its seal, as offered to the sink; what the verdict is.
fn crafted(lab: &Lab, base: Option<&str>, change: &dyn Fn(&mut Value), seal: &dyn Fn(String) -> String) -> String {
    let folder = third_on(lab, base);
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    write(&path, manifest.to_string(), 0o640);
    let sums = sh("grep -v manifest.json SHA256SUMS; sha256sum manifest.json", &folder);
    let mut lines: Vec<_> = seal(sums).lines().map(str::to_owned).collect();
    lines.sort_by(|one, other| one[64..].cmp(&other[64..]));
    write(&folder.join("SHA256SUMS"), lines.join("\n") + "\n", 0o640);
    let verdict = lab.offer(&folder);
    fs::remove_dir_all(folder).unwrap();
    match verdict["refused"]["kind"].as_str() {
        Some(kind) => kind.to_owned(),
        None => verdict.as_object().map_or_else(|| verdict.to_string(), |it| it.keys().next().unwrap().clone()),
    }
}

/// Makes every attempt; what `contents` tells is the same after each.
fn none_of_them_changes(lab: &Lab, attempts: &[Attempt<'_>], contents: &dyn Fn() -> String) {
    let before = contents();
    let mut wrong = Vec::new();
    for (what, expected, attempt) in attempts {
        let begin = std::time::Instant::now();
        let came = attempt();
        // Seen where one hangs.
        eprintln!("{:>6} ms {came:12} {what:.100}", begin.elapsed().as_millis());
        if *expected != "harmless" && came != *expected {
            wrong.push(format!("{what}: {came} instead of {expected}"));
        }
        assert_eq!(contents(), before, "{what}");
        assert!(!lab.path().join("loot").exists(), "{what}: something was taken or left");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    eprintln!("{} attempts", attempts.len());
}

fn attempt<'a>(what: impl Into<String>, expected: &'static str, make: impl Fn() -> String + 'a) -> Attempt<'a> {
    (what.into(), expected, Box::new(make))
}

/// Not ours: a shell, files, forwarding, an environment.
fn beside_the_protocol(lab: &Lab) -> Vec<Attempt<'_>> {
    let room = lab.path().display().to_string();
    let commands = [
        "",
        "id",
        "sh -c id",
        "cat /etc/passwd",
        "handover/1 status; id",
        "handover/1 status && id",
        "$(id)",
        "`id`",
        "handover/1",
        "handover/1 STATUS",
        "handover/one status",
        "handover/1 terminate",
        "handover/1 serve --allow fetch",
        "fetch handover/1 status",
        "handover/1 status --job web2/mail",
        "handover/1 receive",
        "handover/1 receive ../../store --server -e.L . .",
        "handover/1 receive 20261112T020000Z/../x --server -e.L . .",
        "/usr/lib/openssh/sftp-server",
        "internal-sftp",
        "scp -f /etc/passwd",
        "scp -t /tmp",
        "rsync --server --sender -logDtpre.iLsfxCIvu . /etc",
        "rsync --server --daemon .",
        "tar cf - /",
        "git-upload-pack /",
        "handover/1 status\nid",
    ];
    let mut all: Vec<_> = commands
        .map(|command| attempt(format!("command {command:?}"), "refused", move || said(&lab.ssh(command, b"id\n"))))
        .into();
    all.push(attempt("a command of 100 kB", "refused", || said(&lab.ssh(&"x".repeat(100_000), b""))));
    let loot = format!("{room}/loot");
    let forward = ["-o", "ExitOnForwardFailure=yes", "-N"];
    let forwards = [
        ("a port there", vec!["-R".to_owned(), "0:127.0.0.1:1".into()]),
        ("a socket there", vec!["-R".into(), format!("{loot}:127.0.0.1:1")]),
        ("a connection from there", vec!["-W".into(), format!("127.0.0.1:{}", lab.port)]),
    ];
    for (what, words) in forwards {
        all.push(attempt(format!("forwarding: {what}"), "failed", move || {
            let words: Vec<_> =
                forward.into_iter().filter(|_| words[0] == "-R").chain(words.iter().map(String::as_str)).collect();
            said(&ssh(lab, &words, &[]))
        }));
    }
    for (what, words) in [
        ("an agent", vec!["-A"]),
        ("X11", vec!["-X"]),
        ("a terminal", vec!["-tt"]),
        ("variables", vec!["-o", "SetEnv=EVIL=1 LD_PRELOAD=/loot HANDOVER_FAULT=x RSYNC_RSH=x BASH_ENV=/loot"]),
    ] {
        all.push(attempt(format!("with {what}"), "nothing", move || seen(lab, &words)));
    }
    all.push(attempt("sftp", "refused", || said(&ssh(lab, &["-s"], &["sftp"]))));
    for (what, words) in [("scp", vec![]), ("scp as of old", vec!["-O"])] {
        let (room, loot) = (room.clone(), loot.clone());
        all.push(attempt(format!("{what}, from there"), "failed", {
            let (words, loot) = (words.clone(), loot.clone());
            move || {
                let mut scp = Command::new("scp");
                scp.args(lab.ssh_words()).args(&words).args(["-P", &lab.port.to_string()]);
                said(&scp.args([&format!("{HOST}:/etc/passwd"), &loot]).output().unwrap())
            }
        }));
        all.push(attempt(format!("{what}, to there"), "failed", move || {
            let mut scp = Command::new("scp");
            scp.args(lab.ssh_words()).args(&words).args(["-P", &lab.port.to_string()]);
            said(&scp.args([&format!("{room}/client.pub"), &format!("{HOST}:{loot}")]).output().unwrap())
        }));
    }
    all.push(attempt("fifty connections at once", "harmless", || {
        let connections: Vec<_> = (0..50)
            .map(|_| {
                let mut ssh = Command::new("ssh");
                ssh.args(lab.ssh_words()).args(["-p", &lab.port.to_string(), HOST, "handover/1", "rotate"]);
                ssh.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
            })
            .collect();
        for mut connection in connections {
            connection.wait().unwrap();
        }
        String::new()
    }));
    all
}

/// The protocol's own words, with something wrong in them.
fn requests(lab: &Lab) -> Vec<Attempt<'_>> {
    let mut all = Vec::new();
    for (source, job) in [
        ("web2", "mail"),
        ("web2", "shop"),
        ("web1", "mail"),
        ("../web2", "shop"),
        ("web1", "../../web2/mail"),
        ("", ""),
    ] {
        all.push(attempt(format!("status of {source}/{job}"), "refused", move || {
            said(&lab.ssh("handover/1 status", request(source, job, &json!({})).to_string().as_bytes()))
        }));
    }
    for verb in ["list", "acknowledge", "release", "want-full", "recheck", "delete", "adopt", "send"] {
        all.push(attempt(verb, "refused", move || ask(lab, verb, &json!({}))));
    }
    let deep = format!("{{\"protocol\":1,\"tool\":\"\",\"x\":{}", "[".repeat(200_000));
    let (first, zeros) = (json!({"id": FIRST, "digest": "0".repeat(64)}), "0".repeat(64));
    let texts = json!({"generations": [{"manifest": "{}", "seal": "", "receipt": {"receipt": "{}", "signature": "mine"}}], "check": false});
    let many = json!({"generations": vec![json!({"manifest": "", "seal": ""}); 200_000], "check": false});
    for (what, verb, body, expected) in [
        ("a rotation by rules of one's own", "rotate", json!({"retention": {"generations": 0}}), "refused"),
        ("a rotation of another folder", "rotate", json!({"path": "/"}), "refused"),
        ("a rotation", "rotate", json!({}), "ok"),
        ("another digest for what is stored", "commit", json!({"generation": first}), "quarantined"),
        ("a commit of what never came", "commit", json!({"generation": {"id": THIRD, "digest": zeros}}), "refused"),
        (
            "a commit by path",
            "commit",
            json!({"generation": {"id": "../../web2/mail/data", "digest": zeros}}),
            "refused",
        ),
        ("a commit without a digest", "commit", json!({"generation": {"id": FIRST, "digest": ""}}), "refused"),
        ("a receipt of one's own", "offer", texts, "ok"),
        ("a crowd of empty offers", "offer", many, "ok"),
        ("a number where a list is", "offer", json!({"generations": 1, "check": false}), "refused"),
    ] {
        all.push(attempt(what, expected, move || ask(lab, verb, &body)));
    }
    all.push(attempt("200,000 brackets", "refused", move || said(&lab.ssh("handover/1 offer", deep.as_bytes()))));
    all.push(attempt("65 MiB of blanks", "refused", || said(&lab.ssh("handover/1 offer", &vec![b' '; 65 << 20]))));
    all.push(attempt("65 MiB of blanks to rsync", "command_failed", || {
        lab.offer(&third(lab));
        said(&lab.ssh(&format!("handover/1 receive {THIRD} --server -e.LsfxCIvu . ."), &vec![b' '; 65 << 20]))
    }));
    all
}

/// What is done to a manifest.
type Change = Box<dyn Fn(&mut Value)>;

/// Generations that are none, or not ours.
fn offers(lab: &Lab) -> Vec<Attempt<'_>> {
    let keep = |seal: String| seal;
    let set = |key: &'static str, value: Value| -> Change { Box::new(move |it| it[key] = value.clone()) };
    let changes: Vec<(&str, &'static str, Change)> = vec![
        ("of another job", "refused", set("job", json!("mail"))),
        ("of another source", "refused", set("source", json!("web2"))),
        ("of another stream", "refused", set("stream", json!("logs"))),
        ("of another installation", "quarantined", set("instance", json!("f".repeat(32)))),
        ("from the past", "quarantined", set("id", json!("20261109T020000Z"))),
        ("from the future", "quarantined", set("id", json!("29991231T235959Z"))),
        ("with an id that is stored", "quarantined", set("id", json!(SECOND))),
        ("with a path for an id", "damaged", set("id", json!("../../../web2"))),
        ("of a later format", "version_mismatch", set("format", json!(2))),
        ("of 17 MiB of text", "refused", set("warnings", json!(["x".repeat(17 << 20)]))),
        (
            "of more bytes than there are",
            "no_space",
            Box::new(|it| it["artifacts"]["data.tar.zst"]["bytes"] = json!(u64::MAX)),
        ),
        ("of the whole quota", "no_space", Box::new(|it| it["artifacts"]["data.tar.zst"]["bytes"] = json!(8 << 20))),
        ("of negative size", "damaged", Box::new(|it| it["artifacts"]["data.tar.zst"]["bytes"] = json!(-1))),
        (
            "with an artifact that is not sealed",
            "damaged",
            Box::new(|it| it["artifacts"]["dump-x.sql.zst"] = it["artifacts"]["data.tar.zst"].clone()),
        ),
    ];
    let mut all: Vec<_> = changes
        .into_iter()
        .map(|(what, expected, change)| {
            attempt(format!("a generation {what}"), expected, move || crafted(lab, None, &*change, &keep))
        })
        .collect();
    all.push(attempt("an incremental on a base that never was", "want_full", move || {
        crafted(lab, Some(FIRST), &|it| it["base"]["digest"] = json!("0".repeat(64)), &keep)
    }));
    let long = "x".repeat(5000) + ".zst";
    for name in [
        "../../../web2/mail",
        "/etc/cron.d/evil",
        ".ssh/authorized_keys",
        "patches/../../x.zst",
        "-e",
        "receipts/x.json",
        "dump-a\u{0}b.sql.zst",
        &long,
    ] {
        let name = name.to_owned();
        all.push(attempt(format!("an artifact called {name:.40?}"), "damaged", move || {
            let change = |it: &mut Value| {
                let artifacts = it["artifacts"].as_object_mut().unwrap();
                let data = artifacts.remove("data.tar.zst").unwrap();
                artifacts.insert(name.clone(), data);
            };
            crafted(lab, None, &change, &|seal| seal.replace("data.tar.zst", &name))
        }));
    }
    all
}

/// rsync's own options and places, in the name of a generation that was announced.
fn transfers<'a>(lab: &'a Lab, evil: &'a Path) -> Vec<Attempt<'a>> {
    let room = lab.path().display().to_string();
    let (loot, store) = (format!("{room}/loot"), format!("{room}/sink/store/web1/shop/data/{FIRST}"));
    let here = format!("{HOST}:.");
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut tries = vec![
        owned(&["-a", "--delete", ".", &format!("{HOST}:/")]),
        owned(&["-a", "--delete-before", "--force", "--ignore-errors", ".", &format!("{HOST}:../../../../../store/")]),
        owned(&["-RI", "data.tar.zst", &format!("{HOST}:../{FIRST}/")]),
        owned(&["-RI", "data.tar.zst", &format!("{HOST}:{store}/")]),
        owned(&["-a", "escape", "link", &here]),
        owned(&["-aK", "escape", &here]),
        owned(&["-aH", ".", &here]),
        owned(&["-aD", "pipe", "device", &here]),
    ];
    for option in [
        "--inplace",
        "--append",
        "--append-verify",
        "--write-devices",
        "--sparse",
        "--preallocate",
        "--super",
        "--fake-super",
        "-X",
        "-A",
        "--chmod=4777",
        "--chown=nobody:nogroup",
        "--usermap=*:nobody",
        "-O",
        "-b",
        "--mkpath",
        "--delay-updates",
        "--old-args",
        "-s",
        "-z",
        "--iconv=utf8,latin1",
        "--existing",
        "--remove-source-files",
        "-M--daemon",
        "-M--sender",
        "-M--inplace",
        "-M--write-devices",
    ] {
        tries.push(owned(&["-RI", option, "data.tar.zst", &here]));
    }
    for option in ["--backup-dir", "--partial-dir", "--temp-dir", "-M--log-file", "-M--write-batch"] {
        tries.push(owned(&["-RIb", &format!("{option}={loot}"), "data.tar.zst", &here]));
    }
    for option in ["--link-dest", "--copy-dest", "--compare-dest", "--backup-dir", "--partial-dir", "--temp-dir"] {
        tries.push(owned(&["-RIb", &format!("{option}={store}"), "data.tar.zst", &here]));
    }
    let announce = move || drop(lab.offer(&third(lab)));
    let mut all: Vec<_> = tries
        .into_iter()
        .map(|words| {
            attempt(format!("rsync {}", words.join(" ")), "harmless", move || {
                announce();
                sh("printf evil > data.tar.zst", evil);
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                lab.rsync(&format!("receive {THIRD}"), &words, evil);
                let odd = "find sink/incoming \\( -type l -o -type p -o -type b -o -type c -o -type s -o -perm /7022 \\) ! -name .lock";
                assert_eq!(sh(odd, lab.path()), "", "{words:?}");
                String::new()
            })
        })
        .collect();
    for verb in [
        format!("receive {THIRD}; touch {loot}"),
        format!("receive {THIRD} --daemon"),
        format!("receive {SECOND}"),
        "receive 20261113T020000Z".into(),
    ] {
        all.push(attempt(format!("rsync as {verb}"), "failed", move || {
            announce();
            match lab.rsync(&verb, &["-RI", "data.tar.zst", &format!("{HOST}:.")], evil).status.success() {
                // A word that is not rsync's is not taken over.
                true if verb.contains("daemon") || verb.contains("touch") => "failed".into(),
                true => "succeeded".into(),
                false => "failed".into(),
            }
        }));
    }
    for (verb, from) in
        [("send", "."), ("send", "data.tar.zst"), ("receive", "data.tar.zst"), ("receive", "/etc/passwd")]
    {
        let loot = loot.clone();
        all.push(attempt(format!("reading {from} by {verb}"), "failed", move || {
            let output = lab.rsync(&format!("{verb} {FIRST}"), &["-r", &format!("{HOST}:{from}"), &loot], evil);
            if output.status.success() { "succeeded" } else { "failed" }.into()
        }));
    }
    all
}

/// What arrives is not what it should be, or not alone.
fn arrivals(lab: &Lab) -> Vec<Attempt<'_>> {
    let third = move || {
        let folder = third(lab);
        assert!(lab.offer(&folder)["send"].is_object());
        folder
    };
    // It waits for another look: gone before the next attempt.
    let forget = move |answer: Value| {
        let _ = fs::remove_dir_all(lab.verifying().join(THIRD));
        answer["error"]["kind"].as_str().unwrap_or("ok").to_owned()
    };
    let commit = move |folder: &Path| forget(lab.commit(THIRD, folder).1);
    let mut all = Vec::new();
    for (what, change) in [
        ("other contents", "echo other > data.tar.zst"),
        ("contents that are too short", "truncate -s 1 data.tar.zst"),
        ("a receipt beside the data", "mkdir receipts; echo '{}' > receipts/20261112T020000Z.json"),
        ("a hold beside the data", "mkdir holds; : > holds/20261110T020000Z"),
        ("something that is not sealed", "echo x > extra"),
        ("another seal", "echo >> SHA256SUMS"),
        ("no seal", "rm SHA256SUMS"),
        ("another manifest", "sed -i s/web1/web2/ manifest.json"),
    ] {
        all.push(attempt(what, "damaged", move || {
            let folder = third();
            let copy = lab.path().join("copy");
            let _ = fs::remove_dir_all(&copy);
            sh(&format!("cp -a {} {}; cd {1}; {change}", folder.display(), copy.display()), lab.path());
            lab.bring(THIRD, &copy);
            commit(&folder)
        }));
    }
    for (what, plant, expected) in [
        ("a descriptor kept open", "exec 9>> data.tar.zst", "refused"),
        ("a seal kept open", "exec 9<> SHA256SUMS", "refused"),
        ("a hard link", "ln -f data.tar.zst ../second-name", "damaged"),
        ("a symbolic link to another job", "ln -sf ../../../../../store/web2/mail/data/secret data.tar.zst", "damaged"),
        ("a pipe", "rm data.tar.zst; mkfifo data.tar.zst", "damaged"),
        ("a device", "rm data.tar.zst; mknod data.tar.zst c 1 5", "damaged"),
        ("a folder", "rm data.tar.zst; mkdir data.tar.zst", "damaged"),
    ] {
        all.push(attempt(what, expected, move || {
            let folder = third();
            lab.bring(THIRD, &folder);
            // rsync does not make these: somebody has got further than that.
            let _holder = Holder::new(plant, &lab.incoming().join(THIRD));
            commit(&folder)
        }));
    }
    all
}

#[test]
fn a_stolen_source_changes_nothing_that_the_sink_holds() {
    let mut lab = Lab::new(Way::Push);
    lab.quota = Some("8MiB".into());
    lab.declare();
    for id in [FIRST, SECOND] {
        lab.generation(id, None, id.as_bytes());
        lab.good();
    }
    write(&lab.path().join("sink/store/web2/mail/data/secret"), "another job's", 0o640);
    lab.before_each_request(&format!("env > {}/seen", lab.path().display()));
    let evil = lab.path().join("evil");
    fs::create_dir(&evil).unwrap();
    sh(
        "ln -s / escape; ln -s /etc/passwd link; mkfifo pipe; mknod device c 1 5; echo x > one; ln one two; mkdir deep; echo x > deep/x",
        &evil,
    );
    let mut all = beside_the_protocol(&lab);
    all.extend(requests(&lab));
    all.extend(offers(&lab));
    all.extend(transfers(&lab, &evil));
    all.extend(arrivals(&lab));
    assert!(all.len() >= 100, "{}", all.len());
    none_of_them_changes(&lab, &all, &|| lab.sink_contents());
    drop(all);
    assert!(lab.taken() <= 8 << 20);

    // Bombs: what verifies is kept, and nobody unpacks it to know.
    let folder = third(&lab);
    sh("head -c 1G /dev/zero | zstd -q --ultra --long=27 -T2 -f -o catalog.jsonl.zst", &folder);
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let bytes = fs::metadata(folder.join("catalog.jsonl.zst")).unwrap().len();
    manifest["artifacts"]["catalog.jsonl.zst"] =
        json!({"bytes": bytes, "plain_bytes": 1 << 30, "plain_sha256": "0".repeat(64)});
    write(&path, manifest.to_string(), 0o640);
    sh("rm SHA256SUMS; sha256sum -- * > S; mv S SHA256SUMS", &folder);
    lab.good();
    assert_eq!(lab.sink_is_whole(), [FIRST, SECOND, THIRD]);
}

/// A sink that pulls, in other hands: it may read what waits, and say that it has it.
#[test]
fn a_stolen_sink_changes_nothing_that_the_source_holds() {
    let lab = Lab::new(Way::Pull);
    lab.generation(FIRST, None, b"first");
    lab.good();
    let folder = lab.generation(SECOND, None, b"second");
    lab.before_each_request(&format!("env > {}/seen", lab.path().display()));
    let digest = sh("sha256sum SHA256SUMS | cut -d' ' -f1", &folder).trim().to_owned();
    let receipt = |digest: &str, sink: &str, key: &str| {
        let text = json!({"format": 1, "source": "web1", "job": "shop", "stream": "data", "id": SECOND, "digest": digest, "instance": INSTANCE,
            "sink": sink, "received_at": "2026-11-11T03:00:00Z", "verified_at": "2026-11-11T03:00:00Z", "tool": "mine"});
        write(&lab.path().join("mine"), text.to_string(), 0o600);
        let _ = fs::remove_file(lab.path().join("mine.sig"));
        sh(&format!("ssh-keygen -q -Y sign -f {key} -n handover-receipt mine 2>/dev/null"), lab.path());
        let signature = fs::read_to_string(lab.path().join("mine.sig")).unwrap();
        json!({"signed": {"receipt": text.to_string(), "signature": signature}})
    };
    let zeros = "0".repeat(64);
    let other = json!({"generation": {"id": SECOND, "digest": zeros}});
    let unsigned = json!({"signed": {"receipt": "{}", "signature": ""}});
    let mut all = beside_the_protocol(&lab);
    for (what, verb, body, expected) in [
        ("bringing something", "offer", json!({"generations": [], "check": false}), "refused"),
        ("committing something", "commit", other.clone(), "refused"),
        ("a receipt by another key", "acknowledge", receipt(&digest, "sink1", "other"), "unsigned"),
        ("a receipt about another digest", "acknowledge", receipt(&zeros, "sink1", "receipt"), "unsigned"),
        ("a receipt in another sink's name", "acknowledge", receipt(&digest, "sink2", "receipt"), "unsigned"),
        ("no receipt", "acknowledge", unsigned, "damaged"),
        ("letting another digest go", "release", other.clone(), "not_found"),
        ("letting a path go", "release", json!({"generation": {"id": "../x", "digest": zeros}}), "refused"),
        ("having a sound copy set aside", "recheck", other, "ok"),
        ("a rotation by other rules", "rotate", json!({"generations": 0}), "refused"),
        ("a rotation", "rotate", json!({}), "ok"),
        ("listing all, by path", "list", json!({"select": "../all"}), "refused"),
    ] {
        all.push(attempt(what, expected, {
            let lab = &lab;
            move || ask(lab, verb, &body)
        }));
    }
    let loot = lab.path().join("loot").display().to_string();
    for names in
        ["/etc/passwd", "../../../../etc/passwd", ".", "..", "*", "data.tar.zst/../../x", "receipts/x.json", "--rsh=x"]
    {
        for id in [SECOND, FIRST, "20261112T020000Z"] {
            let (lab, loot) = (&lab, loot.clone());
            all.push(attempt(format!("reading {names} of {id}"), "failed", move || {
                let output = lab.rsync(&format!("send {id}"), &["-r", &format!("{HOST}:{names}"), &loot], lab.path());
                if output.status.success() { "succeeded" } else { "failed" }.into()
            }));
        }
    }
    for option in [
        "--remove-source-files",
        "--copy-links",
        "--copy-devices",
        "--write-devices",
        "-M--remove-source-files",
        "--ignore-times",
    ] {
        let lab = &lab;
        all.push(attempt(format!("reading with {option}"), "harmless", move || {
            let here = lab.path().join("read");
            fs::create_dir_all(&here).unwrap();
            lab.rsync(&format!("send {SECOND}"), &["-RI", option, &format!("{HOST}:SHA256SUMS"), "."], &here);
            String::new()
        }));
    }
    assert!(all.len() >= 80, "{}", all.len());
    none_of_them_changes(&lab, &all, &|| {
        let list = "find source/handover source/store ! -type d ! -name '.*' -printf '%p %y %m %U %G %s %l\\n' | sort
            find source/handover source/store -type f ! -name '.*' -exec sha256sum {} + | sort";
        sh(list, lab.path())
    });
    drop(all);
    // The honest one goes on.
    lab.good();
    assert_eq!(lab.sink_is_whole(), [FIRST, SECOND]);
}

/// A third generation, made apart from the handover point and changed in its manifest.
fn theirs(lab: &Lab, change: &dyn Fn(&mut Value)) -> std::path::PathBuf {
    let folder = lab.path().join("theirs");
    let _ = fs::remove_dir_all(&folder);
    fs::rename(lab.generation(THIRD, None, b"evil"), &folder).unwrap();
    let mut manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    change(&mut manifest);
    write(&folder.join("manifest.json"), manifest.to_string(), 0o640);
    sh("rm SHA256SUMS; LC_ALL=C; export LC_ALL; sha256sum -- * > S; mv S SHA256SUMS", &folder);
    folder
}

/// What comes of an offer of one: the kind of a refusal, or the verdict.
fn came(verdict: &Value) -> String {
    match verdict["refused"]["kind"].as_str().or_else(|| verdict["error"]["kind"].as_str()) {
        Some(kind) => kind.to_owned(),
        None => verdict.as_object().map_or_else(|| verdict.to_string(), |it| it.keys().next().unwrap().clone()),
    }
}

/// What is offered to a restore folder, and signed with the key that the sink has.
fn deliveries(lab: &Lab) -> Vec<Attempt<'_>> {
    let mut all = Vec::new();
    let set = |key: &'static str, value: Value| -> Change { Box::new(move |it| it[key] = value.clone()) };
    let offers: Vec<(&str, &'static str, Change)> = vec![
        ("of another job", "refused", set("job", json!("mail"))),
        ("of another source", "refused", set("source", json!("web2"))),
        ("of another stream", "refused", set("stream", json!("logs"))),
        ("from the future", "quarantined", set("id", json!("29991231T235959Z"))),
        ("with a name that is taken", "quarantined", set("id", json!(FIRST))),
        ("with a path for an id", "damaged", set("id", json!("../../../../etc"))),
        ("of a later format", "version_mismatch", set("format", json!(2))),
        ("of the whole quota", "no_space", Box::new(|it| it["artifacts"]["data.tar.zst"]["bytes"] = json!(8 << 20))),
        (
            "of more bytes than there are",
            "no_space",
            Box::new(|it| it["artifacts"]["data.tar.zst"]["bytes"] = json!(u64::MAX)),
        ),
        (
            "on a base that is not there",
            "not_found",
            Box::new(|it| {
                it["kind"] = json!("incremental");
                it["base"] = json!({"id": SECOND, "digest": "0".repeat(64)});
            }),
        ),
    ];
    for (what, expected, change) in offers {
        all.push(attempt(format!("a generation {what}"), expected, move || {
            came(&lab.offer_signed(&theirs(lab, &*change), "receipt", |_| {}))
        }));
    }
    for (what, key, change) in [
        ("by another key", "other", set("tool", json!("x"))),
        ("about another digest", "receipt", set("digest", json!("0".repeat(64)))),
        ("about another generation", "receipt", set("id", json!(SECOND))),
        ("in another sink's name", "receipt", set("sink", json!("sink2"))),
        ("about another installation", "receipt", set("instance", json!("f".repeat(32)))),
    ] {
        all.push(attempt(format!("a receipt {what}"), "unsigned", move || {
            came(&lab.offer_signed(&theirs(lab, &|_| {}), key, |it| change(it)))
        }));
    }
    all.push(attempt("no receipt", "unsigned", move || came(&lab.offer(&theirs(lab, &|_| {})))));
    let (zeros, many) =
        ("0".repeat(64), json!({"generations": vec![json!({"manifest": "", "seal": ""}); 3], "check": false}));
    for (what, verb, body, expected) in [
        ("many at once", "offer", many, "refused"),
        (
            "another digest for what is there",
            "commit",
            json!({"generation": {"id": FIRST, "digest": zeros}}),
            "quarantined",
        ),
        ("what never came", "commit", json!({"generation": {"id": SECOND, "digest": zeros}}), "refused"),
        ("a path", "commit", json!({"generation": {"id": "../x", "digest": zeros}}), "refused"),
    ] {
        all.push(attempt(format!("a commit or an offer of {what}"), expected, move || ask(lab, verb, &body)));
    }
    all
}

/// What is carried into a restore folder otherwise than it was announced.
fn carried<'a>(lab: &'a Lab, evil: &'a Path) -> Vec<Attempt<'a>> {
    let mut all = Vec::new();
    // What was announced, in other ways than that.
    let (loot, there) =
        (format!("{}/loot", lab.path().display()), lab.path().join("source/restore/shop/data").join(FIRST));
    let store = there.display().to_string();
    let here = format!("{HOST}:.");
    let mut tries: Vec<Vec<String>> = vec![
        vec!["-a".into(), "--delete".into(), ".".into(), format!("{HOST}:/")],
        vec!["-a".into(), "--delete".into(), ".".into(), format!("{HOST}:../../../../shop/data/")],
        vec!["-RI".into(), "one".into(), format!("{HOST}:../{FIRST}/")],
        vec!["-RI".into(), "one".into(), format!("{HOST}:{store}/")],
        vec!["-a".into(), "escape".into(), "link".into(), here.clone()],
        vec!["-aK".into(), "escape".into(), here.clone()],
        vec!["-aH".into(), ".".into(), here.clone()],
        vec!["-r".into(), format!("{HOST}:/etc/passwd"), loot.clone()],
    ];
    for option in
        ["--inplace", "--write-devices", "--remove-source-files", "-M--daemon", "-M--sender", "-M--write-devices"]
    {
        tries.push(vec!["-RI".into(), option.into(), "one".into(), here.clone()]);
    }
    for option in ["--backup-dir", "--partial-dir", "--temp-dir", "--link-dest", "--copy-dest", "-M--log-file"] {
        for place in [&loot, &store] {
            tries.push(vec!["-RIb".into(), format!("{option}={place}"), "one".into(), here.clone()]);
        }
    }
    for words in tries {
        all.push(attempt(format!("rsync {}", words.join(" ")), "harmless", move || {
            assert!(lab.offer_signed(&theirs(lab, &|_| {}), "receipt", |_| {})["send"].is_object());
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            lab.rsync(&format!("receive {THIRD}"), &words, evil);
            said(
                &lab.ssh(
                    "handover/1 commit",
                    request("web1", "shop", &json!({"generation": {"id": THIRD, "digest": "0".repeat(64)}}))
                        .to_string()
                        .as_bytes(),
                ),
            )
        }));
    }
    for (what, change) in [
        ("other contents", "echo other > data.tar.zst"),
        ("another seal", "echo >> SHA256SUMS"),
        ("no seal", "rm SHA256SUMS"),
        ("something that is not sealed", "echo x > extra"),
        ("another manifest", "sed -i s/web1/web2/ manifest.json"),
    ] {
        all.push(attempt(format!("{what} than was announced"), "damaged", move || {
            let folder = theirs(lab, &|_| {});
            assert!(lab.offer_signed(&folder, "receipt", |_| {})["send"].is_object());
            let copy = lab.path().join("copy");
            let _ = fs::remove_dir_all(&copy);
            sh(&format!("cp -a {} {}; cd {1}; {change}", folder.display(), copy.display()), lab.path());
            lab.bring(THIRD, &copy);
            lab.commit(THIRD, &folder).1["error"]["kind"].as_str().unwrap_or("ok").to_owned()
        }));
    }
    all
}

/// A sink in other hands, while a grant to deliver lasts: with its receipt key it may bring a generation of its own making, and nothing
/// else. What lies on the source, and in its restore folder, stays what it is.
#[test]
fn a_stolen_sink_with_a_grant_to_deliver_changes_nothing_that_is_there() {
    let mut lab = Lab::new(Way::Push);
    lab.quota = Some("8MiB".into());
    lab.declare();
    for id in [FIRST, SECOND] {
        lab.generation(id, None, id.as_bytes());
        lab.good();
    }
    lab.authorize("--job shop --stream data --allow deliver");
    let first = lab.sink_store().join(FIRST);
    assert!(lab.offer_signed(&first, "receipt", |_| {})["send"].is_object());
    lab.bring(FIRST, &first);
    assert!(lab.commit(FIRST, &first).1["ok"].is_object());
    lab.before_each_request(&format!("env > {}/seen", lab.path().display()));
    let (lab, evil) = (&lab, lab.path().join("evil"));
    fs::create_dir(&evil).unwrap();
    sh("ln -s / escape; ln -s /etc/passwd link; mkfifo pipe; echo x > one; ln one two", &evil);
    let mut all = beside_the_protocol(lab);
    for verb in
        ["list", "acknowledge", "release", "want-full", "recheck", "rotate", "status", "delete", "send", "place"]
    {
        all.push(attempt(verb, "refused", move || ask(lab, verb, &json!({}))));
    }
    all.extend(deliveries(lab));
    all.extend(carried(lab, &evil));
    assert!(all.len() >= 90, "{}", all.len());
    none_of_them_changes(lab, &all, &|| {
        let list = "find source/handover source/store source/restore/shop ! -type d ! -name '.*' -printf '%p %y %m %U %G %s %l\\n' | sort
            find source/handover source/store source/restore/shop -type f ! -name '.*' -exec sha256sum {} + | sort";
        sh(list, lab.path())
    });
    drop(all);
    // The honest one goes on.
    let second = lab.sink_store().join(SECOND);
    assert!(lab.offer_signed(&second, "receipt", |_| {})["send"].is_object());
    lab.bring(SECOND, &second);
    assert!(lab.commit(SECOND, &second).1["ok"].is_object());
    sh(&format!("diff -r source/restore/shop/data/{SECOND} {}", second.display()), lab.path());
}
