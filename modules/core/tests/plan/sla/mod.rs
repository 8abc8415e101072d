//! The agreement of a small shop, as it was written: what is wrong with it must be found. docs/planning.md shows it.

use backup_core::{
    Job,
    schedule::{Facts, HostFacts, Outcome, Plan, advise, plan, ten_years},
};

fn agreement() -> &'static Plan {
    static PLAN: std::sync::LazyLock<Plan> = std::sync::LazyLock::new(made);
    &PLAN
}

fn made() -> Plan {
    let texts = [include_str!("mysql.yml"), include_str!("grafana.yml"), include_str!("files.yml")];
    let jobs = texts.map(|text| Job::parse(text, "sla").unwrap());
    let mut facts = Facts::default();
    facts.hosts.insert("web1".into(), HostFacts { zone: "Europe/Berlin".into(), ..HostFacts::default() });
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    let mut plan = plan(&jobs, &facts, from, ten_years(from)).unwrap();
    advise(&mut plan, &jobs, &facts, from, ten_years(from)).unwrap();
    plan
}

#[test]
fn every_flaw_of_the_agreement_is_found() {
    let plan = agreement();
    assert!(!plan.feasible);
    // (outcome, check, job, what it says)
    let findings = [
        (Outcome::Failed, "full_day", "files", "the full's day is given twice: sun 00:00 and mon 00:00"),
        (
            Outcome::Failed,
            "rpo",
            "mysql",
            "26 h 49 min old; the copy of 2026-11-21 22:00 is still in transfer; RPO is 24 h",
        ),
        (Outcome::Warning, "carrier", "mysql", "travels 2 h 20 min later"),
        (Outcome::Warning, "carrier", "grafana", "travels 22 h 20 min later"),
        (
            Outcome::Failed,
            "gap",
            "mysql",
            "files begins 1 h 50 min after the end of the collection of mysql; gap is 2 h",
        ),
        (
            Outcome::Failed,
            "gap",
            "files",
            "grafana begins 1 h 10 min after the end of the transport of files; gap is 2 h",
        ),
        (
            Outcome::Warning,
            "clock_changes",
            "grafana",
            "2027-03-28 02:00 does not exist in Europe/Berlin: cron runs it at 2027-03-28 03:00",
        ),
        (Outcome::Warning, "clock_changes", "grafana", "2029-10-28 02:00 occurs twice in Europe/Berlin"),
        (Outcome::Warning, "month_end", "grafana", "29 in leap years (2028, 2032, 2036), not the other way round"),
        (
            Outcome::Ok,
            "drill",
            "files",
            "with the full of sun alone, the drill of 2026-11-23 01:30 (2026-11-23 00:30 on sink1, UTC) comes 24 h 30 min after the full of 2026-11-22 00:00 has arrived at 2026-11-22 01:00; it is never closer. It needs that full",
        ),
        (
            Outcome::Ok,
            "drill",
            "files",
            "with the full of mon alone, the drill of 2026-11-23 01:30 (2026-11-23 00:30 on sink1, UTC) comes 30 min after the full of 2026-11-23 00:00 has arrived at 2026-11-23 01:00",
        ),
        (
            Outcome::Warning,
            "max_age",
            "grafana",
            "if one run is missed, from 2027-01-28 02:00 until 2027-03-01 00:50 the newest verified copy on sink1, of 2026-12-28 02:00, is older than 31 d",
        ),
        (Outcome::Warning, "max_age", "grafana", "leaves 0 to 2 copies no older than 31 d on sink1"),
        (Outcome::Unknown, "rto", "files", "never measured"),
    ];
    for (outcome, check, job, part) in findings {
        let told = |check: &&backup_core::schedule::Check| check.job.as_deref() == Some(job);
        let found: Vec<_> = plan.checks.iter().filter(|c| c.check == check).filter(told).collect();
        assert!(
            found.iter().any(|c| c.outcome == outcome && c.text.contains(part)),
            "{check} of {job}: {part}\n{found:#?}"
        );
    }
}

#[test]
fn the_documentation_shows_what_is_found() {
    let text = agreement().to_string();
    let golden = include_str!("expected.txt");
    assert!(text == golden, "tests/plan/sla/expected.txt is out of date; it should be:\n{text}");
    let documentation = include_str!("../../../../../docs/planning.md");
    assert!(documentation.contains(golden.trim_end()), "docs/planning.md does not show expected.txt");
}
