//! From YAML text to a [`Job`], with file, line, column, key and remedy for everything that is refused.

use super::{Job, check};
use crate::document::{self, DocumentError, Overrides, Problem};

/// What one call may do otherwise than the document says: how it does its work. What is copied and kept, where, by whom and
/// for how long is the same in every call, and keys, grants and the other side rely on it.
const MAY_BE_OVERRIDDEN: &[&str] = &[
    "priority",
    "max_downtime",
    "mail.to",
    "mail.from",
    "streams.*.checks",
    "streams.*.full",
    "streams.*.large_file",
    "streams.*.compression_level",
    "streams.*.transport.bandwidth",
    "streams.*.transport.window",
    "streams.*.sink.verify_box",
];

impl Job {
    /// Reads a job document. `file` is only named in errors.
    ///
    /// # Errors
    /// The first problem found: syntax, unknown keys and wrong types first, then contradictions.
    pub fn parse(text: &str, file: &str) -> Result<Self, DocumentError> {
        Self::parse_with(text, file, None)
    }

    /// Reads a job document and lays `overrides` over it: keys with values, as the document nests them.
    ///
    /// # Errors
    /// As [`Job::parse`]; what cannot be overridden.
    pub fn parse_with(text: &str, file: &str, overrides: Option<&str>) -> Result<Self, DocumentError> {
        let overrides = overrides.map(|text| Overrides { text, may: MAY_BE_OVERRIDDEN });
        document::parse_with(text, file, overrides, Self::problem)
    }

    /// The first contradiction, in the order of the document.
    pub(crate) fn problem(&self) -> Option<Problem> {
        check::problems(self).into_iter().next()
    }
}

/// A document that tests vary.
#[cfg(test)]
pub(super) const GOOD: &str = r#"version: 1
job: shop
source: web1
services:
  - systemd: shop.service
streams:
  data:
    include: [/srv/shop]
    exclude: ["*.tmp", /srv/shop/log]
    transport:
      mode: push
      peer: {address: sink1}
    sink:
      name: sink1
      retention: {generations: 7, weekly: 5}
  logs:
    include: [/srv/shop/log]
    transport:
      mode: pull
      peer: {address: web1}
    sink:
      name: sink1
      retention: {within: 30d}
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, Kind};

    fn refused(text: &str) -> DocumentError {
        Job::parse(text, "shop.yml").expect_err("must be refused")
    }

    #[test]
    fn a_document_reads_with_its_defaults() {
        let job = Job::parse(GOOD, "shop.yml").unwrap();
        let data = job.stream(crate::StreamName::Data).unwrap();
        let logs = job.stream(crate::StreamName::Logs).unwrap();
        assert_eq!(data.handover_root().to_str(), Some("/home/dataBackupSource/handover"));
        assert_eq!(logs.store_root().to_str(), Some("/home/logBackupSource/store"));
        assert_eq!(data.identity().to_str(), Some("/home/dataBackupSource/.ssh/handover-shop_ed25519"));
        assert_eq!(logs.identity().to_str(), Some("/home/dataBackupSink/.ssh/handover-web1--shop_ed25519"));
        assert_eq!((data.peer_user(), logs.peer_user()), ("dataBackupLogin", "logBackupSource"));
        assert_eq!((data.store_retention().generations, logs.store_retention().generations), (Some(1), Some(0)));
        assert_eq!(data.sink_store_root().to_str(), Some("/home/dataBackupSink/store/web1"));
    }

    #[test]
    fn what_it_says_survives_serialization() {
        let job = Job::parse(GOOD, "shop.yml").unwrap();
        let json = serde_json::to_string(&job).unwrap();
        assert_eq!(Job::parse(&json, "again").unwrap(), job);
    }

    #[test]
    fn refusals_name_line_key_and_remedy() {
        // (replace this, by that, expected line, expected part of the message)
        let cases = [
            ("version: 1", "version: 2", 1, "version: 2"),
            ("job: shop", "job: Shop/../x", 2, "job: "),
            ("job: shop", "jobb: shop", 2, "jobb"),
            ("source: web1", "source: web1.example", 3, "source: "),
            ("systemd: shop.service", "systemd: shop", 5, "services[0].systemd"),
            ("systemd: shop.service", "systemd: shop.service\n    sysv: shop", 5, "services[0]"),
            ("include: [/srv/shop]", "include: [srv/shop]", 8, "streams.data.include[0]"),
            ("include: [/srv/shop]", "include: [/srv/shop, /srv/shop/a]", 8, "streams.data.include[1]"),
            ("include: [/srv/shop]", "include: [/srv/shop, /home]", 8, "copies would hold copies"),
            ("include: [/srv/shop]", "include: [/srv/../etc]", 8, "streams.data.include[0]"),
            ("\"*.tmp\"", "\"[tmp\"", 9, "streams.data.exclude[0]: "),
            (", /srv/shop/log]", "]", 17, "overlaps"),
            ("mode: push", "mode: carry", 11, "carry"),
            ("mode: push", "mode: push\n      auth: password", 12, "password"),
            ("address: sink1", "address: -oProxyCommand=x", 12, "address"),
            ("name: sink1", "name: web1", 14, "streams.data.sink.name: web1 is the job's own source"),
            ("name: sink1", "name: sink1\n      quota: 100kB", 15, "streams.data.sink.quota: 100kB leaves no room"),
            (
                "name: sink1",
                "name: sink1\n      login: dataBackupSink",
                15,
                "streams.data.sink.login: dataBackupSink owns the copies: who logs in shall own none",
            ),
            ("{generations: 7, weekly: 5}", "{}", 15, "empty policy"),
            ("{generations: 7, weekly: 5}", "{generations: 0}", 15, "keeps nothing"),
            ("{generations: 7, weekly: 5}", "{generations: many}", 15, "streams.data.sink.retention.generations: "),
            ("{within: 30d}", "{within: 30 parsecs}", 23, "30 parsecs"),
        ];
        for (this, that, line, part) in cases {
            let text = GOOD.replacen(this, that, 1);
            assert_ne!(text, GOOD, "{this}");
            let error = refused(&text);
            assert_eq!(error.line, line, "{that}: {error}");
            assert!(error.message.contains(part), "{that}: {error}");
            assert!(error.to_string().starts_with("shop.yml:"), "{error}");
            assert!(!error.remedy.is_empty());
        }
    }

    #[test]
    fn refusals_name_the_innermost_node_and_how_to_write_it() {
        // (replace this, by that, the whole refusal, a part of the remedy)
        let cases = [
            ("job: shop", "job: 2024", "2:6: job: 2024 is a number, but text is needed", "in quotes: \"2024\""),
            ("job: shop", "job: yes", "2:6: job: yes is a truth value, but text is needed", "in quotes: \"yes\""),
            ("job: shop", "job: ~", "2:6: job: nothing is given, but text is needed", "remove the key"),
            ("job: shop", "", "1:1: `job` is missing", "configuration.md"),
            ("job: shop", "jobb: shop", "2:1: jobb: unknown key", "use one of: version, job, group"),
            ("job: shop", "job: [shop]", "2:6: job: a list is given, but text is needed", "configuration.md"),
            ("version: 1", "version: one", "1:10: version: \"one\" is given, but a whole number", "in digits"),
            ("version: 1", "version: [1]", "1:10: version: a list is given, but a whole number", "in digits"),
            ("version: 1", "version: ~", "1:10: version: nothing is given, but a whole number", "in digits"),
            (
                "include: [/srv/shop]",
                "one_file_system: often",
                "8:22: streams.data.one_file_system: \"often\" is given, but a truth value",
                "`true`",
            ),
            ("version: 1", "version: 01", "1:10: version: \"01\" is given, but a whole number", "leading zeros"),
            ("version: 1", "version: -1", "1:10: version: -1 is out of range", "Use 0 to 4294967295."),
            (
                "[/srv/shop]",
                "/srv/shop",
                "8:14: streams.data.include: \"/srv/shop\" is given, but a list",
                "configuration",
            ),
            ("[/srv/shop]", "[/srv/shop, 7]", "8:26: streams.data.include[1]: 7 is a number", "in quotes: \"7\""),
            (
                "- systemd: shop.service",
                "- systemd: a.service\n  - port: 1",
                "6:5: services[1].port: unknown key",
                "systemd",
            ),
            ("mode: push", "mode: carry", "11:13: streams.data.transport.mode: \"carry\" is not", "one of: push, pull"),
            ("  logs:", "  logos:", "16:3: streams.logos: \"logos\" is not known here", "one of: data, logs"),
            ("weekly: 5", "within: []", "15:43: streams.data.sink.retention.within: this is not a time span", "docs"),
            ("weekly: 5", "last: 5", "15:18: streams.data.sink.retention: `generations` is given twice", "docs"),
            ("weekly: 5", "generations: 5", "15:35: streams.data.sink.retention.generations: it is given twice", "one"),
            ("services:\n  - systemd: shop.service", "services:", "4:9: services: nothing is given", "remove the key"),
            ("job: shop", "job: !vault shop", "2:13: job: the tag !vault has no meaning here", "Remove it."),
        ];
        for (this, that, refusal, remedy) in cases {
            let text = GOOD.replacen(this, that, 1);
            assert_ne!(text, GOOD, "{this}");
            let error = refused(&text);
            assert!(error.to_string().starts_with(&format!("shop.yml:{refusal}")), "{that}: {error}");
            assert!(error.remedy.contains(remedy), "{that}: {}", error.remedy);
        }
    }

    #[test]
    fn another_reader_of_yaml_and_of_json_reads_the_same() {
        let full = GOOD
            .replacen("source: web1", "source: \"web1\"\npriority: {nice: -5}\nmail: {to: [], from: ~}", 1)
            .replacen(
                "  data:",
                "  data: &stream\n    one_file_system: false\n    large_file: 1GiB\n    user: 'yes'\n    special_files: on",
                1,
            );
        for text in [GOOD, &full] {
            let job = Job::parse(text, "shop.yml").unwrap();
            assert_eq!(job, serde_saphyr::from_str(text).unwrap());
            assert_eq!(job, serde_json::from_value(serde_saphyr::from_str(text).unwrap()).unwrap());
        }
    }

    #[test]
    fn numbers_and_truth_values_may_be_quoted_as_templates_write_them() {
        let text = GOOD
            .replacen("version: 1", "version: '1'", 1)
            .replacen("  data:", "  data:\n    one_file_system: 'False'", 1)
            .replacen("generations: 7", "generations: \"7\"", 1);
        let job = Job::parse(&text, "shop.yml").unwrap();
        let data = job.stream(crate::StreamName::Data).unwrap().stream;
        assert_eq!((job.version, data.one_file_system, data.sink.retention.generations), (1, false, Some(7)));
    }

    #[test]
    fn aliases_repeat_what_they_name_within_reason() {
        let repeated = GOOD
            .replacen("retention: {generations: 7, weekly: 5}", "retention: &policy {within: 30d}", 1)
            .replacen("retention: {within: 30d}", "retention: *policy", 1);
        let job = Job::parse(&repeated, "shop.yml").unwrap();
        let policy = |name| &job.stream(name).unwrap().stream.sink.retention;
        assert_eq!(policy(crate::StreamName::Data), policy(crate::StreamName::Logs));

        let inside_itself = refused("version: &a [*a]\n");
        assert!(inside_itself.message.contains("inside itself"), "{inside_itself}");
        let ten = |of: String| vec![of; 10].join(", ");
        let mut bomb = vec![format!("a0: &a0 [{}]", ten("x".into()))];
        bomb.extend((1..10).map(|n| format!("a{n}: &a{n} [{}]", ten(format!("*a{}", n - 1)))));
        let bomb = bomb.join("\n");
        assert!(refused(&bomb).message.contains("more than"), "{}", refused(&bomb));
    }

    #[test]
    fn duplicate_keys_and_other_syntax_errors_are_refused() {
        let second = format!("{GOOD}---\n{GOOD}");
        for (text, part) in [
            ("", "the document is empty"),
            ("# only this\n", "the document is empty"),
            ("~", "nothing is given, but keys"),
            ("[]", "a list is given, but keys"),
            ("version: 1\nversion: 1\n", "version: it is given twice, first in line 1"),
            ("{", ""),
            ("version: 1\njob: a\n  b: c\n", ""),
            ("? [a]\n: b\n", "not a word"),
            (&second, "a second document"),
        ] {
            let error = refused(text);
            assert_eq!(error.kind(), Kind::InvalidJob, "{text:?}");
            assert!(error.line > 0 && error.message.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn cron_times() {
        for (time, good) in [
            ("30 2 * * *", true),
            ("0 0 * * sun", true),
            ("30 2 * *", false),
            ("0 0 1 * sun", false),
            ("@daily", false),
            ("0 0 * * *\nroot rm", false),
        ] {
            let text = GOOD.replacen(
                "source: web1",
                &format!("source: web1\nschedule: {{collect: {}}}", serde_json::to_string(time).unwrap()),
                1,
            );
            assert_eq!(Job::parse(&text, "shop.yml").is_ok(), good, "{time:?}");
        }
        let scheduled = |schedule: &str| {
            Job::parse(&GOOD.replacen("source: web1", &format!("source: web1\nschedule: {schedule}"), 1), "shop.yml")
        };
        let job =
            scheduled("{collect: [\"0 0 * * 1-6\", \"0 3 * * 0\"], rotate: 0 4 * * *, derived: [collect]}").unwrap();
        assert_eq!(job.schedule.collect, ["0 0 * * 1-6", "0 3 * * 0"]);
        let declared = job.schedule.declared();
        assert_eq!((declared.collect.len(), declared.rotate), (0, vec!["0 4 * * *".to_owned()]));
        let error = scheduled("{collect: [\"0 0 * * *\", \"0 0 31 2 *\"]}").unwrap_err();
        assert!(error.to_string().starts_with("shop.yml:4:35: schedule.collect[1]: \"0 0 31 2 *\""), "{error}");
        assert!(error.remedy.contains("a day that the month has"), "{}", error.remedy);
    }

    #[test]
    fn a_call_overrides_how_it_works_and_nothing_else() {
        let with = |overrides: &str| Job::parse_with(GOOD, "shop.yml", Some(overrides));
        let job =
            with(r#"{"priority": {"nice": 0}, "streams": {"data": {"transport": {"bandwidth": "1MiB"}}}}"#).unwrap();
        let plain = Job::parse(GOOD, "shop.yml").unwrap();
        assert_eq!((job.priority.nice, plain.priority.nice), (0, 10));
        let (data, own) = (&job.streams[&crate::StreamName::Data], &plain.streams[&crate::StreamName::Data]);
        assert_eq!(data.transport.bandwidth, Some(crate::units::Bytes(1 << 20)));
        assert_eq!((&data.include, &data.sink), (&own.include, &own.sink));
        assert_eq!(with("{}").unwrap(), plain);

        for (overrides, message) in [
            (r#"{"job": "x"}"#, "option overrides: shop.yml: job: it cannot be overridden"),
            (
                r#"{"streams": {"data": {"sink": {"retention": {"generations": 1}}}}}"#,
                "option overrides: shop.yml: streams.data.sink.retention.generations: it cannot be overridden",
            ),
            (r#"{"streams": []}"#, "option overrides: shop.yml: streams: it cannot be overridden"),
            (r#"{"priority": {"nise": 0}}"#, "option overrides: shop.yml: priority.nise: unknown key"),
            (r#"{"max_downtime": "soon"}"#, "option overrides: shop.yml: max_downtime: "),
        ] {
            let refused = with(overrides).unwrap_err();
            assert!(refused.to_string().starts_with(message), "{refused}");
            assert!(!refused.remedy.is_empty());
        }
    }
}
