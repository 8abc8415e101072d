//! Quantities as people write them in a job document: `64MiB`, `7d`, `30%`.

use std::{fmt, str::FromStr, time::Duration};

/// Why a quantity was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct UnitError {
    /// The text as given.
    pub value: String,
    /// What is accepted, with an example.
    pub expected: &'static str,
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// Written and read as text, through `Display` and `FromStr`; a plain number is read as its digits.
macro_rules! as_text {
    ($name:ident, $expected:expr) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<$name, E> {
                        v.to_string().parse().map_err(E::custom)
                    }
                    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<$name, E> {
                        v.to_string().parse().map_err(E::custom)
                    }
                    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<$name, E> {
                        v.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
pub(crate) use as_text;

/// A number of bytes: a plain integer or with `K`, `KiB`, `kB`, … up to `T`. `K` and `KiB` are 1024, `kB` is 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl Bytes {
    const EXPECTED: &str = "a size such as 500MB or 64MiB";

    /// Rounded up to a tenth of its decimal unit: a need is never told smaller than it is.
    #[must_use]
    pub const fn rounded_up(self) -> Self {
        let tenth = match self.0 {
            0..1_000 => 1,
            1_000..1_000_000 => 100,
            1_000_000..1_000_000_000 => 100_000,
            1_000_000_000..1_000_000_000_000 => 100_000_000,
            _ => 100_000_000_000,
        };
        Self(self.0.div_ceil(tenth).saturating_mul(tenth))
    }

    /// For people, [rounded up](Self::rounded_up): `87.2 GB`.
    pub fn told(self) -> String {
        let rounded = self.rounded_up().0;
        let (unit, name) = match rounded {
            0..1_000 => return format!("{rounded} B"),
            1_000..1_000_000 => (1_000, "kB"),
            1_000_000..1_000_000_000 => (1_000_000, "MB"),
            1_000_000_000..1_000_000_000_000 => (1_000_000_000, "GB"),
            _ => (1_000_000_000_000, "TB"),
        };
        match (rounded / unit, rounded % unit / (unit / 10)) {
            (whole, 0) => format!("{whole} {name}"),
            (whole, tenths) => format!("{whole}.{tenths} {name}"),
        }
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { value: text.to_owned(), expected: Self::EXPECTED };
        let (digits, unit) = split(text);
        let factor: u64 = match unit {
            "" | "B" => 1,
            "kB" | "KB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "k" | "K" | "KiB" => 1 << 10,
            "M" | "MiB" => 1 << 20,
            "G" | "GiB" => 1 << 30,
            "T" | "TiB" => 1 << 40,
            _ => return Err(error()),
        };
        let count: u64 = digits.parse().map_err(|_| error())?;
        count.checked_mul(factor).map(Self).ok_or_else(error)
    }
}

/// Exactly, in the unit that leaves the fewest digits: what is printed is read back.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 8] = [
            (1_000_000_000_000, "TB"),
            (1 << 40, "TiB"),
            (1_000_000_000, "GB"),
            (1 << 30, "GiB"),
            (1_000_000, "MB"),
            (1 << 20, "MiB"),
            (1_000, "kB"),
            (1 << 10, "KiB"),
        ];
        let exact = UNITS.iter().filter(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        match exact.max_by_key(|(unit, _)| unit) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A span of time in whole seconds: a sum such as `90s`, `15min`, `2h30min`, `7d`, `3w`, or 0. Days are 24 hours. No other
/// number goes without its unit: `24` may mean hours or days, and Ansible reads a bare `2:00` as 120.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

impl Span {
    const EXPECTED: &str = "a time span with its units, such as 90s, 15min, 2h30min, 7d or 3w";

    /// As a standard duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { value: text.to_owned(), expected: Self::EXPECTED };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(error());
        }
        if rest == "0" {
            return Ok(Self(0));
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (digits, after) = split(rest);
            let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let factor = match &after[..end] {
                "s" | "sec" => 1,
                "m" | "min" => 60,
                "h" => 3600,
                "d" => 86_400,
                "w" => 7 * 86_400,
                _ => return Err(error()),
            };
            let count: u64 = digits.parse().map_err(|_| error())?;
            total = count.checked_mul(factor).and_then(|s| total.checked_add(s)).ok_or_else(error)?;
            rest = after[end..].trim_start();
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (seconds, unit) in [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")] {
            if left >= seconds {
                write!(f, "{}{unit}", left / seconds)?;
                left %= seconds;
            }
        }
        Ok(())
    }
}

/// A share of something, 0 to 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent(pub u8);

impl Percent {
    const EXPECTED: &str = "a percentage such as 30%";

    /// This share of `whole`, rounded down.
    pub fn of(self, whole: u64) -> u64 {
        u64::try_from(u128::from(whole) * u128::from(self.0) / 100).unwrap_or(u64::MAX)
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError { value: text.to_owned(), expected: Self::EXPECTED };
        let (digits, unit) = split(text);
        match digits.parse::<u8>() {
            Ok(value) if value <= 100 && matches!(unit, "" | "%") => Ok(Self(value)),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

as_text!(Bytes, Bytes::EXPECTED);
as_text!(Span, Span::EXPECTED);
as_text!(Percent, Percent::EXPECTED);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("0", 0), ("64MiB", 64 << 20), ("64 M", 64 << 20), ("5kB", 5000), ("2T", 2 << 40)] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "-1", "1.5M", "12parsecs", "99999999999T"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_for_people() {
        let cases = [
            (30_000_000_000, "30GB", "30 GB"),
            (64 << 20, "64MiB", "67.2 MB"),
            (3 << 30, "3GiB", "3.3 GB"),
            (87_123_456_789, "87123456789", "87.2 GB"),
            (999_999_999, "999999999", "1 GB"),
            (1_500_000, "1500kB", "1.5 MB"),
            (1024, "1KiB", "1.1 kB"),
            (999, "999", "999 B"),
            (0, "0", "0 B"),
        ];
        for (bytes, exact, told) in cases {
            assert_eq!((Bytes(bytes).to_string().as_str(), Bytes(bytes).told().as_str()), (exact, told));
        }
        assert_eq!(Bytes(87_123_456_789).rounded_up().to_string(), "87200MB");
    }

    #[test]
    fn spans() {
        for (text, seconds) in
            [("0", 0), ("90s", 90), ("15min", 900), ("2h30min", 9000), ("7d", 604_800), ("1w 1s", 604_801)]
        {
            assert_eq!(text.parse(), Ok(Span(seconds)), "{text}");
        }
        for text in ["", "h", "-5s", "3 fortnights", "1h-1s", "90", "24", "2h30"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(n in any::<u32>(), p in 0u8..=100) {
            for bytes in [Bytes(n.into()), Bytes(n.into()).rounded_up(), Bytes(u64::from(n) << 10)] {
                prop_assert_eq!(bytes.to_string().parse(), Ok(bytes));
            }
            prop_assert!(Bytes(n.into()).rounded_up() >= Bytes(n.into()));
            prop_assert_eq!(Span(n.into()).to_string().parse(), Ok(Span(n.into())));
            prop_assert_eq!(Percent(p).to_string().parse(), Ok(Percent(p)));
        }
    }
}
