//! What `backup_manual` makes, in a folder of its own.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::PathBuf;
use std::process::Command;

pub(crate) struct Made(tempfile::TempDir);

impl Made {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_backup_manual")).arg(folder.path()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        Self(folder)
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// The files of one folder, in the order of their names.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            std::fs::read_dir(self.at(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    pub(crate) fn pages(&self) -> Vec<PathBuf> {
        self.files("usr/local/share/man/man1")
    }

    pub(crate) fn completions(&self) -> Vec<PathBuf> {
        ["usr/local/share/bash-completion/completions", "usr/local/share/zsh/site-functions", "etc/fish/completions"]
            .iter()
            .flat_map(|folder| self.files(folder))
            .collect()
    }

    pub(crate) fn executables(&self) -> Vec<String> {
        let files = self.files("usr/local/share/bash-completion/completions");
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }
}

/// The lines that a command prints; it must not complain.
pub(crate) fn said(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    let done = Command::new(program).args(arguments).envs(environment.iter().copied()).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}"));
    let (out, err) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert!(done.status.success() && err.is_empty(), "{program} {arguments:?}: {out}\n{err}");
    out.lines().map(str::to_owned).collect()
}
