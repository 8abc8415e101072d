//! Tar headers: one pax header block with its records, then the ustar block.

use crate::sparse::SparseMap;
use crate::{Entry, EntryKind, Mtime, acl};
use tar::{EntryType, Header};

/// Tar's unit.
pub const BLOCK: usize = 512;
/// The two zero blocks that end a tar stream.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// What the numeric fields of a ustar header hold; more goes into a pax record.
const MAX_ID: u32 = 0o7_777_777;
const MAX_SIZE: u64 = 0o77_777_777_777;
const MAX_NAME: usize = 100;
const MAX_OWNER: usize = 31;

/// The header blocks of a member; for files with holes also the sparse map that precedes the data. The contents follow
/// (`size` bytes, or the map's data bytes), padded to whole blocks by [`padding`].
pub fn blocks(entry: &Entry, sparse: Option<&SparseMap>) -> Vec<u8> {
    let map = sparse.map(SparseMap::to_bytes).unwrap_or_default();
    let (kind, stored) = match &entry.kind {
        EntryKind::File { size, .. } => {
            (EntryType::Regular, sparse.map_or(*size, |sparse| map.len() as u64 + sparse.data_bytes()))
        }
        EntryKind::Directory => (EntryType::Directory, 0),
        EntryKind::Symlink { .. } => (EntryType::Symlink, 0),
        EntryKind::Hardlink { .. } => (EntryType::Link, 0),
        EntryKind::Fifo => (EntryType::Fifo, 0),
        EntryKind::Character { .. } => (EntryType::Char, 0),
        EntryKind::Block { .. } => (EntryType::Block, 0),
    };
    let mut name = entry.path.clone();
    if entry.kind == EntryKind::Directory {
        name.push(b'/');
    }
    let mut out = Vec::with_capacity(4 * BLOCK + map.len());
    let records = records(entry, &name, stored, sparse);
    let mut pax = ustar(b"PaxHeaders/member", EntryType::XHeader, records.len() as u64);
    pax.set_mode(0o644);
    pax.set_cksum();
    out.extend_from_slice(pax.as_bytes());
    out.extend_from_slice(&records);
    out.resize(out.len().next_multiple_of(BLOCK), 0);

    let mut header = ustar(&name, kind, stored);
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.min(MAX_ID).into());
    header.set_gid(entry.gid.min(MAX_ID).into());
    header.set_mtime(u64::try_from(entry.mtime.seconds).unwrap_or(0).min(MAX_SIZE));
    if let Some(fields) = header.as_ustar_mut() {
        put(&mut fields.uname, &owner_field(entry.user.as_deref()));
        put(&mut fields.gname, &owner_field(entry.group.as_deref()));
        match &entry.kind {
            EntryKind::Symlink { target } | EntryKind::Hardlink { target } => put(&mut fields.linkname, target),
            EntryKind::Character { major, minor } | EntryKind::Block { major, minor } => {
                fields.set_device_major(*major);
                fields.set_device_minor(*minor);
            }
            _ => {}
        }
    }
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(&map);
    out
}

/// Zeros after contents of `length` bytes.
pub const fn padding(length: u64) -> usize {
    // Below 512.
    #[allow(clippy::cast_possible_truncation)]
    let rest = (length % BLOCK as u64) as usize;
    if rest == 0 { 0 } else { BLOCK - rest }
}

fn ustar(name: &[u8], kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size.min(MAX_SIZE));
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    if let Some(fields) = header.as_ustar_mut() {
        put(&mut fields.name, name);
    }
    header
}

/// As much of `text` as fits; where it does not, a pax record has the whole.
fn put(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

fn owner_field(name: Option<&str>) -> Vec<u8> {
    name.filter(|name| name.len() <= MAX_OWNER).unwrap_or_default().as_bytes().to_vec()
}

fn records(entry: &Entry, name: &[u8], stored: u64, sparse: Option<&SparseMap>) -> Vec<u8> {
    let mut out = Vec::with_capacity(BLOCK);
    // Always there, with all digits: a change of the time alone must not change the length of the member.
    record(&mut out, b"mtime", time(entry.mtime).as_bytes());
    if name.len() > MAX_NAME {
        record(&mut out, b"path", name);
    }
    if let EntryKind::Symlink { target } | EntryKind::Hardlink { target } = &entry.kind
        && target.len() > MAX_NAME
    {
        record(&mut out, b"linkpath", target);
    }
    if stored > MAX_SIZE {
        record(&mut out, b"size", stored.to_string().as_bytes());
    }
    for (key, id) in [(b"uid", entry.uid), (b"gid", entry.gid)] {
        if id > MAX_ID {
            record(&mut out, key, id.to_string().as_bytes());
        }
    }
    for (key, owner) in [(b"uname", &entry.user), (b"gname", &entry.group)] {
        if let Some(owner) = owner.as_deref().filter(|owner| owner.len() > MAX_OWNER) {
            record(&mut out, key, owner.as_bytes());
        }
    }
    for (attribute, value) in &entry.xattrs {
        match (attribute.as_str(), acl::to_text(value)) {
            (acl::ACCESS, Some(text)) => record(&mut out, b"SCHILY.acl.access", text.as_bytes()),
            (acl::DEFAULT, Some(text)) => record(&mut out, b"SCHILY.acl.default", text.as_bytes()),
            // GNU tar's escapes: a keyword ends at the first `=`.
            (name, _) => {
                let name = name.replace('%', "%25").replace('=', "%3D");
                record(&mut out, format!("SCHILY.xattr.{name}").as_bytes(), value);
            }
        }
    }
    if let Some(sparse) = sparse {
        record(&mut out, b"GNU.sparse.major", b"1");
        record(&mut out, b"GNU.sparse.minor", b"0");
        record(&mut out, b"GNU.sparse.name", name);
        record(&mut out, b"GNU.sparse.realsize", sparse.size().to_string().as_bytes());
    }
    out
}

/// `<length> <key>=<value>\n`, where the length counts its own digits.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    length = rest + length.to_string().len();
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Seconds with nine digits after the point.
pub fn time(time: Mtime) -> String {
    if time.seconds < 0 && time.nanoseconds > 0 {
        // The fraction counts forward, the decimal number backward.
        let whole = (time.seconds + 1).unsigned_abs();
        return format!("-{whole}.{:09}", 1_000_000_000 - time.nanoseconds);
    }
    format!("{}.{:09}", time.seconds, time.nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn entry(path: &[u8], kind: EntryKind) -> Entry {
        Entry {
            path: path.to_vec(),
            kind,
            mode: 0o4755,
            uid: 3_000_000,
            gid: 7,
            user: Some("someone".into()),
            group: None,
            mtime: Mtime { seconds: 1_600_000_000, nanoseconds: 5 },
            xattrs: BTreeMap::new(),
            place: Place::At { frame: 0, skip: 0 },
        }
    }

    fn tell(program: &str, args: &[&str], archive: &[u8]) -> String {
        let mut child = Command::new(program)
            .args(args)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(archive).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn tar_and_bsdtar_understand_every_type() {
        let long = "d/".repeat(90) + "name";
        let target = || long.clone().into_bytes();
        let mut archive = Vec::new();
        for (path, kind) in [
            ("dir", EntryKind::Directory),
            ("dir/empty", EntryKind::File { size: 0, sha256: [0; 32], blocks: None }),
            (long.as_str(), EntryKind::File { size: 0, sha256: [0; 32], blocks: None }),
            ("hard", EntryKind::Hardlink { target: target() }),
            ("soft", EntryKind::Symlink { target: target() }),
            ("pipe", EntryKind::Fifo),
            ("tty", EntryKind::Character { major: 4, minor: 1_048_575 }),
            ("disk", EntryKind::Block { major: 4095, minor: 1 }),
        ] {
            archive.extend(blocks(&entry(path.as_bytes(), kind), None));
        }
        archive.extend(END);
        let listed = tell("tar", &["-tv", "--numeric-owner", "--full-time"], &archive);
        let lines: Vec<&str> = listed.lines().collect();
        let when = "2020-09-13 12:26:40.000000005";
        for (line, begin, end) in [
            (0, "drwsr-xr-x 3000000/7", "dir/".to_owned()),
            (1, "-rwsr-xr-x 3000000/7", "dir/empty".to_owned()),
            (2, "-rwsr-xr-x 3000000/7", long.clone()),
            (3, "hrwsr-xr-x 3000000/7", format!("hard link to {long}")),
            (4, "lrwsr-xr-x 3000000/7", format!("soft -> {long}")),
            (5, "prwsr-xr-x 3000000/7", "pipe".to_owned()),
            (6, "crwsr-xr-x 3000000/7", "tty".to_owned()),
            (7, "brwsr-xr-x 3000000/7", "disk".to_owned()),
        ] {
            let told = lines[line];
            assert!(told.starts_with(begin) && told.ends_with(&end) && told.contains(when), "{told}");
        }
        assert!(lines[6].contains("4,1048575") && lines[7].contains("4095,1"), "{listed}");
        let names = tell("bsdtar", &["-tf", "-"], &archive);
        assert_eq!(names.lines().count(), 8);
        assert!(names.lines().any(|name| name == long));
    }

    #[test]
    fn sizes_beyond_the_octal_field_are_told() {
        let big = EntryKind::File { size: 20 << 30, sha256: [0; 32], blocks: None };
        let header = blocks(&entry(b"big", big), None);
        assert!(header.windows(17).any(|window| window == b"size=21474836480\n"));
    }

    #[test]
    fn the_length_of_a_member_depends_neither_on_time_nor_mode() {
        let mut one = entry(b"f", EntryKind::Directory);
        let length = blocks(&one, None).len();
        (one.mtime, one.mode) = (Mtime { seconds: 1, nanoseconds: 0 }, 0);
        assert_eq!(blocks(&one, None).len(), length);
        assert_eq!(length, 3 * BLOCK);
    }

    #[test]
    fn times_are_decimal() {
        for (seconds, nanoseconds, text) in
            [(0, 0, "0.000000000"), (-1, 0, "-1.000000000"), (-1, 1, "-0.999999999"), (-2, 250_000_000, "-1.750000000")]
        {
            assert_eq!(time(Mtime { seconds, nanoseconds }), text);
        }
    }

    proptest! {
        #[test]
        fn records_say_their_own_length(key in "[a-z]{1,5}", value in proptest::collection::vec(any::<u8>(), 0..1200)) {
            let mut out = Vec::new();
            record(&mut out, key.as_bytes(), &value);
            let digits = out.iter().position(|&byte| byte == b' ').unwrap();
            prop_assert_eq!(std::str::from_utf8(&out[..digits]).unwrap().parse::<usize>().unwrap(), out.len());
        }
    }
}
