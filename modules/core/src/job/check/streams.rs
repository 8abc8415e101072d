//! One stream by itself: what is collected, where it lies, how it travels, what is kept.

use super::Found;
use super::together::overlap;
use crate::exclude::{BadPattern, Exclude};
use crate::job::{Stream, StreamOf};

impl Found {
    pub(super) fn stream(&mut self, key: &str, of: &StreamOf<'_>) {
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

    pub(super) fn dumps(&mut self, key: &str, stream: &Stream) {
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

    pub(super) fn transport(&mut self, key: &str, of: &StreamOf<'_>) {
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

    pub(super) fn sink(&mut self, key: &str, of: &StreamOf<'_>) {
        let sink = &of.stream.sink;
        let key = format!("{key}.sink");
        self.name(&format!("{key}.name"), &sink.name, 63);
        if sink.name == of.job.source {
            self.add(
                format!("{key}.name"),
                format!("{} is the job's own source: what burns there burns with its copies", sink.name),
                "Name another host as the sink.",
            );
        }
        if let Some(quota) = sink.quota.filter(|quota| quota.0 < 1 << 20) {
            self.add(
                format!("{key}.quota"),
                format!("{quota} leaves no room for a generation"),
                "Give what all copies together may take up, such as 200GB, or leave it out.",
            );
        }
        self.login(&format!("{key}.user"), &sink.user);
        self.login(&format!("{key}.login"), &sink.login);
        if sink.login == sink.user {
            self.add(
                format!("{key}.login"),
                format!("{} owns the copies: who logs in shall own none", sink.login),
                "Name an account of its own, or leave it out.",
            );
        }
        self.path(&format!("{key}.home"), &of.sink_home());
        self.path(&format!("{key}.receipt_key"), &sink.receipt_key);
        let derived = of.job.objectives.as_ref().is_some_and(|objectives| objectives.history.is_some());
        if sink.retention.is_empty() && derived {
            // The plan derives it; an empty one is never executed.
        } else if sink.retention.is_empty() {
            self.empty_policy(&format!("{key}.retention"));
        } else if sink.retention.keeps_nothing() {
            self.add(
                format!("{key}.retention"),
                "it keeps nothing",
                "Keep at least one generation on the sink, such as `generations: 7`.",
            );
        }
    }

    pub(super) fn empty_policy(&mut self, key: &str) {
        self.add(
            key,
            "an empty policy says neither what to keep nor what to delete",
            "Give at least one rule, such as `generations: 7`.",
        );
    }
}
