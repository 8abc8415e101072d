//! Jobs of one host that leave each other little room.

use backup_core::{
    Job,
    schedule::{Facts, Plan, plan},
};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::json;

/// Jobs of these names, which give them their places, that take so long to collect.
fn planned(names: &[&str], collect: u32) -> Plan {
    let job = |name: &&str| {
        let durations = json!({"collect": format!("{collect}min"), "transport": "10min", "verify": "2min"});
        let text = json!({"version": 1, "job": name, "source": "web1",
            "objectives": {"rpo": "2h", "durations": durations},
            "streams": {"data": {"include": [format!("/srv/{name}")],
                "transport": {"mode": "push", "peer": {"address": "sink1"}},
                "sink": {"name": "sink1", "retention": {"within": "7d"}}}}});
        Job::parse(&text.to_string(), "test").unwrap()
    };
    let from: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let until = from.to_zoned(TimeZone::UTC).checked_add(1.year()).unwrap().timestamp();
    plan(&names.iter().map(job).collect::<Vec<_>>(), &Facts::default(), from, until).unwrap()
}

#[test]
fn jobs_that_fill_an_hour_find_room_whatever_their_names() {
    const NAMES: [&str; 8] = ["mail", "shop", "docs", "wiki", "cms", "erp", "git", "dns"];
    for first in 0..NAMES.len() {
        let names = |count| (first..first + count).map(|n| NAMES[n % NAMES.len()]).collect::<Vec<_>>();
        for (count, collect) in [(3, 10), (4, 5)] {
            let plan = planned(&names(count), collect);
            assert!(plan.feasible, "{plan}");
        }
    }
    let full = planned(&["mail", "shop", "docs"], 11);
    assert!(!full.feasible, "63 minutes do not fit into an hour: {full}");
}
