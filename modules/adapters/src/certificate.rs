//! ssh certificates: when the one that belongs to a private key is valid, as `ssh-keygen -L` tells.

use crate::command::{Command, CommandError};
use backup_core::{Failure, Kind};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A certificate's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// `ssh-keygen` does not read it, or it is not there.
    #[error("cannot read the certificate {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What `ssh-keygen` said.
        source: CommandError,
    },
    /// `ssh-keygen` says something else than it used to.
    #[error("cannot read the certificate {}: `ssh-keygen -L` tells no times", path.display())]
    NoTimes {
        /// The file.
        path: PathBuf,
    },
}

impl Failure for CertificateError {
    fn kind(&self) -> Kind {
        Kind::Authentication
    }

    fn hint(&self) -> Option<String> {
        Some("Run playbooks/site.yml, which makes another one.".into())
    }
}

/// When a certificate lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From this time on.
    pub from: Timestamp,
    /// Before this time.
    pub to: Timestamp,
}

/// Where ssh looks for the certificate of a private key.
pub fn beside(identity: &Path) -> PathBuf {
    let mut path = OsString::from(identity);
    path.push("-cert.pub");
    path.into()
}

/// When the certificate in this file is valid.
///
/// # Errors
/// If there is none.
pub fn validity(path: &Path) -> Result<Validity, CertificateError> {
    // It prints times in the zone of its environment, and does not say which.
    let command = Command::new("ssh-keygen").args(["-L", "-f"]).arg(path).env("TZ", "UTC0").timeout(TIMEOUT);
    let output = command.run().map_err(|source| CertificateError::Unreadable { path: path.to_owned(), source })?;
    let text = output.text();
    text.lines().find_map(times).ok_or_else(|| CertificateError::NoTimes { path: path.to_owned() })
}

/// `Valid: from … to …`, `Valid: after …`, `Valid: before …` or `Valid: forever`.
fn times(line: &str) -> Option<Validity> {
    let mut words = line.trim().strip_prefix("Valid: ")?.split(' ');
    let mut validity = Validity { from: Timestamp::MIN, to: Timestamp::MAX };
    while let Some(word) = words.next() {
        match word {
            "forever" => {}
            "from" | "after" => validity.from = time(words.next()?)?,
            "to" | "before" => validity.to = time(words.next()?)?,
            _ => return None,
        }
    }
    Some(validity)
}

fn time(text: &str) -> Option<Timestamp> {
    let time: civil::DateTime = text.parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key with a certificate of its own authority, valid as `ssh-keygen -V` is told.
    fn certificate(room: &Path, validity: &str) -> PathBuf {
        let script = "rm -f key* ca*; ssh-keygen -q -t ed25519 -N '' -f ca; ssh-keygen -q -t ed25519 -N '' -f key
            TZ=UTC0 ssh-keygen -q -s ca -I test -n someone -V \"$0\" key.pub";
        let made = std::process::Command::new("sh").args(["-euc", script, validity]).current_dir(room).status();
        assert!(made.unwrap().success());
        beside(&room.join("key"))
    }

    #[test]
    fn times_are_read_as_they_were_signed() {
        let room = tempfile::tempdir().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (signed, from, to) in [
            ("20261121110000:20261221115959", at("2026-11-21T11:00:00Z"), at("2026-12-21T11:59:59Z")),
            ("always:20261221115959", Timestamp::MIN, at("2026-12-21T11:59:59Z")),
            ("20261121110000:forever", at("2026-11-21T11:00:00Z"), Timestamp::MAX),
            ("always:forever", Timestamp::MIN, Timestamp::MAX),
        ] {
            assert_eq!(validity(&certificate(room.path(), signed)).unwrap(), Validity { from, to }, "{signed}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused_with_a_remedy() {
        let room = tempfile::tempdir().unwrap();
        certificate(room.path(), "always:forever");
        for name in ["none", "key.pub"] {
            let error = validity(&room.path().join(name)).unwrap_err();
            assert_eq!(error.kind(), Kind::Authentication, "{error}");
            assert!(error.to_string().contains(name) && error.hint().unwrap().contains("site.yml"), "{error}");
        }
    }
}
