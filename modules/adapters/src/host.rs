//! This host: its name, its boot, its clocks, its randomness, and how politely we use it.
//!
//! The only place that reads a clock. Everybody else gets a [`Now`] as an argument.

use crate::sys;
use backup_core::job;
use jiff::{Timestamp, tz::TimeZone};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Wall clock, since 1970-01-01 UTC. May be stepped by an operator or by time synchronisation.
    pub realtime: Duration,
    /// Since boot, suspend included. Never stepped; means nothing after a reboot.
    pub boottime: Duration,
}

impl Now {
    /// Whole seconds of the wall clock since 1970.
    pub const fn unix_seconds(self) -> u64 {
        self.realtime.as_secs()
    }

    /// The wall clock as the domain writes it.
    pub fn timestamp(self) -> Timestamp {
        // Fails only ten thousand years after 1970.
        i64::try_from(self.realtime.as_secs())
            .ok()
            .and_then(|seconds| Timestamp::new(seconds, self.realtime.subsec_nanos().cast_signed()).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// How far the wall clock was stepped between an `earlier` reading and this one (absolute value).
    pub fn realtime_step_since(self, earlier: Self) -> Duration {
        // Compared crosswise, so that nothing underflows when the step went backwards.
        let here = self.realtime + earlier.boottime;
        let there = earlier.realtime + self.boottime;
        here.abs_diff(there)
    }
}

/// Reads both clocks.
pub fn now() -> Now {
    Now { realtime: read(ClockId::CLOCK_REALTIME), boottime: read(ClockId::CLOCK_BOOTTIME) }
}

fn read(clock: ClockId) -> Duration {
    // Neither clock can fail on Linux ≥ 2.6.39, and a time before 1970 reads as 1970.
    clock_gettime(clock).map(Duration::from).unwrap_or_default()
}

/// The host's own name, without a domain.
pub fn hostname() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    let name = name.to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The random id of this boot: two equal readings mean no reboot lay between them.
pub fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The zone of this host, as the C library and so cron read it; UTC where nothing is set.
pub fn zone() -> io::Result<TimeZone> {
    match std::fs::read("/etc/localtime") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(TimeZone::UTC),
        data => TimeZone::tzif("localtime", &data?).map_err(io::Error::other),
    }
}

/// The name of [`zone`] as the time zone database has it, where the host says it: `Europe/Berlin`.
pub fn zone_name() -> Option<String> {
    match std::fs::read_link("/etc/localtime") {
        Ok(link) => link.to_str()?.split_once("/zoneinfo/").map(|(_, name)| name.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("UTC".into()),
        // A copy instead of a link: Debian keeps the name beside it.
        Err(_) => std::fs::read_to_string("/etc/timezone").ok().map(|name| name.trim().to_owned()),
    }
}

/// Whether systemd is this host's service manager (the test that `sd_booted` makes).
pub fn has_systemd() -> bool {
    std::fs::metadata("/run/systemd/system").is_ok_and(|found| found.is_dir())
}

/// `count` random bytes from the kernel in lower-case hex.
pub fn random_hex(count: usize) -> io::Result<String> {
    use std::fmt::Write as _;
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut text = String::with_capacity(2 * count);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// I/O scheduling class, as in `ionice`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoClass {
    /// No class of its own: derived from the processor priority.
    #[default]
    None,
    /// Before everybody else: level 0 (first) to 7 (last).
    Realtime(u8),
    /// Level 0 (first) to 7 (last).
    BestEffort(u8),
    /// Only when nobody else uses the disk.
    Idle,
}

/// Processor and I/O priority of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Niceness {
    /// -20 to 19; 0 is a process that was never renamed nice.
    pub nice: i32,
    /// I/O class.
    pub io: IoClass,
}

impl From<job::Priority> for Niceness {
    fn from(priority: job::Priority) -> Self {
        let level = priority.ionice.level;
        let io = match priority.ionice.class {
            job::IoClass::None => IoClass::None,
            job::IoClass::Realtime => IoClass::Realtime(level),
            job::IoClass::BestEffort => IoClass::BestEffort(level),
            job::IoClass::Idle => IoClass::Idle,
        };
        Self { nice: priority.nice.into(), io }
    }
}

impl Niceness {
    /// What a service must be started with, however nice we are ourselves.
    pub const NORMAL: Self = Self { nice: 0, io: IoClass::None };

    pub(crate) const fn io_priority(self) -> (u32, u32) {
        match self.io {
            IoClass::None => (0, 0),
            IoClass::Realtime(level) => (1, if level > 7 { 7 } else { level as u32 }),
            IoClass::BestEffort(level) => (2, if level > 7 { 7 } else { level as u32 }),
            IoClass::Idle => (3, 0),
        }
    }

    /// Applies this to the calling thread; threads and children made afterwards inherit it. Call it first in `main`.
    pub fn apply(self) -> io::Result<()> {
        sys::set_nice(self.nice)?;
        let (class, level) = self.io_priority();
        sys::set_io_priority(class, level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_move_forward_and_boot_id_stays() {
        let first = now();
        let second = now();
        assert!(second.boottime >= first.boottime);
        assert!(second.realtime_step_since(first) < Duration::from_secs(1));
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
        assert_eq!(boot_id().unwrap().len(), 36);
    }

    #[test]
    fn a_step_is_seen_in_both_directions() {
        let at = |realtime, boottime| Now {
            realtime: Duration::from_secs(realtime),
            boottime: Duration::from_secs(boottime),
        };
        assert_eq!(at(1010, 20).realtime_step_since(at(1000, 10)), Duration::ZERO);
        assert_eq!(at(4610, 20).realtime_step_since(at(1000, 10)), Duration::from_hours(1));
        assert_eq!(at(400, 20).realtime_step_since(at(1000, 10)), Duration::from_secs(610));
    }

    #[test]
    fn the_zone_is_what_date_uses() {
        let date = |when: &str| {
            let output =
                std::process::Command::new("date").env_remove("TZ").args(["-d", when, "+%s"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse::<i64>().unwrap()
        };
        for when in ["2026-01-15 12:00", "2026-07-15 12:00"] {
            let local: jiff::civil::DateTime = when.replace(' ', "T").parse().unwrap();
            assert_eq!(zone().unwrap().to_timestamp(local).unwrap().as_second(), date(when));
        }
    }

    #[test]
    fn random_hex_has_the_length_and_differs() {
        assert_eq!(random_hex(16).unwrap().len(), 32);
        assert_ne!(random_hex(16).unwrap(), random_hex(16).unwrap());
    }

    #[test]
    fn priorities_apply_as_ionice_reports() {
        let told = std::thread::spawn(|| {
            Niceness { nice: 7, io: IoClass::Idle }.apply().unwrap();
            let io = std::process::Command::new("ionice").output().unwrap();
            let nice = std::process::Command::new("nice").output().unwrap();
            (String::from_utf8(io.stdout).unwrap(), String::from_utf8(nice.stdout).unwrap())
        });
        let (io, nice) = told.join().unwrap();
        assert_eq!((io.trim(), nice.trim()), ("idle", "7"));
    }
}
