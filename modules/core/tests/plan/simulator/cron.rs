//! Cron daemons: entries as texts, Debian's main loop, and jiff's own local time.

use jiff::{Timestamp, tz::TimeZone};

/// One entry as cron reads it.
pub(super) struct Line<A> {
    /// One bit per value: minute, hour, day of month, month, day of week.
    fields: [u64; 5],
    wild: bool,
    pub action: A,
}

fn field(text: &str, low: u8, high: u8) -> u64 {
    let part = |part: &str| {
        let (span, step) = part.split_once('/').map_or((part, 1), |(span, step)| (span, step.parse().unwrap()));
        let (first, last) = match span.split_once('-') {
            Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
            None if span == "*" => (low, high),
            None => (span.parse().unwrap(), span.parse().unwrap()),
        };
        (first..=last).step_by(step).collect::<Vec<u8>>()
    };
    text.split(',').flat_map(part).fold(0, |set, value| set | 1 << value)
}

impl<A> Line<A> {
    fn new(cron: &str, action: A) -> Self {
        let texts: Vec<&str> = cron.split(' ').collect();
        let ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        let fields = std::array::from_fn(|n| field(texts[n], ranges[n].0, ranges[n].1));
        Self { fields, wild: texts[0].starts_with('*') || texts[1].starts_with('*'), action }
    }

    /// Never both kinds of days, so that *and* and *or* are the same.
    fn matches(&self, now: [i8; 5]) -> bool {
        self.fields.iter().zip(now).all(|(field, now)| field >> now & 1 == 1)
    }
}

/// The fields of a local minute.
fn fields(minute: i64) -> [i8; 5] {
    let time = TimeZone::UTC.to_datetime(Timestamp::from_second(minute * 60).unwrap());
    [time.minute(), time.hour(), time.day(), time.month(), time.weekday().to_sunday_zero_offset()]
}

/// Debian's cron: it wakes each minute and compares the clock with how far it has come.
pub(super) struct Daemon<A> {
    zone: TimeZone,
    lines: Vec<Line<A>>,
    /// Minutes and hours that are in any line, one bit each.
    any: [u64; 2],
    /// Quarters of an hour of the day in which any line may run, one bit each.
    quarters: u128,
    /// The local minute up to which everything was run.
    done: Option<i64>,
    /// Of which quarter of an hour the offset is known, and the offset.
    quarter: Option<i64>,
    offset: i64,
}

impl<A: Copy> Daemon<A> {
    pub(super) const fn new(zone: TimeZone) -> Self {
        Self { zone, lines: Vec::new(), any: [0; 2], quarters: 0, done: None, quarter: None, offset: 0 }
    }

    pub(super) fn add(&mut self, cron: &str, action: A) {
        let line = Line::new(cron, action);
        self.any = [self.any[0] | line.fields[0], self.any[1] | line.fields[1]];
        for quarter in (0..96).filter(|quarter| line.fields[1] >> (quarter / 4) & 1 == 1) {
            let runs = line.fields[0] >> (quarter % 4 * 15) & 0x7fff != 0;
            self.quarters |= u128::from(runs) << quarter;
        }
        self.lines.push(line);
    }

    /// Whether nothing can happen in the quarter of an hour that begins now, and no clock is being changed.
    pub(super) fn is_quiet(&mut self, now: i64) -> bool {
        let clock = self.clock(now);
        let quarter = clock.rem_euclid(1440) / 15;
        now % 900 == 0 && self.done == Some(clock - 1) && self.quarters >> quarter & 1 == 0
    }

    /// Sleeps through it.
    pub(super) fn sleep(&mut self) {
        self.done = self.done.map(|done| done + 15);
    }

    /// The local minute.
    fn clock(&mut self, now: i64) -> i64 {
        // Clocks are changed at quarters of an hour.
        if self.quarter != Some(now.div_euclid(900)) {
            self.quarter = Some(now.div_euclid(900));
            self.offset = self.zone.to_offset(Timestamp::from_second(now).unwrap()).seconds().into();
        }
        (now + self.offset).div_euclid(60)
    }

    /// Starts at this UTC second: what, when.
    pub(super) fn wake(&mut self, now: i64, mut start: impl FnMut(i64, A)) {
        let clock = self.clock(now);
        let done = self.done.unwrap_or(clock - 1);
        // It sleeps ten seconds after each minute of the past that had something to do.
        let mut before = vec![0; if clock - done == 1 { 0 } else { self.lines.len() }];
        let mut run = |minute: i64, wild: bool, fixed: bool| {
            let [minutes, hours] = self.any;
            if minutes >> minute.rem_euclid(60) & 1 == 0 || hours >> (minute.div_euclid(60).rem_euclid(24)) & 1 == 0 {
                return;
            }
            let now_local = fields(minute);
            for (index, line) in self.lines.iter().enumerate() {
                if (if line.wild { wild } else { fixed }) && line.matches(now_local) {
                    start(now + 10 * before.get(index).copied().unwrap_or(0), line.action);
                    before.get_mut(index).into_iter().for_each(|before| *before += 1);
                }
            }
        };
        self.done = Some(match clock - done {
            ..-180 | 181.. => {
                run(clock, true, true);
                clock
            }
            -180..=0 => {
                run(clock, true, false);
                done
            }
            1..=5 => {
                (done + 1..=clock).for_each(|minute| run(minute, true, true));
                clock
            }
            6..=180 => {
                run(clock, true, false);
                (done + 1..=clock).for_each(|minute| run(minute, false, true));
                clock
            }
        });
    }
}
