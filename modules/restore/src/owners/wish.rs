//! What the operator says about owners, checked against this host before anything is done.

use super::Whose;
use crate::error::Result;
use backup_interface::OptionError;
use backup_interface::scalar::Mapping;
use serde_json::Value;
use std::collections::BTreeMap;

/// How owners are found on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum By {
    /// By the name that they had on the source, if this host has it; else by number.
    #[default]
    Name,
    /// By number.
    Number,
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(super) by: By,
    pub(super) users: Declared,
    pub(super) groups: Declared,
}

/// Names or numbers of the source, and the numbers that stand for them here.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared(pub(super) BTreeMap<String, u32>);

impl Wish {
    /// Reads the options, and finds on this host whom they name.
    pub(crate) fn new(by: By, users: Option<&Mapping>, groups: Option<&Mapping>) -> Result<Self> {
        Ok(Self { by, users: declared(Whose::User, users)?, groups: declared(Whose::Group, groups)? })
    }

    /// Whether every number stays what it is.
    pub(super) fn is_plain(&self) -> bool {
        self.by == By::Number && self.users.0.is_empty() && self.groups.0.is_empty()
    }

    pub(super) const fn of(&self, whose: Whose) -> &Declared {
        match whose {
            Whose::User => &self.users,
            Whose::Group => &self.groups,
        }
    }
}

impl Declared {
    /// What is declared for an owner; its name counts before its number.
    pub(super) fn get(&self, number: u32, name: Option<&str>) -> Option<(&String, u32)> {
        let named = name.and_then(|name| self.0.get_key_value(name));
        named.or_else(|| self.0.get_key_value(&number.to_string())).map(|(old, new)| (old, *new))
    }
}

fn declared(whose: Whose, mapping: Option<&Mapping>) -> Result<Declared> {
    let mut found = Declared::default();
    for (old, new) in mapping.into_iter().flat_map(|mapping| &mapping.0) {
        let new = match new {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            other => return Err(refused(whose, &format!("{old}: {other} is neither a name nor a number")).into()),
        };
        if old.is_empty() || new.is_empty() {
            return Err(refused(whose, "a name is empty").into());
        }
        let number = match new.parse() {
            // The system takes it for "leave the owner as it is".
            Ok(u32::MAX) => return Err(refused(whose, &format!("{old}: nobody can have the number {new}")).into()),
            Ok(number) => number,
            Err(_) => whose.number(&new)?.ok_or_else(|| unknown(whose, old, &new))?,
        };
        found.0.insert(old.clone(), number);
    }
    Ok(found)
}

fn unknown(whose: Whose, old: &str, new: &str) -> OptionError {
    OptionError::new(whose.option(), format!("{old}: there is no {whose} {new:?} on this host"))
        .with_hint(format!("Create the {whose} first, or name one that is there, by name or by number."))
}

fn refused(whose: Whose, problem: &str) -> OptionError {
    OptionError::new(whose.option(), problem)
        .with_hint("Say who of the source becomes whom here, as names or numbers: `{shop: www-data, \"1005\": 1006}`.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::Kind;

    fn wish(users: &str) -> Result<Wish> {
        let users: Mapping = users.parse().unwrap();
        Wish::new(By::Name, Some(&users), None)
    }

    #[test]
    fn names_and_numbers_stand_for_names_and_numbers() {
        let wish = wish(r#"{"shop": "root", "1005": 1006, "old": "77"}"#).unwrap();
        let get = |number, name| wish.users.get(number, name).map(|(_, new)| new);
        assert_eq!(get(1, Some("shop")), Some(0));
        assert_eq!(
            (get(1005, None), get(1005, Some("other")), get(1005, Some("old"))),
            (Some(1006), Some(1006), Some(77))
        );
        assert_eq!((get(1, None), get(77, Some("x"))), (None, None));
    }

    #[test]
    fn who_is_not_here_is_refused_by_name() {
        for (users, said) in [
            (r#"{"shop": "no-such-user-here"}"#, "option map_users: shop: there is no user \"no-such-user-here\""),
            (r#"{"shop": 4294967295}"#, "nobody can have the number"),
            (r#"{"shop": -1}"#, "there is no user \"-1\""),
            (r#"{"shop": ["x"]}"#, "neither a name nor a number"),
            (r#"{"": "root"}"#, "is empty"),
        ] {
            let failed = wish(users).unwrap_err();
            assert_eq!(failed.failure().kind(), Kind::InvalidOption, "{users}");
            assert!(failed.message().contains(said), "{}", failed.message());
        }
        let groups: Mapping = r#"{"shop": "no-such-group-here"}"#.parse().unwrap();
        let failed = Wish::new(By::Number, None, Some(&groups)).unwrap_err();
        assert!(failed.message().contains("option map_groups: shop: there is no group"), "{}", failed.message());
    }
}
