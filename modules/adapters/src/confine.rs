//! Landlock: what a program that we start may still do, whoever talks to it.
//!
//! The kernel forgets nothing and asks nobody: a confined program and its children cannot open a file, make one, or connect,
//! beyond what is listed here, also as root and also once they run somebody else's code. How much of this a kernel can enforce
//! depends on its age; what it cannot is left out.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::thread;

/// The newest rules that these lists were written for, of Linux 6.15.
const KNOWN: ABI = ABI::V7;

/// Where programs and what they link to lie.
const PROGRAMS: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];
/// What every program reads as it starts.
const STARTING: [&str; 4] = ["/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/ssl/openssl.cnf"];

/// Whether the kernel holds a confined program to its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Force {
    /// All of them.
    Full,
    /// As many as this kernel knows: files, but perhaps not connections or signals.
    Partial,
    /// None: the kernel has no Landlock, or it is switched off.
    None,
}

/// What a program may do with files, besides being run: everything else is refused, and so is TCP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Folders below which it may read.
    pub read: Vec<PathBuf>,
    /// Folders below which it may read, write, make and remove files and folders.
    pub write: Vec<PathBuf>,
}

impl Confinement {
    /// Confines the calling thread for good, with all that it starts from here on: `program` with what it links to, and
    /// the folders. Descriptors that are open already stay what they are.
    pub(crate) fn apply(&self, program: &Path) -> Result<Force, RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let write = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::Refer;
        let make = AccessFs::MakeReg | AccessFs::MakeDir | AccessFs::RemoveFile | AccessFs::RemoveDir;
        let null = AccessFs::ReadFile | AccessFs::WriteFile;
        let rules = |paths: Vec<&Path>, access: BitFlags<AccessFs>| {
            // What is not there, as half of the folders for programs, needs no rule.
            path_beneath_rules(paths, access).collect::<Vec<_>>()
        };
        let programs = PROGRAMS.map(Path::new).into_iter().chain([program]).collect();
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::from_all(KNOWN))?
            .scope(Scope::from_all(KNOWN))?
            .create()?
            .add_rules(rules(programs, read | AccessFs::Execute))?
            .add_rules(rules(STARTING.map(Path::new).into(), AccessFs::ReadFile.into()))?
            .add_rules(rules(vec![Path::new("/dev/null")], null))?
            .add_rules(rules(self.read.iter().map(PathBuf::as_path).collect(), read))?
            .add_rules(rules(self.write.iter().map(PathBuf::as_path).collect(), read | write | make))?
            .restrict_self()?;
        Ok(Force::of(&status))
    }
}

impl Force {
    const fn of(status: &RestrictionStatus) -> Self {
        match status.ruleset {
            RulesetStatus::FullyEnforced => Self::Full,
            RulesetStatus::PartiallyEnforced => Self::Partial,
            RulesetStatus::NotEnforced => Self::None,
        }
    }

    /// What this kernel does, found out by trying it on a thread that does nothing else.
    pub fn here() -> Self {
        let tried = thread::spawn(|| Confinement::default().apply(Path::new("/usr"))).join();
        tried.ok().and_then(Result::ok).unwrap_or(Self::None)
    }

    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Full => "in force",
            Self::Partial => "in force as far as this kernel knows it",
            Self::None => "not in force: this kernel has no Landlock",
        }
    }
}
