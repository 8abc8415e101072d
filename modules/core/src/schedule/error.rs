//! Why no plan can be made: what the declarations of several jobs, or of a job and the facts, contradict each other in.

use super::TimeError;
use crate::{Failure, Kind, StreamName, job::Mode};

/// A refusal before anything is derived.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nothing to plan.
    #[error("cannot plan: no job is declared")]
    NoJobs,
    /// Two jobs of one name on a source.
    #[error("cannot plan {source_host}: two jobs are named {job:?}")]
    SameName {
        /// The source.
        source_host: String,
        /// The name.
        job: String,
    },
    /// Jobs of several sources where one is planned.
    #[error("cannot plan {source_host}: job {job:?} is of source {other:?}")]
    OtherSource {
        /// The source that is planned.
        source_host: String,
        /// The job.
        job: String,
        /// Its source.
        other: String,
    },
    /// No such time zone.
    #[error("cannot plan {host}: time zone {zone:?} is not known")]
    UnknownZone {
        /// Whose zone it is.
        host: String,
        /// The zone.
        zone: String,
    },
    /// The end of the horizon is not after its begin.
    #[error("cannot plan: the horizon is empty")]
    NoHorizon,
    /// `with` names a job with which this one cannot travel.
    #[error("cannot plan {job}: objectives.with names {with:?}, {fault}")]
    Carrier {
        /// The job, `<source>/<job>`.
        job: String,
        /// Its carrier.
        with: String,
        /// What is wrong with it.
        fault: CarrierFault,
    },
    /// An explicit time that cron would not understand.
    #[error("cannot plan {job}: schedule.{key}: {error}")]
    Time {
        /// The job, `<source>/<job>`.
        job: String,
        /// `collect`, `transport` or `rotate`.
        key: &'static str,
        /// What is wrong with it.
        error: TimeError,
    },
}

/// Why a job cannot travel with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CarrierFault {
    /// It is not there.
    #[error("which is no job of this source")]
    NoJob,
    /// It has no transport of its own.
    #[error("which is itself carried by another")]
    Carried,
    /// Nothing travels with what goes elsewhere.
    #[error("which goes to another sink than the {stream} of this job")]
    OtherSink {
        /// The carried stream.
        stream: StreamName,
    },
    /// Two hosts begin them, and no entry of the one runs exactly when that of the other does.
    #[error(
        "whose transport {} begins; the clock of the other host, which begins that of the {stream} of this job, cannot name the same times",
        side(*begun)
    )]
    OtherClock {
        /// The carried stream.
        stream: StreamName,
        /// How the carrier travels.
        begun: Mode,
    },
}

const fn side(mode: Mode) -> &'static str {
    match mode {
        Mode::Push => "the source",
        Mode::Pull => "the sink",
    }
}

impl CarrierFault {
    fn hint(self, with: &str) -> String {
        match self {
            Self::NoJob | Self::Carried => {
                "Name a job of the same source that has a transport of its own, or remove `with`.".into()
            }
            Self::OtherSink { .. } => "Send both to one sink, name a job that goes there, or remove `with`.".into(),
            Self::OtherClock { stream, begun } => {
                let mode = match begun {
                    Mode::Push => "push",
                    Mode::Pull => "pull",
                };
                format!(
                    "Let one host begin both: set `streams.{stream}.transport.mode: {mode}`, or let {with} have a stream `{stream}` that travels like this one. Or give both hosts one time zone, or remove `with`."
                )
            }
        }
    }
}

impl Failure for PlanError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoJobs | Self::NoHorizon | Self::UnknownZone { .. } => Kind::InvalidOption,
            _ => Kind::InvalidJob,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoJobs => "Declare at least one job.".into(),
            Self::NoHorizon => "Give an end after the begin, such as ten years.".into(),
            Self::SameName { .. } => "Give each job of a source a name of its own.".into(),
            Self::OtherSource { .. } => "Plan each source by itself.".into(),
            Self::UnknownZone { .. } => "Use a name of the time zone database, such as Europe/Berlin or UTC.".into(),
            Self::Carrier { with, fault, .. } => fault.hint(with),
            Self::Time { error, .. } => return error.hint(),
        })
    }
}
