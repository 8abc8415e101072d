//! The next days of a plan, as text and as a picture.

use backup_core::{
    Job,
    schedule::{Calendar, Facts, HostFacts, plan},
};
use jiff::{SignedDuration, Timestamp};

fn job(objectives: &str) -> Job {
    let text = format!(
        "{{version: 1, job: shop, source: web1, objectives: {objectives},
        streams: {{data: {{include: [/srv/shop], transport: {{mode: push, peer: {{address: sink1}}}},
        sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    Job::parse(&text, "shop").unwrap()
}

/// The first `days` days of the job's plan.
fn calendar(objectives: &str, from: &str, days: u16) -> Calendar {
    let (jobs, from): (_, Timestamp) = ([job(objectives)], from.parse().unwrap());
    let until = from + SignedDuration::from_hours(24 * i64::from(days) + 24);
    let mut facts = Facts::default();
    facts.hosts.insert("web1".into(), HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() });
    let plan = plan(&jobs, &facts, from, until).unwrap();
    Calendar::of(&plan, &jobs, &facts, from, days).unwrap()
}

#[test]
fn any_minute_of_the_day_can_be_drawn() {
    for minute in 0..1440 {
        let at = format!("{:02}:{:02}", minute / 60, minute % 60);
        let objectives = format!("{{at: [\"{at}\"], durations: {{collect: 10min, transport: 10min, verify: 5min}}}}");
        let calendar = calendar(&objectives, "2026-11-20T12:00:00Z", 1);
        assert!(calendar.to_string().contains(&format!("  {at} collect ")), "{at}");
        assert!(calendar.svg().contains(&format!("<title>{at} collect shop")), "{at}");
    }
}
