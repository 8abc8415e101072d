//! Bad input, as a table: each is refused with the key, the value and the remedy, and nothing is planned.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::fs;
use support::{Planned, cli, job, planned, with};

/// One bad call.
struct Bad {
    what: &'static str,
    options: Value,
    kind: &'static str,
    msg: &'static str,
    hint: &'static str,
}

fn shop(objectives: Value) -> Value {
    job("web1", "shop", objectives)
}

fn plain() -> Value {
    shop(json!({"rpo": "26h"}))
}

#[expect(clippy::needless_pass_by_value, reason = "callers write json!(..)")]
fn jobs(of: Value) -> Value {
    json!({"jobs": [of]})
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<Bad> {
    let bad = |what, options, kind, msg, hint| Bad { what, options, kind, msg, hint };
    vec![
        bad(
            "unknown zone",
            json!({"jobs": [plain()], "facts": {"hosts": {"web1": {"zone": "Europe/Berln"}}}}),
            "invalid_option",
            "cannot plan web1: time zone \"Europe/Berln\" is not known",
            "Europe/Berlin",
        ),
        bad(
            "two jobs of one name",
            json!({"jobs": [plain(), plain()]}),
            "invalid_job",
            "cannot plan web1: two jobs are named \"shop\"",
            "a name of its own",
        ),
        bad("RPO 0", jobs(shop(json!({"rpo": 0}))), "invalid_job", "objectives.rpo: 0s cannot be held", "24h"),
        bad(
            "RPO without a unit that is known",
            jobs(shop(json!({"rpo": "1 month"}))),
            "invalid_job",
            "objectives.rpo: \"1 month\" is not a time span",
            "docs/configuration.md",
        ),
        bad(
            "contradictory windows",
            jobs(shop(json!({"rpo": "26h", "window": ["22:00-06:00"], "blackout": ["21:00-07:00"]}))),
            "invalid_job",
            "objectives.blackout: it leaves nothing of the window",
            "Widen `window`",
        ),
        bad(
            "a time outside the window",
            jobs(shop(json!({"at": ["12:00"], "window": ["22:00-06:00"]}))),
            "invalid_job",
            "objectives.at: 12:00 lies outside the window",
            "Move the time",
        ),
        bad(
            "the 31st",
            jobs(shop(json!({"days": [31]}))),
            "invalid_job",
            "objectives.days: not every month has a day 31",
            "28",
        ),
        bad(
            "a source that is its own sink",
            jobs(with(plain(), "streams.data.sink.name", json!("web1"))),
            "invalid_job",
            "streams.data.sink.name: web1 is the job's own source",
            "Name another host as the sink",
        ),
        bad(
            "a retention that keeps nothing",
            jobs(with(plain(), "streams.data.sink.retention", json!({"generations": 0}))),
            "invalid_job",
            "streams.data.sink.retention: it keeps nothing",
            "Keep at least one generation on the sink, such as `generations: 7`",
        ),
        bad(
            "an empty policy",
            jobs(with(plain(), "streams.data.sink.retention", json!({}))),
            "invalid_job",
            "streams.data.sink.retention: an empty policy says neither what to keep",
            "Give at least one rule, such as `generations: 7`",
        ),
        bad(
            "a policy of `max_age` alone",
            jobs(with(plain(), "streams.data.sink.retention", json!({"max_age": "31d"}))),
            "invalid_job",
            "streams.data.sink.retention: an empty policy says neither what to keep",
            "Give at least one rule, such as `generations: 7`",
        ),
        bad(
            "a window that ends when it begins",
            jobs(shop(json!({"rpo": "26h", "window": ["22:00-22:00"]}))),
            "invalid_job",
            "objectives.window[0]: \"22:00-22:00\" is not a window such as",
            "",
        ),
        bad(
            "a window shorter than what was measured",
            json!({
                "jobs": [shop(json!({"rpo": "26h", "window": ["22:00-23:00"]}))],
                "facts": {"hosts": {"web1": {"jobs": {"shop": {"collect": "90min"}}}}},
            }),
            "infeasible",
            "web1: a collection of shop takes 1 h 30 min, as measured, and the window leaves 1 h at most: what begins at ",
            "It holds with objectives.window: [\"",
        ),
        bad(
            "an unknown key of a job",
            jobs(with(plain(), "colour", json!("red"))),
            "invalid_job",
            "web1/shop:1:",
            "use one of: version, job",
        ),
        bad(
            "an unknown key of objectives",
            jobs(shop(json!({"rop": "26h"}))),
            "invalid_job",
            "objectives.rop: unknown key",
            "rpo",
        ),
        bad(
            "an unknown fact",
            json!({"jobs": [plain()], "facts": {"hosts": {"web1": {"zoen": "UTC"}}}}),
            "invalid_option",
            "hosts.web1.zoen: unknown key",
            "zone",
        ),
        bad(
            "a fact about a host that nothing declares",
            json!({"jobs": [plain()], "facts": {"hosts": {"wbe1": {"zone": "Europe/Berlin"}}}}),
            "invalid_option",
            "option facts:1:18: hosts.wbe1: \"wbe1\" is the source of no job that is planned",
            "Correct the name, or remove it; planned are: web1.",
        ),
        bad(
            "a fact about a job that nothing declares",
            json!({"jobs": [plain()], "facts": {"hosts": {"web1": {"jobs": {"shpo": {"collect": "5min"}}}}}}),
            "invalid_option",
            "hosts.web1.jobs.shpo: \"shpo\" is no job of this source that is planned",
            "planned are: shop.",
        ),
        bad(
            "a fact about a sink that nothing declares",
            json!({"jobs": [plain()], "facts": {"sinks": {"snik1": {"parallel": 3}}}}),
            "invalid_option",
            "sinks.snik1: \"snik1\" is the sink of no job that is planned",
            "planned are: sink1.",
        ),
        bad(
            "to be told after all of it",
            json!({"jobs": [plain()], "now": "2036-01-01T00:00:00Z"}),
            "invalid_option",
            "option now: 2036-01-01T00:00:00Z is not before the end of what is proven, 2027-11-20T12:00:00Z",
            "more years",
        ),
        bad(
            "a fact that is no time",
            json!({"jobs": [plain()], "facts": {"hosts": {"web1": {"jobs": {"shop": {"collect": "long"}}}}}}),
            "invalid_option",
            "hosts.web1.jobs.shop.collect: \"long\" is not a time span",
            "",
        ),
        bad(
            "cron times that restrict both days",
            jobs(with(
                with(plain(), "objectives", Value::Null),
                "schedule",
                json!({"collect": ["0 1 * * *", "0 0 1 * 1"]}),
            )),
            "invalid_job",
            "schedule.collect[1]: \"0 0 1 * 1\" restricts the day of the month and the day of the week",
            "two entries",
        ),
        bad(
            "a carrier that is not there",
            jobs(shop(json!({"rpo": "3d", "with": "mail"}))),
            "invalid_job",
            "cannot plan web1/shop: objectives.with names \"mail\", which is no job of this source",
            "remove `with`",
        ),
        bad("a job that is a word", json!({"jobs": ["shop"]}), "invalid_option", "option jobs: ", ""),
        bad(
            "an empty calendar",
            json!({"jobs": [plain()], "calendar": "0d"}),
            "invalid_option",
            "option calendar: 0s",
            "14d",
        ),
        bad(
            "no horizon",
            json!({"jobs": [plain()], "years": 0}),
            "invalid_option",
            "option years: \"0\" is not valid",
            "",
        ),
        bad(
            "a begin that is no time",
            json!({"jobs": [plain()], "from": "soon"}),
            "invalid_option",
            "option from: \"soon\"",
            "",
        ),
        bad(
            "two sources of jobs",
            json!({"jobs": [plain()], "config": "/etc/handover"}),
            "invalid_option",
            "cannot be combined with",
            "",
        ),
        bad(
            "an unknown option",
            json!({"jobs": [plain()], "job": "shop"}),
            "invalid_option",
            "unknown option job",
            "jobs",
        ),
        bad(
            "a file that is not there",
            json!({"file": "/nonexistent/fleet.yml"}),
            "not_found",
            "cannot read /nonexistent/fleet.yml",
            "",
        ),
        bad(
            "a host without jobs",
            json!({"config": "/nonexistent"}),
            "not_found",
            "nothing to plan: /nonexistent declares no job of this host",
            "on a source",
        ),
    ]
}

#[test]
fn each_bad_input_is_refused_by_its_key_with_a_remedy() {
    for Bad { what, options, kind, msg, hint } in table() {
        let answer = planned(options);
        assert!(answer.failed && !answer.changed, "{what}: {answer:?}");
        assert_eq!(answer.kind, kind, "{what}: {answer:?}");
        assert!(answer.msg.contains(msg), "{what}: {}", answer.msg);
        assert!(answer.hint.contains(hint), "{what}: {}", answer.hint);
        assert!(answer.entries.is_empty(), "{what}");
    }
}

#[test]
fn what_cannot_be_held_is_refused_by_its_story_with_what_helps() {
    let durations = json!({"collect": "10min", "transport": "1min", "verify": "1min"});
    // (objectives, part of the story, what helps)
    let cases = [
        (
            json!({"at": ["22:00", "22:05"], "durations": durations}),
            "22:05 the collection of shop begins while that of 2026-11-20 22:00 is running until 2026-11-20 22:10",
            "It holds with objectives.at: [\"06:00\", \"14:00\", \"22:00\"] in job shop, or with objectives.durations.collect: 4min in job shop.",
        ),
        (
            json!({"at": ["22:00"], "days": ["mon", "tue"], "full": {"days": [1]}, "durations": durations}),
            "2026-12-01 22:00 a full and an incremental begin in one minute: `objectives.full.days` names days of the month (1)",
            "It holds with objectives.full.days: [sun] in job shop.",
        ),
        (
            json!({"days": ["sun", "mon"], "at": ["22:00"], "full": {"days": ["sun", "wed"]}, "durations": durations}),
            "the full's day is given twice: sun 22:00 and wed 22:00; `objectives.days` gives sun to an incremental",
            "It holds with objectives.days: [mon] in job shop, or with objectives.full.days: [wed] in job shop.",
        ),
    ];
    for (objectives, story, hint) in cases {
        let answer = planned(jobs(shop(objectives)));
        assert_eq!((answer.failed, answer.kind.as_str()), (true, "infeasible"), "{answer:?}");
        assert!(answer.msg.contains(story), "{}", answer.msg);
        assert_eq!(answer.hint, hint);
    }
}

#[test]
fn a_refused_file_names_the_line() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("fleet.yml");
    let good = format!("jobs:\n- {}\n- {}\n", plain(), job("web2", "shop", json!({"rpo": 0})));
    for (text, part) in [
        (good, ":3:"),
        ("jobs: []\n".to_owned(), "no job is declared"),
        ("jobs:\n  - {".to_owned(), ":2:"),
        ("hosts: {}\n".to_owned(), "`jobs` is missing"),
        ("jobs: []\nhost: {}\n".to_owned(), ":2:1: host: unknown key"),
    ] {
        fs::write(&file, &text).unwrap();
        let answer: backup_tests::answer::Answer<Planned> =
            backup_tests::answer::Answer::of(&cli(&["run", "--file", file.to_str().unwrap(), "--json"]));
        assert!(answer.msg.contains(part), "{text}: {}", answer.msg);
        assert!(!answer.hint.is_empty(), "{text}");
        assert!(["invalid_job", "invalid_option"].contains(&answer.kind.as_str()), "{}", answer.kind);
        assert_ne!(answer.code, Some(0));
    }
}
