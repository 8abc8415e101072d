//! Cron entries per host and user, with the reason of each.

use super::{
    CATCH_UP, Clocks, CronTime, Days, Draft, Pattern, Planned, Timeline,
    facts::hash,
    result::{Entry, Purpose},
    stored::rotations,
    upkeep::{self, Sort},
};
use crate::job::Mode;

/// Where the executables are.
const BIN: &str = "/usr/local/bin";

/// For missed transports it is looked so many minutes after missed collections.
const CATCH_UP_TRANSPORT: u32 = 7;

/// All entries of one job.
pub(super) fn entries(draft: &Draft<'_>, timeline: &Timeline, clocks: &Clocks) -> Vec<Entry> {
    let mut entries = collect(draft);
    entries.extend(transport(draft));
    entries.extend(rotate(draft));
    entries.extend(later(draft, timeline, clocks));
    entries
}

fn on_source(draft: &Draft<'_>, purpose: Purpose, time: &CronTime, command: &str, why: String) -> Entry {
    Entry {
        host: draft.job.source.clone(),
        user: "root".into(),
        job: draft.job.job.clone(),
        purpose,
        cron: time.to_string(),
        command: format!("{BIN}/{command}"),
        install: true,
        why,
    }
}

fn collect(draft: &Draft<'_>) -> Vec<Entry> {
    let job = &draft.job.job;
    let mut entries = Vec::new();
    for run in &draft.runs {
        let (kind, what) = match run.kind {
            Planned::Auto => ("", "collection"),
            Planned::Incremental => (" --kind incremental", "incremental"),
            Planned::Full => (" --kind full", "full"),
        };
        for time in &run.times {
            let off = draft.objectives.days_off().to_string();
            let off = if off.is_empty() { off } else { format!(", {off}") };
            let wild = if time.is_wild() { "; follows the clock through its changes" } else { "" };
            let command = format!("backup_collect run {job}{kind} --quiet");
            entries.push(on_source(
                draft,
                Purpose::Collect,
                time,
                &command,
                format!("{what}: {}{off}{wild}", draft.why),
            ));
        }
    }
    if catches_up(draft, draft.runs.iter().map(|run| run.pattern.minutes.len()).sum()) {
        let every = every_quarter(draft, 0);
        let why = "collects once what was missed while the host was off; does nothing otherwise";
        for time in draft.within(&every).iter().flat_map(Pattern::cron_times) {
            let command = format!("backup_collect run {job} --missed --quiet");
            entries.push(on_source(draft, Purpose::CatchUp, &time, &command, why.into()));
        }
    }
    entries
}

/// Every quarter of an hour, in a minute that follows from the names of job and source: a power cut ends for many hosts at
/// once.
fn every_quarter(draft: &Draft<'_>, later: u32) -> Pattern {
    let own = (hash(&draft.job.job) % 1440 + draft.minute + later) % u32::from(CATCH_UP);
    Pattern::new((0..1440).filter(|minute| u32::from(minute % CATCH_UP) == own), Days::Every)
}

/// Whether what was missed is made up for. What runs hourly is soon made up for anyway; without objectives nothing is
/// promised, and nothing is installed but what somebody wrote.
fn catches_up(draft: &Draft<'_>, runs_of_a_day: usize) -> bool {
    draft.objectives.catch_up && draft.job.objectives.is_some() && (1..24).contains(&runs_of_a_day)
}

fn transport(draft: &Draft<'_>) -> Vec<Entry> {
    let late = every_quarter(draft, CATCH_UP_TRANSPORT);
    let mut entries = Vec::new();
    for carry in &draft.carries {
        let Some(of) = draft.job.stream(carry.stream) else { continue };
        let (host, job) = match carry.mode {
            Mode::Push => (&draft.job.source, draft.job.job.clone()),
            Mode::Pull => (&carry.sink, draft.job.name_at_sink()),
        };
        let entry = |purpose, time: &CronTime, option: &str, why: &str| Entry {
            host: host.clone(),
            user: of.own_user().into(),
            job: job.clone(),
            purpose,
            cron: time.to_string(),
            command: format!("{BIN}/backup_transport run {job} --stream {}{option} --quiet", carry.stream),
            install: true,
            why: why.into(),
        };
        entries.extend(carry.times.iter().map(|time| entry(Purpose::Transport, time, "", &carry.why)));
        let why = "after a collection that took longer; does nothing otherwise";
        entries.extend(carry.again.iter().map(|time| entry(Purpose::Again, time, "", why)));
        if catches_up(draft, carry.times.iter().map(|time| Pattern::of(time).minutes.len()).sum()) {
            let why = "carries once what was missed while the host was off; does nothing otherwise";
            let times = late.cron_times();
            entries.extend(times.iter().map(|time| entry(Purpose::CatchUp, time, " --missed", why)));
        }
    }
    entries
}

/// Rotation runs at the end of each transport; apart from that where it has to.
fn rotate(draft: &Draft<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for of in draft.job.streams() {
        let (times, why) = rotations(draft, &of);
        let job = draft.job.name_at_sink();
        entries.extend(times.into_iter().map(|cron| Entry {
            host: of.stream.sink.name.clone(),
            user: of.stream.sink.user.clone(),
            purpose: Purpose::Rotate,
            cron,
            command: format!("{BIN}/backup_rotate run {job} --stream {} --quiet", of.name),
            install: true,
            why: why.into(),
            job: job.clone(),
        }));
    }
    entries
}

/// What is planned and cannot be installed yet.
fn later(draft: &Draft<'_>, timeline: &Timeline, clocks: &Clocks) -> Vec<Entry> {
    let mut entries = Vec::new();
    let job = draft.job.name_at_sink();
    for line in &timeline.lines {
        for upkeep in upkeep::of(draft, line, clocks) {
            let (purpose, executable) = match upkeep.sort {
                Sort::Verify => (Purpose::Verify, "backup_verify run"),
                Sort::Drill => (Purpose::Drill, "backup_restore drill"),
            };
            let user = draft.job.stream(line.stream).map_or_else(String::new, |of| of.stream.sink.user.clone());
            entries.extend(upkeep.times.iter().map(|time| Entry {
                host: line.sink.clone(),
                user: user.clone(),
                job: job.clone(),
                purpose,
                cron: time.to_string(),
                command: format!("{BIN}/{executable} {job} --stream {} --quiet", line.stream),
                install: false,
                why: upkeep.why.clone(),
            }));
        }
    }
    let planned = [
        (Purpose::Snapshot, draft.objectives.snapshots, "snapshot"),
        (Purpose::Checkpoint, draft.objectives.checkpoints, "checkpoint"),
    ];
    for (purpose, every, verb) in planned {
        let Some(every) = every else { continue };
        let holds = super::cadence::LADDER.iter().find(|cadence| u64::from(cadence.longest) * 60 <= every.every.0);
        let Some(cadence) = holds else { continue };
        for time in cadence.pattern(0).cron_times() {
            let why = format!("{} holds `every: {}`", cadence.name, every.every);
            let mut entry = on_source(draft, purpose, &time, &format!("backup_head {verb} {}", draft.job.job), why);
            entry.install = false;
            entries.push(entry);
        }
    }
    entries
}
