//! Random policies: what is accepted holds, and what is refused is really broken, in the other simulator.

use crate::{
    simulator::{Outage, Seen, live, live_through},
    worlds::{World, ZONES, world},
};
use backup_core::{
    Job,
    schedule::{Check, Clock, Facts, HostFacts, Outcome, Plan, Purpose, SinkFacts, plan, ten_years, zone},
    units::Span,
};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn tolerated(job: &Job) -> usize {
    job.objectives.as_ref().unwrap().tolerate as usize
}

/// A plan, and the world that it is lived in.
struct Lived<'a> {
    plan: &'a Plan,
    zones: &'a BTreeMap<String, TimeZone>,
    range: [i64; 2],
}

impl Lived<'_> {
    fn usual(&self, jobs: &[Job]) -> Seen {
        let [from, until] = self.range;
        live(jobs, self.plan, self.zones, from, until)
    }

    /// What is seen around an instant if the sink of a stream is away for so many transports, whichever of those before it.
    fn outages(&self, jobs: &[Job], usual: &Seen, of: &(String, String), missed: usize, at: i64) -> Vec<Seen> {
        let starts = usual.starts.get(of).map_or(&[][..], Vec::as_slice);
        let near = starts.partition_point(|start| *start <= at);
        // Until a copy counts, later ones may have begun.
        let afters = near.saturating_sub(missed + 4)..starts.len().saturating_sub(missed + 1).min(near + 1);
        let seen = |n: usize| {
            let outage = Outage { of: of.clone(), after: starts[n], back: starts[n + missed + 1] };
            // What comes long before and long after makes no difference.
            let from = n.checked_sub(3).map_or(self.range[0], |before| starts[before] / 60 * 60);
            let until = starts.get(n + missed + 3).map_or(self.range[1], |after| after + 60);
            live_through(jobs, self.plan, self.zones, [from, until], Some(outage))
        };
        afters.map(seen).collect()
    }

    /// The greatest age of a stream's newest copy if any so many transports in a row are missed. It is told when that is.
    fn worst(&self, jobs: &[Job], usual: &Seen, of: &(String, String), missed: usize, at: i64) -> Option<i64> {
        if missed == 0 {
            return usual.worst(&of.0, &of.1);
        }
        let seen = self.outages(jobs, usual, of, missed, at);
        seen.iter().filter_map(|seen| seen.worst(&of.0, &of.1)).max()
    }
}

fn of(check: &Check) -> (String, String) {
    (check.job.clone().unwrap_or_default(), check.stream.map(|stream| stream.to_string()).unwrap_or_default())
}

/// Whether it travels so seldom that to live through each outage takes the whole time.
fn is_rare(usual: &Seen, of: &(String, String)) -> bool {
    usual.starts.get(of).is_none_or(|starts| starts.len() < 80)
}

fn rpo(job: &Job) -> i64 {
    seconds(job.objectives.as_ref().unwrap().rpo.unwrap())
}

fn seconds(span: Span) -> i64 {
    i64::try_from(span.0).unwrap()
}

/// Everything that an accepted plan promises.
fn assert_held(lived: &Lived<'_>, jobs: &[Job], seen: &Seen) {
    let plan = lived.plan;
    assert!(seen.overlaps.is_empty(), "overlaps: {:?}\n{plan}", seen.overlaps.first());
    assert!(seen.crowded.is_empty(), "gap: {:?}\n{plan}", seen.crowded.first_key_value());
    assert!(seen.outside.is_empty(), "window: {:?}\n{plan}", seen.outside.first());
    assert!(seen.refused.is_empty(), "handover: {:?}\n{plan}", seen.refused.first());
    assert!(seen.twins.is_empty(), "full_day: {:?}\n{plan}", seen.twins.first());
    for (purpose, job, stream) in seen.tended.keys() {
        let early = seen.first_too_early(*purpose, job, stream, |_| true);
        assert_eq!(early, None, "{purpose:?} of {job} {stream}\n{plan}");
    }
    for job in jobs {
        for stream in job.streams() {
            let of = (job.job.clone(), stream.name.to_string());
            let store = &seen.stores[&of];
            let lost = job.objectives.as_ref().unwrap().history.and_then(|history| store.first_lost(seconds(history)));
            assert_eq!((lost, store.orphans.first()), (None, None), "history and bases of {}\n{plan}", job.job);
            let worst = seen.worst(&of.0, &of.1).expect("copies arrive");
            assert!(worst <= rpo(job), "RPO of {}: {worst} > {}\n{plan}", job.job, rpo(job));
            if tolerated(job) == 0 || is_rare(seen, &of) {
                continue;
            }
            let [from, until] = lived.range;
            for seen in lived.outages(jobs, seen, &of, tolerated(job), from + (until - from) / 2) {
                let worst = seen.worst(&of.0, &of.1).unwrap_or_default();
                assert!(worst <= rpo(job), "RPO of {} after an outage: {worst} > {}\n{plan}", job.job, rpo(job));
                assert!(seen.refused.is_empty(), "handover in an outage: {:?}\n{plan}", seen.refused.first());
            }
        }
    }
}

/// What travels with a carrier begins with it: with its stream of that name, else with its data.
fn assert_together(plan: &Plan, jobs: &[Job], seen: &Seen) {
    for job in jobs {
        let Some(with) = &job.objectives.as_ref().unwrap().with else { continue };
        let tries = |job: &str, stream: &str| seen.tries.get(&(job.to_owned(), stream.to_owned()));
        for stream in job.streams().map(|of| of.name.to_string()) {
            let carrier = tries(with, &stream).or(tries(with, "data"));
            assert_eq!(tries(&job.job, &stream), carrier, "{stream} of {} with {with}\n{plan}", job.job);
        }
    }
}

/// What holds of each store, whatever it is asked to keep.
fn assert_stored(plan: &Plan, seen: &Seen) {
    for (of, store) in &seen.stores {
        let broken = [&store.baseless, &store.overstayed, &store.empty].map(|instants| instants.first());
        assert_eq!(broken, [None; 3], "bases, over age, the last good copy of {of:?}\n{plan}");
    }
}

/// That a counter-example is one.
fn assert_real(lived: &Lived<'_>, jobs: &[Job], check: &Check, usual: &Seen) {
    let (name, plan) = (check.job.clone().unwrap_or_default(), lived.plan);
    let Some(at) = check.instant else {
        // Too few copies, and days that are in both lists.
        assert!(check.check == "rpo" || check.check == "full_day", "no instant: {check:?}");
        return;
    };
    let any = |real: &dyn Fn(&Seen) -> bool| {
        let missed = tolerated(jobs.iter().find(|job| job.job == name).unwrap());
        real(usual) || lived.outages(jobs, usual, &of(check), missed, at).iter().any(real)
    };
    let real = match check.check.as_str() {
        "rpo" => {
            let rpo = rpo(jobs.iter().find(|job| job.job == name).unwrap());
            any(&|seen| seen.age(&name, &of(check).1, at + 1).is_some_and(|age| age > rpo))
        }
        "overlap" => usual.overlaps.first() == Some(&at),
        "gap" => {
            let crowded = || usual.crowded.iter().filter(|((job, _), _)| *job == name);
            let (first, least) =
                (crowded().next().map(|((_, start), _)| *start), crowded().map(|(_, least)| *least).min());
            (first, least) == (Some(at), Some(check.figures["least"]))
        }
        "full_day" => usual.twins.iter().find(|(job, _)| *job == name) == Some(&(name, at)),
        "history" => {
            let history =
                jobs.iter().find(|job| job.job == name).unwrap().objectives.as_ref().unwrap().history.unwrap();
            let store = &usual.stores[&of(check)];
            (store.first_lost(seconds(history)), store.window()) == (Some(at), Some(check.figures["window"]))
        }
        "verification" | "drill" => {
            let purpose = if check.check == "drill" { Purpose::Drill } else { Purpose::Verify };
            // Where a full's day is given twice, of the fulls of one of the days.
            let day = check.text.strip_prefix("with the full of ").and_then(|rest| rest.split(' ').next());
            let is_one = |data: i64| {
                let date = lived.zones["web1"].to_datetime(Timestamp::from_second(data).unwrap()).date();
                let weekday = date.strftime("%a").to_string().to_lowercase();
                day.is_none_or(|day| day == weekday || day == date.day().to_string())
            };
            usual.first_too_early(purpose, &name, &of(check).1, is_one) == Some(at)
        }
        "base" => usual.stores[&of(check)].orphans.first() == Some(&at),
        "window" => usual.outside.iter().find(|(job, _)| *job == name) == Some(&(name, at)),
        "handover" => any(&|seen| seen.refused.contains(&(name.clone(), at))),
        other => panic!("{other} cannot fail here: {check}"),
    };
    assert!(real, "not real: {check}\n{plan}");
}

/// The ages that are told are not only bounds: they are reached. Those of collections that take longer, too.
fn assert_exact(lived: &Lived<'_>, jobs: &[Job], usual: &Seen) {
    let plan = lived.plan;
    let named = |name: &str| jobs.iter().position(|job| job.job == name).unwrap();
    for attained in plan.streams.iter().filter(|attained| tolerated(&jobs[named(&attained.job)]) == 0) {
        assert_eq!(
            usual.worst(&attained.job, attained.stream.as_str()),
            attained.effective_rpo,
            "{}\n{plan}",
            attained.job
        );
    }
    for check in plan.checks.iter().filter(|check| check.stream.is_some()) {
        let job = named(check.job.as_ref().unwrap());
        let missed = tolerated(&jobs[job]);
        let at = check.instant.unwrap_or_default();
        let is_full =
            |other: &Check| other.check == "handover" && other.outcome == Outcome::Failed && of(other) == of(check);
        // Where transports never catch up, there is no end to what an outage does.
        if is_rare(usual, &of(check)) || (missed > 0 || check.check == "missed_run") && plan.checks.iter().any(is_full)
        {
            continue;
        }
        let worst = match (check.check.as_str(), check.outcome) {
            ("rpo", Outcome::Ok) => lived.worst(jobs, usual, &of(check), missed, at),
            ("missed_run", _) => lived.worst(jobs, usual, &of(check), missed + 1, at),
            ("late_run", _) => {
                let mut jobs = jobs.to_vec();
                let late = Span(check.figures["collect"].unsigned_abs());
                jobs[job].objectives.as_mut().unwrap().durations.collect = Some(late);
                // It only informs: a year around the worst is enough.
                let near = |days: i64| (at + days * 86_400).clamp(lived.range[0], lived.range[1]) / 60 * 60;
                let near = Lived { range: [near(-200), near(200)], ..*lived };
                near.worst(&jobs, &near.usual(&jobs), &of(check), missed, at)
            }
            _ => continue,
        };
        assert_eq!(worst, Some(check.figures["effective"]), "{check}\n{plan}");
    }
}

/// What is told of stores is what they come to.
fn assert_exactly_stored(lived: &Lived<'_>, jobs: &[Job], usual: &Seen) {
    let plan = lived.plan;
    for attained in &plan.streams {
        let of = (attained.job.clone(), attained.stream.to_string());
        let store = &usual.stores[&of];
        let most = usize::try_from(attained.sink_store.fulls + attained.sink_store.incrementals).unwrap();
        assert_eq!((attained.restorable, most), (store.window(), store.most), "{of:?}\n{plan}");
        let check = |name: &str, text: &str| {
            let about = |check: &&Check| check.check == name && self::of(check) == of && check.text.contains(text);
            plan.checks.iter().find(about)
        };
        let handover = check("handover", "").unwrap();
        if tolerated(jobs.iter().find(|job| job.job == attained.job).unwrap()) == 0 {
            assert_eq!(
                usize::try_from(handover.figures["waiting"]).unwrap(),
                usual.most_waiting[&of],
                "{handover}\n{plan}"
            );
            let stale = check("max_age", "even if no run is missed")
                .map(|check| (check.instant.unwrap(), check.figures["over"]));
            let seen = store.stale.first().map(|(from, until)| (*from, until - from));
            assert_eq!(stale, seen, "max_age of {of:?}\n{plan}");
        }
    }
}

/// Plans ten years and lives them.
fn lives_as_planned(world: &World) -> Result<(), TestCaseError> {
    let parsed: Result<Vec<Job>, _> =
        world.documents.iter().map(|document| Job::parse(&document.to_string(), "random")).collect();
    prop_assume!(parsed.is_ok());
    let jobs = parsed.unwrap();
    let mut facts = Facts::default();
    facts.hosts.insert("web1".into(), HostFacts { zone: world.source.into(), ..HostFacts::default() });
    facts.sinks.insert("sink1".into(), SinkFacts { zone: world.sink.into(), ..SinkFacts::default() });
    let until = ten_years(world.from);
    let plan = plan(&jobs, &facts, world.from, until);
    prop_assume!(plan.is_ok());
    let plan = plan.unwrap();
    let zones = BTreeMap::from([
        ("web1".to_owned(), zone(world.source, "web1").unwrap()),
        ("sink1".to_owned(), zone(world.sink, "sink1").unwrap()),
    ]);
    let lived = Lived { plan: &plan, zones: &zones, range: [world.from.as_second(), until.as_second()] };
    let seen = lived.usual(&jobs);
    assert_stored(&plan, &seen);
    assert_together(&plan, &jobs, &seen);
    if plan.feasible {
        assert_held(&lived, &jobs, &seen);
    }
    for check in plan.checks.iter().filter(|check| check.outcome == Outcome::Failed) {
        assert_real(&lived, &jobs, check, &seen);
    }
    assert_exact(&lived, &jobs, &seen);
    assert_exactly_stored(&lived, &jobs, &seen);
    Ok(())
}

/// Cases per test; each lives ten years at least twice.
const CASES: u32 = 48;

// What is accepted holds, and what is refused is broken.
proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_host_of_one_job_lives_as_planned(world in world(1..2)) {
        lives_as_planned(&world)?;
    }

    #[test]
    fn a_host_of_several_jobs_lives_as_planned(world in world(2..4)) {
        lives_as_planned(&world)?;
    }
}

#[test]
fn ten_years_have_all_changes_of_clocks_and_leap_days() {
    let first: Timestamp = "2027-01-01T12:00:00Z".parse().unwrap();
    for day in (0..3000).step_by(7) {
        let from = first + jiff::SignedDuration::from_hours(24 * day);
        for name in ZONES {
            let zone = zone(name, "web1").unwrap();
            let clock = Clock::new(&zone, from, ten_years(from));
            // Two a year; their dates differ, so that one more or less lies between the same dates.
            let expected = if ["UTC", "Asia/Kathmandu"].contains(&name) { 0..=0 } else { 19..=21 };
            assert!(expected.contains(&clock.changes().count()), "{name} from {from}");
            let days = from.to_zoned(zone.clone()).date().series(1.day()).take(3652);
            assert!(days.filter(|day| (day.month(), day.day()) == (2, 29)).count() >= 2, "{name} from {from}");
        }
    }
}
