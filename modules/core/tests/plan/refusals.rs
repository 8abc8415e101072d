//! What no plan is made for: each with the key, the value, and the remedy.

use backup_core::{
    Failure, Job, Kind,
    schedule::{Facts, HostFacts, Measured, PlanError, advise, plan, plan_fleet, ten_years},
    units::Span,
};

fn job(name: &str, objectives: &str) -> Job {
    let text = format!(
        "version: 1
job: {name}
source: web1
objectives: {objectives}
streams:
  data:
    include: [/srv/{name}]
    transport: {{mode: push, peer: {{address: sink1}}}}
    sink: {{name: sink1, retention: {{generations: 7}}}}
"
    );
    Job::parse(&text, name).unwrap()
}

fn berlin(collect: &str) -> Facts {
    let measured = Measured { collect: Some(collect.parse().unwrap()), ..Measured::default() };
    let host = HostFacts {
        zone: "Europe/Berlin".into(),
        jobs: [("shop".to_owned(), measured)].into(),
        ..HostFacts::default()
    };
    Facts { hosts: [("web1".to_owned(), host)].into(), ..Facts::default() }
}

fn refused(jobs: &[Job], facts: &Facts) -> PlanError {
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    plan(jobs, facts, from, ten_years(from)).expect_err("must be refused")
}

#[test]
fn contradictions_across_jobs_and_facts() {
    let shop = |objectives| job("shop", objectives);
    let mut elsewhere = shop("{rpo: 26h}");
    elsewhere.source = "web2".into();
    let mut lost = berlin("1min");
    lost.hosts.get_mut("web1").unwrap().zone = "Europe/Berln".into();
    // (jobs, facts, parts of the message, part of the remedy)
    let cases: [(Vec<Job>, Facts, &[&str], &str); 7] = [
        (Vec::new(), Facts::default(), &["no job"], "at least one"),
        (vec![shop("{rpo: 26h}"), shop("{rpo: 2d}")], Facts::default(), &["web1", "\"shop\""], "name of its own"),
        (vec![shop("{rpo: 26h}"), elsewhere], Facts::default(), &["\"shop\"", "\"web2\""], "by itself"),
        (vec![shop("{rpo: 26h}")], lost, &["\"Europe/Berln\"", "web1"], "Europe/Berlin"),
        (
            vec![shop("{rpo: 26h, with: files}")],
            Facts::default(),
            &["\"files\"", "no job of this source"],
            "remove `with`",
        ),
        (
            vec![shop("{rpo: 26h, with: files}"), job("files", "{rpo: 26h, with: more}"), job("more", "{rpo: 26h}")],
            Facts::default(),
            &["\"files\"", "itself carried"],
            "transport of its own",
        ),
        (
            vec![shop("{rpo: 26h, with: shop2}"), job("shop2", "{rpo: 26h, with: shop}")],
            Facts::default(),
            &["itself carried"],
            "transport of its own",
        ),
    ];
    for (jobs, facts, parts, remedy) in cases {
        let error = refused(&jobs, &facts);
        for part in parts {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        assert!(error.hint().unwrap().contains(remedy), "{error}: {:?}", error.hint());
        // What no document can mend is the call's fault.
        let of_the_call = matches!(error, PlanError::NoJobs | PlanError::UnknownZone { .. });
        assert_eq!(error.kind(), if of_the_call { Kind::InvalidOption } else { Kind::InvalidJob }, "{error}");
    }
}

#[test]
fn a_job_that_outgrows_its_window_is_told_before_it_collides() {
    let jobs = [job("shop", "{rpo: 2d, at: [\"01:00\"], window: [\"00:00-04:00\"]}")];
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    let outcome = |collect| plan(&jobs, &berlin(collect), from, ten_years(from)).unwrap();
    assert!(outcome("2h").feasible, "{}", outcome("2h"));
    let grown = outcome("3h30min");
    assert!(!grown.feasible);
    let story = grown.counter_example.as_ref().unwrap();
    assert!(
        story.contains("of shop that begins at 2026-11-21 01:00 and takes 3 h 30 min, as measured, is outside the window at 2026-11-21 04:00"),
        "{story}"
    );
}

#[test]
fn how_long_a_collection_takes_is_told_with_how_that_is_known() {
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    for (durations, measured, known) in [
        (", durations: {collect: 3h30min}", "2h", "3 h 30 min, as declared,"),
        (", durations: {collect: 3h30min}", "3h30min", "3 h 30 min, as declared,"),
        (", durations: {collect: 3h}", "3h30min", "3 h 30 min, as measured,"),
        (", blackout: [\"01:05-02:00\"]", "10min", "10 min, as assumed,"),
    ] {
        let objectives = format!("{{rpo: 2d, at: [\"01:00\"], window: [\"00:00-04:00\"]{durations}}}");
        let refused = plan(&[job("shop", &objectives)], &berlin(measured), from, ten_years(from)).unwrap();
        let story = refused.counter_example.unwrap();
        assert!(story.contains(&format!("takes {known}")), "{story}");
    }
}

/// What has begun already is not told as the first that is too short.
#[test]
fn the_first_opening_that_is_too_short_is_to_come() {
    let job = job("shop", "{rpo: 27h, window: [\"13:00-14:00\"]}");
    let told = |from: &str| {
        let from = from.parse().unwrap();
        plan(std::slice::from_ref(&job), &berlin("75min"), from, ten_years(from)).unwrap().counter_example.unwrap()
    };
    assert!(told("2026-11-20T12:00:00Z").contains("what begins at 2026-11-20 13:00 has not"));
    assert!(told("2026-11-20T12:00:01Z").contains("what begins at 2026-11-21 13:00 has not"));
}

/// It is refused with the first night, and with the window that is long enough in each; other sources get their plans.
#[test]
fn a_collection_that_fits_no_window_refuses_its_own_source_only() {
    let text = |source: &str, window: &str| {
        let shop =
            job("shop", &format!("{{rpo: 27h, window: {window}, durations: {{collect: 30min, transport: 1min}}}}"));
        Job { source: source.into(), ..shop }
    };
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    let night = r#"["01:00-02:00"]"#;
    let fleet = |window: &str| {
        let sources = ["web1", "web2"].map(|source| (source.to_owned(), vec![text(source, window)]));
        plan_fleet(&sources.into(), &berlin("75min"), from, ten_years(from)).unwrap()
    };
    let mut refused = fleet(night);
    let story = "a collection of shop takes 1 h 15 min, as measured, and the window leaves 1 h at most: what begins at 2026-11-21 01:00 has not ended at 2026-11-21 02:00, when the window does";
    assert_eq!(refused.plans[0].counter_example.as_deref(), Some(story), "{}", refused.plans[0]);
    assert!(refused.plans[1].feasible, "{}", refused.plans[1]);
    advise(&mut refused.plans[0], &[text("web1", night)], &refused.facts, from, ten_years(from)).unwrap();
    let check = refused.plans[0].checks.iter().find(|check| check.check == "window").unwrap();
    let window = check.remedies.iter().find(|remedy| remedy.setting == "objectives.window").unwrap();
    // In spring a quarter of an hour more is not enough: an hour of that night is left out.
    assert_eq!(window.value, r#"["00:45-02:00"]"#, "{}", refused.plans[0]);
    assert!(fleet(&window.value).plans[0].feasible, "{}", fleet(&window.value).plans[0]);
}

#[test]
fn ninety_minutes_become_an_hour_and_say_so() {
    let jobs = [job("shop", "{rpo: 2h, durations: {collect: 10min, transport: 10min, verify: 10min}}")];
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    let plan = plan(&jobs, &berlin("10min"), from, ten_years(from)).unwrap();
    assert!(plan.feasible, "{plan}");
    let why = &plan.entries[0].why;
    assert!(
        why.contains("hourly: the RPO of 2 h less 30 min for collect, transport and verification leaves 1 h 30 min"),
        "{why}"
    );
    assert_eq!(plan.streams[0].effective_rpo, Some(90 * 60));
}

#[test]
fn retention_is_derived_from_the_promised_history() {
    let mut shop = job(
        "shop",
        "{rpo: 26h, history: 3w, at: [\"22:00\"], durations: {collect: 1min, transport: 1min, verify: 1min}}",
    );
    shop.streams.values_mut().for_each(|of| of.sink.retention = backup_core::retention::Policy::default());
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    let plan = plan(&[shop], &berlin("1min"), from, ten_years(from)).unwrap();
    assert!(plan.feasible, "{plan}");
    let attained = &plan.streams[0];
    assert!(attained.retention_derived && !attained.retention.is_empty());
    assert!(attained.restorable.unwrap() > i64::try_from("3w".parse::<Span>().unwrap().0).unwrap());
}

#[test]
fn the_calendar_shows_the_next_days() {
    use backup_core::schedule::Calendar;
    let jobs =
        [job("shop", "{rpo: 2d, at: [\"22:00\"], durations: {collect: 10min, transport: 10min, verify: 10min}}")];
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    let facts = berlin("10min");
    let plan = plan(&jobs, &facts, from, ten_years(from)).unwrap();
    let calendar = Calendar::of(&plan, &jobs, &facts, from, 2).unwrap();
    let text = "web1, local time of Europe/Berlin
fri 2026-11-20
  22:00 collect     shop on web1, 10 min
  22:10 transport   shop data on web1, 20 min
sat 2026-11-21
  22:00 collect     shop on web1, 10 min
  22:10 transport   shop data on web1, 20 min
sun 2026-11-22
";
    assert_eq!(calendar.to_string(), text);
}

#[test]
fn transports_have_the_freedom_that_is_told_and_no_more() {
    let jobs =
        [job("shop", "{rpo: 27h, at: [\"22:00\"], durations: {collect: 10min, transport: 10min, verify: 10min}}")];
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    let with = |delay: i64| {
        let mut facts = berlin("10min");
        let delay = Span(delay.unsigned_abs());
        facts.hosts.get_mut("web1").unwrap().delays.insert("shop".into(), delay);
        plan(&jobs, &facts, from, ten_years(from)).unwrap()
    };
    let freedom = with(0).streams[0].freedom.unwrap();
    assert_eq!(freedom, 90 * 60, "27 h less 25 h for the longest day and 30 min for the steps");
    assert!(with(freedom).feasible, "{}", with(freedom));
    assert!(!with(freedom + 60).feasible);
}

#[test]
fn nothing_is_collected_on_days_of_a_blackout() {
    let objectives = "{rpo: 3d, at: [\"22:00\"], blackout: [\"12-24\", \"12-25\"], durations: {collect: 10min}}";
    let from = "2026-11-20T12:00:00Z".parse().unwrap();
    let told = |objectives: &str| plan(&[job("shop", objectives)], &berlin("10min"), from, ten_years(from)).unwrap();
    let crons = |objectives| told(objectives).entries.into_iter().take(2).map(|entry| entry.cron).collect::<Vec<_>>();
    // A scheduled run leaves out such a day by itself: cron cannot, among weekdays.
    assert_eq!(crons(objectives)[0], "0 22 * * *");
    assert!(told(objectives).entries[0].why.ends_with("as `objectives.at` says, not on 12-24, 12-25"));
    let story = told(objectives).counter_example.unwrap();
    assert!(
        story.contains(
            "at 2026-12-26 22:39 the newest verified copy on sink1 holds data of 2026-12-23 22:00, 3 d 39 min old"
        ),
        "{story}"
    );
    let enough = objectives.replace("3d", "4d");
    assert!(told(&enough).feasible);
    assert!(told("{rpo: 15d, days: [thu], at: [\"22:00\"], blackout: [\"12-24\"]}").feasible);
    // Four days are three times a week; around Christmas that is not often enough, and every day is.
    let derived = told(&objectives.replace("rpo: 3d, at: [\"22:00\"]", "rpo: 4d"));
    assert!(derived.feasible, "{derived}");
    // Only every hour is often enough if the last copy before a day without any is to be that young.
    let hourly = "{rpo: 32h, window: [\"06:00-24:00\"], blackout: [\"12-24\"], durations: {collect: 10min}}";
    assert!(told(hourly).feasible, "{}", told(hourly));
    // What begins on the eve and ends on such a day.
    let night = told("{rpo: 4d, at: [\"23:55\"], blackout: [\"12-24\"], durations: {collect: 10min}}");
    let story = night.counter_example.unwrap();
    assert!(story.contains("is on a day of `blackout` at 2026-12-24 00:00"), "{story}");
}
