//! How planning can fail, beyond what the planner says itself.

use crate::report::first_broken;
use backup_adapters::publish::PublishError;
use backup_core::schedule::{Check, FleetPlan, Remedy};
use backup_core::units::Span;
use backup_core::{DocumentError, Failure, Kind};
use std::io;
use std::path::PathBuf;

/// Something given to the planner cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// A task that names no jobs: an empty list is as good as none.
    #[error("nothing to plan: no jobs are given")]
    Nothing,
    /// No document of a job of this host.
    #[error("nothing to plan: {} declares no job of this host", .0.display())]
    NoJobs(PathBuf),
    /// Times would be planned in a zone that the host does not have.
    #[error("cannot plan {source_host}: the zone of this host has no name in /etc/localtime, and {} names none", path.display())]
    NoZone {
        /// The facts.
        path: PathBuf,
        /// This host.
        source_host: String,
    },
    /// Nothing, or more than anybody reads.
    #[error("option calendar: {0} is no length of a calendar")]
    Calendar(Span),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A job is refused.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Facts are refused.
    #[error(transparent)]
    Facts(DocumentError),
    /// Nothing is left to be told.
    #[error("option now: {now} is not before the end of what is proven, {until}")]
    Now {
        /// As given.
        now: jiff::Timestamp,
        /// The end.
        until: jiff::Timestamp,
    },
    /// The horizon ends beyond what can be counted.
    #[error("option years: {years} years from {from} are beyond the calendar")]
    Horizon {
        /// As given.
        years: u8,
        /// The begin.
        from: jiff::Timestamp,
    },
}

impl Failure for InputError {
    fn kind(&self) -> Kind {
        match self {
            Self::Nothing | Self::Calendar(_) | Self::Facts(_) | Self::Now { .. } | Self::Horizon { .. } => {
                Kind::InvalidOption
            }
            Self::NoJobs(_) | Self::NoZone { .. } => Kind::NotFound,
            Self::Read { source, .. } => backup_adapters::publish::kind_of(source),
            Self::Document(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Nothing => Some("Give jobs, file or config.".into()),
            Self::NoJobs(_) => Some("Run it on a source, or give jobs or file.".into()),
            Self::NoZone { path, source_host } => {
                Some(format!("Write `hosts: {{{source_host}: {{zone: Europe/Berlin}}}}` to {}.", path.display()))
            }
            Self::Calendar(_) => Some("Give 1d to 400d, such as 14d.".into()),
            Self::Read { .. } => None,
            Self::Document(error) | Self::Facts(error) => error.hint(),
            Self::Now { .. } => Some("Give a later begin, more years, or an earlier now.".into()),
            Self::Horizon { .. } => Some("Give an earlier begin, or fewer years.".into()),
        }
    }
}

/// The next plan would not know where the sources are.
#[derive(Debug, thiserror::Error)]
#[error("cannot remember the places of the sources: {0}")]
pub(crate) struct Forgotten(pub(crate) PublishError);

impl Failure for Forgotten {
    fn kind(&self) -> Kind {
        self.0.kind()
    }

    fn hint(&self) -> Option<String> {
        self.0.hint().or_else(|| {
            Some("Give as `places` (`backup_common_places` in an inventory) a file that can be written, or nothing: then a new source may move others.".into())
        })
    }
}

/// A promise does not hold.
#[derive(Debug, thiserror::Error)]
#[error("{host}: {story}")]
pub(crate) struct Infeasible {
    host: String,
    story: String,
    hint: String,
}

impl Infeasible {
    /// The first broken promise of all hosts.
    pub(crate) fn first(plan: &FleetPlan) -> Option<Self> {
        let (host, check) = first_broken(plan)?;
        Some(Self { host: host.into(), story: check.text.clone(), hint: hint(check) })
    }
}

impl Failure for Infeasible {
    fn kind(&self) -> Kind {
        Kind::Infeasible
    }

    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }
}

/// The nearest changes; that there is none is said only where everything was tried.
fn hint(check: &Check) -> String {
    let remedies: Vec<_> = check.remedies.iter().map(Remedy::to_string).collect();
    let (holds, untried) = (remedies.join(", or with "), check.untried.join(", "));
    match (remedies.is_empty(), check.untried.is_empty()) {
        (false, true) => format!("It holds with {holds}."),
        (false, false) => format!("It holds with {holds}; not tried: {untried}."),
        (true, false) => format!("What was tried does not make it hold; not tried: {untried}."),
        (true, true) => "No change of a single setting makes it hold: change several, or several jobs.".into(),
    }
}
