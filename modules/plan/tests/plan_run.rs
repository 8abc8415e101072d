//! Plans by the real executable: from options, from a file, from a host's own documents.
#![allow(clippy::unwrap_used)]

mod support;

use backup_core::schedule::{Outcome, Purpose};
use backup_tests::answer::Answer;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{EXECUTABLE, FROM, Planned, cli, declare, job, planned, with};

/// The agreement of docs/planning.md as one document.
fn agreement() -> String {
    let documents = [
        include_str!("../../core/tests/plan/sla/mysql.yml"),
        include_str!("../../core/tests/plan/sla/grafana.yml"),
        include_str!("../../core/tests/plan/sla/files.yml"),
    ];
    let item = |text: &&str| {
        text.lines().filter(|line| *line != "---").fold("  -\n".to_owned(), |item, line| item + "    " + line + "\n")
    };
    format!("jobs:\n{}hosts:\n  web1: {{zone: Europe/Berlin}}\n", documents.iter().map(item).collect::<String>())
}

#[test]
fn every_caller_gets_the_same_plan() {
    let room = tempfile::tempdir().unwrap();
    let shop = job("web1", "shop", json!({"rpo": "26h"}));
    let options =
        json!({"jobs": [shop], "from": FROM, "years": "2", "facts": {"hosts": {"web1": {"zone": "Europe/Berlin"}}}});
    let arguments = room.path().join("arguments");
    fs::write(&arguments, options.to_string()).unwrap();

    let by_stdin = support::on_stdin(&options);
    let by_file = Command::new(EXECUTABLE).arg(&arguments).output().unwrap();
    let facts = options["facts"].to_string();
    let by_words =
        cli(&["run", "--jobs", &shop.to_string(), "--facts", &facts, "--from", FROM, "--years", "2", "--json"]);
    assert_eq!(by_stdin.stdout, by_file.stdout);
    assert_eq!(by_stdin.stdout, by_words.stdout);
    let answer: Answer<Planned> = Answer::of(&by_stdin);
    assert!(answer.feasible && !answer.changed && answer.counter_example.is_empty());
    assert!(answer.msg.starts_with("feasible until 2028-11-20 13:00: jobs 1, "), "{}", answer.msg);
    assert_eq!((answer.plans[0].zone.as_str(), answer.plans[0].from.as_str()), ("Europe/Berlin", "2026-11-20 13:00"));
}

#[test]
fn what_is_derived_is_told_for_cron_and_for_the_installed_document() {
    let room = tempfile::tempdir().unwrap();
    let mut shop =
        job("web1", "shop", json!({"at": ["22:00", "23:30"], "full": {"days": ["sun"], "at": ["22:00"]}, "gap": "1h"}));
    shop["schedule"] = json!({"rotate": "30 5 * * *"});
    let answer = planned(json!({"jobs": [shop]}));
    assert!(answer.feasible, "{answer:?}");
    let of = |purpose| answer.entries.iter().filter(move |entry| entry.purpose == purpose);
    let commands: Vec<_> = of(Purpose::Collect).map(|entry| (entry.cron.as_str(), entry.command.as_str())).collect();
    assert!(
        commands.contains(&("0 22 * * 0", "/usr/local/bin/backup_collect run shop --kind full --quiet")),
        "{commands:?}"
    );
    let installed = &answer.schedules["web1/shop"];
    assert!(installed.schedule.collect.len() > 1);
    assert!(of(Purpose::Collect).all(|entry| installed.schedule.collect.contains(&entry.cron)));
    assert_eq!(installed.schedule.rotate, ["30 5 * * *"]);
    assert_eq!(installed.schedule.derived, ["collect", "transport"], "who wrote the rotation is still known");
    assert_eq!(installed.retention[&backup_core::StreamName::Data].generations, Some(7));

    // The document as it is installed: the same plan follows from it, on the host itself.
    let raw: serde_json::Value =
        serde_json::from_slice(&support::on_stdin(&json!({"jobs": [shop], "from": FROM, "years": 1})).stdout).unwrap();
    shop["schedule"] = raw["schedules"]["web1/shop"]["schedule"].clone();
    shop["streams"]["data"]["sink"]["retention"] = raw["schedules"]["web1/shop"]["retention"]["data"].clone();
    declare(room.path(), &[("shop", &shop)]);
    let again = planned(json!({"config": room.path()}));
    assert_eq!(again.entries, answer.entries);
    assert_eq!(again.schedules, answer.schedules);
}

#[test]
fn what_the_promised_history_needs_is_installed() {
    let mut shop = job("web1", "shop", json!({"at": ["22:00"], "history": "3w"}));
    shop["streams"]["data"]["sink"].as_object_mut().unwrap().remove("retention");
    let first = planned(json!({"jobs": [shop]}));
    assert!(first.feasible, "{first:?}");
    let installed = &first.schedules["web1/shop"].retention[&backup_core::StreamName::Data];
    assert!(installed.generations.is_some_and(|count| count >= 21) && installed.within.is_some(), "{installed:?}");
    // With the policy that was derived, and now declared, the promise holds as well.
    shop["streams"]["data"]["sink"]["retention"] = serde_json::to_value(installed).unwrap();
    let again = planned(json!({"jobs": [shop]}));
    assert!(again.feasible && again.schedules == first.schedules, "{again:?}");
}

#[test]
fn a_host_plans_its_own_jobs_with_what_is_known_of_it() {
    let room = tempfile::tempdir().unwrap();
    let (shop, sh) = (job("web1", "shop", json!({"rpo": "26h"})), "readlink /etc/localtime | sed s,.*/zoneinfo/,,");
    let own = Command::new("sh").args(["-c", sh]).output().unwrap().stdout;
    let other = job("web2", "shop", json!({"rpo": "26h"}));
    declare(room.path(), &[("shop", &shop), ("web2/shop", &other)]);
    let bare = planned(json!({"config": room.path()}));
    assert_eq!(bare.plans[0].zone, if own.is_empty() { "UTC" } else { std::str::from_utf8(&own).unwrap().trim() });
    fs::write(room.path().join("facts.yml"), "hosts: {web1: {zone: Asia/Tokyo, jobs: {shop: {collect: 40min}}}}\n")
        .unwrap();
    let config = room.path().to_str().unwrap();
    let answer: Answer<Planned> =
        Answer::of(&cli(&["run", "--config", config, "--from", FROM, "--years", "1", "--json"]));
    assert_eq!(answer.schedules.keys().collect::<Vec<_>>(), ["web1/shop"], "what is kept for others is theirs to plan");
    assert_eq!(answer.plans[0].zone, "Asia/Tokyo");
    assert!(answer.entries.iter().any(|entry| entry.why.contains("40 min")), "{:?}", answer.entries);

    // The option wins, key by key, and what it does not know hides nothing.
    let facts = json!({"hosts": {"web1": {"jobs": {"shop": {"collect": null, "verify": "5min"}}}}});
    let laid = planned(json!({"config": config, "facts": facts}));
    assert_eq!(laid.plans[0].zone, "Asia/Tokyo");
    assert!(laid.entries.iter().any(|entry| entry.why.contains("40 min")), "{:?}", laid.entries);
}

#[test]
fn a_zone_that_nobody_gives_is_unknown() {
    let shop = job("web1", "shop", json!({"at": ["22:00"]}));
    let zones = |facts: serde_json::Value| {
        let plan = planned(json!({"jobs": [shop], "facts": facts}));
        assert_eq!(plan.plans[0].zone, facts["hosts"]["web1"]["zone"].as_str().unwrap_or("UTC"));
        let sources = plan.checks.iter().map(|check| &check.of);
        let checks = sources.chain(plan.sinks.iter().flat_map(|sink| &sink.checks));
        let zones = checks.filter(|check| check.check == "zone" && check.outcome == Outcome::Unknown);
        zones.map(|check| check.text.clone()).collect::<Vec<_>>()
    };
    let of = |host, section| {
        format!("the time zone of {host} is not given: its times are taken for UTC. Give `{section}.{host}.zone`")
    };
    assert_eq!(zones(json!({})), [of("web1", "hosts"), of("sink1", "sinks")]);
    assert_eq!(zones(json!({"hosts": {"web1": {"zone": "UTC"}}})), [of("sink1", "sinks")]);
    assert_eq!(
        zones(json!({"hosts": {"web1": {"delays": {}}}, "sinks": {"sink1": {"zone": "UTC"}}})),
        [of("web1", "hosts")]
    );
    assert!(zones(json!({"hosts": {"web1": {"zone": "UTC"}}, "sinks": {"sink1": {"zone": "UTC"}}})).is_empty());
}

#[test]
fn what_sinks_measured_of_jobs_that_are_gone_counts_for_nothing() {
    let shop = job("web1", "shop", json!({"at": ["22:00"]}));
    let gone = json!({"hosts": {"web1": {"jobs": {"mail": {"collect": "9h"}}}, "web0": {"jobs": {"shop": {"collect": "9h"}}}}});
    assert_eq!(planned(json!({"jobs": [shop], "measured": gone})).entries, planned(json!({"jobs": [shop]})).entries);
    let both = json!({
        "jobs": [shop], "measured": {"hosts": {"web1": {"jobs": {"shop": {"collect": "3h", "verify": null}}}}},
        "facts": {"hosts": {"web1": {"zone": "Europe/Berlin", "jobs": {"shop": {"collect": "1h", "verify": "2h"}}}}},
    });
    let plan = planned(both);
    assert_eq!(plan.plans[0].zone, "Europe/Berlin");
    assert!(plan.entries.iter().any(|entry| entry.why.contains("3 h at p95")), "{:?}", plan.entries);
}

#[test]
fn who_is_refused_in_november_is_told_of_november() {
    let (from, now) = ("2026-01-01T00:00:00Z", "2026-11-20T12:34:00Z");
    let broken = job("web1", "shop", json!({"at": ["22:00"], "rpo": "24h"}));
    let told = |job: &serde_json::Value, options: serde_json::Value| {
        let mut all = json!({"jobs": [job], "from": from});
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        planned(all)
    };
    let spring = told(&broken, json!({}));
    assert!(spring.msg.starts_with("web1: at 2026-01-0"), "{}", spring.msg);
    let autumn = told(&broken, json!({"now": now, "calendar": "3d"}));
    assert!(autumn.msg.starts_with("web1: at 2026-11-2") && autumn.kind == "infeasible", "{}", autumn.msg);
    assert_eq!(autumn.hint, spring.hint, "what helps, helps");
    assert!(autumn.calendar.contains("2026-11-20") && !autumn.calendar.contains("2026-11-19"), "{}", autumn.calendar);
    assert_eq!(autumn.counter_example, autumn.msg.trim_start_matches("web1: "));

    // What is derived does not depend on the day.
    let held = job("web1", "shop", json!({"rpo": "26h"}));
    let (early, late) = (told(&held, json!({})), told(&held, json!({"now": now, "calendar": "1d"})));
    assert_eq!((early.entries.clone(), &early.plans[0].from), (late.entries.clone(), &late.plans[0].from));
    assert!(late.calendar.contains("2026-11-20"), "{}", late.calendar);

    // What broke in spring, and will not again, is still told: the plan is refused for that.
    let once = job("web1", "shop", json!({"at": ["22:00"], "rpo": "26h", "blackout": ["03-03"]}));
    let past = told(&once, json!({"now": now}));
    assert!(past.msg.starts_with("web1: at 2026-03-04"), "{}", past.msg);
}

#[test]
fn the_plan_is_told_to_people_in_a_task_as_on_a_terminal() {
    let jobs = json!([job("web1", "shop", json!({"at": ["22:00"], "history": "3w"}))]);
    let answer = planned(json!({"jobs": jobs, "text": true, "calendar": "1d"}));
    let words = ["run", "--jobs", &jobs[0].to_string(), "--from", FROM, "--years", "1", "--calendar", "1d"];
    let shown = String::from_utf8(cli(&words).stdout).unwrap();
    assert!(shown.ends_with(&answer.text) && answer.text.ends_with(&answer.calendar), "{shown}");
    for part in ["plan of web1, UTC, ", "on web1\n", "\nwhat is kept\n  shop data: ", "\nproof\n", "\nfeasible\n"] {
        assert!(answer.text.contains(part), "{part}: {}", answer.text);
    }
    assert_eq!(planned(json!({"jobs": jobs})).text, "", "only if it is asked for");
}

#[test]
fn many_sources_are_planned_at_once() {
    let jobs: Vec<_> = ["web1", "web2", "web3"]
        .iter()
        .flat_map(|source| [job(source, "shop", json!({"rpo": "26h"})), job(source, "mail", json!({"rpo": "26h"}))])
        .collect();
    let answer = planned(json!({"jobs": jobs, "facts": {"sinks": {"sink1": {"parallel": 4}}}}));
    assert!(answer.feasible);
    assert_eq!(answer.plans.iter().map(|plan| plan.source.as_str()).collect::<Vec<_>>(), ["web1", "web2", "web3"]);
    assert_eq!(answer.schedules.len(), 6);
    assert_eq!(answer.streams.iter().filter(|stream| stream.source == "web2").count(), 2);
    assert!(answer.entries.iter().any(|entry| entry.host == "web3" && entry.purpose == Purpose::Collect));
}

#[test]
fn a_pipeline_stops_where_a_promise_cannot_be_held() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("fleet.yml");
    let slow =
        job("web1", "shop", json!({"rpo": "2h", "durations": {"collect": "1h", "transport": "1h", "verify": "10min"}}));
    let words = ["run", "--file", file.to_str().unwrap(), "--from", FROM, "--years", "1"];
    let write = |job: &serde_json::Value| fs::write(&file, json!({"jobs": [job]}).to_string()).unwrap();
    write(&slow);
    let output = cli(&words);
    assert_eq!(output.status.code(), Some(12));
    let (told, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(told.contains("on web1\n") && told.contains("FAILED   rpo of shop data"), "{told}");
    assert!(said.starts_with("backup_plan: web1: at 20") && said.contains("; RPO is 2 h."), "{said}");
    assert!(said.contains("\nhint: It holds with objectives.rpo: "), "{said}");

    let answer: Answer<Planned> = Answer::of(&cli(&[&words[..], &["--json"]].concat()));
    assert_eq!((answer.kind.as_str(), answer.rc, answer.code, answer.changed), ("infeasible", 12, Some(12), false));
    assert!(!answer.feasible && answer.msg.ends_with(&answer.counter_example));
    assert!(!answer.entries.is_empty() && answer.schedules.len() == 1, "the whole report is there");

    // The change that is told, made.
    let broken = answer.checks.iter().find(|check| !check.of.remedies.is_empty()).unwrap();
    let rpo = broken.of.remedies.iter().find(|remedy| remedy.setting == "objectives.rpo").unwrap();
    assert!(answer.hint.contains(&rpo.value), "{}", answer.hint);
    write(&with(slow, "objectives.rpo", json!(rpo.value)));
    let output = cli(&words);
    let (told, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{told}");
    assert!(told.starts_with("feasible until 2027-11-20 12:00: "), "{told}");
}

#[test]
fn the_agreement_of_the_small_shop_is_refused_with_all_that_is_wrong() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("fleet.yml");
    fs::write(&file, agreement()).unwrap();
    let answer: Answer<Planned> =
        Answer::of(&cli(&["run", "--file", file.to_str().unwrap(), "--from", FROM, "--years", "1", "--json"]));
    let expected = "web1: at 2026-11-21 00:00 the collection of files begins 1 h 50 min after the end of the collection of mysql; gap is 2 h";
    assert_eq!((answer.kind.as_str(), answer.msg.as_str()), ("infeasible", expected));
    assert!(answer.hint.starts_with("It holds with objectives.gap: 1h50min in job mysql"), "{}", answer.hint);
    let failed: Vec<_> = answer
        .checks
        .iter()
        .filter(|check| check.of.outcome == Outcome::Failed)
        .map(|check| check.of.check.as_str())
        .collect();
    for check in ["full_day", "rpo", "gap"] {
        assert!(failed.contains(&check), "{check}: {failed:?}");
    }
}

#[test]
fn the_document_that_the_documentation_shows_is_planned() {
    let text = include_str!("../../../docs/planning.md");
    let (_, rest) = text.split_once("```yaml\n# fleet.yml\n").unwrap();
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("fleet.yml");
    fs::write(&file, rest.split_once("```").unwrap().0).unwrap();
    let answer: Answer<Planned> =
        Answer::of(&cli(&["run", "--file", file.to_str().unwrap(), "--from", FROM, "--years", "1", "--json"]));
    assert!(answer.feasible && answer.schedules.contains_key("web1/shop"), "{answer:?}");
}

#[test]
fn a_task_that_names_no_jobs_plans_nobody_elses() {
    for options in [json!({}), json!({"jobs": []}), json!({"jobs": null})] {
        let answer = planned(options);
        assert_eq!(
            (answer.kind.as_str(), answer.msg.as_str()),
            ("invalid_option", "nothing to plan: no jobs are given")
        );
        assert_eq!(answer.hint, "Give jobs, file or config.");
    }
}

#[test]
fn check_mode_and_plan_answer_the_same() {
    let jobs = json!([with(job("web1", "shop", json!({"rpo": "26h"})), "group", json!("shop"))]);
    let run = planned(json!({"jobs": jobs}));
    for options in [json!({"jobs": jobs, "action": "plan"}), json!({"jobs": jobs, "_ansible_check_mode": true})] {
        let answer = planned(options);
        assert_eq!((&answer.entries, answer.changed), (&run.entries, false));
    }
}

#[test]
fn a_calendar_is_told_and_drawn() {
    let room = tempfile::tempdir().unwrap();
    let svg = room.path().join("calendar.svg");
    let jobs = json!([job("web1", "shop", json!({"at": ["22:00"]}))]);
    let options = json!({"jobs": jobs, "calendar": "2d", "svg": svg, "_ansible_diff": true});

    let mut checked = options.clone();
    checked["_ansible_check_mode"] = true.into();
    assert!(planned(checked).changed && !svg.exists(), "check mode says so and writes nothing");
    let answer = planned(options.clone());
    assert!(answer.changed && answer.diff[0].prepared.contains("calendar.svg"), "{answer:?}");
    for part in
        ["fri 2026-11-20\n", "22:00 collect     shop on web1", "sat 2026-11-21\n", "transport   shop data on web1"]
    {
        assert!(answer.calendar.contains(part), "{part}: {}", answer.calendar);
    }
    assert!(!planned(options.clone()).changed, "it is there");
    is_a_picture(&svg);

    let mut both = options;
    both["jobs"] =
        json!([job("web1", "shop", json!({"at": ["22:00"]})), job("web2", "shop", json!({"at": ["22:00"]}))]);
    assert!(planned(both).calendar.contains("web2, local time of UTC"));
    assert!(room.path().join("calendar.web1.svg").exists() && room.path().join("calendar.web2.svg").exists());
}

/// For a reader of XML that is not ours.
fn is_a_picture(svg: &Path) {
    let read = "import sys, xml.dom.minidom as x; print(x.parse(sys.argv[1]).documentElement.tagName)";
    let read = Command::new("python3").args(["-c", read]).arg(svg).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&read.stdout), "svg\n", "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn a_plan_that_is_refused_is_drawn_as_well() {
    let room = tempfile::tempdir().unwrap();
    let (svg, places) = (room.path().join("calendar.svg"), room.path().join("places.yml"));
    let jobs = json!([job("web1", "shop", json!({"rpo": "20h", "at": ["22:00"]}))]);
    let options = json!({"jobs": jobs, "svg": svg, "places": places});
    let mut checked = options.clone();
    checked["_ansible_check_mode"] = true.into();
    let refused = planned(checked);
    assert!(refused.kind == "infeasible" && refused.changed && !svg.exists(), "{refused:?}");
    let refused = planned(options.clone());
    assert!(refused.kind == "infeasible" && refused.changed && !places.exists(), "{refused:?}");
    is_a_picture(&svg);
    assert!(fs::read_to_string(&svg).unwrap().contains(">Not feasible: at 2026-11-21 "));
    assert!(!planned(options.clone()).changed, "it is there");

    // A picture that cannot be written hides no refusal.
    let nowhere = planned(with(options, "svg", json!(svg.join("calendar.svg"))));
    assert_eq!((nowhere.kind.as_str(), nowhere.changed), ("infeasible", false), "{nowhere:?}");
    assert!(nowhere.warnings.iter().any(|warning| warning.contains("calendar.svg")), "{nowhere:?}");
}

#[test]
fn the_committed_documentation_is_what_the_executable_prints() {
    let printed = cli(&["docs"]);
    let committed = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../library/backup_plan.py")).unwrap();
    assert_eq!(String::from_utf8_lossy(&committed), String::from_utf8_lossy(&printed.stdout));
}

#[test]
fn a_new_source_moves_nobody_whose_place_is_remembered() {
    let room = tempfile::tempdir().unwrap();
    let places = room.path().join("places.yml");
    let at_ten = json!({"rpo": "26h", "at": ["22:00"]});
    let fleet = |names: &[&str], check: bool| {
        let jobs: Vec<_> = names.iter().map(|name| job(name, "shop", at_ten.clone())).collect();
        let facts = json!({"sinks": {"sink1": {"parallel": 1}}});
        planned(json!({"jobs": jobs, "facts": facts, "places": places, "_ansible_check_mode": check}))
    };
    let times = |answer: &Answer<Planned>, source: &str| {
        let transports = answer.entries.iter().filter(|entry| entry.purpose == Purpose::Transport);
        transports.filter(|entry| entry.host == source).map(|entry| entry.cron.clone()).collect::<Vec<_>>()
    };

    assert!(fleet(&["web1", "web3"], true).changed && !places.exists(), "check mode says so and writes nothing");
    let first = fleet(&["web1", "web3"], false);
    assert!(first.feasible && first.changed, "{first:?}");
    assert_ne!(times(&first, "web1"), times(&first, "web3"), "one after the other");
    let text = fs::read_to_string(&places).unwrap();
    let lines: Vec<_> = first.places.iter().map(|(name, shift)| format!("{name}: {shift}")).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    assert!(!fleet(&["web1", "web3"], false).changed, "it is there");

    let more = fleet(&["web1", "web2", "web3"], false);
    assert!(more.feasible && more.changed && more.sinks[0].sources == 3, "{more:?}");
    for source in ["web1", "web3"] {
        assert_eq!(times(&first, source), times(&more, source));
    }
    // Who only looks is told where a fourth one would be, and leaves nothing.
    let options = |places: &Path, unchanged: bool| {
        let jobs =
            ["web1", "web2", "web3", "web9"].map(|name| job(name, "shop", json!({"rpo": "27h", "at": ["22:00"]})));
        let facts = json!({"sinks": {"sink1": {"parallel": 1}}});
        json!({"jobs": jobs, "facts": facts, "places": places, "places_unchanged": unchanged})
    };
    let before = fs::read(&places).unwrap();
    let looked = planned(options(&places, true));
    assert!(looked.feasible && !looked.changed && looked.places.len() == 4, "{looked:?}");
    assert_eq!(fs::read(&places).unwrap(), before);
    assert_eq!(times(&first, "web1"), times(&looked, "web1"), "what is remembered counts");
    // What cannot be remembered is said, with the remedy.
    let nowhere = room.path().join("missing/places.yml");
    let failed = planned(options(&nowhere, false));
    assert_eq!(failed.kind, "not_found", "{failed:?}");
    assert!(failed.msg.starts_with("cannot remember the places of the sources: cannot create "), "{}", failed.msg);
    assert!(failed.hint.contains("`backup_common_places`"), "{}", failed.hint);
    assert!(!planned(options(&nowhere, true)).failed, "nothing is written there");

    // Who is left out of a plan is not forgotten.
    assert!(!fleet(&["web2"], false).changed);

    let refused = fleet(&["web1", "web2", "web3", "web4", "web5"], false);
    assert_eq!((refused.kind.as_str(), refused.feasible), ("infeasible", false));
    assert!(refused.msg.starts_with("sink1: at 2026-11-20 22:10 3 transports to sink1 run at once"), "{}", refused.msg);
    assert!(refused.hint.starts_with("It holds with sinks.sink1.parallel: 2."), "{}", refused.hint);
    assert_eq!(fs::read_to_string(&places).unwrap().lines().count(), 3, "what is refused is not remembered");
}
