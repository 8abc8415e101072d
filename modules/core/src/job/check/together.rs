//! The streams of one job beside each other, and beside the job's own folders.

use super::Found;
use crate::job::{Job, Stream, StreamOf};
use std::path::Path;

pub(super) fn overlap(a: &Path, b: &Path) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

/// Whether `stream` excludes exactly this path, so that another stream may have it.
fn excludes(stream: &Stream, path: &Path) -> bool {
    stream.exclude.iter().any(|pattern| Path::new(pattern.trim_end_matches('/')) == path)
}

impl Found {
    /// A job has one sink, and each of its streams a line of its own in `authorized_keys`.
    pub(super) fn links(&mut self, job: &Job) {
        let all: Vec<_> = job.streams().collect();
        for (n, of) in all.iter().enumerate() {
            let (key, sink) = (format!("streams.{}", of.name), &of.stream.sink.name);
            // The sink's copy of the document does not say which sink it lies on: each would act on all streams.
            if let Some(other) = all[..n].iter().find(|other| other.stream.sink.name != *sink) {
                self.add(
                    format!("{key}.sink.name"),
                    format!("{sink} is not the sink of stream {}, {}", other.name, other.stream.sink.name),
                    "A job has one sink: declare two jobs.",
                );
            }
            // sshd takes the first line with a key, and a line is for one stream: the other stream would be refused.
            let line = |of: &StreamOf<'_>| (of.stream.transport.mode, of.identity(), of.peer_user().to_owned());
            if let Some(other) = all[..n].iter().find(|other| line(other) == line(of)) {
                self.add(
                    format!("{key}.transport.peer.identity"),
                    format!(
                        "{} logs in as {} for stream {} already, and a key is bound to one stream",
                        of.identity().display(),
                        of.peer_user(),
                        other.name
                    ),
                    "Give the streams different users, or this one a key of its own as `transport.peer.identity`.",
                );
            }
        }
    }

    /// Streams must not share paths, and a job must not collect its own copies.
    pub(super) fn separation(&mut self, job: &Job) {
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
    use crate::job::{Job, parse::GOOD};

    /// The problem of a document in which the first and the second stream are changed so.
    fn refused(data: &str, logs: &str) -> Option<String> {
        let (first, second) = GOOD.split_once("  logs:").unwrap();
        let change = |text: &str, changes: &str| {
            changes.split(';').filter_map(|change| change.split_once('>')).fold(
                text.to_owned(),
                |text, (this, that)| {
                    assert!(text.contains(this), "{this}");
                    text.replacen(this, that, 1)
                },
            )
        };
        let text = format!("{}  logs:{}", change(first, data), change(second, logs));
        Job::parse(&text, "shop.yml").err().map(|error| error.to_string())
    }

    const PULL: &str = "push>pull";
    const PUSH: &str = "pull>push";
    /// For a stream: both log in to or from one account.
    const ONE_USER: &str = "include:>user: backup\n    include:";

    #[test]
    fn two_streams_may_go_the_same_way_with_a_key_or_a_login_for_each() {
        for (data, logs) in [
            ("", ""),
            // Two users on the source: two keys if they push, two logins with the sink's one key if it pulls.
            ("", PUSH),
            (PULL, ""),
            // One user, but one key is used on the source and one on the sink.
            (ONE_USER, ONE_USER),
            (&format!("{ONE_USER};sink1}}>sink1, identity: /etc/handover/data}}"), &format!("{ONE_USER};{PUSH}")),
        ] {
            assert_eq!(refused(data, logs), None, "{data:?} {logs:?}");
        }
    }

    #[test]
    fn one_key_for_two_streams_is_refused() {
        let identity = |host: &str| format!("{host}}}>{host}, identity: /etc/handover/key}}");
        for (data, logs, key) in [
            (ONE_USER.to_owned(), format!("{ONE_USER};{PUSH}"), "/home/backup/.ssh/handover-shop_ed25519"),
            (
                format!("{ONE_USER};{PULL}"),
                ONE_USER.to_owned(),
                "/home/dataBackupSink/.ssh/handover-web1--shop_ed25519",
            ),
            (identity("sink1"), format!("{PUSH};{}", identity("web1")), "/etc/handover/key"),
        ] {
            let error = refused(&data, &logs).expect("must be refused");
            assert!(error.contains(&format!("streams.logs.transport.peer.identity: {key} logs in as ")), "{error}");
        }
    }

    #[test]
    fn two_sinks_are_two_jobs() {
        let error = refused("", "name: sink1>name: sink2").expect("must be refused");
        assert!(error.starts_with("shop.yml:22:13: streams.logs.sink.name: sink2 is not the sink of"), "{error}");
        assert!(error.ends_with("stream data, sink1"), "{error}");
    }
}
