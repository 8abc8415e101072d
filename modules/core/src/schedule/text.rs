//! A plan for people: what is installed where and why, what was found.

use super::{
    result::{Attained, Check, Entry, Held, Outcome, Plan, Remedy, SinkPlan},
    story::{several, span},
};
use crate::units::Bytes;
use std::fmt;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Failed => "FAILED",
        })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planned = if self.install { "" } else { "  (planned only)" };
        let command = self.command.trim_start_matches("/usr/local/bin/").trim_end_matches(" --quiet");
        writeln!(f, "  {:<19} {:<17} {command}{planned}", self.cron, self.user)?;
        write!(f, "  {:<37} {}", "", self.why)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = [self.job.clone(), self.stream.map(|stream| stream.to_string())];
        let about = about.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let about = if about.is_empty() { "all".to_owned() } else { about };
        write!(f, "  {:<8} {} of {about}: {}", self.outcome, self.check, self.text)?;
        for remedy in &self.remedies {
            write!(f, "\n           it holds with {remedy}")?;
        }
        if !self.untried.is_empty() {
            write!(f, "\n           not tried, as it would take too long: {}", self.untried.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.value)?;
        self.job.iter().try_for_each(|job| write!(f, " in job {job}"))
    }
}

/// `9 generations, 96 GB`: the most of each, not always at the same time.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fulls + self.incrementals {
            0 => return f.write_str("nothing"),
            count => f.write_str(&several(count, "generation"))?,
        }
        match self.bytes {
            Some(bytes) => write!(f, ", {}", Bytes(bytes).told()),
            None => write!(f, " of unknown size"),
        }
    }
}

/// What lies where at the most, and by which rule. The source's name is the plan's.
fn kept(of: &Attained, source: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let worst = of.effective_rpo.zip(of.worst.as_ref());
    let worst = worst.map(|(age, worst)| format!("effective RPO {}, before {worst}", span(age)));
    let reach = of.restorable.map(|window| format!("each collection can be restored for {} at least", span(window)));
    let told = [
        worst.unwrap_or_else(|| "no effective RPO within the horizon".into()),
        reach.unwrap_or_else(|| "nothing expires within the horizon".into()),
    ];
    writeln!(f, "  {} {}: {}", of.job, of.stream, told.join("; "))?;
    let derived = if of.retention_derived { ", from `objectives.history`" } else { "" };
    let places = [
        (format!("handover point on {source}"), &of.handover_point, format!("keep: {}", of.handover_keep)),
        (format!("source store on {source}"), &of.source_store, of.source_retention.to_string()),
        (format!("store on {}", of.sink), &of.sink_store, format!("{}{derived}", of.retention)),
    ];
    let width = places.iter().map(|(place, ..)| place.len()).max().unwrap_or_default();
    places.iter().try_for_each(|(place, held, rules)| writeln!(f, "    {place:<width$}  at most {held}  ({rules})"))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan of {}, {}, proven from {} to {}", self.source, self.zone, self.from, self.until)?;
        let mut host = None;
        for entry in &self.entries {
            if host != Some(&entry.host) {
                writeln!(f, "\non {}", entry.host)?;
                host = Some(&entry.host);
            }
            writeln!(f, "{entry}")?;
        }
        writeln!(f, "\nwhat is kept")?;
        self.streams.iter().try_for_each(|of| kept(of, &self.source, f))?;
        writeln!(f, "\nproof")?;
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        match &self.counter_example {
            None => writeln!(f, "\nfeasible"),
            Some(story) => writeln!(f, "\nnot feasible: {story}"),
        }
    }
}

impl fmt::Display for SinkPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}, {}, used by {}", self.sink, self.zone, several(self.sources, "source"))?;
        self.checks.iter().try_for_each(|check| writeln!(f, "{check}"))
    }
}
