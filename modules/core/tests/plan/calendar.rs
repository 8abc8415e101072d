//! The next days of a plan, as text and as a picture.

use crate::make::{FROM, berlin, facts, planned, quick};
use backup_core::{
    Job,
    job::Mode,
    schedule::{Calendar, CalendarDay, Facts, SinkFacts, plan},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// The first days of the job's plan.
fn calendar(job: Job, facts: &Facts, from: &str, days: u16) -> Calendar {
    let plan = planned(&job, facts, from, i64::from(days) + 1);
    Calendar::of(&plan, &[job], facts, from.parse().unwrap(), days).unwrap()
}

#[test]
fn any_minute_of_the_day_can_be_drawn() {
    for minute in 0..1440 {
        let at = format!("{:02}:{:02}", minute / 60, minute % 60);
        let calendar = calendar(quick(&format!("at: [\"{at}\"]")), &berlin(), FROM, 1);
        assert!(calendar.to_string().contains(&format!("  {at} collect ")), "{at}");
        let svg = calendar.svg();
        assert!(svg.contains(&format!("<title>{at} collect ")), "{at}");
        assert_nothing_is_hidden(&svg);
    }
}

#[test]
fn a_weekend_of_two_jobs_looks_like_this() {
    let nightly = quick(
        "rpo: 26h, at: [\"22:00\"], full: {days: [sun]}, verify: {days: [mon], at: [\"12:00\"]}, \
         drill: {days: [sat], at: [\"15:00\"]}, snapshots: {every: 12h}",
    );
    let often = Job { job: "mail".into(), ..quick("rpo: 5h, blackout: [\"08:00-10:00\"]") };
    let (jobs, from) = ([nightly, often], FROM.parse::<Timestamp>().unwrap());
    let plan = plan(&jobs, &berlin(), from, from + SignedDuration::from_hours(24 * 10)).unwrap();
    let svg = Calendar::of(&plan, &jobs, &berlin(), from, 4).unwrap().svg();
    assert_is("weekend.svg", include_str!("weekend.svg"), &svg);
}

#[test]
fn days_of_a_plan_that_is_refused_look_like_this() {
    // One passes midnight, the other has times five and fifteen minutes apart; then there is a day without anything.
    let late = quick("rpo: 20h, at: [\"23:58\"], days: [fri, sun]");
    let mut mail = Job { job: "mail".into(), ..quick("at: [\"20:00\"], days: [fri]") };
    mail.schedule.transport = vec!["15 20 * * 5".into()];
    mail.schedule.rotate = vec!["45 20 * * 5".into()];
    let (jobs, from) = ([late, mail], FROM.parse::<Timestamp>().unwrap());
    let plan = plan(&jobs, &berlin(), from, from + SignedDuration::from_hours(24 * 10)).unwrap();
    let svg = Calendar::of(&plan, &jobs, &berlin(), from, 5).unwrap().svg();
    assert_is("refused.svg", include_str!("refused.svg"), &svg);
}

/// The picture is the one that is kept.
fn assert_is(name: &str, kept: &str, svg: &str) {
    assert_nothing_is_hidden(svg);
    assert!(svg == kept, "tests/plan/{name} is another picture; it should be:\n{svg}");
}

#[test]
fn fulls_are_told_from_incrementals() {
    let weekly = calendar(quick("at: [\"22:00\"], full: {days: [sun]}"), &berlin(), FROM, 3).to_string();
    for part in [
        "sat 2026-11-21\n  22:00 incremental shop on web1, 10 min\n",
        "sun 2026-11-22\n  22:00 full        shop on web1, 10 min\n",
    ] {
        assert!(weekly.contains(part), "{part}: {weekly}");
    }
}

#[test]
fn times_that_occur_twice_have_their_offset() {
    let hourly = calendar(quick("rpo: 1h25min"), &berlin(), "2027-10-30T22:00:00Z", 1).to_string();
    let at_two: Vec<_> = hourly.lines().filter(|line| line.starts_with("  02:") && line.contains("collect")).collect();
    assert_eq!(at_two.len(), 2, "{hourly}");
    assert!(at_two[0].contains(" (UTC+2) collect") && at_two[1].contains(" (UTC+1) collect"), "{hourly}");
    assert!(hourly.lines().filter(|line| !line.starts_with("  02:")).all(|line| !line.contains("UTC+")), "{hourly}");
}

#[test]
fn transports_that_find_nothing_are_left_out() {
    // The sink has another date than the source at times: its entry is for every day.
    let mut monthly = quick("days: [28], at: [\"22:00\"]");
    monthly.streams.values_mut().for_each(|of| of.transport.mode = Mode::Pull);
    let sink = SinkFacts { zone: "America/New_York".into(), ..SinkFacts::default() };
    let facts = Facts { sinks: [("sink1".to_owned(), sink)].into(), ..berlin() };
    let text = calendar(monthly, &facts, FROM, 30).to_string();
    assert_eq!(text.matches(" transport ").count(), 1, "{text}");
    assert!(text.contains("  22:10 transport   web1/shop data on sink1, 15 min"), "{text}");
}

#[test]
fn a_copy_that_waits_is_carried_on_the_first_day() {
    let text = calendar(quick("at: [\"23:50\"]"), &berlin(), "2026-11-20T22:55:00Z", 1).to_string();
    assert!(text.contains("sat 2026-11-21\n  00:00 transport   shop data on web1, 15 min\n"), "{text}");
    // However long it has waited by then.
    let mut monthly = quick("rpo: 400d");
    monthly.schedule.collect = vec!["0 2 26 * *".into()];
    monthly.schedule.transport = vec!["0 2 25 * *".into()];
    let text = calendar(monthly, &berlin(), FROM, 7).to_string();
    assert!(text.contains("wed 2026-11-25\n  02:00 transport   shop data on web1, 15 min\n"), "{text}");
}

#[test]
fn the_picture_names_what_it_shows() {
    let mut both = quick("at: [\"22:00\"], full: {days: [sun]}");
    let mut logs = both.streams.values().next().unwrap().clone();
    logs.transport.mode = Mode::Pull;
    both.streams.insert(backup_core::StreamName::Logs, logs);
    let svg = calendar(both, &berlin(), FROM, 3).svg();
    for part in [
        ">Backups of web1, 2026-11-20 to 2026-11-23, local time of Europe/Berlin</text>",
        ">shop</text>",
        ">full</text>",
        ">incremental</text>",
        ">transport</text>",
        ">sun 2026-11-22</text>",
        ">22:00</text>",
        "<title>22:10 transport   shop data on web1, 15 min</title>",
    ] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    assert!(!svg.contains("is broken"), "{svg}");
    assert_nothing_is_hidden(&svg);
}

#[test]
fn what_passes_midnight_goes_on_on_the_next_day() {
    let svg = calendar(quick("at: [\"23:55\"]"), &berlin(), FROM, 2).svg();
    let collections = svg.matches("<title>23:55 collect ").count();
    // Two evenings: of the second one the rest is on the third day, which ends at noon.
    assert_eq!((collections, svg.matches("<title>00:05 transport ").count()), (4, 2), "{svg}");
}

#[test]
fn a_promise_that_breaks_is_marked() {
    let refused = calendar(quick("rpo: 20h, at: [\"22:00\"]"), &berlin(), FROM, 3);
    let minutes = |day: &CalendarDay| day.breaches.iter().map(|(minute, _)| *minute).collect();
    let breaches: Vec<Vec<u16>> = refused.days.iter().map(minutes).collect();
    assert_eq!(breaches, [vec![], vec![22 * 60 + 24], vec![], vec![]]);
    let svg = refused.svg();
    for part in [
        ">Not feasible: at 2026-11-21 22:24 the newest verified copy",
        ">a promise is broken</text>",
        "<title>at 2026-11-21 22:24 the newest",
    ] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
}

#[test]
fn each_job_has_its_own_events_with_what_they_carry_and_how_long_they_take() {
    let mut mail = quick(
        "at: [\"02:00\"], rpo: 3d, verify: {days: [sat], at: [\"04:00\"]}, drill: {days: [sat], at: [\"05:00\"]}",
    );
    mail.job = "mail".into();
    mail.objectives.as_mut().unwrap().durations.restore = Some("40min".parse().unwrap());
    let mut shop = quick("at: [\"10:00\", \"11:00\"], rpo: 3d");
    shop.schedule.transport = vec!["0 12 * * *".into()];
    shop.schedule.rotate = vec!["0 13 * * *".into()];
    let jobs = [mail, shop];
    let (facts, from): (_, Timestamp) = (facts("Europe/Berlin"), "2026-11-20T23:00:00Z".parse().unwrap());
    let plan = plan(&jobs, &facts, from, from + SignedDuration::from_hours(240)).unwrap();
    // From midnight to midnight is one day.
    let text = Calendar::of(&plan, &jobs, &facts, from, 1).unwrap().to_string();
    let expected = "\
web1, local time of Europe/Berlin
sat 2026-11-21
  02:00 collect     mail on web1, 10 min
  02:10 transport   mail data on web1, 15 min
  04:00 verify      web1/mail data on sink1, 5 min
  05:00 drill       web1/mail data on sink1, 40 min
  10:00 collect     shop on web1, 10 min
  11:00 collect     shop on web1, 10 min
  12:00 transport   shop data on web1, 2 generations, 30 min
  13:00 rotate      web1/shop data on sink1
";
    assert_eq!(text, expected);
}

/// No bar lies on another.
fn assert_nothing_is_hidden(svg: &str) {
    let number = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{name}: {line}"));
        rest.split_once('"').unwrap().0.parse::<i64>().unwrap()
    };
    let mut rows: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    for bar in svg.lines().filter(|line| line.starts_with("<rect x=")) {
        rows.entry(number(bar, "y")).or_default().push((number(bar, "x"), number(bar, "width")));
    }
    assert!(rows.len() > 1, "{svg}");
    for bars in rows.values_mut() {
        bars.sort_unstable();
        assert!(bars.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{bars:?}: {svg}");
        assert!(bars.iter().all(|&(_, width)| width > 2), "{bars:?}: {svg}");
    }
}
