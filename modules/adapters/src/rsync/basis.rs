//! What a receiver knows already, laid out so that rsync finds it.
//!
//! rsync takes one basis per file, and an interrupted transfer's beginning *replaces* every other one: resuming would
//! send again what the previous copy holds. So each file gets one basis of ours: the longest beginning that ever
//! arrived, followed by the previous copy. It lies in a folder of its own beside the directory, where a confined rsync cannot
//! write: often it is a link to a file of the store. Nothing lies at a file's own name until it has arrived whole in this
//! attempt.

use super::{PARTIAL, PIECES, RsyncError, is_transferable};
use crate::publish::copy_range;
use crate::there;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// With smaller blocks rsync's checksums are a percent of the file.
const MIN_BLOCK: u64 = 2 << 10;
/// rsync takes no larger ones.
const MAX_BLOCK: u64 = 128 << 10;

/// Prepares `directory` to receive `files` (names and sizes). `previous` holds an older copy with the same names, if
/// there is one. Call it before every attempt. A basis is only a help: whatever it holds, rsync's own checksum and the
/// verification afterwards decide.
///
/// Everything else in there goes: a sender may have put files beside those that it announced.
pub fn prepare(directory: &Path, previous: Option<&Path>, files: &[(String, u64)]) -> Result<(), RsyncError> {
    sweep(directory, files)?;
    for (name, size) in files {
        if !is_transferable(name) {
            return Err(RsyncError::Name(name.clone()));
        }
        let (piece, basis) = (directory.join(PIECES).join(name), basis_of(directory).join(name));
        for path in [&piece, &basis, &directory.join(name)] {
            let parent = path.parent().unwrap_or(directory);
            fs::create_dir_all(parent).map_err(at("create", parent))?;
        }
        let grew = keep_longest(directory, name, &piece)?;
        if grew || !there::is_there(&basis)? {
            lay(&basis, &piece, previous.map(|previous| previous.join(name)).as_deref(), *size)?;
        }
    }
    Ok(())
}

/// Where the basis of what `directory` receives lies: `.basis-<name>` beside it.
pub fn basis_of(directory: &Path) -> PathBuf {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    directory.with_file_name(format!(".basis-{name}"))
}

/// The same for rsync, which runs in `directory`.
pub(super) fn option(directory: &Path) -> String {
    format!("--compare-dest=../{}", basis_of(directory).file_name().unwrap_or_default().to_string_lossy())
}

/// The unit in which rsync compares with the basis: an eighth of what it would take itself (the square root of the size),
/// since a change in one small file moves some kilobytes of the compressed stream. Of a file of 2 GB the checksums are 3 MB then.
/// Only the receiver's counts.
pub(super) fn block(directory: &Path) -> String {
    let basis = basis_of(directory);
    let files = entries(&basis).unwrap_or_default();
    let largest = files.iter().filter_map(|path| length(path)).max().unwrap_or(0);
    format!("--block-size={}", (largest.isqrt() / 8).clamp(MIN_BLOCK, MAX_BLOCK) / 8 * 8)
}

/// Removes what lies beside `directory`, if it is to be removed itself.
pub fn forget(directory: &Path) -> Result<(), RsyncError> {
    remove(&basis_of(directory))
}

/// Removes everything that a transfer needed, so that `directory` holds the arrived files and nothing else.
pub fn clear(directory: &Path) -> Result<(), RsyncError> {
    forget(directory)?;
    remove(&directory.join(PIECES))?;
    let folders = entries(directory)?;
    for folder in folders.into_iter().chain([directory.to_owned()]) {
        if !there::is_dir(&folder)? {
            continue;
        }
        remove(&folder.join(PARTIAL))?;
        for path in entries(&folder)? {
            if is_unfinished(&path, None) {
                remove(&path)?;
            }
        }
    }
    Ok(())
}

/// Removes what is neither expected nor left by a transfer of something expected.
fn sweep(directory: &Path, files: &[(String, u64)]) -> Result<(), RsyncError> {
    let folders: BTreeSet<_> = files.iter().filter_map(|(name, _)| Some(name.split_once('/')?.0)).collect();
    for folder in folders.iter().copied().chain([""]) {
        // Joined with nothing it would end in a slash, and be what a link points to.
        let path = if folder.is_empty() { directory.to_owned() } else { directory.join(folder) };
        if !there::is_dir(&path)? {
            remove(&path)?;
            continue;
        }
        for entry in entries(&path)? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let full = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let ours = if there::is_dir(&entry)? {
                name == PARTIAL || folder.is_empty() && (name == PIECES || folders.contains(&*name))
            } else {
                length(&entry).is_some()
                    && (is_unfinished(&entry, None) || files.iter().any(|(expected, _)| *expected == full))
            };
            if !ours {
                remove(&entry)?;
            }
        }
    }
    Ok(())
}

/// Moves the longest beginning of `name` to `piece`; returns whether it is a new one. The others are removed.
fn keep_longest(directory: &Path, name: &str, piece: &Path) -> Result<bool, RsyncError> {
    let target = directory.join(name);
    let folder = target.parent().unwrap_or(directory);
    let file_name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = vec![folder.join(PARTIAL).join(&file_name), target.clone()];
    // Left by an rsync that was killed: it moves its temporary file away only when it can.
    found.extend(entries(folder)?.into_iter().filter(|path| is_unfinished(path, Some(&file_name))));
    let mut grew = false;
    for path in found {
        let Some(length) = length(&path) else { continue };
        if length > self::length(piece).unwrap_or(0) {
            fs::rename(&path, piece).map_err(at("keep", &path))?;
            grew = true;
        } else {
            remove(&path)?;
        }
    }
    Ok(grew)
}

/// `.name.XXXXXX`, rsync's temporary name; of any file without a `name`.
fn is_unfinished(path: &Path, name: Option<&str>) -> bool {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let Some((head, suffix)) = file.strip_prefix('.').and_then(|rest| rest.rsplit_once('.')) else { return false };
    suffix.len() == 6
        && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && name.map_or(is_transferable(head), |name| name == head)
}

fn lay(basis: &Path, piece: &Path, previous: Option<&Path>, size: u64) -> Result<(), RsyncError> {
    remove(basis)?;
    let have = length(piece).unwrap_or(0);
    if have >= size && have > 0 {
        // It had arrived whole; the older copy can add nothing.
        return fs::hard_link(piece, basis).map_err(at("link", basis));
    }
    let Some(previous) = previous.filter(|previous| length(previous).is_some()) else {
        return if have > 0 { fs::hard_link(piece, basis).map_err(at("link", basis)) } else { Ok(()) };
    };
    // A link costs nothing, where the other copy is on the same file system and ours to link.
    if have == 0 && fs::hard_link(previous, basis).is_ok() {
        return Ok(());
    }
    let part = basis.with_extension("part");
    if join(&[piece, previous], &part).is_err() {
        // No room for both, or the older copy cannot be read: more bytes travel, and nothing else is worse.
        remove(&part)?;
        return if have > 0 { fs::hard_link(piece, basis).map_err(at("link", basis)) } else { Ok(()) };
    }
    fs::rename(&part, basis).map_err(at("rename", &part))
}

/// One file after the other; blocks are shared where the file system can.
fn join(sources: &[&Path], target: &Path) -> io::Result<()> {
    let to = File::create(target)?;
    let mut offset = 0;
    for source in sources {
        match File::open(source) {
            Ok(from) => offset += copy_range(&from, 0, &to, offset, from.metadata()?.len())?,
            // Gone, or not ours to read: then there is less to start from.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The length of a regular file; `None` for anything else.
fn length(path: &Path) -> Option<u64> {
    path.symlink_metadata().ok().filter(fs::Metadata::is_file).map(|meta| meta.len())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, RsyncError> {
    let read = || fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    read().map_err(at("read", directory))
}

fn remove(path: &Path) -> Result<(), RsyncError> {
    match if there::is_dir(path)? { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.map_err(at("remove", path)),
    }
}

fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> RsyncError + 'a {
    move |source| RsyncError::Basis { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_announced_goes() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("folder");
        let at = |name: &str| folder.join(name);
        fs::create_dir_all(at("evil/.partial")).unwrap();
        fs::create_dir_all(at("patches/deeper")).unwrap();
        for name in ["evil/x", "evil2", ".evil", "patches/2.zst", "data.zst", ".data.zst.a1B2c3"] {
            fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/etc", at("link")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("SHA256SUMS")).unwrap();
        let files = ["SHA256SUMS", "data.zst", "patches/1.zst"].map(|name| (name.to_owned(), 9));
        prepare(&folder, None, &files).unwrap();
        let mut left: Vec<_> =
            entries(&folder).unwrap().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        left.sort();
        assert_eq!(left, [PIECES, "patches"]);
        assert_eq!(entries(&at("patches")).unwrap(), Vec::<PathBuf>::new());
        assert_eq!(fs::read_to_string(basis_of(&folder).join("data.zst")).unwrap(), "x");
        assert!(Path::new("/etc/passwd").exists());
    }

    #[test]
    fn blocks_grow_with_the_largest_file() {
        let room = tempfile::tempdir().unwrap();
        let folder = room.path().join("folder");
        let with = |size: u64| {
            let basis = basis_of(&folder);
            fs::create_dir_all(&basis).unwrap();
            File::create(basis.join("data.zst")).unwrap().set_len(size).unwrap();
            block(&folder)
        };
        assert_eq!(block(&folder), "--block-size=2048");
        assert_eq!(with(1 << 20), "--block-size=2048");
        assert_eq!(with(2_200_000_000), "--block-size=5856");
        assert_eq!(with(4 << 40), "--block-size=131072");
    }

    #[test]
    fn a_link_in_the_place_of_the_folder_is_not_followed() {
        let room = tempfile::tempdir().unwrap();
        let (elsewhere, folder) = (room.path().join("elsewhere"), room.path().join("folder"));
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("precious"), "x").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
        prepare(&folder, None, &[("data.zst".to_owned(), 9)]).unwrap();
        assert_eq!(entries(&elsewhere).unwrap(), [elsewhere.join("precious")]);
        assert!(!folder.is_symlink());
    }
}
