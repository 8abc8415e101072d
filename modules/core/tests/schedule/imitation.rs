//! Debian's cron (3.0pl1), imitated second by second: the main loop of its cron.c with its own names, one entry, and
//! the zone asked anew each time. It shares nothing with the model but the zone.

use jiff::{Timestamp, civil, tz::TimeZone};

/// One field as it is written: `low-high/step` parts, and whether the first is a star.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) text: String,
    pub(crate) parts: Vec<(i8, i8, i8)>,
}

impl Field {
    fn star(&self) -> bool {
        self.text.starts_with('*')
    }

    fn matches(&self, n: i8) -> bool {
        self.parts.iter().any(|&(low, high, step)| low <= n && n <= high && (n - low) % step == 0)
    }
}

/// Minute, hour, day of month, month, day of week.
#[derive(Clone)]
pub(crate) struct Entry(pub(crate) [Field; 5]);

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl Entry {
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|field| field.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn matches(&self, local: civil::DateTime) -> bool {
        let [minute, hour, day, month, weekday] = &self.0;
        let dow = local.weekday().to_sunday_zero_offset();
        let dow = weekday.matches(dow) || (dow == 0 && weekday.matches(7));
        let dom = day.matches(local.day());
        minute.matches(local.minute())
            && hour.matches(local.hour())
            && month.matches(local.month())
            && if day.star() || weekday.star() { dow && dom } else { dow || dom }
    }
}

/// Cron at work: what it has run, as (UTC second, local second that the entry named).
pub(crate) struct Cron<'z> {
    zone: &'z TimeZone,
    entry: Entry,
    now: i64,
    gmt_offset: i64,
    clock_time: i64,
    queue: Option<i64>,
    pub(crate) ran: Vec<(i64, i64)>,
}

impl<'z> Cron<'z> {
    /// Starts at `from` and works until `to`, UTC seconds.
    pub(crate) fn work(zone: &'z TimeZone, entry: Entry, from: i64, to: i64) -> Vec<(i64, i64)> {
        let mut cron = Self { zone, entry, now: from, gmt_offset: 0, clock_time: 0, queue: None, ran: Vec::new() };
        cron.set_time();
        let mut time_running = cron.clock_time;
        let mut virtual_time = cron.clock_time;
        while cron.now < to {
            loop {
                cron.sleep_until(time_running + 1);
                cron.set_time();
                if cron.clock_time != time_running {
                    break;
                }
            }
            time_running = cron.clock_time;
            match time_running - virtual_time {
                1 => {
                    virtual_time = time_running;
                    cron.find_jobs(virtual_time, true, true);
                }
                difference if difference > 180 || difference <= -180 => {
                    virtual_time = time_running;
                    cron.find_jobs(time_running, true, true);
                }
                difference if difference > 5 => {
                    cron.find_jobs(time_running, true, false);
                    loop {
                        cron.run_queue_and_pause();
                        virtual_time += 1;
                        cron.find_jobs(virtual_time, false, true);
                        cron.set_time();
                        if virtual_time >= time_running || cron.clock_time != time_running {
                            break;
                        }
                    }
                }
                difference if difference > 0 => {
                    while virtual_time < time_running {
                        cron.run_queue_and_pause();
                        virtual_time += 1;
                        cron.find_jobs(virtual_time, true, true);
                    }
                }
                _ => cron.find_jobs(time_running, true, false),
            }
            cron.run_queue();
        }
        cron.ran
    }

    fn set_time(&mut self) {
        self.gmt_offset = self.zone.to_offset(Timestamp::from_second(self.now).unwrap()).seconds().into();
        self.clock_time = (self.now + self.gmt_offset).div_euclid(60);
    }

    fn sleep_until(&mut self, target: i64) {
        let wait = target * 60 - (self.now + self.gmt_offset) + 1;
        if wait > 0 && wait < 65 {
            self.now += wait;
        }
    }

    fn find_jobs(&mut self, minute: i64, wild: bool, not_wild: bool) {
        let local = TimeZone::UTC.to_datetime(Timestamp::from_second(minute * 60).unwrap());
        let [first, second, ..] = &self.entry.0;
        let entry_is_wild = first.star() || second.star();
        if self.entry.matches(local) && (if entry_is_wild { wild } else { not_wild }) {
            self.queue.get_or_insert(minute * 60);
        }
    }

    fn run_queue(&mut self) -> bool {
        let job = self.queue.take();
        self.ran.extend(job.map(|local| (self.now, local)));
        job.is_some()
    }

    fn run_queue_and_pause(&mut self) {
        if self.run_queue() {
            self.now += 10;
        }
    }
}
