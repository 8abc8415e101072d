//! A plan for people: what is installed where and why, what was found.

use super::result::{Check, Entry, Outcome, Plan, Remedy, SinkPlan};
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
        Ok(())
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.value)?;
        self.job.iter().try_for_each(|job| write!(f, " in job {job}"))
    }
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
        writeln!(f, "\n{}, {}, shared by {} sources", self.sink, self.zone, self.sources)?;
        self.checks.iter().try_for_each(|check| writeln!(f, "{check}"))
    }
}
