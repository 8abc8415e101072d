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
    fn what_is_not_an_acl_is_refused() {
        for bytes in [&b""[..], b"\x01\0\0\0", b"\x02\0\0\0\x01", b"\x02\0\0\0\x03\0\x07\0\xff\xff\xff\xff"] {
            assert_eq!(to_text(bytes), None, "{bytes:?}");
        }
        for text in ["user", "user::rw", "user::xwr", "mask:5:rwx", "nobody::rwx", "user:bob:rwx", "user::rwx:0"] {
            assert_eq!(from_text(text), None, "{text}");
        }
    }
}
