//! What is contradictory within the objectives of one job.

use super::{Day, Every, FullTimes, Objectives, Recurrence, TimeOfDay};
use crate::{
    document::Problem,
    job::Job,
    schedule::{LAST_COMMON_DAY, Week},
};
use std::collections::BTreeSet;

/// More runs in a row are never missed without breaking a promise: each transport of ten years is followed through as many.
const MOST_MISSED: u32 = 100;

/// Every problem, in the order of the document.
pub(in crate::job) fn problems(job: &Job) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    if let Some(objectives) = &job.objectives {
        found.objectives(job, objectives);
    }
    found.0
}

struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Problem { key: format!("objectives.{key}"), message: message.into(), remedy: remedy.into() });
    }

    fn objectives(&mut self, job: &Job, objectives: &Objectives) {
        if objectives.rpo.is_some_and(|rpo| rpo.0 == 0) {
            self.add(
                "rpo",
                "0s cannot be held: a copy is older than nothing as soon as it exists",
                "Give the age that the newest copy may reach, such as 24h.",
            );
        }
        let timed = !objectives.at.is_empty() || !objectives.days.is_empty() || objectives.full.is_some();
        let explicit = job.schedule.declared().collect;
        match (explicit.is_empty(), timed) {
            (false, true) => self.add(
                if objectives.at.is_empty() { "days" } else { "at" },
                format!("`schedule.collect: {}` says already when to collect", explicit.join(", ")),
                "Keep either `schedule.collect`, or `at`, `days` and `full`.",
            ),
            (true, false) if objectives.rpo.is_none() => self.0.push(Problem {
                key: "objectives".into(),
                message: "nothing says when to collect".into(),
                remedy: "Give `rpo`, `at`, `days` or `schedule.collect`.".into(),
            }),
            _ => {}
        }
        self.tolerate(objectives.tolerate);
        self.spans(objectives);
        self.days("days", &objectives.days);
        self.times("at", &objectives.at);
        if let Some(full) = &objectives.full {
            if full.days.is_empty() {
                self.add("full.days", "no day is given", "Give weekdays such as [sun], or days of the month.");
            }
            self.days("full.days", &full.days);
            self.times("full.at", &full.at);
        }
        self.windows(objectives);
        if objectives.with.as_ref() == Some(&job.job) {
            self.add(
                "with",
                format!("{:?} is this job itself", job.job),
                "Name the job that carries it, or remove it.",
            );
        }
        let transport = job.schedule.declared().transport;
        if let Some(with) = objectives.with.as_ref().filter(|_| !transport.is_empty()) {
            self.add(
                "with",
                format!("{with:?} and `schedule.transport: {}` both say when copies travel", transport.join(", ")),
                "Keep either `with` or `schedule.transport`.",
            );
        }
        for (key, recurrence) in [("verify", &objectives.verify), ("drill", &objectives.drill)] {
            if let Some(recurrence) = recurrence {
                self.recurrence(key, recurrence);
            }
        }
    }

    fn tolerate(&mut self, tolerate: u32) {
        if tolerate > MOST_MISSED {
            self.add(
                "tolerate",
                format!("{tolerate} runs in a row are more than is proven"),
                format!("Give up to {MOST_MISSED}, such as 1, or a longer `rpo`."),
            );
        }
    }

    fn spans(&mut self, objectives: &Objectives) {
        let spans = [
            ("rto", objectives.rto, "1h"),
            ("history", objectives.history, "3w"),
            ("snapshots.every", objectives.snapshots.map(|s| s.every), "6h"),
            ("checkpoints.every", objectives.checkpoints.map(|c| c.every), "1h"),
            ("provider.every", objectives.provider.map(|p| p.every), "1d"),
        ];
        for (key, span, example) in spans {
            if span.is_some_and(|span| span.0 == 0) {
                self.add(key, "0s is no time", format!("Give a time such as {example}, or leave it out."));
            }
        }
        for (key, every) in [("snapshots", objectives.snapshots), ("checkpoints", objectives.checkpoints)] {
            if let Some(Every { every }) = every.filter(|every| (1..60).contains(&every.every.0)) {
                let message = format!("{every} cannot be held: cron begins nothing more often than once a minute");
                self.add(&format!("{key}.every"), message, "Give 1min or more.");
            }
        }
        if objectives.checkpoints.is_some() && objectives.snapshots.is_none() {
            self.add(
                "checkpoints",
                "they lie between snapshots, and none are declared",
                "Give `snapshots.every`, too, or leave it out.",
            );
        }
        if objectives.provider.is_some_and(|provider| provider.days == 0) {
            self.add("provider.days", "0 days keep nothing", "Give the days that the provider keeps, or leave it out.");
        }
        // The smallest archive is larger: what is so small had another unit in mind.
        let sizes =
            objectives.size.map(|size| [("size.full", Some(size.full)), ("size.incremental", size.incremental)]);
        for (key, size) in sizes.into_iter().flatten() {
            if let Some(size) = size.filter(|size| size.0 < 100) {
                let remedy = "Give the stored size with its unit, such as 10GB.";
                self.add(key, format!("{} bytes are no size of a copy", size.0), remedy);
            }
        }
    }

    fn days(&mut self, key: &str, days: &[Day]) {
        let weekly = days.iter().filter(|day| matches!(day, Day::Week(_))).count();
        if weekly != 0 && weekly != days.len() {
            self.add(
                key,
                "weekdays and days of the month are mixed: cron runs on either",
                "Give weekdays only, or days of the month only.",
            );
        }
        for day in days {
            if let Day::Month(day) = day
                && *day > LAST_COMMON_DAY
            {
                self.add(
                    key,
                    format!("not every month has a day {day}: the run would be left out in the others"),
                    format!("Use a day up to {LAST_COMMON_DAY}, which every month has, or day 1 of the next month."),
                );
            }
        }
        self.unique(key, days);
    }

    fn times(&mut self, key: &str, times: &[TimeOfDay]) {
        self.unique(key, times);
    }

    fn unique<T: Ord + std::fmt::Display>(&mut self, key: &str, values: &[T]) {
        let mut seen = BTreeSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(*value)) {
            self.add(key, format!("{twice} is given twice"), "Give it once.");
        }
    }

    fn windows(&mut self, objectives: &Objectives) {
        let allowed = Week::allowed(&objectives.window, &objectives.blackout);
        if allowed.longest() == 0 {
            self.add("blackout", "it leaves nothing of the window", "Widen `window`, or shorten `blackout`.");
            return;
        }
        if let Some(day) = objectives.full.as_ref().and_then(|full| closed(&allowed, full, &objectives.at)) {
            self.add(
                "full.days",
                format!("{day} lies outside the window: no full can begin then"),
                "Name a day of `window`, widen `window`, or shorten `blackout`.",
            );
        }
        let full = objectives.full.iter().flat_map(|full| &full.at);
        for (key, time) in objectives.at.iter().map(|time| ("at", time)).chain(full.map(|time| ("full.at", time))) {
            if (0..7).all(|day| !allowed.contains(day * Week::DAY + u32::from(time.0))) {
                self.add(
                    key,
                    format!("{time} lies outside the window on every day"),
                    "Move the time into `window`, widen `window`, or shorten `blackout`.",
                );
            }
        }
    }

    fn recurrence(&mut self, key: &str, recurrence: &Recurrence) {
        if recurrence.every.is_some() != recurrence.days.is_empty() {
            self.add(key, "it is not clear when", "Give either `every` or `days`.");
        }
        if recurrence.every.is_some_and(|every| every.0 < 86_400) {
            self.add(&format!("{key}.every"), "less than a day is not planned", "Give a day or more, such as 7d.");
        }
        if recurrence.days.is_empty() && !recurrence.at.is_empty() {
            self.add(&format!("{key}.at"), "times need days", "Give `days`, too.");
        }
        self.days(&format!("{key}.days"), &recurrence.days);
        self.times(&format!("{key}.at"), &recurrence.at);
    }
}

/// A weekday of fulls on which none can begin, neither at its times nor, where none are given, at any.
fn closed(allowed: &Week, full: &FullTimes, at: &[TimeOfDay]) -> Option<Day> {
    let times: Vec<u32> = match (full.at.as_slice(), at) {
        ([], []) => (0..Week::DAY).collect(),
        ([], times) | (times, _) => times.iter().map(|time| time.0.into()).collect(),
    };
    let is_closed = |day: &Day| match day {
        Day::Week(day) => times.iter().all(|time| !allowed.contains(u32::from(*day) * Week::DAY + time)),
        Day::Month(_) => false,
    };
    full.days.iter().copied().find(is_closed)
}

#[cfg(test)]
mod tests {
    use crate::job::{Job, parse::GOOD};

    fn with(objectives: &str) -> String {
        GOOD.replacen("streams:", &format!("objectives: {objectives}\nstreams:"), 1)
    }

    #[test]
    fn all_objectives_at_once() {
        let text = with(
            "{rpo: 26h, rto: 1h, tolerate: 1, history: 3w, at: [\"22:00\"], days: [mon, tue, sun],
              window: [\"22:00-06:00\", \"sat 00:00-24:00\"], blackout: [\"12-24\", \"mon 08:00-18:00\"],
              full: {days: [sun]}, gap: 2h, with: files, durations: {collect: 10min, transport: 20min, verify: 1min, restore: 30min},
              catch_up: false, verify: {every: 7d}, drill: {days: [mon], at: [\"08:00\"]}, snapshots: {every: 6h},
              checkpoints: {every: 1h}, provider: {days: 14}, size: {full: 10GB, incremental: 500MB}}",
        );
        let job = Job::parse(&text, "shop.yml").unwrap();
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(Job::parse(&json, "again").unwrap(), job);
    }

    #[test]
    fn refusals_name_key_value_and_remedy() {
        // (objectives, key, part of the message, part of the remedy)
        let cases = [
            ("{}", "objectives", "nothing says when", "`rpo`"),
            ("{history: 3w}", "objectives", "nothing says when", "`rpo`"),
            ("{rpo: 0}", "objectives.rpo", "0s", "24h"),
            ("{rpo: soon}", "objectives.rpo", "soon", ""),
            ("{days: [31]}", "objectives.days", "day 31", "day up to 28"),
            ("{days: [29]}", "objectives.days", "day 29", "day up to 28"),
            ("{days: [sun, 28]}", "objectives.days", "mixed", "weekdays only"),
            ("{days: [sun, sun]}", "objectives.days", "sun is given twice", "once"),
            ("{at: [\"25:00\"]}", "objectives.at[0]", "25:00", ""),
            ("{at: [\"12:00\"], window: [\"22:00-06:00\"]}", "objectives.at", "12:00 lies outside", "widen"),
            (
                "{rpo: 1d, window: [\"22:00-06:00\"], blackout: [\"21:00-07:00\"]}",
                "objectives.blackout",
                "nothing of the window",
                "Widen",
            ),
            ("{rpo: 1d, window: [\"22:00-22:00\"]}", "objectives.window[0]", "22:00-22:00", ""),
            (
                "{rpo: 4d, window: [\"mon-fri 08:00-18:00\"], full: {days: [sun]}}",
                "objectives.full.days",
                "sun lies outside the window",
                "day of `window`",
            ),
            (
                "{at: [\"22:00\"], window: [\"mon-fri 20:00-06:00\"], full: {days: [fri, sat]}}",
                "objectives.full.days",
                "sat lies outside the window",
                "widen `window`",
            ),
            ("{rpo: 1d, with: shop}", "objectives.with", "itself", "remove"),
            ("{rpo: 1d, full: {days: []}}", "objectives.full.days", "no day", "[sun]"),
            ("{rpo: 1d, verify: {}}", "objectives.verify", "not clear", "`every` or `days`"),
            ("{rpo: 1d, verify: {every: 7d, days: [mon]}}", "objectives.verify", "not clear", "`every` or `days`"),
            ("{rpo: 1d, drill: {every: 1h}}", "objectives.drill.every", "less than a day", "7d"),
            ("{rpo: 1d, provider: {days: 0}}", "objectives.provider.days", "keep nothing", "leave it out"),
            ("{rpo: 1d, provider: {days: 14, every: 0d}}", "objectives.provider.every", "0s", "1d"),
            ("{rpo: 1d, history: 0}", "objectives.history", "0s", "3w"),
            ("{rpo: 1d, tolerate: 101}", "objectives.tolerate", "101 runs in a row", "up to 100"),
            ("{rpo: 1d, tolerate: 4294967295}", "objectives.tolerate", "4294967295 runs in a row", "up to 100"),
            ("{rpo: 24}", "objectives.rpo", "\"24\" is not a time span with its units", ""),
            // As Ansible hands on a bare 2:00, and a bare 22:00.
            ("{rpo: 1d, gap: 120}", "objectives.gap", "\"120\" is not a time span with its units", ""),
            ("{at: [1320]}", "objectives.at[0]", "\"1320\" is not a time of day such as \"22:00\", in quotes", ""),
            ("{rpo: 1d, durations: {collect: 10}}", "objectives.durations.collect", "with its units", ""),
            ("{rpo: 1d, size: {full: 10}}", "objectives.size.full", "10 bytes", "10GB"),
            ("{rpo: 1d, size: {full: 10GB, incremental: 0}}", "objectives.size.incremental", "0 bytes", "unit"),
            ("{rpo: 1d, speed: fast}", "objectives.speed", "unknown key", "rpo, rto"),
        ];
        for (objectives, key, message, remedy) in cases {
            let error = Job::parse(&with(objectives), "shop.yml").expect_err(objectives);
            assert!(error.message.starts_with(key), "{objectives}: {error}");
            assert!(error.message.contains(message), "{objectives}: {error}");
            assert!(error.remedy.contains(remedy), "{objectives}: {}", error.remedy);
            assert!(error.line >= 6, "{objectives}: {error}");
        }
        let twice =
            with("{at: [\"22:00\"]}").replacen("objectives:", "schedule: {collect: \"0 1 * * *\"}\nobjectives:", 1);
        assert!(Job::parse(&twice, "shop.yml").unwrap_err().message.contains("says already when"));
        let carried = with("{rpo: 1d, with: files}");
        let twice = |derived: &str| {
            let schedule = format!("schedule: {{transport: \"0 1 * * *\"{derived}}}\nobjectives:");
            Job::parse(&carried.replacen("objectives:", &schedule, 1), "shop.yml")
        };
        assert!(twice("").unwrap_err().message.contains("both say when copies travel"));
        assert!(twice(", derived: [transport]").is_ok());
    }
}
