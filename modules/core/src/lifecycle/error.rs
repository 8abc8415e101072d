//! Why a state is not known, an action is illegal, or a run has nothing to do.

use super::{Action, FORMAT, State};
use crate::{Failure, Kind};
use jiff::Timestamp;

/// Why a state file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifecycleError {
    /// Not what we write.
    #[error("it is no state of a job: {0}")]
    Syntax(String),
    /// By a later version.
    #[error("it has format {0}, this version knows {FORMAT}")]
    Newer(u32),
}

impl Failure for LifecycleError {
    fn kind(&self) -> Kind {
        match self {
            Self::Syntax(_) => Kind::Damaged,
            Self::Newer(_) => Kind::VersionMismatch,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Syntax(_) => {
                "Find out what damaged it. Without the file the job is active: remove it only if it shall be.".into()
            }
            Self::Newer(_) => "Install the same version of Handover again that wrote it, or a later one.".into(),
        })
    }
}

/// An action that the job's state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// Not in the table.
    #[error("cannot {action} job {job}: it is {state}")]
    Action {
        /// The job.
        job: String,
        /// What was asked for.
        action: Action,
        /// What it is.
        state: State,
        /// What could be asked for.
        legal: Vec<Action>,
    },
    /// No single action leads there.
    #[error("cannot make job {job} {wanted}: it is {state}")]
    Wish {
        /// The job.
        job: String,
        /// What it should be.
        wanted: State,
        /// What it is.
        state: State,
        /// What could be asked for.
        legal: Vec<Action>,
    },
}

impl Failure for Illegal {
    fn kind(&self) -> Kind {
        Kind::WrongState
    }

    fn hint(&self) -> Option<String> {
        let (Self::Action { job, state, legal, .. } | Self::Wish { job, state, legal, .. }) = self;
        let legal: Vec<_> = legal.iter().map(|action| action.as_str()).collect();
        let rest = if *state == State::Inactive && legal == ["terminate"] {
            "; not everything is deleted yet, and terminate finishes it"
        } else {
            ""
        };
        Some(format!("Legal for {job} in state {state}: {}{rest}.", legal.join(", ")))
    }
}

/// A job that is not active was asked to do what only an active one does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("job {job} is {state}{}", since.map(|since| format!(" since {since}")).unwrap_or_default())]
pub struct Suspended {
    /// The job as it is called on this host.
    pub job: String,
    /// What it is.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What would help.
    pub legal: Vec<Action>,
}

impl Failure for Suspended {
    fn kind(&self) -> Kind {
        Kind::WrongState
    }

    fn hint(&self) -> Option<String> {
        let goes_on = |action: &&Action| matches!(action, Action::Start | Action::Restart);
        let action = self.legal.iter().find(goes_on).or(self.legal.first())?;
        Some(format!("On the host that says so: `backup_job {action} {}`, if it is not meant to be.", self.job))
    }
}
