//! What was read, in 52 bytes for each member; what few members have lies beside.

use super::stat::{Attributes, digest_of};
use super::stored::{Large, Place, Stored};
use backup_archive::Mtime;
use std::collections::HashMap;
use std::sync::Arc;

/// A member that was read.
#[derive(Debug, Clone, Copy)]
struct Packed {
    content: [u8; 32],
    /// By `kind`: frame, skip, length; or low half, high half of the offset, length; or the number of the large file.
    place: [u32; 3],
    /// Which attributes; 0: none.
    attributes: u32,
    /// Which T0.
    t0: u16,
    kind: Kind,
    flags: u8,
}

const _: () = assert!(size_of::<Packed>() == 52);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Frame,
    Spool,
    Large,
}

const SETTLED: u8 = 1;
const LIKE_BASE: u8 = 2;

/// All members that were read, by number, and the times at which passes began.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    members: Vec<Packed>,
    times: Vec<Mtime>,
    /// Each set of attributes once, with its digest; by number less one.
    attributes: Vec<(Attributes, [u8; 16])>,
    numbers: HashMap<[u8; 16], u32>,
    targets: HashMap<u32, Box<[u8]>>,
    large: Vec<Arc<Large>>,
}

impl Shelf {
    /// Keeps a member and says which it is.
    pub(super) fn push(&mut self, stored: Stored) -> u32 {
        let number = number(self.members.len());
        if !stored.target.is_empty() {
            self.targets.insert(number, stored.target);
        }
        let (kind, place) = match stored.place {
            Place::Frame { frame, skip, length } => (Kind::Frame, [frame, skip, length]),
            // Both halves of it.
            #[allow(clippy::cast_possible_truncation)]
            Place::Spool { at, length } => (Kind::Spool, [at as u32, (at >> 32) as u32, length]),
            Place::Large(large) => {
                self.large.push(large);
                (Kind::Large, [self::number(self.large.len() - 1), 0, 0])
            }
        };
        let flags = if stored.settled { SETTLED } else { 0 } | if stored.like_base { LIKE_BASE } else { 0 };
        let (t0, attributes) = (self.time(stored.t0), self.attributes(stored.attributes));
        self.members.push(Packed { content: stored.content, place, attributes, t0, kind, flags });
        number
    }

    fn attributes(&mut self, attributes: Attributes) -> u32 {
        if attributes.is_empty() {
            return 0;
        }
        let digest = digest_of(&attributes);
        let next = number(self.attributes.len() + 1);
        let number = *self.numbers.entry(digest).or_insert(next);
        if number == next {
            self.attributes.push((attributes, digest));
        }
        number
    }

    /// The number of a time at which a pass began.
    pub(super) fn time(&mut self, t0: Mtime) -> u16 {
        let known = self.times.iter().rposition(|&time| time == t0);
        let at = known.unwrap_or_else(|| {
            self.times.push(t0);
            self.times.len() - 1
        });
        u16::try_from(at).expect("fewer than 2^16 passes")
    }

    pub(super) fn time_of(&self, number: u16) -> Mtime {
        self.times[usize::from(number)]
    }

    /// All that is known of a member.
    pub(super) fn get(&self, number: u32) -> Stored {
        let packed = self.packed(number);
        Stored {
            t0: self.time_of(packed.t0),
            settled: packed.flags & SETTLED != 0,
            content: packed.content,
            attributes: self.attributes_of(number).cloned().unwrap_or_default(),
            target: self.targets.get(&number).cloned().unwrap_or_default(),
            like_base: packed.flags & LIKE_BASE != 0,
            place: self.place(number),
        }
    }

    pub(super) fn place(&self, number: u32) -> Place {
        let packed = self.packed(number);
        let [first, second, length] = packed.place;
        match packed.kind {
            Kind::Frame => Place::Frame { frame: first, skip: second, length },
            Kind::Spool => Place::Spool { at: u64::from(first) | u64::from(second) << 32, length },
            Kind::Large => Place::Large(self.large[first as usize].clone()),
        }
    }

    pub(super) fn large(&self, number: u32) -> Option<&Large> {
        let packed = self.packed(number);
        (packed.kind == Kind::Large).then(|| &*self.large[packed.place[0] as usize])
    }

    pub(super) fn t0(&self, number: u32) -> Mtime {
        self.time_of(self.packed(number).t0)
    }

    pub(super) fn is_settled(&self, number: u32) -> bool {
        self.packed(number).flags & SETTLED != 0
    }

    pub(super) fn is_like_base(&self, number: u32) -> bool {
        self.packed(number).flags & LIKE_BASE != 0
    }

    pub(super) fn content(&self, number: u32) -> &[u8; 32] {
        &self.members[number as usize].content
    }

    /// `None` if it has none.
    pub(super) fn attributes_of(&self, number: u32) -> Option<&Attributes> {
        self.named(number).map(|(attributes, _)| attributes)
    }

    /// As [`digest_of`] its attributes.
    pub(super) fn attributes_digest(&self, number: u32) -> [u8; 16] {
        self.named(number).map_or([0; 16], |(_, digest)| *digest)
    }

    fn named(&self, number: u32) -> Option<&(Attributes, [u8; 16])> {
        let at = self.packed(number).attributes.checked_sub(1)?;
        Some(&self.attributes[at as usize])
    }

    fn packed(&self, number: u32) -> &Packed {
        &self.members[number as usize]
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 members fit in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(place: Place) -> Stored {
        Stored {
            t0: Mtime { seconds: 7, nanoseconds: 8 },
            settled: true,
            content: [3; 32],
            attributes: Attributes::new(),
            target: Box::default(),
            like_base: false,
            place,
        }
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut shelf = Shelf::default();
        let large = Large { sparse: None, patch: true, whole: false, runs: Vec::new(), blocks: vec![5; 16] };
        let named = Attributes::from([("user.a".to_owned(), vec![1, 2])]);
        let members = [
            stored(Place::Frame { frame: u32::MAX, skip: 1, length: 2 }),
            Stored { settled: false, like_base: true, ..stored(Place::Spool { at: 0x1234_5678_9abc, length: 3 }) },
            Stored { attributes: named.clone(), ..stored(Place::Large(Arc::new(large))) },
            Stored { attributes: named, target: (*b"there").into(), ..stored(Place::Spool { at: 1, length: 0 }) },
            Stored { t0: Mtime { seconds: -1, nanoseconds: 0 }, ..stored(Place::Spool { at: 2, length: 0 }) },
        ];
        let numbers: Vec<u32> = members.iter().map(|member| shelf.push(member.clone())).collect();
        for (member, &number) in members.iter().zip(&numbers) {
            assert_eq!(format!("{:?}", shelf.get(number)), format!("{member:?}"));
            assert_eq!(shelf.attributes_digest(number), digest_of(&member.attributes));
        }
        assert_eq!((shelf.attributes.len(), shelf.times.len()), (1, 2), "what is alike is kept once");
    }
}
