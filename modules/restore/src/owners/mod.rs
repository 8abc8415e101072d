//! Whose the paths are on this host: by name, by number, or as the operator declares.
//!
//! Decided once, from all owners in the catalogs, before anything is compared or written: so what a plan says, what is compared and
//! what is written are the same numbers. ACLs name nobody but by number; a number in one means whoever has it as an owner.

mod wish;

pub(crate) use wish::{By, Wish};

use crate::error::Result;
use crate::generation::Generation;
use backup_adapters::users::{self, UserError};
use backup_archive::Entry;
use backup_archive::acl::{self, Named};
use backup_interface::OptionError;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// Users and groups have their own names and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whose {
    /// A user.
    User,
    /// A group.
    Group,
}

backup_interface::report! {
    /// An owner whose number changes, or whose name this host does not know.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    pub(crate) struct OwnerReport {
        /// `user` or `group`.
        pub of: Whose,
        /// The name on the source; null if it had none, or is named by an ACL only.
        pub name: Option<String>,
        /// The number on the source.
        pub number: u32,
        /// The number here.
        pub becomes: u32,
        /// Who has that number here; null: nobody.
        pub name_here: Option<String>,
    }
}

/// What becomes of all owners of a generation.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    users: Table,
    groups: Table,
}

/// What there is to tell about it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Whose number changes, or who is unknown here.
    pub owners: Vec<OwnerReport>,
    /// What may not be as it was meant.
    pub warnings: Vec<String>,
    /// What was declared, and means nobody in the generation.
    pub unused: BTreeSet<(Whose, String)>,
}

/// Only what changes.
#[derive(Debug, Default)]
struct Table {
    /// By number: names with their new numbers.
    owners: HashMap<u32, Vec<(Option<String>, u32)>>,
    /// In ACLs.
    acls: HashMap<u32, u32>,
}

/// Who owns something, or is named by an ACL.
#[derive(Default)]
struct Seen {
    users: BTreeMap<u32, BTreeSet<Option<String>>>,
    groups: BTreeMap<u32, BTreeSet<Option<String>>>,
    named: BTreeSet<Named>,
    /// Each ACL, and a path that has it.
    acls: HashMap<Vec<u8>, Vec<u8>>,
}

impl Owners {
    /// Makes an entry's owners, and whom its ACLs name, those of this host.
    pub(crate) fn adapt(&self, entry: &mut Entry) {
        entry.uid = self.users.owner(entry.uid, entry.user.as_deref());
        entry.gid = self.groups.owner(entry.gid, entry.group.as_deref());
        if self.users.acls.is_empty() && self.groups.acls.is_empty() {
            return;
        }
        for name in [acl::ACCESS, acl::DEFAULT] {
            if let Some(value) = entry.xattrs.get_mut(name)
                && let Ok(other) = acl::renumbered(value, |named| self.named(named))
            {
                *value = other;
            }
        }
    }

    fn named(&self, named: Named) -> Named {
        let other = |table: &Table, id| table.acls.get(&id).copied().unwrap_or(id);
        match named {
            Named::User(id) => Named::User(other(&self.users, id)),
            Named::Group(id) => Named::Group(other(&self.groups, id)),
        }
    }
}

impl Table {
    fn owner(&self, number: u32, name: Option<&str>) -> u32 {
        let of_name = self.owners.get(&number).and_then(|all| all.iter().find(|(one, _)| one.as_deref() == name));
        of_name.map_or(number, |(_, becomes)| *becomes)
    }
}

/// Decides what becomes of the owners of a generation; nothing was written yet. The catalogs are read once for it.
pub(crate) fn settle(wish: &Wish, generation: &Generation) -> Result<(Owners, Told)> {
    let mut told = Told::default();
    if wish.is_plain() {
        return Ok((Owners::default(), told));
    }
    let seen = look(generation)?;
    let mut table =
        |whose, seen_owners: &BTreeMap<_, _>| Deciding { wish, whose, told: &mut told }.table(seen_owners, &seen.named);
    let owners = Owners { users: table(Whose::User, &seen.users)?, groups: table(Whose::Group, &seen.groups)? };
    for (value, path) in &seen.acls {
        if let Err(clash) = acl::renumbered(value, |named| owners.named(named)) {
            return Err(owners.clash(&seen, clash.0, path).into());
        }
    }
    Ok((owners, told))
}

fn look(generation: &Generation) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut merge = generation.merge()?;
    while let Some(mut entry) = merge.next_final()? {
        if !generation.selection.touches(&entry.path) {
            continue;
        }
        for (owners, number, name) in
            [(&mut seen.users, entry.uid, entry.user), (&mut seen.groups, entry.gid, entry.group)]
        {
            let names = owners.entry(number).or_default();
            if !names.contains(&name) {
                names.insert(name);
            }
        }
        for name in [acl::ACCESS, acl::DEFAULT] {
            if let Some(value) = entry.xattrs.remove(name).filter(|value| !seen.acls.contains_key(value)) {
                seen.named.extend(acl::named(&value));
                seen.acls.insert(value, entry.path.clone());
            }
        }
    }
    Ok(seen)
}

/// The decision about users, or groups.
struct Deciding<'a> {
    wish: &'a Wish,
    whose: Whose,
    told: &'a mut Told,
}

impl Deciding<'_> {
    fn table(mut self, owners: &BTreeMap<u32, BTreeSet<Option<String>>>, named: &BTreeSet<Named>) -> Result<Table> {
        let (mut table, mut used) = (Table::default(), BTreeSet::new());
        for (&number, names) in owners {
            for name in names {
                let becomes = self.owner(number, name.as_deref(), &mut used)?;
                if becomes != number {
                    table.owners.entry(number).or_default().push((name.clone(), becomes));
                }
            }
        }
        let whose = self.whose;
        for number in named.iter().filter_map(|named| whose.number_in(*named)) {
            let names = owners.get(&number);
            let mut becomes: BTreeSet<u32> =
                names.into_iter().flatten().map(|name| table.owner(number, name.as_deref())).collect();
            if names.is_none() {
                becomes.insert(self.owner(number, None, &mut used)?);
            }
            match becomes.pop_first() {
                Some(only) if becomes.is_empty() && only != number => {
                    table.acls.insert(number, only);
                }
                Some(_) if !becomes.is_empty() => self.told.warnings.push(format!(
                    "{} {number} in ACLs stays {number}: it had several names on the source, which become different {}s here",
                    self.whose, self.whose
                )),
                _ => {}
            }
        }
        let declared = self.wish.of(self.whose).0.keys();
        let unused = declared.filter(|old| !used.contains(*old)).map(|old| (self.whose, old.clone()));
        self.told.unused.extend(unused);
        Ok(table)
    }

    fn owner(&mut self, number: u32, name: Option<&str>, used: &mut BTreeSet<String>) -> Result<u32> {
        let (becomes, is_unknown) = match (self.wish.of(self.whose).get(number, name), name) {
            (Some((old, new)), _) => {
                used.insert(old.clone());
                (new, false)
            }
            (None, Some(name)) if self.wish.by == By::Name => {
                let here = self.whose.number(name)?;
                (here.unwrap_or(number), here.is_none())
            }
            (None, _) => (number, false),
        };
        if becomes != number || is_unknown {
            let name_here = self.whose.name(becomes)?;
            let name = name.map(str::to_owned);
            if let (true, Some(name), Some(other)) = (is_unknown, &name, &name_here) {
                self.told.warnings.push(format!(
                    "{} {name} is not known here and keeps the number {number}, which is {other}'s: say who it is with {}",
                    self.whose,
                    self.whose.option()
                ));
            }
            self.told.owners.push(OwnerReport { of: self.whose, name, number, becomes, name_here });
        }
        Ok(becomes)
    }
}

impl Owners {
    /// The failure that an ACL would have two entries for one.
    fn clash(&self, seen: &Seen, clash: Named, path: &[u8]) -> OptionError {
        let whose = if matches!(clash, Named::User(_)) { Whose::User } else { Whose::Group };
        let both =
            seen.named.iter().filter(|named| self.named(**named) == clash).filter_map(|named| whose.number_in(*named));
        let both: Vec<_> = both.map(|number| number.to_string()).collect();
        let becomes = whose.number_in(clash).unwrap_or_default();
        let path = crate::select::shown(path);
        let problem = format!(
            "{whose}s {} become {becomes}, and an ACL gives them different rights: {}",
            both.join(" and "),
            path.display()
        );
        OptionError::new(whose.option(), problem).with_hint(format!("Declare different {whose}s for them, by number."))
    }
}

impl Whose {
    /// The option that declares who becomes whom.
    const fn option(self) -> &'static str {
        match self {
            Self::User => "map_users",
            Self::Group => "map_groups",
        }
    }

    fn number(self, name: &str) -> std::result::Result<Option<u32>, UserError> {
        match self {
            Self::User => users::user_number(name),
            Self::Group => users::group_number(name),
        }
    }

    fn name(self, number: u32) -> std::result::Result<Option<String>, UserError> {
        match self {
            Self::User => users::user_name(number),
            Self::Group => users::group_name(number),
        }
    }

    const fn number_in(self, named: Named) -> Option<u32> {
        match (self, named) {
            (Self::User, Named::User(id)) | (Self::Group, Named::Group(id)) => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for OwnerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The source's name may be anything.
        let name = self.name.as_deref().unwrap_or("without a name").escape_debug();
        let here = self.name_here.as_deref().unwrap_or("nobody");
        write!(f, "@ {} {name} ({}) becomes {} ({here})", self.of, self.number, self.becomes)
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
        })
    }
}

/// What was declared and means nobody in any of the streams.
pub(crate) fn unused<'a>(told: impl IntoIterator<Item = &'a Told>) -> Vec<String> {
    let mut sets = told.into_iter().map(|told| &told.unused);
    let Some(first) = sets.next() else { return Vec::new() };
    let both = sets.fold(first.clone(), |both, other| both.intersection(other).cloned().collect());
    both.into_iter().map(|(whose, old)| format!("{}: nothing belongs to {whose} {old}", whose.option())).collect()
}
