//! A whole fleet at one sink in one minute: every source's copy arrives, is verified and signed for, whatever sshd drops in
//! between.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Done, Executable, sh};
use backup_tests::lab::{Lab, Way, write_script};
use backup_tests::oracle;
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCES: usize = 99;

/// One of many sources of the lab's sink.
struct Source {
    name: String,
    config: PathBuf,
    srv: PathBuf,
}

impl Source {
    /// Declares it on both sides, from what the lab declares of its own, with a key that leads to its own job alone.
    fn new(lab: &Lab, number: usize, authorized: &mut String) -> Self {
        let name = format!("host{number}");
        let home = lab.at(&name);
        let document = lab.job.to_string().replace("\"web1\"", &format!("\"{name}\""));
        let document = document.replace(&lab.at("source").display().to_string(), &home.display().to_string());
        let document = document.replace(&lab.at("push").display().to_string(), &home.join("key").display().to_string());
        let (config, srv) = (home.join("etc"), home.join("srv"));
        for folder in [config.join("jobs"), lab.at(&format!("sink/etc/jobs/{name}")), srv.clone()] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(config.join("jobs/shop.yml"), &document).unwrap();
        fs::write(lab.at(&format!("sink/etc/jobs/{name}/shop.yml")), &document).unwrap();
        sh(&format!("ssh-keygen -q -t ed25519 -N '' -f {0}/key; seq {number} 20000 > {0}/srv/list", home.display()));
        let serve = lab.at(&format!("bin/serve-{name}"));
        let executable = Executable::Transport.path();
        let (executable, sink) = (executable.display(), lab.at("sink/etc"));
        let words = format!("serve --config {} --job {name}/shop --stream data --allow push", sink.display());
        write_script(&serve, &format!("exec {executable} {words}"));
        let public = fs::read_to_string(home.join("key.pub")).unwrap();
        let _ = write!(authorized, "restrict,command=\"{}\" {public}", serve.display());
        Self { name, config, srv }
    }

    fn command(&self, executable: Executable) -> Command {
        let mut command = Command::new(executable.path());
        command.args(["run", "shop", "--json", "--config"]).arg(&self.config).stdin(Stdio::null());
        command
    }

    fn store(&self, lab: &Lab) -> PathBuf {
        lab.at(&format!("sink/home/store/{}/shop/data", self.name))
    }
}

#[test]
fn ninety_nine_sources_push_to_one_sink_at_once() {
    let mut lab = Lab::in_memory(Way::Push);
    // What sshd has by itself: of more than ten logins under way it drops some, of more than a hundred all.
    lab.startups = "10:30:100";
    lab.kill_sshd();
    lab.start_sshd();
    lab.change(&json!({"streams": {"data": {"transport": {"window": "10m"}}}}));
    let mut authorized = String::new();
    let sources: Vec<_> = (0..SOURCES).map(|number| Source::new(&lab, number, &mut authorized)).collect();
    fs::write(lab.at("authorized_keys"), authorized).unwrap();
    for source in &sources {
        Done::of(&mut source.command(Executable::Collect)).good();
    }

    let run =
        |source: &Source| source.command(Executable::Transport).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let running: Vec<_> = sources.iter().map(|source| run(source).unwrap()).collect();
    let ended = running.into_iter().map(|child| child.wait_with_output().unwrap());
    let answers: Vec<_> = ended.map(|output| Done::from(&output).good()).collect();

    let dropped = sh(&format!("grep -c 'drop connection\\|MaxStartups' {} || true", lab.at("sshd.log").display()));
    eprintln!("{SOURCES} pushed; sshd dropped connections {} times", dropped.trim());
    for (source, answer) in sources.iter().zip(answers) {
        assert_eq!(answer["generations"][0]["action"], "send", "{}: {answer}", source.name);
        assert_eq!(answer["outstanding"], json!([]), "{}", source.name);
        arrived(&lab, source);
    }
    for place in ["incoming", "verifying"] {
        let rests = sh(&format!("find {} -mindepth 4 -name '2*' | head", lab.at("sink/home").join(place).display()));
        assert_eq!(rests, "", "rests in {place}");
    }
}

/// The sink has its copy, whole and signed for, and it is the tree.
fn arrived(lab: &Lab, source: &Source) {
    let store = source.store(lab);
    let ids = oracle::whole(&store, Some(&lab.at("signers")));
    let [id] = ids.as_slice() else { panic!("{}: {ids:?}", source.name) };
    let unpacked = tempfile::tempdir_in(lab.at("")).unwrap();
    let archive = store.join(id).join("data.tar.zst");
    sh(&format!("zstd -dcq {} | tar -x -C {}", archive.display(), unpacked.path().display()));
    let tree = unpacked.path().join(source.srv.strip_prefix("/").unwrap_or(Path::new("")));
    sh(&format!("diff -r {} {}", source.srv.display(), tree.display()));
}
