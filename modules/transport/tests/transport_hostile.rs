//! What a key is not for: another job, another direction, a shell, files, rsync's own options.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use support::attack::{Holder, kind, request};
use support::{Lab, Way, names, write};

const FIRST: &str = "20261110T020000Z";
const SECOND: &str = "20261111T020000Z";

#[test]
fn there_is_no_shell_and_there_are_no_files() {
    let lab = Lab::new(Way::Push);
    let secret = lab.path().join("secret");
    write(&secret, "secret", 0o600);
    for command in ["", "id", "sh -c id", "cat /etc/passwd", "handover/1 offer; id", "scp -f /etc/passwd", "$(id)"] {
        let output = lab.ssh(command, b"id\n");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{command}");
        assert!(!said.contains("uid=") && !said.contains("root:"), "{command}: {said}");
        assert_eq!(kind(&serde_json::from_str(&said).unwrap()), "refused");
    }
    let port = lab.port.to_string();
    let room = lab.path().to_str().unwrap();
    for (program, words) in [
        ("sftp", vec!["-P", &port, "-b", "/dev/null", "root@127.0.0.1"]),
        ("scp", vec!["-P", &port, "root@127.0.0.1:/etc/passwd", room]),
        ("scp", vec!["-O", "-P", &port, "root@127.0.0.1:/etc/passwd", room]),
    ] {
        let output = Command::new(program).args(lab.ssh_words()).args(words).output().unwrap();
        assert!(!output.status.success(), "{program}");
    }
    assert!(!lab.path().join("passwd").exists());
    let forward = Command::new("ssh")
        .args(lab.ssh_words())
        .args(["-o", "ExitOnForwardFailure=yes", "-N", "-R", "0:127.0.0.1:1", "-p", &port, "root@127.0.0.1"])
        .output()
        .unwrap();
    assert!(!forward.status.success());
}

#[test]
fn rsync_gets_our_options_and_our_folder() {
    let lab = Lab::new(Way::Push);
    lab.generation(FIRST, None, b"data");
    lab.good();
    let rsh = format!("ssh {} -p {}", lab.ssh_words().join(" "), lab.port);
    let evil = lab.path().join("evil");
    write(&evil.join("evil"), "evil", 0o644);
    let rsync =
        |words: &[&str]| Command::new("rsync").args(["-e", &rsh]).args(words).current_dir(&evil).output().unwrap();
    // Without our verb, and with it: a generation that was not offered.
    assert!(!rsync(&["-r", ".", "root@127.0.0.1:/tmp/"]).status.success());
    let receive = format!("--rsync-path=handover/1 receive {SECOND}");
    assert!(!rsync(&["-r", &receive, ".", "root@127.0.0.1:/"]).status.success());

    // One that was: the names, times and places that the client asks for are its own affair.
    let folder = lab.generation(SECOND, None, b"more");
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let offer =
        json!({"generations": [{"manifest": text("manifest.json"), "seal": text("SHA256SUMS")}], "check": false});
    let (_, verdicts) = lab.ask("offer", &request("web1", "shop", &offer));
    assert_eq!(verdicts["ok"]["verdicts"][0]["send"]["resumed"], false, "{verdicts}");
    let before = names(&lab.sink_store());
    std::os::unix::fs::symlink("/etc", evil.join("link")).unwrap();
    let _ = rsync(&["-RrlIt", "--delete", &receive, "evil", "link", "root@127.0.0.1:../../../../../../etc/"]);
    let plain = rsync(&["-RI", &receive, "evil", "root@127.0.0.1:../../../../../../etc/"]);
    assert!(!std::path::Path::new("/etc/evil").exists());
    assert!(plain.status.success(), "{plain:?}");
    assert!(lab.incoming().join(SECOND).join("evil").exists(), "it lands where everything of this id lands");
    assert!(fs::symlink_metadata(lab.incoming().join(SECOND).join("link")).is_err());
    assert_eq!(names(&lab.sink_store()), before);
    // Sending is not what this key is for.
    let send = format!("--rsync-path=handover/1 receive {FIRST}");
    assert!(!rsync(&["-r", &send, "root@127.0.0.1:/", "."]).status.success());
    let send = format!("--rsync-path=handover/1 send {FIRST}");
    assert!(!rsync(&["-r", &send, "root@127.0.0.1:/", "."]).status.success());

    // What is too much in the folder is not stored; the honest run then is.
    let commit = |id: &str, seal: &str| {
        let digest = support::sh("sha256sum SHA256SUMS | cut -d' ' -f1", &lab.handover().join(seal));
        request("web1", "shop", &json!({"generation": {"id": id, "digest": digest.trim()}}))
    };
    let copy = format!("cp -a {}/. {}/", folder.display(), lab.incoming().join(SECOND).display());
    support::sh(&copy, lab.path());
    let (code, answer) = lab.ask("commit", &commit(SECOND, SECOND));
    assert_eq!((code, kind(&answer)), (Some(60), "damaged"), "{answer}");
    lab.good();
    assert_eq!(lab.sink_is_whole(), [FIRST, SECOND]);
}

/// However it is damaged: what a peer says never moves it or puts something else in its place, and the same copy heals it.
#[test]
fn a_damaged_copy_gives_way_to_nothing_but_itself() {
    let lab = Lab::new(Way::Push);
    let folder = lab.generation(FIRST, None, b"data");
    support::sh(&format!("cp -a {} kept", folder.display()), lab.path());
    lab.good();
    let stored = lab.sink_store().join(FIRST);
    let digest =
        |folder: &std::path::Path| support::sh("sha256sum SHA256SUMS | cut -d' ' -f1", folder).trim().to_owned();
    let own = digest(&stored);
    let commit = |digest: &str| {
        let (_, answer) =
            lab.ask("commit", &request("web1", "shop", &json!({"generation": {"id": FIRST, "digest": digest}})));
        kind(&answer).to_owned()
    };
    let listing = || support::sh(&format!("find {FIRST} -type f -exec sha256sum {{}} + | sort"), &lab.sink_store());
    let notes = lab.sink_store().join(format!("receipts/{FIRST}.checked.json"));
    let noted = format!(
        "printf '{{\"digest\":\"{own}\",\"checked_at\":\"2026-11-12T02:00:00Z\",\"ok\":false}}' > {}",
        notes.display()
    );
    for damage in [
        "echo X >> data.tar.zst",
        &format!("echo X >> data.tar.zst; {noted}"),
        "echo X >> manifest.json",
        "echo X > SHA256SUMS",
    ] {
        support::sh(damage, &stored);
        let before = listing();
        assert_eq!(commit(&"0".repeat(64)), "quarantined", "{damage}: nothing has arrived");
        // The same with another copy of that id in `incoming`, announced before the sink had one.
        support::sh(
            &format!(
                "mkdir {0}; cp -a kept/. {0}/; cd {0}; echo other > data.tar.zst; rm SHA256SUMS; sha256sum -- * > S; mv S SHA256SUMS",
                lab.incoming().join(FIRST).display()
            ),
            lab.path(),
        );
        assert_eq!(commit(&digest(&lab.incoming().join(FIRST))), "quarantined", "{damage}: another has arrived");
        assert_eq!(listing(), before, "{damage}");
        support::sh(&format!("rm -rf {}", lab.incoming().join(FIRST).display()), lab.path());
        if damage == "echo X >> data.tar.zst" {
            // Nobody has noticed.
            support::sh(&format!("cp kept/data.tar.zst {}/", stored.display()), lab.path());
        } else {
            assert_eq!(commit(&own), "damaged", "{damage}: nothing has arrived");
            assert_eq!(listing(), before, "{damage}");
            // The acknowledgement was lost, so the source offers it again.
            let again = format!("rm -rf {}; cp -a kept {}", lab.source_store().display(), folder.display());
            support::sh(&again, lab.path());
            lab.good();
        }
        assert_eq!((lab.sink_is_whole(), digest(&stored)), (vec![FIRST.to_owned()], own.clone()), "{damage}");
    }
}

#[test]
fn a_key_is_for_one_job_and_one_direction() {
    let push = Lab::new(Way::Push);
    push.generation(FIRST, None, b"data");
    push.good();
    for (source, job) in [("web2", "shop"), ("web1", "mail"), ("../web1", "shop"), ("web1", "../../web2/shop")] {
        let (code, answer) = push.ask("status", &request(source, job, &json!({})));
        assert_eq!((code, kind(&answer)), (Some(42), "refused"), "{answer}");
    }
    let pull = Lab::new(Way::Pull);
    pull.generation(FIRST, None, b"data");
    for (lab, verbs) in
        [(&push, &["list", "acknowledge", "release", "want-full", "recheck"][..]), (&pull, &["offer", "commit"][..])]
    {
        for verb in verbs {
            let (_, answer) = lab.ask(verb, &request("web1", "shop", &json!({})));
            assert_eq!(kind(&answer), "refused", "{verb}: {answer}");
        }
    }
    // A generation of another job in the folder of this one, whole and sealed, is refused for what its manifest says.
    let folder = push.generation(SECOND, None, b"data");
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap().replace("\"shop\"", "\"mail\"");
    write(&folder.join("manifest.json"), manifest, 0o640);
    support::sh("rm SHA256SUMS; sha256sum -- * > S; mv S SHA256SUMS", &folder);
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let offer =
        json!({"generations": [{"manifest": text("manifest.json"), "seal": text("SHA256SUMS")}], "check": false});
    let (_, answer) = push.ask("offer", &request("web1", "shop", &offer));
    assert_eq!(answer["ok"]["verdicts"][0]["refused"]["kind"], "refused", "{answer}");
    assert_eq!(names(&push.incoming()), [""; 0]);
}

#[test]
fn another_version_is_told_apart_from_a_failure() {
    let lab = Lab::new(Way::Push);
    let newer = lab.ssh("handover/2 status", b"{}");
    let answer: Value = serde_json::from_slice(&newer.stdout).unwrap();
    assert_eq!((newer.status.code(), kind(&answer), &answer["protocol"]), (Some(43), "version_mismatch", &json!(1)));
    let mut other = request("web1", "shop", &json!({}));
    other["protocol"] = 2.into();
    let (_, answer) = lab.ask("status", &other);
    assert_eq!(kind(&answer), "version_mismatch");

    // The client's side: a peer of another version, and one that is something else altogether.
    lab.generation(FIRST, None, b"data");
    for (script, said) in [
        (r#"echo '{"protocol":2,"tool":"9.9.9","news":true}'; exit 43"#, "protocol 2 (version 9.9.9)"),
        ("echo 'Welcome to a shell'", "Welcome to a shell"),
        ("exit 127", "does not answer as Handover does"),
    ] {
        lab.before_each_request(&format!("{script}\nkill $PPID"));
        write(&lab.path().join("forced"), format!("#!/bin/sh\n{script}\n"), 0o755);
        let answer = lab.run();
        assert_eq!(answer.kind, "version_mismatch", "{answer:?}");
        assert!(answer.msg.contains(said) && !answer.hint.is_empty(), "{answer:?}");
    }
}

#[test]
fn requests_beyond_the_limits_are_refused_unread() {
    let lab = Lab::new(Way::Push);
    let deep = format!("{{\"protocol\":1,\"tool\":\"\",\"x\":{}", "[".repeat(100_000));
    for (input, said) in [
        (b"".to_vec(), "EOF"),
        (b"{".to_vec(), "EOF"),
        (deep.into_bytes(), "EOF"),
        (vec![b' '; 65 << 20], "longer than"),
    ] {
        let output = lab.ssh("handover/1 offer", &input);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(kind(&answer), "refused");
        assert!(answer["error"]["msg"].as_str().unwrap().contains(said), "{answer}");
    }
}

/// The lock that rsync holds is free, and somebody has a file open all the same.
#[test]
fn what_somebody_can_still_write_to_is_not_taken_in() {
    let lab = Lab::new(Way::Push);
    let folder = lab.generation(FIRST, None, b"data");
    let arrived = lab.incoming().join(FIRST);
    for (held, file) in [("exec 9>> data.tar.zst", "data.tar.zst"), ("exec 9<> SHA256SUMS", "SHA256SUMS")] {
        assert!(lab.offer(&folder)["send"].is_object());
        lab.bring(FIRST, &folder);
        let holder = Holder::new(held, &arrived);
        // Again and again: it waits where no login of the peer reaches, and nothing of it is stored.
        for _ in 0..2 {
            let (code, answer) = lab.commit(FIRST, &folder);
            assert_eq!((code, kind(&answer)), (Some(42), "refused"), "{answer}");
            assert!(answer["error"]["msg"].as_str().unwrap().contains(&format!("{file} open for writing")), "{answer}");
            assert_eq!((names(&lab.sink_store()), names(&lab.incoming())), (vec![], vec![]));
        }
        drop(holder);
        support::sh(
            &format!("mkdir -p {0}; mv {1} {0}/", lab.incoming().display(), lab.verifying().join(FIRST).display()),
            lab.path(),
        );
    }
    let mail = lab.mail();
    assert_eq!(mail.matches("open for writing").count(), 1, "once a day: {mail}");

    // A second name is a way in as well. What has one goes back, and is carried anew.
    support::sh("ln data.tar.zst ../second-name", &arrived);
    let (code, answer) = lab.commit(FIRST, &folder);
    assert_eq!((code, kind(&answer)), (Some(60), "damaged"), "{answer}");
    lab.good();
    assert_eq!(lab.sink_is_whole(), [FIRST]);
    assert_eq!(support::sh(&format!("stat -c %h {FIRST}/data.tar.zst"), &lab.sink_store()), "1\n");
}
