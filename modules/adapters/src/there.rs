//! Whether something lies somewhere.
//!
//! `Path::exists` and its kin say "no" also where the system could not tell. Who decides by that takes for absent what is
//! there: a journal that must be undone, a receipt, one of two trees that are exchanged. So they are not used where
//! anything is decided (`clippy.toml`), and these are.

use crate::publish::kind_of;
use backup_core::{Failure, Kind};
use std::{
    fs::Metadata,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// The system could not say whether something lies there.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell whether {} is there: {source}", path.display())]
pub struct LookError {
    /// Where.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl Failure for LookError {
    fn kind(&self) -> Kind {
        kind_of(&self.source)
    }
}

/// What lies there itself, not what a link to it leads to; `None`: nothing does.
pub fn look(path: &Path) -> Result<Option<Metadata>, LookError> {
    match path.symlink_metadata() {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(source) => Err(LookError { path: path.to_owned(), source }),
    }
}

/// Whether an error says that nothing lies at a path: nothing of that name, or what should be a directory above it is none.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether anything lies there.
pub fn is_there(path: &Path) -> Result<bool, LookError> {
    Ok(look(path)?.is_some())
}

/// Whether a directory lies there itself, not a link to one.
pub fn is_dir(path: &Path) -> Result<bool, LookError> {
    Ok(look(path)?.is_some_and(|found| found.is_dir()))
}

/// Whether a regular file lies there itself, not a link to one.
pub fn is_file(path: &Path) -> Result<bool, LookError> {
    Ok(look(path)?.is_some_and(|found| found.is_file()))
}

/// The path itself, or the nearest directory above it that is there: where it will be.
pub fn nearest(path: &Path) -> Result<&Path, LookError> {
    for above in path.ancestors() {
        if above.metadata().is_ok_and(|found| found.is_dir()) {
            return Ok(above);
        }
        // A link that leads nowhere is as good as nothing; what cannot be asked is not.
        look(above)?;
    }
    Ok(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_is_not_the_same_as_not_to_know() {
        let room = tempfile::tempdir().unwrap();
        let at = |name: &str| room.path().join(name);
        assert!(!is_there(&at("none")).unwrap());
        std::fs::write(at("file"), "").unwrap();
        assert!(is_there(&at("file")).unwrap() && is_file(&at("file")).unwrap() && !is_dir(&at("file")).unwrap());
        // Below a file lies nothing, for certain.
        assert!(!is_there(&at("file/below")).unwrap());
        let unknown = look(&at(&"n".repeat(300))).unwrap_err();
        assert!(unknown.to_string().starts_with("cannot tell whether "), "{unknown}");
    }

    #[test]
    fn a_link_is_what_lies_there() {
        let room = tempfile::tempdir().unwrap();
        let link = room.path().join("link");
        symlink(room.path(), &link).unwrap();
        assert!(is_there(&link).unwrap() && !is_dir(&link).unwrap() && is_dir(room.path()).unwrap());
        symlink(room.path().join("nowhere"), room.path().join("dangling")).unwrap();
        assert!(is_there(&room.path().join("dangling")).unwrap());
        assert_eq!(nearest(&room.path().join("dangling/deeper")).unwrap(), room.path());
        assert_eq!(nearest(&link.join("to/come")).unwrap(), link);
    }
}
