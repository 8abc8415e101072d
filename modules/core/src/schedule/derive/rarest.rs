//! The rarest collections that hold an RPO, and the reason why not rarer ones.

use super::{Host, starts};
use crate::schedule::{
    Clocks, Draft, PlanError, Run, Timeline, Week, Worst,
    cadence::{Cadence, LADDER},
    rpo,
    story::{missed_runs, span, when},
};
use jiff::SignedDuration;

/// What is so many times denser than the rarest that could do is not tried: no window and no blackout asks for it either.
const DENSEST: u32 = 48;

/// What breaks the RPO mostly does so in the first weeks, or in the first year: a denser one is tried at once.
const EARLY: [SignedDuration; 2] = [SignedDuration::from_hours(24 * 31), SignedDuration::from_hours(24 * 400)];

/// An RPO and what it leaves.
struct Wanted {
    rpo: i64,
    /// So many runs share it.
    runs: i64,
    /// What collect, transport and verification take of it.
    latency: i64,
}

impl Wanted {
    fn of(draft: &Draft<'_>, rpo: i64) -> Self {
        let latency = draft.steps.latency().saturating_add(i64::from(draft.delay) * 60);
        Self { rpo, runs: i64::from(draft.objectives.tolerate) + 1, latency }
    }

    /// The longest time between two runs.
    fn interval(&self) -> i64 {
        self.rpo.saturating_sub(self.latency).div_euclid(self.runs)
    }

    /// For people: how the interval comes about.
    fn arithmetic(&self) -> String {
        let each = if self.runs > 1 { format!(", for each of {} runs,", self.runs) } else { String::new() };
        let [rpo, latency, interval] = [self.rpo, self.latency, self.interval()].map(span);
        format!("the RPO of {rpo} less {latency} for collect, transport and verification{each} leaves {interval}")
    }
}

impl Host<'_, '_> {
    /// The rarest collections that hold the RPO on the whole horizon. If none do, the rarest that would but for windows,
    /// blackouts and clocks.
    pub(super) fn for_rpo(&self, draft: &Draft<'_>, rpo: i64) -> Result<(Vec<Run>, String), PlanError> {
        let wanted = Wanted::of(draft, rpo);
        let fits = |cadence: &&Cadence| {
            cadence.longest >= draft.busy_minutes().min(Week::DAY) && cadence.seconds() <= wanted.interval()
        };
        let Some(rarest) = LADDER.iter().find(fits) else { return Ok(self.too_rare(draft, &wanted)) };
        let mut first = None;
        let mut rarer: Option<(&Cadence, Draft<'_>)> = None;
        let near = |cadence: &&Cadence| cadence.longest * DENSEST >= rarest.longest;
        for cadence in LADDER.iter().filter(fits).take_while(near) {
            let runs = self.place(draft, cadence);
            let tried = Draft { carries: self.carries(draft, &runs)?, runs, ..draft.clone() };
            let by_arithmetic =
                || if cadence.seconds() == wanted.interval() { String::new() } else { cadence.not_rarer() };
            let cut = cut(draft, cadence, &tried.runs);
            let why = |limit: String| format!("{}: {}{limit}{cut}", cadence.name, wanted.arithmetic());
            if self.holds(&tried, rpo) {
                let limit = rarer.map_or_else(by_arithmetic, |(rarer, tried)| self.too_old(rarer, &tried));
                return Ok((tried.runs, why(limit)));
            }
            first.get_or_insert_with(|| (tried.runs.clone(), why(by_arithmetic())));
            rarer = Some((cadence, tried));
        }
        Ok(first.unwrap_or_else(|| self.too_rare(draft, &wanted)))
    }

    /// Where no interval is short enough: what leaves as much of the host to others as it takes. With an RPO that can be held it is
    /// planned anew.
    fn too_rare(&self, draft: &Draft<'_>, wanted: &Wanted) -> (Vec<Run>, String) {
        let busy = draft.busy_minutes().saturating_add(draft.gap_minutes());
        let cadence = LADDER.iter().rfind(|cadence| cadence.longest >= 2 * busy).unwrap_or(&LADDER[0]);
        let why = if wanted.rpo < wanted.latency {
            let [rpo, latency] = [wanted.rpo, wanted.latency].map(span);
            format!("collect, transport and verification take {latency}, more than the RPO of {rpo}")
        } else {
            let busy = span(i64::from(draft.busy_minutes()) * 60);
            format!("{}, and each run keeps the host busy for {busy}", wanted.arithmetic())
        };
        (self.place(draft, cadence), format!("{}, which is not enough: {why}", cadence.name))
    }

    /// Whether the RPO is held on the whole horizon.
    fn holds(&self, tried: &Draft<'_>, rpo: i64) -> bool {
        let source = &self.clocks.source;
        let ends = EARLY.iter().map(|early| source.from().saturating_add(early.as_secs()));
        let breaks = |clocks: &Clocks| {
            let lines = Timeline::of(tried, clocks).lines;
            lines.iter().any(|line| rpo::first_breach(line, tried.objectives.tolerate, rpo).is_some())
        };
        if ends.filter(|&end| end < source.to()).any(|end| breaks(&self.clocks.until(end))) {
            return false;
        }
        let lines = Timeline::of(tried, self.clocks).lines;
        lines.iter().all(|line| rpo::worst(line, tried.objectives.tolerate).is_some_and(|worst| worst.age() <= rpo))
    }

    /// For people: that a rarer one would do by arithmetic, and when it would not.
    fn too_old(&self, rarer: &Cadence, tried: &Draft<'_>) -> String {
        let tolerated = tried.objectives.tolerate;
        let lines = Timeline::of(tried, self.clocks).lines;
        let worst = lines.iter().filter_map(|line| rpo::worst(line, tolerated)).max_by_key(Worst::age);
        match worst {
            Some(worst) => format!(
                "; {} would be {} old before {}{}",
                rarer.name,
                span(worst.age()),
                when(&self.clocks.source, worst.until),
                missed_runs(tolerated)
            ),
            // A day of the month may be any weekday.
            None if tried.runs.is_empty() => {
                format!(
                    "; {} may be on any weekday, of which {} some out",
                    rarer.name,
                    shut_by(tried, "leaves", "leave")
                )
            }
            None => format!("; {} would be too rare to tell within the horizon", rarer.name),
        }
    }
}

/// Runs per week where windows cut nothing away.
pub(super) fn uncut(draft: &Draft<'_>, cadence: &Cadence) -> usize {
    starts(&draft.with_fulls(vec![cadence.pattern(0)])).len()
}

/// For people: how many of these runs windows leave.
fn cut(draft: &Draft<'_>, cadence: &Cadence, runs: &[Run]) -> String {
    let (left, all) = (starts(runs).len(), uncut(draft, cadence));
    if left >= all {
        return String::new();
    }
    format!("; {} {left} of {all} runs a week", shut_by(draft, "leaves", "leave"))
}

/// For people: what shuts minutes of the week, with what it or both do.
fn shut_by(draft: &Draft<'_>, one: &str, both: &str) -> String {
    match (draft.objectives.window.is_empty(), draft.objectives.blackout.is_empty()) {
        (false, true) => format!("`window` {one}"),
        (true, _) => format!("`blackout` {one}"),
        (false, false) => format!("`window` and `blackout` {both}"),
    }
}
