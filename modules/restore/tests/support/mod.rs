//! A source with a restore folder in one room: a live tree, a job document, generations made by foreign tools, and the
//! real executable. Needs root, as restore does.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::struct_field_names,
    reason = "each test file uses its part"
)]

use backup_tests::{mail, service};
use serde::Deserialize;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const EXECUTABLE: &str = env!("CARGO_BIN_EXE_backup_restore");
pub const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../archive/assets/restore.sh");
const BUILDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/support/build_generation.py");

pub const FULL: &str = "20261120T220000Z";
pub const INCREMENTAL: &str = "20261121T220000Z";

/// What a run reports, besides what every answer has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    pub job: String,
    pub streams: Vec<Stream>,
    pub target: Option<PathBuf>,
    pub services: Vec<Service>,
    pub recovered: Vec<String>,
    pub kept_old: Vec<PathBuf>,
    pub downtime_ms: u64,
    pub downtime_with_services_ms: u64,
    pub duration_ms: u64,
}

pub type Answer = backup_tests::answer::Answer<Report>;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    pub stream: String,
    pub fate: String,
    pub id: String,
    pub kind: String,
    pub base: Option<serde_json::Value>,
    pub digest: String,
    pub path: PathBuf,
    pub signed_by: Option<String>,
    #[serde(default)]
    pub owners: Vec<serde_json::Value>,
    pub roots: Vec<Root>,
    pub dumps: Vec<Dump>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    pub path: PathBuf,
    pub paths: u64,
    pub bytes: u64,
    pub created: u64,
    pub changed: u64,
    pub removed: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dump {
    pub name: String,
    pub loaded: bool,
    pub path: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub name: String,
    pub was_on: bool,
}

pub struct Lab {
    pub room: tempfile::TempDir,
}

impl Drop for Lab {
    fn drop(&mut self) {
        service::end_processes(&[self.room.path().to_str().unwrap()]);
    }
}

impl Lab {
    /// An empty source whose job `shop` includes `srv/shop`.
    pub fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this test restores owners and devices: run it as root");
        let lab = Self { room: tempfile::tempdir().unwrap() };
        fs::create_dir_all(lab.live()).unwrap();
        fs::create_dir_all(lab.path("tmp")).unwrap();
        let key = lab.path("sink_key");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "sink", "-f"]).arg(&key));
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        fs::write(lab.path("signers"), format!("sink1 namespaces=\"handover-receipt\" {public}")).unwrap();
        mail::agent(&lab.path("sendmail"), &lab.path("mail"));
        lab.job("", "", "[LIVE]");
        lab
    }

    /// The mail spool; empties it.
    pub fn mail(&self) -> String {
        mail::take(&self.path("mail"))
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.room.path().join(name)
    }

    /// The live tree.
    pub fn live(&self) -> PathBuf {
        self.path("srv/shop")
    }

    /// Where generations lie.
    pub fn stream(&self) -> PathBuf {
        self.path("restore/shop/data")
    }

    pub fn generation(&self, id: &str) -> PathBuf {
        self.stream().join(id)
    }

    /// Writes the job document; `ROOM` and `LIVE` in the arguments are replaced. `top` are lines of the document, `stream`
    /// lines of the stream, indented by four.
    pub fn job(&self, top: &str, stream: &str, include: &str) {
        let text = format!(
            "version: 1\njob: shop\nsource: web1\nstate: ROOM/state\nmail: {{to: [ops], sendmail: ROOM/sendmail}}\n{top}streams:\n  data:\n    \
             include: {include}\n    restore_folder: ROOM/restore\n    handover: {{path: ROOM/handover}}\n    \
             store: {{path: ROOM/store}}\n    transport: {{mode: push, peer: {{address: sink1}}, signers: ROOM/signers}}\n    \
             sink: {{name: sink1, home: ROOM/sink, retention: {{generations: 7}}}}\n{stream}"
        );
        let text =
            text.replace("LIVE", self.live().to_str().unwrap()).replace("ROOM", self.room.path().to_str().unwrap());
        fs::create_dir_all(self.path("config/jobs")).unwrap();
        fs::write(self.path("config/jobs/shop.yml"), text).unwrap();
    }

    /// Runs a script of bash in the live tree.
    pub fn shell(&self, script: &str) {
        run(Command::new("bash").args(["-euc", script]).current_dir(self.live()).env("ROOM", self.room.path()));
    }

    /// Makes a generation of the live tree, with a signed receipt.
    pub fn collect(&self, id: &str, options: &[&str]) {
        self.collect_roots(id, options, &[&self.live()]);
    }

    /// Makes a generation of the logs, without a receipt.
    pub fn collect_logs(&self, id: &str, root: &Path) {
        run(Command::new("python3").arg(BUILDER).arg(self.path("restore")).args(["shop", "logs", id]).arg(root));
    }

    pub fn collect_roots(&self, id: &str, options: &[&str], roots: &[&Path]) {
        let mut command = Command::new("python3");
        command.arg(BUILDER).arg(self.path("restore")).args(["shop", "data", id]).args(options).args(roots);
        run(&mut command);
        self.sign(id, "sink_key");
    }

    /// Writes the receipt of a generation as it is now, and signs it.
    pub fn sign(&self, id: &str, key: &str) {
        let digest = sha256(&self.generation(id).join("SHA256SUMS"));
        let receipt = serde_json::json!({
            "format": 1, "source": "web1", "job": "shop", "stream": "data", "id": id, "digest": digest,
            "instance": "0123456789abcdef".repeat(2), "sink": "sink1", "received_at": "2026-11-20T23:00:00Z",
            "verified_at": "2026-11-20T23:01:00Z", "tool": "foreign",
        });
        let path = self.stream().join("receipts").join(format!("{id}.json"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, serde_json::to_vec_pretty(&receipt).unwrap()).unwrap();
        let _ = fs::remove_file(path.with_extension("json.sig"));
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-Y", "sign", "-n", "handover-receipt", "-f"]).arg(self.path(key)).arg(&path);
        run(&mut sign);
    }

    /// Writes `SHA256SUMS` anew and signs again: what an attacker with the sink's trust, or a bug, would do.
    pub fn reseal(&self, id: &str) {
        let script = "rm SHA256SUMS; find . -type f ! -name .sums -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum >.sums; mv .sums SHA256SUMS";
        run(Command::new("bash").args(["-euc", script]).current_dir(self.generation(id)));
        self.sign(id, "sink_key");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(EXECUTABLE);
        command
            .arg(arguments[0])
            .arg("shop")
            .args(&arguments[1..])
            .arg("--config")
            .arg(self.path("config"))
            .arg("--json");
        command.env("TMPDIR", self.path("tmp"));
        command
    }

    /// Runs the executable and reads its answer.
    pub fn call(&self, arguments: &[&str]) -> Answer {
        answer(&self.command(arguments).output().unwrap())
    }

    /// A call that must succeed.
    pub fn restore(&self, arguments: &[&str]) -> Answer {
        let answer = self.call(&[&["run"], arguments].concat());
        assert!(!answer.failed, "{answer:?}");
        answer
    }

    /// Runs `restore.sh` with a shell and a tar.
    pub fn script(&self, shell: &str, tar: &str, id: &str, target: &Path) -> Output {
        Command::new(shell).arg(SCRIPT).arg(self.generation(id)).arg(target).env("TAR", tar).output().unwrap()
    }

    /// Where the live tree lies in another target.
    pub fn within(&self, target: &Path) -> PathBuf {
        target.join(self.live().strip_prefix("/").unwrap())
    }

    /// Nothing of ours is left beside the live tree or in the state directory.
    pub fn assert_clean(&self, what: &str) {
        let beside = names(&self.path("srv"));
        assert!(beside.iter().all(|name| !name.contains(".handover-")), "{what}: {beside:?}");
        let state = names(&self.path("state/shop"));
        assert!(!state.iter().any(|name| name == "restore.json" || name == "intent.json"), "{what}: {state:?}");
    }
}

pub fn answer(output: &Output) -> Answer {
    Answer::of(output)
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn sha256(path: &Path) -> String {
    run(Command::new("sha256sum").arg("--").arg(path)).trim_start_matches('\\')[..64].to_owned()
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Inodes and times of change: equal only if nobody touched anything in between.
pub fn marks(tree: &Path) -> String {
    run(Command::new("find").arg(tree).args(["-printf", "%p %i %C@ %T@ %s %n\n"]))
}

/// All that foreign tools can say about a tree.
pub fn portrait(tree: &Path) -> String {
    let script = "
        find . -printf '%p: %y %T@ %m %U %G %n %s %l\\0' | sort -z
        find . -type f -print0 | sort -z | xargs -0r sha256sum -z
        find . \\( -type b -o -type c \\) -print0 | sort -z | xargs -0r stat -c '%n %t %T'
        getfacl -Rnp . ; getfattr -Rhd -m - -e hex . 2>/dev/null
        find . -samefile . -o -links +1 -type f -printf '%i %p\\0' | sort -zn | awk -v RS='\\0' '{ if ($1 != last) n++; last = $1; $1 = n; print }'";
    run(Command::new("bash").args(["-c", script]).current_dir(tree).env("LC_ALL", "C"))
}

/// Both trees are the same to every foreign tool.
pub fn assert_same(one: &Path, other: &Path, what: &str) {
    let (a, b) = (portrait(one), portrait(other));
    if a != b {
        let difference = a.split(['\0', '\n']).zip(b.split(['\0', '\n'])).find(|(a, b)| a != b);
        panic!("{what}: {} and {} differ: {difference:?}", one.display(), other.display());
    }
    let diff = Command::new("diff").args(["-r", "--no-dereference"]).arg(one).arg(other).output().unwrap();
    let text = String::from_utf8_lossy(&diff.stdout).into_owned();
    // diff does not compare FIFOs and devices; it says so.
    let real: Vec<_> =
        text.lines().filter(|line| !(line.contains(" is a fifo while ") || line.contains(" special file "))).collect();
    assert!(real.is_empty(), "{what}: {real:?}");
}

pub fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from).arg(to));
}

pub fn make_executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn find_up(name: impl AsRef<OsStr>) -> bool {
    Command::new("sh")
        .arg("-c")
        .arg(format!("command -v {}", name.as_ref().display()))
        .output()
        .unwrap()
        .status
        .success()
}

/// A tree with one of everything, and what becomes of it the next day.
pub const ODDITIES: &str = r"
mkdir -p a/b c todir; echo 1 >a/f1; echo 2 >a/b/f2; ln a/f1 a/h1; echo x >c/gone; echo y >tofile; echo z >todir/z
ln -s a/f1 sl; ln -s /etc abs; ln -s '' empty-target 2>/dev/null || true; ln -s $'to\nwhere\xff' odd-link; chown -h 7:8 sl; touch -hd @1000000000.5 sl
printf x > $'new\nline'; printf y > $'inv\xff\xfealid'; printf z >' lead and trail '; touch -- '-dash' '*' 'back\slash' '%s' empty
printf long > $'inv\xff'$(printf 'n%.0s' {1..150})
setfacl -m u:1234:rw a/f1; setfacl -d -m u:1:rwx,g:77:r a/b; setfacl -m g:5:rwx c
setfattr -n user.foo -v bar a/b/f2; setfattr -n user.binary -v 0x00ff0a3d a/f1; setfattr -n trusted.t -v 1 a
cp /bin/true cap; setcap cap_net_raw+ep cap; chmod 4755 a/f1; chown 33:44 a/b/f2; chmod 2775 c; chmod 1777 todir
truncate -s 50M sparse; echo hi | dd of=sparse seek=30 bs=1M conv=notrunc status=none; truncate -s 3M all-hole
head -c 3M /dev/urandom >big; truncate -s 10M bigsp; head -c 64K /dev/urandom | dd of=bigsp conv=notrunc seek=3 bs=1M status=none; setcap cap_net_raw+ep bigsp
mkfifo -m 640 ff; mknod null c 1 3; mknod -m 600 loop b 7 9
mkdir emptyd; chmod 700 emptyd; touch -d '2001-01-01 00:00:00.123456789' emptyd; touch -d @-5.25 a/b/f2; mkdir -m 0 closed; echo in >closed/in
d=.; for i in $(seq 1 15); do d=$d/$(printf 'deep%.0s' {1..60}); mkdir $d; done; echo deep >$d/leaf; touch -d 2003-03-03 $d
";

/// See [`ODDITIES`].
pub const NEXT_DAY: &str = r"
echo 11 >a/b/f2; touch -d 2020-01-01 a/b; rm c/gone tofile a/h1; mkdir tofile; echo q >tofile/q; rm -r todir; echo w >todir
echo new >n1; ln n1 n2; rm abs; mkdir abs; echo real >abs/passwd; rm cap; ln -s a cap; chmod 600 closed/in
dd if=/dev/urandom of=big bs=4096 seek=100 count=10 conv=notrunc status=none; echo tail >> big
dd if=/dev/urandom of=bigsp bs=4096 seek=100 count=10 conv=notrunc status=none; truncate -s 9000000 bigsp; setcap cap_net_raw+ep bigsp
rm $'new\nline'; echo again > $'new\nline2'; setfattr -x user.foo a/b/f2; setfacl -b c
";

/// Makes a full of [`ODDITIES`], and an incremental of [`NEXT_DAY`] over it. Returns copies of both trees.
pub fn two_days(lab: &Lab) -> (PathBuf, PathBuf) {
    lab.shell(ODDITIES);
    lab.collect(FULL, &["--large-file", "2097152"]);
    copy(&lab.live(), &lab.path("first"));
    lab.shell(NEXT_DAY);
    lab.collect(INCREMENTAL, &["--base", FULL, "--large-file", "2097152"]);
    copy(&lab.live(), &lab.path("second"));
    (lab.path("first"), lab.path("second"))
}
