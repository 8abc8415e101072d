//! Files that hold secrets: read only if nobody else can read or replace them.

use backup_core::{Failure, Kind};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// More than any password or key.
const LIMIT: u64 = 64 << 10;

/// A secret's file is missing or unsafe.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be opened or read.
    #[error("cannot read the secret file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read or replace it.
    #[error("cannot use the secret file {}: {problem}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// What is unsafe about it.
        problem: String,
    },
}

impl Failure for SecretError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } => crate::publish::kind_of(source),
            Self::Unsafe { .. } => Kind::Permission,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { .. } => None,
            Self::Unsafe { path, .. } => {
                Some(format!("Give {} to the account that reads it, with mode 0600.", path.display()))
            }
        }
    }
}

/// Checks that the file at `path` belongs to us (or root) and that nobody else may read or write it.
pub fn check(path: &Path) -> Result<(), SecretError> {
    open(path).map(|_| ())
}

/// Reads a secret as text, without the newline at its end.
pub fn read(path: &Path) -> Result<String, SecretError> {
    let failed = |source| SecretError::Io { path: path.to_owned(), source };
    let mut text = String::new();
    open(path)?.take(LIMIT).read_to_string(&mut text).map_err(failed)?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}

fn open(path: &Path) -> Result<File, SecretError> {
    let failed = |source| SecretError::Io { path: path.to_owned(), source };
    // What is checked is the open file, so that it cannot be exchanged in between.
    let file = File::open(path).map_err(failed)?;
    match problem(&file.metadata().map_err(failed)?, nix::unistd::geteuid().as_raw()) {
        Some(problem) => Err(SecretError::Unsafe { path: path.to_owned(), problem }),
        None => Ok(file),
    }
}

fn problem(meta: &Metadata, us: u32) -> Option<String> {
    if !meta.is_file() {
        Some("it is not a regular file".into())
    } else if meta.uid() != us && meta.uid() != 0 {
        Some(format!("it belongs to user {}", meta.uid()))
    } else if meta.mode() & 0o077 != 0 {
        Some(format!("its mode {:04o} lets others in", meta.mode() & 0o7777))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn only_a_private_file_is_read() {
        assert!(crate::users::is_root(), "this test needs root");
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("secret");
        fs::write(&path, "p w\n").unwrap();
        for mode in [0o644, 0o640, 0o602, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err();
            assert_eq!(error.kind(), Kind::Permission);
            assert!(error.to_string().contains(&format!("{mode:04o}")) && !error.to_string().contains("p w"));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read(&path).unwrap(), "p w");
        chown(&path, Some(65534), None).unwrap();
        assert!(check(&path).unwrap_err().to_string().contains("belongs to user 65534"));
        assert_eq!(check(room.path()).unwrap_err().kind(), Kind::Permission);
        assert_eq!(check(&room.path().join("none")).unwrap_err().kind(), Kind::NotFound);
    }
}
