//! The walk: every path below the include paths, sorted, without opening a single file.

use super::error::TreeError;
use super::node::{Node, Stat, State};
use super::spec::TreeSpec;
use backup_adapters::space::FileSystem;
use backup_archive::index::Type;
use backup_archive::order;
use backup_core::exclude::Exclude;
use backup_core::job::Tolerance;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, lstat, stat};
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Paths that are something else than a moment ago are looked at again so often.
pub(super) const ROUNDS: u32 = 4;

/// Device and inode number: what a file is, whatever path leads to it.
type Inode = (u64, u64);

/// What one walk found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// In path order.
    pub(super) nodes: Vec<Node>,
    pub(super) sockets: u64,
    /// Paths that the policy allowed to leave out; nothing is known of what lies below them.
    pub(super) unreadable: Vec<Box<[u8]>>,
    pub(super) warnings: Vec<String>,
    /// The first path that was replaced whenever it was to be read. It fails the collection only if no later pass
    /// could read it.
    pub(super) lost: Option<TreeError>,
}

impl Scan {
    /// How far the walk is, for [`Self::forget`].
    fn mark(&self) -> [usize; 3] {
        [self.nodes.len(), self.unreadable.len(), self.warnings.len()]
    }

    /// Forgets what was found since. Sockets are only counted: some may be counted twice.
    fn forget(&mut self, [nodes, unreadable, warnings]: [usize; 3]) {
        self.nodes.truncate(nodes);
        self.unreadable.truncate(unreadable);
        self.warnings.truncate(warnings);
    }
}

/// What came of taking a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entered {
    /// It is there, and taken as far as the policy wants it.
    Filled,
    /// It is a directory without entries.
    Empty,
    /// It is not there any more.
    Gone,
    /// Something else has taken its place; what was found of it does not count.
    Moved,
}

/// Why a path that exists could not be read.
pub(super) fn replaced() -> io::Error {
    io::Error::other("something else keeps taking its place")
}

/// Walks the include paths again and again.
pub(super) struct Scanner {
    spec: TreeSpec,
    exclude: Exclude,
    roots: HashSet<PathBuf>,
}

impl Scanner {
    pub(super) fn new(spec: &TreeSpec) -> Result<Self, TreeError> {
        Ok(Self {
            exclude: Exclude::new(&spec.exclude)?,
            // One path has one spelling: no slash at the end, none twice.
            roots: spec.include.iter().map(|path| path.components().collect()).collect(),
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
        let mut walk = Walk { scanner: self, synced, own: self.own(), scan: Scan::default(), trusted: HashMap::new() };
        for root in &self.roots {
            walk.root(root)?;
        }
        let mut scan = walk.scan;
        scan.nodes.sort_unstable_by(|a, b| order::compare(&a.path, &b.path));
        scan.nodes.dedup_by(|next, last| next.path == last.path);
        scan.warnings.sort_unstable();
        assign_links(&mut scan.nodes);
        Ok(scan)
    }

    /// The directories of our own that exist, whatever path leads to them.
    fn own(&self) -> HashSet<Inode> {
        let found = self.spec.skip.iter().filter_map(|path| stat(path).ok());
        found.map(|raw| (raw.st_dev, raw.st_ino)).collect()
    }

    fn leaves_out(&self, path: &Path, stat: &Stat, own: &HashSet<Inode>) -> bool {
        let directory = stat.kind == Type::Directory;
        // Nested include paths are walked on their own.
        (directory && (own.contains(&(stat.tuple.dev, stat.tuple.ino)) || self.roots.contains(path)))
            || !self.spec.stores(stat.kind)
            || self.exclude.covers(path.as_os_str().as_bytes(), directory)
    }
}

struct Walk<'a> {
    scanner: &'a Scanner,
    synced: &'a HashSet<u64>,
    /// Directories that are never part of a copy.
    own: HashSet<Inode>,
    scan: Scan,
    /// By device: whether an unchanged mtime proves unchanged contents.
    trusted: HashMap<u64, bool>,
}

impl Walk<'_> {
    /// Takes an include path and what is below, as it is now.
    fn root(&mut self, root: &Path) -> Result<(), TreeError> {
        for _ in 0..ROUNDS {
            let mark = self.scan.mark();
            if self.root_as_it_is(root)? != Entered::Moved {
                return Ok(());
            }
            self.scan.forget(mark);
        }
        self.unreadable("read", root, replaced())
    }

    fn root_as_it_is(&mut self, root: &Path) -> Result<Entered, TreeError> {
        let spec = &self.scanner.spec;
        let stat = match lstat(root) {
            Ok(raw) => Stat::new(&raw),
            Err(Errno::ENOENT | Errno::ENOTDIR) => return self.missing(root),
            Err(error) => return self.unreadable("inspect", root, error.into()).map(|()| Entered::Gone),
        };
        let refuse = |what| Err(TreeError::NotCollectable { path: root.to_owned(), what });
        match stat {
            Some(stat) if stat.kind == Type::Directory => match self.directory(root, stat, stat.tuple.dev)? {
                Entered::Gone => self.missing(root),
                Entered::Empty if spec.empty == Tolerance::Fail => Err(TreeError::Empty(root.to_owned())),
                Entered::Empty => {
                    self.scan.warnings.push(format!("{} is empty", root.display()));
                    Ok(Entered::Empty)
                }
                entered => Ok(entered),
            },
            Some(stat) if stat.kind == Type::File => {
                self.push(root, stat);
                Ok(Entered::Filled)
            }
            Some(stat) if stat.kind == Type::Symlink => refuse("a symbolic link"),
            _ => refuse("a special file"),
        }
    }

    fn missing(&mut self, root: &Path) -> Result<Entered, TreeError> {
        if self.scanner.spec.missing == Tolerance::Fail {
            return Err(TreeError::Missing(root.to_owned()));
        }
        self.scan.warnings.push(format!("{} does not exist", root.display()));
        Ok(Entered::Gone)
    }

    /// Takes a directory, what is in it, and what is below, if it is still the one that was seen.
    fn directory(&mut self, path: &Path, seen: Stat, device: u64) -> Result<Entered, TreeError> {
        let entries = match list(path, &seen) {
            Ok(entries) => entries,
            Err(Errno::ENOENT) => return Ok(Entered::Gone),
            Err(Errno::ENOTDIR | Errno::ELOOP | Errno::ESTALE) => return Ok(Entered::Moved),
            Err(error) => {
                self.push(path, seen);
                return self.unreadable("read", path, error.into()).map(|()| Entered::Filled);
            }
        };
        self.push(path, seen);
        let entered = if entries.is_empty() { Entered::Empty } else { Entered::Filled };
        for (name, raw) in entries {
            let child = path.join(OsStr::from_bytes(&name));
            match raw {
                Ok(raw) => {
                    if self.entry(&child, &raw, &seen, device)? == Entered::Moved {
                        return Ok(Entered::Moved);
                    }
                }
                Err(Errno::ENOENT) => {}
                Err(error) => self.unreadable("inspect", &child, error.into())?,
            }
        }
        Ok(entered)
    }

    /// Takes an entry of the directory `around`. If something takes its place meanwhile, that is taken instead; if
    /// `around` itself is not there any more, it has moved.
    fn entry(&mut self, path: &Path, raw: &FileStat, around: &Stat, device: u64) -> Result<Entered, TreeError> {
        let mut raw = *raw;
        for _ in 0..ROUNDS {
            let Some(stat) = Stat::new(&raw) else {
                self.scan.sockets += 1;
                return Ok(Entered::Filled);
            };
            if self.scanner.leaves_out(path, &stat, &self.own) {
                return Ok(Entered::Filled);
            }
            if stat.kind != Type::Directory {
                self.push(path, stat);
                return Ok(Entered::Filled);
            }
            if self.scanner.spec.one_file_system && stat.tuple.dev != device {
                self.push(path, stat);
                self.scan.warnings.push(format!("{} is another file system; it is left out", path.display()));
                return Ok(Entered::Filled);
            }
            let mark = self.scan.mark();
            let entered = self.directory(path, stat, device)?;
            if entered != Entered::Moved {
                return Ok(entered);
            }
            self.scan.forget(mark);
            let now = lstat(path);
            // Asked last: what was found by that path was then found in that directory, not behind a link.
            let is_around = |raw: FileStat| Stat::new(&raw).is_some_and(|now| now.is_same_inode(around));
            if !path.parent().is_some_and(|parent| lstat(parent).is_ok_and(is_around)) {
                return Ok(Entered::Moved);
            }
            raw = match now {
                Ok(raw) => raw,
                Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(Entered::Gone),
                Err(error) => return self.unreadable("inspect", path, error.into()).map(|()| Entered::Filled),
            };
        }
        self.unreadable("read", path, replaced()).map(|()| Entered::Filled)
    }

    fn push(&mut self, path: &Path, stat: Stat) {
        let trusted = self.synced.contains(&stat.tuple.dev) && self.is_trusted(path, &stat);
        let path = member_name(path);
        // The root of all has no name in an archive.
        if path.is_empty() {
            return;
        }
        self.scan.nodes.push(Node { path, stat, link: None, in_set: false, trusted, state: State::Unread });
    }

    /// Asks the file itself: one that is mounted is not on the file system of the directory around it.
    fn is_trusted(&mut self, path: &Path, stat: &Stat) -> bool {
        if let Some(&trusted) = self.trusted.get(&stat.tuple.dev) {
            return trusted;
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let Ok(fd) = nix::fcntl::open(path, flags, Mode::empty()) else { return false };
        let same = fstat(&fd).is_ok_and(|raw| raw.st_dev == stat.tuple.dev);
        let through = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        let Some(system) = FileSystem::of(&through).ok().filter(|_| same) else { return false };
        *self.trusted.entry(stat.tuple.dev).or_insert(system.trustworthy_mtime())
    }

    fn unreadable(&mut self, action: &'static str, path: &Path, source: io::Error) -> Result<(), TreeError> {
        if self.scanner.spec.unreadable == Tolerance::Fail {
            return Err(TreeError::Unreadable { action, path: path.to_owned(), source });
        }
        self.scan.warnings.push(format!("cannot {action} {}: {source}", path.display()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_the_place_of_a_directory_is_walked_instead() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["d/below", "now/below"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        std::fs::write(path("now/below/f"), "x").unwrap();
        let spec = TreeSpec { include: vec![folder.path().to_owned()], ..TreeSpec::tolerant() };
        let scanner = Scanner::new(&spec).unwrap();
        let (around, d, below) =
            (lstat(folder.path()).unwrap(), lstat(&path("d")).unwrap(), lstat(&path("d/below")).unwrap());
        let around = Stat::new(&around).unwrap();
        // All that follows was seen before another directory came in its place.
        std::fs::rename(path("d"), path("before")).unwrap();
        std::fs::rename(path("now"), path("d")).unwrap();
        let synced = HashSet::new();
        let walk = || Walk {
            scanner: &scanner,
            synced: &synced,
            own: HashSet::new(),
            scan: Scan::default(),
            trusted: HashMap::new(),
        };
        let device = around.tuple.dev;
        let mut found = walk();
        assert_eq!(found.entry(&path("d"), &d, &around, device).unwrap(), Entered::Filled);
        let names = ["d", "d/below", "d/below/f"].map(|name| member_name(&path(name)));
        assert!(found.scan.nodes.iter().map(|node| &node.path).eq(&names), "{:?}", found.scan.nodes);
        assert_eq!(found.scan.nodes[0].stat.tuple.ino, lstat(&path("d")).unwrap().st_ino);
        // What was seen in a directory that is not there any more: that directory is looked at anew.
        let mut stale = walk();
        let seen = Stat::new(&d).unwrap();
        assert_eq!(stale.entry(&path("d/below"), &below, &seen, device).unwrap(), Entered::Moved);
        assert!(stale.scan.nodes.is_empty());
        // A file came, or nothing.
        std::fs::remove_dir_all(path("d")).unwrap();
        let mut gone = walk();
        assert_eq!(gone.entry(&path("d"), &d, &around, device).unwrap(), Entered::Gone);
        assert!(gone.scan.nodes.is_empty());
        std::fs::write(path("d"), "a file").unwrap();
        let mut file = walk();
        assert_eq!(file.entry(&path("d"), &d, &around, device).unwrap(), Entered::Filled);
        assert_eq!(file.scan.nodes[0].stat.kind, Type::File);
    }
}
