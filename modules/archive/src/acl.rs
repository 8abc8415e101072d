//! POSIX ACLs: the kernel's binary attribute and the numeric text that tar carries in `SCHILY.acl.*`.

use std::fmt::Write as _;

/// The attribute that holds the access ACL.
pub const ACCESS: &str = "system.posix_acl_access";
/// The attribute that holds a directory's default ACL.
pub const DEFAULT: &str = "system.posix_acl_default";

const VERSION: u32 = 2;
const NO_ID: u32 = u32::MAX;
/// Tag number, name, and whether an id belongs to it (`linux/posix_acl.h`).
const TAGS: [(u16, &str, bool); 6] = [
    (0x01, "user", false),
    (0x02, "user", true),
    (0x04, "group", false),
    (0x08, "group", true),
    (0x10, "mask", false),
    (0x20, "other", false),
];

/// `user::rwx,user:1000:r--,group::r-x,mask::r-x,other::---`; `None` if the bytes are not a version 2 ACL.
pub fn to_text(binary: &[u8]) -> Option<String> {
    let entries = binary.strip_prefix(&VERSION.to_le_bytes())?;
    if entries.len() % 8 != 0 {
        return None;
    }
    let mut text = String::new();
    for entry in entries.chunks_exact(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let permissions = u16::from_le_bytes([entry[2], entry[3]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let &(_, name, has_id) = TAGS.iter().find(|(number, ..)| *number == tag)?;
        if permissions > 7 {
            return None;
        }
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{name}:");
        if has_id {
            let _ = write!(text, "{id}");
        }
        text.push(':');
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if permissions & bit == 0 { '-' } else { letter });
        }
    }
    Some(text)
}

/// The kernel's form of a numeric text, entries separated by commas or newlines; `None` if it is not one.
pub fn from_text(text: &str) -> Option<Vec<u8>> {
    let mut binary = VERSION.to_le_bytes().to_vec();
    for line in text.split([',', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        let mut fields = line.split(':');
        let (name, id, letters) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() || letters.len() != 3 {
            return None;
        }
        let &(tag, ..) = TAGS.iter().find(|(_, known, has_id)| *known == name && *has_id != id.is_empty())?;
        let id: u32 = if id.is_empty() { NO_ID } else { id.parse().ok()? };
        let mut permissions = 0u16;
        for (letter, (bit, set)) in letters.bytes().zip([(4, b'r'), (2, b'w'), (1, b'x')]) {
            match letter {
                b'-' => {}
                letter if letter == set => permissions |= bit,
                _ => return None,
            }
        }
        binary.extend(tag.to_le_bytes());
        binary.extend(permissions.to_le_bytes());
        binary.extend(id.to_le_bytes());
    }
    Some(binary)
}

/// Whom an entry of an ACL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// A user.
    User(u32),
    /// A group.
    Group(u32),
}

/// Two entries of one ACL would name the same, and allow different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clash(pub Named);

/// Whom an ACL names; nobody, if the bytes are not a version 2 ACL.
pub fn named(binary: &[u8]) -> Vec<Named> {
    let entries = entries(binary).unwrap_or_default();
    entries.into_iter().filter_map(Bits::named).collect()
}

/// The ACL with `other` in the place of each that it names, in the order of the kernel's tools where anything changes. What is not a version
/// 2 ACL stays as it is.
///
/// # Errors
/// Two entries become one that cannot be both.
pub fn renumbered(binary: &[u8], other: impl Fn(Named) -> Named) -> Result<Vec<u8>, Clash> {
    let Some(mut entries) = entries(binary) else { return Ok(binary.to_vec()) };
    let before = entries.clone();
    for entry in &mut entries {
        if let Some(Named::User(id) | Named::Group(id)) = entry.named().map(&other) {
            entry.id = id;
        }
    }
    if entries == before {
        return Ok(binary.to_vec());
    }
    entries.sort_by_key(|entry| (entry.tag, entry.id));
    entries.dedup();
    let mut binary = VERSION.to_le_bytes().to_vec();
    for (at, entry) in entries.iter().enumerate() {
        if let Some(named) = entry.named().filter(|_| entries[..at].iter().any(|one| one.named() == entry.named())) {
            return Err(Clash(named));
        }
        binary.extend(entry.tag.to_le_bytes());
        binary.extend(entry.permissions.to_le_bytes());
        binary.extend(entry.id.to_le_bytes());
    }
    Ok(binary)
}

/// One entry as the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bits {
    tag: u16,
    permissions: u16,
    id: u32,
}

impl Bits {
    const fn named(self) -> Option<Named> {
        match self.tag {
            0x02 => Some(Named::User(self.id)),
            0x08 => Some(Named::Group(self.id)),
            _ => None,
        }
    }
}

fn entries(binary: &[u8]) -> Option<Vec<Bits>> {
    let entries = binary.strip_prefix(&VERSION.to_le_bytes())?;
    let read = |entry: &[u8]| Bits {
        tag: u16::from_le_bytes([entry[0], entry[1]]),
        permissions: u16::from_le_bytes([entry[2], entry[3]]),
        id: u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]),
    };
    (entries.len() % 8 == 0).then(|| entries.chunks_exact(8).map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "user::rwx,user:1000:r--,group::r-x,group:4294967294:--x,mask::r-x,other::---";

    #[test]
    fn text_and_binary_give_each_other_back() {
        let binary = from_text(TEXT).unwrap();
        assert_eq!(binary.len(), 4 + 6 * 8);
        assert_eq!(to_text(&binary).unwrap(), TEXT);
        assert_eq!(from_text(&TEXT.replace(',', "\n")).unwrap(), binary);
    }

    #[test]
    fn others_can_be_named_instead() {
        let acl = |text| from_text(text).unwrap();
        let text = |binary: Vec<u8>| to_text(&binary).unwrap();
        let binary = acl("user::rwx,user:5:r--,user:7:rw-,group::r-x,group:5:--x,mask::rwx,other::---");
        assert_eq!(named(&binary), [Named::User(5), Named::User(7), Named::Group(5)]);
        let other = |from, to| move |named| if named == from { to } else { named };
        let sorted = renumbered(&binary, other(Named::User(5), Named::User(9))).unwrap();
        assert_eq!(text(sorted), "user::rwx,user:7:rw-,user:9:r--,group::r-x,group:5:--x,mask::rwx,other::---");
        let group = renumbered(&binary, other(Named::Group(5), Named::Group(1))).unwrap();
        assert_eq!(text(group), "user::rwx,user:5:r--,user:7:rw-,group::r-x,group:1:--x,mask::rwx,other::---");
        assert_eq!(renumbered(&binary, other(Named::User(5), Named::User(7))), Err(Clash(Named::User(7))));
        let equal = acl("user::rwx,user:5:r--,user:7:r--,group::r-x,mask::rwx,other::---");
        let one = renumbered(&equal, other(Named::User(5), Named::User(7))).unwrap();
        assert_eq!(text(one), "user::rwx,user:7:r--,group::r-x,mask::rwx,other::---");
        assert_eq!(renumbered(b"other", |_| Named::User(0)).unwrap(), b"other");
    }

    #[test]
    fn what_is_not_an_acl_is_refused() {
        for bytes in [&b""[..], b"\x01\0\0\0", b"\x02\0\0\0\x01", b"\x02\0\0\0\x03\0\x07\0\xff\xff\xff\xff"] {
            assert_eq!(to_text(bytes), None, "{bytes:?}");
        }
        for text in ["user", "user::rw", "user::xwr", "mask:5:rwx", "nobody::rwx", "user:bob:rwx", "user::rwx:0"] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }
}
