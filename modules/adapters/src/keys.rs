//! Signatures by ssh keys, through `ssh-keygen -Y`: the sink signs receipts, the source checks them.

use crate::command::{Command, CommandError, Input};
use crate::secrets::{self, SecretError};
use backup_core::{Failure, Kind};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a signature is for; one made for anything else does not count.
pub const NAMESPACE: &str = "handover-receipt";

const TIMEOUT: Duration = Duration::from_secs(30);

/// A key cannot be used, or a signature does not hold.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The private key's file is missing or unsafe.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// `ssh-keygen` failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Not signed by a key that is pinned for this identity, or not over these bytes.
    #[error("cannot accept the signature: no pinned key of {identity} made it over these bytes")]
    NotSigned {
        /// Whose key was expected.
        identity: String,
    },
    /// The pinned keys cannot be read.
    #[error("cannot read the pinned keys in {}: {source}", path.display())]
    Signers {
        /// The allowed-signers file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The signature cannot be handed to `ssh-keygen`.
    #[error("cannot write a temporary file: {0}")]
    Temporary(io::Error),
}

impl Failure for KeyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Secret(error) => error.kind(),
            Self::Command(error) => error.kind(),
            Self::NotSigned { .. } => Kind::Unsigned,
            Self::Signers { source, .. } | Self::Temporary(source) => crate::publish::kind_of(source),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Secret(error) => error.hint(),
            Self::Command(error) => error.hint(),
            Self::NotSigned { identity } => {
                Some(format!("Pin the present signing key of {identity}, if it was replaced on purpose."))
            }
            Self::Signers { path, .. } => Some(format!("Put the sink's public key into {}.", path.display())),
            Self::Temporary(_) => None,
        }
    }
}

/// Signs `message` with the private key in `key`; returns the armoured signature.
pub fn sign(key: &Path, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    secrets::check(key)?;
    let command = Command::new("ssh-keygen").args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(key);
    Ok(command.input(Input::Bytes(message.into())).timeout(TIMEOUT).run()?.stdout)
}

/// Checks that a key which the allowed-signers file `signers` lists for `identity` made `signature` over `message`.
pub fn verify(signers: &Path, identity: &str, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
    let missing = |source| KeyError::Signers { path: signers.to_owned(), source };
    std::fs::File::open(signers).map_err(missing)?;
    // ssh-keygen takes the message on stdin and the signature from a file only.
    let mut file = tempfile::NamedTempFile::new().map_err(KeyError::Temporary)?;
    file.write_all(signature).map_err(KeyError::Temporary)?;
    let command = Command::new("ssh-keygen")
        .args(["-q", "-Y", "verify", "-n", NAMESPACE, "-I", identity, "-f"])
        .arg(signers)
        .arg("-s")
        .arg(file.path());
    match command.input(Input::Bytes(message.into())).timeout(TIMEOUT).run() {
        Ok(_) => Ok(()),
        Err(CommandError::Failed { .. }) => Err(KeyError::NotSigned { identity: identity.into() }),
        Err(error) => Err(error.into()),
    }
}

/// The line of an allowed-signers file that pins `public_key` (the text of a `.pub` file) for `identity`.
pub fn signers_line(identity: &str, public_key: &str) -> String {
    let mut words = public_key.split_whitespace();
    let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("{identity} namespaces=\"{NAMESPACE}\" {kind} {key}\n")
}

/// The fingerprint of a public or private key file, `SHA256:…`.
pub fn fingerprint(key: &Path) -> Result<String, KeyError> {
    let output = Command::new("ssh-keygen").args(["-l", "-E", "sha256", "-f"]).arg(key).timeout(TIMEOUT).run()?;
    Ok(output.text().split_whitespace().nth(1).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn keygen(path: &Path) {
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
            .arg(path)
            .status()
            .unwrap();
        assert!(made.success());
    }

    #[test]
    fn only_the_pinned_key_over_the_same_bytes_counts() {
        let room = tempfile::tempdir().unwrap();
        let (key, other, signers) = (room.path().join("key"), room.path().join("other"), room.path().join("signers"));
        keygen(&key);
        keygen(&other);
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        fs::write(&signers, signers_line("sink1", &public)).unwrap();

        let signature = sign(&key, b"receipt").unwrap();
        assert!(signature.starts_with(b"-----BEGIN SSH SIGNATURE-----"));
        verify(&signers, "sink1", b"receipt", &signature).unwrap();

        let refused = |identity: &str, message: &[u8], signature: &[u8]| {
            let error = verify(&signers, identity, message, signature).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsigned, "{error}");
        };
        refused("sink1", b"receipt!", &signature);
        refused("sink2", b"receipt", &signature);
        refused("sink1", b"receipt", &sign(&other, b"receipt").unwrap());
        refused("sink1", b"receipt", b"");
        // A signature that was made for another purpose.
        let path = room.path().join("message");
        fs::write(&path, "receipt").unwrap();
        let mut foreign = std::process::Command::new("ssh-keygen");
        foreign.args(["-q", "-Y", "sign", "-n", "file", "-f"]).arg(&key).arg(&path);
        assert!(foreign.status().unwrap().success());
        refused("sink1", b"receipt", &fs::read(room.path().join("message.sig")).unwrap());

        assert!(fingerprint(&key.with_extension("pub")).unwrap().starts_with("SHA256:"));
        let error = verify(&room.path().join("none"), "sink1", b"", &signature).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(sign(&key, b"receipt").unwrap_err().kind(), Kind::Permission);
    }
}
