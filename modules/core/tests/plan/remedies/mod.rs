//! Remedies of refused plans: each, put into the document, makes its check hold and harms no other; the step before it,
//! towards what is declared, does not.

mod told;

use backup_core::{
    Job,
    job::objectives::{TimeOfDay, Window},
    schedule::{Check, Facts, HostFacts, Measured, Outcome, Plan, Remedy, SinkFacts, advise, plan},
    units::{Bytes, Span},
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Documents of one source, as values that can be changed by the keys of remedies.
#[derive(Debug, Clone)]
struct World {
    documents: Vec<Value>,
    facts: Facts,
    from: Timestamp,
    until: Timestamp,
}

impl World {
    fn new(documents: Vec<Value>) -> Self {
        let host = HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() };
        let facts = Facts { hosts: [("web1".to_owned(), host)].into(), ..Facts::default() };
        let from = "2026-11-20T12:00:00Z".parse().unwrap();
        // Both changes of the clocks, twice.
        Self { documents, facts, from, until: from + SignedDuration::from_hours(24 * 730) }
    }

    fn jobs(&self) -> Option<Vec<Job>> {
        self.documents.iter().map(|document| Job::parse(&document.to_string(), "remedies").ok()).collect()
    }

    fn plan(&self) -> Option<Plan> {
        plan(&self.jobs()?, &self.facts, self.from, self.until).ok()
    }

    /// The plan with its remedies.
    fn advised(&self) -> Plan {
        let mut plan = self.plan().unwrap();
        advise(&mut plan, &self.jobs().unwrap(), &self.facts, self.from, self.until).unwrap();
        plan
    }

    /// Another value of a setting.
    fn with(&self, remedy: &Remedy, value: &str) -> Self {
        let mut world = self.clone();
        let Some(job) = &remedy.job else {
            let sink = remedy.setting.strip_prefix("sinks.").unwrap().strip_suffix(".capacity").unwrap();
            world.facts.sinks.get_mut(sink).unwrap().capacity = Some(value.parse().unwrap());
            return world;
        };
        let document = world.documents.iter_mut().find(|document| document["job"] == **job).unwrap();
        let (path, key) = remedy.setting.rsplit_once('.').unwrap();
        let mut at = document;
        for part in path.split('.') {
            at = &mut at[part];
        }
        at[key] = match value {
            none if none.starts_with("none") => Value::Null,
            list if list.starts_with('[') => written(list),
            text => json!(text),
        };
        world
    }

    /// Whether this check holds here, and nothing else fails that did not fail before.
    fn holds(&self, check: &Check, before: &Plan) -> bool {
        let is = |a: &Check, b: &Check| (&a.check, &a.job, a.stream) == (&b.check, &b.job, b.stream);
        self.plan().is_some_and(|after| {
            failed(&after).all(|after| {
                !is(after, check) && failed(before).any(|before| is(before, after) && !worse(before, after))
            })
        })
    }
}

fn worse(before: &Check, after: &Check) -> bool {
    let both = |name: &str| before.figures.get(name).zip(after.figures.get(name));
    ["effective", "waiting", "bytes"].into_iter().filter_map(both).any(|(before, after)| after > before)
        || ["least", "window"].into_iter().filter_map(both).any(|(before, after)| after < before)
        || before.figures.contains_key("effective") && !after.figures.contains_key("effective")
}

/// A list as remedies tell it: its items may go without quotes.
fn written(list: &str) -> Value {
    let items = list.trim_matches(['[', ']']).split(", ").filter(|item| !item.is_empty());
    items.map(|item| item.parse::<u8>().map_or_else(|_| json!(item.trim_matches('"')), |day| json!(day))).collect()
}

fn failed(plan: &Plan) -> impl Iterator<Item = &Check> {
    plan.checks.iter().filter(|check| check.outcome == Outcome::Failed)
}

/// The value one step nearer to what is declared, in the unit in which the setting is told; `None` if it is no step on a ladder,
/// or the declared value itself.
fn step_before(declared: Option<&Value>, remedy: &Remedy) -> Option<String> {
    let (declared, value) = (declared?, remedy.value.as_str());
    if let Some(times) = list_of::<TimeOfDay>(value) {
        let from = list_of::<TimeOfDay>(&listed(declared)).filter(|from| from.len() == times.len())?;
        // The shorter way round the clock.
        let later = (times[0].0 + 1440 - from[0].0) % 1440;
        let back = if later <= 720 { 1439 } else { 1 };
        (later % 1439 != 1).then_some(())?;
        let back: Vec<_> = times.iter().map(|time| TimeOfDay((time.0 + back) % 1440).to_string()).collect();
        return Some(json!(back).to_string());
    }
    if let Some(windows) = list_of::<Window>(value) {
        let from = list_of::<Window>(&listed(declared)).filter(|from| from.len() == windows.len())?;
        // A blackout shrinks, a window grows.
        let (end_by, begin_by) = if remedy.setting.ends_with("blackout") { (1, 1439) } else { (1439, 1) };
        let back = |(from, to): (&Window, &Window)| {
            let (begin, end) = ((from.from + 1440 - to.from) % 1440, (to.until + 1440 - from.until) % 1440);
            // As wide as a day: what is left out may be the other end, too.
            match (begin, end) {
                (0, 2..) => Some(Window { until: (to.until + end_by - 1) % 1440 + 1, ..*to }),
                (2.., 0) => Some(Window { from: (to.from + begin_by) % 1440, ..*to }),
                _ => None,
            }
        };
        let back: Option<Vec<_>> =
            from.iter().zip(&windows).map(|pair| (pair.0.days == pair.1.days).then(|| back(pair))?).collect();
        return Some(json!(back?.iter().map(ToString::to_string).collect::<Vec<_>>()).to_string());
    }
    let plain = declared.as_str().map_or_else(|| declared.to_string(), ToOwned::to_owned);
    let (from, to, unit, told): (u64, u64, u64, fn(u64) -> String) =
        if let (Ok(from), Ok(to)) = (plain.parse(), value.parse()) {
            (from, to, 1, |count| count.to_string())
        } else if let (Ok(from), Ok(to)) = (plain.parse::<Span>(), value.parse::<Span>()) {
            let unit = match remedy.setting.as_str() {
                setting if setting.ends_with("full.every") => 86_400,
                setting if setting.starts_with("streams.") || setting.ends_with(".history") => 3600,
                _ => 60,
            };
            (from.0, to.0, unit, |seconds| Span(seconds).to_string())
        } else {
            return None;
        };
    let before = if to > from { to - unit } else { to + unit };
    (before != from).then(|| told(before))
}

fn listed(value: &Value) -> String {
    let items = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A list all of whose items are of this kind.
fn list_of<T: std::str::FromStr>(value: &str) -> Option<Vec<T>> {
    let list = value.strip_prefix('[')?.strip_suffix(']')?;
    list.split(", ").map(|item| item.trim_matches('"').parse().ok()).collect()
}

/// What is declared for the setting of a remedy.
fn declared<'w>(world: &'w World, remedy: &Remedy) -> Option<&'w Value> {
    let document = world.documents.iter().find(|document| remedy.job.as_deref() == document["job"].as_str())?;
    document.pointer(&format!("/{}", remedy.setting.replace('.', "/")))
}

/// Every remedy of every failed check. The number that were tried a step before, too.
fn assert_nearest(world: &World, before: &Plan) -> usize {
    let mut steps = 0;
    for check in failed(before) {
        for remedy in &check.remedies {
            assert!(world.with(remedy, &remedy.value).holds(check, before), "{remedy} does not help:\n{before}");
            if let Some(value) = step_before(declared(world, remedy), remedy) {
                assert!(!world.with(remedy, &value).holds(check, before), "{value} is nearer than {remedy}:\n{before}");
                steps += 1;
            }
        }
    }
    steps
}

/// A job with its steps of 10, 10 and 5 minutes.
#[expect(clippy::needless_pass_by_value, reason = "callers write json!(..)")]
fn job(name: &str, objectives: Value) -> Value {
    let mut all = json!({"durations": {"collect": "10min", "transport": "10min", "verify": "5min"}});
    for (key, value) in objectives.as_object().unwrap() {
        all[key] = value.clone();
    }
    json!({"version": 1, "job": name, "source": "web1", "objectives": all, "streams": {"data": {
        "include": [format!("/srv/{name}")],
        "transport": {"mode": "push", "peer": {"address": "sink1"}},
        "sink": {"name": "sink1", "retention": {"generations": 7}},
    }}})
}

fn remedy<'p>(plan: &'p Plan, check: &str, setting: &str) -> &'p str {
    let checks = plan.checks.iter().filter(|other| other.check == check);
    let found = checks.flat_map(|check| &check.remedies).find(|remedy| remedy.setting == setting);
    &found.unwrap_or_else(|| panic!("no {setting} for {check}:\n{plan}")).value
}

/// The RPO that is told is this, or nearer; it holds, and a minute less does not.
fn assert_rpo(objectives: Value, rpo: &str) {
    let world = World::new(vec![job("shop", objectives)]);
    let plan = world.advised();
    let told: Span = remedy(&plan, "rpo", "objectives.rpo").parse().unwrap();
    assert!(told <= rpo.parse().unwrap(), "{told} instead of {rpo}\n{plan}");
    assert!(assert_nearest(&world, &plan) > 0);
}

#[test]
fn the_nearest_rpo_is_told_at_declared_times() {
    assert_rpo(json!({"rpo": "12h", "at": ["22:00"]}), "1d1h25min");
}

#[test]
fn seldom_and_explicit_times_have_remedies_of_their_own() {
    let mut shop = job("shop", json!({"rpo": "80d"}));
    shop["schedule"] = json!({"collect": ["0 3 1 1,4,7,10 *"]});
    let world = World::new(vec![shop]);
    let plan = world.advised();
    assert_eq!(remedy(&plan, "rpo", "schedule.collect"), "[\"0 3 1 * *\"]");
    assert!(remedy(&plan, "rpo", "objectives.rpo").parse::<Span>().unwrap() <= "93d".parse().unwrap());
    assert!(assert_nearest(&world, &plan) > 0);
}

#[test]
fn either_job_of_a_clash_can_be_moved() {
    let world = World::new(vec![
        job("shop", json!({"rpo": "2d", "at": ["22:00"]})),
        job("mail", json!({"rpo": "2d", "at": ["22:05"]})),
    ]);
    let plan = world.advised();
    let clash = failed(&plan).find(|check| check.check == "overlap").unwrap();
    let moved: Vec<_> = clash.remedies.iter().filter(|remedy| remedy.setting == "objectives.at").collect();
    let told = |name: &str| moved.iter().find(|remedy| remedy.job.as_deref() == Some(name)).unwrap().value.as_str();
    // What verifies on the sink leaves the source free.
    assert_eq!((told("mail"), told("shop")), ("[\"22:20\"]", "[\"21:45\"]"), "{plan}");
    assert!(assert_nearest(&world, &plan) >= 2);
}

#[test]
fn windows_grow_and_blackouts_shrink_as_far_as_an_rpo_asks() {
    for (key, closed, value) in [("window", "20:00-14:00", "20:00-16:10"), ("blackout", "14:00-20:00", "14:00-17:50")] {
        let world = World::new(vec![job("shop", json!({"rpo": "5h", key: [closed]}))]);
        let plan = world.advised();
        assert_eq!(remedy(&plan, "rpo", &format!("objectives.{key}")), format!("[\"{value}\"]"), "{plan}");
        assert!(assert_nearest(&world, &plan) >= 2);
    }
}

#[test]
fn what_is_kept_is_kept_longer() {
    let mut shop = job("shop", json!({"rpo": "26h", "history": "50d"}));
    shop["streams"]["data"]["sink"]["protect"] = json!("1d");
    let world = World::new(vec![shop]);
    let plan = world.advised();
    assert!(
        remedy(&plan, "history", "streams.data.sink.retention.generations").parse::<u32>().unwrap() >= 50,
        "{plan}"
    );
    for setting in ["streams.data.sink.retention.within", "streams.data.sink.protect", "objectives.history"] {
        assert!(remedy(&plan, "history", setting).parse::<Span>().is_ok());
    }
    assert!(assert_nearest(&world, &plan) >= 4);
}

#[test]
fn what_there_is_no_room_for_is_kept_shorter() {
    let mut shop = job("shop", json!({"rpo": "26h", "size": {"full": "9876MB"}}));
    shop["streams"]["data"]["sink"]["protect"] = json!("1d");
    let mut world = World::new(vec![shop]);
    let sink = SinkFacts { capacity: Some(Bytes(50_050_000_000)), ..SinkFacts::default() };
    world.facts.sinks.insert("sink1".into(), sink);
    let plan = world.advised();
    let bytes = |setting| remedy(&plan, "space", setting).parse::<Bytes>().unwrap().0;
    // Ten copies of 9.876 GB, or of 5.005 GB, in steps of a hundredth or less.
    let told = (bytes("sinks.sink1.capacity"), bytes("objectives.size.full"));
    assert_eq!(told, (98_800_000_000, 5_000_000_000), "{plan}");
    assert!(remedy(&plan, "space", "streams.data.sink.retention.generations").parse::<u32>().unwrap() < 7);
    assert!(assert_nearest(&world, &plan) >= 1);
}

#[test]
fn a_quota_that_is_too_small_is_raised() {
    let mut shop = job("shop", json!({"rpo": "26h", "size": {"full": "9876MB"}}));
    shop["streams"]["data"]["sink"]["protect"] = json!("1d");
    shop["streams"]["data"]["sink"]["quota"] = json!("50GB");
    let world = World::new(vec![shop]);
    let plan = world.advised();
    let quota: Bytes = remedy(&plan, "space", "streams.data.sink.quota").parse().unwrap();
    assert_eq!(quota.0, 98_800_000_000, "{plan}");
    assert!(assert_nearest(&world, &plan) >= 1);
}

#[test]
fn a_measured_duration_is_not_declared_away() {
    let mut world = World::new(vec![job("shop", json!({"rpo": "25h", "at": ["22:00"]}))]);
    let measured = Measured { transport: Some(Span(1200)), ..Measured::default() };
    world.facts.hosts.get_mut("web1").unwrap().jobs.insert("shop".into(), measured);
    let plan = world.advised();
    let settings: Vec<_> =
        failed(&plan).flat_map(|check| &check.remedies).map(|remedy| remedy.setting.as_str()).collect();
    assert!(!settings.contains(&"objectives.durations.transport"), "{settings:?}");
    assert_nearest(&world, &plan);
}

fn objectives() -> impl Strategy<Value = Value> {
    let rpo = proptest::sample::select(vec!["90min", "5h", "13h", "24h", "26h", "3d", "8d"]);
    let time = (0..24u32, 0..60u32).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    let at = proptest::option::weighted(0.6, time);
    let gap = prop_oneof![2 => Just(0u32), 1 => 20..120u32];
    (rpo, at, gap, 0..2u32, 5..50u32).prop_map(|(rpo, at, gap, tolerate, collect)| {
        let mut all = json!({"rpo": rpo, "gap": format!("{gap}min"), "tolerate": tolerate, "durations": {
            "collect": format!("{collect}min"), "transport": "10min", "verify": "5min"}});
        if let Some(at) = at {
            all["at"] = json!([at]);
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn each_remedy_helps_and_the_step_before_it_does_not(all in proptest::collection::vec(objectives(), 1..3)) {
        let documents = all.into_iter().enumerate().map(|(n, objectives)| job(&format!("job{n}"), objectives)).collect();
        let world = World::new(documents);
        prop_assume!(world.plan().is_some_and(|plan| !plan.feasible));
        assert_nearest(&world, &world.advised());
    }
}
