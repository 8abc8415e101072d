//! The host's accounts: by name, or the one we run as. Reads through the C library (`/etc/passwd` in a static build).

use backup_core::{Failure, Kind};
use nix::unistd::{self, Gid, Group, Uid, User};
use std::ffi::CString;
use std::path::PathBuf;

/// A login account with everything that a child of ours needs to run as it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Numeric user.
    pub uid: u32,
    /// Numeric primary group.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
    /// All groups of the account, the primary one included.
    pub groups: Vec<u32>,
}

/// An account or group could not be found.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// No account of this name.
    #[error("cannot find user {0:?}")]
    NoUser(String),
    /// No account with the id we run as.
    #[error("cannot find a user with id {0}")]
    NoUid(u32),
    /// No group of this name.
    #[error("cannot find group {0:?}")]
    NoGroup(String),
    /// We may not become this account.
    #[error("cannot run as user {name:?}: {source}")]
    Become {
        /// Who.
        name: String,
        /// What the system said.
        source: nix::Error,
    },
    /// The account database cannot be read.
    #[error("cannot read the account database for {name:?}: {source}")]
    Lookup {
        /// Who was looked up.
        name: String,
        /// What the system said.
        source: nix::Error,
    },
}

impl Failure for UserError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoUser(_) | Self::NoUid(_) | Self::NoGroup(_) => Kind::NotFound,
            Self::Become { .. } => Kind::Permission,
            Self::Lookup { .. } => Kind::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoUser(name) => {
                Some(format!("Create the user {name:?} on this host (the roles do), or name another one in the job."))
            }
            Self::NoUid(_) => Some("Run as an account that is listed in /etc/passwd.".into()),
            Self::NoGroup(name) => Some(format!("Create the group {name:?} on this host, or name another one.")),
            Self::Become { name, .. } => Some(format!("Run as root or as {name:?}.")),
            Self::Lookup { .. } => None,
        }
    }
}

/// The account called `name`.
pub fn by_name(name: &str) -> Result<Account, UserError> {
    let failed = |source| UserError::Lookup { name: name.into(), source };
    let user = User::from_name(name).map_err(failed)?.ok_or_else(|| UserError::NoUser(name.into()))?;
    account(user)
}

/// The account that we run as (effective user).
pub fn current() -> Result<Account, UserError> {
    let uid = Uid::effective();
    let failed = |source| UserError::Lookup { name: uid.to_string(), source };
    let user = User::from_uid(uid).map_err(failed)?.ok_or(UserError::NoUid(uid.as_raw()))?;
    account(user)
}

/// Becomes `account` for good, with its groups; root only. Call it before anything is started or opened.
pub fn become_account(account: &Account) -> Result<(), UserError> {
    let failed = |source| UserError::Become { name: account.name.clone(), source };
    let groups: Vec<_> = account.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    unistd::setgroups(&groups).map_err(failed)?;
    unistd::setgid(Gid::from_raw(account.gid)).map_err(failed)?;
    unistd::setuid(Uid::from_raw(account.uid)).map_err(failed)
}

/// Does `work` as `account`, and is root again afterwards. For a single thread: the ids are the process's.
pub fn acting_as<T>(account: &Account, work: impl FnOnce() -> T) -> Result<T, UserError> {
    let failed = |source| UserError::Lookup { name: account.name.clone(), source };
    let (before, group, user) = (unistd::getgroups().map_err(failed)?, Gid::effective(), Uid::effective());
    let groups: Vec<_> = account.groups.iter().copied().map(Gid::from_raw).collect();
    unistd::setgroups(&groups).map_err(failed)?;
    unistd::setegid(Gid::from_raw(account.gid)).map_err(failed)?;
    unistd::seteuid(Uid::from_raw(account.uid)).map_err(failed)?;
    let result = work();
    // The real user is still root, so that none of these can be refused.
    unistd::seteuid(user).and_then(|()| unistd::setegid(group)).map_err(failed)?;
    unistd::setgroups(&before).map_err(failed)?;
    Ok(result)
}

/// The numeric id of the group called `name`.
pub fn group_id(name: &str) -> Result<u32, UserError> {
    group_number(name)?.ok_or_else(|| UserError::NoGroup(name.into()))
}

/// The number that a user of this name has here, if there is one.
pub fn user_number(name: &str) -> Result<Option<u32>, UserError> {
    let failed = |source| UserError::Lookup { name: name.into(), source };
    Ok(User::from_name(name).map_err(failed)?.map(|user| user.uid.as_raw()))
}

/// The number that a group of this name has here, if there is one.
pub fn group_number(name: &str) -> Result<Option<u32>, UserError> {
    let failed = |source| UserError::Lookup { name: name.into(), source };
    Ok(Group::from_name(name).map_err(failed)?.map(|group| group.gid.as_raw()))
}

/// The name that a user of this number has here, if there is one.
pub fn user_name(number: u32) -> Result<Option<String>, UserError> {
    let failed = |source| UserError::Lookup { name: number.to_string(), source };
    Ok(User::from_uid(Uid::from_raw(number)).map_err(failed)?.map(|user| user.name))
}

/// The name that a group of this number has here, if there is one.
pub fn group_name(number: u32) -> Result<Option<String>, UserError> {
    let failed = |source| UserError::Lookup { name: number.to_string(), source };
    Ok(Group::from_gid(Gid::from_raw(number)).map_err(failed)?.map(|group| group.name))
}

/// Whether we run as root.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

fn account(user: User) -> Result<Account, UserError> {
    let failed = |source| UserError::Lookup { name: user.name.clone(), source };
    let name = CString::new(user.name.as_bytes()).map_err(|_| UserError::NoUser(user.name.clone()))?;
    let groups = unistd::getgrouplist(&name, user.gid).map_err(failed)?;
    Ok(Account {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
        home: user.dir,
        name: user.name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_root_and_says_who_is_missing() {
        let root = by_name("root").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        let error = by_name("no-such-user-here").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains("no-such-user-here"));
    }

    #[test]
    fn current_agrees_with_id() {
        let told = std::process::Command::new("id").arg("-un").output().unwrap();
        assert_eq!(current().unwrap().name, String::from_utf8(told.stdout).unwrap().trim());
    }
}
