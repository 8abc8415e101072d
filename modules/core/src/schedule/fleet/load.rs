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

impl Days {
    pub(super) fn new(days: impl IntoIterator<Item = u32>) -> Self {
        let mut days = Self(days.into_iter().collect());
        days.add(&[]);
        days
    }

    /// Adds days. Whether there is a new one among them.
    pub(super) fn add(&mut self, days: &[u32]) -> bool {
        let before = self.0.len();
        self.0.extend(days);
        self.0.sort_unstable();
        self.0.dedup();
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
    let limited = limit.rate < u64::MAX;
    let (mut running, mut rate) = (vec![0i32; minutes], vec![0i64; if limited { minutes } else { 0 }]);
    for (sources, transfers) in flows {
        let count = i32::try_from(sources).unwrap_or(i32::MAX);
        for transfer in transfers {
            let (from, to) = ((transfer.from - first) as usize, (transfer.to - first) as usize);
            (running[from], running[to]) = (running[from] + count, running[to] - count);
            if limited {
                let bytes = i64::try_from(transfer.rate).unwrap_or(i64::MAX >> 24).saturating_mul(i64::from(count));
                (rate[from], rate[to]) = (rate[from].saturating_add(bytes), rate[to].saturating_sub(bytes));
            }
        }
    }
    let (mut now, mut flowing) = (0i32, 0i64);
    for (minute, running) in (first..).zip(&running) {
        now += running;
        flowing = flowing.saturating_add(rate.get((minute - first) as usize).copied().unwrap_or_default());
        let (running, rate) = (now.unsigned_abs(), flowing.unsigned_abs());
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
