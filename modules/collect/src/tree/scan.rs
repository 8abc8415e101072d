//! The walk: every path below the include paths, sorted, without opening a single file.

use super::ahead::{Ahead, Listed};
use super::error::TreeError;
use super::nodes::{Mark, Nodes};
use super::spec::TreeSpec;
use super::stat::Stat;
use backup_adapters::space::FileSystem;
use backup_archive::index::Type;
use backup_archive::order;
use backup_core::exclude::Exclude;
use backup_core::job::Tolerance;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode, fstat, lstat, stat};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
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
    pub(super) nodes: Nodes,
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
    fn mark(&self) -> (Mark, [usize; 2]) {
        (self.nodes.mark(), [self.unreadable.len(), self.warnings.len()])
    }

    /// Forgets what was found since. Sockets are only counted: some may be counted twice.
    fn forget(&mut self, (nodes, [unreadable, warnings]): (Mark, [usize; 2])) {
        self.nodes.forget(nodes);
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
        Ahead::with(self.spec.threads.saturating_sub(1), |ahead| {
            let mut walk = Walk::new(self, synced, ahead);
            let mut roots: Vec<&PathBuf> = self.roots.iter().collect();
            roots.sort_by(|a, b| order::compare(member_name(a), member_name(b)));
            for root in roots {
                let mark = walk.scan.nodes.mark();
                walk.root(root)?;
                walk.scan.nodes.settle(mark);
            }
            let mut scan = walk.scan;
            scan.warnings.sort_unstable();
            scan.nodes.assign_links();
            Ok(scan)
        })
    }

    /// The directories of our own that exist, whatever path leads to them.
    fn own(&self) -> HashSet<Inode> {
        let found = self.spec.skip.iter().filter_map(|path| stat(path).ok());
        found.map(|raw| (raw.st_dev, raw.st_ino)).collect()
    }

    fn leaves_out(&self, path: &Path, stat: &Stat, own: &HashSet<Inode>) -> bool {
        let directory = stat.kind == Type::Directory;
        // Nested include paths are walked on their own.
        self.roots.contains(path)
            || (directory && own.contains(&stat.inode()))
            || !self.spec.stores(stat.kind)
            || self.exclude.covers(path.as_os_str().as_bytes(), directory)
    }
}

struct Walk<'a> {
    scanner: &'a Scanner,
    synced: &'a HashSet<u64>,
    ahead: &'a Ahead,
    /// Directories that are never part of a copy.
    own: HashSet<Inode>,
    scan: Scan,
    /// By device: whether an unchanged mtime proves unchanged contents.
    trusted: HashMap<u64, bool>,
}

/// A path that the walk is at.
#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a Path,
    /// The directory around it; `None` for include paths.
    parent: Option<u32>,
    /// Its name there.
    name: &'a [u8],
}

impl<'a> Walk<'a> {
    fn new(scanner: &'a Scanner, synced: &'a HashSet<u64>, ahead: &'a Ahead) -> Self {
        Self { scanner, synced, ahead, own: scanner.own(), scan: Scan::default(), trusted: HashMap::new() }
    }

    /// Takes an include path and what is below, as it is now.
    fn root(&mut self, root: &Path) -> Result<(), TreeError> {
        for _ in 0..ROUNDS {
            let mark = self.scan.mark();
            if self.root_as_it_is(root)? != Entered::Moved {
                return Ok(());
            }
            self.forget(mark);
        }
        self.unreadable("read", root, replaced())
    }

    fn forget(&mut self, mark: (Mark, [usize; 2])) {
        self.scan.forget(mark);
        self.ahead.forget();
    }

    fn root_as_it_is(&mut self, root: &Path) -> Result<Entered, TreeError> {
        let at = At { path: root, parent: None, name: member_name(root) };
        let spec = &self.scanner.spec;
        let stat = match lstat(root) {
            Ok(raw) => Stat::new(&raw),
            Err(Errno::ENOENT | Errno::ENOTDIR) => return self.missing(root),
            Err(error) => return self.unreadable("inspect", root, error.into()).map(|()| Entered::Gone),
        };
        let refuse = |what| Err(TreeError::NotCollectable { path: root.to_owned(), what });
        match stat {
            Some(stat) if stat.kind == Type::Directory => match self.directory(at, stat, stat.tuple.dev)? {
                Entered::Gone => self.missing(root),
                Entered::Empty if spec.empty == Tolerance::Fail => Err(TreeError::Empty(root.to_owned())),
                Entered::Empty => {
                    self.scan.warnings.push(format!("{} is empty", root.display()));
                    Ok(Entered::Empty)
                }
                entered => Ok(entered),
            },
            Some(stat) if stat.kind == Type::File => {
                self.push(at, stat);
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
    fn directory(&mut self, at: At, seen: Stat, device: u64) -> Result<Entered, TreeError> {
        let entries = match self.ahead.list(at.path, &seen) {
            Ok(entries) => entries,
            Err(Errno::ENOENT) => return Ok(Entered::Gone),
            Err(Errno::ENOTDIR | Errno::ELOOP | Errno::ESTALE) => return Ok(Entered::Moved),
            Err(error) => {
                self.push(at, seen);
                return self.unreadable("read", at.path, error.into()).map(|()| Entered::Filled);
            }
        };
        let parent = self.push(at, seen);
        self.announce(at.path, &entries, device);
        let entered = if entries.is_empty() { Entered::Empty } else { Entered::Filled };
        for (name, stat) in entries {
            let child = at.path.join(OsStr::from_bytes(&name));
            let child = At { path: &child, parent, name: &name };
            match stat {
                Ok(stat) => {
                    if self.entry(child, stat, &seen, device)? == Entered::Moved {
                        return Ok(Entered::Moved);
                    }
                }
                Err(Errno::ENOENT) => {}
                Err(error) => self.unreadable("inspect", child.path, error.into())?,
            }
        }
        Ok(entered)
    }

    /// Says which directories the walk will enter next.
    fn announce(&self, path: &Path, entries: &[Listed], device: u64) {
        let directories = entries.iter().filter_map(|(name, stat)| {
            let stat = stat.ok().flatten().filter(|stat| stat.kind == Type::Directory)?;
            let child = path.join(OsStr::from_bytes(name));
            let enters = self.enters(&stat, device) && !self.scanner.leaves_out(&child, &stat, &self.own);
            enters.then_some((child, stat))
        });
        self.ahead.want(directories);
    }

    /// Whether the policy goes into this directory.
    const fn enters(&self, stat: &Stat, device: u64) -> bool {
        stat.tuple.dev == device || !self.scanner.spec.one_file_system
    }

    /// Takes an entry of the directory `around`. If something takes its place meanwhile, that is taken instead; if
    /// `around` itself is not there any more, it has moved.
    fn entry(&mut self, at: At, seen: Option<Stat>, around: &Stat, device: u64) -> Result<Entered, TreeError> {
        let path = at.path;
        let mut seen = seen;
        for _ in 0..ROUNDS {
            let Some(stat) = seen else {
                self.scan.sockets += 1;
                return Ok(Entered::Filled);
            };
            if self.scanner.leaves_out(path, &stat, &self.own) {
                return Ok(Entered::Filled);
            }
            if stat.kind != Type::Directory {
                self.push(at, stat);
                return Ok(Entered::Filled);
            }
            if !self.enters(&stat, device) {
                self.push(at, stat);
                self.scan.warnings.push(format!("{} is another file system; it is left out", path.display()));
                return Ok(Entered::Filled);
            }
            let mark = self.scan.mark();
            let entered = self.directory(at, stat, device)?;
            if entered != Entered::Moved {
                return Ok(entered);
            }
            self.forget(mark);
            let now = lstat(path);
            // Asked last: what was found by that path was then found in that directory, not behind a link.
            let is_around = |raw: FileStat| Stat::new(&raw).is_some_and(|now| now.is_same_inode(around));
            if !path.parent().is_some_and(|parent| lstat(parent).is_ok_and(is_around)) {
                return Ok(Entered::Moved);
            }
            seen = match now {
                Ok(raw) => Stat::new(&raw),
                Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(Entered::Gone),
                Err(error) => return self.unreadable("inspect", path, error.into()).map(|()| Entered::Filled),
            };
        }
        self.unreadable("read", path, replaced()).map(|()| Entered::Filled)
    }

    /// Adds a path and says which it is.
    fn push(&mut self, at: At, stat: Stat) -> Option<u32> {
        // The root of all has no name in an archive.
        if at.name.is_empty() {
            return None;
        }
        let trusted = self.synced.contains(&stat.tuple.dev) && self.is_trusted(at.path, &stat);
        Some(self.scan.nodes.push(at.parent, at.name, &stat, trusted))
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
        self.scan.unreadable.push(member_name(path).into());
        Ok(())
    }
}

/// The absolute path without its leading slash.
fn member_name(path: &Path) -> &[u8] {
    let path = path.as_os_str().as_bytes();
    path.strip_prefix(b"/").unwrap_or(path)
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
        let ahead = Ahead::default();
        let walk = || Walk::new(&scanner, &synced, &ahead);
        let enter = |walk: &mut Walk, name: &str, seen: &FileStat, around: &Stat| {
            let path = path(name);
            let at = At { path: &path, parent: None, name: member_name(&path) };
            walk.entry(at, Stat::new(seen), around, around.tuple.dev).unwrap()
        };
        let mut found = walk();
        assert_eq!(enter(&mut found, "d", &d, &around), Entered::Filled);
        let names = ["d", "d/below", "d/below/f"].map(|name| member_name(&path(name)).to_vec());
        let nodes = &found.scan.nodes;
        assert!(nodes.all().map(|at| nodes.path(at)).eq(names), "{nodes:?}");
        assert_eq!(nodes.stat(0).tuple.ino, lstat(&path("d")).unwrap().st_ino);
        // What was seen in a directory that is not there any more: that directory is looked at anew.
        let mut stale = walk();
        let seen = Stat::new(&d).unwrap();
        assert_eq!(enter(&mut stale, "d/below", &below, &seen), Entered::Moved);
        assert_eq!(stale.scan.nodes.len(), 0);
        // A file came, or nothing.
        std::fs::remove_dir_all(path("d")).unwrap();
        let mut gone = walk();
        assert_eq!(enter(&mut gone, "d", &d, &around), Entered::Gone);
        assert_eq!(gone.scan.nodes.len(), 0);
        std::fs::write(path("d"), "a file").unwrap();
        let mut file = walk();
        assert_eq!(enter(&mut file, "d", &d, &around), Entered::Filled);
        assert_eq!(file.scan.nodes.kind(0), Type::File);
    }
}
