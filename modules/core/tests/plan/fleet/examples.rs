//! Fleets that people have.

use super::{HORIZON, Sources, from, seen, sources};
use backup_core::{
    job::objectives::TimeOfDay,
    schedule::{Check, FleetPlan, HostFacts, Measured, Outcome, SinkFacts, SinkPlan, plan, plan_fleet},
    units::{Bytes, Span},
};
use jiff::SignedDuration;
use serde_json::json;
use std::collections::BTreeSet;

fn sink(parallel: u32) -> SinkFacts {
    SinkFacts { zone: "Europe/Berlin".into(), parallel, reserve: Some(1), ..SinkFacts::default() }
}

fn check<'p>(plan: &'p FleetPlan, name: &str) -> &'p Check {
    plan.sinks[0].checks.iter().find(|check| check.check == name).unwrap()
}

fn at_ten(rpo: &str) -> serde_json::Value {
    json!({"rpo": rpo, "at": ["22:00"], "durations": {"collect": "5min", "transport": "8min", "verify": "2min"}})
}

#[test]
fn transports_after_one_declared_time_are_staggered() {
    let (sources, facts) = sources(12, &at_ten("27h"), sink(4));
    let plan = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    assert!(plan.is_feasible(), "{}", plan.sinks[0]);
    let text = plan.sinks[0].to_string();
    assert!(
        text.starts_with("\nsink1, Europe/Berlin, used by 12 sources\n  ok       parallel of all: at most 3"),
        "{text}"
    );
    let shifts: Vec<u64> = plan.facts.hosts.values().map(|host| host.shift.unwrap().0 / 60).collect();
    let of = |shift| shifts.iter().filter(|&&other| other == shift).count();
    assert_eq!([of(0), of(10), of(20), of(30)], [3, 3, 3, 3], "ten minutes each, three at once: {shifts:?}");
    let told =
        "at most 3 transports at once, first at 2026-10-18 22:05; 3 may run: `parallel` is 4, 1 of them in reserve";
    assert_eq!((check(&plan, "parallel").figures["most"], check(&plan, "parallel").text.as_str()), (3, told));
    for (name, jobs) in &sources {
        let alone = plan_alone(&plan, name, jobs);
        assert_eq!(
            plan.plans.iter().find(|plan| plan.source == *name),
            Some(&alone),
            "it is proven as it is installed"
        );
    }
}

#[test]
fn hourly_transports_share_the_whole_hour() {
    // Five minutes each, one at once, and all would begin in the same minute.
    let hourly = json!({"rpo": "90min", "durations": {"collect": "5min", "transport": "4min", "verify": "1min"}});
    let (sources, mut facts) = sources(12, &hourly, sink(2));
    facts.hosts.values_mut().for_each(|host| host.place = Some(TimeOfDay(0)));
    let plan = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    assert!(plan.is_feasible(), "{}", plan.sinks[0]);
    assert_eq!(check(&plan, "parallel").figures["most"], 1);
}

#[test]
fn each_source_has_its_own_sinks_and_measurements() {
    let objectives = |at: &str| json!({"rpo": "27h", "at": [at], "size": {"full": "1GB", "incremental": "1MB"}, "durations": {"collect": "5min", "transport": "8min"}});
    let (mut sources, mut facts) = sources(4, &objectives("19:00"), sink(4));
    for (n, (name, jobs)) in sources.iter_mut().enumerate() {
        let other = ["sink2", "sink3"][n % 2];
        jobs.push(super::parsed(&super::document(name, "mail", other, objectives("02:00"))));
        jobs.push(super::parsed(&super::document(name, "wiki", other, json!({"rpo": "26h"}))));
    }
    facts.sinks.extend(["sink2", "sink3"].map(|name| (name.to_owned(), SinkFacts { zone: "UTC".into(), ..sink(4) })));
    // Less and more than what is declared or, of verification, assumed.
    for (name, minutes, bytes, samples) in
        [("web1", 4, 900_000, None), ("web2", 6, 1_100_000, Some(10)), ("web3", 11, 1_100_000_000, Some(9))]
    {
        let took = Some(Span(minutes * 60));
        let of = Measured {
            collect: took,
            transport: took,
            verify: took,
            restore: took,
            full: Some(Bytes(bytes)),
            incremental: Some(Bytes(bytes)),
            samples,
        };
        facts.hosts.get_mut(name).unwrap().jobs.insert("shop".into(), of);
    }
    let fleet = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    assert!(fleet.facts.hosts.values().any(|host| host.shift != Some(Span(0))), "somebody has to move");
    let most = |sink: &SinkPlan| sink.checks.iter().find(|check| check.check == "parallel").unwrap().figures["most"];
    assert_eq!(fleet.sinks.iter().map(most).collect::<Vec<_>>(), [3, 2, 2]);
    for (name, jobs) in &sources {
        let planned = fleet.plans.iter().find(|plan| plan.source == *name);
        assert_eq!(planned, Some(&plan_alone(&fleet, name, jobs)));
    }
}

fn plan_alone(fleet: &FleetPlan, name: &str, jobs: &[backup_core::Job]) -> backup_core::schedule::Plan {
    assert!(fleet.facts.hosts.contains_key(name));
    plan(jobs, &fleet.facts, from(), from() + HORIZON).unwrap()
}

#[test]
fn what_no_sink_can_bear_is_refused_with_a_story_and_a_remedy_that_holds() {
    // Daily at a fixed time in a zone with summer time: 25 h, and 15 min for the steps. 15 minutes remain.
    let (sources, mut facts) = sources(9, &at_ten("25h30min"), sink(3));
    let refused = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    assert!(!refused.is_feasible() && refused.plans.iter().all(|plan| plan.feasible));
    let found = check(&refused, "parallel");
    assert_eq!(found.outcome, Outcome::Failed);
    for part in [
        "at 2026-10-18 22:05 ",
        "transports to sink1 run at once, but 2 may run: `parallel` is 3, 1 of them in reserve",
        "web",
        "/shop data since 2026-10-18 22:05",
        "found no place, as web",
        "none of the 16 minutes that it could have has room",
    ] {
        assert!(found.text.contains(part), "{part}: {}", found.text);
    }
    let running = &seen(&sources, &refused, from(), from() + HORIZON)["sink1"];
    let minute = usize::try_from((found.instant.unwrap() - from().as_second()) / 60).unwrap();
    assert!(running[minute].0 > 2 && running[..minute].iter().all(|(running, _)| *running <= 2), "it is the first");

    let remedy = &found.remedies[0];
    assert_eq!((remedy.job.as_ref(), remedy.setting.as_str()), (None, "sinks.sink1.parallel"));
    let needed: u32 = remedy.value.parse().unwrap();
    for (parallel, holds) in [(needed, true), (needed - 1, false)] {
        facts.sinks.get_mut("sink1").unwrap().parallel = parallel;
        let plan = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
        assert_eq!(plan.is_feasible(), holds, "{parallel}: {}", plan.sinks[0]);
    }
}

#[test]
fn four_of_those_that_run_at_once_are_named() {
    for (count, named) in [(4, "/shop data since 2026-10-18 22:05. "), (6, ", 2 more. ")] {
        // They cannot move.
        let (sources, facts) = sources(count, &at_ten("25h15min"), sink(4));
        let refused = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
        let text = &check(&refused, "parallel").text;
        assert!(text.contains(named) && text.matches("/shop data since").count() == 4, "{text}");
    }
}

#[test]
fn a_full_brings_more_than_an_incremental() {
    let objectives = json!({"rpo": "27h", "at": ["22:00"], "full": {"days": ["tue"]}, "size": {"full": "480MB", "incremental": "48MB"},
        "durations": {"collect": "5min", "transport": "8min", "verify": "2min"}});
    let (sources, facts) = sources(1, &objectives, SinkFacts { bandwidth: Some(Bytes(900_000)), ..sink(10) });
    // The first one, of a Monday, has no base.
    let from = "2026-10-19T12:00:00Z".parse().unwrap();
    let refused = plan_fleet(&sources, &facts, from, from + HORIZON).unwrap();
    let found = check(&refused, "bandwidth");
    assert!(found.text.starts_with("at 2026-10-19 22:05 the transports to sink1 bring 1 MB"), "{found}");
}

#[test]
fn bandwidth_is_shared() {
    let mut objectives = at_ten("27h");
    objectives["size"] = json!({"full": "480MB"});
    let limited = SinkFacts { bandwidth: Some(Bytes(2_500_000)), ..sink(10) };
    let (sources, facts) = sources(4, &objectives, limited);
    let plan = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    assert!(plan.is_feasible(), "{}", plan.sinks[0]);
    // 480 MB in eight minutes are a megabyte per second.
    assert_eq!((check(&plan, "bandwidth").figures["most"], check(&plan, "parallel").figures["most"]), (2_000_000, 2));

    let (one, mut facts) = (super::sources(1, &objectives, sink(10)).0, facts);
    facts.sinks.get_mut("sink1").unwrap().bandwidth = Some(Bytes(900_000));
    let refused = plan_fleet(&one, &facts, from(), from() + HORIZON).unwrap();
    let found = check(&refused, "bandwidth");
    let told = "at 2026-10-18 22:05 the transports to sink1 bring 1 MB per second, but 900kB per second are there";
    assert!(!refused.is_feasible() && found.text.starts_with(told), "{found}");
    assert_eq!(found.at.as_deref(), Some("2026-10-18 22:05"));
    assert_eq!(
        (found.remedies[0].setting.as_str(), found.remedies[0].value.as_str()),
        ("sinks.sink1.bandwidth", "1MB")
    );
}

#[test]
fn unknown_rates_are_said_and_not_assumed() {
    let limited = SinkFacts { bandwidth: Some(Bytes(1000)), ..sink(10) };
    let (sources, facts) = sources(2, &at_ten("27h"), limited);
    let plan = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    let found = check(&plan, "bandwidth");
    assert_eq!((found.outcome, found.at.as_ref()), (Outcome::Unknown, None));
    assert_eq!(
        found.text,
        "what the transports bring is unknown: neither `size` nor `transport.bandwidth` is known of 2 streams, as web0/shop data; 1kB per second are there"
    );
}

#[test]
fn what_is_known_of_some_is_told_without_the_others() {
    let limited = SinkFacts { bandwidth: Some(Bytes(10_000_000)), capacity: Some(Bytes(1 << 40)), ..sink(10) };
    let (mut sources, facts) = sources(2, &at_ten("27h"), limited);
    let told = |sources: &super::Sources, name: &str| {
        let plan = plan_fleet(sources, &facts, from(), from() + HORIZON).unwrap();
        let found = check(&plan, name);
        assert_eq!(found.outcome, Outcome::Unknown, "{found}");
        found.text.clone()
    };
    assert_eq!(
        told(&sources, "space"),
        "what the stores of 2 sources on sink1 take is unknown: no size is known of 2 streams, as web0/shop data; 1TiB are there"
    );
    let mut objectives = at_ten("27h");
    objectives["size"] = json!({"full": "480MB"});
    let known = super::sources(1, &objectives, sink(10)).0.remove("web0").unwrap();
    sources.insert("web0".into(), known);
    let rate = told(&sources, "bandwidth");
    assert!(rate.starts_with("the transports bring 1 MB per second at most, first at 2026-10-18 22:05; "), "{rate}");
    assert!(rate.ends_with("Left out: 1 stream, as web1/shop data: neither `size` nor `transport.bandwidth` is known"));
    let room = told(&sources, "space");
    assert!(room.ends_with("Left out: 1 stream, as web1/shop data: no size is known"), "{room}");
}

#[test]
fn a_sink_to_which_nothing_goes_is_told_of_no_time() {
    let monthly =
        json!({"days": [28], "at": ["22:00"], "durations": {"collect": "5min", "transport": "8min", "verify": "2min"}});
    let (sources, facts) = sources(1, &monthly, sink(4));
    let plan = plan_fleet(&sources, &facts, from(), from() + SignedDuration::from_hours(48)).unwrap();
    assert_eq!(check(&plan, "parallel").text.split(';').next(), Some("no transport runs"));
    assert_eq!(check(&plan, "parallel").at, None);
}

#[test]
fn a_sink_whose_zone_is_not_given_is_told() {
    let told = |sink: SinkFacts| {
        let (sources, facts) = sources(1, &at_ten("27h"), sink);
        let plan = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
        plan.sinks[0].checks.iter().filter(|check| check.check == "zone").count()
    };
    assert_eq!([told(sink(4)), told(SinkFacts::default())], [0, 1]);
}

#[test]
fn a_window_of_an_hour_leaves_less_to_choose_from() {
    // By its rhythm each has all day. The window, and clocks that change at two, leave the minutes from 01:00 to 01:25.
    let objectives = json!({"rpo": "26h", "window": ["01:00-02:00"], "durations": {"collect": "15min", "transport": "20min", "verify": "4min"}});
    let (sources, facts) = sources(4, &objectives, SinkFacts { reserve: Some(0), ..sink(1) });
    let refused = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    let found = check(&refused, "parallel");
    assert!(found.text.contains("none of the 26 minutes that it could have has room"), "{found}");
}

#[test]
fn room_is_for_all_sources_together() {
    let mut objectives = at_ten("27h");
    objectives["size"] = json!({"full": "1GiB", "incremental": "1MiB"});
    let (sources, mut facts) = sources(3, &objectives, sink(10));
    let mut with = |capacity: Bytes| {
        facts.sinks.get_mut("sink1").unwrap().capacity = Some(capacity);
        plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap()
    };
    let refused = with("5GiB".parse().unwrap());
    assert!(refused.plans.iter().all(|plan| plan.feasible), "each by itself fits");
    let found = check(&refused, "space");
    assert!(!refused.is_feasible() && found.text.contains("of 3 sources on sink1 take"), "{found}");
    assert!(with(found.remedies[0].value.parse().unwrap()).is_feasible());
    let bytes = found.figures["bytes"].unsigned_abs();
    assert_eq!([bytes, bytes - 1].map(|bytes| with(Bytes(bytes)).is_feasible()), [true, false], "to the byte");
}

#[test]
fn jobs_with_a_window_spread_over_it() {
    let objectives = json!({"rpo": "26h", "window": ["01:00-05:00"], "durations": {"collect": "5min", "transport": "1min", "verify": "1min"}});
    let (sources, facts) = sources(40, &objectives, sink(40));
    let plan = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    assert!(plan.is_feasible());
    let collects = |plan: &backup_core::schedule::Plan| plan.entries[0].cron.clone();
    let hours: BTreeSet<String> =
        plan.plans.iter().map(|plan| collects(plan).split(' ').nth(1).unwrap().to_owned()).collect();
    let times: BTreeSet<String> = plan.plans.iter().map(collects).collect();
    assert_eq!(hours, ["1", "3", "4"].map(str::to_owned).into(), "not between two and three: clocks change then");
    assert!(times.len() > 15, "{times:?}");
}

#[test]
fn who_has_a_place_keeps_it_whoever_comes() {
    let (mut sources, mut facts) = sources(12, &at_ten("27h"), sink(4));
    let last = sources.pop_last().unwrap();
    let before = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    sources.extend([last]);
    facts.hosts = before.facts.hosts.clone();
    facts.hosts.insert("web9".into(), HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() });
    let after = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    assert!(after.is_feasible());
    for plan in &before.plans {
        let now = after.plans.iter().find(|other| other.source == plan.source).unwrap();
        assert_eq!(plan.entries, now.entries);
    }
    // Less is left: only as many move as must.
    facts = after.facts.clone();
    facts.sinks.get_mut("sink1").unwrap().parallel = 3;
    let fewer = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    let moved = fewer.facts.hosts.iter().filter(|(name, host)| host.shift != after.facts.hosts[*name].shift).count();
    assert_eq!((fewer.is_feasible(), moved), (true, 4), "one of each three: {:?}", fewer.facts.hosts);
}

#[test]
fn a_place_that_a_job_cannot_have_is_not_taken() {
    // The second job leaves four minutes for the first one's transport to move.
    let (mut sources, mut facts) = sources(3, &at_ten("27h"), SinkFacts { reserve: Some(0), ..sink(1) });
    let busy = json!({"rpo": "40h", "at": ["22:20"], "gap": "1min", "durations": {"collect": "1min", "transport": "1min", "verify": "0s"}});
    for (name, jobs) in &mut sources {
        jobs.push(super::parsed(&super::document(name, "mail", "sink2", busy.clone())));
    }
    facts.sinks.insert("sink2".into(), sink(10));
    let refused = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    let found = check(&refused, "parallel");
    assert!(found.text.contains("none of the 8 minutes that it could have has room"), "{found}");
    assert!(refused.facts.hosts.values().all(|host| host.shift == Some(Span(0))), "nobody moves in vain");
}

#[test]
fn days_that_are_not_looked_at_first_count_as_well() {
    // Places are looked for in a week, which has no 28th.
    let monthly =
        json!({"days": [28], "at": ["22:00"], "durations": {"collect": "5min", "transport": "8min", "verify": "2min"}});
    let (sources, facts) = sources(3, &monthly, sink(2));
    let plan = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    assert!(plan.is_feasible(), "{}", plan.sinks[0]);
    assert_eq!(check(&plan, "parallel").figures["most"], 1);
}

/// The shifts in minutes that sources with these shifts from an earlier plan get.
fn shifts_after(before: &[u64], objectives: &serde_json::Value, sink: SinkFacts) -> Vec<u64> {
    let (sources, mut facts) = sources(before.len(), objectives, sink);
    for (host, before) in facts.hosts.values_mut().zip(before) {
        host.shift = Some(Span(before * 60));
    }
    let plan = plan_fleet(&sources, &facts, from(), from() + HORIZON).unwrap();
    plan.facts.hosts.values().map(|host| host.shift.unwrap().0 / 60).collect()
}

#[test]
fn whose_place_is_taken_moves_to_the_next_one() {
    let mut shifts = shifts_after(&[40, 40, 40], &at_ten("27h"), sink(2));
    shifts.sort_unstable();
    assert_eq!(shifts, [40, 50, 60], "ten minutes each, one at once");
}

#[test]
fn a_place_beyond_what_the_rpo_leaves_is_given_up() {
    // 25 h on a long day and the steps: 15 minutes are left.
    assert_eq!(shifts_after(&[15], &at_ten("25h30min"), sink(2)), [15]);
    assert_eq!(shifts_after(&[16], &at_ten("25h30min"), sink(2)), [0]);
}

#[test]
fn a_place_at_which_a_promise_breaks_is_not_taken() {
    // Two jobs of half an hour fill the window but for five minutes: begun later, neither leaves room for the other. A third job
    // leaves sixteen minutes to choose from.
    let objectives = json!({"rpo": "26h", "window": ["01:00-02:05"], "durations": {"collect": "28min", "transport": "2min", "verify": "0s"}});
    for (count, feasible) in [(4, true), (5, false)] {
        let (mut sources, mut facts) = sources(count, &objectives, sink(2));
        for (name, jobs) in &mut sources {
            jobs.push(super::parsed(&super::document(name, "mail", "sink1", objectives.clone())));
            jobs.push(super::parsed(&super::document(name, "wiki", "sink2", at_ten("25h30min"))));
        }
        facts.sinks.insert("sink2".into(), sink(10));
        facts.hosts.values_mut().for_each(|host| host.place = Some(TimeOfDay(60)));
        let plan = plan_fleet(&sources, &facts, from(), from() + SignedDuration::from_hours(24 * 9)).unwrap();
        assert!(plan.is_feasible() == feasible && plan.plans.iter().all(|plan| plan.feasible), "{}", plan.sinks[0]);
    }
}

#[test]
fn what_would_help_is_told_of_three_sinks() {
    // Nine sources on each of five sinks that bear two at once, as above.
    let (one, mut facts) = sources(9, &at_ten("25h30min"), sink(3));
    let mut fleet = Sources::new();
    for n in 0..5 {
        let name = format!("sink{n}");
        facts.sinks.insert(name.clone(), sink(3));
        for (source, jobs) in &one {
            let mut jobs = jobs.clone();
            jobs[0].source = format!("{source}-{n}");
            jobs[0].streams.values_mut().for_each(|of| of.sink.name.clone_from(&name));
            facts.hosts.insert(jobs[0].source.clone(), facts.hosts[source].clone());
            fleet.insert(jobs[0].source.clone(), jobs);
        }
    }
    let refused = plan_fleet(&fleet, &facts, from(), from() + HORIZON).unwrap();
    let of = |check: &Check| check.outcome == Outcome::Failed && !check.remedies.is_empty();
    let advised: Vec<bool> = refused.sinks.iter().map(|sink| sink.checks.iter().any(of)).collect();
    assert_eq!(advised, [true, true, true, false, false]);
}
