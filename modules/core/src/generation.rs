//! What identifies a generation: its id, its digest, its kind, and the installation it came from.

use crate::{Failure, Kind};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::Range, str::FromStr};

/// A text that is not a valid id, digest or instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseError {
    /// The text as given.
    pub text: String,
    /// What it should have been.
    pub expected: &'static str,
}

impl Failure for ParseError {
    fn kind(&self) -> Kind {
        Kind::InvalidOption
    }
}

/// The clock stands more than [`GenerationId::CLOCK_TOLERANCE`] before the newest generation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the clock says {now}, but the newest generation is {newest}")]
pub struct ClockWentBack {
    /// The clock's reading.
    pub now: Timestamp,
    /// The newest id known for this job's stream.
    pub newest: GenerationId,
}

impl Failure for ClockWentBack {
    fn kind(&self) -> Kind {
        Kind::ClockWentBack
    }
    fn hint(&self) -> Option<String> {
        Some(format!(
            "Set the clock. If the clock is right and {} is from the future, move that generation's directory to `quarantine/` beside it; then run again.",
            self.newest
        ))
    }
}

/// The id of a generation: a UTC time of whole seconds, written `20261120T220000Z`. Ids order as times do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GenerationId(Timestamp);

impl GenerationId {
    /// How far the clock may stand before the newest id, and an incoming id after a sink's clock.
    pub const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
    const EXPECTED: &str = "a generation id such as 20261120T220000Z";

    /// The next id after `newest` at `now`: max(now, newest + 1 s).
    ///
    /// # Errors
    /// [`ClockWentBack`] if now is more than five minutes before the newest id: ids would run ahead of time for long.
    pub fn next(now: Timestamp, newest: Option<Self>) -> Result<Self, ClockWentBack> {
        let floor = Self::at(now);
        let Some(newest) = newest else {
            return Ok(floor);
        };
        if now.duration_until(newest.0) > Self::CLOCK_TOLERANCE {
            return Err(ClockWentBack { now, newest });
        }
        let after = newest.0.checked_add(SignedDuration::from_secs(1)).map_or(newest, Self::at);
        Ok(floor.max(after))
    }

    /// The id of this instant, cut to the second.
    pub fn at(time: Timestamp) -> Self {
        Self(Timestamp::from_second(time.as_second()).unwrap_or(time))
    }

    /// The instant this id names.
    pub const fn time(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = TimeZone::UTC.to_datetime(self.0);
        write!(
            f,
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )
    }
}

impl FromStr for GenerationId {
    type Err = ParseError;

    /// One instant has one name: no leap second, no other digits, nothing around it.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let parse = || {
            let b = text.as_bytes();
            if b.len() != 16 || b[8] != b'T' || b[15] != b'Z' {
                return None;
            }
            // No number here is larger than a year of four digits.
            let number = |places: Range<usize>| {
                b[places].iter().try_fold(0_i16, |n, c| c.is_ascii_digit().then(|| n * 10 + i16::from(c - b'0')))
            };
            let two = |at: usize| number(at..at + 2).and_then(|n| i8::try_from(n).ok());
            let at = DateTime::new(number(0..4)?, two(4)?, two(6)?, two(9)?, two(11)?, two(13)?, 0).ok()?;
            TimeZone::UTC.to_timestamp(at).ok().map(Self)
        };
        parse().ok_or_else(|| ParseError { text: text.to_owned(), expected: Self::EXPECTED })
    }
}

impl TryFrom<String> for GenerationId {
    type Error = ParseError;
    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<GenerationId> for String {
    fn from(id: GenerationId) -> Self {
        id.to_string()
    }
}

/// Which generation somebody means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The newest.
    Newest,
    /// This one.
    Id(GenerationId),
    /// The newest that is not after this one's time.
    NotAfter(GenerationId),
}

impl Wanted {
    const EXPECTED: &str = "newest, an id such as 20261120T220000Z, a day such as 2026-11-20 (of UTC, as ids are), or a time with its zone such as 2026-11-20T22:00Z";
}

impl FromStr for Wanted {
    type Err = ParseError;

    /// A day means its end: what was collected on it counts.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError { text: text.to_owned(), expected: Self::EXPECTED };
        if text == "newest" {
            return Ok(Self::Newest);
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let time = if text.len() == "2026-11-20".len() {
            let day: jiff::civil::Date = text.parse().map_err(|_| error())?;
            day.at(23, 59, 59, 0).to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| error())?.timestamp()
        } else {
            text.parse().map_err(|_| error())?
        };
        Ok(Self::NotAfter(GenerationId::at(time)))
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

macro_rules! hex_name {
    ($(#[doc = $doc:literal])+ $name:ident, $length:literal, $expected:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The lower-case hex digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// From raw bytes.
            pub fn from_bytes(bytes: &[u8; $length / 2]) -> Self {
                Self(hex::encode(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                if is_hex(text, $length) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ParseError { text: text.to_owned(), expected: $expected })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseError;
            fn try_from(text: String) -> Result<Self, ParseError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

hex_name!(
    /// A SHA-256: of an artifact, or, as *the digest of a generation*, of its `SHA256SUMS`.
    Digest, 64, "a SHA-256 of 64 lower-case hex digits"
);
hex_name!(
    /// The random id of a source installation. A clone or a rolled-back machine has another one, or repeats ids.
    InstanceId, 32, "a source instance of 32 lower-case hex digits"
);

impl Digest {
    /// The SHA-256 of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self::from_bytes(&sha2::Sha256::digest(bytes).into())
    }
}

/// Whether a generation stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GenerationKind {
    /// Stands alone.
    Full,
    /// What differs from exactly one full, its base.
    Incremental,
}

impl fmt::Display for GenerationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        })
    }
}

/// A generation named beyond doubt: the id says which, the digest says what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationRef {
    /// Its id.
    pub id: GenerationId,
    /// The SHA-256 of its seal.
    pub digest: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> GenerationId {
        text.parse().unwrap()
    }

    #[test]
    fn ids_are_strict() {
        assert_eq!(id("20261120T220000Z").time().to_string(), "2026-11-20T22:00:00Z");
        for bad in [
            "",
            "20261120T220000",
            "20261320T220000Z",
            "20261120T220060Z",
            "20261120t220000Z",
            "+0261120T220000Z",
            "../../../../etc..",
        ] {
            assert!(bad.parse::<GenerationId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn next_is_now_or_one_second_after_the_newest() {
        let now: Timestamp = "2026-11-20T22:00:00.7Z".parse().unwrap();
        assert_eq!(GenerationId::next(now, None).unwrap(), id("20261120T220000Z"));
        assert_eq!(GenerationId::next(now, Some(id("20261120T220000Z"))).unwrap(), id("20261120T220001Z"));
        assert_eq!(GenerationId::next(now, Some(id("20261120T220459Z"))).unwrap(), id("20261120T220500Z"));
        let refused = GenerationId::next(now, Some(id("20261120T220600Z"))).unwrap_err();
        assert_eq!(refused.kind(), Kind::ClockWentBack);
    }

    proptest! {
        #[test]
        fn ids_print_back_and_order_as_times(a in 0i64..4_000_000_000, b in 0i64..4_000_000_000) {
            let (x, y) = (GenerationId::at(Timestamp::from_second(a).unwrap()), GenerationId::at(Timestamp::from_second(b).unwrap()));
            prop_assert_eq!(id(&x.to_string()), x);
            prop_assert_eq!(x.to_string(), x.time().strftime("%Y%m%dT%H%M%SZ").to_string());
            prop_assert_eq!(x.to_string().cmp(&y.to_string()), a.cmp(&b));
        }
    }

    #[test]
    fn a_generation_is_meant_by_its_id_or_by_a_time() {
        let not_after = |id: &str| Wanted::NotAfter(id.parse().unwrap());
        for (text, wanted) in [
            ("newest", Wanted::Newest),
            ("20261120T220000Z", Wanted::Id("20261120T220000Z".parse().unwrap())),
            ("2026-11-20", not_after("20261120T235959Z")),
            ("2026-11-20T22:00Z", not_after("20261120T220000Z")),
            ("2026-11-20T23:30:59.9+01:30", not_after("20261120T220059Z")),
            ("2026-11-20 22:00:00+00:00", not_after("20261120T220000Z")),
        ] {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
        for text in ["", "oldest", "2026-11-31", "2026-11-20T22:00", "20.11.2026", "2026-11"] {
            assert!(text.parse::<Wanted>().unwrap_err().to_string().contains("a time with its zone"), "{text}");
        }
    }
}
