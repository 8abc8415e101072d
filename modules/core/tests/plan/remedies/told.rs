//! What helps, told in full: of each kind of check every setting that is named, and its value.

use super::{World, failed, job};
use backup_core::schedule::SinkFacts;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// What helps this check, as people are told it, in a plan of so many days whose source and sink are in one zone.
fn told(documents: &[Value], check: &str, days: i64) -> Vec<String> {
    let mut world = World::new(documents.to_vec());
    world.until = world.from + SignedDuration::from_hours(24 * days);
    let sink = SinkFacts { zone: "Europe/Berlin".into(), ..SinkFacts::default() };
    world.facts.sinks.insert("sink1".into(), sink);
    let plan = world.advised();
    let check = failed(&plan).find(|other| other.check == check).unwrap_or_else(|| panic!("{plan}"));
    assert!(check.untried.is_empty(), "{plan}");
    check.remedies.iter().map(ToString::to_string).collect()
}

fn scheduled(collect: &str, objectives: Value) -> Value {
    let mut shop = job("shop", objectives);
    shop["schedule"] = json!({"collect": [collect]});
    shop
}

#[test]
fn times_move_the_shorter_way_round() {
    let nightly = |name: &str, at: &str| job(name, json!({"rpo": "3d", "at": [at]}));
    let cases: [(Vec<Value>, &str, &[&str]); 6] = [
        (
            vec![job("shop", json!({"rpo": "3d", "at": ["22:00"], "gap": "1h"})), nightly("mail", "22:50")],
            "gap",
            &[
                "objectives.gap: 30min in job shop",
                "objectives.at: [\"21:30\"] in job shop",
                "objectives.at: [\"23:20\"] in job mail",
            ],
        ),
        (
            vec![scheduled("0 22 * * 1", json!({"rpo": "9d"})), nightly("mail", "22:05")],
            "overlap",
            &["objectives.at: [\"22:20\"] in job mail", "schedule.collect: [\"45 21 * * 1\"] in job shop"],
        ),
        // Earlier, if later is as far.
        (
            vec![nightly("shop", "22:00"), nightly("mail", "22:00")],
            "overlap",
            &["objectives.at: [\"21:40\"] in job mail", "objectives.at: [\"21:40\"] in job shop"],
        ),
        // A quarter of an hour earlier is on the day before, which an entry on dates may have no name for.
        (
            vec![scheduled("5 0 28 * *", json!({"rpo": "40d"})), nightly("mail", "00:10")],
            "overlap",
            &["objectives.at: [\"00:25\"] in job mail", "schedule.collect: [\"30 0 28 * *\"] in job shop"],
        ),
        (
            vec![job("shop", json!({"rpo": "3d", "at": ["22:00"], "full": {"days": ["sun"], "at": ["22:05"]}}))],
            "overlap",
            &["objectives.at: [\"21:45\"] in job shop", "objectives.full.at: [\"22:20\"] in job shop"],
        ),
        (
            vec![job(
                "shop",
                json!({"rpo": "26h", "at": ["22:00"], "full": {"days": ["sun"]}, "drill": {"days": ["sun"], "at": ["22:10", "22:15"]}}),
            )],
            "drill",
            &[
                "objectives.at: [\"21:45\"] in job shop",
                "objectives.full.days: [mon] in job shop",
                "objectives.drill.at: [\"22:25\", \"22:30\"] in job shop",
                "objectives.drill.days: [mon] in job shop",
            ],
        ),
    ];
    for (documents, check, expected) in cases {
        assert_eq!(told(&documents, check, 40), expected);
    }
}

#[test]
fn days_are_added_evenly_or_left_out() {
    let shop = |rpo: &str, days: Value| [job("shop", json!({"rpo": rpo, "days": days, "at": ["22:00"]}))];
    // Between Monday and Thursday, and between Thursday and Monday, one more each.
    let weekly = told(&shop("3d", json!(["mon", "thu"])), "rpo", 40);
    assert_eq!(weekly, ["objectives.rpo: 4d25min in job shop", "objectives.days: [mon, tue, thu, sat] in job shop"]);
    let monthly = told(&shop("15d", json!([1])), "rpo", 100);
    assert_eq!(monthly, ["objectives.rpo: 31d25min in job shop", "objectives.days: [1, 8, 22] in job shop"]);
    let monthly = told(&shop("17d", json!([1, 2])), "rpo", 100);
    assert_eq!(monthly, ["objectives.rpo: 30d25min in job shop", "objectives.days: [1, 2, 16] in job shop"]);
    let mut twice = shop("3d", json!(["mon", "tue", "wed"]));
    twice[0]["objectives"]["full"] = json!({"days": ["sun", "mon"]});
    let once = ["objectives.days: [tue, wed] in job shop", "objectives.full.days: [sun] in job shop"];
    assert_eq!(told(&twice, "full_day", 40), once);
}

#[test]
fn windows_grow_and_blackouts_shrink_no_further_than_they_must() {
    let shorter = "objectives.durations.collect: 5min in job shop";
    let cases: [(Value, &[&str]); 5] = [
        (
            json!({"at": ["22:00"], "window": ["21:00-22:05"]}),
            &["objectives.at: [\"21:55\"] in job shop", "objectives.window: [\"21:00-22:10\"] in job shop", shorter],
        ),
        (json!({"window": ["22:00-22:05"]}), &["objectives.window: [\"22:00-22:10\"] in job shop", shorter]),
        (
            json!({"at": ["22:00"], "blackout": ["mon 22:05-23:00"]}),
            &[
                "objectives.at: [\"21:55\"] in job shop",
                "objectives.blackout: [\"mon 22:10-23:00\"] in job shop",
                shorter,
            ],
        ),
        (
            json!({"at": ["22:00"], "blackout": ["mon 20:00-23:00", "12-24"]}),
            &[
                "objectives.at: [\"23:00\"] in job shop",
                "objectives.blackout: [\"mon 20:00-22:00\", \"12-24\"] in job shop",
            ],
        ),
        // Days of the year are left out, or not.
        (
            json!({"at": ["23:55"], "blackout": ["mon 08:00-10:00", "11-24"]}),
            &[
                "objectives.at: [\"23:50\"] in job shop",
                "objectives.blackout: [\"mon 08:00-10:00\"] in job shop",
                shorter,
            ],
        ),
    ];
    for (mut objectives, expected) in cases {
        objectives["rpo"] = json!("26h");
        assert_eq!(told(&[job("shop", objectives)], "window", 40), expected);
    }
}

#[test]
fn what_is_promised_gives_way_to_what_holds() {
    let shop = |objectives: Value| job("shop", objectives);
    let mut unverified = shop(json!({"rpo": "26h", "at": ["22:00"]}));
    unverified["streams"]["data"]["transport"]["verify"] = json!("none");
    let cases: [(Vec<Value>, &str, &[&str]); 5] = [
        (vec![unverified], "rpo", &["streams.data.transport.verify: hash in job shop"]),
        (
            vec![shop(json!({"rpo": "26h", "at": ["22:00"], "tolerate": 3}))],
            "handover",
            &["objectives.tolerate: 2 in job shop", "streams.data.handover.keep: 4 in job shop"],
        ),
        (
            vec![
                shop(json!({"rpo": "26h", "at": ["22:00"], "with": "mail"})),
                job("mail", json!({"rpo": "2d", "at": ["20:00"]})),
            ],
            "rpo",
            &[
                "objectives.rpo: 1d22h25min in job shop",
                "objectives.with: none: a transport of its own in job shop",
                "objectives.at: [\"19:50\"] in job shop",
                "objectives.at: [\"22:10\"] in job mail",
            ],
        ),
        (
            vec![shop(json!({"rpo": "26h", "at": ["22:00"], "rto": "30min", "durations": {"restore": "45min"}}))],
            "rto",
            &["objectives.rto: 45min in job shop", "objectives.durations.restore: 30min in job shop"],
        ),
        (
            vec![shop(json!({"rpo": "2h", "snapshots": {"every": "1h"}, "checkpoints": {"every": "6h"}}))],
            "checkpoint",
            &["objectives.snapshots.every: 6h in job shop", "objectives.checkpoints.every: 1h59min in job shop"],
        ),
    ];
    for (documents, check, expected) in cases {
        assert_eq!(told(&documents, check, 40), expected);
    }
}

#[test]
fn each_rule_of_a_store_can_keep_for_longer() {
    let (protect, provider) =
        ("streams.data.sink.protect: 9d1h in job shop", "objectives.provider.days: 10 in job shop");
    let cases: [(Value, &[&str]); 3] = [
        (
            json!({"generations": 5}),
            &[
                "streams.data.sink.retention.within: 10d in job shop",
                protect,
                "streams.data.sink.retention.generations: 10 in job shop",
                "objectives.history: 5d in job shop",
                provider,
            ],
        ),
        (
            json!({"daily": 20, "max_age": "6d"}),
            &[
                "streams.data.sink.retention.max_age: 9d in job shop",
                protect,
                "objectives.history: 7d in job shop",
                provider,
            ],
        ),
        (
            json!({"weekly": 1, "within": "3d"}),
            &[
                "streams.data.sink.retention.within: 9d1h in job shop",
                protect,
                "objectives.history: 3d in job shop",
                provider,
            ],
        ),
    ];
    for (retention, expected) in cases {
        let mut shop = job("shop", json!({"rpo": "26h", "at": ["22:00"], "history": "10d", "provider": {"days": 2}}));
        shop["streams"]["data"]["sink"] = json!({"name": "sink1", "protect": "0s", "retention": retention});
        assert_eq!(told(&[shop], "history", 40), expected);
    }
}

#[test]
fn what_only_takes_room_is_not_named_where_something_nearer_helps() {
    // Each takes twenty minutes; of the forty in the window the others leave none.
    let jobs = [
        job("mail", json!({"rpo": "3d", "at": ["22:00"]})),
        job("docs", json!({"rpo": "3d", "at": ["22:20"]})),
        job("shop", json!({"rpo": "26h", "window": ["22:00-22:30"]})),
    ];
    // Were docs moved, there would be room, too.
    let nearer = ["objectives.window: [\"22:00-22:50\"] in job shop", "objectives.at: [\"21:40\"] in job mail"];
    assert_eq!(told(&jobs, "overlap", 3), nearer);
}
