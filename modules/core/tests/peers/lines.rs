//! Random snapshots and policies, the same in every run.

use backup_core::retention::Policy;
use std::{collections::BTreeSet, path::PathBuf};

/// Numbers that look random (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// One snapshot at a peer.
pub(crate) struct Snapshot {
    /// Seconds since the epoch; no two of a line are equal.
    pub(crate) time: i64,
    /// Of which histories it is part.
    pub(crate) part: BTreeSet<usize>,
}

/// `snapshots` in order: several per hour, several per day, days apart, months apart.
pub(crate) fn line(random: &mut Random, snapshots: usize, histories: usize) -> Vec<Snapshot> {
    let mut time = 1_577_836_800 + i64::try_from(random.below(400 * 86_400)).unwrap(); // 2020, and into 2021
    let mut all = Vec::new();
    for _ in 0..snapshots {
        let longest = [1200, 20_000, 120_000, 120_000, 900_000, 9_000_000][usize::try_from(random.below(6)).unwrap()];
        time += 1 + i64::try_from(random.below(longest)).unwrap();
        let part = (0..histories).filter(|_| !random.one_in(3)).collect();
        all.push(Snapshot { time, part });
    }
    all
}

/// One period rule alone, or any mixture of rules.
pub(crate) fn policy(random: &mut Random, within: bool) -> Policy {
    let mut policy = Policy::default();
    let count = |random: &mut Random| Some(u32::try_from(1 + random.below(9)).unwrap());
    if random.one_in(2) {
        let n = count(random);
        *[&mut policy.hourly, &mut policy.daily, &mut policy.weekly, &mut policy.monthly, &mut policy.yearly]
            [usize::try_from(random.below(5)).unwrap()] = n;
        return policy;
    }
    while policy.is_empty() {
        for rule in [&mut policy.generations, &mut policy.hourly, &mut policy.daily] {
            *rule = if random.one_in(3) { count(random) } else { None };
        }
        let long = random.one_in(2);
        for rule in [&mut policy.weekly, &mut policy.monthly, &mut policy.yearly] {
            *rule = if long && random.one_in(2) { count(random) } else { None };
        }
        policy.within = (within && random.one_in(3)).then(|| backup_core::units::Span(3600 * (1 + random.below(2000))));
    }
    policy
}

/// A place for a peer's repository: in memory if there is one, since peers sync after everything.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("handover-peers-").tempdir_in(parent).unwrap()
}

pub(crate) fn iso(second: i64) -> String {
    jiff::Timestamp::from_second(second).unwrap().strftime("%Y-%m-%dT%H:%M:%S").to_string()
}
