//! What is done to copies on a sink runs by the sink's clock: there it is planned, proven and shown.

use crate::make::{check, facts};
use backup_core::{
    Job,
    schedule::{Calendar, Clock, Outcome, Plan, Purpose, firings, plan, zone},
};
use jiff::{SignedDuration, Timestamp};

/// Every night at this time in Europe/Berlin, in full on Sundays; on its sink 20 minutes later.
fn job(at: &str, objectives: &str) -> Job {
    let text = format!(
        "{{version: 1, job: shop, source: web1, objectives: {{rpo: 26h, at: [\"{at}\"],
        durations: {{collect: 10min, transport: 5min, verify: 5min}}, full: {{days: [sun]}}, {objectives}}},
        streams: {{data: {{include: [/srv/shop], transport: {{mode: push, peer: {{address: sink1}}}},
        sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    Job::parse(&text, "shop").unwrap()
}

fn from() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

/// Two changes of clocks, and more.
fn until() -> Timestamp {
    from() + SignedDuration::from_hours(24 * 500)
}

fn planned(job: &Job, sink: &str) -> Plan {
    plan(std::slice::from_ref(job), &facts(sink), from(), until()).unwrap()
}

/// All that the entries for it begin, by the sink's clock.
fn begins(plan: &Plan, purpose: Purpose, sink: &str) -> Vec<i64> {
    let clock = Clock::new(&zone(sink, "sink1").unwrap(), from(), until());
    let entries = plan.entries.iter().filter(|entry| entry.purpose == purpose && entry.host == "sink1");
    entries.flat_map(|entry| firings(&entry.cron.parse().unwrap(), &clock).map(|firing| firing.at)).collect()
}

#[test]
fn a_declared_time_is_the_sinks() {
    // Sunday 23:00 in Berlin is Monday 07:00 in Tokyo: at 03:00 there that full is not even begun.
    let job = job("23:00", "verify: {days: [mon], at: [\"03:00\"]}");
    let plan = planned(&job, "Asia/Tokyo");
    let told = check(&plan, "verification");
    assert_eq!(told.outcome, Outcome::Ok, "{told}");
    assert!(begins(&plan, Purpose::Verify, "Asia/Tokyo").contains(&told.instant.unwrap()), "{told}");
    assert!(told.figures["after"] > 86_400, "the full of that Sunday is not begun: {told}");
    assert!(told.text.contains("03:00 on sink1, Asia/Tokyo)"), "{told}");
    let calendar = Calendar::of(&plan, &[job], &facts("Asia/Tokyo"), from(), 4).unwrap().to_string();
    assert!(calendar.contains("sun 2026-11-22\n  19:00 verify"), "{calendar}");
}

#[test]
fn one_that_is_too_early_there_is_refused() {
    // 07:10 in Tokyo lies between the full and its arrival while Berlin has winter time.
    let at = |time| planned(&job("23:00", &format!("verify: {{days: [mon], at: [\"{time}\"]}}")), "Asia/Tokyo");
    let plan = at("07:10");
    let told = check(&plan, "verification");
    assert_eq!(told.outcome, Outcome::Failed, "{told}");
    assert!(begins(&plan, Purpose::Verify, "Asia/Tokyo").contains(&told.instant.unwrap()), "{told}");
    assert!(at("07:20").feasible, "{}", at("07:20"));
}

#[test]
fn the_first_of_those_that_come_closest_is_told() {
    // New York is six hours behind Berlin, and five for two weeks of each spring and one of each autumn.
    let plan = planned(&job("23:00", "verify: {days: [sun], at: [\"19:00\"]}"), "America/New_York");
    let told = check(&plan, "verification");
    assert_eq!((told.outcome, told.figures["after"]), (Outcome::Ok, 40 * 60), "{told}");
    let text = "the verification of 2027-03-15 00:00 (2027-03-14 19:00 on sink1, America/New_York) comes 40 min after the full of 2027-03-14 23:00 has arrived at 2027-03-14 23:20; it is never closer. It needs that full";
    assert_eq!(told.text, text);
}

#[test]
fn a_derived_time_is_after_the_full_in_every_zone() {
    for sink in ["UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe"] {
        for time in ["00:00", "05:45", "14:40", "18:30", "23:20", "23:45"] {
            for days in ["days: [sun]", "days: [mon]", "every: 1d", "every: 31d"] {
                let plan = planned(&job(time, &format!("drill: {{{days}}}")), sink);
                let told = check(&plan, "drill");
                assert_eq!(told.outcome, Outcome::Ok, "{sink}, {time}, {days}: {told}");
                let begins = begins(&plan, Purpose::Drill, sink);
                assert!(begins.contains(&told.instant.unwrap()), "{sink}, {time}, {days}: {told}");
            }
        }
    }
}

#[test]
fn an_interval_is_held_by_the_rarest_days_that_do_and_soon_after_a_full_has_arrived() {
    // That of a Sunday arrives at 22:30; what is begun in that minute may be too early.
    for (every, days) in [("1d", "* * *"), ("6d", "* * 0,3"), ("7d", "* * 0"), ("30d", "1,15 * *"), ("31d", "1 * *")] {
        let plan = planned(&job("22:10", &format!("verify: {{every: {every}}}")), "Europe/Berlin");
        let entry = plan.entries.iter().find(|entry| entry.purpose == Purpose::Verify).unwrap();
        assert_eq!(entry.cron, format!("45 22 {days}"), "every {every}");
    }
}

#[test]
fn where_no_full_arrives_on_its_days_the_usual_time_counts() {
    // The sink's clock is six hours behind, and five in the few weeks between the changes here and there.
    let plan = planned(&job("22:10", "drill: {days: [tue]}"), "America/New_York");
    let entry = plan.entries.iter().find(|entry| entry.purpose == Purpose::Drill).unwrap();
    assert_eq!(entry.cron, "45 16 * * 2");
}

/// Jobs of one source, each with drills on Mondays that take so long.
fn drilled(drills: &[(&str, &str, &str)], sink: &str) -> Plan {
    let of = |(name, at, drill): &(&str, &str, &str)| {
        let mut job = job(at, &format!("drill: {{{drill}}}"));
        (*name).clone_into(&mut job.job);
        job
    };
    let mut jobs: Vec<Job> = drills.iter().map(of).collect();
    for job in &mut jobs {
        job.objectives.as_mut().unwrap().durations.restore = Some("30min".parse().unwrap());
    }
    plan(&jobs, &facts(sink), from(), until()).unwrap()
}

/// When drills of a job begin there.
fn drills_of(plan: &Plan, job: &str, sink: &str) -> Vec<i64> {
    let mut plan = plan.clone();
    plan.entries.retain(|entry| entry.job == format!("web1/{job}"));
    begins(&plan, Purpose::Drill, sink)
}

#[test]
fn derived_drills_at_one_sink_are_kept_apart() {
    for sink in ["UTC", "Europe/Berlin", "America/New_York"] {
        // The first two arrive within a quarter of an hour; the third one's time is declared, and in their way.
        let plan = drilled(
            &[
                ("shop", "00:00", "days: [mon]"),
                ("mail", "00:20", "days: [mon]"),
                ("wiki", "12:00", "days: [mon], at: [\"00:45\"]"),
            ],
            sink,
        );
        let mut all: Vec<i64> = ["shop", "mail", "wiki"].iter().flat_map(|job| drills_of(&plan, job, sink)).collect();
        all.sort_unstable();
        assert!(all.len() > 3 * 60 && all.windows(2).all(|pair| pair[1] - pair[0] >= 30 * 60), "{sink}: {plan}");
        assert!(plan.checks.iter().all(|check| check.outcome != Outcome::Warning || check.check != "drill"), "{plan}");
    }
}

#[test]
fn a_derived_drill_may_begin_when_a_declared_one_ends_and_end_when_it_begins() {
    // The full is there at 00:20, and a drill takes half an hour.
    for (declared, derived) in [("01:00", "30 0 * * 1"), ("00:45", "15 1 * * 1")] {
        let declared = format!("days: [mon], at: [\"{declared}\"]");
        let plan = drilled(&[("shop", "00:00", "days: [mon]"), ("wiki", "12:00", &declared)], "Europe/Berlin");
        let entry = plan.entries.iter().find(|entry| entry.job == "web1/shop" && entry.purpose == Purpose::Drill);
        assert_eq!(entry.unwrap().cron, derived, "{plan}");
    }
}

#[test]
fn declared_drills_that_meet_are_told() {
    let at = "days: [mon], at: [\"06:00\", \"09:00\"]";
    let plan = drilled(&[("shop", "00:00", at), ("mail", "01:00", "days: [mon], at: [\"09:20\"]")], "Europe/Berlin");
    let told: Vec<_> = plan
        .checks
        .iter()
        .filter(|check| (check.check.as_str(), check.outcome) == ("drill", Outcome::Warning))
        .collect();
    assert_eq!(told.len(), 1, "{plan}");
    assert_eq!(
        told[0].text,
        "the drill of mail data at 2026-11-23 09:20 and that of shop data at 2026-11-23 09:00 meet on sink1: they take 30 min and 30 min"
    );
    assert!(drills_of(&plan, "mail", "Europe/Berlin").contains(&told[0].instant.unwrap()), "{plan}");
}

#[test]
fn drills_of_which_nobody_knows_how_long_they_take_may_meet() {
    let unknown = |names: &[(&str, &str)]| {
        let of = |(name, at): &(&str, &str)| {
            let mut job = job(at, "drill: {days: [mon]}");
            (*name).clone_into(&mut job.job);
            job
        };
        let plan = plan(&names.iter().map(of).collect::<Vec<_>>(), &facts("UTC"), from(), until()).unwrap();
        let told = plan.checks.into_iter().filter(|check| check.check == "drill" && check.outcome == Outcome::Unknown);
        told.map(|check| check.text).collect::<Vec<_>>()
    };
    let told = |name| format!("how long a restore of {name} data takes is unknown: other drills on sink1 may meet it");
    assert_eq!(
        unknown(&[("shop", "00:00"), ("mail", "01:00"), ("wiki", "02:00")]),
        [told("shop"), told("mail"), told("wiki")]
    );
    assert!(unknown(&[("shop", "00:00")]).is_empty(), "nothing is there that could meet it");
}
