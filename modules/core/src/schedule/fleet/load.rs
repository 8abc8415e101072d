//! What runs on a sink in each minute: on some days while places are looked for, on the whole horizon for the proof.

use super::demand::Transfer;

const DAY: u32 = super::super::Week::DAY;

/// What a sink bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// Transports at once, those in reserve left out.
    pub parallel: u32,
    /// Bytes per second.
    pub rate: u64,
}

/// Days on which places are looked for, as numbers since the epoch, UTC; ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Days(Vec<u32>);

/// So many days are looked at: each has 1,440 minutes of every sink.
const MOST: usize = 512;

impl Days {
    pub(super) fn new(days: impl IntoIterator<Item = u32>) -> Self {
        let mut days = Self(days.into_iter().collect());
        days.add(&[]);
        days
    }

    /// Adds days. Whether there are more now.
    pub(super) fn add(&mut self, days: &[u32]) -> bool {
        let before = self.0.len();
        self.0.extend(days);
        self.0.sort_unstable();
        self.0.dedup();
        self.0.truncate(MOST);
        self.0.len() > before
    }

    /// The transfers on these days, in minutes since the first of them, the others left out.
    pub(super) fn of(&self, transfers: &[Transfer]) -> Vec<Transfer> {
        let mut found = Vec::new();
        for (n, &day) in (0u32..).zip(&self.0) {
            let (begin, end) = (day * DAY, (day + 1) * DAY);
            let first = transfers.partition_point(|transfer| transfer.to <= begin);
            for transfer in transfers[first..].iter().take_while(|transfer| transfer.from < end) {
                let on_day = |minute: u32| n * DAY + minute.clamp(begin, end) - begin;
                found.push(Transfer { from: on_day(transfer.from), to: on_day(transfer.to), rate: transfer.rate });
            }
        }
        found
    }

    /// Nothing runs on any of them.
    pub(super) fn load(&self) -> Load {
        let minutes = self.0.len() * DAY as usize;
        Load { running: vec![0; minutes], rate: vec![0; minutes] }
    }
}

/// What runs in each minute of some days.
pub(super) struct Load {
    running: Vec<u32>,
    rate: Vec<u64>,
}

impl Load {
    /// Whether these transfers leave everything within the limit.
    pub(super) fn fits(&self, transfers: &[Transfer], limit: Limit) -> bool {
        transfers.iter().all(|transfer| {
            let minutes = transfer.from as usize..transfer.to as usize;
            self.running[minutes.clone()].iter().all(|&running| running < limit.parallel)
                && self.rate[minutes].iter().all(|&rate| rate.saturating_add(transfer.rate) <= limit.rate)
        })
    }

    pub(super) fn add(&mut self, transfers: &[Transfer]) {
        for transfer in transfers {
            let minutes = transfer.from as usize..transfer.to as usize;
            self.running[minutes.clone()].iter_mut().for_each(|running| *running += 1);
            self.rate[minutes].iter_mut().for_each(|rate| *rate += transfer.rate);
        }
    }

    pub(super) fn remove(&mut self, transfers: &[Transfer]) {
        for transfer in transfers {
            let minutes = transfer.from as usize..transfer.to as usize;
            self.running[minutes.clone()].iter_mut().for_each(|running| *running -= 1);
            self.rate[minutes].iter_mut().for_each(|rate| *rate -= transfer.rate);
        }
    }
}

/// The most of something, and when it was first reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Most {
    pub value: u64,
    /// The minute since the epoch.
    pub at: u32,
}

impl Most {
    fn see(&mut self, value: u64, at: u32) {
        if value > self.value {
            *self = Self { value, at };
        }
    }
}

/// What a sink went through.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// Transports at once.
    pub running: Most,
    /// Bytes per second.
    pub rate: Most,
    /// The first minute with more transports, or more bytes, than may be.
    pub crowded: Option<u32>,
    pub congested: Option<u32>,
    /// Days with such minutes, the first ones.
    pub days: Vec<u32>,
}

/// So many days are told at once.
const TOLD: usize = 32;

/// Every minute of the horizon: `flows` are transfers, with how many sources have them.
pub(super) fn course<'f>(flows: impl Iterator<Item = (u32, &'f [Transfer])> + Clone, limit: Limit) -> Course {
    let mut course = Course::default();
    let first = flows.clone().filter_map(|(_, transfers)| Some(transfers.first()?.from)).min();
    let last = flows.clone().filter_map(|(_, transfers)| transfers.iter().map(|transfer| transfer.to).max()).max();
    let (Some(first), Some(last)) = (first, last) else { return course };
    let minutes = (last - first) as usize + 1;
    // What begins less what ends, per minute. Where there is no limit, nobody asks for rates.
    let limited = limit.rate != u64::MAX;
    let (mut running, mut rate) = (vec![0i32; minutes], vec![0i64; if limited { minutes } else { 0 }]);
    for (sources, transfers) in flows {
        let count = i32::try_from(sources).unwrap_or(i32::MAX);
        for transfer in transfers {
            let (from, to) = ((transfer.from - first) as usize, (transfer.to - first) as usize);
            (running[from], running[to]) = (running[from] + count, running[to] - count);
            if limited {
                let bytes = i64::try_from(transfer.rate).unwrap_or(i64::MAX).saturating_mul(i64::from(count));
                (rate[from], rate[to]) = (rate[from].saturating_add(bytes), rate[to].saturating_sub(bytes));
            }
        }
    }
    let (mut now, mut flowing) = (0i32, 0i64);
    for (minute, running) in (first..).zip(&running) {
        now += running;
        flowing = flowing.saturating_add(rate.get((minute - first) as usize).copied().unwrap_or_default());
        let (running, rate) = (u32::try_from(now).unwrap_or_default(), u64::try_from(flowing).unwrap_or_default());
        course.running.see(running.into(), minute);
        course.rate.see(rate, minute);
        let (crowded, congested) = (running > limit.parallel, rate > limit.rate);
        if crowded {
            course.crowded.get_or_insert(minute);
        }
        if congested {
            course.congested.get_or_insert(minute);
        }
        let day = minute / DAY;
        if (crowded || congested) && course.days.len() < TOLD && course.days.last() != Some(&day) {
            course.days.push(day);
        }
    }
    course
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Days that are looked at, and some that are not.
    const FIRST: u32 = 20_000;

    /// Transfers of one source, one after the other.
    fn transfers() -> impl Strategy<Value = Vec<Transfer>> {
        let one = (1..1500u32, 1..1600u32, 0..50u64);
        proptest::collection::vec(one, 0..6).prop_map(|all| {
            let mut free = FIRST * DAY;
            let place = |(pause, length, rate)| {
                let from = free + pause;
                free = from + length;
                Transfer { from, to: free, rate }
            };
            all.into_iter().map(place).collect()
        })
    }

    /// What runs in a minute, and how many bytes per second that brings.
    fn at(minute: u32, flows: &[(u32, Vec<Transfer>)]) -> (u32, u64) {
        let runs = |transfer: &&Transfer| (transfer.from..transfer.to).contains(&minute);
        let of = flows.iter().flat_map(|(sources, all)| all.iter().filter(runs).map(move |one| (*sources, one.rate)));
        of.fold((0, 0), |(running, rate), (sources, more)| (running + sources, rate + u64::from(sources) * more))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_course_is_what_is_counted_minute_by_minute(
            flows in proptest::collection::vec((1..4u32, transfers()), 0..4),
            parallel in 1..6u32,
            rate in prop_oneof![Just(u64::MAX), 20..120u64],
        ) {
            let limit = Limit { parallel, rate };
            let course = course(flows.iter().map(|(sources, all)| (*sources, all.as_slice())), limit);
            let end = flows.iter().flat_map(|(_, all)| all).map(|transfer| transfer.to).max().unwrap_or_default();
            let counted: Vec<_> = (FIRST * DAY..end).map(|minute| (minute, at(minute, &flows))).collect();
            // The first of the greatest.
            let most = |of: fn(&(u32, u64)) -> u64| {
                let value = counted.iter().map(|(_, now)| of(now)).max().unwrap_or_default();
                let first = counted.iter().find(|(_, now)| value > 0 && of(now) == value);
                Most { value, at: first.map(|(minute, _)| *minute).unwrap_or_default() }
            };
            prop_assert_eq!(course.running, most(|now| now.0.into()));
            if rate < u64::MAX {
                prop_assert_eq!(course.rate, most(|now| now.1));
            }
            let first = |is: &dyn Fn(&(u32, u64)) -> bool| counted.iter().find(|(_, now)| is(now)).map(|(minute, _)| *minute);
            prop_assert_eq!(course.crowded, first(&|now| now.0 > parallel));
            prop_assert_eq!(course.congested, first(&|now| now.1 > rate));
            let mut days: Vec<_> = counted.iter().filter(|(_, now)| now.0 > parallel || now.1 > rate).map(|(minute, _)| minute / DAY).collect();
            days.dedup();
            prop_assert_eq!(course.days, days);
        }

        #[test]
        fn what_fits_on_some_days_leaves_each_minute_within_the_limit(
            there in proptest::collection::vec(transfers(), 0..3),
            more in transfers(),
            parallel in 1..4u32,
            rate in prop_oneof![Just(u64::MAX), 20..120u64],
        ) {
            let days = [FIRST, FIRST + 2, FIRST + 3];
            let looked_at = Days::new(days);
            let mut load = looked_at.load();
            for all in &there {
                load.add(&looked_at.of(all));
            }
            let mut flows: Vec<_> = there.into_iter().map(|all| (1, all)).collect();
            flows.push((1, more.clone()));
            let minutes = days.iter().flat_map(|day| day * DAY..(day + 1) * DAY);
            // Only what it takes part in is asked for.
            let fits = minutes
                .filter(|&minute| at(minute, &[(1, more.clone())]).0 > 0)
                .map(|minute| at(minute, &flows))
                .all(|(running, bytes)| running <= parallel && bytes <= rate);
            let limit = Limit { parallel, rate };
            let added = looked_at.of(&more);
            prop_assert_eq!(load.fits(&added, limit), fits);
            let (running, bytes) = (load.running.clone(), load.rate.clone());
            load.add(&added);
            load.remove(&added);
            prop_assert_eq!((load.running, load.rate), (running, bytes), "what is taken away again leaves nothing");
        }
    }

    #[test]
    fn days_are_new_once_and_in_their_order() {
        let mut days = Days::new([5, 3, 5]);
        assert!(!days.add(&[3]) && !days.add(&[]));
        assert!(days.add(&[4, 5]));
        assert_eq!(days, Days(vec![3, 4, 5]));
    }

    #[test]
    fn so_many_crowded_days_are_told_and_no_more() {
        let daily = |day| Transfer { from: day * DAY, to: day * DAY + 1, rate: 0 };
        let all: Vec<_> = (FIRST..FIRST + 40).map(daily).collect();
        let course = course([(2, all.as_slice())].into_iter(), Limit { parallel: 1, rate: u64::MAX });
        assert_eq!(course.days, (FIRST..FIRST + 32).collect::<Vec<_>>());
    }
}
