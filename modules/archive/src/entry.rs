//! One path of a generation: a line of `catalog.jsonl.zst`, and what a tar header is made of.

use backup_core::{Failure, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A longer line of a catalog is refused before it is parsed.
pub const MAX_LINE: usize = 64 << 20;
/// A longer path is refused.
pub const MAX_PATH: usize = 4095;

/// A time as tar and the kernel know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "(i64, u32)", into = "(i64, u32)")]
pub struct Mtime {
    /// Since 1970; negative before.
    pub seconds: i64,
    /// 0 to 999 999 999, counted forward from `seconds` also where those are negative.
    pub nanoseconds: u32,
}

impl From<(i64, u32)> for Mtime {
    fn from((seconds, nanoseconds): (i64, u32)) -> Self {
        Self { seconds, nanoseconds }
    }
}

impl From<Mtime> for (i64, u32) {
    fn from(time: Mtime) -> Self {
        (time.seconds, time.nanoseconds)
    }
}

/// What a path is, with what only that type has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, or the first name of a set of hard links to one.
    File {
        /// Bytes, holes included.
        size: u64,
        /// Of the contents, holes as zeros.
        sha256: [u8; 32],
        /// Large files of fulls: the first 16 bytes of the SHA-256 of each 64 KiB block, concatenated.
        blocks: Option<Vec<u8>>,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points, as it is.
        target: Vec<u8>,
    },
    /// A further name of an earlier member (a file, and rarely a symbolic link or a special file).
    Hardlink {
        /// The member that has the contents.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    Character {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// Where a member is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In `data.tar.zst`.
    At {
        /// Byte offset of the zstd frame in the artifact.
        frame: u64,
        /// Offset of the member's first header block in the frame's plain bytes.
        skip: u64,
    },
    /// As changed blocks in `patches/<n>`.
    Patch(u32),
}

/// One path of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The member's name: the absolute path without the leading slash, nor a trailing one.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// The owner's name at the source.
    pub user: Option<String>,
    /// The group's name at the source.
    pub group: Option<String>,
    /// Last change of the contents.
    pub mtime: Mtime,
    /// Extended attributes by name; ACLs in the kernel's binary form. Empty for hard links.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Where it is stored.
    pub place: Place,
}

/// Why a line of a catalog is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Above [`MAX_LINE`].
    #[error("a catalog line has more than {MAX_LINE} bytes")]
    TooLong,
    /// Not JSON of the documented shape.
    #[error("a catalog line cannot be read: {0}")]
    Syntax(String),
    /// Keys that contradict each other.
    #[error("the catalog entry of {path:?} is not valid: {why}")]
    Invalid {
        /// Which entry, as printable text.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A path that must never be written to.
    #[error("the catalog names {path:?}: {why}")]
    UnsafePath {
        /// The path as printable text.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl Failure for EntryError {
    fn kind(&self) -> Kind {
        match self {
            Self::UnsafePath { .. } => Kind::UnsafeArchive,
            _ => Kind::Damaged,
        }
    }
}

/// Checks a member's name: not empty, not absolute, no component that is empty, `.` or `..`, no NUL, not too long.
///
/// # Errors
/// [`EntryError::UnsafePath`] with the first rule it breaks.
pub fn check_path(path: &[u8]) -> Result<(), EntryError> {
    let refuse = |why| Err(EntryError::UnsafePath { path: String::from_utf8_lossy(path).into_owned(), why });
    if path.is_empty() {
        return refuse("it is empty");
    }
    if path.len() > MAX_PATH {
        return refuse("it is too long");
    }
    if path.contains(&0) {
        return refuse("it contains NUL");
    }
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b"" => return refuse("it is absolute or has an empty component"),
            b"." | b".." => return refuse("it has a component . or .."),
            _ => {}
        }
    }
    Ok(())
}

/// The JSON of a line. Which keys belong to which type is checked in between, not by the shape.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    path: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    path_b64: Option<Text<'a>>,
    #[serde(borrow)]
    r#type: Text<'a>,
    mode: u32,
    uid: u32,
    gid: u32,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    group: Option<Text<'a>>,
    mtime: Mtime,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    sha256: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    target: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    target_b64: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<(u32, u32)>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<(u64, u64)>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    blocks: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<u32>,
}

/// A text of a line, in the line's own bytes where JSON escapes nothing in it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.into())
    }
}

/// Bytes as (`name`, `name_b64`): the plain key if they are UTF-8, else the other.
fn split_bytes(bytes: &[u8]) -> (Option<Text<'_>>, Option<Text<'_>>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(BASE64.encode(bytes).into())),
    }
}

/// The other way round; `None` unless exactly one of both is there and well-formed.
fn join_bytes(plain: Option<&Text<'_>>, coded: Option<&Text<'_>>) -> Option<Vec<u8>> {
    match (plain, coded) {
        (Some(Text(text)), None) => Some(text.as_bytes().to_vec()),
        (None, Some(Text(text))) => BASE64.decode(text.as_bytes()).ok(),
        _ => None,
    }
}

impl Entry {
    /// Appends this entry as one line with its newline.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        let (path, path_b64) = split_bytes(&self.path);
        let mut line = Line {
            path,
            path_b64,
            r#type: self.kind.name().into(),
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            user: self.user.as_deref().map(Into::into),
            group: self.group.as_deref().map(Into::into),
            mtime: self.mtime,
            xattrs: self.xattrs.iter().map(|(name, value)| (name.clone(), BASE64.encode(value))).collect(),
            ..Line::default()
        };
        match &self.kind {
            EntryKind::File { size, sha256, blocks } => {
                line.size = Some(*size);
                line.sha256 = Some(hex::encode(sha256).into());
                line.blocks = blocks.as_ref().map(|blocks| BASE64.encode(blocks).into());
            }
            EntryKind::Symlink { target } | EntryKind::Hardlink { target } => {
                (line.target, line.target_b64) = split_bytes(target);
            }
            EntryKind::Character { major, minor } | EntryKind::Block { major, minor } => {
                line.device = Some((*major, *minor));
            }
            EntryKind::Directory | EntryKind::Fifo => {}
        }
        match self.place {
            Place::At { frame, skip } => line.at = Some((frame, skip)),
            Place::Patch(number) => line.patch = Some(number),
        }
        serde_json::to_writer(&mut *out, &line)
            .expect("a line has only string keys, and memory does not fail to write");
        out.push(b'\n');
    }

    /// The path of a line that begins as [`Self::write_line`] writes most of them: without looking at the rest. `None` says
    /// nothing about the line.
    pub(crate) fn plain_path(line: &[u8]) -> Option<&[u8]> {
        let rest = line.strip_prefix(br#"{"path":""#)?;
        let end = rest.iter().position(|&byte| byte == b'"' || byte == b'\\')?;
        (rest[end] == b'"').then_some(&rest[..end])
    }

    /// Reads one line (with or without its newline) and checks it.
    ///
    /// # Errors
    /// [`EntryError`]: too long, not JSON, contradictory, or a path that must not be written.
    pub fn parse(line: &[u8]) -> Result<Self, EntryError> {
        if line.len() > MAX_LINE {
            return Err(EntryError::TooLong);
        }
        let line: Line<'_> = serde_json::from_slice(line).map_err(|e| EntryError::Syntax(e.to_string()))?;
        let named =
            || line.path.as_ref().or(line.path_b64.as_ref()).map_or_else(String::new, |text| text.0.to_string());
        let invalid = |why| EntryError::Invalid { path: named(), why };
        let path =
            join_bytes(line.path.as_ref(), line.path_b64.as_ref()).ok_or_else(|| invalid("not exactly one path"))?;
        check_path(&path)?;
        let target = join_bytes(line.target.as_ref(), line.target_b64.as_ref());
        let (target_of, device_of) =
            (|| target.ok_or_else(|| invalid("no target")), || line.device.ok_or_else(|| invalid("no device numbers")));
        let kind = match &*line.r#type.0 {
            "file" => {
                let mut sha256 = [0; 32];
                let digits = line.sha256.as_ref().map_or("", |Text(digits)| digits);
                hex::decode_to_slice(digits, &mut sha256).map_err(|_| invalid("no sha256"))?;
                let blocks = line.blocks.as_ref().map(|Text(text)| BASE64.decode(text.as_bytes())).transpose();
                let blocks = blocks.map_err(|_| invalid("blocks are not base64"))?;
                EntryKind::File { size: line.size.ok_or_else(|| invalid("no size"))?, sha256, blocks }
            }
            "directory" => EntryKind::Directory,
            "symlink" => EntryKind::Symlink { target: target_of()? },
            "hardlink" => {
                let target = target_of()?;
                check_path(&target)?;
                EntryKind::Hardlink { target }
            }
            "fifo" => EntryKind::Fifo,
            "character" => device_of().map(|(major, minor)| EntryKind::Character { major, minor })?,
            "block" => device_of().map(|(major, minor)| EntryKind::Block { major, minor })?,
            _ => return Err(invalid("unknown type")),
        };
        if line.mode > 0o7777 || line.mtime.nanoseconds > 999_999_999 {
            return Err(invalid("mode or mtime out of range"));
        }
        let place = match (line.at, line.patch) {
            (Some((frame, skip)), None) => Place::At { frame, skip },
            (None, Some(number)) if number > 0 && matches!(kind, EntryKind::File { .. }) => Place::Patch(number),
            _ => return Err(invalid("not stored in exactly one place")),
        };
        let mut xattrs = BTreeMap::new();
        for (name, value) in line.xattrs {
            let value = BASE64.decode(value).map_err(|_| invalid("an attribute is not base64"))?;
            xattrs.insert(name, value);
        }
        let Line { mode, uid, gid, mtime, .. } = line;
        let [user, group] = [line.user, line.group].map(|text| text.map(|Text(name)| name.into_owned()));
        Ok(Self { path, kind, mode, uid, gid, user, group, mtime, xattrs, place })
    }
}

impl EntryKind {
    /// The word in the catalog.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Directory => "directory",
            Self::Symlink { .. } => "symlink",
            Self::Hardlink { .. } => "hardlink",
            Self::Fifo => "fifo",
            Self::Character { .. } => "character",
            Self::Block { .. } => "block",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = EntryKind> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            (any::<u64>(), any::<[u8; 32]>(), proptest::option::of(bytes()))
                .prop_map(|(size, sha256, blocks)| EntryKind::File { size, sha256, blocks }),
            Just(EntryKind::Directory),
            bytes().prop_map(|target| EntryKind::Symlink { target }),
            names().prop_map(|target| EntryKind::Hardlink { target }),
            Just(EntryKind::Fifo),
            any::<(u32, u32)>().prop_map(|(major, minor)| EntryKind::Character { major, minor }),
            any::<(u32, u32)>().prop_map(|(major, minor)| EntryKind::Block { major, minor }),
        ]
    }

    fn names() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 1..30).prop_filter("a safe name", |name| check_path(name).is_ok())
    }

    prop_compose! {
        fn entries()(
            path in names(), kind in kinds(), mode in 0u32..=0o7777, uid in any::<u32>(), gid in any::<u32>(),
            user in proptest::option::of("\\PC{0,8}"), seconds in any::<i64>(), nanoseconds in 0u32..1_000_000_000,
            xattrs in proptest::collection::btree_map("user\\.\\PC{1,5}", proptest::collection::vec(any::<u8>(), 0..9), 0..3),
            frame in any::<u64>(), skip in any::<u64>(), patch in proptest::option::of(1u32..)
        ) -> Entry {
            let place = match patch {
                Some(number) if matches!(kind, EntryKind::File { .. }) => Place::Patch(number),
                _ => Place::At { frame, skip },
            };
            let mtime = Mtime { seconds, nanoseconds };
            Entry { path, kind, mode, uid, gid, group: user.clone(), user, mtime, xattrs, place }
        }
    }

    proptest! {
        #[test]
        fn lines_read_back(entry in entries()) {
            let mut line = Vec::new();
            entry.write_line(&mut line);
            prop_assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1));
            if let Some(path) = Entry::plain_path(&line) {
                prop_assert_eq!(path, entry.path.as_slice());
            }
            prop_assert_eq!(Entry::parse(&line), Ok(entry));
        }

        #[test]
        fn arbitrary_bytes_never_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entry::parse(&line);
        }
    }

    #[test]
    fn most_paths_are_found_without_looking_at_the_rest() {
        assert_eq!(Entry::plain_path("{\"path\":\"srv/f ö\",\"type\"".as_bytes()), Some("srv/f ö".as_bytes()));
        for other in [r#"{"path":"a\\b","type""#, r#"{"path_b64":"YQ==""#, r#"{"path":"a"#, r#" {"path":"a""#] {
            assert_eq!(Entry::plain_path(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_line_has_exactly_the_documented_keys() {
        let entry = Entry {
            path: b"srv/f".to_vec(),
            kind: EntryKind::File { size: 5, sha256: [0xab; 32], blocks: None },
            mode: 0o644,
            uid: 1,
            gid: 2,
            user: Some("u".into()),
            group: None,
            mtime: Mtime { seconds: -1, nanoseconds: 5 },
            xattrs: BTreeMap::from([("user.a".to_owned(), b"\xff".to_vec())]),
            place: Place::At { frame: 10, skip: 512 },
        };
        let mut line = Vec::new();
        entry.write_line(&mut line);
        let digest = "ab".repeat(32);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            format!(
                "{{\"path\":\"srv/f\",\"type\":\"file\",\"mode\":420,\"uid\":1,\"gid\":2,\"user\":\"u\",\"mtime\":[-1,5],\"size\":5,\"sha256\":\"{digest}\",\"xattrs\":{{\"user.a\":\"/w==\"}},\"at\":[10,512]}}\n"
            )
        );
    }

    #[test]
    fn bad_lines_are_refused_by_kind() {
        let line = |keys: &str| {
            format!("{{\"type\":\"directory\",\"mode\":448,\"uid\":0,\"gid\":0,\"mtime\":[0,0],\"at\":[0,0],{keys}}}")
        };
        assert!(Entry::parse(line("\"path\":\"a\",\"future\":1").as_bytes()).is_ok());
        for unsafe_path in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\u0000b"] {
            let error = Entry::parse(line(&format!("\"path\":\"{unsafe_path}\"")).as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::UnsafeArchive, "{unsafe_path}");
        }
        for keys in
            ["\"x\":1", "\"path\":\"a\",\"path_b64\":\"YQ==\"", "\"path_b64\":\"*\"", "\"path\":\"a\",\"patch\":1"]
        {
            assert_eq!(Entry::parse(line(keys).as_bytes()).unwrap_err().kind(), Kind::Damaged, "{keys}");
        }
        let long = line(&format!("\"path\":\"{}\"", "a/".repeat(2048) + "b"));
        assert_eq!(Entry::parse(long.as_bytes()).unwrap_err().kind(), Kind::UnsafeArchive);
    }
}
