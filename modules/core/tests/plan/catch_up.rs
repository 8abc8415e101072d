//! A power cut ends for many hosts at once: what was missed must not begin everywhere in the same minutes.

use backup_core::{
    Job,
    schedule::{Facts, Purpose, plan},
};
use jiff::{SignedDuration, Timestamp};

/// The first minute of each hour in which a host looks for what was missed: collections, transports.
fn minutes(host: usize) -> [usize; 2] {
    let text = format!(
        "{{version: 1, job: shop, source: web{host}, objectives: {{rpo: 26h}},
        streams: {{data: {{include: [/srv/shop], transport: {{mode: push, peer: {{address: sink1}}}},
        sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    let from: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let jobs = [Job::parse(&text, "shop").unwrap()];
    let plan = plan(&jobs, &Facts::default(), from, from + SignedDuration::from_hours(240)).unwrap();
    ["backup_collect", "backup_transport"].map(|step| {
        let mut entries = plan.entries.iter().filter(|entry| entry.purpose == Purpose::CatchUp);
        let entry = entries.find(|entry| entry.command.contains(step)).unwrap();
        let first = entry.cron.split(',').next().unwrap().parse().unwrap();
        assert_eq!(entry.cron, format!("{first},{},{},{} * * * *", first + 15, first + 30, first + 45));
        first
    })
}

#[test]
fn hosts_catch_up_in_minutes_of_their_own() {
    const HOSTS: usize = 300;
    let mut hosts = [[0; 15]; 2];
    for host in 0..HOSTS {
        let [collect, transport] = minutes(host);
        assert_eq!((collect + 7) % 15, transport, "transports come between collections");
        hosts[0][collect] += 1;
        hosts[1][transport] += 1;
    }
    // Twenty on average.
    for minute in hosts.as_flattened() {
        assert!((8..=34).contains(minute), "{hosts:?}");
    }
}
