//! What somebody who has a peer's key can say by himself, with ssh, rsync and a shell.

use super::{Lab, sh};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

impl Lab {
    pub fn ssh_words(&self) -> Vec<String> {
        let room = self.path().display();
        format!(
            "-F none -i {room}/client -o IdentitiesOnly=yes -o UserKnownHostsFile={room}/known_hosts -o BatchMode=yes -o LogLevel=ERROR"
        )
        .split(' ')
        .map(str::to_owned)
        .collect()
    }

    /// What a peer with the key can say by itself.
    pub fn ssh(&self, command: &str, input: &[u8]) -> Output {
        let mut ssh = Command::new("ssh");
        ssh.args(self.ssh_words()).args(["-p", &self.port.to_string(), "root@127.0.0.1"]);
        if !command.is_empty() {
            ssh.arg(command);
        }
        let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that is refused does not read.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    pub fn ask(&self, verb: &str, request: &Value) -> (Option<i32>, Value) {
        let output = self.ssh(&format!("handover/1 {verb}"), request.to_string().as_bytes());
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
    }
}

pub fn request(source: &str, job: &str, body: &Value) -> Value {
    json!({"protocol": 1, "tool": "0", "subject": {"source": source, "job": job, "stream": "data"}, "body": body})
}

pub fn kind(answer: &Value) -> &str {
    answer["error"]["kind"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

impl Lab {
    /// Announces what lies in `folder` as one generation; returns the verdict.
    pub fn offer(&self, folder: &Path) -> Value {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let body =
            json!({"generations": [{"manifest": text("manifest.json"), "seal": text("SHA256SUMS")}], "check": false});
        let (_, mut answer) = self.ask("offer", &request("web1", "shop", &body));
        answer["ok"]["verdicts"][0].take()
    }

    /// The same with a receipt for it that this key has signed, after `change`; returns the verdict, or the failure.
    pub fn offer_signed(&self, folder: &Path, key: &str, change: impl FnOnce(&mut Value)) -> Value {
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        let manifest: Value = serde_json::from_str(&text(&folder.join("manifest.json"))).unwrap_or_default();
        let mut receipt = json!({
            "format": 1, "source": "web1", "job": "shop", "stream": "data", "id": manifest["id"], "instance": manifest["instance"],
            "digest": sh("sha256sum SHA256SUMS | cut -d' ' -f1", folder).trim(), "sink": "sink1",
            "received_at": "2026-11-20T23:00:00Z", "verified_at": "2026-11-20T23:01:00Z", "tool": "mine",
        });
        change(&mut receipt);
        let path = self.path().join("mine");
        fs::write(&path, receipt.to_string()).unwrap();
        sh(
            &format!("rm -f mine.sig; ssh-keygen -q -Y sign -f {key} -n handover-receipt mine 2>/dev/null"),
            self.path(),
        );
        let signed = json!({"receipt": text(&path), "signature": text(&path.with_extension("sig"))});
        let one = json!({"manifest": text(&folder.join("manifest.json")), "seal": text(&folder.join("SHA256SUMS")), "receipt": signed});
        let (_, mut answer) =
            self.ask("offer", &request("web1", "shop", &json!({"generations": [one], "check": false})));
        if answer["ok"].is_null() { answer } else { answer["ok"]["verdicts"][0].take() }
    }

    /// rsync with these words, in `directory`, for 20 s at the most (with some it waits for ever), where `--rsync-path` says what the sink shall do.
    pub fn rsync(&self, verb: &str, words: &[&str], directory: &Path) -> Output {
        let rsh = format!("ssh {} -p {}", self.ssh_words().join(" "), self.port);
        let path = format!("--rsync-path=handover/1 {verb}");
        Command::new("timeout")
            .args(["20", "rsync", "-e", &rsh, &path])
            .args(words)
            .current_dir(directory)
            .output()
            .unwrap()
    }

    /// Carries all of `folder` as generation `id`.
    pub fn bring(&self, id: &str, folder: &Path) {
        let output = self.rsync(&format!("receive {id}"), &["-rRI", ".", "root@127.0.0.1:."], folder);
        assert!(output.status.success(), "{output:?}");
    }

    /// Asks for the commit of what was announced as it lies in `folder`.
    pub fn commit(&self, id: &str, folder: &Path) -> (Option<i32>, Value) {
        let digest = sh("sha256sum SHA256SUMS | cut -d' ' -f1", folder);
        self.ask("commit", &request("web1", "shop", &json!({"generation": {"id": id, "digest": digest.trim()}})))
    }

    /// What this stream takes up on the sink, as `find` tells it: every file once, in blocks of 4096 bytes.
    pub fn taken(&self) -> u64 {
        let count = "for of in store verifying; do find sink/$of/web1/shop/data -printf '%D:%i %y %s\\n' 2>/dev/null || true; done > taken
            find sink/incoming/web1/shop/data -mindepth 1 -printf '%D:%i %y %s\\n' >> taken 2>/dev/null || true
            sort -u taken | awk '{ size = $2 == \"d\" ? 0 : $3; blocks = int((size + 4095) / 4096); total += (blocks ? blocks : 1) * 4096 } END { print total + 0 }'";
        sh(count, self.path()).trim().parse().unwrap()
    }

    /// The digest, type, mode, owner and target of everything in the sink's store, and the state beside it.
    pub fn sink_contents(&self) -> String {
        let list = "find sink/store sink/verifying ! -type d ! -name .lock -printf '%p %y %m %U %G %s %l\\n' | sort; find sink/store -type f ! -name .lock -exec sha256sum {} + | sort";
        sh(list, self.path())
    }
}

/// A process that has files open, until it is dropped.
pub struct Holder(Child);

impl Holder {
    /// A shell in `directory` that has run `script`.
    pub fn new(script: &str, directory: &Path) -> Self {
        let mut child = Command::new("sh")
            .args(["-euc", &format!("{script}\necho ready; read -r end || true")])
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}
