//! Cron entries per host and user, with the reason of each.

use super::{
    CATCH_UP, CronTime, Days, Draft, Line, Pattern, Planned, Timeline,
    facts::hash,
    head,
    result::{Entry, Purpose},
    stored::rotations,
    upkeep::{Sort, Upkeep},
};
use crate::{GenerationKind, job::Mode};

/// Where the executables are.
const BIN: &str = "/usr/local/bin";

/// For missed transports it is looked so many minutes after missed collections.
const CATCH_UP_TRANSPORT: u32 = 7;

/// All entries of one job, with its verification and drills.
pub(super) fn entries<'u>(
    draft: &Draft<'_>,
    timeline: &Timeline,
    upkeep: impl Iterator<Item = &'u Upkeep>,
) -> Vec<Entry> {
    let mut entries = collect(draft);
    entries.extend(transport(draft));
    entries.extend(rotate(draft));
    entries.extend(later(draft, timeline, upkeep));
    entries
}

fn on_source(draft: &Draft<'_>, purpose: Purpose, time: &CronTime, command: &str, why: String) -> Entry {
    Entry {
        host: draft.job.source.clone(),
        user: "root".into(),
        job: draft.job.job.clone(),
        purpose,
        stream: None,
        kind: None,
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
        let (option, what, kind) = match run.kind {
            Planned::Auto => ("", "collection", None),
            Planned::Incremental => (" --kind incremental", "incremental", Some(GenerationKind::Incremental)),
            Planned::Full => (" --kind full", "full", Some(GenerationKind::Full)),
        };
        for time in &run.times() {
            let off = draft.objectives.days_off().to_string();
            let off = if off.is_empty() { off } else { format!(", {off}") };
            let wild = if time.is_wild() { "; follows the clock through its changes" } else { "" };
            let command = format!("backup_collect run {job}{option} --quiet");
            let why = format!("{what}: {}{off}{wild}", draft.why);
            entries.push(Entry { kind, ..on_source(draft, Purpose::Collect, time, &command, why) });
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
    let own = hash(&draft.job.job).wrapping_add(draft.minute + later) % u32::from(CATCH_UP);
    Pattern::new((0..1440).filter(|minute| u32::from(minute % CATCH_UP) == own), Days::Every)
}

/// Whether what was missed is made up for. What runs hourly or more often is soon made up for by its own next run; without
/// objectives nothing is promised, and nothing is installed but what somebody wrote.
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
            stream: Some(carry.stream),
            kind: None,
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
            stream: Some(of.name),
            kind: None,
            cron,
            command: format!("{BIN}/backup_rotate run {job} --stream {} --quiet", of.name),
            install: true,
            why: why.into(),
            job: job.clone(),
        }));
    }
    entries
}

/// What is planned and cannot be installed yet: on the sink all of it.
fn later<'u>(draft: &Draft<'_>, timeline: &Timeline, upkeep: impl Iterator<Item = &'u Upkeep>) -> Vec<Entry> {
    let job = draft.job.name_at_sink();
    let entry = |line: &Line, purpose, time: &CronTime, command: String, why: &str| Entry {
        host: line.sink.clone(),
        user: draft.job.stream(line.stream).map_or_else(String::new, |of| of.stream.sink.user.clone()),
        job: job.clone(),
        purpose,
        stream: Some(line.stream),
        kind: None,
        cron: time.to_string(),
        command: format!("{BIN}/{command} --quiet"),
        install: false,
        why: why.to_owned(),
    };
    let mut entries = Vec::new();
    for upkeep in upkeep {
        let line = &timeline.lines[upkeep.line];
        let (purpose, executable) = match upkeep.sort {
            Sort::Verify => (Purpose::Verify, "backup_verify run"),
            Sort::Drill => (Purpose::Drill, "backup_restore drill"),
        };
        let command = format!("{executable} {job} --stream {}", line.stream);
        entries.extend(upkeep.times.iter().map(|time| entry(line, purpose, time, command.clone(), &upkeep.why)));
    }
    for taken in [head::snapshots(draft), head::checkpoints(draft)].into_iter().flatten() {
        let command = format!("backup_head {} {job}", taken.name());
        let line = head::line(timeline).into_iter();
        let times = line.flat_map(|line| taken.times.iter().map(move |time| (line, time)));
        entries.extend(times.map(|(line, time)| entry(line, taken.purpose, time, command.clone(), &taken.why)));
    }
    entries
}
