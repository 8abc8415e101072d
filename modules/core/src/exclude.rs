//! Which paths a stream leaves out: gitignore patterns, as gitignore(5) describes them.
//!
//! The last pattern that matches a path decides, and one that begins with `!` takes it back in. A pattern with a slash
//! at its beginning or within is matched from the root of the file system, any other against the last name of a path.
//! `*`, `?` and `[a-z]` stay within a name, `**` as a whole name stands for any number of them, a slash at the end means
//! directories only. Names are bytes, `?` is one of them, as for git. A path below a directory that is left out is not
//! asked for: whoever walks does not enter it.
//!
//! What git accepts and never matches (a class without end, an empty name) is refused: nobody means that.

use std::slice::Iter;

/// The patterns of a stream, ready to be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclude(Vec<Pattern>);

impl Exclude {
    /// Understands the patterns, in their order.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, BadPattern> {
        patterns.iter().map(|pattern| Pattern::parse(pattern.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a path is left out, seen on its own. It is named from the root of the file system, with or without its
    /// first slash.
    pub fn covers(&self, path: &[u8], is_directory: bool) -> bool {
        let last = self.0.iter().rev().find(|pattern| pattern.matches(path, is_directory));
        last.is_some_and(|pattern| !pattern.takes_back)
    }
}

/// A pattern that cannot mean anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a pattern: {why}")]
pub struct BadPattern {
    /// As given.
    pub pattern: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl BadPattern {
    /// What to do about it.
    pub const REMEDY: &'static str =
        "Give one gitignore pattern per list entry; a `\\` before a character takes it as it is.";
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    takes_back: bool,
    directories_only: bool,
    /// Last name first: most paths differ there.
    names: Vec<Glob<Vec<Glob<Letter>>>>,
}

/// An element of what is matched: a name of a path, or a byte of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Glob<T> {
    /// Any number of elements.
    Any,
    One(T),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Letter {
    Byte(u8),
    Any,
    Class(Box<[bool; 256]>),
}

impl Pattern {
    fn parse(given: &str) -> Result<Self, BadPattern> {
        let bad = |why| BadPattern { pattern: given.into(), why };
        if given.contains(['\n', '\0']) {
            return Err(bad("it has more than one line"));
        }
        if given.starts_with('#') {
            return Err(bad("it is a comment"));
        }
        let text = without_spaces_behind(given);
        let (takes_back, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (directories_only, text) = text.strip_suffix('/').map_or((false, text), |rest| (true, rest));
        let anchored = text.contains('/');
        let mut names = if anchored { Vec::new() } else { vec![Glob::Any] };
        for name in text.strip_prefix('/').unwrap_or(text).split('/') {
            match name {
                "" => return Err(bad("it has an empty name")),
                "." | ".." => return Err(bad("no path has that name in it")),
                "**" => names.push(Glob::Any),
                name => names.push(Glob::One(letters(name.as_bytes()).map_err(bad)?)),
            }
        }
        if anchored && names.last() == Some(&Glob::Any) {
            names.push(Glob::One(vec![Glob::Any])); // `a/**` is what is below `a`, and not `a`
        }
        names.reverse();
        Ok(Self { takes_back, directories_only, names })
    }

    fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let is_letter = |letter: &Letter, byte: &u8| match letter {
            Letter::Byte(wanted) => wanted == byte,
            Letter::Any => true,
            Letter::Class(class) => class[usize::from(*byte)],
        };
        let is_name = |letters: &Vec<Glob<Letter>>, name: &[u8]| fits(letters, name.iter(), is_letter);
        (is_directory || !self.directories_only) && fits(&self.names, path.rsplit(|byte| *byte == b'/'), is_name)
    }
}

/// Matches element by element. Only the last [`Glob::Any`] has to be tried again with one element more, since an earlier
/// one that takes more leaves less for the rest.
fn fits<T, I: Iterator + Clone>(mut globs: &[Glob<T>], mut items: I, is: impl Fn(&T, I::Item) -> bool) -> bool {
    let mut again: Option<(&[Glob<T>], I)> = None;
    loop {
        globs = match globs.split_first() {
            Some((Glob::Any, rest)) => {
                again = Some((rest, items.clone()));
                rest
            }
            Some((Glob::One(one), rest)) if items.next().is_some_and(|item| is(one, item)) => rest,
            None if again.as_ref().is_some_and(|(after, _)| after.is_empty()) || items.next().is_none() => return true,
            _ => {
                let Some((after, from)) = &mut again else { return false };
                if from.next().is_none() {
                    return false;
                }
                items = from.clone();
                after
            }
        };
    }
}

/// Spaces at the end are not part of a pattern, unless a backslash says so.
fn without_spaces_behind(pattern: &str) -> &str {
    let text = pattern.trim_end_matches(' ');
    let backslashes = text.len() - text.trim_end_matches('\\').len();
    &pattern[..pattern.len().min(text.len() + backslashes % 2)]
}

fn letters(name: &[u8]) -> Result<Vec<Glob<Letter>>, &'static str> {
    let mut letters = Vec::new();
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        letters.push(match byte {
            b'*' if letters.last() == Some(&Glob::Any) => continue,
            b'*' => Glob::Any,
            b'?' => Glob::One(Letter::Any),
            b'[' => Glob::One(Letter::Class(class(&mut bytes)?)),
            b'\\' => Glob::One(Letter::Byte(escaped(&mut bytes)?)),
            byte => Glob::One(Letter::Byte(*byte)),
        });
    }
    Ok(letters)
}

fn escaped(bytes: &mut Iter<'_, u8>) -> Result<u8, &'static str> {
    bytes.next().copied().ok_or("a backslash ends a name")
}

/// What stands between brackets, of which the first has been taken.
fn class(bytes: &mut Iter<'_, u8>) -> Result<Box<[bool; 256]>, &'static str> {
    const OPEN: &str = "a class, begun with `[`, does not end within its name";
    let mut class = Box::new([false; 256]);
    let inverted = matches!(bytes.as_slice(), [b'!' | b'^', ..]);
    if inverted {
        bytes.next();
    }
    let mut is_first = true;
    loop {
        let from = match *bytes.next().ok_or(OPEN)? {
            b']' if !is_first => break,
            b'[' if bytes.as_slice().first() == Some(&b':') => {
                let rest = &bytes.as_slice()[1..];
                let end = rest.windows(2).position(|end| end == b":]").ok_or(OPEN)?;
                let is_in = named_class(&rest[..end]).ok_or("a class has a name that is not known")?;
                (0..=u8::MAX).filter(is_in).for_each(|byte| class[usize::from(byte)] = true);
                *bytes = rest[end + 2..].iter();
                is_first = false;
                continue;
            }
            b'\\' => escaped(bytes)?,
            byte => byte,
        };
        is_first = false;
        let to = match bytes.as_slice() {
            [b'-', next, ..] if *next != b']' => {
                bytes.next();
                if bytes.next() == Some(&b'\\') { escaped(bytes)? } else { *next }
            }
            _ => from,
        };
        if !(from.is_ascii() && to.is_ascii()) {
            return Err("a class has a character of several bytes");
        }
        if from > to {
            return Err("a range in a class runs backwards");
        }
        class[usize::from(from)..=usize::from(to)].fill(true);
    }
    if inverted {
        class.iter_mut().for_each(|is_in| *is_in = !*is_in);
    }
    Ok(class)
}

fn named_class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => u8::is_ascii_whitespace,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}
