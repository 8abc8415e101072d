//! What is proven of each sink, and told where it does not hold.

use super::{
    super::{
        Check, Clock, Outcome, Plan, PlanError, Remedy,
        facts::SinkFacts,
        story::{several, when},
    },
    load::{Course, Days, Limit},
    place::{Field, Placed},
};
use crate::units::Bytes;

/// So many of those that run at once are named.
const NAMED: usize = 4;

/// One sink, and everything that is known of it.
pub(super) struct Case<'c, 'a> {
    pub name: &'a str,
    pub facts: &'c SinkFacts,
    pub clock: &'c Clock,
    pub course: &'c Course,
    pub placed: &'c Placed,
    /// Of the sources that use it.
    pub plans: &'c [(&'a str, &'c Plan)],
}

impl SinkFacts {
    /// Transports that are left to restores and to people.
    fn reserved(&self) -> u32 {
        self.reserve.unwrap_or(self.parallel / 5)
    }

    /// The least `parallel` that leaves so many to plans.
    fn parallel_for(&self, planned: u64) -> u64 {
        match self.reserve {
            Some(reserve) => planned + u64::from(reserve),
            None => (planned..planned.saturating_mul(2))
                .find(|parallel| parallel - parallel / 5 >= planned)
                .unwrap_or(planned),
        }
    }

    /// What plans may use of it.
    pub(super) fn limit(&self) -> Limit {
        let rate = self.bandwidth.map_or(u64::MAX, |bandwidth| bandwidth.0);
        Limit { parallel: self.parallel.saturating_sub(self.reserved()), rate }
    }
}

impl Case<'_, '_> {
    /// Every check of the sink.
    pub(super) fn checks(&self, field: &Field<'_>) -> Vec<Check> {
        let zone = (!self.facts.zone.is_given()).then(|| Check::zone(self.name, "sinks"));
        let mut checks: Vec<Check> = zone.into_iter().chain([self.parallel(field)]).collect();
        checks.extend(self.bandwidth(field));
        checks.extend(self.space());
        checks
    }

    fn parallel(&self, field: &Field<'_>) -> Check {
        let limit = self.facts.limit().parallel;
        let said = format!(
            "{limit} may run: `parallel` is {}, {} of them in reserve",
            self.facts.parallel,
            self.facts.reserved()
        );
        let check = |outcome, text: String| {
            Check::new("parallel", outcome, text)
                .figure("most", self.course.running.value.try_into().unwrap_or(i64::MAX))
                .figure("parallel", limit.into())
        };
        match self.course.crowded {
            None if self.course.running.value == 0 => check(Outcome::Ok, format!("no transport runs; {said}")),
            None => {
                let most = self.course.running;
                let at = i64::from(most.at) * 60;
                let text = format!(
                    "at most {} at once, first at {}; {said}",
                    several(most.value, "transport"),
                    when(self.clock, at)
                );
                check(Outcome::Ok, text).at(self.clock, at)
            }
            Some(minute) => {
                let running = self.running(field, minute);
                let text = format!(
                    "at {} {} to {} run at once, but {said}: {}{}",
                    when(self.clock, i64::from(minute) * 60),
                    several(running.len(), "transport"),
                    self.name,
                    self.told(&running),
                    self.homeless(field)
                );
                check(Outcome::Failed, text).at(self.clock, i64::from(minute) * 60)
            }
        }
    }

    fn bandwidth(&self, field: &Field<'_>) -> Option<Check> {
        let bandwidth = self.facts.bandwidth?;
        let check = |outcome, text: String| {
            Check::new("bandwidth", outcome, text).figure("most", self.course.rate.value.try_into().unwrap_or(i64::MAX))
        };
        let limit = format!("{bandwidth} per second are there");
        if let Some(minute) = self.course.congested {
            let running = self.running(field, minute);
            let rate: u64 = running.iter().map(|running| running.rate).sum();
            let text = format!(
                "at {} the transports to {} bring {} per second, but {limit}: {}{}",
                when(self.clock, i64::from(minute) * 60),
                self.name,
                Bytes(rate).told(),
                self.told(&running),
                self.homeless(field)
            );
            return Some(check(Outcome::Failed, text).at(self.clock, i64::from(minute) * 60));
        }
        let unknown = self.unrated(field);
        let most = self.course.rate;
        if most.value == 0 {
            let text = match unknown.first() {
                None => format!("the transports bring nothing; {limit}"),
                Some(first) => format!(
                    "what the transports bring is unknown: neither `size` nor `transport.bandwidth` is known of {}, as {first}; {limit}",
                    several(unknown.len(), "stream")
                ),
            };
            return Some(check(if unknown.is_empty() { Outcome::Ok } else { Outcome::Unknown }, text));
        }
        let at = i64::from(most.at) * 60;
        let text = format!(
            "the transports bring {} per second at most, first at {}; {limit}",
            Bytes(most.value).told(),
            when(self.clock, at)
        );
        let found = match unknown.first() {
            None => check(Outcome::Ok, text),
            Some(first) => {
                let text = format!(
                    "{text}. Left out: {}, as {first}: neither `size` nor `transport.bandwidth` is known",
                    several(unknown.len(), "stream")
                );
                check(Outcome::Unknown, text)
            }
        };
        Some(found.at(self.clock, at))
    }

    /// The sum of the largest that each store becomes: a bound.
    fn space(&self) -> Option<Check> {
        let capacity = self.facts.capacity?;
        let streams = || {
            let of = |(source, plan): &(&str, &'_ Plan)| {
                let source = (*source).to_owned();
                let here = plan.streams.iter().filter(|of| of.sink == self.name);
                here.map(|of| (format!("{source}/{} {}", of.job, of.stream), of.sink_store.bytes)).collect::<Vec<_>>()
            };
            self.plans.iter().flat_map(of)
        };
        let bytes = streams().filter_map(|(_, bytes)| bytes).fold(0, u64::saturating_add);
        let unknown: Vec<String> = streams().filter(|(_, bytes)| bytes.is_none()).map(|(name, _)| name).collect();
        let text = format!(
            "the stores of {} on {} take {} at most; {capacity} are there",
            several(self.plans.len(), "source"),
            self.name,
            Bytes(bytes).told()
        );
        let check = |outcome, text: String| {
            Check::new("space", outcome, text).figure("bytes", bytes.try_into().unwrap_or(i64::MAX))
        };
        Some(match unknown.first() {
            _ if bytes > capacity.0 => {
                let mut check = check(Outcome::Failed, text);
                check.remedies.push(self.remedy("capacity", Bytes(bytes).rounded_up().to_string()));
                check
            }
            None => check(Outcome::Ok, text),
            Some(first) => {
                let left_out = several(unknown.len(), "stream");
                let text = if streams().all(|(_, bytes)| bytes.is_none()) {
                    format!(
                        "what the stores of {} on {} take is unknown: no size is known of {left_out}, as {first}; {capacity} are there",
                        several(self.plans.len(), "source"),
                        self.name
                    )
                } else {
                    format!("{text}. Left out: {left_out}, as {first}: no size is known")
                };
                check(Outcome::Unknown, text)
            }
        })
    }

    /// Adds to the checks that failed the least that the sink would have to bear.
    pub(super) fn advise(&self, field: &mut Field<'_>, days: &Days, checks: &mut [Check]) -> Result<(), PlanError> {
        let limit = self.facts.limit();
        for check in checks.iter_mut().filter(|check| check.outcome == Outcome::Failed) {
            let of: fn(&mut Limit, u64) = match check.check.as_str() {
                "parallel" => |limit, value| limit.parallel = value.try_into().unwrap_or(u32::MAX),
                "bandwidth" => |limit, value| limit.rate = value,
                _ => continue,
            };
            let (mut least, mut most) = match check.check.as_str() {
                "parallel" => (u64::from(limit.parallel), self.course.running.value),
                _ => (limit.rate, self.course.rate.value),
            };
            // The most holds for sure: that is what runs now. Bandwidth is told to a hundredth.
            while least + (most / 100).max(1) < most {
                let middle = least.midpoint(most);
                if field.holds_with(self.name, |limit| of(limit, middle), days)? {
                    most = middle;
                } else {
                    least = middle;
                }
            }
            if field.holds_with(self.name, |limit| of(limit, most), days)? {
                let value = match check.check.as_str() {
                    "parallel" => self.facts.parallel_for(most).to_string(),
                    _ => Bytes(most).rounded_up().to_string(),
                };
                check.remedies.push(self.remedy(&check.check, value));
            }
        }
        Ok(())
    }

    fn remedy(&self, setting: &str, value: String) -> Remedy {
        Remedy { job: None, setting: format!("sinks.{}.{setting}", self.name), value }
    }

    /// The transfers that run in a minute.
    fn running(&self, field: &Field<'_>, minute: u32) -> Vec<Running> {
        let mut found = Vec::new();
        for (n, member) in field.members.iter().enumerate() {
            let at = field.position(member, self.placed.shifts[n]);
            for flow in field.known(member.kind, at).iter().filter(|flow| member.sinks[flow.sink] == self.name) {
                let first = flow.transfers.partition_point(|transfer| transfer.to <= minute);
                let of = |from: u32, rate: u64| Running {
                    from,
                    rate,
                    name: format!("{}/{} {}", member.source, field.kinds[member.kind].jobs[flow.job].job, flow.stream),
                };
                let here = flow.transfers[first..].iter().take_while(|transfer| transfer.from <= minute);
                found.extend(here.map(|transfer| of(transfer.from, transfer.rate)));
            }
        }
        found.sort();
        found
    }

    fn told(&self, running: &[Running]) -> String {
        let since =
            |running: &Running| format!("{} since {}", running.name, when(self.clock, i64::from(running.from) * 60));
        let mut named: Vec<String> = running.iter().take(NAMED).map(since).collect();
        if running.len() > NAMED {
            named.push(format!("{} more", running.len() - NAMED));
        }
        named.join(", ")
    }

    fn homeless(&self, field: &Field<'_>) -> String {
        let here = |n: &&usize| field.members[**n].sinks.contains(&self.name);
        let homeless: Vec<&usize> = self.placed.homeless.iter().filter(here).collect();
        let Some(first) = homeless.first() else { return String::new() };
        format!(
            ". {} found no place, as {}: none of the {} that it could have has room",
            several(homeless.len(), "source"),
            field.members[**first].source,
            several(field.choices(**first), "minute")
        )
    }

    fn unrated(&self, field: &Field<'_>) -> Vec<String> {
        let mut unknown = Vec::new();
        for (n, member) in field.members.iter().enumerate() {
            let at = field.position(member, self.placed.shifts[n]);
            for flow in
                field.known(member.kind, at).iter().filter(|flow| member.sinks[flow.sink] == self.name && !flow.rated)
            {
                unknown
                    .push(format!("{}/{} {}", member.source, field.kinds[member.kind].jobs[flow.job].job, flow.stream));
            }
        }
        unknown
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Running {
    from: u32,
    name: String,
    rate: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_is_left_to_restores_and_to_people_where_nothing_is_said() {
        let sink = |parallel, reserve| SinkFacts { parallel, reserve, ..SinkFacts::default() };
        let planned = |parallel, reserve| sink(parallel, reserve).limit().parallel;
        assert_eq!([1, 4, 5, 9, 10, 40].map(|parallel| planned(parallel, None)), [1, 4, 4, 8, 8, 32]);
        assert_eq!([1, 4, 5].map(|parallel| planned(parallel, Some(2))), [0, 2, 3]);
        for reserve in [None, Some(0), Some(2)] {
            for transports in 1..50 {
                let least = u32::try_from(sink(10, reserve).parallel_for(transports.into())).unwrap();
                assert_eq!(planned(least, reserve), transports);
                assert!(planned(least - 1, reserve) < transports, "{transports} {reserve:?}");
            }
        }
    }
}
