//! How runs take place: when, with which priority, and who hears of failures.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::{collections::BTreeSet, fmt, path::PathBuf};

/// Explicit cron times, five fields each: one, or a list. The roles install them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// On the source.
    #[serde(deserialize_with = "one_or_many")]
    pub collect: Vec<String>,
    /// On the side that transports.
    #[serde(deserialize_with = "one_or_many")]
    pub transport: Vec<String>,
    /// On the sink: rotation apart from the one after each transport.
    #[serde(deserialize_with = "one_or_many")]
    pub rotate: Vec<String>,
    /// Which of these a plan has derived. Installed documents say so: who plans again derives them anew.
    pub derived: BTreeSet<Step>,
}

/// A step that has times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Collect.
    Collect,
    /// Transport.
    Transport,
    /// Rotate apart from transports.
    Rotate,
}

impl Schedule {
    /// What somebody wrote, without what was derived.
    #[must_use]
    pub fn declared(&self) -> Self {
        let written = |step, times: &Vec<String>| if self.derived.contains(&step) { Vec::new() } else { times.clone() };
        Self {
            collect: written(Step::Collect, &self.collect),
            transport: written(Step::Transport, &self.transport),
            rotate: written(Step::Rotate, &self.rotate),
            derived: BTreeSet::new(),
        }
    }
}

/// A text, or a list of texts.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Texts;
    impl<'de> de::Visitor<'de> for Texts {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a cron time or a list of cron times")
        }
        fn visit_unit<E: de::Error>(self) -> Result<Vec<String>, E> {
            Ok(Vec::new())
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = items.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }
    deserializer.deserialize_any(Texts)
}

/// Mail through the host's sendmail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// Recipients; empty: no mail.
    pub to: Vec<String>,
    /// Sender; absent: sendmail's default.
    pub from: Option<String>,
    /// The sendmail program.
    pub sendmail: PathBuf,
}

impl Default for Mail {
    fn default() -> Self {
        Self { to: vec!["root".into()], from: None, sendmail: "/usr/sbin/sendmail".into() }
    }
}

/// CPU and I/O priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Priority {
    /// −20 to 19.
    pub nice: i8,
    /// I/O class and level.
    pub ionice: IoNice,
}

impl Default for Priority {
    fn default() -> Self {
        Self { nice: 10, ionice: IoNice::default() }
    }
}

/// I/O priority as `ionice` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IoNice {
    /// Scheduling class.
    pub class: IoClass,
    /// 0 (first) to 7 (last); only for realtime and best-effort.
    pub level: u8,
}

impl Default for IoNice {
    fn default() -> Self {
        Self { class: IoClass::BestEffort, level: 7 }
    }
}

/// I/O scheduling class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoClass {
    /// Leave it as it is.
    None,
    /// Before everybody else.
    Realtime,
    /// The usual class.
    BestEffort,
    /// Only when nobody else wants the disk.
    Idle,
}
