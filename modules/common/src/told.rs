//! What was told already. Cron calls `recover` every minute, and nobody reads the same mail every minute.
//!
//! A finding is told once a day as long as it lasts. Two executables look at the same jobs in turn, so a note holds the
//! findings of each by its name: what one has told the other does not tell again, and each clears only its own. Two
//! calls at the same moment may both tell: a mail too many is better than none.

use crate::notify;
use backup_adapters::logger::{Logger, Severity};
use backup_adapters::publish::{self, PublishError};
use backup_core::job;
use backup_interface::Failed;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The note's name, in a state directory.
const NOTE: &str = "told.json";
/// What lasts longer is told again.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// Findings, and when they were told.
type Findings = BTreeMap<String, Timestamp>;

/// A failure that comes back with every call as long as its cause lasts.
pub(crate) struct Finding<'a> {
    /// What it is told from others by. Not the message: that may hold a time or a process id, and differ every minute.
    pub(crate) name: String,
    /// The failure.
    pub(crate) failed: &'a Failed,
    /// Whom to mail; `None` where the document that names them cannot be read: then the caller is told.
    pub(crate) mail: Option<&'a job::Mail>,
    /// The mail's.
    pub(crate) subject: String,
}

/// What came of telling.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Somebody still has to be told, by what the call prints.
    pub(crate) is_for_caller: bool,
    /// What went wrong on the way.
    pub(crate) warnings: Vec<String>,
}

/// Tells those of `findings`, all that `program` has found of what `directory` is about, which nobody was told within a
/// day. With none the note is cleared.
pub(crate) fn tell(directory: &Path, program: &str, findings: &[Finding<'_>], now: Timestamp) -> Told {
    let note = Note::read(directory);
    let mut told = Told::default();
    let mut own = Findings::new();
    for Finding { name, failed, mail, subject } in findings {
        if let Some(at) = note.told(name, now) {
            own.insert(name.clone(), at);
            continue;
        }
        let text = notify::text(failed);
        let sent = if let Some(mail) = mail {
            backup_adapters::notify::send(program, mail, Severity::Error, subject, &text)
        } else {
            Logger::new(program).log(Severity::Error, &format!("{subject}: {text}"));
            Ok(false)
        };
        told.is_for_caller |= !matches!(sent, Ok(true));
        match sent {
            Ok(_) => drop(own.insert(name.clone(), now)),
            // Not noted: the next call tries again.
            Err(error) => told.warnings.push(notify::unheard(&error)),
        }
    }
    if let Err(error) = note.keep(program, &own) {
        told.warnings.push(format!("this will be told again: {error}"));
    }
    told
}

/// What was told, by the executable that told it.
struct Note {
    path: PathBuf,
    by: BTreeMap<String, Findings>,
}

impl Note {
    /// A note that cannot be read is as good as none: all is told once more.
    fn read(directory: &Path) -> Self {
        let path = directory.join(NOTE);
        let by = std::fs::read(&path).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        Self { path, by }
    }

    /// When this was told, if that was within a day. A time to come is a clock that was wrong.
    fn told(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        let recent = |at: &&Timestamp| (SignedDuration::ZERO..AGAIN).contains(&now.duration_since(**at));
        self.by.values().filter_map(|findings| findings.get(name)).find(recent).copied()
    }

    /// Replaces what `program` has found.
    fn keep(mut self, program: &str, findings: &Findings) -> Result<(), PublishError> {
        if self.by.get(program).unwrap_or(&Findings::new()) == findings {
            return Ok(());
        }
        if findings.is_empty() {
            self.by.remove(program);
        } else {
            self.by.insert(program.to_owned(), findings.clone());
        }
        if self.by.is_empty() {
            return publish::remove_file(&self.path);
        }
        publish::create_dirs(self.path.parent().unwrap_or(&self.path), 0o700, None)?;
        let json = serde_json::to_vec(&self.by).expect("a note has only string keys");
        publish::write_atomic(&self.path, &json, 0o600, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_adapters::users::UserError;

    const ONE: &str = "backup_restore";
    const OTHER: &str = "backup_collect";

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_795_168_800 + 3600 * hour).unwrap()
    }

    /// Whether this is told now, to the caller since no recipient is known.
    fn is_told(directory: &Path, program: &str, names: &[&str], hour: i64) -> bool {
        let failed: Failed = UserError::NoUser("nobody".into()).into();
        let finding =
            |name: &&str| Finding { name: (*name).into(), failed: &failed, mail: None, subject: "test".into() };
        let told = tell(directory, program, &names.iter().map(finding).collect::<Vec<_>>(), at(hour));
        assert!(told.warnings.is_empty(), "{told:?}");
        told.is_for_caller
    }

    #[test]
    fn a_finding_is_told_once_a_day_by_whoever_sees_it_first() {
        let room = tempfile::tempdir().unwrap();
        let state = room.path().join("state/shop");
        assert!(!is_told(&state, ONE, &[], 0));
        assert!(!state.exists(), "where nothing is found nothing is made");
        assert!(is_told(&state, ONE, &["broken"], 0));
        assert!(!is_told(&state, OTHER, &["broken"], 0), "the other has told it");
        assert!(!is_told(&state, ONE, &["broken"], 23));
        assert!(is_told(&state, ONE, &["broken", "worse"], 23), "something else is new");
        assert!(is_told(&state, OTHER, &["broken"], 24), "it lasts");
        assert!(!is_told(&state, ONE, &["broken"], 24));
        assert!(is_told(&state, ONE, &["broken"], 2), "a clock that was set back");
    }

    #[test]
    fn what_is_gone_is_forgotten_by_each_for_itself() {
        let room = tempfile::tempdir().unwrap();
        let state = room.path();
        assert!(is_told(state, ONE, &["trees"], 0));
        assert!(is_told(state, OTHER, &["services"], 0));
        assert!(!is_told(state, OTHER, &[], 1), "its own is gone");
        assert!(!is_told(state, ONE, &["trees"], 1), "the other's is not");
        assert!(!is_told(state, ONE, &[], 2));
        assert!(!state.join(NOTE).exists(), "nothing is left to be noted");
        assert!(is_told(state, ONE, &["trees"], 3), "it is new again");
    }

    #[test]
    fn a_torn_note_costs_one_more_mail() {
        let room = tempfile::tempdir().unwrap();
        std::fs::write(room.path().join(NOTE), "{\"backup_re").unwrap();
        assert!(is_told(room.path(), ONE, &["broken"], 0));
        assert!(!is_told(room.path(), ONE, &["broken"], 1));
    }
}
