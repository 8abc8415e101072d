//! The walk: every path below the include paths, sorted, without opening a single file.

use super::error::TreeError;
use super::node::{Node, Stat, State};
use super::spec::TreeSpec;
use backup_adapters::space::FileSystem;
use backup_archive::index::Type;
use backup_archive::order;
use backup_core::job::Tolerance;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, lstat};
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What one walk found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// In path order.
    pub(super) nodes: Vec<Node>,
    pub(super) sockets: u64,
    /// Paths that the policy allowed to leave out; nothing is known of what lies below them.
    pub(super) unreadable: Vec<Box<[u8]>>,
    pub(super) warnings: Vec<String>,
}

/// Walks the include paths again and again.
pub(super) struct Scanner {
    spec: TreeSpec,
    exclude: Option<Gitignore>,
    roots: HashSet<PathBuf>,
    skip: HashSet<PathBuf>,
}

impl Scanner {
    pub(super) fn new(spec: &TreeSpec) -> Result<Self, TreeError> {
        Ok(Self {
            exclude: matcher(&spec.exclude)?,
            // One path has one spelling: no slash at the end, none twice.
            roots: spec.include.iter().map(|path| path.components().collect()).collect(),
            skip: spec.skip.iter().map(|path| path.components().collect()).collect(),
            spec: spec.clone(),
        })
    }

    /// The include paths that can be collected, each with its device; one per device.
    pub(super) fn devices(&self) -> HashMap<u64, &Path> {
        let found =
            self.roots.iter().filter_map(|root| Some((lstat(root).ok().and_then(|raw| Stat::new(&raw))?, root)));
        let collectable = found.filter(|(stat, _)| matches!(stat.kind, Type::Directory | Type::File));
        collectable.map(|(stat, root)| (stat.tuple.dev, root.as_path())).collect()
    }

    /// One walk. Paths that vanish while it looks are as if they had never been there.
    /// Only files on the `synced` devices can be trusted to have moved their mtime when they were written.
    pub(super) fn scan(&self, synced: &HashSet<u64>) -> Result<Scan, TreeError> {
        let mut walk = Walk { scanner: self, synced, scan: Scan::default(), trusted: HashMap::new() };
        for root in &self.roots {
            walk.root(root)?;
        }
        let mut scan = walk.scan;
        scan.nodes.sort_by(|a, b| order::compare(&a.path, &b.path));
        scan.nodes.dedup_by(|next, last| next.path == last.path);
        scan.warnings.sort_unstable();
        assign_links(&mut scan.nodes);
        Ok(scan)
    }

    fn leaves_out(&self, path: &Path, kind: Type) -> bool {
        let directory = kind == Type::Directory;
        // Nested include paths are walked on their own.
        (directory && (self.skip.contains(path) || self.roots.contains(path)))
            || !self.spec.stores(kind)
            || self.exclude.as_ref().is_some_and(|exclude| exclude.matched(path, directory).is_ignore())
    }
}

fn matcher(patterns: &[String]) -> Result<Option<Gitignore>, TreeError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut builder = GitignoreBuilder::new("/");
    for pattern in patterns {
        let bad = |error: ignore::Error| TreeError::Pattern { pattern: pattern.clone(), why: error.to_string() };
        builder.add_line(None, pattern).map_err(bad)?;
    }
    let bad = |error: ignore::Error| TreeError::Pattern { pattern: patterns.join(" "), why: error.to_string() };
    builder.build().map(Some).map_err(bad)
}

struct Walk<'a> {
    scanner: &'a Scanner,
    synced: &'a HashSet<u64>,
    scan: Scan,
    /// By device: whether an unchanged mtime proves unchanged contents.
    trusted: HashMap<u64, bool>,
}

impl Walk<'_> {
    fn root(&mut self, root: &Path) -> Result<(), TreeError> {
        let spec = &self.scanner.spec;
        let stat = match lstat(root) {
            Ok(raw) => Stat::new(&raw),
            Err(Errno::ENOENT | Errno::ENOTDIR) if spec.missing == Tolerance::Allow => {
                self.scan.warnings.push(format!("{} does not exist", root.display()));
                return Ok(());
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Err(TreeError::Missing(root.to_owned())),
            Err(error) => return self.unreadable("inspect", root, error),
        };
        let refuse = |what| Err(TreeError::NotCollectable { path: root.to_owned(), what });
        match stat {
            Some(stat) if stat.kind == Type::Directory => {
                self.push(root, stat);
                let empty = self.directory(root, &stat, stat.tuple.dev)?;
                if empty && spec.empty == Tolerance::Fail {
                    return Err(TreeError::Empty(root.to_owned()));
                }
                if empty {
                    self.scan.warnings.push(format!("{} is empty", root.display()));
                }
                Ok(())
            }
            Some(stat) if stat.kind == Type::File => {
                self.push(root, stat);
                Ok(())
            }
            Some(stat) if stat.kind == Type::Symlink => refuse("a symbolic link"),
            _ => refuse("a special file"),
        }
    }

    /// Takes what is in a directory, and what is below. Returns whether it has no entries at all.
    fn directory(&mut self, path: &Path, seen: &Stat, device: u64) -> Result<bool, TreeError> {
        let entries = match list(path, seen) {
            Ok(entries) => entries,
            // Gone, or something else is there by now: like a path that vanished before we looked.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ESTALE) => return Ok(false),
            Err(error) => return self.unreadable("read", path, error).map(|()| false),
        };
        let empty = entries.is_empty();
        for (name, raw) in entries {
            let child = path.join(OsStr::from_bytes(&name));
            let raw = match raw {
                Ok(raw) => raw,
                Err(Errno::ENOENT) => continue,
                Err(error) => {
                    self.unreadable("inspect", &child, error)?;
                    continue;
                }
            };
            let Some(stat) = Stat::new(&raw) else {
                self.scan.sockets += 1;
                continue;
            };
            if self.scanner.leaves_out(&child, stat.kind) {
                continue;
            }
            self.push(&child, stat);
            let foreign = self.scanner.spec.one_file_system && stat.tuple.dev != device;
            if stat.kind == Type::Directory && !foreign {
                self.directory(&child, &stat, device)?;
            }
        }
        Ok(empty)
    }

    fn push(&mut self, path: &Path, stat: Stat) {
        let synced = self.synced.contains(&stat.tuple.dev);
        let trusted = *self.trusted.entry(stat.tuple.dev).or_insert_with(|| {
            // A link would be followed; the directory around it is on the same device.
            let asked = if stat.kind == Type::Directory { path } else { path.parent().unwrap_or(path) };
            synced && FileSystem::of(asked).is_ok_and(FileSystem::trustworthy_mtime)
        });
        let path = member_name(path);
        // The root of all has no name in an archive.
        if path.is_empty() {
            return;
        }
        self.scan.nodes.push(Node { path, stat, link: None, in_set: false, trusted, state: State::Unread });
    }

    fn unreadable(&mut self, action: &'static str, path: &Path, error: Errno) -> Result<(), TreeError> {
        if self.scanner.spec.unreadable == Tolerance::Fail {
            return Err(TreeError::Unreadable { action, path: path.to_owned(), source: error.into() });
        }
        self.scan.warnings.push(format!("cannot {action} {}: {}", path.display(), error.desc()));
        self.scan.unreadable.push(member_name(path));
        Ok(())
    }
}

/// The absolute path without its leading slash.
fn member_name(path: &Path) -> Box<[u8]> {
    let path = path.as_os_str().as_bytes();
    path.strip_prefix(b"/").unwrap_or(path).into()
}

type Listed = (Box<[u8]>, nix::Result<FileStat>);

/// What is in a directory, sorted by name, if it is still the one that was seen.
fn list(path: &Path, seen: &Stat) -> nix::Result<Vec<Listed>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = match nix::fcntl::open(path, flags | OFlag::O_NOATIME, Mode::empty()) {
        Err(Errno::EPERM) => nix::fcntl::open(path, flags, Mode::empty())?,
        result => result?,
    };
    if !Stat::new(&fstat(&fd)?).is_some_and(|now| now.is_same_inode(seen)) {
        return Err(Errno::ESTALE);
    }
    let mut directory = Dir::from_fd(fd)?;
    let mut names: Vec<std::ffi::CString> = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    let inspect = |name: &CStr| fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    Ok(names.iter().map(|name| (name.to_bytes().into(), inspect(name))).collect())
}

/// Finds the sets of hard links: the first path of each is the member, the others point at it.
pub(super) fn assign_links(nodes: &mut [Node]) {
    let mut first: HashMap<(u64, u64), u32> = HashMap::new();
    for index in 0..nodes.len() {
        let node = &mut nodes[index];
        (node.link, node.in_set) = (None, false);
        let alone = node.stat.links < 2 || node.stat.kind == Type::Directory;
        if alone || matches!(node.state, State::Skipped) {
            continue;
        }
        let number = u32::try_from(index).expect("fewer than 2^32 paths fit in memory");
        let leader = *first.entry((node.stat.tuple.dev, node.stat.tuple.ino)).or_insert(number);
        if leader != number {
            node.link = Some(leader);
            node.in_set = true;
            nodes[leader as usize].in_set = true;
        }
    }
}
