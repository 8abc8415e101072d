//! Mail through the host's own `sendmail`: the mail agent there knows how to deliver, we only write the message.

use crate::command::{Command, CommandError, Input};
use crate::{host, users};
use backup_core::{Failure, Kind};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// A mail agent that does not take a message within this time is broken.
const TIMEOUT: Duration = Duration::from_mins(1);
/// No encoded line is longer than this (RFC 2045, RFC 2047).
const LINE: usize = 72;

/// A message in plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Addresses or local users.
    pub to: Vec<String>,
    /// The sender; by default the account that we run as.
    pub from: Option<String>,
    /// One line.
    pub subject: String,
    /// Any text.
    pub body: String,
}

/// A message that was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// An address that would change the message or the command.
    #[error("cannot send mail to {0:?}: it is not one address")]
    Address(String),
    /// Nobody to send it to.
    #[error("cannot send mail: no recipient is named")]
    NoRecipient,
    /// `sendmail` failed.
    #[error("cannot send mail: {0}")]
    Sendmail(#[from] CommandError),
}

impl Failure for MailError {
    fn kind(&self) -> Kind {
        match self {
            Self::Address(_) | Self::NoRecipient => Kind::InvalidOption,
            Self::Sendmail(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address(_) | Self::NoRecipient => Some("Name one address or local user per list entry.".into()),
            Self::Sendmail(CommandError::Missing { .. }) => {
                Some("Install a mail agent that queues, such as dma or nullmailer, or set mail.sendmail.".into())
            }
            Self::Sendmail(error) => error.hint(),
        }
    }
}

/// Hands `mail` over to the program `sendmail` (`/usr/sbin/sendmail`).
pub fn send(sendmail: &Path, mail: &Mail) -> Result<(), MailError> {
    let id = host::random_hex(16).unwrap_or_default();
    let message = compose(mail, &host::hostname(), host::now().unix_seconds(), &id)?;
    let mut command = Command::new(sendmail).args(["-t", "-i"]);
    if let Ok(account) = users::current() {
        command = command.as_user(&account);
    }
    command.input(Input::Bytes(message.into())).timeout(TIMEOUT).run()?;
    Ok(())
}

/// The message as RFC 5322 wants it, in ASCII whatever is in it.
fn compose(mail: &Mail, host: &str, unix_seconds: u64, id: &str) -> Result<String, MailError> {
    if mail.to.is_empty() {
        return Err(MailError::NoRecipient);
    }
    let user = || users::current().map_or_else(|_| "root".into(), |account| account.name);
    let from = mail.from.clone().unwrap_or_else(|| format!("{}@{host}", user()));
    for address in mail.to.iter().chain([&from]) {
        let odd = |c: char| c.is_whitespace() || c.is_control() || ",;<>()\"".contains(c) || !c.is_ascii();
        if address.is_empty() || address.starts_with('-') || address.contains(odd) {
            return Err(MailError::Address(address.clone()));
        }
    }
    let plain = mail.body.is_ascii() && mail.body.lines().all(|line| line.len() <= 900);
    let (encoding, body) =
        if plain { ("7bit", mail.body.clone()) } else { ("quoted-printable", printable(&mail.body)) };
    let mut text = String::new();
    let mut header = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}: {value}");
    };
    header("From", &from);
    header("To", &mail.to.join(",\n "));
    header("Subject", &words(&mail.subject));
    header("Date", &date(unix_seconds));
    header("Message-ID", &format!("<{id}@{host}>"));
    header("Auto-Submitted", "auto-generated");
    header("MIME-Version", "1.0");
    header("Content-Type", "text/plain; charset=utf-8");
    header("Content-Transfer-Encoding", encoding);
    text.push('\n');
    text.push_str(&body);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn date(unix_seconds: u64) -> String {
    let time = i64::try_from(unix_seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let time = time.unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    jiff::fmt::rfc2822::to_string(&time).unwrap_or_default()
}

/// A header value on one line; what is not plain ASCII becomes encoded words (RFC 2047).
fn words(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.is_ascii() && text.len() <= 900 && !text.contains("=?") {
        return text;
    }
    let (mut result, mut word) = (String::new(), String::new());
    for c in text.chars() {
        let mut encoded = String::new();
        if c.is_ascii_alphanumeric() {
            encoded.push(c);
        } else {
            hex(&mut encoded, c);
        }
        // A character never spans two words.
        if word.len() + encoded.len() + "=?utf-8?Q??=".len() > LINE {
            let _ = write!(result, "=?utf-8?Q?{word}?=\n ");
            word.clear();
        }
        word.push_str(&encoded);
    }
    let _ = write!(result, "=?utf-8?Q?{word}?=");
    result
}

/// Quoted-printable (RFC 2045): readable where it is ASCII.
fn printable(text: &str) -> String {
    let mut result = String::new();
    for line in text.lines() {
        let mut width = 0;
        let last = line.chars().count().saturating_sub(1);
        for (index, c) in line.chars().enumerate() {
            let mut encoded = String::new();
            // White space at the end of a line gets lost on the way.
            if (c.is_ascii_graphic() && c != '=') || (matches!(c, ' ' | '\t') && index != last) {
                encoded.push(c);
            } else {
                hex(&mut encoded, c);
            }
            if width + encoded.len() > LINE {
                result.push_str("=\n");
                width = 0;
            }
            width += encoded.len();
            result.push_str(&encoded);
        }
        result.push('\n');
    }
    result
}

fn hex(text: &mut String, c: char) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(text, "={byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;

    fn mail(subject: &str, body: &str) -> Mail {
        Mail {
            to: vec!["root".into(), "ops@example.org".into()],
            from: Some("handover@example.org".into()),
            subject: subject.into(),
            body: body.into(),
        }
    }

    /// Python's mail parser as the foreign reader: subject, decoded body, date, recipients.
    fn read_back(message: &str) -> Vec<String> {
        let script = "import sys, email, email.policy, json\n\
            m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n\
            assert not m.defects, m.defects\n\
            print(json.dumps([m['Subject'], m.get_content(), m['Date'].datetime.isoformat(), m['To']]))";
        let mut child = std::process::Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
        serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn a_foreign_reader_gets_back_what_was_written() {
        let long = "ü".repeat(500) + " =?x?= end";
        for (subject, body) in [
            ("handover shop: failed", "the sink is full\n.\nline\n"),
            ("Sicherung für „shop“ fehlgeschlagen", "Gerät voll: 100 %\ntrailing space \nkey=value\n"),
            (long.as_str(), "x\n"),
            ("one line", &("long ".repeat(400) + "\n")),
        ] {
            let message = compose(&mail(subject, body), "web1", 1_795_168_800, "id").unwrap();
            assert!(message.is_ascii() && message.lines().all(|line| line.len() <= 998));
            let read = read_back(&message);
            assert_eq!(read, [subject, body, "2026-11-20T10:00:00+00:00", "root, ops@example.org"]);
        }
    }

    #[test]
    fn nothing_can_be_smuggled_into_the_headers() {
        let message = compose(&mail("x\nBcc: evil@example.org", "b"), "web1", 0, "id").unwrap();
        assert!(!message.lines().any(|line| line.starts_with("Bcc")));
        for address in ["", "-f", "a b", "a\nBcc: x", "a,b"] {
            let mut mail = mail("s", "b");
            mail.to = vec![address.into()];
            assert!(matches!(compose(&mail, "h", 0, "id"), Err(MailError::Address(_))), "{address:?}");
        }
        let mut mail = mail("s", "b");
        mail.to.clear();
        assert!(matches!(compose(&mail, "h", 0, "id"), Err(MailError::NoRecipient)));
    }

    #[test]
    fn the_agent_gets_the_message_and_its_failure_is_ours() {
        let room = tempfile::tempdir().unwrap();
        let agent = room.path().join("sendmail");
        let spool = room.path().join("spool");
        fs::write(&agent, format!("#!/bin/sh\necho \"$@\" >{0}\ncat >>{0}\n", spool.display())).unwrap();
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
        send(&agent, &mail("subject", "body")).unwrap();
        let spooled = fs::read_to_string(&spool).unwrap();
        assert!(spooled.starts_with("-t -i\nFrom: handover@example.org\n") && spooled.ends_with("\n\nbody\n"));

        fs::write(&agent, "#!/bin/sh\ncat >/dev/null; echo queue is full >&2; exit 75\n").unwrap();
        let error = send(&agent, &mail("subject", "body")).unwrap_err();
        assert!(error.to_string().contains("queue is full"), "{error}");
        let error = send(Path::new("/nowhere/sendmail"), &mail("subject", "body")).unwrap_err();
        assert_eq!(error.kind(), Kind::MissingTool);
        assert!(error.hint().unwrap().contains("dma"));
    }
}
