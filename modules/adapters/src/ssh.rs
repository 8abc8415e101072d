//! OpenSSH's client: a connection that depends on nothing but what is declared, and what its failures mean.
//!
//! No user or system configuration is read, no agent, no prompt, no forwarding, no pty. The host key is pinned: the
//! peer must be listed in the given known-hosts file, or there is no connection.

use crate::certificate;
use crate::command::{Command, CommandError, Input};
use crate::host;
use crate::signals::Interrupt;
use backup_core::{Failure, Kind};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// ssh's own exit status for "no session"; everything else is the remote command's.
const NO_SESSION: i32 = 255;

/// The longest answer of a remote command, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Where to connect, as whom, and what is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Remote login.
    pub user: String,
    /// Our private key.
    pub identity: PathBuf,
    /// A certificate for that key.
    pub certificate: Option<PathBuf>,
    /// The pinned host keys.
    pub known_hosts: PathBuf,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// The client, and what stands before its arguments; `["ssh"]`.
    pub program: Vec<String>,
}

/// A remote call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// No connection, or it was cut: may work later.
    #[error("cannot reach {host}: {reason}")]
    Unreachable {
        /// The peer.
        host: String,
        /// The last words of ssh.
        reason: String,
    },
    /// One side does not accept the other's key.
    #[error("cannot log in to {host}: {reason}")]
    Authentication {
        /// The peer.
        host: String,
        /// The last words of ssh.
        reason: String,
        /// Whose key it is about.
        remedy: String,
    },
    /// The remote command ran and failed.
    #[error("the command on {host} ended with exit status {code}{}", if stderr.is_empty() { String::new() } else { format!(": {stderr}") })]
    Remote {
        /// The peer.
        host: String,
        /// Its exit status.
        code: i32,
        /// What it wrote to stdout.
        stdout: Vec<u8>,
        /// The end of its stderr.
        stderr: String,
    },
    /// ssh itself could not run or did not end.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Failure for SshError {
    fn kind(&self) -> Kind {
        match self {
            // A timeout of ours: it hung although ssh's own keep-alives passed.
            Self::Unreachable { .. } | Self::Command(CommandError::TimedOut { .. }) => Kind::Unreachable,
            Self::Authentication { .. } => Kind::Authentication,
            Self::Remote { .. } => Kind::Refused,
            Self::Command(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } | Self::Remote { .. } => None,
            Self::Authentication { remedy, .. } => Some(remedy.clone()),
            Self::Command(error) => error.hint(),
        }
    }
}

impl Peer {
    /// The words of the ssh command up to and including the host; the remote command's words follow.
    pub fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = self.program.iter().map(OsString::from).collect();
        words.extend(["-F", "none", "-T", "-a", "-x"].map(OsString::from));
        let seconds = self.connect_timeout.as_secs().max(1);
        let mut option = |text: OsString| words.extend(["-o".into(), text]);
        for fixed in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "UpdateHostKeys=no",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "PreferredAuthentications=publickey",
            "ClearAllForwardings=yes",
            "ControlPath=none",
            "EscapeChar=none",
            "LogLevel=ERROR",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
        ] {
            option(fixed.into());
        }
        option(format!("ConnectTimeout={seconds}").into());
        option(file_option("UserKnownHostsFile", &self.known_hosts));
        option(file_option("IdentityFile", &self.identity));
        if let Some(certificate) = &self.certificate {
            option(file_option("CertificateFile", certificate));
        }
        words.extend(["-l", &self.user, "-p", &self.port.to_string(), "--", &self.host].map(OsString::from));
        words
    }

    /// Runs the remote `verb` (the peer's forced command interprets it) with `input` on its stdin; returns its stdout.
    pub fn call(
        &self,
        verb: &[&str],
        input: Vec<u8>,
        timeout: Duration,
        interrupt: Option<&Interrupt>,
    ) -> Result<Vec<u8>, SshError> {
        let words = self.words();
        let mut command = Command::from_words(&words).unwrap_or_else(|| Command::new("ssh"));
        command = command.args(verb).input(Input::Bytes(input)).timeout(timeout).limit(MAX_ANSWER);
        if let Some(interrupt) = interrupt {
            command = command.interrupted_by(interrupt);
        }
        // Every status is looked at here, because stdout of a remote command that failed explains why.
        let all: Vec<i32> = (1..=255).collect();
        let output = command.accept(&all).run()?;
        match output.code {
            0 => Ok(output.stdout),
            NO_SESSION => Err(self.classify(&output.stderr)),
            code => {
                Err(SshError::Remote { host: self.host.clone(), code, stdout: output.stdout, stderr: output.stderr })
            }
        }
    }

    /// What helps where the peer accepts neither key nor certificate.
    fn not_let_in(&self) -> String {
        let Some(path) = &self.certificate else {
            return "Authorise our public key for that account on the peer.".into();
        };
        let (now, file) = (host::now().timestamp(), path.display());
        match certificate::validity(path) {
            Err(error) => format!("There is no certificate to log in with ({error}): run playbooks/site.yml."),
            Ok(valid) if valid.to <= now => {
                format!("The certificate {file} lapsed at {}: run playbooks/site.yml, which renews it.", valid.to)
            }
            Ok(valid) if valid.from > now => {
                format!("The certificate {file} is valid from {} on only: set the clocks of both hosts.", valid.from)
            }
            Ok(valid) => format!(
                "The certificate {file}, valid until {}, is not accepted: the peer was not told of it, or it was revoked. \
                 Run playbooks/site.yml without --limit.",
                valid.to
            ),
        }
    }

    /// What ssh's last words mean when it had no session, or lost it.
    pub fn classify(&self, stderr: &str) -> SshError {
        let host = self.host.clone();
        let reason = last_line(stderr);
        let refused = |remedy| SshError::Authentication { host: host.clone(), reason: reason.clone(), remedy };
        let authentication = |remedy: &str| refused(remedy.to_owned());
        let says = |text: &str| stderr.contains(text);
        if says("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            authentication(
                "The peer's host key is not the pinned one: find out why before you replace it in the known-hosts file.",
            )
        } else if says("Host key verification failed") || says("No matching host key") || says("host key is known for")
        {
            authentication("Pin the peer's host key in the known-hosts file of this job.")
        } else if says("Permission denied") || says("Too many authentication failures") {
            refused(self.not_let_in())
        } else if says("UNPROTECTED PRIVATE KEY FILE") || says("Load key") || says("no such identity") {
            authentication("Give our private key to the account that connects, with mode 0600.")
        } else {
            SshError::Unreachable { host, reason }
        }
    }
}

/// ssh splits file options at spaces and expands `%`; quotes and `%%` keep a path whole.
fn file_option(name: &str, path: &std::path::Path) -> OsString {
    let text = path.to_string_lossy().replace('%', "%%");
    format!("{name}=\"{text}\"").into()
}

fn last_line(stderr: &str) -> String {
    let line = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.unwrap_or("the connection ended without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(program: &[&str]) -> Peer {
        Peer {
            host: "sink.example".into(),
            port: 2222,
            user: "dataBackupSink".into(),
            identity: "/home/a b/key".into(),
            certificate: None,
            known_hosts: "/etc/handover/known_hosts".into(),
            connect_timeout: Duration::from_secs(9),
            program: program.iter().map(|&word| word.into()).collect(),
        }
    }

    #[test]
    fn ssh_itself_understands_the_options() {
        let mut words = peer(&["ssh", "-G"]).words();
        let program = words.remove(0);
        let told = std::process::Command::new(program).args(words).output().unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        for line in [
            "hostname sink.example",
            "port 2222",
            "user dataBackupSink",
            "batchmode yes",
            "stricthostkeychecking true",
            "userknownhostsfile /etc/handover/known_hosts",
            "globalknownhostsfile /dev/null",
            "identityfile /home/a b/key",
            "identityagent none",
            "identitiesonly yes",
            "forwardagent no",
            "forwardx11 no",
            "requesttty false",
            "connecttimeout 9",
            "serveraliveinterval 15",
            "clearallforwardings yes",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} not in\n{told}");
        }
    }

    #[test]
    fn words_of_ssh_are_told_apart() {
        let peer = peer(&["ssh"]);
        for (stderr, kind) in [
            ("ssh: connect to host x port 22: Connection refused", Kind::Unreachable),
            ("ssh: connect to host x port 22: Connection timed out", Kind::Unreachable),
            ("kex_exchange_identification: Connection reset by peer", Kind::Unreachable),
            ("Connection closed by 10.0.0.1 port 22", Kind::Unreachable),
            ("Timeout, server x not responding.", Kind::Unreachable),
            ("ssh: Could not resolve hostname x: Name or service not known", Kind::Unreachable),
            ("", Kind::Unreachable),
            (
                "No ED25519 host key is known for x and you have requested strict checking.\nHost key verification failed.",
                Kind::Authentication,
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                Kind::Authentication,
            ),
            ("u@x: Permission denied (publickey).", Kind::Authentication),
            ("Load key \"/k\": Permission denied\nu@x: Permission denied (publickey).", Kind::Authentication),
        ] {
            let error = peer.classify(stderr);
            assert_eq!(error.kind(), kind, "{stderr}");
            assert_eq!(error.retryable(), kind == Kind::Unreachable);
            assert_eq!(error.hint().is_some(), kind == Kind::Authentication);
        }
        let changed = peer.classify("@ REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.");
        assert!(changed.hint().unwrap().contains("find out why"));
    }

    #[test]
    fn a_refused_connection_is_unreachable() {
        let mut peer = peer(&["ssh"]);
        (peer.host, peer.port) = ("127.0.0.1".into(), 1);
        let error = peer.call(&["status"], Vec::new(), Duration::from_secs(30), None).unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable, "{error}");
    }

    #[test]
    fn a_remote_failure_keeps_its_answer() {
        // `sh -c SCRIPT` in place of ssh: the connection's options become arguments that nobody reads.
        let peer = peer(&["sh", "-c", "cat; echo no >&2; exit 42"]);
        let error = peer.call(&["status"], b"{}".into(), Duration::from_secs(30), None).unwrap_err();
        let SshError::Remote { code, stdout, stderr, .. } = error else { panic!("{error}") };
        assert_eq!((code, stdout.as_slice(), stderr.as_str()), (42, b"{}".as_slice(), "no"));
    }
}
