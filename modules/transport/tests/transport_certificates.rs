//! Logging in by a certificate, to a real sshd: what lets in, what a lapse costs, and what is said before.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::fs;
use std::process::Command;
use support::{Lab, Way, names, sh, write};

const FIRST: &str = "20261110T020000Z";

/// A job that logs in by a certificate of the authority `ca`, which the peer lets in for the principal `push`.
fn lab(way: Way) -> Lab {
    let mut lab = Lab::new(way);
    lab.transport = "window: 0s\n      auth: certificate".into();
    lab.declare();
    lab.generation(FIRST, None, b"data");
    sh("ssh-keygen -q -t ed25519 -N '' -C ca -f ca", lab.path());
    let ca = fs::read_to_string(lab.path().join("ca.pub")).unwrap();
    let line = format!("cert-authority,principals=\"push\",restrict,command=\"{}/forced\" {ca}", lab.path().display());
    write(&lab.path().join("authorized_keys"), line, 0o644);
    lab
}

impl Lab {
    /// Signs the client's key for `principal`, valid as `ssh-keygen -V` is told.
    fn certify(&self, principal: &str, validity: &str) {
        sh(&format!("ssh-keygen -q -s ca -I test -n {principal} -V {validity} client.pub"), self.path());
    }

    fn denied(&self, hint: &str) {
        let answer = self.run();
        assert_eq!(answer.kind, "authentication", "{answer:?}");
        assert!(answer.hint.contains(hint), "{answer:?}");
        assert_eq!(names(&self.handover()), [FIRST]);
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.command("status").output().unwrap().stdout).unwrap()
    }
}

#[test]
fn a_certificate_lets_in_and_without_a_good_one_nothing_is_lost() {
    for way in [Way::Push, Way::Pull] {
        let lab = lab(way);
        lab.denied("no certificate to log in with");
        lab.certify("push", "-2d:-1h");
        lab.denied("lapsed at");
        lab.certify("push", "+1h:+2d");
        lab.denied("set the clocks");
        lab.certify("another", "-1h:+20d");
        lab.denied("is not accepted");
        assert_eq!(lab.mail().matches("Subject: handover web1/shop: transport failed").count(), 4);

        lab.certify("push", "-1h:+20d");
        assert_eq!(lab.good().warnings, [""; 0]);
        assert_eq!(lab.sink_is_whole(), [FIRST]);
    }
}

#[test]
fn that_it_lapses_soon_is_said_and_to_cron_once_a_day() {
    let lab = lab(Way::Push);
    lab.certify("push", "-1h:+6d");
    let quiet = || {
        let mut words = lab.arguments("run");
        words.retain(|word| word != "--json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup_transport"));
        let output = command.args(words).arg("--quiet").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = quiet();
    assert!(said.contains("lapses at") && said.contains("site.yml"), "{said}");
    assert_eq!(quiet(), "");
    assert!(lab.good().warnings[0].contains("lapses at"));

    lab.certify("push", "-1h:+8d");
    assert_eq!(lab.good().warnings, [""; 0]);
    let until = sh("date -u -d '+8 days' +%Y-%m-%dT%H", lab.path());
    let told = lab.status();
    let told = told["streams"][0]["certificate_until"].as_str().unwrap();
    assert!(told.starts_with(until.trim()), "{told}");
    fs::remove_file(lab.path().join("client-cert.pub")).unwrap();
    let told = lab.status();
    assert!(told["warnings"][0].as_str().unwrap().contains("cannot read the certificate"), "{told}");
}
