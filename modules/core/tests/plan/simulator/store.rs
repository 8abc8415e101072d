//! A sink's store of one stream: at each rotation everything that lies there is looked at, by the rules as the documentation
//! tells them.

use backup_core::{job::StreamOf, retention::Policy, units::Span};
use std::collections::{BTreeMap, VecDeque};

const DAY: i64 = 86_400;

/// A copy that is on its way, or there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parcel {
    /// When it was collected.
    pub data: i64,
    /// When it counts.
    pub arrives: i64,
    /// The full that it needs, by the time of its collection.
    pub base: Option<i64>,
}

/// What was seen of a store.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Copies that could not be restored any more from some instant on: when, and of when they were.
    pub gone: Vec<(i64, i64)>,
    /// Arrivals of incrementals whose base was not there.
    pub orphans: Vec<i64>,
    /// Copies that lay there without their base after a rotation, by its instant.
    pub baseless: Vec<i64>,
    /// Rotations that left a copy older than `max_age`, neither the last nor its base nor protected.
    pub overstayed: Vec<i64>,
    /// Rotations after which nothing was left.
    pub empty: Vec<i64>,
    /// The most generations, before the rotation after an arrival.
    pub most: usize,
    /// From when to when the newest copy was older than `max_age`.
    pub stale: Vec<(i64, i64)>,
}

impl Course {
    /// The least age at which a copy went.
    pub(crate) fn window(&self) -> Option<i64> {
        self.gone.iter().map(|(gone, data)| gone - data).min()
    }

    /// The first instant at which one went that is no older.
    pub(crate) fn first_lost(&self, history: i64) -> Option<i64> {
        self.gone.iter().filter(|(gone, data)| gone - data <= history).map(|(gone, _)| *gone).min()
    }
}

/// The store.
pub(super) struct Store {
    policy: Policy,
    protect: i64,
    coming: VecDeque<Parcel>,
    there: Vec<Parcel>,
    pub course: Course,
}

fn seconds(span: Span) -> i64 {
    i64::try_from(span.0).unwrap()
}

impl Store {
    /// An empty one that keeps as the plan says.
    pub(super) fn new(of: &StreamOf<'_>, policy: &Policy) -> Self {
        let rules = [policy.hourly, policy.weekly, policy.monthly, policy.yearly];
        assert!(rules.iter().all(Option::is_none), "this store knows no such rule: {policy:?}");
        Self {
            policy: policy.clone(),
            protect: seconds(of.stream.sink.protect),
            coming: VecDeque::new(),
            there: Vec::new(),
            course: Course::default(),
        }
    }

    /// Something is on its way; nothing overtakes.
    pub(super) fn send(&mut self, parcel: Parcel) {
        self.coming.push_back(parcel);
    }

    /// Everything that has come until `now` arrives, with the rotation that follows each.
    pub(super) fn receive(&mut self, now: i64) {
        while let Some(parcel) = self.coming.pop_front_if(|parcel| parcel.arrives <= now) {
            if parcel.base.is_none_or(|base| self.there.iter().any(|other| other.data == base)) {
                if let (Some(max_age), Some(last)) = (self.policy.max_age, self.there.last()) {
                    let old = last.arrives.max(last.data + seconds(max_age) + 1);
                    self.course.stale.extend((old < parcel.arrives).then_some((old, parcel.arrives)));
                }
                self.there.push(parcel);
                self.course.most = self.course.most.max(self.there.len());
            } else {
                self.course.orphans.push(parcel.arrives);
                self.course.gone.push((parcel.arrives, parcel.data));
            }
            self.rotate(parcel.arrives);
        }
    }

    /// A rotation.
    pub(super) fn rotate(&mut self, now: i64) {
        let Some(newest) = self.there.last().copied() else { return };
        let wanted = self.wanted(now);
        let needed = |parcel: &Parcel| {
            let by = |(other, wanted): (&Parcel, &bool)| *wanted && other.base == Some(parcel.data);
            self.there.iter().zip(&wanted).any(by)
        };
        let stays: Vec<bool> = self
            .there
            .iter()
            .zip(&wanted)
            .map(|(parcel, wanted)| *wanted || (parcel.base.is_none() && needed(parcel)))
            .collect();
        let mut stay = stays.iter().copied();
        let gone = &mut self.course.gone;
        self.there.retain(|parcel| {
            let stays = stay.next() == Some(true);
            if !stays {
                gone.push((now, parcel.data));
            }
            stays
        });
        self.look(now, newest);
    }

    /// Which copies some rule or promise keeps for themselves.
    fn wanted(&self, now: i64) -> Vec<bool> {
        let there = &self.there;
        let newest = there[there.len() - 1];
        let many = |count: Option<u32>| count.map_or(0, |count| count as usize);
        let (generations, daily) = (many(self.policy.generations), many(self.policy.daily));
        let within = self.policy.within.map_or(0, seconds);
        let fulls = if generations + daily >= 2 || within > 0 { 2 } else { 0 };
        // The first copy of each day, newest days first; while there are fewer days, the oldest of all.
        let mut days: BTreeMap<i64, usize> = BTreeMap::new();
        if daily > 0 {
            for (n, parcel) in there.iter().enumerate() {
                days.entry(parcel.arrives.div_euclid(DAY)).or_insert(n);
            }
        }
        let mut by_day: Vec<usize> = days.values().rev().take(daily).copied().collect();
        by_day.extend((days.len() < daily).then_some(0));
        let (mut fulls_seen, mut wanted) = (0, vec![false; there.len()]);
        for (n, parcel) in there.iter().enumerate().rev() {
            fulls_seen += usize::from(parcel.base.is_none());
            let by_rule = there.len() - n <= generations
                || newest.arrives - parcel.arrives < within
                || by_day.contains(&n)
                || (parcel.base.is_none() && fulls_seen <= fulls);
            let is_last = n + 1 == there.len();
            wanted[n] = is_last || (by_rule && !self.is_over_age(parcel, now)) || self.is_protected(parcel, now);
        }
        wanted
    }

    fn is_over_age(&self, parcel: &Parcel, now: i64) -> bool {
        self.policy.max_age.is_some_and(|max_age| now - parcel.arrives > seconds(max_age))
    }

    const fn is_protected(&self, parcel: &Parcel, now: i64) -> bool {
        now - parcel.arrives < self.protect
    }

    /// Whether what must hold of any store holds after a rotation.
    fn look(&mut self, now: i64, newest: Parcel) {
        let there = &self.there;
        // Incrementals come after their base, whose time they name; bases are few.
        let bases: Vec<i64> = there.iter().filter(|parcel| parcel.base.is_none()).map(|parcel| parcel.data).collect();
        if there.iter().filter_map(|parcel| parcel.base).any(|base| bases.binary_search(&base).is_err()) {
            self.course.baseless.push(now);
        }
        // A base lies there as long as what needs it.
        let due = |parcel: &Parcel| {
            let is_last = parcel.data == newest.data;
            is_last || !self.is_over_age(parcel, now) || self.is_protected(parcel, now)
        };
        let is_needed = |parcel: &Parcel| there.iter().any(|other| other.base == Some(parcel.data) && due(other));
        if there.iter().any(|parcel| !due(parcel) && !is_needed(parcel)) {
            self.course.overstayed.push(now);
        }
        if !there.iter().any(|parcel| parcel.data == newest.data) {
            self.course.empty.push(now);
        }
    }
}
