//! Lists directories before the walk comes to them, on other threads.
//!
//! The walk goes depth first and says at each directory which ones it will enter next; those wait on a stack, the
//! next one on top. What is listed ahead was listed in the same pass, after its T0: it proves as much as what the walk
//! lists itself.

use super::stat::Stat;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, fstat, fstatat};
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// So many entries may wait for the walk, 150 bytes each; the directory that is over it is listed whole.
const WAITING: usize = 32 << 10;

/// An entry of a directory: its name, and what it is; `None` for sockets.
pub(super) type Listed = (Box<[u8]>, nix::Result<Option<Stat>>);

/// What is in a directory, sorted by name, if it is still the one that was seen.
pub(super) fn list(path: &Path, seen: &Stat) -> nix::Result<Vec<Listed>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = match nix::fcntl::open(path, flags | OFlag::O_NOATIME, Mode::empty()) {
        Err(Errno::EPERM) => nix::fcntl::open(path, flags, Mode::empty())?,
        result => result?,
    };
    if !Stat::new(&fstat(&fd)?).is_some_and(|now| now.is_same_inode(seen)) {
        return Err(Errno::ESTALE);
    }
    let mut directory = Dir::from_fd(fd)?;
    let mut names: Vec<CString> = Vec::new();
    for entry in directory.iter() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    // One that is renamed meanwhile may be told twice.
    names.dedup();
    let inspect = |name: &CStr| fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).map(|raw| Stat::new(&raw));
    Ok(names.iter().map(|name| (name.to_bytes().into(), inspect(name))).collect())
}

/// A directory that will be wanted, and what the walk saw there.
type Wanted = (PathBuf, Stat);

#[derive(Default)]
struct Shared {
    /// A stack.
    wanted: Vec<Wanted>,
    running: HashSet<PathBuf>,
    done: HashMap<PathBuf, (Stat, nix::Result<Vec<Listed>>)>,
    /// Entries in `done`.
    waiting: usize,
    /// The walk is over, or a helper panicked.
    ended: bool,
}

/// What the walk and its helpers share.
#[derive(Default)]
pub(super) struct Ahead {
    shared: Mutex<Shared>,
    changed: Condvar,
    helpers: usize,
}

impl Ahead {
    /// Runs a walk with so many helpers; none are needed.
    pub(super) fn with<R>(helpers: usize, walk: impl FnOnce(&Self) -> R) -> R {
        let ahead = Self { helpers, ..Self::default() };
        std::thread::scope(|scope| {
            for _ in 0..helpers {
                scope.spawn(|| {
                    let _end = End(&ahead);
                    ahead.help();
                });
            }
            let _end = End(&ahead);
            walk(&ahead)
        })
    }

    /// The walk will come to these, the first one next.
    pub(super) fn want(&self, directories: impl DoubleEndedIterator<Item = Wanted>) {
        if self.helpers > 0 {
            let stack: Vec<Wanted> = directories.rev().collect();
            self.lock().wanted.extend(stack);
            self.changed.notify_all();
        }
    }

    /// As [`list`]: at once if it was listed ahead.
    pub(super) fn list(&self, path: &Path, seen: &Stat) -> nix::Result<Vec<Listed>> {
        let mut shared = self.lock();
        while shared.running.contains(path) && !shared.ended {
            shared = self.wait(shared);
        }
        if let Some((then, listed)) = shared.take(path) {
            self.changed.notify_all();
            if then.is_same_inode(seen) {
                return listed;
            }
        }
        if let Some(at) = shared.wanted.iter().rposition(|(wanted, _)| wanted == path) {
            shared.wanted.remove(at);
        }
        drop(shared);
        list(path, seen)
    }

    /// The walk goes back: what it wanted may be something else by now.
    pub(super) fn forget(&self) {
        let mut shared = self.lock();
        shared.wanted.clear();
        shared.done.clear();
        shared.waiting = 0;
    }

    fn help(&self) {
        while let Some((path, seen)) = self.next() {
            let listed = list(&path, &seen);
            let mut shared = self.lock();
            shared.running.remove(&path);
            shared.take(&path);
            shared.waiting += count(&listed);
            shared.done.insert(path, (seen, listed));
            drop(shared);
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Wanted> {
        let mut shared = self.lock();
        loop {
            if shared.ended {
                return None;
            }
            if shared.waiting < WAITING
                && let Some(next) = shared.wanted.pop()
            {
                shared.running.insert(next.0.clone());
                return Some(next);
            }
            shared = self.wait(shared);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, Shared>) -> MutexGuard<'a, Shared> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn take(&mut self, path: &Path) -> Option<(Stat, nix::Result<Vec<Listed>>)> {
        let taken = self.done.remove(path)?;
        self.waiting -= count(&taken.1);
        Some(taken)
    }
}

fn count(listed: &nix::Result<Vec<Listed>>) -> usize {
    listed.as_ref().map_or(1, |entries| entries.len().max(1))
}

/// Lets everybody go home when the walk is over, or when a helper panics: nobody waits for it then.
struct End<'a>(&'a Ahead);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::lstat;

    fn stat(path: &Path) -> Stat {
        Stat::new(&lstat(path).unwrap()).unwrap()
    }

    #[test]
    fn whatever_was_wanted_every_directory_is_listed_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..300).map(|n| folder.path().join(format!("d{n}"))).collect();
        for (n, path) in paths.iter().enumerate() {
            std::fs::create_dir(path).unwrap();
            for file in 0..n % 7 {
                std::fs::write(path.join(format!("f{file}")), "").unwrap();
            }
        }
        for helpers in [0, 1, 4] {
            Ahead::with(helpers, |ahead| {
                // Wanted twice, in another order, never asked for: nobody waits for ever.
                let directories = || paths.iter().map(|path| (path.clone(), stat(path)));
                ahead.want(directories());
                ahead.want(directories().rev());
                for (n, path) in paths.iter().enumerate().filter(|(n, _)| n % 5 != 1) {
                    let listed = ahead.list(path, &stat(path)).unwrap();
                    let names: Vec<String> = (0..n % 7).map(|file| format!("f{file}")).collect();
                    assert!(listed.iter().map(|(name, _)| &**name).eq(names.iter().map(String::as_bytes)));
                    if n == 100 {
                        ahead.forget();
                    }
                }
                let other = stat(folder.path());
                assert_eq!(ahead.list(&paths[1], &other).unwrap_err(), Errno::ESTALE);
            });
        }
    }
}
