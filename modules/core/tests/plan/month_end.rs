//! Days that not every month has: an entry that some month would leave out is refused, one that loses a day tells.

use backup_core::{
    Job,
    document::DocumentError,
    schedule::{Facts, Outcome, plan, ten_years},
};

fn scheduled(schedule: &str) -> Result<Job, DocumentError> {
    let text = format!(
        "{{version: 1, job: shop, source: web1, schedule: {{{schedule}}},
        streams: {{data: {{include: [/srv/shop], transport: {{mode: push, peer: {{address: sink1}}}},
        sink: {{name: sink1, retention: {{generations: 7}}}}}}}}}}"
    );
    Job::parse(&text, "shop")
}

#[test]
fn an_entry_that_some_month_leaves_out_is_refused() {
    // (schedule, key, parts of the message)
    let cases = [
        ("collect: 0 2 31 * *", "schedule.collect[0]", ["\"0 2 31 * *\"", "feb, apr, jun, sep, nov"]),
        ("collect: 0 2 30 * *", "schedule.collect[0]", ["\"0 2 30 * *\"", "in feb"]),
        ("collect: 0 2 29-31 * *", "schedule.collect[0]", ["\"0 2 29-31 * *\"", "in feb"]),
        ("collect: 0 2 29 2 *", "schedule.collect[0]", ["\"0 2 29 2 *\"", "in feb"]),
        ("collect: 0 2 31 11-12 *", "schedule.collect[0]", ["\"0 2 31 11-12 *\"", "in nov"]),
        ("collect: 0 2 * * *, transport: [0 3 * * *, 0 3 31 * *]", "schedule.transport[1]", ["\"0 3 31 * *\"", "feb"]),
        ("collect: 0 2 * * *, rotate: 0 3 31 * *", "schedule.rotate[0]", ["\"0 3 31 * *\"", "feb"]),
    ];
    for (schedule, key, parts) in cases {
        let error = scheduled(schedule).expect_err(schedule);
        assert!(error.message.starts_with(key), "{schedule}: {error}");
        for part in parts {
            assert!(error.message.contains(part), "{part}: {error}");
        }
        assert!(error.remedy.contains("day up to 28"), "{schedule}: {}", error.remedy);
    }
}

#[test]
fn one_that_only_loses_a_day_tells() {
    let told = |schedule: &str| {
        let from = "2026-11-20T12:00:00Z".parse().unwrap();
        let plan = plan(&[scheduled(schedule).unwrap()], &Facts::default(), from, ten_years(from)).unwrap();
        let check = plan.checks.into_iter().find(|check| check.check == "month_end");
        check.map(|check| (check.outcome, check.text))
    };
    for schedule in ["collect: \"0 2 1,31 * *\"", "collect: 0 2 */2 * *"] {
        let (outcome, text) = told(schedule).unwrap();
        assert_eq!(outcome, Outcome::Warning, "{text}");
        assert!(text.contains("no day 31 in feb, apr, jun, sep, nov"), "{text}");
    }
    assert_eq!(told("collect: 0 2 31 12 *"), None, "each December has it");
    assert_eq!(told("collect: 0 2 * * *"), None);
    assert!(told("collect: 0 2 28 * *").unwrap().1.contains("day 28 is the last that every month has"));
}

#[test]
fn the_years_of_the_horizon_are_told_as_they_are() {
    let [from, until] = ["2028-12-31T23:59:59Z", "2033-01-01T00:00:00Z"].map(|text| text.parse().unwrap());
    let plan = plan(&[scheduled("collect: 0 2 28 * *").unwrap()], &Facts::default(), from, until).unwrap();
    let told = &plan.checks.iter().find(|check| check.check == "month_end").unwrap().text;
    let years = "28 days in common years (2029, 2030, 2031) and 29 in leap years (2028, 2032), not the other way round";
    assert!(told.ends_with(years), "{told}");
}
