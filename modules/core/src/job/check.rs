//! What a well-formed job document may still get wrong.

use super::{Command, Hooks, Job, Problem, Service, Stream, StreamOf};
use crate::exclude::{BadPattern, Exclude};
use std::path::{Component, Path, PathBuf};

/// Every problem, in the order of the document.
pub(super) fn problems(job: &Job) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    found.job(job);
    found.0
}

struct Found(Vec<Problem>);

/// Names end up in paths, cron file names and unit names: letters that mean nothing anywhere.
fn is_name(text: &str, max: usize) -> bool {
    text.len() <= max
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_')
        && !text.contains("--")
}

fn is_login(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
}

/// Absolute, and spelt the only way: no `.`, `..`, doubled or trailing slash.
fn is_clean(path: &Path) -> bool {
    let rebuilt: PathBuf = path.components().collect();
    path.is_absolute()
        && rebuilt.as_os_str() == path.as_os_str()
        && path.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)))
}

fn overlap(a: &Path, b: &Path) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// Whether `stream` excludes exactly this path, so that another stream may have it.
fn excludes(stream: &Stream, path: &Path) -> bool {
    stream.exclude.iter().any(|pattern| Path::new(pattern.trim_end_matches('/')) == path)
}

impl Found {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Problem { key: key.into(), message: message.into(), remedy: remedy.into() });
    }

    fn name(&mut self, key: &str, value: &str, max: usize) {
        if !is_name(value, max) {
            self.add(
                key,
                format!("{value:?} is not a usable name"),
                format!(
                    "Use 1 to {max} lower-case letters, digits, `_` and single `-`, beginning with a letter or digit."
                ),
            );
        }
    }

    fn path(&mut self, key: &str, path: &Path) {
        if !is_clean(path) {
            self.add(
                key,
                format!("{:?} is not a plain absolute path", path.display().to_string()),
                "Write the path from `/`, without `.`, `..`, doubled or trailing slashes.",
            );
        }
    }

    fn login(&mut self, key: &str, value: &str) {
        if !is_login(value) {
            self.add(key, format!("{value:?} is not a user name"), "Use letters, digits, `_` and `-`, 32 at most.");
        }
    }

    fn job(&mut self, job: &Job) {
        if job.version != 1 {
            self.add("version", format!("{} is not known", job.version), "This version of Handover reads version 1.");
        }
        self.name("job", &job.job, 48);
        self.name("group", &job.group, 48);
        self.name("source", &job.source, 63);
        self.path("state", &job.state);
        self.mail(job);
        if !(-20..=19).contains(&job.priority.nice) {
            self.add("priority.nice", format!("{} is out of range", job.priority.nice), "Use -20 to 19.");
        }
        if job.priority.ionice.level > 7 {
            self.add("priority.ionice.level", format!("{} is out of range", job.priority.ionice.level), "Use 0 to 7.");
        }
        for (i, service) in job.services.iter().enumerate() {
            self.service(&format!("services[{i}]"), service);
        }
        if job.max_downtime.0 == 0 && !job.services.is_empty() {
            self.add(
                "max_downtime",
                "0s leaves no time to collect",
                "Give the longest standstill you accept, such as 10min.",
            );
        }
        self.hooks("hooks", &job.hooks);
        self.hooks("restore.hooks", &job.restore.hooks);
        self.schedule(job);
        self.0.extend(super::objectives::problems(job));
        if job.streams.is_empty() {
            self.add("streams", "nothing is declared", "Declare `data`, `logs` or both.");
        }
        for stream in job.streams() {
            self.stream(&format!("streams.{}", stream.name), &stream);
        }
        self.separation(job);
    }

    fn mail(&mut self, job: &Job) {
        for (i, to) in job.mail.to.iter().enumerate() {
            self.address(&format!("mail.to[{i}]"), to);
        }
        if let Some(from) = &job.mail.from {
            self.address("mail.from", from);
        }
        self.path("mail.sendmail", &job.mail.sendmail);
    }

    fn address(&mut self, key: &str, value: &str) {
        if value.is_empty()
            || value.starts_with('-')
            || value.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',')
        {
            self.add(
                key,
                format!("{value:?} is not one mail address"),
                "Write one address or local user per list entry.",
            );
        }
    }

    fn schedule(&mut self, job: &Job) {
        let entries = [
            ("collect", &job.schedule.collect),
            ("transport", &job.schedule.transport),
            ("rotate", &job.schedule.rotate),
        ];
        for (name, entry) in entries {
            let Some(entry) = entry else { continue };
            let fields: Vec<_> = entry.split_ascii_whitespace().collect();
            let known = |field: &&str| field.bytes().all(|c| c.is_ascii_alphanumeric() || b"*/,-".contains(&c));
            let key = format!("schedule.{name}");
            if fields.len() != 5 || !fields.iter().all(known) || entry.contains('\n') {
                self.add(&key, format!("{entry:?} is not a cron time"), "Give five fields, such as \"30 2 * * *\".");
            } else if fields[2] != "*" && fields[4] != "*" {
                self.add(
                    &key,
                    format!("{entry:?} restricts the day of the month and the day of the week: cron runs it when either matches"),
                    "Leave one of both at `*`.",
                );
            }
        }
    }

    fn argv(&mut self, key: &str, argv: &[String]) {
        match argv.first() {
            None => self.add(key, "no command is given", "Give the program and its arguments as a list."),
            Some(program) if program.is_empty() || (program.contains('/') && !is_clean(Path::new(program))) => {
                self.add(
                    key,
                    format!("{program:?} is not a program"),
                    "Give an absolute path, or a bare name found in the standard PATH.",
                );
            }
            Some(_) => {}
        }
        if argv.iter().any(|argument| argument.contains('\0')) {
            self.add(key, "an argument contains NUL", "Remove it.");
        }
    }

    fn command(&mut self, key: &str, command: &Command) {
        self.argv(&format!("{key}.run"), &command.run);
        if command.timeout.0 == 0 {
            self.add(
                format!("{key}.timeout"),
                "0s is no time limit",
                "Give the longest time it may take, such as 5min.",
            );
        }
        if let Some(user) = &command.user {
            self.login(&format!("{key}.user"), user);
        }
        for (i, path) in command.secret_files.iter().enumerate() {
            self.path(&format!("{key}.secret_files[{i}]"), path);
        }
    }

    fn hooks(&mut self, key: &str, hooks: &Hooks) {
        let lists = [
            ("before", &hooks.before),
            ("after", &hooks.after),
            ("failed", &hooks.failed),
            ("finally", &hooks.r#finally),
        ];
        for (name, list) in lists {
            for (i, command) in list.iter().enumerate() {
                self.command(&format!("{key}.{name}[{i}]"), command);
            }
        }
    }

    fn service(&mut self, key: &str, service: &Service) {
        let kinds = [&service.systemd, &service.sysv, &service.name];
        if kinds.iter().filter(|kind| kind.is_some()).count() != 1 {
            self.add(
                key,
                "it is not clear which kind of service this is",
                "Give exactly one of `systemd`, `sysv` and `name`.",
            );
            return;
        }
        let word = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.bytes().all(|c| c.is_ascii_alphanumeric() || b":_.@\\-".contains(&c))
        };
        if let Some(unit) = &service.systemd {
            let suffix = unit.rsplit_once('.').map_or("", |(_, suffix)| suffix);
            if !word(unit) || !matches!(suffix, "service" | "socket" | "target" | "timer" | "path" | "mount") {
                self.add(
                    format!("{key}.systemd"),
                    format!("{unit:?} is not a unit name"),
                    "Give the unit with its suffix, such as shop.service.",
                );
            }
        }
        if let Some(script) = &service.sysv
            && !word(script)
        {
            self.add(
                format!("{key}.sysv"),
                format!("{script:?} is not a service name"),
                "Give the name of a script in /etc/init.d.",
            );
        }
        let declared = [("status", &service.status), ("stop", &service.stop), ("start", &service.start)];
        for (name, argv) in declared {
            match (&service.name, argv.is_empty()) {
                (Some(_), _) => self.argv(&format!("{key}.{name}"), argv),
                (None, false) => self.add(
                    format!("{key}.{name}"),
                    "commands belong to a service with a `name`",
                    "Remove it, or replace `systemd`/`sysv` by `name`.",
                ),
                (None, true) => {}
            }
        }
        if let Some(name) = &service.name
            && !word(name)
        {
            self.add(
                format!("{key}.name"),
                format!("{name:?} is not a usable name"),
                "Use letters, digits and `:_.@-`.",
            );
        }
        if service.timeout.0 == 0 {
            self.add(
                format!("{key}.timeout"),
                "0s is no time limit",
                "Give the longest time a stop or start may take, such as 90s.",
            );
        }
    }

    fn stream(&mut self, key: &str, of: &StreamOf<'_>) {
        let stream = of.stream;
        if stream.include.is_empty() && stream.dumps.is_empty() {
            self.add(key, "nothing is collected", "Give `include` paths, `dumps` or both.");
        }
        for (i, path) in stream.include.iter().enumerate() {
            self.path(&format!("{key}.include[{i}]"), path);
            if let Some(j) = stream.include[..i].iter().position(|other| overlap(other, path)) {
                self.add(
                    format!("{key}.include[{i}]"),
                    format!("{} overlaps {}", path.display(), stream.include[j].display()),
                    "Keep the outer path only.",
                );
            }
        }
        for (i, pattern) in stream.exclude.iter().enumerate() {
            if let Err(bad) = Exclude::new(&[pattern]) {
                self.add(format!("{key}.exclude[{i}]"), bad.to_string(), BadPattern::REMEDY);
            }
        }
        self.dumps(key, stream);
        for (i, path) in stream.checks.mounted.iter().enumerate() {
            self.path(&format!("{key}.checks.mounted[{i}]"), path);
        }
        if !(1..=19).contains(&stream.compression_level) {
            self.add(
                format!("{key}.compression_level"),
                format!("{} is out of range", stream.compression_level),
                "Use 1 (fast) to 19 (small); 3 is the default.",
            );
        }
        if stream.large_file.0 < 1 << 20 {
            self.add(
                format!("{key}.large_file"),
                format!("{} is too small", stream.large_file),
                "Use 1MiB or more; the default is 64MiB.",
            );
        }
        if let Some(user) = &stream.user {
            self.login(&format!("{key}.user"), user);
        }
        if stream.handover.keep == 0 {
            self.add(
                format!("{key}.handover.keep"),
                "0 leaves no room for a generation",
                "Use 1 or more; the default is 3.",
            );
        }
        if stream.store.retention.as_ref().is_some_and(crate::retention::Policy::is_empty) {
            self.empty_policy(&format!("{key}.store.retention"));
        }
        self.transport(key, of);
        self.sink(key, of);
        for (name, path) in [
            ("handover.path", of.handover_root()),
            ("store.path", of.store_root()),
            ("restore_folder", of.restore_root()),
        ] {
            self.path(&format!("{key}.{name}"), &path);
        }
        if overlap(&of.handover_root(), &of.store_root()) {
            self.add(
                format!("{key}.store.path"),
                "the store and the handover point overlap",
                "Give each a folder of its own on the same file system.",
            );
        }
    }

    fn dumps(&mut self, key: &str, stream: &Stream) {
        for (i, dump) in stream.dumps.iter().enumerate() {
            let key = format!("{key}.dumps[{i}]");
            let artifact = format!("dump-{}.{}.zst", dump.name, dump.extension);
            if !crate::manifest::is_artifact_name(&artifact) {
                self.add(
                    format!("{key}.name"),
                    format!("{:?} with extension {:?} does not make a file name", dump.name, dump.extension),
                    "Use letters, digits, `_` and `-` for both.",
                );
            }
            if stream.dumps[..i].iter().any(|other| other.name == dump.name) {
                self.add(
                    format!("{key}.name"),
                    format!("{:?} is used twice", dump.name),
                    "Give each dump a name of its own.",
                );
            }
            self.command(&format!("{key}.command"), &dump.command);
            if let Some(restore) = &dump.restore {
                self.command(&format!("{key}.restore"), restore);
            }
        }
    }

    fn transport(&mut self, key: &str, of: &StreamOf<'_>) {
        let transport = &of.stream.transport;
        let peer = &transport.peer;
        let host = |c: u8| c.is_ascii_alphanumeric() || b"-._:".contains(&c);
        if peer.address.is_empty() || peer.address.starts_with('-') || !peer.address.bytes().all(host) {
            self.add(
                format!("{key}.transport.peer.address"),
                format!("{:?} is not a host", peer.address),
                "Give a host name or an IP address.",
            );
        }
        if peer.port == 0 {
            self.add(
                format!("{key}.transport.peer.port"),
                "0 is not a port",
                "Give the port of the peer's sshd; the default is 22.",
            );
        }
        if let Some(user) = &peer.user {
            self.login(&format!("{key}.transport.peer.user"), user);
        }
        self.path(&format!("{key}.transport.peer.identity"), &of.identity());
        self.path(&format!("{key}.transport.peer.known_hosts"), &peer.known_hosts);
        self.path(&format!("{key}.transport.signers"), &transport.signers);
        if transport.bandwidth.is_some_and(|limit| limit.0 < 1024) {
            self.add(
                format!("{key}.transport.bandwidth"),
                "less than 1 KiB per second",
                "Give bytes per second, such as 10MiB, or leave it out.",
            );
        }
    }

    fn sink(&mut self, key: &str, of: &StreamOf<'_>) {
        let sink = &of.stream.sink;
        let key = format!("{key}.sink");
        self.name(&format!("{key}.name"), &sink.name, 63);
        self.login(&format!("{key}.user"), &sink.user);
        self.path(&format!("{key}.home"), &of.sink_home());
        self.path(&format!("{key}.receipt_key"), &sink.receipt_key);
        if sink.retention.is_empty() {
            self.empty_policy(&format!("{key}.retention"));
        } else if sink.retention.keeps_nothing() {
            self.add(
                format!("{key}.retention"),
                "it keeps nothing",
                "Keep at least one generation on the sink, such as `generations: 7`.",
            );
        }
    }

    fn empty_policy(&mut self, key: &str) {
        self.add(
            key,
            "an empty policy says neither what to keep nor what to delete",
            "Give at least one rule, such as `generations: 7`.",
        );
    }

    /// Streams must not share paths, and a job must not collect its own copies.
    fn separation(&mut self, job: &Job) {
        let all: Vec<_> = job.streams().collect();
        for (n, of) in all.iter().enumerate() {
            for (i, path) in of.stream.include.iter().enumerate() {
                let key = format!("streams.{}.include[{i}]", of.name);
                for other in &all[..n] {
                    let clash = other.stream.include.iter().find(|p| {
                        overlap(p, path)
                            && !(path.starts_with(p) && excludes(other.stream, path))
                            && !(p.starts_with(path) && excludes(of.stream, p))
                    });
                    if let Some(clash) = clash {
                        self.add(
                            &key,
                            format!("{} overlaps {} of stream {}", path.display(), clash.display(), other.name),
                            "Exclude the inner path from the outer stream by its absolute path, or move it.",
                        );
                    }
                }
                let own = all
                    .iter()
                    .flat_map(|s| [s.handover_root(), s.store_root(), s.restore_root()])
                    .chain([job.state_dir()]);
                if let Some(own) = own.into_iter().find(|own| overlap(own, path) && !excludes(of.stream, own)) {
                    self.add(
                        &key,
                        format!("{} and the job's own {} overlap: copies would hold copies", path.display(), own.display()),
                        "Include narrower paths, move the handover point, store or restore folder elsewhere, or exclude it by its absolute path.",
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Job, job::parse::GOOD};
    use serde_json::Value;

    fn keys(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, child) in map {
                    into.push(key.clone());
                    keys(child, into);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
            _ => {}
        }
    }

    #[test]
    fn every_key_is_documented() {
        let text = include_str!("../../../../docs/configuration.md");
        let mut job = Job::parse(GOOD, "shop.yml").unwrap();
        let dump = serde_json::json!({"name": "a", "command": {"run": ["x"]}, "restore": {"run": ["x"]}});
        job.streams.values_mut().for_each(|s| s.dumps.push(serde_json::from_value(dump.clone()).unwrap()));
        job.objectives = Some(crate::job::Objectives::default());
        let mut found = Vec::new();
        keys(&serde_json::to_value(&job).unwrap(), &mut found);
        found.sort();
        found.dedup();
        assert!(found.len() > 60, "the document is not complete: {found:?}");
        let missing: Vec<_> = found
            .iter()
            .filter(|key| {
                !["`", "."].iter().any(|before| {
                    ["`", ".", ":", "<"].iter().any(|after| text.contains(&format!("{before}{key}{after}")))
                })
            })
            .collect();
        assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
    }
}
