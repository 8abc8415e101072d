//! Whether a changed document is better: what failed holds, what held still holds, and nothing else that failed gets worse.

use super::super::{Check, Outcome};
use crate::StreamName;
use std::collections::BTreeMap;

/// What identifies a check between two plans.
pub(super) type Key = (String, Option<String>, Option<StreamName>);

pub(super) fn key(check: &Check) -> Key {
    // What is about no job is about a sink.
    (check.check.clone(), check.job.clone().or_else(|| check.other.clone()), check.stream)
}

pub(super) fn failed(checks: &[Check]) -> impl Iterator<Item = &Check> {
    checks.iter().filter(|check| check.outcome == Outcome::Failed)
}

/// Figures of which more is worse.
const MORE: [&str; 3] = ["effective", "waiting", "bytes"];

/// Figures of which less is worse.
const LESS: [&str; 2] = ["least", "window"];

fn is_worse(before: &Check, after: &Check) -> bool {
    let both = |name: &&str| Some((*before.figures.get(*name)?, *after.figures.get(*name)?));
    MORE.iter().filter_map(both).any(|(before, after)| after > before)
        || LESS.iter().filter_map(both).any(|(before, after)| after < before)
        || (!is_untold(before) && is_untold(after))
}

/// Too few copies for an age. On a short horizon that says nothing.
fn is_untold(check: &Check) -> bool {
    check.check == "rpo" && !check.figures.contains_key("effective")
}

/// What failed before anything was changed.
pub(super) struct Before<'c>(BTreeMap<Key, &'c Check>);

impl<'c> Before<'c> {
    pub(super) fn of(checks: &'c [Check]) -> Self {
        Self(failed(checks).map(|check| (key(check), check)).collect())
    }

    /// Whether the change helps what is `wanted`, by what fails with it. On a horizon that is not the whole one, checks that need
    /// more time than there is are left to the whole.
    pub(super) fn is_helped(&self, wanted: &Key, after: &[Check], whole: bool) -> bool {
        after.iter().filter(|check| whole || !is_untold(check)).all(|check| {
            let key = key(check);
            key != *wanted && self.0.get(&key).is_some_and(|before| !is_worse(before, check))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(check: &str, job: &str, figure: Option<(&str, i64)>) -> Check {
        let made = Check::new(check, Outcome::Failed, "").of(job);
        figure.into_iter().fold(made, |check, (name, value)| check.figure(name, value))
    }

    #[test]
    fn a_change_that_harms_something_else_is_no_help() {
        let checks = [failed("rpo", "shop", Some(("effective", 100))), failed("gap", "mail", Some(("least", 50)))];
        let before = Before::of(&checks);
        let helps = |after: &[Check]| before.is_helped(&key(&checks[0]), after, true);
        assert!(helps(&[]));
        assert!(helps(&[failed("gap", "mail", Some(("least", 50)))]), "as before");
        assert!(helps(&[failed("gap", "mail", Some(("least", 60)))]), "better");
        assert!(!helps(&[failed("gap", "mail", Some(("least", 40)))]), "worse");
        assert!(!helps(&[failed("overlap", "mail", None)]), "new");
        assert!(!helps(&[failed("rpo", "shop", Some(("effective", 90)))]), "not enough");
        assert!(!helps(&[failed("rpo", "shop", None)]), "nothing arrives");
        assert!(before.is_helped(&key(&checks[0]), &[failed("rpo", "shop", None)], false), "too early to tell");
        for (effective, helps) in [(90, true), (100, true), (110, false)] {
            let after = [failed("rpo", "shop", Some(("effective", effective)))];
            assert_eq!(before.is_helped(&key(&checks[1]), &after, true), helps, "{effective}");
        }
        assert!(!before.is_helped(&key(&checks[1]), &[failed("rpo", "shop", None)], true), "no age at all is worse");
    }
}
